//! From a value of a pipeline to a [`Stage`].

use compact_str::CompactString;

use super::super::datum::{Datum, Document};
use super::super::expression::Parser;
use super::super::failure::Failure;
use super::super::matching::Condition;
use super::super::path::Path;
use super::super::projection::Projection;
use super::super::sort::SortBy;
use super::{Stage, Unwind, grouping, joining};

/// Stages that only MongoDB runs.
const ONLY_MONGO: &[&str] = &[
    "$geoNear",
    "$graphLookup",
    "$setWindowFields",
    "$densify",
    "$fill",
    "$redact",
    "$indexStats",
    "$collStats",
    "$documents",
    "$search",
    "$searchMeta",
    "$vectorSearch",
    "$planCacheStats",
];

/// How deep pipelines may stand in pipelines.
const DEPTH_MAX: usize = 20;

/// Reads stages. `depth` is how many pipelines are around them.
pub(crate) fn stages(parser: &Parser, documents: &[Document], depth: usize) -> Result<Vec<Stage>, Failure> {
    if depth > DEPTH_MAX {
        return Err(Failure::refused(format!("Maximum number of nested sub-pipelines exceeded. Limit is {DEPTH_MAX}")));
    }
    let mut stages = Vec::with_capacity(documents.len());
    for document in documents {
        let (Some((name, operand)), 1) = (document.first(), document.len()) else {
            return Err(Failure::refused("A pipeline stage specification object must contain exactly one field."));
        };
        stage(parser, name, operand, depth, &mut stages)?;
    }
    Ok(stages)
}

/// Reads the stages of a pipeline inside a stage.
pub(super) fn inner(parser: &Parser, name: &str, datum: &Datum, depth: usize) -> Result<Vec<Stage>, Failure> {
    let bad = || Failure::refused(format!("{name} must be a list of stages"));
    let documents = datum.as_array().ok_or_else(bad)?.iter().map(|item| item.as_document().cloned().ok_or_else(bad));
    stages(parser, &documents.collect::<Result<Vec<_>, _>>()?, depth + 1)
}

fn stage(
    parser: &Parser,
    name: &CompactString,
    operand: &Datum,
    depth: usize,
    stages: &mut Vec<Stage>,
) -> Result<(), Failure> {
    let stage = match name.as_str() {
        "$match" => Stage::Match(Condition::read(parser, operand)?),
        "$project" => Stage::Project(Projection::read(parser, operand)?),
        "$addFields" | "$set" => Stage::Project(Projection::adding(parser, name, operand)?),
        "$unset" => Stage::Project(Projection::losing(operand)?),
        "$replaceRoot" => Stage::Replace(parser.read(new_root(operand)?)?),
        "$replaceWith" => Stage::Replace(parser.read(operand)?),
        "$sort" => Stage::Sort(SortBy::of_stage(operand)?),
        "$skip" => Stage::Skip(number("$skip", operand)?),
        "$limit" => match number("$limit", operand)? {
            0 => return Err(Failure::refused("the limit must be positive")),
            limit => Stage::Limit(limit),
        },
        "$unwind" => Stage::Unwind(unwind(operand)?),
        "$group" => Stage::Group(grouping::group(parser, operand)?),
        "$bucket" => {
            let (group, sort) = grouping::bucket(parser, operand)?;
            stages.push(group);
            sort
        }
        "$bucketAuto" => Stage::Buckets(grouping::buckets(parser, operand)?),
        "$sortByCount" => {
            let (group, sort) = grouping::sort_by_count(parser, operand)?;
            stages.push(group);
            sort
        }
        "$count" => Stage::Count(count(operand)?),
        "$sample" => Stage::Sample(sample(operand)?),
        "$facet" => Stage::Facet(facet(parser, operand, depth)?),
        "$lookup" => Stage::Lookup(Box::new(joining::lookup(parser, operand, depth)?)),
        "$unionWith" => joining::union(operand, depth)?,
        other if ONLY_MONGO.contains(&other) => return Err(Failure::OnlyMongo(other.to_owned())),
        other => {
            let other = crate::names::shorten(other);
            return Err(Failure::refused(format!("Unrecognized pipeline stage name: '{other}'")));
        }
    };
    stages.push(stage);
    Ok(())
}

fn new_root(operand: &Datum) -> Result<&Datum, Failure> {
    let Datum::Document(options) = operand else {
        let text = "expected an object as specification for $replaceRoot stage, with the option 'newRoot'";
        return Err(Failure::refused(text));
    };
    match (options.get("newRoot"), options.len()) {
        (Some(root), 1) => Ok(root),
        _ => Err(Failure::refused("unrecognized option to $replaceRoot stage, only valid option is 'newRoot'.")),
    }
}

