//! An adapter that runs elsewhere: each of its methods is a call over HTTP, `{"method", "args"}` answered by `{"result"}` or
//! `{"error"}`. So an adapter in JavaScript goes on as it is.

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::auth::{AuthAdapter, AuthPolicy, AuthRequest, SmsSender, Validated, not_configured};
use parsimony_cloud::{HttpClient, HttpRequest, Pending};
use parsimony_model::value::{Map, json};
use parsimony_model::{ErrorCode, ParseError, Value, map};

use super::Tools;
use super::given::Given;

/// How long a call may take.
const TIME_MAX: Duration = Duration::from_secs(20);

/// How long the answer of a call may be.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What runs elsewhere.
pub(super) enum Elsewhere {
    /// The whole adapter.
    Adapter(Arc<dyn AuthAdapter>),
    /// What sends codes, for an adapter that is here and has these options.
    Sms(Arc<dyn SmsSender>, Map),
}

/// Reads `webhook` of the options; none if there is none.
pub(super) fn of(given: &Given<'_>, tools: &Tools) -> Result<Option<Elsewhere>, String> {
    let Some(webhook) = given.get("webhook") else { return Ok(None) };
    let webhook = webhook.as_object().ok_or_else(|| given.wrong("webhook", "this must be an object"))?;
    let name = format!("{}.webhook", given.name);
    let inside = Given::new(&name, webhook);
    let url = inside.required("url")?;
    let methods = inside.texts("methods")?.unwrap_or_default();
    let mut options = given.options.clone();
    options.shift_remove("webhook");
    if let Some(Value::Object(more)) = inside.get("props") {
        options.extend(more.clone());
    }
    let calls =
        Calls { url: inside.checked("url", &url)?, http: Arc::clone(&tools.http), key: tools.webhook_key.clone() };
    let validates = methods.iter().any(|method| method.starts_with("validate"));
    if !validates && methods.iter().any(|method| method == "sendSMS") {
        return Ok(Some(Elsewhere::Sms(Arc::new(calls), options)));
    }
    Ok(Some(Elsewhere::Adapter(Arc::new(Remote { calls, methods, options }))))
}

struct Calls {
    url: String,
    http: Arc<dyn HttpClient>,
    key: Option<String>,
}

fn failed(text: impl Into<std::borrow::Cow<'static, str>>) -> ParseError {
    ParseError::new(ErrorCode::ScriptFailed, text)
}

impl Calls {
    async fn call(&self, method: &str, args: Vec<Value>) -> Result<Value, ParseError> {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(self.key.iter().map(|key| ("x-parse-webhook-key".to_owned(), key.clone())));
        let request = HttpRequest {
            method: "POST".to_owned(),
            url: self.url.clone(),
            headers,
            body: json::write(&Value::Object(map! { "method" => method, "args" => Value::Array(args) })),
            time_max: TIME_MAX,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let unknown = |detail: String| ParseError { detail: Some(detail), ..failed("Auth failed. Unknown error.") };
        let answered = self.http.send(request).await.map_err(|failure| unknown(failure.to_string()))?;
        let Ok(Value::Object(mut answer)) = json::read(&answered.body) else {
            return Err(unknown(format!("the adapter answered {} without JSON", answered.status)));
        };
        let Some(error) = answer.shift_remove("error") else {
            return Ok(answer.shift_remove("result").unwrap_or_default());
        };
        Err(match &error {
            Value::String(text) => failed(parsimony_model::names::sentence(text)),
            Value::Object(error) => {
                let text = error.get("message").and_then(Value::as_str).unwrap_or("Auth failed. Unknown error.");
                let text = parsimony_model::names::sentence(text);
                match error.get("code").and_then(Value::as_f64) {
                    Some(number) => ParseError::with_number(number as i32, text),
                    None => failed(text),
                }
            }
            _ => failed("Auth failed. Unknown error."),
        })
    }
}

impl SmsSender for Calls {
    fn send<'a>(&'a self, code: &'a str, mobile: &'a str) -> Pending<'a, ()> {
        Box::pin(async move { self.call("sendSMS", vec![code.into(), mobile.into()]).await.map(drop) })
    }
}

struct Remote {
    calls: Calls,
    methods: Vec<String>,
    options: Map,
}

impl Remote {
    fn has(&self, method: &str) -> bool {
        self.methods.iter().any(|own| own == method)
    }

    fn options(&self) -> Value {
        Value::Object(self.options.clone())
    }

