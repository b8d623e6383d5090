//! What is an expression of a pipeline worth, given a document? `expression/parse.rs` reads them, `operators/` are those that
//! look at nothing but the values of their operands.

mod parse;

use std::borrow::Cow;

use compact_str::CompactString;

use super::datum::{Datum, Document};
use super::failure::Failure;
use super::operators::{Args, Operator, is_true};
use super::path::{Path, find_in};
use super::run::{Run, bounded, check_bytes, size};
use super::sort::SortBy;

pub(crate) use parse::{Parser, check_key};

/// An expression.
#[derive(Debug, Clone)]
pub(crate) enum Expression {
    /// Itself.
    Constant(Datum),
    /// What is at a path of the document.
    Field(Path),
    /// A variable, and what is at a path of it.
    Variable(Name, Vec<CompactString>),
    /// A list.
    Array(Vec<Expression>),
    /// A document; what is missing is left out.
    Document(Vec<(CompactString, Expression)>),
    /// An operator and its operands.
    Call(&'static Operator, Vec<Option<Expression>>),
    /// `$and`
    And(Vec<Expression>),
    /// `$or`
    Or(Vec<Expression>),
    /// `$ifNull`
    IfNull(Vec<Expression>),
    /// `$cond` and `$switch`: what is to hold, and what it then is; otherwise the last.
    Choice(Vec<(Expression, Expression)>, Option<Box<Expression>>),
    /// `$let`
    Let(Vec<(CompactString, Expression)>, Box<Expression>),
    /// `$map`
    Map(Box<Each>),
    /// `$filter`, perhaps with a limit.
    Filter(Box<Each>, Option<Box<Expression>>),
    /// `$reduce`: the list, the first value, the next.
    Reduce(Box<[Expression; 3]>),
    /// `$sortArray`
    Sorted(Box<Expression>, SortBy),
    /// `$rand`
    Chance,
}

/// An expression for each element of a list.
#[derive(Debug, Clone)]
pub(crate) struct Each {
    input: Expression,
    name: CompactString,
    inside: Expression,
}

/// The name of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// `ROOT` and `CURRENT`: the document.
    Root,
    /// `REMOVE`: what is missing.
    Remove,
    /// `NOW`
    Now,
    /// One that `$let` and the like define.
    Own(CompactString),
}

/// What an expression looks at.
#[derive(Clone, Copy)]
pub(crate) struct Env<'e> {
    /// The document.
    pub(crate) root: &'e Document,
    /// The variables.
    pub(crate) scope: Option<&'e Scope<'e>>,
    /// The run.
    pub(crate) run: &'e Run<'e>,
}

/// Variables, and those defined before them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'s> {
    /// Names and values.
    pub(crate) variables: &'s [(&'s str, Option<&'s Datum>)],
    /// Those before them.
    pub(crate) outer: Option<&'s Scope<'s>>,
}

/// A value, if it is not missing.
pub(crate) type Got<'e> = Result<Option<Cow<'e, Datum>>, Failure>;

impl<'e> Env<'e> {
    fn variable(&self, name: &str) -> Option<&'e Datum> {
        let mut scope = self.scope;
        while let Some(inner) = scope {
            if let Some((_, value)) = inner.variables.iter().find(|(known, _)| *known == name) {
                return *value;
            }
            scope = inner.outer;
        }
        None
    }
}

