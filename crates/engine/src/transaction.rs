//! A transaction, and the classes and fields that turned out to be missing in it.
//!
//! Neither store can add a class or a field inside a transaction without others seeing it. So the transaction is undone, what
//! is missing is added, and it is done again: as when another transaction gets in its way.

use std::sync::Arc;

use parking_lot::Mutex;
use parsimony_cloud::{CONFLICT, Letter};
use parsimony_model::{ClassName, ClassSchema, ErrorCode, Field, FieldName, ParseError};
use parsimony_store::{ClassChange, Transaction};

use crate::live::Change;
use crate::schema::Schemas;

/// A class, or fields of one, that are not there yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Missing {
    pub(crate) class: ClassName,
    pub(crate) fields: Vec<(FieldName, Field)>,
}

impl Missing {
    /// Adds them; gives the class as it is then.
    pub(crate) async fn add(&self, schemas: &Schemas) -> Result<Arc<ClassSchema>, ParseError> {
        if schemas.get(&self.class).is_none() {
            let mut class = ClassSchema::new(self.class.clone());
            class.fields.extend(self.fields.iter().cloned());
            let (class, created) = schemas.create(class).await?;
            if created {
                return Ok(class);
            }
            // Another request was first: its fields and ours come together.
        }
        let change = ClassChange { set_fields: self.fields.clone(), ..ClassChange::default() };
        schemas.change(&self.class, &change).await.map_err(|error| told_late(error, &self.class))
    }
}

/// Another request gave a new field another type a moment ago.
fn told_late(error: ParseError, class: &ClassName) -> ParseError {
    match error.code {
        ErrorCode::IncorrectType => {
            ParseError::new(ErrorCode::IncorrectType, format!("schema mismatch for {class}: {}", error.message))
        }
        _ => error,
    }
}

/// An open transaction.
#[derive(Clone)]
pub(crate) struct Open {
    transaction: Arc<dyn Transaction>,
    missing: Arc<Mutex<Vec<Missing>>>,
    /// What is to be told when it is committed.
    changes: Arc<Mutex<Vec<Change>>>,
    /// What is to be posted then.
    letters: Arc<Mutex<Vec<Letter>>>,
}

impl Open {
    pub(crate) fn new(transaction: Arc<dyn Transaction>) -> Self {
        Self { transaction, missing: Arc::default(), changes: Arc::default(), letters: Arc::default() }
    }

    /// Remembers what is missing; the error says that the transaction has to be done again.
    pub(crate) fn lacks(&self, missing: Missing) -> ParseError {
        self.missing.lock().push(missing);
        again()
    }

    /// Remembers a change that is told when the transaction is committed.
    pub(crate) fn tell_later(&self, change: Change) {
        self.changes.lock().push(change);
    }

    /// What is to be told now that it is committed.
    pub(crate) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock())
    }

    /// Remembers a letter that is posted when the transaction is committed.
    pub(crate) fn write_later(&self, letter: Letter) {
        self.letters.lock().push(letter);
    }

    /// What is to be posted now that it is committed.
    pub(crate) fn take_letters(&self) -> Vec<Letter> {
        std::mem::take(&mut *self.letters.lock())
    }

    /// Ends it. One that lacked something is undone, whatever became of the error that said so.
    pub(crate) async fn commit(&self, schemas: &Schemas) -> Result<(), ParseError> {
        if self.missing.lock().is_empty() {
            return Ok(self.transaction.commit().await?);
        }
        self.roll_back(schemas).await?;
        Err(again())
    }

    /// Undoes it, and adds what it lacked: it will be done again.
    pub(crate) async fn roll_back(&self, schemas: &Schemas) -> Result<(), ParseError> {
        let undone = self.transaction.roll_back().await;
        let missing = std::mem::take(&mut *self.missing.lock());
        for missing in missing {
            missing.add(schemas).await?;
        }
        Ok(undone?)
    }
}

fn again() -> ParseError {
    ParseError::with_number(
        CONFLICT,
        "The transaction was undone: it is done again with the class, or the fields, that it lacked.",
    )
}
