//! `_Installation`: a device names itself, and each device has one row: which of the rows that are there is it?

use std::sync::Arc;

use parsimony_model::builtin::Builtin;
use parsimony_model::permissions::Operation;
use parsimony_model::{Constraint, ErrorCode, Filter, Object, ObjectId, Op, ParseError, Update, Value};
use parsimony_store::{Change, Scope, Selection};

use super::{ClassRules, Later};
use crate::access::{class, rows};
use crate::caller::Caller;
use crate::options::{DuplicateAction, MergePriority};
use crate::save::{SaveRequest, mismatch};
use crate::work::Work;

/// The rules of `_Installation`.
pub(crate) struct Installation;

const DEVICE_TOKEN: &str = "deviceToken";
const INSTALLATION_ID: &str = "installationId";
const DEVICE_TYPE: &str = "deviceType";
const APP_IDENTIFIER: &str = "appIdentifier";

/// Parse: a token of this length is one of Apple's, whose case does not matter.
const APPLE_TOKEN_CHARS: usize = 64;

fn refusal(code: ErrorCode, text: &'static str) -> ParseError {
    ParseError::new(code, text)
}

fn fixed(field: &str) -> ParseError {
    ParseError::new(ErrorCode::ImmutableField, format!("{field} may not be changed in this operation"))
}

impl ClassRules for Installation {
    /// Parse: they are asked for by the master key alone, who is told all of them.
    fn is_bounded(&self) -> bool {
        false
    }

    fn admit(&self, caller: &Caller, request: &mut SaveRequest) -> Result<(), ParseError> {
        for field in [DEVICE_TOKEN, INSTALLATION_ID, DEVICE_TYPE, APP_IDENTIFIER] {
            refuse_other_than_text(request, field)?;
        }
        let lower = |request: &mut SaveRequest, field: &str| {
            let lower = request.update.value(field).and_then(Value::as_str).map(str::to_lowercase);
            if let Some(lower) = lower {
                request.update.set(field, lower);
            }
        };
        if sent(request, DEVICE_TOKEN).is_some_and(|token| token.encode_utf16().count() == APPLE_TOKEN_CHARS) {
            lower(request, DEVICE_TOKEN);
        }
        lower(request, INSTALLATION_ID);
        let names_itself = [DEVICE_TOKEN, INSTALLATION_ID].iter().any(|field| sent(request, field).is_some());
        if request.creating && !names_itself && caller.installation_id.is_none() {
            return Err(refusal(
                ErrorCode::MissingName,
                "at least one ID field (deviceToken, installationId) must be specified in this operation",
            ));
        }
        Ok(())
    }

    fn lead<'a>(&'a self, work: &'a Work, request: &'a mut SaveRequest) -> Later<'a, ()> {
        Box::pin(async move {
            let device = Device::of(&work.caller, request);
            let says_something = device.token.is_some() || device.id.is_some() || device.kind.is_some();
            if !says_something || (device.token.is_none() && device.id.is_none() && request.creating) {
                return Ok(());
            }
            let found = Found::of(work, request, &device).await?;
            if !request.creating {
                found.refuse_changes(&device)?;
            }
            if request.creating && device.kind.is_none() && found.own().is_none() {
                return Err(refusal(ErrorCode::MissingName, "deviceType must be specified in this operation"));
            }
            if let Some(id) = found.settle(work, request, &device).await? {
                request.id = Some(id);
                request.creating = false;
            }
            Ok(())
        })
    }
}

