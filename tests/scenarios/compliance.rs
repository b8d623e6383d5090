//! Those who answer for identities: what a reader of documents says, how risky an identity is and why, and the reports.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac as _};
use parsimony_cloud::{Application, Settings};
use parsimony_model::{ClassName, Clock as _, Filter, SystemClock};
use parsimony_store::{Scope, Selection};
use parsimony_testkit::{App, Client, StoreKind};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::credentials::{run, staff};
use crate::jobs::{eventually, quick};

crate::on_both_stores!(
    crate::compliance::open;
    what_was_read_from_a_document_is_kept_sealed,
    only_news_about_this_content_changes_anything,
    a_rating_is_explained_and_its_change_is_told,
    reports_are_for_compliance_and_name_nobody,
);

/// With what the service signs that reads documents, and the same as the settings have it.
const SECRET: &[u8] = b"documents are read here";

struct Site {
    app: App,
    ada: Client,
    officer: Client,
}

fn application() -> Application {
    let settings = json!({
        "documents": {"webhookSecret": format!("whsec_{}", BASE64.encode(SECRET))},
        "risk": {"weights": {"HIGH_RISK_NATIONALITY": 45, "NO_VALID_DOCUMENT": 10}, "highRiskCountries": ["KP"]},
    });
    let settings = Settings::new("identity-management", settings.as_object().unwrap().clone());
    parsimony_identity_management::application().configure(&settings).unwrap()
}

async fn open(store: StoreKind) -> Site {
    let app = App::start_with(store, [application()], |options| {
        quick(options);
        options.limits.inbound_tick = std::time::Duration::from_millis(10);
    })
    .await;
    let (_, token) = app.sign_up("ada").await;
    let ada = app.as_user(&token);
    let officer = staff(&app, "compliance-officer").await;
    Site { app, ada, officer }
}

impl Site {
    /// An identity of Ada's with a document; gives their ids, and that of the verification.
    async fn submitted(&self, nationality: &str) -> (String, String, String) {
        let created = json!({
            "type": "INDIVIDUAL", "legalName": "Ada Lovelace", "dateOfBirth": "1990-12-10", "nationality": nationality,
            "countryOfResidence": "DE", "documentNumber": "X1234567",
        });
        let identity = run(&self.ada, "createIdentity", created).await["identityId"].as_str().unwrap().to_owned();
        let submitted = json!({
            "identityId": identity, "level": "BASIC", "provider": "MANUAL",
            "documents": [{"type": "PROOF_OF_ADDRESS", "number": "BILL-77"}],
        });
        let submitted = run(&self.ada, "submitVerification", submitted).await;
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        (identity, text(&submitted["documentIds"][0]), text(&submitted["verificationId"]))
    }

    /// Uploads a picture of the document; gives its hash.
    async fn uploaded(&self, document: &str) -> String {
        let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 500]].concat();
        let headers = [("Content-Type", "image/png")];
        let seen = self.ada.ask_raw("POST", "/files/bill.png", &headers, png).await.unwrap();
        let file = json!({"__type": "File", "name": seen.body["name"]});
        let uploaded = run(&self.ada, "uploadDocument", json!({"documentId": document, "file": file})).await;
        uploaded["sha256"].as_str().unwrap().to_owned()
    }

    /// What the reader of documents sends, signed with this secret.
    async fn read(&self, id: &str, data: Json, secret: &[u8]) -> u16 {
        let body = json!({"type": "document.processed", "timestamp": "2026-01-01T00:00:00Z", "data": data}).to_string();
        let now = (SystemClock.now().millis() / 1_000).to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(format!("{id}.{now}.{body}").as_bytes());
        let signature = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
        let headers = [("webhook-id", id), ("webhook-timestamp", &now), ("webhook-signature", &signature)];
        let path = "/webhooks/identity-management/documents";
        self.app.as_nobody().ask_raw("POST", path, &headers, body.into_bytes()).await.unwrap().status
    }

    async fn object(&self, class: &str, id: &str) -> Json {
        self.app.as_master().get(&format!("/classes/{class}/{id}")).await.body
    }

    /// What the store has of a class, past the vault.
    async fn stored(&self, class: &str) -> String {
        let class = self.app.store().class(&ClassName::parse(class).unwrap()).await.unwrap();
        let all = Selection::new(Arc::new(class.unwrap()), Filter::And(Vec::new()), Scope::Everything);
        format!("{:?}", self.app.store().find(&all).await.unwrap())
    }

    /// Runs a job to its end; gives what became of it.
    async fn job(&self, job: &str, params: Json) -> Json {
        let seen = self.app.as_master().post(&format!("/jobs/{job}"), params).await;
        let path = format!("/classes/_JobStatus/{}", seen.headers["x-parse-job-status-id"].to_str().unwrap());
        eventually(job, async || {
            Some(self.app.as_master().get(&path).await.body).filter(|run| run["status"] != "running")
        })
        .await
    }

    async fn handled(&self, events: u64) {
        eventually("handled events", async || {
            let path = "/classes/WebhookEvent?count=1&limit=0&where={\"status\":\"PROCESSED\"}";
            self.app.as_master().get(path).await.body["count"].as_u64().filter(|count| *count == events)
        })
        .await;
    }
}

