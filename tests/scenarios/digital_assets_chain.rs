//! Digital assets on a real chain: from a draft to a burned token, and what becomes of them when the chain is reorganized, an
//! endpoint dies, a transaction is dropped, waits too long, or loses its nonce to another one.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use parsimony_cloud::HttpClient;
use parsimony_connectors::Http;
use parsimony_connectors::chain::sol_types::{SolCall as _, SolValue as _};
use parsimony_connectors::chain::{
    Address, B256, Bytes, Chain, ChainOptions, Count, EvmChain, Feed, Inclusion, PriceFault, Receipt, Signer, TxPlan,
    U256, keccak256, read_feed,
};
use parsimony_digital_assets::contracts::abi::{Common, Fungible, Identities};
use parsimony_digital_assets::contracts::{Contract, asset_key};
use parsimony_digital_assets::{Installed, install};
use parsimony_testkit::anvil::{CHAIN_ID, RICH_KEY};
use parsimony_testkit::{Anvil, StoreKind};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::digital_assets::{Known, Person, Stage, address, done, refused};
use crate::jobs::eventually;

crate::on_both_stores!(
    crate::digital_assets_chain::open;
    an_asset_is_made_minted_moved_and_burned,
    tokens_that_differ_are_minted_moved_and_burned,
    what_the_chain_refuses_goes_back,
    what_a_reorganization_took_out_is_sent_again,
    what_was_dropped_is_sent_again,
    what_waits_too_long_is_offered_more_for,
    what_lost_its_nonce_is_decided_once_more,
    services_that_watch_the_chain_are_believed_as_far_as_the_chain,
);

/// A server whose assets are on a chain of its own. The first endpoint of that chain is dead.
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) anvil: Anvil,
    pub(crate) chain: EvmChain,
    pub(crate) key: Signer,
    pub(crate) installed: Installed,
    pub(crate) issuer: Person,
    pub(crate) ada: Person,
    pub(crate) bob: Person,
}

/// With what the services that watch the chain sign.
const SECRET: &str = "whsec_test";

fn options(anvil: &Anvil, confirmations: u64) -> ChainOptions {
    ChainOptions {
        id: CHAIN_ID,
        endpoints: vec!["http://127.0.0.1:9/".to_owned(), anvil.url()],
        confirmations,
        max_fee: 500_000_000_000,
        time_max: Duration::from_secs(10),
    }
}

fn chain(anvil: &Anvil, confirmations: u64) -> EvmChain {
    let http: Arc<dyn HttpClient> = Arc::new(Http::new());
    EvmChain::new(&options(anvil, confirmations), http).unwrap()
}

pub(crate) async fn open(store: StoreKind) -> World {
    let anvil = Anvil::start().await.unwrap();
    let (chain, key) = (chain(&anvil, 1), Signer::parse(RICH_KEY).unwrap());
    let installed = install(&chain, &key).await.unwrap();
    let settings = json!({ "chains": [{
        "id": CHAIN_ID, "endpoints": ["http://127.0.0.1:9/", anvil.url()], "confirmations": 2, "stuckAfterSeconds": 60,
        "signerKey": RICH_KEY, "factory": installed.factory, "identityRegistry": installed.identity_registry,
        "settlement": installed.settlement,
    }], "webhooks": { "alchemy": SECRET, "quicknode": SECRET, "moralis": SECRET } });
    let stage = Stage::open(store, settings).await;
    let issuer = stage.person("issuer", &["issuer"]).await;
    let (ada, bob) = (stage.person("ada", &[]).await, stage.person("bob", &[]).await);
    stage.identify(&ada, &address(0xa1), Known::Verified).await;
    stage.identify(&bob, &address(0xb0), Known::Verified).await;
    World { stage, anvil, chain, key, installed, issuer, ada, bob }
}

/// Sends something past the application; gives its receipt, with a block of its own.
async fn tell(chain: &EvmChain, key: &Signer, to: Option<Address>, input: Bytes) -> Receipt {
    let gas = chain.estimate(key.address(), to, input.clone()).await.unwrap();
    let nonce = chain.transaction_count(key.address(), Count::WithWaiting).await.unwrap();
    let plan = TxPlan { chain: chain.id(), nonce, to, input, gas, fees: chain.fees().await.unwrap() };
    let sent = key.sign(&plan).unwrap();
    chain.send(sent.raw).await.unwrap();
    included(chain, sent.hash).await
}

