//! Does this server answer what Parse Server answered, on both stores?
//!
//! Each scenario in the files beside this one is two tests, found when this program runs. The replies in them are
//! recorded from Parse Server by `cargo xtask record`; how a scenario is written stands in `README.md`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of tests, without the usual harness")]

mod application;
mod checks;
mod replay;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use parsimony_testkit::StoreKind;
use parsimony_testkit::wire::{Areas, servers};

use crate::replay::Replays;

fn main() -> ExitCode {
    let (areas, servers) = match Areas::read().and_then(|areas| Ok((areas, servers()?))) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let replays = Arc::new(Replays::new(areas, servers));
    let mut trials = checks::trials(&replays);
    for (area, scenario) in replays.scenarios() {
        let stores =
            if scenario.given.is_empty() { vec![StoreKind::Sqlite, StoreKind::Mongo] } else { vec![StoreKind::Mongo] };
        for store in stores {
            let replays = Arc::clone(&replays);
            let name = format!("{}::{area}::{}", replay::name_of(store), scenario.name);
            let (area, scenario) = (area.to_owned(), scenario.clone());
            trials.push(Trial::test(name, move || Ok(replays.replay(store, &area, &scenario)?)));
        }
    }
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    print!("{}", replays.summary());
    if let Err(error) = replays.keep() {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}
