//! The permission rules as tables of cases.

use parsimony_model::permissions::Operation;
use parsimony_model::permissions::UserIds;
use parsimony_model::query::parse::{Reading, filter};
use parsimony_model::schema::Index;
use parsimony_model::value::{Map, json};
use parsimony_model::{
    ClassName, ClassPermissions, ClassSchema, Date, ErrorCode, Field, FieldName, FieldType, Filter, Object, ObjectId,
    Query, Value,
};

use super::class::{Leave, decide, refuse_master_only};
use super::fields::Hidden;
use super::rows::narrow;
use crate::caller::Caller;
use crate::caller::tests::client;
use crate::options::Options;

fn class(permissions: &str) -> ClassSchema {
    let mut class = ClassSchema::new(ClassName::parse("Post").unwrap());
    let user = FieldType::Pointer(ClassName::parse("_User").unwrap());
    for (name, kind) in
        [("owner", user), ("editors", FieldType::Array), ("secret", FieldType::String), ("title", FieldType::String)]
    {
        class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind));
    }
    let permissions = json::read(permissions.as_bytes()).unwrap();
    class.permissions =
        Some(ClassPermissions::validated(permissions.as_object().unwrap(), &class.fields, UserIds::Made).unwrap());
    class
}

/// `plain`, `named in FIELDS`, or the number of the refusal.
fn verdict(caller: &Caller, class: &ClassSchema, operation: Operation) -> String {
    match decide(caller, class, operation) {
        Ok(Leave::Plain) => "plain".to_owned(),
        Ok(Leave::NamedIn(fields)) => {
            format!("named in {}", fields.iter().map(FieldName::as_str).collect::<Vec<_>>().join(","))
        }
        Err(error) => error.number().unwrap().to_string(),
    }
}

