//! How does a notification reach somebody who is not looking: a row for each way, sent by a job, again if it was not taken.
//!
//! A row counts an attempt before it is sent. So a server that is killed in between loses nothing: the next attempt comes when
//! the pause is over, and in this one case somebody may be told twice.

use std::sync::Arc;

use parsimony_cloud::{BeforeSave, Draft, Email, Host, HttpClient, JobRequest, no_mail};
use parsimony_connectors::{Measured, SmsFailure, Twilio, TwilioOptions};
use parsimony_model::query::Constraint;
use parsimony_model::value::Map;
use parsimony_model::{Date, ErrorCode, Filter, Object, ParseError, Pointer, Query, Value, map};

use super::preference::{self, Preference};
use super::template::{self, Worded};
use super::{CLASS as NOTIFICATION, Channel};
use crate::state;

/// The class of the deliveries.
pub const CLASS: &str = "NotificationDelivery";

crate::states! {
    /// How a delivery stands.
    pub enum DeliveryStatus of "NotificationDelivery" from Pending {
        /// It waits for its turn, or for its next attempt.
        Pending = "PENDING" => [Sent, Failed, Skipped];
        /// A service has taken it.
        Sent = "SENT" => [Delivered, Failed];
        /// The service says that it arrived. A letter may still come back.
        Delivered = "DELIVERED" => [Failed];
        /// It did not arrive, and is not sent again.
        Failed = "FAILED" => [];
        /// There is no way: no address, no service.
        Skipped = "SKIPPED" => [];
    }
}

/// How many rows one step takes.
const STEP_ROWS: u64 = 100;

/// How often a delivery is tried.
const ATTEMPTS_MAX: f64 = 8.0;

/// How long to wait after the first attempt, in milliseconds; twice as long after each further one.
const PAUSE_MILLIS: f64 = 30_000.0;

/// How long a delivery waits whose reader was told too often.
const CROWDED_MILLIS: i64 = 10 * 60_000;

const HOUR_MILLIS: i64 = 3_600_000;

/// What sends, and how much.
pub(crate) struct Ways {
    /// The account that sends text messages, if there is one.
    pub(crate) twilio: Option<TwilioOptions>,
    /// By what it is asked.
    pub(crate) http: Arc<dyn HttpClient>,
    /// How many deliveries of one kind of way somebody gets in an hour.
    pub(crate) per_hour_max: u64,
    /// What stands behind the `@` in the `Message-ID` of letters.
    pub(crate) message_domain: String,
}

/// Plans the deliveries of a new notification, in its transaction.
pub(super) async fn plan(host: &Host, notification: &Object, user: &Pointer) -> Result<(), ParseError> {
    let preference = preference::of(host, user).await?;
    for channel in preference.channels {
        let fields = map! {
            "notification" => Pointer::new(notification.class.clone(), notification.id.clone()),
            "user" => user.clone(),
            "application" => notification.text("application").unwrap_or_default(),
            "kind" => notification.text("kind").unwrap_or_default(),
            "channel" => channel,
            "status" => DeliveryStatus::Pending,
            "attempts" => 0,
            "nextAttemptAt" => host.now(),
        };
        host.create(CLASS, fields).await?;
    }
    Ok(())
}

/// Holds a delivery to its states.
pub(crate) async fn keep(request: BeforeSave) -> Result<Draft, ParseError> {
    let BeforeSave { object: mut draft, origin } = request;
    state::guard::<DeliveryStatus>(&mut draft, origin.host.now())?;
    Ok(draft)
}

/// `deliverNotifications`: sends what is due.
pub(crate) async fn deliver(request: JobRequest, ways: Arc<Ways>) -> Result<String, ParseError> {
    let host = request.host.as_master();
    let (mut sent, mut seen) = (0_u64, 0_u64);
    loop {
        let due = Filter::equals("status", DeliveryStatus::Pending)
            .and(Filter::Field("nextAttemptAt".into(), Constraint::LessOrEqual(host.now().into())));
        let rows = host.find(CLASS, Query::new(due).ascending("nextAttemptAt").limit(STEP_ROWS)).await?;
        for row in &rows {
            sent += u64::from(one(&host, &ways, row).await?);
        }
        seen += rows.len() as u64;
        if (rows.len() as u64) < STEP_ROWS || request.is_ending() {
            return Ok(format!("{sent} of {seen} deliveries sent"));
        }
    }
}

/// How long to wait after so many attempts.
fn pause_after(attempts: f64) -> i64 {
    // At most 2⁷ × 30 s, which an integer holds.
    (PAUSE_MILLIS * 2_f64.powf(attempts.clamp(1.0, ATTEMPTS_MAX) - 1.0)) as i64
}

