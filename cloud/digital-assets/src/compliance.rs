//! May these tokens change hands? The checks of ERC-3643 in their order, before anything moves.

use alloy::primitives::U256;
use parsimony_kit::permission::refused;
use parsimony_kit::{countries, params, words};
use parsimony_model::value::json;
use parsimony_model::{Date, Object, ParseError};
use serde::{Deserialize, Serialize};

use crate::amount;
use crate::holding::Holding;
use crate::model::{AssetStatus, Standard};
use crate::party::Party;

/// How many countries a rule may name.
const COUNTRIES_MAX: usize = 250;

words! {
    /// Why tokens may not change hands.
    pub enum Refusal {
        /// The asset does not move at all.
        AssetNotActive = "ASSET_NOT_ACTIVE",
        /// Nothing moves before a day that has not come.
        LockUp = "LOCK_UP",
        /// The sender is frozen.
        SenderFrozen = "SENDER_FROZEN",
        /// The receiver is frozen.
        ReceiverFrozen = "RECEIVER_FROZEN",
        /// The sender has less that is free.
        InsufficientAvailable = "INSUFFICIENT_AVAILABLE",
        /// The receiver is not verified.
        ReceiverNotVerified = "RECEIVER_NOT_VERIFIED",
        /// The receiver would have too much.
        MaxBalance = "MAX_BALANCE",
        /// The receiver lives where the asset may not be held.
        CountryNotAllowed = "COUNTRY_NOT_ALLOWED",
    }
}

impl Refusal {
    const fn reason(self) -> &'static str {
        match self {
            Self::AssetNotActive => "the asset is not active",
            Self::LockUp => "nothing moves before the end of the lock-up",
            Self::SenderFrozen => "the sender is frozen",
            Self::ReceiverFrozen => "the receiver is frozen",
            Self::InsufficientAvailable => "the sender has less that is available",
            Self::ReceiverNotVerified => "the receiver has no verified identity",
            Self::MaxBalance => "the receiver would hold more than one may",
            Self::CountryNotAllowed => "the receiver's country is not allowed",
        }
    }
}

impl From<Refusal> for ParseError {
    fn from(refusal: Refusal) -> Self {
        refused(format!("The asset's rules refuse it, {refusal}: {}.", refusal.reason()))
    }
}

/// What a contract does with the countries that it is told, by its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CountryRule {
    /// It asks for none.
    Any = 0,
    /// It lets these.
    Only = 1,
    /// It lets all others.
    AllBut = 2,
}

/// What an asset asks of who holds it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ComplianceRules {
    /// Only those with a verified identity. Of ERC-3643 it is always so.
    pub require_verified: bool,
    /// The most that one may hold, in base units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_balance: Option<String>,
    /// Only those who live in one of these countries, ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_countries: Option<Vec<String>>,
    /// Nobody who lives in one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked_countries: Vec<String>,
    /// From when on it may change hands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transferable_from: Option<Date>,
}

impl ComplianceRules {
    /// The rules of a stored asset.
    pub(crate) fn of(asset: &Object) -> Result<Self, ParseError> {
        let Some(rules) = asset.get("complianceRules").filter(|rules| !rules.is_null()) else {
            return Ok(Self::default());
        };
        serde_json::from_slice(&json::write(rules)).map_err(ParseError::internal)
    }

    /// Refuses rules that cannot be (142).
    pub(crate) fn check(&self) -> Result<(), ParseError> {
        if let Some(max) = &self.max_balance {
            amount::positive("complianceRules.maxBalance", max)?;
        }
        let allowed = self.allowed_countries.as_deref().unwrap_or_default();
        for (field, countries) in [("allowedCountries", allowed), ("blockedCountries", &self.blocked_countries)] {
            let field = format!("complianceRules.{field}");
            params::list(&field, countries, COUNTRIES_MAX)?;
            for (index, country) in countries.iter().enumerate() {
                params::country(&format!("{field}[{index}]"), country)?;
            }
        }
        Ok(())
    }

    /// Whether a holder needs a verified identity. Where countries are named too: nobody's country is known otherwise.
    pub(crate) fn asks_for_verified(&self, standard: Standard) -> bool {
        let names_countries = self.allowed_countries.is_some() || !self.blocked_countries.is_empty();
        self.require_verified || standard == Standard::Erc3643 || names_countries
    }

