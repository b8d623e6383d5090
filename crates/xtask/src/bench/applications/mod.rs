//! What do functions of the shipped applications cost, end to end, next to the same writes at the store alone?

mod alone;
pub(super) mod deliveries;
mod site;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};

use self::alone::Writes;
use self::site::{Ground, Person, Place};
use super::http;
use super::load::{Plan, Script, drive};
use super::seed::Seeder;
use super::subject::Running;
use super::workload::{Dialect, Dice};

/// How many users create identities; each may have two, one of either type.
const CREATORS: usize = 20_000;
/// How many hold of the asset that changes hands.
const HOLDERS: usize = 64;
/// How many assets the collector holds of.
const COLLECTED: usize = 10_000;
const WARM_UP_SECONDS: u64 = 1;
const CLIENTS: [usize; 2] = [1, 32];

/// One thing that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    place: &'static str,
    what: &'static str,
    clients: usize,
    per_second: f64,
    p50_micros: u64,
    p99_micros: u64,
}

/// Measures on each store.
pub(crate) async fn run(seconds: u64) -> Result<Vec<Cost>> {
    let ground = Ground::prepare().await?;
    let mut costs = Vec::new();
    for place in [Place::Sqlite, Place::Mongo] {
        costs.extend(Round { ground: &ground, place, seconds }.run().await?);
    }
    Ok(costs)
}

struct Round<'a> {
    ground: &'a Ground,
    place: Place,
    seconds: u64,
}

impl Round<'_> {
    async fn run(&self) -> Result<Vec<Cost>> {
        let server = self.ground.start(self.place).await?;
        let mut seeder = Seeder::open(server.port, Dialect::Parse).await?;
        println!("{}: {CREATORS} people sign up, and {COLLECTED} holdings are written", self.place.name());
        let creators = site::people(&mut seeder, "creator", CREATORS).await?;
        let (asset, holders) = site::holders(&mut seeder, HOLDERS).await?;
        let collector = site::collector(&mut seeder, COLLECTED).await?;

        let mut costs = Vec::new();
        let create = Rc::new(CreateIdentity { creators, next: Cell::new(0) });
        let transfer = Rc::new(TransferTokens { asset, holders });
        let portfolio = Rc::new(GetAssetPortfolio { collector: collector.clone(), params: json!({}) });
        let total = Rc::new(GetAssetPortfolio { collector, params: json!({ "total": true }) });
        portfolio.check(&mut seeder).await?;
        for clients in CLIENTS {
            costs.push(self.ask(&server, clients, "createIdentity", &create).await?);
            costs.push(self.ask(&server, clients, "transferTokens", &transfer).await?);
            costs.push(self.ask(&server, clients, "getAssetPortfolio", &portfolio).await?);
            costs.push(self.ask(&server, clients, "getAssetPortfolio, total", &total).await?);
        }
        // The database is now the store's alone.
        drop(server);
        let store = alone::open(self.ground, self.place).await?;
        for clients in CLIENTS {
            let writes = Writes::like(&store, &["Identity", "PersonKey", "AuditLog"], None).await?;
            costs.push(self.write(clients, "createIdentity, its writes alone", writes).await?);
            let writes = Writes::like(&store, &["AssetTransaction", "AuditLog"], Some("AssetHolding")).await?;
            costs.push(self.write(clients, "transferTokens, its writes alone", writes).await?);
        }
        store.close().await?;
        Ok(costs)
    }

    async fn ask(
        &self,
        server: &Running,
        clients: usize,
        what: &'static str,
        script: &Rc<impl Script>,
    ) -> Result<Cost> {
        let plan = Plan {
            connections: clients,
            warm_up: Duration::from_secs(WARM_UP_SECONDS),
            measured: Duration::from_secs(self.seconds),
        };
        let measure = drive(server.port, plan, Rc::clone(script)).await?;
        if let Some(failure) = measure.first_failure {
            bail!("{what}: {} were refused, the first: {failure}", measure.failures);
        }
        Ok(self.cost(what, clients, &measure.latency))
    }

    async fn write(&self, clients: usize, what: &'static str, writes: Writes) -> Result<Cost> {
        let latency = writes.drive(clients, Duration::from_secs(self.seconds)).await?;
        Ok(self.cost(what, clients, &latency))
    }

    fn cost(&self, what: &'static str, clients: usize, latency: &Histogram<u64>) -> Cost {
        let cost = Cost {
            place: self.place.name(),
            what,
            clients,
            per_second: latency.len() as f64 / self.seconds as f64,
            p50_micros: latency.value_at_quantile(0.5),
            p99_micros: latency.value_at_quantile(0.99),
        };
        println!("{}", cost.line());
        cost
    }
}

