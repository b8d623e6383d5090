//! Who may call a function, and with what: checked before any of the application's code, with Parse's texts (142).

use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, ParseError, Value};

use crate::request::Who;

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

/// What one parameter must be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FieldRule {
    required: bool,
    kind: Option<Kind>,
    default: Option<Value>,
    options: Vec<Value>,
    error: Option<&'static str>,
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

    /// It must be one of these.
    #[must_use]
    pub fn options<V: Into<Value>>(self, options: impl IntoIterator<Item = V>) -> Self {
        Self { options: options.into_iter().map(Into::into).collect(), ..self }
    }

    /// The text for a value that is none of the options.
    #[must_use]
    pub fn error(self, text: &'static str) -> Self {
        Self { error: Some(text), ..self }
    }
}

/// The rules of a function. The master key skips them unless [`Rules::validate_master_key`] says otherwise.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    user: bool,
    master: bool,
    master_too: bool,
    any_role: Vec<&'static str>,
    all_roles: Vec<&'static str>,
    fields: Vec<(&'static str, FieldRule)>,
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

    /// Parse's `requireAnyUserRoles`; names without `role:`.
    #[must_use]
    pub fn require_any_user_roles(self, roles: impl IntoIterator<Item = &'static str>) -> Self {
        Self { any_role: roles.into_iter().collect(), ..self }
    }

    /// Parse's `requireAllUserRoles`; names without `role:`.
    #[must_use]
    pub fn require_all_user_roles(self, roles: impl IntoIterator<Item = &'static str>) -> Self {
        Self { all_roles: roles.into_iter().collect(), ..self }
    }

    /// Parse's `fields`: what one parameter must be.
    #[must_use]
    pub fn field(mut self, name: &'static str, rule: FieldRule) -> Self {
        self.fields.push((name, rule));
        self
    }

    /// Checks a call, in Parse's order, and fills in defaults.
    pub fn check(&self, who: &Who, params: &mut Map) -> Result<(), ParseError> {
        if who.master && !self.master_too {
            return Ok(());
        }
        let needs_user = self.user || !self.any_role.is_empty() || !self.all_roles.is_empty();
        if needs_user && who.user.is_none() {
            return Err(failed("Please login to continue."));
        }
        if self.master && !who.master {
            return Err(failed("Master key is required to complete this request."));
        }
        for (name, rule) in &self.fields {
            check_field(name, rule, params)?;
        }
        let has = |role: &&'static str| who.roles.iter().any(|own| own == role);
        if !self.any_role.is_empty() && !self.any_role.iter().any(has) {
            return Err(failed("User does not match the required roles."));
        }
        if !self.all_roles.iter().all(has) {
            return Err(failed("User does not match all the required roles."));
        }
        Ok(())
    }
}

fn failed(text: &str) -> ParseError {
    ParseError::new(ErrorCode::ValidationError, format!("Validation failed. {text}"))
}

fn check_field(name: &str, rule: &FieldRule, params: &mut Map) -> Result<(), ParseError> {
    let missing = params.get(name).is_none_or(Value::is_null);
    if missing && let Some(default) = &rule.default {
        params.insert(name.into(), default.clone());
    }
    let value = params.get(name).filter(|value| !value.is_null());
    if rule.required && value.is_none() {
        return Err(failed(&format!("Please specify data for {name}.")));
    }
    let Some(value) = value else { return Ok(()) };
    if let Some(kind) = rule.kind.filter(|kind| !kind.fits(value)) {
        return Err(failed(&format!("Invalid type for {name}. Expected: {}", kind.name())));
    }
    if !rule.options.is_empty() && !rule.options.contains(value) {
        let listed: Vec<String> = rule.options.iter().map(shown).collect();
        return Err(match rule.error {
            Some(text) => ParseError::new(ErrorCode::ValidationError, text),
            None => failed(&format!("Invalid option for {name}. Expected: {}", listed.join(", "))),
        });
    }
    Ok(())
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
    fn defaults_are_filled_in() {
        let rules = Rules::none().field("n", FieldRule::optional().default_value(7));
        let mut params = map! {};
        rules.check(&Who::default(), &mut params).unwrap();
        assert_eq!(params.get("n"), Some(&Value::Number(7.0)));
    }
}
