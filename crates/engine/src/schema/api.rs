//! `/schemas`: what the master key may ask of, and change in, the classes.

use parsimony_model::builtin::{self, Builtin};
use parsimony_model::names::invalid_class_name;
use parsimony_model::schema::{BASE_FIELDS, Field, Index};
use parsimony_model::value::Map;
use parsimony_model::{ClassName, ClassPermissions, ClassSchema, ErrorCode, FieldName, Filter, ParseError, Value};
use parsimony_store::{ClassChange, Scope, Selection};

use super::rules::{check_geo_points, check_index, refuse_append_only, refuse_locked, refuse_twin};
use crate::save::keywords;
use crate::work::Work;

/// The index that every class has.
const ID_INDEX: &str = "_id_";

fn refusal(code: ErrorCode, text: String) -> ParseError {
    ParseError::new(code, text)
}

fn unknown(class: &str) -> ParseError {
    refusal(ErrorCode::InvalidClassName, format!("Class {} does not exist.", parsimony_model::names::shorten(class)))
}

/// A name that cannot be a class's is the name of no class.
fn known_name(class: &str) -> Result<ClassName, ParseError> {
    if let Ok(name) = ClassName::parse(class) { Ok(name) } else { Err(unknown(class)) }
}

/// Every class.
pub(crate) async fn all(work: &Work) -> Result<Vec<Value>, ParseError> {
    work.require_master()?;
    // Another server may have changed them.
    work.engine.schemas.reload().await?;
    Ok(work.engine.schemas.all().iter().map(|class| class.to_value()).collect())
}

/// One class.
pub(crate) async fn one(work: &Work, class: &str) -> Result<Value, ParseError> {
    work.require_master()?;
    let name = known_name(class)?;
    match work.engine.schemas.find(&name).await? {
        Some(class) => Ok(class.to_value()),
        // The server's own classes are there before their first object.
        None if Builtin::of(&name).is_some_and(Builtin::is_volatile) => Ok(ClassSchema::new(name).to_value()),
        None => Err(unknown(class)),
    }
}

/// Creates a class.
pub(crate) async fn create(work: &Work, path: Option<&str>, body: &Map) -> Result<Value, ParseError> {
    work.require_master()?;
    refuse_locked(work)?;
    work.caller.may_write("create a schema")?;
    let name = class_name(path, body)?;
    let name = name.ok_or_else(|| refusal(ErrorCode::MissingName, "POST /schemas needs a class name.".to_owned()))?;
    let mut class = ClassSchema::new(ClassName::parse(&name)?);
    if work.engine.schemas.find(&class.name).await?.is_some() {
        return Err(refusal(ErrorCode::InvalidClassName, format!("Class {name} already exists.")));
    }
    refuse_denied_defaults(work, body)?;
    for (field, options) in object(body, "fields")? {
        let (field, parsed) = new_field(&class, field, options)?;
        class.fields.insert(field, parsed);
    }
    check_geo_points(&class)?;
    class.permissions = permissions(work, body, &class)?;
    let mut added = ClassChange::default();
    change_indexes(&class, &class, object(body, "indexes")?, &mut added)?;
    class.indexes.extend(added.add_indexes.into_iter().map(|(name, index)| (name.into(), index)));
    let (class, created) = work.engine.schemas.create(class).await?;
    if created {
        Ok(class.to_value())
    } else {
        Err(refusal(ErrorCode::InvalidClassName, format!("Class {name} already exists.")))
    }
}

/// Changes a class.
pub(crate) async fn update(work: &Work, class: &str, body: &Map) -> Result<Value, ParseError> {
    work.require_master()?;
    refuse_locked(work)?;
    work.caller.may_write("update a schema")?;
    class_name(Some(class), body)?;
    let name = known_name(class)?;
    work.engine.schemas.reload().await?;
    let stored = match work.engine.schemas.get(&name) {
        Some(stored) => stored,
        None if Builtin::of(&name).is_some() => work.engine.schemas.require(&name).await?,
        None => return Err(unknown(class)),
    };
    refuse_denied_defaults(work, body)?;
    let mut next = ClassSchema::clone(&stored);
    let mut change = ClassChange::default();
    change_fields(&stored, &mut next, object(body, "fields")?, &mut change)?;
    if !change.drop_fields.is_empty() {
        refuse_append_only(&stored)?;
    }
    check_geo_points(&next)?;
    change.permissions = permissions(work, body, &next)?;
    change_indexes(&stored, &next, object(body, "indexes")?, &mut change)?;
    Ok(work.engine.schemas.change(&name, &change).await?.to_value())
}

