//! How does a credential come to be? Its claims are read from the identity, an entry of a list is allotted, it is signed and stored
//! sealed, all in one transaction.

use parsimony_cloud::Host;
use parsimony_kit::notifications::{Notice, notify};
use parsimony_kit::{params, state};
use parsimony_model::{Date, ErrorCode, Filter, Object, ParseError, Pointer, Query, Value, map};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::claims::{self, Claim};
use super::issuer::Issuer;
use super::list::{self, Entry, PURPOSE};
use crate::APPLICATION;
use crate::model::{CREDENTIAL, CredentialStatus, IdentityStatus, pointer, readable_by_issuers_too};

/// How many credentials one identity may have that are in force.
pub(super) const IN_FORCE_MAX: u64 = 100;

/// What the credentials of this application are.
const TYPE: &str = "VerifiedIdentityCredential";

/// How many random letters make the id of a credential.
const ID_CHARS: usize = 32;

/// What is to be issued.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    /// What it says.
    pub(crate) claims: Vec<Claim>,
    /// Whom it is about, a DID; without one, whoever the identity says.
    pub(crate) subject: Option<String>,
    /// Until when it holds; without it as long as it may.
    pub(crate) valid_until: Option<Date>,
    /// Who issues it, if it is a person.
    pub(crate) by: Option<Pointer>,
    /// What it rests on.
    pub(crate) verification: Option<Pointer>,
}

/// Issues a credential about an identity, in the transaction of the host; tells its owner.
pub(crate) async fn issue(
    host: &Host,
    issuer: &Issuer,
    identity: &Object,
    order: &Order,
) -> Result<Object, ParseError> {
    let status: IdentityStatus = state::of(identity)?;
    if status != IdentityStatus::Verified {
        let text = format!("The identity is {status}; a credential is issued about one that is VERIFIED.");
        return Err(ParseError::new(ErrorCode::ValidationError, text));
    }
    let in_force =
        Filter::equals("identity", identity.pointer()).and(Filter::equals("status", CredentialStatus::Active));
    if host.count(CREDENTIAL, Query::new(in_force)).await? >= IN_FORCE_MAX {
        let text = format!("The identity has {IN_FORCE_MAX} credentials in force; revoke some of them first.");
        return Err(ParseError::new(ErrorCode::ValidationError, text));
    }
    let now = whole_seconds(host.now());
    let draft = Draft {
        id: urn(&host.random(ID_CHARS)),
        subject: order.subject.as_deref().or(identity.text("did")),
        entry: list::allot(host).await?,
        valid_from: now,
        valid_until: until(issuer, identity, order, now)?,
    };
    let token = issuer.sign(&draft.claims(issuer, claims::subject(identity, &order.claims, now)?))?;
    let credential =
        host.create(CREDENTIAL, draft.fields(issuer, identity, order, token)?).await.map_err(list::again)?;
    tell(host, identity, &credential, draft.valid_until).await?;
    Ok(credential)
}

/// Until when it holds: not longer than the identity, nor than the settings let it.
fn until(issuer: &Issuer, identity: &Object, order: &Order, now: Date) -> Result<Date, ParseError> {
    let longest = now.plus_millis(issuer.validity_millis());
    let of_identity = identity.get("expiresAt").and_then(Value::as_date);
    let longest = whole_seconds(of_identity.map_or(longest, |end| end.min(longest)));
    let until = order.valid_until.map_or(longest, whole_seconds);
    if until > longest {
        let text = format!("it may be {} at the latest", written(longest));
        return Err(params::invalid("validUntil", text));
    }
    params::future("validUntil", until, now).map(|()| until)
}

/// A credential that is not signed yet.
struct Draft<'a> {
    id: String,
    subject: Option<&'a str>,
    entry: Entry,
    valid_from: Date,
    valid_until: Date,
}

