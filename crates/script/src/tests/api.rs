//! What scripts ask, and of whom.

use parsimony_cloud::{
    AfterEvent, AfterFind, AfterSave, AfterSaved, Audience, BeforeConnect, BeforeFind, BeforeSubscribe, Job, LiveEvent,
    RunApi, Telling,
};
use parsimony_cloud::{Call, Effects, Finding, Head, Response};
use parsimony_model::{ClassName, Filter, Query, Value, map};
use std::sync::Arc;

use super::server::Server;
use super::{call, call_on, object, origin, registry, run, script};

#[tokio::test]
async fn objects_are_made_found_changed_and_deleted() {
    let server = Server::default();
    server.state().objects.push(object("Item", "i1", map! { "price" => 3, "tags" => vec!["a"] }));
    let text = r#"
        fn f(request) {
            let made = Object("Item", #{ price: 9 });
            made.name = "new";
            made.save();
            let dear = Query("Item").greater_than("price", 5).find();
            let one = Query("Item").get_by_id("i1");
            one.price += 1;
            one.add("tags", "b");
            one.save(#{ useMasterKey: true });
            let again = Pointer("Item", "i1").fetch();
            let gone = Query("Item").equal_to("name", "new").first(#{ useMasterKey: true });
            gone.destroy();
            #{ dear: dear.len(), price: again.price, tags: again.tags, left: Query("Item").count(), same: again == one,
               none: Query("Item").equal_to("price", 77).first(), echo: run("echo", #{ a: 1.5 }).a, id: made.objectId }
        }"#;
    let answer = call_on(&server, text, map! {}).await.unwrap();
    let expected = map! { "dear" => 1, "echo" => 1.5, "id" => "id1", "left" => 1, "none" => Value::Null, "price" => 4,
    "same" => true, "tags" => vec!["a", "b"] };
    assert_eq!(answer, Value::Object(expected));
    let log = server.state().log.clone();
    let expected = [
        "save Item",
        "find Item",
        "find Item",
        "save Item as master",
        "find Item",
        "find Item as master",
        "delete Item",
        "count Item",
        "find Item",
        "call echo",
    ];
    assert_eq!(log, expected);
}

#[tokio::test]
async fn an_error_of_the_server_can_be_caught_and_is_told_as_it_is() {
    let text = r#"fn f(request) { try { run("refuse") } catch (e) { return `${e.code} ${e.message}`; } }"#;
    assert_eq!(call(text, map! {}).await.unwrap(), "9001 No.".into());
    let error = call(r#"fn f(request) { try { run("refuse") } catch (e) { throw e; } }"#, map! {}).await.unwrap_err();
    assert_eq!((error.number(), &*error.message), (Some(9001), "No."));
    let error = call(r#"fn f(request) { run("refuse") }"#, map! {}).await.unwrap_err();
    assert_eq!((error.number(), &*error.message), (Some(9001), "No."));
}

#[tokio::test]
async fn a_push_is_handed_on_with_the_rights_that_are_asked_for() {
    let server = Server::default();
    let text = r#"fn f(request) {
        let body = #{ channels: ["a"], data: #{ alert: "hi" } };
        [send_push(body), send_push(body, #{ useMasterKey: true })]
    }"#;
    let answer = call_on(&server, text, map! {}).await.unwrap();
    assert_eq!(answer, Value::Array(vec!["status".into(), "status".into()]));
    let told = r#"push {"channels":["a"],"data":{"alert":"hi"}}"#;
    assert_eq!(server.state().log, [told.to_owned(), format!("{told} as master")]);
}

#[tokio::test]
async fn http_reaches_the_hosts_that_are_allowed() {
    let text = r#"fn f(request) {
        let one = http("https://api.example.com/a?b=1");
        let two = http(#{ method: "post", url: "http://api.example.com/c", headers: #{ "X-A": "1" }, body: #{ a: [1, 2] } });
        [one.status, one.data.url, two.data.method, two.data.length, two.headers["x-seen"], two.text.contains("POST")]
    }"#;
    let answer = call(text, map! {}).await.unwrap();
    let expected: Vec<Value> =
        vec![200.into(), "https://api.example.com/a?b=1".into(), "POST".into(), 11.into(), "2".into(), true.into()];
    assert_eq!(answer, Value::Array(expected));
    let rehearsed = registry(&[script("functions", text)], Effects::None);
    let call = Call {
        function: "f".into(),
        params: map! {},
        response: Response::default(),
        origin: origin(&Server::default()),
    };
    assert_eq!(&*run(&rehearsed, "f", call).await.unwrap_err().message, "In a dry run nothing is sent.");
}

#[tokio::test]
async fn a_letter_is_sent_unless_it_is_none() {
    let server = Server::default();
    let text = r#"fn f(request) { mail(#{ to: ["a@x", "b@x"], subject: "s", text: "t" }); () }"#;
    call_on(&server, text, map! {}).await.unwrap();
    assert_eq!(server.state().log, ["mail a@x b@x about \"s\""]);
    let error = call_on(&server, "fn f(request) { mail(#{ subject: 1 }); () }", map! {}).await.unwrap_err();
    assert_eq!(&*error.message, "An e-mail's subject must be text.");
    let rehearsed = registry(&[script("functions", text)], Effects::None);
    let call = Call { function: "f".into(), params: map! {}, response: Response::default(), origin: origin(&server) };
    assert_eq!(&*run(&rehearsed, "f", call).await.unwrap_err().message, "In a dry run nothing is sent.");
}

#[tokio::test]
async fn a_notification_is_for_one_user() {
    let server = Server::default();
    call_on(&server, r#"fn f(request) { notify(#{ user: request.user, title: "Hello" }); () }"#, map! {})
        .await
        .unwrap();
    let state = server.state();
    assert_eq!(state.log, ["save Notification as master"]);
    let acl = state.objects[0].fields.get("ACL").cloned();
    assert_eq!(acl, Some(map! { "ann" => map! { "read" => true, "write" => true } }.into()));
}

#[tokio::test]
async fn a_function_has_rules_a_status_headers_and_objects_to_answer() {
    let text = r#"
        const RULES = #{ f: #{ requireUser: true, fields: #{ n: #{ required: true, type: "Number", "default": 4 } } } };
        const TIMES = 3;
        fn f(request) {
            request.status(201);
            request.header("X-A", "b");
            log(`called by ${request.user}`);
            print("x");
            Query("Item").find()
        }
        fn g(request) { #{ n: request.params.n * global::TIMES, who: request.user.username, at: now(), name: request.functionName,
                           context: request.context.a, master: request.master, dice: random(4) } }"#;
    let server = Server::default();
    server.state().objects.push(object("Item", "i1", map! { "price" => 3 }));
    let registry = registry(&[script("functions", text)], Effects::Real);
    let request = |function: &str, response: &Response| {
        let origin = origin(&server);
        origin.context.set("a", "handed on");
        Call { function: function.into(), params: map! { "n" => 2 }, response: response.clone(), origin }
    };
    let response = Response::default();
    let answer = run(&registry, "f", request("f", &response)).await.unwrap();
    let answer = String::from_utf8(answer.0).unwrap();
    assert!(
        answer.starts_with("[{") && answer.contains(r#""price":3"#) && answer.contains(r#""className":"Item""#),
        "{answer}"
    );
    assert_eq!(response.head(), Head { status: Some(201), headers: vec![("X-A".to_owned(), "b".to_owned())] });
    let answer = run(&registry, "g", request("g", &response)).await.unwrap().to_value().unwrap();
    let expected = map! { "at" => parsimony_model::Date::from_millis(1_000), "context" => "handed on", "dice" => "rrrr",
    "master" => false, "n" => 6, "name" => "g", "who" => "ann" };
    assert_eq!(answer, Value::Object(expected));
    let mut nameless = request("f", &response);
    nameless.origin.who = Arc::default();
    assert_eq!(run(&registry, "f", nameless).await.unwrap_err().number(), Some(142));
}

#[tokio::test]
async fn a_find_is_changed_before_and_after() {
    let text = r#"
        fn before_find(request) {
            if request.context.how == "objects" { return Query("Item").find(); }
            if request.context.how == "replace" { return Query("Item").where(#{ price: #{ "$gt": 2 } }).limit(5); }
            request.query.equal_to("owner", request.user).descending("price");
        }
        fn after_find(request) {
            for item in request.objects { item.seen = true; }
            request.objects = request.objects.filter(|item| item.price > 1);
        }
        fn after_save(request) {
            if request.object.how == "answer" { return #{ own: true }; }
            if request.object.how == "changed" { request.object.more = 7; }
        }"#;
    let server = Server::default();
    server.state().objects.push(object("Item", "i1", map! { "price" => 3 }));
    let registry = registry(&[script("Item", text)], Effects::Real);
    let class = ClassName::parse("Item").unwrap();
    let before = |how: &str| {
        let origin = origin(&server);
        origin.context.set("how", how);
        BeforeFind { class: class.clone(), query: Query::new(Filter::equals("a", 1)), is_get: false, origin }
    };
    let Ok(Finding::Query(query)) = run(&registry, "Item", before("")).await else { panic!("no query") };
    assert_eq!(query.order.len(), 1);
    assert!(matches!(&query.filter, Filter::And(parts) if parts.len() == 2), "{:?}", query.filter);
    let Ok(Finding::Query(query)) = run(&registry, "Item", before("replace")).await else { panic!("no query") };
    assert_eq!(query.limit, Some(5));
    let Ok(Finding::Objects(found)) = run(&registry, "Item", before("objects")).await else { panic!("no objects") };
    assert_eq!(found.len(), 1);
    let objects = vec![object("Item", "i1", map! { "price" => 1 }), object("Item", "i2", map! { "price" => 2 })];
    let after =
        AfterFind { class: class.clone(), objects, query: Query::default(), is_get: true, origin: origin(&server) };
    let found = run(&registry, "Item", after).await.unwrap();
    assert_eq!((found.len(), found[0].get("seen")), (1, Some(&true.into())));
    let saved = |how: &str| AfterSave {
        object: Arc::new(object("Item", "i1", map! { "how" => how })),
        original: None,
        origin: origin(&server),
    };
    assert_eq!(run(&registry, "Item", saved("")).await, Ok(AfterSaved::Same));
    assert_eq!(run(&registry, "Item", saved("answer")).await, Ok(AfterSaved::Answer(map! { "own" => true })));
    let Ok(AfterSaved::Changed(changed)) = run(&registry, "Item", saved("changed")).await else { panic!("unchanged") };
    assert_eq!(changed.get("more"), Some(&7.into()));
}

struct Noting(parking_lot::Mutex<Vec<String>>);

impl RunApi for Noting {
    fn message(&self, text: String) -> parsimony_cloud::Pending<'_, ()> {
        self.0.lock().push(text);
        Box::pin(std::future::ready(Ok(())))
    }

    fn is_ending(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_job_says_how_far_it_has_come_and_may_take_its_time() {
    let text = r#"
        const PLAN = #{ clean: #{ cron: ["30 3 * * *", "0 0 * * 0"], zone: "Europe/Vienna", timeoutSeconds: 60, retries: 2 } };
        fn clean(request) {
            let n = 0;
            while n < 300000 { n += 1; }
            request.message(`${request.jobName} ${request.jobId} ${request.attempt} ${request.params.a}`);
            `done ${n}`
        }"#;
    let registry = registry(&[script("jobs", text)], Effects::Real);
    let (_, plan) = registry.job("clean").unwrap();
    assert_eq!(
        (plan.crons().count(), plan.time_max().map(|time| time.as_secs()), plan.retries_max()),
        (2, Some(60), 2)
    );
    let api = Arc::new(Noting(parking_lot::Mutex::default()));
    let job = Job {
        name: "clean".into(),
        id: parsimony_model::ObjectId::parse("j1").unwrap(),
        params: map! { "a" => 7 },
        attempt: 1,
        fence: 1,
        api: Arc::clone(&api) as Arc<dyn RunApi>,
        origin: origin(&Server::default()),
    };
    assert_eq!(run(&registry, "clean", job).await.unwrap().0.as_deref(), Some("done 300000"));
    assert_eq!(*api.0.lock(), ["clean j1 1 7"]);
}

#[tokio::test]
async fn live_queries_are_asked_of_scripts_too() {
    let class = ClassName::parse("Item").unwrap();
    let text = r#"
        fn before_subscribe(request) { request.query.equal_to("owner", request.user); }
        fn after_event(request) {
            if request.object.secret { request.sendEvent = false; return; }
            request.object.told = request.event;
            if request.original != () { request.event = "update"; }
        }"#;
    let registry = registry(
        &[
            script("Item", text),
            script("connect", "fn before_connect(request) { if request.clients > 1 { throw \"Full.\"; } }"),
        ],
        Effects::Real,
    );
    let server = Server::default();
    let query = Query::new(Filter::equals("a", 1));
    let origin = || origin(&server);
    let subscribe =
        BeforeSubscribe { class, query, watch: Vec::new(), request_id: 1.0, is_update: false, origin: origin() };
    let query = run(&registry, "Item", subscribe).await.unwrap();
    assert!(matches!(&query.filter, Filter::And(parts) if parts.len() == 2), "{:?}", query.filter);
    let event = |fields, original| AfterEvent {
        telling: Telling { event: LiveEvent::Enter, object: object("Item", "i1", fields), original },
        audience: Audience::default(),
        origin: origin(),
    };
    assert_eq!(run(&registry, "Item", event(map! { "secret" => true }, None)).await.unwrap(), None);
    let before = object("Item", "i1", map! {});
    let told = run(&registry, "Item", event(map! { "secret" => false }, Some(before))).await.unwrap().unwrap();
    assert_eq!((told.event, told.object.text("told")), (LiveEvent::Update, Some("enter")));
    for (clients, refused) in [(1, false), (2, true)] {
        let audience = Audience { clients, subscriptions: 0 };
        let connect = BeforeConnect { client: "c".to_owned(), audience, origin: origin() };
        assert_eq!(run(&registry, parsimony_cloud::CONNECT, connect).await.is_err(), refused);
    }
}
