//! Who takes part in a transaction: a user, the address that acts for them, and what is known of their identity.

use alloy::primitives::Address;
use parsimony_cloud::Host;
use parsimony_kit::params;
use parsimony_model::{ClassName, Filter, Object, ObjectId, ParseError, Pointer, Query};

use crate::model::IDENTITY;

/// How many identities of one user are looked at; there is one of each type.
const IDENTITIES_MAX: u64 = 10;

/// Somebody who gives or takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) user: Pointer,
    pub(crate) address: Address,
    pub(crate) verified: bool,
    pub(crate) country: Option<String>,
}

impl Party {
    /// The user of this id. One without an address on the chain can take part in nothing (142).
    pub(crate) async fn find(host: &Host, field: &str, user: &ObjectId) -> Result<Self, ParseError> {
        let user = user_pointer(user)?;
        let query = Query::new(Filter::equals("user", user.clone())).limit(IDENTITIES_MAX);
        let mut identities = host.find(IDENTITY, query).await?;
        // A verified one counts, if there is one.
        identities.sort_by_key(|identity| !is_verified(identity));
        let mut acting = identities.iter().filter_map(|identity| Some((identity, address(identity)?)));
        let (identity, address) = acting.next().ok_or_else(|| {
            params::invalid(field, "this user has no identity with an address on the chain (onChainAddress)")
        })?;
        let country = identity.text("countryOfResidence").map(str::to_owned);
        Ok(Self { user, address, verified: is_verified(identity), country })
    }
}

/// A pointer to a user.
pub(crate) fn user_pointer(id: &ObjectId) -> Result<Pointer, ParseError> {
    Ok(Pointer::new(ClassName::parse("_User")?, id.clone()))
}

fn is_verified(identity: &Object) -> bool {
    identity.text("status") == Some("VERIFIED")
}

fn address(identity: &Object) -> Option<Address> {
    identity.text("onChainAddress")?.parse().ok().filter(|address| *address != Address::ZERO)
}
