//! Credentials: who issues and revokes them, what they say and what they do not, and what everybody can check of them.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use flate2::read::GzDecoder;
use futures::future::join_all;
use parsimony_cloud::{Application, Settings};
use parsimony_model::clock::HandClock;
use parsimony_model::{ClassName, Clock as _, Filter};
use parsimony_store::{Scope, Selection};
use parsimony_testkit::{App, Client, Seen, StoreKind};
use serde_json::{Value as Json, json};

use crate::jobs::{eventually, quick};

crate::on_both_stores!(
    crate::credentials::open;
    an_issuer_vouches_and_everybody_can_check_it,
    who_is_revoked_is_seen_at_once,
    a_credential_says_no_more_than_was_asked,
    who_may_not_issue_or_revoke_is_told_why,
    a_repeated_request_gets_the_same_credential_and_keeps_nothing_of_it,
    no_two_credentials_have_one_entry,
    lists_follow_each_other,
    credentials_end_with_what_they_rest_on,
    what_is_over_expires_and_its_text_goes,
);

/// A key that is nobody's.
pub(crate) const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgyvqA82FODP/MFJQT
7G1cVKNK/4rN2ceSIU1PZkc+C2ehRANCAATwvSaAiDdixKlS9L0KtP2ZzYyiFwoN
TSYbKr2vPcMX4qhdKTMkzWyPXlqBVhAEjtG4BZ18aKj+ZT2jeoFX63RE
-----END PRIVATE KEY-----
";

const DID: &str = "did:web:id.example.org:parse:public:identity-management";

struct Site {
    app: App,
    clock: Arc<HandClock>,
    ada: Client,
    ada_id: String,
    issuer: Client,
    officer: Client,
}

fn application() -> Application {
    let settings = json!({"publicUrl": "https://id.example.org/parse", "credentials": {"key": KEY, "validityDays": 400, "keptDays": 1}});
    let settings = Settings::new("identity-management", settings.as_object().unwrap().clone());
    parsimony_identity_management::application().configure(&settings).unwrap()
}

async fn open(store: StoreKind) -> Site {
    let clock = Arc::new(HandClock::default());
    let app = App::start_by(Arc::clone(&clock) as _, store, [application()], quick).await;
    let (ada_id, token) = app.sign_up("ada").await;
    let ada = app.as_user(&token);
    let (issuer, officer) = (staff(&app, "issuer").await, staff(&app, "compliance-officer").await);
    Site { app, clock, ada, ada_id, issuer, officer }
}

pub(crate) async fn staff(app: &App, role: &str) -> Client {
    let (id, token) = app.sign_up(role).await;
    app.give_role(&id, role).await;
    app.as_user(&token)
}

/// The result of a function, which has to succeed.
pub(crate) async fn run(client: &Client, function: &str, params: Json) -> Json {
    let seen = client.post(&format!("/functions/{function}"), params).await;
    assert_eq!(seen.status, 200, "{function}: {}", seen.body);
    seen.body["result"].clone()
}

/// The refusal of a function: its code and text.
async fn refused(client: &Client, function: &str, params: Json) -> (i64, String) {
    let seen = client.post(&format!("/functions/{function}"), params).await;
    (seen.code(), seen.body["error"].as_str().unwrap_or_default().to_owned())
}

