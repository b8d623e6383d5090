//! `_JobPause`: the jobs that do not run by themselves until somebody lets them again. A row for each.
//!
//! What falls due while a job is paused does not take place, but for a schedule that is due once: that waits. Runs that wait
//! go on waiting, runs that are under way go on, and a run that is started by hand takes place.

use std::collections::HashSet;

use parsimony_model::builtin::Builtin;
use parsimony_model::{Filter, ObjectId, ParseError, map};

use crate::engine::Engine;
use crate::rows::{Rows, id_of};

/// How many pauses are looked at.
const PAUSES_MAX: u64 = 10_000;

fn id(job: &str) -> Result<ObjectId, ParseError> {
    id_of(&["pause", job])
}

/// The jobs that are paused.
pub(super) async fn paused(engine: &Engine) -> Result<HashSet<String>, ParseError> {
    // Most servers never pause a job, and have no such class.
    let Some(rows) = Rows::if_any(engine, Builtin::JobPause).await? else { return Ok(HashSet::new()) };
    let rows = rows.find(Filter::everything(), PAUSES_MAX).await?;
    Ok(rows.iter().filter_map(|row| row.text("jobName")).map(str::to_owned).collect())
}

/// Pauses a job, or lets it go on. It is no error if that is so already.
pub(super) async fn set(engine: &Engine, job: &str, is_paused: bool) -> Result<(), ParseError> {
    if is_paused {
        let rows = Rows::of(engine, Builtin::JobPause).await?;
        return rows.insert(&id(job)?, map! { "jobName" => job }).await.map(drop);
    }
    match Rows::if_any(engine, Builtin::JobPause).await? {
        Some(rows) => rows.delete(Filter::id(&id(job)?)).await,
        None => Ok(()),
    }
}
