//! What makes an identity risky, and how much? Each factor has a weight of the settings; the score is their sum, and says so.

use std::collections::{BTreeMap, BTreeSet};

use parsimony_kit::words;
use serde::Deserialize;

use crate::APPLICATION;
use crate::model::RiskRating;

/// The highest score.
pub(super) const SCORE_MAX: u32 = 100;

words! {
    /// Something that makes an identity risky.
    pub enum Factor {
        /// It lives, or has its seat, in a country of the list.
        Residence = "HIGH_RISK_RESIDENCE",
        /// It is a national of such a country, or was founded there.
        Nationality = "HIGH_RISK_NATIONALITY",
        /// It is an organization.
        Organization = "ORGANIZATION",
        /// It was verified with simplified due diligence only.
        BasicLevel = "BASIC_LEVEL",
        /// A verification of it was rejected before.
        Rejected = "REJECTED_BEFORE",
        /// None of its documents is valid any more.
        NoValidDocument = "NO_VALID_DOCUMENT",
        /// A document of it looks forged, or says another number than was said.
        DoubtfulDocument = "DOUBTFUL_DOCUMENT",
        /// Another identity has the same document.
        SharedDocument = "SHARED_DOCUMENT",
        /// Its verification is over a year old.
        OldVerification = "OLD_VERIFICATION",
    }
}

impl Factor {
    /// How much it weighs unless told otherwise.
    const fn weight(self) -> u32 {
        match self {
            Self::Residence => 40,
            Self::Nationality => 30,
            Self::Organization | Self::OldVerification => 10,
            Self::BasicLevel | Self::Rejected | Self::NoValidDocument => 15,
            Self::DoubtfulDocument => 60,
            Self::SharedDocument => 50,
        }
    }
}

/// `parsimony.settings.identity-management.risk`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct RiskSettings {
    /// How much the factors weigh; those that are not named weigh what they weigh by default.
    pub(super) weights: BTreeMap<Factor, u32>,
    /// The countries of the list, ISO 3166-1 alpha-2.
    pub(super) high_risk_countries: BTreeSet<String>,
    /// From which score on the risk is medium.
    pub(super) medium_from: u32,
    /// From which score on it is high.
    pub(super) high_from: u32,
}

impl Default for RiskSettings {
    fn default() -> Self {
        Self { weights: BTreeMap::new(), high_risk_countries: BTreeSet::new(), medium_from: 25, high_from: 50 }
    }
}

impl RiskSettings {
    /// Whether they can be. The error names the setting to mend.
    pub(crate) fn check(&self) -> Result<(), String> {
        let at = |name: &str, fault: &str| Err(format!("parsimony.settings.{APPLICATION}.risk.{name}: {fault}"));
        if let Some(country) =
            self.high_risk_countries.iter().find(|country| parsimony_kit::countries::number(country).is_none())
        {
            return at("highRiskCountries", &format!("{country:?} is no ISO 3166-1 alpha-2 code"));
        }
        if self.weights.values().any(|weight| *weight > SCORE_MAX) {
            return at("weights", "a weight is 100 at most");
        }
        if self.medium_from > self.high_from || self.high_from > SCORE_MAX {
            return at("highFrom", "it is not less than mediumFrom, and 100 at most");
        }
        Ok(())
    }

    fn weight(&self, factor: Factor) -> u32 {
        self.weights.get(&factor).copied().unwrap_or_else(|| factor.weight())
    }

    /// What these factors come to.
    pub(super) fn assess(&self, found: &BTreeSet<Factor>) -> Assessment {
        let factors: Vec<(Factor, u32)> = found.iter().map(|factor| (*factor, self.weight(*factor))).collect();
        let score = factors.iter().map(|(_, weight)| *weight).sum::<u32>().min(SCORE_MAX);
        let rating = match score {
            score if score >= self.high_from => RiskRating::High,
            score if score >= self.medium_from => RiskRating::Medium,
            _ => RiskRating::Low,
        };
        Assessment { factors, score, rating }
    }
}

/// How risky an identity is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assessment {
    /// What was found, and how much it weighs.
    pub(super) factors: Vec<(Factor, u32)>,
    /// The sum.
    pub(super) score: u32,
    /// What that comes to.
    pub(super) rating: RiskRating,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(json: &str) -> RiskSettings {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_score_is_the_sum_of_what_was_found() {
        let found = |factors: &[Factor]| factors.iter().copied().collect::<BTreeSet<_>>();
        let usual = RiskSettings::default();
        for (factors, score, rating) in [
            (&[][..], 0, RiskRating::Low),
            (&[Factor::Organization], 10, RiskRating::Low),
            (&[Factor::Organization, Factor::BasicLevel], 25, RiskRating::Medium),
            (&[Factor::SharedDocument], 50, RiskRating::High),
            (Factor::ALL, 100, RiskRating::High),
        ] {
            let assessed = usual.assess(&found(factors));
            assert_eq!((assessed.score, assessed.rating), (score, rating), "{factors:?}");
            assert_eq!(assessed.factors.len(), factors.len());
        }
        let own = settings(r#"{"weights": {"ORGANIZATION": 70}, "highFrom": 70}"#);
        assert_eq!(own.assess(&found(&[Factor::Organization])).rating, RiskRating::High);
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        assert!(RiskSettings::default().check().is_ok());
        for (json, fault) in [
            (r#"{"highRiskCountries": ["XX"]}"#, "highRiskCountries"),
            (r#"{"weights": {"ORGANIZATION": 101}}"#, "weights"),
            (r#"{"mediumFrom": 60}"#, "highFrom"),
        ] {
            let error = settings(json).check().unwrap_err();
            assert!(error.contains(fault), "{error}");
        }
        assert!(serde_json::from_str::<RiskSettings>(r#"{"weights": {"MOON": 1}}"#).is_err());
    }
}
