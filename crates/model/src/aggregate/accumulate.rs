//! What do many values come to? The accumulators of `$group`, and those of them that are operators, too.

use std::borrow::Cow;
use std::collections::HashSet;

use super::datum::{Datum, Document};
use super::expression::{Env, Expression, Parser};
use super::failure::Failure;
use super::key::key;
use super::operators::{Args, Made, Operator, Sum, Takes, plain_sum};
use super::run::{Run, size};
use super::sort::{Rank, SortBy, SortKey};

pub(super) const OPERATORS: &[Operator] = &[
    over("$sum", |args| Ok(Some(plain_sum(values(args)).datum()))),
    over("$avg", |args| fold(Kind::Avg, args)),
    over("$min", |args| fold(Kind::Min, args)),
    over("$max", |args| fold(Kind::Max, args)),
    over("$stdDevPop", |args| fold(Kind::DeviationOfAll, args)),
    over("$stdDevSamp", |args| fold(Kind::DeviationOfSample, args)),
    Operator { name: "$first", takes: Takes::Between(1, 1), run: |args| end("$first", args, <[Datum]>::first) },
    Operator { name: "$last", takes: Takes::Between(1, 1), run: |args| end("$last", args, <[Datum]>::last) },
];

/// How values are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sum,
    Count,
    Avg,
    Min,
    Max,
    First,
    Last,
    Push,
    AddToSet,
    MergeObjects,
    DeviationOfAll,
    DeviationOfSample,
    FirstN,
    LastN,
    MinN,
    MaxN,
    Top,
    Bottom,
}

/// One field that a group makes.
#[derive(Debug, Clone)]
pub(crate) struct Accumulator {
    kind: Kind,
    input: Expression,
    /// How many, for those that keep several.
    count: Option<Expression>,
    /// In which order, for those that sort.
    order: Option<SortBy>,
}

impl Accumulator {
    /// Reads `{"$sum": …}`.
    pub(crate) fn read(parser: &Parser, field: &str, datum: &Datum) -> Result<Self, Failure> {
        let Datum::Document(map) = datum else {
            return Err(Failure::refused(format!("The field '{field}' must be an accumulator object")));
        };
        let (Some((name, operand)), 1) = (map.first(), map.len()) else {
            return Err(Failure::refused(format!("The field '{field}' must specify one accumulator")));
        };
        let kind = match name.as_str() {
            "$sum" => Kind::Sum,
            "$count" => match operand {
                Datum::Document(nothing) if nothing.is_empty() => Kind::Count,
                _ => return Err(Failure::refused("$count takes no arguments, i.e. $count:{}")),
            },
            "$avg" => Kind::Avg,
            "$min" => Kind::Min,
            "$max" => Kind::Max,
            "$first" => Kind::First,
            "$last" => Kind::Last,
            "$push" => Kind::Push,
            "$addToSet" => Kind::AddToSet,
            "$mergeObjects" => Kind::MergeObjects,
            "$stdDevPop" => Kind::DeviationOfAll,
            "$stdDevSamp" => Kind::DeviationOfSample,
            "$firstN" => return Self::several(parser, name, operand, Kind::FirstN),
            "$lastN" => return Self::several(parser, name, operand, Kind::LastN),
            "$minN" => return Self::several(parser, name, operand, Kind::MinN),
            "$maxN" => return Self::several(parser, name, operand, Kind::MaxN),
            "$top" | "$topN" => return Self::sorted(parser, name, operand, Kind::Top),
            "$bottom" | "$bottomN" => return Self::sorted(parser, name, operand, Kind::Bottom),
            "$median" | "$percentile" => return Err(Failure::OnlyMongo(name.to_string())),
            _ => return Err(Failure::refused(format!("unknown group operator '{name}'"))),
        };
        let input = match (kind, operand) {
            (Kind::Count, _) => Expression::Constant(Datum::Int(1)),
            (_, Datum::Array(_)) => {
                return Err(Failure::refused(format!("The {name} accumulator is a unary operator")));
            }
            (_, operand) => parser.read(operand)?,
        };
        Ok(Self { kind, input, count: None, order: None })
    }

