//! Users, their sessions, roles, passwords, and who else vouches for them.

mod accounts;
mod api;
pub(crate) mod auth_data;
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
