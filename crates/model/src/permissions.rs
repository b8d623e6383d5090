//! Who may do what with a class: class-level permissions, pointer permissions and protected fields, as data.
//!
//! Deciding whether a caller passes is `engine/access`'s; this file reads, writes and validates.

use compact_str::CompactString;
use indexmap::{IndexMap, IndexSet};

use crate::acl::{Access, Acl};
use crate::error::{ErrorCode, ParseError};
use crate::names::{FieldName, is_plain, sentence};
use crate::schema::{Field, FieldType};
use crate::value::{Map, Value};

/// What can be done with a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Read one object by its id.
    Get,
    /// Query.
    Find,
    /// Count.
    Count,
    /// Create an object.
    Create,
    /// Change an object.
    Update,
    /// Delete an object.
    Delete,
    /// Add a field to the class by writing one it does not have.
    AddField,
}

impl Operation {
    /// Every operation, in Parse's order.
    pub const ALL: [Self; 7] =
        [Self::Find, Self::Count, Self::Get, Self::Create, Self::Update, Self::Delete, Self::AddField];

    /// The word used in the permissions' JSON and in error texts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Find => "find",
            Self::Count => "count",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::AddField => "addField",
        }
    }

    /// Whether it leaves the data as it is.
    pub const fn reads(self) -> bool {
        matches!(self, Self::Get | Self::Find | Self::Count)
    }
}

/// Who may do one operation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperationRule {
    /// `*`, `requiresAuthentication`, `role:NAME` and user ids.
    pub grants: IndexSet<CompactString>,
    /// Fields that point at, or list, the users who may do it to that object.
    pub pointer_fields: Vec<FieldName>,
}

impl OperationRule {
    /// A rule that everyone passes.
    pub fn everyone() -> Self {
        Self { grants: std::iter::once(CompactString::from("*")).collect(), pointer_fields: Vec::new() }
    }
}

/// The permissions stored with a class. An operation without a rule is for the master key alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClassPermissions {
    /// Who may do what.
    pub rules: IndexMap<CompactString, OperationRule>,
    /// The ACL of a new object that brings none; `currentUser` stands for its creator.
    pub default_acl: Option<Acl>,
    /// Fields hidden from a group: `*`, `authenticated`, `role:NAME`, a user id, `userField:FIELD`.
    pub protected_fields: IndexMap<CompactString, Vec<CompactString>>,
    /// Fields that name users who may read.
    pub read_user_fields: Vec<FieldName>,
    /// Fields that name users who may write.
    pub write_user_fields: Vec<FieldName>,
}

impl ClassPermissions {
    /// What a class without stored permissions has: everyone may do everything.
    pub fn open() -> Self {
        let rules = Operation::ALL.map(|operation| (operation.name().into(), OperationRule::everyone()));
        Self { rules: rules.into_iter().collect(), ..Self::default() }
    }

    /// What Parse shows of a class without stored permissions, and stores if that is given back to it. A new object of such
    /// a class has no ACL: one that lets everyone do everything is as good as none.
    pub fn of_new_class() -> Self {
        let mut permissions = Self::open();
        permissions.default_acl = Some(Acl::default().with("*", Access::BOTH));
        permissions.protected_fields.insert("*".into(), Vec::new());
        permissions
    }

    /// The rule of one operation, if it has one.
    pub fn rule(&self, operation: Operation) -> Option<&OperationRule> {
        self.rules.get(operation.name())
    }

    /// Reads the wire or stored form without judging it: what is not understood is dropped.
    ///
    /// Stores use it on what a server wrote before; [`Self::validated`] is for what comes from outside.
    pub fn from_stored(map: &Map) -> Self {
        let mut permissions = Self::default();
        for (key, value) in map {
            if let Some(operation) = Operation::ALL.iter().find(|operation| operation.name() == key) {
                let rule = value.as_object().map(operation_rule).unwrap_or_default();
                permissions.rules.insert(operation.name().into(), rule);
            }
        }
        permissions.default_acl = map.get("ACL").and_then(|acl| Acl::from_value(acl).ok()).flatten();
        if let Some(groups) = map.get("protectedFields").and_then(Value::as_object) {
            permissions.protected_fields =
                groups.iter().map(|(group, fields)| (group.clone(), texts(fields))).collect();
        }
        permissions.read_user_fields = field_names(map.get("readUserFields"));
        permissions.write_user_fields = field_names(map.get("writeUserFields"));
        permissions
    }

    /// Reads the wire form for a class with these fields, with Parse's refusals (107).
    pub fn validated(map: &Map, fields: &IndexMap<FieldName, Field>, ids: UserIds) -> Result<Self, ParseError> {
        for (key, value) in map {
            match key.as_str() {
                "ACL" => check_default_acl(value, ids)?,
                "protectedFields" => check_protected_fields(value, fields, ids)?,
                "readUserFields" | "writeUserFields" => check_pointer_fields(key, value, fields)?,
                _ if Operation::ALL.iter().any(|operation| operation.name() == key) => {
                    check_operation(key, value, fields, ids)?;
                }
                _ => return Err(invalid(format!("{key} is not a valid operation for class level permissions"))),
            }
        }
        Ok(Self::from_stored(map))
    }

