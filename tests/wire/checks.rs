//! Are there enough scenarios, do they cover every feature and every error code, and is each exception explained?

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use parsimony_testkit::tools;
use parsimony_testkit::wire::{Scenario, Step, differences};

use crate::replay::Replays;

/// How many exchanges there are at least.
const EXCHANGES_MIN: usize = 600;

type Check = fn(&Replays) -> Result<(), String>;

const CHECKS: [(&str, Check); 7] = [
    ("there_are_enough_exchanges", enough_exchanges),
    ("every_feature_is_covered", every_feature),
    ("every_error_code_is_answered", every_code),
    ("every_difference_is_explained", every_difference),
    ("every_file_is_written_as_recorded", tidy_files),
    ("every_server_is_used", every_server),
    ("names_are_unique", unique_names),
];

/// One test for each check.
pub(crate) fn trials(replays: &Arc<Replays>) -> Vec<Trial> {
    let trial = |(name, check): (&str, Check)| {
        let replays = Arc::clone(replays);
        Trial::test(format!("checks::{name}"), move || check(&replays).map_err(Failed::from))
    };
    CHECKS.into_iter().map(trial).collect()
}

fn steps(replays: &Replays) -> impl Iterator<Item = (&str, &Scenario, &Step)> {
    replays.scenarios().flat_map(|(area, scenario)| scenario.steps.iter().map(move |step| (area, scenario, step)))
}

fn none(what: &str, found: &[String]) -> Result<(), String> {
    if found.is_empty() { Ok(()) } else { Err(format!("{what}: {}", found.join(", "))) }
}

fn enough_exchanges(replays: &Replays) -> Result<(), String> {
    let count = steps(replays).filter(|(_, _, step)| step.reply.is_some()).count();
    if count < EXCHANGES_MIN { Err(format!("{count} exchanges; {EXCHANGES_MIN} are wanted")) } else { Ok(()) }
}

/// The ids of the features of the data plane.
fn features() -> BTreeSet<String> {
    let groups = [
        ("T", 1..=11),
        ("T", 13..=14),
        ("O", 1..=15),
        ("Q", 1..=27),
        ("B", 1..=4),
        ("P", 1..=13),
        ("D", 1..=6),
        ("D", 15..=16),
    ];
    groups.into_iter().flat_map(|(letter, numbers)| numbers.map(move |number| format!("{letter}{number:02}"))).collect()
}

fn every_feature(replays: &Replays) -> Result<(), String> {
    let covered: BTreeSet<&String> = replays.scenarios().flat_map(|(_, scenario)| &scenario.features).collect();
    let wanted = features();
    let missing: Vec<String> = wanted.iter().filter(|id| !covered.contains(id)).cloned().collect();
    none("no scenario covers", &missing)?;
    let known = |id: &str| id.len() == 3 && id.starts_with(|c: char| c.is_ascii_uppercase());
    let odd: Vec<String> = covered.into_iter().filter(|id| !known(id)).cloned().collect();
    none("these are no ids of features", &odd)
}

/// The codes that requests for data can be answered with.
const CODES: [i64; 27] = [
    1, 101, 102, 103, 104, 105, 107, 111, 119, 121, 123, 125, 130, 135, 136, 137, 141, 142, 159, 200, 201, 202, 203,
    206, 209, 252, 255,
];

fn every_code(replays: &Replays) -> Result<(), String> {
    let recorded = steps(replays).filter_map(|(_, _, step)| step.reply.as_ref());
    let answered: BTreeSet<i64> = recorded.flat_map(parsimony_testkit::wire::Reply::codes).collect();
    let missing: Vec<String> = CODES.iter().filter(|code| !answered.contains(code)).map(i64::to_string).collect();
    none("no exchange is answered with", &missing)
}

/// The first column of the table in `docs/differences.md`.
fn explained() -> Result<BTreeSet<String>, String> {
    let path = tools::workspace().join("docs/differences.md");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next().map(str::to_owned));
    Ok(cells.skip(2).collect())
}

fn every_difference(replays: &Replays) -> Result<(), String> {
    let explained = explained()?;
    let mut wrong = Vec::new();
    for (area, scenario, step) in steps(replays) {
        let place = || format!("{area}: {}: {}", scenario.name, step.ask);
        match &step.differs {
            Some(row) if !explained.contains(row) => {
                wrong.push(format!("{}: docs/differences.md has no row {row:?}", place()));
            }
            Some(_) => match (&step.reply, &step.ours) {
                (Some(reply), Some(ours)) if !differences(reply, ours).is_empty() => {}
                _ => wrong.push(format!("{}: what is answered here is not said, or is no difference", place())),
            },
            None if step.ours.is_some() => wrong.push(format!("{}: it differs, and is not said why", place())),
            None => {}
        }
    }
    none("not explained", &wrong)
}

fn tidy_files(replays: &Replays) -> Result<(), String> {
    let untidy: Vec<String> = replays.areas.untidy()?.into_iter().map(str::to_owned).collect();
    none("not written as `cargo xtask record` writes them", &untidy)
}

fn every_server(replays: &Replays) -> Result<(), String> {
    let used: BTreeSet<&String> = replays.scenarios().map(|(_, scenario)| &scenario.server).collect();
    let idle: Vec<String> = replays.servers.keys().filter(|name| !used.contains(name)).cloned().collect();
    none("no scenario needs the server", &idle)?;
    let unknown: Vec<String> = used.into_iter().filter(|name| !replays.servers.contains_key(*name)).cloned().collect();
    none("servers.json does not name", &unknown)
}

fn unique_names(replays: &Replays) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let names = replays.scenarios().map(|(area, scenario)| format!("{area}: {}", scenario.name));
    let twice: Vec<String> = names.filter(|name| !seen.insert(name.clone())).collect();
    none("twice", &twice)
}
