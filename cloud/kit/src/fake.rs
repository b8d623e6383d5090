//! How does the kit behave on a store: objects in memory, with snapshots, unique indexes and the audit hook.
//!
//! It knows what the kit's own tests ask and no more: creating, and finding by fields and ranges.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use parsimony_cloud::{BeforeSave, Call, Context, Draft, Host, HostApi, Origin, Pending, Response, Who};
use parsimony_model::clock::HandClock;
use parsimony_model::query::Constraint;
use parsimony_model::value::Map;
use parsimony_model::{
    ClassName, Clock, Date, ErrorCode, Filter, Object, ObjectId, ParseError, Query, Update, Value, map,
};

use crate::{audit, request_key};

type Rows = BTreeMap<ClassName, Vec<Arc<Object>>>;

#[derive(Default)]
struct Shared {
    rows: Mutex<Rows>,
    interleaved: Mutex<Vec<&'static str>>,
    ids: AtomicU32,
    retries: AtomicU32,
    clock: HandClock,
}

/// A store in memory.
#[derive(Default)]
pub(crate) struct Fake(Arc<Shared>);

/// What a transaction sees, and what it has written.
struct Transaction {
    snapshot: Rows,
    written: Mutex<Vec<Arc<Object>>>,
}

#[derive(Clone)]
struct FakeHost {
    shared: Arc<Shared>,
    transaction: Option<Arc<Transaction>>,
}

impl Fake {
    pub(crate) fn host(&self) -> Host {
        Host::new(Arc::new(FakeHost { shared: Arc::clone(&self.0), transaction: None }))
    }

    /// From now on others get their turn between the hooks and the write of each object of this class.
    pub(crate) fn interleave(&self, class: &'static str) {
        self.0.interleaved.lock().push(class);
    }

    /// How often a transaction was rolled back.
    pub(crate) fn retries(&self) -> u32 {
        self.0.retries.load(Ordering::SeqCst)
    }

    /// Changes a stored object past everything.
    pub(crate) fn tamper(&self, class: &str, index: usize, field: &str, value: &str) {
        let mut rows = self.0.rows.lock();
        let object = &mut rows.get_mut(class).unwrap()[index];
        Arc::make_mut(object).fields.insert(field.into(), value.into());
    }
}

impl FakeHost {
    fn rows(&self, class: &ClassName) -> Vec<Arc<Object>> {
        let Some(transaction) = &self.transaction else {
            return self.shared.rows.lock().get(class).cloned().unwrap_or_default();
        };
        let mut rows = transaction.snapshot.get(class).cloned().unwrap_or_default();
        rows.extend(transaction.written.lock().iter().filter(|object| object.class == *class).cloned());
        rows
    }

    fn found(&self, class: &ClassName, query: &Query) -> Vec<Object> {
        let mut found: Vec<Arc<Object>> = self.rows(class);
        found.retain(|object| matches(&query.filter, object));
        for order in query.order.iter().rev() {
            let key = |object: &Object| object.get(&order.path).and_then(Value::as_f64).unwrap_or_default();
            found.sort_by(|one, other| key(one).total_cmp(&key(other)));
            if order.descending {
                found.reverse();
            }
        }
        found.truncate(usize::try_from(query.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX));
        found.into_iter().map(Arc::unwrap_or_clone).collect()
    }

    /// As in MongoDB, an index also knows what others committed after this transaction began.
    fn is_taken(&self, object: &Object) -> bool {
        let unique: &[&str] = match object.class.as_str() {
            audit::CLASS => &["application", "sequence"],
            request_key::CLASS => &["application", "function", "caller", "key"],
            _ => return false,
        };
        let committed = self.shared.rows.lock().get(&object.class).cloned().unwrap_or_default();
        let mut all = committed.iter().chain(&self.rows(&object.class)).cloned().collect::<Vec<_>>().into_iter();
        all.any(|other| unique.iter().all(|field| other.get(field) == object.get(field)))
    }

    async fn create(&self, class: ClassName, mut fields: Map) -> Result<Object, ParseError> {
        fields.shift_remove("ACL");
        let mut draft = Draft::new(class.clone(), None, None, Update::parse(fields)?);
        if class == audit::CLASS {
            let host = Host::new(Arc::new(self.clone()));
            let origin = Origin { who: Arc::default(), context: Context::default(), host };
            draft = audit::take_place(BeforeSave { object: draft, origin }).await?;
        }
        if self.shared.interleaved.lock().iter().any(|name| class == *name) {
            tokio::task::yield_now().await;
        }
        let object = object(class.as_str(), &self.id(), draft.fields()?);
        if self.is_taken(&object) {
            return Err(ParseError::new(ErrorCode::DuplicateValue, "taken"));
        }
        let stored = Arc::new(object.clone());
        match &self.transaction {
            Some(transaction) => transaction.written.lock().push(stored),
            None => self.shared.rows.lock().entry(class).or_default().push(stored),
        }
        Ok(object)
    }

