//! The account pages, `/apps/…`: where the links in letters lead, for people with a browser.

mod content;
mod options;
mod template;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use parsimony_engine::{AccountOptions, URI_COMPONENT, Work};
use parsimony_model::{ErrorCode, Map as Fields, ParseError};
use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};

use self::content::Page;
pub use self::options::PagesOptions;
use crate::reply::Reply;

/// With this before it, a parameter of a page is a header of its answer.
const HEADER: &str = "x-parse-page-param-";

/// The page of a token that is too old says so, and no more than this of whatever else there is to say.
const ERROR_CHARS_MAX: usize = 300;

/// A request for a page.
pub(crate) struct Asked<'a> {
    /// What is below the pages' endpoint, decoded.
    pub(crate) path: Vec<String>,
    pub(crate) method: &'a str,
    pub(crate) query: Fields,
    pub(crate) body: Fields,
    pub(crate) headers: &'a HeaderMap,
}

impl Asked<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A parameter of the query; only text counts.
    fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A field of the form; only text counts.
    fn field(&self, name: &str) -> Option<&str> {
        self.body.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// Whether a script asks, and not a form.
    fn is_script(&self) -> bool {
        self.header("x-requested-with").is_some_and(|by| by.eq_ignore_ascii_case("xmlhttprequest"))
    }

    /// In which language it is asked: `de`, `de-AT`, `zh-Hans-CN`.
    fn locale(&self) -> Option<&str> {
        let header = || self.header("x-parse-page-param-locale");
        let locale = self.query("locale").or_else(|| self.field("locale")).or_else(header)?;
        let mut parts = locale.split('-');
        let language = parts.next()?;
        let is_language = (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_part =
            |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_language && parts.all(is_part)).then_some(locale)
    }
}

/// The pages of one application.
pub(crate) struct Pages<'a> {
    pub(crate) options: &'a PagesOptions,
    pub(crate) accounts: &'a AccountOptions,
    pub(crate) application_id: &'a str,
}

/// How a page is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Content,
    Redirect,
}

fn unauthorized() -> ParseError {
    ParseError::new(ErrorCode::Unauthorized, "unauthorized")
}

