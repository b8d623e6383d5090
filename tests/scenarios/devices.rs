//! Pushes: when they are sent, by whom, to how many at a time, and what cloud code has to do with it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use parsimony_cloud::{
    AfterSave, AfterSaved, Application, ParseError, PushDevice, PushMessage, PushOutcome, PushSender, Request,
};
use parsimony_model::clock::HandClock;
use parsimony_model::{Value, map};
use parsimony_testkit::{App, Client, Options, PushOptions, StoreKind};
use serde_json::{Value as Json, json};
use tokio::sync::Semaphore;

use crate::jobs::eventually;

crate::on_both_stores!(
    crate::devices::open;
    a_push_is_sent_piece_by_piece_and_counted,
    cloud_code_sends_a_push_and_sees_each_change_of_its_status,
    a_push_for_later_is_sent_when_its_time_has_come,
    a_local_time_comes_where_the_device_is,
    what_has_expired_is_not_sent,
    another_server_goes_on_when_the_first_ends,
    another_server_goes_on_when_the_first_says_nothing,
    a_server_that_lost_a_push_does_not_go_on,
    a_server_that_leaves_sending_to_others_does,
);

/// What was sent to whom, in pieces.
#[derive(Default)]
struct Post {
    sent: Mutex<Vec<(Json, Vec<String>)>>,
    /// If pieces wait: how many may pass.
    gate: Option<Semaphore>,
}

impl PushSender for Post {
    fn send<'a>(&'a self, message: &'a PushMessage, devices: &'a [PushDevice]) -> BoxFuture<'a, Vec<PushOutcome>> {
        Box::pin(async move {
            let tokens: Vec<String> = devices.iter().map(|device| device.token.clone()).collect();
            let told = serde_json::to_value(Value::Object(message.body.clone())).unwrap();
            self.sent.lock().push((told, tokens));
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            let outcome = |device: &PushDevice| {
                if device.token.starts_with("dead") {
                    PushOutcome::Failed { reason: "gone".to_owned(), gone: true }
                } else {
                    PushOutcome::Sent
                }
            };
            devices.iter().map(outcome).collect()
        })
    }
}

impl Post {
    fn gated() -> Arc<Self> {
        Arc::new(Self { gate: Some(Semaphore::new(0)), ..Self::default() })
    }

    fn let_pass(&self, pieces: usize) {
        self.gate.as_ref().unwrap().add_permits(pieces);
    }

    /// The sizes of the pieces.
    fn pieces(&self) -> Vec<usize> {
        self.sent.lock().iter().map(|(_, tokens)| tokens.len()).collect()
    }

    fn tokens(&self) -> Vec<String> {
        self.sent.lock().iter().flat_map(|(_, tokens)| tokens.clone()).collect()
    }
}

/// A server that leaves sending to others.
struct Site {
    app: App,
    clock: Arc<HandClock>,
    post: Arc<Post>,
    statuses: Arc<Mutex<Vec<String>>>,
}

fn options(post: &Arc<Post>) -> impl FnOnce(&mut Options) + use<> {
    let sender = Arc::clone(post) as Arc<dyn PushSender>;
    |options| {
        options.limits.push_tick = Duration::from_millis(10);
        options.limits.push_lease = Duration::from_millis(300);
        options.limits.job_stop_time_max = Duration::from_secs(5);
        options.push =
            Some(PushOptions { scheduled: true, batch_devices: 3, cleans_up: true, ..PushOptions::new(sender) });
    }
}

fn application(statuses: &Arc<Mutex<Vec<String>>>) -> Application {
    let statuses = Arc::clone(statuses);
    Application::new("news")
        .define("tell", parsimony_cloud::Rules::none(), |request: Request<serde_json::Map<String, Json>>| async move {
            let body = map! { "channels" => vec!["news"], "data" => map! { "alert" => "hi" } };
            let refused = request.host.push(body.clone()).await.unwrap_err();
            let id = request.host.as_master().push(body).await?;
            Ok::<_, ParseError>(json!([refused.message, id.as_str()]))
        })
        .after_save("_PushStatus", move |request: AfterSave| {
            let status = request.object.text("status").unwrap_or_default().to_owned();
            statuses.lock().push(status);
            async { Ok::<_, ParseError>(AfterSaved::Same) }
        })
}

