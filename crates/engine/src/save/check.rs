//! Does what shall be written fit the class? Types, new fields, required values, defaults, and the class's own rules.

use std::sync::Arc;

use parsimony_model::acl::{Access, Acl, PUBLIC};
use parsimony_model::builtin::Builtin;
use parsimony_model::permissions::Operation;
use parsimony_model::schema::{ClassSchema, Field, FieldType};
use parsimony_model::update::top;
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, FieldName, ObjectId, Op, ParseError, Update, Value};

use super::{Hooked, Pending, Related, file_urls};
use crate::access::class::{self, Leave};
use crate::classes::rules_for;
use crate::transaction::Missing;
use crate::work::Work;

pub(super) async fn check(work: &Work, hooked: Hooked) -> Result<Pending, ParseError> {
    let Hooked { drafted, asked } = hooked;
    let admitted = drafted.admitted;
    let request = admitted.request;
    file_urls::refuse_others(work.engine.options.file_url_domains.as_deref(), &request.update)?;
    let (class, leave_to_add) = fit_class(work, admitted.class, &request).await?;
    let mut pending = Pending {
        id: request.id.unwrap_or_else(|| work.engine.clock.object_id(work.engine.options.object_id_size)),
        creating: request.creating,
        update: request.update,
        acl: request.acl,
        internal: request.internal,
        only_if: request.only_if,
        begins_verification: false,
        identity: request.identity,
        acl_is_default: false,
        related: Vec::new(),
        leave: if request.creating { Leave::Plain } else { admitted.leave },
        leave_to_add,
        original: drafted.original,
        stored: drafted.stored,
        computed: Vec::new(),
        class,
    };
    // What is left for fields the class does not have is to be null, or to go: they are neither.
    let class = Arc::clone(&pending.class);
    pending.update.0.retain(|path, _| class.kind(top(path)).is_some());
    pending.computed = untold(&pending, asked.as_ref());
    pending.related = take_relations(&mut pending.update)?;
    if pending.creating {
        complete(work, &mut pending)?;
    }
    check_required(&pending)?;
    rules_for(&request.class).check(work, &mut pending).await?;
    Ok(pending)
}

/// Keys inside a value: MongoDB could not keep these.
fn check_nested_keys(op: &Op) -> Result<(), ParseError> {
    match op {
        Op::Set(value) => nested(value),
        Op::Add(items) | Op::AddUnique(items) | Op::Remove(items) => items.iter().try_for_each(nested),
        Op::Delete | Op::Increment(_) | Op::Relate { .. } => Ok(()),
    }
}

fn nested(value: &Value) -> Result<(), ParseError> {
    match value {
        Value::Object(map) => map.iter().try_for_each(|(key, value)| {
            if key.contains(['$', '.', '\0']) {
                return Err(ParseError::new(
                    ErrorCode::InvalidNestedKey,
                    "Nested keys should not contain the '$' or '.' characters",
                ));
            }
            nested(value)
        }),
        Value::Array(items) => items.iter().try_for_each(nested),
        _ => Ok(()),
    }
}

/// The type an operation gives its field; none if it gives no hint.
fn kind_of(path: &str, op: &Op) -> Result<Option<FieldType>, ParseError> {
    if path.contains('.') {
        return Ok(Some(FieldType::Object));
    }
    Ok(match op {
        Op::Set(value) => FieldType::of(value)?,
        Op::Delete => None,
        Op::Increment(_) => Some(FieldType::Number),
        Op::Add(_) | Op::AddUnique(_) | Op::Remove(_) => Some(FieldType::Array),
        Op::Relate { add, remove } => {
            add.first().or(remove.first()).map(|pointer| FieldType::Relation(pointer.class.clone()))
        }
    })
}

