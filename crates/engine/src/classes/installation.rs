//! `_Installation`: a device names itself.

use parsimony_model::{ErrorCode, ParseError};

use super::ClassRules;
use crate::caller::Caller;
use crate::save::SaveRequest;

/// The rules of `_Installation`.
pub(crate) struct Installation;

impl ClassRules for Installation {
    fn admit(&self, caller: &Caller, request: &mut SaveRequest) -> Result<(), ParseError> {
        let names_itself = ["deviceToken", "installationId"].iter().any(|field| request.update.touches(field));
        if request.creating && !names_itself && caller.installation_id.is_none() {
            return Err(ParseError::new(
                ErrorCode::MissingName,
                "at least one ID field (deviceToken, installationId) must be specified in this operation",
            ));
        }
        if request.creating && !request.update.touches("deviceType") {
            return Err(ParseError::new(ErrorCode::MissingName, "deviceType must be specified in this operation"));
        }
        Ok(())
    }
}
