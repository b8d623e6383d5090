//! Identity management: providers that tell by signed webhooks, personal data that no store sees, documents that are looked at.

use std::fmt::Write as _;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use parsimony_cloud::{Application, Settings};
use parsimony_model::{ClassName, Filter};
use parsimony_store::{Scope, Selection};
use parsimony_testkit::{App, Client, Seen, StoreKind};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::jobs::{eventually, quick};
use crate::webhooks::Elsewhere;

crate::on_both_stores!(
    crate::identity::open;
    a_provider_decides_by_signed_webhooks_and_may_take_it_back,
    jumio_is_asked_since_anybody_could_have_written_its_event,
    what_a_provider_says_out_of_order_moves_nothing_backwards,
    no_store_sees_personal_data_and_its_keys_can_be_rotated,
    who_is_erased_cannot_be_read_again,
    a_document_is_what_its_bytes_say,
    what_is_too_old_expires_and_owners_are_told_in_time,
);

const WEBHOOK_SECRET: &str = "sumsub_test_secret";

struct Site {
    app: App,
    /// The user whose identity it is, and that user's id.
    ada: Client,
    ada_id: String,
}

/// The application with two providers, which are played by one server of ours.
fn application(url: &str) -> Application {
    let settings = json!({
        "publicUrl": "https://id.example.org/parse", "credentials": {"key": crate::credentials::KEY},
        "sumsub": {
            "appToken": "token", "appSecret": "secret", "level": "basic", "webhookSecret": WEBHOOK_SECRET, "baseUrl": url,
        },
        "jumio": {
            "clientId": "id", "clientSecret": "secret", "workflow": "10011", "webhookSecret": "in-the-url", "baseUrl": url,
        },
    });
    let settings = Settings::new("identity-management", settings.as_object().unwrap().clone());
    parsimony_identity_management::application().configure(&settings).unwrap()
}

/// What the providers answer.
fn provider(path: &str) -> Json {
    match path {
        "/resources/applicants?levelName=basic" => json!({ "id": "applicant-1" }),
        "/resources/sdkIntegrations/levels/-/websdkLink" => json!({ "url": "https://provider/go" }),
        "/auth/oauth2/token" => json!({ "access_token": "T" }),
        "/account/api/v1/accounts" => json!({ "account": {"id": "acc"}, "workflowExecution": {"id": "run"} }),
        "/retrieval/api/v1/accounts/acc/workflow-executions/run" => {
            json!({ "workflow": {"status": "PROCESSED"}, "decision": {"type": "REJECTED", "details": {"label": "FRAUD"}} })
        }
        other => panic!("nobody answers {other}"),
    }
}

async fn open(store: StoreKind) -> Site {
    let elsewhere = Elsewhere::start(|path, _| Some(provider(path))).await;
    let app = App::start_with(store, [application(&elsewhere.url)], |options| {
        quick(options);
        options.limits.inbound_tick = std::time::Duration::from_millis(10);
    })
    .await;
    let (ada_id, token) = app.sign_up("ada").await;
    let ada = app.as_user(&token);
    Site { app, ada, ada_id }
}

/// The result of a function, which has to succeed.
async fn run(client: &Client, function: &str, params: Json) -> Json {
    let seen = client.post(&format!("/functions/{function}"), params).await;
    assert_eq!(seen.status, 200, "{function}: {}", seen.body);
    seen.body["result"].clone()
}

