//! Which runs are due now, of all that were since the last ones that are done?

use parsimony_cloud::CatchUp;
use parsimony_model::Date;

/// A run that is later than this was due while no server was there.
const LATE_MILLIS: i64 = 60_000;

/// How many moments are looked at to find the last ones, where they are dense and long ago.
const LOOKED_AT_MAX: usize = 100_000;

/// The moments at which a run has to begin, the earliest first; `None` if nothing was due at all.
///
/// `next_after` is the schedule, `done` the moment up to which its runs are done.
pub(super) fn due(
    next_after: impl Fn(Date) -> Option<Date>,
    done: Date,
    now: Date,
    (catch_up, runs_max): (CatchUp, usize),
) -> Option<Due> {
    let first = next_after(done).filter(|first| *first <= now)?;
    let wanted = if catch_up == CatchUp::All { runs_max.max(1) } else { 1 };
    let mut runs = last(&next_after, (done, now), wanted);
    let up_to = runs.last().copied().unwrap_or(first);
    if catch_up == CatchUp::None {
        runs.retain(|moment| now.millis() - moment.millis() <= LATE_MILLIS);
    }
    Some(Due { runs, up_to })
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    /// When each run was due that has to begin.
    pub(super) runs: Vec<Date>,
    /// With them, everything is done up to here.
    pub(super) up_to: Date,
}

/// The last so many moments of a schedule after one moment and up to another.
fn last(next_after: &impl Fn(Date) -> Option<Date>, (after, up_to): (Date, Date), wanted: usize) -> Vec<Date> {
    let mut window_millis = 1_000_i64;
    loop {
        let start = up_to.plus_millis(-window_millis).max(after);
        let moments = std::iter::successors(next_after(start), |moment| next_after(*moment));
        let mut found: std::collections::VecDeque<Date> = std::collections::VecDeque::new();
        let mut seen = 0_usize;
        for moment in moments.take_while(|moment| *moment <= up_to).take(LOOKED_AT_MAX) {
            seen += 1;
            found.push_back(moment);
            if found.len() > wanted {
                found.pop_front();
            }
        }
        if start <= after || seen >= wanted {
            return found.into();
        }
        window_millis = window_millis.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn at(minute: i64) -> Date {
        Date::from_millis(minute * MINUTE)
    }

    /// Each full hour.
    fn hourly(after: Date) -> Date {
        Date::from_millis((after.millis().div_euclid(60 * MINUTE) + 1) * 60 * MINUTE)
    }

    fn runs(catch_up: CatchUp, done: i64, now: i64) -> Option<Vec<i64>> {
        let due = due(|after| Some(hourly(after)), at(done), at(now), (catch_up, 3))?;
        assert!(due.up_to <= at(now) && hourly(due.up_to) > at(now), "all is done up to {:?}", due.up_to);
        Some(due.runs.iter().map(|moment| moment.millis() / MINUTE).collect())
    }

    #[test]
    fn what_is_due_on_time_runs_whatever_the_policy() {
        for policy in [CatchUp::None, CatchUp::Once, CatchUp::All] {
            assert_eq!(runs(policy, 60, 119), None, "{policy:?}");
            assert_eq!(runs(policy, 60, 120), Some(vec![120]), "{policy:?}");
            assert_eq!(runs(policy, 60, 121), Some(vec![120]), "{policy:?}");
        }
    }

    #[test]
    fn what_was_due_while_nobody_was_there_follows_the_policy() {
        for (policy, expected) in
            [(CatchUp::None, vec![]), (CatchUp::Once, vec![600]), (CatchUp::All, vec![480, 540, 600])]
        {
            assert_eq!(runs(policy, 60, 630), Some(expected), "{policy:?}");
        }
        assert_eq!(runs(CatchUp::All, 60, 190), Some(vec![120, 180]));
        // The last of them is not late.
        assert_eq!(runs(CatchUp::None, 60, 600), Some(vec![600]));
    }

    #[test]
    fn a_schedule_of_seconds_after_a_year_is_no_trouble() {
        let each_second = |after: Date| Some(Date::from_millis((after.millis().div_euclid(1_000) + 1) * 1_000));
        let now = at(365 * 24 * 60);
        let found = due(each_second, Date::EPOCH, now, (CatchUp::All, 100)).unwrap();
        assert_eq!((found.runs.len(), found.up_to), (100, now));
    }

    #[test]
    fn what_is_due_once_is_due_once() {
        let once = |after: Date| (after < at(5)).then(|| at(5));
        assert_eq!(due(once, at(0), at(100_000), (CatchUp::Once, 3)).map(|due| due.runs), Some(vec![at(5)]));
        assert_eq!(due(once, at(5), at(100_000), (CatchUp::Once, 3)), None);
    }
}
