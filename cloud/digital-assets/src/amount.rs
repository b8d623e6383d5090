//! How much of an asset: whole numbers of base units, as decimal strings on the wire and in the store. Never floats.

use alloy::primitives::U256;
use parsimony_kit::params;
use parsimony_model::{Object, ParseError, Value};

/// How many digits the greatest amount has.
const DIGITS_MAX: usize = 78;

/// Reads a parameter: digits and nothing else, no zeros before them.
pub(crate) fn parse(field: &str, value: &str) -> Result<U256, ParseError> {
    let wrong =
        || params::invalid(field, "it must be a whole number of base units in decimal digits, such as \"1000\"");
    let plain = !value.is_empty() && value.len() <= DIGITS_MAX && value.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (value.len() > 1 && value.starts_with('0')) {
        return Err(wrong());
    }
    U256::from_str_radix(value, 10).map_err(|_too_large| wrong())
}

/// The same, of which there has to be some.
pub(crate) fn positive(field: &str, value: &str) -> Result<U256, ParseError> {
    let amount = parse(field, value)?;
    if amount.is_zero() {
        return Err(params::invalid(field, "it must be more than 0"));
    }
    Ok(amount)
}

/// An amount of a stored object; one that is missing is 0.
pub(crate) fn of(object: &Object, field: &str) -> Result<U256, ParseError> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(U256::ZERO),
        Some(value) => value
            .as_str()
            .and_then(|text| U256::from_str_radix(text, 10).ok())
            .ok_or_else(|| ParseError::internal(format!("{} {} has no amount in {field}", object.class, object.id))),
    }
}

/// What is more than the greatest amount there is.
pub(crate) fn add(field: &str, one: U256, other: U256) -> Result<U256, ParseError> {
    one.checked_add(other).ok_or_else(|| params::invalid(field, "it is more than there can be"))
}

/// A difference that cannot be negative while the ledger is right.
pub(crate) fn subtract(what: &str, from: U256, amount: U256) -> Result<U256, ParseError> {
    from.checked_sub(amount).ok_or_else(|| ParseError::internal(format!("{what} would be negative: {from} - {amount}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_digits_are_an_amount() {
        let greatest = U256::MAX.to_string();
        for (text, good) in [
            ("0", true),
            ("1000", true),
            (greatest.as_str(), true),
            ("", false),
            ("01", false),
            ("-1", false),
            ("+1", false),
            ("1.0", false),
            ("1e3", false),
            (" 1", false),
            ("0x10", false),
            ("١", false),
            ("115792089237316195423570985008687907853269984665640564039457584007913129639936", false),
            (&"9".repeat(1_000), false),
        ] {
            let read = parse("amount", text);
            assert_eq!(read.is_ok(), good, "{text}");
            match read {
                Ok(amount) => assert_eq!(amount.to_string(), text),
                Err(error) => assert!(error.message.contains("for amount: "), "{}", error.message),
            }
        }
        assert!(positive("amount", "0").unwrap_err().message.contains("more than 0"));
    }
}
