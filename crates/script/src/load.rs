//! Which scripts are there, what is wrong with them, and which handlers do they become?

use std::collections::BTreeSet;
use std::sync::Arc;

use parsimony_cloud::{CONFIG, CONNECT, Call, Compiled, FILE, Fault, Job, Layer, Place, Script, Trigger};
use parsimony_model::ClassName;
use rhai::{AST, ASTFlags, FnAccess, Position, Scope, ScriptFuncDef, Stmt};

use crate::api::WAITING;
use crate::call::Function;
use crate::hooks::{KNOWN, Known, Registration, SESSION, register, register_job};
use crate::interpreter::{Core, Cores};
use crate::reach;
use crate::{plans, rules};

/// The script whose functions are cloud functions.
const FUNCTIONS: &str = "functions";

/// The script whose functions are jobs.
const JOBS: &str = "jobs";

/// The script of what concerns no class: that a client connects.
const CONNECTING: &str = "connect";

/// The script of what happens to files.
const FILES: &str = "files";

/// The script of what happens to Parse Config.
const CONFIGURATION: &str = "config";

/// The constant that says when jobs run.
const PLAN: &str = "PLAN";

/// The constant that says who may call what.
const RULES: &str = "RULES";

/// How Rhai names functions without a name.
const ANONYMOUS: &str = "anon$";

/// What a script is about.
enum About<'a> {
    Functions,
    Jobs,
    Class(&'a str),
}

/// Makes handlers of a whole set of scripts, or says everything that is wrong with it.
pub(crate) fn compile(cores: &Cores, scripts: &[Script]) -> Result<Compiled, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut compiled = Compiled::default();
    if scripts.len() > cores.hooks.limits.scripts_max {
        let text = format!("There are {} scripts; there may be {}.", scripts.len(), cores.hooks.limits.scripts_max);
        let script = scripts.last().map(|script| script.name.clone()).unwrap_or_default();
        return Err(vec![Fault { script, line: None, column: None, text }]);
    }
    for script in scripts {
        let is_jobs = script.name.rsplit('/').next() == Some(JOBS);
        let loading = Loading { core: if is_jobs { &cores.jobs } else { &cores.hooks }, script };
        match loading.load(&mut compiled.layer) {
            Ok(hooks) => compiled.hooks.push((script.name.clone(), hooks)),
            Err(more) => faults.extend(more),
        }
    }
    if faults.is_empty() { Ok(compiled) } else { Err(faults) }
}

/// What a script's constants say about its functions.
#[derive(Default)]
struct Said {
    rules: rules::ByFunction,
    plans: plans::ByJob,
}

/// A script that was read.
struct Loaded {
    ast: Arc<AST>,
    has_constants: bool,
    /// The functions that may have to wait.
    waiting: BTreeSet<String>,
}

/// A script that becomes handlers.
struct Loading<'a> {
    core: &'a Arc<Core>,
    script: &'a Script,
}

