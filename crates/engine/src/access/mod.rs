//! Who may do what: decided purely, in one place, for every door.
//!
//! `class.rs`: may this caller do this to the class at all? `rows.rs`: to which of its objects? `fields.rs`: which fields of
//! them may it see?

pub(crate) mod class;
pub(crate) mod fields;
pub(crate) mod rows;
#[cfg(test)]
mod tests;
