//! What is put to the stores? A class, its objects, and questions with all that a question may have besides its condition.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::Value;

use crate::conditions;
use crate::values::{self, FIELDS, Field};

/// Questions put to one class.
pub(crate) const QUESTIONS_MAX: usize = 40;

/// Objects of one class.
const OBJECTS_MAX: usize = 10;

/// A class with its objects, and what is asked of them.
#[derive(Clone)]
pub(crate) struct Case {
    /// The fields of the class.
    pub(crate) fields: Vec<Field>,
    /// The objects: fields that the class does not have are left out.
    pub(crate) objects: Vec<Vec<(&'static str, Value)>>,
    /// The questions.
    pub(crate) questions: Vec<Question>,
}

/// A question.
#[derive(Clone)]
pub(crate) struct Question {
    /// Its `where`.
    pub(crate) condition: Value,
    /// Its `order`; what is equal in it is sorted by id.
    pub(crate) order: Option<String>,
    /// How many to leave out.
    pub(crate) skip: u64,
    /// How many at most.
    pub(crate) limit: Option<u64>,
    /// The only fields wanted; empty means all.
    pub(crate) keys: Vec<&'static str>,
    /// A path whose distinct values are asked for too.
    pub(crate) distinct: Option<&'static str>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<&str> = self.fields.iter().map(|field| field.0).collect();
        writeln!(f, "fields {}", fields.join(" "))?;
        for object in &self.objects {
            writeln!(
                f,
                "object {}",
                Value::Object(object.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
            )?;
        }
        self.questions.iter().try_for_each(|question| writeln!(f, "{question:?}"))
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { condition, order, skip, limit, keys, distinct } = self;
        write!(f, "where {condition} order {order:?} skip {skip} limit {limit:?} keys {keys:?} distinct {distinct:?}")
    }
}

/// Makes them.
pub(crate) fn case() -> impl Strategy<Value = Case> {
    let fields = subsequence(FIELDS.to_vec(), 3..=FIELDS.len());
    let objects = proptest::collection::vec(object(), 1..=OBJECTS_MAX);
    let questions = proptest::collection::vec(question(), 1..=QUESTIONS_MAX);
    (fields, objects, questions).prop_map(|(fields, objects, questions)| Case { fields, objects, questions })
}

fn object() -> BoxedStrategy<Vec<(&'static str, Value)>> {
    let each: Vec<_> =
        FIELDS.into_iter().map(|field| presence(field).prop_map(move |value| (field.0, value))).collect();
    each.prop_map(|fields| fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()).boxed()
}

fn presence(field: Field) -> BoxedStrategy<Option<Value>> {
    // Parse: where the null of a pointer field is kept depends on whether it was created or set.
    let null = u32::from(field.1 != "Pointer");
    prop_oneof![2 => Just(None), null => Just(Some(Value::Null)), 6 => values::of(field).prop_map(Some)].boxed()
}

fn question() -> impl Strategy<Value = Question> {
    // MongoDB does not sort by two lists at once.
    let plain = || select(vec!["n", "s", "b", "d", "p", "f", "r", "createdAt"]);
    let other = select(vec!["n", "s", "l", "o", "g", "a", "o.k", "o.l", "l.k", "l.0", "nosuch", "o.k.l"]);
    let key = (any::<bool>(), other, any::<bool>(), plain()).prop_map(|(first, a, second, b)| {
        let sign = |down| if down { "-" } else { "" };
        if a == b { format!("{}{a}", sign(first)) } else { format!("{}{a},{}{b}", sign(first), sign(second)) }
    });
    let order = prop_oneof![1 => Just(None), 2 => key.prop_map(Some)];
    let range = prop_oneof![3 => Just((0, None)), 1 => (0..4_u64, select(vec![None, Some(1), Some(3)]))];
    let keys = prop_oneof![3 => Just(Vec::new()), 1 => subsequence(vec!["n", "s", "l", "o", "g"], 1..=3)];
    let paths = vec!["n", "s", "b", "d", "l", "o.k", "l.k", "l.0", "p", "f", "o.k.l", "nosuch", "createdAt"];
    let distinct = prop_oneof![2 => Just(None), 1 => select(paths).prop_map(Some)];
    (conditions::filter(), order, range, keys, distinct).prop_map(
        |(condition, order, (skip, limit), keys, distinct)| Question { condition, order, skip, limit, keys, distinct },
    )
}
