//! What SQL do conditions become, and does it use the indexes?

use std::sync::Arc;

use parsimony_model::query::{fit, parse};
use parsimony_model::schema::{Field, Index};
use parsimony_model::value::json;
use parsimony_model::{ClassName, ClassSchema, Date, FieldName};
use rusqlite::Connection;

use super::*;
use crate::find::Find;
use crate::open::{self, Limits};
use crate::sql::bind;

struct Given {
    connection: Connection,
    tables: Tables,
    patterns: Arc<Patterns>,
    _folder: tempfile::TempDir,
}

fn given() -> Given {
    let mut class = ClassSchema::new(ClassName::parse("C").unwrap());
    let user = ClassName::parse("_User").unwrap();
    for (name, kind) in [
        ("name", FieldType::String),
        ("rank", FieldType::Number),
        ("owner", FieldType::Pointer(user.clone())),
        ("friends", FieldType::Relation(user)),
        ("data", FieldType::Object),
        ("list", FieldType::Array),
        ("place", FieldType::GeoPoint),
        ("area", FieldType::Polygon),
        ("body", FieldType::String),
    ] {
        class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind));
    }
    class.indexes.insert("by_name".into(), Index::on(&["name"]));
    class.indexes.insert("by_rank".into(), Index::on(&["rank"]).sparse());
    class.indexes.insert("by_owner".into(), Index::on(&["_p_owner"]));
    class.indexes.insert("by_key".into(), Index::on(&["data.key"]).unique().sparse());
    class.indexes.insert("by_name_in_any_case".into(), Index::on(&["name"]).sparse().ignoring_case());
    class.indexes.insert("by_token".into(), Index::on(&["_perishable_token"]).sparse());
    class.indexes.insert("by_words".into(), Index::for_text("body"));
    let folder = tempfile::tempdir().unwrap();
    let patterns = Arc::new(Patterns::default());
    let connection = open::writer(&folder.path().join("f.db"), &Limits::default(), &patterns).unwrap();
    let tables = crate::classes::create(&connection, &Tables::default(), &class).unwrap().unwrap();
    Given { connection, tables, patterns, _folder: folder }
}

impl Given {
    fn selection(&self, text: &str) -> Selection {
        let class = &self.tables.get("C").unwrap().schema;
        let reading = parse::Reading { now: Date::EPOCH, internal_fields: true };
        let filter = parse::filter(json::read(text.as_bytes()).unwrap().as_object().unwrap(), reading).unwrap();
        Selection::new(Arc::new(class.clone()), fit::filter(filter, class).unwrap(), Scope::Everything)
    }

    fn sql(&self, selection: &Selection) -> Sql {
        let table = self.tables.get("C").unwrap();
        source(&Writer { tables: &self.tables, table, patterns: &self.patterns }, selection).unwrap()
    }

    fn plan(&self, text: &str) -> String {
        self.plan_of(&self.selection(text))
    }

    fn plan_of(&self, selection: &Selection) -> String {
        let sql = self.sql(selection);
        let text = format!("EXPLAIN QUERY PLAN SELECT * FROM \"C\"{}", sql.text);
        let mut statement = self.connection.prepare(&text).unwrap();
        bind(&mut statement, &sql.params).unwrap();
        let mut rows = statement.raw_query();
        let mut plan = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            plan.push(row.get::<_, String>(3).unwrap());
        }
        plan.join("; ")
    }
}

