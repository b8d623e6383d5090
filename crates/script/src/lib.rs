//! Hook scripts: how administrators change what the server does while it runs, in Rhai.
//!
//! # The files
//!
//! | script | what its functions are |
//! | --- | --- |
//! | `Identity.rhai` | the hooks of the class `Identity`: `before_save`, `after_save`, `before_delete`, `after_delete`, `before_find`, `after_find`, `before_subscribe`, `after_event`; for `_User` also `before_login`, `after_login` and `before_password_reset_request`, for `_Session` `after_logout` alone |
//! | `functions.rhai` | cloud functions, each under its own name |
//! | `jobs.rhai` | jobs, each under its own name; the constant `PLAN` says when they run by themselves |
//! | `connect.rhai` | `before_connect`, for LiveQuery clients |
//!
//! A script that an application brings stands in a folder of its name, as in `identity-management/Identity.rhai`. Each
//! function takes one parameter, the request. A function that is no hook is a mistake, unless it is a helper: then it says
//! `private fn`. At the top there may be constants besides, which functions read as `global::NAME`. The constant `RULES`
//! says who may call what, as Parse's validators do: `const RULES = #{ greet: #{ requireUser: true } };` And the constant
//! `PLAN` of jobs: `const PLAN = #{ clean: #{ cron: "30 3 * * *", zone: "Europe/Vienna", retries: 2 } };`
//!
//! ```rhai
//! fn before_save(request) {
//!     let item = request.object;
//!     if item.price < 0 { throw #{ code: 142, message: "A price is not negative." }; }
//!     item.name = item.name.to_upper();
//!     if item.is_new() { item.owner = request.user; }
//! }
//! ```
//!
//! # The request
//!
//! Its properties are Parse's: `object`, `original`, `user`, `master`, `isReadOnly`, `installationId`, `ip`, `headers`,
//! `context`, `triggerName`; of a find `query`, `objects`, `isGet`, `count`; of a function `params`, `functionName`, and the
//! methods `status(201)` and `header("Name", "value")`; of a job `params`, `jobName`, `jobId`, `attempt`, and the method
//! `message(text)`; of a LiveQuery event `event`, `sendEvent`, `clients`, `subscriptions`. What is thrown refuses the request: text with code 141,
//! `#{code, message}` with its own code.
//!
//! An object is read and changed by its fields, `object.name` or `object["name"]`; only what a script really changes is
//! saved. Besides: `is_new`, `dirty`, `dirty_keys`, `set`, `unset`, `increment`, `add`, `add_unique`, `remove`,
//! `add_relation`, `remove_relation`, `revert`, `to_map`, `pointer`; and of objects that a script found or made itself
//! `save`, `destroy`, `fetch`.
//!
//! What a hook answers: `before_find` a query or objects in the place of its `query`, `after_find` the objects, `after_save`
//! a map that is answered in the place of what would be, a function its result. Whatever else is ignored.
//!
//! # What there is besides the language
//!
//! `Query("Class")` with Parse's conditions in snake case and `find`, `first`, `get_by_id`, `count`; `Object("Class")`; `run(name,
//! params)`; `send_push(#{channels, data, ...})`, as `POST /push` takes it; `log(text)`; `http(url)` and `http(#{method, url, headers, body})`, for the hosts that the configuration names;
//! `mail(#{to, subject, text})`; `notify(#{user, title, ...})`, which saves a `Notification`; `now()`, `Date(iso)`, `Pointer(class, id)`, `GeoPoint(latitude,
//! longitude)`, `random(length)`. Everything happens with the caller's rights, unless the options
//! `#{useMasterKey: true}` are given. There are no files, no processes, no modules, no `eval`, no `sleep`.
//!
//! | question | file |
//! | --- | --- |
//! | which scripts are there, and what is wrong with them | `load.rs`, `reach.rs` |
//! | which hooks are there, who may call them, when do they run by themselves | `hooks.rs`, `rules.rs`, `plans.rs` |
//! | what may a script do, and how much of it | `interpreter.rs`, `limits.rs` |
//! | how is one called, and where does it run | `call.rs`, `pool.rs`, `current.rs` |
//! | how does a script see a request, an object, a query, a value | `bridge/` |
//! | what can it call | `api/` |
//! | what becomes of its errors | `error.rs` |
#![deny(clippy::future_not_send)]

mod api;
mod bridge;
mod call;
mod current;
mod error;
mod hooks;
mod interpreter;
mod limits;
mod load;
mod plans;
mod pool;
mod reach;
mod rules;

pub use interpreter::{Outside, Rhai};
pub use limits::Limits;

#[cfg(test)]
mod tests;
