//! What a door may ask about accounts, beside logging in and out.

use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Object, ParseError};

use super::{login, reset, verification};
use crate::work::Work;

impl Work {
    /// `POST /requestPasswordReset`: writes to the user with this `email`, or with this expired `token`.
    pub async fn request_password_reset(&self, body: &Map) -> Result<(), ParseError> {
        reset::request(self, body).await
    }

    /// `POST /verificationEmailRequest`: writes to the user with this `email` once more.
    pub async fn request_verification(&self, body: &Map) -> Result<(), ParseError> {
        verification::request(self, body).await
    }

    /// `POST /loginAs`, master only: a session of the user with this `userId`.
    pub async fn log_in_as(&self, params: &Map) -> Result<Object, ParseError> {
        login::log_in_as(self, params).await
    }

    /// `POST /upgradeToRevocableSession`: a session in the place of a token of old.
    pub async fn upgrade_session(&self) -> Result<Object, ParseError> {
        login::upgrade_session(self).await
    }

    /// Takes the token of a verification letter back; `false` if it is not good.
    pub async fn verify_email(&self, token: &str) -> Result<bool, ParseError> {
        verification::verify(self, token).await
    }

    /// Writes a verification letter once more, to whom a name or an old token names; `false` if there is nobody to write to.
    pub async fn resend_verification(&self, username: Option<&str>, token: Option<&str>) -> Result<bool, ParseError> {
        verification::resend(self, username, token).await
    }

    /// Whether the token of a reset letter may be used; the error says why not.
    pub async fn check_reset_token(&self, token: &str) -> Result<(), ParseError> {
        reset::user_of(self, token).await.map(drop)
    }

    /// Sets a new password by the token of a reset letter. Error -1 or 142 is for the user to read.
    pub async fn reset_password(&self, token: &str, password: &str) -> Result<(), ParseError> {
        if password.is_empty() {
            return Err(ParseError::new(ErrorCode::PasswordMissing, "Missing password"));
        }
        reset::reset(self, token, password).await
    }
}
