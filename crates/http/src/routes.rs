//! Which route is it: all of them, on one page.

mod accounts;
mod operations;
pub(crate) mod push;

use std::borrow::Cow;

use parsimony_engine::{WebhookKind, WebhookTarget};
use parsimony_model::builtin::Builtin;
use parsimony_model::names::shorten;
use parsimony_model::{ClassName, ErrorCode, ObjectId, ParseError};
use percent_encoding::percent_decode_str;

pub use self::accounts::AccountRoute;
pub use self::operations::Operation;

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `GET /classes/C`, `/users`, `/sessions`, `/roles`, `/installations`
    Find(ClassName),
    /// `POST` of the same; of `/users` it is a signup
    Create(ClassName),
    /// `GET /classes/C/ID` and so on
    Get(ClassName, ObjectId),
    /// `PUT`
    Update(ClassName, ObjectId),
    /// `DELETE`
    Delete(ClassName, ObjectId),
    /// `GET /users/me`
    Me,
    /// `GET` or `POST /login`
    LogIn,
    /// `POST /logout`
    LogOut,
    /// `POST /challenge`
    Challenge,
    /// `GET` or `POST /verifyPassword`
    VerifyPassword,
    /// `/requestPasswordReset` and others beside the login
    Account(AccountRoute),
    /// `GET /sessions/me`
    MySession,
    /// `GET /aggregate/C`
    Aggregate(ClassName),
    /// `POST /functions/NAME`
    Call(String),
    /// `POST /batch`
    Batch,
    /// `GET /schemas`
    Schemas,
    /// `GET /schemas/C`
    Schema(String),
    /// `POST /schemas` or `/schemas/C`
    CreateSchema(Option<String>),
    /// `PUT /schemas/C`
    UpdateSchema(String),
    /// `DELETE /schemas/C`
    DeleteSchema(String),
    /// `POST /parsimony/schema/plan`; ours, as all below `/parsimony`
    PlanSchemas,
    /// `GET /parsimony/metrics`
    Metrics,
    /// `POST /parsimony/schema/push`
    PushSchemas,
    /// `POST /parsimony/schema/rollback`
    RollBackSchemas,
    /// `GET /parsimony/schema/definitions`
    SchemaDefinitions,
    /// `GET /parsimony/schema/history`
    SchemaHistory,
    /// `GET /hooks/functions` or `/hooks/triggers`
    Webhooks(WebhookKind),
    /// `GET /hooks/functions/NAME` or `/hooks/triggers/C/TRIGGER`
    Webhook(WebhookTarget),
    /// `POST /hooks/functions` or `/hooks/triggers`
    CreateWebhook,
    /// `PUT /hooks/functions/NAME` or `/hooks/triggers/C/TRIGGER`
    ChangeWebhook(WebhookTarget),
    /// `POST /jobs/NAME`, or `POST /jobs` with the name in the body
    StartJob(Option<String>),
    /// `GET /parsimony/jobs`
    Jobs,
    /// `PUT /parsimony/jobs/NAME`
    PauseJob(String),
    /// `DELETE /parsimony/jobs/ID`
    CancelJob(ObjectId),
    /// `GET /cloud_code/jobs`
    JobSchedules,
    /// `GET /cloud_code/jobs/data`
    JobsData,
    /// `POST /cloud_code/jobs`
    CreateJobSchedule,
    /// `PUT /cloud_code/jobs/ID`
    UpdateJobSchedule(ObjectId),
    /// `DELETE /cloud_code/jobs/ID`
    DeleteJobSchedule(ObjectId),
    /// `GET /hooks/scripts`; ours, as all below it
    Scripts,
    /// `GET /hooks/scripts/NAME` or `/hooks/scripts/APPLICATION/NAME`, and so on
    Script(String),
    /// `PUT` of the same
    PutScript(String),
    /// `DELETE` of the same
    DeleteScript(String),
    /// `GET /hooks/scripts/NAME/history`
    ScriptHistory(String),
    /// `POST /hooks/scripts/NAME/rollback`
    RollBackScript(String),
    /// `POST /hooks/scripts/NAME/try`
    RehearseScript(String),
    /// `/push`, `/push_audiences`
    Push(push::PushRoute),
    /// `DELETE /purge/C`
    Purge(String),
    /// What is of the whole application.
    Operation(Operation),
    /// `GET /serverInfo`
    ServerInfo,
    /// `/health`, any method
    Health,
    /// What Parse has and this version does not offer.
    Unavailable(Missing),
}

