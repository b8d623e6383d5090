//! Who is it that a code stands for? The client brings the code that a service gave it; the service is asked for a token of it,
//! and by the token who it is.

use std::sync::Arc;

use parsimony_cloud::Pending;
use parsimony_cloud::auth::{AuthAdapter, AuthRequest, Validated};
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, ParseError, Value, map};

use super::asking::Asking;
use super::given::Given;
use super::services::Service;
use super::{Tools, refused, text};

/// Who we are to a service.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: String,
    /// Where the service sends users back to, if the configuration says so.
    pub(super) redirect: Option<String>,
}

struct Codes {
    service: Service,
    client: Client,
    /// Whether a token may come in the place of a code. It may have been given to another application.
    insecure: bool,
    asking: Asking,
}

/// The adapter of a service.
pub(super) fn make(given: &Given<'_>, tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
    let service = Service::of(given)?;
    let needs_secret = service.needs_secret();
    let insecure = given.insecure(tools.insecure)?;
    let optional =
        |option| if insecure { given.text(option).map(Option::unwrap_or_default) } else { given.required(option) };
    let client = Client {
        id: optional("clientId")?,
        secret: if needs_secret { optional("clientSecret")? } else { given.text("clientSecret")?.unwrap_or_default() },
        redirect: given.text("redirectUri")?,
    };
    Ok(Arc::new(Codes { service, client, insecure, asking: Asking::new(&tools.http) }))
}

impl Codes {
    fn invalid(&self) -> ParseError {
        refused(format!("{} auth is invalid for this user.", self.service.title()))
    }

    async fn exchange(&self, data: &mut Map) -> Result<(), ParseError> {
        let by_token = self.insecure && text(data, "code").is_none();
        let (token, told) = if by_token {
            (text(data, "access_token").ok_or_else(|| self.invalid())?.to_owned(), None)
        } else if text(data, "code").is_none() {
            let text = format!("{} code is required.", self.service.title());
            return Err(ParseError::new(ErrorCode::ValidationError, text));
        } else {
            self.service.token(&self.client, data, &self.asking).await?
        };
        let claimed = text(data, "id");
        let user = self.service.user(&token, told.as_deref().or(claimed), &self.asking).await?;
        let claimed = data.get("id").filter(|id| id.is_truthy());
        if claimed.map_or(by_token, |id| id.as_str() != Some(&user)) {
            return Err(self.invalid());
        }
        data.insert("access_token".into(), token.into());
        data.insert("id".into(), user.into());
        for spent in ["code", "redirect_uri", "redirectUri", "code_verifier"] {
            data.shift_remove(spent);
        }
        Ok(())
    }
}

impl AuthAdapter for Codes {
    fn before_find<'a>(&'a self, data: &'a mut Map) -> Pending<'a, ()> {
        Box::pin(self.exchange(data))
    }

    /// Nothing is left to be asked: whoever comes here has exchanged a code.
    fn validate_auth_data<'a>(&'a self, data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        let exchanged = text(data, "id").is_some() && text(data, "access_token").is_some();
        let outcome = if exchanged { Ok(Validated::as_sent()) } else { Err(self.invalid()) };
        Box::pin(std::future::ready(outcome))
    }

    fn changes_what_is_found(&self) -> bool {
        true
    }

    /// Tokens are for the server alone.
    fn after_find<'a>(&'a self, stored: &'a Map, _is_master: bool) -> Pending<'a, Option<Map>> {
        let shown = map! { "id" => stored.get("id").cloned().unwrap_or(Value::Null) };
        Box::pin(std::future::ready(Ok(Some(shown))))
    }
}
