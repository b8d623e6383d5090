//! Which scripts are there, what is wrong with them, and which handlers do they become?

use std::collections::BTreeSet;
use std::sync::Arc;

use parsimony_cloud::{Call, Compiled, Fault, Layer, Place, Rules, Script, Trigger};
use parsimony_model::ClassName;
use rhai::{AST, ASTFlags, FnAccess, Position, Scope, ScriptFuncDef, Stmt};

use crate::api::WAITING;
use crate::call::Function;
use crate::hooks::{KNOWN, Known, Registration, SESSION, register};
use crate::interpreter::Core;
use crate::reach;
use crate::rules;

/// The script whose functions are cloud functions.
const FUNCTIONS: &str = "functions";

/// The constant that says who may call what.
const RULES: &str = "RULES";

/// How Rhai names functions without a name.
const ANONYMOUS: &str = "anon$";

/// What a script is about.
enum About<'a> {
    Functions,
    Class(&'a str),
}

/// Makes handlers of a whole set of scripts, or says everything that is wrong with it.
pub(crate) fn compile(core: &Arc<Core>, scripts: &[Script]) -> Result<Compiled, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut compiled = Compiled::default();
    if scripts.len() > core.limits.scripts_max {
        let text = format!("There are {} scripts; there may be {}.", scripts.len(), core.limits.scripts_max);
        let script = scripts.last().map(|script| script.name.clone()).unwrap_or_default();
        return Err(vec![Fault { script, line: None, column: None, text }]);
    }
    for script in scripts {
        let loading = Loading { core, script };
        match loading.load(&mut compiled.layer) {
            Ok(hooks) => compiled.hooks.push((script.name.clone(), hooks)),
            Err(more) => faults.extend(more),
        }
    }
    if faults.is_empty() { Ok(compiled) } else { Err(faults) }
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
        let rules = self.rules(&ast).unwrap_or_else(|fault| {
            faults.push(fault);
            rules::ByFunction::default()
        });
        let waiting = reach::waiting(&ast);
        let (has_constants, ast) = (!ast.statements().is_empty(), Arc::new(ast));
        let mut hooks = Vec::new();
        let mut named = BTreeSet::new();
        for definition in functions(&ast) {
            let what = format!("{}.{}", self.script.name, definition.name);
            let function = Function {
                core: Arc::clone(self.core),
                ast: Arc::clone(&ast),
                name: definition.name.as_str().into(),
                what: what.into(),
                has_constants,
                waits: waiting.contains(definition.name.as_str()),
            };
            named.insert(definition.name.to_string());
            match self.register(layer, &about, definition, (function, rules.of(&definition.name))) {
                Ok(hook) => hooks.push(hook),
                Err(fault) => faults.push(fault),
            }
        }
        faults.extend(ast.iter_fn_def().filter(|definition| WAITING.contains(&definition.name.as_str())).map(
            |taken| {
                // `query.count()` would call it.
                self.fault(
                    taken.body.start_position(),
                    format!("{} is a function of the server's; use another name.", taken.name),
                )
            },
        ));
        if let Some(unknown) = rules.names().find(|name| !named.contains(*name)) {
            faults.push(
                self.fault(Position::NONE, format!("{RULES} names {unknown}, which is no function of this script.")),
            );
        }
        if faults.is_empty() { Ok(hooks) } else { Err(faults) }
    }

    fn about(&self) -> Result<About<'_>, String> {
        let last = self.script.name.rsplit('/').next().unwrap_or_default();
        match last {
            FUNCTIONS => Ok(About::Functions),
            class => match ClassName::parse(class) {
                Ok(_) => Ok(About::Class(class)),
                Err(_) => Err(format!("A script is named after a class, or {FUNCTIONS}; {class} is neither.")),
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

    /// Computes the constants once, to see that they can be, and reads who may call what.
    fn rules(&self, ast: &AST) -> Result<rules::ByFunction, Fault> {
        if ast.statements().is_empty() {
            return Ok(rules::ByFunction::default());
        }
        let mut scope = Scope::new();
        let done = self.core.engine.run_ast_with_scope(&mut scope, ast);
        done.map_err(|error| self.fault(error.position(), format!("A constant cannot be computed: {error}.")))?;
        let rules = scope.get_value::<rhai::Map>(RULES).unwrap_or_default();
        rules::read(&rules).map_err(|text| self.fault(Position::NONE, format!("{RULES}: {text}")))
    }

    fn register(
        &self,
        layer: &mut Layer,
        about: &About<'_>,
        definition: &ScriptFuncDef,
        (function, rules): (Function, Rules),
    ) -> Result<String, Fault> {
        let position = definition.body.start_position();
        let name = definition.name.as_str();
        let refuse = |text: String| self.fault(position, text);
        let application = self.script.name.rsplit_once('/').map_or("scripts", |(application, _)| application);
        let line = position.line().unwrap_or_default();
        let source = format!("{} {}.rhai:{line}", self.script.source, self.script.name);
        let place = Place { application: application.to_owned(), source: source.trim_start().to_owned() };
        let registration = Registration { function, rules, place };
        if definition.this_type.is_some() {
            return Err(refuse(format!("{name} has a type: a hook is a plain function.")));
        }
        let (done, hook) = match about {
            About::Functions => (register::<Call>(layer, name, registration), format!("{} {name}", Call::NAME)),
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
        None => class != SESSION,
    };
    if let Some(known) = KNOWN.iter().find(|known| known.function == name) {
        return if fits(&known) { Ok(known) } else { Err(format!("The class {class} has no hook {name}.")) };
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
