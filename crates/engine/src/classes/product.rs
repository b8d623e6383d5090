//! `_Product`: what is sold has a name, a picture and a place in the list.

use parsimony_model::{ErrorCode, Op, ParseError};

use super::ClassRules;
use crate::caller::Caller;
use crate::save::SaveRequest;

/// The rules of `_Product`.
pub(crate) struct Product;

const REQUIRED: [&str; 5] = ["productIdentifier", "icon", "order", "title", "subtitle"];

impl ClassRules for Product {
    fn admit(&self, _caller: &Caller, request: &mut SaveRequest) -> Result<(), ParseError> {
        // Parse: on a change only a deletion takes it away; on a new object what is null, zero or empty is missing too.
        let missing = |field: &&&str| match request.update.get(field) {
            None => request.creating,
            Some(Op::Set(value)) => request.creating && !value.is_truthy(),
            Some(op) => *op == Op::Delete,
        };
        match REQUIRED.iter().find(missing) {
            None => Ok(()),
            Some(field) => Err(ParseError::new(ErrorCode::IncorrectType, format!("{field} is required."))),
        }
    }
}
