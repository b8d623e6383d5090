//! What digital assets refuse: parameters that are none, whatever is wrong with them, and that records go.

use parsimony_testkit::StoreKind;
use serde_json::{Value, json};

use crate::digital_assets::{Person, Stage, address, applications, done, pointer};
use crate::wrong_parameters::{KIT, every_one_is_refused};

crate::on_both_stores!(
    crate::digital_assets_limits::open;
    every_wrong_parameter_of_every_function_is_named_and_changes_nothing,
    what_is_a_record_is_not_deleted,
    who_asked_is_told_what_the_chain_refused,
);

/// A server with a chain that is ready and never answers, and a feed of prices.
struct Site {
    stage: Stage,
    /// Has every role.
    root: Person,
}

/// A key that signs nothing that anybody takes.
const KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

pub(crate) fn settings() -> Value {
    json!({
        "chains": [{
            "id": 31_337, "endpoints": ["http://127.0.0.1:9/"], "signerKey": KEY, "factory": address(0xfa),
            "identityRegistry": address(0x1d), "settlement": address(0x5e),
        }],
        "prices": { "feeds": { "gold": { "coinGecko": "gold" }, "oil": {} } },
    })
}

async fn open(store: StoreKind) -> Site {
    let stage = Stage::open(store, settings()).await;
    let root = stage.person("root", &["admin"]).await;
    Site { stage, root }
}

/// Every function with its parameters, in the words of [`every_one_is_refused`]. Nothing that they name is there, so whoever looks
/// for it before all parameters are good says so.
const FUNCTIONS: &str = "
createDigitalAsset standard=ERC20 name=Gold symbol=GLD decimals:count supplyCap:text baseUri:text priceFeed:text \
    complianceRules:map complianceRules.requireVerified:flag complianceRules.maxBalance:text \
    complianceRules.allowedCountries:list complianceRules.blockedCountries:list complianceRules.transferableFrom:date \
    metadata:map requestKey:text
