//! What is asked of each server, and in which words?

use clap::ValueEnum;

use super::http;
use super::load::Script;
use super::seed::{Given, object};
use super::subject::Subject;

/// The application id of the servers under measurement.
pub(crate) const APP_ID: &str = "bench";
/// Their master key; no measured request carries it.
pub(crate) const MASTER_KEY: &str = "bench-master-key";

/// Objects of one `saveAll`.
const SAVE_ALL: usize = 50;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// `Cloud.run` of a native function that asks no database.
    Hello,
    /// One new object.
    Create,
    /// One new object, of a class whose `beforeSave` is a script: Rhai here, JavaScript at Parse Server.
    Scripted,
    /// One object by its id.
    Get,
    /// One field of one object.
    Update,
    /// A hundred objects, each with the object it points to.
    Query,
    /// How many objects have a value in an indexed field: a hundred of ten thousand.
    Count,
    /// Fifty new objects in one request.
    #[value(name = "saveall")]
    SaveAll,
    /// A hundred of the fifty thousand members of a relation.
    Relation,
    /// A hundred objects that a user may read through the fifth role from its own, of a thousand roles.
    Roles,
}

impl Workload {
    /// The name in the tables and on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Create => "create",
            Self::Scripted => "scripted",
            Self::Get => "get",
            Self::Update => "update",
            Self::Query => "query",
            Self::Count => "count",
            Self::SaveAll => "saveall",
            Self::Relation => "relation",
            Self::Roles => "roles",
        }
    }

    /// Whether a server that speaks this language, and knows so much of it, can be asked.
    pub(crate) fn is_spoken_by(self, subject: Subject) -> bool {
        match subject {
            Subject::ParsimonyMongo | Subject::ParsimonySqlite | Subject::ParseServer => true,
            Subject::PocketBase => {
                matches!(self, Self::Create | Self::Get | Self::Update | Self::Query)
            }
            Subject::Bare => matches!(self, Self::Hello | Self::Create | Self::Get | Self::Update | Self::Query),
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

    pub(super) fn objects(self, class: &str) -> String {
        match self {
            Self::Parse => format!("/parse/classes/{class}"),
            Self::PocketBase => format!("/api/collections/{class}/records"),
        }
    }

    pub(super) fn headers(self) -> String {
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

    pub(super) const fn query(self) -> &'static str {
        match self {
            Self::Parse => "?limit=100&include=author",
            Self::PocketBase => "?perPage=100&expand=author&skipTotal=1",
        }
    }

    pub(super) const fn id_key(self) -> &'static str {
        match self {
            Self::Parse => "objectId",
            Self::PocketBase => "id",
        }
    }

    pub(super) fn pointer(self, class: &str, id: &str) -> String {
        match self {
            Self::Parse => format!(r#"{{"__type":"Pointer","className":"{class}","objectId":"{id}"}}"#),
            Self::PocketBase => format!(r#""{id}""#),
        }
    }
}

/// The requests of one workload, ready to be written.
#[derive(Debug)]
pub(crate) struct Requests {
    dialect: Dialect,
    workload: Workload,
    headers: String,
    given: Given,
}

impl Requests {
    /// The requests of a workload over what was seeded for it.
    pub(crate) fn new(dialect: Dialect, workload: Workload, given: &Given) -> Self {
        let mut headers = dialect.headers();
        if workload == Workload::Roles {
            headers = format!("{headers}X-Parse-Session-Token: {}\r\n", given.session);
        }
        Self { dialect, workload, headers, given: given.clone() }
    }
}

impl Script for Requests {
    fn write(&self, dice: &mut Dice, into: &mut Vec<u8>) {
        let objects = self.dialect.objects("BenchObject");
        let mut put = |method, path: &str, body: &str| http::request(into, method, path, &self.headers, body);
        match self.workload {
            Workload::Hello => put("POST", "/parse/functions/hello", "{}"),
            Workload::Create => put("POST", &objects, &object(dice.next(), "")),
            Workload::Scripted => put("POST", &self.dialect.objects("BenchScripted"), &object(dice.next(), "")),
            Workload::Get => put("GET", &format!("{objects}/{}", dice.one_of(&self.given.ids)), ""),
            Workload::Update => {
                let path = format!("{objects}/{}", dice.one_of(&self.given.ids));
                put(self.dialect.update_method(), &path, &format!(r#"{{"score":{}}}"#, dice.next() % 1000));
            }
            Workload::Query => {
                put("GET", &format!("{}{}", self.dialect.objects("BenchPost"), self.dialect.query()), "");
            }
            Workload::Count => {
                let body =
                    format!(r#"{{"_method":"GET","where":{{"group":{}}},"count":1,"limit":0}}"#, dice.next() % 100);
                put("POST", &self.dialect.objects("BenchRow"), &body);
            }
            Workload::SaveAll => {
                put("POST", "/parse/batch", &save_all("BenchObject", SAVE_ALL, |_| object(dice.next(), "")));
            }
            Workload::Relation => {
                let owner = self.dialect.pointer("BenchOwner", &self.given.owner);
                let body = format!(
                    r#"{{"_method":"GET","where":{{"$relatedTo":{{"object":{owner},"key":"members"}}}},"limit":100}}"#
                );
                put("POST", &self.dialect.objects("BenchMember"), &body);
            }
            Workload::Roles => put("GET", &format!("{}?limit=100", self.dialect.objects("BenchSecret")), ""),
        }
    }
}

/// The body of a batch of creations.
pub(super) fn save_all(class: &str, count: usize, mut body: impl FnMut(usize) -> String) -> String {
    let one = |number| format!(r#"{{"method":"POST","path":"/parse/classes/{class}","body":{}}}"#, body(number));
    let all: Vec<String> = (0..count).map(one).collect();
    format!(r#"{{"requests":[{}]}}"#, all.join(","))
}

/// Cheap chance, the same in every run.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Different seeds give different throws.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn one_of<'a>(&mut self, ids: &'a [String]) -> &'a str {
        let count = ids.len().max(1) as u64;
        usize::try_from(self.next() % count).ok().and_then(|at| ids.get(at)).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dice_reach_every_id() {
        let ids: Vec<String> = (0..10).map(|id| id.to_string()).collect();
        let mut dice = Dice::new(1);
        let seen: std::collections::BTreeSet<&str> = (0..1000).map(|_| dice.one_of(&ids)).collect();
        assert_eq!(seen.len(), ids.len());
    }

    #[test]
    fn every_body_is_json() {
        let given = Given { ids: vec!["a".into()], owner: "o".into(), session: "r:s".into() };
        for workload in Workload::value_variants() {
            let mut request = Vec::new();
            Requests::new(Dialect::Parse, *workload, &given).write(&mut Dice::new(1), &mut request);
            let text = String::from_utf8(request).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(body.is_empty() || serde_json::from_str::<serde_json::Value>(body).is_ok(), "{body}");
            assert_eq!(head.contains("Session-Token: r:s"), *workload == Workload::Roles);
        }
    }
}