/// The text that a request sets in a field. Parse: the empty text is none.
fn sent<'a>(request: &'a SaveRequest, field: &str) -> Option<&'a str> {
    request.update.value(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// What names a device is compared with what is stored, so it has to be text before anything is asked or deleted.
fn refuse_other_than_text(request: &SaveRequest, field: &str) -> Result<(), ParseError> {
    use parsimony_model::FieldType;
    let actual = match request.update.get(field) {
        None | Some(Op::Delete | Op::Set(Value::Null | Value::String(_))) => return Ok(()),
        Some(Op::Set(value)) => FieldType::of(value)?,
        Some(Op::Increment(_)) => Some(FieldType::Number),
        Some(Op::Add(_) | Op::AddUnique(_) | Op::Remove(_)) => Some(FieldType::Array),
        Some(Op::Relate { .. }) => Some(FieldType::Object),
    };
    let actual = actual.unwrap_or(FieldType::Object);
    Err(mismatch(Builtin::Installation.name().as_str(), field, &FieldType::String, &actual))
}

/// What a request says of its device.
struct Device {
    token: Option<String>,
    /// The installation id that was sent with the object.
    own_id: Option<String>,
    /// The same, or that of the client who asks.
    id: Option<String>,
    kind: Option<String>,
    app: Option<String>,
}

impl Device {
    fn of(caller: &Caller, request: &SaveRequest) -> Self {
        let text = |field| sent(request, field).map(str::to_owned);
        let own_id = text(INSTALLATION_ID);
        // Parse: the master key speaks for no device.
        let callers =
            || caller.installation_id.as_ref().filter(|_| !caller.is_privileged()).map(|id| id.to_lowercase());
        Self {
            token: text(DEVICE_TOKEN),
            id: own_id.clone().or_else(callers),
            own_id,
            kind: text(DEVICE_TYPE),
            app: text(APP_IDENTIFIER),
        }
    }
}

/// The rows that may be the device's.
struct Found {
    /// The row that is to be updated.
    asked: Option<Object>,
    /// A row with the installation id.
    same_id: Option<Object>,
    /// The rows with the token.
    same_token: Vec<Object>,
}

fn text<'a>(row: &'a Object, field: &str) -> Option<&'a str> {
    row.text(field).filter(|text| !text.is_empty())
}

impl Found {
    /// One question for all of them.
    async fn of(work: &Work, request: &SaveRequest, device: &Device) -> Result<Self, ParseError> {
        let by_text = |field: &str, value: &Option<String>| {
            value.as_ref().map(|value| Filter::equals(field, Value::from(value.as_str())))
        };
        let asked_id = request.id.as_ref().filter(|_| !request.creating);
        let any =
            [asked_id.map(Filter::id), by_text(INSTALLATION_ID, &device.id), by_text(DEVICE_TOKEN, &device.token)];
        let schema = work.engine.schemas.require(&Builtin::Installation.name()).await?;
        let filter = Filter::Or(any.into_iter().flatten().collect());
        let rows = work.objects.find(&Selection::new(schema, filter, Scope::Everything)).await?;
        let with = |field: &str, value: &Option<String>| {
            let value = value.clone();
            let field = field.to_owned();
            move |row: &&Object| value.is_some() && text(row, &field) == value.as_deref()
        };
        Ok(Self {
            asked: rows.iter().find(|row| asked_id == Some(&row.id)).cloned(),
            same_id: rows.iter().rfind(with(INSTALLATION_ID, &device.id)).cloned(),
            same_token: rows.iter().filter(with(DEVICE_TOKEN, &device.token)).cloned().collect(),
        })
    }

    /// The row that is the device's by its installation id, or because it was asked for.
    fn own(&self) -> Option<&Object> {
        self.same_id.as_ref().or(self.asked.as_ref())
    }

    /// What names a device does not change.
    fn refuse_changes(&self, device: &Device) -> Result<(), ParseError> {
        let asked = self.asked.as_ref();
        let asked = asked.ok_or_else(|| refusal(ErrorCode::ObjectNotFound, "Object not found for update."))?;
        let differs = |new: &Option<String>, field| {
            let (new, old) = (new.as_deref(), text(asked, field));
            new.is_some() && old.is_some() && new != old
        };
        if differs(&device.own_id, INSTALLATION_ID) {
            return Err(fixed(INSTALLATION_ID));
        }
        let nameless = device.own_id.is_none() && text(asked, INSTALLATION_ID).is_none();
        if nameless && differs(&device.token, DEVICE_TOKEN) {
            return Err(fixed(DEVICE_TOKEN));
        }
        if device.kind.is_some() && device.kind.as_deref() != text(asked, DEVICE_TYPE) {
            return Err(fixed(DEVICE_TYPE));
        }
        Ok(())
    }

