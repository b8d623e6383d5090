//! Everything all applications bring, by name. Each name has one owner.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parsimony_model::ClassName;

use crate::define::Application;
use crate::function::Call;
use crate::handler::{Handler, Hook, Migration};
use crate::rules::Rules;
use crate::triggers::{
    AfterDelete, AfterFind, AfterLogin, AfterLogout, AfterSave, BeforeDelete, BeforeFind, BeforeLogin, BeforeSave,
    Trigger,
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

/// The handlers of every kind.
#[derive(Default, Clone)]
pub struct Tables {
    pub(crate) functions: Hooks<Call>,
    pub(crate) before_save: Hooks<BeforeSave>,
    pub(crate) after_save: Hooks<AfterSave>,
    pub(crate) before_delete: Hooks<BeforeDelete>,
    pub(crate) after_delete: Hooks<AfterDelete>,
    pub(crate) before_find: Hooks<BeforeFind>,
    pub(crate) after_find: Hooks<AfterFind>,
    pub(crate) before_login: Hooks<BeforeLogin>,
    pub(crate) after_login: Hooks<AfterLogin>,
    pub(crate) after_logout: Hooks<AfterLogout>,
}

/// A handler of everything: code that runs elsewhere and is told what happened.
pub trait Universal:
    Handler<Call>
    + Handler<BeforeSave>
    + Handler<AfterSave>
    + Handler<BeforeDelete>
    + Handler<AfterDelete>
    + Handler<BeforeFind>
    + Handler<AfterFind>
    + Handler<BeforeLogin>
    + Handler<AfterLogin>
    + Handler<AfterLogout>
    + 'static
{
}

/// Everything all applications bring.
#[derive(Default, Clone)]
pub struct Registry {
    tables: Tables,
    before_migration: Vec<Migration>,
    after_migration: Vec<Migration>,
    schemas: Vec<SchemaDefinition>,
    roles: Vec<RoleDefinition>,
    applications: Vec<String>,
}

impl Registry {
    /// Puts the applications together. The error says which two places want the same name.
    pub fn new(applications: impl IntoIterator<Item = Application>) -> Result<Self, String> {
        let mut registry = Self::default();
        for application in applications {
            registry.take_in(application)?;
        }
        Ok(registry)
    }

    /// Takes in one more application.
    pub fn take_in(&mut self, application: Application) -> Result<(), String> {
        let Application { name, parts, schemas, roles, before_migration, after_migration } = application;
        self.applications.push(name);
        self.schemas.extend(schemas);
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
        let place = hook.place.clone();
        if T::NAME != Call::NAME {
            ClassName::parse(name).map_err(|error| format!("{place}: {error}"))?;
        }
        match T::hooks_mut(&mut self.tables).0.insert(name.to_owned(), hook) {
            None => Ok(()),
            Some(before) => {
                let (kind, before) = (T::NAME, before.place);
                Err(format!("{kind} {name} is defined twice: by {before} and by {place}"))
            }
        }
    }

    /// Puts a handler in the place of whatever handles a trigger of a class, or a function (`T` is [`Call`]).
    fn replace<T: Trigger>(&mut self, name: &str, handler: Arc<dyn Handler<T>>, place: Place) {
        let hook = Hook { rules: Rules::none(), handler, place };
        T::hooks_mut(&mut self.tables).0.insert(name.to_owned(), hook);
    }

    /// Puts a handler that runs elsewhere in the place of whatever handles a trigger of a class, or a function
    /// (`trigger` is `function`). Parse: what is registered last wins. `false` if there is no such trigger.
    pub fn put<H: Universal>(&mut self, trigger: &str, name: &str, handler: Arc<H>, place: Place) -> bool {
        match trigger {
            Call::NAME => self.replace::<Call>(name, handler, place),
            BeforeSave::NAME => self.replace::<BeforeSave>(name, handler, place),
            AfterSave::NAME => self.replace::<AfterSave>(name, handler, place),
            BeforeDelete::NAME => self.replace::<BeforeDelete>(name, handler, place),
            AfterDelete::NAME => self.replace::<AfterDelete>(name, handler, place),
            BeforeFind::NAME => self.replace::<BeforeFind>(name, handler, place),
            AfterFind::NAME => self.replace::<AfterFind>(name, handler, place),
            BeforeLogin::NAME => self.replace::<BeforeLogin>(name, handler, place),
            AfterLogin::NAME => self.replace::<AfterLogin>(name, handler, place),
            AfterLogout::NAME => self.replace::<AfterLogout>(name, handler, place),
            _ => return false,
        }
        true
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
    fn two_owners_of_a_name_are_an_error_that_names_both() {
        let one = Application::new("one").define("f", Rules::none(), nothing);
        let two = Application::new("two").define("f", Rules::none(), nothing);
        let error = Registry::new([one, two]).err().unwrap();
        assert!(error.contains("one (") && error.contains("two (") && error.contains("registry.rs"), "{error}");
    }

    #[test]
    fn a_hook_of_an_impossible_class_is_an_error() {
        let one = Application::new("one").before_save("no class", |request: BeforeSave| async { Ok(request.object) });
        assert!(Registry::new([one]).is_err());
    }
}
