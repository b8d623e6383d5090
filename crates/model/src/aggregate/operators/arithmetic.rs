//! Numbers: sums, products, rounding, powers, angles.

use super::{Args, Made, Operator, Takes, any, at, exactly, null, refused, there, whole};
use crate::aggregate::datum::Datum;
use crate::aggregate::failure::Failure;
use crate::value::Date;

pub(super) const OPERATORS: &[Operator] = &[
    any("$add", add),
    any("$multiply", multiply),
    exactly("$subtract", 2, subtract),
    exactly("$divide", 2, divide),
    exactly("$mod", 2, modulo),
    exactly("$abs", 1, |args| one("$abs", args, abs)),
    exactly("$ceil", 1, |args| one("$ceil", args, |datum, number| Ok(kept(datum, number.ceil())))),
    exactly("$floor", 1, |args| one("$floor", args, |datum, number| Ok(kept(datum, number.floor())))),
    Operator { name: "$round", takes: Takes::Between(1, 2), run: |args| round("$round", args, false) },
    Operator { name: "$trunc", takes: Takes::Between(1, 2), run: |args| round("$trunc", args, true) },
    exactly("$exp", 1, |args| double("$exp", args, f64::exp)),
    exactly("$sqrt", 1, |args| {
        within("$sqrt", args, |number| number >= 0.0 || number.is_nan(), "greater than or equal to 0", f64::sqrt)
    }),
    exactly("$ln", 1, |args| {
        one("$ln", args, |datum, number| positive("$ln", datum, number).map(|n| Datum::Double(n.ln())))
    }),
    exactly("$log10", 1, |args| {
        one("$log10", args, |datum, number| positive("$log10", datum, number).map(|n| Datum::Double(n.log10())))
    }),
    exactly("$log", 2, log),
    exactly("$pow", 2, pow),
    exactly("$sin", 1, |args| double("$sin", args, f64::sin)),
    exactly("$cos", 1, |args| double("$cos", args, f64::cos)),
    exactly("$tan", 1, |args| double("$tan", args, f64::tan)),
    exactly("$asin", 1, |args| double("$asin", args, f64::asin)),
    exactly("$acos", 1, |args| double("$acos", args, f64::acos)),
    exactly("$atan", 1, |args| double("$atan", args, f64::atan)),
    exactly("$sinh", 1, |args| double("$sinh", args, f64::sinh)),
    exactly("$cosh", 1, |args| double("$cosh", args, f64::cosh)),
    exactly("$tanh", 1, |args| double("$tanh", args, f64::tanh)),
    exactly("$asinh", 1, |args| double("$asinh", args, f64::asinh)),
    exactly("$acosh", 1, |args| double("$acosh", args, f64::acosh)),
    exactly("$atanh", 1, |args| double("$atanh", args, f64::atanh)),
    exactly("$atan2", 2, atan2),
    exactly("$degreesToRadians", 1, |args| double("$degreesToRadians", args, f64::to_radians)),
    exactly("$radiansToDegrees", 1, |args| double("$radiansToDegrees", args, f64::to_degrees)),
];

/// A sum. Of whole numbers alone it is exact; in the others what rounding takes away is given back with the next (Kahan's
/// sum), in the order in which they come, as in MongoDB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    whole: i128,
    has_long: bool,
    has_double: bool,
    total: f64,
    excess: f64,
}

impl Sum {
    /// Adds a number; anything else is left out.
    pub(crate) fn add(&mut self, datum: &Datum) {
        match datum {
            Datum::Int(number) => self.whole += i128::from(*number),
            Datum::Long(number) => {
                self.whole += i128::from(*number);
                self.has_long = true;
            }
            Datum::Double(_) => self.has_double = true,
            _ => return,
        }
        let Some(number) = datum.as_f64() else { return };
        let added = number - self.excess;
        let sum = self.total + added;
        let excess = (sum - self.total) - added;
        // Nothing is left over of what is infinite.
        self.excess = if excess.is_finite() { excess } else { 0.0 };
        self.total = sum;
    }

