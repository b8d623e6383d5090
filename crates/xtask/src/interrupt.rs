//! How does Ctrl-C end a chore without leaving processes and folders behind?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use tokio::runtime::Runtime;

/// Knows whether Ctrl-C was pressed. The children get it too and end; we then drop what we own.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on Ctrl-C no longer ends this process by itself.
    pub(crate) fn listen(runtime: &Runtime) -> Self {
        let pressed = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&pressed);
        runtime.spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                told.store(true, Ordering::Relaxed);
            }
        });
        Self(pressed)
    }

    /// Refuses to go on after Ctrl-C.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        Ok(())
    }
}
