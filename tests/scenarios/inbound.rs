//! Webhooks that come in: who is believed, what is stored, and how often it is handled.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use parsimony_cloud::{Application, Encoding, ErrorCode, Hash, Inbound, ParseError, Verifier};
use parsimony_model::Clock as _;
use parsimony_model::clock::HandClock;
use parsimony_testkit::{App, Seen, StoreKind};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::jobs::eventually;

crate::on_both_stores!(
    crate::inbound::open;
    a_signed_delivery_is_stored_and_handled,
    what_is_not_signed_is_refused_without_a_word,
    an_event_that_comes_again_is_handled_once,
    events_that_come_in_another_order_are_each_handled_once,
    a_handler_that_fails_is_called_again,
    an_event_that_cannot_be_handled_is_dead_until_it_is_replayed,
    a_handler_that_takes_too_long_has_failed,
    an_event_whose_server_is_lost_is_handled_by_another,
    what_is_under_way_ends_before_the_server_does,
    there_are_bounds,
    events_are_for_administrators,
    a_source_has_one_owner,
);

struct Site {
    app: App,
    clock: Arc<HandClock>,
    /// What the handler of `bank` was given.
    seen: Arc<Mutex<Vec<(String, u32)>>>,
    gate: Arc<Semaphore>,
}

const SECRET: &str = "whsec_c2VjcmV0";

/// What the other side sends: an event, its id, and when it was signed.
fn signed(body: &str, id: &str, seconds: i64) -> Vec<(&'static str, String)> {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    let signature = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
    vec![("webhook-id", id.to_owned()), ("webhook-timestamp", seconds.to_string()), ("webhook-signature", signature)]
}

impl Site {
    fn now(&self) -> i64 {
        self.clock.now().millis() / 1_000
    }

    async fn send(&self, source: &str, body: &str, headers: &[(&'static str, String)]) -> Seen {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let path = format!("/webhooks/shop/{source}");
        self.app.as_nobody().ask_raw("POST", &path, &headers, body.as_bytes().to_vec()).await.unwrap()
    }

    /// A delivery as it should be.
    async fn deliver(&self, body: &str, id: &str) -> Seen {
        self.send("bank", body, &signed(body, id, self.now())).await
    }

    /// The event of an id, as it is now.
    async fn event(&self, id: &str) -> Json {
        let path = format!("/classes/WebhookEvent?where={{\"eventId\":\"{id}\"}}");
        self.app.as_master().get(&path).await.results().first().cloned().unwrap_or_default()
    }

    /// Waits until an event is in a state.
    async fn becomes(&self, id: &str, status: &str) -> Json {
        let is = async || Some(self.event(id).await).filter(|event| event["status"] == status);
        eventually(status, is).await
    }

    fn handled(&self) -> Vec<(String, u32)> {
        std::mem::take(&mut *self.seen.lock())
    }

    /// Another server on the same store, by the same clock.
    async fn beside(&self) -> Site {
        let (seen, gate) = (Arc::default(), Arc::new(Semaphore::new(0)));
        let app = self.app.beside([application(&seen, &gate)], quick).await.unwrap();
        Site { app, clock: Arc::clone(&self.clock), seen, gate }
    }
}

fn quick(options: &mut parsimony_testkit::Options) {
    options.limits.inbound_tick = Duration::from_millis(10);
    options.limits.inbound_attempts_max = 3;
    options.limits.inbound_bytes_max = 1_000;
    options.limits.inbound_time_max = Duration::from_secs(2);
    options.limits.inbound_requests_max = 40;
}

async fn open(store: StoreKind) -> Site {
    let clock = Arc::new(HandClock::default());
    let (seen, gate) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let app = App::start_by(Arc::clone(&clock) as _, store, [application(&seen, &gate)], quick).await;
    Site { app, clock, seen, gate }
}

#[derive(serde::Deserialize)]
struct Payment {
    amount: u32,
    #[serde(default)]
    good_at: u32,
}

fn application(seen: &Arc<Mutex<Vec<(String, u32)>>>, gate: &Arc<Semaphore>) -> Application {
    let (seen, gate) = (Arc::clone(seen), Arc::clone(gate));
    Application::new("shop")
        .webhook("bank", Verifier::standard_webhooks(SECRET), move |event: Inbound| {
            let seen = Arc::clone(&seen);
            async move {
                seen.lock().push((event.event_id.clone(), event.attempt));
                let payment: Payment = event.json()?;
                if event.attempt < payment.good_at {
                    return Err(ParseError::new(ErrorCode::ScriptFailed, "The books are closed."));
                }
                // It has the master's rights.
                let fields =
                    parsimony_model::map! { "amount" => f64::from(payment.amount), "ACL" => parsimony_model::map! {} };
                event.host.create("Payment", fields).await?;
                Ok(())
            }
        })
        .webhook("slow", Verifier::hmac(Hash::Sha256, Encoding::Base64, "x-signature", "key"), move |_: Inbound| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(())
            }
        })
        .role("admin", &[])
}

