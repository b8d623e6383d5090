//! What is a field, a class or a type called on disk? The only place for Parse's on-disk quirks of naming.

use std::borrow::Cow;

use bson::Bson;
use bson::oid::ObjectId as MongoId;
use mongodb::options::{Collation, CollationStrength, IndexOptions};
use parsimony_model::builtin::Builtin;
use parsimony_model::schema::FieldType;
use parsimony_model::{ClassName, ClassSchema};
use parsimony_store::StoreError;

/// The collection with a document for each class.
pub(crate) const SCHEMA: &str = "_SCHEMA";
/// The object's id.
pub(crate) const ID: &str = "_id";
/// When it was created.
pub(crate) const CREATED_AT: &str = "_created_at";
/// When it was last changed.
pub(crate) const UPDATED_AT: &str = "_updated_at";
/// Who may read: a list of grants.
pub(crate) const READERS: &str = "_rperm";
/// Who may write: a list of grants.
pub(crate) const WRITERS: &str = "_wperm";
/// The ACL once more, as very old servers read it: `{"grant": {"r": true, "w": true}}`.
pub(crate) const LEGACY_ACL: &str = "_acl";
/// Before the name of a pointer field.
pub(crate) const POINTER: &str = "_p_";
/// Before the name of a login provider.
pub(crate) const AUTH_DATA: &str = "_auth_data_";
/// The field that is kept as one column for each login provider.
pub(crate) const AUTH_DATA_FIELD: &str = "authData";
/// The field of a user that is never stored: the engine stores its hash, in `_hashed_password`.
pub(crate) const PASSWORD: &str = "password";
/// The object's end of a relation, in a join table.
pub(crate) const OWNING_ID: &str = "owningId";
/// The member's end of a relation, in a join table.
pub(crate) const RELATED_ID: &str = "relatedId";

/// Fields with another name on disk, in every class. Parse: a create writes the last two under the field's own name, an
/// update and a query use these; here every write uses these, and both are read.
const RENAMED: [(&str, &str); 6] = [
    ("objectId", ID),
    ("createdAt", CREATED_AT),
    ("updatedAt", UPDATED_AT),
    ("sessionToken", "_session_token"),
    ("lastUsed", "_last_used"),
    ("timesUsed", "times_used"),
];

/// The columns that every projection keeps.
pub(crate) const ALWAYS: [&str; 7] = [ID, CREATED_AT, UPDATED_AT, READERS, WRITERS, "createdAt", "updatedAt"];

/// A name that no column has.
pub(crate) const NO_FIELD: &str = "_no_field";

/// Whether it is the class whose login providers are columns.
pub(crate) fn has_auth_data(class: &ClassName) -> bool {
    Builtin::of(class) == Some(Builtin::User)
}

/// What Parse Server gives an index besides what it is told: it finds its own indexes by their names and
/// refuses to start if they differ.
pub(crate) fn complete_index(class: &ClassName, name: &str, options: &mut IndexOptions) {
    if let (Some(Builtin::User), "case_insensitive_username" | "case_insensitive_email") = (Builtin::of(class), name) {
        options.collation = Some(without_case());
    }
}

/// How Parse compares user names and addresses: by their letters, whatever the case.
pub(crate) fn without_case() -> Collation {
    Collation::builder().locale("en_US").strength(CollationStrength::Secondary).build()
}

/// A key with a NUL character reached the store.
pub(crate) fn key_refused() -> StoreError {
    StoreError::Unfit("A key cannot contain a NUL character.".to_owned())
}

/// A password in the clear reached the store.
pub(crate) fn password_refused() -> StoreError {
    StoreError::Unfit("A password is stored as a hash only.".to_owned())
}

/// Whether the class has one document, with a number for an id.
fn has_number_id(class: &ClassName) -> bool {
    matches!(Builtin::of(class), Some(Builtin::GlobalConfig | Builtin::GraphQLConfig))
}

/// The name on disk of a field, or of a path below it.
pub(crate) fn column<'a>(class: &ClassSchema, path: &'a str) -> Cow<'a, str> {
    if let Some((_, stored)) = RENAMED.iter().find(|(field, _)| *field == path) {
        return Cow::Borrowed(stored);
    }
    if has_auth_data(&class.name)
        && let Some(provider) = path.strip_prefix("authData.")
    {
        return Cow::Owned(format!("{AUTH_DATA}{provider}"));
    }
    match class.fields.get(path) {
        Some(field) if matches!(field.kind, FieldType::Pointer(_)) => Cow::Owned(format!("{POINTER}{path}")),
        _ => Cow::Borrowed(path),
    }
}

