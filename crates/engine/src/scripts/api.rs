//! The API of hook scripts, master only: list, read, store, take away, look back, go back, try.

use std::time::Duration;

use parsimony_cloud::{Registry, Script};
use parsimony_model::{Date, ErrorCode, Map, ParseError, Value, map};
use similar::TextDiff;

use super::stored::{self, Version};
use super::{Faults, Loaded, Prepared, combined, prepare, rehearsal, serve};
use crate::work::Work;

/// How many characters the name of a script or of an author may have.
const NAME_CHARS_MAX: usize = 100;

/// How long two versions are compared.
const DIFF_TIME_MAX: Duration = Duration::from_millis(100);

/// How many lines around a change a diff shows.
const CONTEXT_LINES: usize = 3;

fn refused(faults: &Faults) -> ParseError {
    ParseError::new(ErrorCode::InvalidHook, faults.join("\n"))
}

fn invalid(text: impl Into<String>) -> ParseError {
    ParseError::new(ErrorCode::InvalidJson, text.into())
}

fn missing(name: &str) -> ParseError {
    ParseError::new(ErrorCode::InvalidHook, format!("There is no script {}.", parsimony_model::names::shorten(name)))
}

fn admit(work: &Work, what: &str) -> Result<(), ParseError> {
    work.require_master()?;
    work.caller.may_write(format_args!("{what} a script"))
}

/// A name is one or two parts: `Identity`, or `identity-management/Identity`.
fn check_name(name: &str) -> Result<(), ParseError> {
    let is_plain = |part: &str| {
        !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter))
    };
    let parts: Vec<&str> = name.split('/').collect();
    if parts.len() > 2 || !parts.iter().all(|part| is_plain(part)) || name.len() > NAME_CHARS_MAX {
        return Err(invalid("A script is called CLASS, functions, APPLICATION/CLASS or APPLICATION/functions."));
    }
    Ok(())
}

fn iso(date: Option<Date>) -> Value {
    date.map(Date::to_iso).into()
}

/// Which scripts serve, since when, and what is wrong with a set that does not.
pub(crate) fn list(work: &Work) -> Result<Map, ParseError> {
    work.require_master()?;
    let state = work.engine.scripts.state();
    let results: Vec<Value> = state.loaded.iter().map(|loaded| shown(loaded).into()).collect();
    let failure = state.failure.as_ref().map(|failure| {
        map! { "faults" => failure.faults.clone(), "at" => iso(Some(failure.at)) }
    });
    Ok(map! { "results" => results, "since" => iso(state.since), "failure" => failure })
}

/// A script without its text.
fn shown(loaded: &Loaded) -> Map {
    let Loaded { script, hooks } = loaded;
    map! { "name" => script.name.as_str(), "source" => script.source.as_str(), "hooks" => hooks.clone() }
}

/// One script that serves, with its text; or one of its stored versions.
pub(crate) async fn one(work: &Work, name: &str, params: &Map) -> Result<Map, ParseError> {
    work.require_master()?;
    if let Some(number) = number(params, "version")? {
        let history = stored::history(&work.engine, name).await?;
        let version = history.into_iter().find(|version| version.number == number).ok_or_else(|| missing(name))?;
        let mut shown = told(&version);
        shown.insert("text".into(), version.text.into());
        return Ok(shown);
    }
    let state = work.engine.scripts.state();
    let loaded = state.loaded.iter().find(|loaded| loaded.script.name == name).ok_or_else(|| missing(name))?;
    let mut shown = shown(loaded);
    shown.insert("text".into(), (*loaded.script.text).into());
    let newest = stored::history(&work.engine, name).await?;
    shown.insert("version".into(), newest.first().map_or(0.0, |version| f64::from(version.number)).into());
    Ok(shown)
}

/// A version without its text.
fn told(version: &Version) -> Map {
    map! {
        "name" => version.name.as_str(),
        "version" => f64::from(version.number),
        "author" => version.author.as_str(),
        "at" => iso(version.at),
        "deleted" => version.text.is_none(),
    }
}

fn number(params: &Map, key: &str) -> Result<Option<u32>, ParseError> {
    let number = match params.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => Some(*number),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    number.and_then(stored::whole).map(Some).ok_or_else(|| invalid(format!("{key} must be a whole number")))
}

fn text<'a>(body: &'a Map, key: &str) -> Result<Option<&'a str>, ParseError> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(format!("{key} must be text"))),
    }
}

/// Stores a script and makes it serve, if the whole set is sound with it.
pub(crate) async fn put(work: &Work, name: &str, body: &Map) -> Result<Map, ParseError> {
    admit(work, "edit")?;
    let new = text(body, "text")?.ok_or_else(|| invalid("text is missing"))?;
    change(work, name, Some(new.to_owned()), body).await
}

