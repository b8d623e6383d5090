//! What becomes of the file: closing and opening it again, transactions that are forgotten, and classes of odd shapes.

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use parsimony_model::query::{Language, TextSearch};
    use parsimony_model::schema::{Field, Index};
    use parsimony_model::{
        ClassName, ClassSchema, Constraint, Date, FieldName, FieldType, Filter, GeoPoint, Map, Object, ObjectId,
        Polygon, Update, Value, map,
    };
    use parsimony_store::{Change, ClassChange, Objects, Scope, Selection, Store, StoreError};
    use parsimony_store_sqlite::{Limits, SqliteStore};

    fn class(name: &str, fields: &[(&str, FieldType)]) -> ClassSchema {
        let mut class = ClassSchema::new(ClassName::parse(name).unwrap());
        for (name, kind) in fields {
            class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind.clone()));
        }
        class
    }

    fn object(class: &ClassSchema, id: &str, fields: Map) -> Object {
        Object {
            class: class.name.clone(),
            id: ObjectId::parse(id).unwrap(),
            created_at: Some(Date::EPOCH),
            updated_at: Some(Date::EPOCH),
            acl: None,
            fields,
        }
    }

    fn everything(class: &Arc<ClassSchema>) -> Selection {
        Selection::new(Arc::clone(class), Filter::everything(), Scope::Everything)
    }

    /// A store with a class `Thing` with a number `n`.
    async fn things(path: &Path, limits: Limits) -> (SqliteStore, Arc<ClassSchema>) {
        let store = SqliteStore::open_within(path, limits).unwrap();
        let class = Arc::new(class("Thing", &[("n", FieldType::Number)]));
        store.create_class(&class).await.unwrap();
        (store, class)
    }

    #[tokio::test]
    async fn what_was_stored_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/data.db");
        let user = ClassName::parse("_User").unwrap();
        let fields = [
            ("name", FieldType::String),
            ("Name", FieldType::Number),
            ("select", FieldType::Boolean),
            ("likes", FieldType::Relation(user)),
        ];
        let mut classes = [class("Order", &fields), class("order", &fields)];
        classes[0].indexes.insert("one \"name\"".into(), Index::on(&["name"]).unique());
        let store = SqliteStore::open(&path).unwrap();
        for class in &classes {
            assert!(store.create_class(class).await.unwrap());
            let object =
                object(class, "a", map! { "name" => class.name.as_str(), "Name" => 1, "select" => Value::Null });
            store.insert(&Arc::new(class.clone()), &object).await.unwrap();
        }
        store.close().await.unwrap();
        store.close().await.unwrap();
        let gone = store.count(&everything(&Arc::new(classes[0].clone()))).await;
        assert!(matches!(gone, Err(StoreError::Unavailable(_))), "{gone:?}");

        let store = SqliteStore::open(&path).unwrap();
        let mut found = store.classes().await.unwrap();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(found, classes);
        for class in classes {
            let class = Arc::new(class);
            let found = store.find(&everything(&class)).await.unwrap();
            let expected = map! { "name" => class.name.as_str(), "Name" => 1, "select" => Value::Null };
            assert_eq!(found, [object(&class, "a", expected)]);
        }
        let class = Arc::new(class("Order", &fields));
        let twice = store.insert(&class, &object(&class, "b", map! { "name" => "Order" })).await;
        assert!(matches!(&twice, Err(StoreError::Duplicate { index }) if index == "one \"name\""), "{twice:?}");
    }

    #[tokio::test]
    async fn what_was_deleted_or_replaced_is_nowhere_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        let notes = Arc::new(class("Note", &[("text", FieldType::String)]));
        // One that fits on a page of the file, and one that fills many.
        let long = |word: &str| word.repeat(20_000);
        let texts =
            [("deleted", "secret of ada".to_owned()), ("long", long("papers")), ("kept", "what stays".to_owned())];
        let store = SqliteStore::open(&path).unwrap();
        store.create_class(&notes).await.unwrap();
        for (id, text) in texts {
            store.insert(&notes, &object(&notes, id, map! { "text" => text })).await.unwrap();
        }
        store.insert(&notes, &object(&notes, "replaced", map! { "text" => "as it was" })).await.unwrap();
        store.close().await.unwrap();
        let stands = |text: &str| {
            let files =
                std::fs::read_dir(folder.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
            files.into_iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
        };
        let gone = ["secret of ada", "paperspapers", "as it was"];
        assert!(gone.iter().all(|text| stands(text)) && stands("what stays"));

        let store = SqliteStore::open(&path).unwrap();
        let one =
            |id: &str| Selection::new(Arc::clone(&notes), Filter::id(&ObjectId::parse(id).unwrap()), Scope::Everything);
        for id in ["deleted", "long"] {
            assert_eq!(store.delete(&one(id)).await.unwrap(), 1);
        }
        let mut update = Update::default();
        update.set("text", "as it is, and longer");
        let change = Change { update, acl: None, updated_at: Date::EPOCH };
        assert!(store.update(&one("replaced"), &change).await.unwrap().is_some());
        store.close().await.unwrap();
        assert_eq!(gone.map(&stands), [false; 3]);
        assert!(stands("what stays") && stands("as it is, and longer"));
    }

    #[tokio::test]
    async fn a_file_of_someone_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE t (a)").unwrap();
        assert!(matches!(SqliteStore::open(&path), Err(StoreError::Unavailable(_))));
        let path = folder.path().join("new.db");
        drop(SqliteStore::open(&path).unwrap());
        let newer = rusqlite::Connection::open(&path).unwrap();
        newer.execute_batch("PRAGMA user_version=99").unwrap();
        assert!(matches!(SqliteStore::open(&path), Err(StoreError::Unavailable(_))));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let _store = SqliteStore::open(folder.path().join("f.db")).unwrap();
        for name in ["f.db", "f.db-wal"] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn closing_answers_everyone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.db");
        let (store, class) = things(&path, Limits { queue_jobs_max: 4, ..Limits::default() }).await;
        let store = Arc::new(store);
        let write = |number: usize| {
            let (store, class) = (Arc::clone(&store), Arc::clone(&class));
            async move { store.insert(&class, &object(&class, &format!("i{number}"), Map::default())).await.is_ok() }
        };
        let writes: Vec<_> = (0..200).map(|number| futures::FutureExt::boxed(write(number))).collect();
        let closing = futures::FutureExt::boxed({
            let store = Arc::clone(&store);
            async move { store.close().await.is_ok() }
        });
        let (closed, written) = futures::join!(closing, futures::future::join_all(writes));
        assert!(closed);
        let acknowledged = written.iter().filter(|written| **written).count() as u64;
        let (store, class) = things(&path, Limits::default()).await;
        assert_eq!(store.count(&everything(&class)).await.unwrap(), acknowledged);
    }

    #[tokio::test]
    async fn a_forgotten_transaction_is_undone_and_others_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let (store, class) = things(&folder.path().join("f.db"), Limits::default()).await;
        let transaction = store.begin().await.unwrap();
        transaction.insert(&class, &object(&class, "a", map! { "n" => 1 })).await.unwrap();
        assert_eq!(transaction.count(&everything(&class)).await.unwrap(), 1, "it sees what it wrote");
        assert_eq!(store.count(&everything(&class)).await.unwrap(), 0, "nobody else does");
        drop(transaction);
        store.insert(&class, &object(&class, "b", map! { "n" => 2 })).await.unwrap();
        let found = store.find(&everything(&class)).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].id, "b");
        // One that nobody waits for any more when its turn comes holds up nobody either.
        let first = store.begin().await.unwrap();
        drop(futures::poll!(store.begin()));
        first.commit().await.unwrap();
        store.insert(&class, &object(&class, "c", Map::default())).await.unwrap();
    }

    #[tokio::test]
    async fn a_transaction_has_a_time_limit() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { transaction_millis_max: 20, ..Limits::default() };
        let (store, class) = things(&folder.path().join("f.db"), limits).await;
        let slow = store.begin().await.unwrap();
        slow.insert(&class, &object(&class, "a", Map::default())).await.unwrap();
        // The writer is free again only when the time of the first has run out.
        store.insert(&class, &object(&class, "b", Map::default())).await.unwrap();
        let late = slow.insert(&class, &object(&class, "c", Map::default())).await;
        assert!(matches!(late, Err(StoreError::Timeout)), "{late:?}");
        assert!(matches!(slow.commit().await, Err(StoreError::Timeout)));
        assert_eq!(store.find(&everything(&class)).await.unwrap()[0].id, "b");
        assert_eq!(store.count(&everything(&class)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_class_may_have_a_thousand_fields() {
        let folder = tempfile::tempdir().unwrap();
        let (store, first) = things(&folder.path().join("f.db"), Limits::default()).await;
        let name = |number: usize| FieldName::parse(&format!("field{number}")).unwrap();
        let set_fields: Vec<_> = (0..1_000).map(|number| (name(number), Field::plain(FieldType::String))).collect();
        let change = ClassChange { set_fields, ..ClassChange::default() };
        let wide = Arc::new(store.change_class(&first.name, &change).await.unwrap().unwrap());
        assert_eq!(wide.fields.len(), 1_001);
        let fields: Map = (0..1_000).map(|number| (name(number).as_str().into(), number.to_string().into())).collect();
        store.insert(&wide, &object(&wide, "a", fields.clone())).await.unwrap();
        assert_eq!(store.find(&everything(&wide)).await.unwrap(), [object(&wide, "a", fields)]);
        let set_fields =
            (0..1_000).map(|n| (FieldName::parse(&format!("more{n}")).unwrap(), Field::plain(FieldType::Date)));
        let change = ClassChange { set_fields: set_fields.collect(), ..ClassChange::default() };
        let error = store.change_class(&first.name, &change).await.unwrap_err();
        assert!(matches!(error, StoreError::Unfit(_)), "{error:?}");
        assert_eq!(store.classes().await.unwrap(), [(*wide).clone()], "a change that fails changes nothing");
    }

    /// A file with shops that have names, places and areas; the first ten are gone again.
    async fn shops(path: &Path) {
        let store = SqliteStore::open(path).unwrap();
        let fields = [("name", FieldType::String), ("place", FieldType::GeoPoint), ("area", FieldType::Polygon)];
        let mut shops = class("Shop", &fields);
        shops.indexes.insert("name_text".into(), Index::for_text("name"));
        store.create_class(&shops).await.unwrap();
        let shops = Arc::new(shops);
        for number in 0..20_i32 {
            let at = |more: f64| GeoPoint { latitude: f64::from(number) + more, longitude: 0.0 };
            let aside = GeoPoint { longitude: 0.5, ..at(0.5) };
            let fields = map! {
                "name" => format!("shop w{number}"),
                "place" => Value::GeoPoint(at(0.0)),
                "area" => Value::Polygon(Polygon::new(vec![at(0.0), at(0.9), aside]).unwrap()),
            };
            store.insert(&shops, &object(&shops, &format!("s{number:02}"), fields)).await.unwrap();
        }
        let early = Filter::Field("objectId".into(), Constraint::Less("s10".into()));
        store.delete(&Selection::new(shops, early, Scope::Everything)).await.unwrap();
        store.close().await.unwrap();
    }

    async fn shops_are_found(path: &Path) {
        let store = SqliteStore::open(path).unwrap();
        let shops = Arc::new(store.classes().await.unwrap().remove(0));
        let center = GeoPoint { latitude: 15.0, longitude: 0.0 };
        let search = TextSearch {
            term: "w15".to_owned(),
            language: Language::English,
            case_sensitive: false,
            diacritic_sensitive: false,
        };
        for (field, constraint, expected) in [
            ("place", Constraint::Near { center, radians_max: Some(0.03) }, "s15 s14 s16"),
            ("area", Constraint::Intersects(GeoPoint { latitude: 15.5, longitude: 0.1 }), "s15"),
            ("name", Constraint::Text(search), "s15"),
        ] {
            let selection =
                Selection::new(Arc::clone(&shops), Filter::Field(field.into(), constraint), Scope::Everything);
            let mut found: Vec<String> =
                store.find(&selection).await.unwrap().iter().map(|shop| shop.id.to_string()).collect();
            found.get_mut(1..).unwrap_or_default().sort();
            assert_eq!(found.join(" "), expected);
        }
        store.close().await.unwrap();
    }

    #[tokio::test]
    async fn places_and_words_are_found_in_a_file_that_was_vacuumed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.db");
        shops(&path).await;
        shops_are_found(&path).await;
        rusqlite::Connection::open(&path).unwrap().execute_batch("VACUUM").unwrap();
        shops_are_found(&path).await;
    }

    #[tokio::test]
    async fn a_file_of_a_server_without_searches_gets_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.db");
        shops(&path).await;
        let raw = rusqlite::Connection::open(&path).unwrap();
        let names = |kind: &str| -> Vec<String> {
            let text =
                format!("SELECT name FROM sqlite_schema WHERE type='{kind}' AND name LIKE '%@' OR type='trigger'");
            let mut statement = raw.prepare(&text).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        for trigger in names("trigger") {
            raw.execute_batch(&format!("DROP TRIGGER \"{trigger}\"")).unwrap();
        }
        for table in names("table") {
            raw.execute_batch(&format!("DROP TABLE \"{table}\"")).unwrap();
        }
        let old = "UPDATE \"_SCHEMA\" SET definition=json_remove(definition,'$.places','$.words')";
        assert_eq!(raw.execute(old, []).unwrap(), 1);
        drop(raw);
        shops_are_found(&path).await;
        let raw = rusqlite::Connection::open(&path).unwrap();
        let made = "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name LIKE '%@'";
        assert_eq!(raw.query_row(made, [], |row| row.get::<_, i64>(0)).unwrap(), 3);
    }

    #[tokio::test]
    async fn a_field_that_comes_again_is_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let (store, class) = things(&folder.path().join("f.db"), Limits::default()).await;
        store.insert(&class, &object(&class, "a", map! { "n" => 1 })).await.unwrap();
        store.insert(&class, &object(&class, "b", map! { "n" => Value::Null })).await.unwrap();
        let n = FieldName::parse("n").unwrap();
        let gone = ClassChange { drop_fields: vec![n.clone()], ..ClassChange::default() };
        store.change_class(&class.name, &gone).await.unwrap();
        let back = ClassChange { set_fields: vec![(n, Field::plain(FieldType::String))], ..ClassChange::default() };
        let class = Arc::new(store.change_class(&class.name, &back).await.unwrap().unwrap());
        for found in store.find(&everything(&class)).await.unwrap() {
            assert_eq!(found.fields, Map::default(), "{}", found.id);
        }
        store.insert(&class, &object(&class, "c", map! { "n" => "text" })).await.unwrap();
        let selection = Selection::new(Arc::clone(&class), Filter::equals("n", "text"), Scope::Everything);
        assert_eq!(store.count(&selection).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn one_login_of_a_provider_belongs_to_one_user() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("f.db")).unwrap();
        let mut users = class("_User", &[]);
        users.indexes.insert("_auth_data_x_id".into(), Index::on(&["_auth_data_x.id"]).unique().sparse());
        store.create_class(&users).await.unwrap();
        let users = Arc::new(users);
        let login = |id: &str| map! { "authData" => map! { "x" => map! { "id" => id } } };
        store.insert(&users, &object(&users, "a", login("1"))).await.unwrap();
        store.insert(&users, &object(&users, "b", Map::default())).await.unwrap();
        store.insert(&users, &object(&users, "c", Map::default())).await.unwrap();
        let twice = store.insert(&users, &object(&users, "d", login("1"))).await;
        assert!(matches!(&twice, Err(StoreError::Duplicate { index }) if index == "_auth_data_x_id"), "{twice:?}");
    }
}