/// Something that Parse has and this version does not offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// What it is called, as the start of a sentence.
    pub feature: &'static str,
    /// Whether Parse keeps it for the master key.
    pub master_only: bool,
    /// What a key that only reads is told it may not do.
    pub writes: Option<&'static str>,
}

/// What requests for these areas would write, in the words of a refusal.
const MISSING_WRITES: &[(&str, &str, &str)] = &[("graphql-config", "PUT", "update the GraphQL config")];

/// The areas that this version does not offer.
const MISSING: &[(&str, &str, bool)] = &[("graphql-config", "GraphQL", true)];

impl Route {
    /// Reads the segments of a path below the mount path. Parse: their case does not matter.
    pub fn parse<S: AsRef<str>>(method: &str, segments: &[S]) -> Result<Self, ParseError> {
        let unknown = || unroutable(method, segments);
        let mut rest = segments.iter().map(AsRef::as_ref);
        let (area, second, third) = (rest.next().unwrap_or_default(), rest.next(), rest.next());
        let area = lower(area);
        if let Some((_, feature, master_only)) = MISSING.iter().find(|(name, ..)| *name == area) {
            let writes = MISSING_WRITES.iter().find(|(name, by, _)| *name == area && *by == method);
            let writes = writes.map(|(_, _, what)| *what);
            return Ok(Self::Unavailable(Missing { feature, master_only: *master_only, writes }));
        }
        if area == "hooks" && second == Some("scripts") {
            let after: Vec<&str> = segments.iter().skip(2).map(AsRef::as_ref).collect();
            return Self::scripts(method, &after).ok_or_else(unknown);
        }
        let fourth = rest.next();
        if area == "hooks" && rest.next().is_none() {
            return Self::webhooks(method, second, third, fourth).ok_or_else(unknown);
        }
        if fourth.is_some() || second == Some("") {
            return Err(unknown());
        }
        let is_me = second.is_some_and(|id| id.eq_ignore_ascii_case("me")) && third.is_none() && method == "GET";
        match (&*area, second, third) {
            ("classes", Some(class), id) => Self::object(method, class_name(method, class)?, id).ok_or_else(unknown)?,
            ("users", Some(_), None) if is_me => Ok(Self::Me),
            ("sessions", Some(_), None) if is_me => Ok(Self::MySession),
            ("users", id, None) => Self::object(method, Builtin::User.name(), id).ok_or_else(unknown)?,
            ("sessions", id, None) => Self::object(method, Builtin::Session.name(), id).ok_or_else(unknown)?,
            ("roles", id, None) => Self::object(method, Builtin::Role.name(), id).ok_or_else(unknown)?,
            ("installations", id, None) => {
                Self::object(method, Builtin::Installation.name(), id).ok_or_else(unknown)?
            }
            ("aggregate", Some(class), None) if method == "GET" => Ok(Self::Aggregate(class_name(method, class)?)),
            ("schemas", class, None) => Self::schemas(method, class).ok_or_else(unknown),
            ("parsimony", Some("schema"), Some(what)) => Self::own_schemas(method, what).ok_or_else(unknown),
            ("parsimony", Some("metrics"), None) if method == "GET" => Ok(Self::Metrics),
            ("jobs", name, None) if method == "POST" => Ok(Self::StartJob(name.map(str::to_owned))),
            ("parsimony" | "cloud_code", Some("jobs"), id) => Self::jobs(method, &area, id).ok_or_else(unknown)?,
            ("push" | "push_audiences", id, None) => {
                push::PushRoute::parse(&area, method, id).ok_or_else(unknown)?.map(Self::Push)
            }
            ("purge", Some(class), None) if method == "DELETE" => Ok(Self::Purge(class.to_owned())),
            ("functions", Some(name), None) if method == "POST" => Ok(Self::Call(name.to_owned())),
            ("login", None, None) if matches!(method, "GET" | "POST") => Ok(Self::LogIn),
            ("verifypassword", None, None) if matches!(method, "GET" | "POST") => Ok(Self::VerifyPassword),
            ("challenge", None, None) if method == "POST" => Ok(Self::Challenge),
            ("logout", None, None) if method == "POST" => Ok(Self::LogOut),
            ("batch", None, None) if method == "POST" => Ok(Self::Batch),
            ("config" | "scriptlog" | "security" | "events" | "validate_purchase", name, None) => {
                Operation::of(method, &area, name).map(Self::Operation).ok_or_else(unknown)
            }
            ("serverinfo", None, None) if method == "GET" => Ok(Self::ServerInfo),
            ("health", None, None) => Ok(Self::Health),
            (_, None, None) => AccountRoute::parse(method, &area).map(Self::Account).ok_or_else(unknown),
            _ => Err(unknown()),
        }
    }

