//! What may a transaction cost? The fee that is offered for a unit of gas, its bound, and what is offered more when it waits
//! too long.

use super::ChainError;

/// How much more a replacement offers, in percent: nodes want at least ten.
pub const RAISE_PERCENT: u128 = 25;

/// What a transaction offers for a unit of gas, in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// At most, the base fee included.
    pub max_fee: u128,
    /// To who makes the block.
    pub priority_fee: u128,
}

impl Fees {
    /// An offer that stands if the base fee doubles, within a bound.
    ///
    /// When not even the fee of this moment is within the bound, nothing is sent: it would only wait.
    pub fn offer(base_fee: u128, priority_fee: u128, max: u128) -> Result<Self, ChainError> {
        let needed = base_fee.saturating_add(priority_fee);
        if needed > max {
            return Err(ChainError::TooExpensive { wanted: needed, max });
        }
        let comfortable = base_fee.saturating_mul(2).saturating_add(priority_fee);
        Ok(Self { max_fee: comfortable.min(max), priority_fee })
    }

    /// The offer of a replacement: enough more than before, and not less than what is asked now.
    pub fn raised(self, now: Self, max: u128) -> Result<Self, ChainError> {
        let more = |fee: u128| fee.saturating_add(fee.saturating_mul(RAISE_PERCENT).div_ceil(100)).max(fee + 1);
        let raised = Self {
            max_fee: more(self.max_fee).max(now.max_fee),
            priority_fee: more(self.priority_fee).max(now.priority_fee),
        };
        if raised.max_fee > max {
            return Err(ChainError::TooExpensive { wanted: raised.max_fee, max });
        }
        Ok(Self { priority_fee: raised.priority_fee.min(raised.max_fee), ..raised })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_stands_a_doubled_base_fee_and_keeps_its_bound() {
        assert_eq!(Fees::offer(10, 2, 100), Ok(Fees { max_fee: 22, priority_fee: 2 }));
        assert_eq!(Fees::offer(10, 2, 15), Ok(Fees { max_fee: 15, priority_fee: 2 }));
        assert_eq!(Fees::offer(10, 2, 11), Err(ChainError::TooExpensive { wanted: 12, max: 11 }));
        assert_eq!(Fees::offer(0, 0, 0), Ok(Fees { max_fee: 0, priority_fee: 0 }));
        assert!(Fees::offer(u128::MAX, 1, u128::MAX).is_ok());
    }

    #[test]
    fn a_replacement_offers_more_than_nodes_want() {
        let before = Fees { max_fee: 100, priority_fee: 1 };
        let raised = before.raised(Fees { max_fee: 0, priority_fee: 0 }, 1_000).unwrap();
        assert_eq!(raised, Fees { max_fee: 125, priority_fee: 2 });
        let raised = before.raised(Fees { max_fee: 300, priority_fee: 30 }, 1_000).unwrap();
        assert_eq!(raised, Fees { max_fee: 300, priority_fee: 30 });
        assert!(before.raised(before, 120).is_err());
    }
}
