//! How do the files of a folder become definitions, and classes files?

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use parsimony_model::Value;
use parsimony_model::value::json;

/// How deep folders may lie in one another.
const DEPTH_MAX: u8 = 16;

/// A file with one class.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) definition: Value,
}

impl File {
    fn class(&self) -> &str {
        class_of(&self.definition)
    }
}

fn class_of(definition: &Value) -> &str {
    definition.as_object().and_then(|map| map.get("className")).and_then(Value::as_str).unwrap_or_default()
}

/// Reads `DIR/**/*.json`, in the order of their paths.
pub(super) fn read(dir: &Path) -> Result<Vec<File>, String> {
    let mut paths = Vec::new();
    collect(dir, 0, &mut paths)?;
    paths.sort();
    let mut files: Vec<File> = Vec::with_capacity(paths.len());
    for path in paths {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}.", path.display());
        let text = fs::read_to_string(&path).map_err(|error| told(&error))?;
        let definition = json::read(text.as_bytes()).map_err(|error| told(&error.message))?;
        let file = File { path: path.clone(), definition };
        if file.class().is_empty() {
            return Err(told(&"there is no className in it"));
        }
        if let Some(other) = files.iter().find(|other| other.class() == file.class()) {
            let (class, other) = (file.class(), other.path.display());
            return Err(told(&format!("{class} is defined in {other} too")));
        }
        files.push(file);
    }
    Ok(files)
}

/// The same, of a folder that need not be there.
pub(super) fn read_if_there(dir: &Path) -> Result<Vec<File>, String> {
    if dir.exists() { read(dir) } else { Ok(Vec::new()) }
}

fn collect(dir: &Path, depth: u8, paths: &mut Vec<PathBuf>) -> Result<(), String> {
    let told = |error: std::io::Error| format!("The folder {} cannot be read: {error}.", dir.display());
    if depth > DEPTH_MAX {
        return Err(format!("The folder {} lies too deep.", dir.display()));
    }
    for entry in fs::read_dir(dir).map_err(told)? {
        let path = entry.map_err(told)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            collect(&path, depth + 1, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    Ok(())
}

/// Writes those classes of a server that `wanted` wants (given its name, and whether it has a file): in the file that has the
/// class, or `DIR/CLASS.json`. Gives the files that were written.
pub(super) fn write(
    dir: &Path,
    files: &[File],
    pulled: &[Value],
    wanted: impl Fn(&str, bool) -> bool,
) -> Result<Vec<PathBuf>, String> {
    let mut written = Vec::new();
    for definition in pulled {
        let class = class_of(definition);
        let file = files.iter().find(|file| file.class() == class);
        if class.is_empty() || !wanted(class, file.is_some()) || file.is_some_and(|file| file.definition == *definition)
        {
            continue;
        }
        let path = file.map_or_else(|| dir.join(format!("{class}.json")), |file| file.path.clone());
        let told = |error: std::io::Error| format!("{} cannot be written: {error}.", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(told)?;
        }
        // Whole or not at all.
        let beside = path.with_extension("json.new");
        fs::write(&beside, text(definition)).and_then(|()| fs::rename(&beside, &path)).map_err(told)?;
        written.push(path);
    }
    Ok(written)
}

/// A definition as people write it: a line for each field, each permission, each index.
fn text(definition: &Value) -> String {
    let Value::Object(map) = definition else { return on_a_line(definition) };
    let mut text = String::from("{");
    for (index, (key, value)) in map.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        // Writing to a string cannot fail.
        let _ = write!(text, "  {}: ", quoted(key));
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                text.push('{');
                for (index, (key, value)) in inner.iter().enumerate() {
                    text.push_str(if index == 0 { "\n" } else { ",\n" });
                    let _ = write!(text, "    {}: {}", quoted(key), on_a_line(value));
                }
                text.push_str("\n  }");
            }
            other => text.push_str(&on_a_line(other)),
        }
    }
    text.push_str("\n}\n");
    text
}

/// A value on one line, with room to breathe.
fn on_a_line(value: &Value) -> String {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let parts: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", quoted(key), on_a_line(value))).collect();
            format!("{{ {} }}", parts.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(on_a_line).collect::<Vec<_>>().join(", ")),
        other => String::from_utf8(json::write(other)).unwrap_or_default(),
    }
}

fn quoted(key: &str) -> String {
    on_a_line(&key.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        json::read(text.as_bytes()).unwrap()
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn files_are_found_wherever_they_lie() {
        let folder = folder(&[
            ("b/B.json", r#"{"className":"B"}"#),
            ("A.json", r#"{"className":"A"}"#),
            ("README.md", "no"),
            (".hidden/C.json", "{"),
        ]);
        let classes: Vec<String> = read(folder.path()).unwrap().iter().map(|file| file.class().to_owned()).collect();
        assert_eq!(classes, ["A", "B"]);
        assert_eq!(read_if_there(&folder.path().join("nowhere")).unwrap(), []);
        assert!(read(&folder.path().join("nowhere")).unwrap_err().contains("nowhere"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_file() {
        for (text, part) in
            [("{", "A.json: Invalid JSON"), ("[]", "A.json: there is no className"), (r#"{"className":1}"#, "A.json")]
        {
            let folder = folder(&[("A.json", text)]);
            assert!(read(folder.path()).unwrap_err().contains(part), "{text}");
        }
        let folder = folder(&[("A.json", r#"{"className":"A"}"#), ("x/A.json", r#"{"className":"A"}"#)]);
        assert!(read(folder.path()).unwrap_err().contains("A is defined in"));
    }

    #[test]
    fn a_class_goes_into_its_file() {
        let folder = folder(&[("app/Letter.json", r#"{"className":"Letter","fields":{}}"#)]);
        let files = read(folder.path()).unwrap();
        let pulled = [
            value(
                r#"{"className":"Letter","fields":{"to":{"type":"Pointer","targetClass":"_User"}},
                "classLevelPermissions":{"find":{},"protectedFields":{"*":["to","x"]}}}"#,
            ),
            value(r#"{"className":"New","fields":{}}"#),
            value(r#"{"className":"_Session"}"#),
        ];
        let written = write(folder.path(), &files, &pulled, |class, _| class != "_Session").unwrap();
        assert_eq!(written, [folder.path().join("app/Letter.json"), folder.path().join("New.json")]);
        assert_eq!(
            fs::read_to_string(&written[0]).unwrap(),
            r#"{
  "className": "Letter",
  "fields": {
    "to": { "type": "Pointer", "targetClass": "_User" }
  },
  "classLevelPermissions": {
    "find": {},
    "protectedFields": { "*": ["to", "x"] }
  }
}
"#
        );
        let files = read(folder.path()).unwrap();
        assert_eq!(write(folder.path(), &files, &pulled, |class, _| class != "_Session").unwrap(), [] as [PathBuf; 0]);
    }
}
