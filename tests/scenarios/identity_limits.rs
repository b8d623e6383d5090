//! What identity management refuses: parameters that are none, whatever is wrong with them, and that records go.

use parsimony_cloud::{Application, Settings};
use parsimony_testkit::{App, Client, StoreKind};
use serde_json::{Value as Json, json};

use crate::credentials::{KEY, run, staff};
use crate::jobs::quick;
use crate::wrong_parameters::{KIT, every_one_is_refused};

crate::on_both_stores!(
    crate::identity_limits::open;
    every_wrong_parameter_of_every_function_is_named_and_changes_nothing,
    what_is_a_record_is_not_deleted,
);

struct Site {
    app: App,
    ada: Client,
    /// Has every role.
    root: Client,
}

fn application() -> Application {
    let settings = json!({"publicUrl": "https://id.example.org/parse", "credentials": {"key": KEY}});
    let settings = Settings::new("identity-management", settings.as_object().unwrap().clone());
    parsimony_identity_management::application().configure(&settings).unwrap()
}

async fn open(store: StoreKind) -> Site {
    let app = App::start_with(store, [application()], quick).await;
    let (_, token) = app.sign_up("ada").await;
    let ada = app.as_user(&token);
    let root = staff(&app, "admin").await;
    Site { app, ada, root }
}

/// Every function with its parameters, in the words of [`every_one_is_refused`].
const FUNCTIONS: &str = "
createIdentity type=INDIVIDUAL legalName=Ada nationality=GB countryOfResidence=DE dateOfBirth:text documentType:text documentNumber:text \
    registrationNumber:text metadata:map requestKey:text
submitVerification identityId=abcdefghij level=BASIC provider=MANUAL documents:list requestKey:text
reviewVerification verificationId=abcdefghij decision=APPROVE reasons:list checks:list comment:text riskRating:text expiresAt:date \
    requestKey:text
uploadDocument documentId=abcdefghij file={\"__type\":\"File\",\"name\":\"a.png\"} sha256:text requestKey:text
issueCredential identityId=abcdefghij claims:list subject:text validUntil:date requestKey:text
revokeCredential credentialId=abcdefghij reason=LOST requestKey:text
triggerPostVerificationActions identityId=abcdefghij actions:list requestKey:text
getIdentityDashboard
logAuditEvent action=CALLED entityType=Identity entityId=abcdefghij outcome:text details:map requestKey:text
erasePerson identityId=abcdefghij reason=REQUEST despiteRetention:flag
sendNotification kind=NEWS title=News identityId=abcdefghij userId:text body:text data:map requestKey:text
";

impl Site {
    /// An identity of Ada's with a document, that waits for a review; gives the ids of all three.
    async fn submitted(&self) -> [String; 3] {
        let created = json!({
            "type": "INDIVIDUAL", "legalName": "Ada Lovelace", "dateOfBirth": "1990-12-10", "nationality": "GB",
            "countryOfResidence": "DE",
        });
        let identity = run(&self.ada, "createIdentity", created).await["identityId"].as_str().unwrap().to_owned();
        let documents = json!([{"type": "PROOF_OF_ADDRESS"}]);
        let params = json!({"identityId": identity, "level": "BASIC", "provider": "MANUAL", "documents": documents});
        let submitted = run(&self.ada, "submitVerification", params).await;
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        [identity, text(&submitted["verificationId"]), text(&submitted["documentIds"][0])]
    }
}

async fn every_wrong_parameter_of_every_function_is_named_and_changes_nothing(site: Site) {
    let table = [FUNCTIONS, KIT].concat();
    every_one_is_refused((&site.app, &site.root), application(), &table, &[]).await;
}

async fn what_is_a_record_is_not_deleted(site: Site) {
    let [identity, verification, document] = site.submitted().await;
    let master = site.app.as_master();
    let review = json!({"verificationId": verification, "decision": "APPROVE"});
    run(&site.root, "reviewVerification", review).await;
    let issued = run(&site.root, "issueCredential", json!({"identityId": identity})).await;
    let credential = issued["credentialId"].as_str().unwrap().to_owned();
    for (class, id, why) in [
        ("Identity", &identity, "The identity still has 1 object(s) of the class IdentityVerification."),
        (
            "IdentityVerification",
            &verification,
            "A verification that is APPROVED is kept as a record of due diligence.",
        ),
        ("VerificationDocument", &document, "A verification rests on this document."),
        ("VerifiableCredential", &credential, "The credential is in force; revoke it first."),
    ] {
        let path = format!("/classes/{class}/{id}");
        let refused = master.delete(&path).await;
        assert_eq!((refused.code(), refused.body["error"].as_str()), (119, Some(why)), "{class}");
        assert_eq!(master.get(&path).await.status, 200, "{class}");
    }
    run(&site.root, "revokeCredential", json!({"credentialId": credential, "reason": "TEST"})).await;
    assert_eq!(master.delete(&format!("/classes/VerifiableCredential/{credential}")).await.status, 200);
}
