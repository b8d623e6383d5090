//! `reconcileHoldings`: does the ledger say what the chain says? Differences are told and written into the audit trail; the
//! ledger is not changed.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall as _;
use parsimony_cloud::{Host, Job, JobRequest};
use parsimony_connectors::chain::Chain;
use parsimony_kit::{AuditEntry, Outcome, audit, chain::Trouble};
use parsimony_model::query::Constraint;
use parsimony_model::{Filter, Object, ParseError, Pointer, Query, Value};

use super::Nothing;
use crate::APPLICATION;
use crate::amount;
use crate::contracts::abi::Common;
use crate::holding::Holding;
use crate::ledger::{Asset, chain_of};
use crate::legs::Leg;
use crate::model::{ASSET, AssetStatus, HOLDING, TRANSACTION, TransactionStatus, text};
use crate::party::Party;
use crate::settings::Chains;

/// How many objects are read at once.
const PAGE: u64 = 500;

/// How many differences are told one by one.
const TOLD_MAX: usize = 20;

/// What is under way of a holding, by holder and token: what the chain has not given yet, and not taken yet.
type UnderWay = BTreeMap<(String, String), (U256, U256)>;

/// Compares every asset that has a contract.
pub(crate) async fn reconcile_holdings(request: JobRequest<Nothing>, chains: Chains) -> Result<String, ParseError> {
    let job = &request.job;
    let (mut compared, mut differences, mut unasked) = (0_u64, Vec::new(), 0_u64);
    for asset in pages(&job.host, ASSET, in_use()).await? {
        let asset = Asset::read(asset)?;
        let Some(place) = chains.get(chain_of(&asset.object)?) else { continue };
        match compare(job, place.chain.as_ref(), &asset).await {
            Ok((rows, found)) => {
                compared += rows;
                differences.extend(found);
            }
            Err(Trouble::Chain(error)) => {
                tracing::warn!(asset = asset.object.id.as_str(), %error, "an asset could not be compared with its chain");
                unasked += 1;
            }
            Err(Trouble::Parse(error)) => return Err(error),
        }
    }
    let mut told =
        format!("{compared} holdings compared, {} differences, {unasked} assets not asked", differences.len());
    for difference in differences.iter().take(TOLD_MAX) {
        told.push_str("; ");
        told.push_str(difference);
    }
    Ok(told)
}

fn in_use() -> Filter {
    let statuses = [AssetStatus::Active, AssetStatus::Paused].map(Value::from).to_vec();
    Filter::Field("status".into(), Constraint::In(statuses))
}

async fn compare(job: &Job, chain: &dyn Chain, asset: &Asset) -> Result<(u64, Vec<String>), Trouble> {
    let address: Address = text(&asset.object, "address")?.parse().map_err(ParseError::internal)?;
    let of_asset = || Filter::equals("asset", asset.pointer());
    let (under_way, minted) = under_way(&job.host, &asset.pointer()).await?;
    let mut differences = Vec::new();
    let mut sum = U256::ZERO;
    let rows = pages(&job.host, HOLDING, of_asset()).await?;
    for row in &rows {
        let holding = Holding::read(row)?;
        sum = amount::add("balance", sum, holding.balance)?;
        let holder = Party::find(&job.host, "holder", &holding.holder.id).await?;
        let token = U256::from_str_radix(&holding.token, 10).map_err(ParseError::internal)?;
        let asked = Common::holdingOfCall { account: holder.address, id: token }.abi_encode();
        let answer = chain.call(address, asked.into()).await?;
        let on_chain = Common::holdingOfCall::abi_decode_returns(&answer).map_err(ParseError::internal)?;
        let key = (holding.holder.id.to_string(), holding.token.clone());
        let (coming, going) = under_way.get(&key).copied().unwrap_or_default();
        let expected = holding.balance.saturating_sub(coming).saturating_add(going);
        if on_chain != expected {
            let text = format!("holding {}: the chain has {on_chain}, the ledger {expected}", row.id);
            differences.push(report(job, HOLDING, row, text).await?);
        }
    }
    let supply = asset.supply()?;
    let answer = chain.call(address, Common::supplyCall {}.abi_encode().into()).await?;
    let on_chain = Common::supplyCall::abi_decode_returns(&answer).map_err(ParseError::internal)?;
    let expected = supply.saturating_sub(minted);
    if sum != supply || on_chain != expected {
        let text = format!("asset {}: {sum} held of {supply}, and the chain has {on_chain}", asset.object.id);
        differences.push(report(job, ASSET, &asset.object, text).await?);
    }
    Ok((rows.len() as u64, differences))
}

/// What was decided and is not final: the ledger has it already, the chain not yet. A burn is the other way round: neither has
/// taken it.
async fn under_way(host: &Host, asset: &Pointer) -> Result<(UnderWay, U256), ParseError> {
    let open = TransactionStatus::OPEN.map(Value::from).to_vec();
    let of_asset = ["asset", "paymentAsset"].map(|field| Filter::equals(field, asset.clone())).to_vec();
    let filter = Filter::Or(of_asset).and(Filter::Field("status".into(), Constraint::In(open)));
    let (mut sums, mut minted) = (UnderWay::new(), U256::ZERO);
    for transaction in pages(host, TRANSACTION, filter).await? {
        for Leg { asset: moved, token, amount, from, to } in Leg::of(&transaction)? {
            let Some(to) = to.filter(|_| moved == *asset) else { continue };
            let coming = &mut sums.entry((to.id.to_string(), token.clone())).or_default().0;
            *coming = coming.saturating_add(amount);
            match from {
                Some(from) => {
                    let going = &mut sums.entry((from.id.to_string(), token)).or_default().1;
                    *going = going.saturating_add(amount);
                }
                None => minted = minted.saturating_add(amount),
            }
        }
    }
    Ok((sums, minted))
}

async fn report(job: &Job, class: &str, object: &Object, text: String) -> Result<String, ParseError> {
    tracing::error!(object = object.id.as_str(), difference = text.as_str(), "the ledger and the chain differ");
    let entry = AuditEntry::of_job(job, class).about(&object.id).outcome(Outcome::Failed);
    audit::append(&job.host, APPLICATION, entry.detail("difference", text.as_str())).await?;
    Ok(text)
}

/// All of them, page by page, in the order in which they were made.
async fn pages(host: &Host, class: &str, filter: Filter) -> Result<Vec<Object>, ParseError> {
    let mut all = Vec::new();
    loop {
        let mut query = Query::new(filter.clone()).ascending("createdAt").limit(PAGE);
        query.skip = all.len() as u64;
        let page = host.find(class, query).await?;
        let last = (page.len() as u64) < PAGE;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}
