//! Who may call a function, and with what: checked before any of the application's code, with Parse's texts (142).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, ParseError, Value};

use crate::draft::Draft;
use crate::origin::Who;
use crate::rate_limit::RateLimit;

/// What the rules of fields look at: the parameters of a function, or the object of a trigger.
pub trait Fields {
    /// The value of a field.
    fn value(&self, name: &str) -> Option<Value>;

    /// Gives a field a value.
    fn put(&mut self, name: &str, value: Value);

    /// Of an object that is changed, what is stored; `None` if nothing is changed.
    fn stored(&self) -> Option<&dyn Fields> {
        None
    }

    /// Whether it is a user who signs up: then it counts as the user who asks, as in Parse.
    fn is_new_user(&self) -> bool {
        false
    }
}

impl Fields for Map {
    fn value(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }

    fn put(&mut self, name: &str, value: Value) {
        self.insert(name.into(), value);
    }
}

impl Fields for Draft {
    fn value(&self, name: &str) -> Option<Value> {
        self.get(name)
    }

    fn put(&mut self, name: &str, value: Value) {
        self.set(name, value);
    }

    fn stored(&self) -> Option<&dyn Fields> {
        self.original().map(|object| -> &dyn Fields { &object.fields })
    }

    fn is_new_user(&self) -> bool {
        self.is_new() && self.class().as_str() == "_User"
    }
}

/// A question about a value that an application asks by itself.
struct Judge<T: ?Sized>(Arc<T>);

impl<T: ?Sized> Clone for Judge<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> fmt::Debug for Judge<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a function")
    }
}

/// What decides about one value.
type OfValue = dyn Fn(&Value) -> Result<bool, ParseError> + Send + Sync;

/// What decides about a whole request.
type OfRequest = dyn Fn(&Who, &dyn Fields) -> Result<(), ParseError> + Send + Sync;

/// The kind of value a parameter must have, by the words Parse uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    Array,
    /// A plain object.
    Object,
    /// A date.
    Date,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
            Self::Date => "date",
        }
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::String => matches!(value, Value::String(_)),
            Self::Number => matches!(value, Value::Number(_)),
            Self::Boolean => matches!(value, Value::Bool(_)),
            Self::Array => matches!(value, Value::Array(_)),
            Self::Object => matches!(value, Value::Object(_)),
            Self::Date => matches!(value, Value::Date(_)),
        }
    }
}

/// What one parameter, or one field of an object, must be.
#[derive(Debug, Clone, Default)]
pub struct FieldRule {
    required: bool,
    constant: bool,
    kind: Option<Kind>,
    default: Option<Value>,
    options: Vec<Value>,
    judge: Option<Judge<OfValue>>,
    error: Option<String>,
}

impl FieldRule {
    /// It must be there.
    pub fn required() -> Self {
        Self { required: true, ..Self::default() }
    }

    /// It may be there.
    pub fn optional() -> Self {
        Self::default()
    }

    /// It must be of this kind.
    #[must_use]
    pub fn kind(self, kind: Kind) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// What it is when it is not sent.
    #[must_use]
    pub fn default_value(self, value: impl Into<Value>) -> Self {
        Self { default: Some(value.into()), ..self }
    }

    /// It is set once: a later change is undone, and a new object gets the default. For triggers.
    #[must_use]
    pub fn constant(self) -> Self {
        Self { constant: true, ..self }
    }

    /// It must be one of these.
    #[must_use]
    pub fn options<V: Into<Value>>(self, options: impl IntoIterator<Item = V>) -> Self {
        Self { options: options.into_iter().map(Into::into).collect(), ..self }
    }

    /// It must be what this says is right. An error is told as it is.
    #[must_use]
    pub fn accepted_by(self, judge: impl Fn(&Value) -> Result<bool, ParseError> + Send + Sync + 'static) -> Self {
        Self { judge: Some(Judge(Arc::new(judge))), ..self }
    }

    /// The text for a value that is none of the options.
    #[must_use]
    pub fn error(self, text: impl Into<String>) -> Self {
        Self { error: Some(text.into()), ..self }
    }

