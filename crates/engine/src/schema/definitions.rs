//! What is defined, made so at start-up: classes, by the applications and by Parse's `schema` option; and roles.

use std::sync::Arc;

use compact_str::CompactString;
use parsimony_cloud::Migration;
use parsimony_model::builtin::Builtin;
use parsimony_model::permissions::UserIds;
use parsimony_model::schema::{FieldType, Index};
use parsimony_model::{Access, Acl, ClassName, ClassSchema, FieldName, Filter, Object, ObjectId, ParseError, map};
use parsimony_store::{ClassChange, Join, Scope, Selection, StoreError};

use super::apply::{self, Watched};
use super::file::{self, Definition, Unknown};
use super::plan::{Kept, Manner, OtherType, Permissions, Plan, Unmentioned, plan};
use crate::engine::Engine;
use crate::host;
use crate::options::DefinedSchemas;
use crate::users::auth_data;

/// How often a plan is made again because another server, starting at the same time, created a class first.
const TRIES_MAX: u8 = 5;

/// Makes the classes what the applications and the configuration define, and sees that users, sessions and roles have
/// theirs.
pub(crate) async fn apply(engine: &Arc<Engine>) -> Result<(), String> {
    migrations(engine, "beforeMigration", engine.registry.own().before_migration()).await?;
    let watches = engine.options.idempotency.is_some().then_some(Builtin::Idempotency);
    for builtin in [Builtin::User, Builtin::Session, Builtin::Role].into_iter().chain(watches) {
        let mut class = with_builtin_indexes(ClassSchema::new(builtin.name()));
        if builtin == Builtin::User {
            class.indexes.extend(auth_data::indexes(engine));
        }
        class.indexes.retain(|name, _| !engine.options.leaves_out_index(name));
        apply_builtin(engine, &class).await.map_err(|error| format!("class {}: {error}", class.name))?;
    }
    for definition in engine.registry.own().schemas() {
        let told = |error: ParseError| format!("schema of {}: {error}", definition.place);
        let class = file::read(&definition.json).map_err(told)?;
        let manner = Manner { user_ids: engine.options.user_ids(), ..Manner::at_start() };
        carry_out(engine, &[class], &manner).await.map_err(told)?;
    }
    if let Some(defined) = &engine.options.schema {
        // Parse: this is what its log says, and the server starts all the same.
        apply_defined(engine, defined).await.map_err(|error| format!("Failed to run migrations: {error}"))?;
    }
    migrations(engine, "afterMigration", engine.registry.own().after_migration()).await
}

async fn migrations(engine: &Arc<Engine>, which: &str, migrations: &[Migration]) -> Result<(), String> {
    for migration in migrations {
        let told = |error: ParseError| format!("{which} of {}: {error}", migration.place);
        let host = host::of(&engine.as_master()).map_err(told)?;
        host::guarded(migration.handler.call(host)).await.map_err(told)?;
    }
    Ok(())
}

/// Compares and changes; the plan that was carried out last is told.
async fn carry_out(engine: &Engine, wanted: &[Definition], manner: &Manner) -> Result<Plan, ParseError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let plan = plan(wanted, &engine.schemas.all(), manner)?;
        match apply::apply(&engine.schemas, &plan, &Watched::default()).await {
            Err(error) if apply::was_overtaken(&error) && tries < TRIES_MAX => engine.schemas.reload().await?,
            outcome => return outcome.map(|()| plan),
        }
    }
}

