//! Which route is it: all of them, on one page.

mod accounts;
mod cloud_code;
mod operations;
mod path;
pub(crate) mod push;
mod schemas;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use parsimony_engine::{WebhookKind, WebhookTarget};
use parsimony_model::builtin::Builtin;
use parsimony_model::names::shorten;
use parsimony_model::{ClassName, ErrorCode, ObjectId, ParseError};

pub use self::accounts::AccountRoute;
pub use self::operations::Operation;
pub(crate) use self::path::{below, decoded, split};

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
