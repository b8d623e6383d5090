//! What does a change of an object mean to somebody who asked to be told? A table, and nothing else.

use parsimony_cloud::LiveEvent;

/// An object before or after a change, as one subscriber stands to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stand {
    /// Whether there is such an object.
    pub(super) exists: bool,
    /// Whether it meets the condition.
    pub(super) matches: bool,
    /// Whether the subscriber may read it.
    pub(super) readable: bool,
}

impl Stand {
    const fn seen(self) -> bool {
        self.exists && self.matches && self.readable
    }
}

/// What the change is to the subscriber; `None` if it is nothing to it.
pub(super) const fn event_for(before: Stand, after: Stand) -> Option<LiveEvent> {
    match (before.seen(), after.seen()) {
        (true, _) if !after.exists => Some(LiveEvent::Delete),
        (true, true) => Some(LiveEvent::Update),
        (true, false) => Some(LiveEvent::Leave),
        (false, true) if before.exists => Some(LiveEvent::Enter),
        (false, true) => Some(LiveEvent::Create),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_one_event() {
        let stand = |matches, readable| Stand { exists: true, matches, readable };
        let (none, seen, unmet, hidden) = (Stand::default(), stand(true, true), stand(false, true), stand(true, false));
        for (before, after, expected) in [
            (none, seen, Some(LiveEvent::Create)),
            (none, unmet, None),
            (none, hidden, None),
            (seen, seen, Some(LiveEvent::Update)),
            (seen, unmet, Some(LiveEvent::Leave)),
            (seen, hidden, Some(LiveEvent::Leave)),
            (unmet, seen, Some(LiveEvent::Enter)),
            (hidden, seen, Some(LiveEvent::Enter)),
            (unmet, hidden, None),
            (hidden, unmet, None),
            (seen, none, Some(LiveEvent::Delete)),
            (unmet, none, None),
            (hidden, none, None),
        ] {
            assert_eq!(event_for(before, after), expected, "{before:?} {after:?}");
        }
    }
}
