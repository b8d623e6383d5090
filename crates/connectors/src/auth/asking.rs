//! How is a provider asked over HTTP: within a time, for an answer of a size, and never at a URL that a client says.

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::{HttpClient, HttpRequest};
use parsimony_model::value::{Map, json};
use parsimony_model::{ParseError, Value};

/// How long a provider may take.
const TIME_MAX: Duration = Duration::from_secs(10);

/// How long the answer of a provider may be.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What was answered.
pub(super) struct Answered {
    pub(super) status: u16,
    body: Vec<u8>,
}

impl Answered {
    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The answer as an object; empty if it is none.
    pub(super) fn map(&self) -> Map {
        match json::read(&self.body) {
            Ok(Value::Object(map)) => map,
            _ => Map::default(),
        }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The answer as fields: of an object, or of a form.
    pub(super) fn fields(&self) -> Map {
        let map = self.map();
        if !map.is_empty() {
            return map;
        }
        form_urlencoded::parse(&self.body).map(|(key, value)| (key.as_ref().into(), Value::from(&*value))).collect()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.body
    }
}

/// What asks providers.
#[derive(Clone)]
pub(super) struct Asking(Arc<dyn HttpClient>);

/// Pairs of a form or a query.
pub(super) type Pairs<'a> = &'a [(&'a str, &'a str)];

/// Pairs as a form or a query spells them.
pub(super) fn encoded(pairs: Pairs<'_>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl Asking {
    pub(super) fn new(http: &Arc<dyn HttpClient>) -> Self {
        Self(Arc::clone(http))
    }

    pub(super) async fn get(&self, url: &str, query: Pairs<'_>, headers: Pairs<'_>) -> Result<Answered, ParseError> {
        let url = match (query.is_empty(), url.contains('?')) {
            (true, _) => url.to_owned(),
            (false, false) => format!("{url}?{}", encoded(query)),
            (false, true) => format!("{url}&{}", encoded(query)),
        };
        self.send("GET", url, headers, Vec::new()).await
    }

    pub(super) async fn form(&self, url: &str, form: Pairs<'_>, headers: Pairs<'_>) -> Result<Answered, ParseError> {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let headers = [&kind, headers].concat();
        self.send("POST", url.to_owned(), &headers, encoded(form).into_bytes()).await
    }

    pub(super) async fn json(&self, url: &str, body: &Value) -> Result<Answered, ParseError> {
        let headers = [("content-type", "application/json"), ("accept", "application/json")];
        self.send("POST", url.to_owned(), &headers, json::write(body)).await
    }

    async fn send(&self, method: &str, url: String, headers: Pairs<'_>, body: Vec<u8>) -> Result<Answered, ParseError> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let agent = ("user-agent".to_owned(), "parsimony".to_owned());
        let request = HttpRequest {
            method: method.to_owned(),
            url,
            headers: headers.chain([agent]).collect(),
            body,
            time_max: TIME_MAX,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        match self.0.send(request).await {
            Ok(response) => Ok(Answered { status: response.status, body: response.body }),
            Err(failure) => {
                let refusal = super::refused("The identity provider cannot be asked.");
                Err(ParseError { detail: Some(failure.to_string()), ..refusal })
            }
        }
    }
}
