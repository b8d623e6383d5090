//! How an application names what it brings: the `define`-style registry.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use parsimony_model::{ClassName, ParseError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::draft::Draft;
use crate::handler::{AfterSaveHandler, BeforeSaveHandler, Function, FunctionHandler, Hook, MigrationHandler, Typed};
use crate::host::Host;
use crate::request::{AfterSave, BeforeSave, Request};
use crate::rules::Rules;

/// Where something was registered, for the error that names both places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The application.
    pub application: String,
    /// File and line.
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

enum Part {
    Function(String, Function),
    BeforeSave(String, Hook<dyn BeforeSaveHandler>),
    AfterSave(String, Hook<dyn AfterSaveHandler>),
    BeforeMigration(Hook<dyn MigrationHandler>),
    AfterMigration(Hook<dyn MigrationHandler>),
}

/// An application: functions, hooks, class definitions and roles under a name.
pub struct Application {
    name: String,
    parts: Vec<Part>,
    schemas: Vec<SchemaDefinition>,
    roles: Vec<RoleDefinition>,
}

impl Application {
    /// An application that brings nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), parts: Vec::new(), schemas: Vec::new(), roles: Vec::new() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
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
        let handler: Arc<dyn FunctionHandler> = Arc::new(Typed(handler, PhantomData));
        let function = Function { rules, handler, place: self.place(Location::caller()) };
        self.with(Part::Function(name.to_owned(), function))
    }

    /// A hook that may change or refuse each save of a class.
    #[must_use]
    #[track_caller]
    pub fn before_save<F, A>(self, class: &str, handler: F) -> Self
    where
        F: Fn(BeforeSave) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Draft, ParseError>> + Send + 'static,
    {
        let hook = Hook::<dyn BeforeSaveHandler> { handler: Arc::new(handler), place: self.place(Location::caller()) };
        self.with(Part::BeforeSave(class.to_owned(), hook))
    }

    /// A hook that learns of each save of a class. Its errors are logged; they cannot undo the save.
    #[must_use]
    #[track_caller]
    pub fn after_save<F, A>(self, class: &str, handler: F) -> Self
    where
        F: Fn(AfterSave) -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), ParseError>> + Send + 'static,
    {
        let hook = Hook::<dyn AfterSaveHandler> { handler: Arc::new(handler), place: self.place(Location::caller()) };
        self.with(Part::AfterSave(class.to_owned(), hook))
    }

    /// What runs when the server starts, before the classes are made what is defined: Parse's `schema.beforeMigration`. An
    /// error ends the start.
    #[must_use]
    #[track_caller]
    pub fn before_migration<F, A>(self, handler: F) -> Self
    where
        F: Fn(Host) -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), ParseError>> + Send + 'static,
    {
        let hook = Hook::<dyn MigrationHandler> { handler: Arc::new(handler), place: self.place(Location::caller()) };
        self.with(Part::BeforeMigration(hook))
    }

    /// What runs when the server starts, after the classes were made what is defined: Parse's `schema.afterMigration`. An
    /// error ends the start.
    #[must_use]
    #[track_caller]
    pub fn after_migration<F, A>(self, handler: F) -> Self
    where
        F: Fn(Host) -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), ParseError>> + Send + 'static,
    {
        let hook = Hook::<dyn MigrationHandler> { handler: Arc::new(handler), place: self.place(Location::caller()) };
        self.with(Part::AfterMigration(hook))
    }

    /// A class definition: the text of a `schemas/APPLICATION/CLASS.json` file.
    #[must_use]
    #[track_caller]
    pub fn schema(mut self, json: impl Into<String>) -> Self {
        let place = self.place(Location::caller());
        self.schemas.push(SchemaDefinition { json: json.into(), place });
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

    fn with(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }
}