impl Expression {
    /// The value, if it is not missing.
    pub(crate) fn evaluate<'e>(&'e self, env: &Env<'e>) -> Got<'e> {
        env.run.tick()?;
        match self {
            Self::Constant(datum) => Ok(Some(Cow::Borrowed(datum))),
            Self::Field(path) => Ok(path.find(env.root)),
            Self::Variable(name, path) => Ok(variable(name, path, env)),
            Self::Array(items) => array(items, env),
            Self::Document(fields) => document(fields, env),
            Self::Call(operator, operands) => {
                let args = operands.iter().map(|operand| match operand {
                    Some(operand) => operand.evaluate(env).map(|value| (value, true)),
                    None => Ok((None, false)),
                });
                Ok((operator.run)(&Args::new(args)?)?.map(Cow::Owned))
            }
            Self::And(parts) => some_is(parts, env, false).map(|found| owned(Datum::Bool(!found))),
            Self::Or(parts) => some_is(parts, env, true).map(|found| owned(Datum::Bool(found))),
            Self::IfNull(parts) => if_null(parts, env),
            Self::Choice(branches, otherwise) => choice(branches, otherwise.as_deref(), env),
            Self::Let(variables, inside) => {
                let values = variables.iter().map(|(name, value)| Ok((name.as_str(), value.value(env)?)));
                let values: Vec<(&str, Option<Datum>)> = values.collect::<Result<_, Failure>>()?;
                let variables: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_ref())).collect();
                let scope = Scope { variables: &variables, outer: env.scope };
                inside.value(&Env { scope: Some(&scope), ..*env }).map(|value| value.map(Cow::Owned))
            }
            Self::Map(each) => map(each, env),
            Self::Filter(each, limit) => filter(each, limit.as_deref(), env),
            Self::Reduce(parts) => reduce(parts, env),
            Self::Sorted(input, by) => sorted(input, by, env),
            Self::Chance => {
                const STEPS: u32 = 1 << 31;
                Ok(owned(Datum::Double(env.run.draw(u64::from(STEPS)) as f64 / f64::from(STEPS))))
            }
        }
    }

    /// The value as one's own, if it is not missing.
    pub(crate) fn value(&self, env: &Env<'_>) -> Result<Option<Datum>, Failure> {
        Ok(self.evaluate(env)?.map(Cow::into_owned))
    }

    /// Whether it holds.
    pub(crate) fn holds(&self, env: &Env<'_>) -> Result<bool, Failure> {
        Ok(is_true(&self.evaluate(env)?))
    }

    /// The expressions in it.
    pub(crate) fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Constant(_) | Self::Field(_) | Self::Variable(..) | Self::Chance => Vec::new(),
            Self::Array(parts) | Self::And(parts) | Self::Or(parts) | Self::IfNull(parts) => parts.iter().collect(),
            Self::Document(fields) => fields.iter().map(|(_, part)| part).collect(),
            Self::Call(_, operands) => operands.iter().flatten().collect(),
            Self::Choice(branches, otherwise) => {
                let branches = branches.iter().flat_map(|(case, then)| [case, then]);
                branches.chain(otherwise.as_deref()).collect()
            }
            Self::Let(variables, inside) => variables.iter().map(|(_, part)| part).chain([&**inside]).collect(),
            Self::Map(each) => vec![&each.input, &each.inside],
            Self::Filter(each, limit) => [&each.input, &each.inside].into_iter().chain(limit.as_deref()).collect(),
            Self::Reduce(parts) => parts.iter().collect(),
            Self::Sorted(input, _) => vec![input],
        }
    }

    /// The value, if it is the same for every document.
    pub(crate) fn constant(&self) -> Option<&Datum> {
        if let Self::Constant(datum) = self { Some(datum) } else { None }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a value that is not missing")]
fn owned<'e>(datum: Datum) -> Option<Cow<'e, Datum>> {
    Some(Cow::Owned(datum))
}

fn variable<'e>(name: &Name, path: &'e [CompactString], env: &Env<'e>) -> Option<Cow<'e, Datum>> {
    match (name, path) {
        (Name::Root, []) => Some(Cow::Owned(Datum::Document(env.root.clone()))),
        (Name::Root, path) => super::path::find_below(path, env.root),
        (Name::Now, []) => Some(Cow::Owned(Datum::Date(env.run.now))),
        (Name::Remove | Name::Now, _) => None,
        (Name::Own(name), path) => find_in(path, env.variable(name)?),
    }
}

/// Parse: MongoDB makes null of what is missing in a list, and leaves it out of a document.
fn array<'e>(items: &'e [Expression], env: &Env<'e>) -> Got<'e> {
    let items: Result<Vec<Datum>, Failure> =
        items.iter().map(|item| Ok(item.value(env)?.unwrap_or_default())).collect();
    bounded(Datum::Array(items?)).map(owned)
}

fn document<'e>(fields: &'e [(CompactString, Expression)], env: &Env<'e>) -> Got<'e> {
    let mut document = Document::default();
    for (key, value) in fields {
        if let Some(value) = value.value(env)? {
            document.insert(key.clone(), value);
        }
    }
    bounded(Datum::Document(document)).map(owned)
}

/// Whether one of the parts is as true as this.
fn some_is(parts: &[Expression], env: &Env<'_>, truth: bool) -> Result<bool, Failure> {
    for part in parts {
        if part.holds(env)? == truth {
            return Ok(true);
        }
    }
    Ok(false)
}

fn if_null<'e>(parts: &'e [Expression], env: &Env<'e>) -> Got<'e> {
    let Some((last, parts)) = parts.split_last() else { return Ok(None) };
    for part in parts {
        let value = part.evaluate(env)?;
        if !super::operators::is_nullish(&value) {
            return Ok(value);
        }
    }
    last.evaluate(env)
}

fn choice<'e>(branches: &'e [(Expression, Expression)], otherwise: Option<&'e Expression>, env: &Env<'e>) -> Got<'e> {
    for (case, then) in branches {
        if case.holds(env)? {
            return then.evaluate(env);
        }
    }
    match otherwise {
        Some(otherwise) => otherwise.evaluate(env),
        None => Err(Failure::refused(
            "$switch could not find a matching branch for an input, and no default was specified.",
        )),
    }
}