    /// The objects of a class; `None` if there is no such method.
    fn object(method: &str, class: ClassName, id: Option<&str>) -> Option<Result<Self, ParseError>> {
        let route: fn(ClassName, ObjectId) -> Self = match (method, id) {
            ("GET", None) => return Some(Ok(Self::Find(class))),
            ("POST", None) => return Some(Ok(Self::Create(class))),
            ("GET", Some(_)) => Self::Get,
            ("PUT", Some(_)) => Self::Update,
            ("DELETE", Some(_)) => Self::Delete,
            _ => return None,
        };
        Some(ObjectId::parse(id?).map(|id| route(class, id)))
    }

    /// What Parse does not have: definitions, pushed and taken back.
    fn own_schemas(method: &str, what: &str) -> Option<Self> {
        match (method, what) {
            ("POST", "plan") => Some(Self::PlanSchemas),
            ("POST", "push") => Some(Self::PushSchemas),
            ("POST", "rollback") => Some(Self::RollBackSchemas),
            ("GET", "definitions") => Some(Self::SchemaDefinitions),
            ("GET", "history") => Some(Self::SchemaHistory),
            _ => None,
        }
    }

    /// Jobs as this server runs them, or as the dashboard plans them.
    fn jobs(method: &str, area: &str, id: Option<&str>) -> Option<Result<Self, ParseError>> {
        let route: fn(ObjectId) -> Self = match (area, method, id) {
            ("parsimony", "GET", None) => return Some(Ok(Self::Jobs)),
            ("parsimony", "PUT", Some(name)) => return Some(Ok(Self::PauseJob(name.to_owned()))),
            ("parsimony", "DELETE", Some(_)) => Self::CancelJob,
            ("cloud_code", "GET", None) => return Some(Ok(Self::JobSchedules)),
            ("cloud_code", "GET", Some("data")) => return Some(Ok(Self::JobsData)),
            ("cloud_code", "POST", None) => return Some(Ok(Self::CreateJobSchedule)),
            ("cloud_code", "PUT", Some(_)) => Self::UpdateJobSchedule,
            ("cloud_code", "DELETE", Some(_)) => Self::DeleteJobSchedule,
            _ => return None,
        };
        Some(ObjectId::parse(id?).map(route))
    }

    /// Hook scripts. A name has one or two segments.
    fn scripts(method: &str, after: &[&str]) -> Option<Self> {
        let (name, what) = match (method, after) {
            (_, []) => return (method == "GET").then_some(Self::Scripts),
            ("GET", [name @ .., "history"]) if !name.is_empty() => (name, Self::ScriptHistory as fn(String) -> Self),
            ("POST", [name @ .., "rollback"]) => (name, Self::RollBackScript as fn(String) -> Self),
            ("POST", [name @ .., "try"]) => (name, Self::RehearseScript as fn(String) -> Self),
            ("GET", name) => (name, Self::Script as fn(String) -> Self),
            ("PUT", name) => (name, Self::PutScript as fn(String) -> Self),
            ("DELETE", name) => (name, Self::DeleteScript as fn(String) -> Self),
            _ => return None,
        };
        ((1..=2).contains(&name.len()) && !name.contains(&"")).then(|| what(name.join("/")))
    }