impl Loading<'_> {
    fn fault(&self, position: Position, text: impl Into<String>) -> Fault {
        let (line, column) = (position.line(), position.position());
        Fault { script: self.script.name.clone(), line, column, text: text.into() }
    }

    fn load(&self, layer: &mut Layer) -> Result<Vec<String>, Vec<Fault>> {
        let whole = |text: String| vec![self.fault(Position::NONE, text)];
        let about = self.about().map_err(whole)?;
        let max = self.core.limits.script_bytes_max;
        if self.script.text.len() > max {
            return Err(whole(format!("The script has more than {max} bytes.")));
        }
        let ast = self.core.engine.compile(&*self.script.text);
        let mut ast = ast.map_err(|error| vec![self.fault(error.position(), format!("{}.", error.err_type()))])?;
        ast.set_source(&self.script.name);
        let mut faults = self.check_top(&ast);
        faults.extend(self.check_names(&ast));
        let said = self.said(&ast).unwrap_or_else(|fault| {
            faults.push(fault);
            Said::default()
        });
        let loaded =
            Loaded { waiting: reach::waiting(&ast), has_constants: !ast.statements().is_empty(), ast: Arc::new(ast) };
        let mut hooks = Vec::new();
        for definition in functions(&loaded.ast) {
            match self.register(layer, &about, definition, (self.function(&loaded, definition), &said)) {
                Ok(hook) => hooks.push(hook),
                Err(fault) => faults.push(fault),
            }
        }
        let is_function = |name: &str| functions(&loaded.ast).any(|definition| definition.name == name);
        let named = said.rules.names().map(|name| (RULES, name)).chain(said.plans.names().map(|name| (PLAN, name)));
        faults.extend(named.filter(|(_, name)| !is_function(name)).map(|(constant, name)| {
            self.fault(Position::NONE, format!("{constant} names {name}, which is no function of this script."))
        }));
        if faults.is_empty() { Ok(hooks) } else { Err(faults) }
    }

    fn function(&self, loaded: &Loaded, definition: &ScriptFuncDef) -> Function {
        Function {
            core: Arc::clone(self.core),
            ast: Arc::clone(&loaded.ast),
            name: definition.name.as_str().into(),
            what: format!("{}.{}", self.script.name, definition.name).into(),
            has_constants: loaded.has_constants,
            waits: loaded.waiting.contains(definition.name.as_str()),
        }
    }

    /// Functions may not be called what functions of the server's are called: `query.count()` would call them.
    fn check_names(&self, ast: &AST) -> Vec<Fault> {
        let taken = |definition: &&ScriptFuncDef| WAITING.contains(&definition.name.as_str());
        let told = |taken: &ScriptFuncDef| {
            let text = format!("{} is a function of the server's; use another name.", taken.name);
            self.fault(taken.body.start_position(), text)
        };
        ast.iter_fn_def().map(|definition| &**definition).filter(taken).map(told).collect()
    }

    fn about(&self) -> Result<About<'_>, String> {
        let last = self.script.name.rsplit('/').next().unwrap_or_default();
        match last {
            FUNCTIONS => Ok(About::Functions),
            JOBS => Ok(About::Jobs),
            CONNECTING => Ok(About::Class(CONNECT)),
            FILES => Ok(About::Class(FILE)),
            CONFIGURATION => Ok(About::Class(CONFIG)),
            class => match ClassName::parse(class) {
                Ok(_) => Ok(About::Class(class)),
                Err(_) => Err(format!(
                    "A script is named after a class, or {FUNCTIONS}, {JOBS}, {CONNECTING}, {FILES} or {CONFIGURATION}; {class} is \
                     none of them."
                )),
            },
        }
    }

    /// What stands outside of functions is for constants: it would run at times that nobody expects.
    fn check_top(&self, ast: &AST) -> Vec<Fault> {
        let stray = |stmt: &&Stmt| match stmt {
            Stmt::Var(_, flags, _) => !flags.intersects(ASTFlags::CONSTANT),
            Stmt::Noop(_) => false,
            _ => true,
        };
        let told = "Only functions and constants stand at the top of a script.";
        ast.statements().iter().filter(stray).map(|stmt| self.fault(stmt.position(), told)).collect()
    }

    /// Computes the constants once, to see that they can be, and reads those that say something about the functions.
    fn said(&self, ast: &AST) -> Result<Said, Fault> {
        if ast.statements().is_empty() {
            return Ok(Said::default());
        }
        let mut scope = Scope::new();
        let done = self.core.engine.run_ast_with_scope(&mut scope, ast);
        done.map_err(|error| self.fault(error.position(), format!("A constant cannot be computed: {error}.")))?;
        let constant = |name: &str| scope.get_value::<rhai::Map>(name).unwrap_or_default();
        let refused = |name: &str, text: String| self.fault(Position::NONE, format!("{name}: {text}"));
        Ok(Said {
            rules: rules::read(&constant(RULES)).map_err(|text| refused(RULES, text))?,
            plans: plans::read(&constant(PLAN)).map_err(|text| refused(PLAN, text))?,
        })
    }

    fn register(
        &self,
        layer: &mut Layer,
        about: &About<'_>,
        definition: &ScriptFuncDef,
        (function, said): (Function, &Said),
    ) -> Result<String, Fault> {
        let position = definition.body.start_position();
        let name = definition.name.as_str();
        let refuse = |text: String| self.fault(position, text);
        let application = self.script.name.rsplit_once('/').map_or("scripts", |(application, _)| application);
        let line = position.line().unwrap_or_default();
        let source = format!("{} {}.rhai:{line}", self.script.source, self.script.name);
        let place = Place { application: application.to_owned(), source: source.trim_start().to_owned() };
        let registration = Registration { function, rules: said.rules.of(name), place };
        if definition.this_type.is_some() {
            return Err(refuse(format!("{name} has a type: a hook is a plain function.")));
        }
        let (done, hook) = match about {
            About::Functions => (register::<Call>(layer, name, registration), format!("{} {name}", Call::NAME)),
            About::Jobs => {
                (register_job(layer, name, said.plans.of(name), registration), format!("{} {name}", Job::NAME))
            }
            About::Class(class) => {
                let known = known(name, class).map_err(refuse)?;
                ((known.register)(layer, class, registration), format!("{} {class}", known.trigger))
            }
        };
        match definition.params.len() {
            1 => done.map(|()| hook).map_err(|text| self.fault(position, format!("{text}."))),
            count => Err(self.fault(
                position,
                format!("{name} takes one parameter, the request, and not {count}. A helper says private fn {name}."),
            )),
        }
    }
}

/// The functions that are for others than the script itself.
fn functions(ast: &AST) -> impl Iterator<Item = &ScriptFuncDef> {
    let public =
        |definition: &&ScriptFuncDef| definition.access == FnAccess::Public && !definition.name.starts_with(ANONYMOUS);
    ast.iter_fn_def().map(|definition| &**definition).filter(public)
}

/// The hook of this name, if this class has it.
fn known(name: &str, class: &str) -> Result<&'static Known, String> {
    let fits = |known: &&Known| match known.only {
        Some(only) => only == class,
        None => ![SESSION, CONNECT, FILE, CONFIG].contains(&class),
    };
    let mut called = KNOWN.iter().filter(|known| known.function == name).peekable();
    if called.peek().is_some() {
        return called.find(fits).ok_or_else(|| format!("The class {class} has no hook {name}."));
    }
    let names: Vec<&str> = KNOWN.iter().filter(fits).map(|known| known.function).collect();
    let nearest = names
        .iter()
        .copied()
        .max_by(|one, other| strsim::jaro_winkler(one, name).total_cmp(&strsim::jaro_winkler(other, name)));
    let hint = nearest.filter(|nearest| strsim::jaro_winkler(nearest, name) > 0.85);
    let hint = hint.map(|nearest| format!(" Is it {nearest}?")).unwrap_or_default();
    let names = names.join(", ");
    Err(format!("{name} is no hook.{hint} The hooks of {class} are: {names}. A helper says private fn {name}."))
}
