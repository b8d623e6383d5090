//! What the applications define, made so at start-up: classes, and roles.
//!
//! Fields and indexes that are missing are added, permissions are replaced; nothing is ever dropped here.

use std::sync::Arc;

use parsimony_model::builtin::Builtin;
use parsimony_model::schema::{Field, Index};
use parsimony_model::value::{Map, json};
use parsimony_model::{
    Access, Acl, ClassName, ClassPermissions, ClassSchema, FieldName, Filter, Object, ObjectId, ParseError, Value, map,
};
use parsimony_store::{ClassChange, Join, Scope, Selection, StoreError};

use crate::engine::Engine;

/// Reads the text of a schema file: Parse's schema JSON, and `appendOnly`.
pub(crate) fn read(text: &str) -> Result<ClassSchema, ParseError> {
    let value = json::read(text.as_bytes())?;
    let empty = Map::default();
    let map = value.as_object().unwrap_or(&empty);
    let name = ClassName::parse(map.get("className").and_then(Value::as_str).unwrap_or_default())?;
    let mut class = ClassSchema::new(name);
    for (field, options) in map.get("fields").and_then(Value::as_object).unwrap_or(&empty) {
        if parsimony_model::schema::BASE_FIELDS.iter().any(|(base, _)| base == field) {
            continue;
        }
        let parsed = Field::parse(class.name.as_str(), field, options.as_object().unwrap_or(&empty))?;
        class.fields.insert(FieldName::parse(field)?, parsed);
    }
    if let Some(permissions) = map.get("classLevelPermissions").and_then(Value::as_object) {
        class.permissions = Some(ClassPermissions::validated(permissions, &class.fields)?);
    }
    for (index, keys) in map.get("indexes").and_then(Value::as_object).unwrap_or(&empty) {
        let parsed = Index::parse(keys.as_object().unwrap_or(&empty));
        parsed.check(index, &class)?;
        class.indexes.insert(index.clone(), parsed);
    }
    class.append_only = map.get("appendOnly").is_some_and(Value::is_truthy);
    Ok(class)
}

/// Makes the classes what the applications define, and sees that users, sessions and roles have theirs.
pub(crate) async fn apply(engine: &Engine) -> Result<(), String> {
    for builtin in [Builtin::User, Builtin::Session, Builtin::Role] {
        let class = with_builtin_indexes(ClassSchema::new(builtin.name()));
        apply_one(engine, &class).await.map_err(|error| format!("class {}: {error}", class.name))?;
    }
    for definition in engine.registry.schemas() {
        let told = |error: ParseError| format!("schema of {}: {error}", definition.place);
        let class = read(&definition.json).map_err(told)?;
        apply_one(engine, &class).await.map_err(told)?;
    }
    Ok(())
}

async fn apply_one(engine: &Engine, wanted: &ClassSchema) -> Result<(), ParseError> {
    let Some(stored) = engine.schemas.get(&wanted.name) else {
        engine.schemas.create(wanted.clone()).await?;
        return Ok(());
    };
    let change = missing(&stored, wanted);
    if change == ClassChange::default() {
        return Ok(());
    }
    match engine.schemas.change(&wanted.name, &change).await {
        // Parse: a unique index of a built-in class that the data does not allow is a warning, the server starts.
        Err(error) if Builtin::of(&wanted.name).is_some() => {
            tracing::warn!(class = %wanted.name, %error, "the class could not be brought up to date");
            Ok(())
        }
        done => done.map(|_| ()),
    }
}

/// What the stored class lacks of the wanted one.
fn missing(stored: &ClassSchema, wanted: &ClassSchema) -> ClassChange {
    let field_lacks = |(name, field): &(&FieldName, &Field)| stored.fields.get(*name) != Some(*field);
    let builtin = Builtin::of(&wanted.name).is_some();
    ClassChange {
        permissions: wanted.permissions.clone().filter(|wanted| stored.permissions.as_ref() != Some(wanted)),
        set_fields: wanted
            .fields
            .iter()
            .filter(field_lacks)
            // An administrator's options on a built-in field stay.
            .filter(|(name, _)| !builtin || !stored.fields.contains_key(*name))
            .map(|(name, field)| (name.clone(), field.clone()))
            .collect(),
        add_indexes: wanted
            .indexes
            .iter()
            .filter(|(name, _)| !stored.indexes.contains_key(*name))
            .map(|(name, index)| (name.to_string(), index.clone()))
            .collect(),
        append_only: (wanted.append_only && !stored.append_only).then_some(true),
        ..ClassChange::default()
    }
}

