//! What does this server vouch for, and how does anybody check it? Verifiable Credentials of the W3C, signed as JSON Web Tokens.
//!
//! | question | file |
//! | --- | --- |
//! | whose signature is it | `key.rs` |
//! | who is the issuer, and where is that written | `issuer.rs` |
//! | what does a credential say, and how little of it | `claims.rs` |
//! | how does one come to be | `issue.rs` |
//! | which bit of which list is its, and is that set | `list.rs`, with the bits in `bits.rs` |
//! | how does one end | `end.rs` |
//! | what may everybody read of all that | `published.rs` |

mod bits;
mod claims;
mod end;
mod issue;
mod issuer;
mod key;
mod list;
mod published;

pub(crate) use claims::{Claim, DEFAULT_CLAIMS};
pub(crate) use end::{end_all, expire, revoke};
pub(crate) use issue::{Order, issue};
pub(crate) use issuer::{CredentialSettings, Issuer, is_did};
pub(crate) use published::with_documents;