    fn id(&self) -> String {
        format!("o{}", self.shared.ids.fetch_add(1, Ordering::SeqCst))
    }
}

fn matches(filter: &Filter, object: &Object) -> bool {
    let number = |path: &str| object.get(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    match filter {
        Filter::And(parts) => parts.iter().all(|part| matches(part, object)),
        Filter::Field(path, Constraint::Equals(value)) => object.lookup(path).as_ref() == Some(value),
        Filter::Field(path, Constraint::GreaterOrEqual(Value::Number(bound))) => number(path) >= *bound,
        Filter::Field(path, Constraint::LessOrEqual(Value::Number(bound))) => number(path) <= *bound,
        Filter::Or(_) | Filter::Nor(_) | Filter::Field(..) | Filter::RelatedTo(_) | Filter::Relates { .. } => {
            panic!("the fake does not know {filter:?}")
        }
    }
}

impl HostApi for FakeHost {
    fn find(&self, class: ClassName, query: Query) -> Pending<'_, Vec<Object>> {
        Box::pin(async move { Ok(self.found(&class, &query)) })
    }
    fn count(&self, class: ClassName, query: Query) -> Pending<'_, u64> {
        Box::pin(async move { Ok(self.found(&class, &query).len() as u64) })
    }
    fn save(&self, class: ClassName, id: Option<ObjectId>, fields: Map) -> Pending<'_, Object> {
        assert!(id.is_none(), "the fake only creates");
        Box::pin(self.create(class, fields))
    }
    fn delete(&self, _: ClassName, _: ObjectId) -> Pending<'_, ()> {
        panic!("the fake only creates")
    }
    fn call(&self, _: String, _: Map) -> Pending<'_, Value> {
        panic!("the fake has no functions")
    }
    fn begin(&self) -> Pending<'_, Arc<dyn HostApi>> {
        let transaction = Transaction { snapshot: self.shared.rows.lock().clone(), written: Mutex::default() };
        let host = Self { transaction: Some(Arc::new(transaction)), ..self.clone() };
        Box::pin(async move { Ok(Arc::new(host) as Arc<dyn HostApi>) })
    }
    fn commit(&self) -> Pending<'_, ()> {
        let mut rows = self.shared.rows.lock();
        for object in self.transaction.as_ref().unwrap().written.lock().drain(..) {
            rows.entry(object.class.clone()).or_default().push(object);
        }
        Box::pin(async { Ok(()) })
    }
    fn roll_back(&self) -> Pending<'_, ()> {
        self.shared.retries.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(()) })
    }
    fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }
    fn with_context(&self, _: Map) -> Arc<dyn HostApi> {
        Arc::new(self.clone())
    }
    fn as_master(&self) -> Arc<dyn HostApi> {
        Arc::new(self.clone())
    }
    fn now(&self) -> Date {
        self.shared.clock.advance_millis(1);
        self.shared.clock.now()
    }
    fn random(&self, length: usize) -> String {
        self.shared.clock.alphanumeric(length)
    }
}

/// A stored object.
pub(crate) fn object(class: &str, id: &str, fields: Map) -> Object {
    Object {
        class: ClassName::parse(class).unwrap(),
        id: ObjectId::parse(id).unwrap(),
        created_at: None,
        updated_at: None,
        acl: None,
        fields,
    }
}

/// A user with these roles.
pub(crate) fn who(id: &str, roles: &[&str]) -> Who {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    Who { user: Some(object("_User", id, map! {}).into()), roles, request_id: "r".to_owned(), ..Who::default() }
}

/// A call of a function by the user `ada`.
pub(crate) fn call(host: &Host, function: &str) -> Call {
    call_by(host, function, who("ada", &[]))
}

/// A call of a function by somebody.
pub(crate) fn call_by(host: &Host, function: &str, who: Who) -> Call {
    Call {
        function: function.into(),
        params: Map::default(),
        response: Response::default(),
        origin: Origin { who: Arc::new(who), context: Context::default(), host: host.clone() },
    }
}
