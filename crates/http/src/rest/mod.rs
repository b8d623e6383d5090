//! What is asked of the engine, route by route.

mod accounts;
mod batch;
mod functions;
mod hooks;
mod info;
mod jobs;
mod metrics;
mod objects;
mod operations;
mod push;
mod schemas;
mod scripts;
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
        Route::Batch => Box::pin(batch::run(door, work, telling, params.body)).await,
        // The answer to a batch is one piece.
        Route::Find(class) => Box::pin(objects::begin_find(work, &class, params)).await,
        other => one(door, work, other, params).await,
    }
}

/// Answers one request, or one part of a batch.
///
/// Each arm is boxed: otherwise every request would carry, and copy, the state of the largest of them.
async fn one(door: &Door, work: &Work, route: Route, params: Params<'_>) -> Result<Reply, ParseError> {
    match route {
        Route::Find(class) => Box::pin(objects::find(work, &class, params)).await,
        Route::Create(class) => Box::pin(objects::create(door, work, &class, params)).await,
        Route::Get(class, id) => Box::pin(objects::get(work, &class, &id, params)).await,
        Route::Update(class, id) => Box::pin(objects::update(door, work, (&class, &id), params)).await,
        Route::Delete(class, id) => Box::pin(objects::delete(work, &class, &id)).await,
        Route::Aggregate(class) => Box::pin(objects::aggregate(work, &class, params)).await,
        Route::Call(function) => Box::pin(functions::call(work, &function, params)).await,
        Route::Me => Box::pin(users::me(work)).await,
        Route::LogIn => Box::pin(users::log_in(work, params)).await,
        Route::LogOut => Box::pin(users::log_out(work)).await,
        Route::Challenge => Box::pin(users::challenge(work, params)).await,
        Route::VerifyPassword => Box::pin(users::verify_password(work, params)).await,
        Route::Account(route) => Box::pin(accounts::answer(work, route, params)).await,
        Route::MySession => Box::pin(sessions::me(work)).await,
        Route::Schemas => Box::pin(schemas::all(work)).await,
        Route::Schema(class) => Box::pin(schemas::one(work, &class)).await,
        Route::CreateSchema(class) => Box::pin(schemas::create(work, class.as_deref(), params)).await,
        Route::UpdateSchema(class) => Box::pin(schemas::update(work, &class, params)).await,
        Route::DeleteSchema(class) => Box::pin(schemas::delete(work, &class)).await,
        Route::PlanSchemas => Box::pin(schemas::plan(work, params)).await,
        Route::PushSchemas => Box::pin(schemas::push(work, params)).await,
        Route::RollBackSchemas => Box::pin(schemas::roll_back(work, params)).await,
        Route::SchemaDefinitions => Box::pin(schemas::definitions(work)).await,
        Route::SchemaHistory => Box::pin(schemas::history(work, params)).await,
        Route::Webhooks(kind) => Box::pin(hooks::list(work, kind)).await,
        Route::Webhook(target) => Box::pin(hooks::one(work, &target)).await,
        Route::CreateWebhook => Box::pin(hooks::create(work, params)).await,
        Route::ChangeWebhook(target) => Box::pin(hooks::change(work, &target, params)).await,
        Route::Metrics => metrics::answer(work),
        Route::StartJob(name) => Box::pin(jobs::start(work, name, params)).await,
        Route::Jobs => Box::pin(jobs::overview(work)).await,
        Route::PauseJob(name) => Box::pin(jobs::pause(work, &name, &params)).await,
        Route::CancelJob(id) => Box::pin(jobs::cancel(work, &id)).await,
        Route::JobSchedules => Box::pin(jobs::schedules(work)).await,
        Route::JobsData => Box::pin(jobs::data(work)).await,
        Route::CreateJobSchedule => Box::pin(jobs::create_schedule(door, work, params)).await,
        Route::UpdateJobSchedule(id) => Box::pin(jobs::update_schedule(work, &id, params)).await,
        Route::DeleteJobSchedule(id) => Box::pin(jobs::delete_schedule(work, &id)).await,
        Route::Scripts => scripts::list(work),
        Route::Script(name) => Box::pin(scripts::one(work, &name, params)).await,
        Route::PutScript(name) => Box::pin(scripts::put(work, &name, params)).await,
        Route::DeleteScript(name) => Box::pin(scripts::delete(work, &name, params)).await,
        Route::ScriptHistory(name) => Box::pin(scripts::history(work, &name)).await,
        Route::RollBackScript(name) => Box::pin(scripts::roll_back(work, &name, params)).await,
        Route::RehearseScript(name) => Box::pin(scripts::rehearse(work, &name, params)).await,
        Route::Push(route) => Box::pin(push::answer(door, work, route, params)).await,
        Route::Purge(class) => Box::pin(schemas::purge(work, &class)).await,
        Route::Operation(operation) => Box::pin(operations::answer(work, operation, params)).await,
        Route::ServerInfo => info::server(work),
        Route::Unavailable(missing) => info::unavailable(work, missing),
        // The door has answered these before it came here.
        Route::Health => Err(unroutable("GET", &["health"])),
        Route::Batch => Err(batch::nested()),
    }
}

pub(crate) use info::health;
pub(crate) use metrics::by_token as measures_by_token;
