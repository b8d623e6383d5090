//! Is a delivery from whom it says: the verifier of a source, made once, asked for each delivery.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parsimony_model::Date;

use super::Delivery;
use super::certificate;
use super::chain::Certificates;
use super::event_id::EventId;
use super::schemes::{self, Encoding, Hash, Part, Secret, SecretForm, Window};
use super::vendors;
use crate::outbound::HttpClient;

/// Why a delivery is not believed. For the log: whoever sent it is told nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// There is no signature, or something that is signed is missing.
    Missing,
    /// The signature cannot be read.
    Malformed,
    /// The signature is not that of these bytes.
    Wrong,
    /// It was signed too long ago, or for a time to come.
    NotNow,
    /// It is from another sender, another topic, or names a certificate of somebody else.
    Foreign,
    /// Nobody who is trusted says whose certificate it is, or not for this time.
    Untrusted,
    /// The certificate could not be fetched.
    Unreached(String),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("a signature, or what is signed, is missing"),
            Self::Malformed => f.write_str("the signature cannot be read"),
            Self::Wrong => f.write_str("the signature is wrong"),
            Self::NotNow => f.write_str("it was signed at another time"),
            Self::Foreign => f.write_str("it is from somebody else"),
            Self::Untrusted => f.write_str("nobody who is trusted vouches for the certificate now"),
            Self::Unreached(reason) => write!(f, "the certificate could not be fetched: {reason}"),
        }
    }
}

/// A delivery that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What the sender calls the event.
    pub event_id: String,
}

/// How the signature is made.
#[derive(Debug, Clone)]
enum Scheme {
    Keyed { hash: Hash, encoding: Encoding, header: String, prefix: String, parts: Vec<Part> },
    Stripe,
    Standard,
    Twilio { url: Option<String> },
    P256 { point: Vec<u8>, signature: String, time: String },
    Hashed { headers: Vec<String>, form: SecretForm },
    Sns { topics: Vec<String>, certificates: Certificates },
    PayPal { webhook_id: String, certificates: Certificates },
    Hook0,
    Mailgun,
    Moralis,
    InUrl { senders: Vec<IpAddr> },
    Any(Vec<Verifier>),
}

/// What tells whether a delivery is from whom it says, and what its event is called. The algorithm is what is chosen here,
/// whatever the delivery says.
#[derive(Debug, Clone)]
pub struct Verifier {
    scheme: Scheme,
    secrets: Vec<Secret>,
    window: Duration,
    event_id: EventId,
    agreed: Vec<(String, String)>,
    fault: Option<String>,
}

/// How far the time of a signature may be from now, unless told otherwise.
const WINDOW: Duration = Duration::from_secs(300);

impl Verifier {
    fn new(scheme: Scheme, secrets: Vec<Secret>, event_id: EventId) -> Self {
        let fault = secrets.iter().any(|secret| secret.0.is_empty()).then(|| "the secret is empty".to_owned());
        Self { scheme, secrets, window: WINDOW, event_id, agreed: Vec::new(), fault }
    }

    /// An HMAC over the body, in a header.
    pub fn hmac(hash: Hash, encoding: Encoding, header: &str, secret: &str) -> Self {
        let (header, prefix) = (header.to_ascii_lowercase(), String::new());
        let scheme = Scheme::Keyed { hash, encoding, header, prefix, parts: vec![Part::Body] };
        Self::new(scheme, vec![Secret(secret.into())], EventId::Body)
    }

    /// Of an HMAC: what is signed, if it is not the body alone.
    #[must_use]
    pub fn over(mut self, signed: impl IntoIterator<Item = Part>) -> Self {
        if let Scheme::Keyed { parts, .. } = &mut self.scheme {
            *parts = signed.into_iter().collect();
        }
        self
    }

    /// Of an HMAC: what stands before the signature in its header, such as `sha256=`.
    #[must_use]
    pub fn prefixed(mut self, text: &str) -> Self {
        if let Scheme::Keyed { prefix, .. } = &mut self.scheme {
            text.clone_into(prefix);
        }
        self
    }

    /// Stripe's, and of those who sign like it.
    pub fn stripe(secret: &str) -> Self {
        Self::new(Scheme::Stripe, vec![Secret(secret.into())], EventId::json(["id"]))
    }

    /// Standard Webhooks; the secret with or without its `whsec_`.
    pub fn standard_webhooks(secret: &str) -> Self {
        Self::new(Scheme::Standard, vec![standard_secret(secret)], EventId::header("webhook-id"))
    }

