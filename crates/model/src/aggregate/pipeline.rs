//! What is a pipeline: its stages, read and checked once, for every store.

use super::Form;
use super::datum::{Datum, Document};
use super::expression::Parser;
use super::failure::Failure;
use super::leading::Prepared;
use super::stage::{self, Stage};
use super::translate;
use crate::error::{ErrorCode, ParseError};
use crate::names::sentence;
use crate::schema::ClassSchema;

/// How many stages a pipeline may have; MongoDB has the same bound.
const STAGES_MAX: usize = 1_000;

/// What no pipeline may do, wherever in it it stands: write, or run scripts.
const FORBIDDEN: [&str; 5] = ["$out", "$merge", "$function", "$accumulator", "$where"];

/// A pipeline, ready to run.
#[derive(Debug, Clone)]
pub struct Pipeline {
    documents: Vec<Document>,
    /// The stages, or the name of what only MongoDB can do.
    stages: Result<Vec<Stage>, String>,
}

impl Pipeline {
    /// Reads the stages as a client sent them: their names are Parse's.
    pub fn read(stages: Vec<Document>, class: &ClassSchema, form: Form) -> Result<Self, ParseError> {
        let refused = |text: String| ParseError::new(ErrorCode::InvalidQuery, text);
        if stages.len() > STAGES_MAX {
            return Err(refused(format!("Pipeline length must be no longer than {STAGES_MAX} stages.")));
        }
        let documents = translate::stages(stages, class, form);
        if let Some(name) = documents.iter().find_map(forbidden_in) {
            return Err(refused(match name {
                "$where" => "$where is not allowed in this context".to_owned(),
                name => format!("Invalid aggregate stage '{name}'."),
            }));
        }
        let stages = match stage::stages(&Parser::default(), &documents, 0) {
            Ok(stages) => Ok(stages),
            Err(Failure::OnlyMongo(what)) => Err(what),
            Err(Failure::Refused(text)) => return Err(refused(sentence(&text))),
            Err(other) => return Err(ParseError::internal(format!("{other:?}"))),
        };
        Ok(Self { documents, stages })
    }

    /// The stages as MongoDB takes them.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Whether it groups by a pointer, so that the ids of the answer are bare.
    pub fn groups_by_pointer(&self) -> bool {
        translate::groups_by_pointer(&self.documents)
    }

    /// Takes off its beginning what a plain query of the class can answer.
    pub fn prepared(&self, class: &ClassSchema) -> Result<Prepared, Failure> {
        match &self.stages {
            Ok(stages) => Ok(Prepared::new(stages, class)),
            Err(what) => Err(Failure::OnlyMongo(what.clone())),
        }
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
