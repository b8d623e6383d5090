//! How do Apple's devices get a message? By APNs over HTTP/2, signed in by a key or by a certificate.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream;
use parking_lot::Mutex;
use parsimony_cloud::{HttpClient, HttpResponse, PushDevice, PushMessage, PushOutcome, PushSender};
use parsimony_model::value::{Map, json as model_json};
use parsimony_model::{Date, Value};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::config::{ApnsConfig, Apple, pem_or_file};
use super::signing::Signer;
use super::{Ground, apple, fcm, patience};
use crate::Http;

const PRODUCTION: &str = "https://api.push.apple.com";
const SANDBOX: &str = "https://api.sandbox.push.apple.com";

/// How long a token is used. Apple wants one not to change within 20 minutes, and takes it for an hour.
const TOKEN_MILLIS: i64 = 40 * 60_000;

/// How many requests are on their way at a time.
const TOGETHER: usize = 50;

/// The sender of a type of Apple's devices.
pub(super) fn sender(kind: &str, written: Apple, ground: &Ground) -> Result<Arc<dyn PushSender>, String> {
    let named = |why: String| format!("push.{kind}: {why}");
    let accounts = match written {
        Apple::Fcm(written) => {
            return Ok(Arc::new(fcm::Fcm::new(written, fcm::For::Apple, ground).map_err(named)?));
        }
        Apple::One(account) => vec![*account],
        Apple::Several(accounts) => accounts,
    };
    let accounts = accounts.into_iter().map(|account| Account::new(account, ground).map_err(named));
    let mut accounts = accounts.collect::<Result<Vec<_>, _>>()?;
    // Parse: those of the real service come first.
    accounts.sort_by_key(|account| !account.production);
    Ok(Arc::new(Apns { accounts }))
}

/// Apple's service, by one or several accounts.
struct Apns {
    accounts: Vec<Account>,
}

/// How an account is signed in.
enum SignIn {
    Token {
        signer: Signer,
        key_id: String,
        team_id: String,
        issued: Mutex<Option<(Date, String)>>,
    },
    /// The connection itself is.
    Certificate,
}

/// An account.
struct Account {
    ground: Ground,
    sign_in: SignIn,
    topic: Option<String>,
    production: bool,
    endpoint: String,
}

impl Account {
    fn new(written: ApnsConfig, ground: &Ground) -> Result<Self, String> {
        if written.pfx.is_some() {
            return Err("pfx is not taken: make cert and key in PEM of it, with openssl pkcs12".to_owned());
        }
        let topic = written.topic.or(written.bundle_id).filter(|topic| !topic.is_empty());
        let mut ground = ground.clone();
        let sign_in = match (written.token, written.cert, written.key) {
            (Some(token), ..) => SignIn::Token {
                signer: Signer::ecdsa(&pem_or_file(&token.key)?)?,
                key_id: token.key_id,
                team_id: token.team_id,
                issued: Mutex::default(),
            },
            (None, Some(cert), Some(key)) => {
                if topic.is_none() {
                    return Err("topic is missing".to_owned());
                }
                let pem = format!("{}\n{}", pem_or_file(&key)?, pem_or_file(&cert)?);
                ground.http = Arc::new(Http::signed_in(&pem)?) as Arc<dyn HttpClient>;
                SignIn::Certificate
            }
            _ => return Err("a token, or a cert and its key, is missing".to_owned()),
        };
        let usual = if written.production { PRODUCTION } else { SANDBOX };
        let endpoint = written.endpoint.unwrap_or_else(|| usual.to_owned()).trim_end_matches('/').to_owned();
        Ok(Self { ground, sign_in, topic, production: written.production, endpoint })
    }

