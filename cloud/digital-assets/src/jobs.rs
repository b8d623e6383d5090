//! The jobs, one file each: what brings the ledger and the chains together.

mod confirm_transactions;
mod expire_listings;
mod install_contracts;
mod reconcile_holdings;

use serde::Deserialize;

pub(crate) use confirm_transactions::confirm_transactions;
pub(crate) use expire_listings::expire_listings;
pub(crate) use install_contracts::install_contracts;
pub use install_contracts::{Installed, install};
pub(crate) use reconcile_holdings::reconcile_holdings;

/// A job without parameters.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}
