//! How do browsers get a message? Encrypted, by the service that the browser's subscription names, signed in by VAPID.
//!
//! A subscription is what a client said it is, so its host has to be that of a known service, or one that the administrator
//! allows: otherwise a client could let this server ask whatever it can reach.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream;
use parsimony_cloud::{PushDevice, PushMessage, PushOutcome, PushSender};
use parsimony_model::value::json as model_json;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::config::WebConfig;
use super::signing::{Signer, base64_any};
use super::web_push_encryption::{MESSAGE_BYTES_MAX, SubscriptionKeys, encrypted};
use super::{Ground, patience};

/// Where the services of browsers are; a host may stand below one of these.
const SERVICES: [&str; 5] =
    ["fcm.googleapis.com", "jmt17.google.com", "push.services.mozilla.com", "push.apple.com", "notify.windows.com"];

/// How long a service keeps a message, unless told otherwise: four weeks.
const TTL_SECONDS: i64 = 4 * 7 * 24 * 3_600;

/// How long a signature is good for. Services take a day at most.
const SIGNED_SECONDS: i64 = 12 * 3_600;

/// How many requests are on their way at a time.
const TOGETHER: usize = 50;

/// How many characters a topic may have.
const TOPIC_CHARS: usize = 32;

/// The services of browsers.
pub(super) struct WebPush {
    ground: Ground,
    signer: Signer,
    public_key: String,
    subject: String,
    ttl: i64,
    urgency: Option<String>,
    hosts: Vec<String>,
}

/// What a browser said is where it listens.
struct Subscription {
    endpoint: Url,
    keys: SubscriptionKeys,
}

impl Subscription {
    fn read(token: &str) -> Option<Self> {
        let read: Value = serde_json::from_str(token).ok()?;
        let key = |name: &str| base64_any(read.get("keys")?.get(name)?.as_str()?);
        let keys = SubscriptionKeys { public: key("p256dh")?, secret: key("auth")? };
        Some(Self { endpoint: Url::parse(read.get("endpoint")?.as_str()?).ok()?, keys })
    }
}

impl WebPush {
    pub(super) fn new(written: WebConfig, ground: &Ground) -> Result<Self, String> {
        let vapid = written.vapid_details;
        let named = |why: &str| format!("push.web.vapidDetails: {why}");
        let private = base64_any(&vapid.private_key).ok_or_else(|| named("privateKey is no base64"))?;
        let public = base64_any(&vapid.public_key).ok_or_else(|| named("publicKey is no base64"))?;
        if !vapid.subject.starts_with("mailto:") && !vapid.subject.starts_with("https:") {
            return Err(named("subject must be a mailto: or an https: URL"));
        }
        Ok(Self {
            ground: ground.clone(),
            signer: Signer::ecdsa_raw(&private, &public).map_err(|why| named(&why))?,
            public_key: BASE64URL.encode(public),
            subject: vapid.subject,
            ttl: written.ttl.map_or(TTL_SECONDS, |ttl| i64::try_from(ttl).unwrap_or(TTL_SECONDS)),
            urgency: written.urgency,
            hosts: written.hosts.iter().map(|host| host.to_lowercase()).collect(),
        })
    }

    /// Whether a subscription may be there.
    fn is_allowed(&self, endpoint: &Url) -> bool {
        let Some(host) = endpoint.host_str() else { return false };
        let authority = endpoint.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        if self.hosts.contains(&authority) {
            return matches!(endpoint.scheme(), "https" | "http");
        }
        let is_below =
            |service: &str| host.strip_suffix(service).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        endpoint.scheme() == "https" && endpoint.port().is_none() && SERVICES.into_iter().any(is_below)
    }

    fn authorization(&self, endpoint: &Url) -> Result<String, String> {
        let seconds = self.ground.clock.now().millis() / 1_000;
        let audience = endpoint.origin().ascii_serialization();
        let claims = json!({ "aud": audience, "exp": seconds + SIGNED_SECONDS, "sub": self.subject });
        Ok(format!("vapid t={}, k={}", self.signer.token(None, &claims)?, self.public_key))
    }

