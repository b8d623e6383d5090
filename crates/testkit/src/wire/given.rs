//! How does a database come to hold what a scenario begins with?

use mongodb::Client;
use mongodb::bson::Document;

use super::scenario::Scenario;

/// Puts what the scenario begins with into the database of this connection string.
pub async fn put_given(uri: &str, scenario: &Scenario) -> Result<(), String> {
    if scenario.given.is_empty() {
        return Ok(());
    }
    let client = Client::with_uri_str(uri).await.map_err(|error| error.to_string())?;
    let database = client.default_database().ok_or("the connection string names no database")?;
    for (collection, documents) in &scenario.given {
        for document in documents {
            let told = |error: serde_json::Error| format!("{collection}: {error}");
            // Extended JSON is what BSON reads from a map.
            let document: Document = serde_json::from_str(&document.text()).map_err(told)?;
            let inserted = database.collection::<Document>(collection).insert_one(document).await;
            inserted.map_err(|error| format!("{collection}: {error}"))?;
        }
    }
    Ok(())
}
