//! What follows from an approval: each step alone, visible, never twice; and the chain, on which an identity is what it is here.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use parsimony_cloud::{Application, HttpClient, Settings};
use parsimony_connectors::Http;
use parsimony_connectors::chain::sol_types::SolCall as _;
use parsimony_connectors::chain::{Bytes, Chain, ChainOptions, Count, EvmChain, Inclusion, Signer, TxPlan};
use parsimony_digital_assets::{Installed, install};
use parsimony_identity_management::chain::abi::{Factory, Registry};
use parsimony_identity_management::chain::identity_key;
use parsimony_model::Clock as _;
use parsimony_model::clock::HandClock;
use parsimony_testkit::anvil::{CHAIN_ID, RICH_KEY};
use parsimony_testkit::{Anvil, App, Client, StoreKind};
use serde_json::{Value as Json, json};
use sha2::Sha256;

use crate::credentials::{KEY, run, staff};
use crate::jobs::{eventually, quick};

crate::on_both_stores!(
    crate::post_verification::open;
    an_approval_leads_to_all_of_it,
    what_is_not_configured_is_skipped_and_can_be_begun_later,
    a_step_that_fails_is_tried_alone_and_given_up_visibly,
    a_server_that_is_killed_between_two_steps_does_nothing_twice,
    a_suspension_reaches_the_chain,
    what_others_do_on_the_chain_is_believed_as_far_as_the_chain,
    who_watches_the_chain_is_quicker_than_the_job,
);

/// With what the service that watches the chain signs.
const SECRET: &str = "whsec_test";

const WALLET: &str = "0x00000000000000000000000000000000000000A1";

struct World {
    app: App,
    clock: Arc<HandClock>,
    anvil: Anvil,
    chain: EvmChain,
    installed: Installed,
    ada: Client,
    officer: Client,
}

fn chain(anvil: &Anvil) -> EvmChain {
    let http: Arc<dyn HttpClient> = Arc::new(Http::new());
    let endpoints = vec![anvil.url()];
    let (max_fee, time_max) = (500_000_000_000, Duration::from_secs(10));
    EvmChain::new(&ChainOptions { id: CHAIN_ID, endpoints, confirmations: 1, max_fee, time_max }, http).unwrap()
}

/// The application, with a chain and an issuer as far as they are asked for.
fn application(url: &str, installed: &Installed, with: &[&str]) -> Application {
    let mut settings = json!({
        "publicUrl": "https://id.example.org/parse",
        // Nobody is asked there: what it decides it tells.
        "sumsub": {
            "appToken": "token", "appSecret": "secret", "level": "basic", "webhookSecret": SECRET,
            "baseUrl": "http://127.0.0.1:9",
        },
    });
    if with.contains(&"credentials") {
        settings["credentials"] = json!({"key": KEY});
    }
    if with.contains(&"chain") {
        settings["chain"] = json!({
            "id": CHAIN_ID, "endpoints": [url], "confirmations": 2, "stuckAfterSeconds": 60, "signerKey": RICH_KEY,
            "identityFactory": installed.identity_factory, "identityRegistry": installed.identity_registry,
            "webhook": {"service": "alchemy", "secret": SECRET},
        });
    }
    let settings = Settings::new("identity-management", settings.as_object().unwrap().clone());
    parsimony_identity_management::application().configure(&settings).unwrap()
}

const ALL: &[&str] = &["credentials", "chain"];

async fn open(store: StoreKind) -> World {
    let anvil = Anvil::start().await.unwrap();
    let chain = chain(&anvil);
    let installed = install(&chain, &Signer::parse(RICH_KEY).unwrap()).await.unwrap();
    // The time of the chain, as it is compared with when something ends.
    let clock = Arc::new(HandClock::default());
    clock.advance_millis(parsimony_model::SystemClock.now().millis() - clock.now().millis());
    let app = App::start_by(Arc::clone(&clock) as _, store, [application(&anvil.url(), &installed, ALL)], tick).await;
    let (_, token) = app.sign_up("ada").await;
    let ada = app.as_user(&token);
    let officer = staff(&app, "compliance-officer").await;
    World { app, clock, anvil, chain, installed, ada, officer }
}

fn tick(options: &mut parsimony_testkit::Options) {
    quick(options);
    options.limits.inbound_tick = Duration::from_millis(10);
}

