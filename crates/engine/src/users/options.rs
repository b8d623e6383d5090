//! What the administrator decided about accounts: mail, verification, passwords, lockout and sessions.

use fancy_regex::Regex;

/// How new passwords are hashed. Hashes of either kind are always known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashKind {
    /// As Parse Server does, which can read them.
    #[default]
    Bcrypt,
    /// Argon2id, which Parse Server cannot read.
    Argon2id,
}

/// What a password has to be, `passwordPolicy`.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    /// `validatorPattern`: what it has to match.
    pub pattern: Option<Regex>,
    /// `validationError`: the refusal of one that does not.
    pub refusal: Option<String>,
    /// `doNotAllowUsername`: it may not contain the name.
    pub refuses_username: bool,
    /// `maxPasswordAge`, in milliseconds.
    pub age_millis_max: Option<i64>,
    /// `maxPasswordHistory`: how many of the last ones may not come again, the one that is valid among them.
    pub history: usize,
    /// `resetTokenValidityDuration`, in milliseconds.
    pub reset_millis: Option<i64>,
    /// `resetTokenReuseIfValid`
    pub reuses_reset_token: bool,
    /// `resetPasswordSuccessOnInvalidEmail`: whether it stays unsaid that there is nobody with an address.
    pub hides_unknown: bool,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            pattern: None,
            refusal: None,
            refuses_username: false,
            age_millis_max: None,
            history: 0,
            reset_millis: None,
            reuses_reset_token: false,
            hides_unknown: true,
        }
    }
}

/// When an account is closed to guesses, `accountLockout`.
#[derive(Debug, Clone, Copy)]
pub struct Lockout {
    /// `threshold`: how many wrong passwords close it.
    pub threshold: u32,
    /// `duration`, in minutes, as it is told.
    pub minutes: f64,
    /// `unlockOnPasswordReset`
    pub opens_on_reset: bool,
}

/// Which addresses are found out to be their users', and what that is worth: `verifyUserEmails` and its kin.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of Parse Server's, on or off")]
pub struct Verification {
    /// `verifyUserEmails`
    pub on: bool,
    /// `sendUserEmailVerification`: whether a letter is written as soon as there is an address.
    pub sends: bool,
    /// `preventLoginWithUnverifiedEmail`
    pub before_login: bool,
    /// `preventSignupWithUnverifiedEmail`
    pub before_signup: bool,
    /// `emailVerifyTokenValidityDuration`, in milliseconds.
    pub token_millis: Option<i64>,
    /// `emailVerifyTokenReuseIfValid`
    pub reuses_token: bool,
    /// `emailVerifySuccessOnInvalidEmail`: whether it stays unsaid that there is nobody with an address, or nothing to do.
    pub hides_unknown: bool,
}

impl Default for Verification {
    fn default() -> Self {
        Self {
            on: false,
            sends: true,
            before_login: false,
            before_signup: false,
            token_millis: None,
            reuses_token: false,
            hides_unknown: true,
        }
    }
}

/// What the administrator decided about accounts.
#[derive(Debug, Clone)]
pub struct AccountOptions {
    /// `appName`, without which no letters are written.
    pub app_name: Option<String>,
    /// `publicServerURL`, without a slash at its end; letters lead there.
    pub public_url: Option<String>,
    /// `pages.pagesEndpoint`: the first segment of the paths of the account pages.
    pub pages_endpoint: String,
    /// `customPages.parseFrameURL`: where links lead instead, with the true one in the query.
    pub frame_url: Option<String>,
    /// Which addresses are found out to be their users'.
    pub verification: Verification,
    /// `convertEmailToLowercase`
    pub lowercases_email: bool,
    /// `convertUsernameToLowercase`
    pub lowercases_username: bool,
    /// `passwordPolicy`
    pub policy: PasswordPolicy,
    /// `accountLockout`
    pub lockout: Option<Lockout>,
    /// `extendSessionOnUse`
    pub extends_sessions: bool,
    /// `parsimony.passwordHash`
    pub hash: HashKind,
}

impl Default for AccountOptions {
    fn default() -> Self {
        Self {
            app_name: None,
            public_url: None,
            pages_endpoint: "apps".to_owned(),
            frame_url: None,
            verification: Verification::default(),
            lowercases_email: false,
            lowercases_username: false,
            policy: PasswordPolicy::default(),
            lockout: None,
            extends_sessions: false,
            hash: HashKind::default(),
        }
    }
}

impl AccountOptions {
    /// Whether nobody without a verified address gets a session.
    pub(crate) fn needs_verified(&self) -> bool {
        self.verification.on && self.verification.before_login
    }

    /// A name as it is kept and asked for.
    pub(crate) fn username(&self, text: &str) -> String {
        if self.lowercases_username { text.to_lowercase() } else { text.to_owned() }
    }

    /// An address as it is kept and asked for.
    pub(crate) fn email(&self, text: &str) -> String {
        if self.lowercases_email { text.to_lowercase() } else { text.to_owned() }
    }
}
