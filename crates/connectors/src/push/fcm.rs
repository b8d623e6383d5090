//! How do devices get a message through Google's service? By FCM v1, signed in as a service account.

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream;
use parsimony_cloud::{HttpResponse, PushDevice, PushMessage, PushOutcome, PushSender};
use parsimony_model::Date;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::config::{FcmConfig, ServiceAccount, ServiceAccountText};
use super::signing::Signer;
use super::{Ground, fcm_message, patience};

const ENDPOINT: &str = "https://fcm.googleapis.com";
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// How long before its end a token is not used any more.
const MARGIN_MILLIS: i64 = 5 * 60_000;

/// How many requests are on their way at a time.
const TOGETHER: usize = 50;

/// Whose devices are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Android,
    Apple,
}

/// Google's service.
pub(super) struct Fcm {
    ground: Ground,
    to: For,
    account: ServiceAccountText,
    signer: Signer,
    url: String,
    /// The token of now, and its end.
    token: Mutex<Option<(Date, String)>>,
}

fn account(written: ServiceAccount) -> Result<ServiceAccountText, String> {
    match written {
        ServiceAccount::Text(account) => Ok(account),
        ServiceAccount::File(name) => {
            let text =
                std::fs::read_to_string(&name).map_err(|error| format!("the file {name} cannot be read: {error}"));
            serde_json::from_str(&text?).map_err(|error| format!("the file {name} is no service account: {error}"))
        }
    }
}

impl Fcm {
    pub(super) fn new(written: FcmConfig, to: For, ground: &Ground) -> Result<Self, String> {
        let account = account(written.firebase_service_account)?;
        let signer = Signer::rsa(&account.private_key)?;
        let endpoint = written.endpoint.unwrap_or_else(|| ENDPOINT.to_owned());
        let url = format!("{}/v1/projects/{}/messages:send", endpoint.trim_end_matches('/'), account.project_id);
        Ok(Self { ground: ground.clone(), to, account, signer, url, token: Mutex::default() })
    }

    /// The token of now. Of many who want one at a time, one asks for it.
    async fn authorization(&self) -> Result<String, String> {
        let mut kept = self.token.lock().await;
        let now = self.ground.clock.now();
        if let Some((end, token)) = kept.as_ref()
            && end.millis() - now.millis() > MARGIN_MILLIS
        {
            return Ok(token.clone());
        }
        let uri = self.account.token_uri.as_deref().unwrap_or(TOKEN_URI);
        let seconds = now.millis() / 1_000;
        let claims = json!({
            "iss": self.account.client_email, "scope": SCOPE, "aud": uri, "iat": seconds, "exp": seconds + 3_600,
        });
        let assertion = self.signer.token(None, &claims)?;
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        let body = format!("grant_type={grant}&assertion={assertion}").into_bytes();
        let form = vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
        let answer = patience::send(&self.ground, patience::post(uri.to_owned(), form, body)).await;
        let answer = answer.map_err(|failure| format!("no token: {failure}"))?;
        let told: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let field = |name: &str| told.as_ref().and_then(|told| told.get(name));
        let Some(token) = field("access_token").and_then(Value::as_str).filter(|_| answer.status == 200) else {
            let why = field("error_description").or(field("error")).and_then(Value::as_str).unwrap_or("unknown");
            return Err(format!("no token: {} {why}", answer.status));
        };
        let lasts = field("expires_in").and_then(Value::as_i64).unwrap_or(3_600);
        *kept = Some((now.plus_millis(lasts.saturating_mul(1_000)), token.to_owned()));
        Ok(token.to_owned())
    }

