//! What do the workloads need to find, and how does it get there?

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::http::{self, Connection};
use super::subject::Subject;
use super::workload::{Dialect, MASTER_KEY, Workload, save_all};

const OBJECTS: usize = 500;
const AUTHORS: usize = 10;
const POSTS: usize = 100;
const ROWS: usize = 10_000;
const MEMBERS: usize = 50_000;
const ROLES: usize = 1_000;
const ROLE_DEPTH: usize = 5;
const SECRETS: usize = 100;
/// Objects that one request of the seeding creates.
const BATCH: usize = 500;

/// What every new `BenchScripted` goes through; `parse-server.cjs` says the same in JavaScript.
const SCRIPT: &str = include_str!("../../../script/examples/scored.rhai");

/// What was put there, as far as a request has to name it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    /// Objects to get and update.
    pub(crate) ids: Vec<String>,
    /// The object with the great relation.
    pub(crate) owner: String,
    /// The session of the user at the bottom of the tree of roles.
    pub(crate) session: String,
}

/// One who seeds.
pub(crate) struct Seeder {
    connection: Connection,
    dialect: Dialect,
}

/// Writes what these workloads need.
pub(crate) async fn seed(port: u16, subject: Subject, workloads: &[Workload]) -> Result<Given> {
    let mut seeder = Seeder::open(port, subject.dialect()).await?;
    let mut given = Given { ids: seeder.objects().await?, ..Given::default() };
    for workload in workloads.iter().filter(|workload| workload.is_spoken_by(subject)) {
        match workload {
            Workload::Count => {
                seeder.class_of_rows("BenchRow").await?;
                seeder.rows("BenchRow", 0..ROWS).await.map(drop)?;
            }
            Workload::Scripted if subject.is_ours() => {
                let script = json!({ "text": SCRIPT });
                seeder.ask_as_master("PUT", "/parse/hooks/scripts/BenchScripted", &script).await?;
                seeder.check_script().await?;
            }
            Workload::Scripted => seeder.check_script().await?,
            Workload::Relation => given.owner = seeder.relation().await?,
            Workload::Roles => given.session = seeder.roles().await?,
            _ => {}
        }
    }
    Ok(given)
}

impl Seeder {
    /// Connects to a server.
    pub(crate) async fn open(port: u16, dialect: Dialect) -> Result<Self> {
        Ok(Self { connection: Connection::open(port).await?, dialect })
    }

    pub(super) async fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Value> {
        call(&mut self.connection, (method, path), &self.dialect.headers(), body).await
    }

    /// Asks with these headers.
    pub(super) async fn ask_as(&mut self, headers: &str, method: &str, path: &str, body: &str) -> Result<Value> {
        call(&mut self.connection, (method, path), headers, body).await
    }

    pub(super) async fn ask_as_master(&mut self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let headers = format!("{}X-Parse-Master-Key: {MASTER_KEY}\r\n", self.dialect.headers());
        call(&mut self.connection, (method, path), &headers, &body.to_string()).await
    }

    /// Creates an object with the master key, and gives its id.
    pub(super) async fn create_as_master(&mut self, class: &str, object: &Value) -> Result<String> {
        let reply = self.ask_as_master("POST", &self.dialect.objects(class), object).await?;
        id_of(&reply, self.dialect.id_key())
    }

    /// Creates many with the master key in one request, and gives their ids.
    pub(super) async fn create_all_as_master(&mut self, class: &str, objects: &[Value]) -> Result<Vec<String>> {
        let path = self.dialect.objects(class);
        let requests: Vec<Value> =
            objects.iter().map(|object| json!({ "method": "POST", "path": path, "body": object })).collect();
        let reply = self.ask_as_master("POST", "/parse/batch", &json!({ "requests": requests })).await?;
        ids_in(&reply)
    }

