//! Which fields does a class have: types, options, indexes and permissions, and their JSON.

mod index;

use std::fmt;

use compact_str::CompactString;
use indexmap::IndexMap;

use crate::builtin;
use crate::error::{ErrorCode, ParseError};
use crate::names::{ClassName, FieldName};
use crate::permissions::ClassPermissions;
use crate::value::{Map, Value, json};

pub use index::Index;

/// The type of a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// Text.
    String,
    /// A double.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A moment.
    Date,
    /// A plain JSON object.
    Object,
    /// A list.
    Array,
    /// A place on earth; a class may have one such field.
    GeoPoint,
    /// An area on earth.
    Polygon,
    /// A reference to a stored file.
    File,
    /// Raw bytes.
    Bytes,
    /// A reference to an object of that class.
    Pointer(ClassName),
    /// Many objects of that class, through a join table.
    Relation(ClassName),
    /// The access control list; only the field `ACL` has this type.
    Acl,
}

impl FieldType {
    /// Reads `{"type": "Pointer", "targetClass": "C"}`.
    pub fn parse(map: &Map) -> Result<Self, ParseError> {
        let bad = || ParseError::new(ErrorCode::InvalidJson, "invalid JSON");
        let kind = map.get("type").and_then(Value::as_str).ok_or_else(bad)?;
        let target = || match map.get("targetClass") {
            None | Some(Value::Null) => {
                Err(ParseError::new(ErrorCode::MissingName, format!("type {kind} needs a class name")))
            }
            Some(Value::String(class)) => ClassName::parse(class),
            Some(_) => Err(bad()),
        };
        Ok(match kind {
            "String" => Self::String,
            "Number" => Self::Number,
            "Boolean" => Self::Boolean,
            "Date" => Self::Date,
            "Object" => Self::Object,
            "Array" => Self::Array,
            "GeoPoint" => Self::GeoPoint,
            "Polygon" => Self::Polygon,
            "File" => Self::File,
            "Bytes" => Self::Bytes,
            "ACL" => Self::Acl,
            "Pointer" => Self::Pointer(target()?),
            "Relation" => Self::Relation(target()?),
            _ => {
                let kind = crate::names::shorten(kind);
                return Err(ParseError::new(ErrorCode::IncorrectType, format!("invalid field type: {kind}")));
            }
        })
    }

    /// The type a value would give a new field; `null` gives none. A malformed `__type` is error 111.
    pub fn of(value: &Value) -> Result<Option<Self>, ParseError> {
        if let Some(kind) = json::malformed_type(value) {
            let kind = crate::names::shorten(&kind);
            return Err(ParseError::new(ErrorCode::IncorrectType, format!("This is not a valid {kind}")));
        }
        Ok(Some(match value {
            Value::Null => return Ok(None),
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::String,
            Value::Date(_) => Self::Date,
            Value::Bytes(_) => Self::Bytes,
            Value::File(_) => Self::File,
            Value::GeoPoint(_) => Self::GeoPoint,
            Value::Polygon(_) => Self::Polygon,
            Value::Pointer(pointer) => Self::Pointer(pointer.class.clone()),
            Value::Included(object) => Self::Pointer(object.class.clone()),
            Value::Relation(class) => Self::Relation(class.clone()),
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }))
    }

    /// The class it refers to, if it refers to one.
    pub fn target(&self) -> Option<&ClassName> {
        match self {
            Self::Pointer(class) | Self::Relation(class) => Some(class),
            _ => None,
        }
    }

    /// The name of the type in JSON, without the class it refers to.
    pub fn name(&self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Number => "Number",
            Self::Boolean => "Boolean",
            Self::Date => "Date",
            Self::Object => "Object",
            Self::Array => "Array",
            Self::GeoPoint => "GeoPoint",
            Self::Polygon => "Polygon",
            Self::File => "File",
            Self::Bytes => "Bytes",
            Self::Pointer(_) => "Pointer",
            Self::Relation(_) => "Relation",
            Self::Acl => "ACL",
        }
    }
}

