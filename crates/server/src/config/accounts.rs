//! What of the options is about accounts? Verification, passwords, lockout, with Parse's texts for what cannot be.

use fancy_regex::Regex;
use parsimony_engine::{AccountOptions, HashKind, Lockout, PasswordPolicy, Verification};
use serde_json::Value;

use super::raw::Raw;

const SECOND: f64 = 1_000.0;
const DAY: f64 = 86_400.0 * SECOND;

/// Reads what is about accounts.
pub(super) fn options(raw: &Raw) -> Result<AccountOptions, String> {
    let defaults = AccountOptions::default();
    let verification = verification(raw)?;
    let frame_url = raw.text("customPages.parseFrameURL")?.filter(|url| !url.is_empty());
    let options = AccountOptions {
        app_name: raw.text("appName")?.filter(|name| !name.is_empty()),
        public_url: super::url(raw, "publicServerURL")?,
        pages_endpoint: super::pages::endpoint(raw)?.unwrap_or(defaults.pages_endpoint),
        frame_url: frame_url.map(|url| url.trim_end_matches('?').to_owned()),
        lowercases_email: raw.flag("convertEmailToLowercase")?.unwrap_or(false),
        lowercases_username: raw.flag("convertUsernameToLowercase")?.unwrap_or(false),
        policy: policy(raw)?,
        lockout: lockout(raw)?,
        extends_sessions: raw.flag("extendSessionOnUse")?.unwrap_or(false),
        hash: hash(raw)?,
        verification,
    };
    if options.verification.on {
        let required = |what| format!("{what} is required for e-mail verification and password resets.");
        if !super::mail::is_given(raw) {
            return Err(required("An emailAdapter"));
        }
        if options.app_name.is_none() {
            return Err(required("An app name"));
        }
        if options.public_url.is_none() {
            return Err("The option publicServerURL is required.".to_owned());
        }
    }
    Ok(options)
}

fn hash(raw: &Raw) -> Result<HashKind, String> {
    match raw.text("parsimony.passwordHash")?.as_deref() {
        None | Some("bcrypt") => Ok(HashKind::Bcrypt),
        Some("argon2id") => Ok(HashKind::Argon2id),
        Some(_) => Err("parsimony.passwordHash must be bcrypt or argon2id.".to_owned()),
    }
}

/// On or off. In Parse these may be functions as well, which a configuration file cannot hold.
fn switch(raw: &Raw, name: &str, otherwise: bool) -> Result<bool, String> {
    match raw.get(name) {
        None => Ok(otherwise),
        Some(Value::Bool(on)) => Ok(*on),
        Some(_) => {
            Err(format!("{name} must be true or false; a function belongs into a beforeLogin or beforeSave hook."))
        }
    }
}

/// A flag for which Parse has a refusal of its own.
fn flag(raw: &Raw, name: &str, refusal: &str) -> Result<Option<bool>, String> {
    match raw.get(name) {
        None => Ok(None),
        Some(Value::Bool(on)) => Ok(Some(*on)),
        Some(_) => Err(refusal.to_owned()),
    }
}

/// A number of that many milliseconds each.
fn millis(value: Option<f64>, unit: f64) -> Option<i64> {
    value.map(|number| (number * unit) as i64)
}

fn verification(raw: &Raw) -> Result<Verification, String> {
    let seconds = match raw.get("emailVerifyTokenValidityDuration") {
        None => None,
        Some(value) => {
            let number = value.as_f64().ok_or("Email verify token validity duration must be a valid number.")?;
            if number < 0.0 {
                return Err("Email verify token validity duration must be a value greater than 0.".to_owned());
            }
            // Parse: 0 is as good as nothing.
            Some(number).filter(|number| *number > 0.0)
        }
    };
    let name = "emailVerifyTokenReuseIfValid";
    let reuses = flag(raw, name, "emailVerifyTokenReuseIfValid must be a boolean value")?.unwrap_or(false);
    if reuses && seconds.is_none() {
        let text = "You cannot use emailVerifyTokenReuseIfValid without emailVerifyTokenValidityDuration";
        return Err(text.to_owned());
    }
    let refusal = "emailVerifySuccessOnInvalidEmail must be a boolean value";
    Ok(Verification {
        on: switch(raw, "verifyUserEmails", false)?,
        sends: switch(raw, "sendUserEmailVerification", true)?,
        before_login: switch(raw, "preventLoginWithUnverifiedEmail", false)?,
        before_signup: raw.flag("preventSignupWithUnverifiedEmail")?.unwrap_or(false),
        token_millis: millis(seconds, SECOND),
        reuses_token: reuses,
        hides_unknown: flag(raw, "emailVerifySuccessOnInvalidEmail", refusal)?.unwrap_or(true),
    })
}