impl Pages<'_> {
    /// Answers a request for a page.
    pub(crate) async fn answer(&self, work: &Work, asked: &Asked<'_>) -> Result<Reply, ParseError> {
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        let (application, page) = match *path {
            ["choose_password"] if asked.method == "GET" => (asked.query("appId"), "choose_password"),
            [application, page] => (Some(application), page),
            _ => (None, ""),
        };
        match (asked.method, page) {
            (_, "verify_email" | "resend_verification_email" | "request_password_reset" | "choose_password")
                if application != Some(self.application_id) =>
            {
                Err(unauthorized())
            }
            ("GET", "choose_password") => self.choose_password(asked).await,
            ("GET", "verify_email") => self.verify_email(work, asked).await,
            ("POST", "resend_verification_email") => self.resend(work, asked).await,
            ("GET", "request_password_reset") => self.show_reset(work, asked).await,
            ("POST", "request_password_reset") => self.reset(work, asked).await,
            ("GET", _) => Ok(self.file(asked).await),
            _ => Err(ParseError::new(ErrorCode::RouteNotFound, "There is no such page.")),
        }
    }

    async fn verify_email(&self, work: &Work, asked: &Asked<'_>) -> Result<Reply, ParseError> {
        let verified = match asked.query("token") {
            Some(token) => work.verify_email(token).await?,
            None => false,
        };
        let page = if verified { Page::EmailVerificationSuccess } else { Page::EmailVerificationLinkInvalid };
        Ok(self.page(asked, page, &[], None).await)
    }

    async fn resend(&self, work: &Work, asked: &Asked<'_>) -> Result<Reply, ParseError> {
        let (name, token) = (asked.field("username"), asked.field("token"));
        if name.is_none() && token.is_none() {
            return Ok(self.page(asked, Page::EmailVerificationLinkInvalid, &[], None).await);
        }
        let sent = work.resend_verification(name, token).await?;
        let page = if sent || self.accounts.verification.hides_unknown {
            Page::EmailVerificationSendSuccess
        } else {
            Page::EmailVerificationSendFail
        };
        Ok(self.page(asked, page, &[], None).await)
    }

    async fn choose_password(&self, asked: &Asked<'_>) -> Result<Reply, ParseError> {
        let params = [("token", asked.query("token")), ("username", asked.query("username"))];
        Ok(self.page(asked, Page::PasswordReset, &params, None).await)
    }

    async fn show_reset(&self, work: &Work, asked: &Asked<'_>) -> Result<Reply, ParseError> {
        let Some(token) = asked.query("token") else {
            return Ok(self.page(asked, Page::PasswordResetLinkInvalid, &[], None).await);
        };
        match work.check_reset_token(token).await {
            Ok(()) => Ok(self.page(asked, Page::PasswordReset, &[("token", Some(token))], None).await),
            Err(error) if error.code == ErrorCode::InternalServerError => Err(error),
            Err(_) => Ok(self.page(asked, Page::PasswordResetLinkInvalid, &[], None).await),
        }
    }

    async fn reset(&self, work: &Work, asked: &Asked<'_>) -> Result<Reply, ParseError> {
        let (token, password) = match (asked.field("token"), asked.field("new_password")) {
            (Some(token), Some(password)) => (token, password),
            _ if !asked.is_script() => return Ok(self.page(asked, Page::PasswordResetLinkInvalid, &[], None).await),
            (None, _) => return Err(ParseError::new(ErrorCode::OtherCause, "Missing token")),
            (_, None) => return Err(ParseError::new(ErrorCode::PasswordMissing, "Missing password")),
        };
        match work.reset_password(token, password).await {
            Ok(()) if asked.is_script() => Reply::json(&"Password successfully reset"),
            Ok(()) => Ok(self.page(asked, Page::PasswordResetSuccess, &[], Some(Form::Content)).await),
            Err(error) if error.code == ErrorCode::InternalServerError => Err(error),
            // Parse: to a script, every reason is the same number.
            Err(error) if asked.is_script() => Err(ParseError::new(ErrorCode::OtherCause, error.message)),
            Err(error) => {
                let params = [("token", Some(token)), ("error", Some(&*error.message))];
                Ok(self.page(asked, Page::PasswordReset, &params, Some(Form::Content)).await)
            }
        }
    }

    /// The parameters of every page; `None` if one is missing, and there are no pages.
    fn params(&self, others: &[(&str, Option<&str>)], locale: Option<&str>) -> Option<Map<String, Value>> {
        let mut params = Map::new();
        let named = others.iter().filter_map(|(name, value)| Some(((*name).to_owned(), Value::from((*value)?))));
        params.extend(named);
        params.insert("appId".to_owned(), self.application_id.into());
        params.insert("appName".to_owned(), self.accounts.app_name.as_deref()?.into());
        params.insert("publicServerUrl".to_owned(), self.accounts.public_url.as_deref()?.into());
        params.extend(locale.map(|locale| ("locale".to_owned(), locale.into())));
        Some(params)
    }

    /// Gives a page. Parse: a form is answered by leading to the page, so that it is not sent again when that is reloaded.
    async fn page(&self, asked: &Asked<'_>, page: Page, params: &[(&str, Option<&str>)], form: Option<Form>) -> Reply {
        let locale = asked.locale();
        let Some(params) = self.params(params, locale) else { return not_found() };
        if let Some(url) = self.options.custom_urls.get(page.id()).filter(|url| url.contains("://")) {
            return self.redirect(url, &params);
        }
        let usual = if asked.method == "POST" { Form::Redirect } else { Form::Content };
        let form = if self.options.redirects { Form::Redirect } else { form.unwrap_or(usual) };
        let folder = self.options.folder.as_deref();
        let wanted = locale.filter(|_| self.options.localizes);
        let subfolder = wanted.and_then(|locale| content::subfolder(folder, page.file(), locale));
        let path: Vec<String> = subfolder.into_iter().chain([page.file().to_owned()]).collect();
        match form {
            Form::Redirect => {
                let base = self.accounts.public_url.as_deref().unwrap_or_default();
                let url = format!("{base}/{}/{}", self.accounts.pages_endpoint, path.join("/"));
                self.redirect(&url, &params)
            }
            Form::Content => self.content(&path, params, locale).await,
        }
    }

    /// Gives the file of a path, a page with its placeholders filled.
    async fn file(&self, asked: &Asked<'_>) -> Reply {
        let Some(name) = asked.path.last() else { return not_found() };
        if !content::is_page(name) {
            let Some(folder) = &self.options.folder else { return not_found() };
            return match content::read(folder, &asked.path).await {
                Some(bytes) => with_kind(Reply::text(bytes), content::kind_of(name)),
                None => not_found(),
            };
        }
        let locale = asked.locale();
        let mut params = Map::new();
        if self.options.folder.is_none() {
            // What a redirect brought along.
            let error: Option<String> = asked.query("error").map(|text| text.chars().take(ERROR_CHARS_MAX).collect());
            let brought = [("token", asked.query("token")), ("error", error.as_deref())];
            params = self.params(&brought, locale).unwrap_or_default();
        } else if asked.query("appId") == Some(self.application_id) {
            params = self.params(&[], locale).unwrap_or_default();
        }
        params.extend(locale.map(|locale| ("locale".to_owned(), locale.into())));
        self.content(&asked.path, params, locale).await
    }

    /// Fills a page.
    async fn content(&self, path: &[String], params: Map<String, Value>, locale: Option<&str>) -> Reply {
        let (template, texts) = match &self.options.folder {
            Some(folder) => match content::read(folder, path).await {
                Some(bytes) => (String::from_utf8_lossy(&bytes).into_owned(), Map::new()),
                None => return not_found(),
            },
            None => match self.built_in(path, &params) {
                Some(built_in) => built_in,
                None => return not_found(),
            },
        };
        let mut values = texts;
        values.extend(params.clone());
        values.extend(self.options.placeholders.clone());
        for (name, text) in self.options.translation(locale).into_iter().flatten() {
            // A translation may have placeholders of its own.
            let text = text.as_str().map_or_else(|| text.clone(), |text| template::render_text(text, &params).into());
            values.insert(name.clone(), text);
        }
        let mut reply = with_kind(Reply::text(template::render(&template, &values)), "text/html; charset=utf-8");
        if self.options.folder.is_none() {
            let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'");
            reply.headers.push((CONTENT_SECURITY_POLICY, policy));
        }
        reply.headers.extend(self.headers(&params));
        reply
    }

    fn built_in(&self, path: &[String], params: &Map<String, Value>) -> Option<(String, Map<String, Value>)> {
        let (language, file) = match path {
            [file] => (None, file),
            [language, file] => (Some(language.as_str()), file),
            _ => return None,
        };
        let (template, mut texts) = content::built_in(file, language)?;
        for text in texts.values_mut() {
            if let Value::String(text) = text {
                *text = text.replace("{{appName}}", params.get("appName").and_then(Value::as_str).unwrap_or_default());
            }
        }
        let base = self.accounts.public_url.as_deref().unwrap_or_default();
        let application = utf8_percent_encode(self.application_id, URI_COMPONENT);
        texts.insert("action".to_owned(), format!("{base}/{}/{application}", self.accounts.pages_endpoint).into());
        Some((template.to_owned(), texts))
    }

    /// Leads to another page, with the parameters in its query.
    fn redirect(&self, url: &str, params: &Map<String, Value>) -> Reply {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in params {
            query.append_pair(name, value.as_str().unwrap_or_default());
        }
        let joint = if url.contains('?') { '&' } else { '?' };
        let mut reply = with_kind(Reply::text(""), "text/plain; charset=utf-8");
        reply.status = StatusCode::SEE_OTHER;
        reply.location = Some(format!("{url}{joint}{}", query.finish()));
        reply.headers.extend(self.headers(params));
        reply
    }

    /// The parameters of a page as headers, for programs. Whatever cannot stand in a header is left out of it.
    fn headers(&self, params: &Map<String, Value>) -> Vec<(HeaderName, HeaderValue)> {
        let header = |(name, value): (&String, &Value)| {
            let value = value.as_str()?;
            let value = if self.options.encodes_headers {
                utf8_percent_encode(value, URI_COMPONENT).to_string()
            } else {
                value.chars().filter(|letter| !letter.is_ascii_control()).collect()
            };
            let name = HeaderName::try_from(format!("{HEADER}{}", name.to_lowercase())).ok()?;
            Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
        };
        params.iter().filter_map(header).collect()
    }
}