impl Site {
    /// An identity of Ada's that a provider has been given; gives its id and that of the verification.
    async fn submitted(&self, provider: &str) -> (String, String) {
        let created = json!({
            "type": "INDIVIDUAL", "legalName": "Ada Lovelace", "dateOfBirth": "1990-12-10", "nationality": "GB",
            "countryOfResidence": "DE", "documentType": "PASSPORT", "documentNumber": "X1234567",
            "metadata": {"note": "a secret note"},
        });
        let identity = run(&self.ada, "createIdentity", created).await["identityId"].as_str().unwrap().to_owned();
        let submitted = json!({
            "identityId": identity, "level": "STANDARD", "provider": provider,
            "documents": [{"type": "PROOF_OF_ADDRESS", "number": "BILL-77"}],
        });
        let submitted = run(&self.ada, "submitVerification", submitted).await;
        let verification = submitted["verificationId"].as_str().unwrap().to_owned();
        if provider != "MANUAL" {
            assert_eq!(self.app.as_master().post("/jobs/syncExternalKYC", json!({})).await.status, 200);
            eventually("a reference", async || {
                self.object("IdentityVerification", &verification).await["providerReference"]
                    .as_str()
                    .map(str::to_owned)
            })
            .await;
        }
        (identity, verification)
    }

    async fn object(&self, class: &str, id: &str) -> Json {
        self.app.as_master().get(&format!("/classes/{class}/{id}")).await.body
    }

    /// What Sumsub sends, signed.
    async fn sumsub(&self, answer: &str, at: &str) -> Seen {
        let body = json!({
            "applicantId": "applicant-1", "type": "applicantReviewed", "reviewStatus": "completed", "createdAtMs": at,
            "reviewResult": {"reviewAnswer": answer, "reviewRejectType": "FINAL", "rejectLabels": ["FORGERY"]},
        });
        let body = body.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        self.deliver("sumsub", &body, &hex::encode(mac.finalize().into_bytes())).await
    }

    async fn deliver(&self, source: &str, body: &str, signature: &str) -> Seen {
        let path = format!("/webhooks/identity-management/{source}");
        let headers = [("x-payload-digest", signature), ("x-payload-digest-alg", "HMAC_SHA256_HEX")];
        self.app.as_nobody().ask_raw("POST", &path, &headers, body.as_bytes().to_vec()).await.unwrap()
    }

    async fn becomes(&self, class: &str, id: &str, status: &str) -> Json {
        let is = async || Some(self.object(class, id).await).filter(|object| object["status"] == status);
        eventually(status, is).await
    }

    /// Waits until all that came has been handled.
    async fn handled(&self, events: u64) {
        eventually("handled events", async || {
            let path = "/classes/WebhookEvent?count=1&limit=0&where={\"status\":\"PROCESSED\"}";
            let count = self.app.as_master().get(path).await.body["count"].as_u64();
            count.filter(|count| *count == events)
        })
        .await;
    }

    /// What the store has of these classes, as one text, past the vault.
    async fn stored(&self) -> String {
        let mut text = String::new();
        for name in
            ["Identity", "IdentityVerification", "VerificationDocument", "AuditLog", "RequestKey", "WebhookEvent"]
        {
            let class = self.app.store().class(&ClassName::parse(name).unwrap()).await.unwrap();
            let all = Selection::new(Arc::new(class.unwrap()), Filter::And(Vec::new()), Scope::Everything);
            let found = self.app.store().find(&all).await.unwrap();
            write!(text, "{found:?}").unwrap();
        }
        text
    }
}

