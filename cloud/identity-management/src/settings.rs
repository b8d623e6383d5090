//! What has the administrator set: `parsimony.settings.identity-management`.

use parsimony_connectors::kyc::{JumioOptions, OnfidoOptions, ShuftiOptions, SumsubOptions};

/// The settings. Who verifies is there if it is configured.
#[derive(Clone, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where this server is reached by the providers, with the mount path: they are told of their webhooks by it.
    pub(crate) public_url: Option<String>,
    /// Jumio.
    pub(crate) jumio: Option<JumioOptions>,
    /// Onfido.
    pub(crate) onfido: Option<OnfidoOptions>,
    /// Sumsub.
    pub(crate) sumsub: Option<SumsubOptions>,
    /// Shufti.
    pub(crate) shufti: Option<ShuftiOptions>,
}