impl World {
    /// An identity of Ada's that is verified; gives its id.
    async fn verified(&self, wallet: Option<&str>) -> String {
        let created = json!({
            "type": "INDIVIDUAL", "legalName": "Ada Lovelace", "dateOfBirth": "1990-12-10", "nationality": "GB",
            "countryOfResidence": "DE",
        });
        let identity = run(&self.ada, "createIdentity", created).await["identityId"].as_str().unwrap().to_owned();
        if let Some(wallet) = wallet {
            self.set_wallet(&identity, wallet).await;
        }
        let submitted = json!({"identityId": identity, "level": "STANDARD", "provider": "MANUAL"});
        let submitted = run(&self.ada, "submitVerification", submitted).await;
        let review = json!({"verificationId": submitted["verificationId"], "decision": "APPROVE"});
        run(&self.officer, "reviewVerification", review).await;
        identity
    }

    async fn set_wallet(&self, identity: &str, wallet: &str) {
        let path = format!("/classes/Identity/{identity}");
        assert_eq!(self.app.as_master().put(&path, json!({"onChainAddress": wallet})).await.status, 200);
    }

    async fn steps(&self) -> Vec<Json> {
        let found = self.app.as_master().get("/classes/PostVerificationAction?order=action").await;
        found.results().to_vec()
    }

    async fn step(&self, action: &str) -> Json {
        self.steps().await.into_iter().find(|step| step["action"] == action).unwrap_or_default()
    }

    async fn identity(&self, id: &str) -> Json {
        self.app.as_master().get(&format!("/classes/Identity/{id}")).await.body
    }

    /// Runs the job, again and again as time goes by, with blocks on the chain, until a step stands there.
    async fn until(&self, action: &str, status: &str) -> Json {
        eventually(&format!("{action} {status}"), async || {
            self.turn().await;
            Some(self.step(action).await).filter(|step| step["status"] == status)
        })
        .await
    }

    /// One turn of the job, to its end.
    async fn turn(&self) {
        self.anvil.mine(2).await.unwrap();
        self.clock.advance_millis(11_000);
        let seen = self.app.as_master().post("/jobs/runPostVerificationActions", json!({})).await;
        let path = format!("/classes/_JobStatus/{}", seen.headers["x-parse-job-status-id"].to_str().unwrap());
        eventually("a turn", async || {
            Some(self.app.as_master().get(&path).await.body).filter(|run| run["status"] != "running")
        })
        .await;
    }

    /// What the registry says of the wallet: its status, and until when.
    async fn registered(&self) -> (u8, u64) {
        let input: Bytes = Registry::statusOfCall { account: WALLET.parse().unwrap() }.abi_encode().into();
        let answer = self.chain.call(self.installed.identity_registry, input).await.unwrap();
        let told = Registry::statusOfCall::abi_decode_returns(&answer).unwrap();
        (told.status, told.validUntil)
    }

    /// How many transactions the owner of the factory has sent.
    async fn sent(&self) -> u64 {
        let account = Signer::parse(RICH_KEY).unwrap().address();
        self.chain.transaction_count(account, Count::WithWaiting).await.unwrap()
    }

    /// What Sumsub decides of its applicant, signed.
    async fn sumsub(&self, answer: &str, at: &str) {
        let body = json!({
            "applicantId": "applicant-1", "type": "applicantReviewed", "reviewStatus": "completed", "createdAtMs": at,
            "reviewResult": {"reviewAnswer": answer, "reviewRejectType": "FINAL", "rejectLabels": ["FORGERY"]},
        });
        let body = body.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let headers = [("x-payload-digest", signature.as_str()), ("x-payload-digest-alg", "HMAC_SHA256_HEX")];
        let path = "/webhooks/identity-management/sumsub";
        let seen = self.app.as_nobody().ask_raw("POST", path, &headers, body.into_bytes()).await.unwrap();
        assert_eq!(seen.status, 200, "{}", seen.body);
    }

    async fn becomes(&self, identity: &str, status: &str) {
        let is = async || Some(self.identity(identity).await).filter(|identity| identity["status"] == status);
        eventually(status, is).await;
    }

    /// What the service that watches the chain tells of a transaction, signed with this secret.
    async fn told(&self, id: &str, hash: &str, secret: &str) -> u16 {
        let body = json!({"id": id, "event": {"activity": [{"hash": hash, "log": {"removed": false}}]}}).to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let headers = [("x-alchemy-signature", signature.as_str())];
        let path = "/webhooks/identity-management/chain";
        self.app.as_nobody().ask_raw("POST", path, &headers, body.into_bytes()).await.unwrap().status
    }

    async fn count(&self, class: &str) -> u64 {
        let seen = self.app.as_master().get(&format!("/classes/{class}?count=1&limit=0")).await;
        seen.body["count"].as_u64().unwrap()
    }
}

