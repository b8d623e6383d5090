//! Queries: every read of objects, from whatever door, passes through here.

mod hooks;
pub(crate) mod include;
pub(crate) mod pieces;
pub(crate) mod redact;
mod search;
mod subqueries;

use std::sync::Arc;

use futures::future::BoxFuture;
use parsimony_cloud::AfterFind;
use parsimony_model::aggregate::answer;
use parsimony_model::builtin::Builtin;
use parsimony_model::permissions::Operation;
use parsimony_model::query::parse::Bounds;
use parsimony_model::query::{Order, fit, parse};
use parsimony_model::schema::{ClassSchema, FieldType};
use parsimony_model::update::top;
use parsimony_model::value::Map;
use parsimony_model::{ClassName, ErrorCode, FieldName, Filter, Object, ObjectId, ParseError, Query, Value, map};
use parsimony_store::Selection;

use self::hooks::Hooked;
use crate::access::fields::Hidden;
use crate::access::{class, rows};
use crate::classes::rules_for;
use crate::work::{Found, Work};
use pieces::{Finishing, Rest};

/// What a find is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A client's or cloud code's own question: the default limit counts.
    Question,
    /// The inside of a `$inQuery` or `$select`, or an `include`: as many as there are.
    Lookup,
}

/// Whether an answer may leave objects to come after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Results {
    /// All are wanted at once.
    AtOnce,
    /// If they may be many, some can come later.
    MayCome,
}

/// Reads the options of a find from a request and finds.
pub(crate) async fn find_params(work: &Work, name: &ClassName, params: &Map) -> Result<Found, ParseError> {
    answer_params(work, name, params, Results::AtOnce).await.map(|(found, _)| found)
}

/// The same, but if there may be many objects, only the first are in the answer and the others come.
pub(crate) async fn begin_params(
    work: &Work,
    name: &ClassName,
    params: &Map,
) -> Result<(Found, Option<Rest>), ParseError> {
    answer_params(work, name, params, Results::MayCome).await
}

async fn answer_params(
    work: &Work,
    name: &ClassName,
    params: &Map,
    results: Results,
) -> Result<(Found, Option<Rest>), ParseError> {
    let reading = parse::Reading { now: work.engine.clock.now(), internal_fields: work.caller.is_privileged() };
    if params.get("explain").is_some_and(Value::is_truthy) {
        may_explain(work)?;
    }
    let client = !work.caller.is_privileged();
    let bounds = if client { work.engine.options.complexity.conditions } else { Bounds::default() };
    let mut query = parse::find_within(params, reading, bounds)?;
    let Some(field) = query.redirect.take() else { return answer(work, name, query, results).await };
    let target = leads_to(work, name, Some(&field)).await?;
    let (found, rest) = answer(work, &target, query, results).await?;
    Ok((Found { class_name: Some(target), ..found }, rest))
}

/// Refuses plans to clients, unless the administrator shows them to everybody.
fn may_explain(work: &Work) -> Result<(), ParseError> {
    if work.caller.is_master() || work.engine.options.allow_public_explain {
        return Ok(());
    }
    Err(ParseError::new(ErrorCode::InvalidQuery, "Using the explain query parameter requires the master key"))
}

/// The class that a query with `redirectClassNameForKey` asks. Parse: the one that a relation leads to; every rule applies
/// to that class.
async fn leads_to(work: &Work, name: &ClassName, field: Option<&FieldName>) -> Result<ClassName, ParseError> {
    let Some(field) = field else { return Ok(name.clone()) };
    let schema = work.engine.schemas.find(name).await?;
    Ok(match schema.as_ref().and_then(|class| class.kind(field.as_str())) {
        Some(FieldType::Relation(target)) => target,
        _ => name.clone(),
    })
}

/// Finds objects, and counts them if that is asked.
pub(crate) async fn find(work: &Work, name: &ClassName, query: Query) -> Result<Found, ParseError> {
    answer(work, name, query, Results::AtOnce).await.map(|(found, _)| found)
}