    /// The token of now; `None` where there needs to be none.
    fn authorization(&self) -> Result<Option<String>, String> {
        let SignIn::Token { signer, key_id, team_id, issued } = &self.sign_in else { return Ok(None) };
        let now = self.ground.clock.now();
        let mut issued = issued.lock();
        if let Some((at, token)) = issued.as_ref()
            && now.millis() - at.millis() < TOKEN_MILLIS
        {
            return Ok(Some(token.clone()));
        }
        let token = signer.token(Some(key_id), &json!({ "iss": team_id, "iat": now.millis() / 1_000 }))?;
        *issued = Some((now, token.clone()));
        Ok(Some(token))
    }

    /// Lets the next request have a new token.
    fn forget_token(&self) {
        if let SignIn::Token { issued, .. } = &self.sign_in {
            *issued.lock() = None;
        }
    }

    async fn send(&self, notification: &Notification, device: &PushDevice) -> PushOutcome {
        for is_last in [false, true] {
            let mut headers = notification.headers(device, self.topic.as_deref());
            match self.authorization() {
                Ok(token) => headers.extend(token.map(|token| ("authorization".to_owned(), format!("bearer {token}")))),
                Err(why) => return PushOutcome::failed(why),
            }
            let url = format!("{}/3/device/{}", self.endpoint, plain(&device.token));
            let request = patience::post(url, headers, notification.payload.clone());
            match patience::send(&self.ground, request).await {
                Err(failure) => return PushOutcome::failed(failure.to_string()),
                Ok(response) if !is_last && reason(&response) == "ExpiredProviderToken" => self.forget_token(),
                Ok(response) => return outcome(&response),
            }
        }
        PushOutcome::failed("ExpiredProviderToken")
    }
}

/// A token as it may stand in a path: whatever a client said is its token.
fn plain(token: &str) -> String {
    token.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn reason(response: &HttpResponse) -> String {
    let told: Option<serde_json::Value> = serde_json::from_slice(&response.body).ok();
    let reason = told.as_ref().and_then(|told| told.get("reason")?.as_str());
    reason.map_or_else(|| format!("status {}", response.status), str::to_owned)
}

fn outcome(response: &HttpResponse) -> PushOutcome {
    if response.status == 200 {
        return PushOutcome::Sent;
    }
    let reason = reason(response);
    let gone = response.status == 410 || matches!(reason.as_str(), "Unregistered" | "BadDeviceToken");
    PushOutcome::Failed { reason, gone }
}

impl Apns {
    /// The accounts for an app. Parse: those whose topic it is, else those that have none. A device that does not say its app
    /// may be any account's.
    fn accounts_of(&self, app: Option<&str>) -> Vec<&Account> {
        let Some(app) = app else { return self.accounts.iter().collect() };
        let own: Vec<&Account> = self.accounts.iter().filter(|account| account.topic.as_deref() == Some(app)).collect();
        if !own.is_empty() {
            return own;
        }
        self.accounts.iter().filter(|account| account.topic.is_none()).collect()
    }

    /// Parse: what one account could not send, the next one tries.
    async fn send_one(&self, notification: &Notification, device: &PushDevice) -> PushOutcome {
        let mut outcome = PushOutcome::failed("No Provider found");
        for account in self.accounts_of(device.app_identifier.as_deref()) {
            outcome = account.send(notification, device).await;
            if outcome == PushOutcome::Sent {
                break;
            }
        }
        outcome
    }
}

impl PushSender for Apns {
    fn send<'a>(&'a self, message: &'a PushMessage, devices: &'a [PushDevice]) -> BoxFuture<'a, Vec<PushOutcome>> {
        Box::pin(async move {
            let notification = Notification::of(message);
            let notification = &notification;
            let sending = devices.iter().map(|device| self.send_one(notification, device));
            stream::iter(sending.collect::<Vec<_>>()).buffered(TOGETHER).collect().await
        })
    }
}

/// A message in Apple's words.
struct Notification {
    push: String,
    payload: Vec<u8>,
    data: Map,
    push_type: String,
    priority: Option<String>,
    collapse_id: Option<String>,
    expiration: Option<i64>,
}

