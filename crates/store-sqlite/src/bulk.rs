//! Whole classes and relations, in pieces.

use std::sync::Arc;

use futures::stream;
use parsimony_model::{ClassSchema, Object, ObjectId};
use parsimony_store::{Answer, Bulk, Join, Link, Objects, Pieces, Selection, StoreError};
use rusqlite::Connection;

use crate::error::store_error;
use crate::find::Find;
use crate::objects::Asked;
use crate::sql::quote;
use crate::streams::{Busy, Hand};
use crate::transaction::{Lane, Whole, closed};
use crate::values::object_id;
use crate::write::{Fill, Insert};

impl Asked<Whole> {
    fn stream<T, R>(&self, read: R) -> Result<Pieces<T>, Busy<R>>
    where
        T: Send + 'static,
        R: FnOnce(&Connection, &mut Hand<T>) -> Result<(), StoreError> + Send + 'static,
    {
        let doors = self.lane.doors.load_full().ok_or_else(|| Busy::Failed(closed()))?;
        doors.streams.start(read)
    }
}

impl Bulk for Asked<Whole> {
    /// If there is no thread for a stream, or nothing to be gained by one, the objects are found as ever.
    fn pieces<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Pieces<Object>> {
        Box::pin(async move {
            let plan = Find::plan(&self.shared.tables.load(), &self.shared.patterns, selection)?;
            if let Some(plan) = plan.filter(|plan| !plan.is_by_id() && plan.is_one_statement()) {
                match self.stream(move |connection, hand| plan.hand_over(connection, hand)) {
                    Ok(pieces) => return Ok(pieces),
                    Err(Busy::Failed(error)) => return Err(error),
                    Err(Busy::Full(_plan)) => {}
                }
            }
            let found = self.find(selection).await?;
            let piece = (!found.is_empty()).then_some(Ok(found));
            Ok(Box::pin(stream::iter(piece)) as Pieces<Object>)
        })
    }

    fn links<'a>(&'a self, join: &'a Join) -> Answer<'a, Pieces<Link>> {
        Box::pin(async move {
            let table = self.shared.tables.load().join(join.class.as_str(), join.field.as_str()).map(quote);
            let Some(table) = table else { return Ok(Box::pin(stream::empty()) as Pieces<Link>) };
            let read = move |connection: &Connection, hand: &mut Hand<Link>| hand_links_over(connection, &table, hand);
            self.stream(read).map_err(|busy| match busy {
                Busy::Failed(error) => error,
                Busy::Full(_) => StoreError::unavailable("too many rows are being read"),
            })
        })
    }

    fn insert_all<'a>(&'a self, _class: &'a Arc<ClassSchema>, objects: &'a [Object]) -> Answer<'a, ()> {
        Box::pin(async move {
            let tables = self.shared.tables.load();
            let plans = objects.iter().map(|object| Insert::plan(&tables, object)).collect::<Result<Vec<_>, _>>()?;
            drop(tables);
            self.lane.write(move |connection| plans.iter().try_for_each(|plan| plan.run(connection))).await
        })
    }

    fn fill<'a>(&'a self, join: &'a Join, links: &'a [Link]) -> Answer<'a, ()> {
        Box::pin(async move {
            let plan = Fill::plan(&self.shared.tables.load(), join, links)?;
            self.lane.write(move |connection| plan.run(connection)).await
        })
    }

    /// The file is the server's alone.
    fn others(&self) -> Answer<'_, Vec<String>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

fn hand_links_over(connection: &Connection, table: &str, hand: &mut Hand<Link>) -> Result<(), StoreError> {
    let text = format!("SELECT \"owningId\",\"relatedId\" FROM {table}");
    let mut statement = connection.prepare_cached(&text).map_err(store_error)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(store_error)? {
        let end = |place: usize| -> Result<ObjectId, StoreError> {
            let id: String = row.get(place).map_err(store_error)?;
            object_id(&id)
        };
        let link = Link { owner: end(0)?, member: end(1)? };
        let bytes = link.owner.as_str().len() + link.member.as_str().len();
        hand.over(link, bytes)?;
    }
    Ok(())
}