async fn a_signed_delivery_is_stored_and_handled(site: Site) {
    let mut headers = signed(r#"{"amount": 7}"#, "msg_1", site.now());
    headers.extend([("authorization", "Basic secret".to_owned()), ("x-trace", "t1".to_owned())]);
    let seen = site.send("bank", r#"{"amount": 7}"#, &headers).await;
    assert_eq!((seen.status, seen.body), (200, json!({})));
    let event = site.becomes("msg_1", "PROCESSED").await;
    assert_eq!(
        (&event["application"], &event["source"], &event["attempts"]),
        (&json!("shop"), &json!("bank"), &json!(1))
    );
    assert_eq!(event["body"], r#"{"amount": 7}"#);
    assert_eq!((&event["headers"]["x-trace"], event["headers"].get("authorization")), (&json!("t1"), None));
    assert_eq!(event["processedAt"]["__type"], "Date");
    assert_eq!(site.handled(), [("msg_1".to_owned(), 1)]);
    assert_eq!(site.app.as_master().get("/classes/Payment").await.results()[0]["amount"], 7);
    // Nobody but the master key sees any of it.
    assert_eq!(site.app.get("/classes/WebhookEvent").await.code(), 119);
}

async fn what_is_not_signed_is_refused_without_a_word(site: Site) {
    let body = r#"{"amount": 7}"#;
    let now = site.now();
    let mut forged = signed(body, "msg_1", now);
    "msg_2".clone_into(&mut forged[0].1);
    for (what, body, headers) in [
        ("no signature", body, Vec::new()),
        ("another body", r#"{"amount": 8}"#, signed(body, "msg_1", now)),
        ("another id", body, forged),
        ("too late", body, signed(body, "msg_1", now - 301)),
        ("too early", body, signed(body, "msg_1", now + 301)),
        ("nonsense", body, vec![("webhook-signature", "v1,***".to_owned())]),
    ] {
        let seen = site.send("bank", body, &headers).await;
        assert_eq!((seen.status, seen.body), (401, json!({"error": "unauthorized"})), "{what}");
    }
    assert!(site.app.as_master().get("/classes/WebhookEvent").await.results().is_empty());
    assert!(site.handled().is_empty());
    // What was signed on time is refused later, when it is sent again.
    let headers = signed(body, "msg_1", now);
    assert_eq!(site.send("bank", body, &headers).await.status, 200);
    site.clock.advance_millis(301_000);
    assert_eq!(site.send("bank", body, &headers).await.status, 401);
}

async fn an_event_that_comes_again_is_handled_once(site: Site) {
    let other = site.beside().await;
    let body = r#"{"amount": 7}"#;
    let deliveries =
        (0..8).map(|turn| if turn % 2 == 0 { site.deliver(body, "msg_1") } else { other.deliver(body, "msg_1") });
    for seen in futures::future::join_all(deliveries).await {
        assert_eq!((seen.status, seen.body), (200, json!({})));
    }
    site.becomes("msg_1", "PROCESSED").await;
    assert_eq!(site.deliver(body, "msg_1").await.status, 200);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(site.handled().len() + other.handled().len(), 1);
    assert_eq!(site.app.as_master().get("/classes/Payment").await.results().len(), 1);
    assert_eq!(site.app.as_master().get("/classes/WebhookEvent").await.results().len(), 1);
}

async fn events_that_come_in_another_order_are_each_handled_once(site: Site) {
    let now = site.now();
    // The later one first, the first one again between others, and one that was signed before all of them.
    for (id, amount, signed_at) in
        [("msg_3", 3, now), ("msg_1", 1, now - 20), ("msg_3", 3, now), ("msg_2", 2, now - 10), ("msg_1", 1, now - 20)]
    {
        let body = format!(r#"{{"amount": {amount}}}"#);
        assert_eq!(site.send("bank", &body, &signed(&body, id, signed_at)).await.status, 200);
    }
    for id in ["msg_1", "msg_2", "msg_3"] {
        site.becomes(id, "PROCESSED").await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut handled = site.handled();
    handled.sort();
    assert_eq!(handled, ["msg_1", "msg_2", "msg_3"].map(|id| (id.to_owned(), 1)));
    let paid = site.app.as_master().get("/classes/Payment?order=amount&keys=amount").await;
    let amounts: Vec<_> = paid.results().iter().map(|payment| payment["amount"].clone()).collect();
    assert_eq!(amounts, [json!(1), json!(2), json!(3)]);
}

async fn a_handler_that_fails_is_called_again(site: Site) {
    site.deliver(r#"{"amount": 7, "good_at": 3}"#, "msg_1").await;
    let fails = async |times: usize| {
        eventually("it fails", async || {
            let event = site.event("msg_1").await;
            (event["status"] == "PENDING" && event["attempts"] == json!(times)).then_some(event)
        })
        .await
    };
    assert_eq!(fails(1).await["message"], "The books are closed.");
    site.clock.advance_millis(4_999);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(site.handled(), [("msg_1".to_owned(), 1)]);
    site.clock.advance_millis(1_001);
    fails(2).await;
    site.clock.advance_millis(12_000);
    let event = site.becomes("msg_1", "PROCESSED").await;
    assert_eq!((&event["attempts"], event.get("message").filter(|text| !text.is_null())), (&json!(3), None));
    assert_eq!(site.handled(), [("msg_1".to_owned(), 2), ("msg_1".to_owned(), 3)]);
}

async fn an_event_that_cannot_be_handled_is_dead_until_it_is_replayed(site: Site) {
    site.deliver(r#"{"amount": "much"}"#, "msg_1").await;
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        site.clock.advance_millis(60_000);
    }
    let event = site.becomes("msg_1", "DEAD").await;
    assert_eq!(event["attempts"], 3);
    assert!(event["message"].as_str().unwrap().contains("amount"), "{event}");
    site.clock.advance_millis(10_000_000);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(site.handled().len(), 3);
    // Somebody mends the event, and has it handled again.
    let id = event["objectId"].as_str().unwrap();
    site.app.as_master().put(&format!("/classes/WebhookEvent/{id}"), json!({"body": r#"{"amount": 9}"#})).await;
    let seen = admin(&site).await.post("/functions/replayWebhookEvent", json!({"objectId": id})).await;
    assert_eq!(seen.body["result"], json!({"objectId": id, "status": "PENDING"}));
    site.becomes("msg_1", "PROCESSED").await;
    assert_eq!(site.app.as_master().get("/classes/Payment").await.results()[0]["amount"], 9);
}

/// A user with the role of administrators.
async fn admin(site: &Site) -> parsimony_testkit::Client {
    let user = site.app.post("/users", json!({"username": "ann", "password": "secret"})).await;
    let roles = site.app.as_master().get("/roles?where={\"name\":\"admin\"}").await;
    let member =
        json!({"__op": "AddRelation", "objects": [{"__type": "Pointer", "className": "_User", "objectId": user.id()}]});
    let role = roles.results()[0]["objectId"].as_str().unwrap();
    assert_eq!(site.app.as_master().put(&format!("/roles/{role}"), json!({"users": member})).await.status, 200);
    site.app.as_user(user.body["sessionToken"].as_str().unwrap())
}

fn keyed(body: &str) -> Vec<(&'static str, String)> {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"key").unwrap();
    mac.update(body.as_bytes());
    vec![("x-signature", BASE64.encode(mac.finalize().into_bytes()))]
}

async fn a_handler_that_takes_too_long_has_failed(site: Site) {
    assert_eq!(site.send("slow", "a", &keyed("a")).await.status, 200);
    let event = eventually("it fails", async || {
        let found = site.app.as_master().get("/classes/WebhookEvent").await.results()[0].clone();
        (found["status"] == "PENDING" && found["attempts"] == 1 && found["message"].is_string()).then_some(found)
    });
    assert_eq!(event.await["message"], "It was not handled within 2 s.");
}

async fn an_event_whose_server_is_lost_is_handled_by_another(site: Site) {
    // As a server leaves it that was killed while it handled the event.
    let row = json!({
        "application": "shop", "source": "bank", "eventId": "msg_1", "status": "PROCESSING", "attempts": 1,
        "body": r#"{"amount": 7}"#, "headers": {}, "url": "",
        "nextAttemptAt": {"__type": "Date", "iso": "2026-01-01T00:00:04.000Z"},
    });
    assert_eq!(site.app.as_master().post("/classes/WebhookEvent", row).await.status, 201);
    site.clock.advance_millis(3_000);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(site.handled().is_empty());
    site.clock.advance_millis(1_000);
    site.becomes("msg_1", "PROCESSED").await;
    assert_eq!(site.handled(), [("msg_1".to_owned(), 2)]);
}

async fn what_is_under_way_ends_before_the_server_does(mut site: Site) {
    assert_eq!(site.send("slow", "a", &keyed("a")).await.status, 200);
    eventually("it is taken", async || {
        let found = site.app.as_master().get("/classes/WebhookEvent").await;
        (found.results()[0]["status"] == "PROCESSING").then_some(())
    })
    .await;
    let gate = Arc::clone(&site.gate);
    let other = site.beside().await;
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        gate.add_permits(1);
    };
    futures::future::join(site.app.stop(), later).await;
    let found = other.app.as_master().get("/classes/WebhookEvent").await;
    assert_eq!(found.results()[0]["status"], "PROCESSED");
}

async fn there_are_bounds(site: Site) {
    for (path, status) in [("/webhooks/shop/nobody", 404), ("/webhooks/nobody/bank", 404)] {
        let seen = site.app.as_nobody().ask_raw("POST", path, &[], b"{}".to_vec()).await.unwrap();
        assert_eq!(seen.status, status, "{path}");
    }
    let long = format!("{{\"amount\": 7, \"text\": \"{}\"}}", "x".repeat(1_000));
    assert_eq!(site.deliver(&long, "msg_1").await.status, 413);
    // Forty in a minute, good or not, from one address.
    let mut refused = 0;
    for _ in 0..45 {
        refused += u32::from(site.send("bank", "{}", &[]).await.status == 429);
    }
    assert_eq!(refused, 6);
    site.clock.advance_millis(60_000);
    assert_eq!(site.deliver(r#"{"amount": 7}"#, "msg_2").await.status, 200);
}

async fn events_are_for_administrators(site: Site) {
    for (id, amount) in [("msg_1", "1"), ("msg_2", "\"much\"")] {
        site.deliver(&format!("{{\"amount\": {amount}}}"), id).await;
    }
    site.becomes("msg_1", "PROCESSED").await;
    for function in ["listWebhookEvents", "replayWebhookEvent"] {
        let seen = site.app.post(&format!("/functions/{function}"), json!({"objectId": "x"})).await;
        assert_eq!(seen.code(), 142, "{function}");
    }
    let admin = admin(&site).await;
    let listed = admin.post("/functions/listWebhookEvents", json!({"source": "bank", "status": "PROCESSED"})).await;
    let events = listed.body["result"]["events"].as_array().unwrap().clone();
    assert_eq!((events.len(), &events[0]["eventId"], events[0].get("body")), (1, &json!("msg_1"), None));
    let all = site.app.as_master().post("/functions/listWebhookEvents", json!({"limit": 1})).await;
    assert_eq!(all.body["result"]["events"].as_array().unwrap().len(), 1);
    assert_eq!(admin.post("/functions/replayWebhookEvent", json!({"objectId": "none"})).await.code(), 101);
    assert_eq!(admin.post("/functions/listWebhookEvents", json!({"sorce": "bank"})).await.code(), 142);
}

async fn a_source_has_one_owner(site: Site) {
    drop(site);
    let bank =
        || Application::new("shop").webhook("bank", Verifier::standard_webhooks(SECRET), |_: Inbound| async { Ok(()) });
    let error = parsimony_cloud::Registry::new([bank(), bank()]).err().unwrap();
    assert!(error.contains("shop/bank is defined twice"), "{error}");
    let faulty = Application::new("shop").webhook("bank", Verifier::stripe(""), |_: Inbound| async { Ok(()) });
    assert!(parsimony_cloud::Registry::new([faulty]).err().unwrap().contains("secret is empty"));
    let named = Application::new("shop").webhook("a/b", Verifier::stripe("x"), |_: Inbound| async { Ok(()) });
    assert!(parsimony_cloud::Registry::new([named]).is_err());
}