/// Waits until something that was sent is in a block.
async fn included(chain: &EvmChain, hash: B256) -> Receipt {
    for _ in 0..200 {
        if let Inclusion::Included { receipt, .. } = chain.inclusion(hash).await.unwrap() {
            return receipt;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{hash} is in no block");
}

impl World {
    pub(crate) async fn tell(&self, to: Address, input: Vec<u8>) {
        assert!(tell(&self.chain, &self.key, Some(to), input.into()).await.succeeded);
    }

    /// Enters somebody's address into the registry on the chain.
    pub(crate) async fn register(&self, name: &str, account: u8) {
        let wallet = address(account).parse().unwrap();
        let call = Identities::createIdentityCall { key: asset_key(name), wallet, country: 276 };
        self.tell(self.installed.identity_factory, call.abi_encode()).await;
    }

    /// Runs a job to its end; gives what it said.
    pub(crate) async fn run(&self, job: &str) -> String {
        self.stage.run(job).await
    }

    /// Sends what waits, makes enough blocks, and settles.
    pub(crate) async fn settle(&self) {
        self.run("confirmTransactions").await;
        // What was sent is in one of these, if it had none of its own already.
        self.anvil.mine(2).await.unwrap();
        self.run("confirmTransactions").await;
    }

    pub(crate) async fn transaction(&self, created: &Value) -> Value {
        let id = created["transactionId"].as_str().unwrap();
        self.stage.master().get(&format!("/classes/AssetTransaction/{id}")).await.body
    }

    /// An asset with its contract, of which ada holds a hundred.
    pub(crate) async fn funded(&self, standard: &str) -> String {
        let params = json!({ "standard": standard, "name": "Gold", "symbol": "GLD" });
        let created = done(&self.issuer, "createDigitalAsset", params).await;
        let asset = created["assetId"].as_str().unwrap().to_owned();
        let deploy = json!({ "assetId": asset, "chainId": CHAIN_ID });
        assert_eq!(done(&self.issuer, "deployAsset", deploy).await["status"], "CREATED");
        self.settle().await;
        let mint = json!({ "assetId": asset, "to": self.ada.id, "amount": "100" });
        done(&self.issuer, "mintTokens", mint).await;
        self.settle().await;
        assert_eq!(self.held(&asset, &self.ada).await, ("100".to_owned(), "100".to_owned()));
        asset
    }

    pub(crate) async fn held(&self, asset: &str, holder: &Person) -> (String, String) {
        self.stage.held(asset, holder).await
    }

    pub(crate) async fn contract(&self, asset: &str) -> Address {
        let asset = self.stage.master().get(&format!("/classes/DigitalAsset/{asset}")).await.body;
        assert_eq!(asset["status"], "ACTIVE");
        asset["address"].as_str().unwrap().parse().unwrap()
    }

    /// What the chain says that an address holds.
    pub(crate) async fn on_chain(&self, asset: &str, account: u8) -> U256 {
        let call = Common::holdingOfCall { account: address(account).parse().unwrap(), id: U256::ZERO };
        let answer = self.chain.call(self.contract(asset).await, call.abi_encode().into()).await.unwrap();
        U256::abi_decode(&answer).unwrap()
    }

    pub(crate) async fn transfer(&self, asset: &str, amount: &str) -> Value {
        let params = json!({ "assetId": asset, "to": self.bob.id, "amount": amount });
        done(&self.ada, "transferTokens", params).await
    }

    pub(crate) async fn agrees(&self) {
        let told = self.run("reconcileHoldings").await;
        assert!(told.contains(" 0 differences, 0 assets not asked"), "{told}");
    }
}

fn hash_of(transaction: &Value) -> B256 {
    transaction["transactionHash"].as_str().unwrap().parse().unwrap()
}

async fn an_asset_is_made_minted_moved_and_burned(world: World) {
    world.register("ada", 0xa1).await;
    world.register("bob", 0xb0).await;
    let asset = world.funded("ERC3643").await;
    let deployment = world.stage.master().get("/classes/AssetDeployment").await.results()[0].clone();
    assert_eq!((&deployment["status"], deployment["facets"].as_array().unwrap().len()), (&json!("ACTIVE"), 3));

    let stranger = world.stage.person("stranger", &[]).await;
    world.stage.identify(&stranger, &address(0xcc), Known::Described).await;
    let params = json!({ "assetId": asset, "to": stranger.id, "amount": "1" });
    assert!(refused(&world.ada, "transferTokens", params).await.1.contains("RECEIVER_NOT_VERIFIED"));

    let created = world.transfer(&asset, "30").await;
    assert_eq!(world.held(&asset, &world.bob).await, ("30".to_owned(), "0".to_owned()));
    world.agrees().await;
    world.settle().await;
    assert_eq!(world.held(&asset, &world.bob).await, ("30".to_owned(), "30".to_owned()));
    assert_eq!(
        (world.on_chain(&asset, 0xa1).await, world.on_chain(&asset, 0xb0).await),
        (U256::from(70), U256::from(30))
    );
    let confirmed = world.transaction(&created).await;
    assert_eq!(confirmed["status"], "CONFIRMED");
    assert!(confirmed["confirmations"].as_u64().unwrap() >= 2, "{confirmed}");

    done(&world.bob, "burnTokens", json!({ "assetId": asset, "amount": "10" })).await;
    assert_eq!(world.held(&asset, &world.bob).await, ("30".to_owned(), "20".to_owned()));
    world.settle().await;
    assert_eq!(world.held(&asset, &world.bob).await, ("20".to_owned(), "20".to_owned()));
    assert_eq!(world.on_chain(&asset, 0xb0).await, U256::from(20));
    let shown = world.stage.master().get(&format!("/classes/DigitalAsset/{asset}")).await.body;
    assert_eq!(shown["totalSupply"], "90");
    world.agrees().await;

    // What happens past the ledger is found.
    let call = Fungible::burnCall { from: address(0xb0).parse().unwrap(), value: U256::from(5) };
    world.tell(world.contract(&asset).await, call.abi_encode()).await;
    let told = world.run("reconcileHoldings").await;
    assert!(told.contains("2 differences") && told.contains("the chain has 15, the ledger 20"), "{told}");

    let auditor = world.stage.person("auditor", &["auditor"]).await;
    let verdict = done(&auditor, "verifyAuditTrail", json!({ "application": "digital-assets" })).await;
    assert_eq!((&verdict["intact"], &verdict["complete"]), (&json!(true), &json!(true)), "{verdict}");
    assert!(verdict["entries"].as_u64().unwrap() >= 12, "{verdict}");
}

async fn tokens_that_differ_are_minted_moved_and_burned(world: World) {
    for (standard, amount, left) in [("ERC721", None, 0_u64), ("ERC1155", Some("5"), 5)] {
        let params = json!({ "standard": standard, "name": "Art", "symbol": "ART", "baseUri": "https://art.example/" });
        let asset = done(&world.issuer, "createDigitalAsset", params).await["assetId"].as_str().unwrap().to_owned();
        done(&world.issuer, "deployAsset", json!({ "assetId": asset, "chainId": CHAIN_ID })).await;
        world.settle().await;
        let with = |mut params: Value, amount: Option<&str>| {
            params["assetId"] = json!(asset);
            params["tokenId"] = json!("7");
            if let Some(amount) = amount {
                params["amount"] = json!(amount);
            }
            params
        };
        let minted = amount.map(|_| "10");
        done(&world.issuer, "mintTokens", with(json!({ "to": world.ada.id }), minted)).await;
        world.settle().await;
        done(&world.ada, "transferTokens", with(json!({ "to": world.bob.id }), amount)).await;
        world.settle().await;
        world.agrees().await;
        done(&world.bob, "burnTokens", with(json!({}), amount)).await;
        world.settle().await;
        world.agrees().await;
        let call = Common::supplyCall {}.abi_encode();
        let answer = world.chain.call(world.contract(&asset).await, call.into()).await.unwrap();
        assert_eq!(U256::abi_decode(&answer).unwrap(), U256::from(left), "{standard}");
    }
}

async fn what_the_chain_refuses_goes_back(world: World) {
    let asset = world.funded("ERC20").await;
    // Past the ledger, the contract is let rest.
    world.tell(world.contract(&asset).await, Common::pauseCall {}.abi_encode()).await;
    let created = world.transfer(&asset, "30").await;
    assert_eq!(world.held(&asset, &world.ada).await.0, "70");
    let told = world.run("confirmTransactions").await;
    assert!(told.contains("1 failed"), "{told}");
    let failed = world.transaction(&created).await;
    assert_eq!(failed["status"], "FAILED");
    assert!(failed["failure"].as_str().unwrap().contains("the chain refused"), "{failed}");
    assert_eq!(world.held(&asset, &world.ada).await, ("100".to_owned(), "100".to_owned()));
    assert_eq!(world.held(&asset, &world.bob).await, ("0".to_owned(), "0".to_owned()));
    world.agrees().await;
}

async fn what_a_reorganization_took_out_is_sent_again(world: World) {
    let asset = world.funded("ERC20").await;
    let created = world.transfer(&asset, "30").await;
    world.run("confirmTransactions").await;
    included(&world.chain, hash_of(&world.transaction(&created).await)).await;
    world.run("confirmTransactions").await;
    let seen = world.transaction(&created).await;
    assert_eq!((&seen["status"], &seen["confirmations"]), (&json!("SUBMITTED"), &json!(1)));
    // The block goes, and its transaction with it.
    world.anvil.automine(false).await.unwrap();
    world.anvil.ask("anvil_rollback", json!([1])).await.unwrap();
    assert_eq!(world.on_chain(&asset, 0xb0).await, U256::ZERO);
    world.run("confirmTransactions").await;
    let gone = world.transaction(&created).await;
    assert_eq!((&gone["status"], &gone["blockHash"]), (&json!("SUBMITTED"), &Value::Null));
    world.anvil.automine(true).await.unwrap();
    world.anvil.mine(2).await.unwrap();
    world.run("confirmTransactions").await;
    let confirmed = world.transaction(&created).await;
    assert_eq!((&confirmed["status"], &confirmed["hashes"]), (&json!("CONFIRMED"), &seen["hashes"]));
    assert_ne!(confirmed["blockHash"], seen["blockHash"]);
    assert_eq!(world.on_chain(&asset, 0xb0).await, U256::from(30));
    world.agrees().await;
}

async fn what_was_dropped_is_sent_again(world: World) {
    let asset = world.funded("ERC20").await;
    world.anvil.automine(false).await.unwrap();
    let created = world.transfer(&asset, "30").await;
    world.run("confirmTransactions").await;
    let hash = hash_of(&world.transaction(&created).await);
    world.anvil.ask("anvil_dropTransaction", json!([hash])).await.unwrap();
    let unknown = world.chain.inclusion(hash).await.unwrap();
    assert_eq!(unknown, Inclusion::Unknown);
    world.run("confirmTransactions").await;
    world.anvil.mine(2).await.unwrap();
    world.run("confirmTransactions").await;
    let confirmed = world.transaction(&created).await;
    assert_eq!((&confirmed["status"], &confirmed["transactionHash"]), (&json!("CONFIRMED"), &json!(hash)));
}

async fn what_waits_too_long_is_offered_more_for(world: World) {
    let asset = world.funded("ERC20").await;
    world.anvil.automine(false).await.unwrap();
    let created = world.transfer(&asset, "30").await;
    world.run("confirmTransactions").await;
    let before = world.transaction(&created).await;
    assert!(world.run("confirmTransactions").await.contains("0 offered more, 1 wait"));
    // From here on the job may also run by itself.
    world.stage.clock.advance_millis(61_000);
    world.run("confirmTransactions").await;
    let after = world.transaction(&created).await;
    let fee = |seen: &Value| seen["maxFeePerGas"].as_str().unwrap().parse::<u128>().unwrap();
    assert!(fee(&after) * 100 >= fee(&before) * 125, "{before} {after}");
    assert_eq!((&after["nonce"], after["hashes"].as_array().unwrap().len()), (&before["nonce"], 2));
    world.anvil.mine(2).await.unwrap();
    world.run("confirmTransactions").await;
    assert_eq!(world.transaction(&created).await["status"], "CONFIRMED");
    assert_eq!(world.on_chain(&asset, 0xb0).await, U256::from(30), "only one of both was done");
}

async fn what_lost_its_nonce_is_decided_once_more(world: World) {
    let asset = world.funded("ERC20").await;
    world.anvil.automine(false).await.unwrap();
    let created = world.transfer(&asset, "30").await;
    world.run("confirmTransactions").await;
    let sent = world.transaction(&created).await;
    // Somebody with the same key sends something else with its nonce, for more.
    let fees = world.chain.fees().await.unwrap();
    let fees = fees.raised(fees, u128::MAX).unwrap().raised(fees, u128::MAX).unwrap();
    let plan = TxPlan {
        chain: CHAIN_ID,
        nonce: sent["nonce"].as_u64().unwrap(),
        to: Some(world.key.address()),
        input: Bytes::new(),
        gas: 21_000,
        fees,
    };
    world.chain.send(world.key.sign(&plan).unwrap().raw).await.unwrap();
    world.anvil.mine(1).await.unwrap();
    world.anvil.automine(true).await.unwrap();
    world.run("confirmTransactions").await;
    assert_eq!(world.transaction(&created).await["status"], "SUBMITTED", "an endpoint may be behind");
    world.stage.clock.advance_millis(61_000);
    world.run("confirmTransactions").await;
    assert_eq!(world.transaction(&created).await["status"], "REPLACED");
    world.settle().await;
    let path = r#"/classes/AssetTransaction?where={"replaces":{"$exists":true}}"#;
    let again = world.stage.master().get(path).await.results()[0].clone();
    assert_eq!((&again["status"], &again["amount"]), (&json!("CONFIRMED"), &json!("30")));
    assert_eq!(world.on_chain(&asset, 0xb0).await, U256::from(30));
    assert_eq!(world.held(&asset, &world.bob).await, ("30".to_owned(), "30".to_owned()));
    world.agrees().await;
}

/// An HMAC as its hexadecimal digits.
fn hmac(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// What a service tells of a transaction, signed as it signs.
fn told(source: &str, hash: B256, event: u32) -> (String, Vec<(&'static str, String)>) {
    match source {
        "alchemy" => {
            let transaction = json!({ "network": "LOCAL", "transaction": { "hash": hash } });
            let body = json!({ "id": format!("whevt_{event}"), "type": "MINED_TRANSACTION", "event": transaction })
                .to_string();
            let signature = hmac(&body);
            (body, vec![("x-alchemy-signature", signature)])
        }
        "quicknode" => {
            let body = json!([{ "transactionHash": hash, "logs": [] }]).to_string();
            let (nonce, time) = (format!("nonce-{event}"), "1767225600".to_owned());
            let signature = hmac(&format!("{nonce}{time}{body}"));
            (body, vec![("x-qn-nonce", nonce), ("x-qn-timestamp", time), ("x-qn-signature", signature)])
        }
        _ => {
            let block = json!({ "number": "1", "hash": B256::with_last_byte(u8::try_from(event).unwrap()) });
            let body = json!({ "streamId": "s", "chainId": "0x7a69", "confirmed": true, "block": block, "txs": [{ "hash": hash }] });
            let body = body.to_string();
            let signature = format!("{}", keccak256(format!("{body}{SECRET}")));
            (body, vec![("x-signature", signature)])
        }
    }
}

impl World {
    async fn deliver(&self, source: &str, (body, headers): &(String, Vec<(&'static str, String)>)) -> u16 {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let path = format!("/webhooks/digital-assets/{source}");
        let asked = self.stage.app.as_nobody().ask_raw("POST", &path, &headers, body.as_bytes().to_vec()).await;
        asked.unwrap().status
    }

    /// Waits until every event that was stored has been handled.
    async fn handled(&self, count: usize) {
        eventually("events are handled", async || {
            let events = self.stage.master().get("/classes/WebhookEvent").await.results().to_vec();
            (events.len() == count && events.iter().all(|event| event["status"] == "PROCESSED")).then_some(())
        })
        .await;
    }
}

async fn services_that_watch_the_chain_are_believed_as_far_as_the_chain(world: World) {
    let asset = world.funded("ERC20").await;
    let mut events = 0;
    for (number, source) in ["alchemy", "quicknode", "moralis"].into_iter().enumerate() {
        let created = world.transfer(&asset, "10").await;
        world.run("confirmTransactions").await;
        let hash = hash_of(&world.transaction(&created).await);
        included(&world.chain, hash).await;
        // It says that all is well while it is not: the chain is asked, and has one block of two.
        let event = u32::try_from(number).unwrap() * 2;
        let early = told(source, hash, event);
        assert_eq!(world.deliver(source, &early).await, 200);
        events += 1;
        world.handled(events).await;
        let seen = world.transaction(&created).await;
        assert_eq!((&seen["status"], &seen["confirmations"]), (&json!("SUBMITTED"), &json!(1)), "{source}");

        world.anvil.mine(1).await.unwrap();
        let (body, headers) = told(source, hash, event + 1);
        let forged = (body.replace("0x", "0X"), headers.clone());
        assert_eq!(world.deliver(source, &forged).await, 401, "{source}");
        let late = (body, headers);
        for _ in 0..3 {
            assert_eq!(world.deliver(source, &late).await, 200);
        }
        events += 1;
        world.handled(events).await;
        assert_eq!(world.transaction(&created).await["status"], "CONFIRMED", "{source}");
        // What comes again, late and out of order, does nothing.
        assert_eq!(world.deliver(source, &early).await, 200);
    }
    assert_eq!(world.held(&asset, &world.bob).await, ("30".to_owned(), "30".to_owned()));
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_endpoint_answers_when_one_dies() {
    let (mut one, two) = (Anvil::start().await.unwrap(), Anvil::start().await.unwrap());
    let http: Arc<dyn HttpClient> = Arc::new(Http::new());
    let endpoints = vec![one.url(), two.url()];
    let both = EvmChain::new(&ChainOptions { endpoints, ..options(&one, 1) }, http).unwrap();
    one.mine(5).await.unwrap();
    assert_eq!(both.head().await.unwrap().number, 5);
    one.kill();
    assert_eq!(both.head().await.unwrap().number, 0, "the other one answers");
    let health = both.health();
    assert!(health[0].last_failure.is_some() && health[1].last_failure.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_feed_is_believed_while_it_is_fresh() {
    let anvil = Anvil::start().await.unwrap();
    let (chain, key) = (chain(&anvil, 1), Signer::parse(RICH_KEY).unwrap());
    let creation = Contract::LocalPriceFeed.creation(&U256::from(8).abi_encode()).unwrap();
    let address = tell(&chain, &key, None, creation).await.contract.unwrap();
    let feed = Feed { address, age_seconds_max: 3_600, sequencer: None };
    assert!(matches!(read_feed(&chain, &feed).await, Err(PriceFault::NoPrice(_))));
    let now = chain.head().await.unwrap().seconds;
    let set = |price: u64, at: u64| {
        let selector: [u8; 4] = keccak256("set(int256,uint256)").0[..4].try_into().unwrap();
        let words = [B256::from(U256::from(price)), B256::from(U256::from(at))];
        Bytes::from([&selector[..], words[0].as_slice(), words[1].as_slice()].concat())
    };
    tell(&chain, &key, Some(address), set(200_012_345_678, now)).await;
    let price = read_feed(&chain, &feed).await.unwrap();
    assert_eq!((price.value, price.decimals, price.seconds), (U256::from(200_012_345_678_u64), 8, now));
    tell(&chain, &key, Some(address), set(1, now - 7_200)).await;
    assert_eq!(read_feed(&chain, &feed).await, Err(PriceFault::Stale { seconds: now - 7_200 }));
}
