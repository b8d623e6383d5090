//! Was this request answered before: a client that sends `requestKey` may repeat a request, and gets the first answer.
//!
//! The answer is kept in the same transaction as the work, so there is never the one without the other. A request that
//! was refused keeps nothing, and may be repeated.

use std::future::Future;

use parsimony_cloud::{CONFLICT, Call, Host, JobRequest};
use parsimony_model::query::Constraint;
use parsimony_model::value::json;
use parsimony_model::{ErrorCode, Filter, ParseError, Query, Value, map};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::audit::actor;
use crate::canonical;
use crate::params;

/// The class of the kept answers.
pub const CLASS: &str = "RequestKey";

/// For how long an answer is kept.
const KEPT_MILLIS: i64 = 30 * 86_400_000;

/// How many old answers go in one step.
const STEP_OBJECTS: u64 = 100;

/// `cleanRequestKeys`: forgets the answers that are older than thirty days.
pub async fn clean(request: JobRequest) -> Result<String, ParseError> {
    let host = request.host.as_master();
    let before = Value::Date(host.now().plus_millis(-KEPT_MILLIS));
    let mut gone = 0_u64;
    while !request.is_ending() {
        let old = Filter::Field("createdAt".into(), Constraint::Less(before.clone()));
        let old = host.find(CLASS, Query::new(old).limit(STEP_OBJECTS)).await?;
        for answer in &old {
            host.delete(CLASS, &answer.id).await?;
        }
        gone += old.len() as u64;
        if (old.len() as u64) < STEP_OBJECTS {
            break;
        }
        request.message(format!("{gone} answers are forgotten")).await?;
    }
    Ok(format!("{gone} answers were forgotten"))
}

/// What a key belongs to: the same key of another caller, function or application is another key.
struct Slot {
    application: String,
    function: String,
    caller: String,
    key: String,
    params_digest: String,
}

impl Slot {
    fn new(application: &str, call: &Call, key: &str, params: &impl Serialize) -> Result<Self, ParseError> {
        params::request_key(Some(key))?;
        Ok(Self {
            application: application.to_owned(),
            function: call.function.to_string(),
            caller: actor(call),
            key: key.to_owned(),
            params_digest: canonical::digest(&json::from_serializable(params)?),
        })
    }

    async fn answer<R: DeserializeOwned>(&self, host: &Host) -> Result<Option<R>, ParseError> {
        let filter = Filter::equals("application", self.application.as_str())
            .and(Filter::equals("function", self.function.as_str()))
            .and(Filter::equals("caller", self.caller.as_str()))
            .and(Filter::equals("key", self.key.as_str()));
        let Some(kept) = host.first(CLASS, Query::new(filter)).await? else { return Ok(None) };
        if kept.text("paramsDigest") != Some(self.params_digest.as_str()) {
            let text = "Validation failed. Invalid value for requestKey: it was used with other parameters.";
            return Err(ParseError::new(ErrorCode::ValidationError, text));
        }
        serde_json::from_str(kept.text("answer").unwrap_or_default()).map(Some).map_err(ParseError::internal)
    }

    async fn keep(&self, host: &Host, answer: &(impl Serialize + Sync)) -> Result<(), ParseError> {
        let fields = map! {
            "application" => self.application.as_str(),
            "function" => self.function.as_str(),
            "caller" => self.caller.as_str(),
            "key" => self.key.as_str(),
            "paramsDigest" => self.params_digest.as_str(),
            // As text: it comes back as it was, whatever its keys are.
            "answer" => serde_json::to_string(answer).map_err(ParseError::internal)?,
        };
        host.create(CLASS, fields).await.map(drop).map_err(|error| {
            if error.number() == ErrorCode::DuplicateValue.number() {
                // The same request came twice at once, and the other was first: tried again, this one finds its answer.
                return ParseError::with_number(CONFLICT, "The same request is being answered.");
            }
            error
        })
    }
}

/// Does the work as the master in one transaction; with a key, once.
///
/// The params are what makes two requests the same; the key itself is not among them.
pub async fn once<P, R, F, A>(
    application: &str,
    call: &Call,
    key: Option<&str>,
    params: &P,
    work: F,
) -> Result<R, ParseError>
where
    P: Serialize + Sync,
    R: Serialize + DeserializeOwned + Send + Sync,
    F: Fn(Host) -> A + Send + Sync,
    A: Future<Output = Result<R, ParseError>> + Send,
{
    let slot = &key.map(|key| Slot::new(application, call, key, params)).transpose()?;
    let work = &work;
    call.host
        .as_master()
        .transaction(|host| async move {
            let Some(slot) = slot else { return work(host).await };
            if let Some(answer) = slot.answer(&host).await? {
                return Ok(answer);
            }
            let answer = work(host.clone()).await?;
            slot.keep(&host, &answer).await?;
            Ok(answer)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, call, call_by, who};
    use parsimony_model::value::Map;

    /// Creates a Thing and answers how many there are then.
    async fn count_up(call: &Call, key: Option<&str>, params: &Map) -> Result<u64, ParseError> {
        let params = &Value::Object(params.clone());
        once("a", call, key, params, |host| async move {
            host.create("Thing", map! {}).await?;
            host.count("Thing", Query::default()).await
        })
        .await
    }

    #[tokio::test]
    async fn a_request_with_a_key_is_done_once() {
        let host = Fake::default().host();
        let ada = call(&host, "f");
        let (one, two) = (map! { "n" => 1 }, map! { "n" => 2 });
        assert_eq!(count_up(&ada, Some("k"), &one).await.unwrap(), 1);
        assert_eq!(count_up(&ada, Some("k"), &one).await.unwrap(), 1);
        assert_eq!(count_up(&ada, Some("l"), &one).await.unwrap(), 2);
        assert_eq!(count_up(&ada, None, &one).await.unwrap(), 3);
        assert_eq!(count_up(&call(&host, "g"), Some("k"), &one).await.unwrap(), 4);
        assert_eq!(count_up(&call_by(&host, "f", who("bob", &[])), Some("k"), &one).await.unwrap(), 5);
        let error = count_up(&ada, Some("k"), &two).await.unwrap_err();
        assert_eq!(error.number(), Some(142));
        assert!(error.message.contains("requestKey"));
        assert_eq!(count_up(&ada, Some("a b"), &one).await.unwrap_err().number(), Some(142));
    }

    #[tokio::test]
    async fn the_same_request_twice_at_once_is_done_once() {
        let fake = Fake::default();
        let host = fake.host();
        let ada = call(&host, "f");
        let params = map! {};
        fake.interleave(CLASS);
        let (one, other) = futures::join!(count_up(&ada, Some("k"), &params), count_up(&ada, Some("k"), &params));
        assert_eq!((one.unwrap(), other.unwrap()), (1, 1));
        assert!(fake.retries() > 0, "nothing got in the way, so nothing was tested");
        assert_eq!(host.count("Thing", Query::default()).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_refused_request_keeps_nothing() {
        let host = Fake::default().host();
        let ada = call(&host, "f");
        let refused: Result<u64, _> = once("a", &ada, Some("k"), &(), |host| async move {
            host.create("Thing", map! {}).await?;
            Err(ParseError::not_found())
        })
        .await;
        assert_eq!(refused.unwrap_err().number(), Some(101));
        assert_eq!(host.count("Thing", Query::default()).await.unwrap(), 0);
        assert_eq!(count_up(&ada, Some("k"), &map! {}).await.unwrap(), 1);
    }
}