/// What an attempt came to.
enum Attempt {
    /// Taken; what the service calls it.
    Taken(String),
    /// Not this time.
    Again(String),
    /// Never.
    Lost(String),
    /// There is no way.
    NoWay(&'static str),
}

/// Tries one delivery; tells whether it was sent.
async fn one(host: &Host, ways: &Ways, row: &Object) -> Result<bool, ParseError> {
    let now = host.now();
    let (Some(user), Some(channel)) = (row.get("user").and_then(Value::as_pointer), row.text("channel")) else {
        return Err(ParseError::internal(format!("delivery {} is not whole", row.id)));
    };
    let channel = Channel::parse(channel).ok_or_else(|| ParseError::internal(format!("{channel} is no channel")))?;
    if is_crowded(host, ways, (&user, channel), now).await? {
        update(host, row, map! { "nextAttemptAt" => now.plus_millis(CROWDED_MILLIS) }).await?;
        return Ok(false);
    }
    let attempts = row.get("attempts").and_then(Value::as_f64).unwrap_or_default() + 1.0;
    let next = now.plus_millis(pause_after(attempts));
    update(host, row, map! { "attempts" => attempts, "nextAttemptAt" => next }).await?;
    let attempt = attempt(host, ways, row, (&user, channel)).await?;
    let done = |status: DeliveryStatus, reason: String| map! { "status" => status, "reason" => reason };
    let fields = match attempt {
        Attempt::Taken(reference) => {
            map! { "status" => DeliveryStatus::Sent, "reference" => reference, "sentAt" => now }
        }
        Attempt::Again(reason) if attempts >= ATTEMPTS_MAX => done(DeliveryStatus::Failed, reason),
        Attempt::Again(reason) => map! { "reason" => reason },
        Attempt::Lost(reason) => done(DeliveryStatus::Failed, reason),
        Attempt::NoWay(reason) => done(DeliveryStatus::Skipped, reason.to_owned()),
    };
    let is_sent = fields.contains_key("reference");
    update(host, row, fields).await?;
    Ok(is_sent)
}

async fn update(host: &Host, row: &Object, fields: Map) -> Result<(), ParseError> {
    host.update(CLASS, &row.id, fields).await.map(drop)
}

/// Whether somebody was told so often within the hour that this has to wait.
async fn is_crowded(
    host: &Host,
    ways: &Ways,
    (user, channel): (&Pointer, Channel),
    now: Date,
) -> Result<bool, ParseError> {
    let told = Filter::equals("user", user.clone())
        .and(Filter::equals("channel", channel))
        .and(Filter::Field("sentAt".into(), Constraint::Greater(now.plus_millis(-HOUR_MILLIS).into())));
    Ok(host.count(CLASS, Query::new(told)).await? >= ways.per_hour_max)
}

async fn attempt(
    host: &Host,
    ways: &Ways,
    row: &Object,
    (user, channel): (&Pointer, Channel),
) -> Result<Attempt, ParseError> {
    let notification = row.get("notification").and_then(Value::as_pointer);
    let notification = match notification {
        Some(pointer) => host.first(NOTIFICATION, Query::new(Filter::id(&pointer.id))).await?,
        None => None,
    };
    let Some(notification) = notification else { return Ok(Attempt::NoWay("the notification is gone")) };
    let preference = preference::of(host, user).await?;
    let worded = template::word(host, &notification, channel, preference.locale.as_deref()).await?;
    match channel {
        Channel::Email => by_letter(host, ways, row, user, worded).await,
        Channel::Sms => Ok(by_sms(host, ways, &preference, &worded).await),
        Channel::Push => by_push(host, &notification, user, worded).await,
    }
}

async fn by_letter(
    host: &Host,
    ways: &Ways,
    row: &Object,
    user: &Pointer,
    worded: Worded,
) -> Result<Attempt, ParseError> {
    let reader = host.first("_User", Query::new(Filter::id(&user.id))).await?;
    let address = reader.as_ref().and_then(|reader| reader.text("email")).filter(|address| !address.is_empty());
    let Some(address) = address else { return Ok(Attempt::NoWay("the user has no e-mail address")) };
    let reference = format!("{}.{}@{}", row.id, host.random(10), ways.message_domain);
    let email = Email {
        html: worded.html,
        message_id: Some(reference.clone()),
        ..Email::plain(address, worded.subject, worded.text)
    };
    Ok(match host.send_email(email).await {
        Ok(()) => Attempt::Taken(reference),
        Err(error) if error.message == no_mail().message => Attempt::NoWay("there is no mail server"),
        Err(error) => Attempt::Again(why(error)),
    })
}

async fn by_sms(host: &Host, ways: &Ways, preference: &Preference, worded: &Worded) -> Attempt {
    let Some(account) = ways.twilio.clone() else { return Attempt::NoWay("no service sends text messages") };
    let Some(phone) = &preference.phone else { return Attempt::NoWay("the user has no telephone number") };
    let http = Measured::new(Arc::clone(&ways.http), host.metrics().service("twilio"));
    match Twilio::new(account, Arc::new(http)).send(phone, &worded.text).await {
        Ok(reference) => Attempt::Taken(reference),
        Err(SmsFailure::Unsent(reason)) => Attempt::Again(reason),
        // A text message that may have been taken is not sent twice: each costs, and annoys.
        Err(failure @ (SmsFailure::Refused(_) | SmsFailure::Unknown(_))) => Attempt::Lost(failure.to_string()),
    }
}

async fn by_push(host: &Host, notification: &Object, user: &Pointer, worded: Worded) -> Result<Attempt, ParseError> {
    let devices = Query::new(Filter::equals("user", user.clone()));
    if host.count("_Installation", devices).await? == 0 {
        return Ok(Attempt::NoWay("the user has no device"));
    }
    let data = map! {
        "alert" => worded.text,
        "notificationId" => notification.id.as_str(),
        "kind" => notification.text("kind").unwrap_or_default(),
    };
    let condition = map! { "user" => user.clone() };
    Ok(match host.push(map! { "where" => condition, "data" => data }).await {
        Ok(push) => Attempt::Taken(push.to_string()),
        Err(error) if error.code == ErrorCode::PushMisconfigured => Attempt::NoWay("no service brings pushes"),
        Err(error) => Attempt::Again(why(error)),
    })
}

/// The cause of an error, for those who look after the system.
fn why(error: ParseError) -> String {
    error.detail.unwrap_or_else(|| error.message.into_owned())
}
