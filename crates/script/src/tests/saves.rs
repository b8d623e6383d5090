//! What a script makes of a save.

use parsimony_model::{Op, Value, map};

use super::{object, save, update};

#[expect(clippy::unnecessary_wraps, reason = "what it is compared with may be missing")]
fn number(value: impl Into<f64>) -> Option<Value> {
    Some(Value::Number(value.into()))
}

#[tokio::test]
async fn a_script_changes_what_is_saved_and_nothing_else() {
    let text = r#"
        fn before_save(request) {
            let item = request.object;
            item.name = item.name.to_upper() + "!";
            item.count += 1;
            if item.tags.len() == 2 { item.size = item["size"] / 2.0; }
            item.place.city = "Bern";
            item.tags.push("c");
            item.unset("old");
            let untouched = item.other.len();
        }"#;
    let before = object(
        "Item",
        "i1",
        map! { "count" => 1, "size" => 5, "tags" => vec!["a", "b"], "old" => true, "other" => vec![1],
        "place" => map! { "country" => "CH" } },
    );
    let draft = save(text, Some(before), update(map! { "name" => "hat" })).await.unwrap();
    let mut keys: Vec<&str> = draft.dirty_keys().collect();
    keys.sort_unstable();
    assert_eq!(keys, ["count", "name", "old", "place", "size", "tags"]);
    assert_eq!(draft.text("name").as_deref(), Some("HAT!"));
    assert_eq!((draft.get("count"), draft.get("size"), draft.get("old")), (number(2), number(2.5), None));
    assert_eq!(draft.get("tags"), Some(vec!["a", "b", "c"].into()));
    assert_eq!(draft.get("place"), Some(map! { "country" => "CH", "city" => "Bern" }.into()));
}

#[tokio::test]
async fn a_script_knows_what_is_new_what_changes_and_what_was() {
    let text = r#"
        fn before_save(request) {
            let item = request.object;
            item.isNew = item.is_new();
            item.dirtyPrice = item.dirty("price");
            item.dirtyName = item.dirty("name");
            item.keys = item.dirty_keys().len();
            item.was = if request.original == () { -1 } else { request.original.price };
            item.revert("price");
            item.add_unique("tags", ["a", "b"]);
            item.increment("seen", 2);
            item.owner = request.user;
        }"#;
    let fresh = save(text, None, update(map! { "price" => 3 })).await.unwrap();
    assert_eq!(fresh.get("isNew"), Some(true.into()));
    assert_eq!((fresh.get("was"), fresh.get("price")), (number(-1), None));
    let before = object("Item", "i1", map! { "price" => 1, "tags" => vec!["a"], "seen" => 1 });
    let changed = save(text, Some(before), update(map! { "price" => 3 })).await.unwrap();
    let seen = ["isNew", "dirtyPrice", "dirtyName"].map(|field| changed.get(field));
    assert_eq!(seen, [false, true, false].map(|flag| Some(flag.into())));
    assert_eq!((changed.get("was"), changed.get("price"), changed.get("seen")), (number(1), number(1), number(3)));
    assert_eq!(changed.get("tags"), Some(vec!["a", "b"].into()));
    assert_eq!(changed.update().get("seen"), Some(&Op::Increment(2.0)));
    assert!(matches!(changed.get("owner"), Some(Value::Pointer(pointer)) if pointer.id.as_str() == "ann"));
}