async fn open(store: StoreKind) -> Site {
    let (clock, statuses, post): (Arc<HandClock>, _, Arc<Post>) = Default::default();
    let own = options(&post);
    let app = App::start_by(Arc::clone(&clock) as _, store, [application(&statuses)], |options: &mut Options| {
        own(options);
        options.push.as_mut().unwrap().sends = false;
    });
    Site { app: app.await, clock, post, statuses }
}

impl Site {
    fn master(&self) -> Client {
        self.app.as_master()
    }

    async fn device(&self, token: &str, more: Json) {
        let mut body = json!({ "deviceType": "ios", "deviceToken": token, "installationId": token });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(self.app.post("/installations", body).await.status, 201);
    }

    async fn devices(&self, count: usize) {
        for number in 0..count {
            self.device(&format!("t{number}"), json!({ "channels": ["news"] })).await;
        }
    }

    async fn push(&self, body: Json) -> String {
        let seen = self.master().post("/push", body).await;
        assert_eq!((seen.status, &seen.body), (200, &json!({ "result": true })));
        seen.headers["x-parse-push-status-id"].to_str().unwrap().to_owned()
    }

    async fn status(&self, id: &str) -> Json {
        self.master().get(&format!("/classes/_PushStatus/{id}")).await.body
    }

    async fn ended(&self, id: &str) -> Json {
        eventually("the push ends", async || {
            Some(self.status(id).await)
                .filter(|status| ["succeeded", "failed"].contains(&status["status"].as_str().unwrap()))
        })
        .await
    }

    /// Starts a server that sends.
    async fn sends(&self, post: &Arc<Post>) -> App {
        self.app.beside([application(&self.statuses)], options(post)).await.unwrap()
    }

    /// A push of which the first piece is on its way and waits, and the server that sends it.
    async fn under_way(&self, post: &Arc<Post>) -> (App, String) {
        self.devices(9).await;
        let first = self.sends(post).await;
        let id = self.push(news()).await;
        eventually("the first piece is on its way", async || (post.pieces().len() == 1).then_some(())).await;
        (first, id)
    }
}

fn news() -> Json {
    json!({ "channels": ["news"], "data": { "alert": "hi" } })
}

async fn a_push_is_sent_piece_by_piece_and_counted(site: Site) {
    let _sender = site.sends(&site.post).await;
    site.devices(7).await;
    site.device("dead", json!({ "channels": ["news"] })).await;
    let id = site.push(news()).await;
    let status = site.ended(&id).await;
    assert_eq!(site.post.pieces(), [3, 3, 2]);
    assert_eq!((&status["numSent"], &status["numFailed"], &status["count"]), (&json!(7), &json!(1), &Json::Null));
    assert_eq!((&status["sentPerType"], &status["failedPerType"]), (&json!({ "ios": 7 }), &json!({ "ios": 1 })));
    let left = site.master().get("/installations?where={\"installationId\":\"dead\"}").await;
    assert_eq!(left.results()[0]["deviceToken"], Json::Null);
    eventually("nothing is left to do", async || {
        site.master().get("/classes/_PushWork").await.results().is_empty().then_some(())
    })
    .await;
}

async fn cloud_code_sends_a_push_and_sees_each_change_of_its_status(site: Site) {
    let _sender = site.sends(&site.post).await;
    site.devices(2).await;
    let told = site.app.post("/functions/tell", json!({})).await.body;
    assert_eq!(told["result"][0], "Permission denied");
    let status = site.ended(told["result"][1].as_str().unwrap()).await;
    assert_eq!(status["numSent"], 2);
    assert_eq!(*site.statuses.lock(), ["pending", "running", "succeeded"]);
}

