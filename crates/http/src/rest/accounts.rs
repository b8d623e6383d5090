//! `/requestPasswordReset`, `/verificationEmailRequest`, `/loginAs`, `/upgradeToRevocableSession`.

use parsimony_engine::Work;
use parsimony_model::ParseError;

use crate::envelope::Params;
use crate::reply::Reply;
use crate::routes::AccountRoute;

pub(super) async fn answer(work: &Work, route: AccountRoute, params: Params<'_>) -> Result<Reply, ParseError> {
    match route {
        AccountRoute::RequestPasswordReset => {
            work.request_password_reset(&params.body).await?;
            Ok(Reply::empty())
        }
        AccountRoute::RequestVerification => {
            work.request_verification(&params.body).await?;
            Ok(Reply::empty())
        }
        AccountRoute::LogInAs => Reply::json(&work.log_in_as(&params.merged()).await?),
        AccountRoute::UpgradeSession => Reply::json(&work.upgrade_session().await?),
    }
}
