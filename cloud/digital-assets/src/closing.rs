//! What becomes of a listing that ends before all of it is sold? What is left of it is its seller's to use.

use alloy::primitives::U256;
use parsimony_cloud::Host;
use parsimony_model::{Object, ObjectId, ParseError};

use crate::holding::Holding;
use crate::listing::Listing;
use crate::model::{LISTING, ListingStatus};

/// A listing that has ended.
pub(crate) struct Closed {
    pub(crate) before: Object,
    pub(crate) after: Object,
    pub(crate) released: U256,
}

/// Ends a listing, in the transaction of the host.
pub(crate) async fn close(host: &Host, id: &ObjectId, status: ListingStatus) -> Result<Closed, ParseError> {
    let before = host.get(LISTING, id).await?;
    let mut listing = Listing::read(&before)?;
    let released = listing.close(status)?;
    let mut holding = Holding::load(host, &listing.asset, &listing.seller, &listing.token).await?;
    holding.release(released)?;
    holding.store(host).await?;
    let after = listing.store(host).await?;
    Ok(Closed { before, after, released })
}
