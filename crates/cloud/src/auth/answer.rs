//! What does an adapter answer: what is kept, what the client is told, and how providers go together.

use parsimony_model::value::Map;
use parsimony_model::{ParseError, Value};

/// How a provider goes together with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthPolicy {
    /// It suffices, unless the user has an additional one.
    #[default]
    Default,
    /// It suffices, whatever else the user has.
    Solo,
    /// A user who has it must send it besides whatever else is sent.
    Additional,
}

impl AuthPolicy {
    /// By Parse's name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "default" => Some(Self::Default),
            "solo" => Some(Self::Solo),
            "additional" => Some(Self::Additional),
            _ => None,
        }
    }
}

/// What becomes of what was sent and found true. By default it is stored as it was sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Validated {
    /// What the client is told as `authDataResponse.PROVIDER`.
    pub response: Option<Value>,
    /// Whether nothing is stored.
    pub do_not_save: bool,
    /// What is stored instead of what was sent.
    pub save: Option<Map>,
    /// Whether it is stored only if what the provider has of the user is still what it was: of many who bring the same
    /// one-time code, one wins.
    pub once: bool,
    /// Why the request is refused although this is stored first.
    pub refusal: Option<ParseError>,
}

impl Validated {
    /// Stored as it was sent.
    pub fn as_sent() -> Self {
        Self::default()
    }

    /// Nothing is stored.
    pub fn unsaved() -> Self {
        Self { do_not_save: true, ..Self::default() }
    }

    /// This is stored.
    pub fn save(data: Map) -> Self {
        Self { save: Some(data), ..Self::default() }
    }

    /// The client is told this.
    #[must_use]
    pub fn respond(self, response: impl Into<Value>) -> Self {
        Self { response: Some(response.into()), ..self }
    }

    /// Of many at the same time, one wins.
    #[must_use]
    pub fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// It is stored, and then the request is refused.
    #[must_use]
    pub fn refuse(self, refusal: ParseError) -> Self {
        Self { refusal: Some(refusal), ..self }
    }
}
