//! How an application names what it brings: the `define`-style registry.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use parsimony_model::ParseError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::auth::{AuthAdapter, SmsSender};
use crate::config::{AfterSaveConfig, BeforeSaveConfig};
use crate::files::{AfterDeleteFile, AfterFindFile, AfterSaveFile, BeforeDeleteFile, BeforeFindFile, BeforeSaveFile};
use crate::function::{Call, Request, Typed};
use crate::handler::{Handler, Hook, Migration, MigrationHandler};
use crate::inbound::{Inbound, Verifier};
use crate::job::{Job, JobPlan, JobRequest, Report, TypedJob};
use crate::live::{AfterEvent, BeforeConnect, BeforeSubscribe};
use crate::public::PublicRequest;
use crate::registry::{CONNECT, Place, Registry, RoleDefinition, SchemaDefinition};
use crate::rules::Rules;
use crate::scripts::Script;
use crate::settings::Build;
use crate::triggers::{
    AfterDelete, AfterFind, AfterLogin, AfterLogout, AfterSave, BeforeDelete, BeforeFind, BeforeLogin,
    BeforePasswordResetRequest, BeforeSave, Trigger,
};

/// What takes its place in a registry when all applications are known.
type Part = Box<dyn FnOnce(&mut Registry) -> Result<(), String> + Send>;

/// An application: functions, hooks, class definitions and roles under a name.
pub struct Application {
    pub(crate) name: String,
    pub(crate) parts: Vec<Part>,
    pub(crate) schemas: Vec<SchemaDefinition>,
    pub(crate) scripts: Vec<Script>,
    pub(crate) roles: Vec<RoleDefinition>,
    pub(crate) before_migration: Vec<Migration>,
    pub(crate) after_migration: Vec<Migration>,
    pub(crate) builds: Vec<Build>,
    pub(crate) shared: Vec<Self>,
}

