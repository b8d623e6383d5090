//! Does every way of reading show of an object what `GET /classes/CLASS/ID` shows to the same caller, and hide what it hides?

use parsimony_testkit::{App, Client};
use serde_json::{Value, json};

use super::{Asker, pointer};

crate::on_both_stores!(
    crate::security::open;
    every_way_of_reading_shows_the_same_of_an_object,
    every_way_of_reading_shows_the_same_of_a_user,
);

/// Those who look: by name, with their rights.
struct Lookers {
    all: Vec<(&'static str, Asker)>,
    users: Vec<(&'static str, String, String)>,
}

/// A stranger, an owner, a member of the role `staff`, somebody else, and the master key.
async fn lookers(app: &App) -> Lookers {
    let mut all = vec![("a stranger", Asker::anyone(app)), ("the master key", Asker::master(app))];
    let mut users = Vec::new();
    for name in ["owner", "member", "other"] {
        let signed =
            json!({"username": name, "password": "pw", "email": format!("{name}@parsimony.example"), "phone": "1"});
        let signed = app.post("/users", signed).await;
        let (id, token) = (signed.id(), signed.body["sessionToken"].as_str().unwrap().to_owned());
        all.push((name, Asker::user(app, &token)));
        users.push((name, id, token));
    }
    let members = json!({"__op": "AddRelation", "objects": [pointer("_User", &users[1].1)]});
    let role = json!({"name": "staff", "ACL": {"*": {"read": true}}, "users": members});
    assert_eq!(app.as_master().post("/roles", role).await.status, 201);
    Lookers { all, users }
}

/// What is shown of an object by each of the ways that lead to it: the object, or none.
async fn shown(asker: &Asker, class: &str, id: &str, link: &str) -> Vec<(String, Option<Value>)> {
    let mut shown = Vec::new();
    for answer in asker.every_way("GET", &format!("/classes/{class}/{id}"), &json!({})).await {
        // As in Parse: whoever reads themselves by their id is told their session too.
        shown.push((format!("get {}", answer.way), (answer.code == 0).then(|| without_session(answer.body.clone()))));
    }
    for answer in asker.every_way("GET", &format!("/classes/{class}"), &json!({"where": {"objectId": id}})).await {
        shown.push((format!("find {}", answer.way), answer.results().first().cloned()));
    }
    for answer in asker.every_way("GET", &format!("/classes/Link/{link}"), &json!({"include": "to"})).await {
        assert_eq!(answer.code, 0, "{}", answer.body);
        // As in Parse: what may not be seen is not pointed at either.
        let mut included = answer.body.get("to").cloned();
        if let Some(Value::Object(object)) = &mut included {
            assert_eq!(
                (object.remove("__type"), object.remove("className")),
                (Some(json!("Object")), Some(json!(class)))
            );
        }
        shown.push((format!("include {}", answer.way), included));
    }
    shown
}

/// All of them show the same.
fn agree(who: &str, shown: &[(String, Option<Value>)]) -> Option<Value> {
    let (first, expected) = &shown[0];
    for (way, seen) in shown {
        assert_eq!(seen, expected, "{who}: {way} and {first}");
    }
    expected.clone()
}

async fn every_way_of_reading_shows_the_same_of_an_object(app: App) {
    let lookers = lookers(&app).await;
    let everyone = json!({"*": true});
    let schema = json!({"className": "Seen", "fields": {"open": {"type": "String"}, "secret": {"type": "String"},
        "inside": {"type": "String"}, "owner": {"type": "Pointer", "targetClass": "_User"}},
        "classLevelPermissions": {"get": everyone, "find": everyone, "count": everyone, "protectedFields":
            {"*": ["secret", "inside"], "role:staff": ["inside"], "userField:owner": []}}});
    assert_eq!(app.as_master().post("/schemas/Seen", schema).await.status, 200);
    let (owner, member) = (&lookers.users[0].1, &lookers.users[1].1);
    let mut shut = json!({});
    shut[member] = json!({"read": true});
    let mut seen_by_anybody = 0;
    for acl in [json!({"*": {"read": true}}), shut, json!({"role:staff": {"read": true}}), json!({})] {
        let fields = json!({"open": "o", "secret": "s", "inside": "i", "owner": pointer("_User", owner), "ACL": acl});
        let id = app.as_master().post("/classes/Seen", fields).await.id();
        let link = app.as_master().post("/classes/Link", json!({"to": pointer("Seen", &id)})).await.id();
        for (who, asker) in &lookers.all {
            let Some(object) = agree(who, &shown(asker, "Seen", &id, &link).await) else { continue };
            seen_by_anybody += 1;
            let hidden: Vec<&str> =
                ["secret", "inside"].into_iter().filter(|field| object.get(field).is_none()).collect();
            let expected: &[&str] = match *who {
                "the master key" | "owner" => &[],
                "member" => &["inside"],
                _ => &["secret", "inside"],
            };
            assert_eq!(hidden, expected, "{who}: {object}");
        }
    }
    // The open one: all five. The member's and the role's: the member and the master key. Nobody's: the master key.
    assert_eq!(seen_by_anybody, 5 + 2 + 2 + 1);
}

async fn every_way_of_reading_shows_the_same_of_a_user(app: App) {
    let lookers = lookers(&app).await;
    let protected = json!({"className": "_User", "classLevelPermissions":
        {"get": {"*": true}, "find": {"*": true}, "create": {"*": true}, "update": {"*": true},
            "protectedFields": {"*": ["phone", "email"]}}});
    assert_eq!(app.as_master().put("/schemas/_User", protected).await.status, 200);
    for (name, id, token) in &lookers.users {
        let link = app.as_master().post("/classes/Link", json!({"to": pointer("_User", id)})).await.id();
        for (who, asker) in &lookers.all {
            let seen = agree(who, &shown(asker, "_User", id, &link).await);
            assert_eq!(seen.is_some(), who == name || *who == "the master key", "{who} looks at {name}");
        }
        let own = app.as_user(token).get(&format!("/users/{id}")).await.body;
        for (way, seen) in own_ways(&app, &app.as_user(token), name).await {
            assert_eq!(without_session(seen), without_session(own.clone()), "{name}: {way}");
        }
    }
}

/// The ways in which somebody is shown to themselves.
async fn own_ways(app: &App, client: &Client, name: &str) -> Vec<(&'static str, Value)> {
    let secret = json!({"username": name, "password": "pw"});
    vec![
        ("users/me", client.get("/users/me").await.body),
        ("login", app.post("/login", secret.clone()).await.body),
        ("verifyPassword", app.post("/verifyPassword", secret).await.body),
        ("sessions", client.get("/sessions?include=user").await.results()[0]["user"].clone()),
    ]
}

/// A login tells of its session besides; an included object says what it is.
fn without_session(mut user: Value) -> Value {
    user.as_object_mut().unwrap().retain(|key, _| !["sessionToken", "__type", "className"].contains(&key.as_str()));
    user
}