    /// What the contract is told of countries: those that may, or those that may not if it is only said who may not.
    pub(crate) fn countries(&self) -> (CountryRule, Vec<u16>) {
        let numbers =
            |codes: &mut dyn Iterator<Item = &String>| codes.filter_map(|code| countries::number(code)).collect();
        match &self.allowed_countries {
            Some(allowed) => {
                let mut left = allowed.iter().filter(|country| !self.blocked_countries.contains(country));
                (CountryRule::Only, numbers(&mut left))
            }
            None if self.blocked_countries.is_empty() => (CountryRule::Any, Vec::new()),
            None => (CountryRule::AllBut, numbers(&mut self.blocked_countries.iter())),
        }
    }

    /// Whether somebody may receive: verified, not too much, of the right country.
    pub(crate) fn check_receiver(
        &self,
        standard: Standard,
        taker: &Party,
        receives: &Holding,
        amount: U256,
    ) -> Result<(), ParseError> {
        if self.asks_for_verified(standard) && !taker.verified {
            return Err(Refusal::ReceiverNotVerified.into());
        }
        if let Some(max) = &self.max_balance {
            let max = amount::parse("complianceRules.maxBalance", max)?;
            if receives.balance.checked_add(amount).is_none_or(|sum| sum > max) {
                return Err(Refusal::MaxBalance.into());
            }
        }
        if self.country_refused(taker.country.as_deref()) {
            return Err(Refusal::CountryNotAllowed.into());
        }
        Ok(())
    }

    /// Somebody whose country is not known is let in only where no country is named.
    fn country_refused(&self, country: Option<&str>) -> bool {
        let named = |list: &[String]| country.is_some_and(|country| list.iter().any(|one| one == country));
        let blocked = !self.blocked_countries.is_empty() && (country.is_none() || named(&self.blocked_countries));
        blocked || self.allowed_countries.as_deref().is_some_and(|allowed| !named(allowed))
    }
}

/// What is to change hands.
pub(crate) struct Transfer<'a> {
    pub(crate) asset: AssetStatus,
    pub(crate) standard: Standard,
    pub(crate) rules: &'a ComplianceRules,
    pub(crate) gives: &'a Holding,
    pub(crate) receives: &'a Holding,
    pub(crate) receiver: &'a Party,
    pub(crate) amount: U256,
    pub(crate) now: Date,
}