/// The list in the input; nothing if it is null or missing.
fn list<'e>(input: &'e Expression, env: &Env<'e>, name: &str) -> Result<Option<Vec<Datum>>, Failure> {
    match input.value(env)? {
        None | Some(Datum::Null) => Ok(None),
        Some(Datum::Array(items)) => Ok(Some(items)),
        Some(other) => Err(Failure::refused(format!("input to ${name} must be an array not {}", other.kind()))),
    }
}

fn map<'e>(each: &'e Each, env: &Env<'e>) -> Got<'e> {
    let Some(items) = list(&each.input, env, "map")? else { return Ok(owned(Datum::Null)) };
    let mut mapped = Vec::with_capacity(items.len());
    let mut bytes = 0;
    for item in &items {
        let scope = Scope { variables: &[(&each.name, Some(item))], outer: env.scope };
        let inner = Env { scope: Some(&scope), ..*env };
        let value = each.inside.value(&inner)?.unwrap_or_default();
        bytes += size(&value);
        check_bytes(bytes)?;
        mapped.push(value);
    }
    Ok(owned(Datum::Array(mapped)))
}

fn filter<'e>(each: &'e Each, limit: Option<&'e Expression>, env: &Env<'e>) -> Got<'e> {
    let Some(items) = list(&each.input, env, "filter")? else { return Ok(owned(Datum::Null)) };
    let limit = match limit.map(|limit| limit.value(env)).transpose()?.flatten() {
        None | Some(Datum::Null) => usize::MAX,
        Some(limit) => match limit.as_f64().filter(|limit| *limit >= 1.0 && limit.fract() == 0.0) {
            #[expect(clippy::cast_sign_loss, reason = "it is greater than 0")]
            Some(limit) => limit as usize,
            None => return Err(Failure::refused("$filter: limit must be greater than 0")),
        },
    };
    let mut kept = Vec::new();
    for item in items {
        if kept.len() >= limit {
            break;
        }
        let scope = Scope { variables: &[(&each.name, Some(&item))], outer: env.scope };
        if each.inside.holds(&Env { scope: Some(&scope), ..*env })? {
            kept.push(item);
        }
    }
    Ok(owned(Datum::Array(kept)))
}

fn reduce<'e>(parts: &'e [Expression; 3], env: &Env<'e>) -> Got<'e> {
    let [input, first, inside] = parts;
    let items = match input.value(env)? {
        None | Some(Datum::Null) => return Ok(owned(Datum::Null)),
        Some(Datum::Array(items)) => items,
        Some(other) => {
            let text = format!("$reduce requires that 'input' be an array, found: {}", other.kind());
            return Err(Failure::refused(text));
        }
    };
    let mut value = first.value(env)?;
    for item in &items {
        let variables = [("this", Some(item)), ("value", value.as_ref())];
        let scope = Scope { variables: &variables, outer: env.scope };
        let next = inside.value(&Env { scope: Some(&scope), ..*env })?;
        value = next;
    }
    Ok(value.map(Cow::Owned))
}

fn sorted<'e>(input: &'e Expression, by: &SortBy, env: &Env<'e>) -> Got<'e> {
    match input.value(env)? {
        None | Some(Datum::Null) => Ok(owned(Datum::Null)),
        Some(Datum::Array(mut items)) => {
            by.sort_values(&mut items)?;
            Ok(owned(Datum::Array(items)))
        }
        Some(other) => {
            let text = format!("The input argument to $sortArray must be an array, but was of type: {}", other.kind());
            Err(Failure::refused(text))
        }
    }
}
