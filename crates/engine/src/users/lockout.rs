//! How many guesses has an account left? Counted in the database, each count one atomic write, so also by several servers.

use parsimony_model::{Constraint, ErrorCode, Filter, Object, Op, ParseError, Update, Value, map};

use super::options::Lockout;
use super::table::Table;
use crate::work::Work;

/// How often the password was wrong.
const COUNT: &str = "_failed_login_count";
/// Until when no guess is taken.
const ENDS: &str = "_account_lockout_expires_at";

/// How often a count is tried again that others got in the way of.
const TRIES_MAX: u32 = 8;

fn locked(lockout: &Lockout) -> ParseError {
    let text = format!(
        "Your account is locked due to multiple failed login attempts. Please try again after {} minute(s)",
        lockout.minutes
    );
    ParseError::new(ErrorCode::ObjectNotFound, text)
}

/// Met by an account that takes no guesses now.
fn is_locked(work: &Work, lockout: &Lockout) -> Vec<Filter> {
    let now = work.engine.clock.now();
    vec![
        Filter::Field(ENDS.into(), Constraint::Greater(now.into())),
        Filter::Field(COUNT.into(), Constraint::GreaterOrEqual(f64::from(lockout.threshold).into())),
    ]
}

/// Refuses a login before its password is looked at, if the account takes no guesses.
pub(crate) fn refuse(work: &Work, user: &Object) -> Result<(), ParseError> {
    let Some(lockout) = &work.engine.options.accounts.lockout else { return Ok(()) };
    let ends = user.get(ENDS).and_then(Value::as_date);
    let count = user.get(COUNT).and_then(Value::as_f64).unwrap_or_default();
    let is_over = ends.is_none_or(|ends| ends <= work.engine.clock.now());
    if is_over || count < f64::from(lockout.threshold) { Ok(()) } else { Err(locked(lockout)) }
}

/// The password was right: the count begins anew, unless others locked the account meanwhile.
pub(crate) async fn right(work: &Work, user: &Object) -> Result<(), ParseError> {
    let Some(lockout) = &work.engine.options.accounts.lockout else { return Ok(()) };
    let open = Filter::Nor(vec![Filter::And(is_locked(work, lockout))]);
    let changed = Table::of(work).await?.set(open, user, map! { COUNT => 0 }).await?;
    changed.map(drop).ok_or_else(|| locked(lockout))
}

/// The password was wrong. The guess that reaches the threshold locks the account, and those after it are told.
pub(crate) async fn wrong(work: &Work, user: &Object) -> Result<(), ParseError> {
    let Some(lockout) = &work.engine.options.accounts.lockout else { return Ok(()) };
    let table = Table::of(work).await?;
    let last = f64::from(lockout.threshold) - 1.0;
    let before_last = Filter::Or(vec![
        Filter::Field(COUNT.into(), Constraint::Less(last.into())),
        Filter::Field(COUNT.into(), Constraint::Exists(false)),
    ]);
    let from_last = Filter::Field(COUNT.into(), Constraint::GreaterOrEqual(last.into()));
    let ends = work.engine.clock.now().plus_millis((lockout.minutes * 60_000.0) as i64);
    let count = || (COUNT.into(), Op::Increment(1.0));
    for _ in 0..TRIES_MAX {
        if last > 0.0 && table.change(before_last.clone(), user, [count()].into_iter().collect()).await?.is_some() {
            return Ok(());
        }
        let from_last = if last > 0.0 { from_last.clone() } else { Filter::everything() };
        let lock: Update = [count(), (ENDS.into(), Op::Set(ends.into()))].into_iter().collect();
        if let Some(user) = table.change(from_last, user, lock).await? {
            let count = user.get(COUNT).and_then(Value::as_f64).unwrap_or_default();
            return if count > f64::from(lockout.threshold) { Err(locked(lockout)) } else { Ok(()) };
        }
        // Neither: the count fell between the two, because somebody logged in. Or the user has gone.
    }
    Ok(())
}

/// A new password was set by e-mail: that opens the account, if it is to.
pub(crate) async fn open(work: &Work, user: &Object) -> Result<(), ParseError> {
    if work.engine.options.accounts.lockout.is_some_and(|lockout| lockout.opens_on_reset) {
        let gone = [(COUNT.into(), Op::Delete), (ENDS.into(), Op::Delete)].into_iter().collect();
        Table::of(work).await?.change(Filter::everything(), user, gone).await?;
    }
    Ok(())
}
