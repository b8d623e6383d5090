//! What happens to classes? Creating, changing and dropping them, and names a database might trip over.

use parsimony_model::permissions::{ClassPermissions, Operation, OperationRule};
use parsimony_model::schema::{Field, FieldType, Index};
use parsimony_model::{Access, Acl, ClassSchema, FieldName, Filter, Map, Value, map};
use tokio::task::JoinSet;

use super::given::{
    Table, alter, change, class, class_name, field_name, fields, id, kind, known, order, pointer, refused, sorted_ids,
    value,
};
use super::{Behaviours, Fresh, behaviours};
use crate::{ClassChange, Join, StoreError};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    a_store_starts_without_classes,
    a_class_is_created_once,
    a_class_without_rows_answers,
    every_type_of_field_goes_round,
    options_and_defaults_go_round,
    permissions_go_round,
    a_class_may_be_append_only,
    one_class_is_found_by_its_name,
    fields_are_added,
    a_field_of_another_type_is_refused,
    options_of_a_field_are_replaced,
    a_field_added_from_many_sides_is_one,
    a_class_that_is_not_there_is_not_changed,
    a_dropped_field_takes_its_data_along,
    a_dropped_relation_takes_its_links_along,
    a_dropped_class_takes_its_objects_along,
    names_may_differ_in_case_only,
    words_of_databases_are_names_like_others,
    a_class_may_have_many_fields,
    a_store_tells_that_it_is_well,
];

fn adding(fields: &[&str]) -> ClassChange {
    let fields = fields.iter().map(|field| field.split_once(':').unwrap());
    ClassChange {
        set_fields: fields.map(|(name, text)| (field_name(name), Field::plain(kind(text)))).collect(),
        ..ClassChange::default()
    }
}

fn dropping(fields: &[&str]) -> ClassChange {
    ClassChange { drop_fields: fields.iter().map(|name| field_name(name)).collect(), ..ClassChange::default() }
}

/// The fields of a class with their types, in the order of names: stores may keep an order of their own.
fn fields_of(class: &ClassSchema) -> Vec<(FieldName, FieldType)> {
    let mut fields: Vec<_> = class.fields.iter().map(|(name, field)| (name.clone(), field.kind.clone())).collect();
    fields.sort_by(|(first, _), (second, _)| first.cmp(second));
    fields
}

async fn a_store_starts_without_classes(fresh: &dyn Fresh) {
    let store = fresh.store().await;
    let names: Vec<_> = store.classes().await.unwrap().into_iter().map(|class| class.name).collect();
    assert!(names.is_empty(), "a new store has no class, but {names:?}");
}

async fn a_class_is_created_once(fresh: &dyn Fresh) {
    let store = fresh.store().await;
    let first = class("Thing", &["n:Number"]);
    assert!(store.create_class(&first).await.unwrap(), "it is new");
    assert!(!store.create_class(&first).await.unwrap(), "it is not new any more");
    let other = class("Thing", &["n:String", "more:Number"]);
    assert!(!store.create_class(&other).await.unwrap(), "one of that name is there");
    assert_eq!(known(&*store, "Thing").await.as_ref(), Some(&first), "and stays as it is");
    assert!(store.create_class(&class("Other", &[])).await.unwrap());
    assert_eq!(store.classes().await.unwrap().len(), 2);
}

