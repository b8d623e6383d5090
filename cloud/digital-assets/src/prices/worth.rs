//! What is an amount worth at a price? Exactly, in the smallest units of the currency, rounded once at the end.

use alloy::primitives::{U256, U512};
use rust_decimal::Decimal;

/// What so many base units are worth, in the currency's smallest units, half of one rounded up. `None` if that is more than can
/// be.
///
/// `decimals` is how many digits of an amount are behind the point, `digits` the same of the currency.
pub(crate) fn worth(amount: U256, decimals: u32, price: Decimal, digits: u32) -> Option<u128> {
    let mantissa = u128::try_from(price.mantissa()).ok()?;
    let ten = |power: u32| U512::from(10).checked_pow(U512::from(power));
    let above = U512::from(amount).checked_mul(U512::from(mantissa))?.checked_mul(ten(digits)?)?;
    let below = ten(decimals.checked_add(price.scale())?)?;
    let rounded = above.checked_add(below.checked_div(U512::from(2))?)?.checked_div(below)?;
    u128::try_from(rounded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_something_is_worth_that_to_the_cent() {
        let ether = |whole: u64| U256::from(whole) * U256::from(10).pow(U256::from(18));
        for (amount, decimals, price, digits, expected) in [
            (ether(2), 18, "1930.12", 2, Some(386_024)),
            (U256::from(1), 18, "1930.12", 2, Some(0)),
            (ether(1) / U256::from(200), 18, "1", 2, Some(1)),
            (ether(1) / U256::from(201), 18, "1", 2, Some(0)),
            (U256::from(3), 0, "0.333333333333333333333333333", 2, Some(100)),
            (U256::from(7), 0, "100", 0, Some(700)),
            (ether(1_000_000_000_000), 18, "0.00000001", 2, Some(1_000_000)),
            (U256::MAX, 0, "79228162514264337593543950335", 2, None),
            (U256::MAX, 77, "1", 2, Some(116)),
        ] {
            assert_eq!(worth(amount, decimals, price.parse().unwrap(), digits), expected, "{amount} at {price}");
        }
    }
}
