//! Which objects does a condition find? Tables of cases over one set of objects, checked against MongoDB under Parse Server.

use parsimony_model::query::{Matcher, Pattern, parse};
use parsimony_model::{Constraint, Date, Filter, Object, map};

use super::filter_cases::{CASES, FIELDS, OBJECTS};
use super::given::{CREATED_MILLIS, Table, fields, id, refused, sorted_ids};
use super::{Behaviours, Fresh, behaviours};
use crate::StoreError;

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    a_condition_finds_what_it_finds_in_mongodb,
    one_object_meets_what_it_is_found_by,
    a_count_is_the_number_of_what_is_found,
    a_condition_and_its_opposite_find_everything_once,
    no_conditions_mean_everything_or_nothing,
    a_broken_expression_is_an_invalid_query,
    auth_data_is_found_by_the_id_of_a_provider,
    internal_fields_are_found,
    many_ids_are_found,
    text_with_a_nul_is_found_as_a_whole,
    conditions_may_nest_deeply,
];

const DAY_MILLIS: i64 = 86_400_000;

/// The objects of the cases: the first was created on the first of January 2024, each next one a day later, and each was
/// changed an hour after that.
pub(super) async fn things(fresh: &dyn Fresh) -> Table {
    let table = Table::new(fresh, "Thing", FIELDS).await;
    for ((id, text), day) in OBJECTS.iter().zip(0_i64..) {
        let created = Date::from_millis(CREATED_MILLIS + day * DAY_MILLIS);
        table
            .insert(&Object {
                created_at: Some(created),
                updated_at: Some(created.plus_millis(3_600_000)),
                ..table.object(id, fields(text))
            })
            .await;
    }
    table
}