    async fn create(&mut self, class: &str, body: &str) -> Result<String> {
        let reply = self.ask("POST", &self.dialect.objects(class), body).await?;
        id_of(&reply, self.dialect.id_key())
    }

    /// Creates many objects in one request, and gives their ids.
    async fn create_all(
        &mut self,
        class: &str,
        count: usize,
        body: impl FnMut(usize) -> String,
    ) -> Result<Vec<String>> {
        let reply = self.ask("POST", "/parse/batch", &save_all(class, count, body)).await?;
        ids_in(&reply)
    }

    /// What every server has: objects, and posts with their authors.
    async fn objects(&mut self) -> Result<Vec<String>> {
        let mut authors = Vec::new();
        for number in 0..AUTHORS {
            let body = format!(r#"{{"name":"Author {number}","born":{}}}"#, 1900 + number);
            authors.push(self.create("BenchAuthor", &body).await?);
        }
        for (number, author) in (0..POSTS).zip(authors.iter().cycle()) {
            let author = format!(r#","author":{}"#, self.dialect.pointer("BenchAuthor", author));
            self.create("BenchPost", &object(number as u64, &author)).await?;
        }
        let mut ids = Vec::new();
        for number in 0..OBJECTS {
            ids.push(self.create("BenchObject", &object(number as u64, "")).await?);
        }
        self.check_query().await?;
        Ok(ids)
    }

    /// A server that leaves the included objects out would be measured doing less.
    async fn check_query(&mut self) -> Result<()> {
        let path = format!("{}{}", self.dialect.objects("BenchPost"), self.dialect.query());
        let reply = self.ask("GET", &path, "").await?;
        let (list, author) = match self.dialect {
            Dialect::Parse => ("/results", "/author/name"),
            Dialect::PocketBase => ("/items", "/expand/author/name"),
        };
        let found = reply.pointer(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let whole = found.iter().filter(|post| post.pointer(author).is_some_and(Value::is_string)).count();
        if whole == POSTS { Ok(()) } else { bail!("the query found {whole} of {POSTS} posts with their author") }
    }

    /// A server whose script does not run would be measured doing less.
    async fn check_script(&mut self) -> Result<()> {
        let id = self.create("BenchScripted", &object(1, "")).await?;
        let path = format!("{}/{id}", self.dialect.objects("BenchScripted"));
        let seen = self.ask("GET", &path, "").await?;
        if seen.get("revision") == Some(&json!(1)) { Ok(()) } else { bail!("the script did not run: {seen}") }
    }

    /// A class with an index on `group`.
    pub(crate) async fn class_of_rows(&mut self, class: &str) -> Result<()> {
        let schema = json!({
            "className": class,
            "fields": { "group": { "type": "Number" } },
            "indexes": { "by_group": { "group": 1 } },
            // Parse Server opens a class to everybody only if it says so.
            "classLevelPermissions": {
                "find": { "*": true }, "get": { "*": true }, "count": { "*": true },
                "create": { "*": true }, "update": { "*": true }, "addField": { "*": true },
            },
        });
        self.ask_as_master("POST", &format!("/parse/schemas/{class}"), &schema).await.map(drop)
    }

    /// Rows of a class, a hundred to each `group`; gives the ids of the last ones.
    pub(crate) async fn rows(&mut self, class: &str, numbers: std::ops::Range<usize>) -> Result<Vec<String>> {
        let mut last = Vec::new();
        for start in numbers.clone().step_by(BATCH) {
            let count = BATCH.min(numbers.end - start);
            let row = |at: usize| object((start + at) as u64, &format!(r#","group":{}"#, (start + at) / 100));
            last = self.create_all(class, count, row).await?;
        }
        Ok(last)
    }

    async fn relation(&mut self) -> Result<String> {
        let owner = self.create("BenchOwner", r#"{"name":"The owner"}"#).await?;
        let path = format!("{}/{owner}", self.dialect.objects("BenchOwner"));
        for _ in 0..MEMBERS / BATCH {
            let ids = self.create_all("BenchMember", BATCH, |number| object(number as u64, "")).await?;
            let members: Vec<String> = ids.iter().map(|id| self.dialect.pointer("BenchMember", id)).collect();
            let body = format!(r#"{{"members":{{"__op":"AddRelation","objects":[{}]}}}}"#, members.join(","));
            self.ask("PUT", &path, &body).await?;
        }
        Ok(owner)
    }

    /// Roles, some of them in a chain; objects that its top may read; and a user at its bottom.
    async fn roles(&mut self) -> Result<String> {
        let user = json!({ "username": "bench", "password": "bench" });
        let user = self.ask("POST", "/parse/users", &user.to_string()).await?;
        let (id, session) = (id_of(&user, "objectId")?, user.get("sessionToken").and_then(Value::as_str));
        let session = session.context("a signup without a session")?.to_owned();
        let mut below = json!({ "__type": "Pointer", "className": "_User", "objectId": id });
        for number in (0..ROLES).rev() {
            let name = format!("role{number}");
            let field = if number == ROLE_DEPTH - 1 { "users" } else { "roles" };
            let role = if number < ROLE_DEPTH {
                json!({ "name": name, "ACL": {}, field: { "__op": "AddRelation", "objects": [below] } })
            } else {
                json!({ "name": name, "ACL": {} })
            };
            let role = self.ask_as_master("POST", "/parse/roles", &role).await?;
            if number < ROLE_DEPTH {
                below = json!({ "__type": "Pointer", "className": "_Role", "objectId": id_of(&role, "objectId")? });
            }
        }
        let acl = r#","ACL":{"role:role0":{"read":true}}"#;
        self.create_all("BenchSecret", SECRETS, |number| object(number as u64, acl)).await?;
        let headers = format!("{}X-Parse-Session-Token: {session}\r\n", self.dialect.headers());
        let path = format!("{}?limit={SECRETS}", self.dialect.objects("BenchSecret"));
        let found = call(&mut self.connection, ("GET", &path), &headers, "").await?;
        let seen = found.get("results").and_then(Value::as_array).map_or(0, Vec::len);
        if seen == SECRETS { Ok(session) } else { bail!("the user sees {seen} of {SECRETS} objects through its roles") }
    }
}

/// Sends one request and reads the JSON that comes back; anything but a success is an error.
pub(crate) async fn call(
    connection: &mut Connection,
    (method, path): (&str, &str),
    headers: &str,
    body: &str,
) -> Result<Value> {
    let mut request = Vec::new();
    http::request(&mut request, method, path, headers, body);
    let answer = connection.exchange(&request).await?;
    let body = connection.body(&answer);
    if !(200..300).contains(&answer.status) {
        bail!("{method} {path} was answered with {}: {}", answer.status, String::from_utf8_lossy(&body));
    }
    serde_json::from_slice(&body).with_context(|| format!("{method} {path} was not answered with JSON"))
}

/// The ids of what a batch created.
fn ids_in(reply: &Value) -> Result<Vec<String>> {
    let parts = reply.as_array().map(Vec::as_slice).unwrap_or_default();
    parts.iter().map(|part| id_of(part.get("success").unwrap_or(part), "objectId")).collect()
}

fn id_of(reply: &Value, key: &str) -> Result<String> {
    let id = reply.get(key).and_then(Value::as_str);
    Ok(id.with_context(|| format!("a new object without an id: {reply}"))?.to_owned())
}

/// The JSON of an object like those that applications have.
pub(crate) fn object(number: u64, more: &str) -> String {
    let score = number % 1000;
    format!(
        r#"{{"title":"An object of the bench","note":"Long enough to be worth a few bytes on the way to the disk.","score":{score},"done":false,"tags":["one","two","three"],"place":{{"city":"Lisbon","code":"1000-001"}}{more}}}"#
    )
}
