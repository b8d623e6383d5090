//! How are the options of a provider read? A wrong one is told by its name.

use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, ParseError, Value};

/// The options of a provider, as they are written.
pub(super) struct Given<'a> {
    pub(super) name: &'a str,
    pub(super) options: &'a Map,
}

impl<'a> Given<'a> {
    pub(super) fn new(name: &'a str, options: &'a Map) -> Self {
        Self { name, options }
    }

    /// The sentence that says what is wrong with an option.
    pub(super) fn wrong(&self, option: &str, what: &str) -> String {
        let dot = if option.is_empty() { "" } else { "." };
        format!("auth.{}{dot}{option}: {what}.", self.name)
    }

    pub(super) fn get(&self, option: &str) -> Option<&'a Value> {
        self.options.get(option).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, option: &str) -> Result<Option<String>, String> {
        match self.get(option) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.wrong(option, "this must be text")),
        }
    }

    pub(super) fn required(&self, option: &str) -> Result<String, String> {
        self.text(option)?.ok_or_else(|| self.wrong(option, "this is required"))
    }

    pub(super) fn flag(&self, option: &str) -> Result<Option<bool>, String> {
        match self.get(option) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.wrong(option, "this must be true or false")),
        }
    }

    pub(super) fn whole(&self, option: &str) -> Result<Option<u32>, String> {
        match self.get(option) {
            None => Ok(None),
            Some(Value::Number(number)) if number.fract() == 0.0 && (0.0..=4e9).contains(number) => {
                Ok(u32::try_from(*number as i64).ok())
            }
            Some(_) => Err(self.wrong(option, "this must be a whole number")),
        }
    }

    /// A list of texts, or one text. `None` if there is no such option.
    pub(super) fn texts(&self, option: &str) -> Result<Option<Vec<String>>, String> {
        let bad = || self.wrong(option, "this must be a text or a list of texts");
        match self.get(option) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(vec![text.clone()])),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(bad))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(bad()),
        }
    }

    /// Where a service is: ours, `urls.WHAT`, for services that stand elsewhere; never a client's to say.
    pub(super) fn url(&self, what: &str, usual: &str) -> Result<String, String> {
        let option = format!("urls.{what}");
        match self.get("urls").and_then(Value::as_object).and_then(|urls| urls.get(what)) {
            None => Ok(usual.to_owned()),
            Some(Value::String(url)) => self.checked(&option, url),
            Some(_) => Err(self.wrong(&option, "this must be text")),
        }
    }

    /// A URL that is one.
    pub(super) fn checked(&self, option: &str, url: &str) -> Result<String, String> {
        if url.starts_with("https://") || url.starts_with("http://") {
            return Ok(url.to_owned());
        }
        Err(self.wrong(option, "this must begin with https:// or http://"))
    }

    /// Whether a way is open that proves little: the provider's own option, and `enableInsecureAuthAdapters`.
    pub(super) fn insecure(&self, allowed: bool) -> Result<bool, String> {
        let wanted = self.flag("enableInsecureAuth")?.unwrap_or(false);
        if wanted && !allowed {
            return Err(self.wrong("enableInsecureAuth", "this needs enableInsecureAuthAdapters too"));
        }
        Ok(wanted)
    }
}

/// What a provider answers that is not configured, as Parse says it.
pub(super) fn unconfigured(text: &'static str) -> ParseError {
    ParseError::new(ErrorCode::ObjectNotFound, text)
}
