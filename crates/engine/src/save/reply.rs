//! What does the answer tell? What the client cannot know.

use parsimony_model::value::Map;
use parsimony_model::{Object, Value};

use super::Written;
use crate::find::redact;
use crate::work::{Saved, Work};

pub(super) fn reply(work: &Work, written: Written) -> (Saved, Object) {
    let Written { created, mut after, computed, tell, class, .. } = written;
    let mut answer = Map::default();
    let date = |date: Option<parsimony_model::Date>| date.map_or(Value::Null, |date| date.to_iso().into());
    if created {
        answer.insert("objectId".into(), after.id.as_str().into());
        answer.insert("createdAt".into(), date(after.created_at));
    } else {
        answer.insert("updatedAt".into(), date(after.updated_at));
    }
    redact::finish(&work.engine.options, &class, &mut after);
    for field in computed {
        if field == "password" {
            continue;
        }
        // Parse: a field that a hook took away is told as a deletion.
        let gone = || Value::Object(std::iter::once(("__op".into(), "Delete".into())).collect());
        let value = after.lookup(&field).unwrap_or_else(gone);
        answer.insert(field.into(), value);
    }
    answer.extend(tell);
    (Saved { id: after.id.clone(), created, answer }, after)
}
