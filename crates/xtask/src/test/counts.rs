//! How many tests passed, failed and were left out, going by what the test programs print?

use std::fmt::Write as _;
use std::time::Duration;

/// The tests of one ring.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Those that passed.
    pub(crate) passed: u64,
    /// Those that did not, and programs that ended without saying why.
    pub(crate) failed: u64,
    /// Those that were told not to run.
    pub(crate) ignored: u64,
}

impl Counts {
    /// Takes one line of output: the summary of a Rust program or of `node --test`, or anything else.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(summary) = line.strip_prefix("test result: ") {
            self.read_rust(summary);
        } else if let Some(summary) = line.strip_prefix("ℹ ") {
            self.read_node(summary);
        }
    }

    /// Those that say something: left-out tests do not.
    pub(crate) fn ran(&self) -> u64 {
        self.passed + self.failed
    }

    /// `ok. 8 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
    fn read_rust(&mut self, summary: &str) {
        let counts = summary.split_once(". ").map_or("", |(_, counts)| counts);
        for count in counts.split("; ") {
            let Some((number, word)) = count.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// `pass 8`, one line per count
    fn read_node(&mut self, summary: &str) {
        let Some((word, number)) = summary.split_once(' ') else { return };
        let Ok(number) = number.parse::<u64>() else { return };
        match word {
            "pass" => self.passed += number,
            "fail" | "cancelled" => self.failed += number,
            "skipped" | "todo" => self.ignored += number,
            _ => {}
        }
    }
}

/// One line per ring, and their sum.
pub(crate) fn table(rows: &[(&str, Counts, Duration)]) -> String {
    let mut text = format!("{:<14}{:>8}{:>8}{:>9}{:>10}\n", "ring", "passed", "failed", "ignored", "seconds");
    let mut sum = (Counts::default(), Duration::ZERO);
    for (name, counts, took) in rows {
        line(&mut text, name, *counts, *took);
        sum.0.passed += counts.passed;
        sum.0.failed += counts.failed;
        sum.0.ignored += counts.ignored;
        sum.1 += *took;
    }
    line(&mut text, "all", sum.0, sum.1);
    text
}

fn line(text: &mut String, name: &str, counts: Counts, took: Duration) {
    let Counts { passed, failed, ignored } = counts;
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{name:<14}{passed:>8}{failed:>8}{ignored:>9}{:>10.1}", took.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_programs_are_added_up() {
        let mut counts = Counts::default();
        counts.read("running 3 tests");
        counts.read("test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s");
        counts.read("test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s");
        assert_eq!(counts, Counts { passed: 7, failed: 2, ignored: 1 });
    }

    #[test]
    fn node_counts_what_it_cancelled_as_failed() {
        let mut counts = Counts::default();
        let lines = ["ℹ tests 9", "ℹ suites 1", "ℹ pass 5", "ℹ fail 1", "ℹ cancelled 1", "ℹ skipped 1", "ℹ todo 1"];
        for line in lines {
            counts.read(line);
        }
        counts.read("ℹ duration_ms 51.2");
        assert_eq!(counts, Counts { passed: 5, failed: 2, ignored: 2 });
    }

    #[test]
    fn the_table_ends_with_the_sum() {
        let one = Counts { passed: 1, failed: 2, ignored: 3 };
        let table = table(&[("unit", one, Duration::from_secs(1)), ("sdk", one, Duration::from_millis(500))]);
        assert_eq!(table.lines().last().unwrap().split_whitespace().collect::<Vec<_>>(), ["all", "2", "4", "6", "1.5"]);
    }
}