impl Transfer<'_> {
    /// Not paused, neither side frozen, enough that is free, the receiver verified, the rules of compliance.
    pub(crate) fn check(&self) -> Result<(), ParseError> {
        if self.asset != AssetStatus::Active {
            return Err(Refusal::AssetNotActive.into());
        }
        if self.gives.frozen_whole {
            return Err(Refusal::SenderFrozen.into());
        }
        if self.receives.frozen_whole {
            return Err(Refusal::ReceiverFrozen.into());
        }
        if self.amount > self.gives.available() {
            return Err(Refusal::InsufficientAvailable.into());
        }
        self.rules.check_receiver(self.standard, self.receiver, self.receives, self.amount)?;
        if self.rules.transferable_from.is_some_and(|from| self.now < from) {
            return Err(Refusal::LockUp.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::Address;
    use parsimony_model::{ClassName, ObjectId, Pointer};

    fn user(id: &str) -> Pointer {
        Pointer::new(ClassName::parse("_User").unwrap(), ObjectId::parse(id).unwrap())
    }

    fn party(verified: bool, country: Option<&str>) -> Party {
        Party { user: user("b"), address: Address::ZERO, verified, country: country.map(str::to_owned) }
    }

    fn holding(balance: u64, frozen: u64) -> Holding {
        Holding {
            balance: U256::from(balance),
            frozen: U256::from(frozen),
            ..Holding::nothing(user("a"), user("a"), "0")
        }
    }

    fn refusal(error: &ParseError) -> Refusal {
        let word = error.message.split(", ").nth(1).and_then(|rest| rest.split(':').next()).unwrap();
        Refusal::parse(word).unwrap()
    }

    /// Everything is wrong at first and mended step by step, so each check is seen in its place.
    #[test]
    fn the_checks_come_in_the_order_of_erc_3643() {
        let later: Date = "2030-01-01T00:00:00Z".parse().unwrap();
        let mut rules = ComplianceRules {
            max_balance: Some("5".to_owned()),
            allowed_countries: Some(vec!["DE".to_owned()]),
            transferable_from: Some(later),
            ..ComplianceRules::default()
        };
        let (mut gives, mut receives) = (holding(10, 5), holding(4, 0));
        (gives.frozen_whole, receives.frozen_whole) = (true, true);
        let (mut status, mut taker, mut amount) = (AssetStatus::Paused, party(false, Some("FR")), U256::from(7));
        let mut now = Date::EPOCH;
        let mut seen = Vec::new();
        loop {
            let transfer = Transfer {
                asset: status,
                standard: Standard::Erc3643,
                rules: &rules,
                gives: &gives,
                receives: &receives,
                receiver: &taker,
                amount,
                now,
            };
            let Err(error) = transfer.check() else { break };
            assert_eq!(error.number(), Some(119));
            seen.push(refusal(&error));
            match refusal(&error) {
                Refusal::AssetNotActive => status = AssetStatus::Active,
                Refusal::SenderFrozen => gives.frozen_whole = false,
                Refusal::ReceiverFrozen => receives.frozen_whole = false,
                Refusal::InsufficientAvailable => amount = U256::from(5),
                Refusal::ReceiverNotVerified => taker = party(true, Some("FR")),
                Refusal::MaxBalance => rules.max_balance = Some("9".to_owned()),
                Refusal::CountryNotAllowed => taker = party(true, Some("DE")),
                Refusal::LockUp => now = later,
            }
        }
        let expected = [
            Refusal::AssetNotActive,
            Refusal::SenderFrozen,
            Refusal::ReceiverFrozen,
            Refusal::InsufficientAvailable,
            Refusal::ReceiverNotVerified,
            Refusal::MaxBalance,
            Refusal::CountryNotAllowed,
            Refusal::LockUp,
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn countries_are_asked_only_where_a_rule_names_some() {
        let rules = |allowed: Option<&[&str]>, blocked: &[&str]| ComplianceRules {
            allowed_countries: allowed.map(|list| list.iter().map(|one| (*one).to_owned()).collect()),
            blocked_countries: blocked.iter().map(|one| (*one).to_owned()).collect(),
            ..ComplianceRules::default()
        };
        for (rules, country, refused) in [
            (rules(None, &[]), None, false),
            (rules(None, &["KP"]), Some("DE"), false),
            (rules(None, &["KP"]), Some("KP"), true),
            (rules(None, &["KP"]), None, true),
            (rules(Some(&["DE"]), &[]), Some("DE"), false),
            (rules(Some(&["DE"]), &[]), Some("FR"), true),
            (rules(Some(&["DE"]), &[]), None, true),
            (rules(Some(&["DE"]), &["DE"]), Some("DE"), true),
        ] {
            assert_eq!(rules.country_refused(country), refused, "{rules:?} {country:?}");
        }
    }

    #[test]
    fn a_contract_is_told_the_same_of_countries() {
        let list = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>();
        for (allowed, blocked, expected) in [
            (None, &[][..], (CountryRule::Any, vec![])),
            (Some(list(&["DE", "FR"])), &["FR"], (CountryRule::Only, vec![276])),
            (Some(list(&[])), &[], (CountryRule::Only, vec![])),
            (None, &["KP"], (CountryRule::AllBut, vec![408])),
        ] {
            let rules = ComplianceRules {
                allowed_countries: allowed,
                blocked_countries: list(blocked),
                ..ComplianceRules::default()
            };
            assert_eq!(rules.countries(), expected, "{rules:?}");
            assert_eq!(rules.asks_for_verified(Standard::Erc20), expected.0 != CountryRule::Any);
        }
    }

    #[test]
    fn rules_that_cannot_be_are_named() {
        let rules = ComplianceRules { max_balance: Some("1.5".to_owned()), ..ComplianceRules::default() };
        assert!(rules.check().unwrap_err().message.contains("complianceRules.maxBalance"));
        let rules = ComplianceRules { blocked_countries: vec!["XX".to_owned()], ..ComplianceRules::default() };
        assert!(rules.check().unwrap_err().message.contains("complianceRules.blockedCountries[0]"));
    }
}
