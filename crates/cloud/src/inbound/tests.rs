//! Every scheme against signatures that the services publish, or that OpenSSL made.

use std::collections::HashMap;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use parsimony_model::Date;

use super::schemes::{Encoding, Hash, Part, SecretForm};
use super::verifier::{Mismatch, Verifier};
use super::{Delivery, EventId};
use crate::origin::Headers;
use crate::outbound::{HttpClient, HttpFailure, HttpRequest, HttpResponse};

/// Whoever is asked for certificates.
#[derive(Default)]
struct Outside {
    files: HashMap<String, Vec<u8>>,
    asked: Mutex<Vec<String>>,
}

impl HttpClient for Outside {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, HttpFailure>> {
        let file = self.files.get(&request.url).cloned();
        self.asked.lock().push(request.url);
        let status = if file.is_some() { 200 } else { 404 };
        let body = file.unwrap_or_default();
        Box::pin(async move { Ok(HttpResponse { status, headers: Vec::new(), body }) })
    }
}

fn delivery(headers: &[(&str, &str)], body: &[u8]) -> Delivery {
    let headers = Headers::new(headers.iter().copied());
    Delivery { url: "https://here.example/parse/webhooks/a/s".to_owned(), headers, body: body.into(), ip: None }
}

fn at(seconds: i64) -> Date {
    Date::from_millis(seconds * 1_000)
}

fn check(verifier: &Verifier, delivery: &Delivery, now: i64) -> Result<String, Mismatch> {
    assert_eq!(verifier.fault(), None);
    verifier.verify(delivery, at(now), &Outside::default()).now_or_never().unwrap().map(|verified| verified.event_id)
}

const ONFIDO: &str = r#"{"payload":{"resource_type":"check","action":"check.completed","object":{"id":"check-123","status":"complete","completed_at_iso8601":"2020-01-01T00:00:00Z","href":"https://api.onfido.com/v3/checks/check-123"}}}"#;
const ONFIDO_TOKEN: &str = "_ABC123abc123ABC123abc123ABC123_";
const ONFIDO_TAG: &str = "a0082d7481f9f0a2907583dbe1f344d6d4c0d9989df2fd804f98479f60cd760e";

#[test]
fn an_hmac_of_the_body() {
    let onfido = |secret| Verifier::hmac(Hash::Sha256, Encoding::Hex, "X-SHA2-Signature", secret);
    let verifier = onfido(ONFIDO_TOKEN).event_id(EventId::json(["payload.action", "payload.object.id"]));
    let good = delivery(&[("x-sha2-signature", ONFIDO_TAG)], ONFIDO.as_bytes());
    assert_eq!(check(&verifier, &good, 0).as_deref(), Ok("check.completed check-123"));
    let upper = ONFIDO_TAG.to_uppercase();
    assert!(check(&verifier, &delivery(&[("x-sha2-signature", &upper)], ONFIDO.as_bytes()), 0).is_ok());
    for (headers, body, expected) in [
        (&[][..], ONFIDO, Mismatch::Missing),
        (&[("x-sha2-signature", "")], ONFIDO, Mismatch::Missing),
        (&[("x-sha2-signature", "zz")], ONFIDO, Mismatch::Malformed),
        (&[("x-sha2-signature", "")], "", Mismatch::Missing),
        (&[("x-sha2-signature", ONFIDO_TAG.get(..62).unwrap())], ONFIDO, Mismatch::Wrong),
        (&[("x-sha2-signature", ONFIDO_TAG)], "{}", Mismatch::Wrong),
    ] {
        assert_eq!(check(&verifier, &delivery(headers, body.as_bytes()), 0), Err(expected), "{headers:?}");
    }
    assert_eq!(check(&onfido("another"), &good, 0), Err(Mismatch::Wrong));
    assert!(check(&onfido("another").or_secret(ONFIDO_TOKEN), &good, 0).is_ok());
}