fn lockout(raw: &Raw) -> Result<Option<Lockout>, String> {
    if raw.get("accountLockout").is_none_or(|written| written == &Value::Bool(false)) {
        return Ok(None);
    }
    let minutes = raw.get("accountLockout.duration").and_then(Value::as_f64);
    let minutes = minutes.filter(|minutes| *minutes > 0.0 && *minutes <= 99_999.0);
    let minutes = minutes.ok_or("Account lockout duration should be greater than 0 and less than 100000")?;
    let threshold = raw.get("accountLockout.threshold").and_then(Value::as_u64);
    let threshold = threshold.and_then(|number| u32::try_from(number).ok()).filter(|number| (1..=999).contains(number));
    let threshold =
        threshold.ok_or("Account lockout threshold should be an integer greater than 0 and less than 1000")?;
    let name = "accountLockout.unlockOnPasswordReset";
    let refusal = "Parse Server option accountLockout.unlockOnPasswordReset must be a boolean.";
    // Parse: here a null is no default.
    let is_null = |written: &Value| written.get("unlockOnPasswordReset").is_some_and(Value::is_null);
    if raw.get("accountLockout").is_some_and(is_null) {
        return Err(refusal.to_owned());
    }
    let opens = flag(raw, name, refusal)?;
    Ok(Some(Lockout { threshold, minutes, opens_on_reset: opens.unwrap_or(false) }))
}

fn policy(raw: &Raw) -> Result<PasswordPolicy, String> {
    let age = raw.get("passwordPolicy.maxPasswordAge").map(|value| value.as_f64().filter(|age| *age >= 0.0));
    let age = age.map(|age| age.ok_or("passwordPolicy.maxPasswordAge must be a positive number")).transpose()?;
    let reset = raw.get("passwordPolicy.resetTokenValidityDuration");
    let reset = reset.map(|value| value.as_f64().filter(|seconds| *seconds > 0.0));
    let text = "passwordPolicy.resetTokenValidityDuration must be a positive number";
    let reset = reset.map(|seconds| seconds.ok_or(text)).transpose()?;
    if raw.get("passwordPolicy.validatorCallback").is_some() {
        // Which no configuration can hold: docs/accounts.md says what takes its place.
        return Err("passwordPolicy.validatorCallback must be a function.".to_owned());
    }
    let reuses = flag(raw, "passwordPolicy.resetTokenReuseIfValid", "resetTokenReuseIfValid must be a boolean value")?;
    if reuses == Some(true) && reset.is_none() {
        return Err("You cannot use resetTokenReuseIfValid without resetTokenValidityDuration".to_owned());
    }
    let refuses_username =
        flag(raw, "passwordPolicy.doNotAllowUsername", "passwordPolicy.doNotAllowUsername must be a boolean value.")?;
    let name = "passwordPolicy.resetPasswordSuccessOnInvalidEmail";
    let hides = flag(raw, name, "resetPasswordSuccessOnInvalidEmail must be a boolean value")?;
    Ok(PasswordPolicy {
        pattern: pattern(raw)?,
        refusal: raw.text("passwordPolicy.validationError")?.filter(|text| !text.is_empty()),
        refuses_username: refuses_username.unwrap_or(false),
        // Parse: no age at all is no bound.
        age_millis_max: millis(age.filter(|age| *age > 0.0), DAY),
        history: history(raw)?,
        reset_millis: millis(reset, SECOND),
        reuses_reset_token: reuses.unwrap_or(false),
        hides_unknown: hides.unwrap_or(true),
    })
}

fn pattern(raw: &Raw) -> Result<Option<Regex>, String> {
    let name = "passwordPolicy.validatorPattern";
    match raw.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Regex::new(text).map(Some).map_err(|error| format!("{name}: {error}")),
        Some(_) => Err(format!("{name} must be a regex string or RegExp object.")),
    }
}

