//! Who is in a relation? Links, and conditions that follow them in both directions.

use parsimony_model::query::{Constraint, Relatives};
use parsimony_model::{Filter, ObjectId, Pointer, map};
use tokio::task::JoinSet;

use super::given::{Table, class, field_name, grants, id, order, sorted_ids};
use super::{Behaviours, Fresh, behaviours};
use crate::{Scope, Selection};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    a_link_is_there_once,
    an_unlink_takes_only_what_it_names,
    members_are_found_by_their_owner,
    owners_are_found_by_their_members,
    relations_combine_with_other_conditions,
    two_relations_are_apart,
    updates_and_deletes_follow_relations,
    members_are_counted,
    many_members_are_linked_at_once,
    the_same_link_from_many_sides_is_one,
    some_members_of_a_great_relation,
];

struct Library {
    readers: Table,
    books: Table,
}

impl Library {
    /// Readers with two relations to books, and no link yet.
    async fn new(fresh: &dyn Fresh) -> Self {
        let readers = Table::new(fresh, "Reader", &["name:String", "likes:&Book", "owns:&Book"]).await;
        let books = Table::of(readers.store.clone(), class("Book", &["n:Number"])).await;
        for reader in ["r1", "r2", "r3"] {
            readers.insert(&readers.object(reader, map! { "name" => reader })).await;
        }
        for (book, n) in ["b1", "b2", "b3", "b4"].iter().zip(1..) {
            books.insert(&books.object(book, map! { "n" => n })).await;
        }
        Self { readers, books }
    }

    /// r1 likes b1 and b2, r2 likes b2 and b3, r3 likes nothing; r3 owns b1.
    async fn linked(fresh: &dyn Fresh) -> Self {
        let library = Self::new(fresh).await;
        library.link("likes", "r1", &["b1", "b2"]).await;
        library.link("likes", "r2", &["b2", "b3"]).await;
        library.link("owns", "r3", &["b1"]).await;
        library
    }

    async fn link(&self, field: &str, owner: &str, members: &[&str]) {
        let members: Vec<ObjectId> = members.iter().map(|member| id(member)).collect();
        self.readers.store.link(&self.readers.join(field), &id(owner), &members).await.unwrap();
    }

    async fn unlink(&self, field: &str, owner: &str, members: &[&str]) {
        let members: Vec<ObjectId> = members.iter().map(|member| id(member)).collect();
        self.readers.store.unlink(&self.readers.join(field), &id(owner), &members).await.unwrap();
    }

    fn members(&self, field: &str, owner: &str) -> Filter {
        let owner = Pointer::new(self.readers.class.name.clone(), id(owner));
        Filter::RelatedTo(Relatives { owner, field: field_name(field) })
    }

    /// The books in a relation of a reader.
    async fn books_of(&self, field: &str, owner: &str) -> String {
        self.books_with(self.members(field, owner)).await
    }

    async fn books_with(&self, filter: Filter) -> String {
        let selection = self.books.selection(filter);
        let found = self.books.find(&selection).await;
        let counted = self.books.store.count(&selection).await.unwrap();
        assert_eq!(counted, found.len() as u64, "a count of {:?}", selection.filter);
        sorted_ids(&found)
    }

    async fn readers_with(&self, filter: Filter) -> String {
        sorted_ids(&self.readers.find(&self.readers.selection(filter)).await)
    }
}

fn relates(field: &str, members: &[&str]) -> Filter {
    Filter::Relates { field: field_name(field), members: members.iter().map(|member| id(member)).collect() }
}

fn book(name: &str) -> Filter {
    Filter::id(&id(name))
}

async fn members_are_counted(fresh: &dyn Fresh) {
    let library = Library::linked(fresh).await;
    let readers = &library.readers;
    for (field, count) in [("likes", 4), ("owns", 1)] {
        assert_eq!(readers.store.members(&readers.join(field)).await.unwrap(), count, "{field}");
    }
    assert_eq!(readers.store.members(&readers.join("name")).await.unwrap(), 0, "no relation has no members");
}

