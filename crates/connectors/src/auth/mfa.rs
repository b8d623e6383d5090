//! Second factors: one-time codes of an application (TOTP) or sent to a telephone (SMS), and recovery codes for whoever has lost
//! both. Each code counts once, however many bring it at the same time.

use std::sync::Arc;

use parsimony_cloud::Pending;
use parsimony_cloud::auth::{AuthAdapter, AuthPolicy, AuthRequest, SmsSender, Validated};
use parsimony_model::value::Map;
use parsimony_model::{Clock, Date, ErrorCode, ParseError, Value, map};
use subtle::ConstantTimeEq;

use super::given::Given;
use super::totp::{self, Codes};
use super::{Tools, text};

/// How many characters a secret has at least.
const SECRET_CHARS_MIN: usize = 20;

/// How many characters a recovery code has.
const RECOVERY_CHARS: usize = 30;

/// The step of time of the code that was used last: no code of it or before it counts again.
const LAST_STEP: &str = "lastStep";

struct Mfa {
    sms: Option<Arc<dyn SmsSender>>,
    totp: bool,
    codes: Codes,
    clock: Arc<dyn Clock>,
}

pub(super) fn make(given: &Given<'_>, tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
    let Some(Value::Array(ways)) = given.get("options") else {
        return Err(given.wrong("options", "mfa.options must be an array"));
    };
    let has = |way: &str| ways.iter().any(|own| own.as_str() == Some(way));
    if !has("SMS") && !has("TOTP") {
        return Err(given.wrong("options", "mfa.options must include SMS or TOTP"));
    }
    let digits = given.whole("digits")?.filter(|digits| *digits > 0).unwrap_or(6);
    if !(4..=10).contains(&digits) {
        return Err(given.wrong("digits", "mfa.digits must be between 4 and 10"));
    }
    let period_seconds = given.whole("period")?.filter(|period| *period > 0).unwrap_or(30);
    if period_seconds < 10 {
        return Err(given.wrong("period", "mfa.period must be greater than 10"));
    }
    let algorithm = given.text("algorithm")?.unwrap_or_else(|| "SHA1".to_owned());
    let unknown = || given.wrong("algorithm", "this must be SHA1, SHA256 or SHA512");
    let algorithm = totp::algorithm(&algorithm).ok_or_else(unknown)?;
    let nobody = || given.wrong("sendSMS", "mfa.sendSMS callback must be defined when using SMS OTPs");
    Ok(Arc::new(Mfa {
        sms: if has("SMS") { Some(tools.sms.clone().ok_or_else(nobody)?) } else { None },
        totp: has("TOTP"),
        codes: Codes { algorithm, digits, period_seconds },
        clock: Arc::clone(&tools.clock),
    }))
}

fn refused(text: &'static str) -> ParseError {
    ParseError::new(ErrorCode::ScriptFailed, text)
}

fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// Whether it is a number that can be called: digits with spaces, dots, strokes and dashes, after a `+` and a part in brackets.
fn is_mobile(number: &str) -> bool {
    let rest = number.trim_start_matches('+');
    let rest = rest.strip_prefix('(').unwrap_or(rest);
    let first: String = rest.chars().take(3).take_while(char::is_ascii_digit).collect();
    let rest = rest.strip_prefix(first.as_str()).unwrap_or(rest);
    let rest = rest.strip_prefix(')').unwrap_or(rest);
    let fits = |c: char| c.is_ascii_digit() || c.is_whitespace() || "-./".contains(c);
    // What has a dot could not be a key of what is stored.
    !first.is_empty() && number.len() <= 32 && rest.chars().all(fits) && !number.contains('.')
}

impl Mfa {
    /// Sends a code to a number; gives it with the time at which it ends.
    async fn send(&self, mobile: &str) -> Result<(String, Date), ParseError> {
        let sender = self.sms.as_ref().ok_or_else(|| refused("Invalid MFA data"))?;
        if !is_mobile(mobile) {
            return Err(refused("Invalid mobile number."));
        }
        let mut code = String::new();
        while code.len() < self.codes.digits as usize {
            let drawn = self.clock.alphanumeric(32);
            let missing = self.codes.digits as usize - code.len();
            code.extend(drawn.chars().filter(char::is_ascii_digit).take(missing));
        }
        sender.send(&code, mobile).await?;
        Ok((code, self.clock.now().plus_millis(i64::from(self.codes.period_seconds) * 1_000)))
    }

    async fn set_up(&self, data: &Map) -> Result<Validated, ParseError> {
        if let (Some(mobile), true) = (text(data, "mobile"), self.sms.is_some()) {
            let (code, expiry) = self.send(mobile).await?;
            let pending = map! { mobile => map! { "token" => code, "expiry" => expiry } };
            return Ok(Validated::save(map! { "pending" => pending }).once());
        }
        if !self.totp {
            return Err(refused("Invalid MFA data"));
        }
        let (Some(secret), Some(code)) = (text(data, "secret"), text(data, "token")) else {
            return Err(refused("Invalid MFA data"));
        };
        if secret.chars().count() < SECRET_CHARS_MIN {
            return Err(refused("Invalid MFA data"));
        }
        let step = self.codes.step(secret, code, self.clock.now());
        step.ok_or_else(|| refused("Invalid MFA token"))?;
        let recovery = [self.clock.alphanumeric(RECOVERY_CHARS), self.clock.alphanumeric(RECOVERY_CHARS)];
        let told = map! { "recovery" => recovery.join(", ") };
        let recovery = Value::Array(recovery.into_iter().map(Value::from).collect());
        Ok(Validated::save(map! { "secret" => secret, "recovery" => recovery }).respond(told).once())
    }

