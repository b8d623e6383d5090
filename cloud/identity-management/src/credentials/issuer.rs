//! Who is the issuer, and where is that written? A `did:web` of this server, whose document is one of its public documents.

use std::sync::Arc;

use parsimony_model::ParseError;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use url::Url;

use super::key::SigningKey;
use crate::APPLICATION;
use crate::ruling::DAY_MILLIS;

/// For how many days a credential holds at most, unless told otherwise.
const VALIDITY_DAYS: u32 = 365;

/// For how many days the text of a credential is kept that has ended, unless told otherwise.
const KEPT_DAYS: u32 = 90;

/// `parsimony.settings.identity-management.credentials`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CredentialSettings {
    /// Who vouches, a DID; without it the `did:web` of `publicUrl`.
    issuer: Option<String>,
    /// The key that signs, in PEM; a secret, best kept in a file or a variable.
    key: String,
    /// Keys that signed before: what they signed still counts.
    #[serde(default)]
    retired_keys: Vec<String>,
    /// For how many days a credential holds at most.
    #[serde(default = "validity_days")]
    validity_days: u32,
    /// For how many days the text of a credential is kept that has ended.
    #[serde(default = "kept_days")]
    kept_days: u32,
}

const fn validity_days() -> u32 {
    VALIDITY_DAYS
}

const fn kept_days() -> u32 {
    KEPT_DAYS
}

/// Who vouches for what credentials say.
#[derive(Debug)]
pub(crate) struct Issuer {
    did: String,
    base: String,
    key: SigningKey,
    retired: Vec<SigningKey>,
    validity_millis: i64,
    kept_millis: i64,
}

impl Issuer {
    /// The issuer of the settings; `public_url` is where everybody reaches the mount path. The error names the setting to mend.
    pub(crate) fn new(settings: &CredentialSettings, public_url: Option<&str>) -> Result<Arc<Self>, String> {
        let at = |name: &str, fault: &str| format!("parsimony.settings.{APPLICATION}.{name}: {fault}");
        let url = public_url.ok_or_else(|| at("publicUrl", "credentials have to say where they can be checked"))?;
        let base = format!("{}/public/{APPLICATION}", url.trim_end_matches('/'));
        let own = did_web(&base).map_err(|fault| at("publicUrl", &fault))?;
        let did = settings.issuer.clone().unwrap_or(own);
        if !is_did(&did) {
            return Err(at("credentials.issuer", "it has to be a DID, such as did:web:example.org"));
        }
        if settings.validity_days == 0 {
            return Err(at("credentials.validityDays", "it is at least 1"));
        }
        let key = SigningKey::parse(&settings.key).map_err(|fault| at("credentials.key", &fault))?;
        let retired = settings.retired_keys.iter().map(|pem| SigningKey::parse(pem));
        let retired = retired.collect::<Result<_, _>>().map_err(|fault| at("credentials.retiredKeys", &fault))?;
        let (validity_millis, kept_millis) =
            (i64::from(settings.validity_days) * DAY_MILLIS, i64::from(settings.kept_days) * DAY_MILLIS);
        Ok(Arc::new(Self { did, base, key, retired, validity_millis, kept_millis }))
    }

    /// Its DID.
    pub(crate) fn did(&self) -> &str {
        &self.did
    }

    /// The URL of a public document.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// For how long a credential holds at most.
    pub(crate) const fn validity_millis(&self) -> i64 {
        self.validity_millis
    }

    /// For how long the text of one is kept that has ended.
    pub(crate) const fn kept_millis(&self) -> i64 {
        self.kept_millis
    }

    /// Which of its keys signs now: what it is called.
    pub(super) fn key_id(&self) -> String {
        self.id_of(&self.key)
    }

    fn id_of(&self, key: &SigningKey) -> String {
        format!("{}#{}", self.did, key.thumbprint())
    }

    /// Signs a credential.
    pub(super) fn sign(&self, claims: &Json) -> Result<String, ParseError> {
        self.key.token("vc+jwt", &self.key_id(), claims)
    }

    fn keys(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.key).chain(&self.retired)
    }

    /// The public halves of its keys.
    pub(super) fn key_set(&self) -> Json {
        json!({ "keys": self.keys().map(|key| key.public(&self.id_of(key))).collect::<Vec<_>>() })
    }

    /// Its DID document: which keys speak for it.
    pub(super) fn did_document(&self) -> Json {
        let methods = self.keys().map(|key| {
            let id = self.id_of(key);
            json!({ "id": id, "type": "JsonWebKey", "controller": self.did, "publicKeyJwk": key.public(&id) })
        });
        let ids: Vec<String> = self.keys().map(|key| self.id_of(key)).collect();
        json!({
            "@context": ["https://www.w3.org/ns/did/v1", "https://www.w3.org/ns/cid/v1"],
            "id": self.did,
            "verificationMethod": methods.collect::<Vec<_>>(),
            "assertionMethod": ids,
        })
    }
}