async fn answer(
    work: &Work,
    name: &ClassName,
    query: Query,
    results: Results,
) -> Result<(Found, Option<Rest>), ParseError> {
    let query = match hooks::before_find(work, name, query, false).await? {
        Hooked::Query(query) => query,
        Hooked::Objects(results) => return Ok((Found { results, ..Found::default() }, None)),
    };
    let (wants_results, wants_count, explain) = (query.limit != Some(0), query.count, query.explain);
    let operation = match query.filter.as_id() {
        // Parse: who only counts needs no leave to find.
        _ if wants_count && !wants_results => Operation::Count,
        Some(_) => Operation::Get,
        None => Operation::Find,
    };
    let Some(admitted) = admit(work, name, query, operation).await? else {
        let plan = explain.filter(|_| wants_results).map(|_| plan_of_nothing());
        return Ok((Found { count: wants_count.then_some(0), plan, ..Found::default() }, None));
    };
    let count = if wants_count { Some(count_admitted(work, &admitted).await?) } else { None };
    let mut found = Found { count, ..Found::default() };
    let mut rest = None;
    match explain {
        // Parse: where nothing is looked for, there is no plan either.
        _ if !wants_results => {}
        Some(verbosity) => {
            let selection = selection(work, admitted, Purpose::Question)?.selection;
            found.plan = Some(answer::bare(work.objects.explain(&selection, None, verbosity).await?));
        }
        None => {
            let (selection, finishing) = Finishing::of(selection(work, admitted, Purpose::Question)?);
            if results == Results::MayCome && finishing.may_come(work, &selection) {
                (found.results, rest) = pieces::begin(work, &selection, finishing).await?;
            } else {
                found.results = finishing.finish(work, work.objects.find(&selection).await?).await?;
            }
        }
    }
    Ok((found, rest))
}

/// How the objects of a class that is not there are found: MongoDB has a name for it.
fn plan_of_nothing() -> Value {
    let plan = map! { "winningPlan" => map! { "stage" => "EOF" }, "rejectedPlans" => Value::Array(Vec::new()) };
    Value::Object(map! { "queryPlanner" => plan, "ok" => 1 })
}

/// Counts objects.
pub(crate) async fn count(work: &Work, name: &ClassName, query: Query) -> Result<u64, ParseError> {
    let query = match hooks::before_find(work, name, Query { count: true, ..query }, false).await? {
        Hooked::Query(query) => query,
        Hooked::Objects(_) => return Ok(0),
    };
    match admit(work, name, query, Operation::Count).await? {
        None => Ok(0),
        Some(admitted) => count_admitted(work, &admitted).await,
    }
}

/// Lets the hook before a find refuse a pipeline. Parse: what it makes of the query does not count.
pub(crate) async fn refused_by_hook(work: &Work, name: &ClassName) -> Result<(), ParseError> {
    hooks::before_find(work, name, Query::default(), false).await.map(drop)
}

/// The distinct values of a field.
pub(crate) async fn distinct(
    work: &Work,
    name: &ClassName,
    query: Query,
    field: &str,
) -> Result<Vec<Value>, ParseError> {
    let Hooked::Query(query) = hooks::before_find(work, name, query, false).await? else { return Ok(Vec::new()) };
    let Some(admitted) = admit(work, name, query, Operation::Find).await? else { return Ok(Vec::new()) };
    let selection = Selection::new(admitted.class, admitted.filter, work.caller.read_scope());
    let mut values = work.objects.distinct(&selection, field).await?;
    for value in &mut values {
        redact::locate_file(&work.engine.options, value);
    }
    Ok(values)
}

/// Reads one object.
pub(crate) async fn get(work: &Work, name: &ClassName, id: &ObjectId, query: Query) -> Result<Object, ParseError> {
    let query = Query { filter: Filter::id(id).and(query.filter), limit: Some(1), ..query };
    let query = match hooks::before_find(work, name, query, true).await? {
        Hooked::Query(query) => query,
        Hooked::Objects(objects) => return objects.into_iter().next().ok_or_else(ParseError::not_found),
    };
    let mut admitted = admit(work, name, query, Operation::Get).await?.ok_or_else(ParseError::not_found)?;
    admitted.is_get = true;
    run(work, admitted, Purpose::Question).await?.into_iter().next().ok_or_else(ParseError::not_found)
}

/// Finds for the engine's own sake, with the caller's rights and without a default limit.
///
/// Boxed, because queries contain queries.
pub(crate) fn lookup<'a>(
    work: &'a Work,
    name: &'a ClassName,
    query: Query,
) -> BoxFuture<'a, Result<Vec<Object>, ParseError>> {
    Box::pin(async move {
        let query = hooks::before_lookup(work, name, query).await?;
        // Parse: a query for exactly one id asks for `get`, wherever it stands.
        let operation = if query.filter.as_id().is_some() { Operation::Get } else { Operation::Find };
        match admit(work, name, query, operation).await? {
            None => Ok(Vec::new()),
            Some(admitted) => run(work, admitted, Purpose::Lookup).await,
        }
    })
}

/// The class and the objects of it that a condition means to this caller, its subqueries answered; `None` if there is no such
/// class.
pub(crate) async fn condition(
    work: &Work,
    name: &ClassName,
    filter: Filter,
) -> Result<Option<(Arc<ClassSchema>, Filter)>, ParseError> {
    let admitted = admit(work, name, Query::new(filter), Operation::Find).await?;
    Ok(admitted.map(|admitted| (admitted.class, admitted.filter)))
}