async fn an_approval_leads_to_all_of_it(world: World) {
    let before = world.sent().await;
    let identity = world.verified(Some(WALLET)).await;
    let planned: Vec<String> =
        world.steps().await.iter().map(|step| format!("{} {}", step["action"], step["status"])).collect();
    assert_eq!(planned.len(), 4, "{planned:?}");
    for action in ["ACTIVATE_IDENTITY", "ISSUE_CREDENTIAL", "NOTIFY", "REGISTER_ON_CHAIN"] {
        world.until(action, "DONE").await;
    }
    let active = world.identity(&identity).await;
    assert!(active["activatedAt"].is_object() && active["currentVerification"].is_object(), "{active}");
    assert_eq!(active["onChainStatus"], "VERIFIED");
    let until = parsimony_model::Date::from_millis(0);
    let until = active["expiresAt"]["iso"].as_str().unwrap().parse::<parsimony_model::Date>().unwrap_or(until);
    assert_eq!(world.registered().await, (1, u64::try_from(until.millis() / 1_000).unwrap()));
    assert_eq!(world.sent().await - before, 2, "made, and given an end");

    let credential = world.step("ISSUE_CREDENTIAL").await["result"]["credentialId"].as_str().unwrap().to_owned();
    let own = world.ada.get(&format!("/classes/VerifiableCredential/{credential}")).await.body;
    assert_eq!((&own["status"], &own["claims"]), (&json!("ACTIVE"), &json!(["verificationLevel"])));
    assert_eq!(own["verification"]["objectId"], active["currentVerification"]["objectId"]);
    let told = world.ada.get("/classes/Notification?order=kind").await;
    let kinds: Vec<&Json> = told.results().iter().map(|told| &told["kind"]).collect();
    assert_eq!(kinds, ["CREDENTIAL_ISSUED", "IDENTITY_VERIFIED"]);
    // The owner sees how it goes, and nothing of how it is done.
    let own = world.ada.get("/classes/PostVerificationAction").await;
    assert_eq!(own.results().len(), 4);
    assert!(own.results().iter().all(|step| step["status"] == "DONE" && step.get("rawTransaction").is_none()));

    // Whatever is done again finds it done.
    for _ in 0..2 {
        world.turn().await;
    }
    let again = run(&world.officer, "triggerPostVerificationActions", json!({"identityId": identity})).await;
    assert!(again["actions"].as_array().unwrap().iter().all(|step| step["status"] == "DONE"), "{again}");
    world.turn().await;
    assert_eq!((world.count("VerifiableCredential").await, world.count("Notification").await), (1, 2));
    assert_eq!(world.sent().await - before, 2);
}

async fn what_is_not_configured_is_skipped_and_can_be_begun_later(mut world: World) {
    world.app.stop().await;
    let bare = world.app.beside([application("", &world.installed, &[])], tick).await.unwrap();
    let token = bare.log_in("ada", "password of ada").await;
    let officer = bare.log_in("compliance-officer", "password of compliance-officer").await;
    (world.ada, world.officer) = (bare.as_user(&token), bare.as_user(&officer));
    let configured = std::mem::replace(&mut world.app, bare);
    let identity = world.verified(None).await;
    let skipped = world.until("REGISTER_ON_CHAIN", "SKIPPED").await;
    assert!(skipped["lastError"].as_str().unwrap().starts_with("not configured"), "{skipped}");
    world.until("ISSUE_CREDENTIAL", "SKIPPED").await;
    world.until("NOTIFY", "DONE").await;

    // Another server has it configured, and somebody begins it again: the address is still missing.
    world.app.stop().await;
    world.app = configured.beside([application(&world.anvil.url(), &world.installed, ALL)], tick).await.unwrap();
    let token = world.app.log_in("compliance-officer", "password of compliance-officer").await;
    world.officer = world.app.as_user(&token);
    let ask = json!({"identityId": identity, "actions": ["ISSUE_CREDENTIAL"]});
    run(&world.officer, "triggerPostVerificationActions", ask).await;
    world.until("ISSUE_CREDENTIAL", "DONE").await;
    assert_eq!(world.step("REGISTER_ON_CHAIN").await["status"], "SKIPPED");
    run(&world.officer, "triggerPostVerificationActions", json!({"identityId": identity})).await;
    let skipped = world.until("REGISTER_ON_CHAIN", "SKIPPED").await;
    assert_eq!(skipped["lastError"], "the identity has no onChainAddress");
    world.set_wallet(&identity, WALLET).await;
    run(&world.officer, "triggerPostVerificationActions", json!({"identityId": identity})).await;
    world.until("REGISTER_ON_CHAIN", "DONE").await;
    assert_eq!(world.registered().await.0, 1);

    let token = world.app.log_in("ada", "password of ada").await;
    let ask = json!({"identityId": identity});
    let refused = world.app.as_user(&token).post("/functions/triggerPostVerificationActions", ask).await;
    assert_eq!(refused.code(), 119, "{}", refused.body);
}

