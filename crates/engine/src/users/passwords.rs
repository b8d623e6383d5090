//! Password hashes: Parse's bcrypt, on a bounded number of threads, and as slow for unknown users as for known ones.

use std::sync::{Arc, OnceLock};

use parsimony_model::ParseError;
use tokio::sync::Semaphore;

use crate::options::Options;

/// bcrypt looks at no more than these bytes; longer passwords were cut by every Parse server before.
const BCRYPT_BYTES: usize = 72;

/// Hashes and checks passwords.
pub(crate) struct Passwords {
    cost: u32,
    /// How many may be hashed at one time: hashing is work for a whole core.
    turns: Arc<Semaphore>,
    /// What an unknown user's password is checked against, so that the answer takes as long.
    decoy: OnceLock<String>,
}

impl Passwords {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            cost: options.password_cost,
            turns: Arc::new(Semaphore::new(options.limits.password_hashes_max)),
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
        let cost = self.cost;
        self.work(move || bcrypt::hash(cut(&password), cost).map_err(ParseError::internal)).await?
    }

    /// Whether the password is the one of the hash; `None` stands for a user that does not exist.
    pub(crate) async fn matches(&self, password: String, hash: Option<String>) -> Result<bool, ParseError> {
        let known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => self.decoy().await?,
        };
        // A stored hash that is none matches nothing.
        let right = self.work(move || bcrypt::verify(cut(&password), &hash).unwrap_or(false)).await?;
        Ok(right && known)
    }

    async fn work<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> Result<T, ParseError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(ParseError::internal)?;
        tokio::task::spawn_blocking(move || {
            let done = task();
            drop(turn);
            done
        })
        .await
        .map_err(ParseError::internal)
    }
}

fn cut(password: &str) -> &[u8] {
    password.as_bytes().get(..BCRYPT_BYTES).unwrap_or(password.as_bytes())
}
