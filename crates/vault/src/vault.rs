//! The vault as a store: every class without sealed fields passes by untouched.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt as _;
use parking_lot::RwLock;
use parsimony_model::aggregate::{Document, Pipeline};
use parsimony_model::query::Verbosity;
use parsimony_model::schema::Index;
use parsimony_model::{ClassName, ClassSchema, Clock, Object, ObjectId, Value};
use parsimony_store::{
    Answer, Bulk, Change, ClassChange, Duplicates, FileStore, Happening, Happenings, Image, Join, Link, Objects,
    Pieces, Progress, Resealed, Selection, Store, StoreError, Transaction, Watching, Written,
};

use crate::keys::KeyRing;
use crate::marks::Marks;
use crate::persons::Persons;
use crate::questions::asked;
use crate::sealed::{Inner, Means, is_about_persons};
use crate::transaction::SealedTransaction;

/// A store that seals personal data before the store inside of it sees any.
#[derive(Clone)]
pub struct Vault {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) means: Arc<Means>,
    /// The classes whose changes were told, as they were last read: their images have to be opened.
    watched: Arc<RwLock<HashMap<ClassName, Arc<ClassSchema>>>>,
}

impl Vault {
    /// A vault around a store. Without a key it refuses to write what should be sealed.
    pub async fn open(inner: Arc<dyn Store>, ring: KeyRing, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let means = Arc::new(Means { ring, persons: Persons::new()?, clock });
        let vault = Self { inner, means, watched: Arc::default() };
        for class in vault.inner.classes().await? {
            vault.prepare(&class).await?;
        }
        Ok(vault)
    }

    /// Makes the class of secrets where a class has data of persons: inside of a transaction that could not be done.
    async fn prepare(&self, class: &ClassSchema) -> Result<(), StoreError> {
        if Marks::of(class).is_some_and(|marks| marks.has_persons()) {
            self.means.persons.prepare(&*self.inner).await?;
        }
        Ok(())
    }

    pub(crate) fn sealed(&self) -> Inner<'_> {
        Inner { means: &self.means, objects: &*self.inner, made: None }
    }

    /// The class as the inner store knows it; read once until classes change.
    async fn class_of(&self, name: &ClassName) -> Result<Option<Arc<ClassSchema>>, StoreError> {
        if let Some(class) = self.watched.read().get(name) {
            return Ok(Some(Arc::clone(class)));
        }
        let Some(class) = self.inner.class(name).await?.map(Arc::new) else { return Ok(None) };
        self.watched.write().insert(name.clone(), Arc::clone(&class));
        Ok(Some(class))
    }

    /// What happened, with images that open.
    async fn opened(self, happening: Happening) -> Happening {
        match happening {
            Happening::Object(written) => match self.opened_images(&written).await {
                Ok(Some((before, after))) => Happening::Object(Written { before, after, ..written }),
                Ok(None) => Happening::Object(written),
                Err(error) => {
                    tracing::error!(class = %written.class, %error, "what was written cannot be opened");
                    Happening::Gap
                }
            },
            Happening::Classes => {
                self.watched.write().clear();
                Happening::Classes
            }
            other @ (Happening::Members(_) | Happening::Gap) => other,
        }
    }

    async fn opened_piece(
        self,
        piece: Result<Vec<Object>, StoreError>,
        class: Arc<ClassSchema>,
    ) -> Result<Vec<Object>, StoreError> {
        let mut piece = piece?;
        if let Some(marks) = Marks::of(&class) {
            self.sealed().open(&mut piece, &marks).await?;
        }
        Ok(piece)
    }

    /// Its images, opened; `None` if there is nothing to open.
    async fn opened_images(&self, written: &Written) -> Result<Option<(Option<Image>, Option<Image>)>, StoreError> {
        if written.before.is_none() && written.after.is_none() {
            return Ok(None);
        }
        let Some(class) = self.class_of(&written.class).await? else { return Ok(None) };
        let Some(marks) = Marks::of(&class) else { return Ok(None) };
        let opened = |image: &Option<Image>| image.as_ref().map(|image| image.read(&class)).transpose();
        let (mut before, mut after) = (opened(&written.before)?, opened(&written.after)?);
        for object in [&mut before, &mut after].into_iter().flatten() {
            self.sealed().open(std::slice::from_mut(object), &marks).await?;
        }
        let image = |object: Option<Object>| object.map(|object| Image::new(move |_| Ok(object.clone())));
        Ok(Some((image(before), image(after))))
    }

    /// The class as it will be, if its marks can be obeyed.
    async fn check_change(&self, name: &ClassName, change: &ClassChange) -> Result<(), StoreError> {
        let plain = change.set_fields.iter().all(|(_, field)| field.other.is_empty());
        if plain && !change.add_indexes.iter().any(|(_, index)| index.unique) {
            return Ok(());
        }
        let Some(mut class) = self.inner.class(name).await? else { return Ok(()) };
        class.fields.extend(change.set_fields.iter().cloned());
        class.indexes.extend(change.add_indexes.iter().map(|(name, index)| (name.as_str().into(), index.clone())));
        Marks::check(&class).map_err(StoreError::Unfit)
    }
}

