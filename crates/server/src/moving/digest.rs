//! Are two databases the same? A digest of objects that does not depend on their order, nor on how a store keeps them.

use std::fmt;

use parsimony_model::{Acl, ClassSchema, Date, Object, Value};
use parsimony_store::Link;
use sha2::{Digest as _, Sha256};

/// How many there are, and the sum of the digests of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Digest {
    /// How many were added.
    pub(super) count: u64,
    sum: [u64; 2],
}

impl Digest {
    /// Adds an object of a class.
    pub(super) fn add_object(&mut self, class: &ClassSchema, object: &Object) {
        let mut bytes = Vec::with_capacity(512);
        write_object(class, object, &mut bytes);
        self.add(&bytes);
    }

    /// Adds rows of a relation.
    pub(super) fn add_links(&mut self, links: &[Link]) {
        for link in links {
            let mut bytes = Vec::with_capacity(32);
            write_text(link.owner.as_str(), &mut bytes);
            write_text(link.member.as_str(), &mut bytes);
            self.add(&bytes);
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.count = self.count.wrapping_add(1);
        let digest = Sha256::digest(bytes);
        for (sum, part) in self.sum.iter_mut().zip(digest.chunks_exact(8)) {
            *sum = sum.wrapping_add(part.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)));
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sum.iter().try_for_each(|part| write!(f, "{part:016x}"))
    }
}

fn write_object(class: &ClassSchema, object: &Object, out: &mut Vec<u8>) {
    write_text(object.id.as_str(), out);
    for date in [object.created_at, object.updated_at] {
        out.extend_from_slice(&date.map_or(i64::MIN, Date::millis).to_le_bytes());
    }
    write_acl(object.acl.as_ref(), out);
    // Stores give the fields in orders of their own.
    let mut fields: Vec<(&str, &Value)> = object
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .filter(|(name, value)| is_kept(class, name, value))
        .collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    for (name, value) in fields {
        write_text(name, out);
        match value {
            // A file is known by its name.
            Value::File(file) => {
                out.push(6);
                write_text(&file.name, out);
            }
            _ if name == AUTH_DATA => write_providers(value, out),
            _ => write_value(value, out),
        }
    }
}

/// The field whose parts are what counts: to MongoDB each login provider is a column.
const AUTH_DATA: &str = "authData";

/// Whether every store keeps the field: not relations, whose members are counted apart, and not what says nothing.
fn is_kept(class: &ClassSchema, name: &str, value: &Value) -> bool {
    match value {
        Value::Relation(_) => false,
        Value::Null => name != AUTH_DATA && (name.starts_with('_') || class.fields.contains_key(name)),
        Value::Object(providers) if name == AUTH_DATA => providers.values().any(|data| !data.is_null()),
        _ => true,
    }
}

fn write_providers(value: &Value, out: &mut Vec<u8>) {
    let Value::Object(providers) = value else { return write_value(value, out) };
    let mut providers: Vec<_> = providers.iter().filter(|(_, data)| !data.is_null()).collect();
    providers.sort_unstable_by_key(|(name, _)| *name);
    for (name, data) in providers {
        write_text(name, out);
        write_value(data, out);
    }
}

fn write_acl(acl: Option<&Acl>, out: &mut Vec<u8>) {
    let Some(acl) = acl else { return out.push(0) };
    out.push(1);
    let (mut readers, mut writers): (Vec<&str>, Vec<&str>) = (acl.readers().collect(), acl.writers().collect());
    for list in [&mut readers, &mut writers] {
        list.sort_unstable();
        write_length(list.len(), out);
        for who in list.iter() {
            write_text(who, out);
        }
    }
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(length as u64).to_le_bytes());
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_length(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

fn write_number(number: f64, out: &mut Vec<u8>) {
    // SQLite does not tell 0 from -0.
    out.extend_from_slice(&(number + 0.0).to_bits().to_le_bytes());
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        // In JSON, what is no number is null.
        Value::Number(number) if !number.is_finite() => out.push(0),
        Value::Null => out.push(0),
        Value::Bool(value) => out.extend_from_slice(&[1, u8::from(*value)]),
        Value::Number(number) => {
            out.push(2);
            write_number(*number, out);
        }
        Value::String(text) => {
            out.push(3);
            write_text(text, out);
        }
        Value::Date(date) => {
            out.push(4);
            out.extend_from_slice(&date.millis().to_le_bytes());
        }
        Value::Bytes(bytes) => {
            out.push(5);
            write_length(bytes.len(), out);
            out.extend_from_slice(bytes);
        }
        Value::File(file) => {
            out.push(6);
            write_text(&file.name, out);
            write_text(file.url.as_deref().unwrap_or_default(), out);
        }
        Value::GeoPoint(point) => {
            out.push(7);
            write_number(point.latitude, out);
            write_number(point.longitude, out);
        }
        Value::Polygon(polygon) => {
            out.push(8);
            for corner in polygon.closed() {
                write_number(corner.latitude, out);
                write_number(corner.longitude, out);
            }
        }
        Value::Pointer(pointer) => {
            out.push(9);
            write_text(pointer.class.as_str(), out);
            write_text(pointer.id.as_str(), out);
        }
        Value::Included(object) => write_value(&Value::Pointer(object.pointer()), out),
        Value::Relation(class) => {
            out.push(10);
            write_text(class.as_str(), out);
        }
        Value::Array(items) => {
            out.push(11);
            write_length(items.len(), out);
            for item in items {
                write_value(item, out);
            }
        }
        Value::Object(map) => {
            out.push(12);
            write_length(map.len(), out);
            for (name, value) in map {
                write_text(name, out);
                write_value(value, out);
            }
        }
    }
}
