//! Parse Config: parameters of the whole application, which every client may read but for those that are the master's.

use parsimony_cloud::{AfterSaveConfig, BeforeSaveConfig, CONFIG};
use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Filter, Object, ObjectId, Op, ParseError, Update, Value, map};

use crate::rows::Rows;
use crate::save::keywords::refuse_denied;
use crate::triggers;
use crate::work::Work;

/// There is one row, and its id is this.
const ROW: &str = "1";

/// The field of the parameters.
const PARAMS: &str = "params";

/// The field that says which parameters are the master's.
const MASTER_KEY_ONLY: &str = "masterKeyOnly";

fn field(row: &Object, name: &str) -> Map {
    row.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
}

async fn stored(work: &Work) -> Result<Option<Object>, ParseError> {
    let Some(rows) = Rows::if_any(&work.engine, Builtin::GlobalConfig).await? else { return Ok(None) };
    rows.get(&ObjectId::parse(ROW)?).await
}

/// The parameters that the caller may see. Parse: without any configuration nothing is said of whose they are.
pub(crate) async fn read(work: &Work) -> Result<Map, ParseError> {
    let Some(row) = stored(work).await? else { return Ok(map! { PARAMS => Map::default() }) };
    let (mut params, mut master_only) =
        (field(&row, PARAMS), row.get(MASTER_KEY_ONLY).map(|_| field(&row, MASTER_KEY_ONLY)));
    if let Some(master_only) = &mut master_only
        && !work.is_master()
    {
        let is_the_masters = |name: &str| master_only.get(name).is_some_and(Value::is_truthy);
        let hidden: Vec<_> = params.keys().filter(|name| is_the_masters(name)).cloned().collect();
        for name in hidden {
            params.shift_remove(&name);
            master_only.shift_remove(&name);
        }
    }
    for value in params.values_mut() {
        crate::find::redact::locate_file(&work.engine.options, value);
    }
    let mut answer = map! { PARAMS => params };
    if let Some(master_only) = master_only {
        answer.insert(MASTER_KEY_ONLY.into(), master_only.into());
    }
    Ok(answer)
}

/// Changes parameters one by one, for the master key.
pub(crate) async fn update(work: &Work, mut body: Map) -> Result<(), ParseError> {
    work.require_master()?;
    work.caller.may_write("update the config")?;
    let map = |value: Option<Value>| match value {
        Some(Value::Object(map)) => map,
        _ => Map::default(),
    };
    let (params, master_only) = (map(body.shift_remove(PARAMS)), map(body.shift_remove(MASTER_KEY_ONLY)));
    refuse_denied(&work.engine.options.denied_keywords, &params)?;
    let update = update_of(&params, &master_only)?;
    if update.0.is_empty() {
        return Ok(());
    }
    let before = stored(work).await?;
    let original = before.as_ref().map(|row| field(row, PARAMS));
    let (sent, was) = (params.clone(), original.clone());
    triggers::run(work, CONFIG, |origin| BeforeSaveConfig { params: sent, original: was, origin }).await?;
    let after = write(work, update).await?;
    let params = if before.is_some() { field(&after, PARAMS) } else { params };
    triggers::run(work, CONFIG, |origin| AfterSaveConfig { params, original, origin }).await?;
    Ok(())
}

/// What changes in the row. Parse: a dot in the name of a parameter leads into it, and a parameter is everybody's unless it is
/// said to be the master's.
fn update_of(params: &Map, master_only: &Map) -> Result<Update, ParseError> {
    let mut update = Update::default();
    for (name, value) in params {
        let is_name = |part: &str| !part.is_empty() && !part.starts_with('$') && !part.contains('\0');
        if !name.split('.').all(is_name) {
            let text = format!("Invalid key name: {}", parsimony_model::names::shorten(name));
            return Err(ParseError::new(ErrorCode::InvalidKeyName, text));
        }
        let op = Op::parse(value.clone())?;
        if matches!(op, Op::Relate { .. }) {
            return Err(ParseError::new(ErrorCode::IncorrectType, "A parameter of the config cannot be a relation."));
        }
        let is_the_masters = master_only.get(name).is_some_and(Value::is_truthy);
        update.0.insert(format!("{PARAMS}.{name}").into(), op);
        update.0.insert(format!("{MASTER_KEY_ONLY}.{name}").into(), Op::Set(is_the_masters.into()));
    }
    Ok(update)
}

/// Changes the row, which is made if it is not there.
async fn write(work: &Work, update: Update) -> Result<Object, ParseError> {
    let rows = Rows::of(&work.engine, Builtin::GlobalConfig).await?;
    let id = ObjectId::parse(ROW)?;
    if let Some(row) = rows.update(Filter::id(&id), update.clone()).await? {
        return Ok(row);
    }
    // Whoever else makes it at this moment makes the same.
    rows.insert(&id, map! { PARAMS => Map::default(), MASTER_KEY_ONLY => Map::default() }).await?;
    rows.update(Filter::id(&id), update).await?.ok_or_else(|| ParseError::internal("the config was taken away"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_changed_by_itself() {
        let params = map! { "a" => 1, "b.c" => map! { "__op" => "Delete" } };
        let update = update_of(&params, &map! { "a" => true }).unwrap();
        let found: Vec<_> = update.0.iter().map(|(key, op)| (key.as_str(), op.clone())).collect();
        let expected = [
            ("params.a", Op::Set(1.into())),
            ("masterKeyOnly.a", Op::Set(true.into())),
            ("params.b.c", Op::Delete),
            ("masterKeyOnly.b.c", Op::Set(false.into())),
        ];
        assert_eq!(found, expected);
        for name in ["", "a..b", "$inc", "a.$x", "a\0"] {
            assert!(update_of(&map! { name => 1 }, &Map::default()).is_err(), "{name:?}");
        }
    }
}
