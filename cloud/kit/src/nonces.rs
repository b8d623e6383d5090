//! Which number is the next of an account that sends to a chain? One row for each account, whichever application sends, so that
//! no two transactions ever have one number.

use parsimony_cloud::{CONFLICT, Host};
use parsimony_model::{ErrorCode, Filter, ParseError, Query, Value, map};

/// The class of the accounts.
pub const CLASS: &str = "ChainSender";

/// Takes the next nonce of an account, in the transaction of the host: one after the last that was given, and none that the chain
/// has seen already.
pub async fn take(host: &Host, chain: u64, account: &str, known: u64) -> Result<u64, ParseError> {
    let row = Filter::equals("chainId", chain as f64).and(Filter::equals("address", account));
    if let Some(row) = host.first(CLASS, Query::new(row)).await? {
        let given = row.get("nextNonce").and_then(Value::as_f64).unwrap_or_default();
        let nonce = given.to_string().parse::<u64>().unwrap_or_default().max(known);
        host.update(CLASS, &row.id, map! { "nextNonce" => (nonce + 1) as f64 }).await?;
        return Ok(nonce);
    }
    let fields = map! { "chainId" => chain as f64, "address" => account, "nextNonce" => (known + 1) as f64 };
    host.create(CLASS, fields).await.map_err(|error| {
        if error.code == ErrorCode::DuplicateValue {
            return ParseError::with_number(CONFLICT, "Another server sends for the first time.");
        }
        error
    })?;
    Ok(known)
}