fn number(name: &str, operand: &Datum) -> Result<u64, Failure> {
    let invalid = |what: &str| {
        let shown = String::from_utf8(crate::value::json::write(&super::super::ejson::write(operand.clone())));
        let shown = shown.unwrap_or_default();
        Failure::refused(format!("invalid argument to {name} stage: Expected {what} in: {name}: {shown}"))
    };
    let number = operand.as_f64().ok_or_else(|| invalid("a number"))?;
    if number < 0.0 {
        return Err(invalid("a non-negative number"));
    }
    if number.fract() != 0.0 || number > 9.0e18 {
        return Err(invalid("an integer"));
    }
    #[expect(clippy::cast_sign_loss, reason = "it is not negative")]
    Ok(number as u64)
}

fn unwind(operand: &Datum) -> Result<Unwind, Failure> {
    let known = ["path", "includeArrayIndex", "preserveNullAndEmptyArrays"];
    let nothing = Document::default();
    let (path, options) = match operand {
        Datum::String(path) => (path, &nothing),
        Datum::Document(options) => {
            match (options.get("path"), options.keys().find(|key| !known.contains(&key.as_str()))) {
                (_, Some(unknown)) => {
                    return Err(Failure::refused(format!("unrecognized option to $unwind stage: {unknown}")));
                }
                (Some(Datum::String(path)), None) => (path, options),
                (Some(other), None) => {
                    return Err(Failure::refused(format!(
                        "expected a string as the path for $unwind stage, got {}",
                        other.kind()
                    )));
                }
                (None, None) => return Err(Failure::refused("no path specified to $unwind stage")),
            }
        }
        other => {
            let found = other.kind();
            return Err(Failure::refused(format!(
                "expected either a string or an object as specification for $unwind stage, got {found}"
            )));
        }
    };
    let Some(path) = path.strip_prefix('$') else {
        let text = format!("path option to $unwind stage should be prefixed with a '$': {path}");
        return Err(Failure::refused(text));
    };
    let index = match options.get("includeArrayIndex") {
        None => None,
        Some(Datum::String(index)) if !index.is_empty() && !index.starts_with('$') => Some(Path::parse(index)?),
        Some(_) => {
            return Err(Failure::refused(
                "expected a non-empty string for the includeArrayIndex  option to $unwind stage",
            ));
        }
    };
    let keeps_empty = match options.get("preserveNullAndEmptyArrays") {
        None => false,
        Some(Datum::Bool(keeps)) => *keeps,
        Some(other) => {
            let found = other.kind();
            return Err(Failure::refused(format!(
                "expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage, got {found}"
            )));
        }
    };
    Ok(Unwind { path: Path::parse(path)?, index, keeps_empty })
}

fn count(operand: &Datum) -> Result<CompactString, Failure> {
    let Datum::String(name) = operand else {
        return Err(Failure::refused("the count field must be a non-empty string"));
    };
    if name.is_empty() {
        return Err(Failure::refused("the count field must be a non-empty string"));
    }
    if name.starts_with('$') {
        return Err(Failure::refused("the count field cannot be a $-prefixed path"));
    }
    if name.contains('.') {
        return Err(Failure::refused("the count field cannot contain '.'"));
    }
    Ok(name.into())
}

fn sample(operand: &Datum) -> Result<usize, Failure> {
    let Datum::Document(options) = operand else {
        return Err(Failure::refused("the $sample stage specification must be an object"));
    };
    match (options.get("size"), options.len()) {
        (Some(size), 1) => match size.as_f64() {
            Some(size) if size >= 0.0 =>
            {
                #[expect(clippy::cast_sign_loss, reason = "it is not negative")]
                Ok(size as usize)
            }
            Some(_) => Err(Failure::refused("size argument to $sample must not be negative")),
            None => Err(Failure::refused("size argument to $sample must be a number")),
        },
        (None, 0) => Err(Failure::refused("$sample stage must specify a size")),
        _ => Err(Failure::refused("unrecognized option to $sample")),
    }
}

fn facet(parser: &Parser, operand: &Datum, depth: usize) -> Result<Vec<(CompactString, Vec<Stage>)>, Failure> {
    let Some(fields) = operand.as_document().filter(|fields| !fields.is_empty()) else {
        return Err(Failure::refused("the $facet specification must be a non-empty object"));
    };
    let one = |(name, pipeline): (&CompactString, &Datum)| {
        super::super::expression::check_key(name)?;
        let Some(items) = pipeline.as_array() else {
            return Err(Failure::refused(format!(
                "arguments to $facet must be arrays, {name} is type {}",
                pipeline.kind()
            )));
        };
        for item in items {
            let nested = item.as_document().and_then(|stage| stage.keys().next());
            if let Some(name) = nested.filter(|name| matches!(name.as_str(), "$facet" | "$geoNear" | "$indexStats")) {
                return Err(Failure::refused(format!("{name} is not allowed to be used within a $facet stage")));
            }
        }
        Ok((name.clone(), inner(parser, "$facet", pipeline, depth)?))
    };
    fields.iter().map(one).collect()
}
