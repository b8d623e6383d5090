//! A server that keeps what is saved, and tells what was asked.

use std::sync::Arc;

use parking_lot::Mutex;
use parsimony_cloud::{Email, Host, HostApi, Pending};
use parsimony_model::value::Map;
use parsimony_model::{ClassName, Constraint, Date, Filter, Object, ObjectId, ParseError, Query, Update, Value};

#[derive(Default, Clone)]
pub(super) struct Server(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    pub(super) objects: Vec<Object>,
    pub(super) log: Vec<String>,
}

struct Door {
    server: Server,
    master: bool,
}

impl Server {
    pub(super) fn host(&self) -> Host {
        Host::new(Arc::new(Door { server: self.clone(), master: false }))
    }

    pub(super) fn state(&self) -> parking_lot::MutexGuard<'_, State> {
        self.0.lock()
    }
}

/// As much of a query as the tests ask.
fn meets(object: &Object, filter: &Filter) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().all(|part| meets(object, part)),
        Filter::Field(path, Constraint::Equals(value)) => object.lookup(path).as_ref() == Some(value),
        Filter::Field(path, Constraint::Greater(value)) => {
            object.lookup(path).and_then(|own| own.as_f64()) > value.as_f64()
        }
        other => panic!("the tests' server does not know {other:?}"),
    }
}

impl Door {
    fn note(&self, what: &str) {
        let as_whom = if self.master { " as master" } else { "" };
        self.server.state().log.push(format!("{what}{as_whom}"));
    }

    fn now<T: Send + 'static>(answer: Result<T, ParseError>) -> Pending<'static, T> {
        Box::pin(async move {
            // A real server answers later, from another thread.
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            answer
        })
    }
}

impl HostApi for Door {
    fn find(&self, class: ClassName, query: Query) -> Pending<'_, Vec<Object>> {
        self.note(&format!("find {class}"));
        let fits = |object: &&Object| object.class == class && meets(object, &query.filter);
        let found = self.server.state().objects.iter().filter(fits).cloned().collect();
        Self::now(Ok(found))
    }

    fn count(&self, class: ClassName, _: Query) -> Pending<'_, u64> {
        self.note(&format!("count {class}"));
        Self::now(Ok(self.server.state().objects.iter().filter(|object| object.class == class).count() as u64))
    }

    fn save(&self, class: ClassName, id: Option<ObjectId>, fields: Map) -> Pending<'_, Object> {
        self.note(&format!("save {class}"));
        let mut state = self.server.state();
        let number = state.objects.len();
        let id = id.unwrap_or_else(|| ObjectId::parse(&format!("id{number}")).unwrap());
        let mut object = super::object(class.as_str(), id.as_str(), Map::default());
        if let Some(at) = state.objects.iter().position(|other| other.id == id) {
            object = state.objects.remove(at);
        }
        if let Err(error) = Update::parse(fields).and_then(|update| update.apply(&mut object.fields)) {
            return Self::now(Err(error));
        }
        state.objects.push(object.clone());
        Self::now(Ok(object))
    }

    fn send_email(&self, email: Email) -> Pending<'_, ()> {
        self.note(&format!("mail {} about {:?}", email.to.join(" "), email.subject));
        Self::now(Ok(()))
    }

    fn delete(&self, class: ClassName, id: ObjectId) -> Pending<'_, ()> {
        self.note(&format!("delete {class}"));
        self.server.state().objects.retain(|object| object.id != id);
        Self::now(Ok(()))
    }

    fn push(&self, body: Map) -> Pending<'_, ObjectId> {
        let told = String::from_utf8_lossy(&parsimony_model::value::json::write(&body)).into_owned();
        self.note(&format!("push {told}"));
        Self::now(ObjectId::parse("status"))
    }

    fn call(&self, function: String, params: Map) -> Pending<'_, Value> {
        self.note(&format!("call {function}"));
        match function.as_str() {
            "hang" => Box::pin(std::future::pending()),
            "refuse" => Self::now(Err(ParseError::with_number(9001, "No."))),
            _ => Self::now(Ok(Value::Object(params))),
        }
    }

    fn begin(&self) -> Pending<'_, Arc<dyn HostApi>> {
        Self::now(Err(ParseError::not_found()))
    }

    fn commit(&self) -> Pending<'_, ()> {
        Self::now(Ok(()))
    }

    fn roll_back(&self) -> Pending<'_, ()> {
        Self::now(Ok(()))
    }

    fn in_transaction(&self) -> bool {
        false
    }

    fn with_context(&self, _: Map) -> Arc<dyn HostApi> {
        Arc::new(Self { server: self.server.clone(), master: self.master })
    }

    fn as_master(&self) -> Arc<dyn HostApi> {
        Arc::new(Self { server: self.server.clone(), master: true })
    }

    fn now(&self) -> Date {
        Date::from_millis(1_000)
    }

    fn random(&self, length: usize) -> String {
        "r".repeat(length)
    }
}
