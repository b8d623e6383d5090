//! How are the keys of maps hashed: by a secret of this process, so that nobody can choose keys that collide.

use std::hash::BuildHasher;
use std::sync::LazyLock;

static SECRET: LazyLock<ahash::RandomState> = LazyLock::new(ahash::RandomState::new);

/// The hasher of this process. All maps share it: a map of a few fields is made sooner than a secret of its own would be.
#[derive(Debug, Clone)]
pub struct Keyed(ahash::RandomState);

impl Default for Keyed {
    fn default() -> Self {
        Self(SECRET.clone())
    }
}

impl BuildHasher for Keyed {
    type Hasher = ahash::AHasher;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}
