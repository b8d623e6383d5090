//! Does the store do what every store must, on a single mongod and on a replica set?

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bson::oid::ObjectId;
    use parsimony_store::Store;
    use parsimony_store::conformance::{self, Fresh, Later};
    use parsimony_store_mongo::{MongoOptions, MongoStore};
    use parsimony_testkit::mongod;

    /// Databases of a mongod, a new one each time.
    struct Databases {
        uri: String,
        has_transactions: bool,
    }

    impl Fresh for Databases {
        fn store(&self) -> Later<'_, Arc<dyn Store>> {
            Box::pin(async {
                let uri = mongod::uri_for(&self.uri, &format!("conformance-{}", ObjectId::new()));
                let store = MongoStore::open(&uri, MongoOptions::default()).await.expect("the test's mongod answers");
                Arc::new(store) as Arc<dyn Store>
            })
        }

        fn has_transactions(&self) -> bool {
            self.has_transactions
        }
    }

    #[tokio::test]
    async fn a_single_mongod_conforms() {
        let uri = mongod::given_standalone().expect("needs a mongod: run `cargo xtask test`");
        conformance::all(&Databases { uri, has_transactions: false }).await;
    }

    #[tokio::test]
    async fn a_replica_set_conforms() {
        let uri = mongod::given_replica_set().expect("needs a replica set: run `cargo xtask test`");
        conformance::all(&Databases { uri, has_transactions: true }).await;
    }
}
