//! The application the scenarios ask: a few hooks and functions that write down that they ran.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use parsimony_cloud::{
    AfterSave, Application, BeforeSave, Draft, ErrorCode, FieldRule, Kind, ParseError, Request, Rules,
};
use parsimony_model::{ObjectId, Query, Value, map};
use parsimony_testkit::{App, StoreKind};
use serde::{Deserialize, Serialize};

/// Which hooks ran, and how often.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<BTreeMap<String, usize>>>);

impl Journal {
    /// Notes that something ran.
    pub(crate) fn note(&self, what: &str) {
        *self.0.lock().entry(what.to_owned()).or_default() += 1;
    }

    /// What ran since the last look, as `beforeSave Item ×2`.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock()).into_iter().map(|(what, times)| format!("{what} ×{times}")).collect()
    }
}

/// The running shop.
pub(crate) struct Shop {
    pub(crate) app: App,
    pub(crate) journal: Journal,
}

impl std::ops::Deref for Shop {
    type Target = App;
    fn deref(&self) -> &App {
        &self.app
    }
}

/// Opens the shop on a fresh store.
pub(crate) async fn open(store: StoreKind) -> Shop {
    let journal = Journal::default();
    let app = App::start(store, [application(&journal)]).await;
    Shop { app, journal }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Transfer {
    from: String,
    to: String,
    amount: f64,
}

#[derive(Serialize)]
struct Moved {
    left: f64,
}

async fn transfer(request: Request<Transfer>) -> Result<Moved, ParseError> {
    let Transfer { from, to, amount } = &request.params;
    let (from, to, amount) = (ObjectId::parse(from)?, ObjectId::parse(to)?, *amount);
    let left = request
        .host
        .as_master()
        .transaction(|host| {
            let (from, to) = (from.clone(), to.clone());
            async move {
                let change = |amount: f64| map! { "balance" => map! { "__op" => "Increment", "amount" => amount } };
                let taken = host.update("Purse", &from, change(-amount)).await?;
                // The second save comes before the check, so that a refusal has something to undo.
                host.update("Purse", &to, change(amount)).await?;
                let left = taken.get("balance").and_then(Value::as_f64).unwrap_or_default();
                if left < 0.0 {
                    return Err(ParseError::new(ErrorCode::ValidationError, "Not enough in the purse."));
                }
                Ok(left)
            }
        })
        .await?;
    Ok(Moved { left })
}

fn before_item(journal: &Journal, request: BeforeSave) -> Result<Draft, ParseError> {
    journal.note("beforeSave Item");
    let mut item = request.object;
    match item.text("name").as_deref() {
        Some("forbidden") => return Err(ParseError::new(ErrorCode::ValidationError, "No such item here.")),
        Some("custom") => return Err(ParseError::with_number(9001, "A number of our own.")),
        Some("panic") => panic!("the hook panics"),
        Some(name) if name.starts_with("loud ") => item.set("name", name.to_uppercase()),
        _ => {}
    }
    if item.is_dirty("price") && item.original().is_some() {
        let before = item.original().and_then(|item| item.get("price")).cloned();
        item.set("priceBefore", before);
    }
    Ok(item)
}

async fn after_item(journal: Journal, request: AfterSave) -> Result<(), ParseError> {
    journal.note("afterSave Item");
    let log = map! { "item" => request.object.pointer(), "isNew" => request.original.is_none() };
    request.host.as_master().create("ItemLog", log).await?;
    if request.object.text("name") == Some("late trouble") {
        return Err(ParseError::new(ErrorCode::ScriptFailed, "too late to matter"));
    }
    Ok(())
}

fn application(journal: &Journal) -> Application {
    let (before, after) = (journal.clone(), journal.clone());
    Application::new("shop")
        .before_save("Item", move |request| {
            let journal = before.clone();
            async move { before_item(&journal, request) }
        })
        .after_save("Item", move |request| after_item(after.clone(), request))
        .before_save("Endless", |request: BeforeSave| async move {
            request.host.as_master().create("Endless", map! {}).await?;
            Ok(request.object)
        })
        .define("hello", Rules::none(), |_: Request| async { Ok("Hello") })
        .define("echo", Rules::none(), |request: Request| async move { Ok(Value::Object(request.params)) })
        .define("whoAmI", Rules::none().require_user(), |request: Request| async move {
            Ok(request.who.user_id().map(ToString::to_string))
        })
        .define("masterOnly", Rules::none().require_master(), |_: Request| async { Ok(true) })
        .define("forEditors", Rules::none().require_any_user_roles(["editor"]), |_: Request| async { Ok(true) })
        .define(
            "fields",
            Rules::none()
                .field("name", FieldRule::required().kind(Kind::String))
                .field("size", FieldRule::optional().kind(Kind::Number).default_value(3)),
            |request: Request| async move { Ok(Value::Object(request.params)) },
        )
        .define("transfer", Rules::none().require_user(), transfer)
        .define("countItems", Rules::none(), |request: Request| async move {
            let mine = request.host.count("Item", Query::default()).await?;
            let all = request.host.as_master().count("Item", Query::default()).await?;
            Ok(Value::Object(map! { "mine" => mine as f64, "all" => all as f64 }))
        })
        .define("panics", Rules::none(), |request: Request| async move {
            assert!(request.params.contains_key("calm"), "the function panics");
            Ok(true)
        })
        .define("recurse", Rules::none(), |request: Request| async move { request.host.call("recurse", map! {}).await })
        .schema(
            r#"{"className":"Item","fields":{"name":{"type":"String"},"price":{"type":"Number"},
            "priceBefore":{"type":"Number"}},"classLevelPermissions":{"get":{"*":true},"find":{"*":true},
            "count":{"*":true},"create":{"*":true},"update":{"*":true},"delete":{"*":true},"addField":{}}}"#,
        )
        .schema(
            r#"{"className":"Purse","fields":{"balance":{"type":"Number","required":true,"defaultValue":0}},
            "classLevelPermissions":{"get":{"requiresAuthentication":true}}}"#,
        )
        .schema(r#"{"className":"Ledger","fields":{"line":{"type":"String"}},"appendOnly":true}"#)
        .role("editor", &[])
        .role("chief", &["editor"])
}
