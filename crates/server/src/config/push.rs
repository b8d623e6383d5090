//! How are devices known, and how are they reached: `installation`, `push` and what belongs to it.

use parsimony_connectors::PushConfig;
use parsimony_engine::{DuplicateAction, InstallationOptions, MergePriority};

use super::raw::Raw;

/// `push`, `scheduledPush`, and what is done with the tokens of devices that are gone.
#[derive(Debug)]
pub(crate) struct Pushing {
    /// The services, and how they are used.
    pub(crate) services: PushConfig,
    /// `scheduledPush`
    pub(crate) scheduled: bool,
    /// `parsimony.cleanupInvalidInstallations`
    pub(crate) cleans_up: bool,
}

/// Reads `push`; `None` if there is none.
pub(super) fn pushing(raw: &Raw) -> Result<Option<Pushing>, String> {
    let scheduled = raw.flag("scheduledPush")?.unwrap_or(false);
    // Parse: any text in the variable means yes.
    let cleans_up = match raw.get("parsimony.cleanupInvalidInstallations") {
        None => false,
        Some(serde_json::Value::Bool(wanted)) => *wanted,
        Some(serde_json::Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    };
    let Some(written) = raw.get("push") else { return Ok(None) };
    let services = serde_path_to_error::deserialize(written).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { format!(".{path}") };
        format!("push{path}: {}", error.inner())
    })?;
    Ok(Some(Pushing { services, scheduled, cleans_up }))
}

/// Reads `installation`.
pub(super) fn installations(raw: &Raw) -> Result<InstallationOptions, String> {
    let (action, priority) =
        ("installation.duplicateDeviceTokenAction", "installation.duplicateDeviceTokenMergePriority");
    let duplicate_action = match raw.text(action)?.as_deref() {
        None | Some("delete") => DuplicateAction::Delete,
        Some("update") => DuplicateAction::Update,
        Some(_) => return Err(format!("{action} must be delete or update.")),
    };
    let merge_priority = match raw.text(priority)?.as_deref() {
        None | Some("deviceToken") => MergePriority::DeviceToken,
        Some("installationId") => MergePriority::InstallationId,
        Some(_) => return Err(format!("{priority} must be deviceToken or installationId.")),
    };
    let enforces_auth = raw.flag("installation.duplicateDeviceTokenActionEnforceAuth")?.unwrap_or(false);
    Ok(InstallationOptions { duplicate_action, enforces_auth, merge_priority })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::raw::Sources;
    use super::*;

    fn read(written: &Value) -> Result<Option<Pushing>, String> {
        let file = Some(("test".to_owned(), written.to_string()));
        pushing(&Raw::gather(Sources { file, ..Sources::default() })?)
    }

    #[test]
    fn push_is_read_and_what_is_no_option_is_named() {
        assert!(read(&json!({ "scheduledPush": true })).unwrap().is_none());
        let push = json!({
            "push": {"expo": {}, "queueOptions": {"batchSize": 5}}, "scheduledPush": true,
            "parsimony": {"cleanupInvalidInstallations": true},
        });
        let push = read(&push).unwrap().unwrap();
        assert_eq!((push.scheduled, push.cleans_up, push.services.queue_options.batch_size), (true, true, Some(5)));
        let told = read(&json!({ "push": {"expo": {"acessToken": "x"}} })).unwrap_err();
        assert!(told.starts_with("push.expo.acessToken: unknown field"), "{told}");
    }

    #[test]
    fn installations_are_read() {
        let read = |written: Value| {
            let file = Some(("test".to_owned(), json!({ "installation": written }).to_string()));
            installations(&Raw::gather(Sources { file, ..Sources::default() })?)
        };
        let options = read(json!({
            "duplicateDeviceTokenAction": "update", "duplicateDeviceTokenActionEnforceAuth": true,
            "duplicateDeviceTokenMergePriority": "installationId",
        }));
        assert_eq!(
            options.unwrap(),
            InstallationOptions {
                duplicate_action: DuplicateAction::Update,
                enforces_auth: true,
                merge_priority: MergePriority::InstallationId,
            }
        );
        let told = read(json!({ "duplicateDeviceTokenAction": "keep" })).unwrap_err();
        assert_eq!(told, "installation.duplicateDeviceTokenAction must be delete or update.");
    }
}
