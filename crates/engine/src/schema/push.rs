//! Planning, pushing and taking back: what `parsimony schema` asks a running server.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use compact_str::CompactString;
use parsimony_model::permissions::UserIds;
use parsimony_model::value::Map;
use parsimony_model::{ClassName, ErrorCode, ParseError, Value, map};

use super::apply::{Watched, apply};
use super::changes::{Beginning, Changes, RECORDS_MAX, Record, State, When};
use super::check::{Finding, Objection, check};
use super::file::{self, Definition, Unknown};
use super::plan::{Alteration, Manner, OtherType, Plan, Step, Unmentioned, plan};
use super::rules::{refuse_append_only, refuse_locked};
use super::told;
use crate::work::Work;

/// How often a push says how far it has come.
const SAYING_MILLIS: u64 = 1_000;

/// How many characters the name of an author may have.
const AUTHOR_CHARS_MAX: usize = 200;

fn invalid(text: impl Into<String>) -> ParseError {
    ParseError::new(ErrorCode::InvalidJson, text.into())
}

/// What is asked for.
struct Request {
    definitions: Vec<Definition>,
    manner: Manner,
    allowed: Vec<Objection>,
    author: String,
    /// The digest of the plan that was shown.
    expected: Option<String>,
}

/// The keys of a request that mean the same in a push and in a rollback.
const COMMON_KEYS: [&str; 4] = ["allowDestructive", "allowMissing", "author", "expect"];

fn refuse_unknown(body: &Map, known: &[&str]) -> Result<(), ParseError> {
    let is_known = |key: &str| known.contains(&key) || COMMON_KEYS.contains(&key);
    match body.keys().find(|key| !is_known(key)) {
        Some(key) => Err(invalid(format!("{} is not known here", parsimony_model::names::shorten(key)))),
        None => Ok(()),
    }
}

fn flag(body: &Map, key: &str) -> Result<bool, ParseError> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(invalid(format!("{key} must be true or false"))),
    }
}

fn text(body: &Map, key: &str) -> Result<Option<String>, ParseError> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.chars().take(AUTHOR_CHARS_MAX).collect())),
        Some(_) => Err(invalid(format!("{key} must be text"))),
    }
}

fn allowed(body: &Map) -> Result<Vec<Objection>, ParseError> {
    let all = [Objection::Destructive, Objection::Missing].into_iter();
    let said = all.filter_map(|objection| match flag(body, objection.flag()?) {
        Ok(true) => Some(Ok(objection)),
        Ok(false) => None,
        Err(error) => Some(Err(error)),
    });
    said.collect()
}

fn whose(body: &Map) -> Result<String, ParseError> {
    Ok(text(body, "author")?.filter(|author| !author.is_empty()).unwrap_or_else(|| "somebody".to_owned()))
}

impl Request {
    fn read(body: &Map, user_ids: UserIds) -> Result<Self, ParseError> {
        refuse_unknown(body, &["definitions", "deleteExtraFields", "deleteUnknownIndexes"])?;
        let Some(Value::Array(written)) = body.get("definitions") else {
            return Err(invalid("definitions must be a list of classes"));
        };
        let mut definitions: Vec<Definition> = Vec::with_capacity(written.len());
        for definition in written {
            let map = definition.as_object().ok_or_else(|| invalid("a class is defined by a JSON object"))?;
            let definition = file::definition(map, Unknown::Refused)?;
            if definitions.iter().any(|known| known.name == definition.name) {
                return Err(invalid(format!("{} is defined twice", definition.name)));
            }
            definitions.push(definition);
        }
        let unmentioned = |goes: bool| if goes { Unmentioned::Goes } else { Unmentioned::Stays };
        Ok(Self {
            definitions,
            manner: Manner {
                user_ids,
                other_fields: unmentioned(flag(body, "deleteExtraFields")?),
                other_indexes: unmentioned(flag(body, "deleteUnknownIndexes")?),
                other_type: OtherType::MadeAnew,
                remake_indexes: true,
                ..Manner::at_start()
            },
            allowed: allowed(body)?,
            author: whose(body)?,
            expected: text(body, "expect")?,
        })
    }

    /// The digest of the definitions, whatever their order.
    fn digest(&self) -> String {
        let mut all: Vec<&Definition> = self.definitions.iter().collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        told::digest(&Value::Array(all.into_iter().map(file::to_value).collect()))
    }
}

