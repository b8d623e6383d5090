//! What a chain does with sales, with rules about countries, and with a contract that is there already: two assets are swapped or
//! neither moves, the contract refuses what the ledger would, and nothing is made twice.

use parsimony_connectors::chain::sol_types::SolCall as _;
use parsimony_connectors::chain::{Address, B256, Chain as _, Count, U256, keccak256};
use parsimony_digital_assets::contracts::abi::{Common, Factory};
use parsimony_digital_assets::contracts::asset_key;
use parsimony_testkit::anvil::CHAIN_ID;
use serde_json::{Value, json};

use crate::digital_assets::{address, done};
use crate::digital_assets_chain::World;

crate::on_both_stores!(
    crate::digital_assets_chain::open;
    what_is_sold_for_tokens_is_swapped_or_not_at_all,
    the_contract_holds_to_countries_too,
    a_contract_that_is_there_is_found_and_not_made_twice,
);

/// An asset with its contract, of which somebody holds so much.
async fn asset(world: &World, params: Value, holder: &str, amount: &str) -> String {
    let asset = done(&world.issuer, "createDigitalAsset", params).await["assetId"].as_str().unwrap().to_owned();
    done(&world.issuer, "deployAsset", json!({ "assetId": asset, "chainId": CHAIN_ID })).await;
    world.settle().await;
    done(&world.issuer, "mintTokens", json!({ "assetId": asset, "to": holder, "amount": amount })).await;
    world.settle().await;
    asset
}

async fn listing(world: &World, id: &Value) -> Value {
    let path = format!("/classes/AssetMarketplaceListing/{}", id.as_str().unwrap());
    world.stage.master().get(&path).await.body
}

async fn what_is_sold_for_tokens_is_swapped_or_not_at_all(world: World) {
    world.register("ada", 0xa1).await;
    world.register("bob", 0xb0).await;
    let gold = world.funded("ERC3643").await;
    let described = json!({ "standard": "ERC20", "name": "Coin", "symbol": "CN" });
    let coin = asset(&world, described, &world.bob.id, "100").await;
    let offer = json!({ "assetId": gold, "amount": "40", "price": { "amount": "25", "assetId": coin } });
    let offered = done(&world.ada, "createListing", offer).await["listingId"].clone();

    // Past the ledger, the coin is let rest: the chain refuses one half, and so does neither.
    world.tell(world.contract(&coin).await, Common::pauseCall {}.abi_encode()).await;
    let bought = done(&world.bob, "buyListing", json!({ "listingId": offered })).await;
    assert_eq!(world.held(&gold, &world.bob).await, ("40".to_owned(), "0".to_owned()));
    world.agrees().await;
    let told = world.run("confirmTransactions").await;
    assert!(told.contains("1 failed"), "{told}");
    assert_eq!(world.transaction(&bought).await["status"], "FAILED");
    let seen = listing(&world, &offered).await;
    assert_eq!((&seen["status"], &seen["remaining"], &seen["awaiting"]), (&json!("ACTIVE"), &json!("40"), &json!("0")));
    assert_eq!(world.held(&gold, &world.ada).await, ("100".to_owned(), "60".to_owned()));
    assert_eq!(world.held(&coin, &world.bob).await, ("100".to_owned(), "100".to_owned()));
    assert_eq!(
        (world.on_chain(&gold, 0xa1).await, world.on_chain(&coin, 0xb0).await),
        (U256::from(100), U256::from(100))
    );

    world.tell(world.contract(&coin).await, Common::unpauseCall {}.abi_encode()).await;
    let bought = done(&world.bob, "buyListing", json!({ "listingId": offered })).await;
    world.settle().await;
    assert_eq!(world.transaction(&bought).await["status"], "CONFIRMED");
    let seen = listing(&world, &offered).await;
    assert_eq!((&seen["status"], &seen["sold"]), (&json!("SOLD"), &json!("40")));
    for (asset, ada, bob) in [(&gold, 60_u64, 40_u64), (&coin, 25, 75)] {
        assert_eq!(world.held(asset, &world.ada).await, (ada.to_string(), ada.to_string()));
        assert_eq!(world.held(asset, &world.bob).await, (bob.to_string(), bob.to_string()));
        assert_eq!(
            (world.on_chain(asset, 0xa1).await, world.on_chain(asset, 0xb0).await),
            (U256::from(ada), U256::from(bob))
        );
    }
    world.agrees().await;
}

