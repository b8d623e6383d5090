//! What does the maintenance key write that nobody else may: internal fields, permissions as they are kept, and the dates of
//! a new object?

use compact_str::CompactString;
use parsimony_model::internal::{self, InternalField};
use parsimony_model::update::top;
use parsimony_model::value::Map;
use parsimony_model::{
    Acl, ClassName, Date, ErrorCode, FieldType, Filter, Object, ObjectId, Op, ParseError, Update, Value, names,
};
use parsimony_store::{Scope, Selection};

use super::check;
use crate::work::Work;

/// What was sent for the server's own fields.
#[derive(Debug, Default)]
pub(crate) struct Internal {
    /// Internal fields.
    pub(crate) update: Update,
    /// `_rperm`, who may read.
    readers: Option<Vec<String>>,
    /// `_wperm`, who may write.
    writers: Option<Vec<String>>,
    /// When the object was made and changed, instead of now.
    pub(crate) dates: Option<(Date, Date)>,
}

/// Takes the server's own fields out of a body, if its sender may write them.
pub(super) fn take(work: &Work, class: &ClassName, creating: bool, body: &mut Map) -> Result<Internal, ParseError> {
    let mut internal = Internal::default();
    if !work.caller.is_maintenance() {
        return Ok(internal);
    }
    if creating {
        internal.dates = take_dates(body)?;
    }
    let names: Vec<CompactString> = body.keys().filter(|name| name.starts_with('_')).cloned().collect();
    for name in names {
        let Some(value) = body.shift_remove(&name) else { continue };
        let Some(field) = internal::field(&name).filter(|field| field.can_be_written()) else {
            let text = format!("Invalid field name for update: {}", names::shorten(top(&name)));
            return Err(ParseError::new(ErrorCode::InvalidKeyName, text));
        };
        match field.name {
            "_rperm" => internal.readers = Some(list(class, field, &value)?),
            "_wperm" => internal.writers = Some(list(class, field, &value)?),
            _ => drop(internal.update.0.insert(name, op(class, field, value)?)),
        }
    }
    Ok(internal)
}

/// Parse: the dates of a new object, where that of its making is given; it cannot have changed before.
fn take_dates(body: &mut Map) -> Result<Option<(Date, Date)>, ParseError> {
    let Some(Value::Date(created_at)) = body.get("createdAt").cloned() else { return Ok(None) };
    let updated_at = body.get("updatedAt").and_then(Value::as_date).unwrap_or(created_at);
    if updated_at < created_at {
        return Err(ParseError::new(ErrorCode::ValidationError, "updatedAt cannot occur before createdAt"));
    }
    Ok(Some((created_at, updated_at)))
}

fn mismatch(class: &ClassName, field: &InternalField, actual: &FieldType) -> ParseError {
    check::mismatch(class.as_str(), field.name, &field.kind, actual)
}

fn op(class: &ClassName, field: &InternalField, value: Value) -> Result<Op, ParseError> {
    let op = Op::parse(value)?;
    let actual = match &op {
        Op::Delete | Op::Set(Value::Null) => return Ok(Op::Delete),
        // Parse: a date may be given as text.
        Op::Set(Value::String(text)) if field.kind == FieldType::Date => match text.parse() {
            Ok(date) => return Ok(Op::Set(Value::Date(date))),
            Err(_) => Some(FieldType::String),
        },
        Op::Set(value) => FieldType::of(value)?,
        Op::Increment(_) => Some(FieldType::Number),
        Op::Add(_) | Op::AddUnique(_) | Op::Remove(_) => Some(FieldType::Array),
        Op::Relate { add, remove } => add.iter().chain(remove).next().map(|to| FieldType::Relation(to.class.clone())),
    };
    match actual {
        Some(actual) if actual != field.kind => Err(mismatch(class, field, &actual)),
        _ => Ok(op),
    }
}

fn list(class: &ClassName, field: &InternalField, value: &Value) -> Result<Vec<String>, ParseError> {
    let texts = value.as_array().map(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
    match texts {
        Some(Some(texts)) => Ok(texts),
        _ => Err(mismatch(class, field, &FieldType::of(value)?.unwrap_or(FieldType::Object))),
    }
}

impl Internal {
    /// What became of the fields whose outcome the sender cannot know.
    pub(super) fn told(&self, after: &Object) -> Map {
        let computed = self.update.0.iter().filter(|(_, op)| op.is_computed());
        computed.filter_map(|(field, _)| Some((field.clone(), after.get(field)?.clone()))).collect()
    }

    /// The ACL that comes of the lists, of which one may be missing: then it stays as it is.
    pub(super) async fn acl(
        &self,
        work: &Work,
        class: &ClassName,
        id: Option<&ObjectId>,
    ) -> Result<Option<Acl>, ParseError> {
        if self.readers.is_none() && self.writers.is_none() {
            return Ok(None);
        }
        let before = match (work.engine.schemas.find(class).await?, id) {
            (Some(schema), Some(id)) => {
                let selection = Selection::new(schema, Filter::id(id), Scope::Everything).range(0, Some(1));
                work.objects.find(&selection).await?.pop().and_then(|object| object.acl)
            }
            _ => None,
        };
        let before = before.unwrap_or_default();
        let owned = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect::<Vec<_>>();
        let readers = self.readers.clone().unwrap_or_else(|| owned(&mut before.readers()));
        let writers = self.writers.clone().unwrap_or_else(|| owned(&mut before.writers()));
        Ok(Some(Acl::from_lists(readers.iter().map(String::as_str), writers.iter().map(String::as_str))))
    }
}