    async fn validate(&self, step: &str, data: &Map, request: &AuthRequest) -> Result<Validated, ParseError> {
        if let Some(policy) = self.options.get("policy")
            && policy.as_str().and_then(AuthPolicy::named).is_none()
        {
            let text = "AuthAdapter policy is not configured correctly. The value must be either \"solo\", \"additional\", \
                        \"default\" or undefined (will be handled as \"default\")";
            return Err(ParseError::new(ErrorCode::OtherCause, text));
        }
        let steps = ["validateSetUp", "validateLogin", "validateUpdate"];
        let method = if self.has("validateAuthData") {
            "validateAuthData"
        } else if steps.iter().all(|step| self.has(step)) {
            step
        } else {
            return Err(not_configured());
        };
        let args = vec![Value::Object(data.clone()), self.options(), told(request)];
        let Value::Object(mut answer) = self.calls.call(method, args).await? else { return Ok(Validated::as_sent()) };
        let save = match answer.shift_remove("save") {
            Some(Value::Object(save)) => Some(save),
            _ => None,
        };
        Ok(Validated {
            response: answer.shift_remove("response").filter(Value::is_truthy),
            do_not_save: answer.get("doNotSave").is_some_and(Value::is_truthy),
            save,
            ..Validated::default()
        })
    }
}

/// What an adapter elsewhere is told of a request. Parse's names.
fn told(request: &AuthRequest) -> Value {
    let user = |user: &parsimony_model::Object| {
        let mut map = user.to_map();
        map.insert("__type".into(), "Object".into());
        map.insert("className".into(), user.class.as_str().into());
        Value::Object(map)
    };
    let who = &request.origin.who;
    let mut told = map! { "master" => who.master, "isChallenge" => request.is_challenge };
    told.extend(who.ip.as_deref().map(|ip| ("ip".into(), ip.into())));
    told.extend(who.user.as_deref().map(|own| ("user".into(), user(own))));
    told.extend(request.user.as_deref().map(|own| ("original".into(), user(own))));
    Value::Object(told)
}

impl AuthAdapter for Remote {
    fn policy<'a>(&'a self, stored: &'a Map, request: &'a AuthRequest) -> Pending<'a, AuthPolicy> {
        Box::pin(async move {
            let fixed = self.options.get("policy").cloned();
            let policy = if self.has("policy") {
                self.calls.call("policy", vec![told(request), Value::Object(stored.clone())]).await?
            } else {
                fixed.unwrap_or_default()
            };
            Ok(policy.as_str().and_then(AuthPolicy::named).unwrap_or_default())
        })
    }

    fn before_find<'a>(&'a self, data: &'a mut Map) -> Pending<'a, ()> {
        Box::pin(async move {
            if self.has("beforeFind")
                && let Value::Object(changed) = self.calls.call("beforeFind", vec![Value::Object(data.clone())]).await?
                && !changed.is_empty()
            {
                *data = changed;
            }
            Ok(())
        })
    }

    fn validate_app_id<'a>(&'a self, data: &'a Map, request: &'a AuthRequest) -> Pending<'a, ()> {
        Box::pin(async move {
            // Parse: where there are no ids of applications, there is nothing to compare.
            let apps = self.options.get("appIds").filter(|apps| apps.is_truthy());
            if let (Some(apps), true) = (apps, self.has("validateAppId")) {
                let args = vec![apps.clone(), Value::Object(data.clone()), self.options(), told(request)];
                self.calls.call("validateAppId", args).await?;
            }
            Ok(())
        })
    }

    fn validate_set_up<'a>(&'a self, data: &'a Map, request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(self.validate("validateSetUp", data, request))
    }

    fn validate_log_in<'a>(&'a self, data: &'a Map, request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(self.validate("validateLogin", data, request))
    }

    fn validate_update<'a>(&'a self, data: &'a Map, request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(self.validate("validateUpdate", data, request))
    }

    fn challenge<'a>(
        &'a self,
        challenge: &'a Value,
        data: Option<&'a Map>,
        request: &'a AuthRequest,
    ) -> Pending<'a, Option<Value>> {
        Box::pin(async move {
            if !self.has("challenge") {
                return Ok(None);
            }
            let data = data.map_or(Value::Null, |data| Value::Object(data.clone()));
            self.calls.call("challenge", vec![challenge.clone(), data, self.options(), told(request)]).await.map(Some)
        })
    }

    fn changes_what_is_found(&self) -> bool {
        self.has("afterFind")
    }

    fn after_find<'a>(&'a self, stored: &'a Map, is_master: bool) -> Pending<'a, Option<Map>> {
        Box::pin(async move {
            let request = Value::Object(map! { "master" => is_master });
            let shown =
                self.calls.call("afterFind", vec![Value::Object(stored.clone()), self.options(), request]).await?;
            Ok(shown.as_object().filter(|shown| !shown.is_empty()).cloned())
        })
    }
}
