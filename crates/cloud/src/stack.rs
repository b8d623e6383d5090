//! Is there room on this thread's stack for cloud code that calls cloud code, as deep as it may?

use std::cell::Cell;

thread_local! {
    static IS_ROOMY: Cell<bool> = const { Cell::new(false) };
}

/// Says that this thread was made with a stack on which all levels of cloud code find room.
pub fn make_roomy() {
    IS_ROOMY.set(true);
}

/// Whether this thread is such a one. What runs here may stay here; elsewhere its stack has to begin anew now and then.
pub fn is_roomy() -> bool {
    IS_ROOMY.get()
}
