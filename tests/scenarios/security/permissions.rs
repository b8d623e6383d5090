//! Attacks on what is hidden: protected fields, classes of the server, members of relations, rights of classes.

use parsimony_cloud::{Application, BeforeFind, ErrorCode, Finding, ParseError};
use parsimony_testkit::{App, StoreKind};
use serde_json::{Value, json};

use super::{Asker, is_well, pointer};

crate::on_both_stores!(
    crate::security::permissions::open;
    ghsa_2479_qvv7_47qq_clients_make_none_of_the_server_s_classes,
    ghsa_72hp_qff8_4pvv_a_protected_field_is_protected_inside_any_operator,
    ghsa_wmwx_jr2p_4j4r_members_are_as_hidden_as_their_relation,
    ghsa_fcv6_fg5r_jm9q_an_include_passes_the_rules_and_hooks_of_its_class,
    ghsa_5f92_jrq3_28rc_nobody_asks_the_members_themselves,
    pull_7679_a_new_field_needs_leave,
    option_read_only_master_key_opens_nothing_to_be_written,
);

/// As the attacks on queries, and a class that a hook shuts.
async fn open(store: StoreKind) -> App {
    let shut = |request: BeforeFind| async move {
        if request.who.master {
            return Ok(Finding::from(request.query));
        }
        Err(ParseError::new(ErrorCode::OperationForbidden, "Shut."))
    };
    let application = Application::new("shut").before_find("Shut", shut);
    App::start_with(store, [application], |options| options.allow_client_class_creation = true).await
}

const VOLATILE: [&str; 8] = [
    "_Audience",
    "_JobStatus",
    "_PushStatus",
    "_Hooks",
    "_GlobalConfig",
    "_GraphQLConfig",
    "_JobSchedule",
    "_Idempotency",
];

async fn ghsa_2479_qvv7_47qq_clients_make_none_of_the_server_s_classes(app: App) {
    let anyone = Asker::anyone(&app);
    for class in VOLATILE {
        anyone.is_refused(119, "POST", &format!("/classes/{class}"), &json!({})).await;
        anyone.is_refused(119, "GET", &format!("/classes/{class}"), &json!({})).await;
        assert_eq!(app.as_master().get(&format!("/classes/{class}")).await.results().len(), 0, "{class}");
    }
    for answer in anyone.every_way("POST", "/classes/Foo", &json!({})).await {
        assert_eq!(answer.code, 0, "{}: {}", answer.way, answer.body);
    }
    is_well(&app).await;
}

