//! Which bit of which list is a credential's, and is it set? Lists have so many entries that one says nothing about the others.

use parsimony_cloud::{CONFLICT, Host};
use parsimony_model::query::Constraint;
use parsimony_model::{ErrorCode, Filter, Object, ParseError, Pointer, Query, Value, map};
use serde_json::{Value as Json, json};

use super::bits::{BITS, Bits};
use super::issuer::Issuer;
use crate::model::{STATUS_LIST, pointer};

/// How many entries are thrown for at once. When all of them are taken the list counts as full: at about four fifths.
const THROWS: usize = 32;

/// How many random letters make one throw.
const DICE: usize = 8;

/// What the lists are for.
pub(super) const PURPOSE: &str = "revocation";

/// An entry of a list that is a credential's and no other's.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// The list.
    pub(super) list: Pointer,
    /// The number of the list.
    pub(super) number: u64,
    /// The place in it.
    pub(super) index: usize,
}

impl Entry {
    /// The URL of the list.
    pub(super) fn url(&self, issuer: &Issuer) -> String {
        list_url(issuer, self.number)
    }
}

fn list_url(issuer: &Issuer, number: u64) -> String {
    issuer.url(&format!("status/{number}"))
}

/// An entry that nobody has, in the transaction of the host. Entries are thrown for, so that they tell nothing of when or to
/// whom something was issued; that no two get one is held by an index.
pub(super) async fn allot(host: &Host) -> Result<Entry, ParseError> {
    let newest = host.first(STATUS_LIST, Query::new(Filter::And(Vec::new())).descending("number")).await?;
    if let Some(list) = &newest
        && let Some(index) = free(host, list).await?
    {
        return Ok(Entry { list: list.pointer(), number: number(list)?, index });
    }
    let next = newest.as_ref().map(number).transpose()?.unwrap_or_default() + 1;
    let fields = map! {
        "number" => next as f64,
        "purpose" => PURPOSE,
        "encodedList" => Bits::default().encoded()?,
        "version" => 1.0,
        "revoked" => 0.0,
    };
    let list = host.create(STATUS_LIST, fields).await.map_err(again)?;
    let index = throws(&host.random(DICE)).next().unwrap_or_default();
    Ok(Entry { list: list.pointer(), number: next, index })
}

/// Somebody else was quicker: with other dice it goes on.
pub(super) fn again(error: ParseError) -> ParseError {
    if error.code == ErrorCode::DuplicateValue {
        return ParseError::with_number(CONFLICT, "Another credential took this entry.");
    }
    error
}

/// A free entry of a list, if one of those that were thrown is free.
async fn free(host: &Host, list: &Object) -> Result<Option<usize>, ParseError> {
    let thrown: Vec<usize> = throws(&host.random(DICE * THROWS)).collect();
    let named = thrown.iter().map(|index| index.to_string().into()).collect();
    let taken = Filter::equals("statusList", list.pointer())
        .and(Filter::Field("statusListIndex".into(), Constraint::In(named)));
    let taken = host.find(crate::model::CREDENTIAL, Query::new(taken).limit(THROWS as u64)).await?;
    let is_taken = |index: usize| {
        taken.iter().any(|other| other.text("statusListIndex").is_some_and(|other| other == index.to_string()))
    };
    Ok(thrown.into_iter().find(|index| !is_taken(*index)))
}

/// The entries that random letters stand for.
fn throws(letters: &str) -> impl Iterator<Item = usize> {
    letters.as_bytes().chunks(DICE).map(|dice| {
        // Each letter is one of 62, so nearly all 47 bits of the product are left to chance.
        let sum = dice.iter().fold(0_u64, |sum, letter| sum.wrapping_mul(62).wrapping_add(u64::from(*letter)));
        usize::try_from(sum % BITS as u64).unwrap_or_default()
    })
}

fn number(list: &Object) -> Result<u64, ParseError> {
    let number = list.get("number").and_then(Value::as_f64).and_then(|number| number.to_string().parse().ok());
    number.ok_or_else(|| ParseError::internal(format!("{STATUS_LIST} {} has no number", list.id)))
}

/// Sets the bit of a credential, in the transaction of the host.
pub(super) async fn set(host: &Host, credential: &Object) -> Result<(), ParseError> {
    let list = host.get(STATUS_LIST, &pointer(credential, "statusList")?.id).await?;
    let index = credential.text("statusListIndex").and_then(|index| index.parse().ok());
    let index = index.ok_or_else(|| ParseError::internal(format!("credential {} has no entry", credential.id)))?;
    let mut bits = Bits::decode(list.text("encodedList").unwrap_or_default())?;
    if !bits.set(index)? {
        return Ok(());
    }
    let count = |field: &str| list.get(field).and_then(Value::as_f64).unwrap_or_default() + 1.0;
    let changes = map! {
        "encodedList" => bits.encoded()?,
        "version" => count("version"),
        "revoked" => count("revoked"),
    };
    host.update(STATUS_LIST, &list.id, changes).await.map(drop)
}

/// A list as it is published: a credential of its own, and its version.
pub(super) async fn published(host: &Host, issuer: &Issuer, name: &str) -> Result<(String, String), ParseError> {
    let unknown = || ParseError::new(ErrorCode::ObjectNotFound, "There is no such list.");
    let wanted: u64 = name.parse().map_err(|_digits| unknown())?;
    if wanted.to_string() != name {
        return Err(unknown());
    }
    let query = Query::new(Filter::equals("number", wanted as f64));
    let list = host.first(STATUS_LIST, query).await?.ok_or_else(unknown)?;
    let version = list.get("version").and_then(Value::as_f64).unwrap_or_default();
    let token = issuer.sign(&credential(issuer, &list, wanted))?;
    let key = issuer.key_id();
    let key = key.rsplit('#').next().unwrap_or_default();
    Ok((token, format!("{wanted}.{version}.{key}")))
}

fn credential(issuer: &Issuer, list: &Object, number: u64) -> Json {
    let url = list_url(issuer, number);
    let since = super::issue::whole_seconds(list.updated_at.or(list.created_at).unwrap_or_default());
    json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer.did(),
        "validFrom": super::issue::written(since),
        "credentialSubject": {
            "id": format!("{url}#list"),
            "type": "BitstringStatusList",
            "statusPurpose": PURPOSE,
            "encodedList": list.text("encodedList").unwrap_or_default(),
        },
        "iss": issuer.did(),
        "iat": since.millis() / 1_000,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_are_all_over_the_list() {
        let letters: Vec<String> = (0..4_000).map(|n| format!("{n:08}")).collect();
        let letters = letters.concat();
        let thrown: Vec<usize> = throws(&letters).collect();
        assert_eq!(thrown.len(), 4_000);
        assert!(thrown.iter().all(|index| *index < BITS));
        let once: std::collections::BTreeSet<_> = thrown.iter().collect();
        assert!(once.len() > 3_900, "only {} differ", once.len());
        assert!(*thrown.iter().max().unwrap() > BITS * 9 / 10);
    }
}
