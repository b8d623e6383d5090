//! Which table holds a class, and which column a field? SQLite's names ignore case and Parse's do not, so the mapping is kept.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use compact_str::CompactString;
use indexmap::IndexMap;
use parsimony_model::schema::{Field, FieldType};
use parsimony_model::{ClassName, ClassSchema, FieldName};
use parsimony_store::StoreError;
use rusqlite::Connection;

use crate::error::store_error;
use crate::sql::{free_name, quote};
use crate::text::tables::Kind;

/// The table of classes: one row each, with the definition as JSON.
pub(crate) const SCHEMA_TABLE: &str = "_SCHEMA";

/// The columns that the table of every class begins with.
pub(crate) const BASE_COLUMNS: [&str; 7] =
    ["objectId", "createdAt", "updatedAt", "_rperm", "_wperm", "_nulls", "_internal"];

/// A field's column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// The type of the field.
    pub(crate) kind: FieldType,
    /// Its name in the table.
    pub(crate) name: String,
    /// Its name as SQL text.
    pub(crate) quoted: String,
}

/// An index that SQLite keeps.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct TableIndex {
    /// Its name in the file.
    pub(crate) name: String,
    /// Its columns, or expressions, in order.
    pub(crate) columns: Vec<String>,
    /// Whether it refuses equal values.
    pub(crate) unique: bool,
    /// The name of the index beside it, to which missing values are equal; SQLite's own holds them all for different.
    pub(crate) missing: Option<String>,
    /// The condition of the rows that are in it, as SQL.
    pub(crate) only: Option<String>,
}

/// A class and its table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// The class.
    pub(crate) schema: ClassSchema,
    /// The name of the table.
    pub(crate) name: String,
    /// The columns of its fields, in the order of the class; relations have none.
    pub(crate) columns: IndexMap<CompactString, Column, ahash::RandomState>,
    /// The join tables of its relations.
    pub(crate) joins: IndexMap<CompactString, String>,
    /// Its indexes, without those that the class only remembers.
    pub(crate) indexes: IndexMap<CompactString, TableIndex>,
    /// The tables of boxes beside the columns of places and areas, by field: see `geo`.
    pub(crate) places: IndexMap<CompactString, String>,
    /// The table of words beside this one, if the class has an index for text searches: see `text`.
    pub(crate) words: Option<String>,
    /// For paths into objects that have an index, the expression that it stands on.
    pub(crate) indexed_paths: HashMap<String, String, ahash::RandomState>,
    /// Names of dropped columns: never used again, so that a statement made before the drop fails and does no harm.
    pub(crate) retired: Vec<String>,
    /// `SELECT` of whole rows, up to the table's name.
    pub(crate) select: Arc<str>,
    /// The same for one id.
    pub(crate) select_by_id: Arc<str>,
    /// `INSERT` of a row with every column.
    pub(crate) insert: Arc<str>,
}

/// Every class.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables(pub(crate) HashMap<ClassName, Arc<Table>, ahash::RandomState>);

impl Tables {
    /// Reads the definitions.
    pub(crate) fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut statement = connection
            .prepare(&format!("SELECT name, definition FROM {}", quote(SCHEMA_TABLE)))
            .map_err(store_error)?;
        let mut rows = statement.query([]).map_err(store_error)?;
        let mut tables = Self::default();
        while let Some(row) = rows.next().map_err(store_error)? {
            let name: String = row.get(0).map_err(store_error)?;
            let definition: String = row.get(1).map_err(store_error)?;
            let table = Table::from_definition(&name, &definition)
                .ok_or_else(|| StoreError::Corrupt(format!("the definition of class {name}")))?;
            tables.0.insert(table.schema.name.clone(), Arc::new(table));
        }
        Ok(tables)
    }

    /// The table of a class.
    pub(crate) fn get(&self, class: &str) -> Option<&Arc<Table>> {
        self.0.get(class)
    }

    /// The table of a class that must be there.
    pub(crate) fn expect(&self, class: &ClassName) -> Result<&Arc<Table>, StoreError> {
        self.get(class.as_str()).ok_or_else(|| StoreError::Unfit(format!("There is no class {class}.")))
    }

    /// The join table of a relation.
    pub(crate) fn join(&self, class: &str, field: &str) -> Option<&str> {
        self.get(class)?.joins.get(field).map(String::as_str)
    }

    /// Whether a table of this name is there, in any case.
    pub(crate) fn is_taken(&self, name: &str) -> bool {
        let same = |known: &str| known.eq_ignore_ascii_case(name);
        same(SCHEMA_TABLE)
            || self.0.values().any(|table| same(&table.name) || table.joins.values().any(|join| same(join)))
    }

    /// These tables with another one, or with this one changed.
    pub(crate) fn with(&self, table: Table) -> Self {
        let mut all = self.clone();
        all.0.insert(table.schema.name.clone(), Arc::new(table));
        all
    }

    /// These tables without one.
    pub(crate) fn without(&self, class: &ClassName) -> Self {
        let mut all = self.clone();
        all.0.remove(class.as_str());
        all
    }
}

