//! Which test belongs to which ring, from the quickest to the one with a real client?

use clap::ValueEnum;

use crate::install;

/// A group of tests that run one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ring {
    /// Each crate by itself, and the examples in its documentation.
    Unit,
    /// Both stores, against the behaviours every store must show.
    Conformance,
    /// The whole server, in this process.
    Scenarios,
    /// Both stores, against each other: classes, objects and questions made by chance.
    Generated,
    /// What Parse Server answered, asked again.
    Wire,
    /// What the compiler does not check about the workspace.
    Tidy,
    /// The server's binary, driven by the official JavaScript SDK.
    Sdk,
    /// The same binary, administered with Parse Dashboard in a browser.
    Dashboard,
}

impl Ring {
    /// All of them, in the order they run.
    pub(crate) const ALL: [Self; 8] = [
        Self::Unit,
        Self::Conformance,
        Self::Scenarios,
        Self::Generated,
        Self::Wire,
        Self::Tidy,
        Self::Sdk,
        Self::Dashboard,
    ];

    /// The ring of a package's tests. What is nowhere else is a unit test, so none can be forgotten.
    pub(crate) fn of(package: &str, target: &str) -> Self {
        match (package, target) {
            ("parsimony-store-sqlite" | "parsimony-store-mongo", _) => Self::Conformance,
            ("parsimony-tests", "wire") => Self::Wire,
            ("parsimony-tests", "generated") => Self::Generated,
            ("parsimony-tests", _) => Self::Scenarios,
            ("xtask", _) => Self::Tidy,
            _ => Self::Unit,
        }
    }

    /// The name in the headings and on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Conformance => "conformance",
            Self::Scenarios => "scenarios",
            Self::Generated => "generated",
            Self::Wire => "wire",
            Self::Tidy => "tidy",
            Self::Sdk => "sdk",
            Self::Dashboard => "dashboard",
        }
    }

    /// What one knows when it passed.
    pub(crate) const fn answers(self) -> &'static str {
        match self {
            Self::Unit => "does each crate do what it says?",
            Self::Conformance => "do both stores behave alike?",
            Self::Scenarios => "does the whole server answer as it should, on both stores?",
            Self::Generated => "do both stores answer alike, whatever is asked?",
            Self::Wire => "does it answer what Parse Server answered, on both stores?",
            Self::Tidy => "is the workspace as it was meant?",
            Self::Sdk => "does the official JavaScript SDK work with it, on both stores?",
            Self::Dashboard => "do administrators keep Parse Dashboard, on both stores?",
        }
    }

    /// Whether its tests talk to a database that we start.
    pub(crate) fn needs_mongo(self) -> bool {
        !matches!(self, Self::Unit | Self::Tidy)
    }

    /// Whether its tests have a chain of their own.
    pub(crate) const fn needs_chain(self) -> bool {
        matches!(self, Self::Scenarios | Self::Sdk)
    }

    /// The folder of its tests, where they are for Node.
    pub(crate) const fn node_folder(self) -> Option<&'static str> {
        match self {
            Self::Sdk => Some(install::SDK_TESTS),
            Self::Dashboard => Some("tests/dashboard"),
            Self::Unit | Self::Conformance | Self::Scenarios | Self::Generated | Self::Wire | Self::Tidy => None,
        }
    }
}
