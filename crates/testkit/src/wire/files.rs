//! Where are the scenarios, and which servers do they need?

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::format::pretty;
use super::json::Json;
use super::scenario::Area;
use crate::tools;

/// The file of the servers; every other JSON file holds scenarios.
const SERVERS: &str = "servers.json";
/// The options that every server has.
const EVERY: &str = "every";

/// All files of scenarios, by their path below `tests/wire` without the ending: `queries/geo`.
pub struct Areas(pub Vec<(String, Area)>);

/// The folder `tests/wire`.
fn folder() -> PathBuf {
    tools::workspace().join("tests/wire")
}

impl Areas {
    /// Reads them all, in the order of their names. The error says which file is wrong.
    pub fn read() -> Result<Self, String> {
        let (root, mut folders, mut areas) = (folder(), vec![folder()], Vec::new());
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            for entry in entries.flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "json") && !path.ends_with(SERVERS) {
                    let area = read(&path)?;
                    let name = path.with_extension("");
                    let name = name.strip_prefix(&root).unwrap_or(&name);
                    areas.push((name.display().to_string(), area));
                }
            }
        }
        areas.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok(Self(areas))
    }

    /// Writes one back.
    pub fn write(name: &str, area: &Area) -> Result<(), String> {
        let path = path_of(name);
        fs::write(&path, text_of(area)?).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Those whose files are not written as `cargo xtask record` would write them.
    pub fn untidy(&self) -> Result<Vec<&str>, String> {
        let mut names = Vec::new();
        for (name, area) in &self.0 {
            let text = fs::read_to_string(path_of(name)).map_err(|error| format!("{name}: {error}"))?;
            if text != text_of(area)? {
                names.push(name.as_str());
            }
        }
        Ok(names)
    }
}

fn path_of(name: &str) -> PathBuf {
    folder().join(format!("{name}.json"))
}

fn read(path: &Path) -> Result<Area, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn text_of(area: &Area) -> Result<String, String> {
    let text = serde_json::to_string(area).and_then(|text| serde_json::from_str::<Json>(&text));
    text.map(|json| pretty(&json)).map_err(|error| error.to_string())
}

/// The options of each server by its name, those of every server among them. The names are Parse Server's.
pub fn servers() -> Result<Map<String, Value>, String> {
    let path = folder().join(SERVERS);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut servers: Map<String, Value> =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let every = servers.remove(EVERY);
    for options in servers.values_mut() {
        let own = std::mem::replace(options, every.clone().unwrap_or_default());
        if let (Some(options), Value::Object(own)) = (options.as_object_mut(), own) {
            options.extend(own);
        }
    }
    Ok(servers)
}