    fn webhooks(method: &str, kind: Option<&str>, name: Option<&str>, trigger: Option<&str>) -> Option<Self> {
        let target = match (kind, name, trigger) {
            (Some("functions"), Some(name), None) => WebhookTarget::Function(name.to_owned()),
            (Some("triggers"), Some(class), Some(trigger)) => {
                WebhookTarget::Trigger { class: class.to_owned(), trigger: trigger.to_owned() }
            }
            (Some(kind @ ("functions" | "triggers")), None, None) => {
                let listed = if kind == "functions" { WebhookKind::Functions } else { WebhookKind::Triggers };
                return match method {
                    "GET" => Some(Self::Webhooks(listed)),
                    "POST" => Some(Self::CreateWebhook),
                    _ => None,
                };
            }
            _ => return None,
        };
        match method {
            "GET" => Some(Self::Webhook(target)),
            "PUT" => Some(Self::ChangeWebhook(target)),
            _ => None,
        }
    }

    fn schemas(method: &str, class: Option<&str>) -> Option<Self> {
        let class = class.map(str::to_owned);
        match method {
            "POST" => Some(Self::CreateSchema(class)),
            "GET" => Some(class.map_or(Self::Schemas, Self::Schema)),
            "PUT" => class.map(Self::UpdateSchema),
            "DELETE" => class.map(Self::DeleteSchema),
            _ => None,
        }
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// The class of a path. Parse: each kind of impossible name has its own refusal.
fn class_name(method: &str, raw: &str) -> Result<ClassName, ParseError> {
    ClassName::parse(raw).map_err(|error| {
        if raw.starts_with("_Join:") {
            ParseError::denied(
                ErrorCode::OperationForbidden,
                format!("Clients aren't allowed to use the {} collection.", shorten(raw)),
            )
        } else if method == "POST" {
            ParseError::new(ErrorCode::InvalidJson, "schema class name does not revalidate")
        } else {
            error
        }
    })
}

/// The refusal of a path that leads nowhere.
pub(crate) fn unroutable<S: AsRef<str>>(method: &str, segments: &[S]) -> ParseError {
    let path: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let text = format!("cannot route {} /{}", shorten(method), shorten(&path.join("/")));
    ParseError::new(ErrorCode::RouteNotFound, text)
}

/// Splits a path below the mount path. Parse: one slash too many, at the start or at the end, does not matter.
pub(crate) fn split(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/')
}

/// The segments of a path of a URL, each decoded once.
pub(crate) fn decoded(path: &str) -> Result<Vec<Cow<'_, str>>, ParseError> {
    split(path)
        .map(|segment| percent_decode_str(segment).decode_utf8())
        .collect::<Result<_, _>>()
        .map_err(|_error| ParseError::new(ErrorCode::RouteNotFound, "The path is no UTF-8 text."))
}

/// What follows the mount path, if the path is below it. Parse: its case does not matter.
pub(crate) fn below<'a>(mount: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.get(mount.len()..)?;
    let same = path.as_bytes().get(..mount.len())?.eq_ignore_ascii_case(mount.as_bytes());
    (same && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Route, ParseError> {
        let (method, path) = line.split_once(' ').unwrap();
        Route::parse(method, &decoded(path)?)
    }

    fn class(name: &str) -> ClassName {
        ClassName::parse(name).unwrap()
    }

    fn id(text: &str) -> ObjectId {
        ObjectId::parse(text).unwrap()
    }

    #[test]
    fn every_route_is_found() {
        for (line, route) in [
            ("GET /classes/Post", Route::Find(class("Post"))),
            ("POST /classes/Post", Route::Create(class("Post"))),
            ("GET /classes/Post/x", Route::Get(class("Post"), id("x"))),
            ("PUT /classes/Post/x", Route::Update(class("Post"), id("x"))),
            ("DELETE /classes/Post/x", Route::Delete(class("Post"), id("x"))),
            ("GET /users", Route::Find(class("_User"))),
            ("POST /users", Route::Create(class("_User"))),
            ("GET /users/me", Route::Me),
            ("PUT /users/me", Route::Update(class("_User"), id("me"))),
            ("GET /users/u1", Route::Get(class("_User"), id("u1"))),
            ("GET /login", Route::LogIn),
            ("POST /login", Route::LogIn),
            ("POST /logout", Route::LogOut),
            ("POST /loginAs", Route::Account(AccountRoute::LogInAs)),
            ("POST /requestPasswordReset", Route::Account(AccountRoute::RequestPasswordReset)),
            ("POST /verificationEmailRequest", Route::Account(AccountRoute::RequestVerification)),
            ("POST /upgradeToRevocableSession", Route::Account(AccountRoute::UpgradeSession)),
            ("POST /challenge", Route::Challenge),
            ("GET /verifyPassword", Route::VerifyPassword),
            ("GET /sessions/me", Route::MySession),
            ("PUT /sessions/me", Route::Update(class("_Session"), id("me"))),
            ("POST /sessions", Route::Create(class("_Session"))),
            ("DELETE /roles/r", Route::Delete(class("_Role"), id("r"))),
            ("GET /installations", Route::Find(class("_Installation"))),
            ("GET /aggregate/Post", Route::Aggregate(class("Post"))),
            ("POST /functions/hello", Route::Call("hello".to_owned())),
            ("POST /functions/a.b", Route::Call("a.b".to_owned())),
            ("POST /batch", Route::Batch),
            ("GET /schemas", Route::Schemas),
            ("GET /schemas/A", Route::Schema("A".to_owned())),
            ("POST /schemas", Route::CreateSchema(None)),
            ("POST /schemas/A", Route::CreateSchema(Some("A".to_owned()))),
            ("PUT /schemas/A", Route::UpdateSchema("A".to_owned())),
            ("DELETE /schemas/A", Route::DeleteSchema("A".to_owned())),
            ("GET /hooks/scripts", Route::Scripts),
            ("GET /hooks/scripts/Item", Route::Script("Item".to_owned())),
            ("GET /hooks/scripts/app/Item", Route::Script("app/Item".to_owned())),
            ("GET /hooks/scripts/app%2FItem/history", Route::ScriptHistory("app/Item".to_owned())),
            ("GET /hooks/scripts/app/Item/history", Route::ScriptHistory("app/Item".to_owned())),
            ("PUT /hooks/scripts/functions", Route::PutScript("functions".to_owned())),
            ("DELETE /hooks/scripts/app/Item", Route::DeleteScript("app/Item".to_owned())),
            ("POST /hooks/scripts/Item/rollback", Route::RollBackScript("Item".to_owned())),
            ("POST /hooks/scripts/app/Item/try", Route::RehearseScript("app/Item".to_owned())),
            ("POST /parsimony/schema/plan", Route::PlanSchemas),
            ("POST /parsimony/schema/push", Route::PushSchemas),
            ("POST /parsimony/schema/rollback", Route::RollBackSchemas),
            ("GET /parsimony/schema/definitions", Route::SchemaDefinitions),
            ("GET /parsimony/schema/history", Route::SchemaHistory),
            ("GET /hooks/functions", Route::Webhooks(WebhookKind::Functions)),
            ("POST /hooks/triggers", Route::CreateWebhook),
            ("PUT /hooks/functions/f", Route::ChangeWebhook(WebhookTarget::Function("f".to_owned()))),
            (
                "GET /hooks/triggers/C/beforeSave",
                Route::Webhook(WebhookTarget::Trigger { class: "C".to_owned(), trigger: "beforeSave".to_owned() }),
            ),
            ("POST /jobs", Route::StartJob(None)),
            ("POST /jobs/clean", Route::StartJob(Some("clean".to_owned()))),
            ("GET /parsimony/jobs", Route::Jobs),
            ("DELETE /parsimony/jobs/r", Route::CancelJob(id("r"))),
            ("GET /cloud_code/jobs", Route::JobSchedules),
            ("GET /cloud_code/jobs/data", Route::JobsData),
            ("POST /cloud_code/jobs", Route::CreateJobSchedule),
            ("PUT /cloud_code/jobs/s", Route::UpdateJobSchedule(id("s"))),
            ("DELETE /cloud_code/jobs/s", Route::DeleteJobSchedule(id("s"))),
            ("GET /serverInfo", Route::ServerInfo),
            ("PATCH /health", Route::Health),
        ] {
            assert_eq!(parse(line).unwrap(), route, "{line}");
        }
    }

    #[test]
    fn metrics_and_pauses_have_routes() {
        assert_eq!(parse("GET /parsimony/metrics"), Ok(Route::Metrics));
        assert_eq!(parse("PUT /parsimony/jobs/clean"), Ok(Route::PauseJob("clean".to_owned())));
        for line in ["POST /parsimony/metrics", "GET /parsimony/metrics/x", "PUT /parsimony/jobs"] {
            assert_eq!(parse(line).unwrap_err().code, ErrorCode::RouteNotFound, "{line}");
        }
    }

    #[test]
    fn case_slashes_and_encoding_do_not_matter() {
        for line in ["GET /CLASSES/Post/", "GET //classes/Post", "GET /classes/P%6Fst", "GET //Classes/Post/"] {
            assert_eq!(parse(line).unwrap(), Route::Find(class("Post")), "{line}");
        }
        assert_eq!(parse("GET /classes/Post/a%2Fb%2541").unwrap(), Route::Get(class("Post"), id("a/b%41")));
        assert_eq!(parse("GET /USERS/Me").unwrap(), Route::Me);
    }

    #[test]
    fn what_is_no_route_says_so() {
        for line in [
            "GET /",
            "GET /nope",
            "GET /classes",
            "GET /classes/Post/x/y",
            "PATCH /classes/Post/x",
            "POST /classes/Post/x",
            "PUT /classes/Post",
            "GET /classes//x/",
            "GET /functions/hello",
            "GET /aggregate",
            "POST /aggregate/Post",
            "GET /batch",
            "GET /logout",
            "GET /loginAs",
            "POST /requestPasswordReset/x",
            "GET /apps",
            "PUT /schemas",
            "GET /parsimony/schema",
            "GET /parsimony/schema/push",
            "GET /users/me/x",
            "DELETE /hooks/functions/f",
            "GET /hooks/triggers/C",
            "GET /hooks/triggers/C/beforeSave/x",
            "GET /hooks",
            "GET /classes/Post//",
            "GET /%ff",
        ] {
            // An empty class name is no name, which is refused as such.
            let code = parse(line).unwrap_err().code;
            assert!(matches!(
                code,
                ErrorCode::RouteNotFound | ErrorCode::InvalidClassName | ErrorCode::MissingObjectId
            ));
        }
        assert_eq!(parse("GET /nope/x").unwrap_err().message, "cannot route GET /nope/x");
        for (line, number) in [
            ("GET /classes/no-name", 103),
            ("POST /classes/no-name", 107),
            ("GET /classes/_Join:users:_Role", 119),
            ("POST /classes/_Join:users:_Role", 119),
        ] {
            assert_eq!(parse(line).unwrap_err().number(), Some(number), "{line}");
        }
        assert_eq!(parse(&format!("GET /classes/A/{}", "x".repeat(129))).unwrap_err().number(), Some(101));
    }

    #[test]
    fn what_is_of_the_whole_application_is_known() {
        for (line, operation) in [
            ("GET /config", Operation::Config),
            ("PUT /CONFIG", Operation::UpdateConfig),
            ("GET /scriptlog", Operation::LogLines),
            ("GET /security", Operation::Security),
            ("POST /events/AppOpened", Operation::Event),
            ("POST /validate_purchase", Operation::ValidatePurchase),
        ] {
            assert_eq!(parse(line), Ok(Route::Operation(operation)), "{line}");
        }
        for line in
            ["POST /config", "GET /config/x", "POST /events", "GET /events/x", "POST /scriptlog", "POST /files/a"]
        {
            assert_eq!(parse(line).unwrap_err().code, ErrorCode::RouteNotFound, "{line}");
        }
    }

    #[test]
    fn what_is_not_offered_is_known() {
        for (line, master_only) in [("GET /graphql-config", true), ("PUT /graphql-config", true)] {
            let Ok(Route::Unavailable(missing)) = parse(line) else { panic!("{line}") };
            assert_eq!(missing.master_only, master_only, "{line}");
        }
    }

    #[test]
    fn a_path_is_below_the_mount_or_not() {
        for (mount, path, rest) in [
            ("/parse", "/parse/classes/A", Some("/classes/A")),
            ("/parse", "/PARSE/health", Some("/health")),
            ("/parse", "/parse", Some("")),
            ("/parse", "/parser/x", None),
            ("/parse", "/p", None),
            ("/parse", "/é", None),
            ("/parse", "/parsé", None),
            ("", "/health", Some("/health")),
        ] {
            assert_eq!(below(mount, path), rest, "{path}");
        }
    }
}
