//! Was it bought: a receipt of the App Store is verified there, and the file of the product is answered.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parsimony_cloud::HttpRequest;
use parsimony_model::builtin::Builtin;
use parsimony_model::value::{Map, json};
use parsimony_model::{ErrorCode, Filter, ParseError, Query, Value, map};

use crate::find;
use crate::work::Work;

/// What was decided about purchases.
#[derive(Debug, Clone)]
pub struct PurchaseOptions {
    /// `enableProductPurchaseLegacyApi`
    pub enabled: bool,
    /// Where receipts are verified.
    pub production_url: String,
    /// Where receipts of the sandbox are verified.
    pub sandbox_url: String,
}

impl Default for PurchaseOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            production_url: "https://buy.itunes.apple.com/verifyReceipt".to_owned(),
            sandbox_url: "https://sandbox.itunes.apple.com/verifyReceipt".to_owned(),
        }
    }
}

/// How long the App Store may take.
const TIME_MAX: Duration = Duration::from_secs(30);

/// How many bytes its answer may have.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// The status of a receipt that is the sandbox's.
const OF_THE_SANDBOX: i64 = 21_007;

/// What the App Store's numbers mean.
const REASONS: &[(i64, &str)] = &[
    (21_000, "The App Store could not read the JSON object you provided."),
    (21_002, "The data in the receipt-data property was malformed or missing."),
    (21_003, "The receipt could not be authenticated."),
    (21_004, "The shared secret you provided does not match the shared secret on file for your account."),
    (21_005, "The receipt server is not currently available."),
    (21_006, "This receipt is valid but the subscription has expired."),
    (
        OF_THE_SANDBOX,
        "This receipt is from the test environment, but it was sent to the production environment for verification. Send \
         it to the test environment instead.",
    ),
    (
        21_008,
        "This receipt is from the production environment, but it was sent to the test environment for verification. Send \
         it to the production environment instead.",
    ),
];

/// Verifies a receipt and answers the file of the product; or what the App Store says against it.
pub(crate) async fn validate(work: &Work, body: &Map) -> Result<Value, ParseError> {
    let receipt = match body.get("receipt") {
        // As Base64, which is how the App Store wants it.
        Some(Value::Bytes(bytes)) => Some(BASE64.encode(bytes).into()),
        given => given.filter(|given| given.is_truthy()).cloned(),
    };
    let product = body.get("productIdentifier").filter(|given| given.is_truthy());
    let (Some(receipt), Some(product)) = (receipt, product) else {
        return Err(ParseError::new(ErrorCode::InvalidJson, "missing receipt or productIdentifier"));
    };
    let options = &work.engine.options.purchases;
    let mut status = verify(work, &options.production_url, &receipt).await;
    if status == Some(OF_THE_SANDBOX) {
        status = verify(work, &options.sandbox_url, &receipt).await;
    }
    if status == Some(0) {
        return download_of(work, product).await;
    }
    let reason = status.and_then(|status| REASONS.iter().find(|(number, _)| *number == status));
    let status = status.map_or(Value::Null, |status| Value::Number(status as f64));
    Ok(map! { "status" => status, "error" => reason.map_or("unknown error.", |(_, text)| text) }.into())
}

/// The status that the App Store answers; `None` if it does not answer one.
async fn verify(work: &Work, url: &str, receipt: &Value) -> Option<i64> {
    let request = HttpRequest {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: json::write(&Value::Object(map! { "receipt-data" => receipt.clone() })),
        time_max: TIME_MAX,
        answer_bytes_max: ANSWER_BYTES_MAX,
    };
    let response = match work.engine.http.send(request).await {
        Ok(response) => response,
        Err(failure) => {
            tracing::warn!(%failure, "a receipt could not be verified");
            return None;
        }
    };
    let Ok(Value::Object(answer)) = json::read(&response.body) else { return None };
    match answer.get("status") {
        Some(Value::Number(status)) => Some(*status as i64),
        Some(Value::String(status)) => status.parse().ok(),
        _ => None,
    }
}

/// The file of the one product of this name.
async fn download_of(work: &Work, product: &Value) -> Result<Value, ParseError> {
    let Value::String(product) = product else { return Err(ParseError::not_found()) };
    let query = Query::new(Filter::equals("productIdentifier", product.as_str()));
    let mut found = find::find(work, &Builtin::Product.name(), query).await?.results;
    match (found.pop(), found.is_empty()) {
        (Some(product), true) => Ok(product.get("download").cloned().unwrap_or_default()),
        _ => Err(ParseError::not_found()),
    }
}
