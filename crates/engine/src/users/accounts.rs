//! Which account is behind a session token? Answered from memory where it can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use parsimony_model::builtin::Builtin;
use parsimony_model::{Constraint, Date, ErrorCode, Filter, Object, ObjectId, ParseError, Value, map};
use parsimony_store::{Scope, Selection};

use super::roles;
use crate::engine::Engine;
use crate::options::Options;
use crate::rows::Rows;

/// A user with everything that decides about rights.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) user: Arc<Object>,
    /// Role names, without `role:`.
    pub(crate) roles: Arc<[String]>,
    /// `*`, the user's id, and `role:NAME` of each role.
    pub(crate) grants: Arc<[String]>,
}

#[derive(Debug, Clone)]
struct Session {
    id: ObjectId,
    user: ObjectId,
    expires_at: Option<Date>,
    updated_at: Option<Date>,
}

/// Sessions by token and accounts by user, for `cacheTTL`, and dropped as soon as this server changes what they hold.
pub(crate) struct Accounts {
    by_token: Cache<String, Session>,
    by_user: Cache<ObjectId, Arc<Account>>,
    /// How often something was forgotten: what was read before the last time is not kept, or a session that ends while
    /// it is being read would live on in here.
    forgotten: AtomicU64,
}

impl Accounts {
    pub(crate) fn new(options: &Options) -> Self {
        let time_to_live = Duration::from_millis(options.cache_millis);
        let entries = options.cache_entries_max;
        Self {
            by_token: Cache::builder()
                .max_capacity(entries)
                .time_to_live(time_to_live)
                .support_invalidation_closures()
                .build(),
            by_user: Cache::builder().max_capacity(entries).time_to_live(time_to_live).build(),
            forgotten: AtomicU64::new(0),
        }
    }

    /// The account of a session token, or error 209.
    pub(crate) async fn of_token(&self, engine: &Engine, token: &str) -> Result<Arc<Account>, ParseError> {
        let invalid = || ParseError::new(ErrorCode::InvalidSessionToken, "Invalid session token");
        if token.len() > engine.options.limits.token_chars_max {
            return Err(invalid());
        }
        let mut session = if let Some(session) = self.by_token.get(token) {
            session
        } else {
            let forgotten = self.forgotten.load(Ordering::SeqCst);
            let session = load_session(engine, token).await?.ok_or_else(invalid)?;
            if self.forgotten.load(Ordering::SeqCst) == forgotten {
                self.by_token.insert(token.to_owned(), session.clone());
            }
            session
        };
        if session.expires_at.is_some_and(|end| end < engine.clock.now()) {
            self.by_token.invalidate(token);
            return Err(ParseError::new(ErrorCode::InvalidSessionToken, "Session token is expired."));
        }
        if extend(engine, &mut session).await? {
            self.by_token.insert(token.to_owned(), session.clone());
        }
        self.of_user(engine, &session.user).await?.ok_or_else(invalid)
    }

    pub(crate) async fn of_user(&self, engine: &Engine, id: &ObjectId) -> Result<Option<Arc<Account>>, ParseError> {
        if let Some(account) = self.by_user.get(id) {
            return Ok(Some(account));
        }
        let forgotten = self.forgotten.load(Ordering::SeqCst);
        let Some(user) = load_user(engine, id).await? else { return Ok(None) };
        let roles = roles::of_user(engine, id).await?;
        let mut grants = vec![parsimony_model::acl::PUBLIC.to_owned(), id.as_str().to_owned()];
        grants.extend(roles.iter().map(|role| format!("role:{role}")));
        let account = Arc::new(Account { user: Arc::new(user), roles: roles.into(), grants: grants.into() });
        if self.forgotten.load(Ordering::SeqCst) == forgotten {
            self.by_user.insert(id.clone(), Arc::clone(&account));
        }
        Ok(Some(account))
    }

    /// The user with a token of the kind that there was before there were sessions.
    pub(crate) async fn of_legacy_token(&self, engine: &Engine, token: &str) -> Result<Option<ObjectId>, ParseError> {
        if token.is_empty() || token.len() > engine.options.limits.token_chars_max {
            return Ok(None);
        }
        let Some(class) = engine.schemas.get(&Builtin::User.name()) else { return Ok(None) };
        let filter = Filter::equals("_session_token", token);
        let selection = Selection::new(class, filter, Scope::Everything).range(0, Some(1));
        Ok(engine.objects.find(&selection).await?.pop().map(|user| user.id))
    }

    /// A user changed or went.
    pub(crate) fn forget_user(&self, id: &ObjectId) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.by_user.invalidate(id);
    }

    /// A role changed: anybody's rights may have.
    pub(crate) fn forget_roles(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.by_user.invalidate_all();
    }

    /// A session ended.
    pub(crate) fn forget_token(&self, token: &str) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.by_token.invalidate(token);
    }

    /// Another server changed or ended a session.
    pub(crate) fn forget_session(&self, id: &str) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        let id = id.to_owned();
        if self.by_token.invalidate_entries_if(move |_, session| session.id.as_str() == id).is_err() {
            self.by_token.invalidate_all();
        }
    }

    /// Sessions ended whose tokens are not at hand.
    pub(crate) fn forget_sessions(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.by_token.invalidate_all();
    }
}

/// `extendSessionOnUse`: the end of a session is put off when half of its length has gone by. Whoever else uses it in the
/// same moment finds that done.
async fn extend(engine: &Engine, session: &mut Session) -> Result<bool, ParseError> {
    let (options, now) = (&engine.options, engine.clock.now());
    let millis = options.session_seconds.saturating_mul(1_000);
    let is_due = session.updated_at.is_some_and(|updated| updated.plus_millis(millis / 2) < now);
    if !options.accounts.extends_sessions || !options.expire_inactive_sessions || !is_due {
        return Ok(false);
    }
    let end = now.plus_millis(millis);
    let rows = Rows::of(engine, Builtin::Session).await?;
    let condition = Filter::id(&session.id).and(Filter::Field("expiresAt".into(), Constraint::Less(end.into())));
    rows.set(condition, map! { "expiresAt" => end }).await?;
    (session.expires_at, session.updated_at) = (Some(end), Some(now));
    Ok(true)
}

async fn load_session(engine: &Engine, token: &str) -> Result<Option<Session>, ParseError> {
    let Some(class) = engine.schemas.get(&Builtin::Session.name()) else { return Ok(None) };
    let filter = Filter::equals("sessionToken", token);
    let selection = Selection::new(class, filter, Scope::Everything).range(0, Some(1));
    let found = engine.objects.find(&selection).await?.pop();
    Ok(found.and_then(|session| {
        let user = session.get("user").and_then(Value::as_pointer)?.id;
        let expires_at = session.get("expiresAt").and_then(Value::as_date);
        Some(Session { user, expires_at, updated_at: session.updated_at, id: session.id })
    }))
}

async fn load_user(engine: &Engine, id: &ObjectId) -> Result<Option<Object>, ParseError> {
    let Some(class) = engine.schemas.get(&Builtin::User.name()) else { return Ok(None) };
    let filter = Filter::Field("objectId".into(), Constraint::Equals(id.as_str().into()));
    let selection = Selection::new(class, filter, Scope::Everything).range(0, Some(1));
    let mut user = engine.objects.find(&selection).await?.pop();
    if let Some(user) = &mut user {
        // Hashes and tokens are not for hooks, so they are not kept in memory either.
        user.fields.retain(|field, _| !field.starts_with('_'));
    }
    Ok(user)
}
