//! Which roles are there: one table, the same for every application.

use parsimony_cloud::Application;

/// May do everything that any role may.
pub const ADMIN: &str = "admin";
/// Decides what a verifier may not, and may do what a verifier may.
pub const COMPLIANCE_OFFICER: &str = "compliance-officer";
/// Reviews identities and their evidence.
pub const VERIFIER: &str = "verifier";
/// Issues credentials and assets.
pub const ISSUER: &str = "issuer";
/// Manages assets.
pub const ASSET_MANAGER: &str = "asset-manager";
/// Runs trade deals.
pub const TRADE_OFFICER: &str = "trade-officer";
/// Acts for a bank in a trade deal.
pub const BANK_OFFICER: &str = "bank-officer";
/// Operates wallets.
pub const WALLET_OPERATOR: &str = "wallet-operator";
/// Reads everything but personal data, and writes nothing.
pub const AUDITOR: &str = "auditor";
/// Helps users, and sees no personal data.
pub const SUPPORT: &str = "support";

/// Each role with the roles whose rights its members have too.
pub const TABLE: &[(&str, &[&str])] = &[
    (VERIFIER, &[]),
    (ISSUER, &[]),
    (ASSET_MANAGER, &[]),
    (TRADE_OFFICER, &[]),
    (BANK_OFFICER, &[]),
    (WALLET_OPERATOR, &[]),
    (AUDITOR, &[]),
    (SUPPORT, &[]),
    (COMPLIANCE_OFFICER, &[VERIFIER]),
    (
        ADMIN,
        &[
            COMPLIANCE_OFFICER,
            VERIFIER,
            ISSUER,
            ASSET_MANAGER,
            TRADE_OFFICER,
            BANK_OFFICER,
            WALLET_OPERATOR,
            AUDITOR,
            SUPPORT,
        ],
    ),
];

/// The application with every role of the table.
#[must_use]
pub fn with_roles(application: Application) -> Application {
    TABLE.iter().fold(application, |application, (name, inherits)| application.role(name, inherits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_cloud::Registry;

    #[test]
    fn a_role_inherits_only_from_rows_above_and_an_admin_from_all() {
        let mut above: Vec<&str> = Vec::new();
        for (name, inherits) in TABLE {
            assert!(inherits.iter().all(|role| above.contains(role)), "{name}");
            above.push(name);
        }
        let registry = Registry::new([with_roles(Application::new("a"))]).unwrap();
        let admin = registry.roles().iter().find(|role| role.name == ADMIN).unwrap();
        assert_eq!(admin.inherits.len(), TABLE.len() - 1);
    }
}