/// The class with every field that is written; what is missing is added, where the caller may, and to which objects.
async fn fit_class(
    work: &Work,
    class: Option<Arc<ClassSchema>>,
    request: &super::SaveRequest,
) -> Result<(Arc<ClassSchema>, Leave), ParseError> {
    let name = &request.class;
    let empty;
    let known = if let Some(class) = &class {
        class
    } else {
        empty = Arc::new(ClassSchema::new(name.clone()));
        &empty
    };
    let mut new_fields: Vec<(FieldName, Field)> = Vec::new();
    let mut misfit = None;
    for (path, op) in &request.update.0 {
        let field = top(path);
        let Some(actual) = kind_of(path, op)? else { continue };
        let new = new_fields.iter().find(|(name, _)| name == field).map(|(_, field)| field.kind.clone());
        match known.kind(field).or(new) {
            Some(expected) if fits(&expected, &actual, path) => {}
            Some(expected) => misfit = misfit.or_else(|| Some(mismatch(name.as_str(), field, &expected, &actual))),
            None => new_fields.push((FieldName::parse(field)?, Field::plain(actual))),
        }
    }
    // Parse: who may not add a field hears of that first.
    let leave = match &class {
        Some(class) if !new_fields.is_empty() || names_new_field(class, &request.update) => {
            may_add_fields(work, class, request.creating)?
        }
        _ => Leave::Plain,
    };
    if let Some(misfit) = misfit {
        return Err(misfit);
    }
    refuse_second_geo_point(known, &new_fields)?;
    if known.fields.len() + new_fields.len() > work.engine.options.limits.fields_max {
        let text = format!("A class may have at most {} fields.", work.engine.options.limits.fields_max);
        return Err(ParseError::new(ErrorCode::InvalidSchemaOperation, text));
    }
    // Parse: of two refusals, that of the type is told.
    request.update.0.values().try_for_each(check_nested_keys)?;
    match class {
        Some(class) if new_fields.is_empty() => Ok((class, leave)),
        _ => {
            let missing = Missing { class: name.clone(), fields: new_fields };
            match &work.transaction {
                None => Ok((missing.add(&work.engine.schemas).await?, leave)),
                Some(open) => Err(open.lacks(missing)),
            }
        }
    }
}

/// Whether a null goes to a field that the class does not have. Parse: it is not added, and still only who may add fields
/// may send it.
fn names_new_field(class: &ClassSchema, update: &Update) -> bool {
    update.0.iter().any(|(path, op)| *op == Op::Set(Value::Null) && class.kind(top(path)).is_none())
}

/// Whether the caller may add fields to the class, and with which of its objects.
fn may_add_fields(work: &Work, class: &ClassSchema, creating: bool) -> Result<Leave, ParseError> {
    let leave = class::decide(&work.caller, class, Operation::AddField)?;
    if leave == Leave::Plain || !creating {
        return Ok(leave);
    }
    // Parse: a new object names nobody yet, which only the class's general `writeUserFields` forgive.
    match &class.permissions {
        Some(permissions) if !permissions.write_user_fields.is_empty() => Ok(Leave::Plain),
        _ => Err(class::denied(Operation::AddField, &class.name)),
    }
}

fn fits(expected: &FieldType, actual: &FieldType, path: &str) -> bool {
    expected == actual || (path.contains('.') && matches!(expected, FieldType::Object | FieldType::Array))
}

pub(crate) fn mismatch(class: &str, field: &str, expected: &FieldType, actual: &FieldType) -> ParseError {
    let text = format!("schema mismatch for {class}.{field}; expected {expected} but got {actual}");
    ParseError::new(ErrorCode::IncorrectType, text)
}

fn refuse_second_geo_point(class: &ClassSchema, new_fields: &[(FieldName, Field)]) -> Result<(), ParseError> {
    let is_point = |field: &Field| field.kind == FieldType::GeoPoint;
    let new = new_fields.iter().filter(|(_, field)| is_point(field)).count();
    let old = class.fields.values().filter(|field| is_point(field)).count();
    if new > 0 && new + old > 1 {
        return Err(ParseError::new(ErrorCode::IncorrectType, "there can only be one geopoint field in a class"));
    }
    Ok(())
}

