//! X, formerly Twitter: `{oauth_token, oauth_verifier}` of the three-legged OAuth 1.0a, exchanged for a token and the id of its
//! user. `digits` is the same under another name.

use std::sync::Arc;

use parsimony_cloud::Pending;
use parsimony_cloud::auth::{AuthAdapter, AuthRequest, Validated};
use parsimony_model::value::Map;
use parsimony_model::{ParseError, Value, map};

use super::asking::Asking;
use super::given::Given;
use super::{Tools, id_of, refused, text};

const TOKEN: &str = "https://api.twitter.com/oauth/access_token";
const USER: &str = "https://api.twitter.com/2/users/me";

struct Twitter {
    /// Whether a token may come in the place of what is exchanged for one. It may have been given to another application.
    insecure: bool,
    token_url: String,
    user_url: String,
    asking: Asking,
}

pub(super) fn make(given: &Given<'_>, tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
    let insecure = given.insecure(tools.insecure)?;
    if !insecure {
        given.required("consumer_key")?;
        given.required("consumer_secret")?;
    }
    Ok(Arc::new(Twitter {
        insecure,
        token_url: given.url("token", TOKEN)?,
        user_url: given.url("user", USER)?,
        asking: Asking::new(&tools.http),
    }))
}

fn invalid() -> ParseError {
    refused("Twitter auth is invalid for this user.")
}

impl Twitter {
    async fn exchange(&self, data: &mut Map) -> Result<(), ParseError> {
        let claimed = data.get("id").filter(|id| id.is_truthy()).cloned();
        let (token, user) = match (text(data, "oauth_token"), text(data, "oauth_verifier")) {
            (Some(token), Some(verifier)) => {
                let form = [("oauth_token", token), ("oauth_verifier", verifier)];
                let answered = self.asking.form(&self.token_url, &form, &[]).await?;
                let told = if answered.is_good() { answered.fields() } else { Map::default() };
                let token = text(&told, "oauth_token").ok_or_else(invalid)?.to_owned();
                (token, id_of(told.get("user_id")).ok_or_else(invalid)?)
            }
            (Some(token), None) if self.insecure && claimed.is_some() => {
                let bearer = format!("Bearer {token}");
                let answered = self.asking.get(&self.user_url, &[], &[("authorization", &bearer)]).await?;
                let told = if answered.is_good() { answered.map() } else { Map::default() };
                let inside = told.get("data").and_then(Value::as_object).unwrap_or(&told);
                (token.to_owned(), id_of(inside.get("id")).ok_or_else(invalid)?)
            }
            _ => return Err(refused("Twitter auth needs oauth_token and oauth_verifier.")),
        };
        if claimed.is_some_and(|id| id.as_str() != Some(&user)) {
            return Err(invalid());
        }
        *data = map! { "id" => user, "auth_token" => token };
        Ok(())
    }
}

impl AuthAdapter for Twitter {
    fn before_find<'a>(&'a self, data: &'a mut Map) -> Pending<'a, ()> {
        Box::pin(self.exchange(data))
    }

    /// Nothing is left to be asked: whoever comes here has exchanged a token.
    fn validate_auth_data<'a>(&'a self, data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        let exchanged = text(data, "id").is_some() && text(data, "auth_token").is_some();
        Box::pin(std::future::ready(if exchanged { Ok(Validated::as_sent()) } else { Err(invalid()) }))
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
