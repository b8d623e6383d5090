//! Who asks: the only constructor of a [`Caller`].
use std::net::IpAddr;
use parsimony_model::value::Map;

/// What a request brings to say who it is, as the envelope read it. Nothing here has been believed yet.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// `X-Parse-Application-Id` or `_ApplicationId`.
    pub application_id: Option<String>,
    /// `X-Parse-Master-Key`, `_MasterKey`, or the password of Basic authorization. Also the read-only key.
    pub master_key: Option<String>,
    /// Whether the master key came as a header; then a missing installation id reads `cloud`.
    pub master_key_in_header: bool,
    /// `X-Parse-Maintenance-Key`.
    pub maintenance_key: Option<String>,
    /// `X-Parse-Client-Key`.
    pub client_key: Option<String>,
    /// `X-Parse-Javascript-Key` or `_JavaScriptKey`.
    pub javascript_key: Option<String>,
    /// `X-Parse-Windows-Key`.
    pub dot_net_key: Option<String>,
    /// `X-Parse-REST-API-Key`.
    pub rest_api_key: Option<String>,
    /// `X-Parse-Session-Token` or `_SessionToken`.
    pub session_token: Option<String>,
    /// `X-Parse-Installation-Id` or `_InstallationId`.
    pub installation_id: Option<String>,
    /// The address of the client.
    pub ip: Option<IpAddr>,
    /// `X-Parse-Cloud-Context` or `_context`.
    pub context: Map,
    /// The id of the request, for logs.
    pub request_id: String,
}
