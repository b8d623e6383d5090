//! The stages that put documents together: `$group`, `$bucket`, `$bucketAuto`, `$sortByCount`.

use compact_str::CompactString;

use super::super::accumulate::Accumulator;
use super::super::datum::{Datum, Document};
use super::super::expression::{Expression, Parser};
use super::super::failure::Failure;
use super::super::path::Path;
use super::super::sort::SortBy;
use super::{Buckets, Group, Stage};

type Fields = Vec<(CompactString, Accumulator)>;

pub(super) fn group(parser: &Parser, operand: &Datum) -> Result<Group, Failure> {
    let Datum::Document(map) = operand else {
        return Err(Failure::refused("a group's fields must be specified in an object"));
    };
    let Some(key) = map.get("_id") else { return Err(Failure::refused("a group specification must include an _id")) };
    let others = map.iter().filter(|(name, _)| *name != "_id");
    let key = match parser.read(key)? {
        // MongoDB: a key of one field has it even where it is missing.
        Expression::Document(mut parts) if parts.len() == 1 => {
            for (_, part) in &mut parts {
                let bare = std::mem::replace(part, Expression::Constant(Datum::Null));
                *part = Expression::IfNull(vec![bare, Expression::Constant(Datum::Null)]);
            }
            Expression::Document(parts)
        }
        key => key,
    };
    Ok(Group { key, fields: fields(parser, others)? })
}

fn fields<'d>(
    parser: &Parser,
    fields: impl Iterator<Item = (&'d CompactString, &'d Datum)>,
) -> Result<Fields, Failure> {
    let field = |(name, datum): (&'d CompactString, &'d Datum)| {
        if name.contains('.') {
            return Err(Failure::refused(format!("The field name '{name}' cannot contain '.'")));
        }
        if name.starts_with('$') {
            return Err(Failure::refused(format!("The field name '{name}' cannot be an operator name")));
        }
        Ok((name.clone(), Accumulator::read(parser, name, datum)?))
    };
    fields.map(field).collect()
}

/// What is made of a bucket: a count, unless it says otherwise.
fn output(parser: &Parser, name: &str, options: &Document) -> Result<Fields, Failure> {
    match options.get("output") {
        Some(Datum::Document(output)) => fields(parser, output.iter()),
        Some(other) => Err(Failure::refused(format!(
            "The {name} 'output' field must be an object, but found type: {}",
            other.kind()
        ))),
        None => {
            let one = Datum::Document(Document::from_iter([("$sum".into(), Datum::Int(1))]));
            Ok(vec![("count".into(), Accumulator::read(parser, "count", &one)?)])
        }
    }
}

fn options<'d>(name: &str, operand: &'d Datum, known: &[&str]) -> Result<&'d Document, Failure> {
    let Datum::Document(options) = operand else {
        return Err(Failure::refused(format!(
            "Argument to {name} stage must be an object, but found type: {}.",
            operand.kind()
        )));
    };
    match options.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(options),
        Some(unknown) => Err(Failure::refused(format!("Unrecognized option to {name}: {unknown}."))),
    }
}

/// What documents are put together by: an expression, and no constant.
fn key<'d>(name: &str, options: &'d Document) -> Result<&'d Datum, Failure> {
    match options.get("groupBy") {
        Some(key @ Datum::Document(_)) => Ok(key),
        Some(key @ Datum::String(text)) if text.starts_with('$') => Ok(key),
        Some(_) => Err(Failure::refused(format!(
            "The {name} 'groupBy' field must be defined as a $-prefixed path or an expression"
        ))),
        None => Err(Failure::refused(format!("{name} requires 'groupBy' to be specified."))),
    }
}