async fn a_step_that_fails_is_tried_alone_and_given_up_visibly(mut world: World) {
    world.anvil.kill();
    let identity = world.verified(Some(WALLET)).await;
    // Time goes by, and nobody answers.
    let mut tries = 0.0;
    for _ in 0..40 {
        world.clock.advance_millis(3_700_000);
        let seen = world.app.as_master().post("/jobs/runPostVerificationActions", json!({})).await;
        let path = format!("/classes/_JobStatus/{}", seen.headers["x-parse-job-status-id"].to_str().unwrap());
        eventually("a turn", async || {
            Some(world.app.as_master().get(&path).await.body).filter(|run| run["status"] != "running")
        })
        .await;
        let step = world.step("REGISTER_ON_CHAIN").await;
        assert!(step["attempts"].as_f64().unwrap() >= tries);
        tries = step["attempts"].as_f64().unwrap();
        if step["status"] == "FAILED" {
            break;
        }
    }
    let failed = world.step("REGISTER_ON_CHAIN").await;
    assert_eq!((&failed["status"], &failed["attempts"]), (&json!("FAILED"), &json!(10)));
    assert!(failed["lastError"].as_str().unwrap().starts_with("no endpoint of the chain answers"), "{failed}");
    for action in ["ACTIVATE_IDENTITY", "ISSUE_CREDENTIAL", "NOTIFY"] {
        assert_eq!(world.step(action).await["status"], "DONE", "{action}");
    }
    let entries = r#"/classes/AuditLog?where={"entityType":"PostVerificationAction","outcome":"FAILED"}"#;
    assert_eq!(world.app.as_master().get(entries).await.results().len(), 1);
    let begun = run(&world.officer, "triggerPostVerificationActions", json!({"identityId": identity})).await;
    let step = begun["actions"].as_array().unwrap().iter().find(|step| step["action"] == "REGISTER_ON_CHAIN").unwrap();
    assert_eq!(step["status"], "PENDING");
}

async fn a_server_that_is_killed_between_two_steps_does_nothing_twice(mut world: World) {
    let before = world.sent().await;
    world.verified(Some(WALLET)).await;
    // It was written down and sent, and the server never saw what became of it.
    world.anvil.automine(false).await.unwrap();
    world.clock.advance_millis(11_000);
    assert_eq!(world.app.as_master().post("/jobs/runPostVerificationActions", json!({})).await.status, 200);
    eventually("a submission", async || {
        Some(world.step("REGISTER_ON_CHAIN").await).filter(|step| step["status"] == "SUBMITTED")
    })
    .await;
    world.app.stop().await;
    let again = || application(&world.anvil.url(), &world.installed, ALL);
    let one = world.app.beside([again()], tick).await.unwrap();
    let other = world.app.beside([again()], tick).await.unwrap();
    world.anvil.automine(true).await.unwrap();
    world.app = one;
    // Two servers are at it from now on.
    let done = eventually("both are done", async || {
        world.anvil.mine(2).await.unwrap();
        world.clock.advance_millis(11_000);
        for app in [&world.app, &other] {
            assert_eq!(app.as_master().post("/jobs/runPostVerificationActions", json!({})).await.status, 200);
        }
        Some(world.steps().await).filter(|steps| steps.iter().all(|step| step["status"] == "DONE"))
    })
    .await;
    assert_eq!(done.len(), 4);
    assert_eq!(world.sent().await - before, 2);
    assert_eq!((world.count("VerifiableCredential").await, world.count("Notification").await), (1, 2));
    assert_eq!(world.registered().await.0, 1);
}