/// What of `data` is no part of the payload.
const HEADERS: [&str; 8] = ["id", "collapseId", "channelId", "requestId", "pushType", "topic", "expiry", "priority"];

impl Notification {
    fn of(message: &PushMessage) -> Self {
        let data = message.data();
        let either = |name: &str| apple::either(message, &data, name);
        let own = |name: &str| data.get(name).and_then(apple::text);
        let push_type = own("pushType").or_else(|| either("push_type")).unwrap_or_else(|| "alert".to_owned());
        // Apple takes a message for the background with this priority only.
        let usual = (push_type == "background").then(|| "5".to_owned());
        Self {
            push: message.id.as_str().to_owned(),
            payload: model_json::write(&payload(&data)),
            priority: own("priority").or_else(|| either("priority")).or(usual),
            collapse_id: own("collapseId").or_else(|| either("collapse_id")),
            expiration: data
                .get("expiry")
                .and_then(Value::as_f64)
                .map(|seconds| seconds as i64)
                .or_else(|| apple::expiration(message)),
            push_type,
            data,
        }
    }

    fn headers(&self, device: &PushDevice, topic: Option<&str>) -> Vec<(String, String)> {
        let own = |name: &str| self.data.get(name).and_then(apple::text);
        let app = device.app_identifier.as_deref().or(topic);
        let topic = own("topic").or_else(|| Some(format!("{}{}", app?, suffix(&self.push_type))));
        let id = own("id").unwrap_or_else(|| id(&self.push, &device.installation));
        let headers = [
            ("apns-push-type", Some(self.push_type.clone())),
            ("apns-id", Some(id)),
            ("apns-topic", topic),
            ("apns-priority", self.priority.clone()),
            ("apns-collapse-id", self.collapse_id.clone()),
            ("apns-expiration", self.expiration.map(|seconds| seconds.to_string())),
            ("apns-request-id", own("requestId")),
            ("apns-channel-id", own("channelId")),
        ];
        headers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// What follows the name of the app in the topic of some kinds of messages.
fn suffix(push_type: &str) -> &'static str {
    match push_type {
        "location" => ".location-query",
        "voip" => ".voip",
        "complication" => ".complication",
        "fileprovider" => ".pushkit.fileprovider",
        "liveactivity" => ".push-type.liveactivity",
        "pushtotalk" => ".voip-ptt",
        _ => "",
    }
}

/// The id of a message to a device: the same when it is sent again.
fn id(push: &str, installation: &str) -> String {
    let digest = Sha256::digest(format!("{push} {installation}"));
    let mut id = String::with_capacity(36);
    for (place, byte) in digest.iter().take(16).enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            id.extend(char::from_digit(u32::from(digit), 16).map(|digit| digit.to_ascii_uppercase()));
        }
    }
    id
}

/// What the device gets.
fn payload(data: &Map) -> Map {
    let mut aps = apple::aps(data, false);
    for (name, renamed) in apple::IN_APS {
        let Some(value) = data.get(name) else { continue };
        // Parse: these are there or not.
        if !renamed.ends_with("-available") && renamed != "mutable-content" || *value == Value::Number(1.0) {
            aps.insert(renamed.into(), value.clone());
        }
    }
    let is_ours = |key: &str| {
        HEADERS.contains(&key)
            || matches!(key, "aps" | "alert" | "title")
            || apple::IN_APS.iter().any(|(name, _)| *name == key)
    };
    let own = data.iter().filter(|(key, _)| !is_ours(key)).map(|(key, value)| (key.clone(), value.clone()));
    own.chain([("aps".into(), Value::Object(aps))]).collect()
}

#[cfg(test)]
mod tests {
    use parsimony_model::{ObjectId, map};

    use super::super::patience::tests::{answer, ground};
    use super::*;

    const KEY: &str = include_str!("test_keys/p256.pem");

