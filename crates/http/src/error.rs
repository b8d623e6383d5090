//! How does a refusal reach the wire: its status and its body.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use parsimony_model::error::PERMISSION_DENIED;
use parsimony_model::{ErrorCode, ParseError};
use serde::Serialize;

use crate::reply::Reply;

/// How refusals are told: `enableSanitizedErrorResponse`, and for which request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Telling<'a> {
    /// Whether details of permissions stay hidden.
    pub(crate) sanitized: bool,
    /// The id of the request, for the log.
    pub(crate) request_id: &'a str,
}

/// The body of a refusal.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    error: &'a str,
}

impl Telling<'_> {
    /// The body of a refusal. The cause of a fault of ours is logged here, and nowhere else.
    pub(crate) fn body<'a>(&self, error: &'a ParseError) -> Refusal<'a> {
        let text = match error.code {
            ErrorCode::Unauthorized | ErrorCode::NotSigned => "unauthorized",
            ErrorCode::MasterKeyRequired if self.sanitized => PERMISSION_DENIED,
            ErrorCode::MasterKeyRequired => "unauthorized: master key is required",
            _ => error.public_message(self.sanitized),
        };
        let fault = error.code == ErrorCode::InternalServerError;
        if fault {
            tracing::error!(request_id = self.request_id, cause = error.detail.as_deref(), "{}", error.message);
        }
        // Parse: a fault has its text in `message`, every other error in `error`, which is where the SDKs look for it.
        Refusal { code: error.number(), message: fault.then_some(text), error: text }
    }

    /// The answer to a request that is refused.
    pub(crate) fn reply(&self, error: &ParseError) -> Reply {
        let body = serde_json::to_vec(&self.body(error)).unwrap_or_default();
        let reason = error.detail.as_ref().filter(|_| error.code != ErrorCode::InternalServerError);
        Reply {
            headers: Vec::new(),
            status: StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            body: Bytes::from(body),
            location: None,
            code: error.number(),
            reason: reason.cloned(),
            rest: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_refusal_has_its_status_and_body() {
        let denied = || ParseError::denied(ErrorCode::OperationForbidden, "why");
        let master = || ParseError::denied(ErrorCode::MasterKeyRequired, "no key");
        for (error, sanitized, status, body) in [
            (ParseError::not_found(), true, 404, r#"{"code":101,"error":"Object not found."}"#),
            (ParseError::new(ErrorCode::Unauthorized, "x"), true, 403, r#"{"error":"unauthorized"}"#),
            (master(), true, 403, r#"{"error":"Permission denied"}"#),
            (master(), false, 403, r#"{"error":"unauthorized: master key is required"}"#),
            (denied(), true, 400, r#"{"code":119,"error":"Permission denied"}"#),
            (denied(), false, 400, r#"{"code":119,"error":"why"}"#),
            (ParseError::new(ErrorCode::ObjectTooLarge, "big"), true, 413, r#"{"code":116,"error":"big"}"#),
            (
                ParseError::new(ErrorCode::ConnectionFailed, "slow down"),
                true,
                429,
                r#"{"code":100,"error":"slow down"}"#,
            ),
            (ParseError::with_number(9001, "own"), true, 400, r#"{"code":9001,"error":"own"}"#),
            (
                ParseError::internal("disk on fire"),
                false,
                500,
                r#"{"code":1,"message":"Internal server error.","error":"Internal server error."}"#,
            ),
        ] {
            let reply = Telling { sanitized, request_id: "r" }.reply(&error);
            assert_eq!((reply.status.as_u16(), std::str::from_utf8(&reply.body).unwrap()), (status, body));
        }
    }
}
