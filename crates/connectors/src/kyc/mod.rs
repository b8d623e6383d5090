//! What do those say who verify identities for us? Four vendors behind one trait: a verification is started, they tell of it
//! by webhooks, and can be asked.
//!
//! | vendor | file | its reference |
//! | --- | --- | --- |
//! | Jumio | `jumio.rs` | `ACCOUNT/WORKFLOW_EXECUTION` |
//! | Onfido | `onfido.rs` | the id of the workflow run |
//! | Sumsub | `sumsub.rs` | the id of the applicant |
//! | Shufti | `shufti.rs` | our own, which it is given |

mod jumio;
mod onfido;
mod service;
mod shufti;
mod sumsub;
#[cfg(test)]
mod tests;

use futures::future::BoxFuture;
use parsimony_model::Date;
use serde_json::Value;

pub use jumio::{Jumio, JumioOptions};
pub use onfido::{Onfido, OnfidoOptions};
pub use service::KycFailure;
pub use shufti::{Shufti, ShuftiOptions};
pub use sumsub::{Sumsub, SumsubOptions};

/// How a verification stands at a vendor, in words that all of them have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KycOutcome {
    /// They wait for somebody, or are at it.
    Pending,
    /// A person has to look at it.
    NeedsReview,
    /// The identity is what it says.
    Approved,
    /// It is not.
    Rejected,
    /// More or better documents are asked for.
    Resubmit,
    /// Nobody finished it in time.
    Expired,
}

/// What a vendor says of a verification.
#[derive(Debug, Clone, PartialEq)]
pub struct KycReading {
    /// What the vendor calls the verification.
    pub reference: String,
    /// How it stands.
    pub outcome: KycOutcome,
    /// The vendor's reasons, as codes.
    pub labels: Vec<String>,
    /// When the vendor said so, where it tells.
    pub at: Option<Date>,
}

/// What an event of a vendor means.
#[derive(Debug, Clone, PartialEq)]
pub enum KycTold {
    /// This is how it stands.
    Reading(KycReading),
    /// Something happened to this verification: ask for it. What the event says itself is not to be believed.
    Ask(String),
    /// It is about something else.
    Nothing,
}

/// Whose verification is started. No personal data: the person gives that to the vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KycSubject {
    /// The id of our verification.
    pub verification: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Where the vendor tells of it.
    pub callback_url: Option<String>,
}

/// A verification that a vendor has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KycStarted {
    /// What the vendor calls it.
    pub reference: String,
    /// Where the person goes on.
    pub url: Option<String>,
}

/// A vendor.
pub trait KycProvider: Send + Sync {
    /// Begins a verification.
    fn start<'a>(&'a self, subject: &'a KycSubject) -> BoxFuture<'a, Result<KycStarted, KycFailure>>;

    /// How a verification stands.
    fn status<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<KycReading, KycFailure>>;

    /// What an event means whose sender was verified.
    fn told(&self, event: &Value) -> KycTold;
}

/// The text at a path in JSON.
fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path).and_then(Value::as_str)
}

/// The texts of a list at a path in JSON, as codes: capitals, digits and `_`.
fn labels(value: &Value, path: &str) -> Vec<String> {
    let items = value.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).filter_map(code).collect()
}

/// Any text as a code; `None` if nothing of it is left.
fn code(text: &str) -> Option<String> {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
    let code: String = text.trim().chars().take(64).map(letter).collect();
    (!code.trim_matches('_').is_empty()).then_some(code)
}