async fn a_provider_decides_by_signed_webhooks_and_may_take_it_back(site: Site) {
    let (identity, verification) = site.submitted("SUMSUB").await;
    let own = site.ada.get(&format!("/classes/IdentityVerification/{verification}")).await.body;
    assert_eq!((&own["providerUrl"], &own["providerReference"]), (&json!("https://provider/go"), &Json::Null));

    let forged = site.deliver("sumsub", r#"{"applicantId":"applicant-1"}"#, &"0".repeat(64)).await;
    assert_eq!(forged.status, 401);
    assert_eq!(site.sumsub("GREEN", "2026-02-21 13:23:19.321").await.status, 200);
    let approved = site.becomes("IdentityVerification", &verification, "APPROVED").await;
    assert_eq!(site.object("Identity", &identity).await["status"], "VERIFIED");
    assert_eq!(approved.get("reviewer"), None);
    let issuer = crate::credentials::staff(&site.app, "issuer").await;
    let told = run(&issuer, "issueCredential", json!({"identityId": identity})).await;
    let credential = told["credentialId"].as_str().unwrap();

    // The same again is answered, and nothing is done; a later no takes it back.
    assert_eq!(site.sumsub("GREEN", "2026-02-21 13:23:19.321").await.status, 200);
    assert_eq!(site.sumsub("RED", "2026-02-22 08:00:00.000").await.status, 200);
    let rejected = site.becomes("IdentityVerification", &verification, "REJECTED").await;
    assert_eq!(rejected["reasons"], json!(["FORGERY"]));
    site.becomes("Identity", &identity, "SUSPENDED").await;
    let revoked = site.becomes("VerifiableCredential", credential, "REVOKED").await;
    assert_eq!(revoked["revocationReason"], "IDENTITY_SUSPENDED");
    let entries = site.app.as_master().get("/classes/AuditLog?where={\"actor\":\"webhook:sumsub\"}").await;
    let revoked = entries.results().iter().filter(|entry| entry["entityType"] == "VerifiableCredential").count();
    assert!(revoked >= 1 && entries.results().len() == 4 + revoked, "two for each decision: {}", entries.body);
}

async fn jumio_is_asked_since_anybody_could_have_written_its_event(site: Site) {
    let (_, verification) = site.submitted("JUMIO").await;
    let body = json!({
        "account": {"id": "acc", "href": "https://evil"}, "callbackSentAt": "2026-01-01T00:00:00.000Z",
        "workflowExecution": {"id": "run", "status": "PROCESSED", "href": "https://evil"}, "decision": {"type": "PASSED"},
    });
    assert_eq!(site.deliver("jumio", &body.to_string(), "").await.status, 401, "without the secret of the URL");
    let seen = site.deliver("jumio?secret=in-the-url", &body.to_string(), "").await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    let decided = site.becomes("IdentityVerification", &verification, "REJECTED").await;
    assert_eq!(decided["reasons"], json!(["FRAUD"]));
}

async fn what_a_provider_says_out_of_order_moves_nothing_backwards(site: Site) {
    let (identity, verification) = site.submitted("SUMSUB").await;
    assert_eq!(site.sumsub("RED", "2026-02-22 08:00:00.000").await.status, 200);
    site.becomes("IdentityVerification", &verification, "REJECTED").await;
    assert_eq!(site.sumsub("GREEN", "2026-02-21 13:23:19.321").await.status, 200);
    site.handled(2).await;
    assert_eq!(site.object("IdentityVerification", &verification).await["status"], "REJECTED");
    assert_eq!(site.object("Identity", &identity).await["status"], "REJECTED");
}

async fn no_store_sees_personal_data_and_its_keys_can_be_rotated(site: Site) {
    let (identity, verification) = site.submitted("SUMSUB").await;
    assert_eq!(site.sumsub("GREEN", "2026-02-21 13:23:19.321").await.status, 200);
    site.becomes("IdentityVerification", &verification, "APPROVED").await;
    let stored = site.stored().await;
    for clear in ["Lovelace", "1990-12-10", "X1234567", "BILL-77", "applicantReviewed"] {
        assert!(!stored.contains(clear), "{clear} is in the store");
    }
    assert!(stored.contains("pii1.test."));
    let own = site.ada.get(&format!("/classes/Identity/{identity}")).await.body;
    assert_eq!((&own["legalName"], &own["documentNumber"]), (&json!("Ada Lovelace"), &json!("X1234567")));
    assert_eq!(own.get("documentNumberIndex"), None);
    let found = r#"/classes/Identity?where={"documentNumber":"X1234567"}"#;
    assert_eq!(site.app.as_master().get(found).await.results().len(), 1);
    let refused = site.app.as_master().get(r#"/classes/Identity?where={"legalName":"Ada Lovelace"}"#).await;
    assert_eq!((refused.status, refused.code()), (400, 102), "{}", refused.body);

    let started = site.app.as_master().post("/jobs/rotatePiiKeys", json!({})).await;
    assert_eq!(started.status, 200, "{}", started.body);
    let path = r#"/classes/_JobStatus?where={"jobName":"rotatePiiKeys"}"#;
    let done = eventually("a rotation", async || {
        let runs = site.app.as_master().get(path).await;
        runs.results().iter().find(|run| run["status"] == "succeeded").cloned()
    })
    .await;
    // There is one key only, and everything is sealed with it.
    assert!(done["message"].as_str().unwrap().ends_with(" 0 sealed anew"), "{done}");
}

async fn who_is_erased_cannot_be_read_again(site: Site) {
    let (identity, _) = site.submitted("MANUAL").await;
    let (officer, token) = site.app.sign_up("officer").await;
    site.app.give_role(&officer, "compliance-officer").await;
    let officer = site.app.as_user(&token);
    let refused = site.ada.post("/functions/erasePerson", json!({"identityId": identity, "reason": "REQUEST"})).await;
    assert_eq!(refused.code(), 119, "{}", refused.body);
    let phone = json!({"channels": ["SMS"], "phone": "+491701234567"});
    run(&site.ada, "setNotificationPreferences", phone).await;
    let told = json!({"identityId": identity, "kind": "NEWS", "title": "Dear Ada"});
    run(&officer, "sendNotification", told).await;
    let erased = run(&officer, "erasePerson", json!({"identityId": identity, "reason": "REQUEST"})).await;
    assert_eq!(erased["secretDestroyed"], true);
    for class in ["Notification", "NotificationDelivery", "NotificationPreference"] {
        let left = site.app.as_master().get(&format!("/classes/{class}")).await.results().len();
        assert_eq!(left, 0, "{class}");
    }
    let own = site.ada.get(&format!("/classes/Identity/{identity}")).await.body;
    for field in ["legalName", "dateOfBirth", "documentNumber", "metadata"] {
        assert_eq!(own.get(field), None, "{field}");
    }
    assert_eq!(own["status"], "SUBMITTED");
    let again = run(&officer, "erasePerson", json!({"identityId": identity, "reason": "REQUEST"})).await;
    assert_eq!(again["secretDestroyed"], false);
    assert!(!site.stored().await.contains("a secret note"));
}

async fn a_document_is_what_its_bytes_say(site: Site) {
    let (_, verification) = site.submitted("MANUAL").await;
    let path = format!(
        "/classes/VerificationDocument?where={{\"verification\":{{\"__type\":\"Pointer\",\"className\":\"IdentityVerification\",\"objectId\":\"{verification}\"}}}}"
    );
    let documents = site.ada.get(&path).await;
    let document = documents.results()[0]["objectId"].as_str().unwrap().to_owned();
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 500]].concat();
    let file = async |name: &str, content: &[u8]| {
        let headers = [("Content-Type", "image/png")];
        let seen = site.ada.ask_raw("POST", &format!("/files/{name}"), &headers, content.to_vec()).await.unwrap();
        assert_eq!(seen.status, 201, "{}", seen.body);
        json!({ "__type": "File", "name": seen.body["name"], "url": seen.body["url"] })
    };
    let disguised = file("passport.png", b"<html><script>alert(1)</script></html>").await;
    let ask = |file: &Json, sha256: Option<String>| json!({ "documentId": document, "file": file, "sha256": sha256 });
    let refused = site.ada.post("/functions/uploadDocument", ask(&disguised, None)).await;
    assert!(refused.code() == 142 && refused.body["error"].as_str().unwrap().contains("for file: it must be one of"));
    let real = file("passport.png", &png).await;
    let wrong = site.ada.post("/functions/uploadDocument", ask(&real, Some("0".repeat(64)))).await;
    assert!(
        wrong.body["error"].as_str().unwrap().contains("for sha256: the file has another SHA-256"),
        "{}",
        wrong.body
    );
    let missing = json!({ "__type": "File", "name": "no-such-file.png" });
    let missing = site.ada.post("/functions/uploadDocument", ask(&missing, None)).await;
    assert!(missing.body["error"].as_str().unwrap().contains("there is no such file"), "{}", missing.body);

    let uploaded = run(&site.ada, "uploadDocument", ask(&real, None)).await;
    assert_eq!(uploaded["sha256"], hex::encode(Sha256::digest(&png)));
    assert_eq!((&uploaded["contentType"], &uploaded["bytes"]), (&json!("image/png"), &json!(508)));
    let own = site.ada.get(&format!("/classes/VerificationDocument/{document}")).await.body;
    assert_eq!((&own["file"]["name"], &own["user"]["objectId"]), (&real["name"], &json!(site.ada_id)));
    let (_, token) = site.app.sign_up("stranger").await;
    let refused = site.app.as_user(&token).post("/functions/uploadDocument", ask(&real, None)).await;
    assert_eq!(refused.code(), 101, "{}", refused.body);
}

