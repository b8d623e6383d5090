//! Who does a request say it is, and from where: credentials of headers, and the client's address.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ipnet::IpNet;
use parsimony_engine::{Credentials, Headers};

/// Which proxies are believed when they say who their client is, `trustProxy`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TrustProxy {
    /// None: the address of the socket counts.
    #[default]
    Nobody,
    /// All: the first address of `X-Forwarded-For` counts. Clients can write it themselves.
    Everybody,
    /// The last so many hops.
    Hops(usize),
    /// Those with these addresses.
    Addresses(Vec<IpNet>),
}

impl TrustProxy {
    /// Whether the proxy at this address, so many hops from us, is believed.
    fn trusts(&self, address: IpAddr, hop: usize) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everybody => true,
            Self::Hops(hops) => hop < *hops,
            Self::Addresses(nets) => nets.iter().any(|net| net.contains(&address)),
        }
    }

    /// The client's address: the nearest one on the way that is not a believed proxy.
    pub(crate) fn client<'a>(
        &self,
        peer: Option<IpAddr>,
        forwarded: impl Iterator<Item = &'a HeaderValue>,
    ) -> Option<IpAddr> {
        let mut client = peer?.to_canonical();
        if *self == Self::Nobody {
            return Some(client);
        }
        let lines: Vec<&str> = forwarded.filter_map(|line| line.to_str().ok()).collect();
        let farther = lines.iter().rev().flat_map(|line| line.rsplit(','));
        for (hop, address) in farther.enumerate() {
            if !self.trusts(client, hop) {
                break;
            }
            // What is no address cannot be the client; the proxy that wrote it stands for it.
            let Some(address) = address_in(address.trim()) else { break };
            client = address;
        }
        Some(client)
    }
}

fn address_in(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip())).ok()?;
    Some(IpAddr::to_canonical(&address))
}

/// What the headers say, before the body has been looked at.
#[derive(Debug, Default)]
pub(crate) struct HeaderClaims<'a> {
    /// Who the request says it is. The context is not among it yet.
    pub(crate) credentials: Credentials,
    /// `X-Parse-Cloud-Context`, not yet read.
    pub(crate) context: Option<String>,
    /// `Content-Type`.
    pub(crate) content_type: Option<&'a str>,
}

/// Reads every header that matters, in one walk.
pub(crate) fn read_headers<'a>(headers: &'a HeaderMap, application_id: &str) -> HeaderClaims<'a> {
    let mut claims = HeaderClaims::default();
    let mut authorization = None;
    let credentials = &mut claims.credentials;
    for (name, value) in headers {
        let field = match name.as_str() {
            "content-type" => {
                claims.content_type = claims.content_type.or(value.to_str().ok());
                continue;
            }
            "authorization" => &mut authorization,
            "x-parse-application-id" => &mut credentials.application_id,
            "x-parse-session-token" => &mut credentials.session_token,
            "x-parse-installation-id" => &mut credentials.installation_id,
            "x-parse-rest-api-key" => &mut credentials.rest_api_key,
            "x-parse-javascript-key" => &mut credentials.javascript_key,
            "x-parse-client-key" => &mut credentials.client_key,
            "x-parse-windows-key" => &mut credentials.dot_net_key,
            "x-parse-master-key" => &mut credentials.master_key,
            "x-parse-maintenance-key" => &mut credentials.maintenance_key,
            "x-parse-cloud-context" => &mut claims.context,
            _ => continue,
        };
        // Parse: an empty header is none, but an empty context is no object.
        if field.is_none() && (!value.is_empty() || name.as_str() == "x-parse-cloud-context") {
            *field = Some(String::from_utf8_lossy(value.as_bytes()).into_owned());
        }
    }
    if let Some(basic) = authorization.as_deref().and_then(basic)
        && basic.application_id == application_id
    {
        // Parse: Basic authorization for an application it knows goes before the headers.
        credentials.application_id = Some(basic.application_id);
        credentials.master_key = basic.master_key.or(credentials.master_key.take());
        credentials.javascript_key = basic.javascript_key.or(credentials.javascript_key.take());
    }
    credentials.master_key_in_header = credentials.master_key.is_some();
    credentials.headers = shown_to_cloud_code(headers);
    claims
}

/// The headers without the keys of the server: what they open has been opened, and hooks may run elsewhere.
fn shown_to_cloud_code(headers: &HeaderMap) -> Headers {
    const HIDDEN: [&str; 3] = ["authorization", "x-parse-master-key", "x-parse-maintenance-key"];
    let shown = headers.iter().filter(|(name, _)| !HIDDEN.contains(&name.as_str()));
    Headers::new(shown.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))))
}