/// Every name on disk that a field may have been written under.
pub(crate) fn columns<'a>(class: &ClassSchema, field: &'a str) -> Vec<Cow<'a, str>> {
    let current = column(class, field);
    let mut all = vec![Cow::Borrowed(field)];
    if field == "expiresAt" {
        all.push(Cow::Borrowed("_expiresAt"));
    }
    if current != field {
        all.push(current);
    }
    all
}

/// The field, or path, that a column of an index belongs to.
pub(crate) fn path_of(column: &str) -> Cow<'_, str> {
    if let Some((field, _)) = RENAMED.iter().find(|(_, stored)| *stored == column) {
        return Cow::Borrowed(field);
    }
    match (column.strip_prefix(POINTER), column.strip_prefix(AUTH_DATA)) {
        (Some(field), _) => Cow::Borrowed(field),
        (_, Some(rest)) => Cow::Owned(format!("authData.{rest}")),
        _ => Cow::Borrowed(column),
    }
}

/// Which of two names for the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// The one that is written.
    Current,
    /// One that is only read, and gives way to the other.
    Legacy,
}

/// What a key of a stored document means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column<'a> {
    /// The object's id.
    Id,
    /// When it was created.
    CreatedAt(Spelling),
    /// When it was last changed.
    UpdatedAt(Spelling),
    /// Who may read.
    Readers,
    /// Who may write.
    Writers,
    /// A pointer field of this name.
    Pointer(&'a str),
    /// A login provider of this name.
    AuthData(&'a str),
    /// A field of this name.
    Field(&'a str, Spelling),
    /// Nothing that is read.
    Nothing,
}

/// What a key of a document means, in a class with or without login providers.
pub(crate) fn meaning(key: &str, auth_data: bool) -> Column<'_> {
    use Column::{AuthData, CreatedAt, Field, Id, Nothing, Pointer, Readers, UpdatedAt, Writers};
    use Spelling::{Current, Legacy};
    if !key.starts_with('_') {
        return match key {
            "createdAt" => CreatedAt(Legacy),
            "updatedAt" => UpdatedAt(Legacy),
            "sessionToken" | "lastUsed" | "timesUsed" => Field(key, Legacy),
            "times_used" => Field("timesUsed", Current),
            // Parse: a stored field of this name in `_User` is ignored.
            AUTH_DATA_FIELD if auth_data => Nothing,
            _ => Field(key, Current),
        };
    }
    match key {
        ID => Id,
        CREATED_AT => CreatedAt(Current),
        UPDATED_AT => UpdatedAt(Current),
        READERS => Readers,
        WRITERS => Writers,
        LEGACY_ACL => Nothing,
        // A user's own is a legacy login that does not expire: it stays internal, so that no query can give it away.
        "_session_token" if !auth_data => Field("sessionToken", Current),
        "_last_used" => Field("lastUsed", Current),
        "_expiresAt" => Field("expiresAt", Legacy),
        _ => match (key.strip_prefix(POINTER), key.strip_prefix(AUTH_DATA)) {
            (Some(field), _) => Pointer(field),
            (_, Some(provider)) if auth_data => AuthData(provider),
            _ => Field(key, Current),
        },
    }
}

/// An object's id as it is written.
pub(crate) fn id(class: &ClassName, id: &str) -> Bson {
    match id.parse() {
        Ok(number) if has_number_id(class) => Bson::Int32(number),
        _ => Bson::String(id.to_owned()),
    }
}

/// Every form in which an id may be stored: text, and the driver's own ids for rows written past Parse.
pub(crate) fn ids(class: &ClassName, id: &str) -> impl Iterator<Item = Bson> {
    let own = (id.len() == 24).then(|| MongoId::parse_str(id).ok()).flatten();
    std::iter::once(self::id(class, id)).chain(own.map(Bson::ObjectId))
}

/// The type of a field as `_SCHEMA` spells it; `None` if it has no place there.
pub(crate) fn type_name(kind: &FieldType) -> Option<Cow<'static, str>> {
    Some(Cow::Borrowed(match kind {
        FieldType::String => "string",
        FieldType::Number => "number",
        FieldType::Boolean => "boolean",
        FieldType::Date => "date",
        FieldType::Object => "object",
        FieldType::Array => "array",
        FieldType::GeoPoint => "geopoint",
        FieldType::Polygon => "polygon",
        FieldType::File => "file",
        FieldType::Bytes => "bytes",
        FieldType::Pointer(class) => return Some(Cow::Owned(format!("*{class}"))),
        FieldType::Relation(class) => return Some(Cow::Owned(format!("relation<{class}>"))),
        FieldType::Acl => return None,
    }))
}

