//! Which hosts may the URL of a File name, `fileUpload.allowedFileUrlDomains`?

use parsimony_model::{ErrorCode, Op, ParseError, Update, Value};
use url::Url;

/// Refuses an update with a File of another host, at any depth (130).
pub(super) fn refuse_others(domains: Option<&[String]>, update: &Update) -> Result<(), ParseError> {
    let Some(domains) = domains else { return Ok(()) };
    update.0.values().try_for_each(|op| match op {
        Op::Set(value) => in_value(domains, value),
        Op::Add(items) | Op::AddUnique(items) | Op::Remove(items) => {
            items.iter().try_for_each(|item| in_value(domains, item))
        }
        Op::Delete | Op::Increment(_) | Op::Relate { .. } => Ok(()),
    })
}

/// Refuses a value with a File of another host.
pub(crate) fn in_value(domains: &[String], value: &Value) -> Result<(), ParseError> {
    match value {
        Value::File(file) => match file.url.as_deref() {
            None | Some("") => Ok(()),
            Some(url) => check(domains, url),
        },
        Value::Array(items) => items.iter().try_for_each(|item| in_value(domains, item)),
        Value::Object(map) => map.values().try_for_each(|value| in_value(domains, value)),
        _ => Ok(()),
    }
}

fn check(domains: &[String], url: &str) -> Result<(), ParseError> {
    let refused = |text: String| Err(ParseError::new(ErrorCode::FileSaveError, text));
    // The host is the one that browsers would ask.
    let Ok(url) = Url::parse(url) else { return refused("Invalid file URL.".to_owned()) };
    let host = url.host_str().unwrap_or_default().to_lowercase();
    let allowed = |domain: &String| match domain.strip_prefix('*') {
        Some(ending) if ending.starts_with('.') => host.ends_with(ending),
        _ => host == *domain,
    };
    if domains.iter().any(allowed) { Ok(()) } else { refused(format!("File URL domain '{host}' is not allowed.")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_allowed_by_its_name_or_by_what_it_ends_in() {
        let domains = ["cdn.example".to_owned(), "*.files.example".to_owned()];
        for (url, allowed) in [
            ("https://cdn.example/a.png", true),
            ("https://CDN.example/a.png", true),
            ("https://a.files.example/x", true),
            ("https://files.example/x", false),
            ("https://evilfiles.example/x", false),
            ("https://cdn.example@evil.example/x", false),
            ("https://evil.example\\@cdn.example/x", false),
            ("no url", false),
        ] {
            assert_eq!(check(&domains, url).is_ok(), allowed, "{url}");
        }
    }
}
