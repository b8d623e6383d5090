//! How are the account pages meant, `pages`?

use std::path::PathBuf;

use parsimony_http::PagesOptions;
use serde_json::{Map, Value};

use super::raw::Raw;

fn must_be(name: &str, what: &str) -> String {
    format!("Parse Server option {name} must be {what}.")
}

fn flag(raw: &Raw, name: &str) -> Result<bool, String> {
    match raw.get(name) {
        None => Ok(false),
        Some(Value::Bool(on)) => Ok(*on),
        Some(_) => Err(must_be(name, "a boolean")),
    }
}

fn text(raw: &Raw, name: &str) -> Result<Option<String>, String> {
    match raw.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(must_be(name, "a string")),
    }
}

fn object(raw: &Raw, name: &str, what: &str) -> Result<Map<String, Value>, String> {
    match raw.get(name) {
        None => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) => Err(must_be(name, what)),
    }
}

/// The first segment of the paths of the pages.
pub(super) fn endpoint(raw: &Raw) -> Result<Option<String>, String> {
    let Some(endpoint) = text(raw, "pages.pagesEndpoint")? else { return Ok(None) };
    let endpoint = endpoint.trim_matches('/').to_owned();
    if endpoint.is_empty() || endpoint.contains(['/', '?', '#', '%', ' ']) {
        return Err("pages.pagesEndpoint must be one segment of a path, such as apps.".to_owned());
    }
    Ok(Some(endpoint))
}

/// Reads `pages`.
pub(super) fn options(raw: &Raw) -> Result<PagesOptions, String> {
    match raw.get("pages") {
        None | Some(Value::Object(_)) => {}
        Some(_) => return Err("Parse Server option pages must be an object.".to_owned()),
    }
    match raw.get("pages.customRoutes") {
        None => {}
        Some(Value::Array(routes)) if routes.is_empty() => {}
        Some(Value::Array(_)) => {
            return Err("pages.customRoutes is code: put such pages behind a web server beside this one.".to_owned());
        }
        Some(_) => return Err(must_be("pages.customRoutes", "an array")),
    }
    let localizes = flag(raw, "pages.enableLocalization")?;
    let translations = text(raw, "pages.localizationJsonPath")?.map(|path| {
        let unread = |why: String| format!("pages.localizationJsonPath: failed to load JSON file {path}: {why}.");
        let text = std::fs::read_to_string(&path).map_err(|error| unread(error.to_string()))?;
        serde_json::from_str::<Map<String, Value>>(&text).map_err(|error| unread(error.to_string()))
    });
    let urls = object(raw, "pages.customUrls", "an object")?;
    let one = |(page, url): (String, Value)| match url {
        Value::String(url) => Ok((page, url)),
        _ => Err(format!("pages.customUrls.{page} must be text.")),
    };
    Ok(PagesOptions {
        folder: text(raw, "pages.pagesPath")?.map(PathBuf::from),
        localizes,
        translations: translations.transpose()?,
        fallback_locale: text(raw, "pages.localizationFallbackLocale")?.unwrap_or_else(|| "en".to_owned()),
        placeholders: object(raw, "pages.placeholders", "an object or a function")?,
        redirects: flag(raw, "pages.forceRedirect")?,
        custom_urls: urls.into_iter().filter(|(_, url)| !url.is_null()).map(one).collect::<Result<_, _>>()?,
        encodes_headers: flag(raw, "pages.encodePageParamHeaders")?,
    })
}
