//! Who has subscribed, to what, and with which secret is it signed?

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parsimony_cloud::{BeforeSave, Draft, Host, Request};
use parsimony_model::{Date, Filter, Object, ObjectId, ParseError, Query, Value, map};
use serde::{Deserialize, Serialize};

use super::{EVENT, EventStatus, SUBSCRIPTION};
use crate::application::APPLICATION;
use crate::{Acting, params, permission, roles, state};

crate::states! {
    /// How a subscription stands.
    pub enum SubscriptionStatus of "WebhookSubscription" from Active {
        /// Events are told.
        Active = "ACTIVE" => [Ended];
        /// Nothing more is told.
        Ended = "ENDED" => [];
    }
}

/// How many letters and digits the key of a signature is made of: 190 bits.
const SECRET_CHARS: usize = 32;

/// For how many hours the secret before still signs, unless told otherwise, and at most.
const OVERLAP_HOURS: (u32, u32) = (24, 168);

const HOUR_MILLIS: i64 = 3_600_000;

/// How many subscriptions an application has at most, and how many types one names.
const SUBSCRIPTIONS_MAX: u64 = 100;
const TYPES_MAX: usize = 50;

/// How long a URL may be.
const URL_CHARS_MAX: usize = 1_000;

/// The subscriptions that hear of an application.
pub(crate) async fn of_application(host: &Host, application: &str) -> Result<Vec<Object>, ParseError> {
    let active = Filter::equals("application", application).and(Filter::equals("status", SubscriptionStatus::Active));
    host.find(SUBSCRIPTION, Query::new(active).limit(SUBSCRIPTIONS_MAX)).await
}

/// Whether a subscription hears of events of this type: by its name, by `ENTITY.*`, or by `*`.
pub(crate) fn wants(subscription: &Object, kind: &str) -> bool {
    let entity = kind.split('.').next().unwrap_or_default();
    let types = subscription.get("eventTypes").and_then(Value::as_array).unwrap_or_default();
    types.iter().filter_map(Value::as_str).any(|wanted| {
        wanted == "*" || wanted == kind || wanted.strip_suffix(".*").is_some_and(|wanted| wanted == entity)
    })
}

/// The secrets that sign now: the one that counts, and the one before it while it still does.
pub(super) fn secrets(subscription: &Object, now: Date) -> Vec<&str> {
    let until = subscription.get("previousSecretUntil").and_then(Value::as_date);
    let previous = subscription.text("previousSecret").filter(|_| until.is_some_and(|until| now < until));
    subscription.text("secret").into_iter().chain(previous).collect()
}

/// Holds a subscription to its states.
pub(crate) async fn keep_subscription(request: BeforeSave) -> Result<Draft, ParseError> {
    let BeforeSave { object: mut draft, origin } = request;
    state::guard::<SubscriptionStatus>(&mut draft, origin.host.now())?;
    Ok(draft)
}

fn new_secret(host: &Host) -> String {
    format!("whsec_{}", BASE64.encode(host.random(SECRET_CHARS)))
}

/// What is asked of `createWebhookSubscription`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateWebhookSubscription {
    /// The application whose events are told.
    pub application: String,
    /// Where to: `https://…`, or `http://` on this machine.
    pub url: String,
    /// Which: `Identity.reviewVerification`, `Identity.*`, `*`.
    pub event_types: Vec<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionCreated {
    /// The id of the `WebhookSubscription`.
    pub subscription_id: String,
    /// The secret of the signatures, as Standard Webhooks writes it. It is not shown again.
    pub secret: String,
}