fn found(document: &str, sha256: &str, result: &str, at: &str) -> Json {
    json!({
        "documentId": document, "sha256": sha256, "result": result, "processedAt": at, "confidence": 0.97,
        "fields": {"number": "bill 77", "name": "Ada Lovelace", "_type": "x"},
    })
}

async fn what_was_read_from_a_document_is_kept_sealed(site: Site) {
    let (_, document, _) = site.submitted("GB").await;
    let sha256 = site.uploaded(&document).await;
    let readable = found(&document, &sha256, "READABLE", "2026-01-02T00:00:00Z");
    assert_eq!(site.read("forged", readable.clone(), b"another").await, 401);
    assert_eq!(site.read("one", readable, SECRET).await, 200);
    site.handled(1).await;
    let own = site.ada.get(&format!("/classes/VerificationDocument/{document}")).await.body;
    assert_eq!(own["ocrResult"]["fields"]["name"], "Ada Lovelace");
    assert_eq!((own.get("ocrMatches"), own.get("processingResult")), (None, None), "that is for staff");
    let seen = site.officer.get(&format!("/classes/VerificationDocument/{document}")).await.body;
    assert_eq!((&seen["ocrMatches"], &seen["processingResult"]), (&json!(true), &json!("READABLE")));
    for class in ["VerificationDocument", "WebhookEvent", "AuditLog"] {
        assert!(!site.stored(class).await.contains("Lovelace"), "{class}");
    }
}

async fn only_news_about_this_content_changes_anything(site: Site) {
    let (_, document, _) = site.submitted("GB").await;
    let sha256 = site.uploaded(&document).await;
    let unreadable = found(&document, &sha256, "UNREADABLE", "2026-01-02T00:00:00Z");
    assert_eq!(site.read("one", unreadable.clone(), SECRET).await, 200);
    assert_eq!(site.read("one", unreadable, SECRET).await, 200, "the same again");
    site.handled(1).await;
    let told = site.ada.get("/classes/Notification").await;
    assert_eq!((told.results().len(), &told.results()[0]["kind"]), (1, &json!("DOCUMENT_UNREADABLE")));
    let older = found(&document, &sha256, "READABLE", "2026-01-01T00:00:00Z");
    assert_eq!(site.read("older", older, SECRET).await, 200);
    let other = found(&document, &"0".repeat(64), "READABLE", "2026-01-03T00:00:00Z");
    assert_eq!(site.read("other content", other, SECRET).await, 200);
    site.handled(3).await;
    assert_eq!(site.object("VerificationDocument", &document).await["processingResult"], "UNREADABLE");
    // What nobody can read is tried again, and shows.
    assert_eq!(site.read("nonsense", json!({"documentId": document}), SECRET).await, 200);
    let failed = eventually("a failure", async || {
        let path = "/classes/WebhookEvent?where={\"eventId\":\"nonsense\"}";
        site.app
            .as_master()
            .get(path)
            .await
            .results()
            .first()
            .and_then(|event| event["message"].as_str().map(str::to_owned))
    })
    .await;
    assert!(failed.contains("data") && failed.contains("sha256"), "{failed}");
}

