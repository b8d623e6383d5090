//! The hook scripts that are stored: every version of each, the newest of which counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use parsimony_cloud::Script;
use parsimony_model::builtin::Builtin;
use parsimony_model::{ClassSchema, Date, ErrorCode, Filter, Object, ObjectId, Order, ParseError, map};
use parsimony_store::{Scope, Selection, StoreError};

use crate::engine::Engine;

/// How many versions of a script are kept.
pub(super) const VERSIONS_MAX: u32 = 100;

/// A version of a script.
pub(super) struct Version {
    pub(super) name: String,
    /// From 1.
    pub(super) number: u32,
    /// None says that from here on there is no stored one.
    pub(super) text: Option<String>,
    pub(super) author: String,
    pub(super) at: Option<Date>,
}

impl Version {
    fn of(row: &Object) -> Self {
        let text = |field: &str| row.text(field).unwrap_or_default().to_owned();
        let deleted = row.get("deleted").and_then(parsimony_model::Value::as_bool).unwrap_or_default();
        Self {
            name: text("name"),
            number: number(row),
            text: (!deleted).then(|| text("text")),
            author: text("author"),
            at: row.created_at,
        }
    }

    /// The script that serves in this version.
    pub(super) fn to_script(&self) -> Option<Script> {
        let source = format!("version {} by {}", self.number, self.author);
        Some(Script { name: self.name.clone(), text: self.text.as_deref()?.into(), source })
    }
}

fn number(row: &Object) -> u32 {
    row.get("version").and_then(parsimony_model::Value::as_f64).and_then(whole).unwrap_or_default()
}

/// The number of a version, if it is one.
#[expect(clippy::cast_sign_loss, reason = "its range is looked at before")]
pub(super) fn whole(number: f64) -> Option<u32> {
    let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    fits.then_some(number as u32)
}

async fn class(engine: &Engine) -> Result<Option<Arc<ClassSchema>>, ParseError> {
    engine.schemas.find(&Builtin::HookScript.name()).await
}

async fn rows(engine: &Engine, filter: Filter, keys: &[&str]) -> Result<Vec<Object>, ParseError> {
    let Some(class) = class(engine).await? else { return Ok(Vec::new()) };
    let mut selection = Selection::new(class, filter, Scope::Everything);
    selection.keys = keys.iter().map(|key| (*key).to_owned()).collect();
    selection.order = vec![Order { path: "version".into(), descending: true }];
    Ok(engine.store.find(&selection).await?)
}

/// The newest version of each script, those that were taken away among them.
pub(super) async fn newest(engine: &Engine) -> Result<Vec<Version>, ParseError> {
    let mut newest: BTreeMap<String, (u32, ObjectId)> = BTreeMap::new();
    // Without the texts, which are long and mostly of old versions.
    for row in rows(engine, Filter::everything(), &["name", "version"]).await? {
        let name = row.text("name").unwrap_or_default().to_owned();
        let known = newest.entry(name).or_insert_with(|| (number(&row), row.id.clone()));
        if number(&row) > known.0 {
            *known = (number(&row), row.id);
        }
    }
    let found = rows(engine, Filter::ids(newest.values().map(|(_, id)| id)), &[]).await?;
    Ok(found.iter().map(Version::of).collect())
}

/// The versions of a script, the newest first.
pub(super) async fn history(engine: &Engine, name: &str) -> Result<Vec<Version>, ParseError> {
    Ok(rows(engine, Filter::equals("name", name), &[]).await?.iter().map(Version::of).collect())
}

/// Stores a version. Whoever stores the same one first wins; the other is told.
pub(super) async fn add(engine: &Engine, version: &Version) -> Result<(), ParseError> {
    let class = engine.schemas.require(&Builtin::HookScript.name()).await?;
    let now = engine.clock.now();
    let id = ObjectId::parse(&format!("{}@{}", version.name, version.number))?;
    let fields = map! {
        "name" => version.name.as_str(),
        "version" => f64::from(version.number),
        "text" => version.text.as_deref().unwrap_or_default(),
        "author" => version.author.as_str(),
        "deleted" => version.text.is_none(),
    };
    let row = Object { class: class.name.clone(), id, created_at: Some(now), updated_at: Some(now), acl: None, fields };
    match engine.store.insert(&class, &row).await {
        Ok(()) => forget_old(engine, class, version).await,
        Err(StoreError::Duplicate { .. }) => Err(overtaken(&version.name)),
        Err(error) => Err(error.into()),
    }
}

/// Somebody else was first.
pub(super) fn overtaken(name: &str) -> ParseError {
    let text = format!("Somebody else has changed the script {name} meanwhile; look at it again.");
    ParseError::new(ErrorCode::InvalidSchemaOperation, text)
}

/// Takes away the version for which there is no more room.
async fn forget_old(engine: &Engine, class: Arc<ClassSchema>, version: &Version) -> Result<(), ParseError> {
    let Some(oldest) = version.number.checked_sub(VERSIONS_MAX).filter(|number| *number > 0) else { return Ok(()) };
    let id = ObjectId::parse(&format!("{}@{oldest}", version.name))?;
    engine.store.delete(&Selection::new(class, Filter::id(&id), Scope::Everything)).await?;
    Ok(())
}
