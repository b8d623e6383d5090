//! Where does an entry stand in its chain, and does a run of entries hold together?

use parsimony_cloud::{BeforeSave, Draft};
use parsimony_model::value::Map;
use parsimony_model::{Date, ErrorCode, Filter, Object, ParseError, Query, Value};

use super::{CLASS, Origin, Outcome, details};
use crate::canonical;
use crate::params::{invalid, text};
use crate::permission::refused;

/// What stands in `previousHash` of the first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The fields that the hash covers: all but the hash itself, and what the server gives every object.
const HASHED: &[&str] = &[
    "action",
    "actor",
    "afterDigest",
    "application",
    "beforeDigest",
    "details",
    "entityId",
    "entityType",
    "ip",
    "occurredAt",
    "origin",
    "outcome",
    "previousHash",
    "requestId",
    "sequence",
];

/// How long a name in an entry may be, in characters.
const NAME_CHARS_MAX: usize = 128;

/// The hash of an entry: SHA-256 over the canonical JSON of its fields; a field that is missing or null is left out.
fn hash(fields: &Map) -> String {
    let hashed = HASHED.iter().filter_map(|name| {
        let value = fields.get(*name).filter(|value| !value.is_null())?;
        Some(((*name).into(), value.clone()))
    });
    canonical::digest(&Value::Object(hashed.collect()))
}

/// The place of a stored entry in its chain.
pub fn sequence(entry: &Object) -> Result<u64, ParseError> {
    place_of(entry).ok_or_else(|| ParseError::internal(format!("audit entry {} has no place in its chain", entry.id)))
}

fn place_of(entry: &Object) -> Option<u64> {
    let number = entry.get("sequence")?.as_f64()?;
    u64::try_from(number as i64).ok().filter(|place| *place > 0)
}

/// The hook before an entry is saved: refuses what is not well-formed, and gives it its place behind the last entry.
///
/// Whatever the entry says about its place and its time is replaced.
pub async fn take_place(request: BeforeSave) -> Result<Draft, ParseError> {
    let BeforeSave { object: mut entry, origin } = request;
    let host = origin.host;
    check(&entry)?;
    let host = host.as_master();
    let application = entry.text("application").unwrap_or_default();
    let newest = Query::new(Filter::equals("application", application)).descending("sequence");
    let last = host.first(CLASS, newest).await?;
    place(&mut entry, last.as_ref(), host.now())?;
    Ok(entry)
}

fn check(entry: &Draft) -> Result<(), ParseError> {
    if !entry.is_new() {
        return Err(refused("The audit trail cannot be changed."));
    }
    for field in ["application", "actor", "action", "entityType"] {
        text(field, &entry.text(field).unwrap_or_default(), 1, NAME_CHARS_MAX)?;
    }
    if entry.text("outcome").as_deref().and_then(Outcome::parse).is_none() {
        return Err(invalid("outcome", "it must be SUCCESS, DENIED or FAILED"));
    }
    if entry.text("origin").as_deref().and_then(Origin::parse).is_none() {
        return Err(invalid("origin", "it must be SERVER or REPORTED"));
    }
    match entry.get("details") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(map)) => details::check(&map),
        Some(_) => Err(ParseError::new(ErrorCode::ValidationError, "details must be an object")),
    }
}

fn place(entry: &mut Draft, last: Option<&Object>, now: Date) -> Result<(), ParseError> {
    let (before, previous) = match last {
        None => (0, GENESIS.to_owned()),
        Some(last) => (sequence(last)?, last.text("hash").unwrap_or_default().to_owned()),
    };
    entry.set("sequence", Value::Number((before + 1) as f64));
    entry.set("previousHash", previous);
    entry.set("occurredAt", now);
    let hash = hash(&entry.fields()?);
    entry.set("hash", hash);
    Ok(())
}

/// How an entry breaks its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Fault {
    /// There is no entry at this place.
    Missing,
    /// Its hash is not the hash of its content.
    Altered,
    /// It does not name the hash of the entry before it.
    Unlinked,
}

/// Where a chain breaks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Break {
    /// The place in the chain.
    pub sequence: u64,
    /// What is wrong there.
    pub fault: Fault,
}

/// A walk along a chain, entry by entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    next: u64,
    hash: Option<String>,
}

impl Walk {
    /// A walk that begins at this place. One that begins in the middle takes the first link on trust; see [`Self::after`].
    pub fn from(sequence: u64) -> Self {
        Self { next: sequence, hash: (sequence <= 1).then(|| GENESIS.to_owned()) }
    }

    /// A walk that goes on after this entry, whose own content is not looked at.
    pub fn after(entry: &Object) -> Result<Self, ParseError> {
        Ok(Self { next: sequence(entry)? + 1, hash: entry.text("hash").map(str::to_owned) })
    }

