//! Webhooks that go out: who subscribed hears of what happened, signed, until it is taken, and of nothing that did not happen.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parsimony_cloud::{Delivery, Headers, HttpClient, Verifier};
use parsimony_connectors::Http;
use parsimony_model::{Clock as _, SystemClock};
use parsimony_testkit::{App, Client, StoreKind};
use serde_json::{Value as Json, json};

use crate::jobs::{eventually, quick};
use crate::webhooks::Elsewhere;

crate::on_both_stores!(
    crate::outbound::open;
    a_service_that_subscribed_is_told_what_happened_signed,
    what_is_refused_is_told_to_nobody,
    an_event_that_is_not_taken_comes_again_under_its_id,
    two_secrets_sign_while_one_takes_the_place_of_the_other,
    who_may_subscribe_and_to_what,
);

struct Site {
    app: App,
    elsewhere: Elsewhere,
    /// How many deliveries are broken off before one is taken.
    deaf: Arc<AtomicUsize>,
    admin: Client,
    bob: Client,
}

async fn open(store: StoreKind) -> Site {
    let deaf = Arc::new(AtomicUsize::new(0));
    let elsewhere = {
        let deaf = Arc::clone(&deaf);
        Elsewhere::start(move |_, _| {
            let breaks = deaf.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            (!breaks).then(|| json!({}))
        })
        .await
    };
    let app = App::start_with(store, [parsimony_identity_management::application()], quick).await;
    let (admin_id, token) = app.sign_up("root").await;
    app.give_role(&admin_id, "admin").await;
    let admin = app.as_user(&token);
    let bob = app.as_user(&app.sign_up("bob").await.1);
    Site { app, elsewhere, deaf, admin, bob }
}

impl Site {
    async fn subscribe(&self, types: Json) -> (String, String) {
        let asked = json!({"application": "identity-management", "url": format!("{}/hooks", self.elsewhere.url), "eventTypes": types});
        let made = self.admin.post("/functions/createWebhookSubscription", asked).await;
        assert_eq!(made.status, 200, "{}", made.body);
        let text = |key: &str| made.body["result"][key].as_str().unwrap().to_owned();
        (text("subscriptionId"), text("secret"))
    }

    async fn create_identity(&self, name: &str) -> Json {
        let identity = json!({"type": "INDIVIDUAL", "legalName": name, "dateOfBirth": "1990-12-10", "nationality": "GB",
            "countryOfResidence": "DE", "documentType": "PASSPORT", "documentNumber": "X1234567"});
        // One user has one identity.
        let somebody = self.app.as_user(&self.app.sign_up(name.split(' ').next().unwrap()).await.1);
        let seen = somebody.post("/functions/createIdentity", identity).await;
        assert_eq!(seen.status, 200, "{}", seen.body);
        seen.body
    }

    async fn send(&self) {
        assert_eq!(self.app.as_master().post("/jobs/sendWebhooks", json!({})).await.status, 200);
    }

