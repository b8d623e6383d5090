//! Which of Parse Server's versions do the defaults come from?

use serde_json::{Value, json};

/// A set of defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compatibility {
    /// Parse Server 9's.
    Parse9,
    /// Those that Parse Server has announced for its next version: what is open in 9 and should not be is shut.
    Parse10,
}

impl Compatibility {
    /// The set of this name.
    pub(super) fn parse(name: Option<&str>) -> Result<Self, String> {
        match name {
            None | Some("parse-9") => Ok(Self::Parse9),
            Some("parse-10") => Ok(Self::Parse10),
            Some(_) => Err("parsimony.compatibility must be parse-9 or parse-10.".to_owned()),
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parse9 => "parse-9",
            Self::Parse10 => "parse-10",
        }
    }

    /// The options that it sets where nothing else does, each with its dotted name.
    pub(super) fn defaults(self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Parse9 => Vec::new(),
            Self::Parse10 => vec![
                ("fileUpload.allowedFileUrlDomains", json!([])),
                ("pages.encodePageParamHeaders", json!(true)),
                ("readOnlyMasterKeyIps", json!(["127.0.0.1", "::1"])),
                ("requestComplexity.includeDepth", json!(10)),
                ("requestComplexity.includeCount", json!(100)),
                ("requestComplexity.subqueryDepth", json!(10)),
                ("requestComplexity.queryDepth", json!(10)),
                ("requestComplexity.batchRequestLimit", json!(100)),
                ("protectedFieldsOwnerExempt", json!(false)),
                ("protectedFieldsTriggerExempt", json!(true)),
                ("protectedFieldsSaveResponseExempt", json!(false)),
                ("installation.duplicateDeviceTokenActionEnforceAuth", json!(true)),
                ("allowAggregationForReadOnlyMasterKey", json!(false)),
            ],
        }
    }
}
