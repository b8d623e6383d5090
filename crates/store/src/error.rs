//! What can go wrong in a store, and how each case reaches the wire.

use parsimony_model::names::sentence;
use parsimony_model::query::pcre;
use parsimony_model::{ErrorCode, ParseError};

/// Why a store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique index already holds the value.
    #[error("duplicate value in index {index}")]
    Duplicate {
        /// The index, or the field if the database tells only that; may be empty.
        index: String,
    },
    /// Another transaction got there first; doing it all again may succeed.
    #[error("conflict with another transaction: {0}")]
    Conflict(String),
    /// The value does not fit: a field that is not in the class, a type the operation cannot work on.
    #[error("{0}")]
    Unfit(String),
    /// The request cannot be run by this store, such as a transaction on a MongoDB that is no replica set.
    #[error("{0}")]
    Unsupported(String),
    /// The query was malformed in a way only the database could see, such as a regular expression.
    #[error("{0}")]
    InvalidQuery(String),
    /// The database's own time limit, or the transaction's, ran out.
    #[error("the database took too long")]
    Timeout,
    /// The database cannot be reached, or has failed.
    #[error("database failure: {0}")]
    Unavailable(String),
    /// A stored row cannot be read.
    #[error("a stored row cannot be read: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// A failure of the database.
    pub fn unavailable(cause: impl std::fmt::Display) -> Self {
        Self::Unavailable(cause.to_string())
    }

    /// A regular expression that is none.
    pub fn unreadable_pattern() -> Self {
        Self::InvalidQuery(pcre::UNREADABLE.to_owned())
    }

    /// An addition to something that is no number.
    pub fn no_number() -> Self {
        Self::Unfit("Cannot increment a value that is not a number".to_owned())
    }

    /// A change of a list where there is none.
    pub fn no_list() -> Self {
        Self::Unfit("Cannot add to or remove from a value that is not an array".to_owned())
    }

    /// A change below something that is no object.
    pub fn no_object() -> Self {
        Self::Unfit("A part of a value that is no object cannot be changed".to_owned())
    }

    /// A Polygon that is no area.
    pub fn crossed_area() -> Self {
        Self::Unfit("The edges of a Polygon must not cross, and its corners must differ.".to_owned())
    }
}

// One arm per case: a new `StoreError` does not compile until it is given a code.
impl From<StoreError> for ParseError {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::Duplicate { .. } => Self {
                detail: Some(detail),
                ..Self::new(ErrorCode::DuplicateValue, "A duplicate value for a field with unique values was provided")
            },
            // Parse: 251 is what its own retried conflicts carry.
            StoreError::Conflict(_) => {
                Self { detail: Some(detail), ..Self::with_number(251, "The transaction was aborted by another one.") }
            }
            StoreError::Unfit(text) => Self::new(ErrorCode::IncorrectType, text),
            StoreError::Unsupported(text) => Self::new(ErrorCode::CommandUnavailable, text),
            StoreError::InvalidQuery(text) => Self::new(ErrorCode::InvalidQuery, sentence(&text)),
            StoreError::Timeout => Self::new(ErrorCode::Timeout, "The database took too long."),
            StoreError::Unavailable(_) | StoreError::Corrupt(_) => Self {
                detail: Some(detail),
                ..Self::new(ErrorCode::InternalServerError, "An internal server error occurred")
            },
        }
    }
}
