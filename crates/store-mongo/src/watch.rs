//! What is written to the database, by whomever: its change streams.

use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, Document, RawDocumentBuf, doc};
use futures::{StreamExt, stream};
use mongodb::change_stream::ChangeStream;
use mongodb::change_stream::event::{ChangeStreamEvent, OperationType, ResumeToken};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{FullDocumentBeforeChangeType, FullDocumentType};
use parsimony_model::ClassName;
use parsimony_store::{Happening, Happenings, Image, StoreError, Watching, Written};

use crate::documents;
use crate::error;
use crate::names;
use crate::open::Shared;

/// How long to wait before the database is asked again after it was lost; twice as long each time.
const PAUSE_MILLIS: std::ops::RangeInclusive<u64> = 100..=10_000;

/// The first version of the wire protocol (MongoDB 6.0) that knows images.
const IMAGES_WIRE_VERSION: i32 = 17;

/// What a server that answered `hello` like this can tell.
pub(crate) fn able(hello: &Document, replicated: bool) -> Watching {
    match hello.get_i32("maxWireVersion") {
        _ if !replicated => Watching::No,
        Ok(version) if version >= IMAGES_WIRE_VERSION => Watching::Images,
        _ => Watching::Names,
    }
}

type Event = ChangeStreamEvent<RawDocumentBuf>;

/// Where a watch has come to.
struct Watch {
    shared: Arc<Shared>,
    pipeline: Document,
    /// None while the database is not reached.
    open: Option<ChangeStream<Event>>,
    /// From where to go on.
    token: Option<ResumeToken>,
    pause_millis: u64,
}

/// What is written from now on to these classes and their relations.
pub(crate) async fn watch(shared: Arc<Shared>, classes: &[String]) -> Result<Happenings, StoreError> {
    let prefix = regex::escape(&shared.options.collection_prefix);
    let classes = classes.join("|");
    let collections = format!("^{prefix}(?:{}|(?:_Join:[^:]+:)?(?:{classes}))$", names::SCHEMA);
    let pipeline = doc! { "$match": { "ns.coll": { "$regex": collections } } };
    let mut watch = Watch { shared, pipeline, open: None, token: None, pause_millis: *PAUSE_MILLIS.start() };
    watch.open = Some(watch.open().await.map_err(error::of_read)?);
    Ok(Box::pin(stream::unfold(watch, |mut watch| async {
        let happening = watch.next().await;
        Some((happening, watch))
    })))
}

impl Watch {
    async fn open(&mut self) -> Result<ChangeStream<Event>, Error> {
        let mut watch = self.shared.database.watch().pipeline([self.pipeline.clone()]).resume_after(self.token.clone());
        if self.shared.watching == Watching::Images {
            watch = watch
                .full_document(FullDocumentType::WhenAvailable)
                .full_document_before_change(FullDocumentBeforeChangeType::WhenAvailable);
        }
        Ok(watch.await?.with_type())
    }

    async fn next(&mut self) -> Happening {
        loop {
            let Some(open) = &mut self.open else {
                tokio::time::sleep(Duration::from_millis(self.pause_millis)).await;
                if self.reopen().await {
                    return Happening::Gap;
                }
                continue;
            };
            match open.next().await {
                Some(Ok(event)) => {
                    self.token = open.resume_token();
                    self.pause_millis = *PAUSE_MILLIS.start();
                    if let Some(happening) = self.read(event) {
                        return happening;
                    }
                }
                ended => {
                    let error = ended.and_then(Result::err);
                    tracing::warn!(error = ?error, "changes of the database are not told until it is reached again");
                    self.token = open.resume_token().or(self.token.take());
                    self.open = None;
                }
            }
        }
    }

    /// Goes on where it was; whether something may have been missed.
    async fn reopen(&mut self) -> bool {
        match self.open().await {
            Ok(open) => {
                self.open = Some(open);
                self.token.is_none()
            }
            Err(error) => {
                // The server answers, and cannot go on from there: its memory is not so long, or the database was dropped.
                if matches!(*error.kind, ErrorKind::Command(_)) {
                    tracing::error!(%error, "changes of the database were missed");
                    self.token = None;
                }
                self.pause_millis = (self.pause_millis * 2).min(*PAUSE_MILLIS.end());
                false
            }
        }
    }

    fn read(&self, event: Event) -> Option<Happening> {
        let collection = event.ns?.coll?;
        let name = collection.strip_prefix(&self.shared.options.collection_prefix)?;
        if name == names::SCHEMA {
            return Some(Happening::Classes);
        }
        if let Some(relation) = name.strip_prefix("_Join:") {
            let (_, class) = relation.split_once(':')?;
            return Some(Happening::Members(ClassName::parse(class).ok()?));
        }
        let (deleted, created) = match event.operation_type {
            OperationType::Insert => (false, true),
            OperationType::Update | OperationType::Replace => (false, false),
            OperationType::Delete => (true, false),
            _ => return None,
        };
        let id = match event.document_key?.remove("_id")? {
            Bson::String(id) => id,
            Bson::ObjectId(id) => id.to_hex(),
            _ => return None,
        };
        let image = |document: RawDocumentBuf| Image::new(move |class| documents::object(class, &document));
        Some(Happening::Object(Written {
            class: ClassName::parse(name).ok()?,
            id,
            deleted,
            created,
            before: event.full_document_before_change.map(image),
            after: event.full_document.map(image),
        }))
    }
}

/// Lets MongoDB keep what objects of a class were, for as long as it keeps its log.
pub(crate) async fn keep_images(shared: &Shared, class: &ClassName) -> Result<(), StoreError> {
    let collection = shared.objects(class);
    let command = doc! { "collMod": collection.name(), "changeStreamPreAndPostImages": { "enabled": true } };
    match shared.database.run_command(command).await {
        Ok(_) => Ok(()),
        Err(error) if error::is_missing(&error) => Ok(()),
        Err(error) => Err(error::of_write(error)),
    }
}
