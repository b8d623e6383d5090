//! `/config`, `/scriptlog`, `/security`, `/events` and `/validate_purchase`.

use parsimony_engine::Work;
use parsimony_model::{ParseError, map};

use crate::envelope::Params;
use crate::reply::Reply;
use crate::routes::{Operation, unroutable};

pub(super) async fn answer(work: &Work, operation: Operation, params: Params<'_>) -> Result<Reply, ParseError> {
    match operation {
        Operation::Config => Reply::json(&work.config().await?),
        Operation::UpdateConfig => {
            work.update_config(params.body).await?;
            Reply::json(&map! { "result" => true })
        }
        Operation::LogLines => Reply::json(&work.log_lines(&params.read())?),
        Operation::Security => Reply::json(&work.security_report()?),
        // Parse: without an adapter nobody counts, and the client is not told.
        Operation::Event => Ok(Reply::empty()),
        Operation::ValidatePurchase if !work.engine().options().purchases.enabled => {
            Err(unroutable("POST", &["validate_purchase"]))
        }
        Operation::ValidatePurchase => Reply::json(&work.validate_purchase(&params.body).await?),
    }
}
