//! Whose signature is it? A key of the configuration, which signs transactions and is never shown.

use std::fmt;

use alloy::consensus::{SignableTransaction as _, TxEip1559};
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::signers::SignerSync as _;
use alloy::signers::local::PrivateKeySigner;

use super::ChainError;
use super::fees::Fees;

/// A transaction before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxPlan {
    /// The chain, so that it counts on no other one.
    pub chain: u64,
    /// How many transactions of the sender are before it.
    pub nonce: u64,
    /// The contract; `None` makes one.
    pub to: Option<Address>,
    /// What the contract is told.
    pub input: Bytes,
    /// How much gas it may use.
    pub gas: u64,
    /// What it offers for it.
    pub fees: Fees,
}

/// A transaction with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Its hash, under which the chain knows it.
    pub hash: B256,
    /// Its bytes, as they are sent.
    pub raw: Bytes,
}

/// A key that signs.
#[derive(Clone)]
pub struct Signer(PrivateKeySigner);

/// The key is not shown.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.address())
    }
}

impl Signer {
    /// Reads a key: 32 bytes in hexadecimal, with or without `0x`. The error does not repeat it.
    pub fn parse(key: &str) -> Result<Self, String> {
        key.trim().parse().map(Self).map_err(|_secret| "a signer's key has 64 hexadecimal digits".to_owned())
    }

    /// The account that the key acts for.
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs a transaction: the same plan gives the same bytes.
    pub fn sign(&self, plan: &TxPlan) -> Result<Signed, ChainError> {
        let transaction = TxEip1559 {
            chain_id: plan.chain,
            nonce: plan.nonce,
            gas_limit: plan.gas,
            max_fee_per_gas: plan.fees.max_fee,
            max_priority_fee_per_gas: plan.fees.priority_fee,
            to: plan.to.map_or(TxKind::Create, TxKind::Call),
            value: U256::ZERO,
            access_list: <_>::default(),
            input: plan.input.clone(),
        };
        let signature = self.0.sign_hash_sync(&transaction.signature_hash());
        let signature = signature.map_err(|error| ChainError::Malformed(error.to_string()))?;
        let signed = transaction.into_signed(signature);
        let mut raw = Vec::new();
        signed.eip2718_encode(&mut raw);
        Ok(Signed { hash: *signed.hash(), raw: raw.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first account of every development chain.
    const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    #[test]
    fn a_key_is_read_and_not_shown() {
        let signer = Signer::parse(KEY).unwrap();
        assert_eq!(signer.address().to_string(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        assert!(!format!("{signer:?}").contains("ac0974"));
        for wrong in ["", "0x12", "not a key", "0xac0974bec39a17e3"] {
            let error = Signer::parse(wrong).unwrap_err();
            assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn the_same_plan_gives_the_same_bytes_and_another_nonce_others() {
        let key = Signer::parse(KEY).unwrap();
        let plan = TxPlan {
            chain: 31_337,
            nonce: 0,
            to: Some(key.address()),
            input: Bytes::new(),
            gas: 21_000,
            fees: Fees { max_fee: 1, priority_fee: 1 },
        };
        let signed = key.sign(&plan).unwrap();
        assert_eq!(key.sign(&plan).unwrap(), signed);
        assert_eq!(alloy::primitives::keccak256(&signed.raw), signed.hash);
        assert_eq!(signed.raw.first(), Some(&2), "a transaction of EIP-1559");
        let next = key.sign(&TxPlan { nonce: 1, ..plan }).unwrap();
        assert_ne!(next.hash, signed.hash);
    }
}