    fn account(more: &serde_json::Value) -> ApnsConfig {
        let mut written = json!({ "token": { "key": KEY, "keyId": "KEY", "teamId": "TEAM" }, "endpoint": "https://a" });
        written.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(written).unwrap()
    }

    fn message(body: Map) -> PushMessage {
        PushMessage { id: ObjectId::parse("push").unwrap(), at: Date::EPOCH, body }
    }

    fn device(app: Option<&str>) -> PushDevice {
        PushDevice {
            installation: "i".to_owned(),
            token: "ab/../cd".to_owned(),
            app_identifier: app.map(str::to_owned),
            ..PushDevice::default()
        }
    }

    #[test]
    fn the_payload_is_the_adapter_s() {
        let data = map! {
            "alert" => "hi", "title" => "T", "badge" => 3, "sound" => "s", "content-available" => 1, "mutable-content" => 0,
            "threadId" => "t", "interruptionLevel" => "passive", "targetContentIdentifier" => "c", "priority" => 5,
            "own" => map! { "a" => 1 },
        };
        let told = serde_json::to_value(Value::Object(payload(&data))).unwrap();
        assert_eq!(
            told,
            json!({
                "own": {"a": 1},
                "aps": {"alert": {"body": "hi", "title": "T"}, "badge": 3, "sound": "s", "content-available": 1,
                    "thread-id": "t", "interruption-level": "passive", "target-content-id": "c"},
            })
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_is_told_with_the_headers_of_its_app() {
        let (ground, script) = ground(vec![answer(200, &[], "")]);
        let apns = sender("ios", Apple::One(Box::new(account(&json!({ "topic": "app" })))), &ground).unwrap();
        let body = map! {
            "data" => map! { "alert" => "hi" }, "expiration_time" => 1_500, "collapse_id" => "c", "push_type" => "voip",
        };
        let outcomes = apns.send(&message(body), &[device(Some("app")), device(Some("other"))]).await;
        assert_eq!(outcomes, [PushOutcome::Sent, PushOutcome::failed("No Provider found")]);
        let asked = script.asked.lock();
        assert_eq!(asked[0].url, "https://a/3/device/abcd");
        let header = |name: &str| asked[0].headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        assert_eq!(header("apns-topic"), Some("app.voip"));
        assert_eq!((header("apns-expiration"), header("apns-collapse-id")), (Some("2"), Some("c")));
        assert_eq!(header("apns-id"), Some(id("push", "i").as_str()));
        assert!(header("authorization").unwrap().starts_with("bearer ey"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_token_is_made_anew_and_a_device_that_is_gone_is_told() {
        let expired = answer(403, &[], r#"{"reason":"ExpiredProviderToken"}"#);
        let gone = answer(410, &[], r#"{"reason":"Unregistered","timestamp":1}"#);
        let (ground, script) = ground(vec![expired, gone]);
        let apns = sender("ios", Apple::One(Box::new(account(&json!({})))), &ground).unwrap();
        let outcomes = apns.send(&message(map! {}), &[device(None)]).await;
        assert_eq!(outcomes, [PushOutcome::Failed { reason: "Unregistered".to_owned(), gone: true }]);
        assert_eq!(script.asked.lock().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_account_cannot_send_the_next_one_tries() {
        let (ground, script) = ground(vec![answer(400, &[], r#"{"reason":"BadDeviceToken"}"#), answer(200, &[], "")]);
        let sandbox = account(&json!({ "topic": "app", "endpoint": "https://sandbox" }));
        let real = account(&json!({ "topic": "app", "endpoint": "https://real", "production": true }));
        let apns = sender("ios", Apple::Several(vec![sandbox, real]), &ground).unwrap();
        assert_eq!(apns.send(&message(map! {}), &[device(Some("app"))]).await, [PushOutcome::Sent]);
        let asked: Vec<String> = script.asked.lock().iter().map(|request| request.url.clone()).collect();
        assert_eq!(asked, ["https://real/3/device/abcd", "https://sandbox/3/device/abcd"]);
    }
}