/// Past the ledger, the registry on the chain is told where somebody lives.
async fn lives_in(world: &World, account: u8, country: u64) {
    let selector: [u8; 4] = keccak256("updateCountry(address,uint16)").0[..4].try_into().unwrap();
    let account: Address = address(account).parse().unwrap();
    let words = [account.into_word(), B256::from(U256::from(country))];
    let input = [&selector[..], words[0].as_slice(), words[1].as_slice()].concat();
    world.tell(world.installed.identity_registry, input).await;
}

async fn the_contract_holds_to_countries_too(world: World) {
    world.register("ada", 0xa1).await;
    world.register("bob", 0xb0).await;
    for rules in [json!({ "allowedCountries": ["DE", "AT"] }), json!({ "blockedCountries": ["FR"] })] {
        let described = json!({ "standard": "ERC20", "name": "Gold", "symbol": "GLD", "complianceRules": rules });
        let asset = asset(&world, described, &world.ada.id, "100").await;
        lives_in(&world, 0xb0, 250).await;
        let created = world.transfer(&asset, "30").await;
        assert!(world.run("confirmTransactions").await.contains("1 failed"), "{rules}");
        assert_eq!(world.transaction(&created).await["status"], "FAILED");
        lives_in(&world, 0xb0, 40).await;
        world.transfer(&asset, "30").await;
        world.settle().await;
        assert_eq!(world.on_chain(&asset, 0xb0).await, U256::from(30), "{rules}");
        world.agrees().await;
    }
}

async fn a_contract_that_is_there_is_found_and_not_made_twice(world: World) {
    let described = json!({ "standard": "ERC20", "name": "Gold", "symbol": "GLD" });
    let id = done(&world.issuer, "createDigitalAsset", described).await["assetId"].as_str().unwrap().to_owned();
    let created = done(&world.issuer, "deployAsset", json!({ "assetId": id, "chainId": CHAIN_ID })).await;
    // The server sent it, died, and its store came back from before that.
    let asset = Factory::Asset {
        name: "Gold".to_owned(),
        symbol: "GLD".to_owned(),
        uri: String::new(),
        decimals: 18,
        cap: U256::ZERO,
        maxBalance: U256::ZERO,
        registry: Address::ZERO,
        settlement: world.installed.settlement,
        countryRule: 0,
        countries: Vec::new(),
    };
    let sent = Factory::deployCall { key: asset_key(&id), standard: 0, asset };
    world.tell(world.installed.factory, sent.abi_encode()).await;
    let count = world.chain.transaction_count(world.key.address(), Count::WithWaiting).await.unwrap();
    let told = world.run("confirmTransactions").await;
    assert!(told.contains("0 submitted, 0 confirmed") && told.contains("1 wait"), "its block may still go: {told}");
    world.anvil.mine(1).await.unwrap();
    let told = world.run("confirmTransactions").await;
    assert!(told.contains("0 submitted, 1 confirmed"), "{told}");
    assert_eq!(world.transaction(&created).await["status"], "CONFIRMED");
    assert_eq!(world.chain.transaction_count(world.key.address(), Count::WithWaiting).await.unwrap(), count);
    let call = Factory::assetOfCall { key: asset_key(&id) }.abi_encode();
    let answer = world.chain.call(world.installed.factory, call.into()).await.unwrap();
    assert_eq!(Factory::assetOfCall::abi_decode_returns(&answer).unwrap(), world.contract(&id).await);
    done(&world.issuer, "mintTokens", json!({ "assetId": id, "to": world.ada.id, "amount": "5" })).await;
    world.settle().await;
    assert_eq!(world.on_chain(&id, 0xa1).await, U256::from(5));
    world.agrees().await;
}
