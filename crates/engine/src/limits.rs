//! Every bound the engine keeps. A new loop or queue adds a line here.

use std::time::Duration;

use parsimony_model::query::parse::Bounds;

/// The bounds, each with its unit in its name.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How deep `include` may follow pointers.
    pub include_depth_max: usize,
    /// How many paths one query may include.
    pub include_paths_max: usize,
    /// How many objects an answer holds for sure; of a query for more, the others may come in pieces.
    pub find_rows_held_max: u64,
    /// How many rows a subquery (`$inQuery`, `$select`) may bring.
    pub subquery_rows_max: u64,
    /// How many parts a batch may have; `None` is Parse's: no limit.
    pub batch_parts_max: Option<usize>,
    /// How many roles a user may come to have by inheritance.
    pub roles_max: usize,
    /// Cloud code calling cloud code: a hook that saves its own class stops here.
    pub hook_depth_max: u8,
    /// How many characters a session token or another secret of a request may have.
    pub token_chars_max: usize,
    /// How many passwords may be hashed at one time; more wait.
    pub password_hashes_max: usize,
    /// How many requests may wait for their passwords to be hashed; more are refused.
    pub password_hashes_waiting_max: usize,
    /// How often it is tried to send a letter to a user.
    pub mail_attempts_max: u32,
    /// How long a letter waits that was not taken; four times as long after each try.
    pub mail_pause: Duration,
    /// How many letters wait to be sent again; one more is given up.
    pub mail_waiting_max: usize,
    /// Requests that must not tell by time who has an account are answered at moments so far apart.
    pub account_answer_step: Duration,
    /// How long an identity provider may take to say whether something is true.
    pub auth_time_max: Duration,
    /// How long nothing of an upload may come before it counts as broken off with its server.
    pub upload_idle_max: Duration,
    /// How many fields a class may have.
    pub fields_max: usize,
    /// How many frames may wait for a client of LiveQuery that reads slowly.
    pub live_frames_waiting_max: usize,
    /// How many subscriptions a client of LiveQuery may have.
    pub live_subscriptions_max: usize,
    /// How long a webhook may take to answer.
    pub webhook_time_max: Duration,
    /// How many bytes the answer of a webhook may have.
    pub webhook_answer_bytes_max: usize,
    /// How often a server looks whether an event of a webhook waits.
    pub inbound_tick: Duration,
    /// How many events are handled at one time; the others wait in the store.
    pub inbound_together_max: usize,
    /// How large an event may be that a webhook brings.
    pub inbound_bytes_max: usize,
    /// How many deliveries of one source from one address may be unbelieved in a minute; then none is looked at.
    pub inbound_requests_max: u64,
    /// How long an event may take to be handled.
    pub inbound_time_max: Duration,
    /// How often it is tried to handle an event.
    pub inbound_attempts_max: u32,
    /// How long an event is kept that is handled; as long it counts once.
    pub inbound_kept: Duration,
    /// How long a public document may take to be there.
    pub public_time_max: Duration,
    /// How many counts of rate limits are kept; those who come when there are so many share one.
    pub rate_counts_max: usize,
    /// How long a request that comes again waits for the answer to the first one, where answers are kept.
    pub saved_reply_wait_max: Duration,
    /// How many bytes an answer that is kept may have; a request with a longer one is refused when it comes again.
    pub saved_reply_bytes_max: usize,
    /// How often a server looks whether a job is due, and whether the server that starts them is still there.
    pub job_tick: Duration,
    /// For how long a server that says nothing counts as there: after that, and a tick, another one starts the jobs, and
    /// the runs of the silent one are failed.
    pub job_lease: Duration,
    /// How long a run may go on when the server ends.
    pub job_stop_time_max: Duration,
    /// How long one try of a run may take, unless its plan says otherwise.
    pub job_time_max: Duration,
    /// How many runs of one job are caught up with, or wait for each other.
    pub job_catch_up_max: usize,
    /// How many runs a server has under way.
    pub job_runs_max: usize,
    /// How many schedules of the dashboard are looked at.
    pub job_schedules_max: u64,
    /// How many characters the message of a run may have.
    pub job_message_chars_max: usize,
    /// How often a server looks whether a push is due.
    pub push_tick: Duration,
    /// For how long a server that says nothing counts as sending: after that another one goes on with its pushes.
    pub push_lease: Duration,
    /// How many pushes a server has under way.
    pub pushes_under_way_max: usize,
}

/// What a client may ask at once, `requestComplexity`; the master key may ask as much as the server bears.
#[derive(Debug, Clone, Copy, Default)]
pub struct Complexity {
    /// How deep a client's `include` may follow pointers.
    pub include_depth_max: Option<usize>,
    /// How many paths a client's query may include, those on the way to them too.
    pub include_paths_max: Option<usize>,
    /// How many rows a subquery of a client's may bring.
    pub subquery_rows_max: Option<u64>,
    /// The bounds of a client's conditions.
    pub conditions: Bounds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            include_depth_max: 16,
            include_paths_max: 200,
            find_rows_held_max: 1_000,
            subquery_rows_max: 1_000_000,
            batch_parts_max: None,
            roles_max: 10_000,
            hook_depth_max: 16,
            token_chars_max: 512,
            password_hashes_max: 2,
            password_hashes_waiting_max: 200,
            mail_attempts_max: 5,
            mail_pause: Duration::from_secs(15),
            mail_waiting_max: 1_000,
            account_answer_step: Duration::from_millis(50),
            auth_time_max: Duration::from_secs(30),
            upload_idle_max: Duration::from_secs(24 * 3_600),
            fields_max: 1_000,
            live_frames_waiting_max: 1_000,
            live_subscriptions_max: 1_000,
            webhook_time_max: Duration::from_secs(30),
            webhook_answer_bytes_max: 16 << 20,
            inbound_tick: Duration::from_secs(1),
            inbound_together_max: 8,
            inbound_bytes_max: 1 << 20,
            inbound_requests_max: 600,
            inbound_time_max: Duration::from_secs(60),
            inbound_attempts_max: 10,
            inbound_kept: Duration::from_secs(90 * 24 * 3_600),
            public_time_max: Duration::from_secs(10),
            rate_counts_max: 100_000,
            saved_reply_wait_max: Duration::from_secs(10),
            saved_reply_bytes_max: 1 << 20,
            job_tick: Duration::from_secs(1),
            job_lease: Duration::from_secs(15),
            job_stop_time_max: Duration::from_secs(5),
            job_time_max: Duration::from_secs(24 * 3_600),
            job_catch_up_max: 100,
            job_runs_max: 256,
            job_schedules_max: 1_000,
            job_message_chars_max: 10_000,
            push_tick: Duration::from_secs(1),
            push_lease: Duration::from_secs(15),
            pushes_under_way_max: 4,
        }
    }
}
