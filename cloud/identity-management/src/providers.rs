//! What do providers say of the verifications they were given? By webhooks, and when they are asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use parsimony_cloud::metrics::Outcome;
use parsimony_cloud::{
    Application, Encoding, Hash, Host, HttpClient, Inbound, JobPlan, JobRequest, SecretForm, Verifier,
};
use parsimony_connectors::Http;
use parsimony_connectors::kyc::{
    Jumio, KycFailure, KycOutcome, KycProvider, KycReading, KycSubject, KycTold, Onfido, Shufti, Sumsub,
};
use parsimony_kit::{AuditEntry, audit, state};
use parsimony_model::query::Constraint;
use parsimony_model::{Date, ErrorCode, Filter, Object, ParseError, Query, SystemClock, Value, map};

use crate::APPLICATION;
use crate::model::{Decision, IDENTITY, IdentityStatus, Provider, VERIFICATION, VerificationStatus, pointer};
use crate::ruling::Ruling;
use crate::settings::Settings;

/// How many verifications one step of a job takes.
const STEP_OBJECTS: u64 = 100;

/// After how long a provider is asked that has not told anything.
const SILENCE_MILLIS: i64 = 15 * 60_000;

/// How many characters of a refusal are shown in a message of a job.
const MESSAGE_CHARS_MAX: usize = 200;

/// The providers that are configured.
#[derive(Clone, Default)]
pub(crate) struct Providers {
    clients: BTreeMap<Provider, Arc<dyn KycProvider>>,
    public_url: Option<String>,
}

/// The application with the webhooks of the providers that are configured, and the job that asks them.
pub(crate) fn with_providers(application: Application, settings: &Settings) -> Application {
    let http: Arc<dyn HttpClient> = Arc::new(Http::new());
    let mut clients: BTreeMap<Provider, (Arc<dyn KycProvider>, Verifier)> = BTreeMap::new();
    if let Some(jumio) = settings.jumio.clone() {
        let verifier = Verifier::secret_in_url(&jumio.webhook_secret).sent_from(jumio.webhook_addresses.clone());
        clients.insert(Provider::Jumio, (Arc::new(Jumio::new(jumio, Arc::clone(&http))), verifier));
    }
    if let Some(onfido) = settings.onfido.clone() {
        let verifier = Verifier::hmac(Hash::Sha256, Encoding::Hex, "x-sha2-signature", &onfido.webhook_token);
        clients.insert(Provider::Onfido, (Arc::new(Onfido::new(onfido, Arc::clone(&http))), verifier));
    }
    if let Some(sumsub) = settings.sumsub.clone() {
        // The algorithm is ours to choose: a delivery that says another one is not believed.
        let verifier = Verifier::hmac(Hash::Sha256, Encoding::Hex, "x-payload-digest", &sumsub.webhook_secret)
            .agreeing("x-payload-digest-alg", "HMAC_SHA256_HEX");
        let client = Sumsub::new(sumsub, Arc::clone(&http), Arc::new(SystemClock));
        clients.insert(Provider::Sumsub, (Arc::new(client), verifier));
    }
    if let Some(shufti) = settings.shufti.clone() {
        let form = if shufti.secret_is_hashed { SecretForm::Hashed } else { SecretForm::Plain };
        let verifier = Verifier::sha256(["signature", "sp_signature"], &shufti.secret_key, form);
        clients.insert(Provider::Shufti, (Arc::new(Shufti::new(shufti, Arc::clone(&http))), verifier));
    }
    let verifiers: Vec<_> = clients.iter().map(|(provider, (_, verifier))| (*provider, verifier.clone())).collect();
    let clients = clients.into_iter().map(|(provider, (client, _))| (provider, client)).collect();
    let providers = Providers { clients, public_url: settings.public_url.clone() };
    let mut application = application;
    for (provider, verifier) in verifiers {
        let providers = providers.clone();
        application = application.webhook(&source(provider), verifier, move |event| {
            let providers = providers.clone();
            async move { providers.take(provider, event).await }
        });
    }
    let plan = JobPlan::manual().cron("* * * * *", "UTC");
    application.job("syncExternalKYC", plan, move |request| {
        let providers = providers.clone();
        async move { providers.sync(request).await }
    })
}

