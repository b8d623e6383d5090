//! What a query asks for, in the odd forms that clients send.

use serde_json::{Value, json};

use crate::shop::Shop;

crate::on_both_stores!(
    fields_of_one_new_class_that_come_at_one_time_all_stay,
    a_condition_may_have_operators_beside_a_typed_value,
    a_selected_key_may_be_part_of_a_pointer_or_a_list,
    a_subquery_may_ask_the_class_a_relation_leads_to,
    a_relative_time_is_for_dates,
    an_empty_list_of_keys_asks_for_what_every_object_has,
    columns_names_sort_too,
    excluding_a_part_of_a_pointed_at_object_includes_it,
    who_may_only_count_counts,
    what_is_near_is_counted_wherever_it_stands,
    fields_are_added_only_with_objects_that_name_their_user,
    a_changed_element_is_told_as_the_whole_list,
    a_list_of_values_has_no_operators,
);

/// MongoDB: what is no operator of its own is a value like any other in `$all`, and in no other list.
async fn a_list_of_values_has_no_operators(shop: Shop) {
    let master = shop.as_master();
    assert_eq!(master.post("/classes/Listed", json!({"list": ["a", "b"]})).await.status, 201);
    let operator = |name: &str| json!([{name: "^a"}]);
    for (condition, answer) in [
        (json!({"$all": operator("$unknown")}), Ok(0)),
        (json!({"$all": [operator("$unknown")]}), Ok(0)),
        (json!({"$all": [{"#": 1, "$ne": 2}]}), Ok(0)),
        (json!({"$all": operator("$ne")}), Err(102)),
        (json!({"$in": operator("$unknown")}), Err(102)),
        (json!({"$nin": operator("$ne")}), Err(102)),
        (json!({"$containedBy": operator("$ne")}), Err(102)),
        (json!({"$in": ["a", {"#": 1, "$ne": 2}]}), Ok(1)),
    ] {
        let seen = master.post("/classes/Listed", json!({"_method": "GET", "where": {"list": condition}})).await;
        match answer {
            Ok(many) => assert_eq!(seen.results().len(), many, "{condition}"),
            Err(code) => assert_eq!((seen.status, seen.code()), (400, code), "{condition}: {}", seen.body),
        }
    }
}

/// Without an order, what is near is what is within: then it may stand in a branch.
async fn what_is_near_is_counted_wherever_it_stands(shop: Shop) {
    let place = |latitude: f64| json!({"__type": "GeoPoint", "latitude": latitude, "longitude": 10.0});
    let master = shop.as_master();
    for (n, latitude) in [(1, 0.0), (2, 0.5), (3, 40.0), (4, -89.0)] {
        assert_eq!(master.post("/classes/Place", json!({"n": n, "at": place(latitude)})).await.status, 201);
    }
    assert_eq!(master.post("/classes/Place", json!({"n": 5})).await.status, 201);
    let near = |latitude: f64, kilometres: f64| json!({"at": {"$nearSphere": place(latitude), "$maxDistanceInKilometers": kilometres}});
    let anywhere = json!({"at": {"$nearSphere": place(0.0)}});
    for (condition, count) in [
        (json!({"$or": [near(0.0, 100.0), near(40.0, 1.0)]}), 3),
        (json!({"$or": [near(0.0, 10.0), {"n": 5}]}), 2),
        (json!({"$nor": [near(0.0, 100.0)]}), 3),
        (json!({"$or": [anywhere, {"n": -1}]}), 4),
        (json!({"$and": [near(0.0, 100.0), near(0.5, 1.0)]}), 1),
        (anywhere.clone(), 4),
    ] {
        let body = json!({"_method": "GET", "where": condition, "count": 1, "limit": 0});
        let seen = master.post("/classes/Place", body).await;
        assert_eq!(seen.body, json!({"results": [], "count": count}), "{condition}");
        if condition.get("$or").is_some() {
            let body = json!({"_method": "GET", "where": condition, "count": 1});
            assert_eq!(master.post("/classes/Place", body).await.code(), 102, "{condition}");
        }
    }
}

fn pointer(class: &str, id: &str) -> Value {
    json!({"__type": "Pointer", "className": class, "objectId": id})
}

async fn query(shop: &Shop, class: &str, body: Value) -> Vec<Value> {
    let mut body = body;
    body["_method"] = json!("GET");
    shop.as_master().post(&format!("/classes/{class}"), body).await.results().to_vec()
}