async fn some_members_of_a_great_relation(fresh: &dyn Fresh) {
    const MEMBERS: i32 = 2_500;
    let library = Library::new(fresh).await;
    let names: Vec<String> = (0..MEMBERS).map(|number| format!("m{number}")).collect();
    for (name, number) in names.iter().zip(0..) {
        library.books.insert(&library.books.object(name, map! { "n" => number })).await;
    }
    // One in three is a member that is not there.
    let linked: Vec<String> = names.iter().flat_map(|name| [name.clone(), format!("{name}-not")]).collect();
    library.link("likes", "r1", &linked.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let members = || library.members("likes", "r1");
    let rare = Filter::Field("n".into(), Constraint::GreaterOrEqual((MEMBERS - 3).into()));
    for (filter, limit, expected) in [
        (members(), 100, 100),
        (members().and(rare.clone()), 100, 3),
        (rare.clone().and(members()), 2, 2),
        (members().and(Filter::equals("n", 1_000)), 1, 1),
        (members().and(Filter::equals("n", -1)), 10, 0),
        (members(), 5_000, 2_500),
    ] {
        let selection = library.books.selection(filter).range(0, Some(limit));
        let found = library.books.find(&selection).await;
        let mut ids: Vec<_> = found.iter().map(|book| book.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), found.len()), (expected, expected), "{:?} at most {limit}", selection.filter);
    }
}

async fn a_link_is_there_once(fresh: &dyn Fresh) {
    let library = Library::new(fresh).await;
    assert_eq!(library.books_of("likes", "r1").await, "", "before any link");
    library.link("likes", "r1", &["b1"]).await;
    library.link("likes", "r1", &["b1", "b2", "b2"]).await;
    library.link("likes", "r1", &[]).await;
    assert_eq!(library.books_of("likes", "r1").await, "b1 b2");
    library.unlink("likes", "r1", &["b1"]).await;
    assert_eq!(library.books_of("likes", "r1").await, "b2", "once taken out, it is out");
}

async fn an_unlink_takes_only_what_it_names(fresh: &dyn Fresh) {
    let library = Library::linked(fresh).await;
    library.unlink("likes", "r1", &["b2", "b4", "nosuch"]).await;
    library.unlink("likes", "r1", &["b2"]).await;
    library.unlink("likes", "r3", &["b1"]).await;
    library.unlink("likes", "r2", &[]).await;
    assert_eq!(library.books_of("likes", "r1").await, "b1");
    assert_eq!(library.books_of("likes", "r2").await, "b2 b3", "another owner's member of the same id");
    assert_eq!(library.books_of("owns", "r3").await, "b1", "another relation's member");
}

async fn members_are_found_by_their_owner(fresh: &dyn Fresh) {
    let library = Library::linked(fresh).await;
    assert_eq!(library.books_of("likes", "r1").await, "b1 b2");
    assert_eq!(library.books_of("likes", "r2").await, "b2 b3");
    assert_eq!(library.books_of("likes", "r3").await, "", "an owner without members");
    assert_eq!(library.books_of("likes", "nosuch").await, "", "no such owner");
    library.link("likes", "r3", &["gone"]).await;
    assert_eq!(library.books_of("likes", "r3").await, "", "a member that is not there");
}

async fn owners_are_found_by_their_members(fresh: &dyn Fresh) {
    let library = Library::linked(fresh).await;
    for (members, expected) in [
        (&["b1"][..], "r1"),
        (&["b2"], "r1 r2"),
        (&["b4"], ""),
        (&["b1", "b3"], "r1 r2"),
        (&["b4", "b3"], "r2"),
        (&[], ""),
    ] {
        let found = library.readers_with(relates("likes", members)).await;
        assert_eq!(found, expected, "who likes one of {members:?}");
        let others = library.readers_with(Filter::Nor(vec![relates("likes", members)])).await;
        let expected: Vec<&str> = ["r1", "r2", "r3"].into_iter().filter(|id| !expected.contains(id)).collect();
        assert_eq!(others, expected.join(" "), "who likes none of {members:?}");
    }
}

