//! Which of what sources say of a price is believed? What is fresh and not far from the middle; the price is the middle of that.

use parsimony_kit::words;
use parsimony_model::Date;
use rust_decimal::Decimal;

/// How far ahead of ours a source's clock may be.
const AHEAD_MILLIS_MAX: i64 = 60_000;

/// What one source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The source.
    pub(crate) source: String,
    /// The price of one.
    pub(crate) price: Decimal,
    /// Of when it is.
    pub(crate) at: Date,
}

words! {
    /// What becomes of a reading.
    pub enum Verdict {
        /// It counts.
        Used = "USED",
        /// It is too old.
        Stale = "STALE",
        /// It is of a time that has not come.
        Future = "FUTURE",
        /// It is too far from what the others say.
        Outlier = "OUTLIER",
    }
}

/// When a reading is believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
    /// How old it may be.
    pub(crate) age_millis_max: i64,
    /// How far it may be from the middle of all, in percent.
    pub(crate) outlier_percent: Decimal,
    /// How many have to agree.
    pub(crate) sources_min: usize,
}

/// What all of them come to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judged {
    /// The price, if enough agree, and of when the oldest is that it rests on.
    pub(crate) price: Option<(Decimal, Date)>,
    /// Each reading with what became of it.
    pub(crate) readings: Vec<(Reading, Verdict)>,
}

impl Measure {
    /// Judges what sources say of one price.
    pub(crate) fn judge(&self, readings: Vec<Reading>, now: Date) -> Judged {
        let fresh: Vec<Decimal> = readings
            .iter()
            .filter(|reading| self.age(reading, now) == Verdict::Used)
            .map(|reading| reading.price)
            .collect();
        let middle = median(fresh);
        let readings: Vec<(Reading, Verdict)> = readings
            .into_iter()
            .map(|reading| {
                let verdict = match self.age(&reading, now) {
                    Verdict::Used if middle.is_none_or(|middle| self.is_far(reading.price, middle)) => Verdict::Outlier,
                    verdict @ (Verdict::Used | Verdict::Stale | Verdict::Future | Verdict::Outlier) => verdict,
                };
                (reading, verdict)
            })
            .collect();
        let used: Vec<&Reading> =
            readings.iter().filter(|(_, verdict)| *verdict == Verdict::Used).map(|(reading, _)| reading).collect();
        let oldest = used.iter().map(|reading| reading.at).min();
        let price = (used.len() >= self.sources_min.max(1))
            .then(|| median(used.iter().map(|reading| reading.price).collect()))
            .flatten();
        Judged { price: price.zip(oldest), readings }
    }

    /// Whether a reading is of a time that has not come.
    pub(crate) fn is_to_come(&self, reading: &Reading, now: Date) -> bool {
        self.age(reading, now) == Verdict::Future
    }

    fn age(&self, reading: &Reading, now: Date) -> Verdict {
        if reading.at > now.plus_millis(AHEAD_MILLIS_MAX) {
            Verdict::Future
        } else if reading.at.plus_millis(self.age_millis_max) < now {
            Verdict::Stale
        } else {
            Verdict::Used
        }
    }

    /// What cannot be compared is far.
    fn is_far(&self, price: Decimal, middle: Decimal) -> bool {
        let far = || {
            let distance = price.checked_sub(middle)?.abs().checked_mul(Decimal::ONE_HUNDRED)?;
            Some(distance > middle.checked_mul(self.outlier_percent)?)
        };
        far().unwrap_or(true)
    }
}

/// The middle one; of an even number, what is between the two in the middle.
fn median(mut prices: Vec<Decimal>) -> Option<Decimal> {
    prices.sort_unstable();
    let half = prices.len() / 2;
    let upper = *prices.get(half)?;
    if prices.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *prices.get(half.checked_sub(1)?)?;
    upper.checked_sub(lower)?.checked_div(Decimal::TWO)?.checked_add(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(readings: &[(&str, i64)], sources_min: usize) -> (Option<String>, Vec<&'static str>) {
        let now = Date::EPOCH.plus_millis(10_000_000);
        let measure = Measure { age_millis_max: 600_000, outlier_percent: Decimal::from(5), sources_min };
        let read = |(price, age): &(&str, i64)| Reading {
            source: "s".to_owned(),
            price: price.parse().unwrap(),
            at: now.plus_millis(-age),
        };
        let judged = measure.judge(readings.iter().map(read).collect(), now);
        let verdicts = judged.readings.iter().map(|(_, verdict)| verdict.as_str()).collect();
        (judged.price.map(|(price, _)| price.normalize().to_string()), verdicts)
    }

    #[test]
    fn the_middle_of_what_is_fresh_and_agrees_is_the_price() {
        for (readings, sources_min, price, verdicts) in [
            (&[][..], 1, None, &[][..]),
            (&[("100", 0)], 1, Some("100"), &["USED"]),
            (&[("100", 0)], 2, None, &["USED"]),
            (&[("100", 0), ("101", 0)], 2, Some("100.5"), &["USED", "USED"]),
            (&[("101", 0), ("100", 0), ("102", 0)], 1, Some("101"), &["USED", "USED", "USED"]),
            (&[("100", 0), ("101", 0), ("150", 0)], 1, Some("100.5"), &["USED", "USED", "OUTLIER"]),
            (&[("100", 0), ("120", 0)], 1, None, &["OUTLIER", "OUTLIER"]),
            (&[("100", 600_000), ("200", 600_001)], 1, Some("100"), &["USED", "STALE"]),
            (&[("100", -60_000), ("200", -60_001)], 1, Some("100"), &["USED", "FUTURE"]),
            (&[("0.1", 0), ("0.2", 700_000)], 2, None, &["USED", "STALE"]),
            (&[("79228162514264337593543950335", 0)], 1, None, &["OUTLIER"]),
        ] {
            assert_eq!(judged(readings, sources_min), (price.map(str::to_owned), verdicts.to_vec()), "{readings:?}");
        }
    }

    #[test]
    fn a_price_is_as_old_as_the_oldest_that_it_rests_on() {
        let now = Date::EPOCH.plus_millis(10_000_000);
        let measure = Measure { age_millis_max: 600_000, outlier_percent: Decimal::from(5), sources_min: 1 };
        let read =
            |price: i64, age: i64| Reading { source: "s".to_owned(), price: price.into(), at: now.plus_millis(-age) };
        let judged = measure.judge(vec![read(100, 5), read(100, 9), read(900, 60)], now);
        assert_eq!(judged.price, Some((Decimal::ONE_HUNDRED, now.plus_millis(-9))));
    }
}
