//! How quick is the least one can do: actix-web and the MongoDB driver, with nothing in between?
//!
//! The handlers answer the bench's requests in Parse's words, but know no schema, no permission, no hook and no session.

use std::process::ExitCode;

use actix_web::error::{ErrorBadRequest, ErrorInternalServerError, ErrorNotFound};
use actix_web::web::{self, Bytes, Data, Path};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context as _, Result};
use clap::Args;
use futures::TryStreamExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::options::{Acknowledgment, ClientOptions, WriteConcern};
use mongodb::{Client, Database};
use serde::Serialize;
use serde_json::json;
use tokio::runtime::Runtime;

/// Where to listen and what to talk to.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    database_uri: String,
}

/// The answer to a query. `json!` would make a second tree of it first.
#[derive(Serialize)]
struct Found {
    results: Vec<Document>,
}

type Reply = actix_web::Result<HttpResponse>;

/// Serves until it is killed.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    Runtime::new()?.block_on(async {
        let mut settings = ClientOptions::parse(&options.database_uri).await?;
        // The promise of the store it is compared with: an acknowledged write is in the journal.
        settings.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
        let client = Client::with_options(settings)?;
        let database = Data::new(client.default_database().context("the URI names no database")?);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::clone(&database))
                .route("/parse/health", web::get().to(HttpResponse::Ok))
                .route("/parse/functions/hello", web::post().to(hello))
                .route("/parse/classes/{class}", web::post().to(create))
                .route("/parse/classes/{class}", web::get().to(query))
                .route("/parse/classes/{class}/{id}", web::get().to(get))
                .route("/parse/classes/{class}/{id}", web::put().to(update))
        });
        server.bind(("127.0.0.1", options.port))?.run().await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn hello(_body: Bytes) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "result": "Hello" }))
}

async fn create(database: Data<Database>, class: Path<String>, body: Bytes) -> Reply {
    let mut document = fields(&body)?;
    let (id, now) = (ObjectId::new().to_hex(), DateTime::now());
    document.insert("_id", &id);
    document.insert("_created_at", now);
    document.insert("_updated_at", now);
    database.collection::<Document>(&class).insert_one(document).await.map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::Created().json(json!({ "objectId": id, "createdAt": now })))
}

async fn get(database: Data<Database>, path: Path<(String, String)>) -> Reply {
    let (class, id) = path.into_inner();
    let found = database.collection::<Document>(&class).find_one(doc! { "_id": id }).await;
    answer(found)
}

async fn update(database: Data<Database>, path: Path<(String, String)>, body: Bytes) -> Reply {
    let (class, id) = path.into_inner();
    let mut changes = fields(&body)?;
    changes.insert("_updated_at", DateTime::now());
    let objects = database.collection::<Document>(&class);
    answer(objects.find_one_and_update(doc! { "_id": id }, doc! { "$set": changes }).await)
}

async fn query(database: Data<Database>, class: Path<String>) -> Reply {
    let mut posts = list(&database, &class, doc! {}).await?;
    let mut ids: Vec<String> = posts.iter().filter_map(|post| Some(author_of(post)?.to_owned())).collect();
    ids.sort_unstable();
    ids.dedup();
    let authors = list(&database, "BenchAuthor", doc! { "_id": { "$in": ids } }).await?;
    for post in &mut posts {
        let author =
            author_of(post).and_then(|id| authors.iter().find(|author| author.get_str("_id").ok() == Some(id)));
        if let Some(author) = author {
            post.insert("author", author.clone());
        }
    }
    Ok(HttpResponse::Ok().json(Found { results: posts }))
}

fn author_of(post: &Document) -> Option<&str> {
    post.get("author").and_then(Bson::as_document)?.get_str("objectId").ok()
}

async fn list(database: &Database, class: &str, filter: Document) -> actix_web::Result<Vec<Document>> {
    let cursor = database.collection(class).find(filter).limit(100).await.map_err(ErrorInternalServerError)?;
    cursor.try_collect().await.map_err(ErrorInternalServerError)
}

fn fields(body: &[u8]) -> actix_web::Result<Document> {
    serde_json::from_slice(body).map_err(ErrorBadRequest)
}

fn answer(found: mongodb::error::Result<Option<Document>>) -> Reply {
    let document = found.map_err(ErrorInternalServerError)?.ok_or_else(|| ErrorNotFound("no such object"))?;
    Ok(HttpResponse::Ok().json(document))
}