#[test]
fn one_of_several_is_enough_and_none_is_not() {
    let onfido = Verifier::hmac(Hash::Sha256, Encoding::Hex, "X-SHA2-Signature", ONFIDO_TOKEN);
    let several = Verifier::any([Verifier::stripe("another"), onfido]);
    assert!(check(&several, &delivery(&[("x-sha2-signature", ONFIDO_TAG)], ONFIDO.as_bytes()), 0).is_ok());
    assert_eq!(check(&several, &delivery(&[("x-sha2-signature", ONFIDO_TAG)], b"{}"), 0), Err(Mismatch::Wrong));
    assert_eq!(check(&several, &delivery(&[], ONFIDO.as_bytes()), 0), Err(Mismatch::Missing));
    assert_eq!(Verifier::any([]).fault(), Some("there is nobody to believe"));
    assert_eq!(Verifier::any([Verifier::stripe("")]).fault(), Some("the secret is empty"));
}

#[test]
fn other_hashes_spellings_and_parts() {
    let body = br#"{"a":1}"#;
    // printf '{"a":1}' | openssl dgst -sha512 -hmac key; and -sha256 -binary | base64
    let hex512 = include_str!("vectors/sha512.hex").trim();
    let base64 = include_str!("vectors/sha256.b64").trim();
    let verifier = Verifier::hmac(Hash::Sha512, Encoding::Hex, "x-payload-digest", "key");
    let verifier = verifier.agreeing("X-Payload-Digest-Alg", "HMAC_SHA512_HEX");
    let headers = |algorithm| [("x-payload-digest", hex512), ("x-payload-digest-alg", algorithm)];
    assert!(check(&verifier, &delivery(&headers("HMAC_SHA512_HEX"), body), 0).is_ok());
    // What the delivery says of the algorithm does not choose it.
    assert_eq!(check(&verifier, &delivery(&headers("HMAC_SHA1_HEX"), body), 0), Err(Mismatch::Foreign));
    let verifier = Verifier::hmac(Hash::Sha256, Encoding::Base64, "x-hmac", "key");
    assert!(check(&verifier, &delivery(&[("x-hmac", base64)], body), 0).is_ok());
    let prefixed = format!("sha256={base64}");
    assert!(check(&verifier.clone().prefixed("sha256="), &delivery(&[("x-hmac", &prefixed)], body), 0).is_ok());
    assert_eq!(check(&verifier, &delivery(&[("x-hmac", &prefixed)], body), 0), Err(Mismatch::Malformed));

    // QuickNode: nonce, time and body.
    let parts = [Part::Header("x-qn-nonce".to_owned()), Part::Header("x-qn-timestamp".to_owned()), Part::Body];
    let verifier = Verifier::hmac(Hash::Sha256, Encoding::Hex, "X-QN-Signature", "qnsec_test").over(parts);
    let tag = "cf24f476d67da163ee9f52e46bb3f430689f9709aaa7ed2d11d54d07c0709bbf";
    let headers = [("x-qn-nonce", "nonce-123"), ("x-qn-timestamp", "1700000000"), ("x-qn-signature", tag)];
    assert!(check(&verifier, &delivery(&headers, br#"[{"number":"0x1"}]"#), 0).is_ok());
    assert_eq!(check(&verifier, &delivery(&headers[1..], br#"[{"number":"0x1"}]"#), 0), Err(Mismatch::Missing));
}

#[test]
fn coinbase_signs_the_headers_it_names() {
    let body = br#"{"eventType":"checkout.payment.success","id":"68f7a946db0529ea9b6d3a12","status":"COMPLETED"}"#;
    let (v0, v1) = (
        "e61f942035b896f83d8a94f13d452a86693fa8658f8add13679e43fac0642ec1",
        "a218c37995b4dce6e325ccc8dcf326d7d2cbc8366b7130bd8742be4be171d5d4",
    );
    let verifier = Verifier::hook0("hook0_test_secret");
    let signed = |header: &str, id: &str| {
        delivery(&[("x-hook0-signature", header), ("content-type", "application/json"), ("x-hook0-id", id)], body)
    };
    let both = format!("t=1700000000,v0={v0},h=content-type x-hook0-id,v1={v1}");
    assert_eq!(check(&verifier, &signed(&both, "delivery-1"), 1_700_000_000).as_deref(), Ok("delivery-1"));
    assert!(check(&verifier, &signed(&format!("t=1700000000,v0={v0}"), "delivery-1"), 1_700_000_000).is_ok());
    // A right `v0` beside a `v1` that is wrong is not enough.
    assert_eq!(check(&verifier, &signed(&both, "delivery-2"), 1_700_000_000), Err(Mismatch::Wrong));
    assert_eq!(check(&verifier, &signed(&both, "delivery-1"), 1_700_000_301), Err(Mismatch::NotNow));
    assert_eq!(check(&verifier, &signed("t=1700000000", "delivery-1"), 1_700_000_000), Err(Mismatch::Malformed));
    let unnamed = format!("t=1700000000,v0={v0},h=x-not-there,v1={v1}");
    assert_eq!(check(&verifier, &signed(&unnamed, "delivery-1"), 1_700_000_000), Err(Mismatch::Missing));
}

#[test]
fn mailgun_signs_a_token_that_counts_once() {
    let token = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0";
    let tag = "6fa0de0536ff9810879976a4bcc3471fd17a9302395411d18bfb81808634140f";
    let body = |token: &str, tag: &str| {
        format!(
            r#"{{"signature":{{"timestamp":"1529006854","token":"{token}","signature":"{tag}"}},"event-data":{{}}}}"#
        )
    };
    let verifier = Verifier::mailgun("mailgun_test_signing_key");
    let ask = |body: &str, now| check(&verifier, &delivery(&[], body.as_bytes()), now);
    assert_eq!(ask(&body(token, tag), 1_529_006_854).as_deref(), Ok(token));
    assert_eq!(ask(&body("another", tag), 1_529_006_854), Err(Mismatch::Wrong));
    assert_eq!(ask(&body(token, "zz"), 1_529_006_854), Err(Mismatch::Malformed));
    assert_eq!(ask(&body(token, tag), 1_529_006_854 + 301), Err(Mismatch::NotNow));
    assert_eq!(ask("{}", 1_529_006_854), Err(Mismatch::Missing));
}

#[test]
fn moralis_hashes_by_keccak() {
    let body = r#"{"confirmed":true,"chainId":"0x1","streamId":"c28d9e2e-ae9d-4fe6-9fc0-5fcde2dcdd17","logs":[],"txs":[],"retries":0}"#;
    let tag = "0x861a77da01b43ef64f455f2d77b5a032d30583c28d1ee5bd7c5eabbd3fdbe446";
    let verifier = Verifier::moralis("streams_test_secret");
    let ask = |tag: &str, body: &str| check(&verifier, &delivery(&[("x-signature", tag)], body.as_bytes()), 0);
    assert!(ask(tag, body).is_ok());
    // The same, spelled with blanks on its way.
    assert!(ask(tag, &body.replace(",\"", ", \n\"")).is_ok());
    assert_eq!(ask(tag, &body.replace("true", "false")), Err(Mismatch::Wrong));
    assert_eq!(ask(tag.trim_start_matches("0x"), body), Err(Mismatch::Malformed));
    assert_eq!(ask("0xzz", body), Err(Mismatch::Malformed));
}

#[test]
fn who_signs_nothing_knows_a_url_and_has_an_address() {
    let from = |query: &str, ip: &str| Delivery {
        url: format!("https://here.example/parse/webhooks/a/s{query}"),
        ip: Some(ip.to_owned()),
        ..delivery(&[], b"{}")
    };
    let verifier = Verifier::secret_in_url("long and secret").sent_from(["34.202.241.227".parse().unwrap()]);
    let url = "?secret=long+and+secret";
    assert!(check(&verifier, &from(url, "34.202.241.227"), 0).is_ok());
    assert!(check(&verifier, &from(url, "::ffff:34.202.241.227"), 0).is_ok());
    assert_eq!(check(&verifier, &from(url, "34.202.241.228"), 0), Err(Mismatch::Foreign));
    assert_eq!(check(&verifier, &from("?secret=long", "34.202.241.227"), 0), Err(Mismatch::Wrong));
    assert_eq!(check(&verifier, &from("", "34.202.241.227"), 0), Err(Mismatch::Missing));
    assert!(check(&Verifier::secret_in_url("x"), &from("?secret=x", "8.8.8.8"), 0).is_ok());
}

#[test]
fn stripe_signs_the_time() {
    let body = br#"{"id":"evt_test_1","object":"event","type":"payment_intent.succeeded"}"#;
    let tag = "871acfe933554b446cc41d791076dd56a10c0553cc61aafbeb881d0082b45043";
    let verifier = Verifier::stripe("whsec_test_secret");
    let signed = |header: &str| delivery(&[("stripe-signature", header)], body);
    let good = format!("t=1700000000,v1={tag},v0=00");
    assert_eq!(check(&verifier, &signed(&good), 1_700_000_000).as_deref(), Ok("evt_test_1"));
    assert!(check(&verifier, &signed(&good), 1_700_000_300).is_ok());
    assert_eq!(check(&verifier, &signed(&good), 1_700_000_301), Err(Mismatch::NotNow));
    assert_eq!(check(&verifier, &signed(&good), 1_699_999_699), Err(Mismatch::NotNow));
    assert!(check(&verifier.clone().window(Duration::from_secs(3_600)), &signed(&good), 1_700_003_600).is_ok());
    // While a secret changes, there are two of them.
    let two = format!("t=1700000000,v1={},v1={tag}", "0".repeat(64));
    assert!(check(&verifier, &signed(&two), 1_700_000_000).is_ok());
    for (header, expected) in [
        (format!("t=1700000001,v1={tag}"), Mismatch::Wrong),
        (format!("v1={tag}"), Mismatch::Malformed),
        (format!("t=1700000000,v0={tag}"), Mismatch::Malformed),
        ("t=1700000000,v1=zz".to_owned(), Mismatch::Malformed),
        ("nonsense".to_owned(), Mismatch::Malformed),
    ] {
        assert_eq!(check(&verifier, &signed(&header), 1_700_000_000), Err(expected), "{header}");
    }
}

#[test]
fn standard_webhooks() {
    // As the outgoing ones are signed.
    let headers = |tag| [("webhook-id", "msg_1"), ("webhook-timestamp", "1700000000"), ("webhook-signature", tag)];
    let tag = "v1,KSgv0SSgWzG5LPnm9tfWJRfBlWqAqHz+OlObgspQi/g=";
    let verifier = Verifier::standard_webhooks("whsec_a2V5");
    let body = br#"{"a":1}"#;
    assert_eq!(check(&verifier, &delivery(&headers(tag), body), 1_700_000_000).as_deref(), Ok("msg_1"));
    let two = format!("v1,AAAA v1a,BBBB {tag}");
    assert!(check(&verifier, &delivery(&headers(&two), body), 1_700_000_000).is_ok());
    assert_eq!(check(&verifier, &delivery(&headers(tag), body), 1_700_000_301), Err(Mismatch::NotNow));
    assert_eq!(check(&verifier, &delivery(&headers(tag), b"{}"), 1_700_000_000), Err(Mismatch::Wrong));
    assert_eq!(check(&verifier, &delivery(&headers("v2,AAAA"), body), 1_700_000_000), Err(Mismatch::Malformed));
    assert_eq!(check(&verifier, &delivery(&headers(tag)[1..], body), 1_700_000_000), Err(Mismatch::Missing));
}

#[test]
fn twilio_signs_the_url() {
    let verifier = Verifier::twilio("12345").called_at("https://mycompany.com/myapp.php?foo=1&bar=2");
    let form = b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";
    let signed = |tag, body: &[u8]| delivery(&[("x-twilio-signature", tag)], body);
    assert!(check(&verifier, &signed("RSOYDt4T1cUTdK1PDd93/VVr8B8=", form), 0).is_ok());
    let lists = b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234";
    assert!(check(&verifier, &signed("IK+Dwps556ElfBT0I3Rgjkr1wJU=", lists), 0).is_ok());
    assert_eq!(check(&verifier, &signed("IK+Dwps556ElfBT0I3Rgjkr1wJU=", form), 0), Err(Mismatch::Wrong));

    let digest = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let url = format!("https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256={digest}");
    let verifier = Verifier::twilio("12345").called_at(&url);
    let json = br#"{"property": "value", "boolean": true}"#;
    assert!(check(&verifier, &signed("a9nBmqA0ju/hNViExpshrM61xv4=", json), 0).is_ok());
    assert_eq!(check(&verifier, &signed("a9nBmqA0ju/hNViExpshrM61xv4=", b"{}"), 0), Err(Mismatch::Wrong));

    let verifier = Verifier::twilio("twilio_test_token");
    let url = "https://api.example.com/hooks/twilio/sms".to_owned();
    let form = b"AccountSid=AC0123&ErrorCode=30003&From=%2B15005550006&MessageSid=SM0123&MessageStatus=undelivered&To=%2B15005550001";
    let sms = Delivery { url, ..signed("1sNTfL//3J0k1IhO7IG0KwhEt9I=", form) };
    assert_eq!(check(&verifier, &sms, 0).as_deref(), Ok("SM0123 undelivered"));
}

#[test]
fn a_plain_hash_with_the_secret_behind_the_body() {
    let body = include_bytes!("vectors/shufti.json");
    let hashed = "f26f667528ebfe54e6a583d4601855aea3189befe5b5b917d3f4808c398b7225";
    let plain = "ea53432f17955f2c43f7b1f44ebc7d866f43ac06b2c6b07e41ec985857bf94ac";
    for (form, header, tag, expected) in [
        (SecretForm::Hashed, "signature", hashed, Ok(())),
        (SecretForm::Hashed, "sp_signature", plain, Err(Mismatch::Wrong)),
        (SecretForm::Plain, "sp_signature", plain, Ok(())),
        (SecretForm::Any, "signature", hashed, Ok(())),
        (SecretForm::Any, "sp_signature", plain, Ok(())),
        (SecretForm::Any, "x-signature", plain, Err(Mismatch::Missing)),
    ] {
        let verifier = Verifier::sha256(["Signature", "sp_signature"], "shufti_test_secret", form);
        assert_eq!(check(&verifier, &delivery(&[(header, tag)], body), 0).map(drop), expected, "{form:?} {header}");
    }
}

#[test]
fn a_curve_signs_the_time_and_the_body() {
    let key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";
    let tag = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=";
    let (signature, time) = ("X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp");
    let verifier = Verifier::ecdsa_p256(signature, time, key);
    let body = include_bytes!("vectors/sendgrid.body");
    let headers =
        [("x-twilio-email-event-webhook-signature", tag), ("x-twilio-email-event-webhook-timestamp", "1600112502")];
    assert!(check(&verifier, &delivery(&headers, body), 1_600_112_502).is_ok());
    assert_eq!(check(&verifier, &delivery(&headers, body), 1_600_200_000), Err(Mismatch::NotNow));
    assert_eq!(check(&verifier, &delivery(&headers, body.trim_ascii()), 1_600_112_502), Err(Mismatch::Wrong));
    assert_eq!(check(&verifier, &delivery(&headers[..1], body), 1_600_112_502), Err(Mismatch::Missing));
    for (key, fault) in [("***", "Base64"), ("AAAA", "P-256"), ("", "P-256")] {
        assert!(Verifier::ecdsa_p256(signature, time, key).fault().unwrap().contains(fault), "{key}");
    }
}

/// Certificates that OpenSSL made: an authority, a second one below it, and what that vouches for.
const ROOT: &str = include_str!("vectors/root.pem");
const BETWEEN: &[u8] = include_bytes!("vectors/between.pem");
const SNS: &[u8] = include_bytes!("vectors/sns.pem");
const PAYPAL: &[u8] = include_bytes!("vectors/paypal.pem");
const STRANGER: &[u8] = include_bytes!("vectors/stranger.pem");

/// A time at which they are good.
const NOW: i64 = 1_800_000_000;

/// Where each file is; anything else is not there.
type Files<'a> = &'a [(&'a str, &'a [u8])];

fn asked_at(verifier: &Verifier, delivery: &Delivery, now: i64, files: Files<'_>) -> (Result<String, Mismatch>, usize) {
    let files = files.iter().map(|(url, file)| ((*url).to_owned(), file.to_vec())).collect();
    let outside = Outside { files, ..Outside::default() };
    let outcome = verifier.verify(delivery, at(now), &outside).now_or_never().unwrap();
    (outcome.map(|believed| believed.event_id), outside.asked.lock().len())
}

fn asked(verifier: &Verifier, delivery: &Delivery, files: Files<'_>) -> (Result<String, Mismatch>, usize) {
    asked_at(verifier, delivery, NOW, files)
}

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:mail";
const SNS_URL: &str = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-test.pem";
const SNS_BODY: &str = include_str!("vectors/sns.json");

fn of_sns() -> Verifier {
    Verifier::sns([TOPIC]).vouched_by(ROOT)
}

#[test]
fn amazon_s_notifications_of_our_topics() {
    let whole = [SNS, BETWEEN].concat();
    let files: Files<'_> = &[(SNS_URL, &whole)];
    let verifier = of_sns();
    let good = delivery(&[], SNS_BODY.as_bytes());
    assert_eq!(asked(&verifier, &good, files), (Ok("22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324".to_owned()), 1));
    // It is fetched once.
    assert_eq!(asked(&verifier, &good, &[]).1, 0);
    let changed = |from: &str, to: &str| {
        assert!(SNS_BODY.contains(from), "{from}");
        delivery(&[], SNS_BODY.replace(from, to).as_bytes())
    };
    for (delivery, expected, fetched) in [
        (changed("delivered", "bounced"), Mismatch::Wrong, 1),
        (changed("\"SignatureVersion\":\"2\"", "\"SignatureVersion\":\"1\""), Mismatch::Malformed, 0),
        (changed(":mail", ":other"), Mismatch::Foreign, 0),
        (changed("amazonaws.com", "amazonaws.com.evil.example"), Mismatch::Foreign, 0),
        (delivery(&[], b"[]"), Mismatch::Malformed, 0),
    ] {
        assert_eq!(asked(&of_sns(), &delivery, files), (Err(expected), fetched));
    }
    assert!(matches!(asked(&of_sns(), &good, &[]).0, Err(Mismatch::Unreached(_))));
    assert_eq!(asked(&of_sns(), &good, &[(SNS_URL, b"no certificate")]).0, Err(Mismatch::Malformed));
}

#[test]
fn a_certificate_is_followed_up_to_an_authority() {
    let good = delivery(&[], SNS_BODY.as_bytes());
    let between_url = "http://crt.r2m01.amazontrust.com/r2m01.cer";
    let der = include_bytes!("vectors/between.der");
    // What stands between is fetched where the certificate says, in either spelling, and once.
    for between in [BETWEEN, der] {
        let verifier = of_sns();
        let (outcome, fetched) = asked(&verifier, &good, &[(SNS_URL, SNS), (between_url, between)]);
        assert_eq!((outcome.is_ok(), fetched), (true, 2));
        assert_eq!(asked(&verifier, &good, &[]).1, 0);
    }
    assert!(matches!(asked(&of_sns(), &good, &[(SNS_URL, SNS)]).0, Err(Mismatch::Unreached(_))));

    let whole = [SNS, BETWEEN].concat();
    let files: Files<'_> = &[(SNS_URL, &whole)];
    // Browsers do not trust the authority of this test, and it was not there in 1970 nor will be for ever.
    assert_eq!(asked(&Verifier::sns([TOPIC]), &good, files).0, Err(Mismatch::Untrusted));
    for now in [0, 8_000_000_000] {
        assert_eq!(asked_at(&of_sns(), &good, now, files).0, Err(Mismatch::Untrusted), "{now}");
    }
    // A certificate that was good when it was fetched may be so no more.
    let verifier = of_sns();
    assert!(asked(&verifier, &good, files).0.is_ok());
    assert_eq!(asked_at(&verifier, &good, 8_000_000_000, &[]).0, Err(Mismatch::Untrusted));
    // The authority vouches for others as well, whose key is as good, but who are not Amazon.
    let stranger = [STRANGER, BETWEEN].concat();
    assert_eq!(asked(&of_sns(), &good, &[(SNS_URL, &stranger)]).0, Err(Mismatch::Foreign));
    let paypal = [PAYPAL, BETWEEN].concat();
    assert_eq!(asked(&of_sns(), &good, &[(SNS_URL, &paypal)]).0, Err(Mismatch::Foreign));
    assert!(Verifier::sns([TOPIC]).vouched_by("nobody").fault().is_some());
}

#[test]
fn paypal_signs_a_checksum_of_the_body() {
    let tag = include_str!("vectors/paypal.b64").trim();
    let body = include_bytes!("vectors/paypal.json");
    let headers = |url| {
        [
            ("paypal-auth-algo", "SHA256withRSA"),
            ("paypal-cert-url", url),
            ("paypal-transmission-id", "69cd13f0-d67a-11e5-baa3-778b53f4ae55"),
            ("paypal-transmission-time", "2024-01-01T00:00:01Z"),
            ("paypal-transmission-sig", tag),
        ]
    };
    let url = "https://api.paypal.com/v1/notifications/certs/CERT-test";
    let whole = [PAYPAL, BETWEEN].concat();
    let files: Files<'_> = &[(url, &whole)];
    let ours = |id: &str| Verifier::paypal(id).vouched_by(ROOT);
    let own = "1JE4291016473214C";
    assert!(asked(&ours(own), &delivery(&headers(url), body), files).0.is_ok());
    assert_eq!(asked(&ours("other"), &delivery(&headers(url), body), files).0, Err(Mismatch::Wrong));
    assert_eq!(asked(&ours(own), &delivery(&headers(url), b"{}"), files).0, Err(Mismatch::Wrong));
    let elsewhere = delivery(&headers("https://evil.example/v1/notifications/certs/C"), body);
    assert_eq!(asked(&ours(own), &elsewhere, files), (Err(Mismatch::Foreign), 0));
    assert_eq!(asked(&ours(own), &delivery(&headers(url)[1..], body), files).0, Err(Mismatch::Missing));
    let sns = [SNS, BETWEEN].concat();
    assert_eq!(asked(&ours(own), &delivery(&headers(url), body), &[(url, &sns)]).0, Err(Mismatch::Foreign));
}

#[test]
fn an_empty_secret_is_a_fault() {
    assert!(Verifier::stripe("").fault().is_some());
    assert!(Verifier::stripe("a").or_secret("").fault().is_some());
}
