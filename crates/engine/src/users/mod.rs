//! Users, their sessions, roles and passwords.

mod accounts;
mod api;
mod lockout;
pub(crate) mod login;
pub(crate) mod mail;
pub(crate) mod options;
mod passwords;
pub(crate) mod policy;
mod reset;
mod roles;
pub(crate) mod sessions;
pub(crate) mod table;
pub(crate) mod verification;

pub(crate) use accounts::{Account, Accounts};
pub(crate) use passwords::Passwords;