    /// Twilio's, by the URL under which this server is called; the token of the account.
    pub fn twilio(auth_token: &str) -> Self {
        let event_id = EventId::form(["MessageSid", "MessageStatus"]);
        Self::new(Scheme::Twilio { url: None }, vec![Secret(auth_token.into())], event_id)
    }

    /// Of Twilio's: the URL that was given to it, where it is not that of this server.
    #[must_use]
    pub fn called_at(mut self, public_url: &str) -> Self {
        if let Scheme::Twilio { url } = &mut self.scheme {
            *url = Some(public_url.to_owned());
        }
        self
    }

    /// ECDSA on P-256 over the time in a header and the body, as SendGrid signs; the public key as Base64 of its DER.
    pub fn ecdsa_p256(signature_header: &str, time_header: &str, public_key: &str) -> Self {
        let (point, fault) = match schemes::p256_point(public_key) {
            Ok(point) => (point, None),
            Err(fault) => (Vec::new(), Some(fault)),
        };
        let (signature, time) = (signature_header.to_ascii_lowercase(), time_header.to_ascii_lowercase());
        Self { fault, ..Self::new(Scheme::P256 { point, signature, time }, Vec::new(), EventId::Body) }
    }

    /// A plain SHA-256 over the body and the secret, in one of these headers, as Shufti signs.
    pub fn sha256<'a>(headers: impl IntoIterator<Item = &'a str>, secret: &str, form: SecretForm) -> Self {
        let headers = headers.into_iter().map(str::to_ascii_lowercase).collect();
        Self::new(Scheme::Hashed { headers, form }, vec![Secret(secret.into())], EventId::Body)
    }

    /// Amazon's notifications of these topics, with signatures of the second version.
    pub fn sns<'a>(topics: impl IntoIterator<Item = &'a str>) -> Self {
        let topics = topics.into_iter().map(str::to_owned).collect();
        let scheme = Scheme::Sns { topics, certificates: Certificates::default() };
        Self::new(scheme, Vec::new(), EventId::json(["MessageId"]))
    }

    /// PayPal's, for our webhook of this id.
    pub fn paypal(webhook_id: &str) -> Self {
        let scheme = Scheme::PayPal { webhook_id: webhook_id.to_owned(), certificates: Certificates::default() };
        Self::new(scheme, Vec::new(), EventId::json(["id"]))
    }

    /// Coinbase's, with the secret of the subscription.
    pub fn hook0(secret: &str) -> Self {
        Self::new(Scheme::Hook0, vec![Secret(secret.into())], EventId::header("x-hook0-id"))
    }

    /// Mailgun's, with the signing key of its webhooks. It signs the time and a token, which counts once, and not the event.
    pub fn mailgun(signing_key: &str) -> Self {
        let event_id = EventId::json(["signature.token"]);
        Self::new(Scheme::Mailgun, vec![Secret(signing_key.into())], event_id)
    }

    /// Those of Moralis' streams, with their secret.
    pub fn moralis(secret: &str) -> Self {
        let event_id = EventId::json(["streamId", "chainId", "block.hash", "confirmed"]);
        Self::new(Scheme::Moralis, vec![Secret(secret.into())], event_id)
    }

    /// No signature at all, as Jumio: the URL that was given to the sender ends in `?secret=…`. What comes so is a hint: ask
    /// the sender for the result before anything changes.
    pub fn secret_in_url(secret: &str) -> Self {
        Self::new(Scheme::InUrl { senders: Vec::new() }, vec![Secret(secret.into())], EventId::Body)
    }

    /// Several services call the same source: a delivery is believed that one of these believes.
    pub fn any(verifiers: impl IntoIterator<Item = Self>) -> Self {
        let verifiers: Vec<Self> = verifiers.into_iter().collect();
        let fault = verifiers.iter().find_map(|verifier| verifier.fault().map(str::to_owned));
        let fault = fault.or_else(|| verifiers.is_empty().then(|| "there is nobody to believe".to_owned()));
        Self { fault, ..Self::new(Scheme::Any(verifiers), Vec::new(), EventId::Body) }
    }

    /// Of a secret in the URL: the addresses that the sender has.
    #[must_use]
    pub fn sent_from(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        if let Scheme::InUrl { senders } = &mut self.scheme {
            *senders = addresses.into_iter().map(|address| address.to_canonical()).collect();
        }
        self
    }

    /// Of those that sign by a certificate: the authorities, in PEM, that may vouch for it, and nobody else. Unless this is
    /// said, those may whom browsers trust.
    #[must_use]
    pub fn vouched_by(mut self, authorities: &str) -> Self {
        if let Scheme::Sns { certificates, .. } | Scheme::PayPal { certificates, .. } = &mut self.scheme
            && let Err(fault) = certificates.trust(authorities)
        {
            self.fault = Some(fault);
        }
        self
    }

    /// A second secret that is right too, while one takes the place of the other.
    #[must_use]
    pub fn or_secret(mut self, secret: &str) -> Self {
        let secret =
            if matches!(self.scheme, Scheme::Standard) { standard_secret(secret) } else { Secret(secret.into()) };
        self.secrets.push(secret);
        self
    }

    /// How far the time of a signature may be from now, where one is signed.
    #[must_use]
    pub fn window(self, window: Duration) -> Self {
        Self { window, ..self }
    }

    /// Where the id of an event stands, if it is elsewhere than this scheme has it.
    #[must_use]
    pub fn event_id(self, event_id: EventId) -> Self {
        Self { event_id, ..self }
    }

    /// A header that has to have this value, such as the name of the algorithm.
    #[must_use]
    pub fn agreeing(mut self, header: &str, value: &str) -> Self {
        self.agreed.push((header.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Why it cannot be, if it cannot.
    pub fn fault(&self) -> Option<&str> {
        self.fault
            .as_deref()
            .or_else(|| self.secrets.iter().any(|secret| secret.0.is_empty()).then_some("a secret is empty"))
    }

    /// Looks at a delivery. Certificates are fetched through `http`.
    pub async fn verify(&self, delivery: &Delivery, now: Date, http: &dyn HttpClient) -> Result<Verified, Mismatch> {
        for (header, value) in &self.agreed {
            if delivery.headers.get(header) != Some(value) {
                return Err(Mismatch::Foreign);
            }
        }
        let seconds = i64::try_from(self.window.as_secs()).unwrap_or(i64::MAX);
        let (window, secrets) = (Window { now, seconds }, &self.secrets);
        match &self.scheme {
            Scheme::Keyed { hash, encoding, header, prefix, parts } => {
                schemes::keyed(delivery, secrets, (*hash, *encoding), (header, prefix), parts)?;
            }
            Scheme::Stripe => schemes::stripe(delivery, secrets, window)?,
            Scheme::Standard => schemes::standard(delivery, secrets, window)?,
            Scheme::Twilio { url } => {
                schemes::twilio(delivery, secrets, url.as_deref().unwrap_or(&delivery.url))?;
            }
            Scheme::P256 { point, signature, time } => schemes::p256(delivery, point, (signature, time), window)?,
            Scheme::Hashed { headers, form } => schemes::hashed(delivery, secrets, headers, *form)?,
            Scheme::Hook0 => vendors::hook0(delivery, secrets, window)?,
            Scheme::Mailgun => vendors::mailgun(delivery, secrets, window)?,
            Scheme::Moralis => vendors::moralis(delivery, secrets)?,
            Scheme::InUrl { senders } => vendors::in_url(delivery, secrets, senders)?,
            Scheme::Sns { topics, certificates } => {
                certificate::sns(delivery, (certificates, http, now), topics).await?;
            }
            Scheme::PayPal { webhook_id, certificates } => {
                certificate::paypal(delivery, (certificates, http, now), webhook_id).await?;
            }
            Scheme::Any(verifiers) => return any(verifiers, delivery, now, http).await,
        }
        Ok(Verified { event_id: self.event_id.of(delivery) })
    }
}

/// Whatever the first says that believes it. Of those that do not, the one tells why that found its own signature.
async fn any(
    verifiers: &[Verifier],
    delivery: &Delivery,
    now: Date,
    http: &dyn HttpClient,
) -> Result<Verified, Mismatch> {
    let mut why = Mismatch::Missing;
    for verifier in verifiers {
        match Box::pin(verifier.verify(delivery, now, http)).await {
            Ok(verified) => return Ok(verified),
            Err(mismatch) if why == Mismatch::Missing => why = mismatch,
            Err(_) => {}
        }
    }
    Err(why)
}

/// A secret of Standard Webhooks stands in Base64 behind `whsec_`.
fn standard_secret(text: &str) -> Secret {
    Secret(BASE64.decode(text.strip_prefix("whsec_").unwrap_or(text)).unwrap_or_else(|_no_base64| text.into()))
}
