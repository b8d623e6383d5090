//! How is a statement put together: text with quoted names, and the values bound to it?

use std::rc::Rc;

use parsimony_store::StoreError;
use rusqlite::Statement;
use rusqlite::types::Value as SqlValue;

use crate::error::store_error;

/// A value of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Param {
    /// One value.
    One(SqlValue),
    /// A list, which the statement reads as the table `rarray(?)`.
    List(Vec<SqlValue>),
}

/// A statement: equal questions have equal texts, whatever the values, so that it is compiled once.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sql {
    /// The text.
    pub(crate) text: String,
    /// The value of each `?`, in order.
    pub(crate) params: Vec<Param>,
}

impl Sql {
    /// A statement that begins so.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), params: Vec::new() }
    }

    /// Appends text.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends `?` for a value.
    pub(crate) fn bind(&mut self, value: SqlValue) -> &mut Self {
        self.text.push('?');
        self.params.push(Param::One(value));
        self
    }

    /// Appends a list in brackets, for the right side of `IN`.
    pub(crate) fn bind_list(&mut self, values: Vec<SqlValue>) -> &mut Self {
        self.text.push_str("(SELECT value FROM rarray(?))");
        self.params.push(Param::List(values));
        self
    }

    /// The text with the values in the place of their signs; `None` if there is one that has no text form.
    pub(crate) fn with_values(&self) -> Option<String> {
        let mut parts = self.text.split('?');
        let mut text = parts.next()?.to_owned();
        for param in &self.params {
            let Param::One(value) = param else { return None };
            text.push_str(&literal(value)?);
            text.push_str(parts.next()?);
        }
        parts.next().is_none().then_some(text)
    }

    /// Appends another statement's text and values.
    pub(crate) fn append(&mut self, other: Self) -> &mut Self {
        self.text.push_str(&other.text);
        self.params.extend(other.params);
        self
    }
}

/// Gives a compiled statement its values.
pub(crate) fn bind(statement: &mut Statement<'_>, params: &[Param]) -> Result<(), StoreError> {
    for (place, param) in params.iter().enumerate() {
        match param {
            Param::One(value) => statement.raw_bind_parameter(place + 1, value),
            Param::List(values) => statement.raw_bind_parameter(place + 1, Rc::new(values.clone())),
        }
        .map_err(store_error)?;
    }
    Ok(())
}

/// A value as SQL text.
fn literal(value: &SqlValue) -> Option<String> {
    match value {
        SqlValue::Null => Some("NULL".to_owned()),
        SqlValue::Integer(number) => Some(number.to_string()),
        SqlValue::Real(number) => number.is_finite().then(|| format!("{number:?}")),
        SqlValue::Text(text) => (!text.contains('\0')).then(|| format!("'{}'", text.replace('\'', "''"))),
        SqlValue::Blob(bytes) => {
            let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Some(format!("X'{}'", digits.concat()))
        }
    }
}

/// A name as SQL text.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name that differs from those taken, whatever the case: SQLite's names ignore it, Parse's do not.
pub(crate) fn free_name(wanted: &str, taken: impl Fn(&str) -> bool) -> String {
    // SQLite keeps this prefix for itself.
    let reserved = wanted.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
    let wanted = if reserved { format!("~{wanted}") } else { wanted.to_owned() };
    if !taken(&wanted) {
        return wanted;
    }
    let mut number = 2_u32;
    loop {
        let name = format!("{wanted}~{number}");
        if !taken(&name) {
            return name;
        }
        number = number.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_text_where_none_can_be_bound() {
        let mut sql = Sql::new("a=");
        sql.bind(SqlValue::Text("it's ?".to_owned())).push(" AND b<").bind(SqlValue::Real(1e300)).push(" AND c=");
        sql.bind(SqlValue::Blob(vec![0, 255]));
        assert_eq!(sql.with_values().unwrap(), "a='it''s ?' AND b<1e300 AND c=X'00ff'");
        sql.bind_list(vec![]);
        assert_eq!(sql.with_values(), None);
    }

    #[test]
    fn names_that_differ_in_case_only_are_kept_apart() {
        let taken = |name: &str| ["Order", "order~2"].iter().any(|known| known.eq_ignore_ascii_case(name));
        assert_eq!(free_name("order", taken), "order~3");
        assert_eq!(free_name("orders", taken), "orders");
        assert_eq!(free_name("SQLite_x", taken), "~SQLite_x");
    }
}