    /// Refuses a value that is none of the options.
    fn check_options(&self, name: &str, value: &Value) -> Result<(), ParseError> {
        let told = |text: String| match &self.error {
            Some(text) => ParseError::new(ErrorCode::ValidationError, text.clone()),
            None => failed(&text),
        };
        if !self.options.is_empty() && !self.options.contains(value) {
            let listed: Vec<String> = self.options.iter().map(shown).collect();
            return Err(told(format!("Invalid option for {name}. Expected: {}", listed.join(", "))));
        }
        match &self.judge {
            Some(judge) if !(judge.0)(value)? => Err(told(format!("Invalid value for {name}."))),
            _ => Ok(()),
        }
    }

    fn check(&self, name: &str, fields: &mut dyn Fields) -> Result<(), ParseError> {
        let missing = fields.value(name).is_none_or(|value| value.is_null());
        if missing && let Some(default) = &self.default {
            fields.put(name, default.clone());
        }
        if self.constant {
            match (fields.stored().map(|stored| stored.value(name)), &self.default) {
                (Some(stored), _) => fields.put(name, stored.unwrap_or_default()),
                (None, Some(default)) => fields.put(name, default.clone()),
                (None, None) => {}
            }
        }
        let value = fields.value(name).filter(|value| !value.is_null());
        if self.required && value.is_none() {
            return Err(failed(&format!("Please specify data for {name}.")));
        }
        let Some(value) = value else { return Ok(()) };
        if let Some(kind) = self.kind.filter(|kind| !kind.fits(&value)) {
            return Err(failed(&format!("Invalid type for {name}. Expected: {}", kind.name())));
        }
        self.check_options(name, &value)
    }
}

/// The rules of a function or a trigger. The master key skips them unless [`Rules::validate_master_key`] says otherwise.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule of Parse's, on or off")]
pub struct Rules {
    user: bool,
    master: bool,
    master_too: bool,
    not_for_master: bool,
    any_role: Vec<String>,
    all_roles: Vec<String>,
    fields: Vec<(String, FieldRule)>,
    user_keys: Vec<(String, FieldRule)>,
    judge: Option<Judge<OfRequest>>,
    time_max: Option<Duration>,
    rate_limit: Option<RateLimit>,
}

impl Rules {
    /// Everyone may call it with anything.
    pub fn none() -> Self {
        Self::default()
    }

    /// Parse's `requireUser`.
    #[must_use]
    pub fn require_user(self) -> Self {
        Self { user: true, ..self }
    }

    /// Parse's `requireMaster`.
    #[must_use]
    pub fn require_master(self) -> Self {
        Self { master: true, ..self }
    }

    /// Parse's `validateMasterKey`: the master key is checked too.
    #[must_use]
    pub fn validate_master_key(self) -> Self {
        Self { master_too: true, ..self }
    }

    /// Parse's `skipWithMasterKey`: the trigger does not run for the master key.
    #[must_use]
    pub fn skip_with_master_key(self) -> Self {
        Self { not_for_master: true, ..self }
    }

    /// Parse's `requireAnyUserRoles`; names without `role:`.
    #[must_use]
    pub fn require_any_user_roles(self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { any_role: roles.into_iter().map(Into::into).collect(), ..self }
    }

    /// Parse's `requireAllUserRoles`; names without `role:`.
    #[must_use]
    pub fn require_all_user_roles(self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { all_roles: roles.into_iter().map(Into::into).collect(), ..self }
    }

