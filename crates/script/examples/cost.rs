//! How many microseconds does a script add to a save, and do two threads do more than one?
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it is there to print, and may stop at anything")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use parsimony_cloud::{
    BeforeSave, Context, Draft, Effects, Handler, Host, HostApi, HttpClient, HttpFailure, HttpRequest, HttpResponse,
    Interpreter, Origin, Pending, Registry, Script, Who,
};
use parsimony_model::{ClassName, Date, Map, Object, ObjectId, ParseError, Query, Update, Value};
use parsimony_script::{Limits, Outside, Rhai};

const SCRIPT: &str = include_str!("scored.rhai");

const CALLS: usize = 100_000;

/// A host that nobody asks.
struct Nobody;

fn nothing<T: Send + 'static>() -> Pending<'static, T> {
    Box::pin(std::future::ready(Err(ParseError::not_found())))
}

impl HostApi for Nobody {
    fn find(&self, _: ClassName, _: Query) -> Pending<'_, Vec<Object>> {
        nothing()
    }
    fn count(&self, _: ClassName, _: Query) -> Pending<'_, u64> {
        nothing()
    }
    fn save(&self, _: ClassName, _: Option<ObjectId>, _: Map) -> Pending<'_, Object> {
        nothing()
    }
    fn delete(&self, _: ClassName, _: ObjectId) -> Pending<'_, ()> {
        nothing()
    }
    fn call(&self, _: String, _: Map) -> Pending<'_, Value> {
        nothing()
    }
    fn begin(&self) -> Pending<'_, Arc<dyn HostApi>> {
        nothing()
    }
    fn commit(&self) -> Pending<'_, ()> {
        nothing()
    }
    fn roll_back(&self) -> Pending<'_, ()> {
        nothing()
    }
    fn in_transaction(&self) -> bool {
        false
    }
    fn with_context(&self, _: Map) -> Arc<dyn HostApi> {
        Arc::new(Self)
    }
    fn as_master(&self) -> Arc<dyn HostApi> {
        Arc::new(Self)
    }
    fn now(&self) -> Date {
        Date::EPOCH
    }
    fn random(&self, _: usize) -> String {
        String::new()
    }
}

impl HttpClient for Nobody {
    fn send(&self, _: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, HttpFailure>> {
        Box::pin(std::future::ready(Err(HttpFailure::TimedOut)))
    }
}

/// A save of an object of twenty fields, through the hook.
fn save(registry: &Registry, origin: &Origin, fields: &Map) {
    let hook = registry.hook::<BeforeSave>("Item").unwrap();
    let update = Update::parse(fields.clone()).unwrap();
    let object = Draft::new(ClassName::parse("Item").unwrap(), None, None, update);
    let saved = Handler::call(&*hook.handler, BeforeSave { object, origin: origin.clone() });
    black_box(saved.now_or_never().unwrap().unwrap());
}

fn main() {
    let outside = Outside { http: Arc::new(Nobody), hosts: Vec::new() };
    let script = Script { name: "Item".to_owned(), text: SCRIPT.into(), source: String::new() };
    let compiled = Rhai::new(Limits::default(), &outside).compile(&[script], Effects::Real).unwrap_or_default();
    let registry = Registry::default().with_beside(&compiled.layer).unwrap();
    let origin =
        Origin { who: Arc::new(Who::default()), context: Context::default(), host: Host::new(Arc::new(Nobody)) };
    let mut fields = parsimony_model::map! { "title" => "A title of some length", "score" => 7 };
    fields.extend((0..18).map(|number| (format!("field{number}").into(), Value::from(number))));
    let mut times: Vec<Duration> = (0..CALLS)
        .map(|_| {
            let begun = Instant::now();
            save(&registry, &origin, &fields);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |part: usize| times.get(CALLS * part / 100).copied().unwrap_or_default().as_nanos() / 100;
    println!("a beforeSave in Rhai: p50 {:.1} µs, p99 {:.1} µs", at(50) as f64 / 10.0, at(99) as f64 / 10.0);
    for threads in [1, 2] {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| (0..CALLS).for_each(|_| save(&registry, &origin, &fields)));
            }
        });
        let calls = (threads * CALLS) as f64 / begun.elapsed().as_secs_f64();
        println!("{threads} thread(s): {calls:.0} calls a second");
    }
}
