//! What does `authData` do to a login by name and password? It proves what the user's additional providers ask for, and may add
//! a provider.

use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Object, ParseError, Value};

use super::validate::{Outcome, validate};
use super::{changes, no_object, policy, search, used};
use crate::users::lockout;
use crate::work::Work;

/// What a login brought besides its password, found true and not yet stored.
#[derive(Debug, Default)]
pub(crate) struct Second(Option<Outcome>);

/// Asks the providers about what a login brings besides its password.
pub(crate) async fn prove(work: &Work, fields: &Map, user: &Object) -> Result<Second, ParseError> {
    let sent = match fields.get(super::AUTH_DATA) {
        Some(Value::Object(sent)) => Some(sent),
        None => None,
        // Parse: what is nothing proves nothing.
        Some(other) if !other.is_truthy() => None,
        Some(_) => return Err(super::unsupported()),
    };
    policy::require(work, sent, user).await?;
    let Some(mut sent) = sent.cloned() else { return Ok(Second(None)) };
    if let Some((provider, _)) = sent.iter().find(|(_, data)| !matches!(data, Value::Null | Value::Object(_))) {
        return Err(no_object(provider));
    }
    // The provider says who somebody is: an id that is only claimed would be another one's.
    search::prepare(work, &mut sent, None).await?;
    let others = search::users(work, &sent).await?.iter().any(|found| found.id != user.id);
    let outcome = match validate(work, &sent, Some(user)).await {
        Err(error) if is_guess(&error) => {
            // A code of few digits is guessed sooner than a password.
            lockout::wrong(work, user).await?;
            return Err(error);
        }
        outcome => outcome?,
    };
    if others {
        return Err(used());
    }
    Ok(Second(Some(outcome)))
}

/// Whether a refusal says that what was sent is not true, and not that nobody could tell.
fn is_guess(error: &ParseError) -> bool {
    !matches!(error.code, ErrorCode::InternalServerError | ErrorCode::Timeout | ErrorCode::UnsupportedService)
}

impl Second {
    /// Stores it: of many who bring the same one-time code, one wins. Gives what the client is told.
    pub(crate) async fn store(self, work: &Work, user: &Object) -> Result<Option<Map>, ParseError> {
        let Some(outcome) = self.0 else { return Ok(None) };
        changes::store(work, &outcome, user).await?;
        match outcome.refusal {
            Some(refusal) => Err(refusal),
            None => Ok(Some(outcome.responses)),
        }
    }
}