async fn a_condition_finds_what_it_finds_in_mongodb(fresh: &dyn Fresh) {
    let things = things(fresh).await;
    let mut wrong = Vec::new();
    for (text, expected) in CASES {
        match things.store.find(&things.select(text)).await {
            Ok(found) if sorted_ids(&found) == *expected => {}
            Ok(found) => {
                let found = sorted_ids(&found);
                wrong.push(format!("{text}\n    expected {expected:?}\n    found    {found:?}"));
            }
            Err(error) => wrong.push(format!("{text}\n    failed: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} conditions:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

/// The ids of the objects that meet a condition by themselves, in the order of ids.
pub(super) fn met_by(matcher: &Matcher, objects: &[Object]) -> String {
    let met: Vec<Object> = objects.iter().filter(|object| matcher.matches(object)).cloned().collect();
    sorted_ids(&met)
}

async fn one_object_meets_what_it_is_found_by(fresh: &dyn Fresh) {
    let things = things(fresh).await;
    let objects = things.find(&things.selection(Filter::everything())).await;
    let mut wrong = Vec::new();
    for (text, expected) in CASES {
        let matcher = Matcher::new(&things.select(text).filter, &things.class).unwrap();
        let met = met_by(&matcher, &objects);
        if met != *expected {
            wrong.push(format!("{text}\n    expected {expected:?}\n    met by   {met:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} conditions:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

async fn a_count_is_the_number_of_what_is_found(fresh: &dyn Fresh) {
    let things = things(fresh).await;
    let mut wrong = Vec::new();
    for (text, expected) in CASES {
        let expected = expected.split_whitespace().count() as u64;
        match things.store.count(&things.select(text).range(1, Some(1))).await {
            Ok(counted) if counted == expected => {}
            other => wrong.push(format!("{text}: expected {expected}, counted {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} conditions:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

async fn a_condition_and_its_opposite_find_everything_once(fresh: &dyn Fresh) {
    let things = things(fresh).await;
    let mut wrong = Vec::new();
    for (text, expected) in CASES {
        let condition = things.select(text).filter;
        let opposite = things.selection(Filter::Nor(vec![condition]));
        let found = match things.store.find(&opposite).await {
            Ok(found) => sorted_ids(&found),
            Err(error) => error.to_string(),
        };
        let inside: Vec<&str> = expected.split_whitespace().collect();
        let outside: Vec<&str> = OBJECTS.iter().map(|(id, _)| *id).filter(|id| !inside.contains(id)).collect();
        if found != outside.join(" ") {
            wrong.push(format!("not {text}\n    expected {:?}\n    found    {found:?}", outside.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} conditions:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

async fn no_conditions_mean_everything_or_nothing(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["n:Number"]).await;
    table.put("a", r#"{"n": 1}"#).await;
    table.put("b", "{}").await;
    let one = || Filter::equals("n", 1);
    for (filter, expected) in [
        (Filter::And(vec![]), "a b"),
        (Filter::Or(vec![]), ""),
        (Filter::Nor(vec![]), "a b"),
        (Filter::And(vec![Filter::And(vec![]), one()]), "a"),
        (Filter::And(vec![Filter::Or(vec![]), one()]), ""),
        (Filter::Or(vec![Filter::Or(vec![]), one()]), "a"),
        (Filter::Or(vec![Filter::And(vec![]), one()]), "a b"),
        (Filter::Nor(vec![Filter::And(vec![])]), ""),
        (Filter::Nor(vec![Filter::Or(vec![])]), "a b"),
        (Filter::Nor(vec![one()]), "b"),
        (Filter::Nor(vec![Filter::Nor(vec![one()])]), "a"),
    ] {
        let found = sorted_ids(&table.find(&table.selection(filter.clone())).await);
        assert_eq!(found, expected, "{filter:?} on a (n = 1) and b");
    }
}

async fn a_broken_expression_is_an_invalid_query(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["name:String"]).await;
    table.put("a", r#"{"name": "x"}"#).await;
    for source in ["(", "[a", "*"] {
        let pattern = Pattern { source: source.to_owned(), options: String::new() };
        let selection = table.selection(Filter::Field("name".into(), Constraint::Matches(pattern)));
        let error = refused(table.store.find(&selection).await, source);
        assert!(matches!(error, StoreError::InvalidQuery(_)), "{source}: expected InvalidQuery, got {error:?}");
        let error = refused(table.store.count(&selection).await, source);
        assert!(matches!(error, StoreError::InvalidQuery(_)), "count {source}: expected InvalidQuery, got {error:?}");
    }
}

async fn auth_data_is_found_by_the_id_of_a_provider(fresh: &dyn Fresh) {
    let users = Table::new(fresh, "_User", &[]).await;
    users.put("a", r#"{"username": "a", "authData": {"anonymous": {"id": "1"}, "other": {"id": "x", "n": 2, "codes": ["p", "q"]}}}"#).await;
    users.put("b", r#"{"username": "b", "authData": {"anonymous": {"id": "2"}}}"#).await;
    users.put("c", r#"{"username": "c"}"#).await;
    for (text, expected) in [
        (r#"{"authData.anonymous.id": "2"}"#, "b"),
        (r#"{"authData.other.id": "x"}"#, "a"),
        (r#"{"authData.other.id": "1"}"#, ""),
        (r#"{"authData.nobody.id": "1"}"#, ""),
        (r#"{"authData.other.n": 2, "authData.other.codes": "q"}"#, "a"),
        (r#"{"authData.other.n": 2, "authData.other.codes": "r"}"#, ""),
        (r#"{"authData.anonymous.id": {"$in": ["1", "2"]}}"#, "a b"),
        (r#"{"authData.other.id": {"$exists": false}}"#, "b c"),
        (r#"{"$or": [{"authData.other.id": "x"}, {"username": "c"}]}"#, "a c"),
    ] {
        assert_eq!(users.found(text).await, expected, "{text}");
    }
}

async fn internal_fields_are_found(fresh: &dyn Fresh) {
    let users = Table::new(fresh, "_User", &[]).await;
    users.put("a", r#"{"_email_verify_token": "t1", "_failed_login_count": 3}"#).await;
    let late = r#"{"_perishable_token_expires_at": {"__type": "Date", "iso": "2024-05-01T00:00:00.000Z"}}"#;
    users.put("b", late).await;
    for (text, expected) in [
        (r#"{"_email_verify_token": "t1"}"#, "a"),
        (r#"{"_email_verify_token": "t2"}"#, ""),
        (r#"{"_failed_login_count": {"$gte": 3}}"#, "a"),
        (r#"{"_failed_login_count": {"$exists": false}}"#, "b"),
        (r#"{"_perishable_token": null}"#, "a b"),
        (r#"{"_perishable_token_expires_at": {"$gt": {"__type": "Date", "iso": "2024-04-30T00:00:00.000Z"}}}"#, "b"),
        (r#"{"_perishable_token_expires_at": {"$lt": {"__type": "Date", "iso": "2024-04-30T00:00:00.000Z"}}}"#, ""),
    ] {
        assert_eq!(users.found(text).await, expected, "{text}");
    }
}

async fn many_ids_are_found(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["n:Number"]).await;
    table.put("only", r#"{"n": 2999}"#).await;
    let ids: Vec<_> = (0..3_000).map(|n| id(&format!("i{n}"))).chain([id("only")]).collect();
    let found = table.find(&table.selection(Filter::ids(&ids))).await;
    assert_eq!(sorted_ids(&found), "only", "one of 3001 ids is there");
    let numbers = (0..3_000).map(Into::into).collect();
    let found = table.find(&table.selection(Filter::Field("n".into(), Constraint::In(numbers)))).await;
    assert_eq!(sorted_ids(&found), "only", "one of 3000 numbers is there");
}

async fn text_with_a_nul_is_found_as_a_whole(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["text:String", "list:Array", "data:Object"]).await;
    for (id, text) in [("a", "x"), ("b", "x\0"), ("c", "x\0y"), ("d", "xy"), ("e", "\0")] {
        let fields = map! { "text" => text, "list" => vec![text], "data" => map! { "text" => text } };
        table.insert(&table.object(id, fields)).await;
    }
    for field in ["text", "list", "data.text"] {
        for (constraint, expected) in [
            (Constraint::Equals("x".into()), "a"),
            (Constraint::Equals("x\0".into()), "b"),
            (Constraint::Equals("x\0y".into()), "c"),
            (Constraint::In(vec!["\0".into(), "x\0y".into()]), "c e"),
            (Constraint::NotEquals("x".into()), "b c d e"),
            (Constraint::Greater("x".into()), "b c d"),
            (Constraint::Less("x\0y".into()), "a b e"),
        ] {
            let found = table.find(&table.selection(Filter::Field(field.into(), constraint.clone()))).await;
            assert_eq!(sorted_ids(&found), expected, "{field}: {constraint:?}");
        }
    }
}

async fn conditions_may_nest_deeply(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["n:Number"]).await;
    table.put("a", r#"{"n": 1}"#).await;
    table.put("b", r#"{"n": 2}"#).await;
    let mut filter = Filter::equals("n", 1);
    for depth in 0..parse::DEPTH_MAX {
        let other = Filter::equals("n", 100 + i32::from(depth));
        filter = if depth % 2 == 0 { Filter::Or(vec![filter, other]) } else { Filter::And(vec![filter]) };
    }
    assert_eq!(sorted_ids(&table.find(&table.selection(filter)).await), "a", "as deep as the wire lets it be");
    let many = Filter::Or((0..500).map(|n| Filter::equals("n", n + 2)).collect());
    assert_eq!(sorted_ids(&table.find(&table.selection(many)).await), "b", "one of 500 branches");
}
