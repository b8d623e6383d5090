//! Which sources are there, who calls each, and what does that service tell?

use parsimony_model::Clock as _;
use serde_json::{Value, json};

use super::Site;
use super::signing::Scheme;
use crate::digital_assets::pointer;

/// The object that events are about, by its path, and how a field of it stands when both are known, in whatever order.
type Subject = (String, &'static str, Value);

/// A source, who calls it, and what that service tells.
pub(super) struct Source {
    /// `APPLICATION/SOURCE`.
    pub(super) name: &'static str,
    pub(super) scheme: Scheme,
    /// What happened earlier, and what later.
    pub(super) events: [String; 2],
    /// What they are about.
    pub(super) subject: Option<Subject>,
}

fn source(name: &'static str, scheme: Scheme, events: [Value; 2], subject: Option<Subject>) -> Source {
    Source { name, scheme, events: events.map(|event| event.to_string()), subject }
}

fn stands(path: String, status: &str) -> Subject {
    (path, "status", json!(status))
}

impl Site {
    async fn made(&self, class: &str, fields: Value) -> String {
        let seen = self.app.as_master().post(&format!("/classes/{class}"), fields).await;
        assert_eq!(seen.status, 201, "{class}: {}", seen.body);
        seen.id()
    }

    async fn becomes(&self, class: &str, id: &str, status: &str) {
        let seen = self.app.as_master().put(&format!("/classes/{class}/{id}"), json!({ "status": status })).await;
        assert_eq!(seen.status, 200, "{class}: {}", seen.body);
    }

    /// A verification that a provider knows by this reference; gives its path.
    async fn verification(&self, provider: &str, reference: &str) -> String {
        let user = pointer("_User", &format!("user{provider}"));
        let identity = json!({
            "user": user, "type": "INDIVIDUAL", "legalName": "A Person", "nationality": "DE", "countryOfResidence": "DE",
        });
        let identity = self.made("Identity", identity).await;
        self.becomes("Identity", &identity, "SUBMITTED").await;
        let verification = json!({
            "identity": pointer("Identity", &identity), "user": user, "level": "BASIC", "provider": provider,
            "submittedAt": { "__type": "Date", "iso": "2026-01-01T00:00:00.000Z" }, "providerReference": reference,
        });
        format!("/classes/IdentityVerification/{}", self.made("IdentityVerification", verification).await)
    }

    /// A letter or a text message that was sent under this reference; gives its path.
    async fn delivery(&self, channel: &str, reference: &str) -> String {
        let delivery = json!({
            "notification": pointer("Notification", "n"), "user": pointer("_User", "u"), "application": "identity-management",
            "kind": "NEWS", "channel": channel, "attempts": 1, "reference": reference,
        });
        let id = self.made("NotificationDelivery", delivery).await;
        self.becomes("NotificationDelivery", &id, "SENT").await;
        format!("/classes/NotificationDelivery/{id}")
    }

    /// A transaction that the chain has decided about long ago; gives its path.
    async fn decided(&self, hash: &str, steps: &[&str]) -> String {
        let transaction = json!({
            "asset": pointer("DigitalAsset", "a"), "type": "TRANSFER", "tokenId": "0", "chainId": 31_337, "hashes": [hash],
        });
        let id = self.made("AssetTransaction", transaction).await;
        for status in steps {
            self.becomes("AssetTransaction", &id, status).await;
        }
        format!("/classes/AssetTransaction/{id}")
    }

    async fn document(&self) -> (String, String) {
        let document = json!({
            "identity": pointer("Identity", "i"), "verification": pointer("IdentityVerification", "v"),
            "user": pointer("_User", "u"), "type": "PROOF_OF_ADDRESS", "sha256": "0".repeat(64),
            "file": { "__type": "File", "name": "bill.png" },
        });
        let id = self.made("VerificationDocument", document).await;
        (id.clone(), format!("/classes/VerificationDocument/{id}"))
    }
}

/// All of them.
pub(super) async fn sources(site: &Site) -> Vec<Source> {
    let mut all = providers(site).await;
    all.extend(deliveries(site).await);
    all.extend(documents(site).await);
    all.extend(watchers(site).await);
    let now = site.clock.now();
    let price = |price: &str, age: i64| json!({ "prices": [{ "feed": "gold", "price": price, "at": now.plus_millis(-age).to_string() }] });
    all.push(source("digital-assets/prices", Scheme::Standard, [price("10", 60_000), price("20", 0)], None));
    all
}

/// Who verifies people: first somebody has to look at it, then it is approved.
async fn providers(site: &Site) -> Vec<Source> {
    let sumsub = |status: &str, at: &str| {
        json!({
            "applicantId": "s1", "type": "applicantReviewed", "reviewStatus": status, "createdAtMs": at,
            "reviewResult": { "reviewAnswer": "GREEN" },
        })
    };
    let onfido = |status: &str, at: &str| {
        let object = json!({ "id": "o1", "status": status, "completed_at_iso8601": at });
        json!({ "payload": { "resource_type": "workflow_run", "object": object } })
    };
    let shufti = |event: &str| json!({ "reference": "f1", "event": event });
    let jumio =
        |at: &str| json!({ "account": { "id": "a" }, "workflowExecution": { "id": "w" }, "callbackSentAt": at });
    let (early, late) = ("2026-01-01T08:00:00Z", "2026-01-01T09:00:00Z");
    vec![
        source(
            "identity-management/sumsub",
            Scheme::Sumsub,
            [sumsub("onHold", "2026-01-01 08:00:00.000"), sumsub("completed", "2026-01-01 09:00:00.000")],
            Some(stands(site.verification("SUMSUB", "s1").await, "APPROVED")),
        ),
        source(
            "identity-management/onfido",
            Scheme::Hmac("x-sha2-signature"),
            [onfido("review", early), onfido("approved", late)],
            Some(stands(site.verification("ONFIDO", "o1").await, "APPROVED")),
        ),
        source(
            "identity-management/shufti",
            Scheme::Shufti,
            [shufti("review.pending"), shufti("verification.accepted")],
            Some(stands(site.verification("SHUFTI", "f1").await, "APPROVED")),
        ),
        source(
            "identity-management/jumio",
            Scheme::InUrl,
            [jumio(early), jumio(late)],
            Some(stands(site.verification("JUMIO", "a/w").await, "APPROVED")),
        ),
    ]
}

/// Who brings letters and text messages: first they took it, then it arrived.
async fn deliveries(site: &Site) -> Vec<Source> {
    let name = "identity-management/delivery";
    let mailgun = |event: &str| json!({ "event": event, "message": { "headers": { "message-id": "m1" } } });
    let sendgrid = |event: &str| json!([{ "event": event, "smtp-id": "<g1>" }]);
    let twilio = |status: &str| format!("MessageSid=t1&MessageStatus={status}");
    let [first, second] = [site.delivery("EMAIL", "m1").await, site.delivery("EMAIL", "g1").await];
    let texted = Some(stands(site.delivery("SMS", "t1").await, "DELIVERED"));
    vec![
        source(name, Scheme::Mailgun, [mailgun("accepted"), mailgun("delivered")], Some(stands(first, "DELIVERED"))),
        source(
            name,
            Scheme::SendGrid,
            [sendgrid("processed"), sendgrid("delivered")],
            Some(stands(second, "DELIVERED")),
        ),
        Source { name, scheme: Scheme::Twilio, events: [twilio("sent"), twilio("delivered")], subject: texted },
    ]
}

/// Who reads documents: at first it could not be read.
async fn documents(site: &Site) -> Vec<Source> {
    let (document, path) = site.document().await;
    let read = |result: &str, at: &str| {
        let data = json!({
            "documentId": document, "sha256": "0".repeat(64), "result": result, "confidence": 0.9, "fields": {}, "processedAt": at,
        });
        json!({ "type": "document.processed", "data": data })
    };
    let events = [read("UNREADABLE", "2026-01-01T08:00:00Z"), read("READABLE", "2026-01-01T09:00:00Z")];
    let subject = Some((path, "processingResult", json!("READABLE")));
    vec![source("identity-management/documents", Scheme::Standard, events, subject)]
}

/// Who watches chains, and tells of what is over. No endpoint of the chain answers: who asked it would never be done.
async fn watchers(site: &Site) -> Vec<Source> {
    let [confirmed, failed, replaced] = [1, 2, 3].map(|number| format!("0x{number:064x}"));
    let told = |number: u8, hash: &str| json!({ "id": format!("whevt_{number}"), "event": { "transaction": { "hash": hash } } });
    let stream = |number: u8| {
        let block = json!({ "hash": format!("0x{number}") });
        json!({ "streamId": "s", "chainId": "0x1", "confirmed": true, "block": block, "txs": [{ "hash": replaced }] })
    };
    let alchemy = Scheme::Hmac("x-alchemy-signature");
    vec![
        source("identity-management/chain", alchemy, [told(1, "0x"), told(2, "0x")], None),
        source(
            "digital-assets/alchemy",
            alchemy,
            [told(1, &confirmed), told(2, &confirmed)],
            Some(stands(site.decided(&confirmed, &["SUBMITTED", "CONFIRMED"]).await, "CONFIRMED")),
        ),
        source(
            "digital-assets/quicknode",
            Scheme::QuickNode,
            [told(1, &failed), told(2, &failed)],
            Some(stands(site.decided(&failed, &["SUBMITTED", "FAILED"]).await, "FAILED")),
        ),
        source(
            "digital-assets/moralis",
            Scheme::Moralis,
            [stream(1), stream(2)],
            Some(stands(site.decided(&replaced, &["SUBMITTED", "REPLACED"]).await, "REPLACED")),
        ),
    ]
}
