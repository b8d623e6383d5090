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
    /// The secret of who looks at documents, which signs by Standard Webhooks.
    pub(crate) documents_secret: Option<String>,
    /// The countries, ISO 3166-1 alpha-2, that make a customer risky.
    pub(crate) high_risk_countries: Vec<String>,
}