/// What the webhook of a provider is called.
fn source(provider: Provider) -> String {
    provider.as_str().to_ascii_lowercase()
}

impl Providers {
    fn client(&self, provider: Provider) -> Option<&Arc<dyn KycProvider>> {
        self.clients.get(&provider)
    }

    /// An event of a provider.
    async fn take(&self, provider: Provider, event: Inbound) -> Result<(), ParseError> {
        let Some(client) = self.client(provider) else { return Ok(()) };
        let reading = match client.told(&event.json::<serde_json::Value>()?) {
            KycTold::Nothing => return Ok(()),
            KycTold::Reading(reading) => reading,
            KycTold::Ask(reference) => asked(&event.host, provider, client.status(&reference)).await?,
        };
        let entry = |class: &str| AuditEntry::of_event(&event, class);
        apply(&event.host, provider, &reading, &entry).await.map(drop)
    }

    /// `syncExternalKYC`: gives the providers what they were not given yet, and asks them for what no webhook has told.
    async fn sync(&self, request: JobRequest) -> Result<String, ParseError> {
        let host = request.host.as_master();
        let (mut started, mut asked, mut failed) = (0_u64, 0_u64, Vec::new());
        for (provider, client) in &self.clients {
            for verification in host.find(VERIFICATION, not_begun(*provider)).await? {
                match self.start(&host, *provider, &**client, &verification).await {
                    Ok(()) => started += 1,
                    Err(error) => failed.push(error.to_string()),
                }
            }
            for verification in host.find(VERIFICATION, silent(*provider, host.now())).await? {
                let Some(reference) = verification.text("providerReference") else { continue };
                let entry = |class: &str| AuditEntry::of_job(&request, class);
                let done = async {
                    let reading = self::asked(&host, *provider, client.status(reference)).await?;
                    apply(&host, *provider, &reading, &entry).await
                };
                match done.await {
                    Ok(_) => asked += 1,
                    Err(error) => failed.push(error.to_string()),
                }
                if request.is_ending() {
                    break;
                }
            }
        }
        let told = format!("{started} begun, {asked} asked for, {} failed", failed.len());
        match failed.first() {
            None => Ok(told),
            Some(first) => {
                let first: String = first.chars().take(MESSAGE_CHARS_MAX).collect();
                Err(ParseError::new(ErrorCode::ScriptFailed, format!("{told}: {first}")))
            }
        }
    }

    async fn start(
        &self,
        host: &Host,
        provider: Provider,
        client: &dyn KycProvider,
        verification: &Object,
    ) -> Result<(), ParseError> {
        let identity = host.get(IDENTITY, &pointer(verification, "identity")?.id).await?;
        let subject = KycSubject {
            verification: verification.id.to_string(),
            country: identity.text("countryOfResidence").unwrap_or_default().to_owned(),
            callback_url: self.callback(provider),
        };
        let begun = asked(host, provider, client.start(&subject)).await?;
        let mut fields = map! { "providerReference" => begun.reference };
        if let Some(url) = begun.url {
            fields.insert("providerUrl".into(), url.into());
        }
        host.update(VERIFICATION, &verification.id, fields).await.map(drop)
    }

    /// Where a provider tells of a verification, if it can be told that with the request.
    fn callback(&self, provider: Provider) -> Option<String> {
        let url = self.public_url.as_ref()?;
        Some(format!("{}/webhooks/{APPLICATION}/{}", url.trim_end_matches('/'), source(provider)))
    }
}

