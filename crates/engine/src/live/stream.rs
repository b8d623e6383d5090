//! Changes come from the database itself, whichever server wrote them. They are asked for when somebody listens.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use compact_str::CompactString;
use futures::StreamExt;
use parking_lot::Mutex;
use parsimony_model::{ClassName, Object, ParseError, Value};
use parsimony_store::{Happening, Written};
use tokio::sync::{Notify, watch};

use super::{Change, publish_all};
use crate::engine::Engine;

/// How long to wait before the store is asked again after it refused.
const PAUSE: Duration = Duration::from_secs(1);

/// What is known of the store's part.
pub(super) struct Stream {
    /// Somebody listens.
    wanted: Arc<Notify>,
    /// Whether the store tells what is written.
    open: watch::Sender<bool>,
    /// The classes of which it tells what objects were.
    with_images: Mutex<HashSet<ClassName>>,
}

impl Default for Stream {
    fn default() -> Self {
        Self { wanted: Arc::default(), open: watch::Sender::new(false), with_images: Mutex::default() }
    }
}

impl Stream {
    /// Waits until what is written to a class from now on will be told.
    pub(super) async fn ready(&self, engine: &Engine, class: &ClassName) {
        self.wanted.notify_one();
        // The sender lives as long as this does.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
        self.keep_images(engine, class).await;
    }

    async fn keep_images(&self, engine: &Engine, class: &ClassName) {
        if engine.schemas.get(class).is_none() || self.with_images.lock().contains(class) {
            return;
        }
        if let Err(error) = engine.store.keep_images(class).await {
            tracing::warn!(%class, %error, "LiveQuery cannot tell what objects of this class were before a change");
        }
        self.with_images.lock().insert(class.clone());
    }
}

/// Hands on what the store tells.
pub(super) async fn watch(engine: Weak<Engine>, classes: Vec<String>) {
    let Some(wanted) = engine.upgrade().map(|engine| Arc::clone(&engine.live.stream.wanted)) else { return };
    wanted.notified().await;
    let mut happenings = loop {
        let Some(engine) = engine.upgrade() else { return };
        match engine.store.watch(&classes).await {
            Ok(happenings) => break happenings,
            Err(error) => tracing::error!(%error, "LiveQuery is not told what is written"),
        }
        drop(engine);
        tokio::time::sleep(PAUSE).await;
    };
    if let Some(engine) = engine.upgrade() {
        engine.live.stream.open.send_replace(true);
    }
    while let Some(happening) = happenings.next().await {
        let Some(engine) = engine.upgrade() else { return };
        match happening {
            Happening::Object(written) if engine.live.wants(&written.class) => hand_on(&engine, written).await,
            Happening::Gap => {
                tracing::error!("LiveQuery clients may have missed changes: the database was out of reach");
            }
            _ => {}
        }
    }
}

async fn hand_on(engine: &Engine, written: Written) {
    engine.live.stream.keep_images(engine, &written.class).await;
    match change(engine, &written).await {
        Ok(change) => publish_all(engine, change.into_iter().collect()).await,
        Err(error) => tracing::error!(class = %written.class, id = written.id, %error, "a change could not be read"),
    }
}

async fn change(engine: &Engine, written: &Written) -> Result<Option<Change>, ParseError> {
    let Some(class) = engine.schemas.find(&written.class).await? else { return Ok(None) };
    let read = |image: &Option<parsimony_store::Image>| image.as_ref().map(|image| image.read(&class)).transpose();
    let (before, after) = (read(&written.before)?.map(Arc::new), read(&written.after)?.map(Arc::new));
    if before.is_none() && after.is_none() {
        return Ok(None);
    }
    if let (Some(before), Some(after)) = (&before, &after)
        && differ_in_hidden_fields(before, after)
    {
        return Ok(None);
    }
    // Where the store does not know what an object was, it counts as what it is: an update, and neither enter nor leave.
    let before = if written.created { None } else { before.or_else(|| after.clone()) };
    Ok(Some(Change { class: written.class.clone(), before, after }))
}

/// Whether two images of an object are not the same, and nobody may see why: a failed login is counted, a token is made.
fn differ_in_hidden_fields(before: &Object, after: &Object) -> bool {
    let is_shown = |(name, _): &(&CompactString, &Value)| !name.starts_with('_');
    let shown = |object: &'_ Object| object.fields.iter().filter(is_shown).count();
    let alike = |(name, value): (&CompactString, &Value)| after.fields.get(name) == Some(value);
    before != after
        && (before.updated_at, before.created_at) == (after.updated_at, after.created_at)
        && before.acl == after.acl
        && shown(before) == shown(after)
        && before.fields.iter().filter(is_shown).all(alike)
}

#[cfg(test)]
mod tests {
    use parsimony_model::value::Map;
    use parsimony_model::{Acl, Date, ObjectId, map};

    use super::*;

    fn user(fields: Map) -> Object {
        Object {
            class: ClassName::parse("_User").unwrap(),
            id: ObjectId::parse("u").unwrap(),
            created_at: None,
            updated_at: Some(Date::EPOCH),
            acl: None,
            fields,
        }
    }

    #[test]
    fn a_change_of_hidden_fields_alone_is_none() {
        let before = user(map! { "name" => "ann", "_failed_login_count" => 1 });
        let hidden = |after: &Object| differ_in_hidden_fields(&before, after);
        assert!(hidden(&user(map! { "name" => "ann", "_failed_login_count" => 2 })));
        assert!(hidden(&user(map! { "_perishable_token" => "t", "name" => "ann" })));
        for after in [
            before.clone(),
            user(map! { "name" => "bob", "_failed_login_count" => 1 }),
            user(map! { "_failed_login_count" => 2 }),
            user(map! { "name" => "ann", "more" => 1 }),
            Object { updated_at: Some(Date::from_millis(1)), ..user(map! { "name" => "ann" }) },
            Object { acl: Some(Acl::default()), ..user(map! { "name" => "ann" }) },
        ] {
            assert!(!hidden(&after), "{after:?}");
        }
    }
}
