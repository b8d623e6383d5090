//! `/health`, `/serverInfo`, and what is not offered.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use parsimony_engine::{Engine, Work};
use parsimony_model::{ErrorCode, ParseError};
use serde_json::json;

use crate::reply::Reply;
use crate::routes::Missing;

/// The version of Parse Server that clients and tools may take this server for.
const PARSE_SERVER_VERSION: &str = "9.10.0";

pub(crate) async fn health(engine: &Engine, request_id: &str) -> Reply {
    match engine.check().await {
        Ok(()) => Reply::text(Bytes::from_static(br#"{"status":"ok"}"#)),
        Err(error) => {
            tracing::error!(request_id, cause = %error, "the store does not answer");
            let sick = Reply::text(Bytes::from_static(br#"{"status":"error"}"#));
            Reply { status: StatusCode::SERVICE_UNAVAILABLE, ..sick }
        }
    }
}

/// What this version offers, in the words that Parse Dashboard asks for.
pub(super) fn server(work: &Work) -> Result<Reply, ParseError> {
    work.require_master()?;
    let (push, later) = work.offers_push();
    Reply::json(&json!({
        "features": {
            "globalConfig": { "create": true, "read": true, "update": true, "delete": true },
            "hooks": { "create": true, "read": true, "update": true, "delete": true },
            "cloudCode": { "jobs": true },
            "logs": { "level": true, "size": true, "order": true, "until": true, "from": true },
            "push": {
                "immediatePush": push, "scheduledPush": later, "storedPushData": push, "pushAudiences": true,
                "localization": true,
            },
            "schemas": {
                "addField": true, "removeField": true, "addClass": true, "removeClass": true,
                "clearAllDataFromClass": true, "exportClass": false, "editClassLevelPermissions": true,
                "editPointerPermissions": true,
            },
            "settings": { "securityCheck": work.engine().options().security.enabled },
        },
        "parseServerVersion": PARSE_SERVER_VERSION,
        "parsimonyVersion": env!("CARGO_PKG_VERSION"),
    }))
}

pub(super) fn unavailable(work: &Work, missing: Missing) -> Result<Reply, ParseError> {
    if missing.master_only {
        work.require_master()?;
    }
    if let Some(what) = missing.writes {
        work.require_leave_to_write(what)?;
    }
    let text = format!("{} is not available in this version of the server.", missing.feature);
    Err(ParseError::new(ErrorCode::CommandUnavailable, text))
}
