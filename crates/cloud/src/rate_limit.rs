//! How often may something be asked: Parse's `rateLimit`, of the rules of a function or a trigger.

use std::time::Duration;

use crate::config::CONFIG;
use crate::files::FILE;
use crate::function::Call;
use crate::triggers::{BeforeDelete, BeforeFind, BeforeLogin, BeforePasswordResetRequest, BeforeSave, Trigger};

/// Who shares a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zone {
    /// Those who ask from one address.
    #[default]
    Ip,
    /// One session; without one, one address.
    Session,
    /// One user, in all their sessions; without one, one address.
    User,
    /// Everybody.
    Global,
}

/// How often something may be asked within a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// From the first request on that is counted.
    pub window: Duration,
    /// How many requests in this time are answered.
    pub count: u64,
    /// What the refusal says.
    pub message: String,
    /// Who shares the count.
    pub zone: Zone,
    /// The methods that are counted; none means all.
    pub methods: Option<Vec<String>>,
    /// Whether the master key is counted too; then the methods do not matter.
    pub include_master_key: bool,
    /// Whether requests from `127.0.0.1` are counted too.
    pub include_internal_requests: bool,
}

/// What a refusal says unless told otherwise.
const MESSAGE: &str = "Too many requests.";

impl RateLimit {
    /// So many requests of one address in this time.
    pub fn new(count: u64, window: Duration) -> Self {
        Self {
            window,
            count,
            message: MESSAGE.to_owned(),
            zone: Zone::default(),
            methods: None,
            include_master_key: false,
            include_internal_requests: false,
        }
    }

    /// Who shares the count.
    #[must_use]
    pub fn zone(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// What the refusal says.
    #[must_use]
    pub fn message(self, text: impl Into<String>) -> Self {
        Self { message: text.into(), ..self }
    }

    /// The methods that are counted, instead of those that lead to the trigger.
    #[must_use]
    pub fn methods<M: Into<String>>(self, methods: impl IntoIterator<Item = M>) -> Self {
        Self { methods: Some(methods.into_iter().map(Into::into).collect()), ..self }
    }

    /// Counts the master key too.
    #[must_use]
    pub fn include_master_key(self) -> Self {
        Self { include_master_key: true, ..self }
    }

    /// Counts requests from `127.0.0.1` too.
    #[must_use]
    pub fn include_internal_requests(self) -> Self {
        Self { include_internal_requests: true, ..self }
    }
}

/// A limit, and the paths below the mount path that it stands before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathLimit {
    /// The path, with a slash at its start.
    pub path: String,
    /// Whether it stands before what is one level below the path, too.
    pub and_below: bool,
    /// The limit.
    pub limit: RateLimit,
}

impl PathLimit {
    /// Where the limit of a function or a trigger stands; `None` if no request leads to it alone. Parse: it is the path that
    /// is limited, not the handler.
    pub(crate) fn of<T: Trigger>(name: &str, limit: &RateLimit) -> Option<Self> {
        let class = |class: &str| match class {
            "_User" => "/users".to_owned(),
            "_Session" => "/sessions".to_owned(),
            "_Role" => "/roles".to_owned(),
            "_Installation" => "/installations".to_owned(),
            FILE => "/files".to_owned(),
            CONFIG => "/config".to_owned(),
            class => format!("/classes/{class}"),
        };
        let (path, and_below, methods): (_, _, &[&str]) = match T::NAME {
            Call::NAME => (format!("/functions/{name}"), false, &[]),
            BeforeSave::NAME => (class(name), true, &["POST", "PUT"]),
            BeforeDelete::NAME => (class(name), true, &["DELETE"]),
            BeforeFind::NAME => (class(name), true, &["GET"]),
            BeforeLogin::NAME => ("/login".to_owned(), false, &["POST", "GET"]),
            BeforePasswordResetRequest::NAME => ("/requestPasswordReset".to_owned(), false, &["POST"]),
            _ => return None,
        };
        let mut limit = limit.clone();
        if limit.methods.is_none() && !methods.is_empty() {
            limit = limit.methods(methods.iter().copied());
        }
        Some(Self { path, and_below, limit })
    }

    /// Whether it stands before this path. Parse: neither its case nor a slash at its end matters.
    pub fn covers(&self, path: &str) -> bool {
        let path = path.strip_suffix('/').unwrap_or(path);
        let Some((start, rest)) = path.split_at_checked(self.path.len()) else { return false };
        let below = || self.and_below && rest.len() > 1 && rest.starts_with('/');
        start.eq_ignore_ascii_case(&self.path) && (rest.is_empty() || below())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_stands_before_the_paths_that_lead_to_the_handler() {
        let limit = RateLimit::new(1, Duration::from_secs(1));
        let save = PathLimit::of::<BeforeSave>("Post", &limit).unwrap();
        assert_eq!(save.limit.methods.as_deref(), Some(&["POST".to_owned(), "PUT".to_owned()][..]));
        for (path, covered) in [
            ("/classes/Post", true),
            ("/classes/Post/", true),
            ("/CLASSES/post/x1", true),
            ("/classes/Poster", false),
            ("/classes", false),
            ("/classes/Post//", false),
        ] {
            assert_eq!(save.covers(path), covered, "{path}");
        }
        let function = PathLimit::of::<Call>("hello", &limit.clone().methods(["PUT"])).unwrap();
        assert_eq!(function.limit.methods, Some(vec!["PUT".to_owned()]));
        assert!(function.covers("/functions/hello/") && !function.covers("/functions/hello/x"));
        assert!(PathLimit::of::<BeforeFind>("_User", &limit).unwrap().covers("/users/me"));
        assert_eq!(PathLimit::of::<crate::AfterSave>("Post", &limit), None);
    }
}
