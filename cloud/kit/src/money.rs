//! Is that money? An amount in a currency of ISO 4217, as decimal digits; never a float.

use iso_currency::Currency;
use parsimony_model::ParseError;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::params;

/// How many digits an amount has at most, with its point.
const DIGITS_MAX: usize = 24;

/// Money as it is sent and stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Money {
    /// How much, such as `12.50`.
    pub amount: String,
    /// Of which currency: ISO 4217, such as `EUR`.
    pub currency: String,
}

impl Money {
    /// So many of the currency's smallest units, of which there has to be one; a refusal names the field (142).
    pub fn units(&self, field: &str) -> Result<u128, ParseError> {
        let digits = self.digits(field)?;
        let wrong = |reason: String| params::invalid(&format!("{field}.amount"), reason);
        let parts: Vec<&str> = self.amount.split('.').collect();
        let plain = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let zeros = parts.first().is_some_and(|whole| whole.len() > 1 && whole.starts_with('0'));
        if self.amount.len() > DIGITS_MAX || parts.len() > 2 || !parts.iter().all(plain) || zeros {
            return Err(wrong("it must be a decimal number in digits, such as \"12.50\"".to_owned()));
        }
        let mut amount: Decimal =
            self.amount.parse().map_err(|_too_long| wrong("it has too many digits".to_owned()))?;
        if amount.scale() > digits {
            return Err(wrong(format!("{} has {digits} digits behind the point", self.currency)));
        }
        amount.rescale(digits);
        let units = u128::try_from(amount.mantissa()).unwrap_or_default();
        if units == 0 {
            return Err(wrong("it must be more than 0".to_owned()));
        }
        Ok(units)
    }

    /// The money that so many smallest units of a currency are; `None` if it is no currency, or too many.
    pub fn of_units(units: u128, currency: &str) -> Option<Self> {
        let digits = Currency::from_code(currency)?.exponent()?;
        let units = i128::try_from(units).ok()?;
        let amount = Decimal::try_from_i128_with_scale(units, digits.into()).ok()?;
        Some(Self { amount: amount.to_string(), currency: currency.to_owned() })
    }

    /// How many digits of the currency are behind the point.
    fn digits(&self, field: &str) -> Result<u32, ParseError> {
        digits(&self.currency).ok_or_else(|| {
            params::invalid(&format!("{field}.currency"), "it must be a currency of ISO 4217, such as EUR")
        })
    }
}

/// How many digits of a currency are behind the point; `None` if nothing is paid in it.
pub fn digits(currency: &str) -> Option<u32> {
    Currency::from_code(currency)?.exponent().map(u32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: &str, currency: &str) -> Money {
        Money { amount: amount.to_owned(), currency: currency.to_owned() }
    }

    #[test]
    fn money_is_as_exact_as_its_currency() {
        for (amount, currency, expected) in [
            ("12.5", "EUR", Ok(1_250)),
            ("0.01", "USD", Ok(1)),
            ("100", "JPY", Ok(100)),
            ("1.234", "KWD", Ok(1_234)),
            ("0.001", "EUR", Err("price.amount: EUR has 2 digits")),
            ("1.5", "JPY", Err("price.amount: JPY has 0 digits")),
            ("0.00", "EUR", Err("price.amount: it must be more than 0")),
            ("1e3", "EUR", Err("price.amount: it must be a decimal number")),
            ("-1", "EUR", Err("price.amount: it must be a decimal number")),
            ("01", "EUR", Err("price.amount: it must be a decimal number")),
            (".5", "EUR", Err("price.amount: it must be a decimal number")),
            ("1.", "EUR", Err("price.amount: it must be a decimal number")),
            ("", "EUR", Err("price.amount: it must be a decimal number")),
            ("1", "EURO", Err("price.currency")),
            ("1", "eur", Err("price.currency")),
            ("1", "XAU", Err("price.currency")),
        ] {
            match (money(amount, currency).units("price"), expected) {
                (Ok(units), Ok(expected)) => assert_eq!(units, expected, "{amount} {currency}"),
                (Err(error), Err(expected)) => assert!(error.message.contains(expected), "{}", error.message),
                (seen, expected) => panic!("{amount} {currency}: {seen:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn units_are_money_again() {
        for (units, currency, expected) in
            [(1_250, "EUR", Some("12.50")), (1, "USD", Some("0.01")), (100, "JPY", Some("100")), (1, "XAU", None)]
        {
            assert_eq!(Money::of_units(units, currency), expected.map(|amount| money(amount, currency)));
        }
        assert_eq!(Money::of_units(u128::MAX, "EUR"), None);
    }
}
