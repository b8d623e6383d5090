//! Who sees and changes which objects? The access control list as part of every query.

use parsimony_model::{Access, Acl, Filter, Object};

use super::given::{Table, change, filter, grants, sorted_ids};
use super::{Behaviours, Fresh, behaviours};
use crate::{Scope, Selection};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    a_scope_decides_what_is_seen,
    a_condition_and_a_scope_both_hold,
    a_branch_cannot_escape_the_scope,
    an_update_changes_only_what_the_scope_lets,
    a_delete_takes_only_what_the_scope_lets,
    a_changed_list_counts_at_once,
    the_lists_can_be_asked_for,
];

const WRITE: Access = Access { read: false, write: true };

async fn notes(fresh: &dyn Fresh) -> Table {
    let table = Table::new(fresh, "Note", &["n:Number", "tags:Array"]).await;
    let list = Acl::default;
    table.put("open", r#"{"n": 1}"#).await;
    for (id, acl) in [
        ("master", list()),
        ("public", list().with("*", Access::READ)),
        ("shared", list().with("*", Access::BOTH)),
        ("mine", list().with("u1", Access::BOTH)),
        ("yours", list().with("u2", Access::BOTH)),
        ("team", list().with("role:Team", Access::BOTH)),
        ("mixed", list().with("u1", Access::READ).with("u2", WRITE)),
        ("dropbox", list().with("*", WRITE)),
        ("odd", list().with("role:It's \"50%\"", Access::BOTH)),
    ] {
        table.put_with_acl(id, r#"{"n": 1}"#, acl).await;
    }
    table
}

fn scoped(table: &Table, text: &str, scope: Scope) -> Selection {
    Selection::new(table.class.clone(), filter(&table.class, text), scope)
}

fn read(names: &[&str]) -> Scope {
    Scope::ReadableBy(grants(names))
}

fn write(names: &[&str]) -> Scope {
    Scope::WritableBy(grants(names))
}

async fn a_scope_decides_what_is_seen(fresh: &dyn Fresh) {
    let notes = notes(fresh).await;
    let all = notes.find(&notes.selection(Filter::everything())).await;
    let mut wrong = Vec::new();
    for (scope, expected) in [
        (Scope::Everything, "dropbox master mine mixed odd open public shared team yours"),
        (read(&["*"]), "open public shared"),
        (read(&["*", "u1"]), "mine mixed open public shared"),
        (read(&["*", "u2"]), "open public shared yours"),
        (read(&["*", "u1", "role:Team"]), "mine mixed open public shared team"),
        (read(&["*", "u"]), "open public shared"),
        (read(&["*", "Team", "role:team"]), "open public shared"),
        (read(&["*", "role:It's \"50%\""]), "odd open public shared"),
        (read(&["*", "%", "_", ""]), "open public shared"),
        (write(&["*"]), "dropbox open shared"),
        (write(&["*", "u1"]), "dropbox mine open shared"),
        (write(&["*", "u2"]), "dropbox mixed open shared yours"),
        (write(&["*", "u2", "role:Team"]), "dropbox mixed open shared team yours"),
    ] {
        let selection = scoped(&notes, "{}", scope.clone());
        let found = sorted_ids(&notes.find(&selection).await);
        let counted = notes.store.count(&selection).await.unwrap();
        let admitted: Vec<Object> = all.iter().filter(|object| scope.admits(object)).cloned().collect();
        assert_eq!(sorted_ids(&admitted), expected, "{scope:?} admits");
        if found != expected || counted != expected.split(' ').count() as u64 {
            wrong.push(format!("{scope:?}: expected {expected:?}, found {found:?}, counted {counted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn a_condition_and_a_scope_both_hold(fresh: &dyn Fresh) {
    let notes = notes(fresh).await;
    for (text, scope, expected) in [
        (r#"{"objectId": "mine"}"#, read(&["*", "u1"]), "mine"),
        (r#"{"objectId": "mine"}"#, read(&["*", "u2"]), ""),
        (r#"{"objectId": "master"}"#, read(&["*", "u1", "role:Team"]), ""),
        (r#"{"objectId": {"$in": ["mine", "yours", "open"]}}"#, read(&["*", "u2"]), "open yours"),
        (r#"{"n": 2}"#, read(&["*"]), ""),
    ] {
        let found = sorted_ids(&notes.find(&scoped(&notes, text, scope.clone())).await);
        assert_eq!(found, expected, "{text} for {scope:?}");
    }
}

async fn a_branch_cannot_escape_the_scope(fresh: &dyn Fresh) {
    let notes = notes(fresh).await;
    for text in [
        r#"{"$or": [{"n": 1}, {"n": {"$ne": 1}}]}"#,
        r#"{"$nor": [{"n": 5}]}"#,
        r#"{"$or": [{"objectId": "master"}, {"n": 1}]}"#,
    ] {
        let found = sorted_ids(&notes.find(&scoped(&notes, text, read(&["*"]))).await);
        assert_eq!(found, "open public shared", "{text}");
    }
    let either = Filter::Or(vec![Filter::And(vec![]), Filter::equals("objectId", "master")]);
    let found = notes.find(&Selection::new(notes.class.clone(), either, read(&["*"]))).await;
    assert_eq!(sorted_ids(&found), "open public shared", "an empty branch");
}

async fn an_update_changes_only_what_the_scope_lets(fresh: &dyn Fresh) {
    let notes = notes(fresh).await;
    let two = change(r#"{"n": 2}"#);
    let one = |id: &str, scope| scoped(&notes, &format!(r#"{{"objectId": "{id}"}}"#), scope);
    for (id, scope, allowed) in [
        ("yours", write(&["*", "u1"]), false),
        ("public", write(&["*", "u1"]), false),
        ("master", write(&["*", "u1", "role:Team"]), false),
        ("mixed", write(&["*", "u1"]), false),
        ("mixed", write(&["*", "u2"]), true),
        ("open", write(&["*"]), true),
        ("master", Scope::Everything, true),
    ] {
        let after = notes.store.update(&one(id, scope.clone()), &two).await.unwrap();
        assert_eq!(after.is_some(), allowed, "update of {id} by {scope:?}");
    }
    assert_eq!(notes.found(r#"{"n": 2}"#).await, "master mixed open", "and nothing else was changed");
    let changed = notes.store.update_all(&scoped(&notes, r#"{"n": 1}"#, write(&["*", "u1"])), &two).await.unwrap();
    assert_eq!(changed, 3, "dropbox, mine and shared");
    assert_eq!(notes.found(r#"{"n": 1}"#).await, "odd public team yours");
}

async fn a_delete_takes_only_what_the_scope_lets(fresh: &dyn Fresh) {
    let notes = notes(fresh).await;
    let taken = notes.store.delete(&scoped(&notes, r#"{"objectId": "yours"}"#, write(&["*", "u1"]))).await.unwrap();
    assert_eq!(taken, 0, "another one's");
    let taken = notes.store.delete(&scoped(&notes, "{}", write(&["*", "u1"]))).await.unwrap();
    assert_eq!(taken, 4, "dropbox, mine, open and shared");
    assert_eq!(notes.found("{}").await, "master mixed odd public team yours");
}

async fn a_changed_list_counts_at_once(fresh: &dyn Fresh) {
    let notes = notes(fresh).await;
    let mut closed = change("{}");
    closed.acl = Some(Some(Acl::default().with("u9", Access::READ)));
    notes.update("open", &closed).await.unwrap();
    let mut opened = change("{}");
    opened.acl = Some(None);
    notes.update("master", &opened).await.unwrap();
    let seen = |names: &[&str]| scoped(&notes, "{}", read(names));
    assert_eq!(sorted_ids(&notes.find(&seen(&["*"])).await), "master public shared", "by everyone");
    assert_eq!(sorted_ids(&notes.find(&seen(&["*", "u9"])).await), "master open public shared", "by u9");
}

async fn the_lists_can_be_asked_for(fresh: &dyn Fresh) {
    let notes = notes(fresh).await;
    for (text, expected) in [
        (r#"{"_rperm": "u1"}"#, "mine mixed"),
        (r#"{"_wperm": "u2"}"#, "mixed yours"),
        (r#"{"_rperm": {"$in": ["*", "role:Team"]}}"#, "public shared team"),
        (r#"{"_rperm": {"$exists": false}}"#, "open"),
        (r#"{"_wperm": {"$in": [null, "*"]}}"#, "dropbox open shared"),
        (r#"{"_rperm": {"$all": ["u1"]}, "_wperm": {"$ne": "u1"}}"#, "mixed"),
    ] {
        assert_eq!(notes.found(text).await, expected, "{text}");
    }
}
