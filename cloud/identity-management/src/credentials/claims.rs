//! What does a credential say of somebody? What was asked for, and nothing else.

use parsimony_kit::{params, words};
use parsimony_model::{Date, Object, ParseError};
use serde_json::{Map as JsonMap, Value as Json};

words! {
    /// Something that a credential may say.
    pub enum Claim {
        /// How thoroughly the identity was verified.
        VerificationLevel = "verificationLevel",
        /// Whether it is a person or an organization.
        IdentityType = "identityType",
        /// The name.
        LegalName = "legalName",
        /// The day of birth.
        DateOfBirth = "dateOfBirth",
        /// Whether the person is 18 years old.
        AgeOver18 = "ageOver18",
        /// Whether the person is 21 years old.
        AgeOver21 = "ageOver21",
        /// The nationality.
        Nationality = "nationality",
        /// Where somebody lives, or has a seat.
        CountryOfResidence = "countryOfResidence",
    }
}

/// What a credential says that nobody asked more of: no personal data at all.
pub(crate) const DEFAULT_CLAIMS: [Claim; 1] = [Claim::VerificationLevel];

impl Claim {
    /// What the identity has to say to it; a refusal that names the parameter (142) if it has nothing.
    fn of(self, identity: &Object, now: Date) -> Result<Json, ParseError> {
        let field = match self {
            Self::IdentityType => "type",
            Self::AgeOver18 | Self::AgeOver21 => Self::DateOfBirth.as_str(),
            Self::VerificationLevel
            | Self::LegalName
            | Self::DateOfBirth
            | Self::Nationality
            | Self::CountryOfResidence => self.as_str(),
        };
        let text = identity.text(field);
        let text = text.ok_or_else(|| params::invalid("claims", format!("the identity has no {field}")))?;
        match self {
            Self::AgeOver18 => is_over(text, 18, now).map(Json::Bool),
            Self::AgeOver21 => is_over(text, 21, now).map(Json::Bool),
            Self::VerificationLevel
            | Self::IdentityType
            | Self::LegalName
            | Self::DateOfBirth
            | Self::Nationality
            | Self::CountryOfResidence => Ok(text.into()),
        }
    }
}

/// What these claims say of an identity.
pub(super) fn subject(identity: &Object, claims: &[Claim], now: Date) -> Result<JsonMap<String, Json>, ParseError> {
    claims.iter().map(|claim| Ok((claim.as_str().to_owned(), claim.of(identity, now)?))).collect()
}

/// Whether somebody born on a day, `YYYY-MM-DD`, has so many years. One who was born on a 29 February is a year older on the
/// first of March.
fn is_over(born: &str, years: u32, now: Date) -> Result<bool, ParseError> {
    let unread = || params::invalid("claims", "the identity has no dateOfBirth that can be read");
    let (year, rest) = born.split_once('-').ok_or_else(unread)?;
    let year: u32 = year.parse().map_err(|_digits| unread())?;
    // Days of this form come in the order of their letters.
    let birthday = format!("{:04}-{rest}", year + years);
    let today = now.to_iso();
    Ok(today.split('T').next().is_some_and(|today| today >= birthday.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::{ClassName, ObjectId, map};

    fn identity() -> Object {
        Object {
            class: ClassName::parse("Identity").unwrap(),
            id: ObjectId::parse("i").unwrap(),
            created_at: None,
            updated_at: None,
            acl: None,
            fields: map! { "type" => "INDIVIDUAL", "legalName" => "Ada", "dateOfBirth" => "2004-02-29",
            "nationality" => "GB", "countryOfResidence" => "DE", "verificationLevel" => "STANDARD" },
        }
    }

    #[test]
    fn a_credential_says_what_was_asked_and_no_more() {
        let now: Date = "2026-01-01T00:00:00Z".parse().unwrap();
        let told = |claims: &[Claim]| Json::Object(subject(&identity(), claims, now).unwrap()).to_string();
        assert_eq!(told(&DEFAULT_CLAIMS), r#"{"verificationLevel":"STANDARD"}"#);
        assert_eq!(told(&[Claim::AgeOver18, Claim::AgeOver21]), r#"{"ageOver18":true,"ageOver21":true}"#);
        assert!(!told(&[Claim::AgeOver18]).contains("2004"), "an age does not tell the day of birth");
        assert_eq!(told(&[Claim::IdentityType]), r#"{"identityType":"INDIVIDUAL"}"#);
        let mut organization = identity();
        organization.fields.shift_remove("dateOfBirth");
        for claim in [Claim::DateOfBirth, Claim::AgeOver18] {
            let error = subject(&organization, &[claim], now).unwrap_err();
            assert!(error.number() == Some(142) && error.message.contains("claims"), "{}", error.message);
        }
    }

    #[test]
    fn who_is_how_old_on_which_day() {
        for (born, day, expected) in [
            ("2008-06-15", "2026-06-14", false),
            ("2008-06-15", "2026-06-15", true),
            ("2008-02-29", "2026-02-28", false),
            ("2008-02-29", "2026-03-01", true),
            ("1990-12-31", "2026-01-01", true),
        ] {
            let now: Date = format!("{day}T23:59:59Z").parse().unwrap();
            assert_eq!(is_over(born, 18, now).unwrap(), expected, "{born} {day}");
        }
        assert!(is_over("gibberish", 18, Date::EPOCH).is_err());
    }
}
