//! How does the server read and change users for itself: by internal fields, past hooks and permissions.

use std::sync::Arc;

use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{ClassSchema, Constraint, Filter, Object, Op, ParseError, Update};
use parsimony_store::{Change, Scope, Selection};

use crate::work::Work;

/// Where the token of an address that is to be verified is kept.
pub(crate) const VERIFY_TOKEN: &str = "_email_verify_token";
/// Until when it is good.
pub(crate) const VERIFY_ENDS: &str = "_email_verify_token_expires_at";
/// Where the token of a password that is to be reset is kept.
pub(crate) const RESET_TOKEN: &str = "_perishable_token";
/// Until when it is good.
pub(crate) const RESET_ENDS: &str = "_perishable_token_expires_at";
/// Where the hash of the password is kept.
pub(crate) const HASH: &str = "_hashed_password";

/// How many letters a token of a letter has, as Parse's.
pub(crate) const TOKEN_CHARS: usize = 25;

/// The users, as the server itself sees them, in the transaction of the work if there is one.
pub(crate) struct Table<'a> {
    work: &'a Work,
    class: Arc<ClassSchema>,
}

impl<'a> Table<'a> {
    pub(crate) async fn of(work: &'a Work) -> Result<Self, ParseError> {
        Ok(Self { work, class: work.engine.schemas.require(&Builtin::User.name()).await? })
    }

    /// The class of users.
    pub(crate) fn class(&self) -> &ClassSchema {
        &self.class
    }

    fn select(&self, filter: Filter) -> Selection {
        Selection::new(Arc::clone(&self.class), filter, Scope::Everything)
    }

    /// So many at most.
    pub(crate) async fn find(&self, filter: Filter, limit: u64) -> Result<Vec<Object>, ParseError> {
        Ok(self.work.objects.find(&self.select(filter).range(0, Some(limit))).await?)
    }

    /// The only one that is found.
    pub(crate) async fn only(&self, filter: Filter) -> Result<Option<Object>, ParseError> {
        let mut found = self.find(filter, 2).await?;
        Ok(found.pop().filter(|_| found.is_empty()))
    }

    /// Changes internal fields of the first that is found, atomically, and gives it as it is then. Parse: that is no change
    /// of the object, so its `updatedAt` stays.
    pub(crate) async fn change(
        &self,
        filter: Filter,
        before: &Object,
        update: Update,
    ) -> Result<Option<Object>, ParseError> {
        let updated_at = before.updated_at.unwrap_or_else(|| self.work.engine.clock.now());
        let filter = Filter::id(&before.id).and(filter);
        Ok(self.work.objects.update(&self.select(filter), &Change { update, acl: None, updated_at }).await?)
    }

    /// As [`Table::change`], for plain values.
    pub(crate) async fn set(&self, filter: Filter, before: &Object, fields: Map) -> Result<Option<Object>, ParseError> {
        let update = fields.into_iter().map(|(field, value)| (field, Op::Set(value))).collect();
        self.change(filter, before, update).await
    }

    /// Who has this address; or, without one, this address for a name.
    pub(crate) fn addressed(&self, email: &str) -> Filter {
        let options = &self.work.engine.options.accounts;
        let named = Filter::equals("username", options.username(email));
        let without = Filter::Field("email".into(), Constraint::Exists(false));
        Filter::Or(vec![Filter::equals("email", options.email(email)), named.and(without)])
    }
}
