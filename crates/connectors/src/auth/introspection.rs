//! Any OAuth 2 service that explains its tokens, by `oauth2: true`: `{id, access_token}`.

use std::sync::Arc;

use parsimony_cloud::Pending;
use parsimony_cloud::auth::{AuthAdapter, AuthRequest, Validated};
use parsimony_model::value::Map;
use parsimony_model::{ParseError, Value};

use super::asking::Asking;
use super::given::Given;
use super::{Tools, id_of, refused, text};

struct Introspection {
    url: String,
    user_field: String,
    /// The field that says for which application a token is, and ours.
    app: Option<(String, Vec<String>)>,
    authorization: Option<String>,
    asking: Asking,
}

pub(super) fn make(given: &Given<'_>, tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
    let missing = || given.wrong("tokenIntrospectionEndpointUrl", "OAuth2 token introspection endpoint URL is missing");
    let url = given.text("tokenIntrospectionEndpointUrl")?.ok_or_else(missing)?;
    let app = match given.text("appidField")? {
        None => None,
        Some(field) => match given.texts("appIds")?.filter(|ids| !ids.is_empty()) {
            Some(ids) => Some((field, ids)),
            None => return Err(given.wrong("appIds", "OAuth2 configuration is missing app IDs")),
        },
    };
    Ok(Arc::new(Introspection {
        url: given.checked("tokenIntrospectionEndpointUrl", &url)?,
        user_field: given.text("useridField")?.unwrap_or_else(|| "sub".to_owned()),
        app,
        authorization: given.text("authorizationHeader")?,
        asking: Asking::new(&tools.http),
    }))
}

impl Introspection {
    async fn explain(&self, token: &str) -> Result<Map, ParseError> {
        let headers: Vec<_> = self.authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let answered = self.asking.form(&self.url, &[("token", token)], &headers).await?;
        if !answered.is_good() {
            return Err(refused("OAuth2 token introspection request failed."));
        }
        Ok(answered.map())
    }
}

impl AuthAdapter for Introspection {
    fn validate_auth_data<'a>(&'a self, data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async move {
            let invalid = || refused("OAuth2 access token is invalid for this user.");
            let told = self.explain(text(data, "access_token").ok_or_else(invalid)?).await?;
            if let Some((field, apps)) = &self.app {
                let ours = |value: &Value| value.as_str().is_some_and(|text| apps.iter().any(|app| app == text));
                let is_ours = match told.get(field.as_str()) {
                    Some(Value::Array(items)) => items.iter().any(ours),
                    Some(one) => ours(one),
                    None => false,
                };
                if !is_ours {
                    return Err(refused("OAuth2: Invalid app ID."));
                }
            }
            let active = told.get("active").is_some_and(Value::is_truthy);
            let user = id_of(told.get(self.user_field.as_str()));
            if !active || user.is_none() || user.as_deref() != text(data, "id") {
                return Err(invalid());
            }
            Ok(Validated::as_sent())
        })
    }
}
