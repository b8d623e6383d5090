//! Definitions pushed to a running server, and taken back: `/parsimony/schema`.

use futures::future::join_all;
use parsimony_cloud::Application;
use parsimony_model::{Acl, ClassName, Date, Object, ObjectId, map};
use parsimony_testkit::{App, Client};
use serde_json::{Value, json};

use crate::shop::Shop;

crate::on_both_stores!(
    a_plan_is_told_and_a_push_makes_it_so,
    what_is_pulled_is_what_was_pushed,
    data_stands_in_the_way_of_what_it_does_not_meet,
    what_is_lost_has_to_be_allowed,
    what_nobody_mentions_stays,
    a_push_is_taken_back,
    a_rollback_leaves_what_others_added,
    of_two_servers_one_wins,
    a_push_that_goes_on_is_waited_for_and_a_dead_one_is_not,
    only_the_master_key_pushes,
    what_is_sealed_stays_sealed_without_its_application,
    a_class_that_another_server_made_is_known,
);

async fn plan(client: &Client, body: Value) -> Value {
    let seen = client.post("/parsimony/schema/plan", body).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    seen.body
}

async fn push(client: &Client, body: Value) -> Value {
    let seen = client.post("/parsimony/schema/push", body).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    seen.body
}

/// The steps in few words.
fn steps(told: &Value) -> Vec<String> {
    let step = |step: &Value| {
        let name = step["name"].as_str().map(|name| format!(".{name}")).unwrap_or_default();
        format!("{} {}{name}", step["step"].as_str().unwrap(), step["class"].as_str().unwrap())
    };
    told["steps"].as_array().unwrap().iter().map(step).collect()
}

fn letter() -> Value {
    json!({
        "className": "Letter",
        "fields": {
            "text": {"type": "String", "required": true, "hint": {"en": "What it says"}},
            "pages": {"type": "Number", "defaultValue": 1},
            "to": {"type": "Pointer", "targetClass": "_User"},
            "readers": {"type": "Relation", "targetClass": "_User"},
        },
        "classLevelPermissions": {"find": {"*": true}, "get": {"*": true}, "create": {"*": true},
            "protectedFields": {"*": ["pages"]}},
        "indexes": {"by_pages": {"pages": -1}, "once": {"keys": {"text": 1}, "unique": true, "sparse": true}},
    })
}

async fn a_plan_is_told_and_a_push_makes_it_so(shop: Shop) {
    let master = shop.as_master();
    let item = json!({"className": "Item", "fields": {"price": {"type": "Number", "defaultValue": 3},
        "size": {"type": "String"}}, "indexes": {"by_name": {"name": 1}}});
    let wanted = json!({"definitions": [letter(), item], "author": "ann"});
    let told = plan(&master, wanted.clone()).await;
    assert_eq!(
        steps(&told),
        ["setOptions Item.price", "addField Item.size", "addIndex Item.by_name", "createClass Letter"]
    );
    assert_eq!((&told["findings"], &told["refusals"]), (&json!([]), &json!([])));
    let kept = told["kept"].as_array().unwrap();
    assert!(kept.iter().any(|kept| kept["kept"] == "field" && kept["name"] == "name"), "{kept:?}");
    assert_eq!(shop.as_master().get("/schemas/Letter").await.code(), 103, "a plan changes nothing");

    let mut expecting = wanted.clone();
    expecting["expect"] = told["digest"].clone();
    let done = push(&master, expecting).await;
    assert_eq!((&done["number"], &done["state"], &done["author"]), (&json!(1), &json!("done"), &json!("ann")));
    assert_eq!(steps(&done), steps(&told));
    let seen = shop.post("/classes/Letter", json!({"text": "x"})).await;
    assert_eq!((seen.status, &seen.body["pages"]), (201, &json!(1)));
    assert_eq!(shop.post("/classes/Letter", json!({})).await.code(), 142);
    assert_eq!(shop.post("/classes/Letter", json!({"text": "x"})).await.code(), 137);
    assert_eq!(shop.get("/classes/Letter").await.results()[0].get("pages"), None);

    assert_eq!(steps(&plan(&master, wanted.clone()).await), Vec::<String>::new());
    assert_eq!(push(&master, wanted).await, json!({"state": "unchanged"}));
    let history = master.get("/parsimony/schema/history").await;
    assert_eq!(history.results().len(), 1, "what changed nothing is not remembered");
    let whole = master.get("/parsimony/schema/history?number=1").await.body;
    assert_eq!(whole["before"]["Letter"], Value::Null);
    assert_eq!(whole["after"]["Letter"]["fields"]["pages"], json!({"type": "Number", "defaultValue": 1}));
    assert!(
        whole["begunAt"].is_string() && whole["endedAt"].is_string() && whole["digest"].as_str().unwrap().len() == 64
    );
    assert_eq!(master.get("/parsimony/schema/history?number=7").await.code(), 101);
}

