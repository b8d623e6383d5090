//! Digital assets as clients see them: who may do what, what adds up, and what a wrong request is told. No chain is asked; the
//! scenarios of `digital_assets_chain.rs` have one.

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::Application;
use parsimony_model::clock::HandClock;
use parsimony_testkit::{App, Client, StoreKind};
use serde_json::{Map, Value, json};

crate::on_both_stores!(
    crate::digital_assets::open;
    an_asset_is_described_by_who_may,
    of_two_transfers_of_the_same_balance_one_wins,
    many_transfers_on_two_servers_add_up,
    what_the_rules_refuse_moves_nothing,
    frozen_and_paused_tokens_rest,
    a_permission_counts_until_it_is_revoked,
    a_request_is_done_once_with_its_key,
    no_two_have_the_same_token_and_no_cap_is_passed,
    wrong_parameters_are_named_and_change_nothing,
    nobody_writes_the_ledger_past_the_functions,
);

/// A server with assets whose clock is moved by hand, so no job runs by itself.
pub(crate) struct Stage {
    pub(crate) app: App,
    pub(crate) clock: Arc<HandClock>,
}

/// Somebody with a session.
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) client: Client,
}

/// Whose identity stands how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is verified.
    Verified,
    /// It was only described.
    Described,
}

pub(crate) fn applications(settings: Value) -> [Application; 2] {
    let values: Map<String, Value> = serde_json::from_value(settings).unwrap();
    let settings = parsimony_cloud::Settings::new("digital-assets", values);
    let assets = parsimony_digital_assets::application().configure(&settings).unwrap();
    [parsimony_identity_management::application(), assets]
}

async fn open(store: StoreKind) -> Stage {
    Stage::open(store, json!({})).await
}

impl Stage {
    pub(crate) async fn open(store: StoreKind, settings: Value) -> Self {
        let clock = Arc::new(HandClock::default());
        let app = App::start_by(Arc::clone(&clock) as _, store, applications(settings), |_options| {}).await;
        Self { app, clock }
    }

    pub(crate) fn master(&self) -> Client {
        self.app.as_master()
    }

    /// Somebody new, in these roles.
    pub(crate) async fn person(&self, name: &str, roles: &[&str]) -> Person {
        let (id, token) = self.app.sign_up(name).await;
        for role in roles {
            self.app.give_role(&id, role).await;
        }
        Person { client: self.app.as_user(&token), id }
    }

    /// Gives somebody an identity with this address on the chain, living in Germany.
    pub(crate) async fn identify(&self, person: &Person, address: &str, known: Known) {
        let fields = json!({
            "user": pointer("_User", &person.id), "type": "INDIVIDUAL", "legalName": "A Person", "nationality": "DE",
            "countryOfResidence": "DE", "onChainAddress": address, "ACL": {},
        });
        let id = self.master().post("/classes/Identity", fields).await.id();
        if known == Known::Verified {
            for status in ["SUBMITTED", "IN_REVIEW", "VERIFIED"] {
                let seen = self.master().put(&format!("/classes/Identity/{id}"), json!({ "status": status })).await;
                assert_eq!(seen.status, 200, "{}", seen.body);
            }
        }
    }

    /// A holder who is verified, with an address that nobody else has.
    pub(crate) async fn holder(&self, name: &str, number: u8) -> Person {
        let person = self.person(name, &[]).await;
        self.identify(&person, &address(number), Known::Verified).await;
        person
    }

    /// An asset that is active, by this issuer; its contract is left to the imagination.
    pub(crate) async fn active(&self, issuer: &Person, mut described: Value) -> String {
        let fields = described.as_object_mut().unwrap();
        fields.entry("name").or_insert(json!("Gold"));
        fields.entry("symbol").or_insert(json!("GLD"));
        let id = done(issuer, "createDigitalAsset", described).await["assetId"].as_str().unwrap().to_owned();
        let path = format!("/classes/DigitalAsset/{id}");
        let deploying = json!({ "status": "DEPLOYING", "chainId": 31_337, "address": address(0xaa) });
        for change in [deploying, json!({ "status": "ACTIVE" })] {
            let seen = self.master().put(&path, change).await;
            assert_eq!(seen.status, 200, "{}", seen.body);
        }
        id
    }

