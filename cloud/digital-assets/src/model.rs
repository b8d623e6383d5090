//! Which words and statuses do assets and what belongs to them have, and who may read them.

use parsimony_kit::{permission, roles, states, words};
use parsimony_model::{Access, Acl, Object, ObjectId, ParseError, Pointer, Value};

/// The class of assets.
pub const ASSET: &str = "DigitalAsset";
/// The class of their contracts.
pub const DEPLOYMENT: &str = "AssetDeployment";
/// The class of what is done on a chain.
pub const TRANSACTION: &str = "AssetTransaction";
/// The class of who holds how much.
pub const HOLDING: &str = "AssetHolding";
/// The class of who may do what with an asset.
pub const PERMISSION: &str = "AssetPermission";
/// The class of prices.
pub const QUOTE: &str = "PriceQuote";
/// The class of what portfolios came to, day by day.
pub const SNAPSHOT: &str = "PortfolioSnapshot";
/// The class of what is for sale.
pub const LISTING: &str = "AssetMarketplaceListing";
/// The class of identities, of the application `identity-management`.
pub const IDENTITY: &str = "Identity";

/// The token of what is fungible.
pub const FUNGIBLE: &str = "0";

states! {
    /// Where an asset stands.
    pub enum AssetStatus of "DigitalAsset" from Draft {
        /// It is described, and nothing more.
        Draft = "DRAFT" => [Deploying, Retired];
        /// Its contract is being made.
        Deploying = "DEPLOYING" => [Active, Draft];
        /// It can be minted, moved and burned.
        Active = "ACTIVE" => [Paused];
        /// It rests: nothing moves.
        Paused = "PAUSED" => [Active, Retired];
        /// It is over.
        Retired = "RETIRED" => [];
    }
}

states! {
    /// Where the contract of an asset stands.
    pub enum DeploymentStatus of "AssetDeployment" from Pending {
        /// It is being made.
        Pending = "PENDING" => [Active, Failed];
        /// It is there.
        Active = "ACTIVE" => [];
        /// It could not be made.
        Failed = "FAILED" => [];
    }
}

states! {
    /// Where something that is done on a chain stands.
    pub enum TransactionStatus of "AssetTransaction" from Created {
        /// It was decided, and waits to be sent; or is found to be on the chain already.
        Created = "CREATED" => [Submitted, Failed, Confirmed];
        /// It was signed, and is sent until it is in a block.
        Submitted = "SUBMITTED" => [Confirmed, Failed, Replaced];
        /// It is in a block that is final.
        Confirmed = "CONFIRMED" => [];
        /// The chain refused it, and the ledger took it back.
        Failed = "FAILED" => [];
        /// Something else took its nonce; its work goes on in another one.
        Replaced = "REPLACED" => [];
    }
}

impl TransactionStatus {
    /// The statuses of what is under way.
    pub const OPEN: [Self; 2] = [Self::Created, Self::Submitted];
}

states! {
    /// Where a holding stands.
    pub enum HoldingStatus of "AssetHolding" from Active {
        /// Its holder may use what is available.
        Active = "ACTIVE" => [Frozen];
        /// Its holder may neither give nor take.
        Frozen = "FROZEN" => [Active];
    }
}

states! {
    /// Where a permission stands.
    pub enum PermissionStatus of "AssetPermission" from Active {
        /// It counts.
        Active = "ACTIVE" => [Revoked];
        /// It was taken back.
        Revoked = "REVOKED" => [];
    }
}

states! {
    /// Where something that is for sale stands.
    pub enum ListingStatus of "AssetMarketplaceListing" from Active {
        /// It can be bought.
        Active = "ACTIVE" => [Reserved, Cancelled, Expired];
        /// All of it is bought, and the chain has not confirmed that. What it refuses can be bought again.
        Reserved = "RESERVED" => [Sold, Active];
        /// All of it is sold.
        Sold = "SOLD" => [];
        /// It was taken back.
        Cancelled = "CANCELLED" => [];
        /// Its time is over.
        Expired = "EXPIRED" => [];
    }
}

