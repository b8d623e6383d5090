//! At which moments of Parse Config may cloud code step in, and with what?

use parsimony_model::value::Map;
use parsimony_model::{ParseError, Value};

use crate::origin::Origin;
use crate::registry::{Hooks, Tables};
use crate::triggers::{Trigger, trigger};
use crate::wire::Spelled;

/// What stands in the place of the class where Parse Config is changed.
pub const CONFIG: &str = "@Config";

/// Before Parse Config is changed: an error refuses it.
pub struct BeforeSaveConfig {
    /// The parameters that are to be changed, as they were sent.
    pub params: Map,
    /// The parameters as they are; none if there is no configuration yet.
    pub original: Option<Map>,
    /// Where the request comes from.
    pub origin: Origin,
}

/// After Parse Config was changed. An error reaches the client, but the change stays.
pub struct AfterSaveConfig {
    /// The parameters as they are now.
    pub params: Map,
    /// The parameters as they were; none if there was no configuration.
    pub original: Option<Map>,
    /// Where the request comes from.
    pub origin: Origin,
}

trigger!(BeforeSaveConfig, "beforeSave", before_save_config, (), const CLASS: Option<&'static str> = Some(CONFIG););
trigger!(AfterSaveConfig, "afterSave", after_save_config, (), const CLASS: Option<&'static str> = Some(CONFIG););

macro_rules! spelled {
    ($($type:ident)*) => {
        $(
            impl Spelled for $type {
                fn spell(&self) -> Map {
                    let mut body = parsimony_model::map! { "className" => CONFIG, "object" => self.params.clone() };
                    if let Some(original) = &self.original {
                        body.insert("original".into(), original.clone().into());
                    }
                    body
                }

                fn read(self, _: Option<Value>) -> Result<(), ParseError> {
                    Ok(())
                }
            }
        )*
    };
}

spelled!(BeforeSaveConfig AfterSaveConfig);
