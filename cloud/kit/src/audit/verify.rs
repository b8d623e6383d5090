//! Does the stored chain of an application hold together: walks it page by page.

use parsimony_cloud::Host;
use parsimony_model::query::Constraint;
use parsimony_model::{Filter, Object, ParseError, Query, Value};
use serde::Serialize;

use super::CLASS;
use super::chain::{Break, Fault, Walk};

/// How many entries one call walks; a longer chain is walked in several calls.
pub const ENTRIES_MAX: u64 = 100_000;

/// How many entries are read at a time.
const PAGE: u64 = 500;

/// What a walk found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The application whose chain was walked.
    pub application: String,
    /// The first place that was looked at.
    pub from: u64,
    /// The last entry that holds; 0 in an empty trail.
    pub to: u64,
    /// How many entries hold.
    pub entries: u64,
    /// Whether nothing broke.
    pub intact: bool,
    /// Where it broke first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<u64>,
    /// What is wrong there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// The hash of the last entry that holds. Kept elsewhere, it shows later whether the end of the trail was cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_hash: Option<String>,
    /// Whether the walk reached its end; if not, the next one goes on after `to`.
    pub complete: bool,
}

/// Walks the chain from one place to another: by default from the first entry to the last.
pub async fn verify(host: &Host, application: &str, from: u64, to: Option<u64>) -> Result<Verdict, ParseError> {
    let host = host.as_master();
    let from = from.max(1);
    let bound = from.saturating_add(ENTRIES_MAX - 1);
    let last = to.unwrap_or(u64::MAX).min(bound);
    let mut walk = Walk::from(from);
    let mut broken = None;
    if from > 1 {
        match before(&host, application, from).await? {
            Some(entry) => walk = Walk::after(&entry)?,
            None => broken = Some(Break { sequence: from - 1, fault: Fault::Missing }),
        }
    }
    let mut reached_end = false;
    while broken.is_none() && !reached_end && walk.next() <= last {
        let page = host.find(CLASS, page(application, walk.next(), last)).await?;
        reached_end = page.is_empty();
        broken = page.iter().find_map(|entry| walk.step(entry).err());
    }
    if let (None, true, Some(to)) = (broken, reached_end, to)
        && walk.next() <= to
    {
        broken = Some(Break { sequence: walk.next(), fault: Fault::Missing });
    }
    let next = walk.next();
    Ok(Verdict {
        application: application.to_owned(),
        from,
        to: next - 1,
        entries: next.saturating_sub(from),
        intact: broken.is_none(),
        broken_at: broken.map(|broken| broken.sequence),
        fault: broken.map(|broken| broken.fault),
        head_hash: (next > from).then(|| walk.hash().map(str::to_owned)).flatten(),
        complete: broken.is_none() && (reached_end || to.is_some_and(|to| to <= bound)),
    })
}

/// The entry before this place: the first one that is looked at has to name its hash.
async fn before(host: &Host, application: &str, place: u64) -> Result<Option<Object>, ParseError> {
    host.first(CLASS, page(application, place - 1, place - 1)).await
}

fn page(application: &str, from: u64, to: u64) -> Query {
    let place = |constraint| Filter::Field("sequence".into(), constraint);
    let filter = Filter::equals("application", application)
        .and(place(Constraint::GreaterOrEqual(Value::Number(from as f64))))
        .and(place(Constraint::LessOrEqual(Value::Number(to as f64))));
    Query::new(filter).ascending("sequence").limit(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{AuditEntry, Outcome, append};
    use crate::fake::{Fake, call};

    async fn trail(length: usize) -> (Fake, Host) {
        let fake = Fake::default();
        let host = fake.host();
        for _ in 0..length {
            let entry = AuditEntry::of(&call(&host, "act"), "Thing").outcome(Outcome::Denied).detail("code", 119);
            append(&host, "a", entry).await.unwrap();
        }
        (fake, host)
    }

    #[tokio::test]
    async fn a_stored_chain_is_walked_over_its_pages() {
        let (fake, host) = trail(1_203).await;
        let whole = verify(&host, "a", 1, None).await.unwrap();
        assert_eq!((whole.to, whole.entries, whole.intact, whole.complete), (1_203, 1_203, true, true));
        let part = verify(&host, "a", 700, Some(800)).await.unwrap();
        assert_eq!((part.from, part.to, part.entries, part.intact, part.complete), (700, 800, 101, true, true));
        let beyond = verify(&host, "a", 1_200, Some(1_210)).await.unwrap();
        assert_eq!((beyond.broken_at, beyond.fault, beyond.to), (Some(1_204), Some(Fault::Missing), 1_203));
        let empty = verify(&host, "other", 1, None).await.unwrap();
        assert_eq!((empty.to, empty.entries, empty.intact, empty.head_hash), (0, 0, true, None));

        fake.tamper(CLASS, 601, "actor", "user:nobody");
        let broken = verify(&host, "a", 1, None).await.unwrap();
        assert_eq!((broken.broken_at, broken.fault), (Some(602), Some(Fault::Altered)));
        assert_eq!((broken.intact, broken.complete, broken.to), (false, false, 601));
        let rest = verify(&host, "a", 603, None).await.unwrap();
        assert_eq!((rest.intact, rest.entries, rest.to), (true, 601, 1_203));

        fake.tamper(CLASS, 700, "hash", "another");
        let unlinked = verify(&host, "a", 702, None).await.unwrap();
        assert_eq!((unlinked.broken_at, unlinked.fault, unlinked.entries), (Some(702), Some(Fault::Unlinked), 0));
        let nowhere = verify(&host, "a", 2_000, None).await.unwrap();
        assert_eq!((nowhere.broken_at, nowhere.fault, nowhere.entries), (Some(1_999), Some(Fault::Missing), 0));
    }

    #[tokio::test]
    async fn of_two_writers_at_one_time_both_get_a_place() {
        let (fake, host) = trail(1).await;
        let entry = || AuditEntry::of(&call(&host, "act"), "Thing");
        // The other writer commits between this one's look at the last entry and its write.
        fake.interleave(CLASS);
        let (one, other) = futures::join!(append(&host, "a", entry()), append(&host, "a", entry()));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        let verdict = verify(&host, "a", 1, None).await.unwrap();
        assert_eq!((verdict.entries, verdict.intact), (3, true));
        assert!(fake.retries() > 0, "nothing got in the way, so nothing was tested");
    }
}
