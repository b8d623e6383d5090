//! What is written when something is decided: the transaction that a job brings to the chain later. No chain is asked here.

use alloy::primitives::U256;
use parsimony_cloud::Host;
use parsimony_model::value::Map;
use parsimony_model::{Acl, Object, ObjectId, ParseError, Pointer, Value, map};

use crate::amount;
use crate::model::{
    ASSET, AssetStatus, FUNGIBLE, Standard, TRANSACTION, TransactionStatus, TransactionType, optional_pointer, pointer,
    readable_by, whole, word,
};
use crate::party::Party;

/// An asset, as it stands in the transaction that uses it.
pub(crate) struct Asset {
    pub(crate) object: Object,
    pub(crate) standard: Standard,
    pub(crate) status: AssetStatus,
}

impl Asset {
    /// The asset of this id.
    pub(crate) async fn load(host: &Host, id: &ObjectId) -> Result<Self, ParseError> {
        Self::read(host.get(ASSET, id).await?)
    }

    /// A stored asset.
    pub(crate) fn read(object: Object) -> Result<Self, ParseError> {
        let standard = word(&object, "standard", Standard::parse)?;
        let status = parsimony_kit::state::of(&object)?;
        Ok(Self { object, standard, status })
    }

    /// A pointer to it.
    pub(crate) fn pointer(&self) -> Pointer {
        self.object.pointer()
    }

    /// How much there is of it, what comes in and is not confirmed among it.
    pub(crate) fn supply(&self) -> Result<U256, ParseError> {
        amount::of(&self.object, "totalSupply")
    }

    /// How much there may be, if there is a bound.
    pub(crate) fn cap(&self) -> Result<Option<U256>, ParseError> {
        self.object.get("supplyCap").map(|_cap| amount::of(&self.object, "supplyCap")).transpose()
    }

    /// Writes how much there is.
    pub(crate) async fn set_supply(&self, host: &Host, supply: U256) -> Result<Object, ParseError> {
        host.update(ASSET, &self.object.id, map! { "totalSupply" => supply.to_string() }).await
    }
}

/// What shall be done on the chain.
pub(crate) struct Decided<'a> {
    pub(crate) kind: TransactionType,
    pub(crate) from: Option<&'a Party>,
    pub(crate) to: Option<&'a Party>,
    pub(crate) token: &'a str,
    pub(crate) amount: Option<U256>,
}

impl Decided<'_> {
    /// About an asset as a whole.
    pub(crate) fn about_asset(kind: TransactionType) -> Self {
        Self { kind, from: None, to: None, token: FUNGIBLE, amount: None }
    }

    /// Writes it down, to be brought to the chain of the asset.
    pub(crate) async fn enqueue(&self, host: &Host, asset: &Object, chain: u64) -> Result<Object, ParseError> {
        self.enqueue_with(host, asset, chain, Map::default()).await
    }

    /// The same, with more fields: those of a sale.
    pub(crate) async fn enqueue_with(
        &self,
        host: &Host,
        asset: &Object,
        chain: u64,
        more: Map,
    ) -> Result<Object, ParseError> {
        let issuer = pointer(asset, "issuer")?;
        let readers = [Some(&issuer.id), self.from.map(|party| &party.user.id), self.to.map(|party| &party.user.id)];
        let mut fields = map! {
            "asset" => asset.pointer(),
            "type" => self.kind,
            "chainId" => chain as f64,
            "tokenId" => self.token,
            "status" => TransactionStatus::Created,
            "ACL" => readable_by(readers.into_iter().flatten()),
        };
        for (user, address, party) in [("from", "fromAddress", self.from), ("to", "toAddress", self.to)] {
            if let Some(party) = party {
                fields.insert(user.into(), party.user.clone().into());
                fields.insert(address.into(), party.address.to_string().into());
            }
        }
        if let Some(amount) = self.amount {
            fields.insert("amount".into(), amount.to_string().into());
        }
        fields.extend(more);
        host.create(TRANSACTION, fields).await
    }
}

/// The chain on which an asset is.
pub(crate) fn chain_of(asset: &Object) -> Result<u64, ParseError> {
    whole(asset, "chainId").ok_or_else(|| ParseError::internal(format!("DigitalAsset {} is on no chain", asset.id)))
}

/// What of a transaction is done again when something else took its nonce.
pub(crate) fn again(transaction: &Object) -> Map {
    let decided =
        ["asset", "type", "chainId", "tokenId", "amount", "from", "to", "fromAddress", "toAddress", "createdBy"];
    let sale = ["listing", "paymentAsset", "paymentAmount", "payment", "paymentReference", "paymentKey"];
    let mut fields: Map = (decided.iter().chain(&sale))
        .filter_map(|field| Some(((*field).into(), transaction.get(field)?.clone())))
        .collect();
    fields.insert("status".into(), TransactionStatus::Created.into());
    fields.insert("replaces".into(), transaction.pointer().into());
    let users = ["from", "to"].iter().filter_map(|field| optional_pointer(transaction, field));
    let users: Vec<ObjectId> = users.map(|user| user.id).collect();
    let acl = transaction.acl.as_ref().map_or_else(|| readable_by(&users), Acl::to_value);
    fields.insert("ACL".into(), acl);
    fields
}

/// A field that is there, or nothing.
pub(crate) fn put(fields: &mut Map, field: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(field.into(), value.into());
    }
}
