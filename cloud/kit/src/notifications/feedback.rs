//! What do the services tell of what they took: that it arrived, that it came back, that nobody wants it?

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::{Application, HttpClient, HttpRequest, Inbound, Verifier};
use parsimony_connectors::Http;
use parsimony_model::{ErrorCode, Filter, Object, ParseError, Query, Value, map};
use serde::Deserialize;
use serde_json::Value as Json;

use super::Channel;
use super::delivery::{CLASS, DeliveryStatus};
use super::preference;
use crate::audit::{self, AuditEntry};
use crate::state::{self, State as _};

/// Who tells, and how they are believed. Those that are set may call the same webhook.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FeedbackSettings {
    /// SendGrid's verification key: Base64, as its pages show it.
    pub sendgrid_public_key: Option<String>,
    /// The topics of Amazon's SNS to which SES tells.
    pub ses_topics: Vec<String>,
    /// Who vouches for Amazon's certificates, in PEM, if not those whom browsers trust.
    pub ses_authorities: Option<String>,
    /// The signing key of Mailgun's webhooks.
    pub mailgun_signing_key: Option<String>,
    /// The secret of the account at Twilio.
    pub twilio_auth_token: Option<String>,
    /// The URL that was given to Twilio, where it is not that of this server.
    pub twilio_callback_url: Option<String>,
}

impl FeedbackSettings {
    fn verifiers(&self) -> Vec<Verifier> {
        let sendgrid = self.sendgrid_public_key.as_deref().map(|key| {
            let header = |end: &str| format!("X-Twilio-Email-Event-Webhook-{end}");
            Verifier::ecdsa_p256(&header("Signature"), &header("Timestamp"), key)
        });
        let ses = (!self.ses_topics.is_empty()).then(|| {
            let verifier = Verifier::sns(self.ses_topics.iter().map(String::as_str));
            self.ses_authorities.as_deref().map_or(verifier.clone(), |pem| verifier.vouched_by(pem))
        });
        let twilio = self.twilio_auth_token.as_deref().map(|token| {
            let verifier = Verifier::twilio(token);
            self.twilio_callback_url.as_deref().map_or(verifier.clone(), |url| verifier.called_at(url))
        });
        let mailgun = self.mailgun_signing_key.as_deref().map(Verifier::mailgun);
        [sendgrid, ses, mailgun, twilio].into_iter().flatten().collect()
    }
}

/// How often an event is tried whose message nobody knows: it may be told sooner than we have noted what was sent.
const UNKNOWN_TRIES_MAX: u32 = 4;

/// How long Amazon may take to hear that we want its events.
const CONFIRM_TIME_MAX: Duration = Duration::from_secs(15);

/// The application with the webhook `delivery`, if anybody is set who may call it.
pub fn with_webhook(application: Application, settings: &FeedbackSettings) -> Application {
    let verifiers = settings.verifiers();
    if verifiers.is_empty() {
        return application;
    }
    let http: Arc<dyn HttpClient> = Arc::new(Http::new());
    application.webhook("delivery", Verifier::any(verifiers), move |event| {
        let http = Arc::clone(&http);
        async move { take(&event, &*http).await }
    })
}

/// What is told of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    /// What we, or the service, call the message.
    reference: String,
    /// How it stands now; none if only the reader has said something.
    status: Option<DeliveryStatus>,
    reason: Option<String>,
    /// Nothing more goes this way to this reader, and why.
    suspends: Option<(Channel, String)>,
}

impl Told {
    fn new(reference: &str, status: Option<DeliveryStatus>, reason: Option<String>) -> Self {
        let reference = reference.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
        Self { reference, status, reason, suspends: None }
    }

    fn suspending(self, channel: Channel, reason: &str) -> Self {
        Self { suspends: Some((channel, reason.to_owned())), ..self }
    }
}

async fn take(event: &Inbound, http: &dyn HttpClient) -> Result<(), ParseError> {
    if let Some(url) = confirmation(event) {
        return confirm(http, url).await;
    }
    for told in read(event) {
        note(event, told).await?;
    }
    Ok(())
}

/// Reads an event by its shape: SendGrid tells lists, Twilio forms, Mailgun and Amazon objects.
fn read(event: &Inbound) -> Vec<Told> {
    match serde_json::from_str::<Json>(&event.body) {
        Ok(Json::Array(events)) => events.iter().filter_map(sendgrid).collect(),
        Ok(body) => match body.get("event-data") {
            Some(event) => mailgun(event).into_iter().collect(),
            None => {
                serde_json::from_str(at(&body, "/Message")).ok().and_then(|message| ses(&message)).into_iter().collect()
            }
        },
        Err(_no_json) => twilio(&event.body).into_iter().collect(),
    }
}

