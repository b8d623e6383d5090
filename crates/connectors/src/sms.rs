//! How does a text message get to a telephone? Through Twilio.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parsimony_cloud::{HttpClient, HttpFailure, HttpRequest, HttpResponse};
use serde::Deserialize;

/// How long the service may take.
const TIME_MAX: Duration = Duration::from_secs(15);

/// How many bytes an answer may have.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// An account at Twilio.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TwilioOptions {
    /// The id of the account, `AC…`.
    pub account_sid: String,
    /// Its secret.
    pub auth_token: String,
    /// The number messages come from, or the id of a messaging service, `MG…`.
    pub from: String,
    /// Where Twilio tells what became of a message: the URL of our webhook.
    #[serde(default)]
    pub status_callback: Option<String>,
    /// Where Twilio is.
    #[serde(default = "twilio")]
    pub base_url: String,
}

fn twilio() -> String {
    "https://api.twilio.com".to_owned()
}

impl fmt::Debug for TwilioOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioOptions").field("account_sid", &self.account_sid).finish_non_exhaustive()
    }
}

/// Why a message did not go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmsFailure {
    /// It was not taken, and will not be: the code and the sentence of the service.
    Refused(String),
    /// It was not taken this time.
    Unsent(String),
    /// It may have been taken: whoever sends it again may send it twice.
    Unknown(String),
}

impl fmt::Display for SmsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "the message was refused: {reason}"),
            Self::Unsent(reason) => write!(f, "the message was not taken: {reason}"),
            Self::Unknown(reason) => write!(f, "the message may have been taken: {reason}"),
        }
    }
}

/// What sends text messages through Twilio.
pub struct Twilio {
    options: TwilioOptions,
    http: Arc<dyn HttpClient>,
}

/// What Twilio answers, as far as we read it.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    sid: String,
    code: Option<u32>,
    message: Option<String>,
}

impl Twilio {
    /// Nobody is asked before the first message.
    pub fn new(options: TwilioOptions, http: Arc<dyn HttpClient>) -> Self {
        Self { options, http }
    }

    /// Sends a text to a number in E.164, such as `+491701234567`. Gives what Twilio calls the message.
    pub async fn send(&self, to: &str, text: &str) -> Result<String, SmsFailure> {
        match self.http.send(self.request(to, text)).await {
            Ok(response) => answered(&response),
            Err(HttpFailure::Unfit(reason)) => Err(SmsFailure::Refused(reason)),
            Err(HttpFailure::Unreached(reason)) => Err(SmsFailure::Unsent(reason)),
            Err(failure @ (HttpFailure::TimedOut | HttpFailure::Broken(_))) => {
                Err(SmsFailure::Unknown(failure.to_string()))
            }
        }
    }

    fn request(&self, to: &str, text: &str) -> HttpRequest {
        let TwilioOptions { account_sid, auth_token, from, status_callback, base_url } = &self.options;
        let mut form = form_urlencoded::Serializer::new(String::new());
        let sender = if from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
        form.append_pair("To", to).append_pair(sender, from).append_pair("Body", text);
        if let Some(url) = status_callback {
            form.append_pair("StatusCallback", url);
        }
        let login = BASE64.encode(format!("{account_sid}:{auth_token}"));
        HttpRequest {
            method: "POST".to_owned(),
            url: format!("{base_url}/2010-04-01/Accounts/{account_sid}/Messages.json"),
            headers: vec![
                ("authorization".to_owned(), format!("Basic {login}")),
                ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
            ],
            body: form.finish().into_bytes(),
            time_max: TIME_MAX,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }
}

/// What an answer means. A service that is busy says so before it takes anything; any other fault of it may be one after.
fn answered(response: &HttpResponse) -> Result<String, SmsFailure> {
    let answer = serde_json::from_slice::<Answer>(&response.body).ok();
    match (response.status, answer) {
        (200..300, Some(answer)) if !answer.sid.is_empty() => Ok(answer.sid),
        (200..300, _) => Err(SmsFailure::Unknown("the answer names no message".to_owned())),
        (status @ (429 | 503), _) => Err(SmsFailure::Unsent(format!("status {status}"))),
        (status @ 500.., _) => Err(SmsFailure::Unknown(format!("status {status}"))),
        (status, answer) => {
            let (code, message) = answer.map_or((None, None), |answer| (answer.code, answer.message));
            let code = code.map_or_else(|| format!("status {status}"), |code| format!("{code}"));
            Err(SmsFailure::Refused(message.map_or_else(|| code.clone(), |message| format!("{code} {message}"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(from: &str) -> TwilioOptions {
        let options = serde_json::json!({ "accountSid": "AC1", "authToken": "hush", "from": from, "statusCallback": "https://c" });
        serde_json::from_value(options).unwrap()
    }

    #[test]
    fn a_message_is_asked_for_as_twilio_wants_it() {
        let request = |from| Twilio::new(options(from), Arc::new(crate::Http::new())).request("+49170", "a & b");
        let seen = request("+4930");
        assert_eq!(seen.url, "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json");
        assert_eq!(seen.headers[0].1, format!("Basic {}", BASE64.encode("AC1:hush")));
        let body = "To=%2B49170&From=%2B4930&Body=a+%26+b&StatusCallback=https%3A%2F%2Fc";
        assert_eq!(String::from_utf8(seen.body).unwrap(), body);
        assert!(String::from_utf8(request("MG7").body).unwrap().contains("&MessagingServiceSid=MG7&"));
        assert!(!format!("{:?}", options("+1")).contains("hush"));
    }

    #[test]
    fn what_may_have_been_taken_is_not_called_unsent() {
        let answer = |status, body: &str| {
            answered(&HttpResponse { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
        };
        assert_eq!(answer(201, r#"{"sid":"SM1","status":"queued"}"#), Ok("SM1".to_owned()));
        let refused = r#"{"code":21211,"message":"Invalid 'To' Phone Number","status":400}"#;
        assert_eq!(answer(400, refused), Err(SmsFailure::Refused("21211 Invalid 'To' Phone Number".to_owned())));
        assert!(matches!(answer(429, "{}"), Err(SmsFailure::Unsent(_))));
        assert!(matches!(answer(500, ""), Err(SmsFailure::Unknown(_))));
        assert!(matches!(answer(201, "?"), Err(SmsFailure::Unknown(_))));
    }
}
