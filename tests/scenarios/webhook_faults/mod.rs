//! What can go wrong with a webhook does not go wrong with any: every source of both applications with every fault, as a table.
//!
//! What a single source does besides is told where it belongs: `identity.rs`, `post_verification.rs`, `compliance.rs`,
//! `notifications.rs`, `digital_assets_chain.rs`, `digital_assets_prices.rs`; what holds for all webhooks, `inbound.rs`.

mod signing;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::{Application, Registry, Settings};
use parsimony_model::Clock as _;
use parsimony_model::clock::HandClock;
use parsimony_testkit::{App, Seen, StoreKind};
use serde_json::{Value, json};

use crate::digital_assets::address;
use crate::jobs::{eventually, quick};
use crate::webhooks::Elsewhere;
use crate::wrong_parameters::counts;
use signing::{CALLBACK, Hand, Keys, SECRET, Sent};
use table::{Source, sources};

crate::on_both_stores!(
    crate::webhook_faults::open;
    no_source_believes_what_is_wrong_or_does_anything_twice,
);

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nobody has signed it.
    Unsigned,
    /// Somebody else has.
    Forged,
    /// The right secret was used otherwise.
    WrongAlgorithm,
    /// The end of it is missing.
    Truncated,
    /// It was signed long ago, or for a time to come.
    Late,
    /// What happened later comes first.
    Reordered,
    /// It comes several times at once.
    Duplicate,
    /// It comes once more, long after it was handled.
    Replayed,
}

impl Fault {
    /// In the order in which they are tried: nothing is believed before the first that is.
    const ALL: [Self; 8] = [
        Self::Unsigned,
        Self::Forged,
        Self::WrongAlgorithm,
        Self::Truncated,
        Self::Late,
        Self::Reordered,
        Self::Duplicate,
        Self::Replayed,
    ];
}

struct Site {
    app: App,
    clock: Arc<HandClock>,
    keys: Keys,
    _elsewhere: Elsewhere,
}

fn applications(keys: &Keys, elsewhere: &str) -> [Application; 2] {
    let configured = |application: Application, name: &str, settings: &Value| {
        application.configure(&Settings::new(name, settings.as_object().unwrap().clone())).unwrap()
    };
    let identity = json!({
        "publicUrl": "https://id.example.org/parse",
        "jumio": { "clientId": "i", "clientSecret": "s", "workflow": "1", "webhookSecret": SECRET, "baseUrl": elsewhere },
        "onfido": { "apiToken": "t", "workflow": "w", "webhookToken": SECRET, "baseUrl": elsewhere },
        "sumsub": { "appToken": "t", "appSecret": "s", "level": "l", "webhookSecret": SECRET, "baseUrl": elsewhere },
        "shufti": { "clientId": "i", "secretKey": SECRET, "baseUrl": elsewhere },
        "documents": { "webhookSecret": SECRET },
        "delivery": {
            "sendgridPublicKey": keys.public_key(), "mailgunSigningKey": SECRET, "twilioAuthToken": SECRET,
            "twilioCallbackUrl": CALLBACK,
        },
        "chain": {
            "id": 31_337, "endpoints": ["http://127.0.0.1:9/"], "signerKey": format!("0x{:064x}", 1),
            "identityFactory": address(0xfa), "identityRegistry": address(0x1d),
            "webhook": { "service": "alchemy", "secret": SECRET },
        },
    });
    let assets = json!({
        "chains": [{ "id": 31_337, "endpoints": ["http://127.0.0.1:9/"] }],
        "webhooks": { "alchemy": SECRET, "quicknode": SECRET, "moralis": SECRET },
        "prices": { "webhookSecret": SECRET, "feeds": { "gold": {} } },
    });
    [
        configured(parsimony_identity_management::application(), "identity-management", &identity),
        configured(parsimony_digital_assets::application(), "digital-assets", &assets),
    ]
}

async fn open(store: StoreKind) -> Site {
    let answers = |path: &str, _body: &Value| {
        Some(match path {
            "/auth/oauth2/token" => json!({ "access_token": "T" }),
            _ => json!({ "workflow": { "status": "PROCESSED" }, "decision": { "type": "PASSED" } }),
        })
    };
    let elsewhere = Elsewhere::start(answers).await;
    let (clock, keys) = (Arc::new(HandClock::default()), Keys::new());
    let parts = applications(&keys, &elsewhere.url);
    let app = App::start_by(Arc::clone(&clock) as _, store, parts, |options| {
        quick(options);
        options.limits.inbound_tick = Duration::from_millis(10);
        options.limits.inbound_requests_max = 100_000;
    })
    .await;
    Site { app, clock, keys, _elsewhere: elsewhere }
}

impl Site {
    fn now(&self) -> i64 {
        self.clock.now().millis() / 1_000
    }

    async fn send(&self, source: &Source, sent: &Sent) -> Seen {
        let path = format!("/webhooks/{}{}", source.name, sent.query);
        let headers: Vec<(&str, &str)> = sent.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.app.as_nobody().ask_raw("POST", &path, &headers, sent.body.clone()).await.unwrap()
    }

    fn sign(&self, source: &Source, hand: Hand, seconds: i64, index: usize) -> Sent {
        // No two sources have the same name for an event, not even those that share one.
        let id = format!("{:?}-{index}", source.scheme).replace(|letter: char| !letter.is_ascii_alphanumeric(), "");
        self.keys.sign(source.scheme, hand, (&id, seconds), &source.events[index])
    }

