//! Documents: merging them, and fields whose names no path can say.

use super::{Args, Made, Operator, at, named, null, refused, shown, there};
use crate::aggregate::datum::Datum;
use crate::aggregate::failure::Failure;
use crate::aggregate::run::bounded;

pub(super) const OPERATORS: &[Operator] = &[
    super::any("$mergeObjects", merge),
    named("$getField", &[("field", true), ("input", false)], |args| {
        let field = name("$getField", args)?;
        match at(args, 1) {
            Some(Datum::Document(fields)) => Ok(fields.get(field).cloned()),
            Some(Datum::Null) => null(),
            _ => Ok(None),
        }
    }),
    named("$setField", &[("field", true), ("input", true), ("value", true)], |args| {
        let field = name("$setField", args)?;
        change(args, |fields| match at(args, 2) {
            Some(value) => drop(fields.insert(field.into(), value.clone())),
            None => drop(fields.shift_remove(field)),
        })
    }),
    named("$unsetField", &[("field", true), ("input", true)], |args| {
        let field = name("$unsetField", args)?;
        change(args, |fields| drop(fields.shift_remove(field)))
    }),
];

fn name<'a>(operator: &str, args: &'a Args<'_>) -> Result<&'a str, Failure> {
    match at(args, 0) {
        Some(Datum::String(name)) => Ok(name),
        other => {
            let found = other.map_or("missing", Datum::kind);
            refused(format!("{operator} requires 'field' to evaluate to type String, but got {found}"))
        }
    }
}

fn change(args: &Args<'_>, change: impl FnOnce(&mut crate::aggregate::datum::Document)) -> Made {
    match there(args, 1) {
        None => null(),
        Some(Datum::Document(fields)) => {
            let mut fields = fields.clone();
            change(&mut fields);
            bounded(Datum::Document(fields)).map(Some)
        }
        Some(other) => {
            refused(format!("$setField requires 'input' to evaluate to type Object, but got {}", other.kind()))
        }
    }
}

/// Later fields take the place of earlier ones.
fn merge(args: &Args<'_>) -> Made {
    // Alone, a list is the list of what is to be merged.
    let lone: Option<&[Datum]> = match &**args {
        [Some(only)] => only.as_array(),
        _ => None,
    };
    let parts: Vec<&Datum> = match lone {
        Some(items) => items.iter().collect(),
        None => args.iter().flatten().map(AsRef::as_ref).collect(),
    };
    let mut merged = crate::aggregate::datum::Document::default();
    for part in parts {
        match part {
            Datum::Null => {}
            Datum::Document(fields) => merged.extend(fields.iter().map(|(key, value)| (key.clone(), value.clone()))),
            other => {
                let (found, kind) = (shown(other), other.kind());
                return refused(format!("$mergeObjects requires object inputs, but input {found} is of type {kind}"));
            }
        }
    }
    bounded(Datum::Document(merged)).map(Some)
}
