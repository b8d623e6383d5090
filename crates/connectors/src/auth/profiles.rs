//! Services that know a user by a token alone: Janrain, Meetup, `PhantAuth` and VK. A token may have been given to another
//! application, so all but Janrain Capture need `enableInsecureAuth`.

use std::sync::Arc;

use parsimony_cloud::Pending;
use parsimony_cloud::auth::{AuthAdapter, AuthRequest, Validated};
use parsimony_model::value::Map;
use parsimony_model::{ParseError, Value};

use super::asking::{Answered, Asking};
use super::given::Given;
use super::{Tools, id_of, refused, text};

enum Service {
    Capture,
    Engage { key: String },
    Meetup,
    PhantAuth,
    Vk { app: String, secret: String, version: String, token_url: String },
}

pub(super) struct Profiles {
    service: Service,
    title: &'static str,
    url: String,
    asking: Asking,
}

pub(super) fn make(given: &Given<'_>, tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
    Ok(Arc::new(read(given, tools)?))
}

/// The service of options.
pub(super) fn read(given: &Given<'_>, tools: &Tools) -> Result<Profiles, String> {
    if given.name != "janraincapture" && !given.insecure(tools.insecure)? {
        return Err(
            given.wrong("enableInsecureAuth", "this provider works only with true here, since it proves little")
        );
    }
    let (title, service, usual) = match given.name {
        "janraincapture" => {
            let host = given.required("janrain_capture_host")?;
            ("Janrain capture", Service::Capture, format!("https://{host}/entity"))
        }
        "janrainengage" => {
            let key = given.required("api_key")?;
            ("Janrain engage", Service::Engage { key }, "https://rpxnow.com/api/v2/auth_info".to_owned())
        }
        "meetup" => ("Meetup", Service::Meetup, "https://api.meetup.com/2/member/self".to_owned()),
        "phantauth" => ("PhantAuth", Service::PhantAuth, "https://phantauth.net/auth/userinfo".to_owned()),
        _ => {
            let app = given.texts("appIds")?.and_then(|ids| ids.into_iter().next());
            let vk = Service::Vk {
                app: app.ok_or_else(|| given.wrong("appIds", "this is required"))?,
                secret: given.required("appSecret")?,
                version: given.text("apiVersion")?.unwrap_or_else(|| "5.124".to_owned()),
                token_url: given.url("token", "https://oauth.vk.com/access_token")?,
            };
            ("Vk", vk, "https://api.vk.com/method/users.get".to_owned())
        }
    };
    Ok(Profiles { service, title, url: given.url("user", &usual)?, asking: Asking::new(&tools.http) })
}

impl Profiles {
    /// The id of the user that a token is of.
    pub(super) async fn user(&self, token: &str) -> Result<Option<String>, ParseError> {
        let bearer = [("authorization", format!("bearer {token}"))];
        let bearer: Vec<_> = bearer.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let is_ok = |map: &Map| text(map, "stat") == Some("ok");
        Ok(match &self.service {
            Service::Capture => {
                let query = [("access_token", token), ("attribute_name", "uuid")];
                let map = good(&self.asking.get(&self.url, &query, &[]).await?);
                id_of(map.get("result")).filter(|_| is_ok(&map))
            }
            Service::Engage { key } => {
                let form = [("token", token), ("apiKey", key.as_str()), ("format", "json")];
                let map = good(&self.asking.form(&self.url, &form, &[]).await?);
                let profile = map.get("profile").and_then(Value::as_object);
                id_of(profile.and_then(|profile| profile.get("identifier"))).filter(|_| is_ok(&map))
            }
            Service::Meetup => id_of(good(&self.asking.get(&self.url, &[], &bearer).await?).get("id")),
            Service::PhantAuth => id_of(good(&self.asking.get(&self.url, &[], &bearer).await?).get("sub")),
            Service::Vk { app, secret, version, token_url } => {
                let ours = [
                    ("client_id", app.as_str()),
                    ("client_secret", secret.as_str()),
                    ("v", version.as_str()),
                    ("grant_type", "client_credentials"),
                ];
                if text(&good(&self.asking.get(token_url, &ours, &[]).await?), "access_token").is_none() {
                    return Err(refused("Vk appIds or appSecret is incorrect."));
                }
                let query = [("access_token", token), ("v", version.as_str())];
                let map = good(&self.asking.get(&self.url, &query, &[]).await?);
                let users = map.get("response").and_then(Value::as_array);
                id_of(users.and_then(|users| users.first()?.as_object()?.get("id")))
            }
        })
    }
}

/// The fields of an answer that is no refusal.
fn good(answered: &Answered) -> Map {
    if answered.is_good() { answered.map() } else { Map::default() }
}

impl AuthAdapter for Profiles {
    fn validate_auth_data<'a>(&'a self, data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async move {
            let name = if matches!(self.service, Service::Engage { .. }) { "auth_token" } else { "access_token" };
            let user = match text(data, name) {
                Some(token) => self.user(token).await?,
                None => None,
            };
            // VK's ids are numbers, also as clients send them; ids of users here are text.
            if user.is_none() || user.as_deref() != text(data, "id") {
                return Err(refused(format!("{} auth is invalid for this user.", self.title)));
            }
            Ok(Validated::as_sent())
        })
    }
}
