//! What do those want to know who answer for all of this: how risky is each identity, and how does the work stand?
//!
//! | question | file |
//! | --- | --- |
//! | what makes an identity risky, and how much | `factors.rs` |
//! | when is that looked at, and who is told | `assessment.rs` |
//! | what is in a report | `figures.rs` |
//! | how does one become a file | `reports.rs`, in the formats of `csv.rs` and `pdf.rs` |

mod assessment;
mod csv;
mod factors;
mod figures;
mod pdf;
mod reports;

pub(crate) use assessment::assess_all;
pub(crate) use factors::RiskSettings;
pub(crate) use reports::generate;