impl Table {
    /// The table of a class that has none yet. It has columns and join tables for its fields, and no indexes.
    pub(crate) fn new(class: &ClassSchema, tables: &Tables) -> Self {
        let name = free_name(class.name.as_str(), |name| tables.is_taken(name));
        let schema = ClassSchema { fields: IndexMap::new(), indexes: IndexMap::new(), ..class.clone() };
        let mut table = Self {
            schema,
            name,
            columns: IndexMap::default(),
            joins: IndexMap::default(),
            indexes: IndexMap::default(),
            places: IndexMap::default(),
            words: None,
            indexed_paths: HashMap::default(),
            retired: Vec::new(),
            select: "".into(),
            select_by_id: "".into(),
            insert: "".into(),
        };
        for (field, options) in &class.fields {
            table.add_field(field, options, tables);
        }
        table.finish();
        table
    }

    /// Gives a field a column, or a join table, and tells its name. Call [`Self::finish`] afterwards.
    pub(crate) fn add_field(&mut self, field: &FieldName, options: &Field, tables: &Tables) -> String {
        let name = if let FieldType::Relation(_) = options.kind {
            let wanted = format!("_Join:{field}:{}", self.schema.name);
            let mine = |name: &str| self.joins.values().any(|known| known.eq_ignore_ascii_case(name));
            let name = free_name(&wanted, |name| mine(name) || tables.is_taken(name));
            self.joins.insert(field.as_str().into(), name.clone());
            name
        } else {
            let name = free_name(field.as_str(), |name| self.is_column(name));
            let column = Column { kind: options.kind.clone(), quoted: quote(&name), name: name.clone() };
            self.columns.insert(field.as_str().into(), column);
            name
        };
        self.schema.fields.insert(field.clone(), options.clone());
        name
    }

    fn is_column(&self, name: &str) -> bool {
        let same = |known: &str| known.eq_ignore_ascii_case(name);
        BASE_COLUMNS.iter().any(|base| same(base))
            || self.columns.values().any(|column| same(&column.name))
            || self.retired.iter().any(|column| same(column))
    }

    /// Puts together the texts that follow from the columns.
    pub(crate) fn finish(&mut self) {
        let table = quote(&self.name);
        let mut columns = String::new();
        for name in BASE_COLUMNS.iter().copied().chain(self.columns.values().map(|column| column.name.as_str())) {
            let separator = if columns.is_empty() { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(columns, "{separator}{}", quote(name));
        }
        let places = vec!["?"; BASE_COLUMNS.len() + self.columns.len()].join(",");
        self.select = format!("SELECT {columns} FROM {table}").into();
        self.select_by_id = format!("SELECT {columns} FROM {table} WHERE \"objectId\"=?").into();
        self.insert = format!("INSERT INTO {table} ({columns}) VALUES ({places})").into();
        self.indexed_paths = self.paths_of_indexes();
    }

    fn paths_of_indexes(&self) -> HashMap<String, String, ahash::RandomState> {
        let mut paths = HashMap::default();
        for (name, index) in &self.indexes {
            let keys = self.schema.indexes.get(name).into_iter().flat_map(|index| index.keys.keys());
            for (key, expression) in keys.zip(&index.columns) {
                let field = field_of_key(key);
                if expression.starts_with("json_extract(") {
                    paths.insert(field, expression.clone());
                }
            }
        }
        paths
    }

    /// The columns that a text search looks into: those of the class's text index, or the one of this field if there is none.
    pub(crate) fn text_columns(&self, field: &str) -> Vec<(String, Kind)> {
        let kept = |field: &str| {
            let column = self.columns.get(field_of_key(field).as_str())?;
            match column.kind {
                FieldType::String => Some((column.quoted.clone(), Kind::Text)),
                FieldType::Array => Some((column.quoted.clone(), Kind::List)),
                _ => None,
            }
        };
        match self.schema.text_index() {
            Some((_, index)) => index.text_fields().filter_map(kept).collect(),
            None => kept(field).into_iter().collect(),
        }
    }
}

/// The path that a key of an index stands for; indexes that came from a Parse database use MongoDB's names.
pub(crate) fn field_of_key(key: &str) -> String {
    match key {
        "_id" => "objectId".to_owned(),
        "_created_at" => "createdAt".to_owned(),
        "_updated_at" => "updatedAt".to_owned(),
        "_session_token" => "sessionToken".to_owned(),
        _ => match (key.strip_prefix("_p_"), key.strip_prefix("_auth_data_")) {
            (Some(field), _) => field.to_owned(),
            (_, Some(path)) => format!("authData.{path}"),
            _ => key.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, fields: &[(&str, FieldType)]) -> ClassSchema {
        let mut class = ClassSchema::new(ClassName::parse(name).unwrap());
        for (name, kind) in fields {
            class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind.clone()));
        }
        class
    }

    #[test]
    fn names_that_sqlite_takes_for_equal_get_columns_of_their_own() {
        let user = ClassName::parse("_User").unwrap();
        let fields = [
            ("name", FieldType::String),
            ("Name", FieldType::Number),
            ("objectid", FieldType::String),
            ("select", FieldType::Boolean),
            ("likes", FieldType::Relation(user.clone())),
            ("Likes", FieldType::Relation(user)),
        ];
        let tables = Tables::default();
        let tables = tables.with(Table::new(&class("Order", &fields), &tables));
        let table = Table::new(&class("order", &fields), &tables);
        assert_eq!(table.name, "order~2");
        let columns: Vec<&str> = table.columns.values().map(|column| column.name.as_str()).collect();
        assert_eq!(columns, ["name", "Name~2", "objectid~2", "select"]);
        let joins: Vec<&str> = table.joins.values().map(String::as_str).collect();
        assert_eq!(joins, ["_Join:likes:order~3", "_Join:Likes:order~4"]);
    }
}
