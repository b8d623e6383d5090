//! What other servers on the same database change, and what of it this one must not go on remembering.

use std::sync::Arc;

use futures::StreamExt;
use parsimony_model::ObjectId;
use parsimony_model::builtin::Builtin;
use parsimony_store::{Happening, Watching};

use crate::engine::Engine;
use crate::webhooks;

/// How much that happened at once is looked at together.
const TOGETHER_MAX: usize = 256;

/// The classes of which something is remembered.
const REMEMBERED: [Builtin; 5] = [Builtin::User, Builtin::Session, Builtin::Role, Builtin::Hooks, Builtin::HookScript];

/// What has to be read anew.
#[derive(Default)]
struct Stale {
    classes: bool,
    webhooks: bool,
    scripts: bool,
}

/// Begins to forget what others change, until the engine is gone.
pub(crate) async fn start(engine: &Arc<Engine>) -> Result<(), String> {
    if engine.store.watching() == Watching::No {
        return Ok(());
    }
    let names: Vec<String> = REMEMBERED.iter().map(|class| class.name().as_str().to_owned()).collect();
    let happenings = engine.store.watch(&names).await.map_err(|error| error.to_string())?;
    let weak = Arc::downgrade(engine);
    engine.background(async move {
        let mut together = happenings.ready_chunks(TOGETHER_MAX);
        while let Some(happenings) = together.next().await {
            let Some(engine) = weak.upgrade() else { return };
            let mut stale = Stale::default();
            for happening in &happenings {
                note(&engine, happening, &mut stale);
            }
            refresh(&engine, &stale).await;
        }
    });
    Ok(())
}

fn note(engine: &Engine, happening: &Happening, stale: &mut Stale) {
    match happening {
        Happening::Classes => stale.classes = true,
        Happening::Members(_) => engine.accounts.forget_roles(),
        Happening::Object(written) => match Builtin::of(&written.class) {
            Some(Builtin::Session) if !written.created => engine.accounts.forget_session(&written.id),
            Some(Builtin::User) if !written.created => {
                if let Ok(id) = ObjectId::parse(&written.id) {
                    engine.accounts.forget_user(&id);
                }
            }
            Some(Builtin::Role) => engine.accounts.forget_roles(),
            Some(Builtin::Hooks) => stale.webhooks = true,
            Some(Builtin::HookScript) => stale.scripts = true,
            _ => {}
        },
        Happening::Gap => {
            engine.accounts.forget_roles();
            engine.accounts.forget_sessions();
            *stale = Stale { classes: true, webhooks: true, scripts: true };
        }
    }
}

async fn refresh(engine: &Engine, stale: &Stale) {
    if stale.classes
        && let Err(error) = engine.schemas.reload().await
    {
        tracing::error!(%error, "the classes that another server changed could not be read");
    }
    if stale.webhooks
        && let Err(error) = webhooks::load(engine).await
    {
        tracing::error!(%error, "the webhooks that another server changed could not be read");
    }
    if stale.scripts {
        // What is wrong with them is logged there, and shown by the API.
        drop(engine.reload_scripts().await);
    }
}
