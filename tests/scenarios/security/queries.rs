//! Attacks by operators, by names that could be code to a database, and by keys that are no data.

use std::time::{Duration, Instant};

use parsimony_testkit::App;
use serde_json::json;

use super::{Asker, encoded, is_well, pointer};
use crate::webhooks::Elsewhere;

crate::on_both_stores!(
    crate::security::open;
    ghsa_xqp8_w826_hh6x_explain_is_one_of_a_few_words,
    ghsa_6r2j_cxgf_495f_a_redirect_ends_before_the_rules_of_its_class,
    pull_9937_a_refusal_does_not_say_what_is_inside,
    ghsa_prm5_8g2m_24gg_no_way_of_writing_takes_denied_keys,
    ghsa_93vw_8fm5_p2jf_a_webhook_does_not_switch_the_denied_keys_off,
    ghsa_q342_9w2p_57fp_denied_keys_are_found_behind_siblings,
    ghsa_6927_3vr9_fxf2_a_pattern_is_a_pattern,
    ghsa_qpr4_jrj4_6f27_an_order_is_a_name,
    ghsa_gqpp_xgvh_9h7h_a_key_inside_is_a_key,
    ghsa_c442_97qw_j6c6_a_field_name_is_a_name_for_everybody,
    ghsa_cc6h_c8m4_hgrx_a_device_is_named_by_texts,
);

async fn ghsa_xqp8_w826_hh6x_explain_is_one_of_a_few_words(app: App) {
    let master = Asker::master(&app);
    app.as_master().post("/classes/T", json!({"a": 1})).await;
    for explain in [json!("\0"), json!("foo"), json!({"verbosity": 1}), json!([]), json!(7), json!("__proto__")] {
        master.is_refused(102, "GET", "/classes/T", &json!({"explain": explain})).await;
    }
    is_well(&app).await;
}

async fn ghsa_6r2j_cxgf_495f_a_redirect_ends_before_the_rules_of_its_class(app: App) {
    let (ann, token) = app.sign_up("ann").await;
    let (bob, _) = app.sign_up("bob").await;
    app.as_master().put(&format!("/users/{bob}"), json!({"email": "bob@example.org"})).await;
    app.as_master().post("/roles", json!({"name": "hidden", "ACL": {}})).await;
    let to = |class: &str| json!({"__op": "AddRelation", "objects": [pointer(class, "x")]});
    let evil = json!({"p": pointer("_Session", "x"), "sessions": to("_Session"), "roles": to("_Role"), "users": to("_User"),
        "devices": to("_Installation")});
    let evil = app.post("/classes/Evil", evil).await;
    assert_eq!(evil.status, 201, "{}", evil.body);
    let (anyone, user) = (Asker::anyone(&app), Asker::user(&app, &token));
    let along = |field: &str| json!({"redirectClassNameForKey": field});

    // Parse: a pointer leads nowhere, so it is the class itself that is asked.
    for answer in anyone.every_way("GET", "/classes/Evil", &along("p")).await {
        assert!(answer.results().iter().all(|found| found["objectId"] == evil.body["objectId"]), "{}", answer.body);
    }
    anyone.is_refused(209, "GET", "/classes/Evil", &along("sessions")).await;
    anyone.is_refused(119, "GET", "/classes/Evil", &along("devices")).await;
    for answer in user.every_way("GET", "/classes/Evil", &along("sessions")).await {
        let owners: Vec<_> = answer.results().iter().map(|found| &found["user"]["objectId"]).collect();
        assert_eq!(owners, [&json!(ann)], "{}", answer.way);
    }
    user.finds(0, "/classes/Evil", &along("roles")).await;
    for answer in user.every_way("GET", "/classes/Evil", &along("users")).await {
        assert!(answer.results().iter().all(|found| found.get("email").is_none()), "{}", answer.body);
        assert!(answer.results().iter().all(|found| found.get("sessionToken").is_none()), "{}", answer.body);
    }
    // A class that nobody but the master key may ask: there is no relation to it, or it does not lead there.
    for class in ["_Hooks", "_GlobalConfig", "_PushStatus", "_JobStatus", "_Idempotency"] {
        let made = app.post(&format!("/classes/Evil{class}"), json!({"there": to(class)})).await;
        assert!((made.code(), made.status) == (0, 201) || (400..500).contains(&made.status), "{}", made.body);
        if made.status == 201 {
            anyone.is_refused(119, "GET", &format!("/classes/Evil{class}"), &along("there")).await;
        }
    }
    // The same inside a subquery.
    let inside = json!({"className": "Evil", "where": {}, "redirectClassNameForKey": "sessions"});
    let query = json!({"where": {"p": {"$inQuery": inside}}});
    anyone.is_refused(209, "GET", "/classes/Evil", &query).await;
}

