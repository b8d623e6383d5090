//! How long do searches by place and by text take among 100,000 objects, and what do their tables cost a write?
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it is there to print, and may stop at anything")]

use std::sync::Arc;
use std::time::Instant;

use parsimony_model::query::{Constraint, Language, Order, TextSearch};
use parsimony_model::schema::{Field, Index};
use parsimony_model::{
    ClassName, ClassSchema, Date, FieldName, FieldType, Filter, GeoPoint, Object, ObjectId, Polygon, Value, map,
};
use parsimony_store::{Objects as _, Scope, Selection, Store as _};
use parsimony_store_sqlite::SqliteStore;

const OBJECTS: u32 = 100_000;
const CLIENTS: u32 = 32;
const RUNS: u32 = 50;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Half of the places are in one town, the others anywhere.
    fn place(&mut self) -> GeoPoint {
        let (a, b) = (self.roll() - 0.5, self.roll() - 0.5);
        if self.roll() < 0.5 {
            GeoPoint { latitude: 48.1 + a * 0.3, longitude: 11.6 + b * 0.4 }
        } else {
            GeoPoint { latitude: a * 180.0, longitude: b * 360.0 }
        }
    }

    /// Forty words, of which some are much more frequent than others.
    fn text(&mut self) -> String {
        let words: Vec<String> = (0..40).map(|_| format!("word{:.0}", self.roll().powi(4) * 20_000.0)).collect();
        words.join(" ")
    }
}

fn class(name: &str, kind: Option<(&str, FieldType)>) -> Arc<ClassSchema> {
    let mut class = ClassSchema::new(ClassName::parse(name).unwrap());
    for (name, kind) in [("name", FieldType::String)].into_iter().chain(kind) {
        class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind));
    }
    Arc::new(class)
}

fn report(what: &str, count: u32, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what:<58}{:>10.0} /s{:>12.1} µs each", f64::from(count) / seconds, seconds * 1e6 / f64::from(count));
}

async fn fill(
    store: &Arc<SqliteStore>,
    class: &Arc<ClassSchema>,
    value: impl Fn(&mut Dice) -> Option<(&'static str, Value)>,
) {
    store.create_class(class).await.unwrap();
    let mut dice = Dice(7);
    let now = Some(Date::from_millis(1_700_000_000_000));
    let objects: Vec<Object> = (0..OBJECTS)
        .map(|number| {
            let mut fields = map! { "name" => format!("n{}", number % 1_000) };
            fields.extend(value(&mut dice).map(|(field, value)| (field.into(), value)));
            let id = ObjectId::parse(&format!("{:08x}", number.wrapping_mul(0x9E37_79B9))).unwrap();
            Object { class: class.name.clone(), id, created_at: now, updated_at: now, acl: None, fields }
        })
        .collect();
    let start = Instant::now();
    let mut set = tokio::task::JoinSet::new();
    for part in objects.chunks((OBJECTS / CLIENTS) as usize + 1) {
        let (store, class, part) = (Arc::clone(store), Arc::clone(class), part.to_vec());
        set.spawn(async move {
            for object in &part {
                store.insert(&class, object).await.unwrap();
            }
        });
    }
    set.join_all().await;
    report(&format!("insert into {}", class.name), OBJECTS, start);
}

async fn ask(store: &SqliteStore, what: &str, selection: &Selection) {
    let found = store.find(selection).await.unwrap().len();
    let start = Instant::now();
    for _ in 0..RUNS {
        store.find(selection).await.unwrap();
    }
    report(&format!("{what}: {found} found"), RUNS, start);
}

async fn places(store: &Arc<SqliteStore>) {
    let class = class("Place", Some(("place", FieldType::GeoPoint)));
    fill(store, &class, |dice| Some(("place", Value::GeoPoint(dice.place())))).await;
    let town = GeoPoint { latitude: 48.1, longitude: 11.6 };
    let sea = GeoPoint { latitude: -40.0, longitude: -120.0 };
    let on = |constraint| Filter::Field("place".into(), constraint);
    let near = |center, radians_max| on(Constraint::Near { center, radians_max });
    let corner = |more: f64| GeoPoint { latitude: town.latitude + more, longitude: town.longitude + more };
    let triangle = Polygon::new(vec![corner(0.0), corner(0.05), GeoPoint { latitude: 48.1, ..corner(0.05) }]).unwrap();
    for (what, filter, limit) in [
        ("near the town, 100 nearest", near(town, None), Some(100)),
        ("near the sea, 100 nearest", near(sea, None), Some(100)),
        ("within 1 km of the town", near(town, Some(1.0 / 6371.0)), None),
        ("within 1 km of the town, 100 nearest", near(town, Some(1.0 / 6371.0)), Some(100)),
        ("near the town, one name, 10 nearest", near(town, None).and(Filter::equals("name", "n5")), Some(10)),
        ("near the town, no such name", near(town, None).and(Filter::equals("name", "x")), Some(10)),
        ("a box of 1 km", on(Constraint::WithinBox { southwest: town, northeast: corner(0.009) }), None),
        ("a triangle", on(Constraint::WithinPolygon(triangle)), None),
        ("all, nearest first", near(town, None), None),
    ] {
        let selection = Selection::new(Arc::clone(&class), filter, Scope::Everything).range(0, limit);
        ask(store, what, &selection).await;
    }
}

async fn areas(store: &Arc<SqliteStore>) {
    let class = class("Area", Some(("area", FieldType::Polygon)));
    fill(store, &class, |dice| {
        let at = dice.place();
        let corner = |north: f64, east: f64| GeoPoint {
            latitude: (at.latitude + north).clamp(-89.0, 89.0),
            longitude: (at.longitude + east).clamp(-179.0, 179.0),
        };
        let corners = vec![corner(0.0, 0.0), corner(0.0, 0.01), corner(0.01, 0.01), corner(0.01, 0.0)];
        Polygon::new(corners).map(|border| ("area", Value::Polygon(border)))
    })
    .await;
    let town = GeoPoint { latitude: 48.1, longitude: 11.6 };
    let filter = Filter::Field("area".into(), Constraint::Intersects(town));
    ask(store, "areas that hold the town", &Selection::new(class, filter, Scope::Everything)).await;
}

async fn texts(store: &Arc<SqliteStore>) {
    let mut class = ClassSchema::clone(&class("Text", Some(("body", FieldType::String))));
    class.indexes.insert("body_text".into(), Index::for_text("body"));
    let class = Arc::new(class);
    fill(store, &class, |dice| Some(("body", dice.text().into()))).await;
    for (what, term, by_score) in [
        ("a rare word", "word15000", false),
        ("a frequent word, any 100", "word3", false),
        ("a frequent word, 100 best", "word3", true),
        ("three words, 100 best", "word30 word300 word3000", true),
        ("a phrase, any 100", "\"word0 word0\"", false),
    ] {
        let search = TextSearch {
            term: term.to_owned(),
            language: Language::English,
            case_sensitive: false,
            diacritic_sensitive: false,
        };
        let filter = Filter::Field("body".into(), Constraint::Text(search));
        let order = by_score.then(|| Order { path: Order::SCORE.into(), descending: false });
        let selection = Selection::new(Arc::clone(&class), filter, Scope::Everything)
            .ordered(order.into_iter().collect())
            .range(0, Some(100));
        ask(store, &format!("{what} of {}", store.count(&selection).await.unwrap()), &selection).await;
    }
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("f.db")).unwrap());
    fill(&store, &class("Plain", None), |_| None).await;
    places(&store).await;
    areas(&store).await;
    texts(&store).await;
    store.close().await.unwrap();
}