impl CreateWebhookSubscription {
    fn check(&self) -> Result<(), ParseError> {
        params::word("application", &self.application, "-", 64)?;
        params::text("url", &self.url, 1, URL_CHARS_MAX)?;
        let url = url::Url::parse(&self.url).map_err(|error| params::invalid("url", error))?;
        let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if !(url.scheme() == "https" || (url.scheme() == "http" && is_local)) {
            return Err(params::invalid("url", "it must begin with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(params::invalid("url", "it must not hold a password"));
        }
        params::list("eventTypes", &self.event_types, TYPES_MAX)?;
        if self.event_types.is_empty() {
            return Err(params::invalid("eventTypes", "at least one is needed"));
        }
        self.event_types.iter().try_for_each(|kind| params::word("eventTypes", kind, "_.*", 128))
    }
}

/// `createWebhookSubscription`: an administrator has an outside service told of what happens.
pub async fn create_webhook_subscription(
    request: Request<CreateWebhookSubscription>,
) -> Result<SubscriptionCreated, ParseError> {
    let acting = Acting::new(APPLICATION, SUBSCRIPTION, &request);
    let user = acting.user()?;
    let params = &request.params;
    params.check()?;
    let done = async {
        permission::require_role(&request.who, &[roles::ADMIN], "subscribe a service to events")?;
        let work = |host: Host| {
            let (acting, user) = (&acting, user.clone());
            async move {
                if of_application(&host, &params.application).await?.len() as u64 >= SUBSCRIPTIONS_MAX {
                    return Err(params::invalid("application", "it has too many subscriptions"));
                }
                let secret = new_secret(&host);
                let fields = map! {
                    "application" => params.application.as_str(),
                    "url" => params.url.as_str(),
                    "eventTypes" => params.event_types.iter().map(|kind| Value::from(kind.as_str())).collect::<Vec<_>>(),
                    "status" => SubscriptionStatus::Active,
                    "secret" => secret.as_str(),
                    "createdBy" => user,
                };
                let created = host.create(SUBSCRIPTION, fields).await?;
                acting.record(&host, acting.entry().about(&created.id)).await?;
                Ok(SubscriptionCreated { subscription_id: created.id.to_string(), secret })
            }
        };
        acting.once(None, params, work).await
    };
    acting.settle(None, done.await).await
}

/// What is asked of `rotateWebhookSecret`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotateWebhookSecret {
    /// The id of the `WebhookSubscription`.
    pub subscription_id: String,
    /// For how many hours the secret before still signs: 24 unless told otherwise, 0 if it is known to others.
    #[serde(default)]
    pub overlap_hours: Option<u32>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRotated {
    /// The secret that counts from now on. It is not shown again.
    pub secret: String,
}

/// `rotateWebhookSecret`: a new secret. Until the overlap is over both sign, so that no event is lost while the other side changes.
pub async fn rotate_webhook_secret(request: Request<RotateWebhookSecret>) -> Result<SecretRotated, ParseError> {
    let acting = Acting::new(APPLICATION, SUBSCRIPTION, &request);
    acting.user()?;
    let params = &request.params;
    let id = params::object_id("subscriptionId", &params.subscription_id)?;
    let hours = params.overlap_hours.unwrap_or(OVERLAP_HOURS.0);
    if hours > OVERLAP_HOURS.1 {
        return Err(params::invalid("overlapHours", format!("at most {}", OVERLAP_HOURS.1)));
    }
    let done = async {
        permission::require_role(&request.who, &[roles::ADMIN], "change the secret of a subscription")?;
        let work = |host: Host| {
            let (acting, id) = (&acting, &id);
            async move {
                let subscription = active(&host, id).await?;
                let secret = new_secret(&host);
                let fields = map! {
                    "previousSecret" => subscription.text("secret").unwrap_or_default(),
                    "previousSecretUntil" => host.now().plus_millis(i64::from(hours) * HOUR_MILLIS),
                    "secret" => secret.as_str(),
                };
                host.update(SUBSCRIPTION, id, fields).await?;
                acting.record(&host, acting.entry().about(id).detail("overlapHours", f64::from(hours))).await?;
                Ok(SecretRotated { secret })
            }
        };
        acting.once(None, params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

async fn active(host: &Host, id: &ObjectId) -> Result<Object, ParseError> {
    let subscription = host.get(SUBSCRIPTION, id).await?;
    match state::of(&subscription)? {
        SubscriptionStatus::Active => Ok(subscription),
        ended @ SubscriptionStatus::Ended => Err(state::illegal(ended, SubscriptionStatus::Active)),
    }
}

/// What is asked of `endWebhookSubscription`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndWebhookSubscription {
    /// The id of the `WebhookSubscription`.
    pub subscription_id: String,
}

/// `endWebhookSubscription`: nothing more is told; what waits is not sent either.
pub async fn end_webhook_subscription(request: Request<EndWebhookSubscription>) -> Result<(), ParseError> {
    let acting = Acting::new(APPLICATION, SUBSCRIPTION, &request);
    acting.user()?;
    let id = params::object_id("subscriptionId", &request.params.subscription_id)?;
    let done = async {
        permission::require_role(&request.who, &[roles::ADMIN], "end a subscription")?;
        let work = |host: Host| {
            let (acting, id) = (&acting, &id);
            async move {
                active(&host, id).await?;
                host.update(SUBSCRIPTION, id, map! { "status" => SubscriptionStatus::Ended }).await?;
                acting.record(&host, acting.entry().about(id)).await
            }
        };
        acting.once(None, &request.params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

/// What is asked of `replayOutboundEvent`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayOutboundEvent {
    /// The id of the `OutboundEvent`.
    pub event_id: String,
}

/// `replayOutboundEvent`: an event that was given up is sent again, under the id it had.
pub async fn replay_outbound_event(request: Request<ReplayOutboundEvent>) -> Result<(), ParseError> {
    let acting = Acting::new(APPLICATION, EVENT, &request);
    acting.user()?;
    let id = params::object_id("eventId", &request.params.event_id)?;
    let done = async {
        permission::require_role(&request.who, &[roles::ADMIN], "send an event again")?;
        let work = |host: Host| {
            let (acting, id) = (&acting, &id);
            async move {
                let event = host.get(EVENT, id).await?;
                state::step(state::of::<EventStatus>(&event)?, EventStatus::Pending)?;
                let again = map! { "status" => EventStatus::Pending, "attempts" => 0, "nextAttemptAt" => host.now() };
                host.update(EVENT, id, again).await?;
                acting.record(&host, acting.entry().about(id)).await
            }
        };
        acting.once(None, &request.params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::object;

    #[test]
    fn a_subscription_hears_of_what_it_names() {
        let hears = |wanted: &str, kind: &str| {
            let types = vec![Value::from(wanted)];
            wants(&object(SUBSCRIPTION, "s", map! { "eventTypes" => types }), kind)
        };
        assert!(hears("*", "Identity.createIdentity") && hears("Identity.*", "Identity.createIdentity"));
        assert!(hears("Identity.createIdentity", "Identity.createIdentity"));
        assert!(!hears("Identity.*", "IdentityVerification.submitVerification"));
        assert!(!hears("Identity", "Identity.createIdentity"));
    }

    #[test]
    fn a_url_is_encrypted_on_its_way_and_holds_no_password() {
        let check = |url: &str| {
            let asked = CreateWebhookSubscription {
                application: "a".to_owned(),
                url: url.to_owned(),
                event_types: vec!["*".to_owned()],
            };
            asked.check().is_ok()
        };
        assert!(check("https://erp.example.org/hooks") && check("http://127.0.0.1:99/"));
        for url in ["http://erp.example.org/", "ftp://x", "erp.example.org", "https://a:b@erp.example.org/", ""] {
            assert!(!check(url), "{url}");
        }
    }

    #[test]
    fn the_secret_before_signs_until_its_time_is_over() {
        let until = Date::from_millis(1_000);
        let fields = map! { "secret" => "new", "previousSecret" => "old", "previousSecretUntil" => until };
        let subscription = object(SUBSCRIPTION, "s", fields);
        assert_eq!(secrets(&subscription, Date::from_millis(999)), ["new", "old"]);
        assert_eq!(secrets(&subscription, until), ["new"]);
    }
}
