//! What is a pipeline: its stages, read and checked once, for every store.

use super::Form;
use super::datum::{Datum, Document};
use super::translate;
use crate::error::{ErrorCode, ParseError};
use crate::schema::ClassSchema;

/// How many stages a pipeline may have; MongoDB has the same bound.
const STAGES_MAX: usize = 1_000;

/// What no pipeline may do, wherever in it it stands: write, or run scripts.
const FORBIDDEN: [&str; 5] = ["$out", "$merge", "$function", "$accumulator", "$where"];

/// A pipeline, ready to run.
#[derive(Debug, Clone)]
pub struct Pipeline {
    documents: Vec<Document>,
}

impl Pipeline {
    /// Reads the stages as a client sent them: their names are Parse's.
    pub fn read(stages: Vec<Document>, class: &ClassSchema, form: Form) -> Result<Self, ParseError> {
        let refused = |text: String| Err(ParseError::new(ErrorCode::InvalidQuery, text));
        if stages.len() > STAGES_MAX {
            return refused(format!("Pipeline length must be no longer than {STAGES_MAX} stages."));
        }
        let documents = translate::stages(stages, class, form);
        if let Some(name) = documents.iter().find_map(forbidden_in) {
            return refused(format!("Invalid aggregate stage '{name}'."));
        }
        Ok(Self { documents })
    }

    /// The stages as MongoDB takes them.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Whether it groups by a pointer, so that the ids of the answer are bare.
    pub fn groups_by_pointer(&self) -> bool {
        translate::groups_by_pointer(&self.documents)
    }
}

fn forbidden_in(document: &Document) -> Option<&'static str> {
    let named = FORBIDDEN.into_iter().find(|name| document.contains_key(*name));
    named.or_else(|| document.values().find_map(forbidden_below))
}

fn forbidden_below(datum: &Datum) -> Option<&'static str> {
    match datum {
        Datum::Document(document) => forbidden_in(document),
        Datum::Array(items) => items.iter().find_map(forbidden_below),
        _ => None,
    }
}
