//! Outside services behind traits.
//!
//! | question | where |
//! | --- | --- |
//! | how does an HTTP request go out | `http.rs` |
//! | how does an e-mail | `smtp.rs`; to a mail adapter elsewhere, `mail_webhook.rs` |
//! | how does a text message get to a telephone | `sms.rs` |
//! | what does an identity provider say | `auth/` |
//! | how do messages get to devices | `push/` |
//! | how are calls of services measured | `measured.rs` |
//! | where are files kept, if not in the database | `files/` |
//! | what does a chain say, and how is something sent to it | `chain/` |
//! | what do those say who verify identities | `kyc/` |
//! | what do those say who know prices | `prices/` |
//! | how is a vendor asked that may fail | `service.rs` |
//! | how is a service asked again that was too busy | `patience.rs` |

pub mod auth;
pub mod chain;
pub mod files;
mod http;
pub mod kyc;
mod mail_webhook;
mod measured;
mod patience;
pub mod prices;
mod push;
mod service;
mod sms;
mod smtp;

pub use http::Http;
pub use mail_webhook::MailWebhook;
pub use measured::Measured;
pub use push::{PushConfig, QueueConfig, Senders};
pub use sms::{SmsFailure, Twilio, TwilioOptions};
pub use smtp::{MailTls, Smtp, SmtpOptions};
