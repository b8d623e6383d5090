//! What keeps a unique index from being made, and how far has one come?

use bson::{Bson, Document, doc};
use futures::TryStreamExt;
use mongodb::options::AggregateOptions;
use parsimony_model::schema::Index;
use parsimony_model::{ClassName, ClassSchema, ObjectId};
use parsimony_store::{Duplicates, Progress, StoreError};

use crate::error;
use crate::indexes;
use crate::names;
use crate::open::Shared;

/// Of how many groups of equal objects some are named.
const GROUPS_SHOWN_MAX: i32 = 3;

/// Objects that a unique index could not tell apart. What lists hold in common is left to the index itself to find.
pub(crate) async fn find(shared: &Shared, class: &ClassSchema, index: &Index) -> Result<Duplicates, StoreError> {
    let keys = indexes::keys(class, index);
    let mut stages = Vec::new();
    if let Some(condition) = indexes::condition(class, index)? {
        stages.push(doc! { "$match": condition });
    }
    if index.sparse {
        let any: Vec<Document> = keys.keys().map(|column| doc! { column: { "$exists": true } }).collect();
        stages.push(doc! { "$match": { "$or": any } });
    }
    // A column may have a name that an expression would take apart, so each gets a number.
    let group: Document = keys
        .keys()
        .enumerate()
        .map(|(place, column)| (format!("k{place}"), doc! { "$ifNull": [format!("${column}"), Bson::Null] }.into()))
        .collect();
    stages.extend([
        doc! { "$group": { "_id": group, "n": { "$sum": 1 }, "first": { "$min": "$_id" }, "last": { "$max": "$_id" } } },
        doc! { "$match": { "n": { "$gt": 1 } } },
        doc! { "$facet": {
            "total": [{ "$group": { "_id": Bson::Null, "groups": { "$sum": 1 }, "objects": { "$sum": "$n" } } }],
            "some": [{ "$sort": { "n": -1, "_id": 1 } }, { "$limit": GROUPS_SHOWN_MAX }],
        } },
    ]);
    let mut options = AggregateOptions::default();
    options.allow_disk_use = Some(true);
    options.collation = index.ignore_case.then(names::without_case);
    let found = shared.objects(&class.name).aggregate(stages).with_options(options).await.map_err(error::of_read)?;
    let found: Vec<Document> = found.try_collect().await.map_err(error::of_read)?;
    Ok(found.first().map(duplicates).unwrap_or_default())
}

fn duplicates(found: &Document) -> Duplicates {
    let list = |key: &str| found.get_array(key).into_iter().flatten().filter_map(Bson::as_document);
    let id = |id: &Bson| match id {
        Bson::String(id) => ObjectId::parse(id).ok(),
        other => ObjectId::parse(&other.to_string()).ok(),
    };
    let mut duplicates = Duplicates::default();
    if let Some(total) = list("total").next() {
        duplicates.groups = number(total, "groups").unwrap_or(0);
        duplicates.objects = number(total, "objects").unwrap_or(0);
    }
    let ends = list("some").flat_map(|group| [group.get("first"), group.get("last")]);
    duplicates.samples = ends.flatten().filter_map(id).collect();
    duplicates
}

/// How far the index has come that is being made for a class. One's own operations can be seen without further rights.
pub(crate) async fn progress(shared: &Shared, class: &ClassName) -> Result<Option<Progress>, StoreError> {
    let objects = shared.objects(class);
    let stages = [
        doc! { "$currentOp": {} },
        doc! { "$match": { "command.createIndexes": objects.name(), "command.$db": shared.database.name() } },
        doc! { "$match": { "progress.total": { "$gt": 0 } } },
        doc! { "$project": { "_id": 0, "done": "$progress.done", "total": "$progress.total" } },
    ];
    let admin = shared.client.database("admin");
    let found = match admin.aggregate(stages).await {
        Ok(found) => found.try_collect::<Vec<Document>>().await,
        Err(failure) => Err(failure),
    };
    let Ok(found) = found else {
        // It is a comfort, and whoever may make an index may not be allowed to see it.
        return Ok(None);
    };
    Ok(found.first().and_then(|found| Some(Progress { done: number(found, "done")?, total: number(found, "total")? })))
}

fn number(document: &Document, key: &str) -> Option<u64> {
    match document.get(key) {
        Some(Bson::Int32(number)) => u64::try_from(*number).ok(),
        Some(Bson::Int64(number)) => u64::try_from(*number).ok(),
        _ => None,
    }
}
