//! What comes in pieces is what a find gives; what goes in at once is what one insert after the other leaves.

use futures::TryStreamExt as _;
use parsimony_model::{Acl, Filter, Object, Value, map};

use super::given::{Table, class, grants, id, ids, order, pointer, refused, value};
use super::{Behaviours, Fresh, behaviours};
use crate::{Link, Pieces, Scope, StoreError};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    pieces_are_what_a_find_gives,
    pieces_have_a_bound,
    a_read_that_is_left_alone_disturbs_nobody,
    what_cannot_be_asked_is_refused_before_the_first_piece,
    objects_go_in_at_once,
    one_object_that_is_refused_refuses_those_after_it,
    a_relation_is_filled_and_read,
    a_relation_is_read_as_a_set,
    there_is_nothing_but_classes,
];

/// More than fit into a few pieces.
const MANY: usize = 1_100;

async fn collect<T>(pieces: Pieces<T>) -> Result<Vec<T>, StoreError> {
    pieces.try_concat().await
}

async fn many(fresh: &dyn Fresh) -> Table {
    let table = Table::new(fresh, "Row", &["n:Number", "text:String"]).await;
    let row = |n: usize| table.object(&format!("r{n:04}"), map! { "n" => (n % 7) as f64, "text" => "x".repeat(50) });
    let mut rows: Vec<Object> = (0..MANY).map(row).collect();
    for row in rows.iter_mut().step_by(5) {
        row.acl = Some(Acl::default());
    }
    table.store.insert_all(&table.class, &rows).await.unwrap();
    table
}