async fn a_rating_is_explained_and_its_change_is_told(site: Site) {
    let (identity, document, verification) = site.submitted("KP").await;
    let review = json!({"verificationId": verification, "decision": "APPROVE"});
    run(&site.officer, "reviewVerification", review).await;
    assert_eq!(site.job("complianceRiskAssessment", json!({})).await["status"], "succeeded");
    let rated = site.object("Identity", &identity).await;
    assert_eq!((&rated["riskRating"], &rated["riskScore"]), (&json!("HIGH"), &json!(60)), "{rated}");
    let factors = json!([{"factor": "HIGH_RISK_NATIONALITY", "weight": 45}, {"factor": "BASIC_LEVEL", "weight": 15}]);
    assert_eq!(rated["riskFactors"], factors);
    let own = site.ada.get(&format!("/classes/Identity/{identity}")).await.body;
    assert!(["riskRating", "riskScore", "riskFactors"].iter().all(|field| own.get(*field).is_none()), "{own}");
    let told = site.officer.get("/classes/Notification").await;
    assert_eq!((told.results().len(), &told.results()[0]["kind"]), (1, &json!("RISK_RATING_CHANGED")));
    let entries = r#"/classes/AuditLog?where={"action":"complianceRiskAssessment"}"#;
    assert_eq!(site.app.as_master().get(entries).await.results().len(), 1);

    // Nothing has changed: nothing is written, and nobody is told.
    assert_eq!(
        site.job("complianceRiskAssessment", json!({})).await["message"],
        "1 identities seen, 0 are rated otherwise"
    );
    assert_eq!(site.app.as_master().get(entries).await.results().len(), 1);
    // More is found, and it is as risky as before: it is explained anew.
    let path = format!("/classes/VerificationDocument/{document}");
    let change = json!({"processingResult": "SUSPECTED_FORGERY"});
    assert_eq!(site.app.as_master().put(&path, change).await.status, 200);
    site.job("complianceRiskAssessment", json!({})).await;
    let rated = site.object("Identity", &identity).await;
    assert_eq!((&rated["riskScore"], rated["riskFactors"].as_array().unwrap().len()), (&json!(100), 3));
    assert_eq!(site.officer.get("/classes/Notification").await.results().len(), 1);
}

async fn reports_are_for_compliance_and_name_nobody(site: Site) {
    let (identity, _, verification) = site.submitted("GB").await;
    let review = json!({"verificationId": verification, "decision": "REJECT", "reasons": ["DOCUMENT_UNREADABLE"]});
    run(&site.officer, "reviewVerification", review).await;
    let made = site.job("generateComplianceReports", json!({})).await;
    assert_eq!(made["status"], "succeeded", "{made}");
    assert!(site.ada.get("/classes/ComplianceReport").await.code() == 119, "it is no user's");
    let reports = site.officer.get("/classes/ComplianceReport").await;
    let report = &reports.results()[0];
    assert_eq!((&report["decisions"], &report["auditTrailIntact"]), (&json!(1), &json!(true)));
    for (format, begin) in [("csv", "verification,identity,"), ("json", "{"), ("pdf", "%PDF-1.7")] {
        let path = format!("/files/scenarios/{}", report[format]["name"].as_str().unwrap());
        let content = site.app.as_nobody().begin(reqwest::Method::GET, &path, None).await.bytes().await.unwrap();
        assert_eq!(hex::encode(Sha256::digest(&content)), report["sha256"][format].as_str().unwrap(), "{format}");
        let text = String::from_utf8_lossy(&content);
        assert!(text.starts_with(begin), "{format}: {text:.40}");
        for clear in ["Lovelace", "1990-12-10", "X1234567", "BILL-77"] {
            assert!(!text.contains(clear), "{clear} is in the {format}");
        }
        match format {
            "csv" => {
                let line = text.lines().nth(1).unwrap();
                assert!(
                    line.starts_with(&format!("{verification},{identity},BASIC,MANUAL,REJECTED,DOCUMENT_UNREADABLE,,"))
                );
            }
            "json" => {
                let json: Json = serde_json::from_str(&text).unwrap();
                let counted = json["counts"].as_array().unwrap().iter().find(|one| one["kind"] == "REJECTED").unwrap();
                assert_eq!((&counted["of"], &counted["count"]), (&json!("identities"), &json!(1)));
            }
            _ => assert!(text.contains("Compliance report: identity management") && text.contains("%%EOF")),
        }
    }
    for (params, field) in [(json!({"from": "soon"}), "from"), (json!({"since": 1}), "since")] {
        let refused = site.job("generateComplianceReports", params).await;
        assert!(refused["status"] == "failed" && refused["message"].as_str().unwrap().contains(field), "{refused}");
    }
}
