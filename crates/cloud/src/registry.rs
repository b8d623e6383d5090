//! Everything all applications bring, by name. Each name has one owner.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parsimony_model::ClassName;

use crate::auth::{AuthAdapter, SmsSender, is_provider_name};
use crate::config::{AfterSaveConfig, BeforeSaveConfig, CONFIG};
use crate::define::Application;
use crate::files::{
    AfterDeleteFile, AfterFindFile, AfterSaveFile, BeforeDeleteFile, BeforeFindFile, BeforeSaveFile, FILE,
};
use crate::function::Call;
use crate::handler::{Handler, Hook, Migration};
use crate::inbound::{self, Inbound, Verifier};
use crate::job::{Job, JobPlan};
use crate::live::{AfterEvent, BeforeConnect, BeforeSubscribe};
use crate::public::{self, PublicRequest};
use crate::rate_limit::PathLimit;
use crate::rules::Rules;
use crate::scripts::Script;
use crate::settings::Settings;
use crate::triggers::{
    AfterDelete, AfterFind, AfterLogin, AfterLogout, AfterSave, BeforeDelete, BeforeFind, BeforeLogin,
    BeforePasswordResetRequest, BeforeSave, Trigger,
};

/// Where something was registered, for the error that names both places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The application.
    pub application: String,
    /// File and line, or what else says where.
    pub source: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.application, self.source)
    }
}

/// A class as a schema file defines it, not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaDefinition {
    /// The text of the file.
    pub json: String,
    /// Where it was registered.
    pub place: Place,
}

/// A role that is created at start-up if it is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleDefinition {
    /// Its name.
    pub name: String,
    /// The roles whose rights its members have too.
    pub inherits: Vec<String>,
}

/// The handlers of one kind, by the name of their function or class.
pub struct Hooks<T>(HashMap<String, Hook<T>>);

impl<T> Default for Hooks<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Clone for Hooks<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Declares where the handlers of each kind are kept. A new kind of trigger adds a line: to the first ones, if code that runs
/// elsewhere may handle it.
macro_rules! tables {
    ($($table:ident: $trigger:ident,)*; $($here:ident: $kind:ident,)*) => {
        /// The handlers of every kind.
        #[derive(Default, Clone)]
        pub struct Tables {
            $(pub(crate) $table: Hooks<$trigger>,)*
            $(pub(crate) $here: Hooks<$kind>,)*
            /// When the jobs run by themselves, by their names.
            plans: HashMap<String, Arc<JobPlan>>,
            /// What tells whether a delivery is believed, by the names of the sources.
            verifiers: HashMap<String, Arc<Verifier>>,
            /// How often the paths may be asked that lead to the handlers.
            limits: Vec<Arc<PathLimit>>,
        }

        /// A handler of everything: code that runs elsewhere and is told what happened.
        pub trait Universal: $(Handler<$trigger> +)* 'static {}

        impl Tables {
            /// Takes in the handlers of a layer. The error says which two places want the same name.
            fn take_in(&mut self, layer: &Self) -> Result<(), String> {
                $(
                    for (name, hook) in &layer.$table.0 {
                        self.add(name, hook.clone())?;
                    }
                )*
                $(
                    for (name, hook) in &layer.$here.0 {
                        self.add(name, hook.clone())?;
                    }
                )*
                self.plans.extend(layer.plans.clone());
                Ok(())
            }

            /// Takes in the handlers of a layer, in the place of those that have the same name.
            fn give_way_to(&mut self, layer: &Self) {
                $(self.$table.0.extend(layer.$table.0.iter().map(|(name, hook)| (name.clone(), hook.clone())));)*
                $(self.$here.0.extend(layer.$here.0.iter().map(|(name, hook)| (name.clone(), hook.clone())));)*
                self.plans.extend(layer.plans.clone());
            }

            /// Registers a handler of whatever trigger has this name; `false` if there is none. The error says who else
            /// wants to be it.
            fn claim<H: Universal>(
                &mut self,
                trigger: &str,
                name: &str,
                handler: Arc<H>,
                (rules, place): (Rules, Place),
            ) -> Result<bool, String> {
                $(
                    if trigger == $trigger::NAME && is_of::<$trigger>(name) {
                        self.add::<$trigger>(name, Hook { rules, handler, place })?;
                        return Ok(true);
                    }
                )*
                Ok(false)
            }

            /// Registers a handler of whatever trigger has this name; `false` if there is none.
            fn put<H: Universal>(&mut self, trigger: &str, name: &str, handler: Arc<H>, place: Place) -> bool {
                $(
                    if trigger == $trigger::NAME && is_of::<$trigger>(name) {
                        self.replace::<$trigger>(name, handler, place);
                        return true;
                    }
                )*
                false
            }
        }
    };
}