fn history(raw: &Raw) -> Result<usize, String> {
    let bad = || "passwordPolicy.maxPasswordHistory must be an integer ranging 0 - 20".to_owned();
    match raw.get("passwordPolicy.maxPasswordHistory") {
        None => Ok(0),
        Some(value) => {
            let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
            number.filter(|number| *number <= 20).ok_or_else(bad)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::raw::Sources;
    use super::*;

    fn read(options: &Value) -> Result<AccountOptions, String> {
        let file = Some(("test".to_owned(), options.to_string()));
        super::options(&Raw::gather(Sources { file, ..Sources::default() }).unwrap())
    }

    fn mailing(more: &Value) -> Value {
        let mut options = json!({
            "appName": "Shop", "publicServerURL": "http://h/parse/", "verifyUserEmails": true,
            "parsimony": { "mail": { "from": "a@b", "smtp": { "url": "smtp://h" } } },
        });
        options.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        options
    }

    #[test]
    fn options_mean_what_they_mean_in_parse() {
        let options = read(&mailing(&json!({
            "preventLoginWithUnverifiedEmail": true, "emailVerifyTokenValidityDuration": 0.5,
            "emailVerifyTokenReuseIfValid": true, "emailVerifySuccessOnInvalidEmail": false,
            "customPages": { "parseFrameURL": "http://frame" },
            "accountLockout": { "duration": 0.05, "threshold": 3, "unlockOnPasswordReset": true },
            "passwordPolicy": {
                "validatorPattern": "^(?=.*[a-z])(?=.*[A-Z])", "maxPasswordAge": 0.5, "maxPasswordHistory": 5,
                "resetTokenValidityDuration": 2, "doNotAllowUsername": true,
            },
        })))
        .unwrap();
        assert_eq!(
            (options.public_url.as_deref(), options.frame_url.as_deref()),
            (Some("http://h/parse"), Some("http://frame"))
        );
        assert_eq!((options.verification.token_millis, options.verification.hides_unknown), (Some(500), false));
        let lockout = options.lockout.unwrap();
        assert_eq!((lockout.threshold, lockout.opens_on_reset), (3, true));
        let policy = options.policy;
        assert_eq!((policy.age_millis_max, policy.history, policy.reset_millis), (Some(43_200_000), 5, Some(2_000)));
        let pattern = policy.pattern.unwrap();
        assert!(pattern.is_match("aA").unwrap() && !pattern.is_match("aa").unwrap());
        assert!(policy.hides_unknown && policy.refuses_username);
    }

    #[test]
    fn what_cannot_be_is_refused_in_parse_s_words() {
        for (options, refusal) in [
            (json!({ "verifyUserEmails": true }), "An emailAdapter is required"),
            (mailing(&json!({ "appName": null })), "An app name is required"),
            (mailing(&json!({ "publicServerURL": null })), "The option publicServerURL is required."),
            (json!({ "emailVerifyTokenReuseIfValid": true }), "You cannot use emailVerifyTokenReuseIfValid"),
            (
                json!({ "emailVerifyTokenValidityDuration": "x" }),
                "Email verify token validity duration must be a valid",
            ),
            (json!({ "verifyUserEmails": "f" }), "verifyUserEmails must be true or false"),
            (json!({ "accountLockout": { "duration": 0, "threshold": 1 } }), "Account lockout duration"),
            (json!({ "accountLockout": { "duration": 1, "threshold": 1000 } }), "Account lockout threshold"),
            (json!({ "accountLockout": { "duration": 1, "threshold": "1" } }), "Account lockout threshold"),
            (json!({ "passwordPolicy": { "maxPasswordHistory": 21 } }), "passwordPolicy.maxPasswordHistory must be"),
            (json!({ "passwordPolicy": { "validatorPattern": 1 } }), "passwordPolicy.validatorPattern must be"),
            (
                json!({ "passwordPolicy": { "validatorCallback": "f" } }),
                "passwordPolicy.validatorCallback must be a function",
            ),
            (json!({ "passwordPolicy": { "resetTokenReuseIfValid": true } }), "You cannot use resetTokenReuseIfValid"),
            (json!({ "parsimony": { "passwordHash": "md5" } }), "parsimony.passwordHash must be"),
        ] {
            let error = read(&options).unwrap_err();
            assert!(error.starts_with(refusal), "{options}: {error}");
        }
    }
}
