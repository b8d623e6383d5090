//! How does a service of the administrator's own get a message? As a webhook, which answers what became of it for each device.

use futures::future::BoxFuture;
use parsimony_cloud::{PushDevice, PushMessage, PushOutcome, PushSender};
use serde_json::{Value, json};

use super::config::Webhook;
use super::{Ground, patience};

/// A service of the administrator's own.
pub(super) struct Own {
    ground: Ground,
    url: String,
    key: Option<String>,
}

/// Errors by which Parse's adapters say that there is no such device any more.
const GONE: [&str; 4] = ["NotRegistered", "InvalidRegistration", "Unregistered", "BadDeviceToken"];

impl Own {
    pub(super) fn new(written: Webhook, ground: &Ground, key: Option<String>) -> Self {
        Self { ground: ground.clone(), url: written.url, key }
    }
}

fn spelled(device: &PushDevice) -> Value {
    let mut spelled = json!({
        "objectId": device.installation, "deviceToken": device.token, "deviceType": device.device_type,
    });
    if let Some(fields) = spelled.as_object_mut() {
        let more = [("pushType", &device.push_type), ("appIdentifier", &device.app_identifier)];
        fields.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.as_deref()?.into()))));
    }
    spelled
}

fn outcome(told: Option<&Value>) -> PushOutcome {
    let Some(told) = told else { return PushOutcome::failed("The service did not say.") };
    if told.get("transmitted").and_then(Value::as_bool) == Some(true) {
        return PushOutcome::Sent;
    }
    let error = told.get("response").and_then(|response| response.get("error"));
    let text = error.and_then(|error| error.as_str().or_else(|| error.get("code")?.as_str())).unwrap_or("unknown");
    let gone = GONE.contains(&text) || text == "messaging/registration-token-not-registered";
    PushOutcome::Failed { reason: text.to_owned(), gone }
}

impl PushSender for Own {
    fn send<'a>(&'a self, message: &'a PushMessage, devices: &'a [PushDevice]) -> BoxFuture<'a, Vec<PushOutcome>> {
        Box::pin(async move {
            let body = serde_json::to_value(parsimony_model::Value::Object(message.body.clone())).unwrap_or_default();
            let all: Vec<Value> = devices.iter().map(spelled).collect();
            let asked = json!({ "method": "send", "args": [body, all, message.id.as_str()] });
            let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            headers.extend(self.key.as_ref().map(|key| ("x-parse-webhook-key".to_owned(), key.clone())));
            let request = patience::post(self.url.clone(), headers, asked.to_string().into_bytes());
            let told: Value = match patience::send(&self.ground, request).await {
                Ok(response) => serde_json::from_slice(&response.body).unwrap_or_default(),
                Err(failure) => return vec![PushOutcome::failed(failure.to_string()); devices.len()],
            };
            let Some(results) = told.get("result").and_then(Value::as_array) else {
                return vec![PushOutcome::failed("The service answered no result."); devices.len()];
            };
            let of = |(place, device): (usize, &PushDevice)| {
                let is_its = |told: &&Value| {
                    told.get("device").and_then(|told| told.get("deviceToken")?.as_str()) == Some(&*device.token)
                };
                outcome(results.iter().find(is_its).or_else(|| results.get(place)))
            };
            devices.iter().enumerate().map(of).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::{Date, ObjectId, map};

    use super::super::patience::tests::{answer, ground};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_device_has_its_result_by_its_token() {
        let told = json!({ "result": [
            {"transmitted": false, "device": {"deviceToken": "b"}, "response": {"error": "NotRegistered"}},
            {"transmitted": true, "device": {"deviceToken": "a"}},
        ]});
        let (ground, script) = ground(vec![answer(200, &[], &told.to_string())]);
        let written = serde_json::from_value(json!({ "url": "http://own/" })).unwrap();
        let own = Own::new(written, &ground, Some("key".to_owned()));
        let device = |token: &str| PushDevice { token: token.to_owned(), ..PushDevice::default() };
        let message = PushMessage { id: ObjectId::parse("p").unwrap(), at: Date::EPOCH, body: map! { "a" => 1 } };
        let outcomes = own.send(&message, &[device("a"), device("b")]).await;
        let gone = PushOutcome::Failed { reason: "NotRegistered".to_owned(), gone: true };
        assert_eq!(outcomes, [PushOutcome::Sent, gone]);
        let asked: Value = serde_json::from_slice(&script.asked.lock()[0].body).unwrap();
        assert_eq!(asked["args"][0], json!({ "a": 1 }));
        assert_eq!(asked["args"][1][1]["deviceToken"], "b");
    }
}
