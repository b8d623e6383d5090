//! What is a hook script, what makes handlers of it, and what is wrong with one of which none can be made?

use std::fmt;
use std::sync::Arc;

use crate::registry::Layer;

/// A hook script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its name: `Identity`, or `identity-management/Identity` for one that comes with an application. The last part says
    /// what it is about.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
    /// Where it comes from, as an error says it.
    pub source: String,
}

/// What is wrong with a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The name of the script.
    pub script: String,
    /// The line, from 1; none if it is about the script as a whole.
    pub line: Option<usize>,
    /// The column, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.rhai", self.script)?;
        for place in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{place}")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Whether scripts may reach out of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effects {
    /// They may.
    Real,
    /// They may not: somebody only wants to see what a script would do.
    None,
}

/// A set of scripts that became handlers.
#[derive(Default, Clone)]
pub struct Compiled {
    /// The handlers.
    pub layer: Layer,
    /// Which script brings which hooks, as `beforeSave Identity` or `function greet`, in the order of the scripts.
    pub hooks: Vec<(String, Vec<String>)>,
}

/// What makes handlers of scripts.
pub trait Interpreter: Send + Sync {
    /// Makes handlers of a whole set of scripts, or says everything that is wrong with it.
    fn compile(&self, scripts: &[Script], effects: Effects) -> Result<Compiled, Vec<Fault>>;
}