/// What a provider answers, measured.
async fn asked<T>(
    host: &Host,
    provider: Provider,
    call: impl Future<Output = Result<T, KycFailure>>,
) -> Result<T, ParseError> {
    let answer = host.metrics().service(&source(provider)).measured(call, outcome).await;
    answer.map_err(|failure| ParseError::new(ErrorCode::ScriptFailed, format!("{provider}: {failure}")))
}

fn outcome<T>(answer: &Result<T, KycFailure>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Done,
        Err(KycFailure::Refused(_) | KycFailure::Unreadable(_)) => Outcome::Refused,
        Err(KycFailure::Unreached(_)) => Outcome::Failed,
        Err(KycFailure::Resting) => Outcome::Spared,
    }
}

/// Those that their provider has not been given yet.
fn not_begun(provider: Provider) -> Query {
    let filter = Filter::equals("provider", provider)
        .and(Filter::equals("status", VerificationStatus::Pending))
        .and(Filter::Field("providerReference".into(), Constraint::Exists(false)));
    Query::new(filter).limit(STEP_OBJECTS)
}

/// Open ones that nothing was heard of for a while.
fn silent(provider: Provider, now: Date) -> Query {
    let open = VerificationStatus::OPEN.map(Value::from).to_vec();
    let before = Value::Date(now.plus_millis(-SILENCE_MILLIS));
    let filter = Filter::equals("provider", provider)
        .and(Filter::Field("status".into(), Constraint::In(open)))
        .and(Filter::Field("providerReference".into(), Constraint::Exists(true)))
        .and(Filter::Field("updatedAt".into(), Constraint::Less(before)));
    Query::new(filter).ascending("updatedAt").limit(STEP_OBJECTS)
}

/// Does what follows from what a provider says; tells whether anything did.
async fn apply(
    host: &Host,
    provider: Provider,
    reading: &KycReading,
    entry: &(dyn Fn(&str) -> AuditEntry + Sync),
) -> Result<bool, ParseError> {
    host.as_master()
        .transaction(|host| async move {
            let named = Filter::equals("provider", provider)
                .and(Filter::equals("providerReference", reading.reference.as_str()));
            let Some(verification) = host.first(VERIFICATION, Query::new(named)).await? else {
                // The event may be here before the answer that told us the reference: it is tried again.
                let text = format!("No verification of {provider} has this reference.");
                return Err(ParseError::new(ErrorCode::ObjectNotFound, text));
            };
            follow(&host, provider, reading, verification, entry).await
        })
        .await
}

async fn follow(
    host: &Host,
    provider: Provider,
    reading: &KycReading,
    verification: Object,
    entry: &(dyn Fn(&str) -> AuditEntry + Sync),
) -> Result<bool, ParseError> {
    let seen = verification.get("providerEventAt").and_then(Value::as_date);
    if let (Some(at), Some(seen)) = (reading.at, seen)
        && at < seen
    {
        // Something later has been heard already.
        return Ok(false);
    }
    let status: VerificationStatus = state::of(&verification)?;
    let Some(step) = step(provider, status, reading.outcome) else { return Ok(false) };
    let id = verification.id.clone();
    match step {
        Step::Take => take(host, &verification, entry).await?,
        Step::Expire => {
            let expired = host.update(VERIFICATION, &id, map! { "status" => VerificationStatus::Expired }).await?;
            let told = entry(VERIFICATION).changed(Some(&verification), Some(&expired));
            audit::append(host, APPLICATION, told).await?;
        }
        Step::Decide(decision) => {
            let reasons = reasons(decision, &reading.labels);
            let (checks, comment, risk_rating, expires_at, reviewer) = (Vec::new(), None, None, None, None);
            let ruling = Ruling { decision, reasons, checks, comment, risk_rating, expires_at, reviewer };
            ruling.apply(host, verification, entry).await?;
        }
    }
    if let Some(at) = reading.at {
        host.update(VERIFICATION, &id, map! { "providerEventAt" => at }).await?;
    }
    Ok(true)
}