async fn relations_combine_with_other_conditions(fresh: &dyn Fresh) {
    let library = Library::linked(fresh).await;
    let likes = |owner| library.members("likes", owner);
    let big = || library.books.select(r#"{"n": {"$gte": 2}}"#).filter;
    for (filter, expected) in [
        (Filter::And(vec![likes("r1"), big()]), "b2"),
        (Filter::And(vec![likes("r1"), likes("r2")]), "b2"),
        (Filter::Or(vec![likes("r1"), likes("r2")]), "b1 b2 b3"),
        (Filter::Or(vec![likes("r3"), book("b4")]), "b4"),
        (Filter::Or(vec![Filter::And(vec![likes("r1"), big()]), book("b1")]), "b1 b2"),
        (Filter::Nor(vec![likes("r1")]), "b3 b4"),
        (Filter::Nor(vec![likes("r1"), library.members("likes", "r3")]), "b3 b4"),
        (Filter::And(vec![Filter::Nor(vec![likes("r2")]), likes("r1")]), "b1"),
        (Filter::And(vec![likes("r1"), library.members("owns", "r3")]), "b1"),
    ] {
        assert_eq!(library.books_with(filter.clone()).await, expected, "{filter:?}");
    }
    for (filter, expected) in [
        (Filter::And(vec![relates("likes", &["b2"]), Filter::equals("name", "r2")]), "r2"),
        (Filter::Or(vec![relates("likes", &["b1"]), relates("owns", &["b1"])]), "r1 r3"),
        (Filter::And(vec![relates("likes", &["b1"]), relates("likes", &["b2"])]), "r1"),
        (Filter::Or(vec![relates("likes", &[]), Filter::equals("name", "r3")]), "r3"),
    ] {
        assert_eq!(library.readers_with(filter.clone()).await, expected, "{filter:?}");
    }
    let selection = library.books.selection(likes("r2")).ordered(order("-n")).range(0, Some(1));
    assert_eq!(sorted_ids(&library.books.find(&selection).await), "b3", "with order and range");
    let scope = Scope::ReadableBy(grants(&["*"]));
    let found = library.books.find(&Selection::new(library.books.class.clone(), likes("r1"), scope)).await;
    assert_eq!(sorted_ids(&found), "b1 b2", "with a scope");
}

async fn two_relations_are_apart(fresh: &dyn Fresh) {
    let library = Library::linked(fresh).await;
    assert_eq!(library.books_of("owns", "r1").await, "", "what r1 likes is not what it owns");
    assert_eq!(library.readers_with(relates("owns", &["b1"])).await, "r3");
    assert_eq!(library.readers_with(relates("owns", &["b2"])).await, "");
    // The same field name in another class is another relation.
    let clubs = Table::of(library.readers.store.clone(), class("Club", &["likes:&Book"])).await;
    clubs.put("r1", "{}").await;
    clubs.store.link(&clubs.join("likes"), &id("r1"), &[id("b4")]).await.unwrap();
    assert_eq!(library.books_of("likes", "r1").await, "b1 b2");
    let found = clubs.find(&clubs.selection(relates("likes", &["b4"]))).await;
    assert_eq!(sorted_ids(&found), "r1");
}

async fn updates_and_deletes_follow_relations(fresh: &dyn Fresh) {
    let library = Library::linked(fresh).await;
    let liked = library.books.selection(library.members("likes", "r1"));
    let changed = library.books.store.update_all(&liked, &super::given::change(r#"{"n": 9}"#)).await.unwrap();
    assert_eq!(changed, 2);
    assert_eq!(library.books.found(r#"{"n": 9}"#).await, "b1 b2");
    let one = library.readers.selection(relates("owns", &["b1"]));
    let after = library.readers.store.update(&one, &super::given::change(r#"{"name": "x"}"#)).await.unwrap();
    assert_eq!(after.map(|reader| reader.id), Some(id("r3")));
    assert_eq!(library.books.store.delete(&liked).await.unwrap(), 2);
    assert_eq!(library.books.found("{}").await, "b3 b4");
}

async fn many_members_are_linked_at_once(fresh: &dyn Fresh) {
    let library = Library::new(fresh).await;
    let members: Vec<ObjectId> = (0..2_500).map(|n| id(&format!("m{n}"))).chain([id("b1"), id("b4")]).collect();
    let join = library.readers.join("likes");
    library.readers.store.link(&join, &id("r1"), &members).await.unwrap();
    assert_eq!(library.books_of("likes", "r1").await, "b1 b4");
    library.readers.store.unlink(&join, &id("r1"), &members[..2_501]).await.unwrap();
    assert_eq!(library.books_of("likes", "r1").await, "b4");
}

async fn the_same_link_from_many_sides_is_one(fresh: &dyn Fresh) {
    let library = Library::new(fresh).await;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let (store, join) = (library.readers.store.clone(), library.readers.join("likes"));
        tasks.spawn(async move { store.link(&join, &id("r1"), &[id("b1"), id("b2")]).await.unwrap() });
    }
    tasks.join_all().await;
    assert_eq!(library.books_of("likes", "r1").await, "b1 b2");
    library.unlink("likes", "r1", &["b1", "b2"]).await;
    assert_eq!(library.books_of("likes", "r1").await, "", "one unlink takes it out");
}