struct Basic {
    application_id: String,
    master_key: Option<String>,
    javascript_key: Option<String>,
}

/// `Basic base64(appId:masterKey)` or `Basic base64(appId:javascript-key=KEY)`.
fn basic(authorization: &str) -> Option<Basic> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (application_id, key) = decoded.split_once(':')?;
    let javascript_key = key.strip_prefix("javascript-key=").map(str::to_owned);
    let master_key = (javascript_key.is_none() && !key.is_empty()).then(|| key.to_owned());
    Some(Basic { application_id: application_id.to_owned(), master_key, javascript_key })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{AUTHORIZATION, HeaderName};

    use super::*;

    fn sent(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn each_header_goes_to_its_credential() {
        let headers = sent(&[
            ("x-parse-application-id", "app"),
            ("x-parse-application-id", "second"),
            ("x-parse-master-key", "m"),
            ("x-parse-maintenance-key", "n"),
            ("x-parse-client-key", "c"),
            ("x-parse-javascript-key", "j"),
            ("x-parse-windows-key", "w"),
            ("x-parse-rest-api-key", "r"),
            ("x-parse-session-token", "s"),
            ("x-parse-installation-id", "i"),
            ("x-parse-cloud-context", "{}"),
        ]);
        let read = read_headers(&headers, "app");
        let found = read.credentials;
        let of = |field: &Option<String>| field.clone().unwrap_or_default();
        assert_eq!(of(&found.application_id), "app");
        assert!(found.master_key_in_header);
        let keys = [
            &found.master_key,
            &found.maintenance_key,
            &found.client_key,
            &found.javascript_key,
            &found.dot_net_key,
            &found.rest_api_key,
            &found.session_token,
            &found.installation_id,
        ];
        assert_eq!(keys.map(of).concat(), "mncjwrsi");
        assert_eq!(read.context.as_deref(), Some("{}"));
        assert_eq!(
            (found.headers.get("x-parse-installation-id"), found.headers.get("x-parse-master-key")),
            (Some("i"), None)
        );
    }

    #[test]
    fn basic_authorization_counts_for_our_application_only() {
        for (decoded, application_id, master_key, javascript_key) in [
            ("app:secret", Some("app"), Some("secret"), None),
            ("app:javascript-key=js", Some("app"), None, Some("js")),
            ("app:", Some("app"), None, None),
            ("other:secret", None, None, None),
            ("nonsense", None, None, None),
        ] {
            let mut map = HeaderMap::new();
            let value = format!("Basic {}", BASE64.encode(decoded));
            map.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
            let found = read_headers(&map, "app").credentials;
            let read = (found.application_id.as_deref(), found.master_key.as_deref(), found.javascript_key.as_deref());
            assert_eq!(read, (application_id, master_key, javascript_key), "{decoded}");
        }
        let broken = sent(&[("authorization", "Basic ***"), ("x-parse-application-id", "app")]);
        let broken = read_headers(&broken, "app");
        assert_eq!(broken.credentials.application_id.as_deref(), Some("app"));
    }

    #[test]
    fn a_proxy_is_believed_only_if_it_is_trusted() {
        let nets = TrustProxy::Addresses(vec!["10.0.0.0/8".parse().unwrap()]);
        let far = &["9.9.9.9, 8.8.8.8, 10.0.0.2"][..];
        for (trust, lines, expected) in [
            (TrustProxy::Nobody, far, "10.0.0.1"),
            (TrustProxy::Everybody, far, "9.9.9.9"),
            (TrustProxy::Everybody, &[][..], "10.0.0.1"),
            (TrustProxy::Hops(1), far, "10.0.0.2"),
            (TrustProxy::Hops(2), far, "8.8.8.8"),
            (TrustProxy::Hops(9), far, "9.9.9.9"),
            (nets.clone(), far, "8.8.8.8"),
            (nets.clone(), &["1.1.1.1", "10.9.9.9"][..], "1.1.1.1"),
            (nets, &["nonsense"][..], "10.0.0.1"),
            (TrustProxy::Everybody, &["[::1]:80"][..], "::1"),
            (TrustProxy::Everybody, &["::ffff:1.2.3.4"][..], "1.2.3.4"),
            (TrustProxy::Everybody, &["1.2.3.4:5678"][..], "1.2.3.4"),
        ] {
            let values: Vec<HeaderValue> = lines.iter().map(|line| HeaderValue::from_static(line)).collect();
            let client = trust.client("::ffff:10.0.0.1".parse().ok(), values.iter());
            assert_eq!(client, expected.parse().ok(), "{trust:?} {lines:?}");
        }
    }
}