    /// Parse's `fields`: what one parameter, or one field of the object, must be.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, rule: FieldRule) -> Self {
        self.fields.push((name.into(), rule));
        self
    }

    /// Parse's `requireUserKeys`: what one field of the user must be; it must be there.
    #[must_use]
    pub fn user_key(mut self, name: impl Into<String>, rule: FieldRule) -> Self {
        self.user_keys.push((name.into(), rule));
        self
    }

    /// What an application checks by itself, after all else, and for the master key too.
    #[must_use]
    pub fn checked_by(
        self,
        judge: impl Fn(&Who, &dyn Fields) -> Result<(), ParseError> + Send + Sync + 'static,
    ) -> Self {
        Self { judge: Some(Judge(Arc::new(judge))), ..self }
    }

    /// How long the handler may take. One that takes longer is dropped, and the request fails with error 124.
    #[must_use]
    pub fn timeout(self, time_max: Duration) -> Self {
        Self { time_max: Some(time_max), ..self }
    }

    /// Parse's `rateLimit`: how often the path that leads here may be asked. On a trigger that no path leads to alone, such as
    /// those after something, it has no effect.
    #[must_use]
    pub fn rate_limit(self, limit: RateLimit) -> Self {
        Self { rate_limit: Some(limit), ..self }
    }

    /// How often it may be asked.
    pub(crate) fn limit(&self) -> Option<&RateLimit> {
        self.rate_limit.as_ref()
    }

    /// How long the handler may take.
    pub fn time_max(&self) -> Option<Duration> {
        self.time_max
    }

    /// Whether the trigger does not run for this caller.
    pub fn skips(&self, who: &Who) -> bool {
        self.not_for_master && who.master
    }

    /// Checks a request, in Parse's order, and fills in defaults.
    pub fn check(&self, who: &Who, fields: &mut dyn Fields) -> Result<(), ParseError> {
        if !who.master || self.master_too {
            self.check_all(who, fields)?;
        }
        match &self.judge {
            Some(judge) => (judge.0)(who, fields).map_err(as_validation),
            None => Ok(()),
        }
    }

    fn check_all(&self, who: &Who, fields: &mut dyn Fields) -> Result<(), ParseError> {
        let needs_user = self.user || !self.any_role.is_empty() || !self.all_roles.is_empty();
        if needs_user && who.user.is_none() && !fields.is_new_user() {
            return Err(failed("Please login to continue."));
        }
        if self.master && !who.master {
            return Err(failed("Master key is required to complete this request."));
        }
        for (name, rule) in &self.fields {
            rule.check(name, fields)?;
        }
        let has = |role: &&String| who.roles.contains(role);
        if !self.any_role.is_empty() && !self.any_role.iter().any(|role| has(&role)) {
            return Err(failed("User does not match the required roles."));
        }
        if !self.all_roles.iter().all(|role| has(&role)) {
            return Err(failed("User does not match all the required roles."));
        }
        self.check_user_keys(who, fields)
    }

    fn check_user_keys(&self, who: &Who, fields: &dyn Fields) -> Result<(), ParseError> {
        if self.user_keys.is_empty() {
            return Ok(());
        }
        let user: &dyn Fields = match &who.user {
            Some(user) => &user.fields,
            None if fields.is_new_user() => fields,
            None => return Err(ParseError::new(ErrorCode::ValidationError, "Please login to make this request.")),
        };
        for (name, rule) in &self.user_keys {
            let Some(value) = user.value(name).filter(|value| !value.is_null()) else {
                return Err(failed(&format!("Please set data for {name} on your account.")));
            };
            rule.check_options(name, &value)?;
        }
        Ok(())
    }
}

/// Parse: what a validator throws is a validation error, unless it says which error it is.
fn as_validation(error: ParseError) -> ParseError {
    match error.code {
        ErrorCode::ScriptFailed => ParseError { code: ErrorCode::ValidationError, ..error },
        _ => error,
    }
}

