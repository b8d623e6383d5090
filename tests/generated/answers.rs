//! Are the answers the same?

use std::cell::Cell;
use std::sync::Arc;

use futures::future::try_join_all;
use parsimony_model::query::{Matcher, fit, parse};
use parsimony_model::schema::{Field, Index};
use parsimony_model::value::json;
use parsimony_model::{
    ClassName, ClassSchema, Date, FieldName, FieldType, Filter, Map, Object, ObjectId, Order, Value,
};
use parsimony_store::{Scope, Selection, Store, StoreError};

use crate::questions::{Case, Question};

/// When the first object was created; each next one a day later.
const CREATED_MILLIS: i64 = 1_577_836_800_000;
const DAY_MILLIS: i64 = 86_400_000;

/// The stores to compare.
pub(crate) struct Stores {
    sqlite: Arc<dyn Store>,
    mongo: Arc<dyn Store>,
    made: Cell<u64>,
}

/// A class in both stores.
struct Both<'s> {
    stores: &'s Stores,
    class: Arc<ClassSchema>,
    objects: Vec<Object>,
}

impl Stores {
    pub(crate) fn new(sqlite: Arc<dyn Store>, mongo: Arc<dyn Store>) -> Self {
        Self { sqlite, mongo, made: Cell::new(0) }
    }

    /// Puts a case to them, and tells how many of its questions were answered. The error says which answers differ.
    pub(crate) async fn compare(&self, case: &Case) -> Result<u64, String> {
        let class = self.class(case);
        let objects: Vec<Object> =
            case.objects.iter().enumerate().map(|(number, _)| object(&class, case, number)).collect();
        for store in [&self.sqlite, &self.mongo] {
            store.create_class(&class).await.map_err(|error| format!("class: {error}"))?;
            try_join_all(objects.iter().map(|object| store.insert(&class, object)))
                .await
                .map_err(|error| format!("{} takes an object: {error}", store.describe()))?;
        }
        let both = Both { stores: self, class: Arc::clone(&class), objects };
        let mut answered = 0;
        let mut outcome = Ok(());
        for question in &case.questions {
            match both.ask(question).await {
                Ok(true) => answered += 1,
                Ok(false) => {}
                Err(difference) => {
                    outcome = Err(format!("{question:?}\n{difference}"));
                    break;
                }
            }
        }
        for store in [&self.sqlite, &self.mongo] {
            store.drop_class(&class).await.map_err(|error| format!("class: {error}"))?;
        }
        outcome.map(|()| answered)
    }

    fn class(&self, case: &Case) -> Arc<ClassSchema> {
        self.made.set(self.made.get() + 1);
        let mut class = ClassSchema::new(ClassName::parse(&format!("Made{}", self.made.get())).unwrap());
        for (name, kind, target) in &case.fields {
            let mut map = Map::default();
            map.insert("type".into(), (*kind).into());
            map.extend(target.map(|target| ("targetClass".into(), target.into())));
            class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(FieldType::parse(&map).unwrap()));
        }
        if class.fields.contains_key("s") {
            class.indexes.insert("s_text".into(), Index::for_text("s"));
        }
        Arc::new(class)
    }
}

fn object(class: &ClassSchema, case: &Case, number: usize) -> Object {
    let known = case.objects[number].iter().filter(|(name, _)| class.fields.contains_key(*name));
    let fields = known.map(|(name, value)| ((*name).into(), read(value))).collect();
    let created = Date::from_millis(CREATED_MILLIS + i64::try_from(number).unwrap() * DAY_MILLIS);
    Object {
        class: class.name.clone(),
        id: ObjectId::parse(&format!("o{number}")).unwrap(),
        created_at: Some(created),
        updated_at: Some(created),
        acl: None,
        fields,
    }
}

fn read(value: &serde_json::Value) -> Value {
    json::read(value.to_string().as_bytes()).unwrap()
}

fn ids<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Vec<&'a str> {
    objects.into_iter().map(|object| object.id.as_str()).collect()
}

