//! What does a `_SCHEMA` document say, and how is one written?

use bson::{Bson, Document, RawDocument, doc};
use indexmap::IndexMap;
use parsimony_model::builtin::Builtin;
use parsimony_model::permissions::ClassPermissions;
use parsimony_model::schema::{Field, Index};
use parsimony_model::{ClassName, ClassSchema, FieldName, Map, Operation, Value};
use parsimony_store::{ClassChange, StoreError};

use crate::documents::{self, spelled_out};
use crate::indexes;
use crate::names;

/// The key for what is no field.
pub(crate) const METADATA: &str = "_metadata";
/// The permissions, in [`METADATA`].
pub(crate) const PERMISSIONS: &str = "class_permissions";
/// The indexes by name, in [`METADATA`].
pub(crate) const INDEXES: &str = "indexes";
/// What fields have besides a type, in [`METADATA`].
pub(crate) const FIELD_OPTIONS: &str = "fields_options";
/// Whether objects can only be added, in [`METADATA`]; Parse Server leaves it alone.
pub(crate) const APPEND_ONLY: &str = "append_only";
/// The index that every collection has.
pub(crate) const ID_INDEX: &str = "_id_";
/// The keys of a document that are columns of every class.
const BASE: [&str; 3] = ["objectId", "createdAt", "updatedAt"];

/// Whether the class's schema is Parse's alone, so that a document of that name says nothing.
pub(crate) fn is_volatile(class: &ClassName) -> bool {
    Builtin::of(class).is_some_and(Builtin::is_volatile)
}

/// The class of a document; `None` if it is none that counts. Indexes lack their options, which only the collection knows.
pub(crate) fn class(document: &RawDocument) -> Result<Option<ClassSchema>, StoreError> {
    let map = documents::map(document)?;
    let name = map.get(names::ID).and_then(Value::as_str).unwrap_or_default();
    let Ok(name) = ClassName::parse(name) else {
        tracing::warn!(class = name, "a class is left out: its name is not valid");
        return Ok(None);
    };
    if is_volatile(&name) {
        return Ok(None);
    }
    let mut class = ClassSchema::new(name);
    let metadata = map.get(METADATA).and_then(Value::as_object);
    let part = |key: &str| metadata.and_then(|metadata| metadata.get(key)).and_then(Value::as_object);
    let options = part(FIELD_OPTIONS);
    let none = Map::default();
    for (key, kind) in map.iter().filter(|(key, _)| !key.starts_with('_') && !BASE.contains(&key.as_str())) {
        let kind = kind.as_str().unwrap_or_default();
        let (Ok(name), Some(kind)) = (FieldName::parse(key), names::type_of(kind)) else {
            tracing::warn!(class = %class.name, field = %key, kind, "a field is left out: it has no valid name or type");
            continue;
        };
        let options = options.and_then(|options| options.get(key)).and_then(Value::as_object);
        class.fields.insert(name, Field::with_options(kind, options.unwrap_or(&none)));
    }
    class.append_only = metadata.and_then(|metadata| metadata.get(APPEND_ONLY)) == Some(&Value::Bool(true));
    class.permissions = part(PERMISSIONS).map(ClassPermissions::from_stored);
    for (name, keys) in part(INDEXES).into_iter().flatten().filter(|(name, _)| *name != ID_INDEX) {
        let keys = keys.as_object().into_iter().flatten();
        let keys = keys.map(|(column, kind)| (names::path_of(column).as_ref().into(), kind.clone())).collect();
        class.indexes.insert(name.clone(), Index { keys, ..Index::default() });
    }
    Ok(Some(class))
}

/// The options of a field as they are stored; `None` if it has none.
pub(crate) fn field_options(field: &Field) -> Option<Document> {
    match spelled_out(&Value::Object(field.options())) {
        Bson::Document(options) if !options.is_empty() => Some(options),
        _ => None,
    }
}

/// The permissions as they are stored. Parse: an operation that is not mentioned is for nobody, so only those that have a
/// rule are written.
pub(crate) fn permissions(permissions: &ClassPermissions) -> Bson {
    let mut stored = spelled_out(&permissions.to_value());
    if let Bson::Document(map) = &mut stored {
        for operation in Operation::ALL.iter().filter(|operation| permissions.rule(**operation).is_none()) {
            map.remove(operation.name());
        }
        if permissions.protected_fields.is_empty() {
            map.remove("protectedFields");
        }
    }
    stored
}

/// The fields that have a place in a document, with their types.
fn stored_fields(class: &ClassSchema) -> impl Iterator<Item = (&FieldName, &Field, String)> {
    let is_user = names::has_auth_data(&class.name);
    let named = class.fields.iter().filter(move |(name, _)| !(is_user && **name == names::PASSWORD));
    named.filter_map(|(name, field)| Some((name, field, names::type_name(&field.kind)?.into_owned())))
}