fn failed(text: &str) -> ParseError {
    ParseError::new(ErrorCode::ValidationError, format!("Validation failed. {text}"))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => String::from_utf8_lossy(&parsimony_model::value::json::write(other)).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::{ClassName, Object, ObjectId, map};

    fn somebody(roles: &[&str]) -> Who {
        let user = Object {
            class: ClassName::parse("_User").unwrap(),
            id: ObjectId::parse("u").unwrap(),
            created_at: None,
            updated_at: None,
            acl: None,
            fields: Map::default(),
        };
        Who { user: Some(user.into()), roles: roles.iter().map(|role| (*role).to_owned()).collect(), ..Who::default() }
    }

    fn refusal(rules: &Rules, who: &Who, mut params: Map) -> String {
        rules.check(who, &mut params).err().map(|error| error.message.into_owned()).unwrap_or_default()
    }

    #[test]
    fn refusals_have_parse_s_texts() {
        let nobody = Who::default();
        let user = somebody(&["a"]);
        let roles = Rules::none().require_any_user_roles(["a", "b"]);
        let fields = Rules::none()
            .field("n", FieldRule::required().kind(Kind::Number))
            .field("o", FieldRule::optional().options(["x", "y"]));
        for (rules, who, params, expected) in [
            (&Rules::none().require_user(), &nobody, map! {}, "Validation failed. Please login to continue."),
            (
                &Rules::none().require_master(),
                &user,
                map! {},
                "Validation failed. Master key is required to complete this request.",
            ),
            (&roles, &nobody, map! {}, "Validation failed. Please login to continue."),
            (&roles, &user, map! {}, ""),
            (&roles, &somebody(&["c"]), map! {}, "Validation failed. User does not match the required roles."),
            (
                &Rules::none().require_all_user_roles(["a", "b"]),
                &user,
                map! {},
                "Validation failed. User does not match all the required roles.",
            ),
            (&fields, &nobody, map! {}, "Validation failed. Please specify data for n."),
            (&fields, &nobody, map! { "n" => "1" }, "Validation failed. Invalid type for n. Expected: number"),
            (
                &fields,
                &nobody,
                map! { "n" => 1, "o" => "z" },
                "Validation failed. Invalid option for o. Expected: x, y",
            ),
            (&fields, &Who { master: true, ..Who::default() }, map! {}, ""),
        ] {
            assert_eq!(refusal(rules, who, params), expected);
        }
    }

    #[test]
    fn what_a_user_must_have_is_asked_of_the_user() {
        let rules = Rules::none().user_key("plan", FieldRule::optional().options(["paid"]));
        let mut with_plan = somebody(&[]);
        let refused = |who: &Who| refusal(&rules, who, map! {});
        assert_eq!(refused(&Who::default()), "Please login to make this request.");
        assert_eq!(refused(&with_plan), "Validation failed. Please set data for plan on your account.");
        for (plan, expected) in [("free", "Validation failed. Invalid option for plan. Expected: paid"), ("paid", "")] {
            let user = with_plan.user.as_mut().and_then(Arc::get_mut).unwrap();
            user.fields.insert("plan".into(), plan.into());
            assert_eq!(refused(&with_plan), expected);
        }
    }

    #[test]
    fn an_application_may_judge_by_itself() {
        let even = |value: &Value| Ok(value.as_f64().is_some_and(|number| number % 2.0 == 0.0));
        let rules = Rules::none().field("n", FieldRule::required().accepted_by(even));
        assert_eq!(refusal(&rules, &Who::default(), map! { "n" => 3 }), "Validation failed. Invalid value for n.");
        assert_eq!(refusal(&rules, &Who::default(), map! { "n" => 4 }), "");
        let never = Rules::none().checked_by(|_, _| Err(ParseError::new(ErrorCode::ScriptFailed, "not today")));
        let master = Who { master: true, ..Who::default() };
        let error = never.check(&master, &mut map! {}).unwrap_err();
        assert_eq!((error.number(), &*error.message), (Some(142), "not today"));
    }

    #[test]
    fn a_constant_is_what_it_was() {
        let class = ClassName::parse("C").unwrap();
        let id = ObjectId::parse("x").unwrap();
        let stored = Object { class, id, created_at: None, updated_at: None, acl: None, fields: map! { "n" => 1 } };
        let rules = Rules::none().field("n", FieldRule::optional().constant().default_value(7));
        for (original, expected) in [(None, 7.0), (Some(Arc::new(stored.clone())), 1.0)] {
            let mut update = parsimony_model::Update::default();
            update.set("n", 5);
            let mut draft = Draft::new(stored.class.clone(), None, original, update);
            rules.check(&Who::default(), &mut draft).unwrap();
            assert_eq!(draft.get("n"), Some(Value::Number(expected)));
        }
    }

    #[test]
    fn defaults_are_filled_in() {
        let rules = Rules::none().field("n", FieldRule::optional().default_value(7));
        let mut params = map! {};
        rules.check(&Who::default(), &mut params).unwrap();
        assert_eq!(params.get("n"), Some(&Value::Number(7.0)));
    }
}
