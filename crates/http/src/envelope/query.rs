//! How are query strings and forms read: names may nest by brackets, `where[name][$ne]=x`, values are text.

use compact_str::CompactString;
use parsimony_model::Value;
use parsimony_model::value::Map;

/// How deep brackets may nest; Parse's reader has the same bound, and takes a deeper name as it is written.
const BRACKETS_MAX: usize = 5;

/// Reads a query string.
pub(super) fn parse(query: &str) -> Map {
    let mut map = Map::default();
    if query.is_empty() {
        return map;
    }
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = Value::String(value.into_owned());
        match brackets(&name) {
            Some((name, path)) => insert(&mut map, name, &path, value),
            None => insert(&mut map, &name, &[], value),
        }
    }
    map
}

/// Reads a form: names do not nest.
pub(super) fn flat(body: &[u8]) -> Map {
    let mut map = Map::default();
    for (name, value) in form_urlencoded::parse(body) {
        insert(&mut map, &name, &[], Value::String(value.into_owned()));
    }
    map
}

/// `a[b][c]` as `a` and `b`, `c`; nothing if the name has no such form.
fn brackets(name: &str) -> Option<(&str, Vec<&str>)> {
    let (first, rest) = name.split_once('[')?;
    let path: Vec<&str> = rest.strip_suffix(']')?.split("][").collect();
    let sound = !first.is_empty() && path.len() <= BRACKETS_MAX && !path.iter().any(|part| part.contains(['[', ']']));
    sound.then_some((first, path))
}

/// Puts a value in its place; a name that comes again makes a list.
fn insert(map: &mut Map, name: &str, path: &[&str], value: Value) {
    let slot = map.entry(CompactString::from(name));
    let [next, rest @ ..] = path else {
        slot.and_modify(|old| append(old, value.clone())).or_insert(value);
        return;
    };
    if next.is_empty() || next.bytes().all(|byte| byte.is_ascii_digit()) {
        let mut item = value;
        if let [name, path @ ..] = rest {
            let mut inner = Map::default();
            insert(&mut inner, name, path, item);
            item = Value::Object(inner);
        }
        append(slot.or_insert_with(|| Value::Array(Vec::new())), item);
    } else if let Value::Object(inner) = slot.or_insert_with(|| Value::Object(Map::default())) {
        insert(inner, next, rest, value);
    }
}

fn append(old: &mut Value, value: Value) {
    if let Value::Array(items) = old {
        items.push(value);
    } else {
        *old = Value::Array(vec![std::mem::take(old), value]);
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::value::json;

    use super::*;

    #[test]
    fn brackets_nest_and_repetitions_make_lists() {
        for (query, expected) in [
            ("", "{}"),
            ("a=1&b=x%20y+z", r#"{"a":"1","b":"x y z"}"#),
            ("a=1&a=2&a=3", r#"{"a":["1","2","3"]}"#),
            ("a[]=1&a[]=2", r#"{"a":["1","2"]}"#),
            ("a[0][b]=1", r#"{"a":[{"b":"1"}]}"#),
            ("where[name][$regex]=A'B&where[n]=1", r#"{"where":{"name":{"$regex":"A'B"},"n":"1"}}"#),
            ("a[b=1", r#"{"a[b":"1"}"#),
            ("a[b]c=1", r#"{"a[b]c":"1"}"#),
            ("a=1&a[b]=2", r#"{"a":"1"}"#),
            ("a[1][2][3][4][5][6]=x", r#"{"a[1][2][3][4][5][6]":"x"}"#),
            ("a", r#"{"a":""}"#),
            ("%ff=1", "{\"\u{fffd}\":\"1\"}"),
        ] {
            assert_eq!(String::from_utf8(json::write(&Value::Object(parse(query)))).unwrap(), expected, "{query}");
        }
        assert_eq!(flat(b"a[b]=1"), parsimony_model::map! { "a[b]" => "1" });
    }
}