    /// The sum as a double.
    pub(crate) fn as_f64(&self) -> f64 {
        if self.has_double { self.total } else { self.whole as f64 }
    }

    /// The sum, in the least type that holds it.
    pub(crate) fn datum(&self) -> Datum {
        if self.has_double {
            return Datum::Double(self.total);
        }
        match (i32::try_from(self.whole), i64::try_from(self.whole)) {
            (Ok(number), _) if !self.has_long => Datum::Int(number),
            (_, Ok(number)) => Datum::Long(number),
            _ => Datum::Double(self.whole as f64),
        }
    }
}

/// The sum of what are numbers.
pub(crate) fn plain_sum<'a>(numbers: impl IntoIterator<Item = &'a Datum>) -> Sum {
    let mut sum = Sum::default();
    numbers.into_iter().for_each(|number| sum.add(number));
    sum
}

fn add(args: &Args<'_>) -> Made {
    let mut sum = Sum::default();
    let mut date = None;
    for arg in args.iter() {
        match arg.as_deref() {
            None | Some(Datum::Null) => return null(),
            Some(Datum::Date(_)) if date.is_some() => return refused("only one date allowed in an $add expression"),
            Some(Datum::Date(found)) => date = Some(*found),
            Some(number) if number.as_f64().is_some() => sum.add(number),
            Some(other) => {
                return refused(format!("$add only supports numeric or date types, not {}", other.kind()));
            }
        }
    }
    match date {
        Some(date) => moved(date, sum.as_f64().round()).map(Some),
        None => Ok(Some(sum.datum())),
    }
}

/// A date, so many milliseconds later.
fn moved(date: Date, millis: f64) -> Result<Datum, Failure> {
    if !millis.is_finite() || millis.abs() > 9.0e18 {
        return refused("date overflow in $add");
    }
    Ok(Datum::Date(date.plus_millis(millis as i64)))
}

fn subtract(args: &Args<'_>) -> Made {
    let (Some(a), Some(b)) = (there(args, 0), there(args, 1)) else { return null() };
    Ok(Some(match (a, b) {
        (Datum::Date(a), Datum::Date(b)) => Datum::Long(a.millis().saturating_sub(b.millis())),
        (Datum::Date(date), number) => match number.as_f64() {
            Some(millis) => moved(*date, -millis.round())?,
            None => return refused(format!("can't $subtract {} from date", number.kind())),
        },
        _ => match (a.as_f64(), b.as_f64(), exact(a), exact(b)) {
            (_, _, Some(whole_a), Some(whole_b)) => sized(i128::from(whole_a) - i128::from(whole_b), [a, b]),
            (Some(a), Some(b), _, _) => Datum::Double(a - b),
            _ => return refused(format!("can't $subtract {} from {}", b.kind(), a.kind())),
        },
    }))
}

/// A number of a whole type.
fn exact(datum: &Datum) -> Option<i64> {
    match datum {
        Datum::Int(number) => Some(i64::from(*number)),
        Datum::Long(number) => Some(*number),
        _ => None,
    }
}

/// A whole result in the least type that holds it, but not in a smaller one than the operands have.
fn sized(number: i128, operands: [&Datum; 2]) -> Datum {
    let has_long = operands.iter().any(|operand| matches!(operand, Datum::Long(_)));
    match (i32::try_from(number), i64::try_from(number)) {
        (Ok(number), _) if !has_long => Datum::Int(number),
        (_, Ok(number)) => Datum::Long(number),
        _ => Datum::Double(number as f64),
    }
}

