//! What is somebody told? A `Notification` object that only its reader sees, which LiveQuery shows at once, told once however
//! often it is asked for; and by the ways that its reader prefers, to whoever is not looking.
//!
//! | question | file |
//! | --- | --- |
//! | by which ways, and in which language | `preference.rs` |
//! | how does it get there, and again if it does not | `delivery.rs` |
//! | in whose words | `template.rs` |
//! | did it arrive | `feedback.rs` |

pub mod delivery;
pub mod feedback;
pub mod preference;
pub mod template;

use std::borrow::Cow;

use parsimony_cloud::{BeforeSave, Draft, Host};
use parsimony_model::value::Map;
use parsimony_model::{Access, Acl, ErrorCode, Filter, Object, ParseError, Pointer, Query, map};

crate::words! {
    /// A way to somebody who is not looking.
    pub enum Channel {
        /// A letter.
        Email = "EMAIL",
        /// A text message.
        Sms = "SMS",
        /// A push to their devices.
        Push = "PUSH",
    }
}

/// The class of the notifications.
pub const CLASS: &str = "Notification";

/// The one field that a reader may change.
const READ_AT: &str = "readAt";

/// What somebody is to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Who.
    pub user: Pointer,
    /// What kind of news it is: a code in capitals, which clients may have words of their own for.
    pub kind: Cow<'static, str>,
    /// In a few words.
    pub title: String,
    /// In full.
    pub body: Option<String>,
    /// What a client needs to lead its user there: ids, dates; no personal data.
    pub data: Map,
    /// The object it is about, as `CLASS:ID`.
    pub about: Option<String>,
    /// What makes two of them the same: the second is not told.
    pub once: String,
}

/// Tells it, unless it was told before; in the transaction of the host. Gives the notification if it is new.
pub async fn notify(host: &Host, application: &str, notice: Notice) -> Result<Option<Object>, ParseError> {
    let host = host.as_master();
    let same = Filter::equals("application", application).and(Filter::equals("once", notice.once.as_str()));
    if host.first(CLASS, Query::new(same)).await?.is_some() {
        return Ok(None);
    }
    let acl = Acl::default().with(notice.user.id.as_str(), Access { read: true, write: true });
    let mut fields = map! {
        "user" => notice.user.clone(),
        "application" => application,
        "kind" => notice.kind.into_owned(),
        "title" => notice.title,
        "data" => notice.data,
        "once" => notice.once,
        "ACL" => acl.to_value(),
    };
    for (field, text) in [("body", notice.body), ("about", notice.about)] {
        fields.extend(text.map(|text| (field.into(), text.into())));
    }
    match host.create(CLASS, fields).await {
        Ok(notification) => {
            delivery::plan(&host, &notification, &notice.user).await?;
            Ok(Some(notification))
        }
        // Another server told it at the same time.
        Err(error) if error.code == ErrorCode::DuplicateValue && !host.in_transaction() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Its reader may say that it was read, and nothing else.
pub async fn keep(request: BeforeSave) -> Result<Draft, ParseError> {
    let BeforeSave { object: draft, origin } = request;
    let changed = draft.dirty_keys().find(|field| *field != READ_AT).map(str::to_owned);
    match changed.filter(|_| !origin.who.master) {
        None => Ok(draft),
        Some(field) => {
            let text = format!("{field} of a Notification cannot change; {READ_AT} can.");
            Err(ParseError::new(ErrorCode::OperationForbidden, text))
        }
    }
}

/// How many objects one step of forgetting takes.
const STEP_OBJECTS: u64 = 100;

/// Deletes whatever is kept to tell a user something, and what they were told; gives how many objects that were.
pub async fn forget(host: &Host, user: &Pointer) -> Result<u64, ParseError> {
    let host = host.as_master();
    let mut deleted = 0;
    for class in [delivery::CLASS, CLASS, preference::CLASS] {
        loop {
            let own = Query::new(Filter::equals("user", user.clone())).limit(STEP_OBJECTS);
            let some = host.find(class, own).await?;
            for object in &some {
                host.delete(class, &object.id).await?;
            }
            deleted += some.len() as u64;
            if (some.len() as u64) < STEP_OBJECTS {
                break;
            }
        }
    }
    Ok(deleted)
}