    fn options<'d>(name: &str, operand: &'d Datum, known: &[&str]) -> Result<&'d Document, Failure> {
        let Datum::Document(options) = operand else {
            return Err(Failure::refused(format!("specification must be an object; found {name}: {}", operand.kind())));
        };
        match options.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(options),
            Some(unknown) => Err(Failure::refused(format!("Unknown argument for '{name}': {unknown}"))),
        }
    }

    fn part(parser: &Parser, name: &str, options: &Document, part: &str) -> Result<Expression, Failure> {
        match options.get(part) {
            Some(datum) => parser.read(datum),
            None => Err(Failure::refused(format!("Missing value for '{part}' in {name}"))),
        }
    }

    fn several(parser: &Parser, name: &str, operand: &Datum, kind: Kind) -> Result<Self, Failure> {
        let options = Self::options(name, operand, &["n", "input"])?;
        let (count, input) = (Self::part(parser, name, options, "n")?, Self::part(parser, name, options, "input")?);
        Ok(Self { kind, input, count: Some(count), order: None })
    }

    fn sorted(parser: &Parser, name: &str, operand: &Datum, kind: Kind) -> Result<Self, Failure> {
        let many = name.ends_with('N');
        let known: &[&str] = if many { &["n", "sortBy", "output"] } else { &["sortBy", "output"] };
        let options = Self::options(name, operand, known)?;
        let count = many.then(|| Self::part(parser, name, options, "n")).transpose()?;
        let Some(by) = options.get("sortBy") else {
            return Err(Failure::refused(format!("Missing value for 'sortBy' in {name}")));
        };
        let input = Self::part(parser, name, options, "output")?;
        Ok(Self { kind, input, count, order: Some(SortBy::of_stage(by)?) })
    }

    /// The expressions in it.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        std::iter::once(&self.input).chain(&self.count)
    }

    /// The keys of its order, if it sorts.
    pub(super) fn sort_keys(&self) -> impl Iterator<Item = &SortKey> {
        self.order.iter().flat_map(SortBy::keys)
    }

    /// The state before the first value of a group; `env` is of the group's first document.
    pub(crate) fn start(&self, env: &Env<'_>) -> Result<State, Failure> {
        let count = match &self.count {
            None => 1,
            Some(count) => {
                let count = count.value(env)?;
                super::operators::count("n", count.as_ref())?
            }
        };
        Ok(State::new(self.kind, count))
    }

    /// Takes the value that a document has.
    pub(crate) fn take(&self, state: &mut State, env: &Env<'_>) -> Result<(), Failure> {
        let value = self.input.value(env)?;
        let rank = self.order.as_ref().map(|order| order.rank(env.root)).transpose()?;
        match (&mut state.content, rank, &self.order) {
            (Content::Ranked(kept), Some(rank), Some(order)) => {
                let value = value.unwrap_or_default();
                env.run.hold(size(&value))?;
                let greatest = self.kind == Kind::Bottom;
                insert(kept, (rank, value), state.count, order, greatest);
                Ok(())
            }
            _ => state.take(value, env.run),
        }
    }

    /// What it has come to.
    pub(crate) fn finish(&self, state: State) -> Datum {
        match state.content {
            Content::Ranked(kept) => {
                let mut values = kept.into_iter().map(|(_, value)| value);
                if self.count.is_some() { Datum::Array(values.collect()) } else { values.next().unwrap_or_default() }
            }
            content => State { content, ..state }.finish(),
        }
    }
}

/// Keeps the first in an order, or the last, sorted.
fn insert(kept: &mut Vec<(Rank, Datum)>, new: (Rank, Datum), count: usize, order: &SortBy, last: bool) {
    let place = if last {
        kept.partition_point(|(rank, _)| order.order(rank, &new.0).is_lt())
    } else {
        kept.partition_point(|(rank, _)| order.order(rank, &new.0).is_le())
    };
    kept.insert(place, new);
    if kept.len() > count {
        if last { drop(kept.remove(0)) } else { drop(kept.pop()) }
    }
}

/// What the values so far come to.
#[derive(Debug)]
pub(crate) struct State {
    kind: Kind,
    count: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Sum(Sum),
    Mean(Sum, u32),
    One(Option<Datum>),
    Many(Vec<Datum>),
    Set(HashSet<Vec<u8>, crate::hashing::Keyed>, Vec<Datum>),
    Merged(Document),
    /// Number, mean, and the sum of the squares of what is off the mean.
    Spread(f64, f64, f64),
    Ranked(Vec<(Rank, Datum)>),
}

impl State {
    fn new(kind: Kind, count: usize) -> Self {
        let content = match kind {
            Kind::Sum | Kind::Count => Content::Sum(Sum::default()),
            Kind::Avg => Content::Mean(Sum::default(), 0),
            Kind::Min | Kind::Max | Kind::First | Kind::Last => Content::One(None),
            Kind::Push | Kind::FirstN | Kind::LastN | Kind::MinN | Kind::MaxN => Content::Many(Vec::new()),
            Kind::AddToSet => Content::Set(HashSet::default(), Vec::new()),
            Kind::MergeObjects => Content::Merged(Document::default()),
            Kind::DeviationOfAll | Kind::DeviationOfSample => Content::Spread(0.0, 0.0, 0.0),
            Kind::Top | Kind::Bottom => Content::Ranked(Vec::new()),
        };
        Self { kind, count, content }
    }

