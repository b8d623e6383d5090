//! Users, their sessions, roles and passwords.

mod accounts;
pub(crate) mod login;
mod passwords;
mod roles;
pub(crate) mod sessions;

pub(crate) use accounts::{Account, Accounts};
pub(crate) use passwords::Passwords;