    /// The wire form, every operation spelled out.
    pub fn to_value(&self) -> Value {
        let mut map = Map::default();
        for operation in Operation::ALL {
            let rule = self.rule(operation).map(rule_value).unwrap_or_default();
            map.insert(operation.name().into(), Value::Object(rule));
        }
        if let Some(acl) = &self.default_acl {
            map.insert("ACL".into(), acl.to_value());
        }
        let groups = self.protected_fields.iter().map(|(group, fields)| {
            (group.clone(), Value::Array(fields.iter().map(|field| field.as_str().into()).collect()))
        });
        map.insert("protectedFields".into(), Value::Object(groups.collect()));
        for (key, list) in [("readUserFields", &self.read_user_fields), ("writeUserFields", &self.write_user_fields)] {
            if !list.is_empty() {
                map.insert(key.into(), Value::Array(list.iter().map(|field| field.as_str().into()).collect()));
            }
        }
        Value::Object(map)
    }
}

fn invalid(text: impl AsRef<str>) -> ParseError {
    ParseError::new(ErrorCode::InvalidJson, sentence(text.as_ref()))
}

fn operation_rule(map: &Map) -> OperationRule {
    let grants = map.iter().filter(|(key, value)| *key != "pointerFields" && value.is_truthy());
    OperationRule {
        grants: grants.map(|(key, _)| key.clone()).collect(),
        pointer_fields: field_names(map.get("pointerFields")),
    }
}

fn rule_value(rule: &OperationRule) -> Map {
    let mut map: Map = rule.grants.iter().map(|grant| (grant.clone(), Value::Bool(true))).collect();
    if !rule.pointer_fields.is_empty() {
        let fields = rule.pointer_fields.iter().map(|field| field.as_str().into());
        map.insert("pointerFields".into(), Value::Array(fields.collect()));
    }
    map
}

fn texts(value: &Value) -> Vec<CompactString> {
    value.as_array().unwrap_or_default().iter().filter_map(Value::as_str).map(Into::into).collect()
}

fn field_names(value: Option<&Value>) -> Vec<FieldName> {
    value.map(texts).unwrap_or_default().iter().filter_map(|name| FieldName::parse(name).ok()).collect()
}

/// What the ids of users look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserIds {
    /// As the server makes them: letters and digits.
    Made,
    /// As clients choose them: any text.
    Chosen,
}