/// What a browser has to know of every page: its addresses have tokens in them.
fn with_kind(mut reply: Reply, kind: &'static str) -> Reply {
    reply.headers.extend([
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]);
    reply
}

fn not_found() -> Reply {
    let mut reply = with_kind(Reply::text("Not found."), "text/plain; charset=utf-8");
    reply.status = StatusCode::NOT_FOUND;
    reply
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn accounts() -> AccountOptions {
        AccountOptions {
            app_name: Some("Shop & Co".to_owned()),
            public_url: Some("http://h/parse".to_owned()),
            ..AccountOptions::default()
        }
    }

    fn asked<'a>(headers: &'a HeaderMap, path: &[&str], query: &[(&str, &str)]) -> Asked<'a> {
        let query = query.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        Asked { path, method: "GET", query, body: Fields::default(), headers }
    }

    #[actix_web::test]
    async fn a_built_in_page_is_filled_and_says_what_it_is_about() {
        let (options, accounts, headers) = (PagesOptions::default(), accounts(), HeaderMap::new());
        let pages = Pages { options: &options, accounts: &accounts, application_id: "app" };
        let asked = asked(&headers, &["app", "x"], &[]);
        let params = [("token", Some("\"><script>")), ("error", Some("too short"))];
        let reply = pages.page(&asked, Page::PasswordReset, &params, None).await;
        let html = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(html.contains("at Shop &amp; Co.") && html.contains("too short"), "{html}");
        assert!(!html.contains("<script>") && !html.contains("{{"), "{html}");
        let header = |name: &str| reply.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        assert_eq!(header("x-parse-page-param-appname").unwrap(), "Shop & Co");
        assert_eq!(header("referrer-policy").unwrap(), "no-referrer");
    }

    #[actix_web::test]
    async fn locales_choose_the_language_and_cannot_leave_the_folder() {
        let (accounts, headers) = (accounts(), HeaderMap::new());
        let options = PagesOptions { localizes: true, redirects: true, ..PagesOptions::default() };
        let pages = Pages { options: &options, accounts: &accounts, application_id: "app" };
        for (locale, place) in [
            ("de-AT", "http://h/parse/apps/de/password_reset_success.html?"),
            ("fr", "http://h/parse/apps/password_reset_success.html?"),
            ("../de", "http://h/parse/apps/password_reset_success.html?"),
            ("d", "http://h/parse/apps/password_reset_success.html?"),
        ] {
            let asked = asked(&headers, &["app", "x"], &[("locale", locale)]);
            let reply = pages.page(&asked, Page::PasswordResetSuccess, &[], None).await;
            assert_eq!(reply.status, StatusCode::SEE_OTHER);
            assert!(reply.location.as_deref().unwrap().starts_with(place), "{locale} {:?}", reply.location);
        }
        let options = PagesOptions { localizes: true, ..PagesOptions::default() };
        let pages = Pages { options: &options, accounts: &accounts, application_id: "app" };
        let german = pages.file(&asked(&headers, &["de", "password_reset.html"], &[])).await;
        assert!(String::from_utf8_lossy(&german.body).contains("Passwort"));
    }

    #[actix_web::test]
    async fn own_urls_translations_and_placeholders_count() {
        let (accounts, headers) = (accounts(), HeaderMap::new());
        let translations =
            json!({"en": {"translation": {"title": "{{appName}}!"}}, "de": {"translation": {"title": "Hallo"}}});
        let options = PagesOptions {
            localizes: true,
            fallback_locale: "en".to_owned(),
            translations: translations.as_object().cloned(),
            placeholders: json!({"text": "own text"}).as_object().cloned().unwrap(),
            custom_urls: [("passwordResetSuccess".to_owned(), "https://shop/done?a=1".to_owned())].into(),
            encodes_headers: true,
            ..PagesOptions::default()
        };
        let pages = Pages { options: &options, accounts: &accounts, application_id: "app" };
        for (locale, title) in [("fr", "<h1>Shop &amp; Co!</h1>"), ("de-AT", "<h1>Hallo</h1>")] {
            let asked = asked(&headers, &["app", "x"], &[("locale", locale)]);
            let reply = pages.page(&asked, Page::EmailVerificationSuccess, &[], None).await;
            let html = String::from_utf8_lossy(&reply.body).into_owned();
            assert!(html.contains("own text") && html.contains(title), "{locale} {html}");
            let name = reply.headers.iter().find(|(name, _)| name == "x-parse-page-param-appname").unwrap();
            assert_eq!(name.1, "Shop%20%26%20Co");
        }
        let asked = asked(&headers, &["app", "x"], &[]);
        let reply = pages.page(&asked, Page::PasswordResetSuccess, &[], None).await;
        let expected = "https://shop/done?a=1&appId=app&appName=Shop+%26+Co&publicServerUrl=http%3A%2F%2Fh%2Fparse";
        assert_eq!(reply.location.as_deref(), Some(expected));
    }

    #[actix_web::test]
    async fn without_a_name_or_an_address_there_are_no_pages() {
        let (options, headers) = (PagesOptions::default(), HeaderMap::new());
        for accounts in
            [AccountOptions { app_name: None, ..accounts() }, AccountOptions { public_url: None, ..accounts() }]
        {
            let pages = Pages { options: &options, accounts: &accounts, application_id: "app" };
            let reply = pages.page(&asked(&headers, &["app", "x"], &[]), Page::PasswordReset, &[], None).await;
            assert_eq!((reply.status, &*reply.body), (StatusCode::NOT_FOUND, &b"Not found."[..]));
        }
    }
}