/// Everything all applications bring, by name. Each name has one owner.
#[derive(Default)]
pub struct Registry {
    functions: BTreeMap<String, Function>,
    before_save: BTreeMap<String, Hook<dyn BeforeSaveHandler>>,
    after_save: BTreeMap<String, Hook<dyn AfterSaveHandler>>,
    before_migration: Vec<Hook<dyn MigrationHandler>>,
    after_migration: Vec<Hook<dyn MigrationHandler>>,
    schemas: Vec<SchemaDefinition>,
    roles: Vec<RoleDefinition>,
    applications: Vec<String>,
}

impl Registry {
    /// Puts the applications together. The error says which two places want the same name.
    pub fn new(applications: impl IntoIterator<Item = Application>) -> Result<Self, String> {
        let mut registry = Self::default();
        for application in applications {
            registry.applications.push(application.name);
            registry.schemas.extend(application.schemas);
            for role in application.roles {
                // Roles may be named by several applications; what they inherit adds up.
                match registry.roles.iter_mut().find(|known| known.name == role.name) {
                    Some(known) => known.inherits.extend(role.inherits),
                    None => registry.roles.push(role),
                }
            }
            for part in application.parts {
                registry.add(part)?;
            }
        }
        Ok(registry)
    }

    fn add(&mut self, part: Part) -> Result<(), String> {
        match part {
            Part::Function(name, function) => {
                let place = function.place.clone();
                let before = self.functions.insert(name.clone(), function).map(|before| before.place);
                one_owner("function", &name, before, &place)
            }
            Part::BeforeSave(class, hook) => {
                let place = hook_place(&class, &hook)?;
                let before = self.before_save.insert(class.clone(), hook).map(|before| before.place);
                one_owner("beforeSave of", &class, before, &place)
            }
            Part::AfterSave(class, hook) => {
                let place = hook_place(&class, &hook)?;
                let before = self.after_save.insert(class.clone(), hook).map(|before| before.place);
                one_owner("afterSave of", &class, before, &place)
            }
            Part::BeforeMigration(hook) => {
                self.before_migration.push(hook);
                Ok(())
            }
            Part::AfterMigration(hook) => {
                self.after_migration.push(hook);
                Ok(())
            }
        }
    }

    /// The function of this name.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.get(name)
    }

    /// The hook before saves of a class.
    pub fn before_save(&self, class: &str) -> Option<&Hook<dyn BeforeSaveHandler>> {
        self.before_save.get(class)
    }

    /// The hook after saves of a class.
    pub fn after_save(&self, class: &str) -> Option<&Hook<dyn AfterSaveHandler>> {
        self.after_save.get(class)
    }

    /// What runs before the classes are made what is defined, in the order of the applications.
    pub fn before_migration(&self) -> &[Hook<dyn MigrationHandler>] {
        &self.before_migration
    }

    /// What runs after it.
    pub fn after_migration(&self) -> &[Hook<dyn MigrationHandler>] {
        &self.after_migration
    }

    /// The names of all functions.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// The class definitions.
    pub fn schemas(&self) -> &[SchemaDefinition] {
        &self.schemas
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

fn hook_place<H: ?Sized>(class: &str, hook: &Hook<H>) -> Result<Place, String> {
    ClassName::parse(class).map_err(|error| format!("{}: {error}", hook.place))?;
    Ok(hook.place.clone())
}

fn one_owner(what: &str, name: &str, before: Option<Place>, now: &Place) -> Result<(), String> {
    match before {
        None => Ok(()),
        Some(before) => Err(format!("{what} {name} is defined twice: by {before} and by {now}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn nothing(_: Request) -> Result<(), ParseError> {
        Ok(())
    }

    #[test]
    fn two_owners_of_a_name_are_an_error_that_names_both() {
        let one = Application::new("one").define("f", Rules::none(), nothing);
        let two = Application::new("two").define("f", Rules::none(), nothing);
        let error = Registry::new([one, two]).err().unwrap();
        assert!(error.contains("one (") && error.contains("two (") && error.contains("define.rs"), "{error}");
    }

    #[test]
    fn a_hook_of_an_impossible_class_is_an_error() {
        let one = Application::new("one").before_save("no class", |request: BeforeSave| async { Ok(request.object) });
        assert!(Registry::new([one]).is_err());
    }
}
