//! Which routes are of the whole application: its parameters, its log, its receipts.

/// What is of the whole application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `GET /config`
    Config,
    /// `PUT /config`
    UpdateConfig,
    /// `GET /scriptlog`
    LogLines,
    /// `GET /security`
    Security,
    /// `POST /events/AppOpened` or `/events/NAME`
    Event,
    /// `POST /validate_purchase`
    ValidatePurchase,
}

impl Operation {
    /// Reads the segments of a path; `None` if there is no such method.
    pub(super) fn of(method: &str, area: &str, name: Option<&str>) -> Option<Self> {
        match (method, area, name) {
            ("GET", "config", None) => Some(Self::Config),
            ("PUT", "config", None) => Some(Self::UpdateConfig),
            ("GET", "scriptlog", None) => Some(Self::LogLines),
            ("GET", "security", None) => Some(Self::Security),
            ("POST", "events", Some(_)) => Some(Self::Event),
            ("POST", "validate_purchase", None) => Some(Self::ValidatePurchase),
            _ => None,
        }
    }
}
