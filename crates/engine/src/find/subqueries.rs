//! Queries inside queries: each is a find by the same caller, and its answer takes its place.

use futures::future::BoxFuture;
use parsimony_model::query::{Advice, Membership, ReadPreference, Relatives};
use parsimony_model::update::top;
use parsimony_model::{Constraint, ErrorCode, Filter, Object, ParseError, Query, Value};

use super::{leads_to, lookup};
use crate::access::fields::Hidden;
use crate::work::Work;

/// Answers every `$inQuery`, `$notInQuery`, `$select`, `$dontSelect` and checks every `$relatedTo` of a filter.
pub(super) fn resolve(
    work: &Work,
    filter: Filter,
    preference: Option<ReadPreference>,
) -> BoxFuture<'_, Result<Filter, ParseError>> {
    Box::pin(async move {
        Ok(match filter {
            Filter::And(parts) => Filter::And(each(work, parts, preference).await?),
            Filter::Or(parts) => Filter::Or(each(work, parts, preference).await?),
            Filter::Nor(parts) => Filter::Nor(each(work, parts, preference).await?),
            Filter::RelatedTo(relatives) => related(work, relatives, preference).await?,
            Filter::Field(path, Constraint::InQuery(query, membership)) => {
                let class = leads_to(work, &query.class, query.redirect.as_ref()).await?;
                let question = question(work, query.filter, preference).keys_only(&["objectId"]);
                let found = lookup(work, &class, question).await?;
                let pointers = found.iter().map(|object| Value::Pointer(object.pointer())).collect();
                Filter::Field(path, member(pointers, membership))
            }
            Filter::Field(path, Constraint::Select(query, key, membership)) => {
                let class = leads_to(work, &query.class, query.redirect.as_ref()).await?;
                let question = question(work, query.filter, preference).keys_only(&[top(&key)]);
                let found = lookup(work, &class, question).await?;
                // Parse: of a list, each element is a value.
                let values = found.iter().filter_map(|object| below(object, &key)).flat_map(|value| match value {
                    Value::Array(items) => items,
                    value => vec![value],
                });
                Filter::Field(path, member(values.collect(), membership))
            }
            other @ (Filter::Field(..) | Filter::Relates { .. }) => other,
        })
    })
}

async fn each(work: &Work, parts: Vec<Filter>, preference: Option<ReadPreference>) -> Result<Vec<Filter>, ParseError> {
    let mut resolved = Vec::with_capacity(parts.len());
    for part in parts {
        resolved.push(resolve(work, part, preference).await?);
    }
    Ok(resolved)
}

/// Parse: order, skip and limit inside a subquery do not count, and it has no default limit.
fn question(work: &Work, filter: Filter, preference: Option<ReadPreference>) -> Query {
    let advice = Advice { read_preference: preference, ..Advice::default() };
    let options = &work.engine.options;
    let for_clients = options.complexity.subquery_rows_max.filter(|_| !work.caller.is_privileged());
    Query { advice, ..Query::new(filter).limit(for_clients.unwrap_or(options.limits.subquery_rows_max)) }
}

trait KeysOnly {
    fn keys_only(self, keys: &[&str]) -> Self;
}

impl KeysOnly for Query {
    fn keys_only(self, keys: &[&str]) -> Self {
        Self { keys: keys.iter().map(|key| (*key).into()).collect(), ..self }
    }
}

fn member(values: Vec<Value>, membership: Membership) -> Constraint {
    match membership {
        Membership::Inside => Constraint::In(values),
        Membership::Outside => Constraint::NotIn(values),
    }
}

fn below(object: &Object, path: &str) -> Option<Value> {
    let mut parts = path.split('.');
    let mut value = object.lookup(parts.next()?)?;
    for part in parts {
        value = match (value, part) {
            // Parse: the parts of a pointer's JSON are there for a path as well.
            (Value::Pointer(pointer), "objectId") => pointer.id.as_str().into(),
            (Value::Pointer(pointer), "className") => pointer.class.as_str().into(),
            (Value::Object(mut map), part) => map.shift_remove(part)?,
            _ => return None,
        };
    }
    Some(value)
}

/// Parse: who may not read the owner, or not the relation, learns of no member.
async fn related(work: &Work, relatives: Relatives, preference: Option<ReadPreference>) -> Result<Filter, ParseError> {
    let owner = &relatives.owner;
    let Some(class) = work.engine.schemas.find(&owner.class).await? else { return Ok(Filter::nothing()) };
    if Hidden::from(&work.caller, &class, &work.engine.options).hides(relatives.field.as_str()) {
        return Err(ParseError::denied(
            ErrorCode::OperationForbidden,
            format!("This user is not allowed to query {} on class {}", relatives.field, owner.class),
        ));
    }
    let readable = question(work, Filter::id(&owner.id), preference).limit(1).keys_only(&["objectId"]);
    if lookup(work, &owner.class, readable).await?.is_empty() {
        return Ok(Filter::nothing());
    }
    Ok(Filter::RelatedTo(relatives))
}