/// A person of ours has to look at it.
async fn take(
    host: &Host,
    verification: &Object,
    entry: &(dyn Fn(&str) -> AuditEntry + Sync),
) -> Result<(), ParseError> {
    let taken = host.update(VERIFICATION, &verification.id, map! { "status" => VerificationStatus::InReview }).await?;
    audit::append(host, APPLICATION, entry(VERIFICATION).changed(Some(verification), Some(&taken))).await?;
    let identity = host.get(IDENTITY, &pointer(verification, "identity")?.id).await?;
    if state::of::<IdentityStatus>(&identity)? == IdentityStatus::Submitted {
        let moved = host.update(IDENTITY, &identity.id, map! { "status" => IdentityStatus::InReview }).await?;
        audit::append(host, APPLICATION, entry(IDENTITY).changed(Some(&identity), Some(&moved))).await?;
    }
    Ok(())
}

/// What is done with a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It goes into review.
    Take,
    /// It expires.
    Expire,
    /// It is decided.
    Decide(Decision),
}

/// What follows from an outcome, from where a verification stands. What is told out of order moves nothing backwards; only
/// Sumsub takes an approval back, and means it.
const fn step(provider: Provider, status: VerificationStatus, outcome: KycOutcome) -> Option<Step> {
    use VerificationStatus::{Approved, InReview, Pending};
    match (status, outcome) {
        (Pending, KycOutcome::NeedsReview) => Some(Step::Take),
        (Pending | InReview, KycOutcome::Approved) => Some(Step::Decide(Decision::Approve)),
        (Pending | InReview, KycOutcome::Rejected) => Some(Step::Decide(Decision::Reject)),
        (Pending | InReview, KycOutcome::Resubmit) => Some(Step::Decide(Decision::RequestResubmission)),
        (Pending | InReview, KycOutcome::Expired) => Some(Step::Expire),
        (Approved, KycOutcome::Rejected) if matches!(provider, Provider::Sumsub) => {
            Some(Step::Decide(Decision::Reject))
        }
        _ => None,
    }
}

/// The provider's reasons; a refusal without any says at least that.
fn reasons(decision: Decision, labels: &[String]) -> Vec<String> {
    if labels.is_empty() && decision != Decision::Approve {
        return vec!["DECLINED_BY_PROVIDER".to_owned()];
    }
    labels.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_kit::state::State;

    const OUTCOMES: [KycOutcome; 6] = [
        KycOutcome::Pending,
        KycOutcome::NeedsReview,
        KycOutcome::Approved,
        KycOutcome::Rejected,
        KycOutcome::Resubmit,
        KycOutcome::Expired,
    ];

    #[test]
    fn every_step_is_legal_and_nothing_goes_backwards() {
        for provider in Provider::ALL {
            for status in VerificationStatus::ALL {
                for outcome in OUTCOMES {
                    let to = match step(*provider, *status, outcome) {
                        None => continue,
                        Some(Step::Take) => VerificationStatus::InReview,
                        Some(Step::Expire) => VerificationStatus::Expired,
                        Some(Step::Decide(decision)) => decision.leads_to(),
                    };
                    let reaches = |from: VerificationStatus| from.next().contains(&to);
                    let through_review =
                        *status == VerificationStatus::Pending && reaches(VerificationStatus::InReview);
                    assert!(reaches(*status) || through_review, "{status} to {to}");
                    let decided = !VerificationStatus::OPEN.contains(status);
                    assert!(
                        !decided || (*provider == Provider::Sumsub && to == VerificationStatus::Rejected),
                        "{status}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_refusal_has_a_reason() {
        assert_eq!(reasons(Decision::Reject, &[]), ["DECLINED_BY_PROVIDER"]);
        assert_eq!(reasons(Decision::Reject, &["BAD_AVATAR".to_owned()]), ["BAD_AVATAR"]);
        assert!(reasons(Decision::Approve, &[]).is_empty());
    }
}