tables! {
    functions: Call,
    before_save: BeforeSave,
    after_save: AfterSave,
    before_delete: BeforeDelete,
    after_delete: AfterDelete,
    before_find: BeforeFind,
    after_find: AfterFind,
    before_login: BeforeLogin,
    after_login: AfterLogin,
    after_logout: AfterLogout,
    before_password_reset_request: BeforePasswordResetRequest,
    before_connect: BeforeConnect,
    before_subscribe: BeforeSubscribe,
    after_event: AfterEvent,
    before_save_file: BeforeSaveFile,
    after_save_file: AfterSaveFile,
    before_delete_file: BeforeDeleteFile,
    after_delete_file: AfterDeleteFile,
    before_find_file: BeforeFindFile,
    after_find_file: AfterFindFile,
    before_save_config: BeforeSaveConfig,
    after_save_config: AfterSaveConfig,
    ;
    jobs: Job,
    inbound: Inbound,
    public: PublicRequest,
}

/// What stands in the place of the class where a client connects: it concerns none.
pub const CONNECT: &str = "@Connect";

/// The class of what was pushed. Parse: its rows are the server's, and cloud code is told of them afterwards.
const PUSH_STATUS: &str = "_PushStatus";

/// The moments that have a name of their own where others have a class.
const OF_NO_CLASS: [&str; 4] = [Call::NAME, Job::NAME, Inbound::NAME, PublicRequest::NAME];

/// Whether a trigger can be one of what has this name: files and Parse Config have moments of their own, called as those of
/// classes are.
fn is_of<T: Trigger>(name: &str) -> bool {
    match T::CLASS {
        Some(class) => class == name,
        None => T::NAME == Call::NAME || ![FILE, CONFIG].contains(&name),
    }
}

impl Tables {
    /// Registers a handler. The error says who else wants to be it.
    fn add<T: Trigger>(&mut self, name: &str, hook: Hook<T>) -> Result<(), String> {
        let place = hook.place.clone();
        let is_of_a_class = T::CLASS.is_none() && !OF_NO_CLASS.contains(&T::NAME);
        if !is_of::<T>(name) {
            return Err(format!("{place}: {name} has no such {}", T::NAME));
        }
        if T::NAME == BeforeSave::NAME && name == PUSH_STATUS {
            return Err(format!("{place}: Only afterSave is allowed on {PUSH_STATUS}"));
        }
        if is_of_a_class && name != CONNECT {
            ClassName::parse(name).map_err(|error| format!("{place}: {error}"))?;
        }
        let limit = hook.rules.limit().and_then(|limit| PathLimit::of::<T>(name, limit));
        self.limits.extend(limit.map(Arc::new));
        match T::hooks_mut(self).0.insert(name.to_owned(), hook) {
            None => Ok(()),
            Some(before) => {
                let (kind, before) = (T::NAME, before.place);
                Err(format!("{kind} {name} is defined twice: by {before} and by {place}"))
            }
        }
    }

    /// Registers a job. The error says who else wants to be it, or why its plan cannot be.
    fn add_job(&mut self, name: &str, plan: JobPlan, hook: Hook<Job>) -> Result<(), String> {
        if let Some(fault) = plan.fault() {
            return Err(format!("job {name} of {}: {fault}", hook.place));
        }
        self.add(name, hook)?;
        self.plans.insert(name.to_owned(), Arc::new(plan));
        Ok(())
    }

    /// Puts a handler in the place of whatever handles a trigger of a class, or a function (`T` is [`Call`]).
    fn replace<T: Trigger>(&mut self, name: &str, handler: Arc<dyn Handler<T>>, place: Place) {
        let hook = Hook { rules: Rules::none(), handler, place };
        T::hooks_mut(self).0.insert(name.to_owned(), hook);
    }
}

/// Handlers that are put beside those of the applications while the server runs, and are exchanged as a whole.
#[derive(Default, Clone)]
pub struct Layer(Tables);

impl Layer {
    /// Adds a handler of a trigger of a class; for [`Call`], of the function of this name. The error says who else wants
    /// to be it.
    pub fn add<T: Trigger>(&mut self, name: &str, hook: Hook<T>) -> Result<(), String> {
        self.0.add(name, hook)
    }