/// One method for each trigger of a class.
macro_rules! class_triggers {
    ($($(#[$doc:meta])* $method:ident: $trigger:ty;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            #[track_caller]
            pub fn $method(self, class: &str, handler: impl Handler<$trigger> + 'static) -> Self {
                self.on::<$trigger>(class, Rules::none(), handler)
            }
        )*
    };
}

/// One method for each trigger of what is no class.
macro_rules! only_triggers {
    ($($(#[$doc:meta])* $method:ident: $trigger:ty;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            #[track_caller]
            pub fn $method(self, handler: impl Handler<$trigger> + 'static) -> Self {
                self.on::<$trigger>(<$trigger>::CLASS.unwrap_or_default(), Rules::none(), handler)
            }
        )*
    };
}

impl Application {
    /// An application that brings nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            parts: Vec::new(),
            schemas: Vec::new(),
            scripts: Vec::new(),
            roles: Vec::new(),
            before_migration: Vec::new(),
            after_migration: Vec::new(),
            builds: Vec::new(),
            shared: Vec::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What this application shares with others: an application of its own, which is there once however many share it.
    #[must_use]
    pub fn sharing(mut self, shared: Self) -> Self {
        self.shared.push(shared);
        self
    }

    /// Its name, and the names of what it shares.
    pub fn names(&self) -> Vec<&str> {
        std::iter::once(self.name()).chain(self.shared.iter().flat_map(Self::names)).collect()
    }

    /// The applications and what they share, each before those that share it.
    pub fn with_shared(applications: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for mut application in applications {
            for shared in Self::with_shared(std::mem::take(&mut application.shared)) {
                if !all.iter().any(|known| known.name == shared.name) {
                    all.push(shared);
                }
            }
            all.push(application);
        }
        all
    }

    /// A cloud function, `Parse.Cloud.run(name, params)`.
    #[must_use]
    #[track_caller]
    pub fn define<F, P, R, A>(self, name: &str, rules: Rules, handler: F) -> Self
    where
        F: Fn(Request<P>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, ParseError>> + Send + 'static,
        P: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
    {
        self.on::<Call>(name, rules, Typed(handler, PhantomData))
    }

    /// A handler of a trigger of a class, with rules that are checked before it runs.
    ///
    /// ```
    /// use parsimony_cloud::{Application, BeforeDelete, ParseError, Rules};
    ///
    /// async fn keep(_: BeforeDelete) -> Result<(), ParseError> {
    ///     Err(ParseError::new(parsimony_cloud::ErrorCode::OperationForbidden, "Invoices are kept."))
    /// }
    ///
    /// Application::new("books").on("Invoice", Rules::none().require_user(), keep);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn on<T: Trigger>(mut self, name: &str, rules: Rules, handler: impl Handler<T> + 'static) -> Self {
        let hook = Hook { rules, handler: Arc::new(handler), place: self.place(Location::caller()) };
        let name = name.to_owned();
        self.parts.push(Box::new(move |registry| registry.add::<T>(&name, hook)));
        self
    }

    /// A background job, `Parse.Cloud.job(name)`: it runs when somebody with the master key starts it, when a schedule of the
    /// dashboard is due, and when its plan says so. What it returns is its last message.
    ///
    /// ```
    /// use parsimony_cloud::{Application, JobPlan, JobRequest, ParseError};
    ///
    /// async fn clean(request: JobRequest) -> Result<String, ParseError> {
    ///     request.message("half of it is done").await?;
    ///     Ok("all is clean".to_owned())
    /// }
    ///
    /// Application::new("books").job("clean", JobPlan::manual().cron("30 3 * * *", "Europe/Vienna"), clean);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn job<F, P, R, A>(self, name: &str, plan: JobPlan, handler: F) -> Self
    where
        F: Fn(JobRequest<P>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, ParseError>> + Send + 'static,
        P: DeserializeOwned + Send + 'static,
        R: Into<Report> + 'static,
    {
        self.on_job(name, plan, Rules::none(), TypedJob(handler, PhantomData))
    }

    /// As [`Application::job`], with rules for its parameters, and for a handler that types them by itself.
    #[must_use]
    #[track_caller]
    pub fn on_job(mut self, name: &str, plan: JobPlan, rules: Rules, handler: impl Handler<Job> + 'static) -> Self {
        let hook = Hook { rules, handler: Arc::new(handler), place: self.place(Location::caller()) };
        let name = name.to_owned();
        self.parts.push(Box::new(move |registry| registry.add_job(&name, plan, hook)));
        self
    }

    /// What an outside service sends to `POST …/webhooks/APPLICATION/SOURCE`. A delivery that the verifier believes is stored
    /// and answered; then the handler gets it, again after each failure, so it does what it has done before without harm.
    ///
    /// ```
    /// use parsimony_cloud::{Application, Inbound, ParseError, Verifier};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Event {
    ///     r#type: String,
    /// }
    ///
    /// async fn paid(event: Inbound) -> Result<(), ParseError> {
    ///     let Event { r#type } = event.json()?;
    ///     event.host.create("Happened", parsimony_model::map! { "what" => r#type }).await?;
    ///     Ok(())
    /// }
    ///
    /// let secret = "whsec_…"; // of the configuration
    /// Application::new("shop").webhook("stripe", Verifier::stripe(secret), paid);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn webhook(mut self, source: &str, verifier: Verifier, handler: impl Handler<Inbound> + 'static) -> Self {
        let hook = Hook { rules: Rules::none(), handler: Arc::new(handler), place: self.place(Location::caller()) };
        let source = source.to_owned();
        self.parts.push(Box::new(move |registry| registry.add_inbound(&source, verifier, hook)));
        self
    }

    /// A public document, at `GET …/public/APPLICATION/PATH`: everybody may read it, without any key. The last segment of the
    /// path may be open, as in `lists/{name}`.
    ///
    /// ```
    /// use parsimony_cloud::{Application, ParseError, PublicDocument, PublicRequest};
    ///
    /// async fn hours(_: PublicRequest) -> Result<PublicDocument, ParseError> {
    ///     Ok(PublicDocument::new("application/json", r#"{"open": 9, "shut": 17}"#).kept_for(3600))
    /// }
    ///
    /// Application::new("shop").public("hours.json", hours);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn public(mut self, path: &str, handler: impl Handler<PublicRequest> + 'static) -> Self {
        let hook = Hook { rules: Rules::none(), handler: Arc::new(handler), place: self.place(Location::caller()) };
        let path = path.to_owned();
        self.parts.push(Box::new(move |registry| registry.add_public(&path, hook)));
        self
    }

    /// An identity provider: what clients send as `authData.NAME` is its adapter's to judge. It takes the place of one that the
    /// server ships under the same name.
    #[must_use]
    #[track_caller]
    pub fn auth(mut self, name: &str, adapter: impl AuthAdapter + 'static) -> Self {
        let (name, place) = (name.to_owned(), self.place(Location::caller()));
        self.parts.push(Box::new(move |registry| registry.add_auth(&name, Arc::new(adapter), &place)));
        self
    }

    /// What sends the one-time codes of `auth.mfa` to telephones.
    #[must_use]
    #[track_caller]
    pub fn sms(mut self, sender: impl SmsSender + 'static) -> Self {
        let place = self.place(Location::caller());
        self.parts.push(Box::new(move |registry| registry.add_sms(Arc::new(sender), &place)));
        self
    }

    class_triggers! {
        /// What may change or refuse each save of a class.
        before_save: BeforeSave;
        /// What learns of each save of a class. Its errors are logged; they cannot undo the save.
        after_save: AfterSave;
        /// What may refuse each deletion of an object of a class.
        before_delete: BeforeDelete;
        /// What learns of each deletion of an object of a class.
        after_delete: AfterDelete;
        /// What may change or refuse each query of a class.
        before_find: BeforeFind;
        /// What may change what a query of a class finds.
        after_find: AfterFind;
        /// What may change or refuse each LiveQuery subscription to a class.
        before_subscribe: BeforeSubscribe;
        /// What may change or hold back what a LiveQuery subscriber is told of a class.
        after_live_query_event: AfterEvent;
    }

    only_triggers! {
        /// What may change or refuse each file that is stored.
        before_save_file: BeforeSaveFile;
        /// What learns of each file that was stored. Its errors reach the client, but the file is stored.
        after_save_file: AfterSaveFile;
        /// What may refuse each deletion of a file.
        before_delete_file: BeforeDeleteFile;
        /// What learns of each file that was deleted.
        after_delete_file: AfterDeleteFile;
        /// What may refuse each download of a file, or have another one found.
        before_find_file: BeforeFindFile;
        /// What may refuse each file that was found, or change what is answered.
        after_find_file: AfterFindFile;
        /// What may refuse each change of Parse Config.
        before_save_config: BeforeSaveConfig;
        /// What learns of each change of Parse Config.
        after_save_config: AfterSaveConfig;
    }

    /// What may refuse a LiveQuery client that connects.
    #[must_use]
    #[track_caller]
    pub fn before_connect(self, handler: impl Handler<BeforeConnect> + 'static) -> Self {
        self.on::<BeforeConnect>(CONNECT, Rules::none(), handler)
    }

    /// What may refuse a login.
    #[must_use]
    #[track_caller]
    pub fn before_login(self, handler: impl Handler<BeforeLogin> + 'static) -> Self {
        self.on::<BeforeLogin>(USER, Rules::none(), handler)
    }

    /// What learns of a login.
    #[must_use]
    #[track_caller]
    pub fn after_login(self, handler: impl Handler<AfterLogin> + 'static) -> Self {
        self.on::<AfterLogin>(USER, Rules::none(), handler)
    }

    /// What learns of a logout.
    #[must_use]
    #[track_caller]
    pub fn after_logout(self, handler: impl Handler<AfterLogout> + 'static) -> Self {
        self.on::<AfterLogout>(SESSION, Rules::none(), handler)
    }

    /// What may refuse that a user's password is reset by e-mail.
    #[must_use]
    #[track_caller]
    pub fn before_password_reset_request(self, handler: impl Handler<BeforePasswordResetRequest> + 'static) -> Self {
        self.on::<BeforePasswordResetRequest>(USER, Rules::none(), handler)
    }

    /// What runs when the server starts, before the classes are made what is defined: Parse's `schema.beforeMigration`. An
    /// error ends the start.
    #[must_use]
    #[track_caller]
    pub fn before_migration(mut self, handler: impl MigrationHandler + 'static) -> Self {
        let place = self.place(Location::caller());
        self.before_migration.push(Migration { handler: Arc::new(handler), place });
        self
    }

    /// What runs when the server starts, after the classes were made what is defined: Parse's `schema.afterMigration`. An
    /// error ends the start.
    #[must_use]
    #[track_caller]
    pub fn after_migration(mut self, handler: impl MigrationHandler + 'static) -> Self {
        let place = self.place(Location::caller());
        self.after_migration.push(Migration { handler: Arc::new(handler), place });
        self
    }

    /// A class definition: the text of a `schemas/APPLICATION/CLASS.json` file.
    #[must_use]
    #[track_caller]
    pub fn schema(mut self, json: impl Into<String>) -> Self {
        let place = self.place(Location::caller());
        self.schemas.push(SchemaDefinition { json: json.into(), place });
        self
    }

    /// A hook script: the text of a `hooks/NAME.rhai` file. Administrators may put another one in its place.
    #[must_use]
    #[track_caller]
    pub fn script(mut self, name: &str, text: &str) -> Self {
        let (name, source) = (format!("{}/{name}", self.name), self.place(Location::caller()).to_string());
        self.scripts.push(Script { name, text: text.into(), source });
        self
    }

    /// A role that the application needs, and the roles whose rights its members have too.
    #[must_use]
    pub fn role(mut self, name: &str, inherits: &[&str]) -> Self {
        let inherits = inherits.iter().map(|role| (*role).to_owned()).collect();
        self.roles.push(RoleDefinition { name: name.to_owned(), inherits });
        self
    }

    fn place(&self, source: &Location<'_>) -> Place {
        Place { application: self.name.clone(), source: format!("{}:{}", source.file(), source.line()) }
    }
}

/// The class whose triggers are those of logins.
const USER: &str = "_User";

/// The class whose trigger is that of logouts.
const SESSION: &str = "_Session";
