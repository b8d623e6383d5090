//! The cloud code of the scenarios, which `cloud.cjs` has for Parse Server.

use parsimony_cloud::{Application, BeforeSave, JobPlan, JobRequest, ParseError, Request, Rules};
use parsimony_model::Value;

/// The hooks and functions, as in `cloud.cjs`.
pub(crate) fn application() -> Application {
    Application::new("wire")
        .define("echo", Rules::none(), echo)
        .job("clean", JobPlan::manual(), |_: JobRequest| async { Ok("all is clean") })
        .before_save("Traced", |mut request: BeforeSave| async move {
            request.object.set("seen", Value::Object(request.context.to_map()));
            Ok(request.object)
        })
        .before_save("Watched", |mut request: BeforeSave| async move {
            if request.object.get("asked").is_some() {
                let secret = request.object.original().and_then(|original| original.get("secret")?.as_f64());
                request.object.set("seen", secret.map_or("undefined".to_owned(), |secret| secret.to_string()));
            }
            Ok(request.object)
        })
}

async fn echo(request: Request) -> Result<Value, ParseError> {
    Ok(Value::Object(request.params.clone()))
}
