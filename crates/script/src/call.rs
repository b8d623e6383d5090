//! How is a function of a script called?

use std::sync::Arc;

use futures::future::BoxFuture;
use parsimony_cloud::Handler;
use parsimony_model::ParseError;
use rhai::{AST, CallFnOptions, Dynamic, Scope};

use crate::current::Current;
use crate::error::told;
use crate::hooks::Scripted;
use crate::interpreter::Core;

/// A function of a script. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) core: Arc<Core>,
    pub(crate) ast: Arc<AST>,
    pub(crate) name: Arc<str>,
    /// The script and the function, as the log says it.
    pub(crate) what: Arc<str>,
    /// Whether the script has constants, which are computed for each call.
    pub(crate) has_constants: bool,
    /// Whether it may have to wait for something.
    pub(crate) waits: bool,
}

impl<T: Scripted> Handler<T> for Function {
    fn call(&self, request: T) -> BoxFuture<'static, Result<T::Answer, ParseError>> {
        let function = self.clone();
        Box::pin(async move {
            if !function.waits {
                // It is done sooner than another thread would begin.
                return function.run(request);
            }
            let pool = Arc::clone(&function.core.pool);
            pool.run(move || function.run(request)).await
        })
    }
}

impl Function {
    fn run<T: Scripted>(&self, request: T) -> Result<T::Answer, ParseError> {
        let current = Current::new(&self.what, request.origin(), &self.core, self.waits);
        let _entered = current.enter();
        let answer = request.show().and_then(|request| {
            let result = self.evaluate(Dynamic::from(request.clone()))?;
            T::read(&request, result)
        });
        answer.map_err(|error| told(&error, &self.what, self.core.limits.line_chars_max))
    }

    fn evaluate(&self, request: Dynamic) -> Result<Dynamic, crate::error::Thrown> {
        let options = CallFnOptions::new().eval_ast(self.has_constants).rewind_scope(false);
        let mut scope = Scope::new();
        self.core.engine.call_fn_with_options(options, &mut scope, &self.ast, &self.name, (request,))
    }
}
