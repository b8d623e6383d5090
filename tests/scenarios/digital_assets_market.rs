//! Assets for sale: who may offer, cancel and buy what, that nothing is sold twice or paid by nobody, and that holdings add up. No
//! chain is asked; `digital_assets_chain.rs` sells on one.

use parsimony_testkit::StoreKind;
use serde_json::{Value, json};

use crate::digital_assets::{Known, Person, Stage, address, applications, done, pointer, refused};
use crate::jobs::eventually;

crate::on_both_stores!(
    crate::digital_assets_market::open;
    what_is_offered_is_kept_for_who_buys_it,
    tokens_are_paid_with_tokens_in_one_step,
    money_is_attested_by_who_sees_it_and_once,
    of_thirty_two_buyers_on_two_servers_one_wins,
    parts_are_bought_while_there_are_some,
    the_rules_of_both_assets_hold,
    what_nobody_bought_in_time_goes_back,
    an_asset_retires_when_nothing_of_it_is_left,
);

/// A server with two assets on a chain that is never asked: gold, of which ada has a thousand, and coins, of which bob and
/// cleo have a thousand each.
struct Market {
    stage: Stage,
    issuer: Person,
    ada: Person,
    bob: Person,
    cleo: Person,
    gold: String,
    coin: String,
}

/// A chain with a settlement, whose only endpoint is nobody's.
fn settings() -> Value {
    json!({ "chains": [{ "id": 31_337, "endpoints": ["http://127.0.0.1:9/"], "settlement": address(0x5e) }] })
}

async fn open(store: StoreKind) -> Market {
    let stage = Stage::open(store, settings()).await;
    let issuer = stage.person("issuer", &["issuer"]).await;
    let mut people = Vec::new();
    for (number, name) in (1..).zip(["ada", "bob", "cleo"]) {
        people.push(stage.holder(name, number).await);
    }
    let [ada, bob, cleo] = people.try_into().ok().unwrap();
    let gold = stage.active(&issuer, json!({ "standard": "ERC3643" })).await;
    let coin = stage.active(&issuer, json!({ "standard": "ERC20", "name": "Coin", "symbol": "CN" })).await;
    stage.give(&gold, &ada, "1000").await;
    for payer in [&bob, &cleo] {
        stage.give(&coin, payer, "1000").await;
    }
    Market { stage, issuer, ada, bob, cleo, gold, coin }
}

impl Market {
    /// Ada offers gold; gives the id of the listing.
    async fn offer(&self, amount: &str, price: Value, more: Value) -> String {
        let mut params = json!({ "assetId": self.gold, "amount": amount, "price": price });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        done(&self.ada, "createListing", params).await["listingId"].as_str().unwrap().to_owned()
    }

    fn coins(&self, amount: &str) -> Value {
        json!({ "amount": amount, "assetId": self.coin })
    }

    async fn listing(&self, id: &str) -> Value {
        self.stage.master().get(&format!("/classes/AssetMarketplaceListing/{id}")).await.body
    }

    /// Balance and what of it is available.
    async fn held(&self, asset: &str, holder: &Person) -> [u64; 2] {
        let (balance, available) = self.stage.held(asset, holder).await;
        [balance, available].map(|text| text.parse().unwrap())
    }

    /// What is held of both assets is what there was.
    async fn adds_up(&self) {
        assert_eq!((self.stage.sum(&self.gold).await, self.stage.sum(&self.coin).await), (1_000, 2_000));
    }
}