/// A plan, and what the data says to it.
struct Judged {
    plan: Plan,
    findings: Vec<Finding>,
}

impl Judged {
    async fn new(work: &Work, plan: Plan) -> Result<Self, ParseError> {
        let findings = check(&*work.engine.store, &work.engine.schemas.all(), &plan).await?;
        Ok(Self { plan, findings })
    }

    fn digest(&self) -> String {
        told::digest(&told::steps(&self.plan))
    }

    fn to_value(&self, allowed: &[Objection]) -> Value {
        let refusals = told::objections(&self.findings, allowed).into_iter().map(Value::from).collect();
        Value::Object(map! {
            "digest" => self.digest(),
            "steps" => told::steps(&self.plan),
            "kept" => told::kept(&self.plan),
            "findings" => told::findings(&self.findings),
            "refusals" => Value::Array(refusals),
        })
    }
}

fn may_push(work: &Work, what: &str) -> Result<(), ParseError> {
    work.require_master()?;
    work.caller.may_write(what)?;
    refuse_locked(work)
}

async fn judge(work: &Work, request: &Request) -> Result<Judged, ParseError> {
    work.engine.schemas.reload().await?;
    Judged::new(work, plan(&request.definitions, &work.engine.schemas.all(), &request.manner)?).await
}

/// What a push would do.
pub(crate) async fn planned(work: &Work, body: &Map) -> Result<Value, ParseError> {
    work.require_master()?;
    let request = Request::read(body, work.engine.options.user_ids())?;
    Ok(judge(work, &request).await?.to_value(&request.allowed))
}

/// Makes the classes what the definitions say.
pub(crate) async fn push(work: &Work, body: &Map) -> Result<Value, ParseError> {
    may_push(work, "push schemas")?;
    let request = Request::read(body, work.engine.options.user_ids())?;
    let beginning = Beginning { kind: "push", author: request.author.clone(), undoes: None };
    let pushing = Pushing::begin(work, &beginning).await?;
    let judged = judge(work, &request).await;
    let digest = request.digest();
    pushing
        .carry_out(judged, &Saying { allowed: &request.allowed, expected: request.expected.as_deref(), digest })
        .await
}

/// Takes the classes back to what they were before a push, the last one unless a number is given; or tells what that would do.
pub(crate) async fn roll_back(work: &Work, body: &Map) -> Result<Value, ParseError> {
    work.require_master()?;
    refuse_unknown(body, &["number", "dryRun"])?;
    let (allowed, expected, dry_run) = (allowed(body)?, text(body, "expect")?, flag(body, "dryRun")?);
    if !dry_run {
        may_push(work, "roll schemas back")?;
    }
    let changes = Changes::of(&work.engine).await?;
    let undone = match body.get("number") {
        None | Some(Value::Null) => to_undo(&changes).await?,
        Some(number) => {
            changes.find(whole(number).ok_or_else(|| invalid("number must be the number of a push"))?).await?
        }
    };
    if dry_run {
        let mut told = match judge_back(work, &changes, undone.number()).await?.to_value(&allowed) {
            Value::Object(map) => map,
            _ => Map::default(),
        };
        told.insert("number".into(), (undone.number() as f64).into());
        return Ok(Value::Object(told));
    }
    let beginning = Beginning { kind: "rollback", author: whose(body)?, undoes: Some(undone.number()) };
    let pushing = Pushing::begin(work, &beginning).await?;
    let judged = judge_back(work, &changes, undone.number()).await;
    pushing.carry_out(judged, &Saying { allowed: &allowed, expected: expected.as_deref(), digest: String::new() }).await
}

#[expect(clippy::cast_sign_loss, reason = "it is not negative")]
fn whole(number: &Value) -> Option<u64> {
    let number = number.as_f64().filter(|number| *number >= 0.0 && number.fract() == 0.0)?;
    Some(number as u64)
}

/// The last push that did something and was not taken back since.
async fn to_undo(changes: &Changes<'_>) -> Result<Record, ParseError> {
    let mut before = u64::MAX;
    for record in changes.last(RECORDS_MAX).await? {
        if record.number() >= before {
            continue;
        }
        match record.undoes() {
            Some(undone) => before = undone,
            None => return Ok(record),
        }
    }
    Err(ParseError::new(ErrorCode::ObjectNotFound, "There is no push that could be taken back."))
}

