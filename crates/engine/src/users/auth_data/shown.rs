//! What of it is shown? Each provider says what whoever may read a user sees of it: of second factors, only that there is one.

use parsimony_model::{Object, ParseError, Value};

use super::AUTH_DATA;
use crate::work::Work;

/// Puts what is shown in the place of what is stored. The maintenance key sees everything as it is.
pub(crate) async fn show(work: &Work, user: &mut Object) -> Result<(), ParseError> {
    if let Some(Value::Object(providers)) = user.fields.get_mut(AUTH_DATA) {
        providers.retain(|_, data| !data.is_null());
        for (provider, data) in providers.iter_mut() {
            let (Some(known), Value::Object(stored)) = (work.engine.auth.get(provider), &mut *data) else { continue };
            if !known.adapter.changes_what_is_found() {
                continue;
            }
            if let Some(shown) = known.adapter.after_find(stored, work.caller.is_master()).await? {
                *data = Value::Object(shown);
            }
        }
        if providers.is_empty() {
            user.fields.shift_remove(AUTH_DATA);
        }
    }
    Ok(())
}

/// The same for all that were found.
pub(crate) async fn show_all(work: &Work, users: &mut [Object]) -> Result<(), ParseError> {
    if work.caller.is_maintenance() {
        return Ok(());
    }
    for user in users {
        show(work, user).await?;
    }
    Ok(())
}
