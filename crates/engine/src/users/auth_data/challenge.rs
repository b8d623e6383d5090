//! `/challenge`: what is needed before somebody can log in, such as a number to sign.

use std::sync::Arc;

use parsimony_cloud::auth::AuthRequest;
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Object, ParseError, Value};

use super::{AUTH_DATA, no_object, search, validate};
use crate::users::login;
use crate::work::{LogIn, Work};

fn refusal(text: &'static str) -> ParseError {
    ParseError::new(ErrorCode::OtherCause, text)
}

/// Every failure to say who one is looks the same.
fn unknown_user() -> ParseError {
    ParseError::new(ErrorCode::ObjectNotFound, "User not found.")
}

/// Asks each provider for its challenge. Gives the body of the answer.
pub(crate) async fn challenge(work: &Work, body: &Map) -> Result<Map, ParseError> {
    let given = |name: &str| body.get(name).filter(|value| value.is_truthy());
    let mut user = None;
    if given("username").is_some() || given("email").is_some() {
        if given("password").is_none() {
            return Err(refusal("You provided username or email, you need to also provide password."));
        }
        user = Some(login::check(work, &LogIn { fields: body.clone() }).await?);
    }
    let empty = Map::default();
    let asked = match given("challengeData") {
        None => return Err(refusal("Nothing to challenge.")),
        Some(Value::Object(asked)) => asked,
        Some(Value::Array(items)) if items.is_empty() => &empty,
        Some(_) => return Err(refusal("challengeData should be an object.")),
    };
    let sent = match given(AUTH_DATA) {
        None => None,
        Some(_) if user.is_some() => {
            let text = "You cannot provide username/email and authData, only use one identification method.";
            return Err(refusal(text));
        }
        Some(Value::Object(sent)) => Some(sent.clone()),
        Some(Value::Array(items)) if items.is_empty() => Some(Map::default()),
        Some(_) => return Err(refusal("authData should be an object.")),
    };
    let sent = match sent {
        None => None,
        Some(sent) => {
            let (who, sent) = identified(work, sent).await?;
            user = Some(who);
            Some(sent)
        }
    };
    let answers = ask(work, asked, sent.as_ref(), user.as_ref().map(validate::known)).await?;
    Ok(std::iter::once(("challengeData".into(), Value::Object(answers))).collect())
}

/// The user that this is of. An id alone is no proof: the provider is asked about it, or ids could be guessed.
async fn identified(work: &Work, mut sent: Map) -> Result<(Object, Map), ParseError> {
    if let Some((provider, _)) = sent.iter().find(|(_, data)| !matches!(data, Value::Null | Value::Object(_))) {
        return Err(no_object(provider));
    }
    let has_id = |data: &Value| data.as_object().and_then(|data| data.get("id")).is_some_and(Value::is_truthy);
    if sent.values().filter(|data| has_id(data)).count() > 1 {
        return Err(refusal("You cannot provide more than one authData provider with an id."));
    }
    search::ids(work, &sent)?;
    let proven = async {
        search::prepare(work, &mut sent, None).await?;
        let mut found = search::users(work, &sent).await?;
        let (Some(user), None) = (found.pop(), found.pop()) else { return Err(unknown_user()) };
        let identifying = sent.iter().filter(|(_, data)| has_id(data));
        let identifying: Map = identifying.map(|(provider, data)| (provider.clone(), data.clone())).collect();
        validate::validate(work, &identifying, Some(&user)).await?;
        Ok(user)
    };
    match proven.await {
        Ok(user) => Ok((user, sent)),
        Err(error) => {
            tracing::info!(%error, "a challenge was asked for somebody who is not known");
            Err(unknown_user())
        }
    }
}

/// Asks the providers, in the order of their names. Parse: those that have no challenges are left out.
async fn ask(work: &Work, asked: &Map, sent: Option<&Map>, user: Option<Arc<Object>>) -> Result<Map, ParseError> {
    let mut providers: Vec<_> = asked.iter().collect();
    providers.sort_unstable_by(|one, other| one.0.cmp(other.0));
    let mut answers = Map::default();
    for (provider, challenge) in providers {
        let Some(known) = work.engine.auth.get(provider).filter(|known| known.enabled) else { continue };
        let request = AuthRequest { is_challenge: true, ..validate::request(work, provider, user.clone())? };
        let data = sent.and_then(|sent| sent.get(provider)).and_then(Value::as_object);
        let answer = validate::guarded(work, known.adapter.challenge(challenge, data, &request)).await?;
        if let Some(answer) = answer {
            // Parse: an answer that says nothing is told as yes.
            let answer = if answer.is_truthy() { answer } else { true.into() };
            answers.insert(provider.clone(), answer);
        }
    }
    Ok(answers)
}
