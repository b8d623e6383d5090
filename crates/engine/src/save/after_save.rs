//! Cloud code learns of the save. It cannot fail it any more.

use std::sync::Arc;

use parsimony_cloud::AfterSave;

use super::Written;
use crate::host;
use crate::work::Work;

pub(super) async fn after_save(work: &Work, written: &mut Written) {
    let Some(hook) = work.engine.registry.after_save(written.class.name.as_str()) else { return };
    let mut object = written.after.clone();
    object.fields.retain(|field, _| !field.starts_with('_'));
    let host = match host::of(work) {
        Ok(host) => host,
        Err(error) => return tracing::error!(class = %written.class.name, %error, "an afterSave hook was not run"),
    };
    let call = AfterSave {
        object: Arc::new(object),
        original: written.before.clone(),
        who: Arc::clone(work.caller.who()),
        context: Arc::clone(&work.caller.context),
        host,
    };
    if let Err(error) = host::guarded(hook.handler.call(call)).await {
        tracing::error!(class = %written.class.name, id = %written.after.id, %error, "an afterSave hook failed");
    }
}