async fn fields_of_one_new_class_that_come_at_one_time_all_stay(shop: Shop) {
    let master = shop.as_master();
    for round in 0..6 {
        let class = format!("New{round}");
        let path = format!("/classes/{class}");
        let target = pointer("Item", "x");
        let (a, b, c, d) = tokio::join!(
            master.post(&path, json!({"a": target})),
            master.post(&path, json!({"b": target})),
            master.post(&path, json!({"c": target})),
            master.post(&path, json!({"d": target})),
        );
        assert!([&a, &b, &c, &d].iter().all(|seen| seen.status == 201));
        for field in ["a", "b", "c", "d"] {
            let mut condition = json!({});
            condition[field] = target.clone();
            assert_eq!(query(&shop, &class, json!({"where": condition})).await.len(), 1, "{class}.{field}");
        }
    }
}

async fn a_condition_may_have_operators_beside_a_typed_value(shop: Shop) {
    let master = shop.as_master();
    let ann = pointer("Author", &master.post("/classes/Author", json!({})).await.id());
    master.post("/classes/Post", json!({"author": ann})).await;
    master.post("/classes/Ban", json!({"author": ann})).await;
    let with = |operator: &str, class: &str| {
        let mut condition = ann.clone();
        condition[operator] = json!({"query": {"className": class, "where": {}}, "key": "author"});
        json!({"where": {"author": condition}})
    };
    assert_eq!(query(&shop, "Post", with("$dontSelect", "Ban")).await.len(), 0);
    assert_eq!(query(&shop, "Post", with("$select", "Ban")).await.len(), 1);
    assert_eq!(query(&shop, "Post", with("$dontSelect", "Author")).await.len(), 1);
}

async fn a_selected_key_may_be_part_of_a_pointer_or_a_list(shop: Shop) {
    let master = shop.as_master();
    let ann = master.post("/classes/Author", json!({})).await.id();
    let bob = master.post("/classes/Author", json!({})).await.id();
    let select = |operator: &str, key: &str, class: &str| {
        let mut condition = json!({});
        condition[operator] = json!({"query": {"className": class, "where": {}}, "key": key});
        condition
    };
    master.post("/classes/Group", json!({"head": pointer("Author", &ann), "members": [pointer("Author", &bob)]})).await;
    master.post("/classes/Group", json!({"name": "without anybody"})).await;
    for (operator, id) in [("$select", &ann), ("$dontSelect", &bob)] {
        let found =
            query(&shop, "Author", json!({"where": {"objectId": select(operator, "head.objectId", "Group")}})).await;
        assert_eq!(found.iter().map(|author| &author["objectId"]).collect::<Vec<_>>(), [id], "{operator}");
    }
    let post = master.post("/classes/Post", json!({"author": pointer("Author", &bob)})).await.id();
    let found = query(&shop, "Post", json!({"where": {"author": select("$select", "members", "Group")}})).await;
    assert_eq!((found.len(), &found[0]["objectId"]), (1, &json!(post)));
}

async fn a_subquery_may_ask_the_class_a_relation_leads_to(shop: Shop) {
    let master = shop.as_master();
    let mut shops = Vec::new();
    for stars in [5, 3] {
        shops.push(pointer(
            "Cafe",
            &master.post("/classes/Cafe", json!({"stars": stars, "town": stars.to_string()})).await.id(),
        ));
    }
    let relation = json!({"__op": "AddRelation", "objects": shops});
    let owner = pointer("Owner", &master.post("/classes/Owner", json!({"cafes": relation})).await.id());
    let visit = |cafe: &Value, town: &str| json!({"cafe": cafe, "town": town});
    master.post("/classes/Visit", visit(&shops[0], "5")).await;
    master.post("/classes/Visit", visit(&shops[1], "3")).await;
    let inner = json!({
        "className": "Owner", "redirectClassNameForKey": "cafes",
        "where": {"stars": {"$gt": 4}, "$relatedTo": {"object": owner, "key": "cafes"}},
    });
    for condition in
        [json!({"cafe": {"$inQuery": inner}}), json!({"town": {"$select": {"query": inner, "key": "town"}}})]
    {
        let found = query(&shop, "Visit", json!({"where": condition})).await;
        assert_eq!((found.len(), &found[0]["town"]), (1, &json!("5")), "{condition}");
    }
}

async fn a_relative_time_is_for_dates(shop: Shop) {
    let until = json!({"__type": "Date", "iso": "2500-01-01T00:00:00.000Z"});
    shop.as_master().post("/classes/Offer", json!({"name": "x", "until": until})).await;
    let condition = |field: &str| {
        let mut condition = json!({});
        condition[field] = json!({"$gt": {"$relativeTime": "1 day ago"}});
        json!({"where": condition, "_method": "GET"})
    };
    let seen = shop.as_master().post("/classes/Offer", condition("name")).await;
    assert_eq!((seen.status, seen.code()), (400, 107));
    assert_eq!(shop.as_master().post("/classes/Offer", condition("until")).await.results().len(), 1);
    assert_eq!(shop.as_master().post("/classes/Offer", condition("unknown")).await.results().len(), 0);
}