impl fmt::Display for FieldType {
    /// As error texts print it: `String`, `Pointer<_User>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target() {
            Some(class) => write!(f, "{}<{class}>", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

/// A field of a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its type.
    pub kind: FieldType,
    /// Whether an object must have it.
    pub required: bool,
    /// What a new object gets that does not bring it.
    pub default: Option<Value>,
    /// Options that mean nothing to the server. Parse: they are kept and shown as they came.
    pub other: Map,
}

impl Field {
    /// A field without options.
    pub fn plain(kind: FieldType) -> Self {
        Self { kind, required: false, default: None, other: Map::default() }
    }

    /// A field with the options of its JSON, whatever they are; what they mean is not judged.
    pub fn with_options(kind: FieldType, options: &Map) -> Self {
        let required = options.get("required").is_some_and(Value::is_truthy);
        let default = options.get("defaultValue").filter(|value| !value.is_null()).cloned();
        let means = |key: &str, value: &Value| match key {
            "type" | "targetClass" | "defaultValue" => true,
            "required" => value.is_truthy(),
            _ => false,
        };
        let other = options.iter().filter(|(key, value)| !means(key, value));
        Self { kind, required, default, other: other.map(|(key, value)| (key.clone(), value.clone())).collect() }
    }

    /// Reads `{"type": …, "targetClass": …, "required": …, "defaultValue": …}`.
    pub fn parse(class: &str, name: &str, map: &Map) -> Result<Self, ParseError> {
        let field = Self::with_options(FieldType::parse(map)?, map);
        let Self { kind, required, default, .. } = &field;
        let wrong = |text: String| Err(ParseError::new(ErrorCode::IncorrectType, text));
        if let Some(actual) = default.as_ref().map(FieldType::of).transpose()?.flatten()
            && actual != *kind
        {
            return wrong(format!(
                "schema mismatch for {class}.{name} default value; expected {kind} but got {actual}"
            ));
        }
        if let FieldType::Relation(_) = kind {
            if default.is_some() {
                return wrong(format!("The 'default value' option is not applicable for {kind}"));
            }
            if *required {
                return wrong(format!("The 'required' option is not applicable for {kind}"));
            }
        }
        Ok(field)
    }

    /// The wire form.
    pub fn to_value(&self) -> Value {
        let mut map = Map::default();
        map.insert("type".into(), self.kind.name().into());
        if let Some(class) = self.kind.target() {
            map.insert("targetClass".into(), class.as_str().into());
        }
        map.extend(self.options());
        Value::Object(map)
    }

    /// Its options, as in the wire form; empty if it has none.
    pub fn options(&self) -> Map {
        let mut map = Map::default();
        if self.required {
            map.insert("required".into(), true.into());
        }
        if let Some(default) = &self.default {
            map.insert("defaultValue".into(), default.clone());
        }
        map.extend(self.other.iter().map(|(key, value)| (key.clone(), value.clone())));
        map
    }
}

/// A class: its fields, who may use it, and its indexes.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassSchema {
    /// Its name.
    pub name: ClassName,
    /// Its own fields, and those Parse gives a built-in class; not `objectId`, `createdAt`, `updatedAt` and `ACL`, which
    /// every class has.
    pub fields: IndexMap<FieldName, Field>,
    /// Its permissions; `None` is open to everyone.
    pub permissions: Option<ClassPermissions>,
    /// Its indexes by name, without the one on `objectId`.
    pub indexes: IndexMap<CompactString, Index>,
    /// Whether its objects can only be added: nobody changes or deletes one. Ours; Parse has no such thing.
    pub append_only: bool,
}

/// The columns every class has, with their types.
pub const BASE_FIELDS: [(&str, &str); 4] =
    [("objectId", "String"), ("createdAt", "Date"), ("updatedAt", "Date"), ("ACL", "ACL")];

