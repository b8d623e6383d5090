//! Which route of an account is it?

/// What is asked about an account, beside logging in and out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountRoute {
    /// `POST /requestPasswordReset`
    RequestPasswordReset,
    /// `POST /verificationEmailRequest`
    RequestVerification,
    /// `POST /loginAs`
    LogInAs,
    /// `POST /upgradeToRevocableSession`
    UpgradeSession,
}

impl AccountRoute {
    /// The route of a path of one segment, in lower case.
    pub(super) fn parse(method: &str, area: &str) -> Option<Self> {
        match (method, area) {
            ("POST", "requestpasswordreset") => Some(Self::RequestPasswordReset),
            ("POST", "verificationemailrequest") => Some(Self::RequestVerification),
            ("POST", "loginas") => Some(Self::LogInAs),
            ("POST", "upgradetorevocablesession") => Some(Self::UpgradeSession),
            _ => None,
        }
    }
}