/// As MongoDB does: a group by a choice among the lower bounds, sorted.
pub(super) fn bucket(parser: &Parser, operand: &Datum) -> Result<(Stage, Stage), Failure> {
    let options = options("$bucket", operand, &["groupBy", "boundaries", "default", "output"])?;
    let key = key("$bucket", options)?;
    let Some(bounds) = options.get("boundaries").and_then(Datum::as_array) else {
        return Err(Failure::refused("$bucket requires 'groupBy' and 'boundaries' to be specified."));
    };
    let bounds: Vec<Datum> = bounds.iter().map(|bound| constant(parser, bound)).collect::<Result<_, _>>()?;
    if bounds.len() < 2 {
        return Err(Failure::refused("The $bucket 'boundaries' field must have at least 2 values"));
    }
    for pair in bounds.windows(2) {
        let [low, high] = pair else { continue };
        if low.rank() != high.rank() {
            return Err(Failure::refused(
                "All values in the the 'boundaries' option to $bucket must have the same type.",
            ));
        }
        if low.order(high).is_ge() {
            return Err(Failure::refused("The 'boundaries' option to $bucket must be sorted in ascending order."));
        }
    }
    let otherwise = match options.get("default") {
        None => None,
        Some(default) => {
            let default = constant(parser, default)?;
            let inside = |bounds: &[Datum]| match (bounds.first(), bounds.last()) {
                (Some(low), Some(high)) => default.order(low).is_ge() && default.order(high).is_lt(),
                _ => false,
            };
            if inside(&bounds) {
                let text = "The $bucket 'default' field must be less than the lowest boundary or greater than or equal to the highest boundary.";
                return Err(Failure::refused(text));
            }
            Some(Box::new(Expression::Constant(default)))
        }
    };
    let compare = |operator: &str, bound: &Datum| -> Result<Expression, Failure> {
        let literal = Datum::Document(Document::from_iter([("$literal".into(), bound.clone())]));
        let operands = Datum::Array(vec![key.clone(), literal]);
        parser.read(&Datum::Document(Document::from_iter([(operator.into(), operands)])))
    };
    let mut branches = Vec::with_capacity(bounds.len());
    for pair in bounds.windows(2) {
        let [low, high] = pair else { continue };
        let case = Expression::And(vec![compare("$gte", low)?, compare("$lt", high)?]);
        branches.push((case, Expression::Constant(low.clone())));
    }
    let fields = output(parser, "$bucket", options)?;
    let group = Group { key: Expression::Choice(branches, otherwise), fields };
    Ok((Stage::Group(group), Stage::Sort(SortBy::by(Path::parse("_id")?, false))))
}

fn constant(parser: &Parser, datum: &Datum) -> Result<Datum, Failure> {
    match parser.read(datum)?.constant() {
        Some(constant) => Ok(constant.clone()),
        None => Err(Failure::refused("The $bucket 'boundaries' and 'default' must be constant values.")),
    }
}

pub(super) fn buckets(parser: &Parser, operand: &Datum) -> Result<Buckets, Failure> {
    let options = options("$bucketAuto", operand, &["groupBy", "buckets", "output", "granularity"])?;
    if options.contains_key("granularity") {
        return Err(Failure::OnlyMongo("granularity".to_owned()));
    }
    let count = match options.get("buckets").map(Datum::as_f64) {
        None => return Err(Failure::refused("$bucketAuto requires 'groupBy' and 'buckets' to be specified.")),
        #[expect(clippy::cast_sign_loss, reason = "it is greater than 0")]
        Some(Some(count)) if count >= 1.0 && count.fract() == 0.0 => count as usize,
        Some(Some(_)) => {
            return Err(Failure::refused(
                "The $bucketAuto 'buckets' field must be greater than 0, and a 32-bit integer.",
            ));
        }
        Some(None) => return Err(Failure::refused("The $bucketAuto 'buckets' field must be a numeric value.")),
    };
    let key = parser.read(key("$bucketAuto", options)?)?;
    Ok(Buckets { key, count, fields: output(parser, "$bucketAuto", options)? })
}

pub(super) fn sort_by_count(parser: &Parser, operand: &Datum) -> Result<(Stage, Stage), Failure> {
    let sound = match operand {
        Datum::String(text) => text.starts_with('$'),
        Datum::Document(fields) => fields.keys().next().is_some_and(|key| key.starts_with('$')),
        _ => false,
    };
    if !sound {
        let text = "the sortByCount field must be defined as a $-prefixed path or an expression inside an object";
        return Err(Failure::refused(text));
    }
    let nothing = Document::default();
    let group = Group { key: parser.read(operand)?, fields: output(parser, "$sortByCount", &nothing)? };
    Ok((Stage::Group(group), Stage::Sort(SortBy::by(Path::parse("count")?, true))))
}