/// What stands at a path of an event, such as `/mail/headers`; nothing is no text.
fn at<'a>(event: &'a Json, path: &str) -> &'a str {
    event.pointer(path).and_then(Json::as_str).unwrap_or_default()
}

/// The same, if it says anything.
fn said(event: &Json, path: &str) -> Option<String> {
    Some(at(event, path)).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn sendgrid(event: &Json) -> Option<Told> {
    let told = |status| Told::new(at(event, "/smtp-id"), status, said(event, "/reason"));
    match at(event, "/event") {
        "delivered" => Some(told(Some(DeliveryStatus::Delivered))),
        // A block is of this letter; a bounce is of the address.
        "bounce" if at(event, "/type") == "blocked" => Some(told(Some(DeliveryStatus::Failed))),
        "bounce" => Some(told(Some(DeliveryStatus::Failed)).suspending(Channel::Email, "BOUNCED")),
        "dropped" => Some(told(Some(DeliveryStatus::Failed))),
        "spamreport" => Some(told(None).suspending(Channel::Email, "COMPLAINED")),
        "unsubscribe" | "group_unsubscribe" => Some(told(None).suspending(Channel::Email, "UNSUBSCRIBED")),
        _ => None,
    }
}

/// What SES says. It gives letters ids of its own; the one that we gave is among the headers it tells.
fn ses(message: &Json) -> Option<Told> {
    let kind = said(message, "/notificationType").or_else(|| said(message, "/eventType"))?;
    let reference = at(message, "/mail/commonHeaders/messageId");
    match kind.as_str() {
        "Delivery" => Some(Told::new(reference, Some(DeliveryStatus::Delivered), None)),
        "Bounce" => {
            let reason = said(message, "/bounce/bouncedRecipients/0/diagnosticCode")
                .or_else(|| said(message, "/bounce/bounceSubType"));
            let told = Told::new(reference, Some(DeliveryStatus::Failed), reason);
            Some(if at(message, "/bounce/bounceType") == "Permanent" {
                told.suspending(Channel::Email, "BOUNCED")
            } else {
                told
            })
        }
        "Reject" | "Rendering Failure" => Some(Told::new(reference, Some(DeliveryStatus::Failed), Some(kind))),
        "Complaint" => Some(Told::new(reference, None, None).suspending(Channel::Email, "COMPLAINED")),
        _ => None,
    }
}

fn mailgun(event: &Json) -> Option<Told> {
    let reference = at(event, "/message/headers/message-id");
    let told = |status, reason| Told::new(reference, status, reason);
    match at(event, "/event") {
        "delivered" => Some(told(Some(DeliveryStatus::Delivered), None)),
        // What failed for the moment is tried again by Mailgun itself.
        "failed" if at(event, "/severity") == "temporary" => None,
        "failed" => {
            let reason = said(event, "/delivery-status/message").or_else(|| said(event, "/reason"));
            let told = told(Some(DeliveryStatus::Failed), reason);
            Some(if at(event, "/reason") == "bounce" { told.suspending(Channel::Email, "BOUNCED") } else { told })
        }
        "complained" => Some(told(None, None).suspending(Channel::Email, "COMPLAINED")),
        "unsubscribed" => Some(told(None, None).suspending(Channel::Email, "UNSUBSCRIBED")),
        _ => None,
    }
}

/// The code of Twilio for a reader who answered `STOP`.
const OPTED_OUT: &str = "21610";

fn twilio(form: &str) -> Option<Told> {
    let field = |name: &str| {
        form_urlencoded::parse(form.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let reference = field("MessageSid")?;
    match field("MessageStatus")?.as_str() {
        "delivered" | "read" => Some(Told::new(&reference, Some(DeliveryStatus::Delivered), None)),
        "undelivered" | "failed" | "canceled" => {
            let code = field("ErrorCode");
            let told =
                Told::new(&reference, Some(DeliveryStatus::Failed), code.as_ref().map(|code| format!("Twilio {code}")));
            Some(if code.as_deref() == Some(OPTED_OUT) { told.suspending(Channel::Sms, "UNSUBSCRIBED") } else { told })
        }
        _ => None,
    }
}

/// Notes what is told of a message. Of two that come in the wrong order the later one has said all there is: nothing goes back.
async fn note(event: &Inbound, told: Told) -> Result<(), ParseError> {
    let host = event.host.as_master();
    let filter = Filter::equals("reference", told.reference.as_str());
    let found = if told.reference.is_empty() { None } else { host.first(CLASS, Query::new(filter)).await? };
    let Some(delivery) = found else {
        if event.attempt < UNKNOWN_TRIES_MAX {
            return Err(ParseError::new(ErrorCode::ObjectNotFound, "No delivery has this reference yet."));
        }
        tracing::info!(event = event.event_id, "a service told of a message that is none of ours");
        return Ok(());
    };
    let work = |host| noted(event, host, &delivery, &told);
    host.transaction(work).await
}

async fn noted(event: &Inbound, host: parsimony_cloud::Host, delivery: &Object, told: &Told) -> Result<(), ParseError> {
    let delivery = host.get(CLASS, &delivery.id).await?;
    let status = state::of::<DeliveryStatus>(&delivery)?;
    if let Some((channel, reason)) = &told.suspends
        && let Some(user) = delivery.get("user").and_then(Value::as_pointer)
    {
        preference::suspend(&host, &user, *channel, reason).await?;
    }
    let Some(next) = told.status.filter(|next| status.next().contains(next)) else { return Ok(()) };
    let mut fields = map! { "status" => next };
    fields.extend(told.reason.clone().map(|reason| ("reason".into(), reason.into())));
    let after = host.update(CLASS, &delivery.id, fields).await?;
    let entry = AuditEntry::of_event(event, CLASS).about(&delivery.id).changed(Some(&delivery), Some(&after));
    audit::append(&host, &event.application, entry).await.map(drop)
}

/// Amazon asks once whether we want its events: where to say yes, if this is the question. The signature is checked already.
fn confirmation(event: &Inbound) -> Option<String> {
    (event.header("x-amz-sns-message-type")? == "SubscriptionConfirmation").then_some(())?;
    let body = serde_json::from_str::<Json>(&event.body).ok()?;
    said(&body, "/SubscribeURL").filter(|url| is_amazon_s(url))
}

fn is_amazon_s(url: &str) -> bool {
    let host = url.strip_prefix("https://sns.").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let region = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"));
    region.is_some_and(|region| {
        !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

async fn confirm(http: &dyn HttpClient, url: String) -> Result<(), ParseError> {
    let request = HttpRequest {
        method: "GET".to_owned(),
        url,
        headers: Vec::new(),
        body: Vec::new(),
        time_max: CONFIRM_TIME_MAX,
        answer_bytes_max: 64 << 10,
    };
    match http.send(request).await {
        Ok(response) if response.status == 200 => Ok(()),
        Ok(response) => Err(ParseError::internal(format!("Amazon answers {} to the confirmation", response.status))),
        Err(failure) => Err(ParseError::internal(failure)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(reference: &str, status: Option<DeliveryStatus>) -> Told {
        Told::new(reference, status, None)
    }

    #[test]
    fn each_service_tells_in_its_own_words() {
        let failed = Some(DeliveryStatus::Failed);
        let event = |event: &str, more: Json| {
            let mut all = json!({ "event": event, "smtp-id": "<r@d>" });
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            sendgrid(&all)
        };
        assert_eq!(event("delivered", json!({})), Some(told("r@d", Some(DeliveryStatus::Delivered))));
        assert_eq!(event("bounce", json!({})), Some(told("r@d", failed).suspending(Channel::Email, "BOUNCED")));
        assert_eq!(event("bounce", json!({ "type": "blocked" })), Some(told("r@d", failed)));
        assert_eq!(event("open", json!({})), None);

        let mail = json!({ "commonHeaders": { "messageId": "<r@d>" } });
        let delivery = json!({ "notificationType": "Delivery", "mail": mail });
        assert_eq!(ses(&delivery), Some(told("r@d", Some(DeliveryStatus::Delivered))));
        let bounce =
            |kind: &str| ses(&json!({ "eventType": "Bounce", "mail": mail, "bounce": { "bounceType": kind } }));
        assert_eq!(bounce("Transient"), Some(told("r@d", failed)));
        assert_eq!(bounce("Permanent"), Some(told("r@d", failed).suspending(Channel::Email, "BOUNCED")));

        let headers = json!({ "headers": { "message-id": "r@d" } });
        let event = |severity: &str| mailgun(&json!({ "event": "failed", "severity": severity, "message": headers }));
        assert_eq!(event("temporary"), None);
        assert_eq!(event("permanent"), Some(told("r@d", failed)));

        let form = |status: &str| twilio(&format!("MessageSid=SM1&MessageStatus={status}&ErrorCode=21610"));
        assert_eq!(form("sent"), None);
        let stopped = Told::new("SM1", failed, Some("Twilio 21610".to_owned()));
        assert_eq!(form("undelivered"), Some(stopped.suspending(Channel::Sms, "UNSUBSCRIBED")));
    }

    #[test]
    fn amazon_is_confirmed_at_amazon_alone() {
        assert!(is_amazon_s("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"));
        for url in [
            "https://sns.evil.example/",
            "http://sns.eu-west-1.amazonaws.com/",
            "https://sns.a.evil.amazonaws.com/",
            "https://sns.x@evil.amazonaws.com/",
        ] {
            assert!(!is_amazon_s(url), "{url}");
        }
    }
}
