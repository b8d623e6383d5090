//! What does a store see of personal data? Nothing: a [`Vault`] is a store around another one, and seals the fields whose
//! definition says `encrypted` before the inner store sees them.
//!
//! | question | where |
//! | --- | --- |
//! | which fields are sealed, and whose data are they | `marks.rs` |
//! | which keys are there | `keys.rs` |
//! | what does a sealed value look like | `seal.rs` |
//! | whose secrets are known | `persons.rs` |
//! | what may be asked of a sealed field | `questions.rs` |
//! | what happens to what is written and read | `sealed.rs`; `vault.rs` and `transaction.rs` are its two doors |
//! | how are old values sealed anew | `reseal.rs` |
//!
//! # The form
//!
//! A sealed text is `pii1.KEY.PERSON.BYTES`: the id of the key, the id of the person (which may be empty), and nonce and
//! ciphertext of AES-256-GCM in base64url. Additional data are class, field and object id, so a value that is moved to
//! another place does not open. The key is HKDF-SHA-256 of the key of the ring, salted with the person's secret. A sealed
//! Object is `{"sealed": "pii1.…"}`.
//!
//! The secrets of persons are objects of the class `PersonKey`, whose ids are those of the persons. Whoever has the database
//! lacks the ring; whoever has both and not the person's secret, because it was deleted, can read that person's data no more.
#![deny(clippy::future_not_send)]

mod keys;
mod marks;
mod persons;
mod questions;
mod reseal;
mod seal;
mod sealed;
mod transaction;
mod vault;

pub use keys::{KeyDefinition, KeyRing};
pub use marks::{Marks, Sealing};
pub use persons::PERSON_KEYS;
pub use vault::Vault;