async fn a_class_without_rows_answers(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["n:Number", "list:Array", "others:&Thing"]).await;
    assert_eq!(table.found("{}").await, "");
    assert_eq!(table.store.count(&table.select(r#"{"n": {"$ne": 1}}"#)).await.unwrap(), 0);
    assert_eq!(table.store.distinct(&table.select("{}"), "list").await.unwrap(), Vec::<Value>::new());
    assert_eq!(table.store.update_all(&table.select("{}"), &change(r#"{"n": 1}"#)).await.unwrap(), 0);
    assert_eq!(table.store.delete(&table.select("{}")).await.unwrap(), 0);
    // A class that was never created has no objects either: built-in ones may be asked for before their first object.
    let never = Table { store: table.store.clone(), class: class("_Role", &[]).into() };
    assert_eq!(never.found(r#"{"name": "Admin"}"#).await, "");
    assert_eq!(never.store.count(&never.select("{}")).await.unwrap(), 0);
    assert_eq!(never.store.delete(&never.select("{}")).await.unwrap(), 0);
    assert_eq!(never.update("x", &change(r#"{"name": "x"}"#)).await, None);
}

async fn every_type_of_field_goes_round(fresh: &dyn Fresh) {
    let store = fresh.store().await;
    let made = class(
        "Thing",
        &[
            "a:String",
            "b:Number",
            "c:Boolean",
            "d:Date",
            "e:Object",
            "f:Array",
            "g:GeoPoint",
            "h:Polygon",
            "i:File",
            "j:Bytes",
            "k:*_User",
            "l:*Thing",
            "m:&_Role",
            "n:&Thing",
        ],
    );
    store.create_class(&made).await.unwrap();
    let found = known(&*store, "Thing").await.unwrap();
    assert_eq!(fields_of(&found), fields_of(&made));
    let user = class("_User", &["nick:String"]);
    store.create_class(&user).await.unwrap();
    let found = known(&*store, "_User").await.unwrap();
    assert_eq!(fields_of(&found), fields_of(&user), "a built-in class has its own fields and those Parse gives it");
}

async fn options_and_defaults_go_round(fresh: &dyn Fresh) {
    let store = fresh.store().await;
    let mut made = class("Thing", &[]);
    let defaults = [
        ("a:String", r#""x\u0000y""#),
        ("b:Number", "1.5"),
        ("c:Boolean", "false"),
        ("d:Date", r#"{"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"}"#),
        ("e:Object", r#"{"k": [1, {"x": null}]}"#),
        ("f:Array", r#"[1, "two"]"#),
        ("g:GeoPoint", r#"{"__type": "GeoPoint", "latitude": 1, "longitude": 2}"#),
        ("h:*_User", r#"{"__type": "Pointer", "className": "_User", "objectId": "u"}"#),
        ("i:String", "null"),
    ];
    for (index, (field, text)) in defaults.iter().enumerate() {
        let (name, text_kind) = field.split_once(':').unwrap();
        let default = Some(value(text)).filter(|value| !value.is_null());
        let other = fields(r#"{"required": false, "column": "x", "secret": true, "hint": {"en": "A hint"}}"#);
        let field = Field { required: index % 2 == 0, default, other, ..Field::plain(kind(text_kind)) };
        let field = Field::parse("Thing", name, field.to_value().as_object().unwrap()).unwrap();
        made.fields.insert(field_name(name), field);
    }
    store.create_class(&made).await.unwrap();
    let found = known(&*store, "Thing").await.unwrap();
    for (name, field) in &made.fields {
        assert_eq!(found.fields.get(name), Some(field), "{name}");
    }
}

fn permissions() -> ClassPermissions {
    let mut permissions = ClassPermissions::open();
    let rule = |grants: &[&str], fields: &[&str]| OperationRule {
        grants: grants.iter().map(|grant| (*grant).into()).collect(),
        pointer_fields: fields.iter().map(|field| field_name(field)).collect(),
    };
    for (operation, rule) in [
        (Operation::Create, rule(&["requiresAuthentication", "role:A.b$c", "u1"], &[])),
        (Operation::Update, rule(&["role:Admin"], &["owner", "editors"])),
        (Operation::Delete, rule(&[], &[])),
    ] {
        permissions.rules.insert(operation.name().into(), rule);
    }
    permissions.default_acl = Some(Acl::default().with("currentUser", Access::BOTH).with("*", Access::READ));
    for (group, fields) in [("*", vec!["secret", "n"]), ("role:Admin", vec![]), ("userField:owner", vec!["n"])] {
        permissions.protected_fields.insert(group.into(), fields.into_iter().map(Into::into).collect());
    }
    permissions.read_user_fields = vec![field_name("owner")];
    permissions.write_user_fields = vec![field_name("owner"), field_name("editors")];
    permissions
}

async fn permissions_go_round(fresh: &dyn Fresh) {
    let fields = ["n:Number", "secret:String", "owner:*_User", "editors:Array"];
    let store = fresh.store().await;
    let made = ClassSchema { permissions: Some(permissions()), ..class("Closed", &fields) };
    store.create_class(&made).await.unwrap();
    let shown = |class: &ClassSchema| class.permissions.as_ref().map(ClassPermissions::to_value);
    assert_eq!(shown(&known(&*store, "Closed").await.unwrap()), shown(&made), "from the start");
    let table = Table::of(store, class("Open", &fields)).await;
    assert_eq!(known(&*table.store, "Open").await.unwrap().permissions, None, "none stays none");
    let closing = ClassChange { permissions: Some(permissions()), ..ClassChange::default() };
    let after = table.store.change_class(&table.class.name, &closing).await.unwrap().unwrap();
    assert_eq!(shown(&after), shown(&made), "in the answer to the change");
    assert_eq!(shown(&known(&*table.store, "Open").await.unwrap()), shown(&made), "and from then on");
    assert_eq!(fields_of(&after), fields_of(&table.class), "its fields stay");
}

async fn a_class_may_be_append_only(fresh: &dyn Fresh) {
    let store = fresh.store().await;
    let made = ClassSchema { append_only: true, ..class("Log", &["n:Number"]) };
    store.create_class(&made).await.unwrap();
    assert!(known(&*store, "Log").await.unwrap().append_only, "from the start");
    for append_only in [false, true] {
        let change = ClassChange { append_only: Some(append_only), ..ClassChange::default() };
        assert_eq!(store.change_class(&made.name, &change).await.unwrap().unwrap().append_only, append_only);
        assert_eq!(known(&*store, "Log").await.unwrap().append_only, append_only, "from then on");
    }
    let adding = store.change_class(&made.name, &adding(&["s:String"])).await.unwrap().unwrap();
    assert!(adding.append_only, "another change leaves it as it is");
}

async fn one_class_is_found_by_its_name(fresh: &dyn Fresh) {
    let store = fresh.store().await;
    let indexes = [("by_n".into(), Index::on(&["n"]).unique().sparse())];
    let made = ClassSchema { indexes: indexes.into(), ..class("Thing", &["n:Number"]) };
    store.create_class(&made).await.unwrap();
    assert_eq!(store.class(&made.name).await.unwrap(), known(&*store, "Thing").await);
    assert_eq!(store.class(&class_name("thing")).await.unwrap(), None, "names differ in their case");
    // A class whose schema is Parse's alone is not in every list of classes, and is there all the same.
    let hooks = class("_Hooks", &[]);
    assert_eq!(store.class(&hooks.name).await.unwrap(), None, "not before it is created");
    assert!(store.create_class(&hooks).await.unwrap());
    assert!(!store.create_class(&hooks).await.unwrap());
    assert_eq!(fields_of(&store.class(&hooks.name).await.unwrap().unwrap()), fields_of(&hooks));
}

async fn fields_are_added(fresh: &dyn Fresh) {
    let mut table = Table::new(fresh, "Thing", &["n:Number"]).await;
    table.put("a", r#"{"n": 1}"#).await;
    alter(&mut table, adding(&["s:String", "owner:*_User", "likes:&Thing", "data:Object"])).await;
    let expected = class("Thing", &["n:Number", "s:String", "owner:*_User", "likes:&Thing", "data:Object"]);
    assert_eq!(fields_of(&table.class), fields_of(&expected), "in the answer");
    assert_eq!(fields_of(&known(&*table.store, "Thing").await.unwrap()), fields_of(&expected), "from then on");
    table.put("b", r#"{"n": 2, "s": "x", "data": {"k": 1}}"#).await;
    table.update("a", &change(r#"{"s": "y"}"#)).await.unwrap();
    assert_eq!(table.found(r#"{"s": {"$exists": true}}"#).await, "a b");
    assert_eq!(table.found(r#"{"data.k": 1}"#).await, "b");
    assert_eq!(table.field("a", "n").await, Some(1.into()), "what was there stays");
}

async fn a_field_of_another_type_is_refused(fresh: &dyn Fresh) {
    let mut table = Table::new(fresh, "Thing", &["n:Number", "owner:*_User"]).await;
    table.put("a", r#"{"n": 1}"#).await;
    for field in ["n:String", "n:Array", "owner:*Thing", "owner:String", "owner:&_User"] {
        let outcome = table.store.change_class(&table.class.name, &adding(&[field])).await;
        let error = refused(outcome, field);
        assert!(matches!(error, StoreError::Unfit(_)), "{field}: expected Unfit, got {error:?}");
    }
    alter(&mut table, adding(&["n:Number", "owner:*_User", "s:String"])).await;
    let expected = class("Thing", &["n:Number", "owner:*_User", "s:String"]);
    assert_eq!(
        fields_of(&known(&*table.store, "Thing").await.unwrap()),
        fields_of(&expected),
        "the same type is no error"
    );
    assert_eq!(table.field("a", "n").await, Some(1.into()));
}

async fn options_of_a_field_are_replaced(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["n:Number", "s:String"]).await;
    for field in [
        Field { required: true, default: Some(5.into()), ..Field::plain(FieldType::Number) },
        Field { required: false, default: Some(6.into()), ..Field::plain(FieldType::Number) },
        Field::plain(FieldType::Number),
    ] {
        let setting = ClassChange { set_fields: vec![(field_name("n"), field.clone())], ..ClassChange::default() };
        let after = table.store.change_class(&table.class.name, &setting).await.unwrap().unwrap();
        assert_eq!(after.fields.get("n"), Some(&field), "in the answer");
        assert_eq!(known(&*table.store, "Thing").await.unwrap().fields.get("n"), Some(&field), "from then on");
    }
}

async fn a_field_added_from_many_sides_is_one(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &[]).await;
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let (store, name) = (table.store.clone(), table.class.name.clone());
        tasks.spawn(async move {
            let own = format!("f{n}:String");
            store.change_class(&name, &adding(&["same:Number", &own])).await.unwrap().unwrap()
        });
    }
    tasks.join_all().await;
    let found = known(&*table.store, "Thing").await.unwrap();
    assert_eq!(found.fields.len(), 9, "{:?}", found.fields.keys());
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = table.store.clone();
        tasks.spawn(async move { store.create_class(&class("Other", &["n:Number"])).await.unwrap() });
    }
    let created = tasks.join_all().await.into_iter().filter(|created| *created).count();
    assert_eq!(created, 1, "of eight that create one class, one does");
}

async fn a_class_that_is_not_there_is_not_changed(fresh: &dyn Fresh) {
    let store = fresh.store().await;
    let after = store.change_class(&class_name("Nosuch"), &adding(&["n:Number"])).await.unwrap();
    assert_eq!(after, None);
    assert_eq!(known(&*store, "Nosuch").await, None, "and not created");
}

async fn a_dropped_field_takes_its_data_along(fresh: &dyn Fresh) {
    let mut table = Table::new(fresh, "Thing", &["n:Number", "s:String", "owner:*_User"]).await;
    table.insert(&table.object("a", map! { "n" => 1, "s" => "x", "owner" => pointer("_User", "u") })).await;
    alter(&mut table, dropping(&["n", "owner", "nosuch"])).await;
    assert_eq!(fields_of(&table.class), fields_of(&class("Thing", &["s:String"])), "in the answer");
    assert_eq!(known(&*table.store, "Thing").await.as_ref(), Some(&*table.class), "from then on");
    assert_eq!(table.get("a").await.unwrap().fields, map! { "s" => "x" });
    alter(&mut table, adding(&["n:Number", "owner:*Thing"])).await;
    assert_eq!(table.get("a").await.unwrap().fields, map! { "s" => "x" }, "the data does not come back with the name");
    alter(&mut table, dropping(&["n"])).await;
    alter(&mut table, adding(&["n:String"])).await;
    table.update("a", &change(r#"{"n": "now text"}"#)).await.unwrap();
    assert_eq!(table.found(r#"{"n": "now text"}"#).await, "a", "another type under the old name");
}

async fn a_dropped_relation_takes_its_links_along(fresh: &dyn Fresh) {
    let mut table = Table::new(fresh, "Thing", &["likes:&Thing"]).await;
    table.put("a", "{}").await;
    table.put("b", "{}").await;
    let link = |join: Join| {
        let store = table.store.clone();
        async move { store.link(&join, &id("a"), &[id("b")]).await.unwrap() }
    };
    link(table.join("likes")).await;
    let liking =
        |table: &Table| table.selection(Filter::Relates { field: field_name("likes"), members: vec![id("b")] });
    assert_eq!(sorted_ids(&table.find(&liking(&table)).await), "a");
    alter(&mut table, dropping(&["likes"])).await;
    alter(&mut table, adding(&["likes:&Thing"])).await;
    assert_eq!(sorted_ids(&table.find(&liking(&table)).await), "", "after the field was dropped");
    table.store.link(&table.join("likes"), &id("a"), &[id("b")]).await.unwrap();
    table.store.drop_class(&table.class).await.unwrap();
    let table = Table::of(table.store, class("Thing", &["likes:&Thing"])).await;
    table.put("a", "{}").await;
    assert_eq!(sorted_ids(&table.find(&liking(&table)).await), "", "after the class was dropped");
}

async fn a_dropped_class_takes_its_objects_along(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["n:Number"]).await;
    let other = Table::of(table.store.clone(), class("Other", &["n:Number"])).await;
    table.put("a", r#"{"n": 1}"#).await;
    other.put("a", r#"{"n": 2}"#).await;
    table.store.drop_class(&table.class).await.unwrap();
    assert_eq!(known(&*table.store, "Thing").await, None);
    table.store.drop_class(&table.class).await.expect("a class that is gone is gone");
    let table = Table::of(table.store.clone(), class("Thing", &["n:String"])).await;
    assert_eq!(table.found("{}").await, "", "a new class of the name is empty");
    table.put("a", r#"{"n": "text"}"#).await;
    assert_eq!(table.found(r#"{"n": "text"}"#).await, "a", "and has its own types");
    assert_eq!(other.found(r#"{"n": 2}"#).await, "a", "other classes stay");
}

async fn names_may_differ_in_case_only(fresh: &dyn Fresh) {
    let upper_fields = [
        "name:String",
        "Name:Number",
        "NAME:Boolean",
        "objectid:Number",
        "createdat:String",
        "acl:String",
        "Acl:Array",
    ];
    let upper = Table::new(fresh, "Item", &upper_fields).await;
    let lower = Table::of(upper.store.clone(), class("item", &["name:Number", "naMe:&item"])).await;
    let text = r#"{"name": "x", "Name": 1, "NAME": true, "objectid": 7, "createdat": "y", "acl": "z", "Acl": [1]}"#;
    upper.put("a", text).await;
    lower.put("a", r#"{"name": 2}"#).await;
    assert_eq!(upper.get("a").await.unwrap().fields, fields(text));
    assert_eq!(lower.field("a", "name").await, Some(2.into()), "the class of the other case");
    for (condition, expected) in [
        (r#"{"name": "x", "Name": 1, "NAME": true}"#, "a"),
        (r#"{"name": "x", "Name": 2}"#, ""),
        (r#"{"objectid": 7, "objectId": "a"}"#, "a"),
        (r#"{"NAme": {"$exists": true}}"#, ""),
    ] {
        assert_eq!(upper.found(condition).await, expected, "{condition}");
    }
    let both = change(r#"{"Name": {"__op": "Increment", "amount": 4}, "NAME": {"__op": "Delete"}}"#);
    let after = upper.update("a", &both).await.unwrap();
    assert_eq!((after.get("name"), after.get("Name"), after.get("NAME")), (Some(&"x".into()), Some(&5.into()), None));
    let found = known(&*upper.store, "Item").await.unwrap();
    assert_eq!(fields_of(&found), fields_of(&upper.class));
    lower.store.drop_class(&lower.class).await.unwrap();
    assert_eq!(upper.found("{}").await, "a", "dropping one leaves the other");
}

async fn words_of_databases_are_names_like_others(fresh: &dyn Fresh) {
    let names = [
        "select",
        "from",
        "where",
        "order",
        "group",
        "by",
        "index",
        "table",
        "values",
        "default",
        "primary",
        "rowid",
        "oid",
        "id",
        "data",
        "json",
        "null",
        "true",
        "not",
        "like",
        "limit",
        "key",
        "value",
        "rperm",
        "wperm",
        "class",
        "type",
        "ok",
        "n",
        "fields",
        "keys",
        "find",
        "sqlite_x",
        "system",
        "constructor",
        "prototype",
    ];
    let store = fresh.store().await;
    for class_name in ["Order", "Group", "Select", "Table", "Index", "Values", "sqlite_master", "SCHEMA", "Join"] {
        let fields: Vec<String> = names.iter().map(|name| format!("{name}:Number")).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let table = Table::of(store.clone(), class(class_name, &fields)).await;
        let stored: Map = names.iter().zip(0..).map(|(name, n)| ((*name).into(), Value::from(n))).collect();
        table.insert(&table.object("a", stored.clone())).await;
        assert_eq!(table.get("a").await.unwrap().fields, stored, "an object of {class_name}");
        for (name, n) in names.iter().zip(0..) {
            let selection = table.selection(Filter::equals(name, n)).ordered(order(&format!("-{name}")));
            assert_eq!(sorted_ids(&table.find(&selection).await), "a", "{class_name}.{name}");
        }
        table.update("a", &change(r#"{"order": 99, "select": {"__op": "Delete"}}"#)).await.unwrap();
        assert_eq!(table.found(r#"{"order": 99, "select": null}"#).await, "a", "{class_name}");
    }
}

async fn a_class_may_have_many_fields(fresh: &dyn Fresh) {
    let kinds = ["String", "Number", "Boolean", "Date", "Object", "Array"];
    let fields: Vec<String> =
        (0..300).zip(kinds.iter().cycle()).map(|(n, kind)| format!("field_number_{n}:{kind}")).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let table = Table::new(fresh, "Wide", &fields).await;
    let texts =
        [r#""x""#, "1.5", "true", r#"{"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"}"#, r#"{"a": 1}"#, "[1]"];
    let all: Map =
        (0..300).zip(texts.iter().cycle()).map(|(n, text)| (format!("field_number_{n}").into(), value(text))).collect();
    table.insert(&table.object("a", all.clone())).await;
    table.put("b", r#"{"field_number_299": [7]}"#).await;
    assert_eq!(table.get("a").await.unwrap().fields, all);
    assert_eq!(table.found(r#"{"field_number_299": 7}"#).await, "b");
    let update: parsimony_model::Update = all.keys().map(|name| (name.clone(), parsimony_model::Op::Delete)).collect();
    let after = table.update("a", &crate::Change { update, ..change("{}") }).await.unwrap();
    assert!(after.fields.is_empty(), "all fields deleted at once: {:?}", after.fields.keys());
    assert_eq!(known(&*table.store, "Wide").await.unwrap().fields.len(), 300);
}

async fn a_store_tells_that_it_is_well(fresh: &dyn Fresh) {
    let store = fresh.store().await;
    store.check().await.unwrap();
    assert!(!store.describe().is_empty(), "it says what it is");
    store.close().await.unwrap();
}
