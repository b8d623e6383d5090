//! What scripts can do, what they cannot, and what is told of it.

mod api;
mod bounds;
mod loading;
mod saves;
mod server;

use std::sync::Arc;

use parsimony_cloud::{
    BeforeSave, Call, Context, Draft, Effects, Fault, Handler, HttpClient, HttpFailure, HttpRequest, HttpResponse,
    Interpreter, Origin, ParseError, Registry, Response, Script, Trigger, Who,
};
use parsimony_model::value::Map;
use parsimony_model::{ClassName, Date, Object, ObjectId, Update, Value};

use crate::{Limits, Outside, Rhai};
use server::Server;

/// A client that answers how often it was asked, and by what.
struct Echo;

impl HttpClient for Echo {
    fn send(&self, request: HttpRequest) -> futures::future::BoxFuture<'static, Result<HttpResponse, HttpFailure>> {
        let body =
            format!(r#"{{"method":"{}","url":"{}","length":{}}}"#, request.method, request.url, request.body.len());
        let headers = vec![("x-seen".to_owned(), request.headers.len().to_string())];
        Box::pin(std::future::ready(Ok(HttpResponse { status: 200, headers, body: body.into_bytes() })))
    }
}

fn interpreter() -> Rhai {
    let limits = Limits { time_max: std::time::Duration::from_millis(700), ..Limits::default() };
    Rhai::new(limits, &Outside { http: Arc::new(Echo), hosts: vec!["api.example.com".to_owned()] })
}

fn script(name: &str, text: &str) -> Script {
    Script { name: name.to_owned(), text: text.into(), source: "test".to_owned() }
}

fn faults(scripts: &[Script]) -> Vec<String> {
    let faults = interpreter().compile(scripts, Effects::Real).err().unwrap_or_default();
    faults.iter().map(Fault::to_string).collect()
}

fn registry(scripts: &[Script], effects: Effects) -> Registry {
    let compiled = interpreter().compile(scripts, effects).map_err(|faults| format!("{faults:?}")).unwrap();
    Registry::default().with_beside(&compiled.layer).unwrap()
}

fn origin(server: &Server) -> Origin {
    let user = object("_User", "ann", parsimony_model::map! { "username" => "ann", "age" => 7 });
    let who = Who { user: Some(Arc::new(user)), request_id: "r1".to_owned(), ..Who::default() };
    Origin { who: Arc::new(who), context: Context::default(), host: server.host() }
}

fn object(class: &str, id: &str, fields: Map) -> Object {
    Object {
        class: ClassName::parse(class).unwrap(),
        id: ObjectId::parse(id).unwrap(),
        created_at: Some(Date::EPOCH),
        updated_at: Some(Date::EPOCH),
        acl: None,
        fields,
    }
}

/// Runs the handler that scripts bring for a trigger.
async fn run<T: Trigger>(registry: &Registry, name: &str, mut request: T) -> Result<T::Answer, ParseError> {
    let hook = registry.hook::<T>(name).unwrap();
    request.check(&hook.rules)?;
    Handler::call(&*hook.handler, request).await
}

/// Calls the function `f` of a script.
async fn call(text: &str, params: Map) -> Result<Value, ParseError> {
    call_on(&Server::default(), text, params).await
}

async fn call_on(server: &Server, text: &str, params: Map) -> Result<Value, ParseError> {
    let registry = registry(&[script("functions", text)], Effects::Real);
    let call = Call { function: "f".into(), params, response: Response::default(), origin: origin(server) };
    run(&registry, "f", call).await?.to_value()
}

/// What becomes of a save of an `Item`, new or not.
async fn save(text: &str, original: Option<Object>, update: Update) -> Result<Draft, ParseError> {
    let registry = registry(&[script("Item", text)], Effects::Real);
    let id = original.as_ref().map(|original| original.id.clone());
    let class = ClassName::parse("Item").unwrap();
    let object = Draft::new(class, id, original.map(Arc::new), update);
    run(&registry, "Item", BeforeSave { object, origin: origin(&Server::default()) }).await
}

fn update(fields: Map) -> Update {
    Update::parse(fields).unwrap()
}
