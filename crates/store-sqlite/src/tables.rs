//! Which table holds a class, and which column a field? SQLite's names ignore case and Parse's do not, so the mapping is kept.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use compact_str::CompactString;
use indexmap::IndexMap;
use parsimony_model::permissions::ClassPermissions;
use parsimony_model::schema::{Field, FieldType, Index};
use parsimony_model::value::json;
use parsimony_model::{ClassName, ClassSchema, FieldName, Map, Value};
use parsimony_store::StoreError;
use rusqlite::Connection;

use crate::error::store_error;
use crate::sql::{free_name, quote};

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
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableIndex {
    /// Its name in the file.
    pub(crate) name: String,
    /// Its columns, or expressions, in order.
    pub(crate) columns: Vec<String>,
    /// Whether it refuses equal values.
    pub(crate) unique: bool,
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

    /// The definition, as its row keeps it.
    pub(crate) fn to_definition(&self) -> String {
        let mut fields = Map::default();
        for (field, options) in &self.schema.fields {
            let name = self.columns.get(field.as_str()).map(|column| &column.name);
            let Some(name) = name.or_else(|| self.joins.get(field.as_str())) else { continue };
            let map = [("column".into(), name.as_str().into()), ("field".into(), options.to_value())];
            fields.insert(field.as_str().into(), Value::Object(map.into_iter().collect()));
        }
        let mut indexes = Map::default();
        for (name, index) in &self.schema.indexes {
            let keys = index.keys.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            let mut map = Map::default();
            map.insert("keys".into(), Value::Object(keys));
            map.insert("unique".into(), index.unique.into());
            map.insert("sparse".into(), index.sparse.into());
            map.insert("ignoreCase".into(), index.ignore_case.into());
            if let Some(built) = self.indexes.get(name) {
                map.insert("name".into(), built.name.as_str().into());
                map.insert("columns".into(), texts(&built.columns));
            }
            indexes.insert(name.clone(), Value::Object(map));
        }
        let mut map = Map::default();
        map.insert("table".into(), self.name.as_str().into());
        map.insert("fields".into(), Value::Object(fields));
        map.insert("indexes".into(), Value::Object(indexes));
        map.insert("permissions".into(), self.schema.permissions.as_ref().map(ClassPermissions::to_value).into());
        map.insert("retired".into(), texts(&self.retired));
        if self.schema.append_only {
            map.insert("appendOnly".into(), true.into());
        }
        String::from_utf8(json::write(&Value::Object(map))).unwrap_or_default()
    }

    fn from_definition(name: &str, definition: &str) -> Option<Self> {
        let Value::Object(map) = json::read(definition.as_bytes()).ok()? else { return None };
        let part = |key: &str| map.get(key).and_then(Value::as_object);
        let bare = ClassSchema {
            name: ClassName::parse(name).ok()?,
            fields: IndexMap::new(),
            permissions: part("permissions").map(ClassPermissions::from_stored),
            indexes: IndexMap::new(),
            append_only: map.get("appendOnly").is_some_and(Value::is_truthy),
        };
        let mut table = Self::new(&bare, &Tables::default());
        map.get("table")?.as_str()?.clone_into(&mut table.name);
        for (field, options) in part("fields")? {
            let options = options.as_object()?;
            let column = options.get("column")?.as_str()?.to_owned();
            let parsed = Field::parse(name, field, options.get("field")?.as_object()?).ok()?;
            if let FieldType::Relation(_) = parsed.kind {
                table.joins.insert(field.clone(), column);
            } else {
                let column = Column { kind: parsed.kind.clone(), quoted: quote(&column), name: column };
                table.columns.insert(field.clone(), column);
            }
            table.schema.fields.insert(FieldName::parse(field).ok()?, parsed);
        }
        for (index, options) in part("indexes")? {
            let options = options.as_object()?;
            let parsed = Index::parse(options);
            if let Some(built) = options.get("name").and_then(Value::as_str) {
                let columns = list(options.get("columns")?);
                let built = TableIndex { name: built.to_owned(), columns, unique: parsed.unique };
                table.indexes.insert(index.clone(), built);
            }
            table.schema.indexes.insert(index.clone(), parsed);
        }
        table.retired = list(map.get("retired")?);
        table.finish();
        Some(table)
    }
}

fn texts(list: &[String]) -> Value {
    Value::Array(list.iter().map(|text| text.as_str().into()).collect())
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().unwrap_or_default().iter().filter_map(Value::as_str).map(str::to_owned).collect()
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

    #[test]
    fn a_definition_goes_round() {
        let tables = Tables::default();
        let mut before = Table::new(&class("_User", &[("b", FieldType::Bytes), ("B", FieldType::Array)]), &tables);
        let index = Index::on(&["_auth_data_x.id"]).unique();
        before.schema.indexes.insert("one".into(), index);
        before.schema.permissions = Some(ClassPermissions::open());
        before.retired.push("old".to_owned());
        let built = TableIndex {
            name: "_User.one".to_owned(),
            columns: vec!["json_extract(\"authData\",'$.\"x\".\"id\"')".to_owned()],
            unique: true,
        };
        before.indexes.insert("one".into(), built);
        before.finish();
        let after = Table::from_definition("_User", &before.to_definition()).unwrap();
        assert_eq!(after.schema, before.schema);
        assert_eq!((after.name, after.select, after.insert), (before.name, before.select, before.insert));
        assert_eq!((after.indexes, after.retired), (before.indexes, before.retired));
        assert!(after.indexed_paths.contains_key("authData.x.id"));
    }
}
