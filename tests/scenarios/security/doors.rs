//! Attacks at the door: keys from the wrong place, addresses that are only said, methods and pages that are spelled oddly, limits
//! that are walked around.

use std::sync::Arc;

use parsimony_server::{Config, Parts, Running, Sources};
use parsimony_testkit::{StoreKind, fresh};
use reqwest::{Method, Response};
use serde_json::{Value, json};

crate::on_both_stores!(
    crate::security::doors::kind;
    ghsa_vm5r_c87r_pf6x_an_address_that_is_only_said_opens_nothing,
    ghsa_xfh7_phr7_gr2x_a_key_that_reads_stores_and_deletes_no_files,
    pull_10115_a_key_that_reads_may_be_bound_to_addresses,
    a_maintenance_key_from_elsewhere_is_refused,
    ghsa_jhgf_2h8h_ggxv_pages_show_nothing_that_runs,
    pull_10242_a_language_is_a_language,
    pull_10212_a_token_is_a_text,
    pull_10262_a_method_is_spelled_once,
    ghsa_4jj8_x76w_v7h7_and_jmvh_84q9_vvrc_tokens_that_are_made_up_are_one_address,
    pull_10349_logins_in_a_batch_are_counted_by_the_address,
    pull_10664_an_address_that_a_proxy_tells_is_not_this_machine,
);

async fn kind(kind: StoreKind) -> StoreKind {
    kind
}

/// A server as an administrator starts it.
struct Server {
    running: Running,
    _data: Option<tempfile::TempDir>,
}

