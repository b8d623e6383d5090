//! Who asks: the only constructor of a [`Caller`].

use std::net::IpAddr;
use std::sync::Arc;

use parsimony_cloud::{Context, Headers, Who};
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, ObjectId, ParseError, Pointer};
use parsimony_store::Scope;
use subtle::ConstantTimeEq;

use crate::engine::Engine;
use crate::options::MasterKey;
use crate::users::Account;

/// What a request brings to say who it is, as the envelope read it. Nothing here has been believed yet.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// `X-Parse-Application-Id` or `_ApplicationId`.
    pub application_id: Option<String>,
    /// `X-Parse-Master-Key`, `_MasterKey`, or the password of Basic authorization. Also the read-only key.
    pub master_key: Option<String>,
    /// Whether the master key came as a header; then a missing installation id reads `cloud`.
    pub master_key_in_header: bool,
    /// `X-Parse-Maintenance-Key`.
    pub maintenance_key: Option<String>,
    /// `X-Parse-Client-Key`.
    pub client_key: Option<String>,
    /// `X-Parse-Javascript-Key` or `_JavaScriptKey`.
    pub javascript_key: Option<String>,
    /// `X-Parse-Windows-Key`.
    pub dot_net_key: Option<String>,
    /// `X-Parse-REST-API-Key`.
    pub rest_api_key: Option<String>,
    /// `X-Parse-Session-Token` or `_SessionToken`.
    pub session_token: Option<String>,
    /// `X-Parse-Installation-Id` or `_InstallationId`.
    pub installation_id: Option<String>,
    /// The address of the client.
    pub ip: Option<IpAddr>,
    /// The headers as they came, for cloud code.
    pub headers: Headers,
    /// `X-Parse-Cloud-Context` or `_context`.
    pub context: Map,
    /// The id of the request, for logs.
    pub request_id: String,
}

/// By which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority {
    /// None that matters: rights come from the user, or are everyone's.
    Client,
    /// The master key.
    Master,
    /// The key that may read everything and write nothing.
    ReadOnlyMaster,
    /// The key that may read and write internal fields.
    Maintenance,
}

/// A session that was presented and found good.
#[derive(Debug, Clone)]
pub(crate) struct Presented {
    pub(crate) token: String,
    pub(crate) account: Arc<Account>,
}

/// Who asks. It can only come from [`Caller::authenticate`], or be the server itself.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    authority: Authority,
    session: Option<Presented>,
    grants: Arc<[String]>,
    pub(crate) installation_id: Option<String>,
    pub(crate) context: Context,
    who: Arc<Who>,
}

/// The installation id of requests that come from the server's own side: a signup by them opens no session.
pub(crate) const CLOUD: &str = "cloud";

fn unauthorized() -> ParseError {
    ParseError::new(ErrorCode::Unauthorized, "unauthorized")
}

/// What is known of who asks by the keys alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    /// Whether it is a master key, also one that may only read.
    pub(crate) is_master: bool,
}

/// Looks at the keys alone.
pub(crate) fn holder(engine: &Engine, credentials: &Credentials) -> Result<Holder, ParseError> {
    let authority = authority(engine, credentials)?;
    if authority == Authority::Client {
        require_client_key(engine, credentials)?;
    }
    Ok(Holder { is_master: matches!(authority, Authority::Master | Authority::ReadOnlyMaster) })
}

/// Compares secrets without telling by time how much of them was right.
fn same(secret: &str, presented: Option<&String>) -> bool {
    presented.is_some_and(|presented| secret.as_bytes().ct_eq(presented.as_bytes()).into())
}

impl Caller {
    pub(crate) async fn authenticate(engine: &Engine, credentials: Credentials) -> Result<Self, ParseError> {
        let authority = authority(engine, &credentials)?;
        if authority == Authority::Client {
            require_client_key(engine, &credentials)?;
        }
        Self::known(engine, credentials, authority).await
    }

    /// As [`Self::authenticate`], but no client key is wanted.
    pub(crate) async fn authenticate_reader(engine: &Engine, credentials: Credentials) -> Result<Self, ParseError> {
        let authority = authority(engine, &credentials)?;
        Self::known(engine, credentials, authority).await
    }

