//! How is a request measured? By the area of the server that it is for, its method, how it was answered and how long that took.

use std::time::Instant;

use actix_web::http::StatusCode;
use parsimony_engine::metrics::{Metrics, REQUEST_DURATION};

/// The areas of the server, in the order of their names.
const AREAS: [&str; 35] = [
    "aggregate",
    "batch",
    "challenge",
    "classes",
    "cloud_code",
    "config",
    "events",
    "files",
    "functions",
    "graphql-config",
    "health",
    "hooks",
    "installations",
    "jobs",
    "login",
    "loginas",
    "logout",
    "parsimony",
    "public",
    "purge",
    "push",
    "push_audiences",
    "requestpasswordreset",
    "roles",
    "schemas",
    "scriptlog",
    "security",
    "serverinfo",
    "sessions",
    "upgradetorevocablesession",
    "users",
    "validate_purchase",
    "verificationemailrequest",
    "verifypassword",
    "webhooks",
];

/// How the area of account pages is measured, whatever it is called.
const PAGES: &str = "pages";

/// How everything else is.
const OTHER: &str = "other";

/// The methods that are known.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Notes how a request went. The path is that below the mount path, if it is below it.
pub(crate) fn answered(
    metrics: &Metrics,
    (method, path, pages): (&str, Option<&str>, &str),
    status: StatusCode,
    started: Instant,
) {
    let method = METHODS.iter().find(|known| **known == method).copied().unwrap_or(OTHER);
    let area = path.map_or(OTHER, |path| area(path, pages));
    metrics.time(&REQUEST_DURATION, &[area, method, status.as_str()], started.elapsed());
}

/// Which of the areas it is, always one of a few.
fn area(path: &str, pages: &str) -> &'static str {
    let name = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    match AREAS.iter().find(|area| area.eq_ignore_ascii_case(name)) {
        Some(area) => area,
        None if name.eq_ignore_ascii_case(pages) => PAGES,
        None => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_makes_up_is_measured_as_something_else() {
        let metrics = Metrics::default();
        let now = Instant::now();
        for (method, path, status) in [
            ("GET", Some("/classes/Post"), StatusCode::OK),
            ("GET", Some("//CLASSES/Post/x"), StatusCode::OK),
            ("POST", Some("/apps/verify_email"), StatusCode::NOT_FOUND),
            ("BREW", Some("/coffee"), StatusCode::NOT_FOUND),
            ("GET", None, StatusCode::NOT_FOUND),
        ] {
            answered(&metrics, (method, path, "apps"), status, now);
        }
        let counts: Vec<_> = metrics.samples().into_iter().filter(|sample| sample.name.ends_with("_count")).collect();
        let told = counts.iter().map(|sample| {
            let values: Vec<&str> = sample.labels.iter().map(|(_, value)| value.as_str()).collect();
            format!("{} {}", values.join(" "), sample.value)
        });
        let mut told: Vec<String> = told.collect();
        told.sort();
        assert_eq!(told, ["classes GET 200 2", "other GET 404 1", "other other 404 1", "pages POST 404 1"]);
    }
}
