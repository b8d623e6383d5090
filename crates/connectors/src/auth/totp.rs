//! Which one-time code is it at a time? RFC 6238.

use parsimony_model::Date;
use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, Secret, TOTP};

/// How one-time codes are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Codes {
    pub(super) algorithm: Algorithm,
    pub(super) digits: u32,
    pub(super) period_seconds: u32,
}

/// The algorithm of this name.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name.replace('-', "").to_ascii_uppercase().as_str() {
        "SHA1" => Some(Algorithm::SHA1),
        "SHA256" => Some(Algorithm::SHA256),
        "SHA512" => Some(Algorithm::SHA512),
        _ => None,
    }
}

impl Codes {
    /// The step of time in which a code is right: that of now, the one before or the one after, for clocks go wrong. `None` if
    /// it is in none, or the secret is none.
    pub(super) fn step(&self, secret: &str, code: &str, now: Date) -> Option<i64> {
        let secret: String = secret.chars().filter(|c| !c.is_whitespace() && *c != '=').collect();
        let secret =
            Secret::Encoded(secret.to_ascii_uppercase()).to_bytes().ok().filter(|secret| !secret.is_empty())?;
        let period = i64::from(self.period_seconds);
        let current = now.millis().div_euclid(1_000).div_euclid(period);
        // All are compared, so that the time tells nothing of which one it was.
        let right = |step: &i64| {
            let begin = u64::try_from(step.saturating_mul(period)).unwrap_or_default();
            bool::from(self.code(&secret, begin).as_bytes().ct_eq(code.as_bytes()))
        };
        let steps: Vec<i64> = [current - 1, current, current + 1].into_iter().filter(right).collect();
        steps.last().copied()
    }

    /// The code of a moment.
    fn code(&self, secret: &[u8], seconds: u64) -> String {
        // The numbers that codes are cut from have ten digits at most: of a code of ten, nothing is cut.
        let whole = TOTP::new_unchecked(self.algorithm, 9, 0, u64::from(self.period_seconds), secret.to_vec());
        let mac = whole.sign(seconds);
        let offset = usize::from(mac.last().copied().unwrap_or_default() & 0x0f);
        let number = mac.iter().skip(offset).take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
        let number = u64::from(number & 0x7fff_ffff) % 10_u64.pow(self.digits.min(10));
        format!("{number:0width$}", width = self.digits as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secrets of RFC 6238, appendix B, in base 32.
    const SECRET_20: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    const SECRET_32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA";

    #[test]
    fn codes_are_those_of_the_standard() {
        for (name, secret, seconds, code) in [
            ("SHA1", SECRET_20, 59, "94287082"),
            ("SHA1", SECRET_20, 1_111_111_109, "07081804"),
            ("SHA1", SECRET_20, 20_000_000_000, "65353130"),
            ("SHA-256", SECRET_32, 59, "46119246"),
            ("sha256", SECRET_32, 1_234_567_890, "91819424"),
        ] {
            let codes = Codes { algorithm: algorithm(name).unwrap(), digits: 8, period_seconds: 30 };
            let at = |seconds: i64| codes.step(secret, code, Date::from_millis(seconds * 1_000));
            assert_eq!(at(seconds), Some(seconds / 30), "{name} {seconds}");
            assert_eq!((at(seconds + 30), at(seconds + 60)), (Some(seconds / 30), None));
        }
        assert!(algorithm("MD5").is_none());
    }

    #[test]
    fn a_secret_that_is_none_makes_no_code() {
        let codes = Codes { algorithm: Algorithm::SHA1, digits: 10, period_seconds: 30 };
        assert_eq!(codes.step("1!", "0000000000", Date::from_millis(0)), None);
        assert_eq!(codes.step("", "", Date::from_millis(0)), None);
    }
}
