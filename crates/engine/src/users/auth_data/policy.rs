//! Is what was sent enough to log in? A user who has an additional provider must send it too.

use std::sync::Arc;

use parsimony_cloud::auth::AuthPolicy;
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Object, ParseError, Value};

use super::{stored, validate};
use crate::work::Work;

/// Refuses a login that lacks an additional provider, unless it brings one that suffices alone.
pub(super) async fn require(work: &Work, sent: Option<&Map>, user: &Object) -> Result<(), ParseError> {
    let Some(has) = stored(user) else { return Ok(()) };
    let is_sent = |provider: &str| sent.and_then(|sent| sent.get(provider)).is_some_and(|data| !data.is_null());
    let user = validate::known(user);
    let (mut missing, mut brings_one) = (Vec::new(), false);
    for (provider, data) in has {
        let (Some(known), Value::Object(data)) = (work.engine.auth.get(provider), data) else { continue };
        let request = validate::request(work, provider, Some(Arc::clone(&user)))?;
        match validate::guarded(work, known.adapter.policy(data, &request)).await? {
            AuthPolicy::Solo if is_sent(provider) => return Ok(()),
            AuthPolicy::Additional if is_sent(provider) => brings_one = true,
            AuthPolicy::Additional => missing.push(provider.as_str()),
            AuthPolicy::Default | AuthPolicy::Solo => {}
        }
    }
    if brings_one || missing.is_empty() {
        return Ok(());
    }
    Err(ParseError::new(ErrorCode::OtherCause, format!("Missing additional authData {}", missing.join(","))))
}