fn sorted(mut ids: Vec<&str>) -> Vec<&str> {
    ids.sort_unstable();
    ids
}

impl Both<'_> {
    /// Whether the question could be asked at all; the error says which answers differ.
    async fn ask(&self, question: &Question) -> Result<bool, String> {
        let Some(filter) = self.filter(question) else { return Ok(false) };
        if filter.text().is_some() && self.class.text_index().is_none() {
            return Ok(false);
        }
        let all = self.selection(&filter);
        let (sqlite, mongo) = (&self.stores.sqlite, &self.stores.mongo);
        let (sqlite_found, mongo_found) = match (sqlite.find(&all).await, mongo.find(&all).await) {
            (Ok(sqlite), Ok(mongo)) => (sqlite, mongo),
            // Neither takes it.
            (Err(_), Err(_)) => return Ok(false),
            (sqlite, mongo) => return Err(format!("SQLite: {:?}\nMongoDB: {:?}", sqlite.err(), mongo.err())),
        };
        let expected = sorted(ids(&mongo_found));
        same("the objects that SQLite finds", &sorted(ids(&sqlite_found)), &expected)?;
        let matcher = Matcher::new(&filter, &self.class).map_err(|error| format!("not to be decided: {error}"))?;
        let met = self.objects.iter().filter(|object| matcher.matches(object));
        same("the objects that meet it", &sorted(ids(met)), &expected)?;
        self.range(question, &filter).await?;
        // Parse: only a find can look near an area; anything else takes it for a search within the circle.
        if filter.near().is_some_and(|(field, ..)| self.class.kind(field) == Some(FieldType::Polygon)) {
            return Ok(true);
        }
        let counted = sqlite.count(&all).await.map_err(|error| error.to_string())?;
        let mongo_counted = mongo.count(&all).await.map_err(|error| error.to_string())?;
        same("the count of MongoDB", &mongo_counted, &(expected.len() as u64))?;
        same("the count of SQLite", &counted, &mongo_counted)?;
        if let Some(path) = question.distinct {
            let values = sqlite.distinct(&all, path).await.map_err(|error| error.to_string())?;
            let expected = mongo.distinct(&all, path).await.map_err(|error| error.to_string())?;
            same("the distinct values", &values, &expected)?;
        }
        Ok(true)
    }

    fn filter(&self, question: &Question) -> Option<Filter> {
        let reading = parse::Reading { now: Date::EPOCH, internal_fields: false };
        let condition = read(&question.condition);
        let filter = parse::filter(condition.as_object()?, reading).ok()?;
        fit::filter(filter, &self.class).ok()
    }

    fn selection(&self, filter: &Filter) -> Selection {
        Selection::new(Arc::clone(&self.class), filter.clone(), Scope::Everything)
    }

    /// Compares the part of the answer that is asked for, in its order, field by field.
    async fn range(&self, question: &Question, filter: &Filter) -> Result<(), String> {
        let Some(order) = &question.order else { return Ok(()) };
        let mut keys: Vec<Order> = order
            .split(',')
            .map(|key| Order { path: key.trim_start_matches('-').into(), descending: key.starts_with('-') })
            .collect();
        keys.push(Order { path: "objectId".into(), descending: false });
        let wanted = question.keys.iter().map(|key| (*key).to_owned()).collect();
        let selection = self.selection(filter).ordered(keys).range(question.skip, question.limit).only(wanted);
        let found = self.stores.sqlite.find(&selection).await.map_err(|error| format!("SQLite: {error}"))?;
        let expected = match self.stores.mongo.find(&selection).await {
            // MongoDB cannot sort by a number that is an index and a name.
            Err(StoreError::InvalidQuery(_)) => return Ok(()),
            expected => expected.map_err(|error| format!("MongoDB: {error}"))?,
        };
        same("the order", &ids(&found), &ids(&expected))?;
        same("the objects", &found, &expected)
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}:\n    {found:?}\nof MongoDB:\n    {expected:?}"))
}
