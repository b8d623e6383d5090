//! Writing to people: an e-mail, and what sends it.

use std::fmt;

use futures::future::BoxFuture;
use parsimony_model::Object;
use parsimony_model::value::{Map, Value};
use parsimony_model::{ErrorCode, ParseError};

/// A letter that goes out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Email {
    /// From whom; without it, from the address that the server is configured with.
    pub from: Option<String>,
    /// To whom: at least one address, each perhaps with a name before it, as in `Ann <ann@example.com>`.
    pub to: Vec<String>,
    /// Where answers go, if not to whom it is from.
    pub reply_to: Option<String>,
    /// What it is about.
    pub subject: String,
    /// What it says, as plain text.
    pub text: Option<String>,
    /// What it says, as HTML. With a text as well, the reader's program chooses.
    pub html: Option<String>,
    /// Its `Message-ID` without the angle brackets, by which services tell what became of it; without one, any.
    pub message_id: Option<String>,
}

impl Email {
    /// One of plain text.
    pub fn plain(to: impl Into<String>, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { to: vec![to.into()], subject: subject.into(), text: Some(text.into()), ..Self::default() }
    }

    /// Reads one as Parse's `sendEmail` takes it: `to` (text or a list), `subject`, `text`, `html`, `from`, `replyTo`.
    pub fn parse(mut fields: Map) -> Result<Self, ParseError> {
        let bad = |name: &str| ParseError::new(ErrorCode::ValidationError, format!("An e-mail's {name} must be text."));
        let mut text = |name: &str| match fields.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(bad(name)),
        };
        let (from, reply_to, subject) = (text("from")?, text("replyTo")?, text("subject")?);
        let (plain, html) = (text("text")?, text("html")?);
        let one = |value: Value| if let Value::String(text) = value { Ok(text) } else { Err(bad("to")) };
        let to = match fields.shift_remove("to") {
            Some(Value::Array(items)) => items.into_iter().map(one).collect::<Result<Vec<_>, _>>()?,
            Some(to) => vec![one(to)?],
            None => Vec::new(),
        };
        if to.is_empty() {
            return Err(ParseError::new(ErrorCode::EmailMissing, "An e-mail needs somebody to go to."));
        }
        Ok(Self { from, to, reply_to, subject: subject.unwrap_or_default(), text: plain, html, message_id: None })
    }
}

/// Why the server writes to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// To find out whether the address is the user's.
    Verification,
    /// The user forgot the password.
    PasswordReset,
}

/// What the server has to tell a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Why.
    pub occasion: Occasion,
    /// `appName`
    pub app_name: String,
    /// The link with the token in it.
    pub link: String,
    /// The user, without hashes and tokens.
    pub user: Object,
}

impl Letter {
    /// To whom it goes. Parse: somebody without an address may have one for a name.
    pub fn to(&self) -> &str {
        let address = |field| self.user.text(field).filter(|text| !text.is_empty());
        address("email").or_else(|| address("username")).unwrap_or_default()
    }

    /// The letter as it reads where nobody has written another one.
    pub fn plain(&self) -> Email {
        let (app, link, to) = (&self.app_name, &self.link, self.to());
        let (subject, text) = match self.occasion {
            Occasion::Verification => (
                format!("Please verify your e-mail for {app}"),
                format!("Hello,\n\nplease confirm that {to} is your e-mail address at {app}:\n\n{link}\n"),
            ),
            Occasion::PasswordReset => {
                let name = self.user.text("username").map(|name| format!(" of \"{name}\"")).unwrap_or_default();
                let text = format!(
                    "Hello,\n\nsomebody, hopefully you, wants to set a new password{name} at {app}. To do so, open this \
                     page:\n\n{link}\n\nIf it was not you, there is nothing to do.\n"
                );
                (format!("Password Reset for {app}"), text)
            }
        };
        Email::plain(to, subject, text)
    }
}

/// Why a letter did not go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailFailure {
    /// It cannot be sent as it is: an address that is none, nothing to say.
    Unfit(String),
    /// It was not taken, and will not be.
    Refused(String),
    /// It was not taken this time: nobody answered, or asked for it to be sent later.
    Unsent(String),
}

impl fmt::Display for MailFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit(reason) => write!(f, "the e-mail cannot be sent: {reason}"),
            Self::Refused(reason) | Self::Unsent(reason) => write!(f, "the e-mail was not taken: {reason}"),
        }
    }
}

/// Whether a letter went out.
pub type Posted = BoxFuture<'static, Result<(), MailFailure>>;

/// What sends e-mails.
pub trait Mailer: Send + Sync {
    /// Sends one; done when the next server has taken it.
    fn send(&self, email: Email) -> Posted;

    /// Writes to a user. Whoever has no words of their own sends the plain letter.
    fn write(&self, letter: Letter) -> Posted {
        self.send(letter.plain())
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::{ClassName, ObjectId, map};

    use super::*;

    fn letter(occasion: Occasion, fields: Map) -> Letter {
        let user = Object {
            class: ClassName::parse("_User").unwrap(),
            id: ObjectId::parse("u").unwrap(),
            created_at: None,
            updated_at: None,
            acl: None,
            fields,
        };
        Letter { occasion, app_name: "Shop".to_owned(), link: "http://h/l?token=t".to_owned(), user }
    }

    #[test]
    fn a_letter_names_the_app_and_has_the_link() {
        let verify = letter(Occasion::Verification, map! { "username" => "ann", "email" => "ann@example.com" }).plain();
        assert_eq!(verify.subject, "Please verify your e-mail for Shop");
        assert_eq!(verify.to, ["ann@example.com"]);
        assert!(verify.text.unwrap().contains("http://h/l?token=t"));
        let reset = letter(Occasion::PasswordReset, map! { "username" => "ann@example.com" }).plain();
        assert_eq!(
            (reset.subject.as_str(), reset.to.as_slice()),
            ("Password Reset for Shop", &["ann@example.com".to_owned()][..])
        );
    }

    #[test]
    fn an_email_is_read_as_parse_takes_it() {
        let list = Value::Array(vec!["a@x".into(), "b@x".into()]);
        let email = Email::parse(map! { "to" => list, "subject" => "s", "html" => "<p>" }).unwrap();
        assert_eq!((email.to.len(), email.subject.as_str(), email.html.as_deref()), (2, "s", Some("<p>")));
        for fields in [map! { "subject" => "s" }, map! { "to" => 1 }, map! { "to" => "a@x", "text" => 1 }] {
            assert!(Email::parse(fields).is_err());
        }
    }
}
