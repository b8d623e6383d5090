//! Which connections does this thread use? Its own, if it is the worker of an HTTP server.
//!
//! A connection's input and output belong to the runtime in which it was opened. Were there one client for all, each
//! answer of the database would wake the runtime's thread first and the worker that waits for it second; measured, this
//! cost a third of the processor time of a read. So each thread that has a runtime to itself opens a client of its own
//! when it first asks, and the connections are shared out among them.

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::thread::{self, ThreadId};

use mongodb::Client;
use mongodb::options::ClientOptions;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::open::Shared;

/// Connections that each client may have at least, on machines with many processors.
const CONNECTIONS_EACH_MIN: u32 = 4;

/// The clients of one database.
#[derive(Clone)]
pub(crate) struct Clients {
    /// The client of the runtime that opened the store, for every thread without a runtime of its own.
    home: Arc<Shared>,
    home_thread: ThreadId,
    options: Arc<ClientOptions>,
}

thread_local! {
    /// This thread's own clients, each with the home it stands for.
    static OWN: RefCell<Vec<(Weak<Shared>, Arc<Shared>)>> = const { RefCell::new(Vec::new()) };
}

impl Clients {
    /// `options` are those of `home`.
    pub(crate) fn new(home: Shared, options: ClientOptions) -> Self {
        Self { home: Arc::new(home), home_thread: thread::current().id(), options: Arc::new(options) }
    }

    /// The client of the runtime that opened the store.
    pub(crate) fn home(&self) -> &Arc<Shared> {
        &self.home
    }

    /// The client that this thread uses.
    pub(crate) fn here(&self) -> Arc<Shared> {
        let alone = Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::CurrentThread);
        if !alone || thread::current().id() == self.home_thread {
            return Arc::clone(&self.home);
        }
        OWN.with_borrow_mut(|own| {
            if let Some((_, client)) = own.iter().find(|(home, _)| home.as_ptr() == Arc::as_ptr(&self.home)) {
                return Arc::clone(client);
            }
            own.retain(|(home, _)| home.strong_count() > 0);
            match Client::with_options((*self.options).clone()) {
                Ok(client) => {
                    let client = Arc::new(self.home.with_client(client));
                    own.push((Arc::downgrade(&self.home), Arc::clone(&client)));
                    client
                }
                Err(error) => {
                    tracing::warn!(%error, "a worker cannot have connections of its own and shares those of others");
                    Arc::clone(&self.home)
                }
            }
        })
    }
}

/// What each client may have of so many connections; 0 is no bound.
pub(crate) fn share_of(connections_max: u32) -> u32 {
    let threads = thread::available_parallelism().map_or(1, |threads| u32::try_from(threads.get()).unwrap_or(u32::MAX));
    match connections_max {
        0 => 0,
        all => all.div_ceil(threads).max(CONNECTIONS_EACH_MIN.min(all)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_shared_out() {
        let threads = u32::try_from(thread::available_parallelism().unwrap().get()).unwrap();
        assert_eq!(share_of(threads * 16), 16);
        assert_eq!([share_of(0), share_of(1), share_of(threads)], [0, 1, CONNECTIONS_EACH_MIN.min(threads)]);
    }
}