async fn pieces_are_what_a_find_gives(fresh: &dyn Fresh) {
    let table = many(fresh).await;
    let all = table.selection(Filter::everything());
    let mut seen = all.clone();
    seen.scope = Scope::ReadableBy(grants(&["*"]));
    for (selection, count) in [
        (all.clone(), MANY),
        (all.clone().ordered(order("-n,objectId")), MANY),
        (all.clone().ordered(order("objectId")).range(10, Some(700)), 700),
        (all.clone().ordered(order("objectId")).range(1_099, Some(5_000)), 1),
        (all.clone().ordered(order("objectId")).range(0, Some(0)), 0),
        (all.clone().ordered(order("objectId")).only(vec!["n".to_owned()]), MANY),
        (seen.ordered(order("objectId")), MANY - MANY / 5),
        (table.select(r#"{"n": {"$gt": 99}}"#), 0),
        (table.select(r#"{"objectId": "r0003"}"#), 1),
    ] {
        let found = table.find(&selection).await;
        let streamed = collect(table.store.pieces(&selection).await.unwrap()).await.unwrap();
        assert_eq!(found.len(), count, "{selection:?}");
        assert_eq!(streamed, found, "{selection:?}");
    }
    let mut nowhere = all;
    nowhere.class = class("Nowhere", &[]).into();
    assert_eq!(collect(table.store.pieces(&nowhere).await.unwrap()).await.unwrap(), []);
}

async fn pieces_have_a_bound(fresh: &dyn Fresh) {
    let table = many(fresh).await;
    let mut pieces = table.store.pieces(&table.selection(Filter::everything())).await.unwrap();
    let mut sizes = Vec::new();
    while let Some(piece) = pieces.try_next().await.unwrap() {
        sizes.push(piece.len());
    }
    assert!(sizes.iter().all(|size| (1..=crate::PIECE_ROWS_MAX).contains(size)), "{sizes:?}");
}

async fn a_read_that_is_left_alone_disturbs_nobody(fresh: &dyn Fresh) {
    let table = many(fresh).await;
    let all = table.selection(Filter::everything());
    let mut left = Vec::new();
    for _ in 0..20 {
        let mut pieces = table.store.pieces(&all).await.unwrap();
        assert!(pieces.try_next().await.unwrap().is_some());
        left.push(pieces);
    }
    table.put("new", r#"{"n": 1}"#).await;
    assert_eq!(table.store.count(&all).await.unwrap(), MANY as u64 + 1);
    left.clear();
    let again = collect(table.store.pieces(&all).await.unwrap()).await.unwrap();
    assert_eq!(again.len(), MANY + 1);
}

async fn what_cannot_be_asked_is_refused_before_the_first_piece(fresh: &dyn Fresh) {
    let table = many(fresh).await;
    let selection = table.select(r#"{"text": {"$regex": "("}}"#);
    let outcome = match table.store.pieces(&selection).await {
        Ok(pieces) => collect(pieces).await.map(|found| ids(&found)),
        Err(error) => Err(error),
    };
    assert!(matches!(refused(outcome, "a pattern that is none"), StoreError::InvalidQuery(_)));
}

async fn objects_go_in_at_once(fresh: &dyn Fresh) {
    let fields = ["s:String", "d:Date", "l:Array", "o:Object", "p:*Other", "g:GeoPoint", "b:Bytes", "f:Boolean"];
    let table = Table::new(fresh, "Mixed", &fields).await;
    let rich = map! {
        "s" => "text",
        "d" => value(r#"{"__type": "Date", "iso": "2020-02-03T04:05:06.789Z"}"#),
        "l" => value(r#"[1, "two", {"three": [3]}]"#),
        "o" => value(r#"{"b": 1, "a": {"c": null}}"#),
        "p" => pointer("Other", "o1"),
        "g" => value(r#"{"__type": "GeoPoint", "latitude": 1.5, "longitude": -2}"#),
        "b" => value(r#"{"__type": "Bytes", "base64": "AAEC"}"#),
        "f" => false,
        "_hashed_password" => "hash",
    };
    let rich = Object { acl: Some(Acl::from_lists(["u"], ["u"])), ..table.object("rich", rich) };
    let bare = Object { created_at: None, updated_at: None, ..table.object("bare", map! { "s" => Value::Null }) };
    table.store.insert_all(&table.class, &[rich.clone(), bare.clone()]).await.unwrap();
    table.store.insert_all(&table.class, &[]).await.unwrap();
    assert_eq!(table.get("rich").await, Some(rich));
    assert_eq!(table.get("bare").await, Some(bare));
}

async fn one_object_that_is_refused_refuses_those_after_it(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Row", &["n:Number"]).await;
    let row = |id: &str| table.object(id, map! { "n" => 1 });
    let rows = [row("a"), row("b"), row("a"), row("c")];
    let error = refused(table.store.insert_all(&table.class, &rows).await, "an id that is taken");
    assert!(matches!(error, StoreError::Duplicate { .. }), "{error}");
    assert_eq!(table.get("c").await, None);
}

async fn a_relation_is_filled_and_read(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Owner", &["likes:&Thing", "owns:&Thing"]).await;
    let link =
        |owner: usize, member: usize| Link { owner: id(&format!("o{owner}")), member: id(&format!("m{member}")) };
    let mut links: Vec<Link> = (0..MANY).map(|n| link(n % 3, n)).collect();
    let likes = table.join("likes");
    table.store.fill(&likes, &links).await.unwrap();
    table.store.fill(&likes, &[]).await.unwrap();
    let mut read = collect(table.store.links(&likes).await.unwrap()).await.unwrap();
    read.sort();
    links.sort();
    assert_eq!(read, links);
    assert_eq!(table.store.members(&likes).await.unwrap(), MANY as u64);
    assert_eq!(collect(table.store.links(&table.join("owns")).await.unwrap()).await.unwrap(), []);
}

async fn a_relation_is_read_as_a_set(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Owner", &["likes:&Thing"]).await;
    let (likes, link) = (table.join("likes"), Link { owner: id("o"), member: id("m") });
    table.store.fill(&likes, std::slice::from_ref(&link)).await.unwrap();
    // Another server may have written the row a second time.
    table.store.fill(&likes, std::slice::from_ref(&link)).await.unwrap();
    assert_eq!(collect(table.store.links(&likes).await.unwrap()).await.unwrap(), [link]);
}

async fn there_is_nothing_but_classes(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Owner", &["likes:&Thing"]).await;
    table.put("o", "{}").await;
    table.store.link(&table.join("likes"), &id("o"), &[id("m")]).await.unwrap();
    assert_eq!(table.store.others().await.unwrap(), Vec::<String>::new());
}