/// The type of a field from what `_SCHEMA` says.
pub(crate) fn type_of(text: &str) -> Option<FieldType> {
    if let Some(class) = text.strip_prefix('*') {
        return ClassName::parse(class).ok().map(FieldType::Pointer);
    }
    if let Some(class) = text.strip_prefix("relation<").and_then(|rest| rest.strip_suffix('>')) {
        return ClassName::parse(class).ok().map(FieldType::Relation);
    }
    Some(match text {
        "string" => FieldType::String,
        "number" => FieldType::Number,
        "boolean" => FieldType::Boolean,
        "date" => FieldType::Date,
        // Parse: `map` is what very old servers called it.
        "object" | "map" => FieldType::Object,
        "array" => FieldType::Array,
        "geopoint" => FieldType::GeoPoint,
        "polygon" => FieldType::Polygon,
        "file" => FieldType::File,
        "bytes" => FieldType::Bytes,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use parsimony_model::FieldName;
    use parsimony_model::schema::Field;

    use super::*;

    fn class(name: &str) -> ClassSchema {
        let mut class = ClassSchema::new(ClassName::parse(name).unwrap());
        let target = FieldType::Pointer(Builtin::User.name());
        class.fields.insert(FieldName::parse("owner").unwrap(), Field::plain(target));
        class
    }

    #[test]
    fn columns_have_parse_s_names() {
        for (class_name, path, expected) in [
            ("C", "objectId", "_id"),
            ("C", "createdAt", "_created_at"),
            ("C", "owner", "_p_owner"),
            ("C", "owner.x", "owner.x"),
            ("C", "name", "name"),
            ("C", "authData.a.id", "authData.a.id"),
            ("_User", "authData.a.id", "_auth_data_a.id"),
            ("_User", "_hashed_password", "_hashed_password"),
            ("_Session", "sessionToken", "_session_token"),
            ("_Session", "user", "_p_user"),
            ("_Audience", "timesUsed", "times_used"),
        ] {
            assert_eq!(column(&class(class_name), path), expected, "{class_name} {path}");
        }
    }

    #[test]
    fn index_columns_lead_back_to_their_fields() {
        for path in ["objectId", "updatedAt", "owner", "name", "a.b"] {
            assert_eq!(path_of(&column(&class("C"), path)), path);
        }
        assert_eq!(path_of("_auth_data_facebook.id"), "authData.facebook.id");
    }

    #[test]
    fn a_user_s_legacy_token_stays_internal() {
        assert_eq!(meaning("_session_token", true), Column::Field("_session_token", Spelling::Current));
        assert_eq!(meaning("_session_token", false), Column::Field("sessionToken", Spelling::Current));
        assert_eq!(meaning("authData", true), Column::Nothing);
        assert_eq!(meaning("authData", false), Column::Field("authData", Spelling::Current));
    }

    #[test]
    fn types_go_round() {
        for text in ["string", "number", "boolean", "date", "object", "array", "geopoint", "polygon", "file", "bytes"] {
            assert_eq!(type_name(&type_of(text).unwrap()).unwrap(), text);
        }
        assert_eq!(type_name(&type_of("*_User").unwrap()).unwrap(), "*_User");
        assert_eq!(type_name(&type_of("relation<Post>").unwrap()).unwrap(), "relation<Post>");
        assert_eq!(type_of("map"), Some(FieldType::Object));
        assert_eq!(type_of("nonsense"), None);
    }

    #[test]
    fn ids_take_every_form_they_may_be_stored_in() {
        let config = Builtin::GlobalConfig.name();
        assert_eq!(id(&config, "1"), Bson::Int32(1));
        let class = ClassName::parse("C").unwrap();
        assert_eq!(id(&class, "1"), Bson::String("1".to_owned()));
        assert_eq!(ids(&class, "abc").count(), 1);
        assert_eq!(ids(&class, "507f1f77bcf86cd799439011").count(), 2);
    }
}