    /// Writes into the ledger that somebody holds so much, as if the chain had confirmed it.
    pub(crate) async fn give(&self, asset: &str, holder: &Person, amount: &str) {
        let fields = json!({
            "asset": pointer("DigitalAsset", asset), "holder": pointer("_User", &holder.id), "tokenId": "0", "balance": amount,
            "frozen": "0", "reserved": "0", "pending": "0", "ACL": {},
        });
        let seen = self.master().post("/classes/AssetHolding", fields).await;
        assert_eq!(seen.status, 201, "{}", seen.body);
    }

    /// All holdings of an asset.
    pub(crate) async fn holdings(&self, asset: &str) -> Vec<Value> {
        let path =
            format!("/classes/AssetHolding?limit=1000&where={}", json!({ "asset": pointer("DigitalAsset", asset) }));
        self.master().get(&path).await.results().to_vec()
    }

    /// What somebody holds of an asset: the balance, and what of it is available.
    pub(crate) async fn held(&self, asset: &str, holder: &Person) -> (String, String) {
        let holdings = self.holdings(asset).await;
        let of_holder = |row: &&Value| row["holder"]["objectId"] == holder.id.as_str();
        let Some(row) = holdings.iter().find(of_holder) else { return ("0".to_owned(), "0".to_owned()) };
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        (text("balance"), text("available"))
    }

    /// All that is held of an asset.
    pub(crate) async fn sum(&self, asset: &str) -> u128 {
        let holdings = self.holdings(asset).await;
        holdings.iter().map(|row| row["balance"].as_str().unwrap().parse::<u128>().unwrap()).sum()
    }

