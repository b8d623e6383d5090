//! The stages that bring rows of other collections: `$lookup`, `$unionWith`.

use super::super::datum::{Datum, Document};
use super::super::expression::Parser;
use super::super::failure::Failure;
use super::super::path::Path;
use super::{Lookup, Stage, parse};

fn options<'d>(name: &str, operand: &'d Datum, known: &[&str]) -> Result<&'d Document, Failure> {
    let Datum::Document(options) = operand else {
        return Err(Failure::refused(format!(
            "the {name} specification must be an object, but found {}",
            operand.kind()
        )));
    };
    match options.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(options),
        Some(unknown) => Err(Failure::refused(format!("unknown argument to {name}: {unknown}"))),
    }
}

fn text<'d>(name: &str, options: &'d Document, option: &str) -> Result<Option<&'d str>, Failure> {
    match options.get(option) {
        None => Ok(None),
        Some(Datum::String(text)) => Ok(Some(text)),
        Some(other) => {
            Err(Failure::refused(format!("{name} argument '{option}' must be a string, is type {}", other.kind())))
        }
    }
}

pub(super) fn lookup(parser: &Parser, operand: &Datum, depth: usize) -> Result<Lookup, Failure> {
    const NAME: &str = "$lookup";
    let options = options(NAME, operand, &["from", "as", "localField", "foreignField", "let", "pipeline"])?;
    let Some(into) = text(NAME, options, "as")? else {
        return Err(Failure::refused("must specify 'as' field for a $lookup"));
    };
    let Some(collection) = text(NAME, options, "from")? else {
        return Err(Failure::refused("missing 'from' option to $lookup stage specification"));
    };
    let equal = match (text(NAME, options, "localField")?, text(NAME, options, "foreignField")?) {
        (Some(local), Some(foreign)) => Some((Path::parse(local)?, Path::parse(foreign)?)),
        (None, None) => None,
        _ => {
            let text = "$lookup requires both or neither of 'localField' and 'foreignField' to be specified";
            return Err(Failure::refused(text));
        }
    };
    let pipeline = options.get("pipeline");
    if equal.is_none() && pipeline.is_none() {
        let text = "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified";
        return Err(Failure::refused(text));
    }
    let variables = match options.get("let") {
        None => Vec::new(),
        Some(_) if pipeline.is_none() => {
            return Err(Failure::refused("$lookup with a 'let' argument must also specify 'pipeline'"));
        }
        Some(variables) => parser.definitions(variables)?,
    };
    let knowing = parser.knowing(variables.iter().map(|(name, _)| name.clone()));
    let stages = match pipeline {
        None => Vec::new(),
        Some(pipeline) => parse::inner(&knowing, "pipeline", pipeline, depth)?,
    };
    Ok(Lookup { collection: collection.to_owned(), equal, variables, stages, into: Path::parse(into)? })
}

pub(super) fn union(operand: &Datum, depth: usize) -> Result<Stage, Failure> {
    const NAME: &str = "$unionWith";
    if let Datum::String(collection) = operand {
        return Ok(Stage::Union { collection: collection.clone(), stages: Vec::new() });
    }
    let options = options(NAME, operand, &["coll", "pipeline"])?;
    let Some(collection) = text(NAME, options, "coll")? else {
        return Err(Failure::refused("the $unionWith stage must specify 'coll'"));
    };
    let stages = match options.get("pipeline") {
        None => Vec::new(),
        // What is outside does not reach in here.
        Some(pipeline) => parse::inner(&Parser::default(), "pipeline", pipeline, depth)?,
    };
    Ok(Stage::Union { collection: collection.to_owned(), stages })
}