/// The fields whose outcome the client cannot know: results of operations, and what a hook changed.
fn untold(pending: &Pending, asked: Option<&(Update, Option<Option<Acl>>)>) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    let mut tell = |field: &str| {
        if !fields.iter().any(|told| told == field) {
            fields.push(field.to_owned());
        }
    };
    pending.update.0.iter().filter(|(_, op)| op.is_computed()).for_each(|(path, _)| tell(path));
    if let Some((asked, acl)) = asked {
        let changed = pending.update.0.iter().filter(|(path, op)| asked.get(path) != Some(*op));
        changed.for_each(|(path, _)| tell(top(path)));
        let reverted = asked.0.keys().filter(|path| pending.update.get(path).is_none());
        reverted.for_each(|path| tell(top(path)));
        if *acl != pending.acl {
            tell("ACL");
        }
    }
    fields
}

fn take_relations(update: &mut Update) -> Result<Vec<Related>, ParseError> {
    let mut related = Vec::new();
    let paths: Vec<_> = update
        .0
        .iter()
        .filter(|(_, op)| matches!(op, Op::Relate { .. } | Op::Set(Value::Relation(_))))
        .map(|(path, _)| path.clone())
        .collect();
    for path in paths {
        if let Some(Op::Relate { add, remove }) = update.0.shift_remove(&path) {
            related.push(Related { field: FieldName::parse(&path)?, add, remove });
        }
    }
    Ok(related)
}

/// A new object: operations become values, and what the class says is filled in.
fn complete(work: &Work, pending: &mut Pending) -> Result<(), ParseError> {
    let mut fields = Map::default();
    std::mem::take(&mut pending.update).of_new().apply(&mut fields)?;
    for (name, field) in &pending.class.fields {
        let Some(default) = &field.default else { continue };
        let missing = fields.get(name.as_str()).is_none_or(Value::is_null);
        if missing {
            fields.insert(name.as_str().into(), default.clone());
            pending.computed.push(name.as_str().to_owned());
        }
    }
    pending.update = fields.into_iter().map(|(field, value)| (field, Op::Set(value))).collect();
    // Parse: a default that opens everything to everyone is none.
    let open = Acl::default().with(PUBLIC, Access::BOTH);
    let default = pending.class.permissions.as_ref().and_then(|permissions| permissions.default_acl.as_ref());
    if let (None | Some(None), Some(default)) = (&pending.acl, default.filter(|default| **default != open)) {
        pending.acl = Some(Some(for_creator(default, work.caller.user_id())));
        pending.acl_is_default = true;
        if Builtin::of(&pending.class.name) != Some(Builtin::User) {
            pending.computed.push("ACL".to_owned());
        }
    }
    Ok(())
}

/// The class's default ACL, with the creator in the place of `currentUser`.
fn for_creator(default: &Acl, creator: Option<&ObjectId>) -> Acl {
    let mut acl = Acl::default();
    for (who, access) in default.entries() {
        match (who, creator) {
            ("currentUser", Some(user)) => acl.grant(user.as_str(), access),
            ("currentUser", None) => {}
            (who, _) => acl.grant(who, access),
        }
    }
    acl
}

/// Parse: null, the empty text and a deletion count as missing.
fn check_required(pending: &Pending) -> Result<(), ParseError> {
    for (name, _) in pending.class.fields.iter().filter(|(_, field)| field.required) {
        let op = pending.update.get(name.as_str());
        let empty = match op {
            None => pending.creating,
            Some(Op::Set(value)) => value.is_null() || *value == Value::from(""),
            Some(op) => *op == Op::Delete,
        };
        if empty {
            return Err(ParseError::new(ErrorCode::ValidationError, format!("{name} is required")));
        }
    }
    Ok(())
}
