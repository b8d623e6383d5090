//! May a move fill this database? Only an empty one, or one that the same move began to fill and did not finish.
//!
//! A database that is being filled has a mark: a class of its own, which goes when all is there. A server does not start on
//! a database that has it.

use std::sync::Arc;

use parsimony_model::builtin::Builtin;
use parsimony_model::{ClassName, ClassSchema, Clock, Date, Filter, Object, ObjectId, Value, map};
use parsimony_store::{Scope, Selection, Store, StoreError};

/// Every class of a database, also those without a definition of their own, in the order of names.
pub(super) async fn classes(store: &dyn Store) -> Result<Vec<ClassSchema>, StoreError> {
    let mut classes = store.classes().await?;
    for builtin in Builtin::all().filter(|builtin| builtin.is_volatile()) {
        let name = builtin.name();
        if !classes.iter().any(|class| class.name == name)
            && let Some(class) = store.class(&name).await?
        {
            classes.push(class);
        }
    }
    classes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(classes)
}

/// The name of the class that marks a database that is being filled.
fn mark() -> ClassName {
    Builtin::Move.name()
}

/// From where, and since when, a database is being filled; `None` if it is not.
pub(super) async fn begun(store: &dyn Store) -> Result<Option<(String, String)>, StoreError> {
    let Some(class) = store.class(&mark()).await? else { return Ok(None) };
    let selection = Selection::new(Arc::new(class), Filter::everything(), Scope::Everything);
    let record = store.find(&selection).await?.into_iter().next();
    let since = record.as_ref().and_then(|record| record.created_at).map(Date::to_iso);
    let source = record.and_then(|record| record.text("source").map(str::to_owned));
    Ok(Some((source.unwrap_or_else(|| "another database".to_owned()), since.unwrap_or_default())))
}

/// Refuses a database that is only half there.
pub(crate) async fn refuse_half_moved(store: &dyn Store) -> Result<(), String> {
    let begun = begun(store).await.map_err(|error| format!("The database cannot be read: {error}."))?;
    begun.map_or(Ok(()), |(source, since)| {
        Err(format!(
            "{} is half of a copy of {source}, begun at {since} and not finished: run the same `parsimony move` again.",
            store.describe()
        ))
    })
}

/// Marks the target as being filled, and empties it if the same move had begun before. `true` if it had.
pub(super) async fn claim(target: &dyn Store, source: &str, clock: &dyn Clock) -> Result<bool, String> {
    let told = |error: StoreError| format!("{} cannot be read: {error}.", target.describe());
    match begun(target).await.map_err(told)? {
        None => {
            let there = classes(target).await.map_err(told)?;
            if !there.is_empty() {
                return Err(refusal(target, &there));
            }
            set_mark(target, source, clock).await.map_err(told)?;
            Ok(false)
        }
        Some((before, _)) if before == source => {
            for class in classes(target).await.map_err(told)?.iter().filter(|class| class.name != mark()) {
                target.drop_class(class).await.map_err(told)?;
            }
            Ok(true)
        }
        Some((before, since)) => Err(format!(
            "{} is half of a copy of {before}, begun at {since}: finish that move, or take an empty database.",
            target.describe()
        )),
    }
}

fn refusal(target: &dyn Store, there: &[ClassSchema]) -> String {
    const NAMED_MAX: usize = 5;
    let names: Vec<&str> = there.iter().take(NAMED_MAX).map(|class| class.name.as_str()).collect();
    let more = if there.len() > NAMED_MAX { ", …" } else { "" };
    format!("{} is not empty: it has {}{more}. Nothing was changed.", target.describe(), names.join(", "))
}

async fn set_mark(target: &dyn Store, source: &str, clock: &dyn Clock) -> Result<(), StoreError> {
    let class = Arc::new(ClassSchema::new(mark()));
    target.create_class(&class).await?;
    let now = Some(clock.now());
    let id = ObjectId::parse("1").map_err(|error| StoreError::Unfit(error.message.into()))?;
    let fields = map! { "source" => Value::from(source) };
    let record = Object { class: mark(), id, created_at: now, updated_at: now, acl: None, fields };
    target.insert(&class, &record).await
}

/// Takes the mark away: all is there.
pub(super) async fn release(target: &dyn Store) -> Result<(), StoreError> {
    target.drop_class(&ClassSchema::new(mark())).await
}
