//! What does a schema file say? Read into a [`Definition`], and written from a class.

use compact_str::CompactString;
use indexmap::IndexMap;
use parsimony_model::schema::{BASE_FIELDS, Field, Index};
use parsimony_model::value::{Map, json};
use parsimony_model::{ClassName, ClassPermissions, ClassSchema, ErrorCode, FieldName, ParseError, Value, builtin};

/// What a file says of one class. What it does not mention is not its business.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    pub(crate) name: ClassName,
    /// The class's own fields. Parse: fields that every object has, or that come with a built-in class, cannot be defined.
    pub(crate) fields: IndexMap<FieldName, Field>,
    /// The permissions as written: whether they fit depends on all the fields of the class.
    pub(crate) permissions: Option<Map>,
    pub(crate) indexes: IndexMap<CompactString, Index>,
    pub(crate) append_only: Option<bool>,
}

/// What becomes of keys that mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// They are mistakes.
    Refused,
    /// Parse: nobody looks at them.
    Ignored,
}

const KEYS: [&str; 5] = ["className", "fields", "classLevelPermissions", "indexes", "appendOnly"];

fn invalid(text: impl Into<String>) -> ParseError {
    ParseError::new(ErrorCode::InvalidJson, text.into())
}

/// Reads the text of a file.
pub(crate) fn read(text: &str) -> Result<Definition, ParseError> {
    match json::read(text.as_bytes())? {
        Value::Object(map) => definition(&map, Unknown::Refused),
        _ => Err(invalid("a class is defined by a JSON object")),
    }
}

/// Reads a definition: Parse's schema JSON, and `appendOnly`.
pub(crate) fn definition(map: &Map, unknown: Unknown) -> Result<Definition, ParseError> {
    let name = match map.get("className") {
        Some(Value::String(name)) => ClassName::parse(name)?,
        _ => return Err(invalid("a definition needs a className")),
    };
    let in_class = |error: ParseError| ParseError { message: format!("{name}: {}", error.message).into(), ..error };
    if unknown == Unknown::Refused
        && let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str()))
    {
        return Err(in_class(invalid(format!("{key} is no key of a definition; there are {}", KEYS.join(", ")))));
    }
    let object = |key: &str| match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(in_class(invalid(format!("{key} must be an object")))),
    };
    let given = builtin::fields_of(name.as_str());
    let mut fields = IndexMap::new();
    for (field, options) in object("fields")?.into_iter().flatten() {
        if BASE_FIELDS.iter().any(|(base, _)| base == field) || given.contains_key(field.as_str()) {
            continue;
        }
        let (field, options) = own_field(&name, field, options).map_err(in_class)?;
        fields.insert(field, options);
    }
    let mut indexes = IndexMap::new();
    for (index, keys) in object("indexes")?.into_iter().flatten().filter(|(index, _)| *index != "_id_") {
        let Value::Object(keys) = keys else {
            return Err(in_class(invalid(format!("Index {index} must be an object of fields."))));
        };
        indexes.insert(index.clone(), Index::parse(keys));
    }
    let permissions = object("classLevelPermissions")?.cloned();
    let append_only = match map.get("appendOnly") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(append_only)) => Some(*append_only),
        Some(_) => return Err(in_class(invalid("appendOnly must be true or false"))),
    };
    Ok(Definition { name: name.clone(), fields, permissions, indexes, append_only })
}

fn own_field(class: &ClassName, field: &str, options: &Value) -> Result<(FieldName, Field), ParseError> {
    let Value::Object(options) = options else { return Err(invalid(format!("{field} must be an object with a type"))) };
    Ok((FieldName::parse(field)?, Field::parse(class.as_str(), field, options)?))
}

/// The definition of a class as it is, whole: with its permissions, even if they are those of every class.
pub(crate) fn of(class: &ClassSchema) -> Definition {
    let given = builtin::fields_of(class.name.as_str());
    let own = class.fields.iter().filter(|(name, _)| !given.contains_key(*name));
    let permissions = match effective_permissions(class).to_value() {
        Value::Object(map) => Some(map),
        _ => None,
    };
    Definition {
        name: class.name.clone(),
        fields: own.map(|(name, field)| (name.clone(), field.clone())).collect(),
        permissions,
        indexes: class.indexes.clone(),
        append_only: Some(class.append_only),
    }
}

