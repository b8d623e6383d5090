//! May anything stand where no step leads? Of every class that has a state machine every illegal step, made from the machines
//! themselves, through each door: the master key, a client, the functions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use parsimony_digital_assets::model::{
    AssetStatus, DeploymentStatus, HoldingStatus, ListingStatus, PermissionStatus, TransactionStatus,
};
use parsimony_identity_management::actions::ActionStatus;
use parsimony_identity_management::model::{CredentialStatus, DocumentStatus, IdentityStatus, VerificationStatus};
use parsimony_kit::notifications::delivery::DeliveryStatus;
use parsimony_kit::outbound::{EventStatus, SubscriptionStatus};
use parsimony_kit::state::State;
use parsimony_testkit::StoreKind;
use serde_json::{Map, Value, json};

use crate::digital_assets::{Known, Person, Stage, address, pointer, refused};
use crate::digital_assets_limits::settings;
use crate::wrong_parameters::counts;

crate::on_both_stores!(
    crate::illegal_steps::open;
    no_status_is_reached_but_by_its_steps,
    no_function_takes_a_step_that_is_none,
    what_does_not_move_is_neither_made_nor_sold,
);

/// A server with both applications.
struct Site {
    stage: Stage,
    /// Has every role.
    root: Person,
    /// Has none.
    ada: Person,
    /// An asset that is there.
    asset: String,
    /// How many objects were made up.
    made: AtomicUsize,
}

async fn open(store: StoreKind) -> Site {
    let stage = Stage::open(store, settings()).await;
    let (root, ada) = (stage.person("root", &["admin"]).await, stage.person("ada", &[]).await);
    stage.identify(&root, &address(1), Known::Verified).await;
    stage.identify(&ada, &address(2), Known::Verified).await;
    let asset = stage.active(&root, json!({ "standard": "ERC20" })).await;
    Site { stage, root, ada, asset, made: AtomicUsize::new(0) }
}

/// What an object of a class needs besides what can be made up.
fn needed(class: &str) -> Value {
    let ledger = json!({ "balance": "0", "frozen": "0", "reserved": "0", "pending": "0" });
    let listing =
        json!({ "remaining": "0", "awaiting": "0", "sold": "0", "price": { "amount": "1", "currency": "EUR" } });
    match class {
        "AssetHolding" => ledger,
        "AssetMarketplaceListing" => listing,
        "DigitalAsset" => json!({ "standard": "ERC20", "totalSupply": "0" }),
        "AssetTransaction" => json!({ "type": "TRANSFER" }),
        _ => json!({}),
    }
}

/// The steps from the beginning to a state; none if no step leads there.
fn path<S: State>(all: &[S], to: S) -> Option<Vec<S>> {
    let mut known = vec![(S::FIRST, Vec::new())];
    for _ in all {
        for (from, steps) in known.clone() {
            for next in from.next() {
                if known.iter().all(|(state, _)| state != next) {
                    known.push((*next, [steps.clone(), vec![*next]].concat()));
                }
            }
        }
    }
    known.into_iter().find(|(state, _)| *state == to).map(|(_, steps)| steps)
}