/// Takes the stored script away: what has its name in a file or in an application serves again.
pub(crate) async fn delete(work: &Work, name: &str, body: &Map) -> Result<Map, ParseError> {
    admit(work, "delete")?;
    let newest = stored::history(&work.engine, name).await?;
    newest.first().filter(|version| version.text.is_some()).ok_or_else(|| missing(name))?;
    change(work, name, None, body).await
}

/// Makes an old version the newest one. Without a number: the one before; version 0 is none at all.
pub(crate) async fn roll_back(work: &Work, name: &str, body: &Map) -> Result<Map, ParseError> {
    admit(work, "roll back")?;
    let history = stored::history(&work.engine, name).await?;
    let newest = history.first().ok_or_else(|| missing(name))?.number;
    let wanted = number(body, "to")?.unwrap_or(newest.saturating_sub(1));
    let text = match wanted {
        0 => None,
        number => {
            let version = history.into_iter().find(|version| version.number == number);
            version.ok_or_else(|| invalid(format!("There is no version {number} of this script.")))?.text
        }
    };
    change(work, name, text, body).await
}

/// Stores a version, and makes the set serve that it is part of. Both, or neither.
async fn change(work: &Work, name: &str, text_wanted: Option<String>, body: &Map) -> Result<Map, ParseError> {
    check_name(name)?;
    let engine = &work.engine;
    let author = text(body, "author")?.filter(|author| !author.is_empty()).unwrap_or("somebody");
    let author = author.chars().take(NAME_CHARS_MAX).collect::<String>();
    let _one_by_one = engine.scripts.exchanging.lock().await;
    let mut newest = stored::newest(engine).await?;
    let place = newest.iter().position(|version| version.name == name);
    let before = place.map_or(0, |place| newest.swap_remove(place).number);
    if number(body, "expect")?.is_some_and(|expected| expected != before) {
        return Err(stored::overtaken(name));
    }
    let version = Version { name: name.to_owned(), number: before + 1, text: text_wanted, author, at: None };
    let scripts = newest.iter().chain([&version]).filter_map(Version::to_script).collect();
    let prepared: Prepared = prepare(engine, combined(engine, scripts)).await.map_err(|faults| refused(&faults))?;
    stored::add(engine, &version).await?;
    serve(engine, prepared).map_err(|faults| refused(&faults))?;
    let at = Some(engine.clock.now());
    Ok(told(&Version { at, ..version }))
}

/// The versions of a script, the newest first, each with what it changed.
pub(crate) async fn history(work: &Work, name: &str) -> Result<Map, ParseError> {
    work.require_master()?;
    let versions = stored::history(&work.engine, name).await?;
    let shipped = work.engine.registry.own().scripts().iter().find(|script| script.name == name);
    let shipped = shipped.map(|script| script.text.to_string()).unwrap_or_default();
    if versions.is_empty() {
        return Err(missing(name));
    }
    // Long texts that differ much take their time.
    let compared = tokio::task::spawn_blocking(move || compare(&versions, &shipped));
    Ok(map! { "results" => compared.await.map_err(ParseError::internal)? })
}

/// The versions, each with what it changed of what served before: the version before, or what the application brings.
fn compare(versions: &[Version], shipped: &String) -> Vec<Value> {
    let befores = versions.iter().skip(1).map(|before| before.text.as_ref().unwrap_or(shipped));
    let pairs = versions.iter().zip(befores.chain(std::iter::once(shipped)));
    let compared = pairs.map(|(version, before)| {
        let mut shown = told(version);
        shown.insert("diff".into(), diff(before, version.text.as_ref().unwrap_or(shipped)).into());
        shown.into()
    });
    compared.collect()
}

fn diff(before: &str, after: &str) -> String {
    // After that time the difference is told more coarsely.
    let compared = TextDiff::configure().timeout(DIFF_TIME_MAX).diff_lines(before, after);
    compared.unified_diff().context_radius(CONTEXT_LINES).header("before", "after").to_string()
}

/// Runs a hook of a script on a sample or a stored object, without any effect.
pub(crate) async fn rehearse(work: &Work, name: &str, body: &Map) -> Result<Map, ParseError> {
    work.require_master()?;
    check_name(name)?;
    let engine = &work.engine;
    let mut scripts = super::stored(engine).await.map_err(|faults| refused(&faults))?;
    if let Some(tried) = text(body, "text")? {
        scripts.retain(|script| script.name != name);
        scripts.push(Script { name: name.to_owned(), text: tried.into(), source: "tried".to_owned() });
    }
    let scripts = combined(engine, scripts);
    if !scripts.iter().any(|script| script.name == name) {
        return Err(missing(name));
    }
    let compiled = engine.scripts.compile(scripts, parsimony_cloud::Effects::None).await;
    let compiled = compiled.map_err(|faults| refused(&faults))?;
    // The scripts alone: whatever else is registered might have effects.
    let registry = Registry::default().with_beside(&compiled.layer).map_err(|conflict| refused(&vec![conflict]))?;
    rehearsal::run(work, &registry, name, body).await
}
