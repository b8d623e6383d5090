//! Which path is which route?

use super::*;

fn parse(line: &str) -> Result<Route, ParseError> {
    let (method, path) = line.split_once(' ').unwrap();
    Route::parse(method, &decoded(path)?)
}

fn class(name: &str) -> ClassName {
    ClassName::parse(name).unwrap()
}

fn id(text: &str) -> ObjectId {
    ObjectId::parse(text).unwrap()
}

#[test]
fn every_route_is_found() {
    for (line, route) in [
        ("GET /classes/Post", Route::Find(class("Post"))),
        ("POST /classes/Post", Route::Create(class("Post"))),
        ("GET /classes/Post/x", Route::Get(class("Post"), id("x"))),
        ("PUT /classes/Post/x", Route::Update(class("Post"), id("x"))),
        ("DELETE /classes/Post/x", Route::Delete(class("Post"), id("x"))),
        ("GET /users", Route::Find(class("_User"))),
        ("POST /users", Route::Create(class("_User"))),
        ("GET /users/me", Route::Me),
        ("PUT /users/me", Route::Update(class("_User"), id("me"))),
        ("GET /users/u1", Route::Get(class("_User"), id("u1"))),
        ("GET /login", Route::LogIn),
        ("POST /login", Route::LogIn),
        ("POST /logout", Route::LogOut),
        ("POST /loginAs", Route::Account(AccountRoute::LogInAs)),
        ("POST /requestPasswordReset", Route::Account(AccountRoute::RequestPasswordReset)),
        ("POST /verificationEmailRequest", Route::Account(AccountRoute::RequestVerification)),
        ("POST /upgradeToRevocableSession", Route::Account(AccountRoute::UpgradeSession)),
        ("POST /challenge", Route::Challenge),
        ("GET /verifyPassword", Route::VerifyPassword),
        ("GET /sessions/me", Route::MySession),
        ("PUT /sessions/me", Route::Update(class("_Session"), id("me"))),
        ("POST /sessions", Route::Create(class("_Session"))),
        ("DELETE /roles/r", Route::Delete(class("_Role"), id("r"))),
        ("GET /installations", Route::Find(class("_Installation"))),
        ("GET /aggregate/Post", Route::Aggregate(class("Post"))),
        ("POST /functions/hello", Route::Call("hello".to_owned())),
        ("POST /functions/a.b", Route::Call("a.b".to_owned())),
        ("POST /batch", Route::Batch),
        ("GET /schemas", Route::Schemas),
        ("GET /schemas/A", Route::Schema("A".to_owned())),
        ("POST /schemas", Route::CreateSchema(None)),
        ("POST /schemas/A", Route::CreateSchema(Some("A".to_owned()))),
        ("PUT /schemas/A", Route::UpdateSchema("A".to_owned())),
        ("DELETE /schemas/A", Route::DeleteSchema("A".to_owned())),
        ("GET /hooks/scripts", Route::Scripts),
        ("GET /hooks/scripts/Item", Route::Script("Item".to_owned())),
        ("GET /hooks/scripts/app/Item", Route::Script("app/Item".to_owned())),
        ("GET /hooks/scripts/app%2FItem/history", Route::ScriptHistory("app/Item".to_owned())),
        ("GET /hooks/scripts/app/Item/history", Route::ScriptHistory("app/Item".to_owned())),
        ("PUT /hooks/scripts/functions", Route::PutScript("functions".to_owned())),
        ("DELETE /hooks/scripts/app/Item", Route::DeleteScript("app/Item".to_owned())),
        ("POST /hooks/scripts/Item/rollback", Route::RollBackScript("Item".to_owned())),
        ("POST /hooks/scripts/app/Item/try", Route::RehearseScript("app/Item".to_owned())),
        ("POST /parsimony/schema/plan", Route::PlanSchemas),
        ("POST /parsimony/schema/push", Route::PushSchemas),
        ("POST /parsimony/schema/rollback", Route::RollBackSchemas),
        ("GET /parsimony/schema/definitions", Route::SchemaDefinitions),
        ("GET /parsimony/schema/history", Route::SchemaHistory),
        ("GET /hooks/functions", Route::Webhooks(WebhookKind::Functions)),
        ("POST /hooks/triggers", Route::CreateWebhook),
        ("PUT /hooks/functions/f", Route::ChangeWebhook(WebhookTarget::Function("f".to_owned()))),
        (
            "GET /hooks/triggers/C/beforeSave",
            Route::Webhook(WebhookTarget::Trigger { class: "C".to_owned(), trigger: "beforeSave".to_owned() }),
        ),
        ("POST /jobs", Route::StartJob(None)),
        ("POST /jobs/clean", Route::StartJob(Some("clean".to_owned()))),
        ("GET /parsimony/jobs", Route::Jobs),
        ("DELETE /parsimony/jobs/r", Route::CancelJob(id("r"))),
        ("GET /cloud_code/jobs", Route::JobSchedules),
        ("GET /cloud_code/jobs/data", Route::JobsData),
        ("POST /cloud_code/jobs", Route::CreateJobSchedule),
        ("PUT /cloud_code/jobs/s", Route::UpdateJobSchedule(id("s"))),
        ("DELETE /cloud_code/jobs/s", Route::DeleteJobSchedule(id("s"))),
        ("GET /serverInfo", Route::ServerInfo),
        ("PATCH /health", Route::Health),
    ] {
        assert_eq!(parse(line).unwrap(), route, "{line}");
    }
}

