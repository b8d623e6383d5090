//! Opening and ending sessions.

use std::sync::Arc;

use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{Constraint, Filter, Object, ObjectId, ParseError, Pointer, Value, map};
use parsimony_store::{Scope, Selection};

use crate::live;
use crate::work::Work;

/// How a session came to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Opened<'a> {
    SignUp,
    LogIn,
    /// By these providers. Parse: also of a signup by them this is what is said.
    LogInBy(&'a str),
    Create,
    /// By the master key, for somebody.
    AsMaster,
    /// In the place of a token of old.
    Upgrade,
}

impl Opened<'_> {
    fn created_with(self) -> Map {
        match self {
            Self::SignUp => map! { "action" => "signup", "authProvider" => "password" },
            Self::LogIn => map! { "action" => "login", "authProvider" => "password" },
            Self::LogInBy(providers) => map! { "action" => "login", "authProvider" => providers },
            Self::Create => map! { "action" => "create" },
            Self::AsMaster => map! { "action" => "login", "authProvider" => "masterkey" },
            Self::Upgrade => map! { "action" => "upgrade" },
        }
    }
}

/// Opens a session of a user on the caller's device, in the place of older ones there. Gives the stored session.
pub(crate) async fn open(work: &Work, user: &ObjectId, opened: Opened<'_>, extra: Map) -> Result<Object, ParseError> {
    let engine = &work.engine;
    let class = engine.schemas.require(&Builtin::Session.name()).await?;
    let now = engine.clock.now();
    let pointer = Value::Pointer(Pointer::new(Builtin::User.name(), user.clone()));
    let installation = work.caller.installation_id.clone().filter(|_| !matches!(opened, Opened::Create));
    let mut fields = extra;
    fields.insert("sessionToken".into(), format!("r:{}", engine.clock.hexadecimal(16)).into());
    fields.insert("user".into(), pointer.clone());
    fields.insert("createdWith".into(), opened.created_with().into());
    if engine.options.expire_inactive_sessions {
        let end = now.plus_millis(engine.options.session_seconds.saturating_mul(1_000));
        fields.insert("expiresAt".into(), end.into());
    }
    if let Some(installation) = installation {
        fields.insert("installationId".into(), installation.clone().into());
        if installation != crate::caller::CLOUD {
            let same_device = Filter::equals("user", pointer).and(Filter::equals("installationId", installation));
            remove(work, same_device).await?;
        }
    }
    let session = Object {
        class: class.name.clone(),
        id: engine.clock.object_id(engine.options.object_id_size),
        created_at: Some(now),
        updated_at: Some(now),
        acl: None,
        fields,
    };
    work.objects.insert(&class, &session).await?;
    if live::is_wanted(work, &class.name) {
        live::publish(work, &class.name, None, Some(Arc::new(session.clone()))).await;
    }
    Ok(session)
}

/// Ends every session of a user.
pub(crate) async fn end_all(work: &Work, user: &ObjectId) -> Result<(), ParseError> {
    let pointer = Pointer::new(Builtin::User.name(), user.clone());
    remove(work, Filter::equals("user", pointer)).await
}

/// Ends the session with this token and gives it; `None` if there was none.
pub(crate) async fn end(work: &Work, token: &str) -> Result<Option<Object>, ParseError> {
    let session = by_token(work, token).await?;
    if let Some(session) = &session {
        remove(work, Filter::Field("objectId".into(), Constraint::Equals(session.id.as_str().into()))).await?;
        work.engine.accounts.forget_token(token);
    }
    Ok(session)
}

/// The session with this token.
pub(crate) async fn by_token(work: &Work, token: &str) -> Result<Option<Object>, ParseError> {
    let class = work.engine.schemas.require(&Builtin::Session.name()).await?;
    let filter = Filter::equals("sessionToken", token);
    let selection = Selection::new(class, filter, Scope::Everything).range(0, Some(1));
    Ok(work.objects.find(&selection).await?.pop())
}

async fn remove(work: &Work, filter: Filter) -> Result<(), ParseError> {
    let class = work.engine.schemas.require(&Builtin::Session.name()).await?;
    let name = class.name.clone();
    let selection = Selection::new(class, filter, Scope::Everything);
    let gone = if live::is_wanted(work, &name) { work.objects.find(&selection).await? } else { Vec::new() };
    let removed = work.objects.delete(&selection).await?;
    if removed > 0 {
        work.engine.accounts.forget_sessions();
    }
    for session in gone {
        live::publish(work, &name, Some(Arc::new(session)), None).await;
    }
    Ok(())
}
