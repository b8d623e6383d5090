//! How many requests were made within a time: counted by this server alone, or in the database by all servers on it.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use parsimony_cloud::RateLimit;
use parsimony_model::builtin::Builtin;
use parsimony_model::{Constraint, Date, Filter, Object, Op, ParseError, Value, map};

use crate::engine::Engine;
use crate::rows::{Rows, id_of};

/// Who counts together, `parsimony.rateLimitCounts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CountedBy {
    /// Each server for itself.
    #[default]
    Server,
    /// All servers on one database, by one atomic write for each request that is counted.
    Database,
}

/// What is counted together: the requests of some that one limit concerns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The place of the limit among all.
    pub(super) number: u64,
    /// Whose requests.
    pub(super) who: String,
}

/// One count.
#[derive(Debug, Clone, Copy)]
struct Count {
    requests: u64,
    ends: Date,
}

/// The counts of this server. Where the database counts, what it last said.
#[derive(Default)]
pub(crate) struct Counts(Mutex<HashMap<Key, Count>>);

/// Who shares a count when there are too many counts already.
const OTHERS: &str = "others";

/// How often a count is tried again that others got in the way of.
const TRIES_MAX: u32 = 8;

/// Counts a request. `false` if it is one too many.
pub(super) async fn admit(engine: &Engine, key: Key, path: &str, limit: &RateLimit) -> Result<bool, ParseError> {
    let (counts, now) = (&engine.rate_counts, engine.clock.now());
    let counts_max = engine.options.limits.rate_counts_max;
    if engine.options.rate_counted_by == CountedBy::Server {
        return Ok(counts.add(key, limit, now, counts_max));
    }
    // Whoever has been refused is refused until the time is over: that needs no writes.
    let Some(key) = counts.open(key, limit, now, counts_max) else { return Ok(false) };
    let count = add_to_database(engine, &key, path, limit.window).await?;
    counts.0.lock().insert(key, count);
    Ok(count.requests <= limit.count)
}

impl Counts {
    /// Counts a request of this server. `false` if it is one too many.
    pub(super) fn add(&self, key: Key, limit: &RateLimit, now: Date, counts_max: usize) -> bool {
        let mut counts = self.0.lock();
        let key = settled(&mut counts, key, now, counts_max);
        let fresh = Count { requests: 0, ends: end(now, limit.window) };
        let count = counts.entry(key).or_insert(fresh);
        if count.ends <= now {
            *count = fresh;
        }
        count.requests = count.requests.saturating_add(1);
        count.requests <= limit.count
    }

    /// Whether the next request of this server would be one too many.
    pub(super) fn is_full(&self, key: &Key, limit: &RateLimit, now: Date) -> bool {
        self.0.lock().get(key).is_some_and(|count| count.ends > now && count.requests >= limit.count)
    }

    /// Where a request is counted; `None` if it is known to be one too many.
    fn open(&self, key: Key, limit: &RateLimit, now: Date, counts_max: usize) -> Option<Key> {
        let mut counts = self.0.lock();
        let key = settled(&mut counts, key, now, counts_max);
        let is_over = counts.get(&key).is_some_and(|count| count.ends > now && count.requests > limit.count);
        (!is_over).then_some(key)
    }
}

/// The key under which is counted. Whoever makes up names for themselves gets one count with all the others.
fn settled(counts: &mut HashMap<Key, Count>, mut key: Key, now: Date, counts_max: usize) -> Key {
    if counts.len() >= counts_max && !counts.contains_key(&key) {
        counts.retain(|_, count| count.ends > now);
        if counts.len() >= counts_max {
            OTHERS.clone_into(&mut key.who);
        }
    }
    key
}

fn end(now: Date, window: Duration) -> Date {
    now.plus_millis(i64::try_from(window.as_millis()).unwrap_or(i64::MAX))
}

/// Counts a request in the row that all servers have for it. Each step is one atomic write, so none is counted twice.
async fn add_to_database(engine: &Engine, key: &Key, path: &str, window: Duration) -> Result<Count, ParseError> {
    let rows = Rows::of(engine, Builtin::RateCount).await?;
    // Servers that have other limits, as while one after the other is renewed, count apart.
    let id = id_of(&[&key.number.to_string(), path, &window.as_millis().to_string(), &key.who])?;
    for _ in 0..TRIES_MAX {
        let now = engine.clock.now();
        let ends = end(now, window);
        let at = |constraint| Filter::id(&id).and(Filter::Field("expire".into(), constraint));
        let one_more = [("requests".into(), Op::Increment(1.0))].into_iter().collect();
        if let Some(row) = rows.update(at(Constraint::Greater(now.into())), one_more).await? {
            return Ok(count_of(&row, ends));
        }
        let anew = map! { "requests" => 1, "expire" => ends };
        let is_anew = rows.set(at(Constraint::LessOrEqual(now.into())), anew.clone()).await?.is_some();
        if is_anew || rows.insert(&id, anew).await? {
            return Ok(Count { requests: 1, ends });
        }
        // Another server began the count, or the database forgot it.
    }
    Err(ParseError::internal("a count of a rate limit is in dispute"))
}

fn count_of(row: &Object, otherwise: Date) -> Count {
    let requests = row.get("requests").and_then(Value::as_f64).unwrap_or_default() as i64;
    Count { requests: requests.unsigned_abs(), ends: row.get("expire").and_then(Value::as_date).unwrap_or(otherwise) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(who: &str) -> Key {
        Key { number: 0, who: who.to_owned() }
    }

    fn admitted(counts: &Counts, who: &str, now: i64, limit: &RateLimit) -> bool {
        counts.add(key(who), limit, Date::from_millis(now), 3)
    }

    #[test]
    fn a_count_begins_anew_when_its_time_is_over() {
        let counts = Counts::default();
        let limit = RateLimit::new(2, Duration::from_millis(100));
        let seen = [0, 10, 99, 100, 150, 199, 200].map(|now| admitted(&counts, "a", now, &limit));
        assert_eq!(seen, [true, true, false, true, true, false, true]);
        assert!(!admitted(&counts, "b", 0, &RateLimit::new(0, Duration::from_millis(100))));
    }

    #[test]
    fn there_are_only_so_many_counts() {
        let counts = Counts::default();
        let limit = RateLimit::new(1, Duration::from_millis(100));
        for who in ["a", "b", "c"] {
            assert!(admitted(&counts, who, 0, &limit), "{who}");
        }
        // The others share one.
        assert!(admitted(&counts, "d", 1, &limit));
        assert!(!admitted(&counts, "e", 2, &limit));
        assert!(!admitted(&counts, "a", 3, &limit));
        assert_eq!(counts.0.lock().len(), 4);
        // What is over makes room.
        assert!(admitted(&counts, "f", 200, &limit));
        assert_eq!(counts.0.lock().len(), 1);
    }

    #[test]
    fn what_the_database_refused_is_refused_until_its_time_is_over() {
        let counts = Counts::default();
        let limit = RateLimit::new(2, Duration::from_millis(100));
        let opened = |now| counts.open(key("a"), &limit, Date::from_millis(now), 3).is_some();
        assert!(opened(0));
        counts.0.lock().insert(key("a"), Count { requests: 2, ends: Date::from_millis(50) });
        assert!(opened(10));
        counts.0.lock().insert(key("a"), Count { requests: 3, ends: Date::from_millis(50) });
        assert_eq!([10, 49, 50].map(opened), [false, false, true]);
    }
}
