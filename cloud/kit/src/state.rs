//! Which status may follow which: state machines as tables, and the guard that holds every save to them.

use parsimony_cloud::Draft;
use parsimony_model::{Date, ErrorCode, Object, ParseError, Value, map};

/// How many steps an object remembers of its own past; the audit trail remembers them all.
pub const HISTORY_STEPS_MAX: usize = 200;

/// A status of an entity, declared by [`states!`](crate::states).
pub trait State: Copy + Eq + Send + Sync + 'static {
    /// The entity, as error texts name it.
    const ENTITY: &'static str;
    /// Where it begins.
    const FIRST: Self;
    /// The status as it is stored.
    fn name(self) -> &'static str;
    /// Reads a stored status.
    fn read(text: &str) -> Option<Self>;
    /// What may follow.
    fn next(self) -> &'static [Self];
}

/// Declares the statuses of an entity with what may follow each: the state machine as one table.
#[macro_export]
macro_rules! states {
    (
        $(#[$meta:meta])* pub enum $name:ident of $entity:literal from $first:ident {
            $( $(#[$doc:meta])* $variant:ident = $text:literal => [$($next:ident),*]; )*
        }
    ) => {
        $crate::words! { $(#[$meta])* pub enum $name { $( $(#[$doc])* $variant = $text, )* } }

        impl $crate::state::State for $name {
            const ENTITY: &'static str = $entity;
            const FIRST: Self = Self::$first;
            fn name(self) -> &'static str { self.as_str() }
            fn read(text: &str) -> Option<Self> { Self::parse(text) }
            fn next(self) -> &'static [Self] {
                match self { $( Self::$variant => &[ $( Self::$next, )* ], )* }
            }
        }
    };
}

/// Refuses a step that is not in the table, naming both ends (142).
pub fn step<S: State>(from: S, to: S) -> Result<(), ParseError> {
    if from.next().contains(&to) {
        return Ok(());
    }
    Err(illegal(from, to))
}

/// The refusal of a step.
pub fn illegal<S: State>(from: S, to: S) -> ParseError {
    let text = format!("{} cannot go from {} to {}.", S::ENTITY, from.name(), to.name());
    ParseError::new(ErrorCode::ValidationError, text)
}

/// The status of a stored object.
pub fn of<S: State>(object: &Object) -> Result<S, ParseError> {
    object
        .text("status")
        .and_then(S::read)
        .ok_or_else(|| ParseError::internal(format!("{} {} has no known status", object.class, object.id)))
}

/// Holds a save to the table and writes the step into `statusHistory`. A new object begins at the beginning.
pub fn guard<S: State>(draft: &mut Draft, now: Date) -> Result<(), ParseError> {
    // The history is written here and nowhere else.
    draft.revert("statusHistory");
    if draft.is_new() && draft.get("status").is_none() {
        draft.set("status", S::FIRST.name());
    }
    if !draft.is_dirty("status") {
        return Ok(());
    }
    let to = draft.text("status").as_deref().and_then(S::read).ok_or_else(|| unknown::<S>(draft))?;
    let Some(original) = draft.original() else {
        if to != S::FIRST {
            let text = format!("{} begins as {}, not as {}.", S::ENTITY, S::FIRST.name(), to.name());
            return Err(ParseError::new(ErrorCode::ValidationError, text));
        }
        draft.set("statusHistory", vec![map! { "to" => to.name(), "at" => now }]);
        return Ok(());
    };
    let from = of::<S>(original)?;
    if from == to {
        return Ok(());
    }
    step(from, to)?;
    let mut history = match draft.get("statusHistory") {
        Some(Value::Array(history)) => history,
        _ => Vec::new(),
    };
    history.push(map! { "from" => from.name(), "to" => to.name(), "at" => now }.into());
    let surplus = history.len().saturating_sub(HISTORY_STEPS_MAX);
    draft.set("statusHistory", history.split_off(surplus));
    Ok(())
}

fn unknown<S: State>(draft: &Draft) -> ParseError {
    let word = draft.text("status").unwrap_or_default();
    let text = format!("{} has no status {}.", S::ENTITY, parsimony_model::names::shorten(&word));
    ParseError::new(ErrorCode::ValidationError, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::{ClassName, ObjectId, Update};

    states! {
        /// A lamp.
        pub enum Lamp of "Lamp" from Off {
            /// Dark.
            Off = "OFF" => [On];
            /// Bright.
            On = "ON" => [Off, Broken];
            /// Dark for good.
            Broken = "BROKEN" => [];
        }
    }

    fn draft(before: Option<&str>, after: Option<Value>) -> Draft {
        let class = ClassName::parse("Lamp").unwrap();
        let object = before.map(|status| Object {
            class: class.clone(),
            id: ObjectId::parse("l").unwrap(),
            created_at: None,
            updated_at: None,
            acl: None,
            fields: map! { "status" => status, "statusHistory" => vec![map! { "to" => status }] },
        });
        let mut update = Update::default();
        if let Some(after) = after {
            update.set("status", after);
        }
        update.set("statusHistory", Value::Array(Vec::new()));
        Draft::new(class, None, object.map(Into::into), update)
    }

    fn refusal(before: Option<&str>, after: Option<&str>) -> String {
        let mut draft = draft(before, after.map(Value::from));
        guard::<Lamp>(&mut draft, Date::EPOCH).err().map(|error| error.message.into_owned()).unwrap_or_default()
    }

    #[test]
    fn every_step_outside_the_table_is_refused_with_both_names() {
        for from in Lamp::ALL {
            for to in Lamp::ALL {
                let allowed = from == to || from.next().contains(to);
                let expected = if allowed { String::new() } else { format!("Lamp cannot go from {from} to {to}.") };
                assert_eq!(refusal(Some(from.as_str()), Some(to.as_str())), expected);
            }
        }
        assert_eq!(refusal(None, Some("ON")), "Lamp begins as OFF, not as ON.");
        assert_eq!(refusal(Some("OFF"), Some("BLUE")), "Lamp has no status BLUE.");
        assert_eq!(step(Lamp::Off, Lamp::Off).unwrap_err().number(), Some(142));
    }

    #[test]
    fn the_guard_alone_writes_the_history() {
        let mut new = draft(None, None);
        guard::<Lamp>(&mut new, Date::EPOCH).unwrap();
        assert_eq!(new.text("status").as_deref(), Some("OFF"));
        assert_eq!(new.get("statusHistory"), Some(vec![map! { "to" => "OFF", "at" => Date::EPOCH }].into()));

        let mut on = draft(Some("OFF"), Some("ON".into()));
        guard::<Lamp>(&mut on, Date::EPOCH).unwrap();
        let step = map! { "from" => "OFF", "to" => "ON", "at" => Date::EPOCH };
        assert_eq!(on.get("statusHistory"), Some(vec![map! { "to" => "OFF" }, step].into()));

        let mut same = draft(Some("OFF"), None);
        guard::<Lamp>(&mut same, Date::EPOCH).unwrap();
        assert_eq!(same.get("statusHistory"), Some(vec![map! { "to" => "OFF" }].into()));
    }
}
