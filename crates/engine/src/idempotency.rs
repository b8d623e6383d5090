//! Was this request made before, `idempotencyOptions`?

use parsimony_model::builtin::Builtin;
use parsimony_model::{ErrorCode, Object, ParseError, map};
use parsimony_store::StoreError;
use regex::Regex;

use crate::work::Work;

/// Which requests are watched, and how long they are remembered.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The paths, without the mount path and the slashes around them.
    pub paths: Vec<Regex>,
    /// How long a request is remembered.
    pub seconds: i64,
}

/// Notes that a request was made, and refuses it if one with the same id was (159), whatever became of that one.
///
/// The row's unique index decides, so of two requests at the same moment, also on two servers, one is refused.
pub(crate) async fn once(work: &Work, path: &str, id: &str) -> Result<(), ParseError> {
    let engine = &work.engine;
    let Some(watched) = &engine.options.idempotency else { return Ok(()) };
    if !watched.paths.iter().any(|pattern| pattern.is_match(path)) {
        return Ok(());
    }
    if id.len() > engine.options.limits.token_chars_max {
        return Err(ParseError::new(ErrorCode::InvalidJson, "The request id is too long."));
    }
    let class = engine.schemas.require(&Builtin::Idempotency.name()).await?;
    let now = engine.clock.now();
    let row = Object {
        class: class.name.clone(),
        id: engine.clock.object_id(engine.options.object_id_size),
        created_at: Some(now),
        updated_at: Some(now),
        acl: None,
        fields: map! { "reqId" => id, "expire" => now.plus_millis(watched.seconds.saturating_mul(1_000)) },
    };
    match engine.objects.insert(&class, &row).await {
        Err(StoreError::Duplicate { .. }) => Err(ParseError::new(ErrorCode::DuplicateRequest, "Duplicate request")),
        noted => Ok(noted?),
    }
}
