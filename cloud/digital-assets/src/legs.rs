//! Which tokens are on their way in a transaction, and what becomes of them in the ledger when the chain has decided?

use alloy::primitives::U256;
use parsimony_cloud::Host;
use parsimony_model::{Object, ParseError, Pointer};

use crate::amount;
use crate::holding::Holding;
use crate::ledger::Asset;
use crate::model::{FUNGIBLE, TransactionType, optional_pointer, pointer, text, word};

/// Tokens on their way: from nobody when they are made, to nobody when they are destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leg {
    pub(crate) asset: Pointer,
    pub(crate) token: String,
    pub(crate) amount: U256,
    pub(crate) from: Option<Pointer>,
    pub(crate) to: Option<Pointer>,
}

impl Leg {
    /// What a transaction moves, the tokens of its own asset first.
    pub(crate) fn of(transaction: &Object) -> Result<Vec<Self>, ParseError> {
        let [from, to] = ["from", "to"].map(|side| optional_pointer(transaction, side));
        let own = |from: Option<Pointer>, to: Option<Pointer>| -> Result<Self, ParseError> {
            let (asset, token) = (pointer(transaction, "asset")?, text(transaction, "tokenId")?.to_owned());
            Ok(Self { asset, token, amount: amount::of(transaction, "amount")?, from, to })
        };
        Ok(match word(transaction, "type", TransactionType::parse)? {
            TransactionType::Mint => vec![own(None, to)?],
            TransactionType::Transfer => vec![own(from, to)?],
            TransactionType::Burn => vec![own(from, None)?],
            TransactionType::Swap => {
                let (asset, amount) =
                    (pointer(transaction, "paymentAsset")?, amount::of(transaction, "paymentAmount")?);
                let paid = Self { asset, token: FUNGIBLE.to_owned(), amount, from: to.clone(), to: from.clone() };
                vec![own(from, to)?, paid]
            }
            TransactionType::Deploy
            | TransactionType::Pause
            | TransactionType::Unpause
            | TransactionType::Freeze
            | TransactionType::Unfreeze
            | TransactionType::FreezeTokens
            | TransactionType::UnfreezeTokens => Vec::new(),
        })
    }

    /// The chain has done it: what came in is free, what was to be destroyed is gone.
    pub(crate) async fn confirm(&self, host: &Host) -> Result<(), ParseError> {
        match (&self.from, &self.to) {
            (_, Some(to)) => self.change(host, to, |holding| holding.settle(self.amount)).await,
            (Some(from), None) => {
                let burned = |holding: &mut Holding| {
                    holding.settle(self.amount)?;
                    holding.give(self.amount)
                };
                self.change(host, from, burned).await?;
                self.lower_supply(host).await
            }
            (None, None) => Ok(()),
        }
    }

    /// The chain has refused it: everything goes back to where it came from.
    pub(crate) async fn undo(&self, host: &Host) -> Result<(), ParseError> {
        if let Some(to) = &self.to {
            let taken = |holding: &mut Holding| {
                holding.settle(self.amount)?;
                holding.give(self.amount)
            };
            self.change(host, to, taken).await?;
        }
        match (&self.from, &self.to) {
            (Some(from), Some(_)) => self.change(host, from, |holding| holding.take_back(self.amount)).await,
            (Some(from), None) => self.change(host, from, |holding| holding.settle(self.amount)).await,
            (None, _) => self.lower_supply(host).await,
        }
    }

    /// Changes what somebody holds of these tokens.
    pub(crate) async fn change(
        &self,
        host: &Host,
        holder: &Pointer,
        change: impl FnOnce(&mut Holding) -> Result<(), ParseError> + Send,
    ) -> Result<(), ParseError> {
        let mut holding = Holding::load(host, &self.asset, holder, &self.token).await?;
        change(&mut holding)?;
        holding.store(host).await.map(drop)
    }

    async fn lower_supply(&self, host: &Host) -> Result<(), ParseError> {
        let asset = Asset::load(host, &self.asset.id).await?;
        let supply = amount::subtract("the supply", asset.supply()?, self.amount)?;
        asset.set_supply(host, supply).await.map(drop)
    }
}
