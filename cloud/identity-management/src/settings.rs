//! What has the administrator set: `parsimony.settings.identity-management`.

use parsimony_connectors::kyc::{JumioOptions, OnfidoOptions, ShuftiOptions, SumsubOptions};
use parsimony_kit::notifications::feedback::FeedbackSettings;

use crate::chain::ChainSettings;
use crate::compliance::RiskSettings;
use crate::credentials::CredentialSettings;

/// The settings. Who verifies is there if it is configured.
#[derive(Clone, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where everybody reaches this server, with the mount path: providers are told of their webhooks by it, and who checks a
    /// credential finds the issuer there.
    pub(crate) public_url: Option<String>,
    /// With which key this server vouches for identities; without it, it does not.
    pub(crate) credentials: Option<CredentialSettings>,
    /// On which chain identities are registered.
    pub(crate) chain: Option<ChainSettings>,
    /// Who may tell by the webhook `delivery` what became of notifications.
    pub(crate) delivery: FeedbackSettings,
    /// The service that reads documents.
    pub(crate) documents: Option<ReaderSettings>,
    /// What makes an identity risky.
    pub(crate) risk: RiskSettings,
    /// Jumio.
    pub(crate) jumio: Option<JumioOptions>,
    /// Onfido.
    pub(crate) onfido: Option<OnfidoOptions>,
    /// Sumsub.
    pub(crate) sumsub: Option<SumsubOptions>,
    /// Shufti.
    pub(crate) shufti: Option<ShuftiOptions>,
}

/// A service that reads documents.
#[derive(Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReaderSettings {
    /// With what it signs, by Standard Webhooks: `whsec_…`.
    pub(crate) webhook_secret: String,
}
