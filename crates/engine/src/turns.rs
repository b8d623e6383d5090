//! Who comes next of those whose transactions got in each other's way?

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::Turn;
use tokio::sync::Mutex;

/// How long one waits for its turn before it goes on without: whoever has it may wait for what this one does.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// One at a time, in the order in which they came. A transaction that nothing gets in the way of knows nothing of it.
pub(crate) struct Turns {
    line: Arc<Mutex<()>>,
    wait_max: Duration,
}

impl Default for Turns {
    fn default() -> Self {
        Self { line: Arc::default(), wait_max: WAIT_MAX }
    }
}

impl Turns {
    /// Waits for the turn.
    pub(crate) async fn next(&self) -> Turn {
        let held = tokio::time::timeout(self.wait_max, Arc::clone(&self.line).lock_owned()).await;
        held.map_or_else(|_elapsed| Turn::default(), Turn::new)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_nobody_waits_for_ever() {
        let turns = Turns { wait_max: Duration::from_millis(20), ..Turns::default() };
        let first = turns.next().await;
        assert!(turns.next().now_or_never().is_none(), "somebody has the turn");
        drop(first);
        let second = turns.next().now_or_never();
        assert!(second.is_some(), "nobody has it");
        // Somebody has it who does not give it back: one goes on without.
        turns.next().await;
    }
}
