//! Those who listen, and cloud code, learn of the save. They cannot fail it any more, but cloud code may have something to tell the client.

use std::sync::Arc;

use parsimony_cloud::{AfterSave, AfterSaved};
use parsimony_model::Object;

use super::Written;
use crate::live;
use crate::triggers;
use crate::work::Work;

/// Hands the change on to those who listen.
pub(super) async fn publish(work: &Work, written: &Written) {
    let class = &written.class.name;
    if live::is_wanted(work, class) && (written.created || written.stored.is_some()) {
        live::publish(work, class, written.stored.clone(), Some(Arc::new(written.after.clone()))).await;
    }
}

pub(super) async fn after_save(work: &Work, written: &mut Written) {
    let class = written.class.name.clone();
    if !work.registry.has::<AfterSave>(class.as_str()) {
        return;
    }
    let mut object = written.after.clone();
    object.fields.retain(|field, _| !field.starts_with('_'));
    let object = Arc::new(object);
    let request = {
        let (object, original) = (Arc::clone(&object), written.before.clone());
        |origin| AfterSave { object, original, origin }
    };
    match triggers::run(work, class.as_str(), request).await {
        Ok(None | Some(AfterSaved::Same)) => {}
        Ok(Some(AfterSaved::Answer(answer))) => written.answer = Some(answer),
        Ok(Some(AfterSaved::Changed(changed))) => tell_changes(written, &object, &changed),
        Err(error) => {
            let request_id = &*work.caller.who().request_id;
            tracing::error!(%class, id = %written.after.id, request_id, %error, "an afterSave hook failed");
        }
    }
}

/// Parse: fields that the hook changed on its object are not saved, but the client is told them.
fn tell_changes(written: &mut Written, saved: &Object, changed: &Object) {
    for (field, value) in &changed.fields {
        if saved.fields.get(field) != Some(value) {
            written.tell.insert(field.clone(), value.clone());
        }
    }
}