#[test]
fn metrics_and_pauses_have_routes() {
    assert_eq!(parse("GET /parsimony/metrics"), Ok(Route::Metrics));
    assert_eq!(parse("PUT /parsimony/jobs/clean"), Ok(Route::PauseJob("clean".to_owned())));
    for line in ["POST /parsimony/metrics", "GET /parsimony/metrics/x", "PUT /parsimony/jobs"] {
        assert_eq!(parse(line).unwrap_err().code, ErrorCode::RouteNotFound, "{line}");
    }
}

#[test]
fn case_slashes_and_encoding_do_not_matter() {
    for line in ["GET /CLASSES/Post/", "GET //classes/Post", "GET /classes/P%6Fst", "GET //Classes/Post/"] {
        assert_eq!(parse(line).unwrap(), Route::Find(class("Post")), "{line}");
    }
    assert_eq!(parse("GET /classes/Post/a%2Fb%2541").unwrap(), Route::Get(class("Post"), id("a/b%41")));
    assert_eq!(parse("GET /USERS/Me").unwrap(), Route::Me);
}

#[test]
fn what_is_no_route_says_so() {
    for line in [
        "GET /",
        "GET /nope",
        "GET /classes",
        "GET /classes/Post/x/y",
        "PATCH /classes/Post/x",
        "POST /classes/Post/x",
        "PUT /classes/Post",
        "GET /classes//x/",
        "GET /functions/hello",
        "GET /aggregate",
        "POST /aggregate/Post",
        "GET /batch",
        "GET /logout",
        "GET /loginAs",
        "POST /requestPasswordReset/x",
        "GET /apps",
        "PUT /schemas",
        "GET /parsimony/schema",
        "GET /parsimony/schema/push",
        "GET /users/me/x",
        "DELETE /hooks/functions/f",
        "GET /hooks/triggers/C",
        "GET /hooks/triggers/C/beforeSave/x",
        "GET /hooks",
        "GET /classes/Post//",
        "GET /%ff",
    ] {
        // An empty class name is no name, which is refused as such.
        let code = parse(line).unwrap_err().code;
        assert!(matches!(code, ErrorCode::RouteNotFound | ErrorCode::InvalidClassName | ErrorCode::MissingObjectId));
    }
    assert_eq!(parse("GET /nope/x").unwrap_err().message, "cannot route GET /nope/x");
    for (line, number) in [
        ("GET /classes/no-name", 103),
        ("POST /classes/no-name", 107),
        ("GET /classes/_Join:users:_Role", 119),
        ("POST /classes/_Join:users:_Role", 119),
    ] {
        assert_eq!(parse(line).unwrap_err().number(), Some(number), "{line}");
    }
    assert_eq!(parse(&format!("GET /classes/A/{}", "x".repeat(129))).unwrap_err().number(), Some(101));
}

#[test]
fn what_is_of_the_whole_application_is_known() {
    for (line, operation) in [
        ("GET /config", Operation::Config),
        ("PUT /CONFIG", Operation::UpdateConfig),
        ("GET /scriptlog", Operation::LogLines),
        ("GET /security", Operation::Security),
        ("POST /events/AppOpened", Operation::Event),
        ("POST /validate_purchase", Operation::ValidatePurchase),
    ] {
        assert_eq!(parse(line), Ok(Route::Operation(operation)), "{line}");
    }
    for line in ["POST /config", "GET /config/x", "POST /events", "GET /events/x", "POST /scriptlog", "POST /files/a"] {
        assert_eq!(parse(line).unwrap_err().code, ErrorCode::RouteNotFound, "{line}");
    }
}

#[test]
fn what_is_not_offered_is_known() {
    for (line, master_only) in [("GET /graphql-config", true), ("PUT /graphql-config", true)] {
        let Ok(Route::Unavailable(missing)) = parse(line) else { panic!("{line}") };
        assert_eq!(missing.master_only, master_only, "{line}");
    }
}

#[test]
fn a_path_is_below_the_mount_or_not() {
    for (mount, path, rest) in [
        ("/parse", "/parse/classes/A", Some("/classes/A")),
        ("/parse", "/PARSE/health", Some("/health")),
        ("/parse", "/parse", Some("")),
        ("/parse", "/parser/x", None),
        ("/parse", "/p", None),
        ("/parse", "/é", None),
        ("/parse", "/parsé", None),
        ("", "/health", Some("/health")),
    ] {
        assert_eq!(below(mount, path), rest, "{path}");
    }
}
