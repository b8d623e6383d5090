//! What is asked of each server, and in which words?

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use super::http::{self, Connection};

/// The application id of the servers under measurement.
pub(crate) const APP_ID: &str = "bench";
/// Their master key; no measured request carries it.
pub(crate) const MASTER_KEY: &str = "bench-master-key";

const OBJECTS: usize = 500;
const AUTHORS: usize = 10;
const POSTS: usize = 100;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// `Cloud.run` of a native function that asks no database.
    Hello,
    /// One new object.
    Create,
    /// One object by its id.
    Get,
    /// One field of one object.
    Update,
    /// A hundred objects, each with the object it points to.
    Query,
}

impl Workload {
    /// The name in the tables and on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Create => "create",
            Self::Get => "get",
            Self::Update => "update",
            Self::Query => "query",
        }
    }
}

/// The language of a server. The bare handlers speak Parse's, as far as they speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Parse's REST API.
    Parse,
    /// `PocketBase`'s.
    PocketBase,
}

impl Dialect {
    /// A path that answers 200 as soon as the server is ready.
    pub(crate) const fn health(self) -> &'static str {
        match self {
            Self::Parse => "/parse/health",
            Self::PocketBase => "/api/health",
        }
    }

    fn objects(self, class: &str) -> String {
        match self {
            Self::Parse => format!("/parse/classes/{class}"),
            Self::PocketBase => format!("/api/collections/{class}/records"),
        }
    }

    fn headers(self) -> String {
        match self {
            Self::Parse => format!("X-Parse-Application-Id: {APP_ID}\r\nContent-Type: application/json\r\n"),
            Self::PocketBase => "Content-Type: application/json\r\n".to_owned(),
        }
    }

    const fn update_method(self) -> &'static str {
        match self {
            Self::Parse => "PUT",
            Self::PocketBase => "PATCH",
        }
    }

    const fn query(self) -> &'static str {
        match self {
            Self::Parse => "?limit=100&include=author",
            Self::PocketBase => "?perPage=100&expand=author&skipTotal=1",
        }
    }

    const fn id_key(self) -> &'static str {
        match self {
            Self::Parse => "objectId",
            Self::PocketBase => "id",
        }
    }

    fn pointer(self, id: &str) -> String {
        match self {
            Self::Parse => format!(r#"{{"__type":"Pointer","className":"BenchAuthor","objectId":"{id}"}}"#),
            Self::PocketBase => format!(r#""{id}""#),
        }
    }
}

/// The requests of one workload, ready to be written.
#[derive(Debug)]
pub(crate) struct Script {
    dialect: Dialect,
    workload: Workload,
    headers: String,
    ids: Vec<String>,
}

impl Script {
    /// `ids` are the objects to get and update. `None` when the server has no such thing.
    pub(crate) fn new(dialect: Dialect, workload: Workload, ids: &[String]) -> Option<Self> {
        if dialect == Dialect::PocketBase && workload == Workload::Hello {
            return None;
        }
        Some(Self { dialect, workload, headers: dialect.headers(), ids: ids.to_vec() })
    }

    /// Writes the next request.
    pub(crate) fn write(&self, dice: &mut Dice, into: &mut Vec<u8>) {
        let objects = self.dialect.objects("BenchObject");
        let mut put = |method, path: &str, body: &str| http::request(into, method, path, &self.headers, body);
        match self.workload {
            Workload::Hello => put("POST", "/parse/functions/hello", "{}"),
            Workload::Create => put("POST", &objects, &object(dice.next(), "")),
            Workload::Get => put("GET", &format!("{objects}/{}", dice.one_of(&self.ids)), ""),
            Workload::Update => {
                let path = format!("{objects}/{}", dice.one_of(&self.ids));
                put(self.dialect.update_method(), &path, &format!(r#"{{"score":{}}}"#, dice.next() % 1000));
            }
            Workload::Query => {
                put("GET", &format!("{}{}", self.dialect.objects("BenchPost"), self.dialect.query()), "");
            }
        }
    }
}

/// Writes what the workloads need to find, and gives back the ids of the objects to get and update.
pub(crate) async fn seed(port: u16, dialect: Dialect) -> Result<Vec<String>> {
    let mut connection = Connection::open(port).await?;
    let mut authors = Vec::new();
    for number in 0..AUTHORS {
        let body = format!(r#"{{"name":"Author {number}","born":{}}}"#, 1900 + number);
        authors.push(create(&mut connection, dialect, "BenchAuthor", &body).await?);
    }
    for (number, author) in (0..POSTS).zip(authors.iter().cycle()) {
        let author = format!(r#","author":{}"#, dialect.pointer(author));
        create(&mut connection, dialect, "BenchPost", &object(number as u64, &author)).await?;
    }
    let mut ids = Vec::new();
    for number in 0..OBJECTS {
        ids.push(create(&mut connection, dialect, "BenchObject", &object(number as u64, "")).await?);
    }
    check_query(&mut connection, dialect).await?;
    Ok(ids)
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

async fn create(connection: &mut Connection, dialect: Dialect, class: &str, body: &str) -> Result<String> {
    let reply = call(connection, ("POST", &dialect.objects(class)), &dialect.headers(), body).await?;
    let id = reply.get(dialect.id_key()).and_then(Value::as_str);
    Ok(id.with_context(|| format!("a new object without an id: {reply}"))?.to_owned())
}

/// A server that leaves the included objects out would be measured doing less.
async fn check_query(connection: &mut Connection, dialect: Dialect) -> Result<()> {
    let path = format!("{}{}", dialect.objects("BenchPost"), dialect.query());
    let reply = call(connection, ("GET", &path), &dialect.headers(), "").await?;
    let (list, author) = match dialect {
        Dialect::Parse => ("/results", "/author/name"),
        Dialect::PocketBase => ("/items", "/expand/author/name"),
    };
    let found = reply.pointer(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let whole = found.iter().filter(|post| post.pointer(author).is_some_and(Value::is_string)).count();
    if whole == POSTS { Ok(()) } else { bail!("the query found {whole} of {POSTS} posts with their author") }
}

fn object(number: u64, more: &str) -> String {
    let score = number % 1000;
    format!(
        r#"{{"title":"An object of the bench","note":"Long enough to be worth a few bytes on the way to the disk.","score":{score},"done":false,"tags":["one","two","three"],"place":{{"city":"Lisbon","code":"1000-001"}}{more}}}"#
    )
}

/// Cheap chance, the same in every run.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Different seeds give different throws.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn one_of<'a>(&mut self, ids: &'a [String]) -> &'a str {
        let count = ids.len().max(1) as u64;
        usize::try_from(self.next() % count).ok().and_then(|at| ids.get(at)).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_is_json() {
        let post = object(7, &format!(r#","author":{}"#, Dialect::Parse.pointer("a1")));
        let post: Value = serde_json::from_str(&post).unwrap();
        assert_eq!(post.pointer("/author/objectId"), Some(&Value::from("a1")));
        assert_eq!(post.get("score"), Some(&Value::from(7)));
    }

    #[test]
    fn the_dice_reach_every_id() {
        let ids: Vec<String> = (0..10).map(|id| id.to_string()).collect();
        let mut dice = Dice::new(1);
        let seen: std::collections::BTreeSet<&str> = (0..1000).map(|_| dice.one_of(&ids)).collect();
        assert_eq!(seen.len(), ids.len());
    }

    #[test]
    fn pocketbase_has_no_functions() {
        assert!(Script::new(Dialect::PocketBase, Workload::Hello, &[]).is_none());
        assert!(Script::new(Dialect::Parse, Workload::Hello, &[]).is_some());
    }
}
