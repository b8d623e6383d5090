//! Calling a cloud function: its rules, then its handler.

use parsimony_cloud::{Call, Head, Json, Response};
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, ParseError, names};

use crate::save::file_urls;
use crate::triggers;
use crate::work::Work;

/// Calls a cloud function; gives its result, and what the HTTP answer looks like besides.
pub(crate) async fn call(work: &Work, name: &str, params: Map) -> Result<(Json, Head), ParseError> {
    let Some(function) = work.registry.hook::<Call>(name) else {
        let text = format!("Invalid function: \"{}\"", names::shorten(name));
        return Err(ParseError::new(ErrorCode::ScriptFailed, text));
    };
    if let Some(domains) = &work.engine.options.file_url_domains {
        params.values().try_for_each(|param| file_urls::in_value(domains, param))?;
    }
    let response = Response::default();
    let origin = triggers::origin(work)?;
    let call = Call { function: name.into(), params, response: response.clone(), origin };
    let result = triggers::call(&work.engine, (function, name), call).await?;
    Ok((result, response.head()))
}
