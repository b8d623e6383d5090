//! At which moments of LiveQuery may cloud code step in: somebody connects, subscribes, and is told of a change.

use parsimony_model::{ClassName, Object, Query};

use crate::origin::Origin;
use crate::registry::{Hooks, Tables};
use crate::triggers::{Trigger, trigger};

/// How many listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Audience {
    /// The clients that are connected.
    pub clients: usize,
    /// What they subscribed to, all together.
    pub subscriptions: usize,
}

/// Before a LiveQuery client is connected: an error sends it away.
pub struct BeforeConnect {
    /// The name the client would have.
    pub client: String,
    /// Who listens already.
    pub audience: Audience,
    /// Where the request comes from.
    pub origin: Origin,
}

/// Before a LiveQuery client is subscribed to a query: the handler may change or refuse it.
pub struct BeforeSubscribe {
    /// The class that is asked.
    pub class: ClassName,
    /// What is asked; its conditions and `keys` count. Permissions bind whatever the handler makes of it.
    pub query: Query,
    /// The fields of which one must change.
    pub watch: Vec<String>,
    /// The client's number for it.
    pub request_id: f64,
    /// Whether it takes the place of an earlier one with the same number.
    pub is_update: bool,
    /// Where the request comes from.
    pub origin: Origin,
}

/// What a change of an object is to a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LiveEvent {
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

impl LiveEvent {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Create, Self::Update, Self::Enter, Self::Leave, Self::Delete];

    /// The `op` of its frame.
    pub const fn op(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Enter => "enter",
            Self::Leave => "leave",
            Self::Delete => "delete",
        }
    }
}

/// What a subscriber is told. Fields that it may not see are taken away after the handler.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    /// What happened.
    pub event: LiveEvent,
    /// The object as it is; as it was, if the subscriber may not see it any more.
    pub object: Object,
    /// The object as it was, if there was one that the subscriber could see.
    pub original: Option<Object>,
}

/// Before a subscriber is told of a change: the handler may change what it is told, or have it told nothing (`None`).
/// Parse calls it `afterLiveQueryEvent`. An error is told to the subscriber in the place of the change.
pub struct AfterEvent {
    /// What is to be told.
    pub telling: Telling,
    /// Who listens.
    pub audience: Audience,
    /// With whose rights the subscriber listens.
    pub origin: Origin,
}

trigger!(BeforeConnect, "beforeConnect", before_connect, ());
trigger!(BeforeSubscribe, "beforeSubscribe", before_subscribe, Query);
trigger!(AfterEvent, "afterEvent", after_event, Option<Telling>);