    fn headers(&self, message: &PushMessage, endpoint: &Url) -> Result<Vec<(String, String)>, String> {
        let left = message.expires_at().map(|at| (at.millis() - self.ground.clock.now().millis()).div_euclid(1_000));
        // A message with a topic takes the place of the same one, if it is sent again before it is fetched.
        let topic: String = BASE64URL.encode(Sha256::digest(message.id.as_str())).chars().take(TOPIC_CHARS).collect();
        let mut headers = vec![
            ("authorization", self.authorization(endpoint)?),
            ("content-encoding", "aes128gcm".to_owned()),
            ("content-type", "application/octet-stream".to_owned()),
            ("ttl", left.unwrap_or(self.ttl).max(0).to_string()),
            ("topic", topic),
        ];
        headers.extend(self.urgency.clone().map(|urgency| ("urgency", urgency)));
        Ok(headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    async fn send_one(&self, message: &PushMessage, text: &[u8], device: &PushDevice) -> PushOutcome {
        let Some(subscription) = Subscription::read(&device.token) else {
            return PushOutcome::failed("The token is no subscription.");
        };
        let endpoint = &subscription.endpoint;
        if !self.is_allowed(endpoint) {
            return PushOutcome::failed("The subscription is not at a service that is known, or among push.web.hosts.");
        }
        if text.len() > MESSAGE_BYTES_MAX {
            return PushOutcome::failed(format!("The message has more than {MESSAGE_BYTES_MAX} bytes."));
        }
        let mut salt = [0; 16];
        self.ground.clock.fill(&mut salt);
        let Some(body) = encrypted(text, &subscription.keys, salt) else {
            return PushOutcome::failed("The keys of the subscription are none.");
        };
        let headers = match self.headers(message, endpoint) {
            Ok(headers) => headers,
            Err(why) => return PushOutcome::failed(why),
        };
        match patience::send(&self.ground, patience::post(endpoint.to_string(), headers, body)).await {
            Err(failure) => PushOutcome::failed(failure.to_string()),
            Ok(response) => match response.status {
                200..=299 => PushOutcome::Sent,
                status => PushOutcome::Failed { reason: format!("status {status}"), gone: matches!(status, 404 | 410) },
            },
        }
    }
}

impl PushSender for WebPush {
    fn send<'a>(&'a self, message: &'a PushMessage, devices: &'a [PushDevice]) -> BoxFuture<'a, Vec<PushOutcome>> {
        Box::pin(async move {
            let text = model_json::write(&message.data());
            let text = &text;
            let sending: Vec<_> = devices.iter().map(|device| self.send_one(message, text, device)).collect();
            stream::iter(sending).buffered(TOGETHER).collect().await
        })
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::{Date, ObjectId, map};

    use super::super::patience::tests::{Answer, Script, answer, ground};
    use super::*;

    /// A pair of keys, as web-push makes them.
    const PUBLIC: &str = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
    const PRIVATE: &str = "Bw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8";

    fn config(public: &str, private: &str) -> WebConfig {
        let vapid = json!({ "subject": "mailto:a@b.c", "publicKey": public, "privateKey": private });
        serde_json::from_value(json!({ "vapidDetails": vapid, "hosts": ["localhost:9"] })).unwrap()
    }

    fn pair() -> (String, String) {
        use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
        let pem = include_str!("test_keys/p256.pem");
        let der = base64_any(&pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
        let chance = ring::rand::SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &chance).unwrap();
        // In PKCS #8 of this curve the private half stands here.
        (BASE64URL.encode(pair.public_key().as_ref()), BASE64URL.encode(&der[36..68]))
    }

    fn web(answers: Vec<Answer>) -> (WebPush, std::sync::Arc<Script>) {
        let (ground, script) = ground(answers);
        let (public, private) = pair();
        (WebPush::new(config(&public, &private), &ground).unwrap(), script)
    }

    #[test]
    fn keys_that_are_no_pair_are_refused() {
        let (ground, _) = ground(Vec::new());
        let told = WebPush::new(config(PUBLIC, PRIVATE), &ground).err().unwrap();
        assert!(told.starts_with("push.web.vapidDetails: the keys are no pair"), "{told}");
    }

    #[test]
    fn a_subscription_is_at_a_known_service() {
        let (web, _) = web(Vec::new());
        for (endpoint, allowed) in [
            ("https://fcm.googleapis.com/fcm/send/x", true),
            ("https://updates.push.services.mozilla.com/wpush/v2/x", true),
            ("https://web.push.apple.com/x", true),
            ("https://evilpush.apple.com.example/x", false),
            ("https://evilfcm.googleapis.com/x", false),
            ("http://fcm.googleapis.com/x", false),
            ("https://fcm.googleapis.com:8443/x", false),
            ("https://169.254.169.254/latest", false),
            ("http://localhost:9/x", true),
            ("http://localhost:10/x", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(web.is_allowed(&Url::parse(endpoint).unwrap()), allowed, "{endpoint}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_browser_is_told_and_one_that_is_gone_is_known() {
        let (web, script) = web(vec![answer(201, &[], ""), answer(410, &[], "")]);
        let keys = json!({ "p256dh": pair().0, "auth": BASE64URL.encode([1; 16]) });
        let token = json!({ "endpoint": "http://localhost:9/s", "keys": keys }).to_string();
        let device = PushDevice { token, ..PushDevice::default() };
        let broken = PushDevice { token: "{}".to_owned(), ..PushDevice::default() };
        let body = map! { "data" => map! { "alert" => "hi" }, "expiration_time" => 1_767_225_600_000.0 + 60_000.0 };
        let message = PushMessage { id: ObjectId::parse("p").unwrap(), at: Date::EPOCH, body };
        let outcomes = web.send(&message, &[device.clone(), broken, device]).await;
        assert_eq!(
            outcomes,
            [
                PushOutcome::Sent,
                PushOutcome::failed("The token is no subscription."),
                PushOutcome::Failed { reason: "status 410".to_owned(), gone: true },
            ]
        );
        let asked = script.asked.lock();
        let header = |name: &str| asked[0].headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        assert_eq!((header("ttl"), header("content-encoding")), (Some("60"), Some("aes128gcm")));
        assert_eq!(header("topic").map(str::len), Some(32));
        assert!(header("authorization").unwrap().starts_with("vapid t=ey"));
    }
}