    /// Adds a job. The error says who else wants to be it, or why its plan cannot be.
    pub fn add_job(&mut self, name: &str, plan: JobPlan, hook: Hook<Job>) -> Result<(), String> {
        self.0.add_job(name, plan, hook)
    }

    /// Adds a handler that runs elsewhere, of whatever trigger has this name (`function` for a function); `false` if there
    /// is no such trigger. The error says who else wants to be it.
    pub fn claim<H: Universal>(
        &mut self,
        trigger: &str,
        name: &str,
        handler: Arc<H>,
        rules: (Rules, Place),
    ) -> Result<bool, String> {
        self.0.claim(trigger, name, handler, rules)
    }

    /// Adds a handler that runs elsewhere, of whatever trigger has this name (`function` for a function). Parse: what is
    /// registered last wins. `false` if there is no such trigger.
    pub fn put<H: Universal>(&mut self, trigger: &str, name: &str, handler: Arc<H>, place: Place) -> bool {
        self.0.put(trigger, name, handler, place)
    }
}

/// Everything all applications bring.
#[derive(Default, Clone)]
pub struct Registry {
    tables: Tables,
    before_migration: Vec<Migration>,
    after_migration: Vec<Migration>,
    schemas: Vec<SchemaDefinition>,
    scripts: Vec<Script>,
    roles: Vec<RoleDefinition>,
    applications: Vec<String>,
    auth: HashMap<String, Owned<dyn AuthAdapter>>,
    sms: Option<Owned<dyn SmsSender>>,
}

/// Something of which there is one, and who brought it.
struct Owned<T: ?Sized> {
    value: Arc<T>,
    place: Place,
}

impl<T: ?Sized> Clone for Owned<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), place: self.place.clone() }
    }
}

impl Registry {
    /// Puts the applications together. The error says which two places want the same name.
    pub fn new(applications: impl IntoIterator<Item = Application>) -> Result<Self, String> {
        let mut registry = Self::default();
        for application in Application::with_shared(applications) {
            registry.take_in(application)?;
        }
        if registry.has_inbound() {
            registry.take_in(inbound::administration())?;
        }
        Ok(registry)
    }

    /// Takes in one more application.
    pub fn take_in(&mut self, application: Application) -> Result<(), String> {
        // One that was given no settings has none.
        let settings = Settings::new(application.name(), serde_json::Map::new());
        let application = application.configure(&settings)?;
        let Application { name, parts, schemas, scripts, roles, before_migration, after_migration, .. } = application;
        self.applications.push(name);
        self.schemas.extend(schemas);
        self.scripts.extend(scripts);
        self.before_migration.extend(before_migration);
        self.after_migration.extend(after_migration);
        for role in roles {
            // Roles may be named by several applications; what they inherit adds up.
            match self.roles.iter_mut().find(|known| known.name == role.name) {
                Some(known) => known.inherits.extend(role.inherits),
                None => self.roles.push(role),
            }
        }
        parts.into_iter().try_for_each(|part| part(self))
    }

    /// Registers a handler. The error says who else wants to be it.
    pub(crate) fn add<T: Trigger>(&mut self, name: &str, hook: Hook<T>) -> Result<(), String> {
        self.tables.add(name, hook)
    }

    /// Registers a job. The error says who else wants to be it, or why its plan cannot be.
    pub(crate) fn add_job(&mut self, name: &str, plan: JobPlan, hook: Hook<Job>) -> Result<(), String> {
        self.tables.add_job(name, plan, hook)
    }

    /// Registers a source of webhooks. The error says who else wants to be it, or why its verifier cannot be.
    pub(crate) fn add_inbound(&mut self, source: &str, verifier: Verifier, hook: Hook<Inbound>) -> Result<(), String> {
        let place = &hook.place;
        let is_plain =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        if !is_plain(source) || !is_plain(&place.application) {
            return Err(format!("webhook {source} of {place}: a name has letters, digits, - and _ alone"));
        }
        if let Some(fault) = verifier.fault() {
            return Err(format!("webhook {source} of {place}: {fault}"));
        }
        let name = format!("{}/{source}", place.application);
        self.tables.add(&name, hook)?;
        self.tables.verifiers.insert(name, Arc::new(verifier));
        Ok(())
    }

