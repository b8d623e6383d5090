//! A directory: `{id, password}`, with which a server binds as the user. The password is not kept.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, dn_escape, ldap_escape};
use parsimony_cloud::Pending;
use parsimony_cloud::auth::{AuthAdapter, AuthRequest, Validated};
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, ParseError, Value};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::given::Given;
use super::{Tools, refused, text};

/// How long the directory may take to be reached.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// What the directory answers when name and password do not fit.
const INVALID_CREDENTIALS: u32 = 49;

pub(super) struct Directory {
    /// None if it is not configured.
    at: Option<At>,
}

struct At {
    url: String,
    suffix: String,
    /// The name to bind as, with `{{id}}` in it.
    dn: Option<String>,
    /// The group that its users are in, and how it is looked for.
    group: Option<(String, String)>,
    tls: LdapConnSettings,
}

pub(super) fn make(given: &Given<'_>, _tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
    Ok(Arc::new(read(given)?))
}

/// The directory of options.
pub(super) fn read(given: &Given<'_>) -> Result<Directory, String> {
    if given.options.is_empty() {
        return Ok(Directory { at: None });
    }
    let url = given.required("url")?;
    let secure = url.starts_with("ldaps://");
    if !secure && !url.starts_with("ldap://") {
        return Err(given.wrong("url", "this must begin with ldap:// or ldaps://"));
    }
    let at = At {
        suffix: given.required("suffix")?,
        dn: given.text("dn")?,
        group: given.text("groupCn")?.zip(given.text("groupFilter")?),
        tls: if secure { settings(given)? } else { LdapConnSettings::new().set_conn_timeout(CONNECT_TIME_MAX) },
        url,
    };
    Ok(Directory { at: Some(at) })
}

/// How a directory is known by its certificate: `tlsOptions`, of which `ca` and `rejectUnauthorized` count.
fn settings(given: &Given<'_>) -> Result<LdapConnSettings, String> {
    let settings = LdapConnSettings::new().set_conn_timeout(CONNECT_TIME_MAX);
    let Some(Value::Object(tls)) = given.get("tlsOptions") else {
        return Err(given.wrong("tlsOptions", "this is required with ldaps://"));
    };
    let name = format!("{}.tlsOptions", given.name);
    let tls = Given::new(&name, tls);
    if tls.flag("rejectUnauthorized")? == Some(false) {
        return Ok(settings.set_no_tls_verify(true));
    }
    let Some(authorities) = tls.texts("ca")? else { return Ok(settings) };
    let mut roots = rustls::RootCertStore::empty();
    for pem in &authorities {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let bad =
                |error: &dyn std::fmt::Display| tls.wrong("ca", &format!("this is no certificate in PEM: {error}"));
            let certificate = certificate.map_err(|error| bad(&error))?;
            roots.add(certificate).map_err(|error| bad(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| tls.wrong("", &error.to_string()))?;
    Ok(settings.set_config(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

fn wrong() -> ParseError {
    refused("LDAP: Wrong username or password")
}

/// What went wrong between here and the directory.
fn failed(error: &LdapError) -> ParseError {
    let sentence = match error {
        LdapError::Io { source } if source.to_string().contains("certificate") => "LDAPS: Certificate mismatch",
        LdapError::Rustls { .. } => "LDAPS: Certificate mismatch",
        // Parse's own spelling, which clients may look for.
        _ => "LDAP: Somthing went wrong",
    };
    ParseError { detail: Some(error.to_string()), ..refused(sentence) }
}

impl At {
    async fn check(&self, id: &str, password: &str) -> Result<(), ParseError> {
        let connected = LdapConnAsync::with_settings(self.tls.clone(), &self.url).await;
        let (connection, mut ldap) = connected.map_err(|error| failed(&error))?;
        let asked = pin!(async {
            let outcome = self.ask(&mut ldap, id, password).await;
            // Whether the directory hears it does not matter any more.
            drop(ldap.unbind().await);
            outcome
        });
        match select(pin!(connection.drive()), asked).await {
            Either::Right((outcome, _)) => outcome,
            Either::Left((Ok(()), asked)) => asked.await,
            Either::Left((Err(error), _)) => Err(failed(&error)),
        }
    }

    async fn ask(&self, ldap: &mut Ldap, id: &str, password: &str) -> Result<(), ParseError> {
        let name = dn_escape(id);
        let dn = match &self.dn {
            Some(dn) => dn.replacen("{{id}}", &name, 1),
            None => format!("uid={name},{}", self.suffix),
        };
        let bound = ldap.simple_bind(&dn, password).await.map_err(|error| failed(&error))?;
        match bound.rc {
            0 => {}
            INVALID_CREDENTIALS => return Err(wrong()),
            code => return Err(refused(format!("LDAP: Somthing went wrong ({code})"))),
        }
        let Some((group, filter)) = &self.group else { return Ok(()) };
        let filter = filter.replace("{{id}}", &ldap_escape(id)).replace("{{ID}}", &ldap_escape(id));
        let no_search = || refused("LDAP group search failed");
        let found =
            ldap.search(&self.suffix, Scope::Subtree, &filter, vec!["cn"]).await.map_err(|_error| no_search())?;
        let (entries, _) = found.success().map_err(|_error| no_search())?;
        let is_group = |entry| {
            let entry = SearchEntry::construct(entry);
            let names = entry.attrs.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cn"));
            names.into_iter().any(|(_, names)| names.contains(group))
        };
        if entries.into_iter().any(is_group) { Ok(()) } else { Err(refused("LDAP: User not in group")) }
    }
}

impl Directory {
    /// What is kept of a user whom the directory knows.
    pub(super) async fn verify(&self, data: &Map) -> Result<Map, ParseError> {
        let missing = || ParseError::new(ErrorCode::ObjectNotFound, "LDAP auth configuration missing");
        let at = self.at.as_ref().ok_or_else(missing)?;
        // A directory lets everybody in who names a user and no password: that is no login.
        let (Some(id), Some(password)) = (text(data, "id"), text(data, "password")) else { return Err(wrong()) };
        at.check(id, password).await?;
        let mut kept = data.clone();
        kept.shift_remove("password");
        Ok(kept)
    }
}

impl AuthAdapter for Directory {
    fn validate_auth_data<'a>(&'a self, data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async move { self.verify(data).await.map(Validated::save) })
    }
}
