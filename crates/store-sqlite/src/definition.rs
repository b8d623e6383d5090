//! How is a class with its table written down, and read again when the file is opened?

use indexmap::IndexMap;
use parsimony_model::permissions::ClassPermissions;
use parsimony_model::schema::{Field, FieldType, Index};
use parsimony_model::value::json;
use parsimony_model::{ClassName, ClassSchema, FieldName, Map, Value};

use crate::sql::quote;
use crate::tables::{Column, Table, TableIndex, Tables};

impl Table {
    /// The definition, as its row keeps it.
    pub(crate) fn to_definition(&self) -> String {
        let mut fields = Map::default();
        for (field, options) in &self.schema.fields {
            let name = self.columns.get(field.as_str()).map(|column| &column.name);
            let Some(name) = name.or_else(|| self.joins.get(field.as_str())) else { continue };
            let map = [("column".into(), name.as_str().into()), ("field".into(), options.to_value())];
            fields.insert(field.as_str().into(), Value::Object(map.into_iter().collect()));
        }
        let indexes = self.schema.indexes.iter().map(|(name, index)| (name.clone(), self.index_to_value(name, index)));
        let places = self.places.iter().map(|(field, boxes)| (field.clone(), boxes.as_str().into()));
        let mut map = Map::default();
        map.insert("table".into(), self.name.as_str().into());
        map.insert("fields".into(), Value::Object(fields));
        map.insert("indexes".into(), Value::Object(indexes.collect()));
        map.insert("permissions".into(), self.schema.permissions.as_ref().map(ClassPermissions::to_value).into());
        map.insert("retired".into(), texts(&self.retired));
        map.insert("places".into(), Value::Object(places.collect()));
        map.insert("words".into(), self.words.as_deref().into());
        if self.schema.append_only {
            map.insert("appendOnly".into(), true.into());
        }
        String::from_utf8(json::write(&Value::Object(map))).unwrap_or_default()
    }

    fn index_to_value(&self, name: &str, index: &Index) -> Value {
        let mut map = index.to_value().as_object().cloned().unwrap_or_default();
        if let Some(built) = self.indexes.get(name) {
            map.insert("name".into(), built.name.as_str().into());
            map.insert("columns".into(), texts(&built.columns));
            map.insert("missing".into(), built.missing.as_deref().into());
            map.insert("only".into(), built.only.as_deref().into());
        }
        Value::Object(map)
    }

    /// Reads a definition.
    pub(crate) fn from_definition(name: &str, definition: &str) -> Option<Self> {
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
            if let Some(built) = built_index(&parsed, options) {
                table.indexes.insert(index.clone(), built);
            }
            table.schema.indexes.insert(index.clone(), parsed);
        }
        for (field, boxes) in part("places").into_iter().flatten() {
            table.places.insert(field.clone(), boxes.as_str()?.to_owned());
        }
        table.words = map.get("words").and_then(Value::as_str).map(str::to_owned);
        table.retired = list(map.get("retired")?);
        table.finish();
        Some(table)
    }
}

fn built_index(index: &Index, options: &Map) -> Option<TableIndex> {
    let text = |key: &str| options.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(TableIndex {
        name: text("name")?,
        columns: list(options.get("columns")?),
        unique: index.unique,
        missing: text("missing"),
        only: text("only"),
    })
}

fn texts(list: &[String]) -> Value {
    Value::Array(list.iter().map(|text| text.as_str().into()).collect())
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().unwrap_or_default().iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_goes_round() {
        let tables = Tables::default();
        let mut class = ClassSchema::new(ClassName::parse("_User").unwrap());
        for (name, kind) in [("b", FieldType::Bytes), ("B", FieldType::Array), ("place", FieldType::GeoPoint)] {
            class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind));
        }
        let mut before = Table::new(&class, &tables);
        let index = Index::on(&["authData.x.id"]).unique().expiring_after(5);
        before.places.insert("place".into(), "_User@place@".to_owned());
        before.words = Some("_User@@".to_owned());
        before.schema.indexes.insert("one".into(), index);
        before.schema.permissions = Some(ClassPermissions::open());
        before.retired.push("old".to_owned());
        let built = TableIndex {
            name: "_User.one".to_owned(),
            columns: vec!["json_extract(\"authData\",'$.\"x\".\"id\"')".to_owned()],
            unique: true,
            missing: Some("_User.one~2".to_owned()),
            only: Some("1".to_owned()),
        };
        before.indexes.insert("one".into(), built);
        before.finish();
        let after = Table::from_definition("_User", &before.to_definition()).unwrap();
        assert_eq!(after.schema, before.schema);
        assert_eq!((after.name, after.select, after.insert), (before.name, before.select, before.insert));
        assert_eq!((after.indexes, after.retired), (before.indexes, before.retired));
        assert_eq!((after.places, after.words), (before.places, before.words));
        assert!(after.indexed_paths.contains_key("authData.x.id"));
    }
}
