//! Is a signature that of a certificate, which is fetched from one of the hosts it may come from, and from nowhere else?

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parsimony_model::value::{Map, json};
use parsimony_model::{Date, Value};

use super::Delivery;
use super::chain::{Certificates, Issued, plain_parts};
use super::verifier::Mismatch;
use crate::outbound::HttpClient;

/// Those of Amazon's notifications.
const SNS: Issued = Issued { comes_from: is_of_sns, is_for: names_sns, authorities: &["amazontrust.com"] };

/// Those of PayPal.
const PAYPAL: Issued = Issued { comes_from: is_of_paypal, is_for: names_paypal, authorities: &["digicert.com"] };

/// Who is asked for certificates, and at which time.
pub(super) type Asking<'a> = (&'a Certificates, &'a dyn HttpClient, Date);

fn https_parts(url: &str) -> Option<(&str, &str)> {
    plain_parts(url.strip_prefix("https://")?)
}

/// Whether this is a name of Amazon's notifications: `sns.amazonaws.com`, or that of a region.
fn names_sns(name: &str) -> bool {
    let amazon = name.strip_suffix(".amazonaws.com").or_else(|| name.strip_suffix(".amazonaws.com.cn"));
    amazon.is_some_and(|host| host == "sns" || host.starts_with("sns.") || host.starts_with("sns-"))
}

/// Whether this is a name of PayPal's.
fn names_paypal(name: &str) -> bool {
    name.ends_with(".paypal.com")
}

/// Whether a certificate of Amazon's notifications may come from there.
fn is_of_sns(url: &str) -> bool {
    let Some((host, path)) = https_parts(url) else { return false };
    let amazon = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"));
    let region = amazon.and_then(|host| host.strip_prefix("sns."));
    region.is_some_and(|region| region.len() >= 3 && !region.contains('.'))
        && path.rsplit_once('.').is_some_and(|(_, end)| end == "pem")
}

/// Whether a certificate of PayPal's may come from there.
fn is_of_paypal(url: &str) -> bool {
    https_parts(url).is_some_and(|(host, path)| {
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
    (certificates, http, now): Asking<'_>,
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
    let tag = BASE64.decode(text("Signature").ok_or(Mismatch::Missing)?).map_err(|_no_base64| Mismatch::Malformed)?;
    certificates.verify((&SNS, http, now), url, (sns_lines(&body).as_bytes(), &tag)).await
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
    (certificates, http, now): Asking<'_>,
    webhook_id: &str,
) -> Result<(), Mismatch> {
    let header = |name: &str| delivery.headers.get(name).ok_or(Mismatch::Missing);
    if header("paypal-auth-algo")? != "SHA256withRSA" {
        return Err(Mismatch::Malformed);
    }
    let url = header("paypal-cert-url")?;
    let tag = BASE64.decode(header("paypal-transmission-sig")?).map_err(|_no_base64| Mismatch::Malformed)?;
    let (id, time) = (header("paypal-transmission-id")?, header("paypal-transmission-time")?);
    let signed = format!("{id}|{time}|{webhook_id}|{}", crc32fast::hash(&delivery.body));
    certificates.verify((&PAYPAL, http, now), url, (signed.as_bytes(), &tag)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_its_own_names_only() {
        for (name, of_sns, of_paypal) in [
            ("sns.amazonaws.com", true, false),
            ("sns.us-east-1.amazonaws.com", true, false),
            ("sns-signing.af-south-1.amazonaws.com", true, false),
            ("sns.cn-north-1.amazonaws.com.cn", true, false),
            ("s3.amazonaws.com", false, false),
            ("snsx.amazonaws.com", false, false),
            ("sns.amazonaws.com.evil.example", false, false),
            ("messageverificationcerts.paypal.com", false, true),
            ("paypal.com.evil.example", false, false),
            ("evilpaypal.com", false, false),
        ] {
            assert_eq!((names_sns(name), names_paypal(name)), (of_sns, of_paypal), "{name}");
        }
    }

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
