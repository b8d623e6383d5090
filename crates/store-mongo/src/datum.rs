//! How does a value of a pipeline become BSON, and come back?

use bson::oid::ObjectId as MongoId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, RawBsonRef, RawDocument, Regex};
use parsimony_model::Date;
use parsimony_model::aggregate::{Datum, Document};
use parsimony_model::query::Pattern;
use parsimony_store::StoreError;

/// A document as the driver takes it.
pub(crate) fn to_document(document: &Document) -> Result<bson::Document, StoreError> {
    document.iter().map(|(key, datum)| Ok((key.to_string(), to_bson(datum)?))).collect()
}

fn to_bson(datum: &Datum) -> Result<Bson, StoreError> {
    let refused = |what: &str| StoreError::InvalidQuery(format!("{what} in a pipeline cannot be read."));
    Ok(match datum {
        Datum::Null => Bson::Null,
        Datum::Bool(value) => Bson::Boolean(*value),
        Datum::Int(number) => Bson::Int32(*number),
        Datum::Long(number) => Bson::Int64(*number),
        Datum::Double(number) => Bson::Double(*number),
        Datum::Decimal(text) => Bson::Decimal128(text.parse().map_err(|_error| refused("A decimal number"))?),
        Datum::String(text) => Bson::String(text.clone()),
        Datum::Date(date) => Bson::DateTime(DateTime::from_millis(date.millis())),
        Datum::Bytes(bytes, kind) => Bson::Binary(Binary { subtype: BinarySubtype::from(*kind), bytes: bytes.clone() }),
        Datum::Id(id) => Bson::ObjectId(MongoId::from_bytes(*id)),
        Datum::Regex(pattern) => {
            let text = |text: &str| text.to_owned().try_into().map_err(|_error| refused("A regular expression"));
            Bson::RegularExpression(Regex { pattern: text(&pattern.source)?, options: text(&pattern.options)? })
        }
        Datum::Array(items) => Bson::Array(items.iter().map(to_bson).collect::<Result<_, _>>()?),
        Datum::Document(document) => Bson::Document(to_document(document)?),
    })
}

/// A document as it came from the server.
pub(crate) fn from_document(document: &RawDocument) -> Result<Document, StoreError> {
    let mut found = Document::default();
    for element in document.iter_elements() {
        let element = element.map_err(corrupt)?;
        found.insert(element.key().as_str().into(), from_bson(element.value().map_err(corrupt)?)?);
    }
    Ok(found)
}

fn from_bson(value: RawBsonRef<'_>) -> Result<Datum, StoreError> {
    Ok(match value {
        RawBsonRef::Boolean(value) => Datum::Bool(value),
        RawBsonRef::Int32(number) => Datum::Int(number),
        RawBsonRef::Int64(number) => Datum::Long(number),
        RawBsonRef::Double(number) => Datum::Double(number),
        RawBsonRef::Decimal128(number) => Datum::Decimal(number.to_string()),
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) | RawBsonRef::JavaScriptCode(text) => {
            Datum::String(text.to_owned())
        }
        RawBsonRef::DateTime(date) => Datum::Date(Date::from_millis(date.timestamp_millis())),
        RawBsonRef::Binary(binary) => Datum::Bytes(binary.bytes.to_vec(), binary.subtype.into()),
        RawBsonRef::ObjectId(id) => Datum::Id(id.bytes()),
        RawBsonRef::RegularExpression(regex) => Datum::Regex(Pattern {
            source: regex.pattern.as_str().to_owned(),
            options: regex.options.as_str().to_owned(),
        }),
        RawBsonRef::Array(items) => Datum::Array(
            items.into_iter().map(|item| from_bson(item.map_err(corrupt)?)).collect::<Result<_, StoreError>>()?,
        ),
        RawBsonRef::Document(document) => Datum::Document(from_document(document)?),
        // Parse has no type for the others, and no server writes them.
        RawBsonRef::Null
        | RawBsonRef::Undefined
        | RawBsonRef::MinKey
        | RawBsonRef::MaxKey
        | RawBsonRef::Timestamp(_)
        | RawBsonRef::DbPointer(_)
        | RawBsonRef::JavaScriptCodeWithScope(_) => Datum::Null,
    })
}

fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}