async fn an_empty_list_of_keys_asks_for_what_every_object_has(shop: Shop) {
    shop.post("/classes/Item", json!({"name": "hat"})).await;
    for keys in [json!(""), json!([""])] {
        let found = query(&shop, "Item", json!({"keys": keys})).await;
        assert!(found[0]["createdAt"].is_string() && found[0].get("name").is_none(), "{keys}: {found:?}");
    }
    assert_eq!(query(&shop, "Item", json!({"keys": []})).await[0]["name"], "hat");
}

async fn columns_names_sort_too(shop: Shop) {
    let hat = shop.post("/classes/Item", json!({"name": "hat"})).await;
    // The dates are as fine as a millisecond.
    while shop.post("/classes/Item", json!({"name": "cap"})).await.body["createdAt"] == hat.body["createdAt"] {}
    for (order, first) in [("_created_at", "hat"), ("-_created_at", "cap"), ("-_updated_at", "cap")] {
        assert_eq!(query(&shop, "Item", json!({"order": order})).await[0]["name"], first, "{order}");
    }
}

async fn excluding_a_part_of_a_pointed_at_object_includes_it(shop: Shop) {
    let master = shop.as_master();
    let author = master.post("/classes/Author", json!({"name": "ann", "secret": 1})).await.id();
    master.post("/classes/Post", json!({"author": pointer("Author", &author), "title": "t", "text": "x"})).await;
    let found = query(&shop, "Post", json!({"excludeKeys": "text,author.secret"})).await;
    assert_eq!((&found[0]["author"]["name"], found[0]["author"].get("secret")), (&json!("ann"), None));
    assert_eq!((&found[0]["title"], found[0].get("text")), (&json!("t"), None));
    // What is included is wanted, whatever the keys say.
    let found = query(&shop, "Post", json!({"includeAll": true, "keys": "title"})).await;
    assert_eq!((&found[0]["author"]["name"], found[0].get("text")), (&json!("ann"), None));
}

async fn who_may_only_count_counts(shop: Shop) {
    let master = shop.as_master();
    let (id, ann) = shop.sign_up("ann").await;
    let (_, bob) = shop.sign_up("bob").await;
    master.post("/classes/Case", json!({"owner": pointer("_User", &id)})).await;
    let permissions = json!({"classLevelPermissions": {"count": {"pointerFields": ["owner"]}}});
    assert_eq!(master.put("/schemas/Case", permissions).await.status, 200);
    for (token, count) in [(&ann, 1), (&bob, 0)] {
        let seen = shop.as_user(token).get("/classes/Case?count=1&limit=0").await;
        assert_eq!(seen.body, json!({"results": [], "count": count}));
        assert_eq!(shop.as_user(token).get("/classes/Case?count=1").await.code(), 119);
    }
}

async fn fields_are_added_only_with_objects_that_name_their_user(shop: Shop) {
    let master = shop.as_master();
    let (id, ann) = shop.sign_up("ann").await;
    let (_, bob) = shop.sign_up("bob").await;
    let case =
        format!("/classes/Case/{}", master.post("/classes/Case", json!({"owner": pointer("_User", &id)})).await.id());
    let permissions = json!({"classLevelPermissions": {
        "create": {"*": true}, "update": {"*": true}, "addField": {"pointerFields": ["owner"]},
    }});
    assert_eq!(master.put("/schemas/Case", permissions).await.status, 200);
    assert_eq!(shop.as_user(&bob).put(&case, json!({"colour": "red"})).await.code(), 101);
    assert_eq!(shop.as_user(&ann).put(&case, json!({"shape": "round"})).await.status, 200);
    // A new object names nobody yet; and who may not add a field hears of that before anything about types.
    assert_eq!(shop.as_user(&ann).post("/classes/Case", json!({"owner": 1, "size": 1})).await.code(), 119);
}

async fn a_changed_element_is_told_as_the_whole_list(shop: Shop) {
    let master = shop.as_master();
    let lot = master.post("/classes/Lot", json!({"items": [{"n": 5, "v": "a"}, {"n": 1, "v": "b"}]})).await.id();
    let change = json!({"items.0.n": {"__op": "Increment", "amount": 15}});
    let seen = master.put(&format!("/classes/Lot/{lot}"), change).await;
    assert_eq!(seen.body["items"], json!([{"n": 20, "v": "a"}, {"n": 1, "v": "b"}]));
}
