//! What stands behind the functions that are measured: a server with the shipped applications, people, and what they hold.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::ValueEnum;
use parsimony_testkit::mongod::Mongod;
use parsimony_testkit::tools;
use serde_json::{Value, json};

use super::super::seed::Seeder;
use super::super::subject::{self, Running};
use super::super::workload::Dialect;
use crate::install;

/// How many base units everybody holds of the asset that changes hands: they never run out.
const BALANCE: &str = "1000000000000000";
/// How many assets may be priced, and so have events about them.
pub(super) const FEEDS: usize = 100;
/// Objects that one request of the seeding creates.
const BATCH: usize = 200;

/// Where the applications keep their data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    /// The embedded store.
    Sqlite,
    /// A replica set of one: the applications need transactions.
    Mongo,
}

impl Place {
    /// Its name in what is told.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Mongo => "mongo",
        }
    }
}

/// What all servers share.
#[derive(Debug)]
pub(crate) struct Ground {
    mongod: Mongod,
    folder: tempfile::TempDir,
}

impl Ground {
    /// Starts the database.
    pub(crate) async fn prepare() -> Result<Self> {
        install::mongod()?;
        Ok(Self { mongod: Mongod::replica_set(1).await?, folder: tempfile::tempdir()? })
    }

    /// The file of the embedded store.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("data.db")
    }

    /// The database of a place.
    pub(crate) fn database_uri(&self, place: Place) -> String {
        match place {
            Place::Sqlite => format!("sqlite:{}", self.file().display()),
            Place::Mongo => self.mongod.uri_for("bench_applications"),
        }
    }

    /// Starts a server with the applications; what was written before is there.
    pub(crate) async fn start(&self, place: Place) -> Result<Running> {
        let port = tools::free_port()?;
        let mut options = subject::parse_options(port, &self.database_uri(place));
        if let Some(options) = options.as_object_mut() {
            options.insert("logLevel".to_owned(), "error".into());
            options.insert("parsimony".to_owned(), settings());
        }
        let folder = self.folder.path().join(place.name());
        fs::create_dir_all(&folder)?;
        let config = folder.join(format!("config-{port}.json"));
        fs::write(&config, options.to_string())?;
        let mut command = Command::new(tools::target().join("release/parsimony"));
        command.current_dir(&folder).args(["serve", "--config"]).arg(config);
        Running::of(command, (place.name(), &folder), (port, Dialect::Parse)).await
    }
}

/// What the webhook of prices is signed with.
pub(super) fn webhook_secret() -> String {
    format!("whsec_{}", BASE64.encode("a secret for the bench"))
}

pub(super) fn feed(number: usize) -> String {
    format!("feed-{number}")
}

fn settings() -> Value {
    let feeds: serde_json::Map<String, Value> = (0..FEEDS).map(|number| (feed(number), json!({}))).collect();
    json!({
        "pii": { "keys": [{ "id": "bench", "key": BASE64.encode([7_u8; 32]) }] },
        "settings": { "digital-assets": { "prices": { "webhookSecret": webhook_secret(), "feeds": feeds } } },
    })
}

/// Somebody who may ask.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(super) id: String,
    pub(super) session: String,
}

/// Signs up so many people, without passwords: a hash of one costs more than all that is measured.
pub(super) async fn people(seeder: &mut Seeder, name: &str, count: usize) -> Result<Vec<Person>> {
    let mut people = Vec::with_capacity(count);
    for number in 0..count {
        let known = json!({ "authData": { "anonymous": { "id": format!("{name}-{number}") } } });
        let user = seeder.ask("POST", "/parse/users", &known.to_string()).await?;
        let text = |key| user.get(key).and_then(Value::as_str).map(str::to_owned).context("a signup without a session");
        people.push(Person { id: text("objectId")?, session: text("sessionToken")? });
    }
    Ok(people)
}

/// People whose identities are verified and who hold of an asset that everybody of them may hold: its id, and they.
pub(super) async fn holders(seeder: &mut Seeder, count: usize) -> Result<(String, Vec<Person>)> {
    let holders = people(seeder, "holder", count).await?;
    for (number, person) in holders.iter().enumerate() {
        let identity = json!({
            "user": user(person), "type": "INDIVIDUAL", "legalName": "A Person", "nationality": "DE",
            "countryOfResidence": "DE", "onChainAddress": address(number), "ACL": {},
        });
        let id = seeder.create_as_master("Identity", &identity).await?;
        for status in ["SUBMITTED", "IN_REVIEW", "VERIFIED"] {
            let path = format!("/parse/classes/Identity/{id}");
            seeder.ask_as_master("PUT", &path, &json!({ "status": status })).await?;
        }
    }
    let issuer = holders.first().context("there is nobody")?;
    let asset = asset(seeder, issuer).await?;
    for person in &holders {
        seeder.create_as_master("AssetHolding", &holding(&asset, person, BALANCE)).await?;
    }
    Ok((asset, holders))
}

/// Somebody who holds of so many assets.
pub(super) async fn collector(seeder: &mut Seeder, holdings: usize) -> Result<Person> {
    let person = people(seeder, "collector", 1).await?.pop().context("there is nobody")?;
    for start in (0..holdings).step_by(BATCH) {
        let count = BATCH.min(holdings - start);
        let assets: Vec<Value> = (start..start + count).map(|number| described(&person, number)).collect();
        let assets = seeder.create_all_as_master("DigitalAsset", &assets).await?;
        let held: Vec<Value> = assets.iter().map(|asset| holding(asset, &person, "5")).collect();
        seeder.create_all_as_master("AssetHolding", &held).await?;
    }
    Ok(person)
}

/// An asset that is active; its contract is left to the imagination, for no chain is asked here.
async fn asset(seeder: &mut Seeder, issuer: &Person) -> Result<String> {
    let id = seeder.create_as_master("DigitalAsset", &described(issuer, 0)).await?;
    let path = format!("/parse/classes/DigitalAsset/{id}");
    let deploying = json!({ "status": "DEPLOYING", "chainId": 31_337, "address": address(0xaaaa) });
    for change in [deploying, json!({ "status": "ACTIVE" })] {
        seeder.ask_as_master("PUT", &path, &change).await?;
    }
    Ok(id)
}

fn described(issuer: &Person, number: usize) -> Value {
    json!({
        "issuer": user(issuer), "name": format!("Asset {number}"), "symbol": format!("A{number}"), "standard": "ERC3643",
        "decimals": 2, "totalSupply": "0", "priceFeed": feed(number % FEEDS), "ACL": { "*": { "read": true } },
    })
}

fn holding(asset: &str, holder: &Person, amount: &str) -> Value {
    json!({
        "asset": { "__type": "Pointer", "className": "DigitalAsset", "objectId": asset }, "holder": user(holder),
        "tokenId": "0", "balance": amount, "frozen": "0", "reserved": "0", "pending": "0", "ACL": {},
    })
}

fn user(person: &Person) -> Value {
    json!({ "__type": "Pointer", "className": "_User", "objectId": person.id })
}

fn address(number: usize) -> String {
    format!("0x{:040x}", number + 1)
}
