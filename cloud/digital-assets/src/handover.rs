//! How do tokens go from one holder to another in the ledger? If every rule of the asset lets them, and not to be used before the
//! chain has confirmed it.

use alloy::primitives::U256;
use parsimony_cloud::Host;
use parsimony_model::ParseError;

use crate::compliance::{ComplianceRules, Transfer};
use crate::holding::Holding;
use crate::ledger::Asset;
use crate::party::Party;

/// Where the sender has what is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Out {
    /// It is free.
    Of,
    /// It was reserved for a listing.
    OfReserved,
}

/// Tokens that are about to change hands.
pub(crate) struct Handover<'a> {
    pub(crate) asset: &'a Asset,
    pub(crate) sender: &'a Party,
    pub(crate) receiver: &'a Party,
    pub(crate) token: &'a str,
    pub(crate) amount: U256,
    pub(crate) out: Out,
}

impl Handover<'_> {
    /// Checks the rules in their order and changes both holdings.
    pub(crate) async fn run(&self, host: &Host) -> Result<(), ParseError> {
        let Self { asset, sender, receiver, token, amount, .. } = *self;
        let mut gives = Holding::load(host, &asset.pointer(), &sender.user, token).await?;
        let mut takes = Holding::load(host, &asset.pointer(), &receiver.user, token).await?;
        if self.out == Out::OfReserved {
            gives.release(amount)?;
        }
        let transfer = Transfer {
            asset: asset.status,
            standard: asset.standard,
            rules: &ComplianceRules::of(&asset.object)?,
            gives: &gives,
            receives: &takes,
            receiver,
            amount,
            now: host.now(),
        };
        transfer.check()?;
        gives.give(amount)?;
        takes.receive(amount)?;
        gives.store(host).await?;
        takes.store(host).await.map(drop)
    }
}
