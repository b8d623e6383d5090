//! What can be registered: functions and hooks, as values a registry can hold.

use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use parsimony_model::value::{Map, json};
use parsimony_model::{ErrorCode, ParseError, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::define::Place;
use crate::draft::Draft;
use crate::host::Host;
use crate::request::{AfterSave, BeforeSave, Call, Request};
use crate::rules::Rules;

/// A result as JSON text: written once, sent as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(pub Vec<u8>);

impl Json {
    /// Reads it back, for a call from inside.
    pub fn to_value(&self) -> Result<Value, ParseError> {
        json::read(&self.0)
    }
}

/// A cloud function, whatever it is written in.
pub trait FunctionHandler: Send + Sync {
    /// Runs it.
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Json, ParseError>>;
}

/// A hook that may change or refuse a save.
pub trait BeforeSaveHandler: Send + Sync {
    /// Runs it.
    fn call(&self, request: BeforeSave) -> BoxFuture<'static, Result<Draft, ParseError>>;
}

/// A hook that learns of a save.
pub trait AfterSaveHandler: Send + Sync {
    /// Runs it.
    fn call(&self, request: AfterSave) -> BoxFuture<'static, Result<(), ParseError>>;
}

/// What runs before, or after, the classes are made what is defined when the server starts.
pub trait MigrationHandler: Send + Sync {
    /// Runs it, with the master's rights.
    fn call(&self, host: Host) -> BoxFuture<'static, Result<(), ParseError>>;
}

/// A registered function.
#[derive(Clone)]
pub struct Function {
    /// Who may call it, and with what.
    pub rules: Rules,
    /// What runs.
    pub handler: Arc<dyn FunctionHandler>,
    /// Where it was registered.
    pub place: Place,
}

/// A registered hook.
#[derive(Clone)]
pub struct Hook<H: ?Sized> {
    /// What runs.
    pub handler: Arc<H>,
    /// Where it was registered.
    pub place: Place,
}

/// An async function from a typed request to something serde can write.
pub(crate) struct Typed<F, P, R>(pub(crate) F, pub(crate) std::marker::PhantomData<fn(P) -> R>);

impl<F, P, R, A> FunctionHandler for Typed<F, P, R>
where
    F: Fn(Request<P>) -> A + Send + Sync,
    A: Future<Output = Result<R, ParseError>> + Send + 'static,
    P: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
{
    fn call(&self, mut call: Call) -> BoxFuture<'static, Result<Json, ParseError>> {
        let params = match typed::<P>(std::mem::take(&mut call.params)) {
            Ok(params) => params,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let answer = (self.0)(Request { params, call });
        Box::pin(async move { serde_json::to_vec(&answer.await?).map(Json).map_err(ParseError::internal) })
    }
}

/// Reads the parameters as their type; a refusal names the parameter.
fn typed<P: DeserializeOwned>(params: Map) -> Result<P, ParseError> {
    let json = serde_json::to_value(Value::Object(params)).map_err(ParseError::internal)?;
    serde_path_to_error::deserialize(json).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner();
        // serde names a missing or unknown field in its reason, and has no path to it.
        let text = if path == "." || path.is_empty() {
            format!("Validation failed. {reason}.")
        } else {
            format!("Validation failed. Invalid value for {path}: {reason}.")
        };
        ParseError::new(ErrorCode::ValidationError, text)
    })
}

impl<F, A> MigrationHandler for F
where
    F: Fn(Host) -> A + Send + Sync,
    A: Future<Output = Result<(), ParseError>> + Send + 'static,
{
    fn call(&self, host: Host) -> BoxFuture<'static, Result<(), ParseError>> {
        Box::pin(self(host))
    }
}

impl<F, A> BeforeSaveHandler for F
where
    F: Fn(BeforeSave) -> A + Send + Sync,
    A: Future<Output = Result<Draft, ParseError>> + Send + 'static,
{
    fn call(&self, request: BeforeSave) -> BoxFuture<'static, Result<Draft, ParseError>> {
        Box::pin(self(request))
    }
}

impl<F, A> AfterSaveHandler for F
where
    F: Fn(AfterSave) -> A + Send + Sync,
    A: Future<Output = Result<(), ParseError>> + Send + 'static,
{
    fn call(&self, request: AfterSave) -> BoxFuture<'static, Result<(), ParseError>> {
        Box::pin(self(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::map;

    #[derive(serde::Deserialize, Debug)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Params {
        #[expect(dead_code, reason = "only its absence is tested")]
        first_name: String,
        #[serde(default)]
        #[expect(dead_code, reason = "only its type is tested")]
        ages: Vec<u8>,
    }

    #[test]
    fn a_wrong_parameter_names_itself() {
        for (params, expected) in [
            (map! {}, "Validation failed. missing field `firstName`."),
            (map! { "firstName" => "a", "x" => 1 }, "unknown field `x`"),
            (map! { "firstName" => 1 }, "Invalid value for firstName: invalid type: integer `1`, expected a string"),
            (map! { "firstName" => "a", "ages" => vec![1, 300] }, "Invalid value for ages[1]"),
        ] {
            let error = typed::<Params>(params).unwrap_err();
            assert!(error.message.contains(expected), "{}", error.message);
            assert_eq!(error.number(), Some(142));
        }
    }
}
