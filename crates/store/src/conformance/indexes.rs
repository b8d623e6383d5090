//! What does an index keep? It goes round with its class, and a unique one refuses doubles.

use parsimony_model::schema::Index;
use parsimony_model::{ClassSchema, Constraint, Date, Filter, Object, map};
use tokio::task::JoinSet;

use super::given::{CREATED_MILLIS, Table, alter, change, class, class_name, known, pointer, refused, sorted_ids};
use super::{Behaviours, Fresh, behaviours};
use crate::{ClassChange, StoreError};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    indexes_go_round,
    a_unique_index_refuses_doubles,
    a_unique_index_that_the_data_does_not_allow_changes_nothing,
    a_sparse_unique_index_allows_many_without_the_field,
    a_unique_index_can_span_fields,
    what_a_unique_index_would_refuse_is_told_before,
    a_dropped_index_refuses_nothing,
    one_of_many_equal_inserts_wins,
    text_is_found_whatever_its_case,
    an_index_can_stand_on_any_column,
    an_index_goes_with_its_class,
    an_index_goes_with_its_field,
];

fn indexing(name: &str, index: Index) -> ClassChange {
    ClassChange { add_indexes: vec![(name.to_owned(), index)], ..ClassChange::default() }
}

fn assert_duplicate(error: &StoreError, index: &str) {
    let StoreError::Duplicate { index: told } = error else { panic!("expected Duplicate, got {error:?}") };
    assert!(told.contains(index), "the index {index} is named in {told:?}");
}

async fn indexes_go_round(fresh: &dyn Fresh) {
    let store = fresh.store().await;
    let mut made = class("Thing", &["a:String", "b:Number", "c:Date"]);
    let descending =
        Index { keys: [("b".into(), (-1).into()), ("a".into(), 1.into())].into_iter().collect(), ..Index::default() };
    for (name, index) in [
        ("plain", Index::on(&["a"])),
        ("two", descending),
        ("one_only", Index::on(&["b"]).unique()),
        ("one_or_none", Index::on(&["c"]).unique().sparse()),
    ] {
        made.indexes.insert(name.into(), index);
    }
    store.create_class(&made).await.unwrap();
    assert_eq!(known(&*store, "Thing").await.unwrap().indexes, made.indexes, "from the start");
    let name = class_name("Thing");
    let more = ClassChange { drop_indexes: vec!["two".to_owned()], ..indexing("late", Index::on(&["c", "a"])) };
    let after = store.change_class(&name, &more).await.unwrap().unwrap();
    made.indexes.shift_remove("two");
    made.indexes.insert("late".into(), Index::on(&["c", "a"]));
    assert_eq!(after.indexes, made.indexes, "in the answer to the change");
    assert_eq!(known(&*store, "Thing").await.unwrap().indexes, made.indexes, "and from then on");
    // The same index once more is no error: another request was first.
    let again = store.change_class(&name, &indexing("late", Index::on(&["c", "a"]))).await.unwrap().unwrap();
    assert_eq!(again.indexes, made.indexes);
}

