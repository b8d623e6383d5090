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
use crate::streams::{Hand, Place, Streams};
use crate::transaction::{Lane, Whole, closed};
use crate::values::object_id;
use crate::write::{Fill, Insert};

impl Asked<Whole> {
    fn streams(&self) -> Result<Arc<Streams>, StoreError> {
        self.lane.doors.load().as_ref().map(|doors| Arc::clone(&doors.streams)).ok_or_else(closed)
    }

    /// A place for one more stream, if one comes free in time.
    async fn place(&self) -> Result<Option<Place>, StoreError> {
        let place = self.streams()?.place();
        Ok(place.await)
    }
}

impl Bulk for Asked<Whole> {
    /// If no stream comes free in time, or there is nothing to be gained by one, the objects are found as ever.
    fn pieces<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Pieces<Object>> {
        Box::pin(async move {
            let plan = Find::plan(&self.shared.tables.load(), &self.shared.patterns, selection)?;
            if let Some(plan) = plan.filter(|plan| !plan.is_by_id() && plan.is_one_statement())
                && let Some(place) = self.place().await?
            {
                let read = move |connection: &Connection, hand: &mut Hand<Object>| plan.hand_over(connection, hand);
                return self.streams()?.start(place, read);
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
            let Some(place) = self.place().await? else {
                return Err(StoreError::unavailable("too many rows are being read"));
            };
            let read = move |connection: &Connection, hand: &mut Hand<Link>| hand_links_over(connection, &table, hand);
            self.streams()?.start(place, read)
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
