//! Which tests failed, and what did they say?
//!
//! A run is thousands of lines long, and what one sees of it is its end: there everything that failed is told again.

/// What the test programs said about their failures.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    lines: Vec<String>,
    listening: bool,
}

impl Failures {
    /// A program begins; what follows is its own.
    pub(crate) fn begin(&mut self) {
        self.listening = false;
    }

    /// Takes one line of its output. Both kinds of programs repeat their failures under a heading of their own: those in
    /// Rust up to the summary, those for Node up to the end.
    pub(crate) fn read(&mut self, line: &str) {
        if line.starts_with("test result: ") {
            self.listening = false;
        } else if line == "failures:" || line == "✖ failing tests:" {
            self.listening = true;
        } else if self.listening {
            self.lines.push(line.to_owned());
        }
    }

    /// Takes a failure that no test told.
    pub(crate) fn add(&mut self, sentence: String) {
        self.lines.push(sentence);
    }

    /// Everything that failed, under a heading, or nothing.
    pub(crate) fn told(&self) -> String {
        if self.lines.is_empty() { String::new() } else { format!("What failed:\n\n{}\n", self.lines.join("\n")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_told_again_and_nothing_else() {
        let mut failures = Failures::default();
        let rust =
            ["test a ... ok", "test b ... FAILED", "failures:", "---- b ----", "left: 1", "test result: FAILED. 1"];
        let node = ["✔ c", "✖ d", "ℹ fail 1", "✖ failing tests:", "✖ d", "  it is not 2"];
        for program in [&rust[..], &node[..], &["test e ... ok"]] {
            failures.begin();
            for line in program {
                failures.read(line);
            }
        }
        assert_eq!(failures.told(), "What failed:\n\n---- b ----\nleft: 1\n✖ d\n  it is not 2\n");
    }

    #[test]
    fn where_nothing_failed_nothing_is_told() {
        let mut failures = Failures::default();
        failures.read("test result: ok. 1 passed");
        assert_eq!(failures.told(), "");
    }
}
