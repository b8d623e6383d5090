//! What may everybody read of what this server vouches for? Who the issuer is, with which keys, and which credentials are revoked.

use std::sync::Arc;

use parsimony_cloud::{Application, PublicDocument, PublicRequest};
use parsimony_model::ParseError;
use serde_json::{Value as Json, json};

use super::claims::Claim;
use super::issuer::Issuer;
use super::list;

/// For how many seconds the keys of the issuer may be kept by those who check.
const KEYS_SECONDS: u32 = 300;

/// For how many seconds the words of the credentials may be kept: they do not change.
const CONTEXT_SECONDS: u32 = 86_400;

/// The application with the documents by which its credentials are checked.
pub(crate) fn with_documents(application: Application, issuer: &Arc<Issuer>) -> Application {
    let document = |content_type: &'static str, seconds: u32, content: Json| {
        let document = PublicDocument::new(content_type, content.to_string()).kept_for(seconds);
        move |_: PublicRequest| {
            let document = document.clone();
            async move { Ok::<_, ParseError>(document) }
        }
    };
    let lists = Arc::clone(issuer);
    application
        .public("did.json", document("application/did+json", KEYS_SECONDS, issuer.did_document()))
        .public("jwks.json", document("application/jwk-set+json", KEYS_SECONDS, issuer.key_set()))
        .public("context/v1", document("application/ld+json", CONTEXT_SECONDS, context(issuer)))
        .public("status/{list}", move |request: PublicRequest| {
            let issuer = Arc::clone(&lists);
            async move {
                let name = request.tail.clone().unwrap_or_default();
                let (token, version) = list::published(&request.host, &issuer, &name).await?;
                Ok::<_, ParseError>(PublicDocument::new("application/vc+jwt", token).version(&version))
            }
        })
}

/// What the words of our credentials mean to those who read them as JSON-LD.
fn context(issuer: &Issuer) -> Json {
    let base = issuer.url("context/v1");
    let mut terms = serde_json::Map::new();
    terms.insert("@protected".to_owned(), true.into());
    let words = Claim::ALL.iter().map(|claim| claim.as_str()).chain(["VerifiedIdentityCredential"]);
    terms.extend(words.map(|word| (word.to_owned(), json!(format!("{base}#{word}")))));
    json!({ "@context": terms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::issuer::tests::issuer;

    #[test]
    fn every_word_of_a_credential_has_a_meaning() {
        let context = context(&issuer());
        for claim in Claim::ALL {
            let meaning = context["@context"][claim.as_str()].as_str().unwrap();
            assert!(meaning.starts_with("https://id.example.org/") && meaning.ends_with(claim.as_str()), "{meaning}");
        }
    }
}
