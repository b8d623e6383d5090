//! How do letters reach a mail adapter in a process of the administrator's own? By HTTP, one call of a method each.

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::{Email, HttpClient, HttpRequest, Letter, MailFailure, Mailer, Occasion, Posted};
use serde_json::{Value, json};

/// How many bytes an adapter may answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A mail adapter that is asked over HTTP: `POST URL {"method": …, "args": […]}`, which answers `{"result": …}` or
/// `{"error": …}`. The methods are those of Parse's mail adapters.
pub struct MailWebhook {
    http: Arc<dyn HttpClient>,
    url: String,
    methods: Vec<String>,
    time_max: Duration,
}

impl MailWebhook {
    /// Asks at this URL. `methods` says which of `sendMail`, `sendVerificationEmail` and `sendPasswordResetEmail` it has.
    pub fn new(http: Arc<dyn HttpClient>, url: String, methods: Vec<String>, time_max: Duration) -> Self {
        Self { http, url, methods, time_max }
    }

    fn call(&self, method: &str, argument: &Value) -> Posted {
        let request = HttpRequest {
            method: "POST".to_owned(),
            url: self.url.clone(),
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: json!({"method": method, "args": [argument]}).to_string().into_bytes(),
            time_max: self.time_max,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let sent = self.http.send(request);
        Box::pin(async move {
            let answer = sent.await.map_err(|failure| MailFailure::Unsent(failure.to_string()))?;
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            match body.get("error") {
                Some(error) if answer.status < 500 => Err(MailFailure::Refused(error.to_string())),
                Some(error) => Err(MailFailure::Unsent(error.to_string())),
                None if answer.status < 300 => Ok(()),
                None => Err(MailFailure::Unsent(format!("the mail adapter answered {}", answer.status))),
            }
        })
    }
}

impl Mailer for MailWebhook {
    fn send(&self, email: Email) -> Posted {
        let Email { from, to, reply_to, subject, text, html, message_id } = email;
        let mut argument = json!({"to": to.join(", "), "subject": subject});
        if let Some(parts) = argument.as_object_mut() {
            let others =
                [("from", from), ("replyTo", reply_to), ("text", text), ("html", html), ("messageId", message_id)];
            parts.extend(others.into_iter().filter_map(|(name, part)| Some((name.to_owned(), part?.into()))));
        }
        self.call("sendMail", &argument)
    }

    fn write(&self, letter: Letter) -> Posted {
        let method = match letter.occasion {
            Occasion::Verification => "sendVerificationEmail",
            Occasion::PasswordReset => "sendPasswordResetEmail",
        };
        if !self.methods.iter().any(|known| known == method) {
            return self.send(letter.plain());
        }
        let mut user = serde_json::to_value(&letter.user).unwrap_or_default();
        if let Some(user) = user.as_object_mut() {
            user.insert("__type".to_owned(), "Object".into());
            user.insert("className".to_owned(), letter.user.class.as_str().into());
        }
        self.call(method, &json!({"appName": letter.app_name, "link": letter.link, "user": user}))
    }
}
