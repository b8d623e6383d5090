//! What does the running of a pipeline share? The time, its bounds, and the way to the rows.

use std::cell::Cell;

use super::datum::{Datum, Document};
use super::failure::Failure;
use crate::value::Date;

/// The largest value that one expression may make, in bytes; MongoDB bounds its own alike.
const VALUE_BYTES_MAX: usize = 16 << 20;

/// How often it is looked whether the time is up.
const TICKS: u32 = 512;

/// What one run of a pipeline knows and may use.
pub struct Run<'r> {
    /// `$$NOW`.
    pub now: Date,
    /// Whether the time is up.
    pub is_late: &'r dyn Fn() -> bool,
    /// How many bytes may still be held.
    bytes_left: Cell<usize>,
    ticks: Cell<u32>,
    /// The state of the dice.
    chance: Cell<u64>,
}

impl<'r> Run<'r> {
    /// A run that may hold so many bytes. `chance` is a number nobody knows before.
    pub fn new(now: Date, chance: u64, bytes_max: usize, is_late: &'r dyn Fn() -> bool) -> Self {
        Self { now, is_late, bytes_left: Cell::new(bytes_max), ticks: Cell::new(0), chance: Cell::new(chance) }
    }

    /// Another small step was taken.
    pub(crate) fn tick(&self) -> Result<(), Failure> {
        let ticks = self.ticks.get().wrapping_add(1);
        self.ticks.set(ticks);
        if ticks.is_multiple_of(TICKS) && (self.is_late)() { Err(Failure::TooSlow) } else { Ok(()) }
    }

    /// So many bytes are held from now on.
    pub(crate) fn hold(&self, bytes: usize) -> Result<(), Failure> {
        match self.bytes_left.get().checked_sub(bytes) {
            Some(left) => {
                self.bytes_left.set(left);
                Ok(())
            }
            None => Err(Failure::TooLarge),
        }
    }

    /// So many bytes are held no longer.
    pub(crate) fn release(&self, bytes: usize) {
        self.bytes_left.set(self.bytes_left.get().saturating_add(bytes));
    }

    /// A number below this one, evenly drawn as far as anybody can tell.
    pub(crate) fn draw(&self, below: u64) -> u64 {
        // SplitMix64: each state gives a well-mixed number.
        let state = self.chance.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.chance.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below.max(1)
    }
}

/// Whether there is more to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next one may be given.
    More,
    /// Nothing that follows would change anything.
    Enough,
}

/// Takes a row, and tells whether it wants more.
pub type Take<'t> = dyn FnMut(Document) -> Result<Flow, Failure> + 't;

/// Gives rows until it is enough.
pub type Rows<'r> = dyn FnMut(&mut Take<'_>) -> Result<(), Failure> + 'r;

/// Where the rows of other classes come from.
pub trait Source {
    /// Gives each row of a collection, by its name on disk, until it is enough. With an id, only the row with that id. A
    /// collection that is not there has no rows.
    fn each(&mut self, collection: &str, id: Option<&str>, take: &mut Take<'_>) -> Result<(), Failure>;
}

/// About how many bytes a value takes in memory.
pub(crate) fn size(datum: &Datum) -> usize {
    size_of::<Datum>()
        + match datum {
            Datum::String(text) | Datum::Decimal(text) => text.len(),
            Datum::Bytes(bytes, _) => bytes.len(),
            Datum::Regex(pattern) => pattern.source.len() + pattern.options.len(),
            Datum::Array(items) => items.iter().map(size).sum(),
            Datum::Document(document) => size_of_document(document),
            Datum::Null
            | Datum::Bool(_)
            | Datum::Int(_)
            | Datum::Long(_)
            | Datum::Double(_)
            | Datum::Date(_)
            | Datum::Id(_) => 0,
        }
}

/// About how many bytes a document takes in memory.
pub(crate) fn size_of_document(document: &Document) -> usize {
    // The key, its hash and its place in the index.
    const FIELD: usize = 48;
    FIELD + document.iter().map(|(key, datum)| FIELD + key.len() + size(datum)).sum::<usize>()
}

/// The value, if it is not larger than a value may be.
pub(crate) fn bounded(datum: Datum) -> Result<Datum, Failure> {
    if size(&datum) > VALUE_BYTES_MAX {
        return Err(Failure::refused("A value of the pipeline is larger than 16 MiB."));
    }
    Ok(datum)
}

/// Refuses what would become larger than a value may be.
pub(crate) fn check_bytes(bytes: usize) -> Result<(), Failure> {
    if bytes > VALUE_BYTES_MAX {
        return Err(Failure::refused("A value of the pipeline is larger than 16 MiB."));
    }
    Ok(())
}
