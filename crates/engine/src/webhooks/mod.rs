//! Webhooks: functions and triggers that run elsewhere, as `/hooks` registers them and the class `_Hooks` keeps them.

mod call;
pub(crate) mod external;

use std::sync::Arc;

use parsimony_cloud::{BeforeSave, Call, Elsewhere, Layer, Place, Trigger};
use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Filter, Object, ParseError, Value, map};

use self::call::Webhook;
use crate::engine::Engine;
use crate::rows::Rows;
use crate::work::Work;

/// The triggers that can be registered, whether this server has such a moment or not: Parse takes them all.
const TRIGGERS: [&str; 12] = [
    "beforeLogin",
    "afterLogin",
    "afterLogout",
    "beforePasswordResetRequest",
    "beforeSave",
    "afterSave",
    "beforeDelete",
    "afterDelete",
    "beforeFind",
    "afterFind",
    "beforeConnect",
    "beforeSubscribe",
];

/// As [`TRIGGERS`]; here the name of the trigger is not that of its method.
const AFTER_EVENT: &str = "afterEvent";

/// What a webhook stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A cloud function.
    Function(String),
    /// A trigger of a class.
    Trigger {
        /// The class.
        class: String,
        /// The trigger, such as `beforeSave`.
        trigger: String,
    },
}

/// Which of the two kinds is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Functions.
    Functions,
    /// Triggers.
    Triggers,
}

impl Target {
    fn filter(&self) -> Filter {
        match self {
            Self::Function(name) => Filter::equals("functionName", name.as_str()),
            Self::Trigger { class, trigger } => {
                Filter::equals("className", class.as_str()).and(Filter::equals("triggerName", trigger.as_str()))
            }
        }
    }

    fn to_map(&self, url: &str) -> Map {
        match self {
            Self::Function(name) => map! { "functionName" => name.as_str(), "url" => url },
            Self::Trigger { class, trigger } => {
                map! { "className" => class.as_str(), "triggerName" => trigger.as_str(), "url" => url }
            }
        }
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::Function(name) => !name.is_empty(),
            // Parse: what was pushed is the server's; cloud code is told of it afterwards.
            Self::Trigger { class, trigger } if trigger == BeforeSave::NAME => {
                !class.is_empty() && Builtin::PushStatus.name().as_str() != class
            }
            Self::Trigger { class, trigger } => {
                !class.is_empty() && (TRIGGERS.contains(&trigger.as_str()) || trigger == AFTER_EVENT)
            }
        }
    }

    fn missing(&self) -> ParseError {
        refused(match self {
            Self::Function(name) => format!("no function named: {name} is defined"),
            Self::Trigger { class, .. } => format!("class {class} does not exist"),
        })
    }

    fn taken(&self) -> ParseError {
        refused(match self {
            Self::Function(name) => format!("function name: {name} already exists"),
            Self::Trigger { class, trigger } => format!("class {class} already has trigger {trigger}"),
        })
    }
}

fn refused(text: impl Into<String>) -> ParseError {
    ParseError::new(ErrorCode::InvalidHook, text.into())
}

fn malformed() -> ParseError {
    refused("invalid hook declaration")
}

fn admit(work: &Work, what: &str) -> Result<(), ParseError> {
    work.require_master()?;
    work.caller.may_write(format_args!("{what} a hook"))
}

/// Every webhook of a kind, master only.
pub(crate) async fn list(work: &Work, kind: Kind) -> Result<Vec<Value>, ParseError> {
    work.require_master()?;
    let field = if kind == Kind::Functions { "functionName" } else { "triggerName" };
    let rows = stored(&work.engine, Filter::everything()).await?;
    Ok(rows.iter().filter(|row| row.text(field).is_some()).map(|row| shown(row).into()).collect())
}

/// One webhook, master only.
pub(crate) async fn one(work: &Work, target: &Target) -> Result<Map, ParseError> {
    work.require_master()?;
    stored(&work.engine, target.filter()).await?.first().map(shown).ok_or_else(|| target.missing())
}

/// Registers a webhook, master only.
pub(crate) async fn create(work: &Work, body: &Map) -> Result<Map, ParseError> {
    admit(work, "create")?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let target = if body.get("functionName").is_some_and(Value::is_truthy) {
        Target::Function(text("functionName"))
    } else {
        Target::Trigger { class: text("className"), trigger: text("triggerName") }
    };
    if !stored(&work.engine, target.filter()).await?.is_empty() {
        return Err(target.taken());
    }
    put(work, &target, &text("url")).await
}

/// Changes where a webhook is, master only.
pub(crate) async fn update(work: &Work, target: &Target, url: &str) -> Result<Map, ParseError> {
    admit(work, "edit")?;
    one(work, target).await?;
    put(work, target, url).await
}

/// Takes a webhook away, master only.
pub(crate) async fn delete(work: &Work, target: &Target) -> Result<(), ParseError> {
    admit(work, "delete")?;
    one(work, target).await?;
    Rows::of(&work.engine, Builtin::Hooks).await?.delete(target.filter()).await?;
    load(&work.engine).await
}

async fn put(work: &Work, target: &Target, url: &str) -> Result<Map, ParseError> {
    let engine = &work.engine;
    if !target.is_sound() || url.is_empty() {
        return Err(malformed());
    }
    let fields = target.to_map(url);
    let rows = Rows::of(engine, Builtin::Hooks).await?;
    if rows.set(target.filter(), map! { "url" => url }).await?.is_none() {
        rows.insert_bare(fields.clone()).await?;
    }
    load(engine).await?;
    Ok(fields)
}

/// How many webhooks are looked at.
const WEBHOOKS_MAX: u64 = 100_000;

/// The webhooks that are registered; none if none ever was.
async fn stored(engine: &Engine, filter: Filter) -> Result<Vec<Object>, ParseError> {
    let Some(rows) = Rows::if_any(engine, Builtin::Hooks).await? else { return Ok(Vec::new()) };
    rows.find(filter, WEBHOOKS_MAX).await
}

/// A webhook as clients see it.
fn shown(row: &Object) -> Map {
    let fields = ["functionName", "className", "triggerName", "url"];
    fields.iter().filter_map(|field| Some(((*field).into(), row.get(field)?.clone()))).collect()
}

/// What asks at this URL.
fn webhook(engine: &Engine, url: String) -> Webhook {
    Webhook {
        url,
        key: engine.options.keys.webhook_key.clone(),
        time_max: engine.options.limits.webhook_time_max,
        answer_bytes_max: engine.options.limits.webhook_answer_bytes_max,
        http: Arc::clone(&engine.http),
        clock: Arc::clone(&engine.clock),
    }
}

/// Makes what is registered what runs. Parse: a webhook takes the place of the application's own handler.
pub(crate) async fn load(engine: &Engine) -> Result<(), ParseError> {
    let rows = stored(engine, Filter::everything()).await?;
    let mut layer = Layer::default();
    for row in &rows {
        let text = |name: &str| row.text(name).unwrap_or_default();
        let webhook = webhook(engine, text("url").to_owned());
        let handler = Arc::new(Elsewhere(Arc::new(webhook)));
        let place = Place { application: "webhook".to_owned(), source: text("url").to_owned() };
        let (trigger, name) = match text("functionName") {
            "" => (text("triggerName"), text("className")),
            function => (Call::NAME, function),
        };
        layer.put(trigger, name, handler, place);
    }
    engine.registry.put_webhooks(layer).map_err(ParseError::internal)
}
