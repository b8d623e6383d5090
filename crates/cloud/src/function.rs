//! Cloud functions: what a call is, what it is answered, and how an async function with typed parameters becomes a handler.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use parsimony_model::value::{Map, json};
use parsimony_model::{ErrorCode, ParseError, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::handler::Handler;
use crate::origin::Origin;
use crate::registry::{Hooks, Tables};
use crate::rules::Rules;
use crate::strict::Strict;
use crate::triggers::Trigger;

/// A call of a cloud function, before its parameters are typed.
#[derive(Clone)]
pub struct Call {
    /// The function.
    pub function: Arc<str>,
    /// Its parameters as they came.
    pub params: Map,
    /// What the HTTP answer looks like besides its body.
    pub response: Response,
    /// Where the call comes from.
    pub origin: Origin,
}

impl Deref for Call {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

impl Trigger for Call {
    type Answer = Json;

    const NAME: &'static str = "function";

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn check(&mut self, rules: &Rules) -> Result<(), ParseError> {
        rules.check(&self.origin.who, &mut self.params)
    }

    fn hooks(tables: &Tables) -> &Hooks<Self> {
        &tables.functions
    }

    fn hooks_mut(tables: &mut Tables) -> &mut Hooks<Self> {
        &mut tables.functions
    }
}

/// A call of a cloud function with typed parameters.
#[derive(Clone)]
pub struct Request<P = Map> {
    /// The parameters.
    pub params: P,
    /// The rest of the call.
    pub call: Call,
}

impl<P> Deref for Request<P> {
    type Target = Call;

    fn deref(&self) -> &Call {
        &self.call
    }
}

/// A result as JSON text: written once, sent as it is. No text at all is JavaScript's `undefined`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(pub Vec<u8>);

impl Json {
    /// No result.
    pub const fn nothing() -> Self {
        Self(Vec::new())
    }

    /// Reads it back, for a call from inside.
    pub fn to_value(&self) -> Result<Value, ParseError> {
        if self.0.is_empty() { Ok(Value::Null) } else { json::read(&self.0) }
    }
}

/// What the HTTP answer of a function looks like besides its body, if the function succeeds.
#[derive(Debug, Clone, Default)]
pub struct Response(Arc<Mutex<Head>>);

/// The beginning of an HTTP answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The status, if it is not 200.
    pub status: Option<u16>,
    /// Headers besides those every answer has.
    pub headers: Vec<(String, String)>,
}

impl Response {
    /// Answers with this status.
    pub fn status(&self, status: u16) -> &Self {
        self.0.lock().status = Some(status);
        self
    }

    /// Answers with this header as well.
    pub fn header(&self, name: impl Into<String>, value: impl Into<String>) -> &Self {
        self.0.lock().headers.push((name.into(), value.into()));
        self
    }

    /// What was set.
    pub fn head(&self) -> Head {
        self.0.lock().clone()
    }
}

/// An async function from a typed request to something serde can write.
pub(crate) struct Typed<F, P, R>(pub(crate) F, pub(crate) PhantomData<fn(P) -> R>);

impl<F, P, R, A> Handler<Call> for Typed<F, P, R>
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
pub(crate) fn typed<P: DeserializeOwned>(params: Map) -> Result<P, ParseError> {
    let json = serde_json::to_value(Value::Object(params)).map_err(ParseError::internal)?;
    serde_path_to_error::deserialize(Strict(json)).map_err(|error| {
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
