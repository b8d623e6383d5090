//! Was this request made before, `idempotencyOptions`, and what was it answered?
//!
//! A row of `_Idempotency` says that a request came, as in Parse. With `parsimony.idempotency.savedReplies` a row of
//! `_SavedReply` says what it was answered, and whoever sends it again is answered the same.

use std::time::Duration;

use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{Constraint, ErrorCode, Filter, Object, ObjectId, ParseError, Value, map};
use parsimony_store::StoreError;
use regex::Regex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::rows::{Rows, id_of};
use crate::work::Work;

/// Which requests are watched, and how long they are remembered.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The paths, without the mount path and the slashes around them.
    pub paths: Vec<Regex>,
    /// How long a request is remembered.
    pub seconds: i64,
    /// `parsimony.idempotency.savedReplies`: whether one that comes again is answered as it was, instead of refused.
    pub saves_replies: bool,
}

/// A request that may be sent again.
#[derive(Debug, Clone, Copy)]
pub struct Repeatable<'a> {
    /// What the client calls it, each time it sends it.
    pub id: &'a str,
    /// Its method.
    pub method: &'a str,
    /// The path below the mount path, without the slash at its start.
    pub path: &'a str,
    /// What is after the `?`.
    pub query: &'a str,
    /// What it says.
    pub body: &'a Map,
}

/// Whether a request came before.
#[derive(Debug)]
pub enum Once {
    /// It is not known, or nobody watches it.
    New,
    /// It is not known, and what it is answered is to be kept.
    ToBeKept(Claim),
    /// It came before, and was answered this.
    Answered(Kept),
}

/// The right to say what a request was answered.
#[derive(Debug)]
pub struct Claim {
    id: ObjectId,
    asked: String,
}

/// What a request was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// Where the object that was created can be read.
    pub location: Option<String>,
    /// Headers that cloud code set.
    pub headers: Vec<(String, String)>,
}

fn duplicate() -> ParseError {
    ParseError::new(ErrorCode::DuplicateRequest, "Duplicate request")
}

/// Notes that a request was made. If one with the same id was, it is refused (159), whatever became of that one, unless it
/// is known what that one was answered.
///
/// The row's unique index decides, so of two requests at the same moment, also on two servers, one is done.
pub(crate) async fn once(work: &Work, request: Repeatable<'_>) -> Result<Once, ParseError> {
    let engine = &work.engine;
    let Some(watched) = &engine.options.idempotency else { return Ok(Once::New) };
    if !watched.paths.iter().any(|pattern| pattern.is_match(request.path)) {
        return Ok(Once::New);
    }
    if request.id.len() > engine.options.limits.token_chars_max {
        return Err(ParseError::new(ErrorCode::InvalidJson, "The request id is too long."));
    }
    let is_new = note(work, watched, request.id).await?;
    if !watched.saves_replies {
        return if is_new { Ok(Once::New) } else { Err(duplicate()) };
    }
    let claim = Claim { id: id_of(&[request.id])?, asked: fingerprint(work, request)? };
    if is_new { Ok(Once::ToBeKept(claim)) } else { answered(work, &claim).await.map(Once::Answered) }
}

/// Adds the row of a request; `false` if there is one.
async fn note(work: &Work, watched: &Idempotency, id: &str) -> Result<bool, ParseError> {
    let engine = &work.engine;
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
        Err(StoreError::Duplicate { .. }) => Ok(false),
        noted => Ok(noted.map(|()| true)?),
    }
}

/// What makes two requests the same, beside their id: who asks, and for what. An answer is for nobody else.
fn fingerprint(work: &Work, request: Repeatable<'_>) -> Result<String, ParseError> {
    let caller = &work.caller;
    let user = caller.account().map_or("", |account| account.user.id.as_str());
    let who = format!("{} {} {user}", caller.is_master(), caller.is_maintenance());
    let body = serde_json::to_string(request.body).map_err(ParseError::internal)?;
    let mut digest = Sha256::new();
    for part in [&who, request.method, request.path, request.query, &body] {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    Ok(hex::encode(digest.finalize()))
}

/// How often it is looked whether a request that is under way has been answered.
const STEP: Duration = Duration::from_millis(50);

/// What a request was answered that came before. One that is still under way is waited for.
async fn answered(work: &Work, claim: &Claim) -> Result<Kept, ParseError> {
    let rows = Rows::of(&work.engine, Builtin::SavedReply).await?;
    let deadline = Instant::now() + work.engine.options.limits.saved_reply_wait_max;
    loop {
        let now = work.engine.clock.now();
        let known = Filter::id(&claim.id).and(Filter::Field("expire".into(), Constraint::Greater(now.into())));
        if let Some(row) = rows.find(known, 1).await?.pop() {
            let is_same = row.text("asked") == Some(claim.asked.as_str());
            return read(&row).filter(|_| is_same).ok_or_else(duplicate);
        }
        if Instant::now() >= deadline {
            return Err(duplicate());
        }
        tokio::time::sleep(STEP).await;
    }
}

fn read(row: &Object) -> Option<Kept> {
    let reply = row.get("reply")?.as_object()?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let header = |pair: &Value| match pair {
        Value::Array(pair) => Some((text(pair.first())?, text(pair.get(1))?)),
        _ => None,
    };
    let headers = match reply.get("headers") {
        Some(Value::Array(pairs)) => pairs.iter().filter_map(header).collect(),
        _ => Vec::new(),
    };
    let status = u16::try_from(reply.get("status").and_then(Value::as_f64)? as i64).ok()?;
    Some(Kept { status, body: text(reply.get("body"))?, location: text(reply.get("location")), headers })
}

/// Keeps what a request was answered; without an answer, and if this fails, a repetition is refused.
pub(crate) async fn keep(work: &Work, claim: Claim, kept: Option<Kept>) {
    if let Err(error) = insert(work, claim, kept).await {
        tracing::warn!(%error, "an answer could not be kept");
    }
}

async fn insert(work: &Work, claim: Claim, kept: Option<Kept>) -> Result<(), ParseError> {
    let engine = &work.engine;
    let Some(watched) = &engine.options.idempotency else { return Ok(()) };
    let expire = engine.clock.now().plus_millis(watched.seconds.saturating_mul(1_000));
    let mut fields = map! { "asked" => claim.asked, "expire" => expire };
    let bytes_max = engine.options.limits.saved_reply_bytes_max;
    if let Some(kept) = kept.filter(|kept| kept.body.len() <= bytes_max) {
        fields.insert("reply".into(), written(kept));
    }
    let rows = Rows::of(engine, Builtin::SavedReply).await?;
    if !rows.insert(&claim.id, fields.clone()).await? {
        // One of before, of the same id, that the database has not forgotten yet.
        rows.set(Filter::id(&claim.id), fields).await?;
    }
    Ok(())
}

fn written(kept: Kept) -> Value {
    let headers = kept.headers.into_iter().map(|(name, value)| Value::Array(vec![name.into(), value.into()]));
    let headers = Value::Array(headers.collect());
    let mut reply = map! { "status" => f64::from(kept.status), "body" => kept.body, "headers" => headers };
    if let Some(location) = kept.location {
        reply.insert("location".into(), location.into());
    }
    Value::Object(reply)
}