    /// Registers a public document. The error says who else wants to be it, or why its path cannot be.
    pub(crate) fn add_public(&mut self, pattern: &str, hook: Hook<PublicRequest>) -> Result<(), String> {
        let place = &hook.place;
        let named = public::name_of(&place.application, pattern);
        let name = named.map_err(|fault| format!("public {pattern} of {place}: {fault}"))?;
        self.tables.add(&name, hook)
    }

    /// Registers an identity provider. The error says who else wants to be it.
    pub(crate) fn add_auth(&mut self, name: &str, value: Arc<dyn AuthAdapter>, place: &Place) -> Result<(), String> {
        if !is_provider_name(name) {
            return Err(format!("auth {name} of {place}: a name has a letter first, then letters, digits and _"));
        }
        match self.auth.insert(name.to_owned(), Owned { value, place: place.clone() }) {
            None => Ok(()),
            Some(before) => Err(format!("auth {name} is defined twice: by {} and by {place}", before.place)),
        }
    }

    /// Registers what sends codes to telephones. The error says who else wants to be it.
    pub(crate) fn add_sms(&mut self, value: Arc<dyn SmsSender>, place: &Place) -> Result<(), String> {
        match self.sms.replace(Owned { value, place: place.clone() }) {
            None => Ok(()),
            Some(before) => Err(format!("sms is defined twice: by {} and by {place}", before.place)),
        }
    }

    /// The identity providers that the applications bring.
    pub fn auth(&self) -> impl Iterator<Item = (&str, &Arc<dyn AuthAdapter>)> {
        self.auth.iter().map(|(name, owned)| (name.as_str(), &owned.value))
    }

    /// What sends codes to telephones.
    pub fn sms(&self) -> Option<&Arc<dyn SmsSender>> {
        self.sms.as_ref().map(|owned| &owned.value)
    }

    /// Takes in a layer whose names nobody else may have. The error says which two places want the same one.
    pub fn with_beside(mut self, layer: &Layer) -> Result<Self, String> {
        self.tables.take_in(&layer.0)?;
        Ok(self)
    }

    /// Takes in a layer whose handlers take the place of those that have the same name.
    #[must_use]
    pub fn with_above(mut self, layer: &Layer) -> Self {
        self.tables.give_way_to(&layer.0);
        self
    }

    /// The handler of a trigger of a class; for [`Call`], of the function of this name.
    pub fn hook<T: Trigger>(&self, name: &str) -> Option<&Hook<T>> {
        let hooks = &T::hooks(&self.tables).0;
        // Most servers have no handlers of most kinds.
        if hooks.is_empty() { None } else { hooks.get(name) }
    }

    /// Whether a trigger of a class has a handler.
    pub fn has<T: Trigger>(&self, name: &str) -> bool {
        self.hook::<T>(name).is_some()
    }

