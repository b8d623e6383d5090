//! `freezeHolding`: a holder, or a part of what they hold, is frozen or free again.

use alloy::primitives::U256;
use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, roles, state};
use parsimony_model::{Object, ObjectId, ParseError, map};
use serde::{Deserialize, Serialize};

use super::common::{TransactionCreated, record_decided, require_permission};
use crate::APPLICATION;
use crate::amount;
use crate::holding::Holding;
use crate::ledger::{Asset, Decided, chain_of};
use crate::model::{ASSET, FUNGIBLE, HOLDING, HoldingStatus, Permission, TransactionType};
use crate::party::Party;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FreezeHolding {
    /// The id of the `DigitalAsset`.
    pub asset_id: String,
    /// The id of the user who holds it.
    pub holder: String,
    /// Whether it shall be frozen; `false` makes it free again.
    #[serde(default = "yes")]
    pub frozen: bool,
    /// How many base units; without it the holder is frozen as a whole.
    pub amount: Option<String>,
    /// The id of the token; of what is not fungible, and needed with an amount.
    pub token_id: Option<String>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

const fn yes() -> bool {
    true
}

/// Freezes at once in the ledger, and has the chain do the same.
pub async fn freeze_holding(request: Request<FreezeHolding>) -> Result<TransactionCreated, ParseError> {
    let acting = Acting::new(APPLICATION, HOLDING, &request);
    acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("assetId", &params.asset_id)?;
    let holder = params::object_id("holder", &params.holder)?;
    let amount = params.amount.as_deref().map(|amount| amount::positive("amount", amount)).transpose()?;
    let token = params.token_id.as_deref().map(|token| amount::parse("tokenId", token)).transpose()?;
    let done = async {
        let asset = Asset::read(request.host.get(ASSET, &id).await?)?;
        if !asset.standard.is_fungible() && token.is_none() {
            return Err(params::missing("tokenId", format!("the tokens of {} differ", asset.standard)));
        }
        if !request.who.is_any(&[roles::COMPLIANCE_OFFICER]) {
            require_permission(&request.host, &request.who, &asset.object, Permission::Freeze, "freeze it").await?;
        }
        let token = token.map_or_else(|| FUNGIBLE.to_owned(), |token| token.to_string());
        let work =
            |host| Freezing { host, acting: &acting, frozen: params.frozen, token: &token, amount }.run(&id, &holder);
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

/// The work inside of the transaction.
struct Freezing<'a> {
    host: Host,
    acting: &'a Acting<'a>,
    frozen: bool,
    token: &'a str,
    amount: Option<U256>,
}

impl Freezing<'_> {
    async fn run(self, id: &ObjectId, holder: &ObjectId) -> Result<TransactionCreated, ParseError> {
        let asset = Asset::load(&self.host, id).await?;
        let party = Party::find(&self.host, "holder", holder).await?;
        let holding = Holding::load(&self.host, &asset.pointer(), &party.user, self.token).await?;
        let chain = chain_of(&asset.object)?;
        let (kind, before, after) = match self.amount {
            Some(amount) => self.freeze_part(holding, amount).await?,
            None => self.freeze_whole(holding).await?,
        };
        let decided = Decided { kind, from: Some(&party), to: None, token: self.token, amount: self.amount };
        let transaction = decided.enqueue(&self.host, &asset.object, chain).await?;
        let entry = self.acting.entry().changed(before.as_ref(), Some(&after)).detail("type", kind);
        self.acting.record(&self.host, entry).await?;
        record_decided(&self.host, self.acting, &transaction).await?;
        TransactionCreated::of(&transaction)
    }

    async fn freeze_part(
        &self,
        mut holding: Holding,
        amount: U256,
    ) -> Result<(TransactionType, Option<Object>, Object), ParseError> {
        let before = self.before(&holding).await?;
        let kind = if self.frozen {
            if amount > holding.available() {
                return Err(params::invalid("amount", "less is available"));
            }
            holding.frozen = amount::add("amount", holding.frozen, amount)?;
            TransactionType::FreezeTokens
        } else {
            let left = holding.frozen.checked_sub(amount);
            holding.frozen = left.ok_or_else(|| params::invalid("amount", "less is frozen"))?;
            TransactionType::UnfreezeTokens
        };
        Ok((kind, before, holding.store(&self.host).await?))
    }

    async fn freeze_whole(&self, holding: Holding) -> Result<(TransactionType, Option<Object>, Object), ParseError> {
        let before = self.before(&holding).await?;
        let row = match &before {
            Some(row) => row.clone(),
            // Somebody may be frozen before they hold anything.
            None => holding.store(&self.host).await?,
        };
        let (status, kind) = if self.frozen {
            (HoldingStatus::Frozen, TransactionType::Freeze)
        } else {
            (HoldingStatus::Active, TransactionType::Unfreeze)
        };
        state::step(state::of(&row)?, status)?;
        let after = self.host.update(HOLDING, &row.id, map! { "status" => status }).await?;
        Ok((kind, before, after))
    }

    async fn before(&self, holding: &Holding) -> Result<Option<Object>, ParseError> {
        match &holding.id {
            Some(id) => self.host.get(HOLDING, id).await.map(Some),
            None => Ok(None),
        }
    }
}
