//! Is the workspace as it was meant, where the compiler does not look: who depends on whom, and what a file may say?

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use parsimony_testkit::tools;

/// Who may depend on whom. Everything may use `parsimony-model` besides.
///
/// `application` stands for each folder in `cloud/` but `kit`, `example` for each folder in `examples/`.
const EDGES: [(&str, &[&str]); 18] = [
    ("parsimony-model", &[]),
    ("parsimony-store", &[]),
    ("parsimony-store-sqlite", &["parsimony-store"]),
    ("parsimony-store-mongo", &["parsimony-store"]),
    // Its tests look at what a store has got to see.
    ("parsimony-vault", &["parsimony-store", "parsimony-store-sqlite"]),
    ("parsimony-cloud", &[]),
    ("parsimony-engine", &["parsimony-cloud", "parsimony-store"]),
    ("parsimony-http", &["parsimony-engine"]),
    // It puts the parts together, so it sees all of them.
    (
        "parsimony-server",
        &[
            "parsimony-http",
            "parsimony-engine",
            "parsimony-cloud",
            "parsimony-connectors",
            "parsimony-script",
            "parsimony-store",
            "parsimony-store-sqlite",
            "parsimony-store-mongo",
            "parsimony-vault",
        ],
    ),
    // It puts the parts together once more, with a clock moved by hand and a look at which hooks ran.
    (
        "parsimony-testkit",
        &[
            "parsimony-server",
            "parsimony-http",
            "parsimony-engine",
            "parsimony-cloud",
            "parsimony-connectors",
            "parsimony-script",
            "parsimony-store",
            "parsimony-store-sqlite",
            "parsimony-store-mongo",
            "parsimony-vault",
        ],
    ),
    ("parsimony-connectors", &["parsimony-cloud", "parsimony-store"]),
    ("parsimony-script", &["parsimony-cloud"]),
    // It starts a mongod, and measures the stores by themselves; everything else it reaches by running it.
    (
        "xtask",
        &["parsimony-testkit", "parsimony-cloud", "parsimony-store", "parsimony-store-sqlite", "parsimony-store-mongo"],
    ),
    ("parsimony-kit", &["parsimony-connectors", "parsimony-cloud"]),
    ("application", &["parsimony-kit", "parsimony-connectors", "parsimony-cloud"]),
    ("parsimony", &["parsimony-server", "application"]),
    // Scenarios define functions and hooks of their own.
    (
        "parsimony-tests",
        &["parsimony-server", "parsimony-cloud", "parsimony-connectors", "parsimony-kit", "application"],
    ),
    ("example", &["parsimony-server", "parsimony-cloud"]),
];

/// The crates that one crate of the framework, and no other, may use.
const OWNED: [(&str, &str); 6] = [
    ("actix-web", "parsimony-http"),
    ("rusqlite", "parsimony-store-sqlite"),
    ("mongodb", "parsimony-store-mongo"),
    ("bson", "parsimony-store-mongo"),
    ("async-graphql", "parsimony-graphql"),
    ("rhai", "parsimony-script"),
];

/// Those that test and measure may use what others own.
const OUTSIDE_THE_FRAMEWORK: [&str; 3] = ["parsimony-testkit", "parsimony-tests", "xtask"];

/// Folders that hold nothing of ours, wherever they are.
const SKIPPED_FOLDERS: [&str; 3] = [".git", "target", "node_modules"];

/// Kinds of files that are not text, or not of the project.
const SKIPPED_ENDINGS: [&str; 11] = ["cer", "der", "png", "jpg", "ico", "gz", "zip", "db", "sqlite", "woff2", "log"];

fn packages() -> Vec<Package> {
    let manifest = tools::workspace().join("Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap().packages
}

/// What a package counts as in the table.
fn role(name: &str, manifest: &Path) -> String {
    let folders = manifest.parent().and_then(|folder| folder.strip_prefix(tools::workspace()).ok());
    let parents: Vec<_> = folders.into_iter().flat_map(Path::components).map(Component::as_os_str).collect();
    match parents.as_slice() {
        [parent, folder] if *parent == "cloud" && *folder != "kit" => "application".to_owned(),
        [parent, _] if *parent == "examples" => "example".to_owned(),
        _ => name.to_owned(),
    }
}

/// What is wrong with an edge, if anything.
fn refusal(from: &str, to: &str, kind: DependencyKind) -> Option<String> {
    let Some((_, allowed)) = EDGES.iter().find(|(role, _)| *role == from) else {
        return Some(format!("{from} is not in the table of edges in tidy.rs: say there what it may use"));
    };
    let for_tests = kind == DependencyKind::Development && ["parsimony-testkit", "parsimony-store"].contains(&to);
    if to == "parsimony-model" || for_tests || allowed.contains(&to) {
        return None;
    }
    Some(format!("{from} may not depend on {to}"))
}

/// The files of the project, as paths from the root.
fn files() -> Vec<PathBuf> {
    let root = tools::workspace();
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let data = path == root.join("data"); // where a server started here keeps its objects
            if path.is_symlink() || data || SKIPPED_FOLDERS.contains(&name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(&root).unwrap().to_path_buf());
            }
        }
    }
    found
}

/// What no file may contain. Put together here, so that this file does not contain it either.
fn forbidden() -> Vec<String> {
    let folders = ["work", "root", "farm", "tmp/dl", "tmp/bb"].map(|folder| format!("/{folder}/"));
    let hosts = [("registry.npmjs", "org"), ("files.pythonhosted", "org"), ("pypi", "org"), ("static.crates", "io")];
    folders.into_iter().chain(hosts.map(|(host, end)| format!("{host}.{end}"))).collect()
}