words! {
    /// By which standard the contract of an asset speaks.
    pub enum Standard {
        /// Fungible.
        Erc20 = "ERC20",
        /// Each token is one of a kind.
        Erc721 = "ERC721",
        /// Many kinds, many of each.
        Erc1155 = "ERC1155",
        /// Fungible, for verified holders alone.
        Erc3643 = "ERC3643",
    }
}

impl Standard {
    /// Whether every token of it is like any other.
    pub const fn is_fungible(self) -> bool {
        matches!(self, Self::Erc20 | Self::Erc3643)
    }

    /// Its place in the factory's list.
    pub const fn number(self) -> u8 {
        match self {
            Self::Erc20 => 0,
            Self::Erc721 => 1,
            Self::Erc1155 => 2,
            Self::Erc3643 => 3,
        }
    }
}

words! {
    /// What is done on a chain.
    pub enum TransactionType {
        /// The contract is made.
        Deploy = "DEPLOY",
        /// Tokens are made.
        Mint = "MINT",
        /// Tokens change hands.
        Transfer = "TRANSFER",
        /// Tokens of two assets change hands, the one for the other.
        Swap = "SWAP",
        /// Tokens are destroyed.
        Burn = "BURN",
        /// The asset rests.
        Pause = "PAUSE",
        /// It goes on.
        Unpause = "UNPAUSE",
        /// A holder may neither give nor take.
        Freeze = "FREEZE",
        /// A holder may again.
        Unfreeze = "UNFREEZE",
        /// A part of a holding is frozen.
        FreezeTokens = "FREEZE_TOKENS",
        /// A part of a holding is free again.
        UnfreezeTokens = "UNFREEZE_TOKENS",
    }
}

words! {
    /// What somebody may be permitted to do with an asset that is another's.
    pub enum Permission {
        /// Make tokens.
        Mint = "MINT",
        /// Destroy tokens.
        Burn = "BURN",
        /// Let the asset rest.
        Pause = "PAUSE",
        /// Freeze holdings.
        Freeze = "FREEZE",
        /// Move what others hold.
        Transfer = "TRANSFER",
    }
}

/// Everybody who is logged in may read what assets there are; nobody but the functions may write.
pub fn readable_by_all() -> Value {
    Acl::default().with("*", Access::READ).to_value()
}

/// Readable by these users, and by the staff that looks after assets.
pub fn readable_by<'a>(users: impl IntoIterator<Item = &'a ObjectId>) -> Value {
    let staff = [roles::ADMIN, roles::ASSET_MANAGER, roles::COMPLIANCE_OFFICER, roles::AUDITOR, roles::SUPPORT];
    permission::readable_by(users, &staff)
}

/// Where a pointer field of an object of ours points.
pub(crate) fn pointer(object: &Object, field: &str) -> Result<Pointer, ParseError> {
    optional_pointer(object, field)
        .ok_or_else(|| ParseError::internal(format!("{} {} has no {field}", object.class, object.id)))
}

/// The same, where it may be missing.
pub(crate) fn optional_pointer(object: &Object, field: &str) -> Option<Pointer> {
    object.get(field).and_then(Value::as_pointer)
}

/// A text field that every object of the class has.
pub(crate) fn text<'a>(object: &'a Object, field: &str) -> Result<&'a str, ParseError> {
    object.text(field).ok_or_else(|| ParseError::internal(format!("{} {} has no {field}", object.class, object.id)))
}

/// A word field that every object of the class has.
pub(crate) fn word<W>(object: &Object, field: &str, parse: impl Fn(&str) -> Option<W>) -> Result<W, ParseError> {
    parse(text(object, field)?)
        .ok_or_else(|| ParseError::internal(format!("{} {} has no known {field}", object.class, object.id)))
}

/// A whole number that fits, as chain ids and block numbers do.
pub(crate) fn whole(object: &Object, field: &str) -> Option<u64> {
    let number = object.get(field).and_then(Value::as_f64)?;
    #[expect(clippy::cast_sign_loss, reason = "checked in the same line")]
    (number >= 0.0 && number.fract() == 0.0).then_some(number as u64)
}
