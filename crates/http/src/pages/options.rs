//! What the administrator decided about the account pages.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

/// Parse's `pages`, as meant.
#[derive(Debug, Clone, Default)]
pub struct PagesOptions {
    /// `pagesPath`: the folder of the administrator's own pages.
    pub folder: Option<PathBuf>,
    /// `enableLocalization`
    pub localizes: bool,
    /// What the file at `localizationJsonPath` says, by locale.
    pub translations: Option<Map<String, Value>>,
    /// `localizationFallbackLocale`
    pub fallback_locale: String,
    /// `placeholders`
    pub placeholders: Map<String, Value>,
    /// `forceRedirect`
    pub redirects: bool,
    /// `customUrls`, by page.
    pub custom_urls: BTreeMap<String, String>,
    /// `encodePageParamHeaders`
    pub encodes_headers: bool,
}

impl PagesOptions {
    /// What the translations say for a locale, its language, or else the fallback.
    pub(super) fn translation(&self, locale: Option<&str>) -> Option<&Map<String, Value>> {
        let translations = self.translations.as_ref().filter(|_| self.localizes)?;
        let locale = locale.unwrap_or(&self.fallback_locale);
        let language = locale.split('-').next().unwrap_or_default();
        let found = [locale, language, &self.fallback_locale].into_iter().find_map(|name| translations.get(name))?;
        found.get("translation")?.as_object()
    }
}
