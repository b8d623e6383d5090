//! Writing to users: may letters be written at all, what is in their links, and how they are posted without being waited for.

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::{Letter, MailFailure, Mailer, Occasion};
use parsimony_model::{ErrorCode, Object, ParseError};
use percent_encoding::utf8_percent_encode;
use tokio::time::Instant;

use crate::engine::Engine;
use crate::find::redact;
use crate::uri::URI_COMPONENT;
use crate::work::Work;

/// Refuses what needs letters where none can be written.
pub(crate) fn require(work: &Work) -> Result<(), ParseError> {
    let options = &work.engine.options.accounts;
    if work.engine.mail.is_some() && options.app_name.is_some() && options.public_url.is_some() {
        return Ok(());
    }
    let text = "An appName, publicServerURL, and emailAdapter are required for password reset and email verification \
                functionality.";
    Err(ParseError::new(ErrorCode::InternalServerError, text))
}

/// Writes a user a letter with this token in its link. Inside a transaction it is posted when that is committed.
pub(crate) async fn write(work: &Work, occasion: Occasion, user: &Object, token: &str) -> Result<(), ParseError> {
    let options = &work.engine.options.accounts;
    let (Some(app_name), Some(public_url)) = (&options.app_name, &options.public_url) else {
        tracing::warn!("no letter is written: appName or publicServerURL is missing");
        return Ok(());
    };
    let page = match occasion {
        Occasion::Verification => "verify_email",
        Occasion::PasswordReset => "request_password_reset",
    };
    let application = &work.engine.options.keys.application_id;
    let path = format!("/{}/{}/{page}", options.pages_endpoint, utf8_percent_encode(application, URI_COMPONENT));
    let token = utf8_percent_encode(token, URI_COMPONENT);
    let link = match &options.frame_url {
        Some(frame) => format!("{frame}?link={}&token={token}", utf8_percent_encode(&path, URI_COMPONENT)),
        None => format!("{public_url}{path}?token={token}"),
    };
    let class = work.engine.schemas.require(&user.class).await?;
    let mut user = user.clone();
    redact::finish(&work.engine.options, &class, &mut user);
    // What other services know a user by is not for the mail.
    user.fields.shift_remove("authData");
    let letter = Letter { occasion, app_name: app_name.clone(), link, user };
    match &work.transaction {
        Some(open) => open.write_later(letter),
        None => post(&work.engine, letter),
    }
    Ok(())
}

/// Posts a letter. Nobody waits for that.
pub(crate) fn post(engine: &Arc<Engine>, letter: Letter) {
    let Some(mail) = engine.mail.clone() else {
        tracing::warn!("no letter is written: there is no mail adapter");
        return;
    };
    let own = Arc::clone(engine);
    engine.tasks.spawn(async move { deliver(&own, &*mail, letter).await });
}

/// Sends a letter, again after a pause if it was not taken this time. What is given up is logged.
async fn deliver(engine: &Engine, mail: &dyn Mailer, letter: Letter) {
    let (user, occasion) = (letter.user.id.clone(), letter.occasion);
    let limits = &engine.options.limits;
    let (mut pause, mut place) = (limits.mail_pause, None);
    for attempt in 1.. {
        let Err(failure) = mail.write(letter.clone()).await else { return };
        let may_come_right = matches!(failure, MailFailure::Unsent(_)) && attempt < limits.mail_attempts_max;
        // A letter that waits keeps its place.
        place = place.or_else(|| engine.letters_waiting.try_acquire().ok());
        if !may_come_right || place.is_none() || engine.tasks.is_stopping() {
            tracing::error!(%user, ?occasion, %failure, attempt, "a letter to a user did not go out");
            return;
        }
        tracing::warn!(%user, ?occasion, %failure, attempt, ?pause, "a letter to a user is sent again later");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // The last try, at once: whoever waits for it can ask for another letter, but may not know that.
            () = engine.tasks.stopped() => {}
        }
        pause = pause.saturating_mul(MAIL_PAUSE_GROWS);
    }
}

/// By how much each pause is longer than the one before it.
const MAIL_PAUSE_GROWS: u32 = 4;

/// Does work, and answers at the next of moments that lie `step` apart: how long it took does not tell what was found.
pub(crate) async fn evenly<T>(step: Duration, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    let steps = began.elapsed().as_nanos() / step.as_nanos().max(1) + 1;
    tokio::time::sleep_until(began + step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))).await;
    done
}
