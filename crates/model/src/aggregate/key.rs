//! Which values are the same? A text of bytes for each, equal where they are.

use super::datum::{Datum, Document};

/// The bytes of a value; what is missing has bytes of its own.
pub(crate) fn key(datum: Option<&Datum>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24);
    match datum {
        None => bytes.push(0),
        Some(datum) => write(datum, &mut bytes),
    }
    bytes
}

fn write(datum: &Datum, bytes: &mut Vec<u8>) {
    bytes.push(datum.rank());
    match datum {
        Datum::Null => {}
        Datum::Bool(value) => bytes.push(u8::from(*value)),
        Datum::Int(number) => write_whole(i64::from(*number), bytes),
        Datum::Long(number) => write_whole(*number, bytes),
        Datum::Double(number) => write_double(*number, bytes),
        Datum::Decimal(text) => match text.parse() {
            Ok(number) => write_double(number, bytes),
            Err(_) => write_bytes(text.as_bytes(), bytes),
        },
        Datum::String(text) => write_bytes(text.as_bytes(), bytes),
        Datum::Date(date) => bytes.extend_from_slice(&date.millis().to_be_bytes()),
        Datum::Bytes(content, kind) => {
            bytes.push(*kind);
            write_bytes(content, bytes);
        }
        Datum::Id(id) => bytes.extend_from_slice(id),
        Datum::Regex(pattern) => {
            write_bytes(pattern.source.as_bytes(), bytes);
            write_bytes(pattern.options.as_bytes(), bytes);
        }
        Datum::Array(items) => {
            write_length(items.len(), bytes);
            for item in items {
                write(item, bytes);
            }
        }
        Datum::Document(document) => write_document(document, bytes),
    }
}

fn write_document(document: &Document, bytes: &mut Vec<u8>) {
    write_length(document.len(), bytes);
    for (name, datum) in document {
        write_bytes(name.as_bytes(), bytes);
        write(datum, bytes);
    }
}

fn write_length(length: usize, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&(length as u64).to_be_bytes());
}

fn write_bytes(content: &[u8], bytes: &mut Vec<u8>) {
    write_length(content.len(), bytes);
    bytes.extend_from_slice(content);
}

fn write_whole(number: i64, bytes: &mut Vec<u8>) {
    bytes.push(0);
    bytes.extend_from_slice(&number.to_be_bytes());
}

/// A double that is whole has the bytes of the whole number.
fn write_double(number: f64, bytes: &mut Vec<u8>) {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if number.fract() == 0.0 && (-BEYOND..BEYOND).contains(&number) {
        write_whole(number as i64, bytes);
        return;
    }
    bytes.push(1);
    let number = if number.is_nan() { f64::NAN } else { number };
    bytes.extend_from_slice(&number.to_bits().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_bytes_and_others_have_not() {
        let text = |text: &str| Datum::String(text.to_owned());
        let values = [
            None,
            Some(Datum::Null),
            Some(Datum::Int(1)),
            Some(Datum::Long(1)),
            Some(Datum::Double(1.0)),
            Some(Datum::Double(1.5)),
            Some(Datum::Double(f64::NAN)),
            Some(Datum::Double(-f64::NAN)),
            Some(Datum::Double(-0.0)),
            Some(Datum::Int(0)),
            Some(Datum::Bool(true)),
            Some(text("1")),
            Some(text("")),
            Some(Datum::Array(vec![text("a"), text("b")])),
            Some(Datum::Array(vec![text("ab"), text("")])),
            Some(Datum::Document(Document::default())),
        ];
        for a in &values {
            for b in &values {
                let same = super::super::sort::order_of_optional(a.as_ref(), b.as_ref()).is_eq();
                assert_eq!(key(a.as_ref()) == key(b.as_ref()), same, "{a:?} and {b:?}");
            }
        }
    }
}
