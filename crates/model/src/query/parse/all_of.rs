//! What does `$all` ask for: a list with all of these values, or with elements that match all of these patterns?

use super::{invalid_json, pattern, shown};
use crate::error::ParseError;
use crate::names::shorten;
use crate::query::{Constraint, Pattern};
use crate::value::{Map, Value};

/// Reads the operand of `$all`.
pub(super) fn constraint(operand: &Value) -> Result<Constraint, ParseError> {
    let Value::Array(items) = operand else { return Err(invalid_json("bad $all value")) };
    if !items.iter().any(|item| regex(item).is_some()) {
        return Ok(Constraint::All(items.clone()));
    }
    if !is_of_one_kind(items) {
        let shown: Vec<String> = items.iter().map(in_javascript).collect();
        let text = format!("All $all values must be of regex type or none: {}", shorten(&shown.join(",")));
        return Err(invalid_json(text));
    }
    let patterns = items.iter().map(|item| match (regex(item), item) {
        (Some((source, map)), _) => pattern(source, map),
        // A text among patterns is a pattern that only it matches.
        (None, Value::String(text)) => {
            let quoted = text.replace("\\E", "\\E\\\\E\\Q");
            Ok(Pattern { source: format!("\\A\\Q{quoted}\\E\\z"), options: String::new() })
        }
        _ => Err(invalid_json(format!("bad atom: {}", shown(item)))),
    });
    Ok(Constraint::AllMatch(patterns.collect::<Result<_, _>>()?))
}

fn regex(item: &Value) -> Option<(&Value, &Map)> {
    let map = item.as_object()?;
    Some((map.get("$regex")?, map))
}

/// Parse: a lone pattern asks how a text begins, quoted; among several, all do or none does.
fn is_of_one_kind(items: &[Value]) -> bool {
    let begins = |item: &Value| {
        let source = regex(item).and_then(|(source, _)| source.as_str());
        source.and_then(|source| source.strip_prefix("^\\Q")).is_some_and(|rest| rest.ends_with("\\E"))
    };
    match items {
        [only] => begins(only),
        [first, others @ ..] => others.iter().all(|other| begins(other) == begins(first)),
        [] => true,
    }
}

/// As JavaScript writes it into a text.
fn in_javascript(item: &Value) -> String {
    match (regex(item), item) {
        (Some((source, _)), _) => format!("/{}/", source.as_str().unwrap_or_default()),
        (None, Value::String(text)) => text.clone(),
        (None, Value::Object(_)) => "[object Object]".to_owned(),
        _ => shown(item),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::json;

    #[test]
    fn patterns_and_values_are_not_mixed_but_where_parse_does_not_see_it() {
        let read = |text: &str| constraint(&json::read(text.as_bytes()).unwrap());
        assert!(matches!(read(r#"["a",1]"#), Ok(Constraint::All(values)) if values.len() == 2));
        assert!(
            matches!(read(r#"[{"$regex":"^\\Qa\\E"}]"#), Ok(Constraint::AllMatch(patterns)) if patterns.len() == 1)
        );
        let Ok(Constraint::AllMatch(mixed)) = read(r#"[{"$regex":"^a"},"b"]"#) else { panic!("it is taken") };
        assert_eq!(mixed.last().unwrap().source, r"\A\Qb\E\z");
        for (refused, shown) in [
            (r#"[{"$regex":"a"}]"#, "/a/"),
            (r#"[{"$regex":"^\\Qa\\E"},"b"]"#, r"/^\Qa\E/,b"),
            (r#"[{"$regex":"^\\Qa\\E"},{"c":1}]"#, r"/^\Qa\E/,[object Object]"),
        ] {
            let error = read(refused).unwrap_err();
            let text = format!("All $all values must be of regex type or none: {shown}");
            assert_eq!((error.number(), &*error.message), (Some(107), text.as_str()));
        }
    }
}
