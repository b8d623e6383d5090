//! A request that comes twice, at the same moment too, and how long it is remembered.

use std::sync::Arc;

use futures::future::join_all;
use parsimony_model::ClassName;
use parsimony_server::{Config, Parts, Running, Sources};
use parsimony_store::Store;
use parsimony_testkit::StoreKind;
use parsimony_testkit::app::fresh;
use serde_json::{Value, json};

struct Server {
    running: Running,
    store: Arc<dyn Store>,
    _data: Option<tempfile::TempDir>,
}

impl Server {
    async fn start(kind: StoreKind) -> Self {
        let (store, data) = fresh(kind).await;
        let options = json!({
            "appId": "app", "masterKey": "master", "host": "127.0.0.1", "port": 0,
            "idempotencyOptions": { "paths": ["classes/.*"], "ttl": 60 },
        });
        let file = Some(("test".to_owned(), options.to_string()));
        let config = Config::read(Sources { file, ..Sources::default() }).unwrap();
        let parts = Parts { store: Some(Arc::clone(&store)), ..Parts::default() };
        Self { running: parsimony_server::start(config, [], parts).await.unwrap(), store, _data: data }
    }

    async fn post(&self, id: &str) -> Value {
        let request = reqwest::Client::new().post(format!("{}/classes/Once", self.running.url));
        let request = request.header("X-Parse-Application-Id", "app").header("X-Parse-Master-Key", "master");
        request.header("X-Parse-Request-Id", id).json(&json!({})).send().await.unwrap().json().await.unwrap()
    }
}

async fn one_of_many_at_the_same_moment(kind: StoreKind) {
    let server = Server::start(kind).await;
    let answers = join_all((0..20).map(|_| server.post("same"))).await;
    assert_eq!(answers.iter().filter(|answer| answer["objectId"].is_string()).count(), 1);
    let refused = json!({"code": 159, "error": "Duplicate request"});
    assert_eq!(answers.iter().filter(|answer| **answer == refused).count(), 19);
    assert!(server.post("another").await["objectId"].is_string());
    let long = "x".repeat(10_000);
    assert_eq!(server.post(&long).await["code"], 107);
}

async fn the_database_forgets_them_in_time(kind: StoreKind) {
    let server = Server::start(kind).await;
    let class = ClassName::parse("_Idempotency").unwrap();
    let class = server.store.class(&class).await.unwrap().unwrap();
    assert!(class.indexes["reqId_1"].unique);
    assert_eq!(class.indexes["ttl"].expire_after_seconds, Some(0));
}

mod sqlite {
    use super::StoreKind::Sqlite;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_of_many_at_the_same_moment() {
        super::one_of_many_at_the_same_moment(Sqlite).await;
    }

    #[tokio::test]
    async fn the_database_forgets_them_in_time() {
        super::the_database_forgets_them_in_time(Sqlite).await;
    }
}

mod mongo {
    use super::StoreKind::Mongo;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_of_many_at_the_same_moment() {
        super::one_of_many_at_the_same_moment(Mongo).await;
    }

    #[tokio::test]
    async fn the_database_forgets_them_in_time() {
        super::the_database_forgets_them_in_time(Mongo).await;
    }
}
