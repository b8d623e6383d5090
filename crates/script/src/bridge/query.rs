//! How does a script see a query?

use std::sync::Arc;

use parking_lot::Mutex;
use parsimony_model::query::parse::{self, Reading};
use parsimony_model::query::write;
use parsimony_model::value::Map;
use parsimony_model::{ClassName, Constraint, Filter, Order, Query, Value};
use rhai::{Array, Dynamic, Engine, ImmutableString};

use super::value::{from_dynamic, from_map, map_to_dynamic};
use crate::current;
use crate::error::{Thrown, fault, thrown};

/// A query in a script. What is added in one place is added wherever the script has it.
#[derive(Debug, Clone)]
pub(crate) struct Asking(Arc<Mutex<(ClassName, Query)>>);

impl Asking {
    /// A query that came from elsewhere.
    pub(crate) fn new(class: ClassName, query: Query) -> Self {
        Self(Arc::new(Mutex::new((class, query))))
    }

    /// As it is now.
    pub(crate) fn to_parts(&self) -> (ClassName, Query) {
        self.0.lock().clone()
    }

    fn with(&mut self, change: impl FnOnce(&mut Query)) -> Self {
        change(&mut self.0.lock().1);
        self.clone()
    }

    fn constrain(&mut self, path: &str, constraint: Constraint) -> Self {
        self.with(|query| {
            let filter = std::mem::replace(&mut query.filter, Filter::everything());
            query.filter = filter.and(Filter::Field(path.into(), constraint));
        })
    }

    fn compare(&mut self, path: &str, value: &Dynamic, make: fn(Value) -> Constraint) -> Result<Self, Thrown> {
        Ok(self.constrain(path, make(from_dynamic(value)?)))
    }

    fn within(&mut self, path: &str, values: &Array, make: fn(Vec<Value>) -> Constraint) -> Result<Self, Thrown> {
        let values = values.iter().map(from_dynamic).collect::<Result<_, _>>()?;
        Ok(self.constrain(path, make(values)))
    }

    /// Conditions as REST's `where` has them.
    fn conditions(&mut self, conditions: &rhai::Map) -> Result<Self, Thrown> {
        let filter = parse::filter(&from_map(conditions)?, reading()?).map_err(thrown)?;
        Ok(self.with(|query| {
            let before = std::mem::replace(&mut query.filter, Filter::everything());
            query.filter = before.and(filter);
        }))
    }

    /// Fields, as one text with commas or a list of texts.
    fn fields(
        &mut self,
        fields: &Dynamic,
        place: fn(&mut Query) -> &mut Vec<compact_str::CompactString>,
    ) -> Result<Self, Thrown> {
        let fields = match from_dynamic(fields)? {
            Value::String(text) => text.split(',').map(|field| field.trim().into()).collect::<Vec<_>>(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).map(Into::into).collect(),
            _ => return Err(fault("fields are given as a text or a list of texts")),
        };
        Ok(self.with(|query| place(query).extend(fields)))
    }
}

fn reading() -> Result<Reading, Thrown> {
    let current = current::get()?;
    Ok(Reading { now: current.origin.host.now(), internal_fields: false })
}

fn order(path: &str, descending: bool) -> Order {
    Order { path: path.into(), descending }
}

/// A bound as a script gives it; a negative one is none at all.
fn bound(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Teaches an engine what a query is.
pub(crate) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Asking>("Query")
        .register_fn("Query", |class: &str| {
            Ok::<_, Thrown>(Asking::new(ClassName::parse(class).map_err(thrown)?, Query::default()))
        })
        .register_get("className", |query: &mut Asking| query.0.lock().0.to_string())
        .register_fn("where", |query: &mut Asking, conditions: rhai::Map| query.conditions(&conditions))
        .register_fn("to_map", |query: &mut Asking| {
            let map: Map = write::find(&query.0.lock().1);
            map_to_dynamic(map)
        });
    comparisons(engine);
    options(engine);
}

/// A method that compares, and what it adds to the query.
type Compared = (&'static str, fn(Value) -> Constraint);

/// A method that takes a list, and what it adds to the query.
type Listed = (&'static str, fn(Vec<Value>) -> Constraint);

fn comparisons(engine: &mut Engine) {
    let compared: [Compared; 6] = [
        ("equal_to", Constraint::Equals),
        ("not_equal_to", Constraint::NotEquals),
        ("less_than", Constraint::Less),
        ("less_than_or_equal_to", Constraint::LessOrEqual),
        ("greater_than", Constraint::Greater),
        ("greater_than_or_equal_to", Constraint::GreaterOrEqual),
    ];
    for (name, make) in compared {
        engine
            .register_fn(name, move |query: &mut Asking, path: &str, value: Dynamic| query.compare(path, &value, make));
    }
    let listed: [Listed; 4] = [
        ("contained_in", Constraint::In),
        ("not_contained_in", Constraint::NotIn),
        ("contains_all", Constraint::All),
        ("contained_by", Constraint::ContainedBy),
    ];
    for (name, make) in listed {
        engine
            .register_fn(name, move |query: &mut Asking, path: &str, values: Array| query.within(path, &values, make));
    }
    engine
        .register_fn("exists", |query: &mut Asking, path: &str| query.constrain(path, Constraint::Exists(true)))
        .register_fn("does_not_exist", |query: &mut Asking, path: &str| {
            query.constrain(path, Constraint::Exists(false))
        });
}

fn options(engine: &mut Engine) {
    engine
        .register_fn("ascending", |query: &mut Asking, path: &str| {
            query.with(|query| query.order.push(order(path, false)))
        })
        .register_fn("descending", |query: &mut Asking, path: &str| {
            query.with(|query| query.order.push(order(path, true)))
        })
        .register_fn("limit", |query: &mut Asking, limit: i64| query.with(|query| query.limit = Some(bound(limit))))
        .register_fn("skip", |query: &mut Asking, skip: i64| query.with(|query| query.skip = bound(skip)))
        .register_fn("select", |query: &mut Asking, fields: Dynamic| query.fields(&fields, |query| &mut query.keys))
        .register_fn("exclude", |query: &mut Asking, fields: Dynamic| {
            query.fields(&fields, |query| &mut query.exclude_keys)
        })
        .register_fn("include", |query: &mut Asking, fields: Dynamic| query.fields(&fields, |query| &mut query.include))
        .register_get("limit", |query: &mut Asking| {
            query.0.lock().1.limit.map_or(Dynamic::UNIT, |limit| i64::try_from(limit).unwrap_or(i64::MAX).into())
        })
        .register_get("skip", |query: &mut Asking| i64::try_from(query.0.lock().1.skip).unwrap_or(i64::MAX))
        .register_fn("to_string", |query: &mut Asking| -> ImmutableString {
            format!("a query of {}", query.0.lock().0).into()
        });
}