fn change_fields(
    stored: &ClassSchema,
    next: &mut ClassSchema,
    fields: &Map,
    change: &mut ClassChange,
) -> Result<(), ParseError> {
    for (field, options) in fields {
        if is_delete(options) {
            let name = own_field(&stored.name, field)?;
            if next.fields.shift_remove(&name).is_none() {
                let text = format!("Field {field} does not exist, cannot delete.");
                return Err(refusal(ErrorCode::InvalidSchemaOperation, text));
            }
            change.drop_fields.push(name);
            continue;
        }
        // The SDK sends back what it was shown.
        if BASE_FIELDS.iter().any(|(base, _)| base == field) {
            continue;
        }
        let known = stored.fields.get(field.as_str());
        let options = options.as_object().ok_or_else(|| refusal(ErrorCode::InvalidJson, "invalid JSON".to_owned()))?;
        let parsed = Field::parse(stored.name.as_str(), field, options)?;
        if known.is_some_and(|known| known.kind != parsed.kind) {
            let text = format!("Field {field} exists, cannot update.");
            return Err(refusal(ErrorCode::InvalidSchemaOperation, text));
        }
        if known == Some(&parsed) {
            continue;
        }
        let name = if known.is_some() { FieldName::parse(field)? } else { new_name(stored, field)? };
        next.fields.insert(name.clone(), parsed.clone());
        change.set_fields.push((name, parsed));
    }
    Ok(())
}

fn change_indexes(
    stored: &ClassSchema,
    next: &ClassSchema,
    indexes: &Map,
    change: &mut ClassChange,
) -> Result<(), ParseError> {
    for (name, keys) in indexes {
        let exists = name == ID_INDEX || stored.indexes.contains_key(name);
        if is_delete(keys) {
            // Parse: it does not know the index that every class has.
            if !exists || name == ID_INDEX {
                let text = format!("Index {name} does not exist, cannot delete.");
                return Err(refusal(ErrorCode::InvalidQuery, text));
            }
            change.drop_indexes.push(name.to_string());
        } else if exists || name == ID_INDEX {
            return Err(refusal(ErrorCode::InvalidQuery, format!("Index {name} exists, cannot update.")));
        } else {
            let index = new_index(next, name, keys)?;
            let known = stored.indexes.iter().map(|(name, index)| (name.as_str(), index));
            let added = change.add_indexes.iter().map(|(name, index)| (name.as_str(), index));
            refuse_twin(name, &index, known.chain(added))?;
            change.add_indexes.push((name.to_string(), index));
        }
    }
    Ok(())
}

/// Deletes a class without objects; one that does not exist is no error.
pub(crate) async fn delete(work: &Work, class: &str) -> Result<(), ParseError> {
    work.require_master()?;
    work.caller.may_write("delete a schema")?;
    let name = ClassName::parse(class)?;
    if let Some(Builtin::GlobalConfig | Builtin::GraphQLConfig | Builtin::Hooks) = Builtin::of(&name) {
        return Err(invalid_class_name(class));
    }
    let Some(class) = work.engine.schemas.find(&name).await? else { return Ok(()) };
    refuse_append_only(&class)?;
    let everything = Selection::new(class.clone(), Filter::everything(), Scope::Everything);
    let objects = work.objects.count(&everything).await?;
    if objects > 0 {
        let text = format!("Class {name} is not empty, contains {objects} objects, cannot drop schema.");
        return Err(refusal(ErrorCode::InvalidSchemaOperation, text));
    }
    work.engine.schemas.drop_class(&class).await
}