#[test]
fn conditions_use_the_indexes() {
    let given = given();
    let pointer = r#"{"owner":{"__type":"Pointer","className":"_User","objectId":"u"}}"#;
    for (text, index) in [
        (r#"{"name":"a"}"#, "C.by_name"),
        (r#"{"name":{"$in":["a","b"]}}"#, "C.by_name"),
        (r#"{"name":{"$regex":"^\\Qab\\E"}}"#, "C.by_name"),
        (r#"{"name":{"$gt":"a"}}"#, "C.by_name"),
        (r#"{"rank":1}"#, "C.by_rank"),
        (pointer, "C.by_owner"),
        (r#"{"data.key":"a"}"#, "C.by_key"),
        (r#"{"_perishable_token":"a"}"#, "C.by_token"),
        (r#"{"objectId":"a"}"#, "sqlite_autoindex_C_1"),
        (r#"{"objectId":{"$in":["a","b"]}}"#, "sqlite_autoindex_C_1"),
    ] {
        let plan = given.plan(text);
        assert!(plan.contains(&format!("INDEX {index}")) && !plan.contains("SCAN C"), "{text}: {plan}");
    }
    assert!(given.plan(r#"{"list":"a"}"#).contains("SCAN C"));
}

#[test]
fn members_are_read_one_by_one_and_not_gathered_first() {
    let given = given();
    let plan =
        given.plan(r#"{"$relatedTo":{"object":{"__type":"Pointer","className":"C","objectId":"a"},"key":"friends"}}"#);
    assert!(!plan.contains("SUBQUERY") && !plan.contains("SCAN C"), "{plan}");
    assert_eq!(
        plan,
        "SEARCH _Join:friends:C USING PRIMARY KEY (owningId=?); SEARCH C USING INDEX sqlite_autoindex_C_1 (objectId=?)"
    );
}

#[test]
fn text_in_any_case_uses_its_index() {
    let given = given();
    let mut selection = given.selection("{}");
    selection.filter = Filter::Field("name".into(), Constraint::SameText("Zoë".to_owned()));
    assert!(given.plan_of(&selection).contains("INDEX C.by_name_in_any_case"), "{}", given.plan_of(&selection));
}

#[test]
fn searches_use_the_tables_of_boxes_and_words() {
    let given = given();
    let point = r#"{"__type":"GeoPoint","latitude":1,"longitude":2}"#;
    for (text, table) in [
        (format!(r#"{{"place":{{"$nearSphere":{point},"$maxDistance":0.1}}}}"#), "C@place@"),
        (format!(r#"{{"place":{{"$within":{{"$box":[{point},{point}]}}}}}}"#), "C@place@"),
        (r#"{"place":{"$geoWithin":{"$polygon":[[1,2],[3,4],[0,9]]}}}"#.to_owned(), "C@place@"),
        (format!(r#"{{"place":{{"$geoWithin":{{"$centerSphere":[{point},0.1]}}}}}}"#), "C@place@"),
        (format!(r#"{{"area":{{"$geoIntersects":{{"$point":{point}}}}},"rank":{{"$ne":1}}}}"#), "C@area@"),
        (r#"{"body":{"$text":{"$search":{"$term":"a word"}}}}"#.to_owned(), "C@@"),
        (r#"{"body":{"$text":{"$search":{"$term":"a word -not"}}}}"#.to_owned(), "C@@"),
    ] {
        let plan = given.plan(&text);
        let uses =
            plan.contains(&format!("SCAN {table} VIRTUAL TABLE INDEX")) && plan.contains("USING INTEGER PRIMARY KEY");
        assert!(uses && !plan.contains("SCAN C;") && !plan.ends_with("SCAN C"), "{text}: {plan}");
    }
    let unbounded = given.plan(&format!(r#"{{"place":{{"$nearSphere":{point}}}}}"#));
    assert!(unbounded.contains("SCAN C"), "{unbounded}");
}

#[test]
fn a_search_without_a_distance_begins_close_by() {
    let given = given();
    let selection = given.selection(r#"{"place":{"$nearSphere":{"latitude":1,"longitude":2}}}"#);
    let steps = |selection: &Selection| {
        let found = Find::plan(&given.tables, &given.patterns, selection).unwrap().unwrap();
        assert_eq!(found.run(&given.connection).unwrap(), []);
        found.steps()
    };
    assert_eq!(steps(&selection), 1, "all are wanted");
    assert_eq!(steps(&selection.clone().range(0, Some(10))), 8);
    let within = given.selection(r#"{"place":{"$nearSphere":{"latitude":1,"longitude":2},"$maxDistance":0.0005}}"#);
    assert_eq!(steps(&within.range(0, Some(10))), 3);
}

#[test]
fn the_text_does_not_depend_on_the_values() {
    let given = given();
    for (first, second) in [
        (r#"{"name":"a"}"#, r#"{"name":"'; DROP TABLE C; --"}"#),
        (r#"{"name":{"$in":["a","b"]}}"#, r#"{"name":{"$in":["a","b","c"]}}"#),
        (r#"{"list":1}"#, r#"{"list":{"\"":"'"}}"#),
        (r#"{"data.a":1}"#, r#"{"data.b.c":"x"}"#),
        (
            r#"{"place":{"$nearSphere":{"latitude":1,"longitude":2},"$maxDistance":1}}"#,
            r#"{"place":{"$nearSphere":{"latitude":3,"longitude":4},"$maxDistance":2}}"#,
        ),
        (
            r#"{"body":{"$text":{"$search":{"$term":"a word"}}}}"#,
            r#"{"body":{"$text":{"$search":{"$term":"other words) OR (x'"}}}}"#,
        ),
    ] {
        let (first, second) = (given.sql(&given.selection(first)), given.sql(&given.selection(second)));
        assert_eq!(first.text, second.text);
        assert_ne!(first.params, second.params);
    }
    let mut selection = given.selection("{}");
    selection.scope = Scope::ReadableBy(["*".to_owned()].into());
    let narrow = given.sql(&selection);
    selection.scope = Scope::ReadableBy(["*".to_owned(), "role:'\"".to_owned()].into());
    assert_eq!(narrow.text, given.sql(&selection).text);
}

#[test]
fn values_of_another_type_never_match() {
    let given = given();
    for (text, expected) in [
        (r#"{"name":1}"#, " WHERE 0"),
        (r#"{"name":{"$ne":1}}"#, " WHERE 1"),
        (r#"{"name":{"$gt":1}}"#, " WHERE 0"),
        (r#"{"rank":{"$in":["1"]}}"#, " WHERE (0)"),
        (r#"{"rank":{"$nin":["1"]}}"#, " WHERE (1)"),
        (r#"{"nosuch":{"$exists":false}}"#, " WHERE 1"),
    ] {
        assert_eq!(given.sql(&given.selection(text)).text, expected, "{text}");
    }
}

#[test]
fn a_point_get_has_one_text() {
    let given = given();
    let selection = given.selection(r#"{"objectId":"x"}"#);
    let found = Find::plan(&given.tables, &given.patterns, &selection).unwrap().unwrap();
    assert_eq!(found.run(&given.connection).unwrap(), []);
    let table = given.tables.get("C").unwrap();
    assert!(table.select_by_id.ends_with("FROM \"C\" WHERE \"objectId\"=?"));
}

#[test]
fn a_very_wide_condition_is_taken() {
    let given = given();
    let parts = (0..5_000).map(|number| Filter::equals("name", number.to_string())).collect();
    let mut selection = given.selection("{}");
    selection.filter = Filter::Or(parts);
    let found = Find::plan(&given.tables, &given.patterns, &selection).unwrap().unwrap();
    assert_eq!(found.run(&given.connection).unwrap(), []);
}

#[test]
fn what_is_greater_than_every_text_with_a_start() {
    for (start, end) in
        [("ab", Some("ac")), ("a\u{10ffff}", Some("b")), ("\u{d7ff}", Some("\u{e000}")), ("\u{10ffff}", None)]
    {
        assert_eq!(after(start).as_deref(), end, "{start}");
    }
}