    /// What is stored when a code has been used; `None` if the user has nothing that a code could prove.
    async fn use_up(&self, code: Option<&Value>, stored: &Map) -> Result<Option<Validated>, ParseError> {
        let code = code.and_then(Value::as_str);
        if let (Some(mobile), true) = (text(stored, "mobile"), self.sms.is_some()) {
            return self.use_up_sms(code, (mobile, stored)).await.map(Some);
        }
        if !self.totp {
            return Ok(None);
        }
        let code = code.ok_or_else(|| refused("Invalid MFA token"))?;
        let Some(secret) = text(stored, "secret") else { return Ok(None) };
        let mut left = stored.clone();
        if let Some(Value::Array(recovery)) = left.get_mut("recovery") {
            let before = recovery.len();
            recovery.retain(|own| !own.as_str().is_some_and(|own| same(own, code)));
            if recovery.len() < before {
                return Ok(Some(Validated::save(left).once()));
            }
        }
        let last = stored.get(LAST_STEP).and_then(Value::as_f64);
        let step = self.codes.step(secret, code, self.clock.now()).map(|step| step as f64);
        let step = step.filter(|step| last.is_none_or(|last| *step > last));
        left.insert(LAST_STEP.into(), step.ok_or_else(|| refused("Invalid MFA token"))?.into());
        Ok(Some(Validated::save(left).once()))
    }

    async fn use_up_sms(&self, code: Option<&str>, (mobile, stored): (&str, &Map)) -> Result<Validated, ParseError> {
        let mut left = stored.clone();
        if code == Some("request") {
            let (code, expiry) = self.send(mobile).await?;
            left.insert("token".into(), code.into());
            left.insert("expiry".into(), expiry.into());
            return Ok(Validated::save(left).refuse(refused("Please enter the token")));
        }
        let right = code.zip(text(stored, "token")).is_some_and(|(code, sent)| same(code, sent));
        if !right {
            return Err(refused("Invalid MFA token 1"));
        }
        if !self.is_in_time(stored) {
            return Err(refused("Invalid MFA token 2"));
        }
        left.shift_remove("token");
        left.shift_remove("expiry");
        Ok(Validated::save(left).once())
    }

    fn is_in_time(&self, sent: &Map) -> bool {
        sent.get("expiry").and_then(Value::as_date).is_some_and(|end| self.clock.now() <= end)
    }

    /// The number is the user's: the code that was sent to it came back.
    fn confirm(&self, mobile: &str, code: &str, stored: &Map) -> Result<Validated, ParseError> {
        let mut left = stored.clone();
        let Some(Value::Object(pending)) = left.get_mut("pending") else {
            return Err(refused("This number is not pending"));
        };
        let Some(Value::Object(sent)) = pending.shift_remove(mobile) else {
            return Err(refused("This number is not pending"));
        };
        if !text(&sent, "token").is_some_and(|sent| same(sent, code)) || !self.is_in_time(&sent) {
            return Err(refused("Invalid MFA token"));
        }
        left.insert("mobile".into(), mobile.into());
        Ok(Validated::save(left).once())
    }

    async fn update(&self, data: &Map, request: &AuthRequest) -> Result<Validated, ParseError> {
        if request.origin.who.master {
            return Ok(Validated::as_sent());
        }
        let empty = Map::default();
        let stored = request.stored().unwrap_or(&empty);
        if let (Some(mobile), true) = (text(data, "mobile"), self.sms.is_some()) {
            let code = text(data, "token").ok_or_else(|| refused("MFA is already set up on this account"))?;
            return self.confirm(mobile, code, stored);
        }
        if !self.totp {
            return Err(refused("Invalid MFA data"));
        }
        // Who changes the secret proves that they have the old one; the new one takes its place, and with it what was used.
        match self.use_up(data.get("old"), stored).await? {
            Some(Validated { refusal: Some(refusal), save, .. }) => {
                Ok(Validated { save, ..Validated::default() }.refuse(refusal))
            }
            _ => self.set_up(data).await,
        }
    }
}

impl AuthAdapter for Mfa {
    fn policy<'a>(&'a self, stored: &'a Map, _request: &'a AuthRequest) -> Pending<'a, AuthPolicy> {
        // Whoever has not confirmed a number yet could not log in to do it.
        let unconfirmed = self.sms.is_some() && stored.len() == 1 && stored.contains_key("pending");
        let policy = if unconfirmed { AuthPolicy::Default } else { AuthPolicy::Additional };
        Box::pin(std::future::ready(Ok(policy)))
    }

    fn validate_set_up<'a>(&'a self, data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(self.set_up(data))
    }

    fn validate_log_in<'a>(&'a self, data: &'a Map, request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async move {
            let empty = Map::default();
            let stored = request.stored().unwrap_or(&empty);
            let used = self.use_up(data.get("token"), stored).await?;
            Ok(used.unwrap_or_else(Validated::unsaved))
        })
    }

    fn validate_update<'a>(&'a self, data: &'a Map, request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(self.update(data, request))
    }

    fn changes_what_is_found(&self) -> bool {
        true
    }

    fn after_find<'a>(&'a self, stored: &'a Map, is_master: bool) -> Pending<'a, Option<Map>> {
        let has = (self.totp && stored.contains_key("secret")) || (self.sms.is_some() && stored.contains_key("mobile"));
        let status = if has { "enabled" } else { "disabled" };
        Box::pin(std::future::ready(Ok((!is_master).then(|| map! { "status" => status }))))
    }
}