    /// The place that comes next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The hash of the entry before that place, if it is known.
    pub fn hash(&self) -> Option<&str> {
        self.hash.as_deref()
    }

    /// Takes one step.
    pub fn step(&mut self, entry: &Object) -> Result<(), Break> {
        let broken = |fault| Err(Break { sequence: self.next, fault });
        if place_of(entry) != Some(self.next) {
            return broken(Fault::Missing);
        }
        let hash = hash(&entry.fields);
        if entry.text("hash") != Some(hash.as_str()) {
            return broken(Fault::Altered);
        }
        if self.hash.as_deref().is_some_and(|before| entry.text("previousHash") != Some(before)) {
            return broken(Fault::Unlinked);
        }
        self.next += 1;
        self.hash = Some(hash);
        Ok(())
    }
}

/// Walks entries that are in order, from this place on; gives where it ended, or where it broke first.
pub fn verify_chain<'a>(from: u64, entries: impl IntoIterator<Item = &'a Object>) -> Result<Walk, Break> {
    let mut walk = Walk::from(from);
    for entry in entries {
        walk.step(entry)?;
    }
    Ok(walk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::{ClassName, ObjectId, Update, map};

    fn entry(action: &str) -> Draft {
        let fields = map! {
            "application" => "a", "actor" => "user:u", "action" => action, "origin" => "SERVER", "entityType" => "T",
            "outcome" => "SUCCESS", "details" => map! { "n" => 1, "list" => vec!["x", "y"] },
            "sequence" => 77, "hash" => "forged",
        };
        Draft::new(ClassName::parse(CLASS).unwrap(), None, None, Update::parse(fields).unwrap())
    }

    fn chain(length: i64) -> Vec<Object> {
        let mut chain: Vec<Object> = Vec::new();
        for index in 0..length {
            let now = Date::EPOCH.plus_millis(index);
            let mut draft = entry(&format!("action{index}"));
            check(&draft).unwrap();
            place(&mut draft, chain.last(), now).unwrap();
            chain.push(Object {
                class: draft.class().clone(),
                id: ObjectId::parse(&format!("e{index}")).unwrap(),
                created_at: None,
                updated_at: None,
                acl: None,
                fields: draft.fields().unwrap(),
            });
        }
        chain
    }

    #[test]
    fn a_chain_that_nobody_touched_holds() {
        let chain = chain(5);
        let walk = verify_chain(1, &chain).unwrap();
        assert_eq!((walk.next(), walk.hash()), (6, chain[4].text("hash")));
        assert!(verify_chain(3, &chain[2..]).is_ok());
        assert_eq!(chain[0].text("previousHash"), Some(GENESIS));
    }

    #[test]
    fn the_order_in_which_a_store_gives_the_fields_back_does_not_matter() {
        let mut chain = chain(2);
        chain[1].fields.reverse();
        assert!(verify_chain(1, &chain).is_ok());
    }

    #[test]
    fn every_field_that_is_changed_shows() {
        for field in HASHED {
            let mut chain = chain(3);
            chain[1].fields.insert((*field).into(), "changed".into());
            let fault = if *field == "sequence" { Fault::Missing } else { Fault::Altered };
            assert_eq!(verify_chain(1, &chain), Err(Break { sequence: 2, fault }), "{field}");
        }
    }

    #[test]
    fn entries_that_are_gone_swapped_or_hashed_anew_show() {
        let gone: Vec<Object> = chain(4).into_iter().filter(|entry| place_of(entry) != Some(2)).collect();
        assert_eq!(verify_chain(1, &gone), Err(Break { sequence: 2, fault: Fault::Missing }));

        let mut swapped = chain(4);
        swapped.swap(1, 2);
        assert_eq!(verify_chain(1, &swapped), Err(Break { sequence: 2, fault: Fault::Missing }));

        let mut rehashed = chain(4);
        rehashed[1].fields.insert("actor".into(), "user:x".into());
        let hash = hash(&rehashed[1].fields);
        rehashed[1].fields.insert("hash".into(), hash.into());
        assert_eq!(verify_chain(1, &rehashed), Err(Break { sequence: 3, fault: Fault::Unlinked }));
        assert_eq!(verify_chain(1, &chain(4)[1..]), Err(Break { sequence: 1, fault: Fault::Missing }));
    }

    #[test]
    fn an_entry_that_is_not_well_formed_is_refused() {
        for (field, value) in [
            ("application", Value::from("")),
            ("actor", Value::Null),
            ("action", "x".repeat(129).into()),
            ("outcome", "FINE".into()),
            ("origin", "HEARSAY".into()),
            ("details", "text".into()),
            ("details", map! { "password" => "x" }.into()),
        ] {
            let mut draft = entry("a");
            draft.set(field, value);
            let error = check(&draft).unwrap_err();
            assert_eq!(error.number(), Some(142));
            assert!(error.message.contains(field), "{}", error.message);
        }
    }
}
