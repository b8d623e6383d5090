//! What does the answer tell? What the client cannot know.

use parsimony_model::update::top;
use parsimony_model::value::Map;
use parsimony_model::{Object, Op, Value};

use super::Written;
use crate::access::fields::Hidden;
use crate::find::redact;
use crate::work::{Saved, Work};

pub(super) fn reply(work: &Work, written: Written) -> (Saved, Object) {
    let Written { created, mut after, computed, tell, class, update, answer: own, .. } = written;
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
        // Parse: what was to be taken from a list that is not there is nothing to tell.
        if matches!(update.get(&field), Some(Op::Remove(_))) && after.lookup(top(&field)).is_none() {
            continue;
        }
        // Parse: a field that a hook took away is told as a deletion.
        let gone = || Value::Object(std::iter::once(("__op".into(), "Delete".into())).collect());
        match field.split_once('.') {
            None => {
                answer.insert(field.as_str().into(), after.lookup(&field).unwrap_or_else(gone));
            }
            // Parse: of a changed element, the whole list.
            Some((first, _)) if after.get(first).is_some_and(|value| value.as_array().is_some()) => {
                answer.insert(first.into(), after.get(first).cloned().unwrap_or_default());
            }
            // Parse: of a changed part, the way to it and nothing beside it.
            Some((first, rest)) => {
                let value = part(after.get(first), rest).unwrap_or_else(gone);
                let before = answer.shift_remove(first).unwrap_or_default();
                answer.insert(first.into(), with_part(before, rest, value));
            }
        }
    }
    answer.extend(tell);
    let mut answer = own.unwrap_or(answer);
    if !work.engine.options.protected_fields_save_response_exempt {
        let hidden = Hidden::from(&work.caller, &class, &work.engine.options);
        hidden.remove_from_answer(&work.caller, &after, &mut answer);
    }
    (Saved { id: after.id.clone(), created, found: false, answer }, after)
}

/// The value at a path below a value.
fn part(value: Option<&Value>, path: &str) -> Option<Value> {
    path.split('.').try_fold(value?, |value, key| value.as_object()?.get(key)).cloned()
}

/// The value with one part set, made an object all the way down.
fn with_part(value: Value, path: &str, part: Value) -> Value {
    let mut map = if let Value::Object(map) = value { map } else { Map::default() };
    match path.split_once('.') {
        None => {
            map.insert(path.into(), part);
        }
        Some((first, rest)) => {
            let below = map.shift_remove(first).unwrap_or_default();
            map.insert(first.into(), with_part(below, rest, part));
        }
    }
    Value::Object(map)
}
