//! What may no class be, and what may nobody do to one?

use parsimony_model::schema::{FieldType, Index};
use parsimony_model::{ClassSchema, ErrorCode, ParseError};

use crate::work::Work;

fn refusal(code: ErrorCode, text: String) -> ParseError {
    ParseError::new(code, text)
}

/// Parse: with `lockSchemas` the definitions of the configuration are the only ones.
pub(crate) fn refuse_locked(work: &Work) -> Result<(), ParseError> {
    if work.engine.options.schema.as_ref().is_some_and(|schema| schema.lock_schemas) {
        let text = "Cannot perform this operation when schemas options is used.";
        return Err(ParseError::new(ErrorCode::OperationForbidden, text));
    }
    Ok(())
}

/// What was written once is not taken away with its field or its class either.
pub(crate) fn refuse_append_only(class: &ClassSchema) -> Result<(), ParseError> {
    if class.append_only {
        let detail = format!("Fields of class {} cannot be deleted, nor can the class.", class.name);
        return Err(ParseError::denied(ErrorCode::OperationForbidden, detail));
    }
    Ok(())
}

/// MongoDB: a class has one index for text, and no two that are the same but for their names.
pub(crate) fn refuse_twin<'a>(
    name: &str,
    index: &Index,
    mut known: impl Iterator<Item = (&'a str, &'a Index)>,
) -> Result<(), ParseError> {
    let same_order = |other: &Index| index.keys.iter().eq(other.keys.iter());
    let is_twin = |other: &Index| (index == other && same_order(other)) || (index.is_for_text() && other.is_for_text());
    match known.find(|(_, other)| is_twin(other)) {
        None => Ok(()),
        Some((twin, _)) => {
            let text = format!("Index {name} cannot be added: there is the index {twin} already.");
            Err(refusal(ErrorCode::InvalidQuery, text))
        }
    }
}

/// An index stands on fields of its class, and is one that a store can keep.
pub(crate) fn check_index(class: &ClassSchema, name: &str, index: &Index) -> Result<(), ParseError> {
    for key in index.keys.keys() {
        let field = key.strip_prefix("_p_").unwrap_or(key);
        if class.kind(parsimony_model::update::top(field)).is_none() {
            let text = format!("Field {} does not exist, cannot add index.", parsimony_model::names::shorten(key));
            return Err(refusal(ErrorCode::InvalidQuery, text));
        }
    }
    index.check(name, class)
}

/// MongoDB: a class has one place at most.
pub(crate) fn check_geo_points(class: &ClassSchema) -> Result<(), ParseError> {
    let mut points = class.fields.iter().filter(|(_, field)| field.kind == FieldType::GeoPoint).map(|(name, _)| name);
    if let (Some(first), Some(second)) = (points.next(), points.next()) {
        return Err(refusal(
            ErrorCode::IncorrectType,
            format!(
                "currently, only one GeoPoint field may exist in an object. Adding {second} when {first} already exists."
            ),
        ));
    }
    Ok(())
}
