//! Which services take codes, and how is each asked? GitHub, Google Play Games, Instagram, LINE, `LinkedIn`, Microsoft, QQ, Spotify,
//! `WeChat` and Weibo.

use parsimony_model::value::{Map, json};
use parsimony_model::{ErrorCode, ParseError, Value};

use super::asking::{Answered, Asking};
use super::codes::Client;
use super::given::Given;
use super::{id_of, refused, text};

/// How a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By an object.
    Json,
    /// By a form.
    Form,
    /// By a form with the client's verifier in the place of our secret.
    Verifier,
    /// By a query, answered by a call of a function.
    Callback,
    /// By a query, in names of `WeChat`'s own.
    WeChat,
}

/// How it is asked who a token is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// With the token in a header.
    Bearer,
    /// With the token in a header; the answer is a call of a function.
    BearerCallback,
    /// With the token in the query.
    Query,
    /// By a form with the token in it.
    Form,
    /// With the token and the id in the query, which says no more than that they belong together.
    WeChat,
}

/// What is special about a service.
struct Plain {
    name: &'static str,
    title: &'static str,
    token_url: &'static str,
    user_url: &'static str,
    /// What its answer calls the id.
    id: &'static str,
    way: Way,
    asked: Asked,
    /// The error of a request that fails.
    code: ErrorCode,
}

