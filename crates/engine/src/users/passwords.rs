//! Password hashes: Parse's bcrypt or argon2id, on a bounded number of threads, and as slow for unknown users as for known
//! ones.

use std::sync::{Arc, OnceLock};

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use parsimony_model::{ErrorCode, ParseError};
use tokio::sync::Semaphore;

use super::options::HashKind;
use crate::options::Options;

/// bcrypt looks at no more than these bytes; longer passwords were cut by every Parse server before.
const BCRYPT_BYTES: usize = 72;

/// Hashes and checks passwords.
pub(crate) struct Passwords {
    kind: HashKind,
    cost: u32,
    /// How many may be hashed at one time: hashing is work for a whole core.
    turns: Arc<Semaphore>,
    /// How many may be hashed or wait for it: whoever asks for more than a server can do is told so.
    places: Arc<Semaphore>,
    /// What an unknown user's password is checked against, so that the answer takes as long.
    decoy: OnceLock<String>,
}

impl Passwords {
    pub(crate) fn new(options: &Options) -> Self {
        let (at_once, waiting) = (options.limits.password_hashes_max, options.limits.password_hashes_waiting_max);
        Self {
            kind: options.accounts.hash,
            cost: options.password_cost,
            turns: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(at_once.saturating_add(waiting))),
            decoy: OnceLock::new(),
        }
    }

    /// Made on first use: it is work for as long as a login, and a start should not wait for it.
    async fn decoy(&self) -> Result<String, ParseError> {
        if let Some(decoy) = self.decoy.get() {
            return Ok(decoy.clone());
        }
        let decoy = self.hash("decoy".to_owned()).await?;
        Ok(self.decoy.get_or_init(|| decoy).clone())
    }

    /// The hash to store.
    pub(crate) async fn hash(&self, password: String) -> Result<String, ParseError> {
        let (kind, cost) = (self.kind, self.cost);
        self.work(move || match kind {
            HashKind::Bcrypt => bcrypt::hash(cut(&password), cost).map_err(ParseError::internal),
            HashKind::Argon2id => argon2id(&password),
        })
        .await?
    }

    /// Whether the password is the one of the hash; `None` stands for a user that does not exist.
    pub(crate) async fn matches(&self, password: String, hash: Option<String>) -> Result<bool, ParseError> {
        let known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => self.decoy().await?,
        };
        let right = self.work(move || is_of(&password, &hash)).await?;
        Ok(right && known)
    }

    async fn work<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> Result<T, ParseError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_full| too_many())?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(ParseError::internal)?;
        tokio::task::spawn_blocking(move || {
            let done = task();
            drop((turn, place));
            done
        })
        .await
        .map_err(ParseError::internal)
    }
}

fn too_many() -> ParseError {
    ParseError::new(ErrorCode::ConnectionFailed, "Too many passwords are being checked. Please try again later.")
}

/// Argon2id by the parameters that OWASP recommends, which stand in the hash.
fn argon2id(password: &str) -> Result<String, ParseError> {
    let salt = SaltString::generate(&mut OsRng);
    Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(ParseError::internal)
}

/// Whether a password is that of a hash of either kind. A stored hash that is none matches nothing.
fn is_of(password: &str, hash: &str) -> bool {
    if hash.starts_with("$argon2") {
        let hash = PasswordHash::new(hash);
        return hash.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
    }
    bcrypt::verify(cut(password), hash).unwrap_or(false)
}

fn cut(password: &str) -> &[u8] {
    password.as_bytes().get(..BCRYPT_BYTES).unwrap_or(password.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::options::AccountOptions;

    fn passwords(hash: HashKind) -> Passwords {
        let accounts = AccountOptions { hash, ..AccountOptions::default() };
        Passwords::new(&Options { password_cost: 4, accounts, ..Options::new("a", "m") })
    }

    #[tokio::test]
    async fn both_kinds_of_hashes_are_known_whichever_is_made() {
        let (bcrypt, argon) = (passwords(HashKind::Bcrypt), passwords(HashKind::Argon2id));
        for (maker, start) in [(&bcrypt, "$2b$04$"), (&argon, "$argon2id$")] {
            let hash = maker.hash("pass\0word".to_owned()).await.unwrap();
            assert!(hash.starts_with(start), "{hash}");
            for reader in [&bcrypt, &argon] {
                assert!(reader.matches("pass\0word".to_owned(), Some(hash.clone())).await.unwrap());
                assert!(!reader.matches("pass\0".to_owned(), Some(hash.clone())).await.unwrap());
            }
        }
    }

    #[tokio::test]
    async fn whoever_comes_when_too_many_wait_is_refused() {
        let mut options = Options { password_cost: 4, ..Options::new("a", "m") };
        (options.limits.password_hashes_max, options.limits.password_hashes_waiting_max) = (1, 2);
        let passwords = Passwords::new(&options);
        let hashes = futures::future::join_all((0..10).map(|_| passwords.hash("secret".to_owned()))).await;
        let refusals: Vec<_> = hashes.iter().filter_map(|hash| hash.as_ref().err()).collect();
        assert_eq!((hashes.len() - refusals.len(), refusals.len()), (3, 7));
        assert!(refusals.iter().all(|refusal| refusal.code == ErrorCode::ConnectionFailed));
        assert!(passwords.hash("later".to_owned()).await.is_ok());
    }

    #[tokio::test]
    async fn nobody_and_no_hash_match_nothing() {
        let passwords = passwords(HashKind::Bcrypt);
        for hash in [None, Some(String::new()), Some("$argon2id$".to_owned()), Some("password".to_owned())] {
            assert!(!passwords.matches("decoy".to_owned(), hash.clone()).await.unwrap(), "{hash:?}");
            assert!(!passwords.matches("password".to_owned(), hash).await.unwrap());
        }
    }

    #[tokio::test]
    async fn of_a_long_password_bcrypt_looks_at_the_start_and_argon_at_all() {
        let long = |end: char| format!("{}{end}", "x".repeat(BCRYPT_BYTES));
        for (kind, same) in [(HashKind::Bcrypt, true), (HashKind::Argon2id, false)] {
            let passwords = passwords(kind);
            let hash = passwords.hash(long('a')).await.unwrap();
            assert_eq!(passwords.matches(long('b'), Some(hash)).await.unwrap(), same, "{kind:?}");
        }
    }
}