/// The first forbidden text in a line. In a path from the root nothing that belongs to a path stands before the slash.
fn offence<'a>(line: &str, forbidden: &'a [String]) -> Option<&'a str> {
    let found = |text: &&String| {
        line.match_indices(text.as_str()).any(|(at, _)| {
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            !text.starts_with('/') || !before.is_some_and(|c| c.is_alphanumeric() || ".-_}/".contains(c))
        })
    };
    forbidden.iter().find(found).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_depend_on_each_other_as_in_the_table() {
        let packages = packages();
        let roles: Vec<(&str, String)> = packages
            .iter()
            .map(|package| (package.name.as_str(), role(&package.name, package.manifest_path.as_std_path())))
            .collect();
        let role_of = |name: &str| roles.iter().find(|(known, _)| *known == name).map(|(_, role)| role.as_str());
        let mut refused = BTreeSet::new();
        for package in &packages {
            let from = role_of(&package.name).unwrap();
            refused.extend(package.dependencies.iter().filter_map(|dependency| {
                refusal(from, role_of(&dependency.name)?, dependency.kind)
                    .map(|refusal| format!("{}: {refusal}", package.name))
            }));
        }
        assert!(refused.is_empty(), "{refused:#?}");
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_refused() {
        use DependencyKind::{Development, Normal};
        assert!(refusal("parsimony-engine", "parsimony-http", Normal).is_some());
        assert!(refusal("parsimony-engine", "parsimony-testkit", Normal).is_some());
        assert!(refusal("application", "parsimony-engine", Normal).is_some());
        assert!(refusal("parsimony-newcomer", "parsimony-model", Normal).is_some());
        assert_eq!(refusal("parsimony-engine", "parsimony-testkit", Development), None);
        assert_eq!(refusal("parsimony-http", "parsimony-engine", Normal), None);
    }

    #[test]
    fn the_roles_follow_the_folders() {
        let role_in = |path: &str| role("name", &tools::workspace().join(path).join("Cargo.toml"));
        assert_eq!(role_in("cloud/trade-finance"), "application");
        assert_eq!(role_in("examples/first-light"), "example");
        assert_eq!(role_in("cloud/kit"), "name");
        assert_eq!(role_in("cloud"), "name");
        assert_eq!(role_in("crates/http"), "name");
    }

    #[test]
    fn big_dependencies_live_in_one_crate_each() {
        let packages = packages();
        let strangers: Vec<String> = packages
            .iter()
            .filter(|package| !OUTSIDE_THE_FRAMEWORK.contains(&package.name.as_str()))
            .flat_map(|package| package.dependencies.iter().map(move |dependency| (package, dependency)))
            .filter_map(|(package, dependency)| {
                let (_, owner) = OWNED.iter().find(|(name, _)| *name == dependency.name)?;
                (package.name != *owner)
                    .then(|| format!("{} uses {}, which belongs to {owner}", package.name, dependency.name))
            })
            .collect();
        assert!(strangers.is_empty(), "{strangers:#?}");
    }

    #[test]
    fn the_map_names_every_crate() {
        let map = fs::read_to_string(tools::workspace().join("crates/README.md")).unwrap();
        let missing: Vec<PathBuf> = fs::read_dir(tools::workspace().join("crates"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("Cargo.toml").is_file())
            .filter(|path| !map.contains(&format!("`{}`", path.file_name().unwrap().to_str().unwrap())))
            .collect();
        assert!(missing.is_empty(), "crates/README.md does not name {missing:?}");
    }

    #[test]
    fn no_file_names_a_machine_or_a_registry() {
        let forbidden = forbidden();
        let mut offences = Vec::new();
        for path in files() {
            if path.extension().is_some_and(|ending| SKIPPED_ENDINGS.iter().any(|skipped| ending == *skipped)) {
                continue;
            }
            let text = fs::read_to_string(tools::workspace().join(&path))
                .unwrap_or_else(|error| panic!("{} is no text: {error}", path.display()));
            for (line, number) in text.lines().zip(1..) {
                offences.extend(
                    offence(line, &forbidden).map(|found| format!("{}:{number} contains {found}", path.display())),
                );
            }
        }
        assert!(offences.is_empty(), "{offences:#?}");
    }

    /// A test that is named in a page stands as `FILE: NAME`.
    #[test]
    fn the_tests_that_the_page_on_security_names_are_there() {
        let page = fs::read_to_string(tools::workspace().join("docs/security.md")).unwrap();
        let named: Vec<(&str, &str)> =
            page.split('`').skip(1).step_by(2).filter_map(|text| text.split_once(": ")).collect();
        assert!(named.len() > 50, "{} tests are named", named.len());
        for (file, name) in named {
            let text = fs::read_to_string(tools::workspace().join(file));
            assert!(text.is_ok_and(|text| text.contains(name)), "{file} has no test called {name}");
        }
    }

    #[test]
    fn a_path_from_the_root_is_seen_and_a_relative_one_is_not() {
        let forbidden = forbidden();
        let folder = forbidden[0].clone();
        assert_eq!(offence(&format!("see {folder}main"), &forbidden), Some(folder.as_str()));
        assert_eq!(offence(&format!("see ..{folder}main"), &forbidden), None);
        assert_eq!(offence("a sentence about the work", &forbidden), None);
        assert!(offence(&format!("https://{}/parse", forbidden[5]), &forbidden).is_some());
    }
}
