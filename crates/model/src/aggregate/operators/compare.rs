//! Comparisons and `$not`.

use std::cmp::Ordering;

use super::{Args, Made, Operator, exactly, is_true};
use crate::aggregate::datum::Datum;
use crate::aggregate::sort::order_of_optional;

pub(super) const OPERATORS: &[Operator] = &[
    exactly("$eq", 2, |args| is(args, Ordering::is_eq)),
    exactly("$ne", 2, |args| is(args, Ordering::is_ne)),
    exactly("$gt", 2, |args| is(args, Ordering::is_gt)),
    exactly("$gte", 2, |args| is(args, Ordering::is_ge)),
    exactly("$lt", 2, |args| is(args, Ordering::is_lt)),
    exactly("$lte", 2, |args| is(args, Ordering::is_le)),
    exactly("$cmp", 2, |args| Ok(Some(Datum::Int(order(args) as i32)))),
    exactly("$not", 1, |args| Ok(Some(Datum::Bool(!args.first().is_some_and(is_true))))),
];

fn order(args: &Args<'_>) -> Ordering {
    order_of_optional(super::at(args, 0), super::at(args, 1))
}

#[expect(clippy::unnecessary_wraps, reason = "what an operator makes")]
fn is(args: &Args<'_>, holds: fn(Ordering) -> bool) -> Made {
    Ok(Some(Datum::Bool(holds(order(args)))))
}