    /// Clears rows away that stand for the same device, and tells which row is to be written; `None` is a new one, or the
    /// one that was asked for.
    async fn settle(
        &self,
        work: &Work,
        request: &SaveRequest,
        device: &Device,
    ) -> Result<Option<ObjectId>, ParseError> {
        let holder = match self.same_token.as_slice() {
            [one] => Some(one),
            _ => None,
        };
        let Some(own) = self.own() else {
            return match holder {
                None if self.same_token.is_empty() => Ok(None),
                // One of the two has no name yet, so they are the same device.
                Some(row) if text(row, INSTALLATION_ID).is_none() || device.id.is_none() => Ok(Some(row.id.clone())),
                _ if device.own_id.is_none() => Err(ParseError::with_number(
                    132,
                    "Must specify installationId when deviceToken matches multiple Installation objects",
                )),
                _ => {
                    let others = Constraint::NotEquals(Value::from(device.id.clone()));
                    free_token(work, device, Filter::Field(INSTALLATION_ID.into(), others)).await?;
                    Ok(None)
                }
            };
        };
        if let Some(nameless) = holder.filter(|row| text(row, INSTALLATION_ID).is_none()) {
            return merge(work, own, nameless).await.map(Some);
        }
        if device.token.is_some() && text(own, DEVICE_TOKEN) != device.token.as_deref() {
            if let Some(id) = &device.own_id {
                let others = Constraint::NotEquals(id.as_str().into());
                free_token(work, device, Filter::Field(INSTALLATION_ID.into(), others)).await?;
            } else if request.id_in_body.as_ref() == Some(&own.id) {
                free_token(work, device, Filter::Nor(vec![Filter::id(&own.id)])).await?;
            }
        }
        Ok(Some(own.id.clone()))
    }
}

/// Lets no other row have the token: those that meet the condition go, or lose it. Never beyond the app that is named.
async fn free_token(work: &Work, device: &Device, others: Filter) -> Result<(), ParseError> {
    let Some(token) = &device.token else { return Ok(()) };
    let mut filter = Filter::equals(DEVICE_TOKEN, Value::from(token.as_str())).and(others);
    if let Some(app) = &device.app {
        filter = filter.and(Filter::equals(APP_IDENTIFIER, Value::from(app.as_str())));
    }
    clear(work, filter, DEVICE_TOKEN).await
}

/// Of the row that has the installation id and the one that has the token, one survives.
async fn merge(work: &Work, own: &Object, nameless: &Object) -> Result<ObjectId, ParseError> {
    if own.id == nameless.id {
        return Ok(own.id.clone());
    }
    let (survivor, loser, field) = match work.engine.options.installations.merge_priority {
        MergePriority::DeviceToken => (nameless, own, INSTALLATION_ID),
        MergePriority::InstallationId => (own, nameless, DEVICE_TOKEN),
    };
    clear(work, Filter::id(&loser.id), field).await?;
    Ok(survivor.id.clone())
}

/// Deletes rows, or takes a field from them, as the administrator decided. Parse: where the caller's rights count and do not
/// reach, the rows stay, and the save goes on.
async fn clear(work: &Work, filter: Filter, field: &str) -> Result<(), ParseError> {
    let options = &work.engine.options.installations;
    let operation = match options.duplicate_action {
        DuplicateAction::Delete => Operation::Delete,
        DuplicateAction::Update => Operation::Update,
    };
    let schema = work.engine.schemas.require(&Builtin::Installation.name()).await?;
    let (filter, scope) = if options.enforces_auth {
        let leave = class::decide(&work.caller, &schema, operation);
        match leave.and_then(|leave| rows::narrow(&work.caller, &schema, leave, operation, filter)) {
            Ok(filter) => (filter, work.caller.write_scope()),
            Err(error) => {
                tracing::warn!(cause = error.detail.as_deref(), "rows of the same device stay: {}", error.message);
                return Ok(());
            }
        }
    } else {
        (filter, Scope::Everything)
    };
    let selection = Selection::new(Arc::clone(&schema), filter, scope);
    match options.duplicate_action {
        DuplicateAction::Delete => work.objects.delete(&selection).await?,
        DuplicateAction::Update => {
            let update: Update = std::iter::once((field.into(), Op::Delete)).collect();
            let change = Change { update, acl: None, updated_at: work.engine.clock.now() };
            work.objects.update_all(&selection, &change).await?
        }
    };
    Ok(())
}