    /// Whoever presents this, with what the keys are worth.
    async fn known(engine: &Engine, credentials: Credentials, authority: Authority) -> Result<Self, ParseError> {
        let session = match &credentials.session_token {
            // Parse: with the master key the session token is not looked at, so there is no user.
            Some(token) if authority == Authority::Client => {
                // Boxed: most requests have no session, and none should carry the room for its look-up.
                let account = Box::pin(engine.accounts.of_token(engine, token)).await?;
                Some(Presented { token: token.clone(), account })
            }
            _ => None,
        };
        let from_a_server = match authority {
            Authority::Master => credentials.master_key_in_header,
            Authority::Maintenance => true,
            Authority::Client | Authority::ReadOnlyMaster => false,
        };
        let installation_id = credentials.installation_id.or_else(|| from_a_server.then(|| CLOUD.to_owned()));
        let who = Who {
            user: session.as_ref().map(|session| Arc::clone(&session.account.user)),
            session_token: session.as_ref().map(|session| Arc::from(session.token.as_str())),
            roles: session.as_ref().map(|session| Arc::clone(&session.account.roles)).unwrap_or_default(),
            read_only: authority == Authority::ReadOnlyMaster,
            headers: credentials.headers,
            master: matches!(authority, Authority::Master | Authority::ReadOnlyMaster),
            installation_id: installation_id.clone(),
            ip: credentials.ip.map(|ip| ip.to_string()),
            request_id: credentials.request_id,
        };
        Ok(Self {
            authority,
            grants: session.as_ref().map_or_else(everyone, |session| Arc::clone(&session.account.grants)),
            session,
            installation_id,
            context: Context::new(credentials.context),
            who: Arc::new(who),
        })
    }

    /// The user whom a request has just made known, at the device of that request. Without a token it has no session.
    pub(crate) async fn as_user(
        engine: &Engine,
        request: &Self,
        user: &ObjectId,
        token: &str,
    ) -> Result<Self, ParseError> {
        let account = engine.accounts.of_user(engine, user).await?.ok_or_else(ParseError::not_found)?;
        let who = Who {
            user: Some(Arc::clone(&account.user)),
            session_token: (!token.is_empty()).then(|| Arc::from(token)),
            roles: Arc::clone(&account.roles),
            ..(*request.who).clone()
        };
        Ok(Self {
            authority: Authority::Client,
            grants: Arc::clone(&account.grants),
            session: Some(Presented { token: token.to_owned(), account }),
            installation_id: request.installation_id.clone(),
            context: request.context.clone(),
            who: Arc::new(who),
        })
    }

    /// Who presents a token of old, which is kept with the user, for the one route that takes it.
    pub(crate) async fn with_legacy_session(engine: &Engine, credentials: Credentials) -> Result<Self, ParseError> {
        let token = credentials.session_token.clone().filter(|token| !token.starts_with("r:"));
        let Some(token) = token else { return Self::authenticate(engine, credentials).await };
        let caller = Self::authenticate(engine, Credentials { session_token: None, ..credentials }).await?;
        let invalid = || ParseError::new(ErrorCode::InvalidSessionToken, "invalid legacy session token");
        let user = engine.accounts.of_legacy_token(engine, &token).await?.ok_or_else(invalid)?;
        if caller.is_privileged() { Ok(caller) } else { Self::as_user(engine, &caller, &user, &token).await }
    }

    /// Somebody who listens, as it stands now: a session that has ended grants nothing any more.
    pub(crate) async fn listener(engine: &Engine, session_token: Option<&str>, master: bool) -> Self {
        let mut caller = Self { authority: Authority::Client, installation_id: None, ..Self::server() };
        if master {
            caller.authority = Authority::Master;
        } else if let Some(token) = session_token
            && let Ok(account) = engine.accounts.of_token(engine, token).await
        {
            caller.grants = Arc::clone(&account.grants);
            caller.session = Some(Presented { token: token.to_owned(), account });
        }
        caller.who = Arc::new(Who {
            user: caller.session.as_ref().map(|session| Arc::clone(&session.account.user)),
            session_token: session_token.map(Arc::from),
            roles: caller.session.as_ref().map(|session| Arc::clone(&session.account.roles)).unwrap_or_default(),
            master,
            ..Who::default()
        });
        caller
    }

