//! How does a script see what is handed on from hook to hook?

use parsimony_cloud::Context;
use rhai::{Dynamic, Engine, ImmutableString};

use super::value::{from_dynamic, to_dynamic};
use crate::error::Thrown;

/// The `context` of a request: what is set in it is there in the hooks that come after.
#[derive(Debug, Clone)]
pub(crate) struct Handed(pub(crate) Context);

impl Handed {
    fn get(&mut self, key: &str) -> Result<Dynamic, Thrown> {
        self.0.get(key).map_or(Ok(Dynamic::UNIT), to_dynamic)
    }

    fn set(&mut self, key: &str, value: &Dynamic) -> Result<(), Thrown> {
        self.0.set(key, from_dynamic(value)?);
        Ok(())
    }
}

/// Teaches an engine what a context is.
pub(crate) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Handed>("Context")
        .register_indexer_get(|context: &mut Handed, key: ImmutableString| context.get(&key))
        .register_indexer_set(|context: &mut Handed, key: ImmutableString, value: Dynamic| context.set(&key, &value));
}
