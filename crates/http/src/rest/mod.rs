//! What is asked of the engine, route by route.

mod batch;
mod functions;
mod info;
mod objects;
mod schemas;
mod sessions;
mod users;

use parsimony_engine::Work;
use parsimony_model::ParseError;

use crate::door::Door;
use crate::envelope::Params;
use crate::error::Telling;
use crate::reply::Reply;
use crate::routes::{Route, unroutable};

/// Answers a request whose credentials have been checked.
pub(crate) async fn answer(
    door: &Door,
    work: &Work,
    telling: Telling<'_>,
    route: Route,
    params: Params<'_>,
) -> Result<Reply, ParseError> {
    match route {
        Route::Batch => batch::run(door, work, telling, params.body).await,
        other => one(door, work, other, params).await,
    }
}

/// Answers one request, or one part of a batch.
async fn one(door: &Door, work: &Work, route: Route, params: Params<'_>) -> Result<Reply, ParseError> {
    match route {
        Route::Find(class) => objects::find(work, &class, params).await,
        Route::Create(class) => objects::create(door, work, &class, params).await,
        Route::Get(class, id) => objects::get(work, &class, &id, params).await,
        Route::Update(class, id) => objects::update(door, work, (&class, &id), params).await,
        Route::Delete(class, id) => objects::delete(work, &class, &id).await,
        Route::Call(function) => functions::call(work, &function, params).await,
        Route::Me => users::me(work).await,
        Route::LogIn => users::log_in(work, params).await,
        Route::LogOut => users::log_out(work).await,
        Route::VerifyPassword => users::verify_password(work, params).await,
        Route::MySession => sessions::me(work).await,
        Route::Schemas => schemas::all(work).await,
        Route::Schema(class) => schemas::one(work, &class).await,
        Route::CreateSchema(class) => schemas::create(work, class.as_deref(), params).await,
        Route::UpdateSchema(class) => schemas::update(work, &class, params).await,
        Route::DeleteSchema(class) => schemas::delete(work, &class).await,
        Route::ServerInfo => info::server(work),
        Route::Unavailable(missing) => info::unavailable(work, missing),
        // The door has answered these before it came here.
        Route::Health => Err(unroutable("GET", &["health"])),
        Route::Batch => Err(batch::nested()),
    }
}

pub(crate) use info::health;
