//! `createIdentity`: a user says who they are, or which organization they stand for.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params};
use parsimony_model::value::Map;
use parsimony_model::{Date, ErrorCode, Filter, ParseError, Pointer, Query, Value, map};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;
use crate::model::{DocumentType, IDENTITY, IdentityStatus, IdentityType, readable_by};

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateIdentity {
    /// A person or an organization.
    #[serde(rename = "type")]
    pub kind: IdentityType,
    /// The name in the passport, or in the register of companies.
    pub legal_name: String,
    /// The day of birth, `YYYY-MM-DD`; of a person only.
    pub date_of_birth: Option<String>,
    /// ISO 3166-1 alpha-2; of an organization, where it was founded.
    pub nationality: String,
    /// ISO 3166-1 alpha-2.
    pub country_of_residence: String,
    /// The kind of document whose number is given.
    pub document_type: Option<DocumentType>,
    /// The number of an identity document; of a person only.
    pub document_number: Option<String>,
    /// The number in the register; of an organization only.
    pub registration_number: Option<String>,
    /// The client's own notes.
    pub metadata: Option<Map>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityCreated {
    /// The id of the `Identity`.
    pub identity_id: String,
    /// A person or an organization.
    #[serde(rename = "type")]
    pub kind: IdentityType,
    /// Where it stands.
    pub status: IdentityStatus,
}

/// Creates the identity of the caller. Each user has one of each type at most (137).
pub async fn create_identity(request: Request<CreateIdentity>) -> Result<IdentityCreated, ParseError> {
    let acting = Acting::new(APPLICATION, IDENTITY, &request);
    // The permission is in the form of the request: it names no user, so one can only create one's own.
    let owner = acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    params.check(request.host.now())?;
    let work = |host| work(host, &acting, &owner, params);
    let done = acting.once(params.request_key.as_deref(), params, work).await;
    acting.settle(None, done).await
}

impl CreateIdentity {
    fn check(&self, now: Date) -> Result<(), ParseError> {
        params::text("legalName", &self.legal_name, 1, 200)?;
        params::country("nationality", &self.nationality)?;
        params::country("countryOfResidence", &self.country_of_residence)?;
        if let Some(day) = &self.date_of_birth {
            params::past_day("dateOfBirth", day, now)?;
        }
        for (field, number) in
            [("documentNumber", &self.document_number), ("registrationNumber", &self.registration_number)]
        {
            if let Some(number) = number {
                params::word(field, number, " -/.", 64)?;
            }
        }
        if let Some(metadata) = &self.metadata {
            params::metadata("metadata", metadata)?;
        }
        self.check_type()
    }

    /// What only the other type has is refused.
    fn check_type(&self) -> Result<(), ParseError> {
        let foreign = match self.kind {
            IdentityType::Individual => [("registrationNumber", self.registration_number.is_some()); 2],
            IdentityType::Organization => {
                [("dateOfBirth", self.date_of_birth.is_some()), ("documentNumber", self.document_number.is_some())]
            }
        };
        match foreign.iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(params::invalid(field, format!("an identity of type {} has none", self.kind))),
            None => Ok(()),
        }
    }

    fn fields(&self, owner: &Pointer) -> Map {
        let mut fields = map! {
            "user" => owner.clone(),
            "type" => self.kind,
            "legalName" => self.legal_name.as_str(),
            "nationality" => self.nationality.as_str(),
            "countryOfResidence" => self.country_of_residence.as_str(),
            "status" => IdentityStatus::Draft,
            "createdBy" => owner.clone(),
            "lastModifiedBy" => owner.clone(),
            "ACL" => readable_by(&owner.id),
        };
        let optional = [
            ("dateOfBirth", self.date_of_birth.as_deref().map(Value::from)),
            ("documentType", self.document_type.map(Value::from)),
            ("documentNumber", self.document_number.as_deref().map(Value::from)),
            ("registrationNumber", self.registration_number.as_deref().map(Value::from)),
            ("metadata", self.metadata.clone().map(Value::from)),
        ];
        fields.extend(optional.into_iter().filter_map(|(field, value)| Some((field.into(), value?))));
        fields
    }

    fn taken(&self) -> ParseError {
        let text = format!("You have an identity of type {} already.", self.kind);
        ParseError::new(ErrorCode::DuplicateValue, text)
    }
}

async fn work(
    host: Host,
    acting: &Acting<'_>,
    owner: &Pointer,
    params: &CreateIdentity,
) -> Result<IdentityCreated, ParseError> {
    let mine = Filter::equals("user", owner.clone()).and(Filter::equals("type", params.kind));
    if host.first(IDENTITY, Query::new(mine)).await?.is_some() {
        return Err(params.taken());
    }
    let identity = host.create(IDENTITY, params.fields(owner)).await.map_err(|error| {
        // The unique index caught another request of the same user at the same time.
        if error.code == ErrorCode::DuplicateValue { params.taken() } else { error }
    })?;
    let entry = acting.entry().changed(None, Some(&identity)).detail("type", params.kind);
    acting.record(&host, entry).await?;
    Ok(IdentityCreated {
        identity_id: identity.id.to_string(),
        kind: params.kind,
        status: parsimony_kit::state::of(&identity)?,
    })
}
