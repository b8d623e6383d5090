//! Everything that the server measures by itself. `docs/metrics.md` says the same to administrators.

use super::Measure;

/// Declares measures, and the list of them.
macro_rules! measures {
    ($($name:ident: $kind:ident $told:literal $help:literal [$($label:literal),*];)*) => {
        $(
            #[doc = concat!("`", $told, "`: ", $help)]
            pub static $name: Measure = Measure::$kind($told, $help, &[$($label),*]);
        )*

        /// All of them.
        pub static MEASURES: &[&Measure] = &[$(&$name),*];
    };
}

measures! {
    REQUEST_DURATION: time "parsimony_request_duration_seconds"
        "Requests over HTTP, from the first byte that is looked at to the head of the answer." ["area", "method", "status"];
    REQUESTS_UNDER_WAY: gauge "parsimony_requests_under_way"
        "Requests over HTTP that are not answered yet." [];
    HANDLER_DURATION: time "parsimony_handler_duration_seconds"
        "Calls of cloud code: functions, triggers, jobs and webhooks that come in." ["application", "name", "outcome", "trigger"];
    SCRIPTS_EXCHANGED: counter "parsimony_scripts_exchanged_total"
        "How often another set of hook scripts was to serve, and whether it was sound." ["outcome"];
    SCRIPTS_SERVING: gauge "parsimony_scripts_serving"
        "Hook scripts that serve." [];
    SCRIPTS_STALE: gauge "parsimony_scripts_stale"
        "1 while an older set of hook scripts serves because the newest is unsound." [];
    JOB_RUN_DURATION: time "parsimony_job_run_duration_seconds"
        "Runs of jobs that have ended on this server, with all their tries." ["job", "outcome"];
    JOB_RETRIES: counter "parsimony_job_retries_total"
        "Tries of runs after the first." ["job"];
    JOB_RUNS_UNDER_WAY: gauge "parsimony_job_runs_under_way"
        "Runs of jobs that are under way on this server." [];
    JOB_LEASE_HELD: gauge "parsimony_job_lease_held"
        "1 while this server starts the jobs that are due." [];
    WEBHOOK_DELIVERIES: counter "parsimony_webhook_deliveries_total"
        "Deliveries of webhooks that came in, and what became of them." ["application", "outcome", "source"];
    WEBHOOK_EVENTS: counter "parsimony_webhook_events_total"
        "Tries to handle what webhooks brought, and how they ended." ["application", "outcome", "source"];
    LIVE_SOCKETS: gauge "parsimony_live_sockets"
        "Clients of LiveQuery that are connected." [];
    LIVE_SUBSCRIPTIONS: gauge "parsimony_live_subscriptions"
        "Subscriptions of all of them together." [];
    LIVE_EVENTS: counter "parsimony_live_events_total"
        "Events that subscribers were told." ["event"];
    LIVE_CLOSED: counter "parsimony_live_closed_total"
        "Clients of LiveQuery that the server sent away." ["reason"];
    STORE_OPERATION_DURATION: time "parsimony_store_operation_duration_seconds"
        "What the database was asked." ["operation", "outcome"];
    SERVICE_CALL_DURATION: time "parsimony_service_call_duration_seconds"
        "Calls of outside services." ["outcome", "service"];
    SERVICE_BREAKER_STATE: gauge "parsimony_service_breaker_state"
        "Whether an outside service is asked: 0 it is, 1 now and then, 2 it is not." ["service"];
    BUILD: gauge "parsimony_build_info"
        "1, with the version of the server." ["version"];
    STARTED: gauge "process_start_time_seconds"
        "When the server started, in seconds since 1970." [];
    MEMORY: gauge "process_resident_memory_bytes"
        "Memory of this process that is in use." [];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Kind;

    #[test]
    fn names_say_what_they_are() {
        for measure in MEASURES {
            let name = measure.name;
            assert_eq!(name.ends_with("_total"), measure.kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_duration_seconds"), measure.kind == Kind::Time, "{name}");
            assert!(measure.labels.is_sorted(), "{name}: labels stand in the order of their names");
        }
    }

    #[test]
    fn each_is_told_to_administrators() {
        let page = include_str!("../../../../docs/metrics.md");
        for measure in MEASURES {
            let labels: Vec<String> = measure.labels.iter().map(|label| format!("`{label}`")).collect();
            let row = format!("| `{}` | {} |", measure.name, labels.join(", "));
            assert!(page.contains(&row), "docs/metrics.md has no row: {row}");
        }
    }
}