    /// The same, at this device and address.
    pub(crate) fn at_device(self, installation_id: Option<&str>, ip: Option<IpAddr>) -> Self {
        let installation_id = installation_id.map(ToOwned::to_owned);
        let who =
            Who { installation_id: installation_id.clone(), ip: ip.map(|ip| ip.to_string()), ..(*self.who).clone() };
        Self { installation_id, who: Arc::new(who), ..self }
    }

    /// The server itself.
    pub(crate) fn server() -> Self {
        Self {
            authority: Authority::Master,
            session: None,
            grants: everyone(),
            installation_id: Some(CLOUD.to_owned()),
            context: Context::default(),
            who: Arc::new(Who { master: true, ..Who::default() }),
        }
    }

    /// The same request with the master's rights, for cloud code that asks for them. The user stays known.
    pub(crate) fn elevated(&self) -> Self {
        let who = Who { master: true, ..(*self.who).clone() };
        Self {
            authority: Authority::Master,
            installation_id: Some(CLOUD.to_owned()),
            who: Arc::new(who),
            ..self.clone()
        }
    }

    /// A request from cloud code that this request runs: Parse gives it the installation id `cloud`, and nothing of what is
    /// handed on from hook to hook.
    pub(crate) fn inside(&self) -> Self {
        Self { installation_id: Some(CLOUD.to_owned()), context: Context::default(), ..self.clone() }
    }

    /// The same request, handing this on from hook to hook.
    pub(crate) fn with_context(&self, context: Map) -> Self {
        Self { context: Context::new(context), ..self.clone() }
    }

    /// Whether class and row permissions do not bind it.
    pub(crate) fn is_privileged(&self) -> bool {
        self.authority != Authority::Client
    }

    /// Whether it may use routes of the master key.
    pub(crate) fn is_master(&self) -> bool {
        matches!(self.authority, Authority::Master | Authority::ReadOnlyMaster)
    }

    /// Whether it is the key that may read everything and write nothing.
    pub(crate) fn is_read_only(&self) -> bool {
        self.authority == Authority::ReadOnlyMaster
    }

    /// Whether it may see and write internal fields.
    pub(crate) fn is_maintenance(&self) -> bool {
        self.authority == Authority::Maintenance
    }

    /// Refuses writes by the read-only key.
    pub(crate) fn may_write(&self, what: impl std::fmt::Display) -> Result<(), ParseError> {
        if self.authority == Authority::ReadOnlyMaster {
            let detail = format!("read-only masterKey isn't allowed to {what}.");
            return Err(ParseError::denied(ErrorCode::OperationForbidden, detail));
        }
        Ok(())
    }

    /// The user of the session; also under elevation, where it grants nothing.
    pub(crate) fn account(&self) -> Option<&Arc<Account>> {
        self.session.as_ref().map(|session| &session.account)
    }

    /// The user whose rights count: none for the master key.
    pub(crate) fn user_id(&self) -> Option<&ObjectId> {
        if self.is_privileged() { None } else { self.account().map(|account| &account.user.id) }
    }

    /// A pointer to the user whose rights count.
    pub(crate) fn user_pointer(&self) -> Option<Pointer> {
        if self.is_privileged() { None } else { self.account().map(|account| account.user.pointer()) }
    }

    /// The session that was presented.
    pub(crate) fn session(&self) -> Option<&Presented> {
        self.session.as_ref()
    }

    /// `*`, the user id, and `role:NAME` of each role.
    pub(crate) fn grants(&self) -> &[String] {
        &self.grants
    }

    /// What it may read. The only place that opens everything for reading.
    pub(crate) fn read_scope(&self) -> Scope {
        if self.is_privileged() { Scope::Everything } else { Scope::ReadableBy(Arc::clone(&self.grants)) }
    }

    /// What it may change. The only place that opens everything for writing.
    pub(crate) fn write_scope(&self) -> Scope {
        if self.is_privileged() { Scope::Everything } else { Scope::WritableBy(Arc::clone(&self.grants)) }
    }

    /// How cloud code sees it.
    pub(crate) fn who(&self) -> &Arc<Who> {
        &self.who
    }
}

/// What a caller without a user has.
fn everyone() -> Arc<[String]> {
    Arc::from([parsimony_model::acl::PUBLIC.to_owned()])
}

