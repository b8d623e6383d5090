//! Why can a pipeline not be read, or not be run?

use std::error::Error;

/// What stands in the way.
#[derive(Debug)]
pub enum Failure {
    /// It is wrong, for every database.
    Refused(String),
    /// It is right, but only MongoDB can do it: the name of what it asks for.
    OnlyMongo(String),
    /// It needs more memory than it may have.
    TooLarge,
    /// It takes longer than it may.
    TooSlow,
    /// Its rows could not be read.
    Source(Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// A refusal with its reason.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }

    /// The same, said of a part of the pipeline.
    pub(crate) fn inside(self, part: &str) -> Self {
        match self {
            Self::Refused(text) => Self::Refused(format!("Invalid {part} :: caused by :: {text}")),
            other => other,
        }
    }
}
