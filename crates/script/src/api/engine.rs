//! Asking the server: objects, queries, functions.

use parsimony_cloud::Host;
use parsimony_model::{Filter, ObjectId, ParseError, Query};
use rhai::{Array, Dynamic, Engine, Map};

use crate::bridge::document::Document;
use crate::bridge::query::Asking;
use crate::bridge::value::{from_map, to_dynamic};
use crate::current::{self, wait};
use crate::error::{Thrown, fault, thrown};

/// The host with the rights that the options ask for.
fn host(options: &Map) -> Result<Host, Thrown> {
    let mut host = current::get()?.origin.host.clone();
    for (option, value) in options {
        match option.as_str() {
            "useMasterKey" if value.as_bool().unwrap_or_default() => host = host.as_master(),
            "useMasterKey" => {}
            "context" => {
                let context = value.as_map_ref().map_err(|_kind| fault("the option context is a map"))?;
                host = host.with_context(from_map(&context)?);
            }
            unknown => return Err(fault(format!("there is no option {unknown}; there are: useMasterKey, context"))),
        }
    }
    Ok(host)
}

fn save(object: &Document, options: &Map) -> Result<Document, Thrown> {
    let changes = object.to_save()?;
    let (class, id) = object.identity();
    let host = host(options)?;
    let saved = wait(&*current::get()?, async {
        match &id {
            Some(id) => host.update(class.as_str(), id, changes).await,
            None => host.create(class.as_str(), changes).await,
        }
    })?;
    object.renew(saved);
    Ok(object.clone())
}

fn destroy(object: &Document, options: &Map) -> Result<(), Thrown> {
    object.to_save()?;
    let pointer = object.pointer()?;
    let host = host(options)?;
    wait(&*current::get()?, async { host.delete(pointer.class.as_str(), &pointer.id).await })
}

/// The object as it is stored now.
fn fetch(class: &str, id: &ObjectId, options: &Map) -> Result<Document, Thrown> {
    let host = host(options)?;
    wait(&*current::get()?, async { host.get(class, id).await }).map(Document::found)
}

fn find(query: &Asking, options: &Map) -> Result<Array, Thrown> {
    let (class, query) = query.to_parts();
    let host = host(options)?;
    let found = wait(&*current::get()?, async { host.find(class.as_str(), query).await })?;
    let max = current::get()?.core.limits.elements_max;
    if found.len() > max {
        return Err(fault(format!("a script may find {max} objects at most; this query finds {}", found.len())));
    }
    Ok(found.into_iter().map(|object| Dynamic::from(Document::found(object))).collect())
}

fn first(query: &Asking, options: &Map) -> Result<Dynamic, Thrown> {
    let (class, query) = query.to_parts();
    let host = host(options)?;
    let found = wait(&*current::get()?, async { host.first(class.as_str(), query).await })?;
    Ok(found.map_or(Dynamic::UNIT, |object| Dynamic::from(Document::found(object))))
}

fn get(query: &Asking, id: &str, options: &Map) -> Result<Dynamic, Thrown> {
    let (class, mut query) = query.to_parts();
    let id = ObjectId::parse(id).map_err(thrown)?;
    let host = host(options)?;
    query.filter = std::mem::replace(&mut query.filter, Filter::everything()).and(Filter::id(&id));
    let found =
        wait(&*current::get()?, async { host.first(class.as_str(), query).await?.ok_or_else(ParseError::not_found) })?;
    Ok(Dynamic::from(Document::found(found)))
}

fn count(query: &Asking, options: &Map) -> Result<i64, Thrown> {
    let (class, query) = query.to_parts();
    let host = host(options)?;
    let query = Query { count: true, ..query };
    let count = wait(&*current::get()?, async { host.count(class.as_str(), query).await })?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

fn run(function: &str, params: &Map, options: &Map) -> Result<Dynamic, Thrown> {
    let params = from_map(params)?;
    let host = host(options)?;
    to_dynamic(wait(&*current::get()?, async { host.call(function, params).await })?)
}

/// Sends a push; gives the id of its `_PushStatus`.
fn send_push(body: &Map, options: &Map) -> Result<String, Thrown> {
    let body = from_map(body)?;
    let host = host(options)?;
    wait(&*current::get()?, async { host.push(body).await }).map(|id| id.as_str().to_owned())
}

/// Teaches an engine these functions. Options stand last, and may be missing.
pub(super) fn register(engine: &mut Engine) {
    let none = Map::new;
    engine
        .register_fn("save", move |object: &mut Document| save(object, &none()))
        .register_fn("save", |object: &mut Document, options: Map| save(object, &options))
        .register_fn("destroy", move |object: &mut Document| destroy(object, &none()))
        .register_fn("destroy", |object: &mut Document, options: Map| destroy(object, &options))
        .register_fn("fetch", move |object: &mut Document| fetch_object(object, &none()))
        .register_fn("fetch", |object: &mut Document, options: Map| fetch_object(object, &options))
        .register_fn("fetch", move |pointer: &mut parsimony_model::Pointer| {
            fetch(pointer.class.as_str(), &pointer.id, &none())
        })
        .register_fn("fetch", |pointer: &mut parsimony_model::Pointer, options: Map| {
            fetch(pointer.class.as_str(), &pointer.id, &options)
        });
    engine
        .register_fn("find", move |query: &mut Asking| find(query, &none()))
        .register_fn("find", |query: &mut Asking, options: Map| find(query, &options))
        .register_fn("first", move |query: &mut Asking| first(query, &none()))
        .register_fn("first", |query: &mut Asking, options: Map| first(query, &options))
        .register_fn("get_by_id", move |query: &mut Asking, id: &str| get(query, id, &none()))
        .register_fn("get_by_id", |query: &mut Asking, id: &str, options: Map| get(query, id, &options))
        .register_fn("count", move |query: &mut Asking| count(query, &none()))
        .register_fn("count", |query: &mut Asking, options: Map| count(query, &options))
        .register_fn("send_push", move |body: Map| send_push(&body, &none()))
        .register_fn("send_push", |body: Map, options: Map| send_push(&body, &options))
        .register_fn("run", move |function: &str| run(function, &none(), &none()))
        .register_fn("run", move |function: &str, params: Map| run(function, &params, &none()))
        .register_fn("run", |function: &str, params: Map, options: Map| run(function, &params, &options));
}

fn fetch_object(object: &Document, options: &Map) -> Result<Document, Thrown> {
    let pointer = object.pointer()?;
    fetch(pointer.class.as_str(), &pointer.id, options)
}