/// The permissions that count: those of a class that has none stored are open.
pub(crate) fn effective_permissions(class: &ClassSchema) -> ClassPermissions {
    class.permissions.clone().unwrap_or_else(ClassPermissions::of_new_class)
}

/// The JSON of a definition, as a file has it.
pub(crate) fn to_value(definition: &Definition) -> Value {
    let mut map = Map::default();
    map.insert("className".into(), definition.name.as_str().into());
    if definition.append_only == Some(true) {
        map.insert("appendOnly".into(), true.into());
    }
    let fields = definition.fields.iter().map(|(name, field)| (name.as_str().into(), field.to_value()));
    map.insert("fields".into(), Value::Object(fields.collect()));
    if let Some(permissions) = &definition.permissions {
        map.insert("classLevelPermissions".into(), Value::Object(permissions.clone()));
    }
    if !definition.indexes.is_empty() {
        let indexes = definition.indexes.iter().map(|(name, index)| (name.clone(), index_to_value(index)));
        map.insert("indexes".into(), Value::Object(indexes.collect()));
    }
    Value::Object(map)
}

/// Parse's form of an index if it has no options, else ours.
pub(crate) fn index_to_value(index: &Index) -> Value {
    if *index == (Index { keys: index.keys.clone(), ..Index::default() }) {
        index.keys_to_value()
    } else {
        index.to_value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_round() {
        let text = r#"{"className":"Log","appendOnly":true,"fields":{"at":{"type":"Date","required":true},"who":{"type":"Pointer","targetClass":"_User","encrypted":true}},"classLevelPermissions":{"find":{"role:auditor":true}},"indexes":{"at_1":{"at":1},"one":{"keys":{"at":1},"unique":true}}}"#;
        let definition = read(text).unwrap();
        assert!(definition.indexes["one"].unique && !definition.indexes["at_1"].unique);
        assert_eq!(String::from_utf8(json::write(&to_value(&definition))).unwrap(), text);
    }

    #[test]
    fn a_class_becomes_its_whole_definition() {
        let mut class = ClassSchema::new(ClassName::parse("_User").unwrap());
        class.fields.insert(FieldName::parse("nick").unwrap(), Field::plain(parsimony_model::FieldType::String));
        let definition = of(&class);
        assert_eq!(definition.fields.keys().map(FieldName::as_str).collect::<Vec<_>>(), ["nick"]);
        assert!(definition.permissions.is_some_and(|permissions| permissions.contains_key("find")));
    }

    #[test]
    fn what_parse_gives_is_not_defined() {
        let text = r#"{"className":"_User","fields":{"email":"Object","createdAt":1,"nick":{"type":"String"}}}"#;
        assert_eq!(read(text).unwrap().fields.len(), 1);
    }

    #[test]
    fn mistakes_are_told_with_their_class() {
        for (text, message) in [
            ("[]", "a class is defined by a JSON object"),
            ("{}", "a definition needs a className"),
            (
                r#"{"className":"C","classLevelPermission":{}}"#,
                "C: classLevelPermission is no key of a definition; there are className, fields, classLevelPermissions, indexes, appendOnly",
            ),
            (r#"{"className":"C","fields":[]}"#, "C: fields must be an object"),
            (r#"{"className":"C","fields":{"a":"String"}}"#, "C: a must be an object with a type"),
            (r#"{"className":"C","fields":{"a":{"type":"Text"}}}"#, "C: invalid field type: Text"),
            (r#"{"className":"C","indexes":{"a":1}}"#, "C: Index a must be an object of fields."),
            (r#"{"className":"C","appendOnly":"yes"}"#, "C: appendOnly must be true or false"),
        ] {
            assert_eq!(read(text).unwrap_err().message, message);
        }
        let unknown = json::read(br#"{"className":"C","x":1}"#).unwrap();
        assert!(definition(unknown.as_object().unwrap(), Unknown::Ignored).is_ok());
    }
}