/// A query that this caller may ask, fitted and narrowed to what it may know of.
struct Admitted {
    class: Arc<ClassSchema>,
    query: Query,
    filter: Filter,
    /// What it may count, if it wants both.
    to_count: Option<Filter>,
    hidden: Hidden,
    /// Whether one object is asked for by its id.
    is_get: bool,
    /// What was asked, if a hook wants to know.
    asked: Option<Box<Query>>,
}

/// `None` if there is no such class.
async fn admit(
    work: &Work,
    name: &ClassName,
    mut query: Query,
    operation: Operation,
) -> Result<Option<Admitted>, ParseError> {
    let engine = &work.engine;
    let asked = work.registry.has::<AfterFind>(name.as_str()).then(|| Box::new(query.clone()));
    class::refuse_master_only(&work.caller, name, operation)?;
    let own_only = rules_for(name).visible(&work.caller)?;
    rules_for(name).ask(&engine.options, &mut query.filter);
    let Some(mut schema) = engine.schemas.find(name).await? else {
        if Builtin::of(name).is_none() {
            rows::refuse_unknown_class(&work.caller, name, engine.options.allow_client_class_creation)?;
        }
        return Ok(None);
    };
    let hidden = Hidden::from(&work.caller, &schema, &engine.options);
    drop_unknown(&mut query.order, &schema);
    hidden.refuse_use_in(&query, &schema)?;
    let leave = class::decide(&work.caller, &schema, operation)?;
    let leave_to_count = match operation {
        Operation::Find | Operation::Get if query.count => {
            Some(class::decide(&work.caller, &schema, Operation::Count)?)
        }
        _ => None,
    };
    let filter = std::mem::replace(&mut query.filter, Filter::everything());
    let preference = query.subquery_read_preference.or(query.advice.read_preference);
    let filter = subqueries::resolve(work, filter, preference).await?;
    let filter = search::prepare(work, filter, &mut schema).await?;
    let filter = fit::filter(filter, &schema)?;
    let filter = match own_only {
        Some(own) => filter.and(own),
        None => filter,
    };
    let to_count = match leave_to_count {
        Some(leave) => Some(rows::narrow(&work.caller, &schema, leave, Operation::Count, filter.clone())?),
        None => None,
    };
    let filter = rows::narrow(&work.caller, &schema, leave, operation, filter)?;
    Ok(Some(Admitted { class: schema, query, filter, to_count, hidden, is_get: false, asked }))
}

/// Parse: a field the class does not have is dropped from the order, silently.
fn drop_unknown(order: &mut Vec<Order>, class: &ClassSchema) {
    order.retain(|key| key.is_by_score() || class.kind(top(&key.path)).is_some());
}

async fn count_admitted(work: &Work, admitted: &Admitted) -> Result<u64, ParseError> {
    let scope = work.caller.read_scope();
    let filter = admitted.to_count.as_ref().unwrap_or(&admitted.filter).clone();
    let selection = Selection::new(Arc::clone(&admitted.class), filter, scope).advised(admitted.query.advice.clone());
    Ok(work.objects.count(&selection).await?)
}

/// What to ask of the store, and what is needed for what it answers.
struct Asking {
    selection: Selection,
    query: Query,
    hidden: Hidden,
    /// See [`Admitted`].
    asked: Option<Box<Query>>,
    is_get: bool,
}

fn selection(work: &Work, admitted: Admitted, purpose: Purpose) -> Result<Asking, ParseError> {
    let Admitted { class, mut query, filter, hidden, asked, is_get, .. } = admitted;
    let options = &work.engine.options;
    let limit = match purpose {
        Purpose::Lookup => query.limit,
        Purpose::Question => {
            let limit = query.limit.unwrap_or(options.default_limit);
            let max = options.max_limit.filter(|_| rules_for(&class.name).is_bounded());
            Some(max.map_or(limit, |max| limit.min(max)))
        }
    };
    include::expand_all(&mut query, &class);
    include::check_limits(work, &query)?;
    let mut keys = store_keys(&query);
    if !keys.is_empty() {
        keys.extend(hidden.deciding().map(str::to_owned));
    }
    let selection = Selection::new(class, filter, work.caller.read_scope())
        .ordered(std::mem::take(&mut query.order))
        .range(query.skip, limit)
        .only(keys)
        .scored(query.score)
        .advised(std::mem::take(&mut query.advice));
    Ok(Asking { selection, query, hidden, asked, is_get })
}

async fn run(work: &Work, admitted: Admitted, purpose: Purpose) -> Result<Vec<Object>, ParseError> {
    let (selection, finishing) = Finishing::of(selection(work, admitted, purpose)?);
    finishing.finish(work, work.objects.find(&selection).await?).await
}

/// The columns to read: the first components of what is wanted and of what is included.
fn store_keys(query: &Query) -> Vec<String> {
    if query.keys.is_empty() {
        return Vec::new();
    }
    let mut keys: Vec<String> = Vec::new();
    for path in query.keys.iter().chain(&query.include) {
        let key = top(path);
        if !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    }
    keys
}