async fn ghsa_72hp_qff8_4pvv_a_protected_field_is_protected_inside_any_operator(app: App) {
    let schema = json!({"className": "Secret", "fields": {"open": {"type": "String"}, "secret": {"type": "String"},
        "other": {"type": "Pointer", "targetClass": "Secret"}}, "classLevelPermissions":
        {"get": {"*": true}, "find": {"*": true}, "count": {"*": true}, "protectedFields": {"*": ["secret"]}}});
    assert_eq!(app.as_master().post("/schemas/Secret", schema).await.status, 200);
    let kept = app.as_master().post("/classes/Secret", json!({"open": "o", "secret": "x"})).await.id();
    let link = app.post("/classes/Link", json!({"to": pointer("Secret", &kept), "text": "o"})).await;
    assert_eq!(link.status, 201);
    let anyone = Asker::anyone(&app);
    let secret = || json!({"secret": "x"});
    let either = |filters: Value| json!({"$or": filters});
    for filter in [
        secret(),
        json!({"secret": {"$exists": true}}),
        json!({"secret.a": 1}),
        either(json!([secret(), {"secret": "y"}])),
        either(json!([{"open": "o"}, {"$and": [{"open": "o"}, either(json!([secret()]))]}])),
        json!({"$nor": [secret()]}),
        json!({"$and": [{"open": "o"}, secret()]}),
    ] {
        anyone.is_refused(119, "GET", "/classes/Secret", &json!({"where": filter})).await;
        anyone.is_refused(119, "GET", "/classes/Secret", &json!({"where": filter, "count": 1, "limit": 0})).await;
        let inside = json!({"className": "Secret", "where": filter});
        for condition in [
            json!({"to": {"$inQuery": inside}}),
            json!({"to": {"$notInQuery": inside}}),
            json!({"text": {"$select": {"query": inside, "key": "open"}}}),
            json!({"text": {"$dontSelect": {"query": inside, "key": "open"}}}),
        ] {
            anyone.is_refused(119, "GET", "/classes/Link", &json!({"where": condition})).await;
        }
    }
    // What it selects is asked too.
    let select = json!({"text": {"$select": {"query": {"className": "Secret", "where": {}}, "key": "secret"}}});
    for answer in anyone.every_way("GET", "/classes/Link", &json!({"where": select})).await {
        assert!(answer.code == 119 || answer.results().is_empty(), "{}: {}", answer.way, answer.body);
    }
    for filter in
        [json!({"$and": {"0": {"secret": 1}, "length": 1}}), either(json!({"0": secret()})), json!({"$nor": secret()})]
    {
        anyone.is_refused(102, "GET", "/classes/Secret", &json!({"where": filter})).await;
    }
    for order in ["secret", "-secret", "open,secret"] {
        anyone.is_refused(119, "GET", "/classes/Secret", &json!({"order": order})).await;
    }
    assert_eq!(app.as_master().get(r#"/classes/Secret?where={"$or":[{"secret":"x"}]}"#).await.results().len(), 1);
}

async fn ghsa_wmwx_jr2p_4j4r_members_are_as_hidden_as_their_relation(app: App) {
    let (ann, token) = app.sign_up("ann").await;
    let (_, other) = app.sign_up("bob").await;
    let member = app.post("/classes/T", json!({"n": 1})).await.id();
    let likes = json!({"__op": "AddRelation", "objects": [pointer("T", &member)]});
    let mut acl = json!({});
    acl[&ann] = json!({"read": true});
    let hidden = app.as_master().post("/classes/Owner", json!({"likes": likes, "ACL": acl})).await.id();
    let schema = json!({"className": "Guarded", "fields": {"likes": {"type": "Relation", "targetClass": "T"}},
        "classLevelPermissions": {"get": {"*": true}, "find": {"*": true}, "protectedFields": {"*": ["likes"]}}});
    assert_eq!(app.as_master().post("/schemas/Guarded", schema).await.status, 200);
    let guarded = app.as_master().post("/classes/Guarded", json!({"likes": likes})).await.id();
    let of = |class: &str, id: &str| json!({"$relatedTo": {"object": pointer(class, id), "key": "likes"}});
    let shapes = |related: Value| {
        [
            related.clone(),
            json!({"$relatedTo": related["$relatedTo"], "objectId": member}),
            json!({"$or": [related]}),
            json!({"$and": [{"n": 1}, related]}),
        ]
    };
    for asker in [Asker::anyone(&app), Asker::user(&app, &other)] {
        for filter in shapes(of("Owner", &hidden)) {
            asker.finds(0, "/classes/T", &json!({"where": filter})).await;
            for answer in asker.every_way("GET", "/classes/T", &json!({"where": filter, "count": 1, "limit": 0})).await
            {
                assert_eq!(answer.body["count"], 0, "{filter} {}", answer.way);
            }
        }
        for filter in shapes(of("Guarded", &guarded)) {
            asker.is_refused(119, "GET", "/classes/T", &json!({"where": filter})).await;
        }
        // Whether it is a member cannot be told from what is left out either.
        let nor = |related: Value| json!({"where": {"$nor": [related]}});
        let (answers, others) = (
            asker.every_way("GET", "/classes/T", &nor(of("Owner", &hidden))).await,
            asker.every_way("GET", "/classes/T", &nor(of("Owner", "nobody"))).await,
        );
        for (answer, other) in answers.iter().zip(&others) {
            assert_eq!((answer.code, &answer.body), (other.code, &other.body), "{}", answer.way);
        }
        asker.is_refused(119, "GET", "/classes/T", &nor(of("Guarded", &guarded))).await;
    }
    for filter in shapes(of("Owner", &hidden)) {
        Asker::user(&app, &token).finds(1, "/classes/T", &json!({"where": filter})).await;
        Asker::master(&app).finds(1, "/classes/T", &json!({"where": filter})).await;
    }
}

async fn ghsa_fcv6_fg5r_jm9q_an_include_passes_the_rules_and_hooks_of_its_class(app: App) {
    let master = app.as_master();
    let (_, token) = app.sign_up("ann").await;
    let session = master.get("/sessions").await.results()[0]["objectId"].as_str().unwrap().to_owned();
    let role = master.post("/roles", json!({"name": "hidden", "ACL": {}})).await.id();
    let mut targets = vec![("_Session", session), ("_Role", role)];
    targets.extend(VOLATILE.map(|class| (class, "x".to_owned())));
    for (class, id) in targets {
        let name = format!("To{class}");
        let made =
            app.post(&format!("/classes/{name}"), json!({"p": pointer(class, &id), "l": [pointer(class, &id)]})).await;
        assert!(made.status < 500, "{class}: {}", made.body);
        if made.status != 201 {
            continue;
        }
        for asker in [Asker::anyone(&app), Asker::user(&app, &token)] {
            for answer in asker.every_way("GET", &format!("/classes/{name}"), &json!({"include": "p,l"})).await {
                // Parse: one's own session may be read.
                let text = answer.body.to_string();
                let is_own = class == "_Session" && text.contains(&token) && asker.says.contains_key("_SessionToken");
                assert!(is_own || !text.contains(r#""__type":"Object""#), "{class} {}: {text}", answer.way);
                assert!(is_own || !text.contains("sessionToken"), "{class} {}: {text}", answer.way);
            }
        }
    }
    let shut = master.post("/classes/Shut", json!({"n": 1})).await.id();
    let held = app.post("/classes/Holder", json!({"p": pointer("Shut", &shut)})).await.id();
    for (path, says) in [
        ("/classes/Holder".to_owned(), json!({"include": "p"})),
        (format!("/classes/Holder/{held}"), json!({"include": "p"})),
        ("/classes/Holder".to_owned(), json!({"includeAll": true})),
    ] {
        Asker::anyone(&app).is_refused(119, "GET", &path, &says).await;
        for answer in Asker::master(&app).every_way("GET", &path, &says).await {
            assert!(answer.body.to_string().contains(r#""n":1"#), "{}: {}", answer.way, answer.body);
        }
    }
}

async fn ghsa_5f92_jrq3_28rc_nobody_asks_the_members_themselves(app: App) {
    let (ann, token) = app.sign_up("ann").await;
    let (bob, _) = app.sign_up("bob").await;
    let users = json!({"__op": "AddRelation", "objects": [pointer("_User", &bob)]});
    let role = app
        .as_master()
        .post("/roles", json!({"name": "chief", "ACL": {"*": {"read": true}}, "users": users}))
        .await
        .id();
    let path = "/classes/_Join:users:_Role";
    for asker in [Asker::anyone(&app), Asker::user(&app, &token)] {
        asker.is_refused(119, "POST", path, &json!({"owningId": role, "relatedId": ann})).await;
        asker.is_refused(119, "GET", path, &json!({"where": {"owningId": role}})).await;
        asker.is_refused(119, "GET", &format!("{path}/x"), &json!({})).await;
        asker.is_refused(119, "PUT", &format!("{path}/x"), &json!({"relatedId": ann})).await;
        asker.is_refused(119, "DELETE", &format!("{path}/x"), &json!({})).await;
        let inside = json!({"relatedId": {"$inQuery": {"className": "_Join:users:_Role", "where": {}}}});
        for answer in asker.every_way("GET", "/classes/Any", &json!({"where": inside})).await {
            assert_ne!(answer.code, 0, "{}: {}", answer.way, answer.body);
        }
    }
    let related = json!({"where": {"$relatedTo": {"object": pointer("_Role", &role), "key": "users"}}});
    for answer in Asker::master(&app).every_way("GET", "/users", &related).await {
        let members: Vec<_> = answer.results().iter().map(|user| &user["objectId"]).collect();
        assert_eq!(members, [&json!(bob)], "{}", answer.way);
    }
}

async fn pull_7679_a_new_field_needs_leave(app: App) {
    let schema = json!({"className": "Fixed", "fields": {"obj": {"type": "Object"}}, "classLevelPermissions":
        {"get": {"*": true}, "update": {"*": true}, "create": {"*": true}, "addField": {}}});
    assert_eq!(app.as_master().post("/schemas/Fixed", schema).await.status, 200);
    let path = format!("/classes/Fixed/{}", app.post("/classes/Fixed", json!({"obj": {"a": 1}})).await.id());
    let anyone = Asker::anyone(&app);
    for body in
        [json!({"more": 1}), json!({"more.inside": 1}), json!({"obj.a": 2, "more": {"__op": "Increment", "amount": 1}})]
    {
        anyone.is_refused(119, "PUT", &path, &body).await;
    }
    // Parse: what is inside an object is no field.
    for answer in anyone.every_way("PUT", &path, &json!({"obj.newKey": 1})).await {
        assert_eq!(answer.code, 0, "{}: {}", answer.way, answer.body);
    }
    assert_eq!(app.get(&path).await.body["obj"], json!({"a": 1, "newKey": 1}));
}

async fn option_read_only_master_key_opens_nothing_to_be_written(app: App) {
    let kept = app.as_master().post("/classes/Kept", json!({"n": 1})).await.id();
    let (user, _) = app.sign_up("ann").await;
    let app = app
        .beside([], |options| {
            options.keys.read_only_master_key = Some("reader".to_owned());
            options.sanitized_errors = false;
        })
        .await
        .unwrap();
    let reader = Asker::of(&app, app.with_master_key("reader"), json!({"_MasterKey": "reader"}));
    let operation = |name: &str| format!("perform the {name} operation");
    for (method, path, body, what) in [
        ("POST", "/classes/Kept".to_owned(), json!({"n": 2}), operation("create")),
        ("PUT", format!("/classes/Kept/{kept}"), json!({"n": 2}), operation("update")),
        ("DELETE", format!("/classes/Kept/{kept}"), json!({}), operation("delete")),
        ("PUT", format!("/users/{user}"), json!({"nick": "x"}), operation("update")),
        ("POST", "/schemas/New".to_owned(), json!({}), "create a schema".to_owned()),
        ("PUT", "/schemas/Kept".to_owned(), json!({}), "update a schema".to_owned()),
        ("DELETE", "/schemas/Kept".to_owned(), json!({}), "delete a schema".to_owned()),
        ("PUT", "/config".to_owned(), json!({"params": {"a": 1}}), "update the config".to_owned()),
        ("POST", "/push".to_owned(), json!({"where": {}}), "send push notifications".to_owned()),
    ] {
        for answer in reader.every_way(method, &path, &body).await {
            let told = format!("read-only masterKey isn't allowed to {what}.");
            assert_eq!(answer.body, json!({"code": 119, "error": told}), "{method} {path} {}", answer.way);
        }
    }
    reader.finds(1, "/classes/Kept", &json!({"where": {"n": 1}})).await;
    assert_eq!(app.as_master().get("/classes/Kept").await.results().len(), 1);
    assert_eq!(app.as_master().get("/schemas/New").await.code(), 103);
}