impl Draft<'_> {
    /// What is signed: the credential itself, with the claims by which a JSON Web Token says the same.
    fn claims(&self, issuer: &Issuer, mut about: serde_json::Map<String, Json>) -> Json {
        let url = self.entry.url(issuer);
        about.extend(self.subject.map(|subject| ("id".to_owned(), subject.into())));
        let mut claims = json!({
            "@context": ["https://www.w3.org/ns/credentials/v2", issuer.url("context/v1")],
            "id": self.id,
            "type": ["VerifiableCredential", TYPE],
            "issuer": issuer.did(),
            "validFrom": written(self.valid_from),
            "validUntil": written(self.valid_until),
            "credentialSubject": about,
            "credentialStatus": {
                "id": format!("{url}#{}", self.entry.index),
                "type": "BitstringStatusListEntry",
                "statusPurpose": PURPOSE,
                "statusListIndex": self.entry.index.to_string(),
                "statusListCredential": url,
            },
            "iss": issuer.did(),
            "jti": self.id,
            "iat": self.valid_from.millis() / 1_000,
            "nbf": self.valid_from.millis() / 1_000,
            "exp": self.valid_until.millis() / 1_000,
        });
        if let (Some(subject), Some(claims)) = (self.subject, claims.as_object_mut()) {
            claims.insert("sub".to_owned(), subject.into());
        }
        claims
    }

    fn fields(
        &self,
        issuer: &Issuer,
        identity: &Object,
        order: &Order,
        token: String,
    ) -> Result<parsimony_model::value::Map, ParseError> {
        let owner = pointer(identity, "user")?;
        let named: Vec<Value> = order.claims.iter().map(|claim| claim.as_str().into()).collect();
        let mut fields = map! {
            "identity" => identity.pointer(),
            "credentialId" => self.id.as_str(),
            "type" => vec![Value::from("VerifiableCredential"), TYPE.into()],
            "claims" => named,
            "issuer" => issuer.did(),
            "format" => "vc+jwt",
            "jwt" => token,
            "validFrom" => self.valid_from,
            "validUntil" => self.valid_until,
            "statusList" => self.entry.list.clone(),
            "statusListCredential" => self.entry.url(issuer),
            "statusListIndex" => self.entry.index.to_string(),
            "statusPurpose" => PURPOSE,
            "status" => CredentialStatus::Active,
            "ACL" => readable_by_issuers_too(&owner.id),
            "user" => owner,
        };
        let optional = [
            ("subject", self.subject.map(Value::from)),
            ("verification", order.verification.clone().map(Value::from)),
            ("createdBy", order.by.clone().map(Value::from)),
            ("lastModifiedBy", order.by.clone().map(Value::from)),
        ];
        fields.extend(optional.into_iter().filter_map(|(field, value)| Some((field.into(), value?))));
        Ok(fields)
    }
}

async fn tell(host: &Host, identity: &Object, credential: &Object, until: Date) -> Result<(), ParseError> {
    let notice = Notice {
        user: pointer(identity, "user")?,
        kind: "CREDENTIAL_ISSUED".into(),
        title: "A credential was issued to you.".to_owned(),
        body: None,
        data: map! { "credentialId" => credential.id.as_str(), "validUntil" => until },
        about: Some(format!("{CREDENTIAL}:{}", credential.id)),
        once: format!("credential-issued:{}", credential.id),
    };
    notify(host, APPLICATION, notice).await.map(drop)
}

/// A name of its own, by RFC 9562: of version 8, as chance is all that is in it.
fn urn(chance: &str) -> String {
    let digest = hex::encode(Sha256::digest(chance));
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    format!("urn:uuid:{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

/// A moment without its part of a second: tokens have none.
pub(super) fn whole_seconds(moment: Date) -> Date {
    Date::from_millis(moment.millis() - moment.millis().rem_euclid(1_000))
}

/// A moment as a credential writes it.
pub(super) fn written(moment: Date) -> String {
    moment.to_iso().replace(".000Z", "Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::issuer::tests::issuer;
    use parsimony_model::{ClassName, ObjectId};

    fn draft(subject: Option<&str>) -> Draft<'_> {
        let list =
            Pointer { class: ClassName::parse("CredentialStatusList").unwrap(), id: ObjectId::parse("l").unwrap() };
        let now: Date = "2026-01-31T12:00:00Z".parse().unwrap();
        let valid_until = now.plus_millis(1_000);
        Draft { id: urn("x"), subject, entry: Entry { list, number: 7, index: 94_567 }, valid_from: now, valid_until }
    }

    #[test]
    fn a_credential_and_its_token_say_the_same() {
        let issuer = issuer();
        let claims = draft(Some("did:key:z6Mk")).claims(&issuer, serde_json::Map::new());
        assert_eq!(
            (&claims["issuer"], &claims["id"], &claims["sub"]),
            (&claims["iss"], &claims["jti"], &json!("did:key:z6Mk"))
        );
        assert_eq!((&claims["validFrom"], &claims["nbf"]), (&json!("2026-01-31T12:00:00Z"), &json!(1_769_860_800)));
        assert_eq!((&claims["validUntil"], &claims["exp"]), (&json!("2026-01-31T12:00:01Z"), &json!(1_769_860_801)));
        let status = &claims["credentialStatus"];
        let url = "https://id.example.org/parse/public/identity-management/status/7";
        assert_eq!((&status["statusListCredential"], &status["statusListIndex"]), (&json!(url), &json!("94567")));
        assert_eq!(claims["credentialSubject"], json!({"id": "did:key:z6Mk"}));
        let bearer = draft(None).claims(&issuer, serde_json::Map::new());
        assert!(bearer.get("sub").is_none() && bearer["credentialSubject"].get("id").is_none());
    }

    #[test]
    fn ids_are_uuids() {
        let id = urn("x");
        let parts: Vec<usize> = id.trim_start_matches("urn:uuid:").split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
        assert!(id.split('-').nth(2).unwrap().starts_with('8') && urn("y") != id);
    }
}