fn multiply(args: &Args<'_>) -> Made {
    let mut product = Datum::Int(1);
    for arg in args.iter() {
        let Some(factor) = arg.as_deref().filter(|factor| !matches!(factor, Datum::Null)) else { return null() };
        product = match (exact(&product), exact(factor), product.as_f64(), factor.as_f64()) {
            (Some(a), Some(b), ..) => sized(i128::from(a) * i128::from(b), [&product, factor]),
            (_, _, Some(a), Some(b)) => Datum::Double(a * b),
            _ => return refused(format!("$multiply only supports numeric types, not {}", factor.kind())),
        };
    }
    Ok(Some(product))
}

fn divide(args: &Args<'_>) -> Made {
    let (Some(a), Some(b)) = (there(args, 0), there(args, 1)) else { return null() };
    match (a.as_f64(), b.as_f64()) {
        (Some(_), Some(0.0)) => refused("can't $divide by zero"),
        (Some(a), Some(b)) => Ok(Some(Datum::Double(a / b))),
        _ => refused(format!("$divide only supports numeric types, not {} and {}", a.kind(), b.kind())),
    }
}

fn modulo(args: &Args<'_>) -> Made {
    let (Some(a), Some(b)) = (there(args, 0), there(args, 1)) else { return null() };
    Ok(Some(match (a.as_f64(), b.as_f64(), exact(a), exact(b)) {
        (Some(_), Some(0.0), ..) => return refused("can't $mod by zero"),
        (_, _, Some(whole_a), Some(whole_b)) => {
            sized(i128::from(whole_a).checked_rem(i128::from(whole_b)).unwrap_or_default(), [a, b])
        }
        (Some(a), Some(b), ..) => Datum::Double(a % b),
        _ => return refused(format!("$mod only supports numeric types, not {} and {}", a.kind(), b.kind())),
    }))
}

/// An operator on one number.
fn one(name: &str, args: &Args<'_>, make: impl FnOnce(&Datum, f64) -> Result<Datum, Failure>) -> Made {
    let Some(datum) = there(args, 0) else { return null() };
    match datum.as_f64() {
        Some(number) => make(datum, number).map(Some),
        None => refused(format!("{name} only supports numeric types, not {}", datum.kind())),
    }
}

fn double(name: &str, args: &Args<'_>, make: fn(f64) -> f64) -> Made {
    one(name, args, |_, number| Ok(Datum::Double(make(number))))
}

fn within(name: &str, args: &Args<'_>, fits: fn(f64) -> bool, bound: &str, make: fn(f64) -> f64) -> Made {
    one(name, args, |_, number| {
        if fits(number) {
            Ok(Datum::Double(make(number)))
        } else {
            refused(format!("{name}'s argument must be {bound}"))
        }
    })
}

fn positive(name: &str, datum: &Datum, number: f64) -> Result<f64, Failure> {
    if number > 0.0 || number.is_nan() {
        return Ok(number);
    }
    refused(format!("{name}'s argument must be a positive number, but is {}", super::shown(datum)))
}

fn abs(datum: &Datum, number: f64) -> Result<Datum, Failure> {
    Ok(match datum {
        Datum::Int(number) => Datum::whole(i64::from(*number).abs()),
        Datum::Long(number) => match number.checked_abs() {
            Some(number) => Datum::Long(number),
            None => return refused("can't take $abs of long long min"),
        },
        _ => Datum::Double(number.abs()),
    })
}

/// A whole number stays as it is.
fn kept(datum: &Datum, number: f64) -> Datum {
    if exact(datum).is_some() { datum.clone() } else { Datum::Double(number) }
}