async fn what_is_too_old_expires_and_owners_are_told_in_time(site: Site) {
    let (identity, verification) = site.submitted("SUMSUB").await;
    assert_eq!(site.sumsub("GREEN", "2026-02-21 13:23:19.321").await.status, 200);
    site.becomes("IdentityVerification", &verification, "APPROVED").await;
    let master = site.app.as_master();
    let documents = master.get("/classes/VerificationDocument").await;
    let document = documents.results()[0]["objectId"].as_str().unwrap().to_owned();
    let date = |iso: &str| json!({ "__type": "Date", "iso": iso });
    let soon = parsimony_model::Clock::now(&parsimony_model::SystemClock).plus_millis(10 * 86_400_000).to_iso();
    for (class, id, at) in [
        ("VerificationDocument", &document, soon.as_str()),
        ("IdentityVerification", &verification, "2020-01-01T00:00:00.000Z"),
        ("Identity", &identity, "2020-01-01T00:00:00.000Z"),
    ] {
        let changed = master.put(&format!("/classes/{class}/{id}"), json!({ "expiresAt": date(at) })).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
    }
    for job in ["expireVerifications", "checkDocumentExpiry", "checkDocumentExpiry"] {
        assert_eq!(master.post(&format!("/jobs/{job}"), json!({})).await.status, 200);
        eventually(job, async || {
            let path = format!("/classes/_JobStatus?where={{\"jobName\":\"{job}\",\"status\":\"running\"}}");
            Some(master.get(&path).await).filter(|running| running.results().is_empty())
        })
        .await;
    }
    site.becomes("IdentityVerification", &verification, "EXPIRED").await;
    site.becomes("Identity", &identity, "EXPIRED").await;
    let told = eventually("a notification", async || {
        // What follows from the approval may be told meanwhile, too.
        let told = site.ada.get("/classes/Notification?where={\"kind\":\"DOCUMENT_EXPIRES\"}").await;
        Some(told).filter(|told| told.results().len() == 1)
    })
    .await;
    let notification = &told.results()[0];
    assert_eq!(notification["kind"], "DOCUMENT_EXPIRES");
    assert_eq!(notification["title"], "Your PROOF_OF_ADDRESS expires in less than 15 days.");
    assert_eq!(notification["data"]["days"], 14);

    let path = format!("/classes/Notification/{}", notification["objectId"].as_str().unwrap());
    assert_eq!(site.ada.put(&path, json!({ "readAt": date("2026-01-01T00:00:00.000Z") })).await.status, 200);
    let refused = site.ada.put(&path, json!({ "title": "Something else" })).await;
    assert_eq!(refused.code(), 119, "{}", refused.body);
    let (_, token) = site.app.sign_up("stranger").await;
    assert!(site.app.as_user(&token).get("/classes/Notification").await.results().is_empty());
}