    /// The events of a source, as they are stored.
    async fn events(&self, source: &Source) -> Vec<Value> {
        let (application, name) = source.name.split_once('/').unwrap();
        let of = json!({ "application": application, "source": name });
        let path = format!("/classes/WebhookEvent?limit=1000&order=eventId&where={of}");
        self.app.as_master().get(&path).await.results().to_vec()
    }

    async fn subject(&self, source: &Source) -> Value {
        match &source.subject {
            Some((path, field, _)) => self.app.as_master().get(path).await.body.get(field).cloned().unwrap_or_default(),
            None => Value::Null,
        }
    }

    /// All that a source could have changed: how many objects there are, what it wrote into the audit trail, its events and the
    /// object that they are about.
    async fn seen(&self, source: &Source, fault: Fault) -> (BTreeMap<String, u64>, usize, Vec<Value>, Value) {
        // Once the clock has been moved, jobs have something to do too.
        let objects = if fault == Fault::Replayed { BTreeMap::new() } else { counts(&self.app).await };
        let (_, name) = source.name.split_once('/').unwrap();
        let of = json!({ "actor": format!("webhook:{name}") });
        let entries =
            self.app.as_master().get(&format!("/classes/AuditLog?limit=1000&where={of}")).await.results().len();
        (objects, entries, self.events(source).await, self.subject(source).await)
    }

    /// Sends what nobody may believe, and sees that nobody does.
    async fn refused(&self, source: &Source, fault: Fault, sent: &Sent) {
        let seen = self.send(source, sent).await;
        assert_eq!((seen.status, seen.body), (401, json!({ "error": "unauthorized" })), "{} {fault:?}", source.name);
    }

    /// Sends what is believed, and waits until it is handled.
    async fn handled(&self, source: &Source, sent: &Sent) {
        let before = self.events(source).await.len();
        let seen = self.send(source, sent).await;
        assert_eq!((seen.status, seen.body), (200, json!({})), "{}", source.name);
        let what = format!("{} {:?}", source.name, source.scheme);
        eventually(&what, async || {
            let events = self.events(source).await;
            let is_handled = events.len() == before + 1 && events.iter().all(|event| event["status"] == "PROCESSED");
            is_handled.then_some(())
        })
        .await;
    }

    /// A source with one fault.
    async fn suffers(&self, source: &Source, fault: Fault) {
        let right = |index: usize| self.sign(source, Hand::Right, self.now(), index);
        let before = self.seen(source, fault).await;
        match fault {
            Fault::Unsigned => self.refused(source, fault, &self.sign(source, Hand::Nobody, self.now(), 0)).await,
            Fault::Forged => self.refused(source, fault, &self.sign(source, Hand::Forger, self.now(), 0)).await,
            Fault::WrongAlgorithm => {
                self.refused(source, fault, &self.sign(source, Hand::OtherAlgorithm, self.now(), 0)).await;
            }
            Fault::Truncated if source.scheme.covers_body() => {
                let mut sent = right(0);
                sent.body.truncate(sent.body.len() - 2);
                self.refused(source, fault, &sent).await;
            }
            Fault::Late if source.scheme.is_timed() => {
                for apart in [-301, 301] {
                    self.refused(source, fault, &self.sign(source, Hand::Right, self.now() + apart, 0)).await;
                }
            }
            // What is not covered is a hint that is asked about, and what is not timed is known by its order and its name.
            Fault::Truncated | Fault::Late => return,
            Fault::Reordered => {
                self.handled(source, &right(1)).await;
                self.handled(source, &right(0)).await;
                if let Some((_, field, settled)) = &source.subject {
                    assert_eq!(self.subject(source).await, *settled, "{} {field}", source.name);
                }
                return;
            }
            Fault::Duplicate => {
                let copies = [right(0), right(1), right(1), right(0)];
                let answers = copies.iter().map(|sent| self.send(source, sent));
                for seen in futures::future::join_all(answers).await {
                    assert_eq!((seen.status, seen.body), (200, json!({})), "{}", source.name);
                }
                // Long enough for what would be handled again.
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            Fault::Replayed => {
                for index in [0, 1] {
                    let seen = self.send(source, &self.sign(source, Hand::Right, self.now() - 600, index)).await;
                    assert_eq!(seen.status, if source.scheme.is_timed() { 401 } else { 200 }, "{}", source.name);
                }
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
        }
        assert_eq!(self.seen(source, fault).await, before, "{} {fault:?} changed something", source.name);
    }
}

async fn no_source_believes_what_is_wrong_or_does_anything_twice(site: Site) {
    let sources = sources(&site).await;
    // Every source that is registered is among them, and each suffers everything.
    let registry = Registry::new(applications(&site.keys, "http://127.0.0.1:9")).unwrap();
    let named: BTreeSet<&str> = sources.iter().map(|source| source.name).collect();
    assert_eq!(named, registry.sources().into_iter().collect());
    let (told, later) = Fault::ALL.split_at(Fault::ALL.len() - 1);
    for source in &sources {
        for fault in told {
            site.suffers(source, *fault).await;
        }
    }
    let quote = site.app.as_master().get("/classes/PriceQuote").await;
    assert_eq!(quote.results()[0]["price"], "20");
    site.clock.advance_millis(600_000);
    for source in &sources {
        for fault in later {
            site.suffers(source, *fault).await;
        }
    }
}