/// Parse's `schema` option.
async fn apply_defined(engine: &Engine, defined: &DefinedSchemas) -> Result<(), String> {
    let mut wanted: Vec<Definition> = Vec::new();
    for map in &defined.definitions {
        let definition = file::definition(map, Unknown::Ignored).map_err(|error| error.message.to_string())?;
        wanted.push(definition);
    }
    let names: Vec<&str> = wanted.iter().map(|definition| definition.name.as_str()).collect();
    let double = |index: usize, name: &str| names.iter().skip(index + 1).any(|other| *other == name);
    if defined.strict && names.iter().enumerate().any(|(index, name)| double(index, name)) {
        let list = names.join("\",\"");
        return Err(format!("The list of schemas provided contains duplicated \"className\"  \"{list}\""));
    }
    // Of several definitions of one class the last one counts.
    let last: Vec<Definition> = wanted
        .iter()
        .enumerate()
        .filter(|(index, definition)| !double(*index, definition.name.as_str()))
        .map(|(_, definition)| definition.clone())
        .collect();
    for definition in last.iter().filter(|definition| definition.permissions.is_none()) {
        if engine.schemas.get(&definition.name).is_none() {
            tracing::warn!("classLevelPermissions not provided for {}.", definition.name);
        }
    }
    let plan = carry_out(engine, &last, &manner(defined, engine.options.user_ids()))
        .await
        .map_err(|error| error.to_string())?;
    if defined.strict {
        for warning in warnings(&plan) {
            tracing::warn!("{warning}");
        }
    }
    Ok(())
}

fn manner(defined: &DefinedSchemas, user_ids: UserIds) -> Manner {
    let unmentioned = |goes: bool| if goes { Unmentioned::Goes } else { Unmentioned::Stays };
    Manner {
        other_fields: unmentioned(defined.delete_extra_fields),
        other_indexes: unmentioned(!defined.keep_unknown_indexes),
        other_type: if defined.recreate_modified_fields { OtherType::MadeAnew } else { OtherType::Stays },
        remake_indexes: true,
        permissions: Permissions::Locked,
        user_ids,
    }
}

/// What Parse's `strict` tells, in its words.
fn warnings(plan: &Plan) -> Vec<String> {
    let mut warnings = Vec::new();
    let others: Vec<&str> = plan
        .kept
        .iter()
        .filter_map(|kept| match kept {
            Kept::Class(class) if Builtin::of(class).is_none() => Some(class.as_str()),
            _ => None,
        })
        .collect();
    if !others.is_empty() {
        warnings.push(format!(
            "The following schemas are currently present in the database, but not explicitly defined in a schema: \"{}\"",
            others.join("\", \"")
        ));
    }
    let mut fields: Vec<(&ClassName, Vec<&str>)> = Vec::new();
    for kept in &plan.kept {
        match kept {
            Kept::Field(class, name, _) => match fields.last_mut().filter(|(last, _)| *last == class) {
                Some((_, names)) => names.push(name.as_str()),
                None => fields.push((class, vec![name.as_str()])),
            },
            Kept::Type { class, name, from, to } => warnings.push(format!(
                "The field \"{name}\" type differ between the schema and the database for \"{class}\"; Schema is defined \
                 as \"{}\" and current database type is \"{}\"",
                in_words(to),
                in_words(from)
            )),
            Kept::Class(_) | Kept::Index(..) => {}
        }
    }
    warnings.extend(fields.into_iter().map(|(class, names)| {
        format!(
            "The following fields exist in the database for \"{class}\", but are missing in the schema : \"{}\"",
            names.join("\" ,\"")
        )
    }));
    warnings
}

fn in_words(kind: &FieldType) -> String {
    match kind.target() {
        Some(class) => format!("{} ({class})", kind.name()),
        None => kind.name().to_owned(),
    }
}

