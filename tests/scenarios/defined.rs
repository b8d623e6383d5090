//! Parse's `schema` option: classes that the configuration defines, at the start.

use std::sync::Arc;

use parking_lot::Mutex;
use parsimony_cloud::{Application, ErrorCode, Host, ParseError};

use parsimony_model::value::json::from_serializable;
use parsimony_model::{Query, map};
use parsimony_testkit::{App, DefinedSchemas};
use serde_json::{Value, json};

use crate::shop::Shop;

crate::on_both_stores!(
    definitions_without_permissions_are_for_the_master_key,
    nobody_adds_fields_to_any_class,
    fields_stay_unless_they_shall_go,
    fields_of_another_type_are_made_anew_if_that_is_wanted,
    options_of_fields_are_replaced,
    indexes_are_made_what_is_defined,
    locked_classes_can_only_be_deleted,
    double_definitions_are_refused_if_strict,
    what_parse_gives_is_protected,
    callbacks_run_around_the_making_of_classes,
);

fn defined(definitions: &Value) -> DefinedSchemas {
    let definitions = definitions.as_array().unwrap().iter();
    let map = |definition: &Value| from_serializable(definition).unwrap().as_object().unwrap().clone();
    DefinedSchemas { definitions: definitions.map(map).collect(), ..DefinedSchemas::default() }
}

async fn start(shop: &Shop, schema: DefinedSchemas) -> Result<App, String> {
    shop.app.beside(std::iter::empty::<Application>(), |options| options.schema = Some(schema)).await
}

async fn class(app: &App, name: &str) -> Value {
    app.as_master().get(&format!("/schemas/{name}")).await.body
}

async fn definitions_without_permissions_are_for_the_master_key(shop: Shop) {
    let definitions = json!([{"className": "Test"}, {"className": "Open", "classLevelPermissions":
        {"find": {"*": true}, "addField": {"*": true}}}]);
    // The second time they are changed, not created.
    for _ in 0..2 {
        let app = start(&shop, defined(&definitions)).await.unwrap();
        let closed = json!({"find": {}, "count": {}, "get": {}, "create": {}, "update": {}, "delete": {}, "addField": {},
            "protectedFields": {}});
        assert_eq!(class(&app, "Test").await["classLevelPermissions"], closed);
        let open = class(&app, "Open").await["classLevelPermissions"].clone();
        assert_eq!((&open["find"], &open["addField"]), (&json!({"*": true}), &json!({})));
    }
}

async fn nobody_adds_fields_to_any_class(shop: Shop) {
    assert_eq!(shop.as_master().post("/schemas/Free", json!({})).await.status, 200);
    assert_eq!(shop.post("/classes/Free", json!({"a": 1})).await.status, 201);
    let app = start(&shop, defined(&json!([]))).await.unwrap();
    assert_eq!(app.post("/classes/Free", json!({"b": 1})).await.code(), 119);
    assert_eq!(app.post("/classes/Free", json!({"a": 2})).await.status, 201, "the rest is as it was");
    assert_eq!(class(&app, "Free").await["classLevelPermissions"]["create"], json!({"*": true}));
}

async fn fields_stay_unless_they_shall_go(shop: Shop) {
    let with = json!([{"className": "Test", "fields": {"a": {"type": "String"}}}]);
    let without = json!([{"className": "Test"}]);
    let app = start(&shop, defined(&with)).await.unwrap();
    let id = app.as_master().post("/classes/Test", json!({"a": "x"})).await.id();
    let strict = DefinedSchemas { strict: true, ..defined(&without) };
    let app = start(&shop, strict).await.unwrap();
    assert_eq!(class(&app, "Test").await["fields"]["a"], json!({"type": "String"}));
    let app = start(&shop, DefinedSchemas { delete_extra_fields: true, ..defined(&without) }).await.unwrap();
    assert_eq!(class(&app, "Test").await["fields"].as_object().unwrap().len(), 4);
    assert_eq!(app.as_master().get(&format!("/classes/Test/{id}")).await.body.get("a"), None);
}

async fn fields_of_another_type_are_made_anew_if_that_is_wanted(shop: Shop) {
    let text = json!([{"className": "Test", "fields": {"a": {"type": "String"}}}]);
    let number = json!([{"className": "Test", "fields": {"a": {"type": "Number"}}}]);
    let app = start(&shop, defined(&text)).await.unwrap();
    let id = app.as_master().post("/classes/Test", json!({"a": "x"})).await.id();
    let read = |app: &App| {
        let master = app.as_master();
        let path = format!("/classes/Test/{id}");
        async move { master.get(&path).await.body.get("a").cloned() }
    };
    let app = start(&shop, defined(&number)).await.unwrap();
    assert_eq!(
        (class(&app, "Test").await["fields"]["a"]["type"].clone(), read(&app).await),
        (json!("String"), Some(json!("x")))
    );
    let app = start(&shop, DefinedSchemas { recreate_modified_fields: true, ..defined(&number) }).await.unwrap();
    assert_eq!((class(&app, "Test").await["fields"]["a"]["type"].clone(), read(&app).await), (json!("Number"), None));
}

async fn options_of_fields_are_replaced(shop: Shop) {
    for field in [
        json!({"type": "String", "required": true}),
        json!({"type": "String", "defaultValue": "x"}),
        json!({"type": "String"}),
    ] {
        let definitions = json!([{"className": "Test", "fields": {"a": field}}]);
        let app = start(&shop, defined(&definitions)).await.unwrap();
        assert_eq!(class(&app, "Test").await["fields"]["a"], field);
    }
}

