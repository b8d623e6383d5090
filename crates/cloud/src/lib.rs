//! What application code sees: how to write cloud functions and hooks in Rust.
//!
//! An application is a value: functions, hooks, class definitions and roles under a name. Nothing registers itself.
//!
//! ```
//! use parsimony_cloud::{Application, ParseError, Request, Rules};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! #[serde(rename_all = "camelCase", deny_unknown_fields)]
//! struct Greet {
//!     first_name: String,
//! }
//!
//! #[derive(Serialize)]
//! struct Greeting {
//!     text: String,
//! }
//!
//! async fn greet(request: Request<Greet>) -> Result<Greeting, ParseError> {
//!     Ok(Greeting { text: format!("Good day, {}!", request.params.first_name) })
//! }
//!
//! let blog = Application::new("blog").define("greet", Rules::none().require_user(), greet);
//! assert_eq!(blog.name(), "blog");
//! ```
//!
//! * Parameters are typed by serde; a wrong one is refused with code 142 and its name before the handler runs.
//! * [`Rules`] are checked before the handler: `require_user`, `require_master`, roles and fields, with Parse's texts.
//! * A handler asks back through [`Host`]: find, save, delete, call; as the caller, or [`Host::as_master`] if it says so.
//! * [`Host::transaction`] makes several saves one. Outside of it each save commits on its own, as in Parse.
//! * A `before_save` hook gets a [`Draft`] and returns it, changed or not; an error refuses the save. Each other moment at
//!   which cloud code may step in is a [`Trigger`] as well: what its handler is given, and what it answers.
//! * [`Application::on`] registers a handler of any trigger with [`Rules`], which are checked before it, and a time limit.
//! * [`Rules::rate_limit`] says how often the path that leads to a function or a trigger may be asked.
//! * What a hook before sets in its [`Context`] is there in the hook after, and what the client sent as `context` in both.
//! * [`Application::job`] registers a job: it runs when somebody starts it, and when its [`JobPlan`] says so.
//! * [`Application::webhook`] handles what an outside service sends, once a [`Verifier`] has found that it is from there.
//! * [`Application::public`] shows a document to everybody who has its URL.
//! * [`Application::auth`] brings an identity provider, an [`auth::AuthAdapter`].
//! * [`Host::metrics`] has what the server measures; an application counts its own there, and tells of the services it calls.
//! * `before_migration` and `after_migration` run at the start, around the making of the classes that are defined.
//! * Two handlers for one name are a start-up error that names both places.
#![deny(clippy::future_not_send)]

pub mod auth;
mod config;
mod cron;
mod define;
mod draft;
mod files;
mod function;
mod handler;
mod host;
mod inbound;
mod job;
mod live;
mod mail;
pub mod metrics;
mod origin;
mod outbound;
mod public;
mod push;
mod rate_limit;
mod registry;
mod retries;
mod rules;
mod scripts;
mod settings;
pub mod stack;
mod strict;
mod triggers;
mod validator;
mod wire;

pub use config::{AfterSaveConfig, BeforeSaveConfig, CONFIG};
pub use cron::Cron;
pub use define::Application;
pub use draft::Draft;
pub use files::{
    AfterDeleteFile, AfterFindFile, AfterSaveFile, BeforeDeleteFile, BeforeFindFile, BeforeSaveFile, CloudFile, FILE,
    FoundFile,
};
pub use function::{Call, Head, Json, Request, Response};
pub use handler::{Handler, Hook, Migration, MigrationHandler};
pub use host::{Host, HostApi, Pending, ResealFrom, ResealStep, no_mail};
pub use inbound::{Delivery, EVENTS, Encoding, EventId, Hash, Inbound, Mismatch, Part, SecretForm, Verified, Verifier};
pub use job::{CatchUp, Job, JobPlan, JobRequest, Overlap, Report, RunApi};
pub use live::{AfterEvent, Audience, BeforeConnect, BeforeSubscribe, LiveEvent, Telling};
pub use mail::{Email, Letter, MailFailure, Mailer, Occasion, Posted};
pub use origin::{Context, Headers, Origin, Who};
pub use outbound::{HttpClient, HttpFailure, HttpRequest, HttpResponse, standard_signature};
pub use parsimony_model::{ErrorCode, ParseError};
pub use public::{PublicDocument, PublicRequest};
pub use push::{PushDevice, PushMessage, PushOutcome, PushSender};
pub use rate_limit::{PathLimit, RateLimit, Zone};
pub use registry::{CONNECT, Hooks, Layer, Place, Registry, RoleDefinition, SchemaDefinition, Tables, Universal};
pub use retries::{CONFLICT, Retries, Turn};
pub use rules::{FieldRule, Kind, Rules};
pub use scripts::{Compiled, Effects, Fault, Interpreter, Script};
pub use settings::Settings;
pub use triggers::{
    AfterDelete, AfterFind, AfterLogin, AfterLogout, AfterSave, AfterSaved, BeforeDelete, BeforeFind, BeforeLogin,
    BeforePasswordResetRequest, BeforeSave, Finding, Trigger,
};
pub use wire::{Elsewhere, Remote, Reply, Spelled};
