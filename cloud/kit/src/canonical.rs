//! Which text of a value are digests made of: JSON whose keys are sorted and whose numbers have one spelling.

use parsimony_model::value::{Map, json};
use parsimony_model::{Acl, File, Object, Value};
use sha2::{Digest, Sha256};

/// The canonical text of a value: two equal values have the same one, whatever order their keys came in.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// SHA-256 of a text, in lower-case hexadecimal.
pub fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// SHA-256 of the canonical text of a value.
pub fn digest(value: &Value) -> String {
    sha256(&text(value))
}

/// SHA-256 of a stored object: its class, id, times, ACL and fields, without Parse's internal ones.
pub fn object_digest(object: &Object) -> String {
    let mut map: Map = object.fields.iter().filter(|(key, _)| !key.starts_with('_')).map(pair).collect();
    map.insert("className".into(), object.class.as_str().into());
    map.insert("objectId".into(), object.id.as_str().into());
    for (key, date) in [("createdAt", object.created_at), ("updatedAt", object.updated_at)] {
        if let Some(date) = date {
            map.insert(key.into(), date.into());
        }
    }
    if let Some(acl) = object.acl.as_ref().map(Acl::to_value) {
        map.insert("ACL".into(), acl);
    }
    digest(&Value::Object(map))
}

fn pair<K: Clone>((key, value): (&K, &Value)) -> (K, Value) {
    (key.clone(), value.clone())
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
            list('{', entries, '}', out, |(key, value), out| {
                plain(&Value::String(key.to_string()), out);
                out.push(':');
                write(value, out);
            });
        }
        Value::Array(items) => list('[', items, ']', out, write),
        // An include is a matter of the query, not of the object.
        Value::Included(object) => write(&Value::Pointer(object.pointer()), out),
        // The URL of a file follows the server's configuration; the name is what is stored.
        Value::File(file) => plain(&Value::File(File { name: file.name.clone(), url: None }), out),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Date(_)
        | Value::Bytes(_)
        | Value::GeoPoint(_)
        | Value::Polygon(_)
        | Value::Pointer(_)
        | Value::Relation(_) => plain(value, out),
    }
}

/// The other types have one spelling already, with their keys in order.
fn plain(value: &Value, out: &mut String) {
    out.push_str(&String::from_utf8_lossy(&json::write(value)));
}

fn list<T>(
    open: char,
    items: impl IntoIterator<Item = T>,
    close: char,
    out: &mut String,
    mut each: impl FnMut(T, &mut String),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        each(item, out);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(json: &str) -> String {
        text(&json::read(json.as_bytes()).unwrap())
    }

    #[test]
    fn equal_values_have_one_text() {
        for (written, expected) in [
            (r#"{"b":1,"a":{"d":[2,{"y":1,"x":2}],"c":null}}"#, r#"{"a":{"c":null,"d":[2,{"x":2,"y":1}]},"b":1}"#),
            ("[1.0, -0.0, 1e3, 0.1]", "[1,0,1000,0.1]"),
            (r#""a\u0041\n""#, r#""aA\n""#),
            (r#"{"iso":"2026-01-31","__type":"Date"}"#, r#"{"__type":"Date","iso":"2026-01-31T00:00:00.000Z"}"#),
            (r#"{"__type":"File","name":"a","url":"http://x/a"}"#, r#"{"__type":"File","name":"a"}"#),
        ] {
            assert_eq!(canonical(written), expected);
        }
    }

    #[test]
    fn the_digest_is_sha_256_of_the_text() {
        // The digest of "{}" as sha256sum prints it.
        assert_eq!(
            digest(&Value::Object(Map::default())),
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }
}
