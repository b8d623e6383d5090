//! What is there now? Read only where a hook wants to know; a plain update goes to the store in one step.

use std::sync::Arc;

use parsimony_cloud::{AfterSave, BeforeSave};
use parsimony_model::permissions::Operation;
use parsimony_model::{Filter, Object, ParseError};
use parsimony_store::Selection;

use super::{Admitted, Drafted};
use crate::access::fields::Hidden;
use crate::access::rows;
use crate::classes::rules_for;
use crate::live;
use crate::work::Work;

pub(super) async fn draft(work: &Work, admitted: Admitted) -> Result<Drafted, ParseError> {
    let name = &admitted.request.class;
    let registry = &work.registry;
    let hooks = registry.has::<BeforeSave>(name.as_str()) || registry.has::<AfterSave>(name.as_str());
    let wanted = hooks || live::is_wanted(work, name);
    let (Some(id), Some(class), false, true) =
        (&admitted.request.id, &admitted.class, admitted.request.creating, wanted)
    else {
        return Ok(Drafted { admitted, original: None, stored: None });
    };
    // Permission first: a hook does not run for what its caller may not do.
    let mut wanted = Filter::id(id);
    if let Some(condition) = &admitted.request.only_if {
        wanted = wanted.and(condition.clone());
    }
    let filter = rows::narrow(&work.caller, class, admitted.leave.clone(), Operation::Update, wanted)?;
    let selection = Selection::new(Arc::clone(class), filter, work.caller.write_scope()).range(0, Some(1));
    let stored = work.objects.find(&selection).await?.pop();
    let stored = Arc::new(stored.ok_or_else(|| rules_for(name).not_updatable(&work.caller))?);
    let original = hooks.then(|| {
        let mut original = Object::clone(&stored);
        // Parse: a hook sees of the stored object what the caller may see, unless the options say otherwise.
        if !work.engine.options.protected_fields_trigger_exempt {
            Hidden::from(&work.caller, class, &work.engine.options).remove_from(&work.caller, &mut original);
        }
        original.fields.retain(|field, _| !field.starts_with('_'));
        Arc::new(original)
    });
    Ok(Drafted { original, stored: Some(stored), admitted })
}
