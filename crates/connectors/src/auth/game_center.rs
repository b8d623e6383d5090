//! Apple's Game Center: `{id, publicKeyUrl, timestamp, signature, salt}`, signed by a key whose certificate Apple shows.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::lock::Mutex;
use parsimony_cloud::Pending;
use parsimony_cloud::auth::{AuthAdapter, AuthRequest, Validated};
use parsimony_model::value::Map;
use parsimony_model::{Clock, ParseError, Value};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::ring::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::asking::Asking;
use super::given::Given;
use super::{Tools, refused, text};

/// Who signs Apple's certificates of Game Center. Parse's.
const AUTHORITY: &str = "https://cacerts.digicert.com/DigiCertTrustedG4CodeSigningRSA4096SHA3842021CA1.crt.pem";

/// How large a certificate may be.
const CERTIFICATE_BYTES_MAX: usize = 10_000;

/// How many of Apple's certificates are kept.
const CERTIFICATES_MAX: usize = 16;

/// That a certificate is for signing code, as Apple's are.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];

pub(super) struct GameCenter {
    /// Our game; none if it may be said by the client.
    bundle: Option<String>,
    authority_url: String,
    asking: Asking,
    clock: Arc<dyn Clock>,
    /// Certificates by their URLs.
    kept: Mutex<Vec<(String, Arc<[u8]>)>>,
}

pub(super) fn make(given: &Given<'_>, tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
    Ok(Arc::new(read(given, tools)?))
}

/// The game of options.
pub(super) fn read(given: &Given<'_>, tools: &Tools) -> Result<GameCenter, String> {
    let insecure = given.insecure(tools.insecure)?;
    let bundle = given.text("bundleId")?;
    if bundle.is_none() && !insecure {
        return Err(given.wrong("bundleId", "bundleId is required for secure auth"));
    }
    let authority = given.text("rootCertificateUrl")?.unwrap_or_else(|| AUTHORITY.to_owned());
    Ok(GameCenter {
        bundle,
        authority_url: given.checked("rootCertificateUrl", &authority)?,
        asking: Asking::new(&tools.http),
        clock: Arc::clone(&tools.clock),
        kept: Mutex::default(),
    })
}

/// Whether a certificate may come from there: from Apple, and so plain that it cannot be read in two ways.
fn is_of_apple(url: &str) -> bool {
    let Some((host, path)) = url.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else { return false };
    let is_plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    let labels = host.strip_suffix("apple.com").is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let is_certificate = path.rsplit_once('.').is_some_and(|(_, end)| end == "cer");
    labels && is_plain(host, "-_.") && is_plain(path, "-_./") && !path.contains("..") && is_certificate
}

impl GameCenter {
    async fn certificate(&self, url: &str) -> Result<Arc<[u8]>, ParseError> {
        let invalid = || refused(format!("Invalid publicKeyUrl: {}", parsimony_model::names::shorten(url)));
        let mut kept = self.kept.lock().await;
        if let Some((_, der)) = kept.iter().find(|(own, _)| own == url) {
            return Ok(Arc::clone(der));
        }
        let answered = self.asking.get(url, &[], &[]).await?;
        let bytes = answered.bytes();
        if !answered.is_good() || bytes.len() > CERTIFICATE_BYTES_MAX {
            return Err(invalid());
        }
        let pem = CertificateDer::from_pem_slice(bytes);
        let der: Arc<[u8]> = pem.map_or_else(|_| bytes.into(), |der| der.as_ref().into());
        if kept.len() >= CERTIFICATES_MAX {
            kept.remove(0);
        }
        kept.push((url.to_owned(), Arc::clone(&der)));
        Ok(der)
    }

    /// Whether the signature is that of whom it names.
    pub(super) async fn check(&self, data: &Map) -> Result<(), ParseError> {
        let missing = |key: &str| refused(format!("AuthData {key} is missing."));
        let required = |key: &'static str| text(data, key).ok_or_else(|| missing(key));
        let (id, url) = (required("id")?, required("publicKeyUrl")?);
        let time = time(data.get("timestamp")).ok_or_else(|| missing("timestamp"))?;
        let (signature, salt) = (required("signature")?, required("salt")?);
        let bundle = match &self.bundle {
            Some(bundle) => bundle,
            None => required("bundleId")?,
        };
        let invalid = || refused(format!("Invalid publicKeyUrl: {}", parsimony_model::names::shorten(url)));
        if !is_of_apple(url) {
            return Err(invalid());
        }
        let untrusted = || refused("Root certificate is invalid or missing.");
        let authority = self.certificate(&self.authority_url).await.map_err(|_unreached| untrusted())?;
        let authority = CertificateDer::from(authority.as_ref());
        let anchor = anchor_from_trusted_cert(&authority).map_err(|_no_authority| untrusted())?;
        let der = self.certificate(url).await?;
        let der = CertificateDer::from(der.as_ref());
        let certificate = EndEntityCert::try_from(&der).map_err(|_no_certificate| invalid())?;
        let now = Duration::from_millis(u64::try_from(self.clock.now().millis()).unwrap_or_default());
        let algorithms = [RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512];
        let now = UnixTime::since_unix_epoch(now);
        let usage = KeyUsage::required(CODE_SIGNING);
        let anchors = [anchor];
        let trusted = certificate.verify_for_usage(&algorithms, &anchors, &[], now, usage, None, None);
        trusted.map_err(|_not_of_apple| invalid())?;
        let unsigned = || refused("Invalid signature.");
        let salt = BASE64.decode(salt).map_err(|_error| unsigned())?;
        let signature = BASE64.decode(signature).map_err(|_error| unsigned())?;
        let signed = [id.as_bytes(), bundle.as_bytes(), &time.to_be_bytes(), &salt].concat();
        certificate.verify_signature(RSA_PKCS1_2048_8192_SHA256, &signed, &signature).map_err(|_wrong| unsigned())
    }
}

/// When it was signed, in milliseconds, as a number or as text.
fn time(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::Number(number) if number.fract() == 0.0 && (1.0..9e15).contains(number) => {
            u64::try_from(*number as i64).ok()
        }
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

impl AuthAdapter for GameCenter {
    fn validate_auth_data<'a>(&'a self, data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async move { self.check(data).await.map(|()| Validated::as_sent()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_come_from_apple_and_from_nowhere_else() {
        for good in ["https://static.gc.apple.com/public-key/gc-prod-9.cer", "https://apple.com/a.cer"] {
            assert!(is_of_apple(good), "{good}");
        }
        for bad in [
            "http://static.gc.apple.com/a.cer",
            "https://badapple.com/a.cer",
            "https://apple.com.evil.org/a.cer",
            "https://evil.org/apple.com/a.cer",
            "https://evil.org#.apple.com/a.cer",
            "https://evil.org\\.apple.com/a.cer",
            "https://me@apple.com/a.cer",
            "https://apple.com/a.cer?x",
            "https://apple.com/../a.cer",
            "https://apple.com/a.pem",
        ] {
            assert!(!is_of_apple(bad), "{bad}");
        }
    }
}