impl Site {
    /// Fields for a new object of a class, made from its definition. No two have the same.
    async fn fields(&self, class: &str) -> Map<String, Value> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let schema = self.stage.master().get(&format!("/schemas/{class}")).await.body;
        let mut fields = Map::new();
        for (name, field) in schema["fields"].as_object().unwrap() {
            if field["required"] != true || ["status", "digestSalt", "locked", "available"].contains(&name.as_str()) {
                continue;
            }
            let named = number.to_string();
            let value = match field["type"].as_str().unwrap() {
                "String" => json!(named),
                "Number" => json!(number),
                "Boolean" => json!(false),
                "Array" => json!([]),
                "Object" => json!({}),
                "Date" => json!({ "__type": "Date", "iso": "2027-01-01T00:00:00.000Z" }),
                "Pointer" => pointer(field["targetClass"].as_str().unwrap(), &format!("made{number}")),
                other => panic!("{class}.{name}: nobody makes up a {other}"),
            };
            fields.insert(name.clone(), value);
        }
        if class == "AssetPermission" {
            fields.insert("asset".to_owned(), pointer("DigitalAsset", &self.asset));
        }
        fields.extend(needed(class).as_object().unwrap().clone());
        fields.insert("ACL".to_owned(), json!({ "*": { "read": true, "write": true } }));
        fields
    }

    /// An object that stands there; gives its path.
    async fn standing<S: State>(&self, all: &[S], at: S) -> String {
        let class = S::ENTITY;
        let fields = self.fields(class).await;
        let made = self.stage.master().post(&format!("/classes/{class}"), Value::Object(fields)).await;
        assert_eq!(made.status, 201, "{class}: {}", made.body);
        let path_of = format!("/classes/{class}/{}", made.id());
        for step in path(all, at).unwrap_or_else(|| panic!("no step leads to {class} {}", at.name())) {
            let seen = self.stage.master().put(&path_of, json!({ "status": step.name() })).await;
            assert_eq!(seen.status, 200, "{class} to {}: {}", step.name(), seen.body);
        }
        assert_eq!(self.stage.master().get(&path_of).await.body["status"], at.name());
        path_of
    }

    /// Takes every step of a machine that is none; gives the class and how many that were.
    async fn walk<S: State>(&self, all: &[S]) -> (&'static str, usize) {
        let (master, class, mut tried) = (self.stage.master(), S::ENTITY, 0);
        for from in all {
            let path_of = self.standing(all, *from).await;
            let before = master.get(&path_of).await.body;
            let illegal = all.iter().filter(|to| *to != from && !from.next().contains(to));
            let steps =
                illegal.map(|to| (to.name(), format!("{class} cannot go from {} to {}.", from.name(), to.name())));
            for (to, text) in steps.chain([("BLUE", format!("{class} has no status BLUE."))]) {
                let seen = master.put(&path_of, json!({ "status": to })).await;
                assert_eq!((seen.code(), seen.body["error"].as_str()), (142, Some(text.as_str())), "{class} {to}");
                tried += 1;
            }
            for to in all {
                let seen = self.ada.client.put(&path_of, json!({ "status": to.name() })).await;
                assert_eq!(seen.code(), 119, "{class} by a client: {}", seen.body);
            }
            if *from != S::FIRST {
                let mut fields = self.fields(class).await;
                fields.insert("status".to_owned(), json!(from.name()));
                let seen = master.post(&format!("/classes/{class}"), Value::Object(fields)).await;
                let text = format!("{class} begins as {}, not as {}.", S::FIRST.name(), from.name());
                assert_eq!((seen.code(), seen.body["error"].as_str()), (142, Some(text.as_str())));
            }
            assert_eq!(master.get(&path_of).await.body, before, "{class} {} is as it was", from.name());
        }
        (class, tried)
    }
}

async fn no_status_is_reached_but_by_its_steps(site: Site) {
    let tried: BTreeMap<&str, usize> = [
        site.walk(AssetStatus::ALL).await,
        site.walk(DeploymentStatus::ALL).await,
        site.walk(TransactionStatus::ALL).await,
        site.walk(HoldingStatus::ALL).await,
        site.walk(PermissionStatus::ALL).await,
        site.walk(ListingStatus::ALL).await,
        site.walk(IdentityStatus::ALL).await,
        site.walk(VerificationStatus::ALL).await,
        site.walk(DocumentStatus::ALL).await,
        site.walk(CredentialStatus::ALL).await,
        site.walk(ActionStatus::ALL).await,
        site.walk(DeliveryStatus::ALL).await,
        site.walk(SubscriptionStatus::ALL).await,
        site.walk(EventStatus::ALL).await,
    ]
    .into();
    // Every class with a status is among them, but those of the server itself.
    let schemas = site.stage.master().get("/schemas").await;
    let with_status = schemas.results().iter().filter(|schema| schema["fields"]["status"].is_object());
    let with_status: BTreeSet<&str> = with_status.map(|schema| schema["className"].as_str().unwrap()).collect();
    let own = with_status.into_iter().filter(|class| *class != "WebhookEvent" && !class.starts_with('_'));
    assert_eq!(own.collect::<BTreeSet<&str>>(), tried.keys().copied().collect());
    assert!(tried.values().sum::<usize>() > 100, "{tried:?}");
}

/// A function that takes a step: how it names its object, what else it needs, and where it leads.
struct Taking<'a, S> {
    function: &'static str,
    names: &'static str,
    more: Value,
    to: S,
    /// From where it takes it.
    from: &'a [S],
}

impl Site {
    /// Calls it about objects that stand everywhere else.
    async fn refuses<S: State>(&self, all: &[S], taking: &Taking<'_, S>) {
        let Taking { function, names, more, to, from } = taking;
        for at in all.iter().filter(|at| !from.contains(at)) {
            let path_of = self.standing(all, *at).await;
            let before = self.stage.master().get(&path_of).await.body;
            let mut params = more.clone();
            params[names] = before["objectId"].clone();
            let seen = self.root.client.post(&format!("/functions/{function}"), params).await;
            let text = format!("{} cannot go from {} to {}.", S::ENTITY, at.name(), to.name());
            assert_eq!((seen.code(), seen.body["error"].as_str()), (142, Some(text.as_str())), "{function}");
            assert_eq!(self.stage.master().get(&path_of).await.body, before, "{function} {}", at.name());
        }
    }
}

