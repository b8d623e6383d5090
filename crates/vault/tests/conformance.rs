//! Does a vault do what every store must, and does the store inside of it see nothing of what is sealed?

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use parsimony_model::schema::Field;
    use parsimony_model::value::{Map, json};
    use parsimony_model::{
        ClassName, ClassSchema, Constraint, Date, FieldName, Filter, Object, ObjectId, SystemClock, Update, Value, map,
    };
    use parsimony_store::conformance::{self, Fresh, Later};
    use parsimony_store::{Bulk as _, Change, ClassChange, Objects, Scope, Selection, Store, StoreError};
    use parsimony_store_sqlite::{Limits, SqliteStore};
    use parsimony_vault::{KeyDefinition, KeyRing, PERSON_KEYS, Vault};
    use tempfile::TempDir;

    /// Vaults around stores in one folder, each in a file of its own.
    struct Vaults {
        folder: TempDir,
        count: AtomicUsize,
    }

    impl Vaults {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), count: AtomicUsize::new(0) }
        }

        fn sqlite(&self) -> Arc<dyn Store> {
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            let path = self.folder.path().join(format!("{number}.db"));
            let limits = Limits { sweep_millis: 50, ..Limits::default() };
            Arc::new(SqliteStore::open_within(path, limits).unwrap())
        }
    }

    impl Fresh for Vaults {
        fn store(&self) -> Later<'_, Arc<dyn Store>> {
            let inner = self.sqlite();
            Box::pin(async move {
                let vault = vault(&inner, &["a"]).await;
                Arc::new(vault) as Arc<dyn Store>
            })
        }

        fn has_transactions(&self) -> bool {
            true
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_behaviour() {
        conformance::all(&Vaults::new()).await;
    }

    fn ring(ids: &[&str]) -> KeyRing {
        use base64::Engine as _;
        let key = |id: &&str| KeyDefinition {
            id: (*id).to_owned(),
            key: base64::engine::general_purpose::STANDARD.encode([id.as_bytes()[0]; 32]),
        };
        KeyRing::new(&ids.iter().map(key).collect::<Vec<_>>()).unwrap()
    }

    async fn vault(inner: &Arc<dyn Store>, ids: &[&str]) -> Vault {
        Vault::open(Arc::clone(inner), ring(ids), Arc::new(SystemClock)).await.unwrap()
    }

    fn field(text: &str) -> Field {
        Field::parse("Paper", "f", json::read(text.as_bytes()).unwrap().as_object().unwrap()).unwrap()
    }

    fn paper() -> ClassSchema {
        let mut class = ClassSchema::new(ClassName::parse("Paper").unwrap());
        for (name, text) in [
            ("number", r#"{"type":"String","encrypted":{"person":"identity","index":"numberIndex"}}"#),
            ("numberIndex", r#"{"type":"String"}"#),
            ("name", r#"{"type":"String","encrypted":{"person":"objectId"}}"#),
            ("ocr", r#"{"type":"Object","encrypted":true}"#),
            ("identity", r#"{"type":"Pointer","targetClass":"Identity"}"#),
            ("open", r#"{"type":"String"}"#),
        ] {
            class.fields.insert(FieldName::parse(name).unwrap(), field(text));
        }
        class
    }

    fn object(class: &ClassSchema, id: &str, fields: Map) -> Object {
        let at = Some(Date::EPOCH);
        let (class, id) = (class.name.clone(), ObjectId::parse(id).unwrap());
        Object { class, id, created_at: at, updated_at: at, acl: None, fields }
    }

    fn everything(class: &Arc<ClassSchema>, filter: Filter) -> Selection {
        Selection::new(Arc::clone(class), filter, Scope::Everything)
    }

    fn of_identity(id: &str) -> Value {
        object(&ClassSchema::new(ClassName::parse("Identity").unwrap()), id, map! {}).pointer().into()
    }

    fn ada() -> Map {
        map! {
            "number" => "X123", "name" => "Ada", "ocr" => map! { "born" => "1815" }, "identity" => of_identity("p1"),
            "open" => "yes",
        }
    }

    fn change(update: Map) -> Change {
        Change { update: Update::parse(update).unwrap(), acl: None, updated_at: Date::EPOCH }
    }

    /// What the inner store has, as one text.
    async fn stored(inner: &Arc<dyn Store>, class: &Arc<ClassSchema>) -> String {
        let found = inner.find(&everything(class, Filter::And(Vec::new()))).await.unwrap();
        format!("{found:?}")
    }

    #[tokio::test]
    async fn the_inner_store_sees_nothing_and_the_reader_everything() {
        let vaults = Vaults::new();
        let inner = vaults.sqlite();
        let vault = vault(&inner, &["a"]).await;
        let class = Arc::new(paper());
        vault.create_class(&class).await.unwrap();
        vault.insert(&class, &object(&class, "o1", ada())).await.unwrap();
        for clear in ["X123", "Ada", "1815", "born"] {
            assert!(!stored(&inner, &class).await.contains(clear), "{clear}");
        }
        let all = everything(&class, Filter::And(Vec::new()));
        let found = vault.find(&all).await.unwrap();
        assert_eq!(found, [object(&class, "o1", ada())]);

        let update = map! { "number" => "Y9", "ocr" => map! { "__op" => "Delete" }, "open" => "no" };
        let updated =
            vault.update(&everything(&class, Filter::id(&found[0].id)), &change(update)).await.unwrap().unwrap();
        assert_eq!((updated.text("number"), updated.get("ocr"), updated.text("open")), (Some("Y9"), None, Some("no")));
        assert!(!stored(&inner, &class).await.contains("Y9"));

        let mut pieces = vault.pieces(&all).await.unwrap();
        let piece = futures::StreamExt::next(&mut pieces).await.unwrap().unwrap();
        assert_eq!(piece[0].text("number"), Some("Y9"));
    }

    #[tokio::test]
    async fn what_is_equal_is_found_by_the_blind_index_and_nothing_else_may_be_asked() {
        let vaults = Vaults::new();
        let inner = vaults.sqlite();
        let old = vault(&inner, &["a"]).await;
        let class = Arc::new(paper());
        old.create_class(&class).await.unwrap();
        old.insert(&class, &object(&class, "o1", ada())).await.unwrap();
        // The index was made with the older key.
        let vault = vault(&inner, &["b", "a"]).await;
        vault
            .insert(&class, &object(&class, "o2", map! { "number" => "Y9", "identity" => of_identity("p2") }))
            .await
            .unwrap();
        vault.insert(&class, &object(&class, "o3", map! {})).await.unwrap();
        let found = async |constraint: Constraint| {
            let asked = everything(&class, Filter::Field("number".into(), constraint));
            let found = vault.find(&asked).await?;
            assert_eq!(vault.count(&asked).await.unwrap(), found.len() as u64);
            let mut ids: Vec<String> = found.iter().map(|object| object.id.to_string()).collect();
            ids.sort();
            Ok::<_, StoreError>(ids.join(" "))
        };
        let equals = |text: &str| Constraint::Equals(text.into());
        for (constraint, expected) in [
            (equals("X123"), "o1"),
            (equals("Y9"), "o2"),
            (equals("Z"), ""),
            (Constraint::Equals(Value::Null), "o3"),
            (Constraint::NotEquals("X123".into()), "o2 o3"),
            (Constraint::In(vec!["X123".into(), "Y9".into()]), "o1 o2"),
            (Constraint::NotIn(vec!["X123".into(), "Y9".into()]), "o3"),
            (Constraint::Exists(true), "o1 o2"),
            (Constraint::Exists(false), "o3"),
        ] {
            assert_eq!(found(constraint.clone()).await.unwrap(), expected, "{constraint:?}");
        }
        let refused = found(Constraint::Less("X".into())).await.unwrap_err();
        assert!(refused.to_string().contains("number is encrypted: it can only be asked what it is equal to"));
        let by_name = everything(&class, Filter::Field("name".into(), equals("Ada")));
        assert!(vault.find(&by_name).await.unwrap_err().to_string().contains("name is encrypted"));
        let order = parsimony_model::query::Order { path: "name".into(), descending: false };
        let sorted = everything(&class, Filter::And(Vec::new())).ordered(vec![order]);
        assert!(vault.find(&sorted).await.unwrap_err().to_string().contains("nothing can be sorted by it"));
        let all = everything(&class, Filter::And(Vec::new()));
        assert!(vault.distinct(&all, "name").await.unwrap_err().to_string().contains("cannot be listed"));
    }

    #[tokio::test]
    async fn who_is_erased_can_be_read_no_more_and_others_can() {
        let vaults = Vaults::new();
        let inner = vaults.sqlite();
        let vault = vault(&inner, &["a"]).await;
        let class = Arc::new(paper());
        vault.create_class(&class).await.unwrap();
        vault.insert(&class, &object(&class, "o1", ada())).await.unwrap();
        vault
            .insert(&class, &object(&class, "o2", map! { "number" => "Y9", "identity" => of_identity("p2") }))
            .await
            .unwrap();
        let keys = Arc::new(vault.class(&ClassName::parse(PERSON_KEYS).unwrap()).await.unwrap().unwrap());
        // The identity of the number, and the paper itself for its name.
        let persons = everything(&keys, Filter::And(Vec::new()));
        assert_eq!(vault.count(&persons).await.unwrap(), 3);
        assert_eq!(vault.delete(&everything(&keys, Filter::id(&ObjectId::parse("p1").unwrap()))).await.unwrap(), 1);
        let found = vault.find(&everything(&class, Filter::And(Vec::new()))).await.unwrap();
        let numbers: Vec<Option<&str>> = found.iter().map(|object| object.text("number")).collect();
        assert_eq!(numbers, [None, Some("Y9")]);
        assert_eq!(found[0].text("name"), Some("Ada"));
    }

    #[tokio::test]
    async fn a_secret_of_a_transaction_that_is_rolled_back_is_not_remembered() {
        let vaults = Vaults::new();
        let inner = vaults.sqlite();
        let vault = vault(&inner, &["a"]).await;
        let class = Arc::new(paper());
        vault.create_class(&class).await.unwrap();
        let transaction = vault.begin().await.unwrap();
        transaction.insert(&class, &object(&class, "o1", ada())).await.unwrap();
        let all = everything(&class, Filter::And(Vec::new()));
        assert_eq!(transaction.find(&all).await.unwrap()[0].text("number"), Some("X123"));
        transaction.roll_back().await.unwrap();
        vault.insert(&class, &object(&class, "o2", ada())).await.unwrap();
        // Another vault has to find the secret in the store.
        let other = self::vault(&inner, &["a"]).await;
        assert_eq!(other.find(&all).await.unwrap()[0].text("number"), Some("X123"));

        let transaction = vault.begin().await.unwrap();
        let id = ObjectId::parse("o2").unwrap();
        let update = map! { "identity" => of_identity("p7"), "number" => "new" };
        transaction.update(&everything(&class, Filter::id(&id)), &change(update)).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(vault.find(&all).await.unwrap()[0].text("number"), Some("new"));
        let keys = Arc::new(vault.class(&ClassName::parse(PERSON_KEYS).unwrap()).await.unwrap().unwrap());
        let person = everything(&keys, Filter::id(&ObjectId::parse("p7").unwrap()));
        assert_eq!(vault.count(&person).await.unwrap(), 1, "the person the object points to from now on");
    }

    #[tokio::test]
    async fn old_values_are_sealed_anew_and_those_in_clear_too() {
        let vaults = Vaults::new();
        let inner = vaults.sqlite();
        let class = Arc::new(paper());
        let old = vault(&inner, &["a"]).await;
        old.create_class(&class).await.unwrap();
        for number in 0..150 {
            // Before there was a key, everything was in clear.
            let at = if number % 2 == 0 { &old as &dyn Store } else { &*inner };
            at.insert(&class, &object(&class, &format!("o{number:03}"), ada())).await.unwrap();
        }
        let both = vault(&inner, &["b", "a"]).await;
        let (mut after, mut steps, mut resealed) = (None, 0, 0);
        loop {
            let step = both.reseal(&class, after.as_ref()).await.unwrap();
            (steps, resealed) = (steps + 1, resealed + step.resealed);
            after = step.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!((steps, resealed), (2, 150));
        let new = vault(&inner, &["b"]).await;
        let all = everything(&class, Filter::And(Vec::new()));
        for object in new.find(&all).await.unwrap() {
            assert_eq!(object.fields, ada());
        }
        let by_number = everything(&class, Filter::Field("number".into(), Constraint::Equals("X123".into())));
        assert_eq!(new.count(&by_number).await.unwrap(), 150);
        assert!(!stored(&inner, &class).await.contains("X123"));
        assert_eq!(both.reseal(&class, None).await.unwrap().resealed, 0);
    }

    #[tokio::test]
    async fn without_a_key_nothing_is_written_and_wrong_marks_are_refused() {
        let vaults = Vaults::new();
        let inner = vaults.sqlite();
        let vault = vault(&inner, &[]).await;
        let class = Arc::new(paper());
        vault.create_class(&class).await.unwrap();
        let refused = vault.insert(&class, &object(&class, "o1", ada())).await.unwrap_err();
        assert!(refused.to_string().contains("parsimony.pii has no key"), "{refused}");
        vault.insert(&class, &object(&class, "o2", map! { "open" => "x" })).await.unwrap();

        let wrong = (FieldName::parse("many").unwrap(), field(r#"{"type":"Number","encrypted":true}"#));
        let change = ClassChange { set_fields: vec![wrong], ..ClassChange::default() };
        let refused = vault.change_class(&class.name, &change).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unfit(_)), "{refused}");
    }

    #[tokio::test]
    async fn what_is_sealed_is_set_as_a_whole() {
        let vaults = Vaults::new();
        let inner = vaults.sqlite();
        let vault = vault(&inner, &["a"]).await;
        let class = Arc::new(paper());
        vault.create_class(&class).await.unwrap();
        vault.insert(&class, &object(&class, "o1", ada())).await.unwrap();
        let all = everything(&class, Filter::And(Vec::new()));
        for update in
            [map! { "ocr.born" => "1816" }, map! { "number" => map! { "__op" => "Increment", "amount" => 1 } }]
        {
            let refused = vault.update(&all, &change(update)).await.unwrap_err();
            assert!(refused.to_string().contains("only be set as a whole, or deleted"), "{refused}");
        }
        let delete = || map! { "__op" => "Delete" };
        assert!(vault.update_all(&all, &change(map! { "number" => "x" })).await.is_err());
        assert_eq!(vault.update_all(&all, &change(map! { "number" => delete() })).await.unwrap(), 1);
        assert_eq!(vault.find(&all).await.unwrap()[0].get("number"), None);
        assert!(!stored(&inner, &class).await.contains("numberIndex"));
    }
}