deployAsset assetId=abcdefghij chainId=31337 requestKey:text
mintTokens assetId=abcdefghij to=abcdefghij amount:text tokenId:text requestKey:text
transferTokens assetId=abcdefghij to=abcdefghij from:text amount:text tokenId:text requestKey:text
burnTokens assetId=abcdefghij from:text amount:text tokenId:text requestKey:text
pauseAsset assetId=abcdefghij paused:flag requestKey:text
retireAsset assetId=abcdefghij requestKey:text
freezeHolding assetId=abcdefghij holder=abcdefghij frozen:flag amount:text tokenId:text requestKey:text
grantAssetPermission assetId=abcdefghij user=abcdefghij permission=MINT expiresAt:date requestKey:text
revokeAssetPermission permissionId=abcdefghij requestKey:text
createListing assetId=abcdefghij amount:text tokenId:text price={\"amount\":\"1.00\",\"currency\":\"EUR\"} price.amount:text \
    price.currency:text allowPartial:flag expiresAt:date metadata:map requestKey:text
cancelListing listingId=abcdefghij requestKey:text
buyListing listingId=abcdefghij amount:text buyer:text paymentReference:text requestKey:text
getAssetPortfolio holder:text skip:count limit:count total:flag
";

/// What is wrong for what it means.
fn special() -> Vec<(&'static str, &'static str, Value)> {
    let date = |iso: &str| json!({ "__type": "Date", "iso": iso });
    let amounts = ["0", "-1", "1.5", "1e3", "0x10", " 1", "01", "", "9".repeat(78).as_str()].map(|text| json!(text));
    let mut wrong = vec![
        ("createDigitalAsset", "standard", json!("erc20")),
        ("createDigitalAsset", "decimals", json!(37)),
        ("createDigitalAsset", "symbol", json!("G L D")),
        ("createDigitalAsset", "symbol", json!("GOLDGOLDGOLDG")),
        ("createDigitalAsset", "name", json!("")),
        ("createDigitalAsset", "baseUri", json!("https://of.what.is.fungible/")),
        ("createDigitalAsset", "priceFeed", json!("silver")),
        ("createDigitalAsset", "complianceRules.blockedCountries", json!(["XX"])),
        ("createDigitalAsset", "complianceRules.unheardOf", json!(1)),
        ("deployAsset", "chainId", json!(1)),
        ("transferTokens", "from", json!("")),
        ("grantAssetPermission", "permission", json!("DEPLOY")),
        ("grantAssetPermission", "expiresAt", date("2001-01-01T00:00:00.000Z")),
        ("createListing", "price", json!({ "amount": "1.00" })),
        ("createListing", "price.amount", json!("1.001")),
        ("createListing", "price.amount", json!("-1")),
        ("createListing", "price.currency", json!("XXY")),
        ("createListing", "price", json!({ "amount": "1", "currency": "EUR", "assetId": "abcdefghij" })),
        ("createListing", "expiresAt", date("2001-01-01T00:00:00.000Z")),
        ("createListing", "expiresAt", date("2999-01-01T00:00:00.000Z")),
        ("getAssetPortfolio", "limit", json!(0)),
        ("getAssetPortfolio", "limit", json!(1_001)),
    ];
    for function in ["mintTokens", "transferTokens", "burnTokens", "freezeHolding", "createListing", "buyListing"] {
        wrong.extend(amounts.iter().map(|amount| (function, "amount", amount.clone())));
    }
    wrong.extend(amounts.iter().map(|cap| ("createDigitalAsset", "supplyCap", cap.clone())));
    wrong.extend(amounts.iter().map(|most| ("createDigitalAsset", "complianceRules.maxBalance", most.clone())));
    wrong
}

async fn every_wrong_parameter_of_every_function_is_named_and_changes_nothing(site: Site) {
    let [_, assets] = applications(settings());
    let table = [FUNCTIONS, KIT].concat();
    every_one_is_refused((&site.stage.app, &site.root.client), assets, &table, &special()).await;
    // Those that exist are told, and the master key has no others either.
    let asset = site.stage.active(&site.root, json!({ "standard": "ERC20" })).await;
    let seen =
        site.stage.master().put(&format!("/classes/DigitalAsset/{asset}"), json!({ "priceFeed": "silver" })).await;
    let text = "Validation failed. Invalid value for priceFeed: this server knows the feeds [gold, oil].";
    assert_eq!((seen.code(), seen.body["error"].as_str()), (142, Some(text)));
}

async fn what_is_a_record_is_not_deleted(site: Site) {
    let Site { stage, root } = site;
    let (ada, bob) = (stage.holder("ada", 1).await, stage.holder("bob", 2).await);
    let asset = stage.active(&root, json!({ "standard": "ERC20" })).await;
    stage.give(&asset, &ada, "100").await;
    let permission = json!({ "assetId": asset, "user": bob.id, "permission": "MINT" });
    let permission = done(&root, "grantAssetPermission", permission).await["permissionId"].clone();
    let offer = json!({ "assetId": asset, "amount": "10", "price": { "amount": "1.00", "currency": "EUR" } });
    let listing = done(&ada, "createListing", offer).await["listingId"].clone();
    let transfer = json!({ "assetId": asset, "to": bob.id, "amount": "1" });
    let transaction = done(&ada, "transferTokens", transfer).await["transactionId"].clone();
    let holding = stage.holdings(&asset).await[0].clone();
    let balance = holding["balance"].as_str().unwrap();
    let moved = format!("There are {balance} units in this holding; they have to be moved or burned first.");
    let [permission, listing, transaction, holding] =
        [&permission, &listing, &transaction, &holding["objectId"]].map(|id| id.as_str().unwrap());
    for (class, id, why) in [
        (
            "DigitalAsset",
            asset.as_str(),
            "The asset still has 2 object(s) of the class AssetHolding; retire it instead.",
        ),
        ("AssetHolding", holding, moved.as_str()),
        ("AssetTransaction", transaction, "A transaction is kept as a record of who held what."),
        ("AssetPermission", permission, "The permission counts; revoke it first."),
        ("AssetMarketplaceListing", listing, "A listing that is ACTIVE keeps tokens of its seller; cancel it first."),
    ] {
        let path = format!("/classes/{class}/{id}");
        let refused = stage.master().delete(&path).await;
        assert_eq!((refused.code(), refused.body["error"].as_str()), (119, Some(why)), "{class}");
        assert_eq!(stage.master().get(&path).await.status, 200, "{class}");
    }
    // What ended may go.
    done(&root, "revokeAssetPermission", json!({ "permissionId": permission })).await;
    done(&ada, "cancelListing", json!({ "listingId": listing })).await;
    let draft = done(&root, "createDigitalAsset", json!({ "standard": "ERC20", "name": "A", "symbol": "A" })).await;
    for (class, id) in [
        ("AssetPermission", permission),
        ("AssetMarketplaceListing", listing),
        ("DigitalAsset", draft["assetId"].as_str().unwrap()),
    ] {
        assert_eq!(stage.master().delete(&format!("/classes/{class}/{id}")).await.status, 200, "{class}");
    }
}

async fn who_asked_is_told_what_the_chain_refused(site: Site) {
    let Site { stage, root } = site;
    let (ada, bob) = (stage.holder("ada", 1).await, stage.holder("bob", 2).await);
    let asset = stage.active(&root, json!({ "standard": "ERC20" })).await;
    stage.give(&asset, &ada, "100").await;
    let transfer = json!({ "assetId": asset, "to": bob.id, "amount": "1" });
    let created = done(&ada, "transferTokens", transfer).await;
    let path = format!("/classes/AssetTransaction/{}", created["transactionId"].as_str().unwrap());
    assert_eq!(ada.client.get("/classes/Notification").await.results().len(), 0);
    for change in [json!({ "status": "FAILED" }), json!({ "confirmations": 0 })] {
        assert_eq!(stage.master().put(&path, change).await.status, 200);
    }
    let told = ada.client.get("/classes/Notification").await;
    let [told] = told.results() else { panic!("one: {}", told.body) };
    assert_eq!(
        (&told["kind"], &told["title"]),
        (&json!("TRANSACTION_FAILED"), &json!("The chain refused it: TRANSFER."))
    );
    assert_eq!(told["data"], json!({ "transactionId": created["transactionId"], "assetId": asset }));
    assert_eq!(told["user"], pointer("_User", &ada.id));
    assert_eq!(bob.client.get("/classes/Notification").await.results().len(), 0);
}