fn authority(engine: &Engine, credentials: &Credentials) -> Result<Authority, ParseError> {
    let keys = &engine.options.keys;
    if credentials.application_id.as_deref() != Some(&keys.application_id) {
        return Err(unauthorized());
    }
    let is = |key: Option<&str>, presented: &Option<String>| {
        key.is_some_and(|key| !key.is_empty() && same(key, presented.as_ref()))
    };
    let is_master = || match &keys.master_key {
        MasterKey::Fixed(key) => is(Some(key), &credentials.master_key),
        MasterKey::Changing(key) => {
            credentials.master_key.is_some() && is(Some(&key(engine.clock.now())), &credentials.master_key)
        }
    };
    let (authority, addresses) = if is(keys.maintenance_key.as_deref(), &credentials.maintenance_key) {
        (Authority::Maintenance, &keys.maintenance_key_ips)
    } else if is_master() {
        (Authority::Master, &keys.master_key_ips)
    } else if is(keys.read_only_master_key.as_deref(), &credentials.master_key) {
        (Authority::ReadOnlyMaster, &keys.read_only_master_key_ips)
    } else {
        // Parse: a wrong master key is no error, the request goes on as an ordinary client.
        return Ok(Authority::Client);
    };
    if credentials.ip.is_some_and(addresses) {
        return Ok(authority);
    }
    let ip = credentials.ip.map(|ip| ip.to_string()).unwrap_or_default();
    let option = match authority {
        Authority::Maintenance => "maintenanceKeyIps",
        Authority::ReadOnlyMaster => "readOnlyMasterKeyIps",
        Authority::Master | Authority::Client => "masterKeyIps",
    };
    tracing::warn!(
        %ip,
        "a right key came from an address that is not in its list; to accept it, add the address, or a network such as \
         10.0.0.0/8, to {option}; behind a proxy, let trustProxy name it, so that the client's own address counts"
    );
    Err(unauthorized())
}

fn require_client_key(engine: &Engine, credentials: &Credentials) -> Result<(), ParseError> {
    let keys = &engine.options.keys;
    let pairs = [
        (&keys.client_key, &credentials.client_key),
        (&keys.javascript_key, &credentials.javascript_key),
        (&keys.dot_net_key, &credentials.dot_net_key),
        (&keys.rest_api_key, &credentials.rest_api_key),
    ];
    let none_is_set = pairs.iter().all(|(key, _)| key.is_none());
    let one_matches = pairs.iter().any(|(key, sent)| key.as_ref().is_some_and(|key| same(key, sent.as_ref())));
    if none_is_set || one_matches { Ok(()) } else { Err(unauthorized()) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use parsimony_model::{ClassName, Object};

    /// A client with this user and these roles, as `authenticate` would make it.
    pub(crate) fn client(user: Option<&str>, roles: &[&str]) -> Caller {
        let session = user.map(|id| {
            let user = Object {
                class: ClassName::parse("_User").unwrap(),
                id: ObjectId::parse(id).unwrap(),
                created_at: None,
                updated_at: None,
                acl: None,
                fields: Map::default(),
            };
            let mut grants = vec!["*".to_owned(), id.to_owned()];
            grants.extend(roles.iter().map(|role| format!("role:{role}")));
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            let account = Arc::new(Account { user: Arc::new(user), roles, grants: grants.into() });
            Presented { token: "r:test".to_owned(), account }
        });
        Caller {
            authority: Authority::Client,
            grants: session.as_ref().map_or_else(everyone, |session| Arc::clone(&session.account.grants)),
            session,
            installation_id: None,
            context: Context::default(),
            who: Arc::default(),
        }
    }

    #[test]
    fn only_the_keys_see_everything() {
        assert!(matches!(client(Some("u"), &[]).read_scope(), Scope::ReadableBy(_)));
        assert!(matches!(client(None, &[]).write_scope(), Scope::WritableBy(_)));
        assert_eq!(Caller::server().read_scope(), Scope::Everything);
        let user = client(Some("u"), &[]);
        assert_eq!(user.elevated().read_scope(), Scope::Everything);
        // The user stays known under elevation, but grants nothing.
        assert!(user.elevated().account().is_some() && user.elevated().user_id().is_none());
    }
}