/// To so many places after the point, or before it if they are negative.
fn round(name: &str, args: &Args<'_>, cuts: bool) -> Made {
    let Some(datum) = there(args, 0) else { return null() };
    let places = match at(args, 1) {
        None if args.len() < 2 => 0,
        None | Some(Datum::Null) => return null(),
        Some(places) => match whole(places) {
            Some(places @ -20..=100) => places as i32,
            Some(_) => {
                return refused(format!(
                    "cannot apply {name} with precision value {} value must be in [-20, 100]",
                    super::shown(places)
                ));
            }
            None => return refused(format!("precision argument to  {name} must be a integral value")),
        },
    };
    let Some(number) = datum.as_f64() else {
        return refused(format!("{name} only supports numeric types, not {}", datum.kind()));
    };
    if exact(datum).is_some() && places >= 0 {
        return Ok(Some(datum.clone()));
    }
    let rounded = decimally(number, places, cuts);
    Ok(Some(if exact(datum).is_some() {
        let fits = rounded.abs() < 9.2e18;
        match datum {
            Datum::Int(_) if fits => Datum::whole(rounded as i64),
            _ if fits => Datum::Long(rounded as i64),
            _ => return refused(format!("invalid conversion from Decimal128 result in {name}")),
        }
    } else {
        Datum::Double(rounded)
    }))
}

/// Rounds what the number is exactly, a half to the even digit, or cuts it off.
fn decimally(number: f64, places: i32, cuts: bool) -> f64 {
    // So many digits more that none of those that stay is a rounded one.
    const MORE: usize = 25;
    let make = if cuts { f64::trunc } else { f64::round_ties_even };
    let Ok(digits) = usize::try_from(places) else {
        let scale = 10_f64.powi(-places);
        return make(number / scale) * scale;
    };
    if digits == 0 || !number.is_finite() {
        return make(number);
    }
    if !cuts {
        return format!("{number:.digits$}").parse().unwrap_or(number);
    }
    let mut text = format!("{number:.*}", digits + MORE);
    text.truncate(text.len().saturating_sub(MORE));
    text.parse().unwrap_or(number)
}

fn log(args: &Args<'_>) -> Made {
    let (Some(datum), Some(base)) = (there(args, 0), there(args, 1)) else { return null() };
    match (datum.as_f64(), base.as_f64()) {
        (None, _) => refused(format!("$log's argument must be numeric, not {}", datum.kind())),
        (_, None) => refused(format!("$log's base must be numeric, not {}", base.kind())),
        (Some(number), _) if number <= 0.0 => {
            refused(format!("$log's argument must be a positive number, but is {}", super::shown(datum)))
        }
        (_, Some(number)) if number <= 0.0 || (number - 1.0).abs() < f64::EPSILON => {
            refused(format!("$log's base must be a positive number not equal to 1, but is {}", super::shown(base)))
        }
        (Some(number), Some(base)) => Ok(Some(Datum::Double(number.ln() / base.ln()))),
    }
}

fn pow(args: &Args<'_>) -> Made {
    let (Some(base), Some(exponent)) = (there(args, 0), there(args, 1)) else { return null() };
    let (Some(a), Some(b)) = (base.as_f64(), exponent.as_f64()) else {
        let (name, wrong) = if base.as_f64().is_none() { ("base", base) } else { ("exponent", exponent) };
        return refused(format!("$pow's {name} must be numeric, not {}", wrong.kind()));
    };
    if a == 0.0 && b < 0.0 {
        return refused("$pow cannot take a base of 0 and a negative exponent");
    }
    if let (Some(whole_base), Some(whole_exponent)) = (exact(base), exact(exponent)) {
        let power = u32::try_from(whole_exponent).ok().and_then(|power| i128::from(whole_base).checked_pow(power));
        if let Some(power) = power.filter(|power| i64::try_from(*power).is_ok()) {
            return Ok(Some(sized(power, [base, exponent])));
        }
    }
    Ok(Some(Datum::Double(a.powf(b))))
}

fn atan2(args: &Args<'_>) -> Made {
    let (Some(y), Some(x)) = (there(args, 0), there(args, 1)) else { return null() };
    match (y.as_f64(), x.as_f64()) {
        (Some(y), Some(x)) => Ok(Some(Datum::Double(y.atan2(x)))),
        _ => refused(format!("$atan2 only supports numeric types, not {} and {}", y.kind(), x.kind())),
    }
}