const fn plain(
    (name, title): (&'static str, &'static str),
    (token_url, way): (&'static str, Way),
    (user_url, asked, id): (&'static str, Asked, &'static str),
) -> Plain {
    Plain { name, title, token_url, user_url, id, way, asked, code: ErrorCode::ObjectNotFound }
}

const SERVICES: [Plain; 10] = [
    Plain {
        code: ErrorCode::ValidationError,
        ..plain(
            ("github", "GitHub"),
            ("https://github.com/login/oauth/access_token", Way::Json),
            ("https://api.github.com/user", Asked::Bearer, "id"),
        )
    },
    Plain {
        code: ErrorCode::ValidationError,
        ..plain(
            ("gpgames", "gpgames"),
            ("https://oauth2.googleapis.com/token", Way::Json),
            ("https://www.googleapis.com/games/v1/players/", Asked::Bearer, "playerId"),
        )
    },
    plain(
        ("instagram", "Instagram"),
        ("https://api.instagram.com/oauth/access_token", Way::Form),
        ("https://graph.instagram.com/me?fields=id", Asked::Query, "id"),
    ),
    plain(
        ("line", "Line"),
        ("https://api.line.me/oauth2/v2.1/token", Way::Form),
        ("https://api.line.me/v2/profile", Asked::Bearer, "userId"),
    ),
    plain(
        ("linkedin", "LinkedIn"),
        ("https://www.linkedin.com/oauth/v2/accessToken", Way::Form),
        ("https://api.linkedin.com/v2/me", Asked::Bearer, "id"),
    ),
    plain(
        ("microsoft", "Microsoft"),
        ("https://login.microsoftonline.com/common/oauth2/v2.0/token", Way::Form),
        ("https://graph.microsoft.com/v1.0/me", Asked::Bearer, "id"),
    ),
    plain(
        ("qq", "qq"),
        ("https://graph.qq.com/oauth2.0/token", Way::Callback),
        ("https://graph.qq.com/oauth2.0/me", Asked::BearerCallback, "openid"),
    ),
    plain(
        ("spotify", "spotify"),
        ("https://accounts.spotify.com/api/token", Way::Verifier),
        ("https://api.spotify.com/v1/me", Asked::Bearer, "id"),
    ),
    plain(
        ("wechat", "WeChat"),
        ("https://api.weixin.qq.com/sns/oauth2/access_token", Way::WeChat),
        ("https://api.weixin.qq.com/sns/auth", Asked::WeChat, "openid"),
    ),
    plain(
        ("weibo", "Weibo"),
        ("https://api.weibo.com/oauth2/access_token", Way::Form),
        ("https://api.weibo.com/oauth2/get_token_info", Asked::Form, "uid"),
    ),
];

/// A service, where it is asked.
pub(super) struct Service {
    plain: &'static Plain,
    token_url: String,
    user_url: String,
}

impl Service {
    /// The one of this name, where the configuration says that it is.
    pub(super) fn of(given: &Given<'_>) -> Result<Self, String> {
        let plain = SERVICES.iter().find(|plain| plain.name == given.name);
        let plain = plain.ok_or_else(|| given.wrong("", "there is no such service"))?;
        let (token_url, user_url) = (given.url("token", plain.token_url)?, given.url("user", plain.user_url)?);
        Ok(Self { plain, token_url, user_url })
    }

    /// Whether a code alone is not enough for it.
    pub(super) fn needs_secret(&self) -> bool {
        self.plain.way != Way::Verifier
    }

    /// What it is called in sentences.
    pub(super) fn title(&self) -> &str {
        self.plain.title
    }

    /// The token that a code stands for; and the id of the user, if the service says it here.
    pub(super) async fn token(
        &self,
        client: &Client,
        data: &Map,
        asking: &Asking,
    ) -> Result<(String, Option<String>), ParseError> {
        let fields = self.good(&self.ask_token(client, data, asking).await?)?;
        let token = text(&fields, "access_token").map(str::to_owned).ok_or_else(|| self.invalid())?;
        let id = (self.plain.asked == Asked::WeChat).then(|| text(&fields, "openid").map(str::to_owned)).flatten();
        Ok((token, id))
    }

    /// The id of the user that a token is of. Some services only say whether it is of the user that is known by `id`.
    pub(super) async fn user(&self, token: &str, id: Option<&str>, asking: &Asking) -> Result<String, ParseError> {
        let fields = self.good(&self.ask_user(token, id, asking).await?)?;
        let told = match self.plain.asked {
            Asked::WeChat => id.map(str::to_owned),
            _ => id_of(fields.get(self.plain.id)),
        };
        told.ok_or_else(|| self.invalid())
    }

    fn failed(&self) -> ParseError {
        ParseError::new(self.plain.code, format!("{} API request failed.", self.plain.title))
    }

    /// The fields of an answer, if it is no refusal.
    fn good(&self, answered: &Answered) -> Result<Map, ParseError> {
        let fields = match self.plain.way {
            Way::Callback => called_back(&answered.text()),
            _ => answered.fields(),
        };
        if !answered.is_good() {
            return Err(self.failed());
        }
        if let Some(error) = ["error_description", "error"].iter().find_map(|name| text(&fields, name)) {
            return Err(refused(parsimony_model::names::sentence(error)));
        }
        let number = fields.get("errcode").and_then(Value::as_f64).unwrap_or_default();
        if number == 0.0 { Ok(fields) } else { Err(self.invalid()) }
    }

    fn invalid(&self) -> ParseError {
        refused(format!("{} auth is invalid for this user.", self.plain.title))
    }

    async fn ask_token(&self, client: &Client, data: &Map, asking: &Asking) -> Result<Answered, ParseError> {
        let code = text(data, "code").unwrap_or_default();
        let sent = text(data, "redirect_uri").or_else(|| text(data, "redirectUri"));
        let redirect = sent.or(client.redirect.as_deref());
        let mut pairs = vec![("grant_type", "authorization_code"), ("code", code), ("client_id", client.id.as_str())];
        match self.plain.way {
            Way::WeChat => {
                pairs = vec![("appid", &client.id), ("secret", &client.secret), ("code", code)];
                pairs.push(("grant_type", "authorization_code"));
            }
            Way::Verifier => match text(data, "code_verifier") {
                Some(verifier) => pairs.push(("code_verifier", verifier)),
                None => return Err(refused("Spotify auth needs code, redirect_uri and code_verifier.")),
            },
            Way::Json | Way::Form | Way::Callback => pairs.push(("client_secret", &client.secret)),
        }
        if let Some(redirect) = redirect.filter(|_| self.plain.way != Way::WeChat) {
            pairs.push(("redirect_uri", redirect));
        } else if self.plain.name == "weibo" {
            return Err(refused("Weibo auth requires code and redirect_uri to be sent."));
        }
        match self.plain.way {
            Way::Json => {
                let body: Map = pairs.iter().map(|(name, value)| ((*name).into(), Value::from(*value))).collect();
                asking.json(&self.token_url, &Value::Object(body)).await
            }
            Way::Form | Way::Verifier => asking.form(&self.token_url, &pairs, &[]).await,
            Way::Callback | Way::WeChat => asking.get(&self.token_url, &pairs, &[]).await,
        }
    }

    async fn ask_user(&self, token: &str, id: Option<&str>, asking: &Asking) -> Result<Answered, ParseError> {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("accept", "application/json")];
        match self.plain.asked {
            Asked::Bearer if self.plain.name == "gpgames" => {
                let player = form_urlencoded::byte_serialize(id.ok_or_else(|| self.invalid())?.as_bytes());
                let url = format!("{}{}", self.user_url, player.collect::<String>());
                asking.get(&url, &[], &headers).await
            }
            Asked::Bearer | Asked::BearerCallback => asking.get(&self.user_url, &[], &headers).await,
            Asked::Query => asking.get(&self.user_url, &[("access_token", token)], &[]).await,
            Asked::Form => asking.form(&self.user_url, &[("access_token", token)], &[]).await,
            Asked::WeChat => {
                let id = id.ok_or_else(|| self.invalid())?;
                asking.get(&self.user_url, &[("access_token", token), ("openid", id)], &[]).await
            }
        }
    }
}

/// What is in a call such as `callback( {"openid":"…"} );`.
fn called_back(text: &str) -> Map {
    let inside = text.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map(|(inside, _)| inside);
    match json::read(inside.unwrap_or(text).trim().as_bytes()) {
        Ok(Value::Object(map)) => map,
        _ => form_urlencoded::parse(text.as_bytes())
            .map(|(key, value)| (key.as_ref().into(), Value::from(&*value)))
            .collect(),
    }
}
