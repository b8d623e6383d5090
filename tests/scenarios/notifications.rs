//! Notifications: by letter, text message and push as their readers prefer, and what the services tell of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use parsimony_cloud::Settings;
use parsimony_model::{Clock as _, SystemClock};
use parsimony_testkit::{App, Client, Seen, StoreKind};
use serde_json::{Value as Json, json};
use sha2::Sha256;

use crate::jobs::{eventually, quick};
use crate::webhooks::Elsewhere;

crate::on_both_stores!(
    crate::notifications::open;
    a_notification_is_told_in_the_application_and_by_the_ways_its_reader_prefers,
    a_letter_that_arrives_or_comes_back_is_noted,
    a_reader_who_sends_stop_gets_no_more_text_messages,
    templates_say_it_in_the_language_of_the_reader,
    somebody_is_told_only_so_often_and_nothing_is_lost,
    who_may_send_and_what_is_refused,
    feedback_that_nobody_signed_changes_nothing,
);

const TWILIO_TOKEN: &str = "twilio_test_token";
const MAILGUN_KEY: &str = "mailgun_test_signing_key";
const CALLBACK: &str = "https://id.example.org/parse/webhooks/identity-management/delivery";

struct Site {
    app: App,
    twilio: Elsewhere,
    /// Who is told, and that user's id.
    ada: Client,
    ada_id: String,
    /// Who tells.
    staff: Client,
}

async fn open(store: StoreKind) -> Site {
    let twilio = Elsewhere::start(|path, _| {
        assert_eq!(path, "/2010-04-01/Accounts/AC1/Messages.json");
        Some(json!({ "sid": "SM1", "status": "queued" }))
    })
    .await;
    let kit = json!({
        "twilio": {"accountSid": "AC1", "authToken": TWILIO_TOKEN, "from": "+4930", "statusCallback": CALLBACK, "baseUrl": twilio.url},
        "notificationsPerHour": 3, "messageDomain": "id.example.org",
    });
    let own = json!({
        "delivery": {"mailgunSigningKey": MAILGUN_KEY, "twilioAuthToken": TWILIO_TOKEN, "twilioCallbackUrl": CALLBACK},
    });
    let settings = |name: &str, settings: Json| Settings::new(name, settings.as_object().unwrap().clone());
    let kit = parsimony_kit::application().configure(&settings("kit", kit)).unwrap();
    let application =
        parsimony_identity_management::application().configure(&settings("identity-management", own)).unwrap();
    let app = App::start_with(store, [kit, application], |options| {
        quick(options);
        options.limits.inbound_tick = std::time::Duration::from_millis(10);
    })
    .await;
    let signed = json!({"username": "ada", "password": "pw", "email": "ada@example.org"});
    let signed = app.post("/users", signed).await;
    let (ada_id, ada) = (signed.id(), app.as_user(signed.body["sessionToken"].as_str().unwrap()));
    let (staff_id, token) = app.sign_up("staff").await;
    app.give_role(&staff_id, "support").await;
    let staff = app.as_user(&token);
    Site { app, twilio, ada, ada_id, staff }
}

impl Site {
    /// Tells Ada something; gives the id of the notification.
    async fn tell(&self, title: &str) -> String {
        let news =
            json!({"userId": self.ada_id, "kind": "NEWS", "title": title, "body": "All is well.", "data": {"days": 3}});
        let sent = self.staff.post("/functions/sendNotification", news).await;
        assert_eq!(sent.status, 200, "{}", sent.body);
        sent.body["result"]["notificationId"].as_str().unwrap().to_owned()
    }

    async fn prefer(&self, preferences: Json) {
        let seen = self.ada.post("/functions/setNotificationPreferences", preferences).await;
        assert_eq!(seen.status, 200, "{}", seen.body);
    }

    async fn deliver(&self) {
        assert_eq!(self.app.as_master().post("/jobs/deliverNotifications", json!({})).await.status, 200);
    }

    /// The deliveries with this status, as `CHANNEL`.
    async fn with_status(&self, status: &str) -> Vec<Json> {
        let path = format!(r#"/classes/NotificationDelivery?where={{"status":"{status}"}}&order=createdAt"#);
        self.app.as_master().get(&path).await.results().to_vec()
    }

    /// Waits for so many deliveries with this status.
    async fn wait_for(&self, status: &str, count: usize) -> Vec<Json> {
        eventually(status, async || Some(self.with_status(status).await).filter(|found| found.len() == count)).await
    }

    /// Mailgun tells of a letter.
    async fn mailgun(&self, token: &str, key: &str, event: Json) -> Seen {
        let timestamp = SystemClock.now().millis() / 1000;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(format!("{timestamp}{token}").as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let body = json!({
            "signature": {"timestamp": timestamp.to_string(), "token": token, "signature": signature}, "event-data": event,
        });
        self.told(&[("content-type", "application/json")], body.to_string()).await
    }

    /// Twilio tells of a text message.
    async fn twilio(&self, status: &str, error: &str) -> Seen {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TWILIO_TOKEN.as_bytes());
        let signed = format!("{CALLBACK}ErrorCode{error}MessageSidSM1MessageStatus{status}");
        let signature = BASE64.encode(ring::hmac::sign(&key, signed.as_bytes()));
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("x-twilio-signature", &*signature)];
        self.told(&headers, format!("ErrorCode={error}&MessageSid=SM1&MessageStatus={status}")).await
    }

