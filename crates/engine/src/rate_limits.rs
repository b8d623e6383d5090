//! How often may a path be asked, and by whom together: `rateLimit`, of the configuration and of cloud code.
//!
//! A count begins with the first request, and begins anew when its time is over.

mod counts;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use parsimony_cloud::{Headers, RateLimit, Zone};
use parsimony_model::{ErrorCode, ParseError};
use regex::Regex;

pub use self::counts::CountedBy;
pub(crate) use self::counts::Counts;
use self::counts::Key;
use crate::caller::{Credentials, holder};
use crate::engine::Engine;
use crate::work::Work;

/// A limit of the configuration.
#[derive(Debug, Clone)]
pub struct PatternLimit {
    /// The paths below the mount path, with a slash at their start.
    pub pattern: Regex,
    /// The limit.
    pub limit: RateLimit,
}

/// What says that a request came through a proxy: then it is not this machine that asks, whatever the header names.
const FORWARDED: &str = "x-forwarded-for";

/// Who asks, as far as a limit wants to know.
struct Asker<'a> {
    ip: Option<IpAddr>,
    /// Whether the address is what a proxy says.
    is_forwarded: bool,
    is_master: bool,
    /// The id of the user and the token of the session, if there is a good one.
    session: Option<(String, &'a str)>,
}

/// How a request came: its path below the mount path, and the methods it has. A part of a batch has that of the batch too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a str,
    pub(crate) methods: &'a [&'a str],
}

impl Asker<'_> {
    /// Who shares the count with this one.
    fn key(&self, zone: Zone) -> String {
        let address = || self.ip.map_or_else(|| "nowhere".to_owned(), |ip| format!("ip {ip}"));
        match (zone, &self.session) {
            (Zone::Global, _) => "everybody".to_owned(),
            (Zone::Session, Some((_, token))) => format!("session {token}"),
            (Zone::User, Some((user, _))) => format!("user {user}"),
            (Zone::Ip, _) | (Zone::Session | Zone::User, None) => address(),
        }
    }

    /// Whether a limit does not count this request, in Parse's order.
    fn is_free(&self, limit: &RateLimit, methods: &[&str]) -> bool {
        let internal = self.ip == Some(IpAddr::V4(Ipv4Addr::LOCALHOST)) && !self.is_forwarded;
        if internal && !limit.include_internal_requests {
            return true;
        }
        if limit.include_master_key {
            return false;
        }
        let counted = |list: &Vec<String>| list.iter().any(|own| methods.contains(&own.as_str()));
        !limit.methods.as_ref().is_none_or(counted) || self.is_master
    }
}

/// A limit that stands before a path.
struct Standing<'a> {
    /// Its place among all.
    number: u64,
    /// The paths it stands before, as they are written.
    paths: &'a str,
    limit: &'a RateLimit,
}

/// Every limit that stands before a path.
fn limits_before<'a>(
    engine: &'a Engine,
    registry: &'a parsimony_cloud::Registry,
    path: &'a str,
) -> impl Iterator<Item = Standing<'a>> {
    let patterns = engine.options.rate_limits.iter();
    let patterns = (0..).zip(patterns).filter(move |(_, own)| own.pattern.is_match(path));
    let handlers = (0..).zip(registry.limits()).filter(move |(_, own)| own.covers(path));
    // Those of cloud code have odd numbers.
    let patterns = patterns.map(|(place, own)| (place * 2, own.pattern.as_str(), &own.limit));
    let handlers = handlers.map(|(place, own)| (place * 2 + 1, own.path.as_str(), &own.limit));
    patterns.chain(handlers).map(|(number, paths, limit)| Standing { number, paths, limit })
}

/// Whether there is any limit.
pub(crate) fn has_limits(engine: &Engine, registry: &parsimony_cloud::Registry) -> bool {
    !engine.options.rate_limits.is_empty() || !registry.limits().is_empty()
}

async fn admit(
    engine: &Engine,
    registry: &parsimony_cloud::Registry,
    asker: &Asker<'_>,
    request: Asked<'_>,
) -> Result<(), ParseError> {
    let mut refusal = None;
    // Parse: all of them count, whichever refuses first.
    for Standing { number, paths, limit } in limits_before(engine, registry, request.path) {
        let key = Key { number, who: asker.key(limit.zone) };
        if !asker.is_free(limit, request.methods) && !counts::admit(engine, key, paths, limit).await? {
            refusal = refusal.or_else(|| Some(limit.message.clone()));
        }
    }
    refusal.map_or(Ok(()), |text| Err(ParseError::new(ErrorCode::ConnectionFailed, text)))
}

