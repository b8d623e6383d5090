//! What time is it, and what comes out of the dice: time and chance come in through here, so a test can hold both still.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rand::RngCore;

use crate::names::ObjectId;
use crate::value::Date;

const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Time and chance.
pub trait Clock: Send + Sync {
    /// The time, in milliseconds since 1970.
    fn now(&self) -> Date;

    /// Fills the bytes from a source fit for secrets.
    fn fill(&self, bytes: &mut [u8]);

    /// Text of `length` letters and digits, evenly drawn.
    fn alphanumeric(&self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        let mut bytes = [0_u8; 32];
        while text.len() < length {
            self.fill(&mut bytes);
            // 248 is the largest multiple of 62 in a byte: above it some letters would come more often.
            let drawn = bytes
                .iter()
                .filter(|byte| **byte < 248)
                .filter_map(|byte| ALPHANUMERIC.get(usize::from(*byte % 62)).map(|letter| char::from(*letter)));
            text.extend(drawn.take(length - text.len()));
        }
        text
    }

    /// Text of `bytes` random bytes in lower-case hexadecimal.
    fn hexadecimal(&self, bytes: usize) -> String {
        let mut drawn = vec![0_u8; bytes];
        self.fill(&mut drawn);
        drawn.iter().fold(String::with_capacity(bytes * 2), |mut text, byte| {
            for nibble in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(nibble), 16));
            }
            text
        })
    }

    /// A new object id of `length` letters and digits.
    fn object_id(&self, length: usize) -> ObjectId {
        let id = self.alphanumeric(length.clamp(1, 64));
        ObjectId::parse(&id).unwrap_or_else(|_| self.object_id(length))
    }
}

/// The machine's clock and its source of randomness.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Date {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Date::from_millis(since_epoch.map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)))
    }

    fn fill(&self, bytes: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "this is the source of chance")]
        rand::rng().fill_bytes(bytes);
    }
}

/// A clock moved by hand, with dice that always fall the same way.
#[derive(Debug)]
pub struct HandClock {
    millis: AtomicI64,
    seed: AtomicU64,
}

impl Default for HandClock {
    fn default() -> Self {
        Self { millis: AtomicI64::new(1_767_225_600_000), seed: AtomicU64::new(1) } // 2026-01-01
    }
}

impl HandClock {
    /// Moves the time forward.
    pub fn advance_millis(&self, millis: i64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Date {
        Date::from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            // SplitMix64: small, even, and the same on every machine.
            let mut z = self.seed.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *byte = (z >> 56) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_length_and_differ() {
        let clock = HandClock::default();
        let (first, second) = (clock.object_id(10), clock.object_id(10));
        assert_eq!((first.as_str().len(), second.as_str().len()), (10, 10));
        assert_ne!(first, second);
        assert_eq!(clock.hexadecimal(16).len(), 32);
        let before = clock.now();
        clock.advance_millis(5);
        assert_eq!(clock.now().millis() - before.millis(), 5);
    }
}
