//! What are assets worth? Prices of several sources, which of them are believed, and what somebody's holdings come to.
//!
//! | question | file |
//! | --- | --- |
//! | which sources are there, and what do they say | `prices/market.rs` |
//! | which of what they say is believed | `prices/judge.rs` |
//! | what is written of it | `prices/quotes.rs` |
//! | what does a service tell of prices by itself | `prices/told.rs` |
//! | what is an amount worth at a price | `prices/worth.rs` |
//! | what do holdings come to | `prices/valuation.rs` |

pub(crate) mod judge;
pub(crate) mod market;
pub(crate) mod quotes;
pub(crate) mod told;
pub(crate) mod valuation;
pub(crate) mod worth;