/// Counts a request before anything else is made of it, also one whose session is not good. What is wrong with its keys is told
/// later.
pub(crate) async fn admit_request(
    engine: &Engine,
    credentials: &Credentials,
    (method, path): (&str, &str),
) -> Result<(), ParseError> {
    let registry = engine.registry.now();
    let mut zones = limits_before(engine, &registry, path).map(|standing| standing.limit.zone).peekable();
    if zones.peek().is_none() {
        return Ok(());
    }
    let wants_session = zones.any(|zone| matches!(zone, Zone::Session | Zone::User));
    let Ok(holder) = holder(engine, credentials) else { return Ok(()) };
    let mut session = None;
    if let Some(token) = credentials.session_token.as_deref().filter(|_| wants_session && !holder.is_master) {
        // One that is not good is no session: whoever makes up tokens is counted by the address.
        let account = engine.accounts.of_token(engine, token).await;
        session = account.ok().map(|account| (account.user.id.to_string(), token));
    }
    let is_forwarded = credentials.headers.get(FORWARDED).is_some();
    let asker = Asker { ip: credentials.ip, is_forwarded, is_master: holder.is_master, session };
    admit(engine, &registry, &asker, Asked { path, methods: &[method] }).await
}

/// Counts a request of somebody who has no key to show, and needs none.
pub(crate) async fn admit_nobody(
    engine: &Engine,
    (ip, headers): (Option<IpAddr>, &Headers),
    (method, path): (&str, &str),
) -> Result<(), ParseError> {
    let registry = engine.registry.now();
    let asker = Asker { ip, is_forwarded: headers.get(FORWARDED).is_some(), is_master: false, session: None };
    admit(engine, &registry, &asker, Asked { path, methods: &[method] }).await
}

/// How long deliveries of webhooks are counted.
const DELIVERIES_WINDOW: Duration = Duration::from_secs(60);

/// Deliveries of a webhook from one address. Those that are not believed are counted, by each server for itself: after too many
/// nothing from there is looked at for a while. What is believed may come as often as its service has something to tell.
pub(crate) struct Deliveries<'a> {
    engine: &'a Engine,
    key: Key,
    limit: RateLimit,
}

impl<'a> Deliveries<'a> {
    pub(crate) fn of(engine: &'a Engine, webhook: &str, ip: Option<&str>) -> Self {
        // No limit of a path has this number.
        let key = Key { number: u64::MAX, who: format!("{webhook} {}", ip.unwrap_or_default()) };
        Self { engine, key, limit: RateLimit::new(engine.options.limits.inbound_requests_max, DELIVERIES_WINDOW) }
    }

    /// Whether one more is looked at.
    pub(crate) fn admit(&self) -> Result<(), ParseError> {
        if self.engine.rate_counts.is_full(&self.key, &self.limit, self.engine.clock.now()) {
            return Err(ParseError::new(ErrorCode::ConnectionFailed, self.limit.message.clone()));
        }
        Ok(())
    }

    /// Counts one that is not believed.
    pub(crate) fn count(self) {
        let counts_max = self.engine.options.limits.rate_counts_max;
        self.engine.rate_counts.add(self.key, &self.limit, self.engine.clock.now(), counts_max);
    }
}

/// Counts a part of a batch. Parse: a login in it is nobody's.
pub(crate) async fn admit_part(work: &Work, method: &str, path: &str) -> Result<(), ParseError> {
    if !has_limits(&work.engine, &work.registry) {
        return Ok(());
    }
    let is_login = path.trim_end_matches('/').eq_ignore_ascii_case("/login");
    let session = work.caller.session().filter(|_| !is_login);
    let asker = Asker {
        ip: work.caller.who().ip.as_deref().and_then(|ip| ip.parse().ok()),
        is_forwarded: work.caller.who().headers.get(FORWARDED).is_some(),
        is_master: work.is_master(),
        session: session.map(|session| (session.account.user.id.to_string(), session.token.as_str())),
    };
    let counted = admit(&work.engine, &work.registry, &asker, Asked { path, methods: &[method, "POST"] }).await;
    // Parse: within a batch it is an ordinary error, whose status says nothing of its number.
    counted.map_err(|error| ParseError { own_number: error.number(), code: ErrorCode::ScriptFailed, ..error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_counted_and_with_whom() {
        let asker = |ip: &str, is_master| Asker {
            ip: ip.parse().ok(),
            is_forwarded: false,
            is_master,
            session: Some(("u".to_owned(), "r:1")),
        };
        let limit = RateLimit::new(1, Duration::from_secs(1)).methods(["POST"]);
        for (asker, limit, method, free) in [
            (asker("1.2.3.4", false), limit.clone(), "POST", false),
            (asker("1.2.3.4", false), limit.clone(), "GET", true),
            (asker("1.2.3.4", true), limit.clone(), "POST", true),
            (asker("127.0.0.1", false), limit.clone(), "POST", true),
            (asker("127.0.0.1", false), limit.clone().include_internal_requests(), "POST", false),
            (asker("1.2.3.4", true), limit.clone().include_master_key(), "GET", false),
        ] {
            assert_eq!(asker.is_free(&limit, &[method]), free, "{:?} {method}", asker.ip);
        }
        let told = Asker { is_forwarded: true, ..asker("127.0.0.1", false) };
        assert!(!told.is_free(&limit, &["POST"]), "a proxy may say anything");
        let asker = asker("1.2.3.4", false);
        let keys = [Zone::Ip, Zone::Session, Zone::User, Zone::Global].map(|zone| asker.key(zone));
        assert_eq!(keys, ["ip 1.2.3.4", "session r:1", "user u", "everybody"]);
        assert_eq!(Asker { session: None, ..asker }.key(Zone::User), "ip 1.2.3.4");
    }
}