async fn what_is_pulled_is_what_was_pushed(shop: Shop) {
    let master = shop.as_master();
    push(&master, json!({"definitions": [letter()]})).await;
    let pulled = master.get("/parsimony/schema/definitions").await.body["definitions"].clone();
    let one = pulled.as_array().unwrap().iter().find(|class| class["className"] == "Letter").unwrap();
    for part in ["fields", "indexes"] {
        assert_eq!(one[part], letter()[part], "{part}");
    }
    assert_eq!(one["classLevelPermissions"]["find"], json!({"*": true}));
    let ledger = pulled.as_array().unwrap().iter().find(|class| class["className"] == "Ledger").unwrap();
    assert_eq!(ledger["appendOnly"], json!(true));
    let names: Vec<&str> =
        pulled.as_array().unwrap().iter().map(|class| class["className"].as_str().unwrap()).collect();
    assert!(!names.contains(&"_SchemaChange"), "{names:?}");
    assert_eq!(push(&master, json!({"definitions": pulled})).await, json!({"state": "unchanged"}));
    let listed = master.get("/schemas").await;
    assert!(listed.results().iter().all(|class| class["className"] != "_SchemaChange"));
}

async fn items(shop: &Shop, names: &[&str]) {
    for name in names {
        assert_eq!(shop.as_master().post("/classes/Item", json!({"name": name, "price": 1})).await.status, 201);
    }
}

async fn data_stands_in_the_way_of_what_it_does_not_meet(shop: Shop) {
    items(&shop, &["a", "a", "b", "", "c"]).await;
    assert_eq!(shop.as_master().post("/classes/Item", json!({"price": 2})).await.status, 201);
    let master = shop.as_master();
    let wanted = json!({"definitions": [{"className": "Item",
        "fields": {"name": {"type": "String", "required": true}, "size": {"type": "Number", "required": true}},
        "indexes": {"once": {"keys": {"name": 1}, "unique": true, "sparse": true}}}]});
    let told = plan(&master, wanted.clone()).await;
    let found: Vec<(&str, &str, u64, usize)> = told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap();
            let samples = finding["samples"].as_array().unwrap().len();
            (text("finding"), text("name"), finding["count"].as_u64().unwrap(), samples)
        })
        .collect();
    assert_eq!(found, [("valuesMissing", "name", 2, 2), ("valuesMissing", "size", 6, 5), ("duplicates", "once", 2, 2)]);
    assert_eq!(told["refusals"].as_array().unwrap().len(), 3);
    assert_eq!(told["findings"][2]["unless"], Value::Null);
    let seen = master.post("/parsimony/schema/push", wanted.clone()).await;
    assert_eq!((seen.status, seen.code()), (400, 142));
    let text = seen.body["error"].as_str().unwrap();
    assert!(text.contains("Item.name: 2 objects have no value") && text.contains("unique index once"), "{text}");
    assert_eq!(master.get("/schemas/Item").await.body["fields"].get("size"), None, "nothing was changed");
    assert_eq!(master.get("/parsimony/schema/history").await.results(), &[] as &[Value]);

    let mut allowing = wanted;
    allowing["allowMissing"] = json!(true);
    let told = plan(&master, allowing.clone()).await;
    assert_eq!(told["refusals"].as_array().unwrap().len(), 1, "{told}");
    let double = master.get(r#"/classes/Item?where={"name":"a"}&limit=1"#).await;
    let id = double.results()[0]["objectId"].as_str().unwrap().to_owned();
    assert_eq!(master.delete(&format!("/classes/Item/{id}")).await.status, 200);
    assert_eq!(push(&master, allowing).await["state"], "done");
    assert_eq!(shop.post("/classes/Item", json!({"name": "x"})).await.code(), 142);
    assert_eq!(shop.post("/classes/Item", json!({"name": "b", "size": 1})).await.code(), 137);
}

