//! Which hook scripts are in a folder: `NAME.rhai`, and in a folder of an application's name `APPLICATION/NAME.rhai`.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use parsimony_cloud::Script;

/// The ending of a hook script's file.
const ENDING: &str = "rhai";

/// How many bytes are read of a file: more than a script may have.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Makes the folder, if there is a place for it: a server with its data elsewhere need not have one.
pub(crate) fn make(folder: &Path) -> Result<(), String> {
    if folder.exists() || !folder.parent().is_some_and(Path::is_dir) {
        return Ok(());
    }
    match fs::create_dir(folder) {
        // Another server on the same data was quicker.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(|error| format!("{} cannot be made: {error}.", folder.display())),
    }
}

/// Reads them. A folder that is not there has none. The error is a sentence.
pub(crate) fn read(folder: &Path) -> Result<Vec<Script>, String> {
    let mut scripts = Vec::new();
    if folder.exists() {
        read_into(&mut scripts, folder, None)?;
    }
    scripts.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(scripts)
}

fn read_into(scripts: &mut Vec<Script>, folder: &Path, application: Option<&str>) -> Result<(), String> {
    let unreadable = |path: &Path, error: std::io::Error| format!("{} cannot be read: {error}.", path.display());
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // What editors leave beside a file they write.
        if name.starts_with(['.', '#']) {
            continue;
        }
        if path.is_dir() {
            if application.is_none() {
                read_into(scripts, &path, Some(name))?;
            }
            continue;
        }
        let Some((stem, ENDING)) = name.rsplit_once('.') else { continue };
        let size = fs::metadata(&path).map_err(|error| unreadable(&path, error))?.len();
        if size > FILE_BYTES_MAX {
            return Err(format!("{} has more than {FILE_BYTES_MAX} bytes.", path.display()));
        }
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
        let name = application.map_or_else(|| stem.to_owned(), |application| format!("{application}/{stem}"));
        scripts.push(Script { name, text: text.into(), source: path.display().to_string() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_start_together_all_find_the_folder() {
        for _ in 0..50 {
            let data = tempfile::tempdir().unwrap();
            let hooks = std::sync::Arc::new(data.path().join("hooks"));
            let start = std::sync::Arc::new(std::sync::Barrier::new(8));
            let servers = [(); 8].map(|()| {
                let (hooks, start) = (std::sync::Arc::clone(&hooks), std::sync::Arc::clone(&start));
                std::thread::spawn(move || (start.wait(), make(&hooks)).1)
            });
            assert!(servers.into_iter().all(|server| server.join().unwrap() == Ok(())));
        }
    }

    #[test]
    fn scripts_are_found_in_the_folder_and_in_those_of_applications() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        for path in ["Item.rhai", "app/functions.rhai", "Item.rhai~", ".Item.rhai", "notes.txt", "app/deep/No.rhai"] {
            write(path);
        }
        let names: Vec<String> = read(folder.path()).unwrap().into_iter().map(|script| script.name).collect();
        assert_eq!(names, ["Item", "app/functions"]);
        assert_eq!(read(&folder.path().join("missing")), Ok(Vec::new()));
        fs::write(folder.path().join("Bad.rhai"), [0xff]).unwrap();
        assert!(read(folder.path()).unwrap_err().contains("Bad.rhai cannot be read"));
    }
}
