//! How does a search by place or by text become SQL?

use parsimony_model::Value;
use parsimony_model::query::{Constraint, Filter, TextSearch};
use parsimony_model::schema::FieldType;
use rusqlite::types::Value as SqlValue;

use crate::filter::{Place, Writer};
use crate::geo::functions::{PLACE_DISTANCE, SOMEWHERE};
use crate::geo::{self, Condition};
use crate::sql::{Sql, quote};
use crate::text::tables::{TEXT_FINDS, TEXT_SCORE};
use crate::text::{self, Search};
use crate::values::to_json;

impl Writer<'_> {
    /// A condition on places: the rows whose boxes are near enough, and of those the ones that meet it.
    pub(crate) fn is_somewhere(
        &self,
        (column, kind, field): (&str, &FieldType, &str),
        constraint: &Constraint,
        sql: &mut Sql,
    ) {
        let condition = Condition::of(constraint).zip(geo::encode(constraint));
        match condition {
            _ if !matches!(kind, FieldType::GeoPoint | FieldType::Polygon) => drop(sql.push("0")),
            // Anything that has a place is near enough.
            None => drop(sql.push(column).push(" IS NOT NULL")),
            Some((condition, encoded)) => {
                sql.push("(");
                if let (Some(boxes), Some(bounds)) = (self.table.places.get(field), condition.bounds()) {
                    geo::tables::meeting(boxes, &bounds, sql);
                    sql.push(" AND ");
                }
                sql.push(&format!("{SOMEWHERE}({column},")).bind(SqlValue::Text(encoded)).push("))");
            }
        }
    }

    /// A text search: the rows with one of its words, and of those the ones that meet all of it.
    pub(crate) fn is_said(&self, field: &str, search: &TextSearch, sql: &mut Sql) {
        let parts = Search::new(search);
        let Some(candidates) = text::candidates(&parts) else {
            sql.push("0");
            return;
        };
        sql.push("(");
        if let Some(words) = &self.table.words {
            let words = quote(words);
            sql.push(&format!("rowid IN (SELECT rowid FROM {words} WHERE {words} MATCH "));
            sql.bind(SqlValue::Text(candidates)).push(")");
        }
        if self.table.words.is_none() || !parts.takes_every_candidate() {
            sql.push(if self.table.words.is_some() { " AND " } else { "" });
            self.of_texts(TEXT_FINDS, (field, search), sql);
        }
        sql.push(")");
    }

    /// A function of a search and the texts that it looks into.
    fn of_texts(&self, function: &str, (field, search): (&str, &TextSearch), sql: &mut Sql) {
        let columns = self.table.text_columns(field);
        let columns = columns.iter().map(|(column, kind)| (column.as_str(), *kind));
        sql.push(&format!("{function}(")).bind(SqlValue::Text(text::encode(search)));
        let arguments = text::tables::arguments(columns, "");
        sql.push(if arguments.is_empty() { "" } else { "," }).push(&arguments).push(")");
    }

    /// Nearest first, if the filter searches by distance.
    pub(crate) fn nearest_first(&self, filter: &Filter, sql: &mut Sql) {
        if let Some((path, center, _)) = filter.near()
            && let Place::Column { column, .. } = self.place(path)
        {
            let center = SqlValue::Text(to_json(&Value::GeoPoint(center)));
            sql.push(&format!(" ORDER BY {PLACE_DISTANCE}({column},")).bind(center).push(")");
        }
    }

    /// The score of a text search, if the filter is one.
    pub(crate) fn score(&self, filter: &Filter) -> Option<Sql> {
        let mut sql = Sql::default();
        self.of_texts(TEXT_SCORE, filter.text()?, &mut sql);
        Some(sql)
    }
}
