//! What has the administrator set for an application, such as the secrets of the services it talks to?

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::define::Application;

/// What stands under `parsimony.settings.APPLICATION` in the configuration. Secrets that are kept in files or in variables
/// have been put in their places.
#[derive(Clone, Default)]
pub struct Settings {
    application: String,
    values: Map<String, Value>,
}

/// Settings hold secrets, so only their names are shown.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.values.keys().collect();
        f.debug_struct("Settings").field("application", &self.application).field("names", &names).finish()
    }
}

impl Settings {
    /// The settings of an application.
    pub fn new(application: impl Into<String>, values: Map<String, Value>) -> Self {
        Self { application: application.into(), values }
    }

    /// The settings as the application's own type. The error names the setting to mend.
    ///
    /// ```
    /// use parsimony_cloud::Settings;
    ///
    /// #[derive(serde::Deserialize, Default, Debug)]
    /// #[serde(rename_all = "camelCase", default, deny_unknown_fields)]
    /// struct Shop {
    ///     orders_max: u32,
    /// }
    ///
    /// let values = serde_json::from_str(r#"{"ordersMax": "many"}"#).unwrap_or_default();
    /// let error = Settings::new("shop", values).read::<Shop>().unwrap_err();
    /// assert!(error.starts_with("parsimony.settings.shop.ordersMax: "), "{error}");
    /// ```
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        let values = Value::Object(self.values.clone());
        serde_path_to_error::deserialize(values).map_err(|error| {
            let path = error.path().to_string();
            let below = if path == "." { String::new() } else { format!(".{path}") };
            format!("parsimony.settings.{}{below}: {}.", self.application, error.inner())
        })
    }
}

/// What makes the rest of an application when its settings are known.
pub(crate) type Build = Box<dyn FnOnce(Application, &Settings) -> Result<Application, String> + Send>;

impl Application {
    /// What depends on the settings: connections to outside services, webhooks with their secrets.
    ///
    /// ```
    /// use parsimony_cloud::{Application, Inbound, ParseError, Verifier};
    ///
    /// #[derive(serde::Deserialize, Default)]
    /// #[serde(rename_all = "camelCase", default, deny_unknown_fields)]
    /// struct Shop {
    ///     stripe_secret: Option<String>,
    /// }
    ///
    /// async fn paid(_: Inbound) -> Result<(), ParseError> {
    ///     Ok(())
    /// }
    ///
    /// Application::new("shop").configured(|application, settings| {
    ///     let shop: Shop = settings.read()?;
    ///     Ok(match shop.stripe_secret {
    ///         Some(secret) => application.webhook("stripe", Verifier::stripe(&secret), paid),
    ///         None => application,
    ///     })
    /// });
    /// ```
    #[must_use]
    pub fn configured(mut self, build: impl FnOnce(Self, &Settings) -> Result<Self, String> + Send + 'static) -> Self {
        self.builds.push(Box::new(build));
        self
    }

    /// The application with what depends on its settings.
    pub fn configure(mut self, settings: &Settings) -> Result<Self, String> {
        for build in std::mem::take(&mut self.builds) {
            self = build(self, settings)?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    #[derive(serde::Deserialize, Default, Debug, PartialEq)]
    #[serde(rename_all = "camelCase", default, deny_unknown_fields)]
    struct Shop {
        secret: Option<String>,
    }

    fn settings(json: &str) -> Settings {
        Settings::new("shop", serde_json::from_str(json).unwrap())
    }

    #[test]
    fn settings_are_read_and_what_is_wrong_is_named() {
        assert_eq!(settings(r#"{"secret": "s"}"#).read::<Shop>().unwrap().secret.as_deref(), Some("s"));
        let error = settings(r#"{"secret": 1}"#).read::<Shop>().unwrap_err();
        assert!(error.starts_with("parsimony.settings.shop.secret: invalid type"), "{error}");
        let error = settings(r#"{"sceret": "s"}"#).read::<Shop>().unwrap_err();
        assert!(error.contains("unknown field `sceret`"), "{error}");
        assert!(!format!("{:?}", settings(r#"{"secret": "hush"}"#)).contains("hush"));
    }

    #[test]
    fn an_application_is_built_once_its_settings_are_known_and_by_none_if_it_has_none() {
        let application = || {
            Application::new("shop").configured(|application, settings| {
                let shop: Shop = settings.read()?;
                Ok(application.role(shop.secret.as_deref().unwrap_or("unset"), &[]))
            })
        };
        let role = |application| Registry::new([application]).unwrap().roles()[0].name.clone();
        assert_eq!(role(application().configure(&settings(r#"{"secret": "s"}"#)).unwrap()), "s");
        assert_eq!(role(application()), "unset");
        let refused = application().configure(&settings(r#"{"x": 1}"#)).err().unwrap();
        assert!(refused.starts_with("parsimony.settings.shop"), "{refused}");
    }
}
