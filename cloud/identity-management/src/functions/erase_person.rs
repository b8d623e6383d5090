//! `erasePerson`: the secret that a person's data is sealed with is destroyed, and what else names or tells them is deleted.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, notifications, params, permission, pii, roles};
use parsimony_model::{Date, ErrorCode, Filter, Object, ObjectId, ParseError, Query, Value, map};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;
use crate::credentials;
use crate::model::{CREDENTIAL, DOCUMENT, IDENTITY, IdentityStatus, VERIFICATION};

/// How many objects of a class one person may have that are looked at.
const OBJECTS_MAX: u64 = 1_000;

/// For how many years after the end of a business relationship the records of due diligence are kept: the fifth directive
/// of the European Union against money laundering, article 40.
const RETENTION_YEARS: i64 = 5;

const YEAR_MILLIS: i64 = 365 * 86_400_000 + 86_400_000 / 4;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErasePerson {
    /// The id of the `Identity`.
    pub identity_id: String,
    /// Why: a code in capitals, such as `REQUEST_OF_THE_PERSON`.
    pub reason: String,
    /// Erases a person whose records would have to be kept still. For a court's order.
    #[serde(default)]
    pub despite_retention: bool,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonErased {
    /// The id of the `Identity`.
    pub identity_id: String,
    /// Whether there was a secret; without one there was nothing left to read.
    pub secret_destroyed: bool,
    /// How many files were deleted.
    pub files_deleted: u64,
    /// What remains, and why.
    pub remains: Vec<Remains>,
}

/// What remains of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remains {
    /// Objects of this class.
    pub class: String,
    /// How many.
    pub objects: u64,
    /// Why.
    pub why: String,
}

/// Erases a person. It cannot be undone, and backups do not help.
pub async fn erase_person(request: Request<ErasePerson>) -> Result<PersonErased, ParseError> {
    let acting = Acting::new(APPLICATION, IDENTITY, &request);
    acting.user()?;
    let params = &request.params;
    let id = params::object_id("identityId", &params.identity_id)?;
    params::code("reason", &params.reason)?;
    let done = async {
        permission::require_role(&request.who, &[roles::COMPLIANCE_OFFICER, roles::ADMIN], "erase a person")?;
        let host = request.host.as_master();
        let identity = host.get(IDENTITY, &id).await?;
        if !params.despite_retention {
            refuse_too_early(&identity, &host)?;
        }
        // The files first: while they are there, their names are, and it can be done again.
        let files_deleted = delete_files(&host, &identity).await?;
        let secret_destroyed = erase(&host, &acting, params, &identity).await?;
        let remains = remains(&host, &identity).await?;
        Ok(PersonErased { identity_id: id.to_string(), secret_destroyed, files_deleted, remains })
    };
    acting.settle(Some(&id), done.await).await
}

/// Whoever was verified once is a customer, whose records are kept for some years after the end.
fn refuse_too_early(identity: &Object, host: &Host) -> Result<(), ParseError> {
    if identity.get("verifiedAt").is_none() {
        return Ok(());
    }
    let ended = identity.text("status") == Some(IdentityStatus::Expired.as_str())
        || identity.text("status") == Some(IdentityStatus::Suspended.as_str());
    let until = identity.updated_at.filter(|_| ended).map(|ended| ended.plus_millis(RETENTION_YEARS * YEAR_MILLIS));
    if until.is_some_and(|until| until <= host.now()) {
        return Ok(());
    }
    let until = until.map_or_else(|| "five years after the end of the relationship".to_owned(), Date::to_iso);
    let text = format!("The records of a verified person have to be kept until {until}.");
    Err(ParseError::new(ErrorCode::OperationForbidden, text))
}

async fn delete_files(host: &Host, identity: &Object) -> Result<u64, ParseError> {
    let mut deleted = 0;
    for document in of_identity(host, DOCUMENT, identity).await? {
        let Some(Value::File(file)) = document.get("file") else { continue };
        match host.delete_file(&file.name).await {
            Ok(()) => deleted += 1,
            // It is gone already: this was begun before.
            Err(error) if error.code == ErrorCode::FileDeleteError => {}
            Err(error) => return Err(error),
        }
        host.update(DOCUMENT, &document.id, map! { "file" => map! { "__op" => "Delete" } }).await?;
    }
    Ok(deleted)
}

async fn of_identity(host: &Host, class: &str, identity: &Object) -> Result<Vec<Object>, ParseError> {
    let query = Query::new(Filter::equals("identity", identity.pointer())).limit(OBJECTS_MAX);
    host.find(class, query).await
}

/// Destroys the secret, with what finds the person by what was sealed, and leaves the entry, in one transaction.
async fn erase(host: &Host, acting: &Acting<'_>, params: &ErasePerson, identity: &Object) -> Result<bool, ParseError> {
    let documents = &of_identity(host, DOCUMENT, identity).await?;
    let issued = &of_identity(host, CREDENTIAL, identity).await?;
    host.transaction(|host| async move {
        let gone = || map! { "__op" => "Delete" };
        let revoked =
            credentials::end_all(&host, identity, ("PERSON_ERASED", None), &|class| acting.entry_of(class)).await?;
        for document in documents {
            host.update(DOCUMENT, &document.id, map! { "number" => gone(), "ocrResult" => gone() }).await?;
        }
        for credential in issued {
            host.update(CREDENTIAL, &credential.id, map! { "jwt" => gone(), "subject" => gone() }).await?;
        }
        let sealed = map! { "documentNumber" => gone(), "dateOfBirth" => gone(), "registrationNumber" => gone(), "metadata" => gone() };
        host.update(IDENTITY, &identity.id, sealed).await?;
        // After the credentials, whose end is told too.
        let told = notifications::forget(&host, &crate::model::pointer(identity, "user")?).await?;
        let destroyed = pii::destroy_secret(&host, &identity.id).await?;
        let entry = (acting.entry().about(&identity.id))
            .detail("reason", params.reason.as_str())
            .detail("despiteRetention", params.despite_retention)
            .detail("credentialsRevoked", revoked as f64)
            .detail("notificationsDeleted", told as f64)
            .detail("unreadable", destroyed);
        acting.record(&host, entry).await?;
        Ok(destroyed)
    })
    .await
}

async fn remains(host: &Host, identity: &Object) -> Result<Vec<Remains>, ParseError> {
    let count = async |class: &str| {
        let query = Query::new(Filter::equals("identity", identity.pointer()));
        host.count(class, query).await
    };
    let told = |class: &str, objects, why: &str| Remains { class: class.to_owned(), objects, why: why.to_owned() };
    let mut remains = vec![
        told(IDENTITY, 1, "its status, countries and dates, which name nobody; its name is sealed and cannot be read"),
        told(VERIFICATION, count(VERIFICATION).await?, "that and how it was decided: records of due diligence"),
        told(DOCUMENT, count(DOCUMENT).await?, "types, countries, dates and hashes: records of due diligence"),
        told(
            CREDENTIAL,
            count(CREDENTIAL).await?,
            "that they were issued and revoked, and when; what they said is gone",
        ),
        told("AuditLog", host.count("AuditLog", entries(&identity.id)).await?, "the audit trail has no personal data"),
    ];
    if identity.text("onChainIdentity").is_some() {
        remains.push(told(
            "the chain",
            1,
            "an address, a status and a digest, which name nobody: nothing can be erased there",
        ));
    }
    Ok(remains)
}

fn entries(id: &ObjectId) -> Query {
    Query::new(Filter::equals("entityType", IDENTITY).and(Filter::equals("entityId", id.as_str())))
}