/// The way back to before a push: classes, fields and indexes that it or a later one added go, what they changed or dropped
/// comes back as it was. What was added otherwise stays, and values that are gone stay gone.
async fn judge_back(work: &Work, changes: &Changes<'_>, number: u64) -> Result<Judged, ParseError> {
    let mut before = Map::default();
    let mut fields: HashSet<(ClassName, CompactString)> = HashSet::new();
    let mut indexes: HashSet<(ClassName, CompactString)> = HashSet::new();
    let mut classes: HashSet<ClassName> = HashSet::new();
    // From the newest on: what stood before the oldest is what counts.
    for record in changes.last(RECORDS_MAX).await?.into_iter().take_while(|record| record.number() >= number) {
        for step in record.steps()?.iter().filter_map(Value::as_object) {
            let part = |key: &str| step.get(key).and_then(Value::as_str).unwrap_or_default();
            let added = || Ok::<_, ParseError>((ClassName::parse(part("class"))?, part("name").into()));
            match part("step") {
                "addField" => drop(fields.insert(added()?)),
                "addIndex" => drop(indexes.insert(added()?)),
                _ => {}
            }
        }
        for (class, was) in record.classes(When::Before)? {
            let name = ClassName::parse(&class)?;
            if was.is_null() {
                classes.insert(name);
            } else {
                classes.remove(&name);
            }
            before.insert(class, was);
        }
    }
    work.engine.schemas.reload().await?;
    let stored = work.engine.schemas.all();
    let wanted = before.values().filter_map(Value::as_object).map(|map| file::definition(map, Unknown::Ignored));
    let mut wanted = wanted.collect::<Result<Vec<_>, _>>()?;
    for definition in &mut wanted {
        // A file mentions it only if it is so.
        definition.append_only.get_or_insert(false);
    }
    let manner = Manner {
        user_ids: work.engine.options.user_ids(),
        other_fields: Unmentioned::GoesIfListed(fields),
        other_indexes: Unmentioned::GoesIfListed(indexes),
        other_type: OtherType::MadeAnew,
        remake_indexes: true,
        ..Manner::at_start()
    };
    let mut plan = plan(&wanted, &stored, &manner)?;
    for class in stored.iter().filter(|class| classes.contains(&class.name)) {
        refuse_append_only(class)?;
        plan.steps.push(Step { class: class.name.clone(), change: Alteration::DropClass });
    }
    Judged::new(work, plan).await
}

/// What somebody says to a plan.
struct Saying<'a> {
    allowed: &'a [Objection],
    expected: Option<&'a str>,
    digest: String,
}

/// A push that has begun: no other one can.
struct Pushing<'a> {
    work: &'a Work,
    changes: Changes<'a>,
    record: Record,
    _held: tokio::sync::MutexGuard<'a, ()>,
}

impl<'a> Pushing<'a> {
    async fn begin(work: &'a Work, beginning: &Beginning) -> Result<Self, ParseError> {
        // In this process a push that is slow to say something still counts.
        let held = work.engine.schemas.pushing.try_lock().map_err(|_busy| {
            let text = "Another push is under way: nothing was changed. Try again when it has ended.";
            ParseError::new(ErrorCode::InvalidSchemaOperation, text)
        })?;
        let changes = Changes::of(&work.engine).await?;
        let record = changes.begin(beginning).await?;
        Ok(Self { work, changes, record, _held: held })
    }

    /// Carries the plan out, unless something stands in the way.
    async fn carry_out(self, judged: Result<Judged, ParseError>, saying: &Saying<'_>) -> Result<Value, ParseError> {
        let admitted = judged.and_then(|judged| admit(judged, saying));
        let judged = match admitted {
            Ok(judged) if !judged.plan.steps.is_empty() => judged,
            other => {
                self.changes.forget(&self.record).await;
                return other.map(|_nothing_to_do| Value::Object(map! { "state" => "unchanged" }));
            }
        };
        let touched: HashSet<ClassName> = judged.plan.steps.iter().map(|step| step.class.clone()).collect();
        let begun = map! {
            "digest" => saying.digest.as_str(),
            "steps" => json_text(&told::steps(&judged.plan)),
            "before" => json_text(&self.definitions(&touched)),
        };
        self.changes.set(&self.record, begun).await?;
        let outcome = self.run(&judged.plan).await;
        let (state, message) = match &outcome {
            Ok(()) => (State::Done, Value::Null),
            Err(error) => (State::Failed, error.to_string().into()),
        };
        let ended = map! {
            "state" => state.name(),
            "message" => message,
            "endedAt" => self.work.engine.clock.now(),
            "after" => json_text(&self.definitions(&touched)),
        };
        let record = self.changes.set(&self.record, ended).await?;
        tracing::info!(
            number = record.number(),
            author = record.author(),
            state = state.name(),
            steps = judged.plan.steps.len(),
            "the classes were changed"
        );
        outcome?;
        record.to_value(self.work.engine.clock.now(), false)
    }

