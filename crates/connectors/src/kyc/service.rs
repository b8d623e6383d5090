//! What do the vendors have in common? They are asked in JSON, and answer in JSON.

use std::sync::Arc;

use parsimony_cloud::HttpClient;
use serde_json::Value;

pub use crate::service::AskFailure as KycFailure;
pub(super) use crate::service::part;

/// A vendor's HTTP service.
pub(super) struct Service(crate::service::Service);

impl Service {
    pub(super) fn new(http: Arc<dyn HttpClient>) -> Self {
        Self(crate::service::Service::new(http))
    }

    /// Asks for something, again if it is not reached.
    pub(super) async fn get(&self, url: String, headers: Vec<(String, String)>) -> Result<Value, KycFailure> {
        read(&self.0.get(url, headers).await?)
    }

    /// Sends something once.
    pub(super) async fn post(
        &self,
        url: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Result<Value, KycFailure> {
        read(&self.0.post(url, headers, body).await?)
    }
}

fn read(body: &[u8]) -> Result<Value, KycFailure> {
    serde_json::from_slice(body).map_err(|_no_json| KycFailure::Unreadable("JSON"))
}

/// The headers of a request in JSON, with what says who asks.
pub(super) fn json_headers(authorization: String) -> Vec<(String, String)> {
    [
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json".to_owned()),
        ("authorization", authorization),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