async fn what_is_lost_has_to_be_allowed(shop: Shop) {
    items(&shop, &["a", "b"]).await;
    let master = shop.as_master();
    let (user, _) = shop.sign_up("ann").await;
    push(&master, json!({"definitions": [{"className": "Item", "fields": {"fans": {"type": "Relation", "targetClass": "_User"}}}]})).await;
    let fan = json!({"__type": "Pointer", "className": "_User", "objectId": user});
    let seen =
        master.post("/classes/Item", json!({"name": "c", "fans": {"__op": "AddRelation", "objects": [fan]}})).await;
    assert_eq!(seen.status, 201);

    // A field without values is nobody's loss.
    let wanted = json!({"definitions": [{"className": "Item", "fields": {"priceBefore": {"type": "String"}}}]});
    assert_eq!(steps(&push(&master, wanted).await), ["remakeField Item.priceBefore"]);

    let mut wanted = json!({"definitions": [{"className": "Item", "fields": {"price": {"type": "String"}}}],
        "deleteExtraFields": true});
    let told = plan(&master, wanted.clone()).await;
    let found: Vec<(&str, u64)> = told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| (finding["name"].as_str().unwrap(), finding["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(found, [("price", 2), ("name", 3), ("fans", 1)]);
    assert_eq!(told["findings"][0]["unless"], "allowDestructive");
    assert_eq!(master.post("/parsimony/schema/push", wanted.clone()).await.code(), 142);
    wanted["allowDestructive"] = json!(true);
    push(&master, wanted).await;
    let fields = master.get("/schemas/Item").await.body["fields"].clone();
    assert_eq!((&fields["price"]["type"], fields.get("name"), fields.get("fans")), (&json!("String"), None, None));
    let left = master.get("/classes/Item").await;
    assert!(left.results().iter().all(|item| item.get("price").is_none() && item.get("name").is_none()));
}

async fn what_nobody_mentions_stays(shop: Shop) {
    let master = shop.as_master();
    let indexes = json!({"indexes": {"by_hand": {"price": 1}}});
    assert_eq!(master.put("/schemas/Item", indexes).await.status, 200);
    let wanted = json!({"definitions": [{"className": "Item", "indexes": {"by_name": {"name": 1}}}]});
    push(&master, wanted.clone()).await;
    let names = |body: Value| body["indexes"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(master.get("/schemas/Item").await.body), ["_id_", "by_hand", "by_name"]);
    let mut cleaning = wanted;
    cleaning["deleteUnknownIndexes"] = json!(true);
    assert_eq!(steps(&push(&master, cleaning).await), ["dropIndex Item.by_hand"]);
    assert_eq!(names(master.get("/schemas/Item").await.body), ["_id_", "by_name"]);
}

async fn roll_back(client: &Client, body: Value) -> Value {
    let seen = client.post("/parsimony/schema/rollback", body).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    seen.body
}

async fn a_push_is_taken_back(shop: Shop) {
    let master = shop.as_master();
    let schemas = || async { master.get("/schemas").await.body };
    assert_eq!(master.post("/parsimony/schema/rollback", json!({})).await.code(), 101, "there is nothing to take back");
    let before = schemas().await;
    push(
        &master,
        json!({"definitions": [letter(), {"className": "Item",
        "fields": {"size": {"type": "String"}, "price": {"type": "Number", "required": true}},
        "classLevelPermissions": {"find": {}}, "indexes": {"by_name": {"name": 1}}}]}),
    )
    .await;
    let between = schemas().await;
    push(&master, json!({"definitions": [{"className": "Item", "fields": {"size": {"type": "Number"}}}]})).await;
    let told = roll_back(&master, json!({"dryRun": true})).await;
    assert_eq!((steps(&told), &told["number"]), (vec!["remakeField Item.size".to_owned()], &json!(2)));
    let done = roll_back(&master, json!({"author": "bob"})).await;
    assert_eq!((&done["number"], &done["kind"], &done["undoes"]), (&json!(3), &json!("rollback"), &json!(2)));
    assert_eq!(schemas().await, between);
    roll_back(&master, json!({})).await;
    assert_eq!(schemas().await, before, "the next one goes one further back");
    assert_eq!(master.post("/parsimony/schema/rollback", json!({})).await.code(), 101);

    // Both at once, from a state in which there is data.
    push(&master, json!({"definitions": [letter()]})).await;
    push(&master, json!({"definitions": [{"className": "Letter", "fields": {"color": {"type": "String"}}}]})).await;
    assert_eq!(master.post("/classes/Letter", json!({"text": "x", "color": "red"})).await.status, 201);
    let seen = master.post("/parsimony/schema/rollback", json!({"number": 5})).await;
    assert_eq!(seen.code(), 142, "{}", seen.body);
    assert!(seen.body["error"].as_str().unwrap().contains("Letter: 1 object would be lost"), "{}", seen.body);
    roll_back(&master, json!({"number": 5, "allowDestructive": true})).await;
    assert_eq!(schemas().await, before);
}

async fn a_rollback_leaves_what_others_added(shop: Shop) {
    let master = shop.as_master();
    push(&master, json!({"definitions": [{"className": "Item", "fields": {"size": {"type": "String"}}}]})).await;
    let others = json!({"fields": {"theirs": {"type": "String"}}, "indexes": {"theirs": {"price": 1}}});
    assert_eq!(master.put("/schemas/Item", others).await.status, 200);
    assert_eq!(steps(&roll_back(&master, json!({})).await), ["dropField Item.size"]);
    let class = master.get("/schemas/Item").await.body;
    assert!(class["fields"].get("theirs").is_some() && class["indexes"].get("theirs").is_some(), "{class}");
}

async fn another(app: &App) -> App {
    app.beside(std::iter::empty::<Application>(), |_| {}).await.unwrap()
}

async fn of_two_servers_one_wins(shop: Shop) {
    let other = another(&shop.app).await;
    let servers = [shop.as_master(), other.as_master()];
    for round in 0..5 {
        let field = format!("f{round}");
        let wanted = json!({"definitions": [{"className": "Item", "fields": {field: {"type": "String"}}}]});
        let digest = plan(&servers[0], wanted.clone()).await["digest"].clone();
        let mut expecting = wanted;
        expecting["expect"] = digest;
        let pushes =
            servers.iter().chain(&servers).map(|server| server.post("/parsimony/schema/push", expecting.clone()));
        let seen = join_all(pushes).await;
        let won: Vec<_> = seen.iter().filter(|seen| seen.status == 200).collect();
        assert_eq!(won.len(), 1, "{seen:?}");
        assert_eq!(won[0].body["number"], json!(round + 1));
        for lost in seen.iter().filter(|seen| seen.status != 200) {
            assert_eq!(lost.code(), 255, "{}", lost.body);
            assert!(lost.body["error"].as_str().unwrap().contains("nothing was changed"), "{}", lost.body);
        }
    }
}

async fn a_push_that_goes_on_is_waited_for_and_a_dead_one_is_not(shop: Shop) {
    let master = shop.as_master();
    let wanted = |field: &str| json!({"definitions": [{"className": "Item", "fields": {field: {"type": "String"}}}]});
    push(&master, wanted("one")).await;
    let name = ClassName::parse("_SchemaChange").unwrap();
    let class = std::sync::Arc::new(shop.store().class(&name).await.unwrap().unwrap());
    let record = |number: &str, alive_until: Date| Object {
        class: name.clone(),
        id: ObjectId::parse(number).unwrap(),
        created_at: Some(Date::EPOCH),
        updated_at: Some(Date::EPOCH),
        acl: None::<Acl>,
        fields: map! { "number" => number.parse::<f64>().unwrap(), "kind" => "push", "author" => "eve", "state" => "running",
        "aliveUntil" => alive_until, "steps" => "[]", "before" => "{}" },
    };
    let later: Date = "2999-01-01T00:00:00.000Z".parse().unwrap();
    shop.store().insert(&class, &record("2", later)).await.unwrap();
    let seen = master.post("/parsimony/schema/push", wanted("two")).await;
    assert_eq!((seen.status, seen.code()), (400, 255));
    assert!(seen.body["error"].as_str().unwrap().starts_with("Push 2 by eve is under way"), "{}", seen.body);
    let selection = parsimony_testkit::everything(&class);
    assert_eq!(shop.store().count(&selection).await.unwrap(), 2);
    assert_eq!(master.delete("/classes/_SchemaChange/2").await.status, 200);
    shop.store().insert(&class, &record("2", Date::EPOCH)).await.unwrap();
    assert_eq!(push(&master, wanted("two")).await["number"], json!(3));
    let history = master.get("/parsimony/schema/history").await;
    let states: Vec<&str> = history.results().iter().map(|push| push["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["done", "interrupted", "done"]);
}

async fn only_the_master_key_pushes(shop: Shop) {
    let body = json!({"definitions": []});
    for (method, path) in
        [("POST", "plan"), ("POST", "push"), ("POST", "rollback"), ("GET", "definitions"), ("GET", "history")]
    {
        let path = format!("/parsimony/schema/{path}");
        let seen = if method == "GET" { shop.get(&path).await } else { shop.post(&path, body.clone()).await };
        assert_eq!(seen.status, 403, "{path}: {}", seen.body);
    }
    let reader = shop.app.beside(std::iter::empty::<Application>(), |options| {
        options.keys.read_only_master_key = Some("reader".to_owned());
    });
    let server = reader.await.unwrap();
    let reader = server.with_master_key("reader");
    assert_eq!(reader.post("/parsimony/schema/plan", body.clone()).await.status, 200);
    assert_eq!(reader.post("/parsimony/schema/push", body).await.code(), 119);
    assert_eq!(reader.post("/parsimony/schema/rollback", json!({})).await.code(), 119);
    let master = shop.as_master();
    for body in [
        json!({}),
        json!({"definitions": {}}),
        json!({"definitions": [1]}),
        json!({"definitions": [], "force": true}),
        json!({"definitions": [], "allowMissing": "yes"}),
        json!({"definitions": [{"className": "A"}, {"className": "A"}]}),
        json!({"definitions": [], "author": 1}),
    ] {
        assert_eq!(master.post("/parsimony/schema/push", body.clone()).await.code(), 107, "{body}");
    }
    assert_eq!(master.post("/parsimony/schema/rollback", json!({"number": -1})).await.code(), 107);
    assert_eq!(master.get("/parsimony/schema/history?limit=x").await.code(), 107);
}

async fn what_is_sealed_stays_sealed_without_its_application(shop: Shop) {
    let other = another(&shop.app).await;
    let master = other.as_master();
    let id = master.post("/classes/Ledger", json!({"line": "1"})).await.id();
    assert_eq!(master.put(&format!("/classes/Ledger/{id}"), json!({"line": "2"})).await.code(), 119);
    let mut open = json!({"definitions": [{"className": "Ledger", "appendOnly": false}]});
    let seen = master.post("/parsimony/schema/push", open.clone()).await;
    assert_eq!(seen.code(), 142, "{}", seen.body);
    open["allowDestructive"] = json!(true);
    push(&master, open).await;
    assert_eq!(master.put(&format!("/classes/Ledger/{id}"), json!({"line": "2"})).await.status, 200);
    roll_back(&master, json!({})).await;
    assert_eq!(master.put(&format!("/classes/Ledger/{id}"), json!({"line": "3"})).await.code(), 119);
}

async fn a_class_that_another_server_made_is_known(shop: Shop) {
    let other = another(&shop.app).await;
    let path = "/classes/Fresh";
    assert_eq!(shop.post(path, json!({"n": 1})).await.code(), 119);
    let open = json!({"fields": {"n": {"type": "Number"}}, "classLevelPermissions": {"create": {"*": true}, "find": {"*": true}}});
    assert_eq!(other.as_master().post("/schemas/Fresh", open).await.status, 200);
    assert_eq!(shop.post(path, json!({"n": 1})).await.status, 201, "no request before has hidden it");
    assert_eq!(other.get(path).await.results().len(), 1);
}
