//! Do we understand the vendors, and they us?

use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use parsimony_cloud::{HttpClient, HttpFailure, HttpRequest, HttpResponse};
use parsimony_model::clock::HandClock;
use parsimony_model::{Clock as _, Date};
use serde_json::{Value, json};

use super::*;

/// A service that answers these one after the other, and keeps what it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<Vec<(u16, Value)>>,
    asked: Mutex<Vec<HttpRequest>>,
}

impl HttpClient for Script {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, HttpFailure>> {
        self.asked.lock().push(request);
        let mut answers = self.answers.lock();
        let answer = if answers.is_empty() { (500, Value::Null) } else { answers.remove(0) };
        let answer = HttpResponse { status: answer.0, headers: Vec::new(), body: answer.1.to_string().into_bytes() };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

fn script(answers: &[(u16, Value)]) -> Arc<Script> {
    Arc::new(Script { answers: Mutex::new(answers.to_vec()), asked: Mutex::default() })
}

fn options<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn jumio(http: &Arc<Script>) -> Jumio {
    let options = json!({
        "clientId": "id", "clientSecret": "s", "workflow": "10011", "webhookSecret": "w", "baseUrl": "http://jumio",
    });
    Jumio::new(self::options(options), Arc::clone(http) as Arc<dyn HttpClient>)
}

fn onfido(http: &Arc<Script>) -> Onfido {
    let options = json!({ "apiToken": "t", "workflow": "w", "webhookToken": "x", "baseUrl": "http://onfido" });
    Onfido::new(self::options(options), Arc::clone(http) as Arc<dyn HttpClient>)
}

fn sumsub(http: &Arc<Script>, secret: &str) -> Sumsub {
    let options = json!({
        "appToken": "t", "appSecret": secret, "level": "basic-kyc-level", "webhookSecret": "w", "baseUrl": "http://sumsub",
    });
    let clock = HandClock::default();
    clock.advance_millis(1_607_551_635_000 - clock.now().millis());
    Sumsub::new(self::options(options), Arc::clone(http) as Arc<dyn HttpClient>, Arc::new(clock))
}

fn shufti(http: &Arc<Script>) -> Shufti {
    let options = json!({ "clientId": "id", "secretKey": "s", "baseUrl": "http://shufti" });
    Shufti::new(self::options(options), Arc::clone(http) as Arc<dyn HttpClient>)
}

fn subject() -> KycSubject {
    KycSubject {
        verification: "v1".to_owned(),
        country: "DE".to_owned(),
        callback_url: Some("https://us/webhook".to_owned()),
    }
}

fn of(told: KycTold) -> (String, KycOutcome, Vec<String>) {
    match told {
        KycTold::Reading(KycReading { reference, outcome, labels, .. }) => (reference, outcome, labels),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sumsub_is_understood_and_only_a_completed_review_counts() {
    let sumsub = sumsub(&script(&[]), "s");
    let event = |kind: &str, status: &str, result: Value| {
        sumsub.told(&json!({
            "applicantId": "a1", "type": kind, "reviewStatus": status, "reviewResult": result,
            "createdAtMs": "2020-02-21 13:23:19.321",
        }))
    };
    let red = |kind: &str| json!({"reviewAnswer": "RED", "reviewRejectType": kind, "rejectLabels": ["BAD_AVATAR", "other-label"]});
    let green = json!({"reviewAnswer": "GREEN"});
    for (kind, status, result, outcome) in [
        ("applicantCreated", "init", Value::Null, KycOutcome::Pending),
        ("applicantReviewed", "completed", green.clone(), KycOutcome::Approved),
        ("applicantPending", "pending", green, KycOutcome::Pending),
        ("applicantReviewed", "completed", red("FINAL"), KycOutcome::Rejected),
        ("applicantReviewed", "completed", red("RETRY"), KycOutcome::Resubmit),
        ("applicantOnHold", "onHold", Value::Null, KycOutcome::NeedsReview),
        ("applicantReset", "completed", red("FINAL"), KycOutcome::Pending),
        ("applicantDeleted", "completed", json!({"reviewAnswer": "GREEN"}), KycOutcome::Expired),
    ] {
        assert_eq!(of(event(kind, status, result)).1, outcome, "{kind} {status}");
    }
    let KycTold::Reading(reading) = event("applicantReviewed", "completed", red("FINAL")) else { panic!() };
    assert_eq!(reading.labels, ["BAD_AVATAR", "OTHER_LABEL"]);
    assert_eq!(reading.at, "2020-02-21T13:23:19.321Z".parse::<Date>().ok());
    assert_eq!(event("applicantTagsChanged", "completed", Value::Null), KycTold::Nothing);
    assert_eq!(sumsub.told(&json!([])), KycTold::Nothing);
}

#[test]
fn sumsub_s_requests_are_signed() {
    // The vector of our own; `openssl dgst -sha256 -hmac` gives the same.
    let sumsub = sumsub(&script(&[]), "sumsub_app_secret");
    let body = br#"{"userId":"user-42","levelName":"basic-kyc-level"}"#;
    let headers = sumsub.signed("POST", "/resources/accessTokens/sdk", body);
    let of = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(of("x-app-access-ts"), Some("1607551635"));
    let signature = "3a94a9d725258f4a1b402c5bbe048159361fecd357fc61a337bcc0b82460d50c";
    assert_eq!(of("x-app-access-sig"), Some(signature));
}

#[test]
fn onfido_is_understood() {
    let onfido = onfido(&script(&[]));
    for (status, outcome) in [
        ("processing", KycOutcome::Pending),
        ("awaiting_input", KycOutcome::Pending),
        ("approved", KycOutcome::Approved),
        ("declined", KycOutcome::Rejected),
        ("review", KycOutcome::NeedsReview),
        ("error", KycOutcome::NeedsReview),
        ("abandoned", KycOutcome::Expired),
    ] {
        let event = json!({ "payload": {
            "resource_type": "workflow_run", "action": "workflow_run.completed",
            "object": {"id": "r1", "status": status, "completed_at_iso8601": "2020-01-01T00:00:00Z"},
            "resource": {"reasons": ["document expired"]},
        }});
        assert_eq!(of(onfido.told(&event)), ("r1".to_owned(), outcome, vec!["DOCUMENT_EXPIRED".to_owned()]));
    }
    let check = json!({ "payload": {"resource_type": "check", "object": {"id": "c", "status": "complete"}} });
    assert_eq!(onfido.told(&check), KycTold::Nothing);
}

#[test]
fn shufti_is_understood() {
    let shufti = shufti(&script(&[]));
    let event =
        |name: &str| shufti.told(&json!({ "reference": "r", "event": name, "declined_reason": "Face is blurred" }));
    for (name, outcome) in [
        ("request.pending", KycOutcome::Pending),
        ("verification.accepted", KycOutcome::Approved),
        ("verification.declined", KycOutcome::Rejected),
        ("review.pending", KycOutcome::NeedsReview),
        ("request.timeout", KycOutcome::Expired),
        ("verification.cancelled", KycOutcome::Expired),
    ] {
        assert_eq!(of(event(name)).1, outcome, "{name}");
    }
    assert_eq!(of(event("verification.declined")).2, ["FACE_IS_BLURRED"]);
    assert_eq!(event("verification.status.changed"), KycTold::Ask("r".to_owned()));
    assert_eq!(event("request.unauthorized"), KycTold::Nothing);
}

#[test]
fn jumio_s_events_are_a_reason_to_ask_and_nothing_more() {
    let event = json!({
        "workflowExecution": {"id": "e", "status": "PROCESSED", "href": "https://evil/"}, "account": {"id": "a"},
        "decision": {"type": "PASSED"},
    });
    assert_eq!(jumio(&script(&[])).told(&event), KycTold::Ask("a/e".to_owned()));
}

#[tokio::test]
async fn jumio_is_asked_where_we_know_it_to_be() {
    let token = (200, json!({ "access_token": "T" }));
    for (status, decision, outcome) in [
        ("PROCESSED", json!({"type": "PASSED", "details": {"label": "PASSED"}}), KycOutcome::Approved),
        ("PROCESSED", json!({"type": "REJECTED", "details": {"label": "MANIPULATED"}}), KycOutcome::Rejected),
        ("PROCESSED", json!({"type": "WARNING"}), KycOutcome::NeedsReview),
        ("PROCESSED", json!({"type": "NOT_EXECUTED", "details": {"label": "TOKEN_EXPIRED"}}), KycOutcome::Expired),
        ("SESSION_EXPIRED", Value::Null, KycOutcome::Expired),
        ("ACQUIRED", Value::Null, KycOutcome::Pending),
    ] {
        let http = script(&[token.clone(), (200, json!({ "workflow": {"status": status}, "decision": decision }))]);
        let reading = jumio(&http).status("a/../e").await.unwrap();
        assert_eq!((reading.outcome, reading.reference.as_str()), (outcome, "a/../e"));
        let asked = http.asked.lock();
        assert_eq!(asked[1].url, "http://jumio/retrieval/api/v1/accounts/a/workflow-executions/%2E%2E%2Fe");
        assert!(asked[1].headers.contains(&("authorization".to_owned(), "Bearer T".to_owned())));
    }
}

#[tokio::test]
async fn a_verification_is_started_with_each_of_them_and_no_personal_data_is_sent() {
    let http = script(&[
        (200, json!({ "access_token": "T" })),
        (200, json!({ "account": {"id": "a"}, "workflowExecution": {"id": "e"}, "web": {"href": "https://go/1"} })),
        (201, json!({ "id": "applicant" })),
        (201, json!({ "id": "run", "link": {"url": "https://go/2"} })),
        (201, json!({ "id": "sum" })),
        (200, json!({ "url": "https://go/3" })),
        (200, json!({ "event": "request.pending", "verification_url": "https://go/4" })),
    ]);
    let vendors: [&dyn KycProvider; 4] = [&jumio(&http), &onfido(&http), &sumsub(&http, "s"), &shufti(&http)];
    let mut started = Vec::new();
    for vendor in vendors {
        let KycStarted { reference, url } = vendor.start(&subject()).await.unwrap();
        started.push(format!("{reference} {}", url.unwrap()));
    }
    let expected = ["a/e https://go/1", "run https://go/2", "sum https://go/3", "parsimony-v1 https://go/4"];
    assert_eq!(started, expected);
    let urls: Vec<String> = http.asked.lock().iter().map(|request| request.url.clone()).collect();
    assert_eq!(urls[4], "http://sumsub/resources/applicants?levelName=basic%2Dkyc%2Dlevel");
}

#[tokio::test(start_paused = true)]
async fn a_question_is_asked_again_and_a_vendor_that_fails_is_left_alone() {
    let http = script(&[(503, Value::Null), (200, json!({ "status": "approved" }))]);
    assert_eq!(onfido(&http).status("r").await.unwrap().outcome, KycOutcome::Approved);
    assert_eq!(http.asked.lock().len(), 2);

    let http = script(&[(404, Value::Null)]);
    assert_eq!(onfido(&http).status("r").await, Err(KycFailure::Refused(404)));
    assert_eq!(http.asked.lock().len(), 1);

    let http = script(&[]);
    let vendor = onfido(&http);
    let mut last = None;
    for _ in 0..4 {
        last = vendor.status("r").await.err();
    }
    assert_eq!(last, Some(KycFailure::Resting));
    assert_eq!(http.asked.lock().len(), 5, "it was asked on");
}