    fn take(&mut self, value: Option<Datum>, run: &Run<'_>) -> Result<(), Failure> {
        match &mut self.content {
            Content::Sum(sum) => value.iter().for_each(|value| sum.add(value)),
            Content::Mean(sum, count) => {
                if let Some(value) = value.filter(|value| value.as_f64().is_some()) {
                    sum.add(&value);
                    *count += 1;
                }
            }
            Content::One(best) => take_one(self.kind, best, value),
            Content::Many(kept) => take_many(self.kind, kept, value, self.count, run)?,
            Content::Set(known, kept) => {
                if let Some(value) = value
                    && known.insert(key(Some(&value)))
                {
                    run.hold(2 * size(&value))?;
                    kept.push(value);
                }
            }
            Content::Merged(merged) => match value {
                None | Some(Datum::Null) => {}
                Some(Datum::Document(fields)) => {
                    run.hold(super::run::size_of_document(&fields))?;
                    merged.extend(fields);
                }
                Some(other) => {
                    let text =
                        format!("$mergeObjects requires object inputs, but an input is of type {}", other.kind());
                    return Err(Failure::refused(text));
                }
            },
            Content::Spread(count, mean, squares) => {
                if let Some(number) = value.as_ref().and_then(Datum::as_f64) {
                    *count += 1.0;
                    let off = number - *mean;
                    *mean += off / *count;
                    *squares += off * (number - *mean);
                }
            }
            Content::Ranked(_) => {}
        }
        Ok(())
    }

    fn finish(self) -> Datum {
        match self.content {
            Content::Sum(sum) => sum.datum(),
            Content::Mean(_, 0) => Datum::Null,
            Content::Mean(sum, count) => Datum::Double(sum.as_f64() / f64::from(count)),
            Content::One(best) => best.unwrap_or_default(),
            Content::Many(kept) | Content::Set(_, kept) => Datum::Array(kept),
            Content::Merged(merged) => Datum::Document(merged),
            Content::Spread(count, _, squares) => {
                let divisor = if self.kind == Kind::DeviationOfSample { count - 1.0 } else { count };
                if divisor <= 0.0 { Datum::Null } else { Datum::Double((squares / divisor).sqrt()) }
            }
            Content::Ranked(kept) => Datum::Array(kept.into_iter().map(|(_, value)| value).collect()),
        }
    }
}

fn take_one(kind: Kind, best: &mut Option<Datum>, value: Option<Datum>) {
    match kind {
        Kind::First => {
            best.get_or_insert(value.unwrap_or_default());
        }
        Kind::Last => *best = Some(value.unwrap_or_default()),
        _ => {
            let Some(value) = value.filter(|value| !matches!(value, Datum::Null)) else { return };
            let better = best.as_ref().is_none_or(|best| {
                let order = value.order(best);
                if kind == Kind::Max { order.is_gt() } else { order.is_lt() }
            });
            if better {
                *best = Some(value);
            }
        }
    }
}

fn take_many(
    kind: Kind,
    kept: &mut Vec<Datum>,
    value: Option<Datum>,
    count: usize,
    run: &Run<'_>,
) -> Result<(), Failure> {
    if kind == Kind::Push {
        if let Some(value) = value {
            run.hold(size(&value))?;
            kept.push(value);
        }
        return Ok(());
    }
    let place = match kind {
        Kind::FirstN if kept.len() >= count => return Ok(()),
        Kind::FirstN | Kind::LastN => kept.len(),
        _ => match &value {
            None | Some(Datum::Null) => return Ok(()),
            Some(value) => kept.partition_point(|known| {
                let order = known.order(value);
                if kind == Kind::MaxN { order.is_ge() } else { order.is_le() }
            }),
        },
    };
    let value = value.unwrap_or_default();
    run.hold(size(&value))?;
    kept.insert(place, value);
    if kept.len() > count {
        let gone = if kind == Kind::LastN { kept.remove(0) } else { kept.pop().unwrap_or_default() };
        run.release(size(&gone));
    }
    Ok(())
}

/// An operator on all of its operands, or on the elements of the only one.
const fn over(name: &'static str, run: fn(&Args<'_>) -> Made) -> Operator {
    Operator { name, takes: Takes::Between(0, usize::MAX), run }
}

fn values<'a>(args: &'a Args<'_>) -> Vec<&'a Datum> {
    match &**args {
        [Some(only)] => match only.as_ref() {
            Datum::Array(items) => items.iter().collect(),
            other => vec![other],
        },
        _ => args.iter().flatten().map(Cow::as_ref).collect(),
    }
}

fn fold(kind: Kind, args: &Args<'_>) -> Made {
    let mut state = State::new(kind, 1);
    let free = Run::new(crate::value::Date::EPOCH, 0, usize::MAX, &|| false);
    for value in values(args) {
        state.take(Some(value.clone()), &free)?;
    }
    Ok(Some(state.finish()))
}

fn end(name: &str, args: &Args<'_>, take: fn(&[Datum]) -> Option<&Datum>) -> Made {
    match args.first().and_then(|arg| arg.as_deref()) {
        None | Some(Datum::Null) => Ok(Some(Datum::Null)),
        Some(Datum::Array(items)) => Ok(take(items).cloned()),
        Some(other) => Err(Failure::refused(format!("{name}'s argument must be an array, but is {}", other.kind()))),
    }
}