impl Server {
    async fn start(kind: StoreKind, options: Value) -> Self {
        let (store, data) = fresh(kind).await;
        let mut all = json!({
            "appId": "app", "masterKey": "master", "host": "127.0.0.1", "port": 0, "appName": "Shop",
            "publicServerURL": "http://127.0.0.1:1/parse",
        });
        for (name, value) in options.as_object().unwrap() {
            all[name] = value.clone();
        }
        let file = Some(("test".to_owned(), all.to_string()));
        let config = Config::read(Sources { file, ..Sources::default() }).unwrap();
        let parts = Parts { store: Some(Arc::clone(&store)), ..Parts::default() };
        Self { running: parsimony_server::start(config, [], parts).await.unwrap(), _data: data }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Response {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = reqwest::Client::new().request(method, format!("{}{path}", self.running.url));
        request = request.header("X-Parse-Application-Id", "app");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.unwrap()
    }

    /// A page, as a browser asks for it.
    async fn page(&self, path: &str) -> (u16, String) {
        let answer = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let answer = answer.get(format!("{}/apps/{path}", self.running.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

const MASTER: (&str, &str) = ("X-Parse-Master-Key", "master");

async fn ghsa_vm5r_c87r_pf6x_an_address_that_is_only_said_opens_nothing(kind: StoreKind) {
    let server = Server::start(kind, json!({"masterKeyIps": ["10.9.9.9"]})).await;
    for header in ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "X-Client-IP"] {
        for said in ["10.9.9.9", "for=10.9.9.9", "127.0.0.1, 10.9.9.9"] {
            let answer = server.ask("GET", "/schemas", &[MASTER, (header, said)], None).await;
            assert_eq!(answer.status(), 403, "{header}: {said}");
            assert_eq!(answer.json::<Value>().await.unwrap(), json!({"error": "unauthorized"}));
        }
    }
    // Behind one proxy, what that one says counts, and nothing that was there before.
    let server = Server::start(kind, json!({"masterKeyIps": ["10.9.9.9"], "trustProxy": 1})).await;
    for (said, status) in [("10.9.9.9", 200), ("1.1.1.1, 10.9.9.9", 200), ("10.9.9.9, 1.1.1.1", 403), ("", 403)] {
        let answer = server.ask("GET", "/schemas", &[MASTER, ("X-Forwarded-For", said)], None).await;
        assert_eq!(answer.status(), status, "{said}");
    }
}

async fn ghsa_xfh7_phr7_gr2x_a_key_that_reads_stores_and_deletes_no_files(kind: StoreKind) {
    let server =
        Server::start(kind, json!({"readOnlyMasterKey": "reader", "fileUpload": {"enableForPublic": true}})).await;
    let reader = ("X-Parse-Master-Key", "reader");
    let stored = server.ask("POST", "/files/a.txt", &[("Content-Type", "text/plain")], None).await;
    let name = stored.json::<Value>().await.unwrap()["name"].as_str().unwrap_or("a.txt").to_owned();
    let refused = server.ask("POST", "/files/a.txt", &[reader, ("Content-Type", "text/plain")], None).await;
    assert_eq!(refused.status(), 403, "{}", refused.text().await.unwrap());
    let refused = server.ask("DELETE", &format!("/files/{name}"), &[reader], None).await;
    assert_eq!(refused.status(), 403, "{}", refused.text().await.unwrap());
}

async fn pull_10115_a_key_that_reads_may_be_bound_to_addresses(kind: StoreKind) {
    let reader = ("X-Parse-Master-Key", "reader");
    for (addresses, status) in [(json!(["10.9.9.9"]), 403), (json!([]), 403), (json!(["127.0.0.1"]), 200)] {
        let options = json!({"readOnlyMasterKey": "reader", "readOnlyMasterKeyIps": addresses});
        let server = Server::start(kind, options).await;
        assert_eq!(server.ask("GET", "/schemas", &[reader], None).await.status(), status, "{addresses}");
    }
}

/// No id: Parse Server 9.8 refuses what it let go on as a plain client.
async fn a_maintenance_key_from_elsewhere_is_refused(kind: StoreKind) {
    let options = json!({"maintenanceKey": "keeper", "maintenanceKeyIps": ["10.9.9.9"]});
    let server = Server::start(kind, options).await;
    let answer = server.ask("GET", "/classes/A", &[("X-Parse-Maintenance-Key", "keeper")], None).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"error": "unauthorized"}));
}

/// Every page that takes parameters.
const PAGES: [&str; 8] = [
    "app/verify_email",
    "app/request_password_reset",
    "app/resend_verification_email",
    "app/choose_password",
    "choose_password",
    "app/email_verification_link_invalid.html",
    "app/password_reset_link_invalid.html",
    "app/password_reset.html",
];

async fn ghsa_jhgf_2h8h_ggxv_pages_show_nothing_that_runs(kind: StoreKind) {
    let server = Server::start(kind, json!({})).await;
    let attack = "%22%3E%27%3Cscript%3Ealert(1)%3C/script%3E";
    for page in PAGES {
        for parameter in
            ["token", "username", "locale", "appId", "appName", "error", "publicServerUrl", "id", "link", "x"]
        {
            let (status, text) = server.page(&format!("{page}?{parameter}={attack}&appId=app")).await;
            assert!(status < 500, "{page} {parameter}: {status}");
            assert!(!text.contains("<script>alert"), "{page} {parameter}: {text}");
            assert!(!text.contains("\">'"), "{page} {parameter}: {text}");
        }
    }
}

async fn pull_10242_a_language_is_a_language(kind: StoreKind) {
    let server = Server::start(kind, json!({})).await;
    let plain = server.page("app/verify_email?token=x").await;
    let long = "x".repeat(10_000);
    for locale in ["..%2f..%2fetc", "../../x", "e", "en_US", "%00", "d%C3%A9", &long] {
        assert_eq!(server.page(&format!("app/verify_email?token=x&locale={locale}")).await, plain, "{locale}");
    }
    assert_eq!(server.page("app/verify_email?token=x&locale[]=de&locale[]=..").await, plain);
    assert_ne!(server.page("app/verify_email?token=x&locale=de").await, plain, "there is a page in German");
}

async fn pull_10212_a_token_is_a_text(kind: StoreKind) {
    let server = Server::start(kind, json!({"verifyUserEmails": false})).await;
    for page in ["app/verify_email", "app/request_password_reset"] {
        let invalid = server.page(&format!("{page}?token=nobody")).await;
        for token in ["token[]=a", "token[a]=b", "token[]=a&token[]=b", "token[$ne]=x"] {
            let seen = server.page(&format!("{page}?{token}")).await;
            assert!(seen.0 < 500, "{page} {token}: {}", seen.0);
            assert_eq!(seen.0, invalid.0, "{page} {token}: {}", seen.1);
        }
    }
}

async fn pull_10262_a_method_is_spelled_once(kind: StoreKind) {
    let server = Server::start(kind, json!({"allowClientClassCreation": true})).await;
    let made = server.ask("POST", "/classes/A", &[], Some(&json!({"n": 1}))).await;
    assert_eq!(made.status(), 201);
    for method in
        [json!("get"), json!("Get"), json!("gEt"), json!("GET "), json!({}), json!("CONNECT"), json!("X"), json!(1)]
    {
        let answer = server.ask("POST", "/classes/A", &[], Some(&json!({"_method": method, "n": 2}))).await;
        let (status, body) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
        let found = status == 200 && body["results"].is_array();
        let made = status == 201 && !method.is_string();
        assert!(found || made || (400..500).contains(&status), "{method}: {status} {body}");
    }
    // None of them deleted or changed what there was.
    let all = server.ask("GET", "/classes/A?where=%7B%22n%22%3A1%7D", &[], None).await.json::<Value>().await.unwrap();
    assert_eq!(all["results"].as_array().unwrap().len(), 1, "{all}");
}

/// So many requests of one user.
fn limited(path: &str, more: &Value) -> Value {
    let mut limit = json!({
        "requestPath": path, "requestTimeWindow": 3_600_000, "requestCount": 3, "zone": "user", "includeInternalRequests": true,
    });
    for (name, value) in more.as_object().unwrap() {
        limit[name] = value.clone();
    }
    json!({ "rateLimit": limit, "parsimony": { "rateLimitCounts": "database" } })
}

async fn ghsa_4jj8_x76w_v7h7_and_jmvh_84q9_vvrc_tokens_that_are_made_up_are_one_address(kind: StoreKind) {
    let server = Server::start(kind, limited("/classes/*path", &json!({}))).await;
    let mut refused = 0;
    for number in 0..10 {
        let token = format!("r:{number:032x}");
        let answer = server.ask("GET", "/classes/A", &[("X-Parse-Session-Token", &token)], None).await;
        refused += usize::from(answer.status() == 429);
    }
    assert_eq!(refused, 7);
    let part = json!({"method": "GET", "path": "/parse/classes/A", "body": {}});
    let batch = server.ask("POST", "/batch", &[], Some(&json!({ "requests": [part] }))).await;
    assert_eq!(batch.json::<Value>().await.unwrap()["code"], 100, "the batch is counted with the address, too");
}

async fn pull_10349_logins_in_a_batch_are_counted_by_the_address(kind: StoreKind) {
    let server = Server::start(kind, limited("/login", &json!({}))).await;
    let mut refused = 0;
    for number in 0..6 {
        let body = json!({"username": format!("user{number}"), "password": "secret"});
        let token = server.ask("POST", "/users", &[], Some(&body)).await.json::<Value>().await.unwrap();
        let token = token["sessionToken"].as_str().unwrap().to_owned();
        let part =
            json!({"method": "POST", "path": "/parse/login", "body": {"username": "user0", "password": "guess"}});
        let requests = json!({ "requests": [part] });
        let answer = server.ask("POST", "/batch", &[("X-Parse-Session-Token", &token)], Some(&requests)).await;
        refused += usize::from(answer.json::<Value>().await.unwrap()["code"] == 100);
    }
    assert_eq!(refused, 3);
}

async fn pull_10664_an_address_that_a_proxy_tells_is_not_this_machine(kind: StoreKind) {
    let more = json!({"zone": "ip", "includeInternalRequests": false});
    for (trusted, said) in [(json!(1), "127.0.0.1, 8.8.8.8"), (json!(1), "127.0.0.1"), (json!(true), "127.0.0.1")] {
        let mut options = limited("/functions/f", &more);
        options["trustProxy"] = trusted;
        let server = Server::start(kind, options).await;
        let mut refused = 0;
        for _ in 0..10 {
            let headers = [("X-Forwarded-For", said)];
            let answer = server.ask("POST", "/functions/f", &headers, Some(&json!({}))).await;
            refused += usize::from(answer.status() == 429);
        }
        assert_eq!(refused, 7, "{said}");
        // This machine itself is not counted.
        for _ in 0..5 {
            let answer = server.ask("POST", "/functions/f", &[], Some(&json!({}))).await;
            assert_eq!(answer.status(), 400);
        }
    }
}