impl Objects for Vault {
    fn find<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Vec<Object>> {
        match Marks::of(&selection.class) {
            Some(marks) => Box::pin(self.sealed().find(selection, marks)),
            None => self.inner.find(selection),
        }
    }

    fn count<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        match Marks::of(&selection.class) {
            Some(marks) => {
                Box::pin(async move { self.inner.count(&asked(selection, &marks, &self.means.ring)?).await })
            }
            None => self.inner.count(selection),
        }
    }

    fn distinct<'a>(&'a self, selection: &'a Selection, field: &'a str) -> Answer<'a, Vec<Value>> {
        match Marks::of(&selection.class) {
            Some(marks) => Box::pin(self.sealed().distinct(selection, field, marks)),
            None => self.inner.distinct(selection, field),
        }
    }

    fn aggregate<'a>(&'a self, selection: &'a Selection, pipeline: &'a Pipeline) -> Answer<'a, Vec<Document>> {
        match Marks::of(&selection.class) {
            // What a pipeline makes of sealed values stays sealed.
            Some(marks) => {
                Box::pin(
                    async move { self.inner.aggregate(&asked(selection, &marks, &self.means.ring)?, pipeline).await },
                )
            }
            None => self.inner.aggregate(selection, pipeline),
        }
    }

    fn explain<'a>(
        &'a self,
        selection: &'a Selection,
        pipeline: Option<&'a Pipeline>,
        verbosity: Verbosity,
    ) -> Answer<'a, Document> {
        match Marks::of(&selection.class) {
            Some(marks) => Box::pin(async move {
                self.inner.explain(&asked(selection, &marks, &self.means.ring)?, pipeline, verbosity).await
            }),
            None => self.inner.explain(selection, pipeline, verbosity),
        }
    }

    fn insert<'a>(&'a self, class: &'a Arc<ClassSchema>, object: &'a Object) -> Answer<'a, ()> {
        match Marks::of(class) {
            Some(marks) => Box::pin(self.sealed().insert(class, object, marks)),
            None => self.inner.insert(class, object),
        }
    }

    fn update<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, Option<Object>> {
        match Marks::of(&selection.class) {
            Some(marks) => Box::pin(self.sealed().update(selection, change, marks)),
            None => self.inner.update(selection, change),
        }
    }

    fn update_all<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, u64> {
        match Marks::of(&selection.class) {
            Some(marks) => Box::pin(self.sealed().update_all(selection, change, marks)),
            None => self.inner.update_all(selection, change),
        }
    }

    fn delete<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        Box::pin(async move {
            let deleted = match Marks::of(&selection.class) {
                Some(marks) => self.inner.delete(&asked(selection, &marks, &self.means.ring)?).await?,
                None => self.inner.delete(selection).await?,
            };
            if is_about_persons(selection) {
                self.means.persons.forget();
            }
            Ok(deleted)
        })
    }

    fn link<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        self.inner.link(join, owner, members)
    }

    fn unlink<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        self.inner.unlink(join, owner, members)
    }
}