async fn a_suspension_reaches_the_chain(world: World) {
    let created =
        json!({"type": "INDIVIDUAL", "legalName": "Ada Lovelace", "nationality": "GB", "countryOfResidence": "DE"});
    let identity = run(&world.ada, "createIdentity", created).await["identityId"].as_str().unwrap().to_owned();
    world.set_wallet(&identity, WALLET).await;
    let submitted = json!({"identityId": identity, "level": "STANDARD", "provider": "SUMSUB"});
    let submitted = run(&world.ada, "submitVerification", submitted).await;
    let path = format!("/classes/IdentityVerification/{}", submitted["verificationId"].as_str().unwrap());
    assert_eq!(world.app.as_master().put(&path, json!({"providerReference": "applicant-1"})).await.status, 200);
    world.sumsub("GREEN", "2026-02-21 13:23:19.321").await;
    world.becomes(&identity, "VERIFIED").await;
    world.until("REGISTER_ON_CHAIN", "DONE").await;
    let issued = world.until("ISSUE_CREDENTIAL", "DONE").await["result"]["credentialId"].as_str().unwrap().to_owned();
    assert_eq!(world.registered().await.0, 1);

    // The provider takes its approval back.
    world.sumsub("RED", "2026-02-22 08:00:00.000").await;
    world.becomes(&identity, "SUSPENDED").await;
    world.until("REGISTER_ON_CHAIN", "DONE").await;
    assert_eq!(world.registered().await.0, 2);
    assert_eq!(world.identity(&identity).await["onChainStatus"], "SUSPENDED");
    let credential = world.app.as_master().get(&format!("/classes/VerifiableCredential/{issued}")).await.body;
    assert_eq!(
        (&credential["status"], &credential["revocationReason"]),
        (&json!("REVOKED"), &json!("IDENTITY_SUSPENDED"))
    );
    let asked = world.officer.post("/functions/triggerPostVerificationActions", json!({"identityId": identity})).await;
    assert!(asked.code() == 142 && asked.body["error"].as_str().unwrap().contains("SUSPENDED"), "{}", asked.body);
}

async fn what_others_do_on_the_chain_is_believed_as_far_as_the_chain(world: World) {
    let identity = world.verified(Some(WALLET)).await;
    world.until("REGISTER_ON_CHAIN", "DONE").await;
    // The owner of the factory revokes it past this server.
    let key = identity_key(&identity);
    let input: Bytes = Factory::setStatusCall { key, status: 4, validUntil: 0 }.abi_encode().into();
    let (signer, to) = (Signer::parse(RICH_KEY).unwrap(), Some(world.installed.identity_factory));
    let gas = world.chain.estimate(signer.address(), to, input.clone()).await.unwrap();
    let nonce = world.sent().await;
    let plan = TxPlan { chain: CHAIN_ID, nonce, to, input, gas, fees: world.chain.fees().await.unwrap() };
    let sent = signer.sign(&plan).unwrap();
    world.chain.send(sent.raw).await.unwrap();
    eventually("a block", async || {
        matches!(world.chain.inclusion(sent.hash).await.unwrap(), Inclusion::Included { .. }).then_some(())
    })
    .await;
    world.anvil.mine(3).await.unwrap();

    assert_eq!(world.told("forged", &sent.hash.to_string(), "another").await, 401);
    assert_eq!(world.told("unknown", &format!("0x{}", "7".repeat(64)), SECRET).await, 200);
    assert_eq!(world.identity(&identity).await["onChainStatus"], "VERIFIED");
    assert_eq!(world.told("one", &sent.hash.to_string(), SECRET).await, 200);
    eventually("what the chain says", async || {
        Some(world.identity(&identity).await).filter(|identity| identity["onChainStatus"] == "REVOKED")
    })
    .await;
    let entries = r#"/classes/AuditLog?where={"actor":"webhook:chain"}"#;
    assert_eq!(world.app.as_master().get(entries).await.results().len(), 1);
}

async fn who_watches_the_chain_is_quicker_than_the_job(world: World) {
    let identity = world.verified(Some(WALLET)).await;
    world.clock.advance_millis(11_000);
    assert_eq!(world.app.as_master().post("/jobs/runPostVerificationActions", json!({})).await.status, 200);
    // From here on no time goes by, so no job is due: what happens does because it was told.
    let mut seen = 0;
    while world.step("REGISTER_ON_CHAIN").await["status"] != "DONE" {
        let sent = eventually("a submission", async || {
            Some(world.step("REGISTER_ON_CHAIN").await).filter(|step| step["status"] == "SUBMITTED")
        })
        .await;
        let hash = sent["transactionHash"].as_str().unwrap();
        // Too early, and it changes nothing; then it is final.
        assert_eq!(world.told(&format!("early {seen}"), hash, SECRET).await, 200);
        world.anvil.mine(2).await.unwrap();
        assert_eq!(world.told(&format!("final {seen}"), hash, SECRET).await, 200);
        eventually("the next one", async || {
            let step = world.step("REGISTER_ON_CHAIN").await;
            (step["transactionHash"] != hash || step["status"] == "DONE").then_some(())
        })
        .await;
        seen += 1;
        assert!(seen <= 2, "it is told two things");
    }
    assert_eq!((seen, world.registered().await.0), (2, 1));
    assert_eq!(world.identity(&identity).await["onChainStatus"], "VERIFIED");
}