async fn apply_builtin(engine: &Engine, wanted: &ClassSchema) -> Result<(), ParseError> {
    let Some(stored) = engine.schemas.get(&wanted.name) else {
        engine.schemas.create(wanted.clone()).await?;
        return Ok(());
    };
    let fields = wanted.fields.iter().filter(|(name, _)| !stored.fields.contains_key(*name));
    let fields = fields.map(|(name, field)| (name.clone(), field.clone())).collect();
    let indexes = wanted.indexes.iter().filter(|(name, _)| !stored.indexes.contains_key(*name));
    let one = |(name, index): (&CompactString, &Index)| ClassChange {
        add_indexes: vec![(name.to_string(), index.clone())],
        ..ClassChange::default()
    };
    let changes = std::iter::once(ClassChange { set_fields: fields, ..ClassChange::default() }).chain(indexes.map(one));
    for change in changes.filter(|change| *change != ClassChange::default()) {
        if let Err(error) = engine.schemas.change(&wanted.name, &change).await {
            // Parse: a unique index of a built-in class that the data does not allow is a warning, the server starts.
            tracing::warn!(class = %wanted.name, %error, "the class could not be brought up to date");
        }
    }
    Ok(())
}

/// The indexes Parse makes at start; and one on the session token, which every request with a session looks up.
pub(crate) fn with_builtin_indexes(mut class: ClassSchema) -> ClassSchema {
    let indexes = match Builtin::of(&class.name) {
        Some(Builtin::User) => vec![
            ("username_1", "username", true),
            ("email_1", "email", true),
            ("_email_verify_token", "_email_verify_token", false),
            ("_perishable_token", "_perishable_token", false),
        ],
        Some(Builtin::Idempotency) => vec![("reqId_1", "reqId", true)],
        Some(Builtin::Role) => vec![("name_1", "name", true)],
        Some(Builtin::Session) => vec![("session_token_1", "sessionToken", false), ("session_user_1", "user", false)],
        _ => Vec::new(),
    };
    for (name, field, unique) in indexes {
        let index = Index::on(&[field]).sparse();
        class.indexes.insert(name.into(), if unique { index.unique() } else { index });
    }
    if Builtin::of(&class.name) == Some(Builtin::User) {
        for token in ["_email_verify_token", "_perishable_token"] {
            class.indexes.insert(token.into(), Index::on(&[token]).sparse());
        }
        let anonymous = Index::on(&["authData.anonymous.id"]).unique().sparse();
        class.indexes.insert("_auth_data_anonymous_id".into(), anonymous);
        for (name, field) in [("case_insensitive_username", "username"), ("case_insensitive_email", "email")] {
            class.indexes.insert(name.into(), Index::on(&[field]).sparse().ignoring_case());
        }
    }
    if let Some(Builtin::Idempotency | Builtin::SavedReply | Builtin::RateCount) = Builtin::of(&class.name) {
        class.indexes.insert("ttl".into(), Index::on(&["expire"]).sparse().expiring_after(0));
    }
    class
}

/// Creates the roles the applications need, and lets them inherit.
pub(crate) async fn create_roles(engine: &Arc<Engine>) -> Result<(), ParseError> {
    let class = engine.schemas.require(&Builtin::Role.name()).await?;
    let mut ids = Vec::new();
    for role in engine.registry.own().roles() {
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
    use parsimony_model::Field;

    use super::*;

    #[test]
    fn strict_warns_in_parse_s_words() {
        let class = |name: &str| ClassName::parse(name).unwrap();
        let field = |name: &str| FieldName::parse(name).unwrap();
        let kept_field = |name: &str| Kept::Field(class("C"), field(name), Field::plain(FieldType::String));
        let plan = Plan {
            steps: Vec::new(),
            kept: vec![
                kept_field("a"),
                kept_field("b"),
                Kept::Type {
                    class: class("C"),
                    name: field("p"),
                    from: FieldType::Pointer(class("A")),
                    to: FieldType::Number,
                },
                Kept::Class(class("_Session")),
                Kept::Class(class("D")),
                Kept::Class(class("E")),
            ],
        };
        assert_eq!(
            warnings(&plan),
            [
                r#"The following schemas are currently present in the database, but not explicitly defined in a schema: "D", "E""#,
                r#"The field "p" type differ between the schema and the database for "C"; Schema is defined as "Number" and current database type is "Pointer (A)""#,
                r#"The following fields exist in the database for "C", but are missing in the schema : "a" ,"b""#,
            ]
        );
    }
}