async fn a_unique_index_refuses_doubles(fresh: &dyn Fresh) {
    let mut made = class("Thing", &["code:String", "n:Number"]);
    made.indexes.insert("only_code".into(), Index::on(&["code"]).unique());
    let mut table = Table::of(fresh.store().await, made).await;
    table.put("a", r#"{"code": "x", "n": 1}"#).await;
    table.put("b", r#"{"code": "X", "n": 2}"#).await;
    let double = table.object("c", map! { "code" => "x" });
    assert_duplicate(&refused(table.store.insert(&table.class, &double).await, "a double"), "only_code");
    let taken = change(r#"{"code": "x", "n": 5}"#);
    assert_duplicate(&refused(table.store.update(&table.one("b"), &taken).await, "a double"), "only_code");
    let all = change(r#"{"code": "z"}"#);
    assert_duplicate(&refused(table.store.update_all(&table.select("{}"), &all).await, "a double"), "only_code");
    assert_eq!(table.field("b", "n").await, Some(2.into()), "a refused change changes nothing");
    assert_eq!(table.found("{}").await, "a b");
    table.update("a", &change(r#"{"code": "x", "n": 3}"#)).await.expect("its own value is no double");
    alter(&mut table, indexing("only_n", Index::on(&["n"]).unique())).await;
    let double = table.object("d", map! { "code" => "d", "n" => 3 });
    assert_duplicate(&refused(table.store.insert(&table.class, &double).await, "a double"), "only_n");
    table.store.delete(&table.one("a")).await.unwrap();
    table.insert(&double).await;
    assert_eq!(table.found("{}").await, "b d", "a value is free when its object is gone");
}

async fn a_unique_index_that_the_data_does_not_allow_changes_nothing(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["code:String"]).await;
    table.put("a", r#"{"code": "x"}"#).await;
    table.put("b", r#"{"code": "x"}"#).await;
    let before = known(&*table.store, "Thing").await;
    let wanted = indexing("only_code", Index::on(&["code"]).unique());
    let error = refused(table.store.change_class(&table.class.name, &wanted).await, "an index over doubles");
    assert!(matches!(error, StoreError::Duplicate { .. }), "expected Duplicate, got {error:?}");
    assert_eq!(known(&*table.store, "Thing").await, before, "the class is as it was");
    table.put("c", r#"{"code": "x"}"#).await;
    table.store.delete(&table.select(r#"{"objectId": {"$ne": "a"}}"#)).await.unwrap();
    let after = table.store.change_class(&table.class.name, &wanted).await.unwrap().unwrap();
    assert_eq!(after.indexes.len(), 1, "without doubles it is made");
    let double = table.object("d", map! { "code" => "x" });
    assert_duplicate(&refused(table.store.insert(&table.class, &double).await, "a double"), "only_code");
}

async fn a_sparse_unique_index_allows_many_without_the_field(fresh: &dyn Fresh) {
    let mut made = class("_User", &[]);
    made.indexes.insert("email_1".into(), Index::on(&["email"]).unique().sparse());
    made.indexes.insert("username_1".into(), Index::on(&["username"]).unique().sparse());
    let users = Table::of(fresh.store().await, made).await;
    users.put("a", r#"{"username": "a", "email": "a@x"}"#).await;
    for id in ["b", "c", "d"] {
        users.insert(&users.object(id, map! { "username" => id })).await;
    }
    let double = users.object("e", map! { "username" => "e", "email" => "a@x" });
    assert_duplicate(&refused(users.store.insert(&users.class, &double).await, "a double"), "email");
    let taken = change(r#"{"username": "a"}"#);
    assert_duplicate(&refused(users.store.update(&users.one("b"), &taken).await, "a double"), "username");
    users.update("a", &change(r#"{"email": {"__op": "Delete"}}"#)).await.unwrap();
    users.insert(&double).await;
    assert_eq!(users.found(r#"{"email": "a@x"}"#).await, "e", "an address is free once it was given up");
}

async fn a_unique_index_can_span_fields(fresh: &dyn Fresh) {
    let mut made = class("Vote", &["topic:String", "n:Number"]);
    made.indexes.insert("once".into(), Index::on(&["topic", "n"]).unique());
    let votes = Table::of(fresh.store().await, made).await;
    votes.put("a", r#"{"topic": "x", "n": 1}"#).await;
    votes.put("b", r#"{"topic": "x", "n": 2}"#).await;
    votes.put("c", r#"{"topic": "y", "n": 1}"#).await;
    let double = votes.object("d", map! { "topic" => "y", "n" => 1 });
    assert_duplicate(&refused(votes.store.insert(&votes.class, &double).await, "a double"), "once");
}

async fn what_a_unique_index_would_refuse_is_told_before(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["code:String", "n:Number", "owner:*_User"]).await;
    let told = async |index: &Index| {
        let found = table.store.duplicates(&table.class, index).await.unwrap();
        (found.groups, found.objects, found.samples.len())
    };
    let once = Index::on(&["code"]).unique().sparse();
    assert_eq!(told(&once).await, (0, 0, 0), "of an empty class");
    for (id, text) in [
        ("a", r#"{"code": "x", "n": 1}"#),
        ("b", r#"{"code": "x", "n": 2}"#),
        ("c", r#"{"code": "X", "n": 1}"#),
        ("d", r#"{"code": "y", "n": 1}"#),
        ("e", r#"{"n": 1}"#),
        ("f", r#"{"n": 1}"#),
        ("g", r#"{"code": "x", "n": 1}"#),
    ] {
        table.put(id, text).await;
    }
    let (groups, objects, samples) = told(&once).await;
    assert_eq!((groups, objects), (1, 3));
    assert!((1..=6).contains(&samples), "some are named");
    assert_eq!(told(&once.clone().ignoring_case()).await.1, 4);
    let counts = async |index: Index| {
        let (groups, objects, _) = told(&index).await;
        (groups, objects)
    };
    // What is missing is equal to what is missing, unless all of it is and the index is sparse.
    assert_eq!(counts(Index::on(&["code", "n"]).unique().sparse()).await, (2, 4));
    assert_eq!(counts(Index::on(&["code"]).unique()).await, (2, 5));
    assert_eq!(counts(Index::on(&["later"]).unique()).await, (1, 7));
    assert_eq!(counts(Index::on(&["later", "code"]).unique()).await, (2, 5));
    assert_eq!(
        counts(Index::on(&["code"]).unique().only_where(map! { "n" => 1, "code" => map! { "$exists" => true } })).await,
        (1, 2)
    );
    assert_eq!(told(&Index::on(&["owner"]).unique().sparse()).await, (0, 0, 0), "nobody has one");
    assert_eq!(told(&Index::on(&["later"]).unique().sparse()).await, (0, 0, 0), "a field that is still to come");
    let of_none = Table { store: table.store.clone(), class: class("Nosuch", &["n:Number"]).into() };
    assert_eq!(of_none.store.duplicates(&of_none.class, &Index::on(&["n"]).unique()).await.unwrap().objects, 0);
    assert_eq!(table.store.index_progress(&table.class.name).await.unwrap(), None, "none is being made");
}

async fn a_dropped_index_refuses_nothing(fresh: &dyn Fresh) {
    let mut made = class("Thing", &["code:String"]);
    made.indexes.insert("only_code".into(), Index::on(&["code"]).unique());
    let mut table = Table::of(fresh.store().await, made).await;
    table.put("a", r#"{"code": "x"}"#).await;
    alter(&mut table, ClassChange { drop_indexes: vec!["only_code".to_owned()], ..ClassChange::default() }).await;
    assert!(table.class.indexes.is_empty(), "in the answer: {:?}", table.class.indexes);
    table.put("b", r#"{"code": "x"}"#).await;
    assert_eq!(table.found(r#"{"code": "x"}"#).await, "a b");
}

async fn one_of_many_equal_inserts_wins(fresh: &dyn Fresh) {
    let mut made = class("Thing", &["code:String"]);
    made.indexes.insert("only_code".into(), Index::on(&["code"]).unique());
    let table = Table::of(fresh.store().await, made).await;
    let mut tasks = JoinSet::new();
    for n in 0..16 {
        let table = table.clone();
        tasks.spawn(async move {
            let object = table.object(&format!("i{n}"), map! { "code" => "x" });
            table.store.insert(&table.class, &object).await
        });
    }
    let outcomes = tasks.join_all().await;
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(won, 1, "{outcomes:?}");
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_duplicate(&error, "only_code");
    }
}

async fn text_is_found_whatever_its_case(fresh: &dyn Fresh) {
    let mut made = class("Thing", &["name:String"]);
    made.indexes.insert("whatever_case".into(), Index::on(&["name"]).sparse().ignoring_case());
    let table = Table::of(fresh.store().await, made.clone()).await;
    assert_eq!(known(&*table.store, "Thing").await.unwrap().indexes, made.indexes, "the index goes round");
    for (id, text) in [("a", r#"{"name":"Ann"}"#), ("b", r#"{"name":"aNN"}"#), ("c", r#"{"name":"Anne"}"#), ("d", "{}")]
    {
        table.put(id, text).await;
    }
    for (asked, expected) in [("ann", "a b"), ("ANNE", "c"), ("an", ""), ("a.n", ""), ("", "")] {
        let same = Filter::Field("name".into(), Constraint::SameText(asked.to_owned()));
        let found = table.find(&table.selection(same)).await;
        assert_eq!(sorted_ids(&found).replace(',', " "), expected, "{asked}");
    }
}

async fn an_index_can_stand_on_any_column(fresh: &dyn Fresh) {
    let mut made = class("Thing", &["owner:*_User", "when:Date", "n:Number", "data:Object"]);
    for (name, field) in [("on_owner", "owner"), ("on_created", "createdAt"), ("on_when", "when")] {
        made.indexes.insert(name.into(), Index::on(&[field]).unique());
    }
    for (name, field) in [("on_updated", "updatedAt"), ("below", "data.k")] {
        made.indexes.insert(name.into(), Index::on(&[field]));
    }
    let table = Table::of(fresh.store().await, made).await;
    assert_eq!(known(&*table.store, "Thing").await.unwrap().indexes, table.class.indexes, "they go round");
    let object = |id: &str, user: &str, millis: i64| {
        let date = Date::from_millis(CREATED_MILLIS + millis);
        let fields = map! { "owner" => pointer("_User", user), "when" => date, "data" => map! { "k" => 1 } };
        Object { created_at: Some(date), ..table.object(id, fields) }
    };
    table.insert(&object("a", "u1", 0)).await;
    table.insert(&object("b", "u2", 1)).await;
    let same_user = object("c", "u1", 2);
    assert_duplicate(&refused(table.store.insert(&table.class, &same_user).await, "a second of a user"), "on_owner");
    let same_when = Object { created_at: Some(Date::EPOCH), ..object("c", "u3", 1) };
    assert_duplicate(&refused(table.store.insert(&table.class, &same_when).await, "a second of a date"), "on_when");
    let taken = change(r#"{"owner": {"__type": "Pointer", "className": "_User", "objectId": "u1"}}"#);
    assert_duplicate(&refused(table.store.update(&table.one("b"), &taken).await, "a taken user"), "on_owner");
    assert_eq!(table.found(r#"{"owner": {"$in": ["u1", "u2"]}}"#).await, "a b");
}

async fn an_index_goes_with_its_class(fresh: &dyn Fresh) {
    let mut made = class("Thing", &["code:String"]);
    made.indexes.insert("only_code".into(), Index::on(&["code"]).unique());
    let other = ClassSchema { name: class_name("Other"), ..made.clone() };
    let table = Table::of(fresh.store().await, made).await;
    let other = Table::of(table.store.clone(), other).await;
    table.put("a", r#"{"code": "x"}"#).await;
    other.put("a", r#"{"code": "x"}"#).await;
    table.store.drop_class(&table.class).await.unwrap();
    let table = Table::of(table.store, class("Thing", &["code:String"])).await;
    table.put("a", r#"{"code": "x"}"#).await;
    table.put("b", r#"{"code": "x"}"#).await;
    assert_eq!(table.found(r#"{"code": "x"}"#).await, "a b", "the new class has no index");
    let double = other.object("b", map! { "code" => "x" });
    assert_duplicate(&refused(other.store.insert(&other.class, &double).await, "a double"), "only_code");
}

async fn an_index_goes_with_its_field(fresh: &dyn Fresh) {
    let mut made = class("Thing", &["a:String", "b:Number", "owner:*_User", "place:GeoPoint"]);
    for (name, fields) in [("on_a", &["a"][..]), ("on_both", &["b", "a"]), ("on_b", &["b"]), ("on_owner", &["owner"])] {
        made.indexes.insert(name.into(), Index::on(fields));
    }
    let mut table = Table::of(fresh.store().await, made).await;
    table.put("x", r#"{"a": "1", "b": 1}"#).await;
    let dropped = ["a", "owner", "place"].map(|field| parsimony_model::FieldName::parse(field).unwrap());
    let change = ClassChange {
        drop_fields: dropped.into(),
        // That it is dropped twice is no harm.
        drop_indexes: vec!["on_a".to_owned()],
        ..ClassChange::default()
    };
    alter(&mut table, change).await;
    assert_eq!(table.class.indexes.keys().collect::<Vec<_>>(), ["on_b"]);
    assert_eq!(known(&*table.store, "Thing").await.unwrap().indexes, table.class.indexes);
    assert_eq!(table.found(r#"{"b": 1}"#).await, "x");
}
