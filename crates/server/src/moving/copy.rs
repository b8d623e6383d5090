//! What is copied, in which order, and how is it known that all of it is there?
//!
//! Class by class: definition, objects, members of relations; then both sides are read again and compared; and only then are
//! the indexes made, so that none stands in the way of what the other side holds.

use std::sync::Arc;

use futures::TryStreamExt;
use parsimony_model::schema::Field;
use parsimony_model::{ClassName, ClassSchema, Clock, FieldName, FieldType, Filter, Object};
use parsimony_store::{ClassChange, Join, Scope, Selection, Store, StoreError};

use super::digest::Digest;
use super::files;
use super::target::{self, claim, release};

/// What is told while a move goes on.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// Something happened.
    Sentence(&'a str),
    /// How far something has come; of how many, as far as that is known.
    Progress {
        /// What is going on.
        what: &'a str,
        /// How many are done.
        done: u64,
        /// How many there are.
        total: u64,
    },
}

/// To whom it is told.
pub type Ear<'a> = &'a mut (dyn FnMut(Told<'_>) + Send);

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moved {
    /// Each class.
    pub classes: Vec<MovedClass>,
    /// How many files.
    pub files: u64,
    /// What the administrator should know: what is not as it was.
    pub warnings: Vec<String>,
}

/// A class that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedClass {
    /// Its name.
    pub name: ClassName,
    /// How many objects it has.
    pub objects: u64,
    /// Their digest, the same on both sides.
    pub digest: String,
    /// Its relations.
    pub relations: Vec<MovedRelation>,
}

/// A relation that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedRelation {
    /// The field.
    pub field: FieldName,
    /// How many members all objects together have.
    pub members: u64,
    /// The digest of its rows, the same on both sides.
    pub digest: String,
}

/// Copies a whole database into an empty one, and compares the two. The error is a sentence that says what to mend; after
/// one, the same move can be begun again.
pub async fn move_database(
    from: &dyn Store,
    to: &dyn Store,
    clock: &dyn Clock,
    tell: Ear<'_>,
) -> Result<Moved, String> {
    let unreadable = |error: StoreError| format!("{} cannot be read: {error}.", from.describe());
    target::refuse_half_moved(from).await?;
    let classes = target::classes(from).await.map_err(unreadable)?;
    let mut others = from.others().await.map_err(unreadable)?;
    // Files go by themselves.
    others.retain(|name| !["fs.files", "fs.chunks"].contains(&name.as_str()));
    if claim(to, &from.describe(), clock).await? {
        tell(Told::Sentence("This move had begun before; what it had copied is gone, and it begins again."));
    }
    let mut moving = Moving { from, to, tell, warnings: Vec::new() };
    if !others.is_empty() {
        let names = others.join(", ");
        moving.warn(format!("What is neither a class nor a relation of one is not copied: {names}."));
    }
    let mut moved = Vec::with_capacity(classes.len());
    for class in &classes {
        moved.push(moving.class(class).await?);
    }
    for class in &classes {
        moving.indexes(class).await;
    }
    let tell = &mut moving.tell;
    let files = files::copy(from, to, clock, |done| tell(Told::Progress { what: "files", done, total: done })).await?;
    release(to).await.map_err(|error| format!("{} cannot be finished: {error}.", to.describe()))?;
    Ok(Moved { classes: moved, files, warnings: moving.warnings })
}

struct Moving<'a> {
    from: &'a dyn Store,
    to: &'a dyn Store,
    tell: Ear<'a>,
    warnings: Vec<String>,
}