#[tokio::test]
async fn what_a_script_throws_refuses_the_save() {
    for (thrown, number, text) in [
        (r#""Not this.""#, 141, "Not this."),
        (r#"#{code: 142, message: "Too dear."}"#, 142, "Too dear."),
        (r#"#{code: 9001, message: "Ours."}"#, 9001, "Ours."),
        (r#"#{message: "No code."}"#, 141, "No code."),
        ("#{a: 1}", 141, r#"{"a":1}"#),
        ("7", 141, "7"),
        ("1.5", 141, "1.5"),
        ("true", 141, "true"),
        ("[1, 2]", 141, "[1,2]"),
        ("'x'", 141, "x"),
        ("()", 141, "Script failed. Unknown error."),
        ("|x| x", 141, "Script failed. Unknown error."),
        ("Query(\"C\")", 141, "Script failed. Unknown error."),
    ] {
        let text_of_script =
            format!("fn before_save(request) {{ helper(); }} private fn helper() {{ throw {thrown}; }}");
        let error = save(&text_of_script, None, update(map! {})).await.unwrap_err();
        assert_eq!((error.number(), &*error.message), (Some(number), text), "{thrown}");
        assert_eq!(error.detail, None, "{thrown}");
    }
}

#[tokio::test]
async fn a_fault_is_told_to_the_log_alone() {
    for (line, cause) in [
        ("let x = 1 / 0;", "Division by zero"),
        ("request.object.missing.len();", "len"),
        ("nothing();", "nothing"),
        ("request.objct;", "a request has no objct; it has: object"),
        ("request.object.save();", "is being saved already"),
        ("let a = [1]; a[7];", "out of bounds"),
    ] {
        let text = format!("\nfn before_save(request) {{\n    {line}\n}}");
        let error = save(&text, None, update(map! {})).await.unwrap_err();
        let detail = error.detail.unwrap_or_default();
        assert_eq!((error.code.number(), &*error.message), (Some(141), "Script failed."), "{line}");
        assert!(detail.starts_with("script Item.before_save:3:"), "{line}: {detail}");
        assert!(detail.contains(cause), "{line}: {detail}");
    }
}

#[tokio::test]
async fn what_was_may_only_be_read() {
    let before = || Some(object("Item", "i1", map! { "tags" => vec!["a"] }));
    save("fn before_save(request) { request.original.tags.len(); }", before(), update(map! {})).await.unwrap();
    let error = save("fn before_save(request) { request.original.tags = []; }", before(), update(map! {})).await;
    assert!(error.unwrap_err().detail.unwrap().contains("may only be read"));
}

#[tokio::test]
async fn types_of_parse_come_and_go_as_they_are() {
    let text = r#"
        fn before_save(request) {
            let item = request.object;
            item.date2 = item.date;
            item.later = item.date.plus_days(1);
            item.isLater = item.later > item.date;
            item.place2 = item.place;
            item.latitude = item.place.latitude;
            item.to2 = item.to;
            item.toClass = item.to.className;
            item.bytes2 = item.bytes;
            item.file2 = item.file;
            item.fileName = item.file.name;
            item.map2 = #{ "__type": "Date", "iso": "2026-01-31T12:00:00.000Z" };
            item.whole = 5 / 2;
            item.half = 5.0 / 2;
        }"#;
    let json = br#"{"date": {"__type": "Date", "iso": "2026-01-31T12:00:00.000Z"},
        "place": {"__type": "GeoPoint", "latitude": 1, "longitude": 2.5},
        "to": {"__type": "Pointer", "className": "Other", "objectId": "o1"},
        "bytes": {"__type": "Bytes", "base64": "AQI="},
        "file": {"__type": "File", "name": "a.txt"}}"#;
    let Ok(Value::Object(fields)) = parsimony_model::value::json::read(json) else { panic!("no object") };
    let draft = save(text, None, update(fields)).await.unwrap();
    for (one, other) in [("date", "date2"), ("place", "place2"), ("to", "to2"), ("bytes", "bytes2"), ("file", "file2")]
    {
        assert!(draft.get(one).is_some() && draft.get(one) == draft.get(other), "{one}");
    }
    assert_eq!(draft.get("date"), draft.get("map2"));
    assert_eq!(draft.get("isLater"), Some(true.into()));
    assert_eq!((draft.get("latitude"), draft.text("toClass").as_deref()), (number(1), Some("Other")));
    assert_eq!((draft.get("whole"), draft.get("half")), (number(2), number(2.5)));
    assert_eq!(draft.text("fileName").as_deref(), Some("a.txt"));
}