impl ClassSchema {
    /// A class with the fields that Parse gives it, and no others.
    pub fn new(name: ClassName) -> Self {
        let fields = builtin::fields_of(name.as_str());
        Self { name, fields, permissions: None, indexes: IndexMap::new(), append_only: false }
    }

    /// The type of a field, also of those every class has.
    pub fn kind(&self, field: &str) -> Option<FieldType> {
        match field {
            "objectId" => Some(FieldType::String),
            "createdAt" | "updatedAt" => Some(FieldType::Date),
            "ACL" => Some(FieldType::Acl),
            _ => self.fields.get(field).map(|field| field.kind.clone()),
        }
    }

    /// Its relations: field and target class.
    pub fn relations(&self) -> impl Iterator<Item = (&FieldName, &ClassName)> {
        self.fields.iter().filter_map(|(name, field)| match &field.kind {
            FieldType::Relation(class) => Some((name, class)),
            _ => None,
        })
    }

    /// The index that text searches use, with its name: there is one at most.
    pub fn text_index(&self) -> Option<(&CompactString, &Index)> {
        self.indexes.iter().find(|(_, index)| index.is_for_text())
    }

    /// The wire form of `GET /schemas/CLASS`.
    pub fn to_value(&self) -> Value {
        let mut fields = Map::default();
        for (name, kind) in BASE_FIELDS {
            fields.insert(name.into(), Value::Object(std::iter::once(("type".into(), kind.into())).collect()));
        }
        for (name, field) in &self.fields {
            fields.insert(name.as_str().into(), field.to_value());
        }
        let mut indexes = Map::default();
        indexes.insert("_id_".into(), Value::Object(std::iter::once(("_id".into(), 1.into())).collect()));
        for (name, index) in &self.indexes {
            indexes.insert(name.clone(), index.shown());
        }
        let volatile = builtin::Builtin::of(&self.name).is_some_and(builtin::Builtin::is_volatile);
        let permissions = match &self.permissions {
            Some(permissions) => permissions.to_value(),
            // Parse: the server's own classes are the master key's, and their permissions are not told.
            None if volatile => Value::Object(Map::default()),
            None => ClassPermissions::of_new_class().to_value(),
        };
        let mut map = Map::default();
        map.insert("className".into(), self.name.as_str().into());
        map.insert("fields".into(), Value::Object(fields));
        map.insert("classLevelPermissions".into(), permissions);
        // Parse: a class without indexes of its own shows none, not even the one on the id.
        if !self.indexes.is_empty() && !volatile {
            map.insert("indexes".into(), Value::Object(indexes));
        }
        Value::Object(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> Result<Field, ParseError> {
        Field::parse("C", "f", json::read(text.as_bytes()).unwrap().as_object().unwrap())
    }

    #[test]
    fn fields_go_round() {
        for text in [
            r#"{"type":"String"}"#,
            r#"{"type":"Pointer","targetClass":"_User","required":true}"#,
            r#"{"type":"Number","defaultValue":3}"#,
            r#"{"type":"Number","required":false,"encrypted":true}"#,
        ] {
            assert_eq!(String::from_utf8(json::write(&field(text).unwrap().to_value())).unwrap(), text);
        }
    }

    #[test]
    fn refusals_have_parse_s_numbers_and_texts() {
        for (text, code, message) in [
            (r#"{"type":"Nope"}"#, 111, "invalid field type: Nope"),
            (r#"{"type":1}"#, 107, "invalid JSON"),
            (r#"{"type":"Pointer"}"#, 135, "type Pointer needs a class name"),
            (r#"{"type":"Pointer","targetClass":1}"#, 107, "invalid JSON"),
            (
                r#"{"type":"String","defaultValue":1}"#,
                111,
                "schema mismatch for C.f default value; expected String but got Number",
            ),
            (
                r#"{"type":"Relation","targetClass":"A","required":true}"#,
                111,
                "The 'required' option is not applicable for Relation<A>",
            ),
        ] {
            let error = field(text).unwrap_err();
            assert_eq!((error.number(), &*error.message), (Some(code), message));
        }
    }
}