impl Moving<'_> {
    fn warn(&mut self, sentence: String) {
        (self.tell)(Told::Sentence(&sentence));
        self.warnings.push(sentence);
    }

    async fn class(&mut self, source: &ClassSchema) -> Result<MovedClass, String> {
        let name = &source.name;
        let failed = |what: &str, error: StoreError| format!("{name}: {what}: {error}.");
        let bare = ClassSchema { indexes: indexmap::IndexMap::new(), ..source.clone() };
        self.to.create_class(&bare).await.map_err(|error| failed("the class cannot be created", error))?;
        let source = Arc::new(source.clone());
        let copied = self.objects(&source, Arc::new(bare)).await?;
        let mut relations = Vec::new();
        for (field, _) in source.relations() {
            let join = Join { class: name.clone(), field: field.clone() };
            let digest = self.relation(&join).await?;
            relations.push(MovedRelation { field: field.clone(), members: digest.count, digest: digest.to_string() });
        }
        self.compare(&source, copied).await?;
        (self.tell)(Told::Sentence(&format!("{name}: {} copied and compared.", super::amount(copied.count, "object"))));
        Ok(MovedClass { name: name.clone(), objects: copied.count, digest: copied.to_string(), relations })
    }

    /// Copies the objects of a class and gives their digest.
    async fn objects(&mut self, source: &Arc<ClassSchema>, mut class: Arc<ClassSchema>) -> Result<Digest, String> {
        let name = source.name.clone();
        let unreadable = |error: StoreError| format!("{name} cannot be read: {error}.");
        let all = everything(source);
        let total = self.from.count(&all).await.map_err(unreadable)?;
        let mut pieces = self.from.pieces(&all).await.map_err(unreadable)?;
        let mut digest = Digest::default();
        while let Some(mut piece) = pieces.try_next().await.map_err(unreadable)? {
            let unknown = unknown_fields(&class, &piece)?;
            if !unknown.is_empty() {
                class = self.add_fields(&class, unknown).await?;
            }
            for object in &mut piece {
                // A null in a field that the class does not have says nothing.
                object.fields.retain(|field, value| {
                    !value.is_null() || field.starts_with('_') || source.fields.contains_key(field.as_str())
                });
                digest.add_object(source, object);
            }
            self.insert(&class, &piece).await?;
            (self.tell)(Told::Progress { what: name.as_str(), done: digest.count, total });
        }
        Ok(digest)
    }

    async fn insert(&self, class: &Arc<ClassSchema>, piece: &[Object]) -> Result<(), String> {
        let Err(refused) = self.to.insert_all(class, piece).await else { return Ok(()) };
        // Which one was it? Those before it may be there.
        let taken = matches!(refused, StoreError::Duplicate { .. });
        for object in piece {
            match self.to.insert(class, object).await {
                Err(StoreError::Duplicate { .. }) if !taken => {}
                Err(error) => {
                    return Err(format!("The object {} of {} cannot be copied: {error}", object.id, class.name));
                }
                Ok(()) => {}
            }
        }
        Err(format!("Objects of {} cannot be copied: {refused}.", class.name))
    }

    /// Gives the class fields that only its objects have, as rows that were written past Parse do.
    async fn add_fields(
        &mut self,
        class: &Arc<ClassSchema>,
        fields: Vec<(FieldName, FieldType)>,
    ) -> Result<Arc<ClassSchema>, String> {
        let names: Vec<String> = fields.iter().map(|(field, kind)| format!("{field} ({kind})")).collect();
        let set_fields = fields.into_iter().map(|(field, kind)| (field, Field::plain(kind))).collect();
        let change = ClassChange { set_fields, ..ClassChange::default() };
        let changed = self.to.change_class(&class.name, &change).await;
        let changed = changed.map_err(|error| format!("{} cannot get a field: {error}.", class.name))?;
        let sentence = format!("{} has objects with fields that it does not have; they were added: ", class.name);
        (self.tell)(Told::Sentence(&format!("{sentence}{}.", names.join(", "))));
        Ok(Arc::new(changed.ok_or_else(|| format!("{} has gone.", class.name))?))
    }

    async fn relation(&mut self, join: &Join) -> Result<Digest, String> {
        let table = format!("{}.{}", join.class, join.field);
        let failed = |error: StoreError| format!("The members of {table} cannot be copied: {error}.");
        let total = self.from.members(join).await.map_err(failed)?;
        let mut rows = self.from.links(join).await.map_err(failed)?;
        let mut digest = Digest::default();
        while let Some(piece) = rows.try_next().await.map_err(failed)? {
            digest.add_links(&piece);
            self.to.fill(join, &piece).await.map_err(failed)?;
            (self.tell)(Told::Progress { what: &table, done: digest.count, total });
        }
        let [source, target] = [relation_digest(self.from, join).await, relation_digest(self.to, join).await];
        same(&table, digest, source.map_err(failed)?, target.map_err(failed)?)?;
        Ok(digest)
    }

    /// Reads both sides again: the one is still what was copied, and the other is that too.
    async fn compare(&self, source: &Arc<ClassSchema>, copied: Digest) -> Result<(), String> {
        let unreadable = |error: StoreError| format!("{} cannot be read again: {error}.", source.name);
        let target = self.to.class(&source.name).await.map_err(unreadable)?;
        let target = Arc::new(target.ok_or_else(|| format!("{} has gone.", source.name))?);
        let (from, to) =
            futures::join!(class_digest(self.from, source, source), class_digest(self.to, &target, source));
        same(source.name.as_str(), copied, from.map_err(unreadable)?, to.map_err(unreadable)?)
    }

    /// Makes the indexes of a class. The objects are there without them, so one that cannot be made ends nothing.
    async fn indexes(&mut self, class: &ClassSchema) {
        for (name, index) in &class.indexes {
            let change = ClassChange { add_indexes: vec![(name.to_string(), index.clone())], ..ClassChange::default() };
            (self.tell)(Told::Sentence(&format!("{}: making the index {name}.", class.name)));
            if let Err(error) = self.to.change_class(&class.name, &change).await {
                self.warn(format!("The index {name} of {} could not be made: {error}.", class.name));
            }
        }
    }
}