impl Cost {
    fn line(&self) -> String {
        let Self { place, what, clients, per_second, .. } = self;
        let (p50, p99) = (self.p50_micros as f64 / 1000.0, self.p99_micros as f64 / 1000.0);
        format!("{place:<8}{what:<34}{clients:>4} clients{per_second:>10.0}/s{p50:>10.3} ms{p99:>10.3} ms")
    }
}

fn call(into: &mut Vec<u8>, function: &str, who: &Person, params: &Value) {
    let headers = format!("{}X-Parse-Session-Token: {}\r\n", Dialect::Parse.headers(), who.session);
    http::request(into, "POST", &format!("/parse/functions/{function}"), &headers, &params.to_string());
}

/// Each request is of somebody who has no such identity.
struct CreateIdentity {
    creators: Vec<Person>,
    next: Cell<usize>,
}

impl Script for CreateIdentity {
    fn write(&self, _dice: &mut Dice, into: &mut Vec<u8>) {
        let number = self.next.replace(self.next.get() + 1);
        let Some(who) = self.creators.get(number % self.creators.len().max(1)) else { return };
        let mut params = json!({ "legalName": "Ada Lovelace", "nationality": "GB", "countryOfResidence": "DE" });
        let more = if number < self.creators.len() {
            json!({ "type": "INDIVIDUAL", "dateOfBirth": "1990-12-10", "documentType": "PASSPORT", "documentNumber": "C01X00T47" })
        } else {
            json!({ "type": "ORGANIZATION", "registrationNumber": "HRB 86891" })
        };
        if let (Some(params), Value::Object(more)) = (params.as_object_mut(), more) {
            params.extend(more);
        }
        call(into, "createIdentity", who, &params);
    }
}

/// Each request moves one base unit from somebody to somebody else.
struct TransferTokens {
    asset: String,
    holders: Vec<Person>,
}

impl Script for TransferTokens {
    fn write(&self, dice: &mut Dice, into: &mut Vec<u8>) {
        let count = self.holders.len().max(2);
        let from = usize::try_from(dice.next()).unwrap_or_default() % count;
        let to = (from + 1 + usize::try_from(dice.next()).unwrap_or_default() % (count - 1)) % count;
        let (Some(from), Some(to)) = (self.holders.get(from), self.holders.get(to)) else { return };
        call(into, "transferTokens", from, &json!({ "assetId": self.asset, "to": to.id, "amount": "1" }));
    }
}

/// The first hundred of somebody's many holdings.
struct GetAssetPortfolio {
    collector: Person,
    params: Value,
}

impl GetAssetPortfolio {
    /// A server that tells of less would be measured doing less.
    async fn check(&self, seeder: &mut Seeder) -> Result<()> {
        let params = json!({ "holder": self.collector.id });
        let headers = format!("{}X-Parse-Session-Token: {}\r\n", Dialect::Parse.headers(), self.collector.session);
        let told = seeder.ask_as(&headers, "POST", "/parse/functions/getAssetPortfolio", &params.to_string()).await?;
        let count = told.pointer("/result/count").and_then(Value::as_u64).context("a portfolio without a count")?;
        let page = told.pointer("/result/holdings").and_then(Value::as_array).map_or(0, Vec::len);
        if (count, page) == (COLLECTED as u64, 100) { Ok(()) } else { bail!("{page} of {count} holdings are told") }
    }
}

impl Script for GetAssetPortfolio {
    fn write(&self, _dice: &mut Dice, into: &mut Vec<u8>) {
        call(into, "getAssetPortfolio", &self.collector, &self.params);
    }
}