    async fn told(&self, headers: &[(&str, &str)], body: String) -> Seen {
        let path = "/webhooks/identity-management/delivery";
        self.app.as_nobody().ask_raw("POST", path, headers, body.into_bytes()).await.unwrap()
    }
}

fn letter(event: &str, delivery: &Json, more: &Json) -> Json {
    let mut told = json!({"event": event, "message": {"headers": {"message-id": delivery["reference"]}}});
    told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    told
}

async fn a_notification_is_told_in_the_application_and_by_the_ways_its_reader_prefers(site: Site) {
    site.prefer(json!({"channels": ["EMAIL", "SMS", "PUSH"], "phone": "+491701234567"})).await;
    let id = site.tell("Good news").await;
    // Ada sees it at once, and nobody else does.
    assert_eq!(site.ada.get(&format!("/classes/Notification/{id}")).await.body["title"], json!("Good news"));
    assert_eq!(site.staff.get(&format!("/classes/Notification/{id}")).await.code(), 101);
    site.deliver().await;
    let sent = site.wait_for("SENT", 2).await;
    let channels: Vec<&str> = sent.iter().map(|row| row["channel"].as_str().unwrap()).collect();
    assert_eq!(channels, ["EMAIL", "SMS"]);
    let letter = site.app.mail().wait_for(1).await;
    assert_eq!((letter.to, letter.subject.as_str()), (vec!["ada@example.org".to_owned()], "Good news"));
    assert!(letter.text.contains("All is well."), "{}", letter.text);
    assert_eq!(site.twilio.asked_paths().len(), 1);
    let skipped = site.wait_for("SKIPPED", 1).await;
    assert_eq!(skipped[0]["reason"], json!("the user has no device"));
    // Once is enough.
    site.deliver().await;
    site.wait_for("SENT", 2).await;
    assert_eq!(site.app.mail().letters().len(), 1);
    // A preference has her number; no store sees it, and nobody else.
    assert_eq!(site.ada.get("/classes/NotificationPreference").await.results()[0]["phone"], json!("+491701234567"));
    assert_eq!(site.staff.get("/classes/NotificationPreference").await.results().len(), 0);
}

async fn a_letter_that_arrives_or_comes_back_is_noted(site: Site) {
    site.prefer(json!({"channels": ["EMAIL"]})).await;
    site.tell("One").await;
    site.tell("Two").await;
    site.deliver().await;
    let sent = site.wait_for("SENT", 2).await;
    assert_eq!(site.mailgun("t1", MAILGUN_KEY, letter("delivered", &sent[0], &json!({}))).await.status, 200);
    assert_eq!(site.wait_for("DELIVERED", 1).await[0]["objectId"], sent[0]["objectId"]);
    // What failed for the moment is Mailgun's to try again.
    let soft = letter("failed", &sent[1], &json!({"severity": "temporary"}));
    assert_eq!(site.mailgun("t2", MAILGUN_KEY, soft).await.status, 200);
    let hard = json!({"severity": "permanent", "reason": "bounce", "delivery-status": {"message": "no such user"}});
    assert_eq!(site.mailgun("t3", MAILGUN_KEY, letter("failed", &sent[1], &hard)).await.status, 200);
    assert_eq!(site.wait_for("FAILED", 1).await[0]["reason"], json!("no such user"));
    // Nothing arrives at the address: nothing more goes there, until Ada says so.
    site.tell("Three").await;
    assert_eq!(site.with_status("PENDING").await.len(), 0);
    site.prefer(json!({"channels": ["EMAIL"]})).await;
    site.tell("Four").await;
    assert_eq!(site.with_status("PENDING").await.len(), 1);
    // Later than the bounce, but it was before: nothing goes back.
    assert_eq!(site.mailgun("t4", MAILGUN_KEY, letter("delivered", &sent[1], &json!({}))).await.status, 200);
    let events = "/classes/WebhookEvent?where={\"status\":\"PROCESSED\"}&count=1&limit=0";
    eventually("four events", async || {
        (site.app.as_master().get(events).await.body["count"] == json!(4)).then_some(())
    })
    .await;
    assert_eq!(site.with_status("FAILED").await.len(), 1);
}