/// The `did:web` whose document is `did.json` below this URL. A port is encoded, and slashes are colons.
fn did_web(base: &str) -> Result<String, String> {
    let url = Url::parse(base).map_err(|error| format!("it cannot be read: {error}"))?;
    let plain = matches!(url.scheme(), "https" | "http") && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().filter(|_| plain && url.username().is_empty()).ok_or("it is no URL of a server")?;
    let port = url.port().map(|port| format!("%3A{port}")).unwrap_or_default();
    Ok(format!("did:web:{host}{port}{}", url.path().replace('/', ":")))
}

/// Whether it is a DID by its syntax.
pub(crate) fn is_did(text: &str) -> bool {
    let Some((method, id)) = text.strip_prefix("did:").and_then(|rest| rest.split_once(':')) else { return false };
    let legal = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    let method_legal = method.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    !method.is_empty() && method_legal && !id.is_empty() && !id.ends_with(':') && id.chars().all(legal)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::credentials::key::tests::KEY;

    fn made(settings: Json, url: Option<&str>) -> Result<Arc<Issuer>, String> {
        Issuer::new(&serde_json::from_value(settings).unwrap(), url)
    }

    /// An issuer that is nobody.
    pub(in crate::credentials) fn issuer() -> Arc<Issuer> {
        made(json!({ "key": KEY }), Some("https://id.example.org/parse/")).unwrap()
    }

    #[test]
    fn the_document_of_the_issuer_is_where_its_did_says() {
        let issuer = issuer();
        assert_eq!(issuer.did(), "did:web:id.example.org:parse:public:identity-management");
        // did:web: the colons are slashes, and the document is did.json there.
        let resolved = issuer.did().trim_start_matches("did:web:").replace(':', "/").replace("%3A", ":");
        assert_eq!(issuer.url("did.json"), format!("https://{resolved}/did.json"));
        let document = issuer.did_document();
        assert_eq!(
            (&document["id"], document["assertionMethod"][0].as_str()),
            (&json!(issuer.did()), Some(&*issuer.key_id()))
        );
        assert_eq!(document["verificationMethod"][0]["publicKeyJwk"], issuer.key_set()["keys"][0]);
        assert!(!document.to_string().contains("\"d\""));
        let local = did_web("http://127.0.0.1:1337/parse/public/x").unwrap();
        assert_eq!(local, "did:web:127.0.0.1%3A1337:parse:public:x");
    }

    #[test]
    fn keys_that_signed_before_still_speak_for_it() {
        let issuer =
            made(json!({"key": KEY, "retiredKeys": [KEY], "issuer": "did:web:e.org"}), Some("https://x")).unwrap();
        assert_eq!(issuer.did_document()["verificationMethod"].as_array().unwrap().len(), 2);
        assert!(issuer.key_id().starts_with("did:web:e.org#"));
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        for (settings, url, fault) in [
            (json!({"key": KEY}), None, "publicUrl"),
            (json!({"key": KEY}), Some("nonsense"), "publicUrl"),
            (json!({"key": KEY}), Some("ftp://x"), "publicUrl"),
            (json!({"key": "hush"}), Some("https://x"), "credentials.key"),
            (json!({"key": KEY, "retiredKeys": ["hush"]}), Some("https://x"), "credentials.retiredKeys"),
            (json!({"key": KEY, "issuer": "https://x"}), Some("https://x"), "credentials.issuer"),
            (json!({"key": KEY, "validityDays": 0}), Some("https://x"), "credentials.validityDays"),
        ] {
            let error = made(settings, url).unwrap_err();
            assert!(error.starts_with(&format!("parsimony.settings.identity-management.{fault}: ")), "{error}");
            assert!(!error.contains("hush"));
        }
    }

    #[test]
    fn what_a_did_looks_like() {
        for (text, expected) in [
            ("did:key:z6Mk", true),
            ("did:pkh:eip155:1:0xab", true),
            ("did:web:a%3A1:b", true),
            ("did::x", false),
            ("did:web:", false),
            ("did:WEB:x", false),
            ("did:web:x y", false),
            ("https://x", false),
            ("", false),
        ] {
            assert_eq!(is_did(text), expected, "{text}");
        }
    }
}