/// The name in the path and the name in the body have to agree.
fn class_name(path: Option<&str>, body: &Map) -> Result<Option<String>, ParseError> {
    let in_body = match body.get("className").filter(|name| name.is_truthy()) {
        None => None,
        Some(Value::String(name)) => Some(name.clone()),
        Some(other) => Some(String::from_utf8_lossy(&parsimony_model::value::json::write(other)).into_owned()),
    };
    match (path, in_body.as_deref()) {
        (Some(path), Some(body)) if path != body => Err(refusal(
            ErrorCode::InvalidClassName,
            format!("Class name mismatch between {} and {path}.", parsimony_model::names::shorten(body)),
        )),
        (path, body) => Ok(path.or(body).map(str::to_owned)),
    }
}

/// The permissions of a class, if any are sent. Parse: a null is everything for everyone.
fn permissions(work: &Work, body: &Map, class: &ClassSchema) -> Result<Option<ClassPermissions>, ParseError> {
    match body.get("classLevelPermissions") {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(ClassPermissions::of_new_class())),
        Some(Value::Object(map)) => {
            ClassPermissions::validated(map, &class.fields, work.engine.options.user_ids()).map(Some)
        }
        Some(_) => Err(refusal(ErrorCode::InvalidJson, "classLevelPermissions must be an object".to_owned())),
    }
}

fn object<'a>(body: &'a Map, key: &str) -> Result<&'a Map, ParseError> {
    static EMPTY: std::sync::LazyLock<Map> = std::sync::LazyLock::new(Map::default);
    match body.get(key) {
        None | Some(Value::Null) => Ok(&EMPTY),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(refusal(ErrorCode::InvalidJson, format!("{key} must be an object"))),
    }
}

fn is_delete(value: &Value) -> bool {
    value.as_object().and_then(|map| map.get("__op")).and_then(Value::as_str) == Some("Delete")
}

/// A field name that is the class's own: not one every class has, not one Parse gave it.
fn own_field(class: &ClassName, field: &str) -> Result<FieldName, ParseError> {
    let given =
        BASE_FIELDS.iter().any(|(base, _)| *base == field) || builtin::fields_of(class.as_str()).contains_key(field);
    if given {
        return Err(refusal(ErrorCode::ImmutableField, format!("field {field} cannot be changed")));
    }
    new_field_name(field)
}

fn new_field_name(field: &str) -> Result<FieldName, ParseError> {
    if let Ok(name) = FieldName::parse(field) {
        return Ok(name);
    }
    let text = format!("invalid field name: {}", parsimony_model::names::shorten(field));
    Err(refusal(ErrorCode::InvalidKeyName, text))
}

fn new_name(class: &ClassSchema, field: &str) -> Result<FieldName, ParseError> {
    let name = new_field_name(field)?;
    if BASE_FIELDS.iter().any(|(base, _)| *base == field) || builtin::fields_of(class.name.as_str()).contains_key(field)
    {
        return Err(refusal(ErrorCode::ImmutableField, format!("field {field} cannot be added")));
    }
    Ok(name)
}

/// What no object may hold is no default either.
fn refuse_denied_defaults(work: &Work, body: &Map) -> Result<(), ParseError> {
    let defaults = object(body, "fields")?.iter().filter_map(|(field, options)| {
        let default = options.as_object()?.get("defaultValue")?;
        Some((field.clone(), default.clone()))
    });
    keywords::refuse_denied(&work.engine.options.denied_keywords, &defaults.collect())
}

fn new_field(class: &ClassSchema, field: &str, options: &Value) -> Result<(FieldName, Field), ParseError> {
    let name = new_name(class, field)?;
    let options = options.as_object().ok_or_else(|| refusal(ErrorCode::InvalidJson, "invalid JSON".to_owned()))?;
    Ok((name, Field::parse(class.name.as_str(), field, options)?))
}

fn new_index(class: &ClassSchema, name: &str, keys: &Value) -> Result<Index, ParseError> {
    let shown = parsimony_model::names::shorten;
    let bad = || refusal(ErrorCode::InvalidQuery, format!("Index {} must be an object of fields.", shown(name)));
    let index = Index::parse(keys.as_object().ok_or_else(bad)?);
    check_index(class, name, &index)?;
    Ok(index)
}