/// Parse: a group is `*`, `requiresAuthentication` (or `authenticated`), `role:NAME`, or a user id.
fn is_entity(key: &str, extra: &[&str], ids: UserIds) -> bool {
    let is_id = !key.is_empty() && (ids == UserIds::Chosen || key.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    key == "*" || extra.contains(&key) || key.starts_with("role:") || is_id
}

fn bad_key(key: &str) -> ParseError {
    invalid(format!("'{key}' is not a valid key for class level permissions"))
}

fn check_operation(
    operation: &str,
    value: &Value,
    fields: &IndexMap<FieldName, Field>,
    ids: UserIds,
) -> Result<(), ParseError> {
    let Some(map) = value.as_object() else {
        return Err(invalid(format!(
            "'{}' is not a valid value for class level permissions {operation} - must be an object",
            shown(value)
        )));
    };
    for (entity, permit) in map {
        if entity == "pointerFields" {
            check_pointer_fields(operation, permit, fields)?;
        } else if !is_entity(entity, &["requiresAuthentication"], ids) {
            return Err(bad_key(entity));
        } else if *permit != Value::Bool(true) {
            return Err(invalid(format!(
                "'{}' is not a valid value for class level permissions acl {operation}:{entity}",
                shown(permit)
            )));
        }
    }
    Ok(())
}

fn check_default_acl(value: &Value, ids: UserIds) -> Result<(), ParseError> {
    let Some(map) = value.as_object() else {
        return Err(invalid(format!(
            "'{}' is not a valid value for class level permissions ACL - must be an object",
            shown(value)
        )));
    };
    for (entity, permit) in map {
        if !is_entity(entity, &["currentUser"], ids) {
            return Err(bad_key(entity));
        }
        let entries = permit.as_object().ok_or_else(|| {
            invalid(format!("'{}' is not a valid value for class level permissions acl", shown(permit)))
        })?;
        for (key, allowed) in entries {
            if key != "read" && key != "write" {
                return Err(invalid(format!("'{key}' is not a valid key for class level permissions acl")));
            }
            if !matches!(allowed, Value::Bool(_)) {
                return Err(invalid(format!(
                    "'{}' is not a valid value for class level permissions acl {key}:{entity}",
                    shown(allowed)
                )));
            }
        }
    }
    Ok(())
}

fn check_protected_fields(value: &Value, fields: &IndexMap<FieldName, Field>, ids: UserIds) -> Result<(), ParseError> {
    let Some(groups) = value.as_object() else {
        return Err(invalid(format!(
            "'{}' is not a valid value for class level permissions protectedFields - must be an object",
            shown(value)
        )));
    };
    for (group, list) in groups {
        let user_field = group.strip_prefix("userField:").is_some_and(is_plain);
        if !user_field && !is_entity(group, &["authenticated"], ids) {
            return Err(bad_key(group));
        }
        let Value::Array(list) = list else {
            return Err(invalid(format!(
                "'{}' is not a valid value for protectedFields[{group}] - expected an array.",
                shown(list)
            )));
        };
        for field in list {
            let name = shown(field);
            let name = name.as_str();
            if ["objectId", "createdAt", "updatedAt", "ACL"].contains(&name) {
                return Err(invalid(format!("Default field '{name}' can not be protected")));
            }
            if !fields.contains_key(name) {
                return Err(invalid(format!("Field '{name}' in protectedFields:{group} does not exist")));
            }
        }
    }
    Ok(())
}

fn check_pointer_fields(operation: &str, value: &Value, fields: &IndexMap<FieldName, Field>) -> Result<(), ParseError> {
    let Value::Array(list) = value else {
        let shown = shown(value);
        // Parse: the fields of one operation are told of in other words than those of the whole class.
        return Err(invalid(if operation.ends_with("UserFields") {
            format!("'{shown}' is not a valid value for class level permissions {operation} - must be an array")
        } else {
            format!("'{shown}' is not a valid value for {operation}[pointerFields] - expected an array.")
        }));
    };
    for field in list {
        let name = shown(field);
        let names_users = fields.get(name.as_str()).is_some_and(|field| match &field.kind {
            FieldType::Pointer(class) => class == "_User",
            kind => *kind == FieldType::Array,
        });
        if !names_users {
            return Err(invalid(format!(
                "'{name}' is not a valid column for class level pointer permissions {operation}"
            )));
        }
    }
    Ok(())
}

/// The value as JavaScript prints it inside a text.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(_) => "[object Object]".to_owned(),
        other => String::from_utf8_lossy(&crate::value::json::write(other)).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::json;

    fn parse(text: &str) -> Result<ClassPermissions, ParseError> {
        parse_with(text, UserIds::Made)
    }

    fn parse_with(text: &str, ids: UserIds) -> Result<ClassPermissions, ParseError> {
        let mut fields = IndexMap::new();
        let owner = FieldType::Pointer(crate::names::ClassName::parse("_User").unwrap());
        fields.insert(FieldName::parse("owner").unwrap(), Field::plain(owner));
        fields.insert(FieldName::parse("name").unwrap(), Field::plain(FieldType::String));
        let map = json::read(text.as_bytes()).unwrap();
        ClassPermissions::validated(map.as_object().unwrap(), &fields, ids)
    }

    #[test]
    fn stored_permissions_lock_what_they_do_not_mention() {
        let permissions = parse(r#"{"find":{"*":true},"update":{"pointerFields":["owner"]}}"#).unwrap();
        assert!(permissions.rule(Operation::Find).unwrap().grants.contains("*"));
        assert!(permissions.rule(Operation::Create).is_none());
        let text = String::from_utf8(json::write(&permissions.to_value())).unwrap();
        assert!(text.contains(r#""create":{}"#), "{text}");
        assert!(text.contains(r#""update":{"pointerFields":["owner"]}"#), "{text}");
    }

    #[test]
    fn ids_that_clients_choose_are_any_text() {
        let text = r#"{"find":{"set:ID+symbol$=@llowed":true}}"#;
        assert_eq!(parse(text).unwrap_err().code, ErrorCode::InvalidJson);
        let permissions = parse_with(text, UserIds::Chosen).unwrap();
        assert!(permissions.rule(Operation::Find).unwrap().grants.contains("set:ID+symbol$=@llowed"));
        assert!(parse_with(r#"{"find":{"":true}}"#, UserIds::Chosen).is_err());
    }

    #[test]
    fn refusals_have_parse_s_texts() {
        for (text, message) in [
            (r#"{"fly":{}}"#, "fly is not a valid operation for class level permissions"),
            (r#"{"get":{"a b":true}}"#, "'a b' is not a valid key for class level permissions"),
            (r#"{"get":1}"#, "'1' is not a valid value for class level permissions get - must be an object"),
            (
                r#"{"readUserFields":["name"]}"#,
                "'name' is not a valid column for class level pointer permissions readUserFields",
            ),
            (r#"{"protectedFields":{"*":["objectId"]}}"#, "Default field 'objectId' can not be protected"),
            (r#"{"protectedFields":{"*":["x"]}}"#, "Field 'x' in protectedFields:* does not exist"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.code, &*error.message), (ErrorCode::InvalidJson, message));
        }
    }
}