async fn no_function_takes_a_step_that_is_none(site: Site) {
    use AssetStatus::{Active, Deploying, Draft, Paused, Retired};
    for (function, more, from, to) in [
        ("deployAsset", json!({ "chainId": 31_337 }), &[Draft][..], Deploying),
        ("pauseAsset", json!({}), &[Active], Paused),
        ("pauseAsset", json!({ "paused": false }), &[Paused], Active),
        ("retireAsset", json!({}), &[Draft, Paused], Retired),
    ] {
        site.refuses(AssetStatus::ALL, &Taking { function, names: "assetId", more, to, from }).await;
    }
    let (function, names, more, to) = ("cancelListing", "listingId", json!({}), ListingStatus::Cancelled);
    site.refuses(ListingStatus::ALL, &Taking { function, names, more, to, from: &[ListingStatus::Active] }).await;
    let (function, names, more, to) = ("revokeAssetPermission", "permissionId", json!({}), PermissionStatus::Revoked);
    site.refuses(PermissionStatus::ALL, &Taking { function, names, more, to, from: &[PermissionStatus::Active] }).await;

    let from: Vec<IdentityStatus> =
        IdentityStatus::ALL.iter().filter(|at| **at != IdentityStatus::Suspended).copied().collect();
    let (function, names) = ("submitVerification", "identityId");
    let (more, to) = (json!({ "level": "BASIC", "provider": "MANUAL" }), IdentityStatus::Submitted);
    site.refuses(IdentityStatus::ALL, &Taking { function, names, more, to, from: &from }).await;
    let open = &VerificationStatus::OPEN[..];
    for (decision, to) in [
        ("APPROVE", VerificationStatus::Approved),
        ("REJECT", VerificationStatus::Rejected),
        ("REQUEST_RESUBMISSION", VerificationStatus::ResubmissionRequired),
    ] {
        let reasons = if decision == "APPROVE" { json!([]) } else { json!(["DOCUMENT_UNREADABLE"]) };
        let more = json!({ "decision": decision, "reasons": reasons });
        let (function, names) = ("reviewVerification", "verificationId");
        site.refuses(VerificationStatus::ALL, &Taking { function, names, more, to, from: open }).await;
    }
    let (function, names, more) = ("revokeCredential", "credentialId", json!({ "reason": "LOST" }));
    let (to, from) = (CredentialStatus::Revoked, &[CredentialStatus::Active][..]);
    site.refuses(CredentialStatus::ALL, &Taking { function, names, more, to, from }).await;
    let (function, names, more) = ("replayOutboundEvent", "eventId", json!({}));
    let from: Vec<EventStatus> =
        EventStatus::ALL.iter().filter(|at| at.next().contains(&EventStatus::Pending)).copied().collect();
    let to = EventStatus::Pending;
    site.refuses(EventStatus::ALL, &Taking { function, names, more, to, from: &from }).await;
}

async fn what_does_not_move_is_neither_made_nor_sold(site: Site) {
    for at in AssetStatus::ALL.iter().filter(|at| **at != AssetStatus::Active) {
        let path_of = site.standing(AssetStatus::ALL, *at).await;
        let asset = site.stage.master().get(&path_of).await.body["objectId"].clone();
        let holder = site.ada.id.as_str();
        for (function, more) in [
            ("mintTokens", json!({ "to": holder, "amount": "1" })),
            ("transferTokens", json!({ "to": holder, "amount": "1" })),
            ("burnTokens", json!({ "amount": "1" })),
            ("createListing", json!({ "amount": "1", "price": { "amount": "1.00", "currency": "EUR" } })),
        ] {
            let before = counts(&site.stage.app).await;
            let mut params = more;
            params["assetId"] = asset.clone();
            let (code, text) = refused(&site.root, function, params).await;
            assert_eq!(code, 119, "{function} {}: {text}", at.name());
            assert!(text.contains("ASSET_NOT_ACTIVE"), "{text}");
            let mut expected = before;
            // That it was refused is on record, and nothing else is.
            *expected.get_mut("AuditLog").unwrap() += 1;
            assert_eq!(counts(&site.stage.app).await, expected, "{function}");
        }
    }
    for at in ListingStatus::ALL.iter().filter(|at| **at != ListingStatus::Active) {
        let path_of = site.standing(ListingStatus::ALL, *at).await;
        let before = site.stage.master().get(&path_of).await.body;
        let params = json!({ "listingId": before["objectId"], "buyer": site.ada.id, "paymentReference": "p-1" });
        let (code, text) = refused(&site.root, "buyListing", params).await;
        assert_eq!(code, 142, "{text}");
        assert!(text.contains(&format!("the listing is {}, and has to be ACTIVE", at.name())), "{text}");
        assert_eq!(site.stage.master().get(&path_of).await.body, before);
    }
}