async fn indexes_are_made_what_is_defined(shop: Shop) {
    let with = |indexes: Value| defined(&json!([{"className": "Test", "indexes": indexes}, {"className": "_User"}]));
    let shown = |body: Value| body.get("indexes").cloned().unwrap_or_default();
    for indexes in
        [json!({"c": {"createdAt": 1, "updatedAt": 1}}), json!({"c": {"createdAt": 1}, "d": {"updatedAt": -1}})]
    {
        let app = start(&shop, with(indexes.clone())).await.unwrap();
        let mut expected = indexes;
        expected["_id_"] = json!({"_id": 1});
        assert_eq!(shown(class(&app, "Test").await), expected);
    }
    let app = start(&shop, DefinedSchemas { keep_unknown_indexes: true, ..with(json!({})) }).await.unwrap();
    assert_eq!(shown(class(&app, "Test").await).as_object().unwrap().len(), 3);
    let app = start(&shop, with(json!({}))).await.unwrap();
    assert_eq!(shown(class(&app, "Test").await), Value::Null);
    let user = shown(class(&app, "_User").await);
    for name in ["username_1", "email_1", "case_insensitive_username", "case_insensitive_email"] {
        assert!(user.get(name).is_some(), "{name} in {user}");
    }
}

async fn locked_classes_can_only_be_deleted(shop: Shop) {
    let schema = DefinedSchemas { lock_schemas: true, ..defined(&json!([{"className": "Test"}])) };
    let app = start(&shop, schema).await.unwrap();
    let master = app.as_master();
    let refusal = json!({"code": 119, "error": "Cannot perform this operation when schemas options is used."});
    assert_eq!(master.post("/schemas/New", json!({})).await.body, refusal);
    assert_eq!(master.put("/schemas/Test", json!({})).await.body, refusal);
    assert_eq!(master.post("/parsimony/schema/push", json!({"definitions": []})).await.body, refusal);
    assert_eq!(master.post("/parsimony/schema/plan", json!({"definitions": []})).await.status, 200);
    assert_eq!(master.delete("/schemas/Test").await.status, 200);
}

async fn double_definitions_are_refused_if_strict(shop: Shop) {
    let twice = json!([{"className": "A"}, {"className": "A", "fields": {"n": {"type": "Number"}}}]);
    let app = start(&shop, defined(&twice)).await.unwrap();
    assert!(class(&app, "A").await["fields"].get("n").is_some());
    let error = start(&shop, DefinedSchemas { strict: true, ..defined(&twice) }).await.err().unwrap();
    let text = r#"Failed to run migrations: The list of schemas provided contains duplicated "className"  "A","A""#;
    assert_eq!(error, text);
    let wrong = json!([{"className": "A", "fields": {"n": {"type": "Nope"}}}]);
    let error = start(&shop, defined(&wrong)).await.err().unwrap();
    assert_eq!(error, "Failed to run migrations: A: invalid field type: Nope");
}

async fn what_parse_gives_is_protected(shop: Shop) {
    let definitions = json!([{"className": "_User", "fields": {"email": "Object", "nick": {"type": "String"}}},
        {"className": "_Role", "fields": {"users": "Object"}},
        {"className": "Test", "fields": {"createdAt": {"type": "Object"}, "ACL": {"type": "String"}}}]);
    let schema = DefinedSchemas { delete_extra_fields: true, recreate_modified_fields: true, ..defined(&definitions) };
    let app = start(&shop, schema).await.unwrap();
    let user = class(&app, "_User").await["fields"].clone();
    assert_eq!((&user["email"]["type"], &user["nick"]["type"]), (&json!("String"), &json!("String")));
    assert_eq!(class(&app, "_Role").await["fields"]["users"], json!({"type": "Relation", "targetClass": "_User"}));
    assert_eq!(class(&app, "Test").await["fields"]["createdAt"], json!({"type": "Date"}));
}

async fn callbacks_run_around_the_making_of_classes(shop: Shop) {
    let journal: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = |when: &'static str| {
        let journal = Arc::clone(&journal);
        move |host: Host| {
            let journal = Arc::clone(&journal);
            async move {
                // With the master's rights: the class lets nobody else in.
                let counted = host.count("Made", Query::default()).await?;
                host.create("Made", map! { "n" => 1 }).await?;
                journal.lock().push(format!("{when} {counted}"));
                Ok(())
            }
        }
    };
    let application = || {
        let made = r#"{"className":"Made","fields":{"n":{"type":"Number"}},"classLevelPermissions":{}}"#;
        Application::new("made").before_migration(note("before")).after_migration(note("after")).schema(made)
    };
    let app = shop.app.beside([application()], |_| {}).await.unwrap();
    assert_eq!(*journal.lock(), ["before 0", "after 1"]);
    assert_eq!(app.post("/classes/Made", json!({})).await.code(), 119);
    let refusing = Application::new("refusing")
        .after_migration(|_| async { Err(ParseError::new(ErrorCode::ScriptFailed, "Not today.")) });
    let error = shop.app.beside([refusing], |_| {}).await.err().unwrap();
    assert!(error.starts_with("afterMigration of refusing (") && error.ends_with("Not today."), "{error}");
}
