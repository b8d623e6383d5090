//! What does the command line of `parsimony move` mean, and what counts in a digest?

use clap::Parser;
use parsimony_model::{Acl, ClassName, ClassSchema, Date, Object, ObjectId, Value, map};

use super::digest::Digest;
use super::{Move, Moved, MovedClass, MovedRelation, open, summary};
use crate::cli::{Cli, Command};

fn typed(line: &str) -> Move {
    match Cli::parse_from(line.split(' ')).command {
        Some(Command::Move(typed)) => typed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_names_two_databases() {
    let typed = typed("parsimony move --from sqlite:a.db --to mongodb://h/db --to-prefix app_");
    assert_eq!((typed.from.as_str(), typed.to.as_str()), ("sqlite:a.db", "mongodb://h/db"));
    assert_eq!((typed.from_prefix.as_str(), typed.to_prefix.as_str()), ("", "app_"));
    assert!(Cli::try_parse_from(["parsimony", "move", "--from", "sqlite:a"]).is_err());
}

#[tokio::test]
async fn what_cannot_be_moved_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}/a.db", folder.path().display());
    let told = |outcome: Result<_, String>| outcome.err().unwrap();
    assert!(told(open::source(&file, "").await).contains("There is no file"));
    assert!(told(open::source("postgres://h/db", "").await).starts_with("--from must begin with"));
    assert!(told(open::target("x", "", &file, "").await).starts_with("--to must begin with"));
    drop(open::target(&file, "", "sqlite:elsewhere.db", "").await.unwrap());
    let around = format!("sqlite:{}/./a.db", folder.path().display());
    assert!(told(open::target(&around, "", &file, "").await).contains("the same database"));
}

fn object(id: &str, fields: parsimony_model::Map) -> Object {
    Object {
        class: ClassName::parse("Post").unwrap(),
        id: ObjectId::parse(id).unwrap(),
        created_at: Some(Date::EPOCH),
        updated_at: None,
        acl: None,
        fields,
    }
}

fn digest(objects: &[Object]) -> Digest {
    let mut class = ClassSchema::new(ClassName::parse("Post").unwrap());
    let kind = parsimony_model::FieldType::Number;
    class.fields.insert(parsimony_model::FieldName::parse("n").unwrap(), parsimony_model::schema::Field::plain(kind));
    let mut digest = Digest::default();
    for object in objects {
        digest.add_object(&class, object);
    }
    digest
}

#[test]
fn a_digest_knows_no_order_of_objects_or_fields() {
    let (one, two) = (object("a", map! { "n" => 1, "s" => "x" }), object("b", map! { "n" => 2 }));
    let turned = object("a", map! { "s" => "x", "n" => 1 });
    assert_eq!(digest(&[one.clone(), two.clone()]), digest(&[two, turned]));
    let lists = |readers: &[&str]| Object {
        acl: Some(Acl::from_lists(readers.iter().copied(), ["w"])),
        ..object("a", map! {})
    };
    assert_eq!(digest(&[lists(&["x", "y"])]), digest(&[lists(&["y", "x"])]));
}

#[test]
fn a_digest_sees_every_difference() {
    let plain = || object("a", map! { "n" => 1 });
    let date = Value::Date(Date::from_millis(1));
    let all = [
        vec![],
        vec![plain()],
        vec![plain(), plain()],
        vec![object("b", map! { "n" => 1 })],
        vec![object("a", map! { "n" => 2 })],
        vec![object("a", map! { "n" => Value::Null })],
        vec![object("a", map! {})],
        vec![object("a", map! { "n" => "1" })],
        vec![object("a", map! { "n" => true })],
        vec![object("a", map! { "n" => date })],
        vec![object("a", map! { "n" => Value::Array(vec![1.into()]) })],
        vec![object("a", map! { "n" => map! { "a" => 1, "b" => 2 } })],
        vec![object("a", map! { "n" => map! { "b" => 2, "a" => 1 } })],
        vec![object("a", map! { "n" => 1, "_hashed_password" => "h" })],
        vec![Object { acl: Some(Acl::default()), ..plain() }],
        vec![Object { acl: Some(Acl::from_lists(["x"], [])), ..plain() }],
        vec![Object { acl: Some(Acl::from_lists([], ["x"])), ..plain() }],
        vec![Object { updated_at: Some(Date::EPOCH), ..plain() }],
        vec![Object { created_at: None, ..plain() }],
    ];
    let mut seen = std::collections::HashSet::new();
    for objects in &all {
        let digest = digest(objects);
        assert!(seen.insert((digest.count, digest.to_string())), "{objects:?}");
    }
}

#[test]
fn a_digest_overlooks_what_a_store_cannot_keep() {
    for (one, other) in [
        (map! { "n" => 0.0 }, map! { "n" => -0.0 }),
        (map! { "n" => f64::NAN }, map! { "n" => Value::Null }),
        (map! { "unheardOf" => Value::Null }, map! {}),
        (map! { "authData" => map! {} }, map! {}),
        (map! { "authData" => map! { "a" => Value::Null } }, map! { "authData" => Value::Null }),
        (map! { "likes" => Value::Relation(ClassName::parse("Post").unwrap()) }, map! {}),
    ] {
        assert_eq!(digest(&[object("a", one.clone())]), digest(&[object("a", other)]), "{one:?}");
    }
}

#[test]
fn the_summary_counts() {
    let likes = MovedRelation {
        field: parsimony_model::FieldName::parse("likes").unwrap(),
        members: 1,
        digest: "d2".to_owned(),
    };
    let name = ClassName::parse("Post").unwrap();
    let post = MovedClass { name, objects: 2, digest: "d1".to_owned(), relations: vec![likes] };
    let moved = Moved { classes: vec![post], files: 0, warnings: vec!["careful".to_owned()] };
    let expected = "d1  Post  2 objects\nd2  Post.likes  1 member\nwarning: careful\n\
                    Moved 1 class with 2 objects; counts and digests are the same on both sides.\n";
    assert_eq!(summary(&moved), expected);
}