    async fn events(&self, status: &str) -> Vec<Json> {
        let path = format!(r#"/classes/OutboundEvent?where={{"status":"{status}"}}"#);
        self.app.as_master().get(&path).await.results().to_vec()
    }

    async fn wait_for(&self, status: &str, count: usize) -> Vec<Json> {
        eventually(status, async || Some(self.events(status).await).filter(|found| found.len() == count)).await
    }
}

/// Whether a delivery is believed by this secret, as any receiver would look at it.
async fn is_believed(headers: &[(String, String)], body: &str, secret: &str) -> bool {
    let delivery = Delivery {
        url: String::new(),
        headers: Headers::new(headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
        body: body.as_bytes().into(),
        ip: None,
    };
    let http: Arc<dyn HttpClient> = Arc::new(Http::new());
    Verifier::standard_webhooks(secret).verify(&delivery, SystemClock.now(), &*http).await.is_ok()
}

async fn a_service_that_subscribed_is_told_what_happened_signed(site: Site) {
    let (subscription, secret) = site.subscribe(json!(["Identity.*"])).await;
    let created = site.create_identity("Ada Lovelace").await;
    let pending = site.events("PENDING").await;
    assert_eq!((pending.len(), &pending[0]["type"]), (1, &json!("Identity.createIdentity")));
    site.send().await;
    site.wait_for("SENT", 1).await;
    let [(headers, body)] = &site.elsewhere.asked()[..] else { panic!("one delivery") };
    assert!(is_believed(headers, body, &secret).await);
    assert!(!is_believed(headers, &body.replace("create", "delete"), &secret).await);
    assert!(!is_believed(headers, body, "whsec_b3RoZXI=").await);
    let told: Json = serde_json::from_str(body).unwrap();
    assert_eq!(told["type"], json!("Identity.createIdentity"));
    assert_eq!(told["data"]["entityId"], created["result"]["identityId"]);
    assert!(!body.contains("Lovelace") && !body.contains("X1234567"), "{body}");
    // Nothing more after the end.
    let ended = site.admin.post("/functions/endWebhookSubscription", json!({"subscriptionId": subscription})).await;
    assert_eq!(ended.status, 200, "{}", ended.body);
    site.create_identity("Byron Ada").await;
    assert_eq!(site.events("PENDING").await.len(), 0);
    let again = site.admin.post("/functions/endWebhookSubscription", json!({"subscriptionId": subscription})).await;
    assert_eq!(again.code(), 142, "{}", again.body);
}

async fn what_is_refused_is_told_to_nobody(site: Site) {
    site.subscribe(json!(["*"])).await;
    let refused = site.bob.post("/functions/erasePerson", json!({"identityId": "i", "reason": "NONE"})).await;
    assert_eq!(refused.code(), 119, "{}", refused.body);
    site.create_identity("Ada Lovelace").await;
    // Whatever stands in the trail of this application and was done is told, and nothing else.
    let done = "/classes/AuditLog?where={\"application\":\"identity-management\",\"outcome\":\"SUCCESS\"}";
    let done = site.app.as_master().get(done).await.results().len();
    assert_eq!(site.events("PENDING").await.len(), done);
    let denied = site.app.as_master().get("/classes/AuditLog?where={\"outcome\":\"DENIED\"}").await;
    assert_eq!(denied.results().len(), 1);
}

async fn an_event_that_is_not_taken_comes_again_under_its_id(site: Site) {
    site.subscribe(json!(["Identity.createIdentity"])).await;
    site.deaf.store(1, Ordering::SeqCst);
    site.create_identity("Ada Lovelace").await;
    site.send().await;
    let waiting = eventually("an attempt", async || {
        let pending = site.events("PENDING").await;
        pending.first().filter(|event| event["attempts"] == json!(1) && event["answer"].is_string()).cloned()
    })
    .await;
    let soon = json!({"nextAttemptAt": {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"}});
    let path = format!("/classes/OutboundEvent/{}", waiting["objectId"].as_str().unwrap());
    assert_eq!(site.app.as_master().put(&path, soon).await.status, 200);
    site.send().await;
    assert_eq!(site.wait_for("SENT", 1).await[0]["attempts"], json!(2));
    let asked = site.elsewhere.asked();
    let ids: Vec<_> = asked.iter().map(|(headers, _)| headers.iter().find(|(name, _)| name == "webhook-id")).collect();
    assert_eq!((ids.len(), ids[0]), (2, ids[1]));
}

async fn two_secrets_sign_while_one_takes_the_place_of_the_other(site: Site) {
    let (subscription, old) = site.subscribe(json!(["Identity.createIdentity"])).await;
    let rotate = async |hours: u32| {
        let asked = json!({"subscriptionId": subscription, "overlapHours": hours});
        let seen = site.admin.post("/functions/rotateWebhookSecret", asked).await;
        assert_eq!(seen.status, 200, "{}", seen.body);
        seen.body["result"]["secret"].as_str().unwrap().to_owned()
    };
    let new = rotate(1).await;
    site.create_identity("Ada Lovelace").await;
    site.send().await;
    site.wait_for("SENT", 1).await;
    let (headers, body) = &site.elsewhere.asked()[0];
    assert!(is_believed(headers, body, &old).await && is_believed(headers, body, &new).await);
    // Known to others: it signs no more.
    let newest = rotate(0).await;
    site.create_identity("Byron Ada").await;
    site.send().await;
    site.wait_for("SENT", 2).await;
    let (headers, body) = &site.elsewhere.asked()[0];
    assert!(!is_believed(headers, body, &new).await && is_believed(headers, body, &newest).await);
    // No reader sees a secret, and no store does.
    let seen = site.admin.get("/classes/WebhookSubscription").await.body.to_string();
    assert!(seen.contains(&subscription) && !seen.contains("whsec_"), "{seen}");
}

async fn who_may_subscribe_and_to_what(site: Site) {
    let asked = |more: Json| {
        let mut asked =
            json!({"application": "identity-management", "url": "https://erp.example.org/", "eventTypes": ["*"]});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked
    };
    assert_eq!(site.bob.post("/functions/createWebhookSubscription", asked(json!({}))).await.code(), 119);
    for (wrong, field) in [
        (json!({"url": "http://erp.example.org/"}), "url"),
        (json!({"eventTypes": []}), "eventTypes"),
        (json!({"eventTypes": ["a b"]}), "eventTypes"),
        (json!({"application": 7}), "application"),
        (json!({"x": 1}), "x"),
    ] {
        let seen = site.admin.post("/functions/createWebhookSubscription", asked(wrong)).await;
        assert_eq!(seen.code(), 142, "{}", seen.body);
        assert!(seen.body["error"].as_str().unwrap().contains(field), "{}", seen.body);
    }
    assert_eq!(site.app.as_master().get("/classes/WebhookSubscription").await.results().len(), 0);
}