async fn a_reader_who_sends_stop_gets_no_more_text_messages(site: Site) {
    site.prefer(json!({"channels": ["SMS"], "phone": "+491701234567"})).await;
    site.tell("One").await;
    site.deliver().await;
    site.wait_for("SENT", 1).await;
    assert_eq!(site.twilio("undelivered", "21610").await.status, 200);
    assert_eq!(site.wait_for("FAILED", 1).await[0]["reason"], json!("Twilio 21610"));
    site.tell("Two").await;
    assert_eq!(site.with_status("PENDING").await.len(), 0);
}

async fn templates_say_it_in_the_language_of_the_reader(site: Site) {
    let (admin_id, token) = site.app.sign_up("admin").await;
    site.app.give_role(&admin_id, "admin").await;
    let admin = site.app.as_user(&token);
    for (locale, subject) in [("*", "News: {{title}}"), ("de", "Neues: {{title}} ({{data.days}} Tage)")] {
        let template =
            json!({"kind": "NEWS", "channel": "EMAIL", "locale": locale, "subject": subject, "text": "{{body}}"});
        assert_eq!(admin.post("/classes/NotificationTemplate", template).await.status, 201);
    }
    let own = json!({"kind": "NEWS", "channel": "EMAIL", "locale": "fr", "text": "x"});
    assert_eq!(site.ada.post("/classes/NotificationTemplate", own).await.code(), 119);
    site.prefer(json!({"channels": ["EMAIL"], "locale": "de-AT"})).await;
    site.tell("Eins").await;
    site.deliver().await;
    assert_eq!(site.app.mail().wait_for(1).await.subject, "Neues: Eins (3 Tage)");
    site.prefer(json!({"channels": ["EMAIL"], "locale": "fr"})).await;
    site.tell("Deux").await;
    site.deliver().await;
    assert_eq!(site.app.mail().wait_for(2).await.subject, "News: Deux");
}

async fn somebody_is_told_only_so_often_and_nothing_is_lost(site: Site) {
    site.prefer(json!({"channels": ["EMAIL"]})).await;
    for number in 0..5 {
        site.tell(&format!("Number {number}")).await;
    }
    site.deliver().await;
    site.wait_for("SENT", 3).await;
    let waiting = site.wait_for("PENDING", 2).await;
    assert!(waiting.iter().all(|row| row["attempts"] == json!(0)), "{waiting:?}");
}

async fn who_may_send_and_what_is_refused(site: Site) {
    let news = |more: Json| {
        let mut news = json!({"userId": site.ada_id, "kind": "NEWS", "title": "t"});
        news.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        news
    };
    let send = async |client: &Client, more: Json| client.post("/functions/sendNotification", news(more)).await;
    assert_eq!(send(&site.ada, json!({})).await.code(), 119);
    assert_eq!(send(&site.staff, json!({"userId": "nobody"})).await.code(), 101);
    for (wrong, field) in [
        (json!({"title": 1}), "title"),
        (json!({"kind": "news"}), "kind"),
        (json!({"identityId": "i"}), "userId"),
        (json!({"x": 1}), "x"),
    ] {
        let seen = send(&site.staff, wrong).await;
        assert_eq!(seen.code(), 142, "{}", seen.body);
        assert!(seen.body["error"].as_str().unwrap().contains(field), "{}", seen.body);
    }
    assert_eq!(site.app.as_master().get("/classes/Notification?count=1&limit=0").await.body["count"], json!(0));
    let key = json!({"requestKey": "k1"});
    let (first, second) = (send(&site.staff, key.clone()).await, send(&site.staff, key).await);
    assert_eq!(first.body, second.body);
    // A text message wants a number.
    let sms = json!({"channels": ["SMS"]});
    let refused = site.ada.post("/functions/setNotificationPreferences", sms).await;
    assert_eq!(refused.code(), 142, "{}", refused.body);
    let wrong = json!({"channels": ["SMS"], "phone": "0170"});
    assert_eq!(site.ada.post("/functions/setNotificationPreferences", wrong).await.code(), 142);
}

async fn feedback_that_nobody_signed_changes_nothing(site: Site) {
    site.prefer(json!({"channels": ["EMAIL"]})).await;
    site.tell("One").await;
    site.deliver().await;
    let sent = site.wait_for("SENT", 1).await;
    let event = || letter("delivered", &sent[0], &json!({}));
    assert_eq!(site.mailgun("t1", "another key", event()).await.status, 401);
    assert_eq!(site.told(&[], event().to_string()).await.status, 401);
    assert_eq!(
        site.told(&[("x-twilio-signature", "AAAA")], "MessageSid=SM1&MessageStatus=delivered".to_owned()).await.status,
        401
    );
    assert_eq!(site.app.as_master().get("/classes/WebhookEvent").await.results().len(), 0);
    assert_eq!(site.with_status("SENT").await.len(), 1);
}