    /// Runs a job to its end; gives what it said.
    pub(crate) async fn run(&self, job: &str) -> String {
        let seen = self.master().post(&format!("/jobs/{job}"), json!({})).await;
        let id = seen.headers["x-parse-job-status-id"].to_str().unwrap().to_owned();
        for _ in 0..600 {
            let status = self.master().get(&format!("/classes/_JobStatus/{id}")).await.body;
            if status["status"] == "succeeded" {
                return status["message"].as_str().unwrap_or_default().to_owned();
            }
            assert_eq!(status["status"], "running", "{status}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{job} does not end");
    }

    pub(crate) async fn transactions(&self) -> usize {
        self.master().get("/classes/AssetTransaction?limit=1000").await.results().len()
    }
}

pub(crate) fn pointer(class: &str, id: &str) -> Value {
    json!({ "__type": "Pointer", "className": class, "objectId": id })
}

pub(crate) fn address(number: u8) -> String {
    format!("0x{number:040x}")
}

/// Calls a function; gives what it answers.
pub(crate) async fn done(who: &Person, function: &str, params: Value) -> Value {
    let seen = who.client.post(&format!("/functions/{function}"), params.clone()).await;
    assert_eq!(seen.status, 200, "{function} {params}: {}", seen.body);
    seen.body["result"].clone()
}

/// Calls a function that refuses; gives code and text.
pub(crate) async fn refused(who: &Person, function: &str, params: Value) -> (i64, String) {
    let seen = who.client.post(&format!("/functions/{function}"), params.clone()).await;
    assert_eq!(seen.status, 400, "{function} {params}: {}", seen.body);
    (seen.code(), seen.body["error"].as_str().unwrap_or_default().to_owned())
}

async fn an_asset_is_described_by_who_may(stage: Stage) {
    let issuer = stage.person("issuer", &["issuer"]).await;
    let stranger = stage.person("stranger", &[]).await;
    let gold = json!({ "standard": "ERC20", "name": "Gold", "symbol": "GLD" });
    let (code, text) = refused(&stranger, "createDigitalAsset", gold.clone()).await;
    assert_eq!((code, text.as_str()), (119, "Only issuer or asset-manager may create a digital asset."));
    let seen = done(&issuer, "createDigitalAsset", gold).await;
    assert_eq!((seen["status"].as_str(), seen["standard"].as_str()), (Some("DRAFT"), Some("ERC20")));
    let path = format!("/classes/DigitalAsset/{}", seen["assetId"].as_str().unwrap());
    let shown = stranger.client.get(&path).await.body;
    assert_eq!(
        (&shown["decimals"], &shown["totalSupply"], &shown["digestSalt"]),
        (&json!(18), &json!("0"), &Value::Null)
    );

    // No chain is known to this server, and no contract is there to mint.
    let id = &seen["assetId"];
    let (code, text) = refused(&issuer, "deployAsset", json!({ "assetId": id, "chainId": 1 })).await;
    assert_eq!(code, 142);
    assert!(text.contains("for chainId: "), "{text}");
    let (code, text) = refused(&issuer, "mintTokens", json!({ "assetId": id, "to": issuer.id, "amount": "1" })).await;
    assert_eq!(code, 119);
    assert!(text.contains("ASSET_NOT_ACTIVE"), "{text}");
}

async fn of_two_transfers_of_the_same_balance_one_wins(stage: Stage) {
    let issuer = stage.person("issuer", &["issuer"]).await;
    let (ada, bob) = (stage.holder("ada", 1).await, stage.holder("bob", 2).await);
    let asset = stage.active(&issuer, json!({ "standard": "ERC3643" })).await;
    stage.give(&asset, &ada, "100").await;
    let other = stage.app.beside(applications(json!({})), |_options| {}).await.unwrap();
    let token = other.log_in("ada", "password of ada").await;
    let beside = other.as_user(&token);
    let transfer = json!({ "assetId": asset, "to": bob.id, "amount": "60" });
    let (one, two) = futures::join!(
        ada.client.post("/functions/transferTokens", transfer.clone()),
        beside.post("/functions/transferTokens", transfer.clone()),
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{} {}", one.body, two.body);
    let lost = if one.status == 400 { one } else { two };
    assert!(lost.body["error"].as_str().unwrap().contains("INSUFFICIENT_AVAILABLE"), "{}", lost.body);
    assert_eq!(stage.held(&asset, &ada).await, ("40".to_owned(), "40".to_owned()));
    assert_eq!(stage.held(&asset, &bob).await, ("60".to_owned(), "0".to_owned()), "it is not confirmed");
    let (code, _) = refused(&bob, "transferTokens", json!({ "assetId": asset, "to": ada.id, "amount": "1" })).await;
    assert_eq!(code, 119, "what is not confirmed cannot be handed on");
}

async fn many_transfers_on_two_servers_add_up(stage: Stage) {
    let issuer = stage.person("issuer", &["issuer"]).await;
    let mut people = Vec::new();
    for number in 1..=4 {
        people.push(stage.holder(&format!("holder{number}"), number).await);
    }
    let asset = stage.active(&issuer, json!({ "standard": "ERC20" })).await;
    for person in &people {
        stage.give(&asset, person, "10").await;
    }
    let other = stage.app.beside(applications(json!({})), |_options| {}).await.unwrap();
    let mut sessions = Vec::new();
    for (index, person) in people.iter().enumerate() {
        let token = other.log_in(&format!("holder{}", index + 1), &format!("password of holder{}", index + 1)).await;
        sessions.push([person.client.clone(), other.as_user(&token)]);
    }
    let asked = (0..16_usize).map(|number| {
        let (from, to) = (number % 4, (number + 1 + number / 4 % 3) % 4);
        let params = json!({ "assetId": asset, "to": people[to].id, "amount": "4" });
        let client = sessions[from][number / 8].clone();
        async move { client.post("/functions/transferTokens", params).await }
    });
    let seen = futures::future::join_all(asked).await;
    let won = seen.iter().filter(|seen| seen.status == 200).count();
    let told: Vec<_> = seen.iter().map(|seen| (seen.status, seen.body.to_string())).collect();
    // Each has ten, and gives four twice at most, as what comes in is not confirmed.
    assert!(seen.iter().all(|seen| seen.status == 200 || seen.code() == 119), "{told:?}");
    assert_eq!(won, 8, "{told:?}");
    assert_eq!(stage.sum(&asset).await, 40);
    assert!(stage.holdings(&asset).await.iter().all(|row| row["available"] == "2"), "{told:?}");
    assert_eq!(stage.transactions().await, won);
}

async fn what_the_rules_refuse_moves_nothing(stage: Stage) {
    let issuer = stage.person("issuer", &["issuer"]).await;
    let ada = stage.holder("ada", 1).await;
    let unverified = stage.person("unverified", &[]).await;
    stage.identify(&unverified, &address(2), Known::Described).await;
    let unknown = stage.person("unknown", &[]).await;
    let bob = stage.holder("bob", 3).await;
    let rules = json!({ "maxBalance": "50", "blockedCountries": ["KP"] });
    let asset = stage.active(&issuer, json!({ "standard": "ERC3643", "complianceRules": rules })).await;
    stage.give(&asset, &ada, "100").await;
    for (to, amount, code, expected) in [
        (&unverified, "1", 119, "RECEIVER_NOT_VERIFIED"),
        (&unknown, "1", 142, "for to: "),
        (&bob, "101", 119, "INSUFFICIENT_AVAILABLE"),
        (&bob, "51", 119, "MAX_BALANCE"),
        (&ada, "1", 142, "for to: "),
    ] {
        let params = json!({ "assetId": asset, "to": to.id, "amount": amount });
        let (seen, text) = refused(&ada, "transferTokens", params).await;
        assert_eq!(seen, code, "{text}");
        assert!(text.contains(expected), "{text}");
    }
    // What one does not hold one cannot give away in another's name.
    let (code, text) =
        refused(&bob, "transferTokens", json!({ "assetId": asset, "from": ada.id, "to": bob.id, "amount": "1" })).await;
    assert_eq!(code, 119, "{text}");
    assert_eq!((stage.sum(&asset).await, stage.transactions().await), (100, 0));
    let denied =
        stage.master().get(r#"/classes/AuditLog?where={"application":"digital-assets","outcome":"DENIED"}"#).await;
    assert_eq!(denied.results().len(), 4);
}

async fn frozen_and_paused_tokens_rest(stage: Stage) {
    let issuer = stage.person("issuer", &["issuer"]).await;
    let (ada, bob) = (stage.holder("ada", 1).await, stage.holder("bob", 2).await);
    let asset = stage.active(&issuer, json!({ "standard": "ERC20" })).await;
    stage.give(&asset, &ada, "100").await;
    let freeze = |more: Value| {
        let mut params = json!({ "assetId": asset, "holder": ada.id });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    let transfer = |amount: &str| json!({ "assetId": asset, "to": bob.id, "amount": amount });
    let (code, _) = refused(&bob, "freezeHolding", freeze(json!({ "amount": "1" }))).await;
    assert_eq!(code, 119);
    done(&issuer, "freezeHolding", freeze(json!({ "amount": "70" }))).await;
    assert_eq!(stage.held(&asset, &ada).await.1, "30");
    assert!(refused(&ada, "transferTokens", transfer("31")).await.1.contains("INSUFFICIENT_AVAILABLE"));
    assert_eq!(refused(&issuer, "freezeHolding", freeze(json!({ "amount": "31" }))).await.0, 142);
    let too_much = freeze(json!({ "amount": "71", "frozen": false }));
    assert_eq!(refused(&issuer, "freezeHolding", too_much).await.0, 142);
    done(&issuer, "freezeHolding", freeze(json!({ "amount": "70", "frozen": false }))).await;

    let (code, text) = refused(&issuer, "freezeHolding", freeze(json!({ "frozen": false }))).await;
    assert_eq!((code, text.as_str()), (142, "AssetHolding cannot go from ACTIVE to ACTIVE."));
    done(&issuer, "freezeHolding", freeze(json!({}))).await;
    assert!(refused(&ada, "transferTokens", transfer("1")).await.1.contains("SENDER_FROZEN"));
    let (code, text) = refused(&issuer, "freezeHolding", freeze(json!({}))).await;
    assert_eq!((code, text.as_str()), (142, "AssetHolding cannot go from FROZEN to FROZEN."));
    done(&issuer, "freezeHolding", freeze(json!({ "frozen": false }))).await;

    done(&issuer, "pauseAsset", json!({ "assetId": asset })).await;
    assert!(refused(&ada, "transferTokens", transfer("1")).await.1.contains("ASSET_NOT_ACTIVE"));
    assert_eq!(refused(&issuer, "pauseAsset", json!({ "assetId": asset })).await.0, 142);
    done(&issuer, "pauseAsset", json!({ "assetId": asset, "paused": false })).await;
    done(&ada, "transferTokens", transfer("1")).await;
    assert_eq!(stage.sum(&asset).await, 100);
}

async fn a_permission_counts_until_it_is_revoked(stage: Stage) {
    let issuer = stage.person("issuer", &["issuer"]).await;
    let (ada, helper) = (stage.holder("ada", 1).await, stage.person("helper", &[]).await);
    let asset = stage.active(&issuer, json!({ "standard": "ERC20" })).await;
    let mint = json!({ "assetId": asset, "to": ada.id, "amount": "5" });
    assert_eq!(refused(&helper, "mintTokens", mint.clone()).await.0, 119);
    let grant = json!({ "assetId": asset, "user": helper.id, "permission": "MINT" });
    assert_eq!(refused(&helper, "grantAssetPermission", grant.clone()).await.0, 119);
    let granted = done(&issuer, "grantAssetPermission", grant.clone()).await;
    assert_eq!(refused(&issuer, "grantAssetPermission", grant).await.0, 137);
    done(&helper, "mintTokens", mint.clone()).await;
    assert_eq!(refused(&helper, "pauseAsset", json!({ "assetId": asset })).await.0, 119, "it is for minting alone");
    let revoke = json!({ "permissionId": granted["permissionId"] });
    assert_eq!(done(&issuer, "revokeAssetPermission", revoke.clone()).await["status"], "REVOKED");
    let (code, text) = refused(&issuer, "revokeAssetPermission", revoke).await;
    assert_eq!((code, text.as_str()), (142, "AssetPermission cannot go from REVOKED to REVOKED."));
    assert_eq!(refused(&helper, "mintTokens", mint.clone()).await.0, 119);

    // One that expires counts until then.
    let until = json!({ "__type": "Date", "iso": "2026-01-02T00:00:00.000Z" });
    let grant = json!({ "assetId": asset, "user": helper.id, "permission": "MINT", "expiresAt": until });
    done(&issuer, "grantAssetPermission", grant).await;
    done(&helper, "mintTokens", mint.clone()).await;
    stage.clock.advance_millis(24 * 3_600_000);
    assert_eq!(refused(&helper, "mintTokens", mint).await.0, 119);
    assert_eq!(stage.sum(&asset).await, 10);
}

async fn a_request_is_done_once_with_its_key(stage: Stage) {
    let issuer = stage.person("issuer", &["issuer"]).await;
    let ada = stage.holder("ada", 1).await;
    let asset = stage.active(&issuer, json!({ "standard": "ERC20" })).await;
    let mint = json!({ "assetId": asset, "to": ada.id, "amount": "5", "requestKey": "k1" });
    let first = done(&issuer, "mintTokens", mint.clone()).await;
    assert_eq!(done(&issuer, "mintTokens", mint).await, first);
    let other = json!({ "assetId": asset, "to": ada.id, "amount": "6", "requestKey": "k1" });
    assert!(refused(&issuer, "mintTokens", other).await.1.contains("requestKey"));
    assert_eq!((stage.sum(&asset).await, stage.transactions().await), (5, 1));
}

async fn no_two_have_the_same_token_and_no_cap_is_passed(stage: Stage) {
    let issuer = stage.person("issuer", &["issuer"]).await;
    let (ada, bob) = (stage.holder("ada", 1).await, stage.holder("bob", 2).await);
    let asset = stage.active(&issuer, json!({ "standard": "ERC721", "supplyCap": "2" })).await;
    let mint = |to: &Person, token: &str| json!({ "assetId": asset, "to": to.id, "tokenId": token });
    let (one, two) = futures::join!(
        issuer.client.post("/functions/mintTokens", mint(&ada, "7")),
        issuer.client.post("/functions/mintTokens", mint(&bob, "7")),
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{} {}", one.body, two.body);
    done(&issuer, "mintTokens", mint(&bob, "8")).await;
    let (code, text) = refused(&issuer, "mintTokens", mint(&bob, "9")).await;
    assert_eq!(code, 142);
    assert!(text.contains("supply cap"), "{text}");
    assert_eq!(stage.sum(&asset).await, 2);
    let portfolio = done(&bob, "getAssetPortfolio", json!({})).await;
    let held = portfolio["holdings"].as_array().unwrap();
    assert!(held.iter().any(|holding| holding["tokenId"] == "8" && holding["asset"]["symbol"] == "GLD"), "{portfolio}");
    assert_eq!(refused(&bob, "getAssetPortfolio", json!({ "holder": ada.id })).await.0, 119);
}

async fn wrong_parameters_are_named_and_change_nothing(stage: Stage) {
    let issuer = stage.person("issuer", &["issuer"]).await;
    let ada = stage.holder("ada", 1).await;
    let asset = stage.active(&issuer, json!({ "standard": "ERC20" })).await;
    let rows = stage.transactions().await;
    let good = [
        ("createDigitalAsset", json!({ "standard": "ERC20", "name": "Gold", "symbol": "GLD" })),
        ("deployAsset", json!({ "assetId": asset, "chainId": 1 })),
        ("mintTokens", json!({ "assetId": asset, "to": ada.id, "amount": "1" })),
        ("transferTokens", json!({ "assetId": asset, "to": ada.id, "amount": "1" })),
        ("burnTokens", json!({ "assetId": asset, "amount": "1" })),
        ("pauseAsset", json!({ "assetId": asset })),
        ("freezeHolding", json!({ "assetId": asset, "holder": ada.id })),
        ("grantAssetPermission", json!({ "assetId": asset, "user": ada.id, "permission": "MINT" })),
        ("revokeAssetPermission", json!({ "permissionId": "p" })),
        ("retireAsset", json!({ "assetId": asset })),
        ("createListing", json!({ "assetId": asset, "amount": "1", "price": { "amount": "1", "currency": "EUR" } })),
        ("cancelListing", json!({ "listingId": "l" })),
        ("buyListing", json!({ "listingId": "l" })),
        ("getAssetPortfolio", json!({})),
    ];
    let hostile =
        [json!(1), json!(-1.5), json!(true), json!([]), json!({ "$ne": "" }), json!("\u{0}"), json!("x".repeat(5_000))];
    for (function, params) in &good {
        let nobody = stage.app.post(&format!("/functions/{function}"), params.clone()).await;
        assert_eq!((nobody.status, nobody.code()), (400, 142), "{function} by nobody: {}", nobody.body);
        let mut surplus = params.clone();
        surplus["surplus"] = json!(1);
        let (code, text) = refused(&issuer, function, surplus).await;
        assert!(code == 142 && text.contains("surplus"), "{function}: {code} {text}");
        for field in params.as_object().unwrap().keys() {
            let mut missing = params.clone();
            missing.as_object_mut().unwrap().remove(field);
            let (code, text) = refused(&issuer, function, missing).await;
            assert!(code == 142 && text.contains(field.as_str()), "{function} without {field}: {code} {text}");
            for value in &hostile {
                let mut wrong = params.clone();
                wrong[field] = value.clone();
                let seen = issuer.client.post(&format!("/functions/{function}"), wrong).await;
                assert!(seen.status == 400 && [142, 101].contains(&seen.code()), "{function} {field}: {}", seen.body);
            }
        }
    }
    for amount in ["0", "-1", "1.5", "1e3", "0x1", " 1", "", "９"] {
        let params = json!({ "assetId": asset, "to": ada.id, "amount": amount });
        let (code, text) = refused(&issuer, "mintTokens", params).await;
        assert!(code == 142 && text.contains("for amount: "), "{amount}: {code} {text}");
    }
    assert_eq!((stage.transactions().await, stage.holdings(&asset).await.len()), (rows, 0));
}

async fn nobody_writes_the_ledger_past_the_functions(stage: Stage) {
    let issuer = stage.person("issuer", &["issuer", "admin"]).await;
    let ada = stage.holder("ada", 1).await;
    let asset = stage.active(&issuer, json!({ "standard": "ERC20" })).await;
    stage.give(&asset, &ada, "10").await;
    let holding = stage.holdings(&asset).await[0]["objectId"].as_str().unwrap().to_owned();
    for class in [
        "DigitalAsset",
        "AssetDeployment",
        "AssetTransaction",
        "AssetHolding",
        "AssetPermission",
        "AssetMarketplaceListing",
        "ChainSender",
    ] {
        let seen = issuer.client.post(&format!("/classes/{class}"), json!({})).await;
        assert_eq!(seen.code(), 119, "{class}: {}", seen.body);
    }
    // Even the master key is held to what adds up, and to the state machines.
    let path = format!("/classes/AssetHolding/{holding}");
    for (change, expected) in [
        (json!({ "frozen": "11" }), "cannot lock more"),
        (json!({ "balance": "-1" }), "for balance: "),
        (json!({ "pending": "1.5" }), "for pending: "),
        (json!({ "tokenId": "1" }), "tokenId of AssetHolding cannot change"),
        (json!({ "status": "GONE" }), "no status GONE"),
    ] {
        let seen = stage.master().put(&path, change).await;
        assert_eq!(seen.code(), 142, "{}", seen.body);
        assert!(seen.body["error"].as_str().unwrap().contains(expected), "{}", seen.body);
    }
    let seen = stage.master().put(&path, json!({ "available": "1000", "locked": "5" })).await;
    assert_eq!(seen.status, 200);
    assert_eq!(stage.held(&asset, &ada).await, ("10".to_owned(), "10".to_owned()), "they follow from the rest");
}
