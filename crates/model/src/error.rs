//! Which error is it: the one table of Parse's codes, and how each reaches the wire.

use std::borrow::Cow;
use std::fmt;

/// Declares the table once: name, Parse number (or none for an error that only has a status), HTTP status.
macro_rules! error_codes {
    ($( $(#[$doc:meta])* $name:ident = $code:expr, $status:literal; )*) => {
        /// Why a request was refused. The SDKs match on [`ErrorCode::number`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $( $(#[$doc])* $name, )* }

        impl ErrorCode {
            /// Every row of the table, in order.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// The number in the body's `code`; `None` for refusals that carry none, such as a wrong application id.
            pub const fn number(self) -> Option<i32> {
                match self { $( Self::$name => $code, )* }
            }

            /// The HTTP status of the answer.
            pub const fn status(self) -> u16 {
                match self { $( Self::$name => $status, )* }
            }
        }
    };
}

error_codes! {
    /// The application id or a key is not ours.
    Unauthorized = None, 403;
    /// The route is for the master key only.
    MasterKeyRequired = None, 403;
    /// This caller may not do that, and is told so without a code.
    Forbidden = None, 403;
    /// A webhook that comes in is not signed, or not as it should be.
    NotSigned = None, 401;
    /// Something that is needed cannot be had at this moment.
    NotReady = None, 503;
    /// What is asked for is not switched on.
    Conflict = None, 409;
    /// No such route.
    RouteNotFound = None, 404;
    /// An authentication policy or a form was not met.
    OtherCause = Some(-1), 400;
    /// A fault of ours. The cause is logged and never shown.
    InternalServerError = Some(1), 500;
    /// Too many requests.
    ConnectionFailed = Some(100), 429;
    /// No such object, or none this caller may see. The two must look alike.
    ObjectNotFound = Some(101), 404;
    /// The query is malformed.
    InvalidQuery = Some(102), 400;
    /// The class name is malformed, or the class does or does not exist.
    InvalidClassName = Some(103), 400;
    /// An object id is required here.
    MissingObjectId = Some(104), 400;
    /// The field name is malformed or reserved.
    InvalidKeyName = Some(105), 400;
    /// The pointer is malformed.
    InvalidPointer = Some(106), 400;
    /// The body, or a constraint in it, is malformed.
    InvalidJson = Some(107), 400;
    /// The command cannot be had here.
    CommandUnavailable = Some(108), 400;
    /// The value does not fit the field's type.
    IncorrectType = Some(111), 400;
    /// Push is not set up for what is asked.
    PushMisconfigured = Some(115), 400;
    /// The request is larger than the server takes.
    ObjectTooLarge = Some(116), 413;
    /// This caller may not do that.
    OperationForbidden = Some(119), 400;
    /// A key inside an object value contains `$`, `.` or NUL.
    InvalidNestedKey = Some(121), 400;
    /// The file name is malformed.
    InvalidFileName = Some(122), 400;
    /// The ACL is malformed.
    InvalidAcl = Some(123), 400;
    /// It took too long.
    Timeout = Some(124), 400;
    /// The e-mail address is malformed.
    InvalidEmailAddress = Some(125), 400;
    /// The file was not stored.
    FileSaveError = Some(130), 400;
    /// A name that the request needs is missing.
    MissingName = Some(135), 400;
    /// The field belongs to Parse and cannot be added or changed.
    ImmutableField = Some(136), 400;
    /// A unique field already holds this value.
    DuplicateValue = Some(137), 400;
    /// Cloud code refused, or there is no such function.
    ScriptFailed = Some(141), 400;
    /// A validation of cloud code or of the schema failed.
    ValidationError = Some(142), 400;
    /// The webhook declaration is malformed.
    InvalidHook = Some(143), 400;
    /// The file was not deleted.
    FileDeleteError = Some(153), 400;
    /// The request id was seen before.
    DuplicateRequest = Some(159), 400;
    /// A value that is needed is missing or malformed.
    InvalidValue = Some(162), 400;
    /// The user name is missing.
    UsernameMissing = Some(200), 400;
    /// The password is missing.
    PasswordMissing = Some(201), 400;
    /// The user name is taken.
    UsernameTaken = Some(202), 400;
    /// The e-mail address is taken.
    EmailTaken = Some(203), 400;
    /// The e-mail address is missing.
    EmailMissing = Some(204), 400;
    /// No such e-mail address, or it is not verified.
    EmailNotFound = Some(205), 400;
    /// The request needs a session.
    SessionMissing = Some(206), 400;
    /// The account is linked to another user.
    AccountAlreadyLinked = Some(208), 400;
    /// The session token is unknown or has expired.
    InvalidSessionToken = Some(209), 400;
    /// The authentication provider is not offered.
    UnsupportedService = Some(252), 400;
    /// The schema cannot be changed that way.
    InvalidSchemaOperation = Some(255), 400;
}

/// The text that stands in for the detail of a permission error unless the server is told to show it.
pub const PERMISSION_DENIED: &str = "Permission denied";

/// A refusal, as cloud code throws it and as the wire shows it: a code and a sentence.
#[derive(Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Which row of the table.
    pub code: ErrorCode,
    /// A number of the application's own, from cloud code; it goes out instead of the table's.
    pub own_number: Option<i32>,
    /// What the client reads.
    pub message: Cow<'static, str>,
    /// What the log reads, and the client too when `enableSanitizedErrorResponse` is off.
    pub detail: Option<String>,
}

impl ParseError {
    /// A refusal with a sentence for the client.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, own_number: None, message: message.into(), detail: None }
    }

    /// A refusal with a number of the application's own.
    pub fn with_number(number: i32, message: impl Into<Cow<'static, str>>) -> Self {
        let code = ErrorCode::ALL.iter().copied().find(|code| code.number() == Some(number));
        Self { own_number: Some(number), ..Self::new(code.unwrap_or(ErrorCode::ScriptFailed), message) }
    }

    /// A permission refusal: the client reads "Permission denied", the log reads the detail.
    pub fn denied(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(code, PERMISSION_DENIED) }
    }

    /// A fault of ours. The cause goes to the log, never to the client.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self { detail: Some(cause.to_string()), ..Self::new(ErrorCode::InternalServerError, "Internal server error.") }
    }

    /// `Object not found.`: missing and hidden look alike.
    pub fn not_found() -> Self {
        Self::new(ErrorCode::ObjectNotFound, "Object not found.")
    }

    /// The number in the body's `code`.
    pub fn number(&self) -> Option<i32> {
        self.own_number.or(self.code.number())
    }

    /// The text for the client, given whether permission details are hidden.
    pub fn public_message(&self, sanitized: bool) -> &str {
        match &self.detail {
            Some(detail) if !sanitized && self.code != ErrorCode::InternalServerError => detail,
            _ => &self.message,
        }
    }
}

impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParseError({:?} {})", self.number(), self)
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{} ({detail})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_number_keeps_parse_s_status_when_it_is_parse_s() {
        assert_eq!(ParseError::with_number(101, "gone").code.status(), 404);
        assert_eq!(ParseError::with_number(9001, "ours").code, ErrorCode::ScriptFailed);
        assert_eq!(ParseError::with_number(9001, "ours").number(), Some(9001));
    }

    #[test]
    fn a_fault_never_shows_its_cause() {
        let fault = ParseError::internal("disk on fire");
        assert_eq!(fault.public_message(false), "Internal server error.");
        let denied = ParseError::denied(ErrorCode::OperationForbidden, "why");
        assert_eq!((denied.public_message(true), denied.public_message(false)), ("Permission denied", "why"));
    }
}
