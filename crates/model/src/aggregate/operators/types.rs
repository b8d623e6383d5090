//! Which type does a value have, and what is it as another?

use super::{Args, Made, Operator, at, exactly, kind, named, null, refused, shown, there};
use crate::aggregate::datum::Datum;
use crate::aggregate::ejson;
use crate::aggregate::failure::Failure;
use crate::value::Date;

pub(super) const OPERATORS: &[Operator] = &[
    exactly("$type", 1, |args| Ok(Some(Datum::String(args.first().map_or("missing", kind).to_owned())))),
    exactly("$isNumber", 1, |args| {
        Ok(Some(Datum::Bool(
            at(args, 0).is_some_and(|datum| datum.as_f64().is_some() || matches!(datum, Datum::Decimal(_))),
        )))
    }),
    exactly("$toString", 1, |args| to(args, Kind::Text)),
    exactly("$toInt", 1, |args| to(args, Kind::Int)),
    exactly("$toLong", 1, |args| to(args, Kind::Long)),
    exactly("$toDouble", 1, |args| to(args, Kind::Double)),
    exactly("$toBool", 1, |args| to(args, Kind::Bool)),
    exactly("$toDate", 1, |args| to(args, Kind::Date)),
    exactly("$toObjectId", 1, |args| to(args, Kind::Id)),
    named("$convert", &[("input", true), ("to", true), ("onError", false), ("onNull", false)], convert),
];

/// The types that a value can be converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Int,
    Long,
    Double,
    Bool,
    Date,
    Id,
}

