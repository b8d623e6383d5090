//! What does the command line of `parsimony schema` mean, and how does a plan look?

use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use super::{Outcome, What, diff};
use crate::cli::{Cli, Command};

fn parsed(line: &str) -> What {
    match Cli::parse_from(line.split(' ')).command {
        Some(Command::Schema(schema)) => schema.what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_what_a_script_writes() {
    let What::Push { wanted, allowed, said } =
        parsed("parsimony schema push --yes --allow-destructive --dir d --author ann --url http://h/parse --json")
    else {
        panic!("no push")
    };
    assert_eq!((wanted.dir.to_str(), wanted.delete_extra_fields), (Some("d"), false));
    assert!(allowed.allow_destructive && !allowed.allow_missing && said.yes);
    assert_eq!(said.author.as_deref(), Some("ann"));
    assert!(matches!(parsed("parsimony schema plan --exit-code"), What::Plan { exit_code: true, .. }));
    assert!(matches!(parsed("parsimony schema history 7"), What::History { number: Some(7), .. }));
    assert!(matches!(parsed("parsimony schema rollback"), What::Rollback { number: None, .. }));
    assert!(matches!(parsed("parsimony schema pull A B"), What::Pull { classes, .. } if classes == ["A", "B"]));
}

#[test]
fn each_outcome_has_a_code_of_its_own() {
    for (outcome, code) in [(Outcome::Done, 0), (Outcome::Waiting, 3), (Outcome::Refused, 4), (Outcome::Overtaken, 5)] {
        assert_eq!(ExitCode::from(outcome), ExitCode::from(code));
    }
}

#[test]
fn a_plan_looks_like_a_diff() {
    let told = json!({
        "steps": [
            {"step": "createClass", "class": "A", "to": {"className": "A", "appendOnly": true,
                "fields": {"to": {"type": "Pointer", "targetClass": "_User", "required": true}},
                "indexes": {"once": {"keys": {"to": 1}, "unique": true}}, "classLevelPermissions": {"find": {"*": true}}}},
            {"step": "addField", "class": "B", "name": "n", "to": {"type": "Number", "defaultValue": 3}},
            {"step": "remakeField", "class": "B", "name": "m", "from": {"type": "Number"}, "to": {"type": "String"}},
            {"step": "setOptions", "class": "B", "name": "o", "from": {"type": "File"}, "to": {"type": "File", "required": true}},
            {"step": "setPermissions", "class": "B", "from": {"find": {"*": true}, "get": {}}, "to": {"find": {}, "get": {}}},
            {"step": "dropIndex", "class": "B", "name": "i", "from": {"m": 1}},
            {"step": "dropClass", "class": "C"},
        ],
        "kept": [{"kept": "field", "class": "B", "name": "old", "is": {"type": "Date"}}, {"kept": "class", "class": "D"}],
        "findings": [{"text": "B.m: 1 object has a value that would be lost", "unless": "allowDestructive"}],
        "refusals": ["B.m: 1 object has a value that would be lost"],
    });
    let expected = "\
+ class A
    + field to Pointer<_User> required
    + index once {\"keys\":{\"to\":1},\"unique\":true}
    + permission find {\"*\":true}
    + append-only
~ class B
    + field n Number defaultValue=3
    - field m Number
    + field m String
    ~ field o File → File required
    ~ permission find {\"*\":true} → {}
    - index i {\"m\":1}
- class C
Stays, although the files do not have it so:
  field B.old Date
  class D
The data:
! B.m: 1 object has a value that would be lost (--allow-destructive)
7 steps, and the data stands in the way: nothing is changed.
";
    assert_eq!(diff::plan(&told, false), expected);
    assert!(diff::plan(&told, true).contains("\u{1b}[32m+ class A\u{1b}[0m"));
    assert_eq!(diff::plan(&json!({"steps": [], "refusals": []}), false), "Nothing is to change.\n");
}

#[test]
fn the_history_is_a_line_for_each_push() {
    let told = json!({"results": [
        {"number": 12, "kind": "rollback", "undoes": 11, "author": "bob", "state": "failed", "begunAt": "2026-01-02T03:04:05.678Z",
            "steps": [{}], "digest": "", "message": "It broke."},
        {"number": 1, "kind": "push", "author": "ann", "state": "done", "begunAt": "2026-01-01T00:00:00.000Z", "steps": [{}, {}],
            "digest": "0123456789abcdef"},
    ]});
    let expected = "   12  2026-01-02T03:04:05.678Z  failed          1 step  rollback to before 11 by bob\n       It broke.\n    1  \
                    2026-01-01T00:00:00.000Z  done           2 steps  push by ann  0123456789ab\n";
    assert_eq!(diff::history(&told), expected);
    assert_eq!(diff::history(&json!({"results": []})), "Nothing was pushed yet.\n");
}
