//! What does a text search need before it can run? An index of the class, which the first search creates.

use std::sync::Arc;

use parsimony_model::schema::{ClassSchema, FieldType, Index};
use parsimony_model::update::top;
use parsimony_model::{ErrorCode, Filter, ParseError};
use parsimony_store::ClassChange;

use crate::work::Work;

/// Gives the class of a text search its index, if it has none. The filter stays as it is, or finds nothing.
///
/// Parse: whatever field a search names, it looks into those of the class's one text index.
pub(super) async fn prepare(work: &Work, filter: Filter, class: &mut Arc<ClassSchema>) -> Result<Filter, ParseError> {
    let Some(field) = filter.text().map(|(field, _)| field.to_owned()) else { return Ok(filter) };
    let Some(kind) = class.kind(top(&field)) else {
        let text = format!("Field {field} does not exist, cannot add index.");
        return Err(ParseError::new(ErrorCode::InvalidQuery, text));
    };
    if class.text_index().is_some() {
        return Ok(filter);
    }
    if field.contains('.') || !matches!(kind, FieldType::String | FieldType::Array) {
        // There are no words in it; and an index on it would keep the class from having one that is of use.
        return Ok(filter.and(Filter::nothing()));
    }
    if work.transaction.is_none() {
        let index = (format!("{field}_text"), Index::for_text(&field));
        tracing::info!(class = %class.name, field, "creating the index that a text search needs");
        let change = ClassChange { add_indexes: vec![index], ..ClassChange::default() };
        *class = work.engine.schemas.change(&class.name, &change).await?;
    }
    Ok(filter)
}