/// The indexes Parse makes at start; and one on the session token, which every request with a session looks up.
pub(crate) fn with_builtin_indexes(mut class: ClassSchema) -> ClassSchema {
    let indexes = match Builtin::of(&class.name) {
        Some(Builtin::User) => vec![("username_1", "username", true), ("email_1", "email", true)],
        Some(Builtin::Role) => vec![("name_1", "name", true)],
        Some(Builtin::Session) => vec![("session_token_1", "sessionToken", false), ("session_user_1", "user", false)],
        _ => Vec::new(),
    };
    for (name, field, unique) in indexes {
        let index = Index::on(&[field]).sparse();
        class.indexes.insert(name.into(), if unique { index.unique() } else { index });
    }
    if Builtin::of(&class.name) == Some(Builtin::User) {
        for (name, field) in [("case_insensitive_username", "username"), ("case_insensitive_email", "email")] {
            class.indexes.insert(name.into(), Index::on(&[field]).sparse().ignoring_case());
        }
    }
    class
}

/// Creates the roles the applications need, and lets them inherit.
pub(crate) async fn create_roles(engine: &Arc<Engine>) -> Result<(), ParseError> {
    let class = engine.schemas.require(&Builtin::Role.name()).await?;
    let mut ids = Vec::new();
    for role in engine.registry.roles() {
        ids.push((role, role_id(engine, &class, &role.name).await?));
    }
    let join = Join { class: class.name.clone(), field: FieldName::parse("roles")? };
    for (role, id) in &ids {
        for inherited in &role.inherits {
            let parent = match ids.iter().find(|(known, _)| known.name == *inherited) {
                Some((_, parent)) => parent.clone(),
                None => role_id(engine, &class, inherited).await?,
            };
            // Parse: the role whose rights are given lists those that inherit them.
            engine.objects.link(&join, &parent, std::slice::from_ref(id)).await?;
        }
    }
    engine.accounts.forget_roles();
    Ok(())
}

async fn role_id(engine: &Engine, class: &Arc<ClassSchema>, name: &str) -> Result<ObjectId, ParseError> {
    let selection = Selection::new(Arc::clone(class), Filter::equals("name", name), Scope::Everything);
    if let Some(role) = engine.objects.find(&selection).await?.pop() {
        return Ok(role.id);
    }
    let now = engine.clock.now();
    let role = Object {
        class: class.name.clone(),
        id: engine.clock.object_id(engine.options.object_id_size),
        created_at: Some(now),
        updated_at: Some(now),
        acl: Some(Acl::default().with("*", Access::READ)),
        fields: map! { "name" => name },
    };
    match engine.objects.insert(class, &role).await {
        Ok(()) => Ok(role.id),
        // Another server that starts at the same time was first.
        Err(StoreError::Duplicate { .. }) => {
            let found = engine.objects.find(&selection).await?.pop();
            found.map(|role| role.id).ok_or_else(|| ParseError::internal("a role that exists was not found"))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_parse_s_schema_json() {
        let text = r#"{"className":"Log","fields":{"objectId":{"type":"String"},"at":{"type":"Date","required":true}},
            "classLevelPermissions":{"find":{"role:auditor":true}},
            "indexes":{"at_1":{"at":1},"one":{"keys":{"at":1},"unique":true}},"appendOnly":true}"#;
        let class = read(text).unwrap();
        assert!(class.append_only && class.fields.len() == 1);
        assert!(class.indexes["one"].unique && !class.indexes["at_1"].unique);
        let mut stored = class.clone();
        assert_eq!(missing(&stored, &class), ClassChange::default());
        stored.fields.clear();
        stored.indexes.clear();
        stored.permissions = None;
        stored.append_only = false;
        let change = missing(&stored, &class);
        assert_eq!((change.set_fields.len(), change.add_indexes.len()), (1, 2));
        assert_eq!((change.permissions.is_some(), change.append_only), (true, Some(true)));
    }
}
