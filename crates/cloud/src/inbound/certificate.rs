//! Is a signature that of a certificate, which is fetched from one of the hosts it may come from, and from nowhere else?

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parking_lot::Mutex;
use parsimony_model::Value;
use parsimony_model::value::{Map, json};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use webpki::EndEntityCert;
use webpki::ring::RSA_PKCS1_2048_8192_SHA256;

use super::Delivery;
use super::verifier::Mismatch;
use crate::outbound::{HttpClient, HttpRequest};

/// How many certificates are remembered.
const CERTIFICATES_MAX: usize = 16;

/// How long a certificate may take to come.
const FETCH_TIME_MAX: Duration = Duration::from_secs(10);

/// How large a certificate may be.
const CERTIFICATE_BYTES_MAX: usize = 64 << 10;

/// A certificate, with the URL it came from.
type Fetched = (String, Arc<[u8]>);

/// The certificates that were fetched.
#[derive(Clone, Default)]
pub(super) struct Certificates(Arc<Mutex<Vec<Fetched>>>);

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("certificates")
    }
}

impl Certificates {
    /// The certificate at a URL that has been found good, in DER.
    async fn at(&self, url: &str, http: &dyn HttpClient) -> Result<Arc<[u8]>, Mismatch> {
        let known = |(own, der): &Fetched| (own == url).then(|| Arc::clone(der));
        if let Some(der) = self.0.lock().iter().find_map(known) {
            return Ok(der);
        }
        let request = HttpRequest {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            time_max: FETCH_TIME_MAX,
            answer_bytes_max: CERTIFICATE_BYTES_MAX,
        };
        let response = http.send(request).await.map_err(|failure| Mismatch::Unreached(failure.to_string()))?;
        if response.status != 200 {
            return Err(Mismatch::Unreached(format!("the certificate was answered with {}", response.status)));
        }
        let der = CertificateDer::from_pem_slice(&response.body).map_err(|_no_pem| Mismatch::Malformed)?;
        let der: Arc<[u8]> = der.as_ref().into();
        let mut kept = self.0.lock();
        if kept.len() >= CERTIFICATES_MAX {
            kept.remove(0);
        }
        kept.push((url.to_owned(), Arc::clone(&der)));
        Ok(der)
    }

    async fn verify(&self, http: &dyn HttpClient, url: &str, (signed, tag): (&[u8], &[u8])) -> Result<(), Mismatch> {
        let der = self.at(url, http).await?;
        let der = CertificateDer::from(der.as_ref());
        let certificate = EndEntityCert::try_from(&der).map_err(|_no_certificate| Mismatch::Malformed)?;
        certificate.verify_signature(RSA_PKCS1_2048_8192_SHA256, signed, tag).map_err(|_wrong| Mismatch::Wrong)
    }
}

/// The host and the path of a URL that is as plain as those of certificates are: nothing in it can be read in two ways.
fn plain_parts(url: &str) -> Option<(&str, &str)> {
    let (host, path) = url.strip_prefix("https://")?.split_once('/')?;
    let is_plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    (is_plain(host, "-.") && is_plain(path, "-._/") && !path.contains("..")).then_some((host, path))
}

/// Whether a certificate of Amazon's notifications may come from there.
fn is_of_sns(url: &str) -> bool {
    let Some((host, path)) = plain_parts(url) else { return false };
    let amazon = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"));
    let region = amazon.and_then(|host| host.strip_prefix("sns."));
    region.is_some_and(|region| region.len() >= 3 && !region.contains('.'))
        && path.rsplit_once('.').is_some_and(|(_, end)| end == "pem")
}

/// Whether a certificate of PayPal's may come from there.
fn is_of_paypal(url: &str) -> bool {
    plain_parts(url).is_some_and(|(host, path)| {
        matches!(host, "api.paypal.com" | "api.sandbox.paypal.com") && path.starts_with("v1/notifications/certs/")
    })
}

/// What of a notification is signed, in this order; what is missing is left out.
const NOTIFICATION: [&str; 6] = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];

/// The same of a question whether a subscription is wanted, or its end.
const CONFIRMATION: [&str; 7] = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