fn everything(class: &Arc<ClassSchema>) -> Selection {
    Selection::new(Arc::clone(class), Filter::everything(), Scope::Everything)
}

/// The fields of these objects that the class does not have, each with the type of its first value.
fn unknown_fields(class: &ClassSchema, objects: &[Object]) -> Result<Vec<(FieldName, FieldType)>, String> {
    let mut unknown: Vec<(FieldName, FieldType)> = Vec::new();
    for object in objects {
        for (field, value) in &object.fields {
            if field.starts_with('_')
                || class.fields.contains_key(field.as_str())
                || unknown.iter().any(|(known, _)| known.as_str() == field)
            {
                continue;
            }
            let bad = |text: &str| format!("The object {} of {} has a field {field}: {text}.", object.id, class.name);
            let Some(kind) = FieldType::of(value).map_err(|error| bad(&error.message))? else { continue };
            let name = FieldName::parse(field).map_err(|error| bad(&error.message))?;
            unknown.push((name, kind));
        }
    }
    Ok(unknown)
}

/// The digest of a class of one side. Both are seen as the source's class sees them.
async fn class_digest(store: &dyn Store, class: &Arc<ClassSchema>, source: &ClassSchema) -> Result<Digest, StoreError> {
    let mut digest = Digest::default();
    let mut pieces = store.pieces(&everything(class)).await?;
    while let Some(piece) = pieces.try_next().await? {
        for object in &piece {
            digest.add_object(source, object);
        }
    }
    Ok(digest)
}

async fn relation_digest(store: &dyn Store, join: &Join) -> Result<Digest, StoreError> {
    let mut digest = Digest::default();
    let mut rows = store.links(join).await?;
    while let Some(piece) = rows.try_next().await? {
        digest.add_links(&piece);
    }
    Ok(digest)
}

fn same(what: &str, copied: Digest, source: Digest, target: Digest) -> Result<(), String> {
    if source != copied {
        return Err(format!(
            "{what} has changed while it was copied ({} then, {} now): stop whoever writes, and begin again.",
            copied.count, source.count
        ));
    }
    if target != copied {
        return Err(format!(
            "{what} is not the same on both sides: {} with digest {copied}, {} with digest {target}.",
            copied.count, target.count
        ));
    }
    Ok(())
}
