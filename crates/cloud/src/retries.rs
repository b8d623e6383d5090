//! When is a transaction done again that another one got in the way of, and when is it given up?

use parsimony_model::ParseError;

/// The number of the error that says that a transaction may be done again.
pub const CONFLICT: i32 = 251;

/// How often a transaction is tried: more often than there are, at the busiest, others that get in its way.
const TRIES_MAX: u32 = 40;

/// How long to wait at most before it is tried again, in milliseconds.
const PAUSE_MILLIS_MAX: u64 = 16;

/// The turn of one among those who got in each other's way; it ends with this value. Tried again all at once, transactions that
/// want the same row would mostly be in each other's way again.
#[derive(Default)]
pub struct Turn(#[expect(dead_code, reason = "held, not looked at")] Option<Box<dyn Send + Sync>>);

impl Turn {
    /// A turn that ends when this is dropped.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self(Some(Box::new(held)))
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turn")
    }
}

/// The tries of one transaction.
#[derive(Debug)]
pub struct Retries {
    tries: u32,
    tries_max: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Self { tries: 0, tries_max: TRIES_MAX }
    }
}

impl Retries {
    /// For work of so many steps, each of which may find once that something is missing which has to be there first.
    pub fn of_steps(steps: usize) -> Self {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        Self { tries: 0, tries_max: TRIES_MAX.saturating_add(steps) }
    }

    /// How many milliseconds to wait before the next try after this error; `None` if there shall be none. The dice are random
    /// letters.
    pub fn pause_after(&mut self, error: &ParseError, dice: &str) -> Option<u64> {
        self.tries = self.tries.saturating_add(1);
        let again = error.number() == Some(CONFLICT) && self.tries < self.tries_max;
        again.then(|| pause_millis(self.tries, dice))
    }
}

/// How long to wait after so many tries: longer each time, and each time by another throw of the dice, so that those who
/// got in each other's way come back one after the other.
fn pause_millis(tries: u32, dice: &str) -> u64 {
    let bound = 1_u64.checked_shl(tries).unwrap_or(PAUSE_MILLIS_MAX).min(PAUSE_MILLIS_MAX);
    let thrown = dice.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    thrown % (bound + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use parsimony_model::ErrorCode;

    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_differ() {
        for tries in 1..=TRIES_MAX {
            // Enough throws that every length comes up.
            let pauses = (0..10_000).map(|throw| pause_millis(tries, &format!("{:08}", throw * 7919)));
            let seen: BTreeSet<u64> = pauses.collect();
            let expected = (0..=(1 << tries.min(4)).min(PAUSE_MILLIS_MAX)).collect();
            assert_eq!(seen, expected, "after {tries} tries");
        }
    }

    #[test]
    fn a_conflict_is_tried_again_and_nothing_else() {
        let tries = |mut retries: Retries, error: &ParseError| {
            let pauses = std::iter::from_fn(|| retries.pause_after(error, "dice"));
            pauses.count() + 1
        };
        let conflict = ParseError::with_number(CONFLICT, "again");
        assert_eq!((tries(Retries::default(), &conflict), tries(Retries::of_steps(5), &conflict)), (40, 45));
        let other = ParseError::new(ErrorCode::ScriptFailed, "no");
        assert_eq!(tries(Retries::default(), &other), 1);
    }
}
