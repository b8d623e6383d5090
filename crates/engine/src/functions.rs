//! Calling a cloud function: its rules, then its handler.

use std::sync::Arc;

use parsimony_cloud::{Call, Json};
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, ParseError, names};

use crate::host;
use crate::save::file_urls;
use crate::work::Work;

/// Calls a cloud function.
pub(crate) async fn call(work: &Work, name: &str, mut params: Map) -> Result<Json, ParseError> {
    let Some(function) = work.engine.registry.function(name) else {
        let text = format!("Invalid function: \"{}\"", names::shorten(name));
        return Err(ParseError::new(ErrorCode::ScriptFailed, text));
    };
    if let Some(domains) = &work.engine.options.file_url_domains {
        params.values().try_for_each(|param| file_urls::in_value(domains, param))?;
    }
    function.rules.check(work.caller.who(), &mut params)?;
    let call = Call {
        function: name.into(),
        params,
        who: Arc::clone(work.caller.who()),
        context: Arc::clone(&work.caller.context),
        host: host::of(work)?,
    };
    host::guarded(function.handler.call(call)).await
}