    async fn send_one(&self, message: &PushMessage, device: &PushDevice) -> PushOutcome {
        let told = fcm_message::message(message, device, (self.to, self.ground.clock.now()));
        let body = told.to_string().into_bytes();
        for is_last in [false, true] {
            let token = match self.authorization().await {
                Ok(token) => token,
                Err(why) => return PushOutcome::failed(why),
            };
            let headers = vec![
                ("authorization".to_owned(), format!("Bearer {token}")),
                ("content-type".to_owned(), "application/json".to_owned()),
            ];
            match patience::send(&self.ground, patience::post(self.url.clone(), headers, body.clone())).await {
                Err(failure) => return PushOutcome::failed(failure.to_string()),
                Ok(response) if response.status == 401 && !is_last => {
                    let mut kept = self.token.lock().await;
                    // Others may have a new one by now.
                    if kept.as_ref().is_some_and(|(_, kept)| *kept == token) {
                        *kept = None;
                    }
                }
                Ok(response) => return outcome(&response),
            }
        }
        PushOutcome::failed("UNAUTHENTICATED")
    }
}

fn outcome(response: &HttpResponse) -> PushOutcome {
    if response.status == 200 {
        return PushOutcome::Sent;
    }
    let told: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let error = told.get("error");
    let details = error.and_then(|error| error.get("details")?.as_array());
    let code = details.and_then(|details| details.iter().find_map(|detail| detail.get("errorCode")?.as_str()));
    let status = error.and_then(|error| error.get("status")?.as_str());
    let message = error.and_then(|error| error.get("message")?.as_str()).unwrap_or_default();
    let gone = code == Some("UNREGISTERED")
        || message.contains("The registration token is not a valid FCM registration token");
    let reason = code.or(status).map_or_else(|| format!("status {}", response.status), str::to_owned);
    PushOutcome::Failed { reason, gone }
}

impl PushSender for Fcm {
    fn send<'a>(&'a self, message: &'a PushMessage, devices: &'a [PushDevice]) -> BoxFuture<'a, Vec<PushOutcome>> {
        Box::pin(async move {
            let sending: Vec<_> = devices.iter().map(|device| self.send_one(message, device)).collect();
            stream::iter(sending).buffered(TOGETHER).collect().await
        })
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::{ObjectId, map};

    use super::super::patience::tests::{answer, ground};
    use super::*;

    fn config() -> FcmConfig {
        serde_json::from_value(json!({ "endpoint": "https://f", "firebaseServiceAccount": {
            "project_id": "p", "client_email": "c", "private_key": include_str!("test_keys/rsa.pem"),
            "token_uri": "https://t/token",
        }}))
        .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn one_token_serves_many_and_is_asked_for_anew_when_it_is_refused() {
        let token = || answer(200, &[], r#"{"access_token":"a","expires_in":3600}"#);
        let (sent, unregistered) = (
            || answer(200, &[], r#"{"name":"n"}"#),
            answer(404, &[], r#"{"error":{"status":"NOT_FOUND","details":[{"errorCode":"UNREGISTERED"}]}}"#),
        );
        let answers = vec![token(), sent(), unregistered, answer(401, &[], "{}"), token(), sent()];
        let (ground, script) = ground(answers);
        let fcm = Fcm::new(config(), For::Android, &ground).unwrap();
        let message = PushMessage { id: ObjectId::parse("p").unwrap(), at: Date::EPOCH, body: map! {} };
        let device = PushDevice { token: "t".to_owned(), ..PushDevice::default() };
        let mut outcomes = Vec::new();
        for _ in 0..3 {
            outcomes.extend(fcm.send(&message, std::slice::from_ref(&device)).await);
        }
        let gone = PushOutcome::Failed { reason: "UNREGISTERED".to_owned(), gone: true };
        assert_eq!(outcomes, [PushOutcome::Sent, gone, PushOutcome::Sent]);
        let urls: Vec<String> = script.asked.lock().iter().map(|request| request.url.clone()).collect();
        let messages = "https://f/v1/projects/p/messages:send";
        assert_eq!(urls, ["https://t/token", messages, messages, messages, "https://t/token", messages]);
        let form = String::from_utf8(script.asked.lock()[0].body.clone()).unwrap();
        assert!(form.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey"));
    }
}
