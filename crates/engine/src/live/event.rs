//! What does a change of an object mean to somebody who asked to be told? A table, and nothing else.

/// What a subscriber is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Event {
    /// A new object meets the condition.
    Create,
    /// An object that met it was changed, and still does.
    Update,
    /// An object that did not meet it, or could not be seen, now does.
    Enter,
    /// An object that met it does no longer, or cannot be seen any more.
    Leave,
    /// An object that met it is gone.
    Delete,
}

impl Event {
    /// The `op` of its frame.
    pub(super) const fn op(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Enter => "enter",
            Self::Leave => "leave",
            Self::Delete => "delete",
        }
    }
}

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
pub(super) const fn event_for(before: Stand, after: Stand) -> Option<Event> {
    match (before.seen(), after.seen()) {
        (true, _) if !after.exists => Some(Event::Delete),
        (true, true) => Some(Event::Update),
        (true, false) => Some(Event::Leave),
        (false, true) if before.exists => Some(Event::Enter),
        (false, true) => Some(Event::Create),
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
            (none, seen, Some(Event::Create)),
            (none, unmet, None),
            (none, hidden, None),
            (seen, seen, Some(Event::Update)),
            (seen, unmet, Some(Event::Leave)),
            (seen, hidden, Some(Event::Leave)),
            (unmet, seen, Some(Event::Enter)),
            (hidden, seen, Some(Event::Enter)),
            (unmet, hidden, None),
            (hidden, unmet, None),
            (seen, none, Some(Event::Delete)),
            (unmet, none, None),
            (hidden, none, None),
        ] {
            assert_eq!(event_for(before, after), expected, "{before:?} {after:?}");
        }
    }
}
