//! `cancelListing`: what was not bought is its seller's again.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, permission, roles};
use parsimony_model::{ObjectId, ParseError};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;
use crate::closing;
use crate::model::{LISTING, ListingStatus};

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelListing {
    /// The id of the `AssetMarketplaceListing`.
    pub listing_id: String,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListingCancelled {
    /// The id of the `AssetMarketplaceListing`.
    pub listing_id: String,
    /// Where it stands.
    pub status: ListingStatus,
    /// How many the seller may use again, in base units.
    pub released: String,
}

/// Takes a listing back. What was bought before and waits for the chain goes its way.
pub async fn cancel_listing(request: Request<CancelListing>) -> Result<ListingCancelled, ParseError> {
    let acting = Acting::new(APPLICATION, LISTING, &request);
    acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("listingId", &params.listing_id)?;
    let done = async {
        let listing = request.host.get(LISTING, &id).await?;
        let staff = [roles::ASSET_MANAGER, roles::COMPLIANCE_OFFICER];
        permission::require_owner_or_role(&request.who, &listing, "seller", &staff, "cancel it")?;
        let work = |host| work(host, &acting, &id);
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

async fn work(host: Host, acting: &Acting<'_>, id: &ObjectId) -> Result<ListingCancelled, ParseError> {
    let closed = closing::close(&host, id, ListingStatus::Cancelled).await?;
    acting.record(&host, acting.entry().changed(Some(&closed.before), Some(&closed.after))).await?;
    let released = closed.released.to_string();
    Ok(ListingCancelled { listing_id: id.to_string(), status: ListingStatus::Cancelled, released })
}