impl Bulk for Vault {
    fn pieces<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Pieces<Object>> {
        let Some(marks) = Marks::of(&selection.class) else { return self.inner.pieces(selection) };
        Box::pin(async move {
            let pieces = self.inner.pieces(&asked(selection, &marks, &self.means.ring)?).await?;
            let (vault, class) = (self.clone(), Arc::clone(&selection.class));
            let opened = pieces.then(move |piece| vault.clone().opened_piece(piece, Arc::clone(&class)));
            Ok(opened.boxed())
        })
    }

    fn links<'a>(&'a self, join: &'a Join) -> Answer<'a, Pieces<Link>> {
        self.inner.links(join)
    }

    fn insert_all<'a>(&'a self, class: &'a Arc<ClassSchema>, objects: &'a [Object]) -> Answer<'a, ()> {
        let Some(marks) = Marks::of(class) else { return self.inner.insert_all(class, objects) };
        Box::pin(async move {
            let mut sealed = Vec::with_capacity(objects.len());
            for object in objects {
                sealed.push(self.sealed().sealed(object, &marks).await?);
            }
            self.inner.insert_all(class, &sealed).await
        })
    }

    fn fill<'a>(&'a self, join: &'a Join, links: &'a [Link]) -> Answer<'a, ()> {
        self.inner.fill(join, links)
    }

    fn others(&self) -> Answer<'_, Vec<String>> {
        self.inner.others()
    }
}

impl Store for Vault {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn classes(&self) -> Answer<'_, Vec<ClassSchema>> {
        self.inner.classes()
    }

    fn class<'a>(&'a self, name: &'a ClassName) -> Answer<'a, Option<ClassSchema>> {
        self.inner.class(name)
    }

    fn create_class<'a>(&'a self, class: &'a ClassSchema) -> Answer<'a, bool> {
        Box::pin(async move {
            Marks::check(class).map_err(StoreError::Unfit)?;
            self.prepare(class).await?;
            self.inner.create_class(class).await
        })
    }

    fn change_class<'a>(&'a self, name: &'a ClassName, change: &'a ClassChange) -> Answer<'a, Option<ClassSchema>> {
        Box::pin(async move {
            self.check_change(name, change).await?;
            self.watched.write().remove(name);
            let changed = self.inner.change_class(name, change).await?;
            if let Some(class) = &changed {
                self.prepare(class).await?;
            }
            Ok(changed)
        })
    }

    fn duplicates<'a>(&'a self, class: &'a Arc<ClassSchema>, index: &'a Index) -> Answer<'a, Duplicates> {
        self.inner.duplicates(class, index)
    }

    fn index_progress<'a>(&'a self, class: &'a ClassName) -> Answer<'a, Option<Progress>> {
        self.inner.index_progress(class)
    }

    fn members<'a>(&'a self, join: &'a Join) -> Answer<'a, u64> {
        self.inner.members(join)
    }

    fn drop_class<'a>(&'a self, class: &'a ClassSchema) -> Answer<'a, ()> {
        self.watched.write().remove(&class.name);
        self.inner.drop_class(class)
    }

    fn files(&self) -> &dyn FileStore {
        self.inner.files()
    }

    fn begin(&self) -> Answer<'_, Arc<dyn Transaction>> {
        Box::pin(async move {
            let inner = self.inner.begin().await?;
            Ok(Arc::new(SealedTransaction::new(inner, Arc::clone(&self.means))) as Arc<dyn Transaction>)
        })
    }

    fn watching(&self) -> Watching {
        self.inner.watching()
    }

    fn watch<'a>(&'a self, classes: &'a [String]) -> Answer<'a, Happenings> {
        Box::pin(async move {
            let happenings = self.inner.watch(classes).await?;
            let vault = self.clone();
            let opened = happenings.then(move |happening| vault.clone().opened(happening));
            Ok(Box::pin(opened) as Happenings)
        })
    }

    fn keep_images<'a>(&'a self, class: &'a ClassName) -> Answer<'a, ()> {
        self.inner.keep_images(class)
    }

    fn reseal<'a>(&'a self, class: &'a Arc<ClassSchema>, after: Option<&'a ObjectId>) -> Answer<'a, Resealed> {
        Box::pin(self.sealed().reseal(class, after))
    }

    fn check(&self) -> Answer<'_, ()> {
        self.inner.check()
    }

    fn close(&self) -> Answer<'_, ()> {
        self.inner.close()
    }
}