    /// Carries the plan out and says, every now and then, how far it has come.
    async fn run(&self, plan: &Plan) -> Result<(), ParseError> {
        let watched = Watched::default();
        let work = apply(&self.work.engine.schemas, plan, &watched);
        let mut work = std::pin::pin!(work);
        loop {
            match tokio::time::timeout(Duration::from_millis(SAYING_MILLIS), &mut work).await {
                Ok(outcome) => return outcome,
                Err(_still_running) => {
                    // Beside the work, not before it: on the embedded store both need the one writer.
                    tokio::select! {
                        outcome = &mut work => return outcome,
                        () = self.say(&watched) => {}
                    }
                }
            }
        }
    }

    async fn say(&self, watched: &Watched) {
        let now = watched.now();
        let mut message = format!("{} of {}", now.done, now.total);
        if let Some(doing) = &now.doing {
            message.push_str(": ");
            message.push_str(doing);
        }
        if let Some(class) = &now.indexing
            && let Ok(Some(progress)) = self.work.engine.store.index_progress(class).await
        {
            let percent = progress.done.saturating_mul(100).checked_div(progress.total).unwrap_or(0).min(100);
            // Writing to a string cannot fail.
            let _ = write!(message, ", {percent} % ({} of {})", progress.done, progress.total);
        }
        if let Err(error) = self.changes.say(&self.record, message).await {
            tracing::warn!(%error, "a push cannot say how far it has come");
        }
    }

    /// The definitions of these classes as they are now.
    fn definitions(&self, classes: &HashSet<ClassName>) -> Value {
        let mut names: Vec<&ClassName> = classes.iter().collect();
        names.sort();
        let one = |name: &ClassName| {
            let class = self.work.engine.schemas.get(name);
            (name.as_str().into(), class.as_deref().map(told::definition).into())
        };
        Value::Object(names.into_iter().map(one).collect())
    }
}

fn json_text(value: &Value) -> String {
    String::from_utf8(parsimony_model::value::json::write(value)).unwrap_or_default()
}

fn admit(judged: Judged, saying: &Saying<'_>) -> Result<Judged, ParseError> {
    if saying.expected.is_some_and(|expected| expected != judged.digest()) {
        let text = "The classes have changed since the plan was made: nothing was changed. Look at the plan again.";
        return Err(ParseError::new(ErrorCode::InvalidSchemaOperation, text));
    }
    let objections = told::objections(&judged.findings, saying.allowed);
    if objections.is_empty() {
        return Ok(judged);
    }
    let text = format!("The data stands in the way: nothing was changed. {}.", objections.join(". "));
    Err(ParseError::new(ErrorCode::ValidationError, text))
}

/// Every class, as definition files say them.
pub(crate) async fn definitions(work: &Work) -> Result<Value, ParseError> {
    work.require_master()?;
    work.engine.schemas.reload().await?;
    let classes = work.engine.schemas.all();
    let all = classes.iter().map(|class| told::definition(class)).collect();
    Ok(Value::Object(map! { "definitions" => Value::Array(all) }))
}

/// What was pushed, newest first; the one with a number, whole.
pub(crate) async fn history(work: &Work, params: &Map) -> Result<Value, ParseError> {
    work.require_master()?;
    let changes = Changes::of(&work.engine).await?;
    let now = work.engine.clock.now();
    let number = |key: &str| match params.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => whole(value).map(Some).ok_or_else(|| invalid(format!("{key} must be a number"))),
    };
    if let Some(number) = number("number")? {
        return changes.find(number).await?.to_value(now, true);
    }
    let records = changes.last(number("limit")?.unwrap_or(20)).await?;
    let told = records.iter().map(|record| record.to_value(now, false)).collect::<Result<Vec<_>, _>>()?;
    Ok(Value::Object(map! { "results" => Value::Array(told) }))
}
