//! What becomes of what a script throws, and of what goes wrong in it?

use parsimony_model::value::json;
use parsimony_model::{ErrorCode, ParseError, Value};
use rhai::{Dynamic, EvalAltResult, Position};

use crate::bridge::value;

/// How a function that scripts call fails.
pub(crate) type Thrown = Box<EvalAltResult>;

/// An error of the server's, as a script sees it when it catches one.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(pub(crate) ParseError);

/// A mistake of a script's: the log tells it, the client does not learn it.
#[derive(Debug, Clone)]
pub(crate) struct Mistake(pub(crate) String);

/// What is told of a fault.
const FAILED: &str = "Script failed.";

/// Parse: what is told when nothing was thrown.
const UNKNOWN: &str = "Script failed. Unknown error.";

/// An error of the server's. A script may catch it; if none does, the client is told just this.
#[expect(clippy::unnecessary_box_returns, reason = "this is how Rhai wants errors")]
pub(crate) fn thrown(error: ParseError) -> Thrown {
    Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(Refusal(error)), Position::NONE))
}

/// A mistake of the script's, which the log tells and the client does not learn.
#[expect(clippy::unnecessary_box_returns, reason = "this is how Rhai wants errors")]
pub(crate) fn fault(text: impl Into<String>) -> Thrown {
    Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(Mistake(text.into())), Position::NONE))
}

/// Code 141, with a cause for the log.
pub(crate) fn failed(detail: String) -> ParseError {
    ParseError { detail: Some(detail), ..ParseError::new(ErrorCode::ScriptFailed, FAILED) }
}

/// The error of the request. `what` is the script and its function.
pub(crate) fn told(error: &EvalAltResult, what: &str, chars_max: usize) -> ParseError {
    match innermost(error) {
        EvalAltResult::ErrorRuntime(value, _) if !value.is::<Mistake>() => match value.clone().try_cast::<Refusal>() {
            Some(Refusal(error)) => error,
            None => refusal(value, chars_max),
        },
        inner => {
            // A fault without a place of its own stands where its function was called.
            let place = [inner.position(), error.position()].into_iter().find(|place| !place.is_none());
            let place = place.and_then(|place| Some((place.line()?, place.position()?)));
            let place = place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
            failed(format!("script {what}{place}: {}", reason(inner)))
        }
    }
}

fn innermost(error: &EvalAltResult) -> &EvalAltResult {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => {
            innermost(inner)
        }
        error => error,
    }
}

/// The text of an error without its place.
fn reason(error: &EvalAltResult) -> String {
    match error {
        EvalAltResult::ErrorRuntime(value, _) => {
            value.clone().try_cast::<Mistake>().map(|mistake| mistake.0).unwrap_or_default()
        }
        EvalAltResult::ErrorTerminated(..) => "it took too long".to_owned(),
        error => {
            let text = error.to_string();
            text.rsplit_once(" (line ").map_or(text.clone(), |(text, _)| text.to_owned())
        }
    }
}

/// What a script threw: text, an error, or anything.
fn refusal(value: &Dynamic, chars_max: usize) -> ParseError {
    let script =
        |text: String| ParseError::new(ErrorCode::ScriptFailed, text.chars().take(chars_max).collect::<String>());
    match value::from_dynamic(value) {
        Ok(Value::Null) => ParseError::new(ErrorCode::ScriptFailed, UNKNOWN),
        Ok(Value::String(text)) => script(text),
        Ok(Value::Object(map)) => {
            let text = ["message", "error"].iter().find_map(|key| map.get(*key)?.as_str()).map(str::to_owned);
            let text = text.unwrap_or_else(|| shown(&Value::Object(map.clone())));
            match map.get("code").and_then(Value::as_f64).filter(|code| code.fract() == 0.0 && code.abs() < 1e6) {
                Some(code) => ParseError::with_number(code as i32, script(text).message),
                None => script(text),
            }
        }
        Ok(value) => script(shown(&value)),
        Err(_no_value) => ParseError::new(ErrorCode::ScriptFailed, UNKNOWN),
    }
}

fn shown(value: &Value) -> String {
    String::from_utf8_lossy(&json::write(value)).into_owned()
}