fn euros(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

async fn what_is_offered_is_kept_for_who_buys_it(market: Market) {
    let (ada, bob) = (&market.ada, &market.bob);
    let listing = market.offer("600", euros("12.50"), json!({})).await;
    assert_eq!(market.held(&market.gold, ada).await, [1_000, 400]);
    let transfer = json!({ "assetId": market.gold, "to": bob.id, "amount": "401" });
    assert!(refused(ada, "transferTokens", transfer).await.1.contains("INSUFFICIENT_AVAILABLE"));
    let again = json!({ "assetId": market.gold, "amount": "401", "price": euros("1") });
    assert!(refused(ada, "createListing", again).await.1.contains("INSUFFICIENT_AVAILABLE"));
    // Everybody who is logged in sees it; nobody writes it past the functions.
    let path = format!("/classes/AssetMarketplaceListing/{listing}");
    let seen = bob.client.get(&path).await.body;
    assert_eq!((&seen["price"], &seen["remaining"]), (&euros("12.50"), &json!("600")), "{seen}");
    assert_eq!(ada.client.put(&path, json!({ "price": euros("1") })).await.code(), 119);
    for (change, expected) in [
        (json!({ "price": euros("1") }), "price of AssetMarketplaceListing cannot change"),
        (json!({ "sold": "1" }), "cannot sell more than it offers"),
        (json!({ "status": "SOLD" }), "cannot go from ACTIVE to SOLD"),
    ] {
        let seen = market.stage.master().put(&path, change).await;
        assert!(seen.code() == 142 && seen.body["error"].as_str().unwrap().contains(expected), "{}", seen.body);
    }

    let cancel = json!({ "listingId": listing });
    assert_eq!(refused(bob, "cancelListing", cancel.clone()).await.0, 119);
    let cancelled = done(ada, "cancelListing", cancel.clone()).await;
    assert_eq!((&cancelled["status"], &cancelled["released"]), (&json!("CANCELLED"), &json!("600")));
    assert_eq!(market.held(&market.gold, ada).await, [1_000, 1_000]);
    let (code, text) = refused(ada, "cancelListing", cancel).await;
    assert_eq!((code, text.as_str()), (142, "AssetMarketplaceListing cannot go from CANCELLED to CANCELLED."));
}

async fn tokens_are_paid_with_tokens_in_one_step(market: Market) {
    let (ada, bob) = (&market.ada, &market.bob);
    let listing = market.offer("600", market.coins("900"), json!({})).await;
    let buy = json!({ "listingId": listing, "requestKey": "k" });
    let bought = done(bob, "buyListing", buy.clone()).await;
    assert_eq!(
        (&bought["status"], &bought["amount"], &bought["payment"]),
        (&json!("RESERVED"), &json!("600"), &market.coins("900"))
    );
    assert_eq!(done(bob, "buyListing", buy).await, bought, "the key makes it one purchase");
    assert_eq!(market.held(&market.gold, ada).await, [400, 400]);
    assert_eq!(market.held(&market.gold, bob).await, [600, 0], "it is not confirmed");
    assert_eq!(market.held(&market.coin, bob).await, [100, 100]);
    assert_eq!(market.held(&market.coin, ada).await, [900, 0], "neither is this");
    let path = format!("/classes/AssetTransaction/{}", bought["transactionId"].as_str().unwrap());
    let written = bob.client.get(&path).await.body;
    assert_eq!((&written["type"], &written["paymentAmount"]), (&json!("SWAP"), &json!("900")), "{written}");
    let (code, text) = refused(ada, "cancelListing", json!({ "listingId": listing })).await;
    assert_eq!((code, text.as_str()), (142, "AssetMarketplaceListing cannot go from RESERVED to CANCELLED."));
    market.adds_up().await;
}

async fn money_is_attested_by_who_sees_it_and_once(market: Market) {
    let (ada, bob) = (&market.ada, &market.bob);
    let bank = market.stage.person("bank", &["bank-officer"]).await;
    let first = market.offer("300", euros("100"), json!({})).await;
    let second = market.offer("300", euros("100"), json!({})).await;
    let buy = |listing: &str, buyer: &Person, reference: Option<&str>| {
        let mut params = json!({ "listingId": listing, "buyer": buyer.id });
        if let Some(reference) = reference {
            params["paymentReference"] = json!(reference);
        }
        params
    };
    for (who, params, code, expected) in [
        (bob, buy(&first, bob, Some("SEPA-1")), 119, "Only bank-officer or asset-manager may attest"),
        (&bank, buy(&first, &bank, Some("SEPA-1")), 119, "One may not attest a payment of one's own."),
        (&bank, buy(&first, ada, Some("SEPA-1")), 142, "for buyer: it is the seller"),
        (&bank, buy(&first, bob, None), 142, "for paymentReference: the listing costs money"),
        (&bank, buy(&first, bob, Some("two words")), 142, "for paymentReference: "),
    ] {
        let (seen, text) = refused(who, "buyListing", params).await;
        assert!(seen == code && text.contains(expected), "{seen} {text}");
    }
    let bought = done(&bank, "buyListing", buy(&first, bob, Some("SEPA-1"))).await;
    assert_eq!(bought["payment"], euros("100.00"));
    let (code, text) = refused(&bank, "buyListing", buy(&second, bob, Some("SEPA-1"))).await;
    assert_eq!((code, text.as_str()), (137, "This payment was attested for another sale already."));
    assert_eq!(market.listing(&second).await["status"], "ACTIVE");
    assert_eq!(market.held(&market.gold, bob).await, [300, 0]);
    done(&bank, "buyListing", buy(&second, bob, Some("SEPA-2"))).await;
    market.adds_up().await;
}

async fn of_thirty_two_buyers_on_two_servers_one_wins(market: Market) {
    let listing = market.offer("600", market.coins("10"), json!({})).await;
    let other = market.stage.app.beside(applications(settings()), |_options| {}).await.unwrap();
    let mut clients = Vec::new();
    for (name, person) in [("bob", &market.bob), ("cleo", &market.cleo)] {
        let token = other.log_in(name, &format!("password of {name}")).await;
        clients.extend([person.client.clone(), other.as_user(&token)]);
    }
    let asked = (0..32_usize).map(|number| {
        let (client, params) = (clients[number % 4].clone(), json!({ "listingId": listing }));
        async move { client.post("/functions/buyListing", params).await }
    });
    let seen = futures::future::join_all(asked).await;
    let told: Vec<_> = seen.iter().map(|seen| (seen.status, seen.body.to_string())).collect();
    assert_eq!(seen.iter().filter(|seen| seen.status == 200).count(), 1, "{told:?}");
    let lost = |seen: &&parsimony_testkit::Seen| seen.body["error"].as_str().unwrap_or_default().contains("RESERVED");
    assert_eq!(seen.iter().filter(lost).count(), 31, "{told:?}");
    assert_eq!(market.held(&market.gold, &market.ada).await, [400, 400]);
    assert_eq!(market.held(&market.coin, &market.ada).await, [10, 0]);
    assert_eq!(market.stage.transactions().await, 1);
    market.adds_up().await;
}

async fn parts_are_bought_while_there_are_some(market: Market) {
    let (bob, cleo) = (&market.bob, &market.cleo);
    let whole = market.offer("100", market.coins("10"), json!({})).await;
    let part = |listing: &str, amount: &str| json!({ "listingId": listing, "amount": amount });
    assert!(refused(bob, "buyListing", part(&whole, "99")).await.1.contains("sold as a whole"));
    let listing = market.offer("900", market.coins("100"), json!({ "allowPartial": true })).await;
    let bought = done(bob, "buyListing", part(&listing, "100")).await;
    // A ninth of a hundred is eleven and something: twelve.
    assert_eq!((&bought["status"], &bought["payment"]), (&json!("ACTIVE"), &market.coins("12")));
    assert!(refused(cleo, "buyListing", part(&listing, "801")).await.1.contains("for amount: 800 are left"));
    for amount in ["0", "-1", "1.5", "x"] {
        assert!(refused(cleo, "buyListing", part(&listing, amount)).await.1.contains("for amount: "), "{amount}");
    }
    let rest = done(cleo, "buyListing", json!({ "listingId": listing })).await;
    assert_eq!((&rest["status"], &rest["amount"]), (&json!("RESERVED"), &json!("800")));
    let seen = market.listing(&listing).await;
    assert_eq!((&seen["remaining"], &seen["awaiting"], &seen["sold"]), (&json!("0"), &json!("900"), &json!("0")));
    assert_eq!(market.held(&market.gold, &market.ada).await, [100, 0], "the other listing is still there");
    market.adds_up().await;
}

async fn the_rules_of_both_assets_hold(market: Market) {
    let Market { stage, issuer, ada, bob, gold, coin, .. } = &market;
    let stranger = stage.person("stranger", &[]).await;
    stage.identify(&stranger, &address(9), Known::Described).await;
    stage.give(coin, &stranger, "1000").await;
    let dear = market.offer("1", market.coins("1001"), json!({})).await;
    let fair = market.offer("10", market.coins("10"), json!({})).await;
    let buy = |listing: &str| json!({ "listingId": listing });
    let freeze =
        |asset: &str, holder: &Person, frozen: bool| json!({ "assetId": asset, "holder": holder.id, "frozen": frozen });
    let refusal = async |who: &Person, listing: &str, expected: &str| {
        let (code, text) = refused(who, "buyListing", buy(listing)).await;
        assert!(code == 119 && text.contains(expected), "{code} {text}");
    };
    refusal(&stranger, &fair, "RECEIVER_NOT_VERIFIED").await;
    refusal(bob, &dear, "INSUFFICIENT_AVAILABLE").await;
    for (asset, holder, expected) in [
        (gold, ada, "SENDER_FROZEN"),
        (gold, bob, "RECEIVER_FROZEN"),
        (coin, bob, "SENDER_FROZEN"),
        (coin, ada, "RECEIVER_FROZEN"),
    ] {
        done(issuer, "freezeHolding", freeze(asset, holder, true)).await;
        refusal(bob, &fair, expected).await;
        done(issuer, "freezeHolding", freeze(asset, holder, false)).await;
    }
    for asset in [gold, coin] {
        done(issuer, "pauseAsset", json!({ "assetId": asset })).await;
        refusal(bob, &fair, "ASSET_NOT_ACTIVE").await;
        done(issuer, "pauseAsset", json!({ "assetId": asset, "paused": false })).await;
    }
    assert!(refused(ada, "buyListing", buy(&fair)).await.1.contains("for buyer: it is the seller"));
    let for_another = json!({ "listingId": fair, "buyer": stranger.id });
    assert_eq!(refused(bob, "buyListing", for_another).await.0, 119, "nobody spends what another holds");
    for (price, expected) in [
        (json!({ "amount": "1", "assetId": gold }), "for price.assetId: it is what is for sale"),
        (json!({ "amount": "1", "assetId": "nothing" }), "for price.assetId: there is no such asset"),
        (json!({ "amount": "1" }), "for price: "),
        (json!({ "amount": "1.001", "currency": "EUR" }), "for price.amount: "),
    ] {
        let params = json!({ "assetId": gold, "amount": "1", "price": price });
        let (code, text) = refused(ada, "createListing", params).await;
        assert!(code == 142 && text.contains(expected), "{text}");
    }
    assert_eq!(market.listing(&fair).await["status"], "ACTIVE");
    done(bob, "buyListing", buy(&fair)).await;
    assert_eq!((stage.sum(gold).await, stage.sum(coin).await), (1_000, 3_000));
}

async fn what_nobody_bought_in_time_goes_back(market: Market) {
    let soon = json!({ "__type": "Date", "iso": "2026-01-01T01:00:00.000Z" });
    let soon = json!({ "allowPartial": true, "expiresAt": soon });
    let listing = market.offer("600", market.coins("60"), soon).await;
    let endless = market.offer("100", market.coins("10"), json!({})).await;
    done(&market.bob, "buyListing", json!({ "listingId": listing, "amount": "100" })).await;
    market.stage.clock.advance_millis(2 * 3_600_000);
    // Before the job has seen it, nobody can buy it either.
    let late = refused(&market.bob, "buyListing", json!({ "listingId": listing })).await;
    assert!(late.1.contains("the listing is EXPIRED"), "{}", late.1);
    let seen = market.stage.master().post("/jobs/expireListings", json!({})).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    eventually("the listing expires", async || (market.listing(&listing).await["status"] == "EXPIRED").then_some(()))
        .await;
    assert_eq!(market.listing(&endless).await["status"], "ACTIVE");
    // A hundred are sold, a hundred are for sale, eight hundred are free.
    assert_eq!(market.held(&market.gold, &market.ada).await, [900, 800]);
    market.adds_up().await;
    let trail = r#"/classes/AuditLog?where={"action":"expireListings"}"#;
    assert_eq!(market.stage.master().get(trail).await.results().len(), 1);
}

async fn an_asset_retires_when_nothing_of_it_is_left(market: Market) {
    let (issuer, gold) = (&market.issuer, &market.gold);
    let retire = json!({ "assetId": gold });
    let (code, text) = refused(issuer, "retireAsset", retire.clone()).await;
    assert_eq!((code, text.as_str()), (142, "DigitalAsset cannot go from ACTIVE to RETIRED."));
    let path = format!("/classes/DigitalAsset/{gold}");
    let set = async |change: Value| assert_eq!(market.stage.master().put(&path, change).await.status, 200);
    set(json!({ "status": "PAUSED", "totalSupply": "1000" })).await;
    assert_eq!(refused(&market.bob, "retireAsset", retire.clone()).await.0, 119);
    let (code, text) = refused(issuer, "retireAsset", retire.clone()).await;
    assert!(code == 142 && text.contains("for assetId: 1000 of it are held"), "{text}");
    set(json!({ "totalSupply": "0" })).await;
    let open = json!({
        "asset": pointer("DigitalAsset", gold), "type": "PAUSE", "tokenId": "0", "chainId": 31_337, "status": "CREATED",
    });
    let open = market.stage.master().post("/classes/AssetTransaction", open).await.id();
    assert!(refused(issuer, "retireAsset", retire.clone()).await.1.contains("has not confirmed"));
    let open = format!("/classes/AssetTransaction/{open}");
    assert_eq!(market.stage.master().put(&open, json!({ "status": "FAILED" })).await.status, 200);
    assert_eq!(done(issuer, "retireAsset", retire.clone()).await["status"], "RETIRED");
    assert_eq!(refused(issuer, "retireAsset", retire).await.0, 142);
    let again = json!({ "assetId": gold, "paused": false });
    assert_eq!(refused(issuer, "pauseAsset", again).await.1, "DigitalAsset cannot go from RETIRED to ACTIVE.");
}
