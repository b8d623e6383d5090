//! What can be registered: handlers, with their rules and the place that brought them.

use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use parsimony_model::ParseError;

use crate::host::Host;
use crate::registry::Place;
use crate::rules::Rules;
use crate::triggers::Trigger;

/// What runs when something happens, whatever it is written in.
pub trait Handler<T: Trigger>: Send + Sync {
    /// Runs it.
    fn call(&self, request: T) -> BoxFuture<'static, Result<T::Answer, ParseError>>;
}

impl<T, F, A, R> Handler<T> for F
where
    T: Trigger,
    F: Fn(T) -> A + Send + Sync,
    A: Future<Output = Result<R, ParseError>> + Send + 'static,
    R: Into<T::Answer>,
{
    fn call(&self, request: T) -> BoxFuture<'static, Result<T::Answer, ParseError>> {
        let answer = self(request);
        Box::pin(async move { Ok(answer.await?.into()) })
    }
}

/// A registered handler.
pub struct Hook<T> {
    /// Who may do what it stands before, and with what.
    pub rules: Rules,
    /// What runs.
    pub handler: Arc<dyn Handler<T>>,
    /// Where it was registered.
    pub place: Place,
}

impl<T> Clone for Hook<T> {
    fn clone(&self) -> Self {
        let (rules, handler) = (self.rules.clone(), Arc::clone(&self.handler));
        Self { rules, handler, place: self.place.clone() }
    }
}

/// What runs before, or after, the classes are made what is defined when the server starts.
pub trait MigrationHandler: Send + Sync {
    /// Runs it, with the master's rights.
    fn call(&self, host: Host) -> BoxFuture<'static, Result<(), ParseError>>;
}

impl<F, A> MigrationHandler for F
where
    F: Fn(Host) -> A + Send + Sync,
    A: Future<Output = Result<(), ParseError>> + Send + 'static,
{
    fn call(&self, host: Host) -> BoxFuture<'static, Result<(), ParseError>> {
        Box::pin(self(host))
    }
}

/// A registered migration.
#[derive(Clone)]
pub struct Migration {
    /// What runs.
    pub handler: Arc<dyn MigrationHandler>,
    /// Where it was registered.
    pub place: Place,
}
