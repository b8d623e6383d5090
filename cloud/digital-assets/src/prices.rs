//! What are assets worth? Prices of several sources, which of them are believed, and what somebody's holdings come to.
//!
//! | question | file |
//! | --- | --- |
//! | which sources are there, and what do they say | `prices/market.rs` |
//! | which of what they say is believed | `prices/judge.rs` |
//! | what is written of it | `prices/quotes.rs` |
//! | what does a service tell of prices by itself | `prices/told.rs` |
//! | what is an amount worth at a price | `prices/worth.rs` |
//! | what do many holdings come to now | `prices/total.rs` |
//! | what did they come to, day by day | `prices/valuation.rs` |

pub(crate) mod judge;
pub(crate) mod market;
pub(crate) mod quotes;
pub(crate) mod told;
pub(crate) mod total;
pub(crate) mod valuation;
pub(crate) mod worth;
