//! By which ways does somebody want to be told, in which language, and by which ways can they not be reached any more?

use parsimony_cloud::{Host, Request};
use parsimony_model::value::Map;
use parsimony_model::{Access, Acl, ErrorCode, Filter, Object, ParseError, Pointer, Query, Value, map};
use serde::{Deserialize, Serialize};

use super::Channel;
use crate::application::APPLICATION;
use crate::{Acting, params};

/// The class of the preferences: one object for each user who has any.
pub const CLASS: &str = "NotificationPreference";

/// How long the name of a language may be.
const LOCALE_CHARS_MAX: usize = 35;

/// By which ways whoever has not said otherwise is told. A text message costs money and wants to be asked for.
const USUAL: [Channel; 2] = [Channel::Email, Channel::Push];

/// What somebody prefers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Preference {
    /// By which ways; none that are suspended.
    pub(super) channels: Vec<Channel>,
    pub(super) locale: Option<String>,
    pub(super) phone: Option<String>,
}

async fn stored(host: &Host, user: &Pointer) -> Result<Option<Object>, ParseError> {
    host.first(CLASS, Query::new(Filter::equals("user", user.clone()))).await
}

/// What a user prefers; the usual unless they have said otherwise.
pub(super) async fn of(host: &Host, user: &Pointer) -> Result<Preference, ParseError> {
    let Some(stored) = stored(host, user).await? else {
        return Ok(Preference { channels: USUAL.to_vec(), locale: None, phone: None });
    };
    let suspended = stored.get("suspended").and_then(Value::as_object);
    let channels = stored.get("channels").and_then(Value::as_array).unwrap_or_default();
    Ok(Preference {
        channels: channels
            .iter()
            .filter_map(|channel| Channel::parse(channel.as_str()?))
            .filter(|channel| !suspended.is_some_and(|suspended| suspended.contains_key(channel.as_str())))
            .collect(),
        locale: stored.text("locale").map(str::to_owned),
        phone: stored.text("phone").map(str::to_owned),
    })
}

/// What is asked of `setNotificationPreferences`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetNotificationPreferences {
    /// By which ways to be told, besides in the application.
    pub channels: Vec<Channel>,
    /// The language, such as `de-AT`.
    #[serde(default)]
    pub locale: Option<String>,
    /// The number for text messages, in E.164: `+491701234567`.
    #[serde(default)]
    pub phone: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationPreferencesSet {
    /// By which ways the user is told from now on.
    pub channels: Vec<Channel>,
}

/// `setNotificationPreferences`: a user says how to be told. A way that was suspended because nothing arrived there, or because
/// the user complained, is open again if it is among the channels.
pub async fn set_notification_preferences(
    request: Request<SetNotificationPreferences>,
) -> Result<NotificationPreferencesSet, ParseError> {
    let acting = Acting::new(APPLICATION, CLASS, &request);
    let user = acting.user()?;
    let SetNotificationPreferences { channels, locale, phone } = request.params.clone();
    params::list("channels", &channels, Channel::ALL.len())?;
    if let Some(locale) = &locale {
        params::word("locale", locale, "-_", LOCALE_CHARS_MAX)?;
    }
    if let Some(phone) = &phone {
        check_phone(phone)?;
    }
    let done = acting.once(None, &request.params, |host| {
        let (acting, user, channels, locale, phone) =
            (&acting, user.clone(), channels.clone(), locale.clone(), phone.clone());
        async move {
            let known = stored(&host, &user).await?;
            let has_phone = phone.is_some() || known.as_ref().is_some_and(|known| known.text("phone").is_some());
            if channels.contains(&Channel::Sms) && !has_phone {
                return Err(params::invalid("phone", "it is needed for text messages"));
            }
            let mut fields = map! {
                "channels" => channels.iter().map(|channel| Value::from(*channel)).collect::<Vec<_>>(),
                "suspended" => Map::default(),
            };
            for (field, text) in [("locale", locale), ("phone", phone)] {
                fields.extend(text.map(|text| (field.into(), text.into())));
            }
            let entry = if let Some(known) = known {
                host.update(CLASS, &known.id, fields).await?;
                acting.entry().about(&known.id)
            } else {
                let acl = Acl::default().with(user.id.as_str(), Access { read: true, write: false });
                fields.insert("user".into(), user.into());
                fields.insert("ACL".into(), acl.to_value());
                acting.entry().about(&host.create(CLASS, fields).await?.id)
            };
            acting.record(&host, entry).await?;
            Ok(NotificationPreferencesSet { channels })
        }
    });
    acting.settle(None, done.await).await
}

/// A number as the International Telecommunication Union writes it: E.164.
fn check_phone(phone: &str) -> Result<(), ParseError> {
    let digits = phone.strip_prefix('+').unwrap_or_default();
    let is_number = (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if is_number { Ok(()) } else { Err(params::invalid("phone", "it is not E.164, such as +491701234567")) }
}

/// Stops a way to somebody: nothing arrives there, or they complained. It is open again when they say so.
pub(super) async fn suspend(host: &Host, user: &Pointer, channel: Channel, reason: &str) -> Result<(), ParseError> {
    if let Some(known) = stored(host, user).await? {
        let fields = map! { format!("suspended.{}", channel.as_str()) => reason };
        return host.update(CLASS, &known.id, fields).await.map(drop);
    }
    let acl = Acl::default().with(user.id.as_str(), Access { read: true, write: false });
    let fields = map! {
        "user" => user.clone(),
        "channels" => USUAL.map(Value::from).to_vec(),
        "suspended" => map! { channel.as_str() => reason },
        "ACL" => acl.to_value(),
    };
    match host.create(CLASS, fields).await {
        // The user has said something at this moment: that counts.
        Err(error) if error.code == ErrorCode::DuplicateValue => Ok(()),
        done => done.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_for_the_whole_world() {
        for (phone, is_one) in
            [("+491701234567", true), ("01701234567", false), ("+0123456789", false), ("+49 170", false), ("", false)]
        {
            assert_eq!(check_phone(phone).is_ok(), is_one, "{phone}");
        }
    }
}
