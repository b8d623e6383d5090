//! How do devices get a message through Expo's service? A hundred in one request.

use futures::future::BoxFuture;
use parsimony_cloud::{HttpResponse, PushDevice, PushMessage, PushOutcome, PushSender};
use serde_json::{Map, Value};

use super::config::ExpoConfig;
use super::{Ground, patience};

const ENDPOINT: &str = "https://exp.host";

/// How many messages one request may bring.
const TOGETHER: usize = 100;

/// Expo's service.
pub(super) struct Expo {
    ground: Ground,
    url: String,
    access_token: Option<String>,
}

impl Expo {
    pub(super) fn new(written: ExpoConfig, ground: &Ground) -> Self {
        let endpoint = written.endpoint.unwrap_or_else(|| ENDPOINT.to_owned());
        let url = format!("{}/--/api/v2/push/send", endpoint.trim_end_matches('/'));
        Self { ground: ground.clone(), url, access_token: written.access_token }
    }

    async fn send_some(&self, message: &Map<String, Value>, devices: &[PushDevice]) -> Vec<PushOutcome> {
        let messages: Vec<Value> = devices
            .iter()
            .map(|device| {
                let mut own = message.clone();
                own.insert("to".to_owned(), device.token.as_str().into());
                own.into()
            })
            .collect();
        let mut headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("accept".to_owned(), "application/json".to_owned()),
        ];
        headers.extend(self.access_token.as_ref().map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
        let body = Value::from(messages).to_string().into_bytes();
        match patience::send(&self.ground, patience::post(self.url.clone(), headers, body)).await {
            Ok(response) => outcomes(&response, devices.len()),
            Err(failure) => vec![PushOutcome::failed(failure.to_string()); devices.len()],
        }
    }
}

/// Parse: what is to be shown is called `body`.
fn message(push: &PushMessage) -> Map<String, Value> {
    let data = push.data();
    let mut message: Map<String, Value> = data
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "alert" | "body"))
        .map(|(key, value)| (key.to_string(), serde_json::to_value(value).unwrap_or_default()))
        .collect();
    let shown = data.get("body").filter(|body| body.is_truthy()).or_else(|| data.get("alert"));
    if let Some(shown) = shown {
        message.insert("body".to_owned(), serde_json::to_value(shown).unwrap_or_default());
    }
    if let Some(expires_at) = push.expires_at() {
        message.entry("expiration").or_insert_with(|| (expires_at.millis() / 1_000).into());
    }
    message
}

fn outcomes(response: &HttpResponse, wanted: usize) -> Vec<PushOutcome> {
    let told: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let Some(tickets) = told.get("data").and_then(Value::as_array).filter(|_| response.status == 200) else {
        let error = told.get("errors").and_then(|errors| errors.get(0)?.get("message")?.as_str());
        let reason = error.map_or_else(|| format!("status {}", response.status), str::to_owned);
        return vec![PushOutcome::failed(reason); wanted];
    };
    let outcome = |ticket: &Value| {
        if ticket.get("status").and_then(Value::as_str) == Some("ok") {
            return PushOutcome::Sent;
        }
        let code = ticket.get("details").and_then(|details| details.get("error")?.as_str());
        let message = ticket.get("message").and_then(Value::as_str);
        let gone = code == Some("DeviceNotRegistered") || message == Some("DeviceNotRegistered");
        PushOutcome::Failed { reason: code.or(message).unwrap_or("unknown").to_owned(), gone }
    };
    let missing = std::iter::repeat_with(|| PushOutcome::failed("Expo did not say."));
    tickets.iter().map(outcome).chain(missing).take(wanted).collect()
}

impl PushSender for Expo {
    fn send<'a>(&'a self, message: &'a PushMessage, devices: &'a [PushDevice]) -> BoxFuture<'a, Vec<PushOutcome>> {
        Box::pin(async move {
            let told = self::message(message);
            let mut outcomes = Vec::with_capacity(devices.len());
            for some in devices.chunks(TOGETHER) {
                outcomes.extend(self.send_some(&told, some).await);
            }
            outcomes
        })
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::{Date, ObjectId, map};
    use serde_json::json;

    use super::super::patience::tests::{answer, ground};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn messages_go_together_and_each_has_its_ticket() {
        let tickets = json!({ "data": [
            {"status": "ok", "id": "1"},
            {"status": "error", "message": "no such", "details": {"error": "DeviceNotRegistered"}},
        ]});
        let (ground, script) = ground(vec![answer(200, &[], &tickets.to_string()), answer(400, &[], "{}")]);
        let written = serde_json::from_value(json!({ "accessToken": "a", "endpoint": "https://e/" })).unwrap();
        let expo = Expo::new(written, &ground);
        let body =
            map! { "data" => map! { "alert" => "hi", "title" => "t", "badge" => 2 }, "expiration_time" => 5_000 };
        let message = PushMessage { id: ObjectId::parse("p").unwrap(), at: Date::EPOCH, body };
        let device = |token: &str| PushDevice { token: token.to_owned(), ..PushDevice::default() };
        let gone = PushOutcome::Failed { reason: "DeviceNotRegistered".to_owned(), gone: true };
        let silent = PushOutcome::failed("Expo did not say.");
        let outcomes = expo.send(&message, &[device("a"), device("b"), device("c")]).await;
        assert_eq!(outcomes, [PushOutcome::Sent, gone, silent]);
        assert_eq!(expo.send(&message, &[device("a")]).await, [PushOutcome::failed("status 400")]);
        let asked = script.asked.lock();
        assert_eq!(asked[0].url, "https://e/--/api/v2/push/send");
        assert!(asked[0].headers.contains(&("authorization".to_owned(), "Bearer a".to_owned())));
        let sent: Value = serde_json::from_slice(&asked[0].body).unwrap();
        assert_eq!(sent[0], json!({ "to": "a", "title": "t", "badge": 2, "body": "hi", "expiration": 5 }));
    }
}
