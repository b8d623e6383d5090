//! At which moments may cloud code step in, and what is it given and asked for then?

use std::sync::Arc;

use parsimony_model::value::Map;
use parsimony_model::{ClassName, Object, ParseError, Query};

use crate::draft::Draft;
use crate::origin::Origin;
use crate::registry::{Hooks, Tables};
use crate::rules::Rules;

/// A moment at which cloud code may step in; its type is what the handler is given.
pub trait Trigger: Sized + Send + 'static {
    /// What the handler answers.
    type Answer: Send + 'static;

    /// Its name, as Parse's hooks API spells it.
    const NAME: &'static str;

    /// What stands in the place of the class, if it is a moment of just that.
    const CLASS: Option<&'static str> = None;

    /// Where it comes from.
    fn origin(&self) -> &Origin;

    /// Checks the rules of its handler, and fills in what they have defaults for.
    fn check(&mut self, rules: &Rules) -> Result<(), ParseError> {
        let who = Arc::clone(&self.origin().who);
        rules.check(&who, &mut Map::default())
    }

    /// Where its handlers are registered.
    fn hooks(tables: &Tables) -> &Hooks<Self>;

    /// Where its handlers are registered, to add one.
    fn hooks_mut(tables: &mut Tables) -> &mut Hooks<Self>;
}

/// Before an object is saved: the handler may change or refuse it.
pub struct BeforeSave {
    /// The object as it would be saved.
    pub object: Draft,
    /// Where the save comes from.
    pub origin: Origin,
}

/// After an object was saved. An error is logged; it cannot undo the save.
pub struct AfterSave {
    /// The object as it was saved.
    pub object: Arc<Object>,
    /// The object as it was before; none for a new one.
    pub original: Option<Arc<Object>>,
    /// Where the save comes from.
    pub origin: Origin,
}

/// Before an object is deleted: an error keeps it.
pub struct BeforeDelete {
    /// The object, as far as the caller may see it.
    pub object: Arc<Object>,
    /// Where the request comes from.
    pub origin: Origin,
}

/// After an object was deleted. An error reaches the client, but the object is gone.
pub struct AfterDelete {
    /// The object as it was.
    pub object: Arc<Object>,
    /// Where the request comes from.
    pub origin: Origin,
}

/// Before objects are looked for: finds, gets, counts, aggregates, includes and subqueries.
pub struct BeforeFind {
    /// The class that is asked.
    pub class: ClassName,
    /// What is asked. Permissions bind whatever the handler makes of it.
    pub query: Query,
    /// Whether one object is asked for by its id.
    pub is_get: bool,
    /// Where the query comes from.
    pub origin: Origin,
}

/// After objects were found, and what the caller may not see of them was taken away.
pub struct AfterFind {
    /// The class that was asked.
    pub class: ClassName,
    /// What was found.
    pub objects: Vec<Object>,
    /// What was asked.
    pub query: Query,
    /// Whether one object was asked for by its id.
    pub is_get: bool,
    /// Where the query comes from.
    pub origin: Origin,
}

/// Before a user who gave the right password is logged in: an error refuses it.
pub struct BeforeLogin {
    /// The user.
    pub user: Arc<Object>,
    /// Where the login comes from.
    pub origin: Origin,
}

/// After a user was logged in. An error reaches the client, but the session is open.
pub struct AfterLogin {
    /// The user, with `sessionToken`.
    pub user: Arc<Object>,
    /// Where the login comes from.
    pub origin: Origin,
}

/// After a session ended by a logout.
pub struct AfterLogout {
    /// The session.
    pub session: Arc<Object>,
    /// Where the logout comes from.
    pub origin: Origin,
}

/// Before a password is reset: before the token is made and the letter is written. An error refuses it.
pub struct BeforePasswordResetRequest {
    /// The user.
    pub user: Arc<Object>,
    /// Where the request comes from.
    pub origin: Origin,
}

/// What comes of a save when the hook after it has run.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum AfterSaved {
    /// The client is answered what it would be without a hook.
    #[default]
    Same,
    /// The client is answered this.
    Answer(Map),
    /// The client is told the fields in which this differs from what was saved.
    Changed(Box<Object>),
}

impl From<()> for AfterSaved {
    fn from((): ()) -> Self {
        Self::Same
    }
}

/// What is to be found.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// What this query finds.
    Query(Box<Query>),
    /// These objects; the database is not asked, except whether the caller may see those that are in it.
    Objects(Vec<Object>),
}

impl From<Query> for Finding {
    fn from(query: Query) -> Self {
        Self::Query(Box::new(query))
    }
}

impl From<Vec<Object>> for Finding {
    fn from(objects: Vec<Object>) -> Self {
        Self::Objects(objects)
    }
}

macro_rules! trigger {
    ($type:ident, $name:literal, $table:ident, $answer:ty $(, $check:item)?) => {
        impl Trigger for $type {
            type Answer = $answer;

            const NAME: &'static str = $name;

            fn origin(&self) -> &Origin {
                &self.origin
            }

            fn hooks(tables: &Tables) -> &Hooks<Self> {
                &tables.$table
            }

            fn hooks_mut(tables: &mut Tables) -> &mut Hooks<Self> {
                &mut tables.$table
            }

            $($check)?
        }

        impl std::ops::Deref for $type {
            type Target = Origin;

            fn deref(&self) -> &Origin {
                &self.origin
            }
        }
    };
}

pub(crate) use trigger;

trigger!(
    BeforeSave,
    "beforeSave",
    before_save,
    Draft,
    fn check(&mut self, rules: &Rules) -> Result<(), ParseError> {
        rules.check(&self.origin.who, &mut self.object)
    }
);
trigger!(AfterSave, "afterSave", after_save, AfterSaved);
trigger!(
    BeforeDelete,
    "beforeDelete",
    before_delete,
    (),
    fn check(&mut self, rules: &Rules) -> Result<(), ParseError> {
        rules.check(&self.origin.who, &mut self.object.fields.clone())
    }
);
trigger!(AfterDelete, "afterDelete", after_delete, ());
trigger!(BeforeFind, "beforeFind", before_find, Finding);
trigger!(AfterFind, "afterFind", after_find, Vec<Object>);
trigger!(BeforeLogin, "beforeLogin", before_login, ());
trigger!(AfterLogin, "afterLogin", after_login, ());
trigger!(AfterLogout, "afterLogout", after_logout, ());
trigger!(BeforePasswordResetRequest, "beforePasswordResetRequest", before_password_reset_request, ());