/// The document of a new class.
pub(crate) fn document(class: &ClassSchema) -> Document {
    let mut document = doc! {
        names::ID: class.name.as_str(), "objectId": "string", "updatedAt": "date", "createdAt": "date",
    };
    let mut options = Document::new();
    for (name, field, kind) in stored_fields(class) {
        document.insert(name.as_str(), kind);
        if let Some(given) = field_options(field) {
            options.insert(name.as_str(), given);
        }
    }
    let mut metadata = Document::new();
    if let Some(given) = &class.permissions {
        metadata.insert(PERMISSIONS, permissions(given));
    }
    if !class.indexes.is_empty() {
        let mut indexes = doc! { ID_INDEX: { names::ID: 1 } };
        for (name, index) in &class.indexes {
            indexes.insert(name.as_str(), indexes::keys(class, index));
        }
        metadata.insert(INDEXES, indexes);
    }
    if !options.is_empty() {
        metadata.insert(FIELD_OPTIONS, options);
    }
    if class.append_only {
        metadata.insert(APPEND_ONLY, true);
    }
    if !metadata.is_empty() {
        document.insert(METADATA, metadata);
    }
    document
}

/// The change of a document that makes a change of its class, and the condition under which it may be made: no field that
/// it adds is there yet.
pub(crate) struct SchemaUpdate {
    pub(crate) query: Document,
    pub(crate) update: Document,
}

/// Plans a change of a class that is stored as `before`, where `indexes` are those the document lists.
///
/// A field that is there with another type is [`StoreError::Unfit`].
pub(crate) fn plan(
    before: &ClassSchema,
    stored: &RawDocument,
    indexes: Document,
    change: &ClassChange,
) -> Result<SchemaUpdate, StoreError> {
    let mut query = doc! { names::ID: before.name.as_str() };
    let (mut set, mut unset) = (Document::new(), Document::new());
    let options_key = |name: &FieldName| format!("{METADATA}.{FIELD_OPTIONS}.{name}");
    for (name, field) in &change.set_fields {
        if let Some(there) = before.fields.get(name).filter(|there| there.kind != field.kind) {
            return Err(StoreError::Unfit(format!(
                "schema mismatch for {}.{name}; expected {} but got {}",
                before.name, there.kind, field.kind
            )));
        }
        let is_stored = stored.get(name.as_str()).is_ok_and(|kind| kind.is_some());
        let is_password = names::has_auth_data(&before.name) && *name == names::PASSWORD;
        if let Some(kind) = names::type_name(&field.kind).filter(|_| !is_stored && !is_password) {
            query.insert(name.as_str(), doc! { "$exists": false });
            set.insert(name.as_str(), kind.into_owned());
        }
        match field_options(field) {
            Some(options) => drop(set.insert(options_key(name), options)),
            None if before.fields.get(name).is_some_and(|there| field_options(there).is_some()) => {
                unset.insert(options_key(name), true);
            }
            None => {}
        }
    }
    for name in &change.drop_fields {
        unset.insert(name.as_str(), true);
        unset.insert(options_key(name), true);
    }
    if let Some(given) = &change.permissions {
        set.insert(format!("{METADATA}.{PERMISSIONS}"), permissions(given));
    }
    if !change.add_indexes.is_empty() || !change.drop_indexes.is_empty() {
        set.insert(format!("{METADATA}.{INDEXES}"), changed_indexes(before, indexes, change));
    }
    match change.append_only {
        Some(true) => drop(set.insert(format!("{METADATA}.{APPEND_ONLY}"), true)),
        Some(false) => drop(unset.insert(format!("{METADATA}.{APPEND_ONLY}"), true)),
        None => {}
    }
    let parts = [("$set", set), ("$unset", unset)].into_iter().filter(|(_, part)| !part.is_empty());
    Ok(SchemaUpdate { query, update: parts.map(|(operator, part)| (operator.to_owned(), part.into())).collect() })
}

fn changed_indexes(before: &ClassSchema, mut indexes: Document, change: &ClassChange) -> Document {
    if indexes.is_empty() {
        indexes.insert(ID_INDEX, doc! { names::ID: 1 });
    }
    for name in &change.drop_indexes {
        indexes.remove(name);
    }
    let after = with_fields(before, change);
    for (name, index) in &change.add_indexes {
        indexes.insert(name, indexes::keys(&after, index));
    }
    indexes
}

/// The class with the fields that a change adds: indexes may stand on them.
pub(crate) fn with_fields(before: &ClassSchema, change: &ClassChange) -> ClassSchema {
    let mut after = before.clone();
    after.fields.extend(change.set_fields.iter().cloned());
    after
}

/// The class of a volatile name: its indexes are all that can change.
pub(crate) fn volatile(name: &ClassName, indexes: IndexMap<compact_str::CompactString, Index>) -> ClassSchema {
    ClassSchema { indexes, ..ClassSchema::new(name.clone()) }
}