    /// The names of all functions, sorted.
    pub fn functions(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.tables.functions.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The names of all jobs, sorted.
    pub fn jobs(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.tables.jobs.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// A job, and when it runs by itself.
    pub fn job(&self, name: &str) -> Option<(&Hook<Job>, Arc<JobPlan>)> {
        let hook = self.hook::<Job>(name)?;
        Some((hook, self.tables.plans.get(name).cloned().unwrap_or_else(|| Arc::new(JobPlan::manual()))))
    }

    /// How often the paths may be asked that lead to functions and triggers.
    pub fn limits(&self) -> &[Arc<PathLimit>] {
        &self.tables.limits
    }

    /// Whether there is any source of webhooks.
    pub fn has_inbound(&self) -> bool {
        !self.tables.verifiers.is_empty()
    }

    /// The names of all sources of webhooks, `APPLICATION/SOURCE`, sorted.
    pub fn sources(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.tables.verifiers.keys().map(AsRef::as_ref).collect();
        names.sort_unstable();
        names
    }

    /// A source of webhooks, `APPLICATION/SOURCE`: what handles its events, and what tells whether a delivery is believed.
    pub fn inbound(&self, name: &str) -> Option<(&Hook<Inbound>, Arc<Verifier>)> {
        Some((self.hook::<Inbound>(name)?, self.tables.verifiers.get(name).cloned()?))
    }

    /// The public document at a path below an application: what shows it, what that is registered as, and the last segment
    /// where its pattern leaves it open.
    pub fn public<'a>(
        &self,
        application: &str,
        path: &'a str,
    ) -> Option<(&Hook<PublicRequest>, String, Option<&'a str>)> {
        let named = public::names(application, path).into_iter();
        let mut told = named.filter(|(_, tail)| tail.is_none_or(|tail| !tail.is_empty()));
        told.find_map(|(name, tail)| Some((self.hook::<PublicRequest>(&name)?, name, tail)))
    }

    /// What runs before the classes are made what is defined, in the order of the applications.
    pub fn before_migration(&self) -> &[Migration] {
        &self.before_migration
    }

    /// What runs after it.
    pub fn after_migration(&self) -> &[Migration] {
        &self.after_migration
    }

    /// The class definitions.
    pub fn schemas(&self) -> &[SchemaDefinition] {
        &self.schemas
    }

    /// The hook scripts that the applications bring.
    pub fn scripts(&self) -> &[Script] {
        &self.scripts
    }

    /// The roles that shall exist.
    pub fn roles(&self) -> &[RoleDefinition] {
        &self.roles
    }

    /// The names of the applications.
    pub fn applications(&self) -> &[String] {
        &self.applications
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::ParseError;

    use super::*;
    use crate::function::Request;

    async fn nothing(_: Request) -> Result<(), ParseError> {
        Ok(())
    }

    #[test]
    fn what_applications_share_is_there_once() {
        let shared = || Application::new("kit").role("clerk", &[]);
        let one = Application::new("one").sharing(shared());
        let other = Application::new("other").sharing(Application::new("more").sharing(shared()));
        let all = Application::with_shared([one, other]);
        assert_eq!(all.iter().map(Application::name).collect::<Vec<_>>(), ["kit", "one", "more", "other"]);
        assert_eq!(Registry::new(all).unwrap().roles().len(), 1);
    }

    #[test]
    fn two_owners_of_a_name_are_an_error_that_names_both() {
        let one = Application::new("one").define("f", Rules::none(), nothing);
        let two = Application::new("two").define("f", Rules::none(), nothing);
        let error = Registry::new([one, two]).err().unwrap();
        assert!(error.contains("one (") && error.contains("two (") && error.contains("registry.rs"), "{error}");
    }

    #[test]
    fn a_job_whose_plan_cannot_be_is_an_error_that_says_where() {
        let plan = || JobPlan::manual().cron("0 25 * * *", "UTC");
        let one = Application::new("one").job("clean", plan(), |_: crate::JobRequest| async { Ok(()) });
        let error = Registry::new([one]).err().unwrap();
        assert!(error.contains("job clean of one (") && error.contains("0 25 * * *"), "{error}");
    }

    #[test]
    fn a_layer_brings_jobs_with_their_plans() {
        let plan = || JobPlan::manual().cron("0 5 * * *", "UTC");
        let script = Application::new("script").job("clean", plan(), |_: crate::JobRequest| async { Ok(()) });
        let script = Registry::new([script]).unwrap();
        let mut layer = Layer::default();
        layer.add_job("clean", plan(), script.hook::<Job>("clean").unwrap().clone()).unwrap();
        let registry = Registry::default().with_beside(&layer).unwrap();
        assert_eq!((registry.jobs(), registry.job("clean").unwrap().1.crons().count()), (vec!["clean"], 1));
        assert!(script.with_beside(&layer).is_err());
    }

    #[test]
    fn a_hook_of_an_impossible_class_is_an_error() {
        let one = Application::new("one").before_save("no class", |request: BeforeSave| async { Ok(request.object) });
        assert!(Registry::new([one]).is_err());
    }

    #[test]
    fn a_layer_beside_shares_no_name_and_a_layer_above_may() {
        let own = Registry::new([Application::new("own").define("f", Rules::none(), nothing)]).unwrap();
        let place = Place { application: "script".to_owned(), source: "f.rhai:1".to_owned() };
        let handler: Arc<dyn Handler<Call>> = Arc::clone(&own.hook::<Call>("f").unwrap().handler);
        let mut layer = Layer::default();
        layer
            .add::<Call>("g", Hook { rules: Rules::none(), handler: Arc::clone(&handler), place: place.clone() })
            .unwrap();
        assert_eq!(own.clone().with_beside(&layer).unwrap().functions(), ["f", "g"]);
        layer.add::<Call>("f", Hook { rules: Rules::none(), handler, place }).unwrap();
        let error = own.clone().with_beside(&layer).err().unwrap();
        assert!(error.contains("own (") && error.contains("script (f.rhai:1)"), "{error}");
        assert_eq!(own.with_above(&layer).hook::<Call>("f").unwrap().place.application, "script");
    }
}