impl Kind {
    /// Its name, or MongoDB's number for it.
    fn of(datum: &Datum) -> Result<Self, Failure> {
        let name = match datum {
            Datum::String(name) => name.as_str(),
            number => match number.as_f64().map(|number| number as i64) {
                Some(1) => "double",
                Some(2) => "string",
                Some(7) => "objectId",
                Some(8) => "bool",
                Some(9) => "date",
                Some(16) => "int",
                Some(18) => "long",
                Some(19) => "decimal",
                Some(other) => return refused(format!("Invalid numeric type code: {other}")),
                None => {
                    return refused(format!(
                        "$convert's 'to' argument must be a string or number, but is {}",
                        datum.kind()
                    ));
                }
            },
        };
        Ok(match name {
            "double" => Self::Double,
            "string" => Self::Text,
            "objectId" => Self::Id,
            "bool" => Self::Bool,
            "date" => Self::Date,
            "int" => Self::Int,
            "long" => Self::Long,
            "decimal" => return Err(Failure::OnlyMongo("a decimal number".to_owned())),
            other => return refused(format!("Unknown type name: {other}")),
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Int => "int",
            Self::Long => "long",
            Self::Double => "double",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Id => "objectId",
        }
    }
}

fn to(args: &Args<'_>, kind: Kind) -> Made {
    match there(args, 0) {
        None => null(),
        Some(datum) => converted(datum, kind).map(Some),
    }
}

fn convert(args: &Args<'_>) -> Made {
    let given = |place: usize| args.get(place).cloned().flatten().map(std::borrow::Cow::into_owned);
    let Some(input) = there(args, 0) else {
        return Ok(if args.is_given(3) { given(3) } else { Some(Datum::Null) });
    };
    let Some(kind) = there(args, 1) else { return null() };
    match converted(input, Kind::of(kind)?) {
        Err(Failure::Refused(_)) if args.is_given(2) => Ok(given(2)),
        outcome => outcome.map(Some),
    }
}

fn impossible(datum: &Datum, kind: Kind) -> Failure {
    Failure::refused(format!(
        "Unsupported conversion from {} to {} in $convert with no onError value",
        datum.kind(),
        kind.name()
    ))
}

fn converted(datum: &Datum, kind: Kind) -> Result<Datum, Failure> {
    Ok(match kind {
        Kind::Text => Datum::String(text(datum, kind)?),
        Kind::Int => Datum::Int(i32::try_from(whole(datum, kind)?).map_err(|_error| overflow(datum))?),
        Kind::Long => Datum::Long(whole(datum, kind)?),
        Kind::Double => Datum::Double(double(datum, kind)?),
        Kind::Bool => Datum::Bool(match datum {
            Datum::Bool(value) => *value,
            other => other.as_f64().is_none_or(|number| number != 0.0),
        }),
        Kind::Date => Datum::Date(date(datum, kind)?),
        Kind::Id => match datum {
            Datum::Id(id) => Datum::Id(*id),
            Datum::String(text) => match ejson::id(text) {
                Some(id) => Datum::Id(id),
                None => {
                    return Err(unreadable(
                        "objectId",
                        text,
                        "Invalid string length for parsing to OID, expected 24 hexadecimal digits",
                    ));
                }
            },
            other => return Err(impossible(other, kind)),
        },
    })
}

fn unreadable(what: &str, text: &str, why: &str) -> Failure {
    let text = crate::names::shorten(text);
    Failure::refused(format!("Failed to parse {what} '{text}' in $convert with no onError value: {why}"))
}

fn overflow(datum: &Datum) -> Failure {
    Failure::refused(format!(
        "Conversion would overflow target type in $convert with no onError value: {}",
        shown(datum)
    ))
}

fn text(datum: &Datum, kind: Kind) -> Result<String, Failure> {
    Ok(match datum {
        Datum::String(text) | Datum::Decimal(text) => text.clone(),
        Datum::Bool(value) => value.to_string(),
        Datum::Int(_) | Datum::Long(_) | Datum::Double(_) => number_text(datum),
        Datum::Date(date) => date.to_iso(),
        Datum::Id(id) => ejson::hexadecimal(id),
        other => return Err(impossible(other, kind)),
    })
}

/// A number as text.
pub(super) fn number_text(datum: &Datum) -> String {
    match datum {
        Datum::Int(number) => number.to_string(),
        Datum::Long(number) => number.to_string(),
        Datum::Double(number) if number.is_nan() => "NaN".to_owned(),
        Datum::Double(number) if number.is_infinite() => {
            if *number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
        }
        Datum::Double(number) => short(*number),
        _ => String::new(),
    }
}

/// Six digits, and an exponent where the number is large or small: MongoDB shows no more of a double.
fn short(number: f64) -> String {
    const DIGITS: i32 = 6;
    let scientific = format!("{number:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let bare = |text: &str| {
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
        text.to_owned()
    };
    if (-4..DIGITS).contains(&exponent) {
        let places = usize::try_from(DIGITS - 1 - exponent).unwrap_or_default();
        return bare(&format!("{number:.places$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", bare(digits), exponent.unsigned_abs())
}

fn whole(datum: &Datum, kind: Kind) -> Result<i64, Failure> {
    match datum {
        Datum::Int(number) => Ok(i64::from(*number)),
        Datum::Long(number) => Ok(*number),
        Datum::Double(number) if !number.is_finite() => Err(Failure::refused(format!(
            "Attempt to convert {} value to integer type in $convert with no onError value",
            if number.is_nan() { "NaN" } else { "infinity" }
        ))),
        Datum::Double(number) if number.abs() < 9_223_372_036_854_775_808.0 => Ok(number.trunc() as i64),
        Datum::Double(_) => Err(overflow(datum)),
        Datum::Bool(value) => Ok(i64::from(*value)),
        Datum::Date(date) if kind == Kind::Long => Ok(date.millis()),
        Datum::String(text) => {
            text.parse().map_err(|_error| unreadable("number", text, "Did not consume whole string."))
        }
        other => Err(impossible(other, kind)),
    }
}

fn double(datum: &Datum, kind: Kind) -> Result<f64, Failure> {
    match datum {
        Datum::Bool(value) => Ok(f64::from(u8::from(*value))),
        Datum::Date(date) => Ok(date.millis() as f64),
        Datum::String(text) => {
            let sound =
                !text.is_empty() && !text.starts_with(char::is_whitespace) && !text.ends_with(char::is_whitespace);
            let number = text.parse().ok().filter(|_| sound);
            number.ok_or_else(|| unreadable("number", text, "Did not consume whole string."))
        }
        number => number.as_f64().ok_or_else(|| impossible(number, kind)),
    }
}

fn date(datum: &Datum, kind: Kind) -> Result<Date, Failure> {
    match datum {
        Datum::Date(date) => Ok(*date),
        Datum::Long(millis) => Ok(Date::from_millis(*millis)),
        Datum::Double(millis) if millis.is_finite() => Ok(Date::from_millis(*millis as i64)),
        // The first four bytes of an id tell when it was made.
        Datum::Id([a, b, c, d, ..]) => Ok(Date::from_millis(i64::from(u32::from_be_bytes([*a, *b, *c, *d])) * 1_000)),
        Datum::String(text) => super::dates::from_text(text),
        other => Err(impossible(other, kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_shown_as_mongodb_shows_them() {
        for (number, text) in [
            (1.5, "1.5"),
            (2.0, "2"),
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1.0 / 3.0, "0.333333"),
            (1e21, "1e+21"),
            (1e-7, "1e-07"),
            (3_000_000_000.0, "3e+09"),
            (123_456_789_012_345_680.0, "1.23457e+17"),
            (123_456.0, "123456"),
            (0.0001, "0.0001"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(number_text(&Datum::Double(number)), text);
        }
        assert_eq!(number_text(&Datum::Long(9_007_199_254_740_993)), "9007199254740993");
    }
}