async fn pull_9937_a_refusal_does_not_say_what_is_inside(app: App) {
    let strict = app.beside([], |options| options.allow_client_class_creation = false).await.unwrap();
    let nothing = json!({"className": "Shut", "fields": {"secret": {"type": "String"}}, "classLevelPermissions":
        {"find": {}, "get": {}, "count": {}, "create": {}, "update": {}, "delete": {}, "addField": {}}});
    assert_eq!(app.as_master().post("/schemas/Shut", nothing).await.status, 200);
    let open = json!({"className": "Open", "fields": {"secret": {"type": "String"}}, "classLevelPermissions":
        {"find": {"*": true}, "create": {"*": true}, "protectedFields": {"*": ["secret"]}}});
    assert_eq!(app.as_master().post("/schemas/Open", open).await.status, 200);
    let denied = json!({"code": 119, "error": "Permission denied"});
    for seen in [
        app.get("/classes/Shut").await,
        app.get("/classes/Shut?count=1&limit=0").await,
        app.post("/classes/Shut", json!({})).await,
        app.get(r#"/classes/Open?where={"secret":"x"}"#).await,
        app.get("/classes/Open?order=secret").await,
        app.post("/classes/Open", json!({"more": 1})).await,
        strict.post("/classes/Unheard", json!({})).await,
        app.get("/classes/_Installation").await,
        app.get("/classes/_Join:users:_Role").await,
        app.get("/classes/_Hooks").await,
    ] {
        assert_eq!(seen.body, denied);
    }
    for path in
        ["/schemas", "/schemas/Shut", "/hooks/functions", "/hooks/triggers", "/aggregate/Open", "/classes/Shut/x"]
    {
        let seen = app.get(path).await;
        let text = seen.body.to_string();
        assert!(["Permission denied", "Object not found."].iter().any(|said| text.contains(said)), "{path}: {text}");
        assert!(!text.contains("master") && !text.contains("secret"), "{path}: {text}");
    }
}

async fn ghsa_prm5_8g2m_24gg_no_way_of_writing_takes_denied_keys(app: App) {
    let (ann, token) = app.sign_up("ann").await;
    let (master, user) = (Asker::master(&app), Asker::user(&app, &token));
    let device = app.post("/installations", json!({"deviceType": "ios", "installationId": "1"})).await.id();
    let code = json!({"obj": {"_bsontype": "Code", "code": "delete Object.prototype.evalFunctions"}});
    let kept = app.as_master().post("/classes/Kept", json!({"n": 1})).await.id();
    for (asker, method, path, body) in [
        (&master, "POST", "/classes/Kept".to_owned(), json!({"a": code})),
        (&master, "PUT", format!("/classes/Kept/{kept}"), json!({"a": code})),
        (&master, "PUT", format!("/classes/Kept/{kept}"), json!({"a.b": code})),
        (&master, "PUT", format!("/classes/Kept/{kept}"), json!({"l": {"__op": "Add", "objects": [code]}})),
        (&user, "PUT", format!("/users/{ann}"), json!({"a": code})),
        (&user, "POST", "/users".to_owned(), json!({"username": "eve", "password": "x", "a": code})),
        (&master, "POST", "/roles".to_owned(), json!({"name": "evil", "ACL": {}, "a": code})),
        (&user, "PUT", format!("/installations/{device}"), json!({"a": code})),
        (&user, "POST", "/sessions".to_owned(), json!({"a": code})),
        (
            &master,
            "POST",
            "/schemas/Def".to_owned(),
            json!({"fields": {"a": {"type": "Object", "defaultValue": code}}}),
        ),
        (
            &master,
            "PUT",
            "/schemas/Kept".to_owned(),
            json!({"fields": {"a": {"type": "Object", "defaultValue": code}}}),
        ),
    ] {
        asker.is_refused(105, method, &path, &body).await;
    }
    assert_eq!(app.as_master().get("/schemas/Def").await.code(), 103, "nothing was made");
    let found = app.as_master().get(&format!("/classes/Kept/{kept}")).await.body;
    assert_eq!((found.get("a"), found.get("l"), &found["n"]), (None, None, &json!(1)));
}

async fn ghsa_93vw_8fm5_p2jf_a_webhook_does_not_switch_the_denied_keys_off(app: App) {
    let there =
        Elsewhere::start(|_, _| Some(json!(r#"{"success":{"__proto__":{"requestKeywordDenylist":[]},"a":1}}"#))).await;
    let hook = json!({"className": "Hooked", "triggerName": "beforeSave", "url": there.url});
    assert_eq!(app.as_master().post("/hooks/triggers", hook).await.status, 200);
    let hook = json!({"functionName": "evil", "url": there.url});
    assert_eq!(app.as_master().post("/hooks/functions", hook).await.status, 200);
    Asker::anyone(&app).is_refused(105, "POST", "/classes/Hooked", &json!({"n": 1})).await;
    assert_eq!(app.as_master().get("/classes/Hooked").await.results().len(), 0);
    // What a function answers is data.
    assert_eq!(app.post("/functions/evil", json!({})).await.body["result"]["a"], 1);
    for body in [json!({"a": {"_bsontype": "Code"}}), json!({"a": {"__proto__": {}}}), json!({"constructor": 1})] {
        Asker::anyone(&app).is_refused(105, "POST", "/classes/Plain", &body).await;
    }
}

async fn ghsa_q342_9w2p_57fp_denied_keys_are_found_behind_siblings(app: App) {
    for body in [
        r#"{"obj":{"metadata":{},"_bsontype":"Code","code":"x"}}"#,
        r#"{"obj":{"tags":["safe"],"_bsontype":"Code"}}"#,
        r#"{"obj":{"data":{},"constructor":{}}}"#,
        r#"{"profile":{"a":1},"__proto__":{"isAdmin":true}}"#,
        r#"{"f1":{"a":1},"f2":{"_bsontype":"Code"}}"#,
        r#"{"f1":[[1],{"a":[{"b":2},{"c":{"d":{},"_bsontype":"Code"}}]}]}"#,
        r#"{"f1":{"__op":"AddUnique","objects":[1,{"x":[],"_bsontype":"Code"}]}}"#,
    ] {
        let seen = app.ask_raw("POST", "/classes/Plain", &[], body.as_bytes().to_vec()).await.unwrap();
        assert_eq!((seen.status, seen.code()), (400, 105), "{body}: {}", seen.body);
        let batch = format!(r#"{{"requests":[{{"method":"POST","path":"/parse/classes/Plain","body":{body}}}]}}"#);
        let seen = app.ask_raw("POST", "/batch", &[], batch.into_bytes()).await.unwrap();
        assert_eq!(seen.body[0]["error"]["code"], 105, "{body}: {}", seen.body);
    }
    assert_eq!(app.as_master().get("/classes/Plain").await.results().len(), 0);
}

/// What would end a text, or begin a statement, in the languages of databases.
const INJECTIONS: [&str; 9] = [
    "A'B';SELECT PG_SLEEP(3);--",
    r#"A"B";SELECT 1;--"#,
    "' OR 1=1 --",
    "x' ASC; UPDATE \"T\" SET name='hacked' WHERE true--",
    "$$hacked$$",
    "$t$hacked$t$",
    "CHR(104)",
    r"\'; DROP TABLE T; --",
    "pg_sleep(3)",
];

async fn ghsa_6927_3vr9_fxf2_a_pattern_is_a_pattern(app: App) {
    let anyone = Asker::anyone(&app);
    app.sign_up("ann").await;
    app.post("/classes/T", json!({"name": "whole", "list": ["whole"], "obj": {"k": "whole"}})).await;
    let begun = Instant::now();
    for text in INJECTIONS {
        // As a regular expression: a text that is none by chance is refused.
        let quoted = format!(r"\Q{text}\E");
        anyone.finds(0, "/classes/_User", &json!({"where": {"username": {"$regex": quoted}}})).await;
        for condition in [
            json!(text),
            json!({"$regex": format!("^{quoted}")}),
            json!({"$regex": quoted, "$options": "i"}),
            json!({"$in": [text]}),
            json!({"$gt": "zzz", "$lt": text}),
            json!({"$all": [text]}),
        ] {
            for field in ["name", "list", "obj.k"] {
                let scalar_all = condition.get("$all").is_some() && field != "list";
                if !scalar_all {
                    anyone.finds(0, "/classes/T", &json!({"where": {field: condition}})).await;
                }
            }
        }
        anyone.finds(0, "/classes/T", &json!({"where": {"name": {"$text": {"$search": {"$term": text}}}}})).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "nothing slept");
    assert_eq!(app.get("/classes/T").await.results()[0]["name"], "whole");
}

async fn ghsa_qpr4_jrj4_6f27_an_order_is_a_name(app: App) {
    let anyone = Asker::anyone(&app);
    app.post("/classes/T", json!({"name": "whole", "data": {"key": 1, "my-field": 2}})).await;
    for text in INJECTIONS {
        for order in [format!("data.{text}"), format!("-data.{text}"), text.to_owned(), format!("data.key,{text}")] {
            for answer in anyone.every_way("GET", "/classes/T", &json!({"order": order})).await {
                let is_harmless = answer.code == 105 || (answer.code == 0 && answer.results().len() == 1);
                assert!(is_harmless, "{order} {}: {} {}", answer.way, answer.status, answer.body);
            }
        }
    }
    for name in INJECTIONS.iter().flat_map(|text| [(*text).to_owned(), format!("data.{text}"), format!("p.{text}")]) {
        for option in ["keys", "excludeKeys", "include"] {
            for answer in anyone.every_way("GET", "/classes/T", &json!({option: name})).await {
                assert_eq!(answer.results().len(), 1, "{option}={name} {}: {}", answer.way, answer.body);
            }
        }
    }
    for order in ["data.key", "-data.key", "data.my-field"] {
        anyone.finds(1, "/classes/T", &json!({"order": order})).await;
    }
    let kept = &app.get("/classes/T").await.body["results"][0];
    assert_eq!((&kept["name"], &kept["data"]), (&json!("whole"), &json!({"key": 1, "my-field": 2})));
}

async fn ghsa_gqpp_xgvh_9h7h_a_key_inside_is_a_key(app: App) {
    let anyone = Asker::anyone(&app);
    let path = format!("/classes/T/{}", app.post("/classes/T", json!({"stats": {"counter": 5}})).await.id());
    let keys = [
        "x' || (SELECT pg_sleep(3))::text || '",
        r#"x" || (SELECT pg_sleep(3))::text || ""#,
        r#"x":0,"pg_sleep(3)"#,
        r#"counter":0,"x"#,
        "$where",
        "a$b",
    ];
    for key in keys {
        for amount in [json!(1), json!({"__op": "Increment", "amount": 1})] {
            for answer in anyone.every_way("PUT", &path, &json!({format!("stats.{key}"): amount})).await {
                assert!([0, 105, 121].contains(&answer.code), "{key} {}: {}", answer.way, answer.body);
            }
        }
        let stats = app.get(&path).await.body["stats"].clone();
        assert_eq!(stats["counter"], 5, "{key}: {stats}");
        assert!(
            stats.as_object().unwrap().keys().all(|kept| kept == "counter" || keys.contains(&kept.as_str())),
            "{key}: {stats}"
        );
    }
}

async fn ghsa_c442_97qw_j6c6_a_field_name_is_a_name_for_everybody(app: App) {
    app.post("/classes/T", json!({"playerName": "whole"})).await;
    let (ann, token) = app.sign_up("ann").await;
    let (anyone, user, master) = (Asker::anyone(&app), Asker::user(&app, &token), Asker::master(&app));
    for name in [
        r#"playerName" OR 1=1 --"#,
        "playerName' OR 1=1 --",
        "playerName; DROP TABLE T",
        "playerName) OR (1=1",
        "$where",
        " playerName",
        "playerName\0",
    ] {
        for condition in [json!({"$regex": "x"}), json!({"$exists": true}), json!("whole"), json!({"$ne": 1})] {
            for asker in [&anyone, &master] {
                asker.is_refused(105, "GET", "/classes/T", &json!({"where": {name: condition}})).await;
            }
        }
    }
    let hidden = json!({"where": {"_email_verify_token": "x"}});
    master.finds(0, "/classes/_User", &hidden).await;
    anyone.is_refused(105, "GET", "/classes/_User", &hidden).await;
    for field in [
        "_rperm",
        "_wperm",
        "_hashed_password",
        "_email_verify_token",
        "_perishable_token",
        "_perishable_token_expires_at",
        "_email_verify_token_expires_at",
        "_failed_login_count",
        "_account_lockout_expires_at",
        "_password_changed_at",
        "_password_history",
        "_tombstone",
        "_session_token",
    ] {
        for value in [json!("x"), json!({"__op": "Delete"})] {
            user.is_refused(105, "PUT", &format!("/users/{ann}"), &json!({field: value})).await;
        }
    }
    app.log_in("ann", "password of ann").await;
}

async fn ghsa_cc6h_c8m4_hgrx_a_device_is_named_by_texts(app: App) {
    let anyone = Asker::anyone(&app);
    let mut first = String::new();
    for n in ["1", "2", "3"] {
        let device =
            json!({"deviceType": "ios", "installationId": n, "deviceToken": format!("t{n}"), "appIdentifier": "app"});
        first = app.post("/installations", device).await.id();
    }
    let operators =
        [json!({"$ne": null}), json!({"$regex": ""}), json!({"$exists": true}), json!(["t1"]), json!(1), json!(true)];
    for field in ["deviceToken", "installationId", "appIdentifier"] {
        for operator in &operators {
            let mut device = json!({"deviceType": "ios", "installationId": "x1", "deviceToken": "x1"});
            device[field] = operator.clone();
            anyone.is_refused(111, "POST", "/installations", &device).await;
            anyone.is_refused(111, "PUT", &format!("/installations/{first}"), &json!({field: operator})).await;
        }
    }
    let seen = app.put(&format!("/installations/{first}"), json!({"appIdentifier": {"__op": "Delete"}})).await;
    assert!(seen.status < 500);
    let kept = app.as_master().get(&format!("/installations?where={}", encoded(r#"{"deviceType":"ios"}"#))).await;
    assert_eq!(kept.results().len(), 3, "{}", kept.body);
}