/// Amazon's notifications: RSA with SHA-256 over lines of names and values, of topics that are known. Whoever has a topic of
/// their own can sign, so the topic has to be one of ours.
pub(super) async fn sns(
    delivery: &Delivery,
    (certificates, http): (&Certificates, &dyn HttpClient),
    topics: &[String],
) -> Result<(), Mismatch> {
    let Ok(Value::Object(body)) = json::read(&delivery.body) else { return Err(Mismatch::Malformed) };
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    if text("SignatureVersion") != Some("2") {
        // The first one is SHA-1, which anybody may forge one day.
        return Err(Mismatch::Malformed);
    }
    if !text("TopicArn").is_some_and(|topic| topics.iter().any(|own| own == topic)) {
        return Err(Mismatch::Foreign);
    }
    let url = text("SigningCertURL").ok_or(Mismatch::Missing)?;
    if !is_of_sns(url) {
        return Err(Mismatch::Foreign);
    }
    let tag = BASE64.decode(text("Signature").ok_or(Mismatch::Missing)?).map_err(|_no_base64| Mismatch::Malformed)?;
    certificates.verify(http, url, (sns_lines(&body).as_bytes(), &tag)).await
}

fn sns_lines(body: &Map) -> String {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let names: &[&str] = if text("Type") == Some("Notification") { &NOTIFICATION } else { &CONFIRMATION };
    let lines = names.iter().filter_map(|name| Some(format!("{name}\n{}\n", text(name)?)));
    lines.collect()
}

/// PayPal: RSA with SHA-256 over id, time, the id of our webhook and the CRC-32 of the body.
pub(super) async fn paypal(
    delivery: &Delivery,
    (certificates, http): (&Certificates, &dyn HttpClient),
    webhook_id: &str,
) -> Result<(), Mismatch> {
    let header = |name: &str| delivery.headers.get(name).ok_or(Mismatch::Missing);
    if header("paypal-auth-algo")? != "SHA256withRSA" {
        return Err(Mismatch::Malformed);
    }
    let url = header("paypal-cert-url")?;
    if !is_of_paypal(url) {
        return Err(Mismatch::Foreign);
    }
    let tag = BASE64.decode(header("paypal-transmission-sig")?).map_err(|_no_base64| Mismatch::Malformed)?;
    let (id, time) = (header("paypal-transmission-id")?, header("paypal-transmission-time")?);
    let signed = format!("{id}|{time}|{webhook_id}|{}", crc32fast::hash(&delivery.body));
    certificates.verify(http, url, (signed.as_bytes(), &tag)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_comes_from_its_own_hosts_only() {
        for (url, of_sns, of_paypal) in [
            ("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem", true, false),
            ("https://sns.cn-north-1.amazonaws.com.cn/a.pem", true, false),
            ("http://sns.us-east-1.amazonaws.com/a.pem", false, false),
            ("https://sns.us-east-1.amazonaws.com/a.txt", false, false),
            ("https://sns.us-east-1.amazonaws.com.evil.example/a.pem", false, false),
            ("https://sns.us-east-1.amazonaws.com:444/a.pem", false, false),
            ("https://sns.us-east-1.amazonaws.com@evil.example/a.pem", false, false),
            ("https://evil.sns.us-east-1.amazonaws.com/a.pem", false, false),
            ("https://sns.a.b.amazonaws.com/a.pem", false, false),
            ("https://sns.eu.amazonaws.com/a.pem", false, false),
            ("https://api.paypal.com/v1/notifications/certs/CERT-360caa42", false, true),
            ("https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1", false, true),
            ("https://api.paypal.com/v1/notifications/certs/../x", false, false),
            ("https://api.paypal.com.evil.example/v1/notifications/certs/C", false, false),
            ("https://api.paypal.com/v1/other/CERT-1", false, false),
            ("https://api.paypal.com/v1/notifications/certs/C?u=https://evil.example", false, false),
        ] {
            assert_eq!((is_of_sns(url), is_of_paypal(url)), (of_sns, of_paypal), "{url}");
        }
    }
}