/// The claims of a token, unchecked: whether its signature is good is asked of another library, in the tests of the SDK.
fn claims(token: &str) -> Json {
    serde_json::from_slice(&BASE64URL.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

impl Site {
    async fn submitted(&self) -> (String, String) {
        let created = json!({
            "type": "INDIVIDUAL", "legalName": "Ada Lovelace", "dateOfBirth": "1990-12-10", "nationality": "GB",
            "countryOfResidence": "DE", "documentNumber": "X1234567",
        });
        let identity = run(&self.ada, "createIdentity", created).await["identityId"].as_str().unwrap().to_owned();
        let submitted = json!({"identityId": identity, "level": "STANDARD", "provider": "MANUAL"});
        let submitted = run(&self.ada, "submitVerification", submitted).await;
        (identity, submitted["verificationId"].as_str().unwrap().to_owned())
    }

    /// An identity of Ada's that is verified; gives its id.
    async fn verified(&self) -> String {
        let (identity, verification) = self.submitted().await;
        let review = json!({"verificationId": verification, "decision": "APPROVE"});
        assert_eq!(run(&self.officer, "reviewVerification", review).await["identityStatus"], "VERIFIED");
        identity
    }

    async fn issued(&self, identity: &str, more: Json) -> Json {
        let mut params = json!({"identityId": identity});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        run(&self.issuer, "issueCredential", params).await
    }

    async fn public(&self, path: &str, headers: &[(&str, &str)]) -> Seen {
        let path = format!("/public/identity-management/{path}");
        self.app.as_nobody().ask_raw("GET", &path, headers, Vec::new()).await.unwrap()
    }

    /// Whether the list that a credential names says that it is revoked.
    async fn is_revoked(&self, credential: &Json) -> bool {
        let status = &claims(credential["credential"].as_str().unwrap())["credentialStatus"];
        let list = status["statusListCredential"].as_str().unwrap();
        let path = list.strip_prefix("https://id.example.org/parse/public/identity-management/").unwrap();
        let seen = self.public(path, &[]).await;
        let list = claims(seen.body.as_str().unwrap());
        assert_eq!((&list["issuer"], &list["id"]), (&json!(DID), &status["statusListCredential"]));
        let packed = list["credentialSubject"]["encodedList"].as_str().unwrap().strip_prefix('u').unwrap();
        let mut bits = Vec::new();
        GzDecoder::new(BASE64URL.decode(packed).unwrap().as_slice()).read_to_end(&mut bits).unwrap();
        assert_eq!(bits.len() * 8, 131_072);
        let index: usize = status["statusListIndex"].as_str().unwrap().parse().unwrap();
        bits[index / 8] & (0x80 >> (index % 8)) != 0
    }

    async fn object(&self, class: &str, id: &Json) -> Json {
        self.app.as_master().get(&format!("/classes/{class}/{}", id.as_str().unwrap())).await.body
    }

    /// What the store has of a class, past the vault.
    async fn stored(&self, class: &str) -> String {
        let class = self.app.store().class(&ClassName::parse(class).unwrap()).await.unwrap();
        let all = Selection::new(Arc::new(class.unwrap()), Filter::And(Vec::new()), Scope::Everything);
        format!("{:?}", self.app.store().find(&all).await.unwrap())
    }
}

async fn an_issuer_vouches_and_everybody_can_check_it(site: Site) {
    let identity = site.verified().await;
    let issued = site.issued(&identity, json!({"subject": "did:key:z6MkAda"})).await;
    assert_eq!(issued["status"], "ACTIVE");
    let token = issued["credential"].as_str().unwrap();
    let said = claims(token);
    assert_eq!(said["credentialSubject"], json!({"id": "did:key:z6MkAda", "verificationLevel": "STANDARD"}));
    assert_eq!((&said["iss"], &said["issuer"], &said["id"]), (&json!(DID), &json!(DID), &issued["id"]));
    let header: Json = serde_json::from_slice(&BASE64URL.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("vc+jwt")));

    // What others need to check it: the issuer's document is where its DID says, and names the key.
    let did = site.public("did.json", &[]).await;
    assert_eq!((did.status, &did.body["id"]), (200, &json!(DID)));
    assert_eq!(did.body["verificationMethod"][0]["id"], header["kid"]);
    let keys = site.public("jwks.json", &[]).await.body;
    assert_eq!(keys["keys"][0], did.body["verificationMethod"][0]["publicKeyJwk"]);
    assert_eq!(said["@context"][1], "https://id.example.org/parse/public/identity-management/context/v1");
    assert!(site.public("context/v1", &[]).await.body["@context"]["verificationLevel"].is_string());
    assert!(!site.is_revoked(&issued).await);

    // The owner has it, and no stranger sees that there is one.
    let path = format!("/classes/VerifiableCredential/{}", issued["credentialId"].as_str().unwrap());
    let own = site.ada.get(&path).await.body;
    assert_eq!((&own["jwt"], &own["claims"]), (&issued["credential"], &json!(["verificationLevel"])));
    assert_eq!((&own["user"]["objectId"], own.get("digestSalt")), (&json!(site.ada_id), None));
    let (_, token) = site.app.sign_up("stranger").await;
    assert_eq!(site.app.as_user(&token).get(&path).await.code(), 101);
    let auditor = staff(&site.app, "auditor").await.get(&path).await.body;
    assert_eq!((auditor["status"].as_str(), auditor.get("jwt"), auditor.get("subject")), (Some("ACTIVE"), None, None));
    let told = site.ada.get("/classes/Notification?where={\"kind\":\"CREDENTIAL_ISSUED\"}").await;
    assert_eq!(told.results()[0]["data"]["credentialId"], issued["credentialId"]);
}

async fn who_is_revoked_is_seen_at_once(site: Site) {
    let identity = site.verified().await;
    let (one, other) = (site.issued(&identity, json!({})).await, site.issued(&identity, json!({})).await);
    let before = site.public("status/1", &[]).await;
    assert_eq!(before.headers["content-type"], "application/vc+jwt");
    let tag = before.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(site.public("status/1", &[("If-None-Match", &tag)]).await.status, 304);

    let params = json!({"credentialId": one["credentialId"], "reason": "HOLDER_LOST_IT"});
    let revoked = run(&site.officer, "revokeCredential", params.clone()).await;
    assert_eq!(
        (&revoked["status"], revoked["revokedAt"].is_object() || revoked["revokedAt"].is_string()),
        (&json!("REVOKED"), true)
    );
    assert_eq!(site.public("status/1", &[("If-None-Match", &tag)]).await.status, 200);
    assert_eq!((site.is_revoked(&one).await, site.is_revoked(&other).await), (true, false));
    let object = site.object("VerifiableCredential", &one["credentialId"]).await;
    assert_eq!((&object["status"], &object["revocationReason"]), (&json!("REVOKED"), &json!("HOLDER_LOST_IT")));

    let again = refused(&site.officer, "revokeCredential", params).await;
    assert_eq!(again, (142, "VerifiableCredential cannot go from REVOKED to REVOKED.".to_owned()));
    for (list, status) in
        [("status/1", 200), ("status/2", 404), ("status/01", 404), ("status/x", 404), ("status/-1", 404)]
    {
        assert_eq!(site.public(list, &[]).await.status, status, "{list}");
    }
    let entries = site.app.as_master().get("/classes/AuditLog?where={\"action\":\"revokeCredential\"}").await;
    let outcomes: Vec<&Json> = entries.results().iter().map(|entry| &entry["outcome"]).collect();
    assert_eq!(outcomes, ["SUCCESS", "FAILED"]);
    let path = format!("/classes/VerifiableCredential/{}", other["credentialId"].as_str().unwrap());
    let changed = site.app.as_master().put(&path, json!({"statusListIndex": "1"})).await;
    assert_eq!(changed.code(), 142, "what was signed stays");
}

async fn a_credential_says_no_more_than_was_asked(site: Site) {
    let identity = site.verified().await;
    let adult = site.issued(&identity, json!({"claims": ["ageOver18", "nationality"]})).await;
    let said = claims(adult["credential"].as_str().unwrap());
    assert_eq!(said["credentialSubject"], json!({"ageOver18": true, "nationality": "GB"}));
    let named = site.issued(&identity, json!({"claims": ["legalName", "dateOfBirth"]})).await;
    let said = claims(named["credential"].as_str().unwrap());
    assert_eq!(said["credentialSubject"], json!({"legalName": "Ada Lovelace", "dateOfBirth": "1990-12-10"}));
    let token = named["credential"].as_str().unwrap();
    for class in ["VerifiableCredential", "AuditLog", "Notification", "CredentialStatusList"] {
        let stored = site.stored(class).await;
        for clear in ["Lovelace", "1990-12-10", token.split('.').nth(1).unwrap()] {
            assert!(!stored.contains(clear), "{clear} is in {class}");
        }
    }
}

async fn who_may_not_issue_or_revoke_is_told_why(site: Site) {
    let (waiting, _) = site.submitted().await;
    let ask = json!({"identityId": waiting});
    let early = refused(&site.issuer, "issueCredential", ask.clone()).await;
    assert_eq!(early.0, 142);
    assert!(early.1.contains("SUBMITTED") && early.1.contains("VERIFIED"), "{}", early.1);
    for client in [&site.ada, &site.officer] {
        let (code, text) = refused(client, "issueCredential", ask.clone()).await;
        assert_eq!((code, text.as_str()), (119, "Only issuer may issue a credential."));
    }
    assert_eq!(refused(&site.issuer, "issueCredential", json!({"identityId": "nobody1234"})).await.0, 101);
    for (params, field) in [
        (json!({"identityId": waiting, "claims": ["shoeSize"]}), "claims"),
        (json!({"identityId": waiting, "claims": []}), "claims"),
        (json!({"identityId": waiting, "subject": "Ada"}), "subject"),
        (
            json!({"identityId": waiting, "validUntil": {"__type": "Date", "iso": "2001-01-01T00:00:00.000Z"}}),
            "validUntil",
        ),
        (json!({"identityId": waiting, "extra": 1}), "extra"),
    ] {
        let (code, text) = refused(&site.issuer, "issueCredential", params).await;
        assert!(code == 142 && text.contains(field), "{code} {text}");
    }
    let (code, _) =
        refused(&site.officer, "revokeCredential", json!({"credentialId": "nobody1234", "reason": "X"})).await;
    assert_eq!(code, 101);
    let (code, text) =
        refused(&site.officer, "revokeCredential", json!({"credentialId": "a", "reason": "no code"})).await;
    assert!(code == 142 && text.contains("reason"), "{text}");
}

async fn a_repeated_request_gets_the_same_credential_and_keeps_nothing_of_it(site: Site) {
    let identity = site.verified().await;
    let ask = json!({"requestKey": "k-1", "claims": ["legalName"]});
    let (one, again) = (site.issued(&identity, ask.clone()).await, site.issued(&identity, ask).await);
    assert_eq!(one, again);
    let kept = site.stored("RequestKey").await;
    assert!(kept.contains("k-1") && !kept.contains(one["credential"].as_str().unwrap()), "{kept}");
    let far = json!({"identityId": identity, "validUntil": {"__type": "Date", "iso": "2199-01-01T00:00:00.000Z"}});
    let (code, text) = refused(&site.issuer, "issueCredential", far).await;
    assert!(code == 142 && text.contains("validUntil") && text.contains("at the latest"), "{text}");
}

async fn no_two_credentials_have_one_entry(site: Site) {
    let identity = site.verified().await;
    let second = site.app.beside([application()], quick).await.unwrap();
    let token = second.log_in("issuer", "password of issuer").await;
    let there = second.as_user(&token);
    let asked = (0..32).map(|number| {
        let client = if number % 2 == 0 { &site.issuer } else { &there };
        run(client, "issueCredential", json!({"identityId": identity}))
    });
    let issued = join_all(asked).await;
    let entries: BTreeSet<String> = issued
        .iter()
        .map(|one| claims(one["credential"].as_str().unwrap())["credentialStatus"]["id"].to_string())
        .collect();
    assert_eq!(entries.len(), 32);
    // Each of them changes the same list.
    let (gone, kept) = issued.split_at(16);
    let revoking = gone.iter().enumerate().map(|(number, one)| {
        let client = if number % 2 == 0 { &site.issuer } else { &there };
        run(client, "revokeCredential", json!({"credentialId": one["credentialId"], "reason": "TEST"}))
    });
    join_all(revoking).await;
    for one in gone {
        assert!(site.is_revoked(one).await, "a bit was lost");
    }
    for one in kept {
        assert!(!site.is_revoked(one).await, "another bit was set");
    }
    let lists = site.app.as_master().get("/classes/CredentialStatusList").await;
    assert_eq!((lists.results().len(), &lists.results()[0]["revoked"]), (1, &json!(16)));
}

async fn lists_follow_each_other(site: Site) {
    let identity = site.verified().await;
    let old = site.issued(&identity, json!({})).await;
    let master = site.app.as_master();
    let first = master.get("/classes/CredentialStatusList").await.results()[0].clone();
    // As if the first were full.
    let next = json!({
        "number": 2, "purpose": "revocation", "encodedList": first["encodedList"], "version": 1, "revoked": 0,
    });
    assert_eq!(master.post("/classes/CredentialStatusList", next.clone()).await.status, 201);
    assert_eq!(master.post("/classes/CredentialStatusList", next).await.code(), 137, "a number is one list's");
    let new = site.issued(&identity, json!({})).await;
    let list =
        |one: &Json| claims(one["credential"].as_str().unwrap())["credentialStatus"]["statusListCredential"].clone();
    let url = |number: u8| json!(format!("https://id.example.org/parse/public/identity-management/status/{number}"));
    assert_eq!((list(&old), list(&new)), (url(1), url(2)));
    run(&site.officer, "revokeCredential", json!({"credentialId": old["credentialId"], "reason": "TEST"})).await;
    assert_eq!((site.is_revoked(&old).await, site.is_revoked(&new).await), (true, false));
}

async fn credentials_end_with_what_they_rest_on(site: Site) {
    let identity = site.verified().await;
    let issued = site.issued(&identity, json!({"claims": ["legalName"], "subject": "did:key:zAda"})).await;
    let erase = json!({"identityId": identity, "reason": "COURT_ORDER", "despiteRetention": true});
    let erased = run(&site.officer, "erasePerson", erase).await;
    assert_eq!(erased["secretDestroyed"], true);
    assert!(site.is_revoked(&issued).await);
    let left = site.object("VerifiableCredential", &issued["credentialId"]).await;
    assert_eq!((left["status"].as_str(), left["revocationReason"].as_str()), (Some("REVOKED"), Some("PERSON_ERASED")));
    assert_eq!((left.get("jwt"), left.get("subject")), (None, None));
}

async fn what_is_over_expires_and_its_text_goes(site: Site) {
    let identity = site.verified().await;
    let soon = site.clock.now().plus_millis(3_600_000).to_iso();
    let issued = site.issued(&identity, json!({"validUntil": {"__type": "Date", "iso": soon}})).await;
    let kept = site.issued(&identity, json!({})).await;
    site.clock.advance_millis(2 * 86_400_000);
    assert_eq!(site.app.as_master().post("/jobs/cleanupExpiredCredentials", json!({})).await.status, 200);
    let left = eventually("an expired credential", async || {
        let left = site.object("VerifiableCredential", &issued["credentialId"]).await;
        Some(left).filter(|left| left["status"] == "EXPIRED" && left.get("jwt").is_none())
    })
    .await;
    assert_eq!(left["claims"], json!(["verificationLevel"]));
    assert!(!site.is_revoked(&issued).await, "what has expired says so itself");
    let kept = site.object("VerifiableCredential", &kept["credentialId"]).await;
    assert_eq!((kept["status"].as_str(), kept["jwt"].is_string()), (Some("ACTIVE"), true));
}