#[test]
fn class_permissions_decide_in_parse_s_order() {
    use Operation::{Create, Delete, Find, Get, Update};
    let nobody = || client(None, &[]);
    let user = || client(Some("u1"), &[]);
    let editor = || client(Some("u1"), &["editor"]);
    for (permissions, caller, operation, expected) in [
        (r#"{"find":{"*":true}}"#, nobody(), Find, "plain"),
        (r#"{"find":{"*":true}}"#, user(), Create, "119"),
        (r#"{"find":{"u1":true}}"#, user(), Find, "plain"),
        (r#"{"find":{"u2":true}}"#, user(), Find, "119"),
        (r#"{"find":{"role:editor":true}}"#, editor(), Find, "plain"),
        (r#"{"find":{"role:editor":true}}"#, user(), Find, "119"),
        (r#"{"find":{"requiresAuthentication":true}}"#, user(), Find, "plain"),
        (r#"{"find":{"requiresAuthentication":true}}"#, nobody(), Find, "101"),
        (r#"{"get":{"pointerFields":["owner"]}}"#, user(), Get, "named in owner"),
        (r#"{"readUserFields":["owner","editors"]}"#, user(), Find, "named in owner,editors"),
        (r#"{"readUserFields":["owner"]}"#, user(), Update, "119"),
        (r#"{"writeUserFields":["owner"]}"#, user(), Delete, "named in owner"),
        (r#"{"writeUserFields":["owner"]}"#, user(), Create, "119"),
        ("{}", Caller::server(), Delete, "plain"),
    ] {
        assert_eq!(verdict(&caller, &class(permissions), operation), expected, "{permissions} {operation:?}");
    }
}

#[test]
fn a_class_without_permissions_is_open() {
    let mut open = class("{}");
    open.permissions = None;
    assert_eq!(verdict(&client(None, &[]), &open, Operation::Delete), "plain");
}

#[test]
fn the_server_s_own_classes_are_closed_to_clients() {
    for (name, operation, refused) in [
        ("_JobStatus", Operation::Find, true),
        ("_Hooks", Operation::Create, true),
        ("_Installation", Operation::Find, true),
        ("_Installation", Operation::Get, false),
        ("_User", Operation::Find, false),
        ("Post", Operation::Delete, false),
    ] {
        let name = ClassName::parse(name).unwrap();
        let refusal = refuse_master_only(&client(Some("u1"), &[]), &name, operation);
        assert_eq!(refusal.is_err(), refused, "{name} {operation:?}");
        assert!(refuse_master_only(&Caller::server(), &name, operation).is_ok());
    }
}

#[test]
fn who_is_named_sees_the_rows_that_name_them_and_nobody_sees_none() {
    let post = class("{}");
    let leave = || Leave::NamedIn(vec![FieldName::parse("owner").unwrap()]);
    let narrowed = |caller: &Caller, operation| narrow(caller, &post, leave(), operation, Filter::everything());
    assert_eq!(narrowed(&client(None, &[]), Operation::Find), Ok(Filter::nothing()));
    assert_eq!(narrowed(&client(None, &[]), Operation::Get).unwrap_err().code, ErrorCode::ObjectNotFound);
    assert!(matches!(narrowed(&client(Some("u1"), &[]), Operation::Find), Ok(Filter::And(parts)) if parts.len() == 1));
}

fn post(fields: Map) -> Object {
    Object {
        class: ClassName::parse("Post").unwrap(),
        id: ObjectId::parse("p1").unwrap(),
        created_at: None,
        updated_at: None,
        acl: None,
        fields,
    }
}

#[test]
fn protected_fields_are_the_intersection_of_the_groups_that_apply() {
    let permissions = r#"{"protectedFields":{"*":["secret","title"],"authenticated":["secret"],"role:editor":[],
        "userField:owner":[]}}"#;
    let class = class(permissions);
    let options = Options::new("app", "master");
    let owner = json::read(br#"{"__type":"Pointer","className":"_User","objectId":"u1"}"#).unwrap();
    let left = |caller: &Caller, owner: Value| {
        let mut object = post(parsimony_model::map! { "title" => "t", "secret" => "s", "owner" => owner });
        Hidden::from(caller, &class, &options).remove_from(caller, &mut object);
        object.fields.keys().map(|field| field.as_str().to_owned()).collect::<Vec<_>>().join(",")
    };
    assert_eq!(left(&client(None, &[]), Value::Null), "owner");
    assert_eq!(left(&client(Some("u2"), &[]), owner.clone()), "title,owner");
    assert_eq!(left(&client(Some("u2"), &["editor"]), owner.clone()), "title,secret,owner");
    assert_eq!(left(&client(Some("u1"), &[]), owner), "title,secret,owner");
    assert_eq!(left(&Caller::server(), Value::Null), "title,secret,owner");
}

#[test]
fn a_protected_field_cannot_be_asked_for_or_sorted_by() {
    let class = class(r#"{"protectedFields":{"*":["secret"]}}"#);
    let options = Options::new("app", "master");
    let nobody = client(None, &[]);
    let hidden = Hidden::from(&nobody, &class, &options);
    let nested = Filter::Or(vec![Filter::And(vec![Filter::equals("secret.a", 1)])]);
    for (query, refused) in [
        (Query::new(Filter::equals("title", "t")), false),
        (Query::new(Filter::equals("secret", "s")), true),
        (Query::new(nested), true),
        (Query::default().ascending("secret"), true),
        (Query::default().ascending("title"), false),
    ] {
        assert_eq!(hidden.refuse_use_in(&query, &class).is_err(), refused, "{query:?}");
    }
}

#[test]
fn a_protected_field_cannot_be_searched_through_the_text_index_it_is_in() {
    let mut class = class(r#"{"protectedFields":{"*":["secret"]}}"#);
    let hidden = Hidden::from(&client(None, &[]), &class, &Options::new("app", "master"));
    let search = br#"{"title":{"$text":{"$search":{"$term":"x"}}}}"#;
    let reading = Reading { now: Date::EPOCH, internal_fields: false };
    let search = filter(json::read(search).unwrap().as_object().unwrap(), reading).unwrap();
    class.indexes.insert("t".into(), Index::for_text("title"));
    assert!(hidden.refuse_use_in(&Query::new(search.clone()), &class).is_ok());
    class.indexes.get_mut("t").unwrap().keys.insert("secret".into(), "text".into());
    assert!(hidden.refuse_use_in(&Query::new(search), &class).is_err());
    assert!(hidden.refuse_use_in(&Query::new(Filter::equals("title", "t")), &class).is_ok());
}
