//! `expireListings`: what nobody bought in time is its seller's again.

use parsimony_cloud::{Host, JobRequest};
use parsimony_kit::{Cause, audit};
use parsimony_model::query::Constraint;
use parsimony_model::{Filter, ObjectId, ParseError, Query};

use super::Nothing;
use crate::APPLICATION;
use crate::closing;
use crate::model::{LISTING, ListingStatus};

/// How many are looked for at once.
const BATCH: u64 = 200;

/// Ends every listing whose time is over.
pub(crate) async fn expire_listings(request: JobRequest<Nothing>) -> Result<String, ParseError> {
    let (host, mut expired, mut late) = (request.host.as_master(), 0_u64, 0_u64);
    while !request.is_ending() {
        let over = Filter::equals("status", ListingStatus::Active)
            .and(Filter::Field("expiresAt".into(), Constraint::LessOrEqual(host.now().into())));
        let over = host.find(LISTING, Query::new(over).ascending("expiresAt").limit(BATCH)).await?;
        for listing in &over {
            if expire(Cause::Job(&request.job), &listing.id).await? {
                expired += 1;
            } else {
                late += 1;
            }
        }
        if (over.len() as u64) < BATCH {
            break;
        }
    }
    Ok(format!("{expired} listings expired, {late} were bought or cancelled meanwhile"))
}

/// Ends one, unless it was bought or cancelled meanwhile.
async fn expire(cause: Cause<'_>, id: &ObjectId) -> Result<bool, ParseError> {
    let work = |host: Host| async move {
        let listing = host.get(LISTING, id).await?;
        if listing.text("status") != Some(ListingStatus::Active.as_str()) {
            return Ok(false);
        }
        let closed = closing::close(&host, id, ListingStatus::Expired).await?;
        let entry = cause.entry(LISTING).changed(Some(&closed.before), Some(&closed.after));
        audit::append(&host, APPLICATION, entry).await?;
        Ok(true)
    };
    cause.host().transaction(work).await
}