async fn a_push_for_later_is_sent_when_its_time_has_come(site: Site) {
    let _sender = site.sends(&site.post).await;
    site.devices(1).await;
    let mut body = news();
    body["push_time"] = "2026-01-08T00:00:00Z".into();
    body["expiration_interval"] = 60.into();
    let id = site.push(body).await;
    site.clock.advance_millis(7 * 24 * 3_600_000 - 1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((site.status(&id).await["status"].clone(), site.post.pieces().len()), (json!("scheduled"), 0));
    site.clock.advance_millis(1);
    assert_eq!(site.ended(&id).await["status"], "succeeded");
    let (told, tokens) = site.post.sent.lock()[0].clone();
    assert_eq!((told["expiration_time"].as_f64(), tokens), (Some(1_767_830_460_000.0), vec!["t0".to_owned()]));
}

async fn a_local_time_comes_where_the_device_is(site: Site) {
    let _sender = site.sends(&site.post).await;
    for (token, zone) in [
        ("auckland", json!("Pacific/Auckland")),
        ("vienna", json!("Europe/Vienna")),
        ("none", Json::Null),
        ("odd", json!("Mars/Base")),
    ] {
        site.device(token, json!({ "timeZone": zone, "channels": ["news"] })).await;
    }
    let mut body = news();
    body["push_time"] = "2026-01-02T12:00".into();
    let id = site.push(body).await;
    // The clock stands at midnight of the first of January, in UTC.
    let hour = 3_600_000;
    let mut now = 0;
    for (hours, expected) in
        [(22, vec![]), (23, vec!["auckland"]), (34, vec!["auckland"]), (35, vec!["auckland", "vienna"])]
    {
        site.clock.advance_millis((hours - now) * hour);
        now = hours;
        eventually("the devices are told", async || (site.post.tokens().len() == expected.len()).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(site.post.tokens(), expected, "after {hours} hours");
    }
    site.clock.advance_millis(hour);
    eventually("those without a zone are told", async || (site.post.tokens().len() == 4).then_some(())).await;
    assert_eq!(site.status(&id).await["status"], "running");
    site.clock.advance_millis(12 * hour);
    let status = site.ended(&id).await;
    assert_eq!((&status["status"], &status["numSent"]), (&json!("succeeded"), &json!(4)));
    assert_eq!(status["sentPerUTCOffset"], json!({ "13": 1, "1": 1, "0": 2 }));
}

async fn what_has_expired_is_not_sent(site: Site) {
    let _sender = site.sends(&site.post).await;
    site.devices(2).await;
    let mut body = news();
    body["push_time"] = "2026-01-02T00:00:00Z".into();
    body["expiration_time"] = "2026-01-03T00:00:00Z".into();
    let id = site.push(body).await;
    site.clock.advance_millis(3 * 24 * 3_600_000);
    let status = site.ended(&id).await;
    assert_eq!((&status["status"], site.post.pieces().len()), (&json!("failed"), 0));
    assert_eq!(status["errorMessage"]["message"], "The push expired before it was sent to everybody.");
}

async fn another_server_goes_on_when_the_first_ends(site: Site) {
    let post = Post::gated();
    let (mut first, id) = site.under_way(&post).await;
    post.let_pass(1);
    eventually("the second piece is on its way", async || (post.pieces().len() == 2).then_some(())).await;
    let ((), ()) = tokio::join!(first.stop(), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        post.let_pass(1);
    });
    let second = site.sends(&site.post).await;
    assert_eq!(site.ended(&id).await["numSent"], 9);
    assert_eq!((post.pieces(), site.post.pieces()), (vec![3, 3], vec![3]));
    let mut all = [post.tokens(), site.post.tokens()].concat();
    all.sort();
    assert_eq!(all, (0..9).map(|number| format!("t{number}")).collect::<Vec<_>>(), "each device is told once");
    drop(second);
}

/// As if the server of a push had been killed: what it sends is not noted, and it says nothing any more.
async fn lose(site: &Site, id: &str) {
    let lost = site.master().put(&format!("/classes/_PushWork/{id}"), json!({ "owner": "nobody" })).await;
    assert_eq!(lost.status, 200, "{}", lost.body);
}

async fn another_server_goes_on_when_the_first_says_nothing(site: Site) {
    let post = Post::gated();
    let (first, id) = site.under_way(&post).await;
    let second = site.sends(&site.post).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(site.post.pieces(), [0; 0], "the first server is there");
    lose(&site, &id).await;
    site.clock.advance_millis(10_000);
    assert_eq!(site.ended(&id).await["numSent"], 9);
    assert_eq!((post.pieces(), site.post.pieces()), (vec![3], vec![3, 3, 3]), "one piece is sent again, and no more");
    drop((first, second));
}

async fn a_server_that_lost_a_push_does_not_go_on(site: Site) {
    let post = Post::gated();
    let (first, id) = site.under_way(&post).await;
    lose(&site, &id).await;
    post.let_pass(10);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(post.pieces(), [3]);
    assert_eq!(site.status(&id).await["status"], "running");
    drop(first);
}

async fn a_server_that_leaves_sending_to_others_does(site: Site) {
    site.devices(4).await;
    let id = site.push(news()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((site.status(&id).await["status"].clone(), site.post.pieces().len()), (json!("pending"), 0));
    let sender = site.sends(&site.post).await;
    assert_eq!(site.ended(&id).await["numSent"], 4);
    assert_eq!(site.post.pieces(), [3, 1]);
    drop(sender);
}
