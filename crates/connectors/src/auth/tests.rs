//! Do the adapters ask as the services want to be asked, and believe what they should?

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use parsimony_cloud::{HttpFailure, HttpRequest, HttpResponse};
use parsimony_model::clock::HandClock;
use parsimony_model::map;
use parsimony_model::value::json;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::*;

/// Answers by the URL without its query, and keeps what it was asked.
#[derive(Default)]
struct Stand {
    answers: HashMap<&'static str, (u16, &'static [u8])>,
    asked: Mutex<Vec<HttpRequest>>,
}

impl HttpClient for Stand {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, HttpFailure>> {
        let place = request.url.split('?').next().unwrap_or_default().to_owned();
        self.asked.lock().push(request);
        let (status, body) = self.answers.get(place.as_str()).copied().unwrap_or((404, b"{}"));
        let body = body.to_vec();
        Box::pin(async move { Ok(HttpResponse { status, headers: Vec::new(), body }) })
    }
}

fn options(text: &str) -> Map {
    json::read(text.as_bytes()).unwrap().as_object().unwrap().clone()
}

fn tools(http: Arc<Stand>) -> Tools {
    Tools { http, clock: Arc::new(HandClock::default()), sms: None, webhook_key: None, insecure: true }
}

/// Exchanges what is sent; gives what is stored, or the refusal, and what was asked: method, URL and body.
async fn exchange(
    name: &str,
    given: &str,
    answers: &[(&'static str, &'static str)],
    sent: &str,
) -> (Result<Map, String>, Vec<String>) {
    let answers = answers.iter().map(|(url, body)| (*url, (200, body.as_bytes()))).collect();
    let stand = Arc::new(Stand { answers, ..Stand::default() });
    let adapter = adapter(name, &options(given), &tools(Arc::clone(&stand))).unwrap().unwrap();
    let mut data = options(sent);
    let outcome = adapter.before_find(&mut data).await.map(|()| data).map_err(|error| error.message.to_string());
    let asked = stand.asked.lock();
    let shown = |request: &HttpRequest| {
        let bearer = request.headers.iter().find(|(name, _)| name == "authorization");
        let bearer = bearer.map(|(_, value)| format!(" {value}")).unwrap_or_default();
        format!("{} {}{bearer} {}", request.method, request.url, String::from_utf8_lossy(&request.body))
    };
    (outcome, asked.iter().map(shown).collect())
}

const CLIENT: &str = r#"{"clientId": "our id", "clientSecret": "ours"}"#;

const TOKEN: &str = r#"{"access_token": "t"}"#;

/// An exchange: the service, what is sent, what it answers where, what is stored, and what it is asked.
type Exchange = (&'static str, &'static str, [(&'static str, &'static str); 2], &'static str, [&'static str; 2]);

const EXCHANGES: [Exchange; 7] = [
    (
        "github",
        r#"{"code": "c"}"#,
        [("https://github.com/login/oauth/access_token", TOKEN), ("https://api.github.com/user", r#"{"id": 7}"#)],
        r#"{"access_token": "t", "id": "7"}"#,
        [
            r#"POST https://github.com/login/oauth/access_token {"grant_type":"authorization_code","code":"c","client_id":"our id","client_secret":"ours"}"#,
            "GET https://api.github.com/user Bearer t ",
        ],
    ),
    (
        "gpgames",
        r#"{"id": "a/b", "code": "c", "redirectUri": "r"}"#,
        [
            ("https://oauth2.googleapis.com/token", TOKEN),
            ("https://www.googleapis.com/games/v1/players/a%2Fb", r#"{"playerId": "a/b"}"#),
        ],
        r#"{"id": "a/b", "access_token": "t"}"#,
        [
            r#"POST https://oauth2.googleapis.com/token {"grant_type":"authorization_code","code":"c","client_id":"our id","client_secret":"ours","redirect_uri":"r"}"#,
            "GET https://www.googleapis.com/games/v1/players/a%2Fb Bearer t ",
        ],
    ),
    (
        "line",
        r#"{"code": "c", "redirect_uri": "https://r/"}"#,
        [("https://api.line.me/oauth2/v2.1/token", TOKEN), ("https://api.line.me/v2/profile", r#"{"userId": "u"}"#)],
        r#"{"access_token": "t", "id": "u"}"#,
        [
            "POST https://api.line.me/oauth2/v2.1/token grant_type=authorization_code&code=c&client_id=our+id&client_secret=ours&redirect_uri=https%3A%2F%2Fr%2F",
            "GET https://api.line.me/v2/profile Bearer t ",
        ],
    ),
    (
        "spotify",
        r#"{"code": "c", "redirect_uri": "r", "code_verifier": "v"}"#,
        [("https://accounts.spotify.com/api/token", TOKEN), ("https://api.spotify.com/v1/me", r#"{"id": "s"}"#)],
        r#"{"access_token": "t", "id": "s"}"#,
        [
            "POST https://accounts.spotify.com/api/token grant_type=authorization_code&code=c&client_id=our+id&code_verifier=v&redirect_uri=r",
            "GET https://api.spotify.com/v1/me Bearer t ",
        ],
    ),
    (
        "qq",
        r#"{"code": "c"}"#,
        [
            ("https://graph.qq.com/oauth2.0/token", "access_token=t&expires_in=5"),
            ("https://graph.qq.com/oauth2.0/me", r#"callback( {"client_id":"x","openid":"q"} );"#),
        ],
        r#"{"access_token": "t", "id": "q"}"#,
        [
            "GET https://graph.qq.com/oauth2.0/token?grant_type=authorization_code&code=c&client_id=our+id&client_secret=ours ",
            "GET https://graph.qq.com/oauth2.0/me Bearer t ",
        ],
    ),
    (
        "wechat",
        r#"{"code": "c"}"#,
        [
            ("https://api.weixin.qq.com/sns/oauth2/access_token", r#"{"access_token": "t", "openid": "w"}"#),
            ("https://api.weixin.qq.com/sns/auth", r#"{"errcode": 0, "errmsg": "ok"}"#),
        ],
        r#"{"access_token": "t", "id": "w"}"#,
        [
            "GET https://api.weixin.qq.com/sns/oauth2/access_token?appid=our+id&secret=ours&code=c&grant_type=authorization_code ",
            "GET https://api.weixin.qq.com/sns/auth?access_token=t&openid=w ",
        ],
    ),
    (
        "weibo",
        r#"{"code": "c", "redirect_uri": "r"}"#,
        [
            ("https://api.weibo.com/oauth2/access_token", TOKEN),
            ("https://api.weibo.com/oauth2/get_token_info", r#"{"uid": 12345678901}"#),
        ],
        r#"{"access_token": "t", "id": "12345678901"}"#,
        [
            "POST https://api.weibo.com/oauth2/access_token grant_type=authorization_code&code=c&client_id=our+id&client_secret=ours&redirect_uri=r",
            "POST https://api.weibo.com/oauth2/get_token_info access_token=t",
        ],
    ),
];

#[tokio::test]
async fn a_code_is_exchanged_as_each_service_wants_it() {
    for (name, sent, answers, stored, asked) in EXCHANGES {
        let (outcome, seen) = exchange(name, CLIENT, &answers, sent).await;
        assert_eq!((outcome, seen), (Ok(options(stored)), asked.map(str::to_owned).to_vec()), "{name}");
    }
}

#[tokio::test]
async fn what_a_service_refuses_or_says_of_somebody_else_is_refused() {
    let token = ("https://api.line.me/oauth2/v2.1/token", r#"{"access_token": "t"}"#);
    let profile = ("https://api.line.me/v2/profile", r#"{"userId": "u"}"#);
    let refusal = ("https://api.line.me/oauth2/v2.1/token", r#"{"error": "e", "error_description": "an old code"}"#);
    for (answers, sent, text) in [
        (vec![], r#"{"code": "c"}"#, "Line API request failed."),
        (vec![refusal], r#"{"code": "c"}"#, "an old code"),
        (vec![token], r#"{"code": "c"}"#, "Line API request failed."),
        (vec![token, profile], r#"{"code": "c", "id": "another"}"#, "Line auth is invalid for this user."),
        (vec![token, profile], r#"{"id": "u"}"#, "Line code is required."),
        // A token in the place of a code proves little, and nobody has allowed it.
        (vec![token, profile], r#"{"id": "u", "access_token": "t"}"#, "Line code is required."),
    ] {
        let (outcome, _) = exchange("line", CLIENT, &answers, sent).await;
        assert_eq!(outcome, Err(text.to_owned()), "{sent}");
    }
    let wechat =
        [("https://api.weixin.qq.com/sns/oauth2/access_token", r#"{"errcode": 40029, "errmsg": "invalid code"}"#)];
    assert_eq!(
        exchange("wechat", CLIENT, &wechat, r#"{"code": "c"}"#).await.0,
        Err("WeChat auth is invalid for this user.".to_owned())
    );
}

#[tokio::test]
async fn a_token_in_the_place_of_a_code_counts_where_it_is_allowed() {
    let insecure = r#"{"enableInsecureAuth": true}"#;
    let user = [("https://graph.microsoft.com/v1.0/me", r#"{"id": "m"}"#)];
    let (outcome, _) = exchange("microsoft", insecure, &user, r#"{"id": "m", "access_token": "t"}"#).await;
    assert_eq!(outcome, Ok(map! { "id" => "m", "access_token" => "t" }));
    for sent in [r#"{"id": "n", "access_token": "t"}"#, r#"{"access_token": "t"}"#, r#"{"id": "m"}"#] {
        let (outcome, _) = exchange("microsoft", insecure, &user, sent).await;
        assert_eq!(outcome, Err("Microsoft auth is invalid for this user.".to_owned()), "{sent}");
    }
}

#[tokio::test]
async fn a_token_alone_says_whose_it_is() {
    let insecure = r#"{"enableInsecureAuth": true, "api_key": "k", "appIds": ["a"], "appSecret": "s"}"#;
    for (name, given, answers, asked, id) in [
        (
            "janraincapture",
            r#"{"janrain_capture_host": "capture.example"}"#,
            vec![("https://capture.example/entity", r#"{"stat": "ok", "result": "u"}"#)],
            "https://capture.example/entity?access_token=t&attribute_name=uuid",
            Some("u"),
        ),
        (
            "janraincapture",
            r#"{"janrain_capture_host": "capture.example"}"#,
            vec![("https://capture.example/entity", r#"{"stat": "error", "result": "u"}"#)],
            "https://capture.example/entity?access_token=t&attribute_name=uuid",
            None,
        ),
        (
            "janrainengage",
            insecure,
            vec![("https://rpxnow.com/api/v2/auth_info", r#"{"stat": "ok", "profile": {"identifier": "i"}}"#)],
            "https://rpxnow.com/api/v2/auth_info",
            Some("i"),
        ),
        (
            "meetup",
            insecure,
            vec![("https://api.meetup.com/2/member/self", r#"{"id": 7}"#)],
            "https://api.meetup.com/2/member/self",
            Some("7"),
        ),
        (
            "phantauth",
            insecure,
            vec![("https://phantauth.net/auth/userinfo", r#"{"sub": "p"}"#)],
            "https://phantauth.net/auth/userinfo",
            Some("p"),
        ),
        (
            "vkontakte",
            insecure,
            vec![
                ("https://oauth.vk.com/access_token", TOKEN),
                ("https://api.vk.com/method/users.get", r#"{"response": [{"id": 9}]}"#),
            ],
            "https://api.vk.com/method/users.get?access_token=t&v=5.124",
            Some("9"),
        ),
    ] {
        let answers = answers.into_iter().map(|(url, body)| (url, (200, body.as_bytes()))).collect();
        let stand = Arc::new(Stand { answers, ..Stand::default() });
        let given = options(given);
        let profiles = profiles::read(&Given::new(name, &given), &tools(Arc::clone(&stand))).unwrap();
        assert_eq!(profiles.user("t").await.unwrap().as_deref(), id, "{name}");
        assert_eq!(stand.asked.lock().last().unwrap().url, asked);
    }
    let secure = Tools { insecure: false, ..tools(Arc::default()) };
    for (given, text) in [("{}", "works only with true here"), (insecure, "needs enableInsecureAuthAdapters")] {
        let told = adapter("meetup", &options(given), &secure).err().unwrap_or_default();
        assert!(told.starts_with("auth.meetup.enableInsecureAuth: ") && told.contains(text), "{told}");
    }
}

#[tokio::test]
async fn twitter_says_whose_token_it_is() {
    let keys = r#"{"consumer_key": "k", "consumer_secret": "s"}"#;
    let answer = [("https://api.twitter.com/oauth/access_token", "oauth_token=long&oauth_token_secret=x&user_id=42")];
    let (outcome, asked) = exchange("twitter", keys, &answer, r#"{"oauth_token": "t", "oauth_verifier": "v"}"#).await;
    assert_eq!(outcome, Ok(map! { "id" => "42", "auth_token" => "long" }));
    assert_eq!(asked, ["POST https://api.twitter.com/oauth/access_token oauth_token=t&oauth_verifier=v"]);
    for sent in [r#"{"id": "7", "oauth_token": "t", "oauth_verifier": "v"}"#, r#"{"id": "42", "auth_token": "long"}"#] {
        assert!(exchange("twitter", keys, &answer, sent).await.0.is_err(), "{sent}");
    }
}

/// A directory that knows one password, says that `ann` is in the group `staff`, and counts who binds.
fn directory() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap());
    let binds = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&binds);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &counted);
        }
    });
    (url, binds)
}

/// Answers what comes on a connection: each message is short enough to have a length of one byte.
fn answer(mut stream: TcpStream, binds: &AtomicUsize) {
    let mut head = [0_u8; 2];
    while stream.read_exact(&mut head).is_ok() {
        let mut body = vec![0; usize::from(head[1])];
        stream.read_exact(&mut body).unwrap();
        let (id, kind) = (body[2], body[3]);
        let contains = |text: &str| body.windows(text.len()).any(|part| part == text.as_bytes());
        let done = |kind: u8, code: u8| [0x30, 12, 2, 1, id, kind, 7, 10, 1, code, 4, 0, 4, 0].to_vec();
        let sent = match kind {
            0x60 => {
                binds.fetch_add(1, Ordering::SeqCst);
                done(0x61, if contains("uid=ann,ou=people") && contains("right") { 0 } else { 49 })
            }
            0x63 => {
                // cn=g: an entry whose cn is staff, with the type `cn` and one value.
                let entry = [
                    &[0x30, 30, 2, 1, id, 0x64, 25, 4, 4][..],
                    b"cn=g",
                    &[0x30, 17, 0x30, 15, 4, 2],
                    b"cn",
                    &[0x31, 9, 4, 7],
                    b"staff42",
                ];
                [entry.concat(), done(0x65, 0)].concat()
            }
            _ => return,
        };
        stream.write_all(&sent).unwrap();
    }
}

#[tokio::test]
async fn ghsa_863r_39r9_vfcf_and_4w46_w44m_3jq3_a_password_is_needed_and_not_kept() {
    let (url, binds) = directory();
    let given = map! { "url" => url.as_str(), "suffix" => "ou=people" };
    let directory = ldap::read(&Given::new("ldap", &given)).unwrap();
    let kept = directory.verify(&options(r#"{"id": "ann", "password": "right"}"#)).await.unwrap();
    assert_eq!(kept, map! { "id" => "ann" });
    for sent in [r#"{"id": "ann", "password": "wrong"}"#, r#"{"id": "bob", "password": "right"}"#] {
        let refused = directory.verify(&options(sent)).await.unwrap_err();
        assert_eq!(refused.message, "LDAP: Wrong username or password", "{sent}");
    }
    // What is special in a name does not change whom it names.
    assert!(directory.verify(&options(r#"{"id": "ann,ou=people", "password": "right"}"#)).await.is_err());
    let before = binds.load(Ordering::SeqCst);
    for sent in [
        r#"{"id": "ann", "password": ""}"#,
        r#"{"id": "ann"}"#,
        r#"{"id": "ann", "password": null}"#,
        r#"{"id": "ann", "password": []}"#,
        r#"{"id": "ann", "password": 0}"#,
        r#"{"id": {"$ne": 1}, "password": "right"}"#,
    ] {
        let refused = directory.verify(&options(sent)).await.unwrap_err();
        assert_eq!((refused.code, &*refused.message), (ErrorCode::ObjectNotFound, "LDAP: Wrong username or password"));
    }
    assert_eq!(binds.load(Ordering::SeqCst), before, "an empty password never reaches the directory");
}

#[tokio::test]
async fn a_directory_says_who_is_in_a_group() {
    let (url, _) = directory();
    for (group, is_in) in [("staff42", true), ("guests", false)] {
        let given = map! {
            "url" => url.as_str(), "suffix" => "ou=people", "groupCn" => group,
            "groupFilter" => "(&(uniqueMember=uid={{id}}))",
        };
        let directory = ldap::read(&Given::new("ldap", &given)).unwrap();
        let asked = directory.verify(&options(r#"{"id": "ann", "password": "right"}"#)).await;
        assert_eq!(asked.map_err(|error| error.message.to_string()).is_ok(), is_in, "{group}");
    }
}

/// A certificate as Apple answers it.
fn der(pem: &[u8]) -> &'static [u8] {
    Box::leak(CertificateDer::from_pem_slice(pem).unwrap().to_vec().into_boxed_slice())
}

#[tokio::test]
async fn ghsa_rh9j_f5f8_rvgc_game_center_signs_by_a_certificate_of_apple_that_the_authority_signed() {
    let (signer, stranger) = ("https://static.gc.apple.com/signer.cer", "https://static.gc.apple.com/stranger.cer");
    let answers = [
        ("https://authority.example/ca.pem", &include_bytes!("fixtures/authority.pem")[..]),
        (signer, der(include_bytes!("fixtures/signer.pem"))),
        (stranger, der(include_bytes!("fixtures/stranger.pem"))),
    ];
    let answers = answers.into_iter().map(|(url, body)| (url, (200, body))).collect();
    let stand = Arc::new(Stand { answers, ..Stand::default() });
    let clock = HandClock::default();
    // The certificates began later than that clock does.
    clock.advance_millis(2 * 365 * 24 * 3_600_000);
    let tools = Tools { clock: Arc::new(clock), ..tools(Arc::clone(&stand)) };
    let given = options(r#"{"bundleId": "our.game", "rootCertificateUrl": "https://authority.example/ca.pem"}"#);
    let game = game_center::read(&Given::new("gcenter", &given), &tools).unwrap();
    let key = PrivatePkcs8KeyDer::from_pem_slice(include_bytes!("fixtures/signer.key.pem")).unwrap();
    let key = ring::signature::RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let sign = |id: &str, bundle: &str, time: u64| {
        let content = [id.as_bytes(), bundle.as_bytes(), &time.to_be_bytes(), b"salt"].concat();
        let mut tag = vec![0; key.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        key.sign(&ring::signature::RSA_PKCS1_SHA256, &random, &content, &mut tag).unwrap();
        BASE64.encode(tag)
    };
    let data = |url: &str, signature: String| {
        map! {
            "id" => "G:1", "publicKeyUrl" => url, "timestamp" => 1_800_000_000_000_f64,
            "salt" => BASE64.encode("salt"), "signature" => signature,
        }
    };
    let time = 1_800_000_000_000;
    for (data, text) in [
        (data(signer, sign("G:1", "our.game", time)), None),
        (data(signer, sign("G:2", "our.game", time)), Some("Invalid signature.")),
        (data(signer, sign("G:1", "their.game", time)), Some("Invalid signature.")),
        (data(signer, sign("G:1", "our.game", time + 1)), Some("Invalid signature.")),
        (
            data(stranger, sign("G:1", "our.game", time)),
            Some("Invalid publicKeyUrl: https://static.gc.apple.com/stranger.cer"),
        ),
        (
            data("https://evil.example/signer.cer", sign("G:1", "our.game", time)),
            Some("Invalid publicKeyUrl: https://evil.example/signer.cer"),
        ),
        (map! { "id" => "G:1" }, Some("AuthData publicKeyUrl is missing.")),
    ] {
        let told = game.check(&data).await.err().map(|error| error.message.to_string());
        assert_eq!(told.as_deref(), text);
    }
    assert!(stand.asked.lock().iter().all(|request| !request.url.contains("evil")));
}

#[test]
fn options_that_cannot_be_are_told() {
    let tools = tools(Arc::default());
    for (name, given, text) in [
        ("ldap", r#"{"url": "http://x", "suffix": "s"}"#, "auth.ldap.url: this must begin with ldap:// or ldaps://."),
        ("ldap", r#"{"url": "ldaps://x", "suffix": "s"}"#, "auth.ldap.tlsOptions: this is required with ldaps://."),
        (
            "ldap",
            r#"{"url": "ldaps://x", "suffix": "s", "tlsOptions": {"ca": "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"}}"#,
            "auth.ldap.tlsOptions.ca: this is no certificate in PEM",
        ),
        ("gcenter", "{}", "auth.gcenter.bundleId: bundleId is required for secure auth."),
        ("google", r#"{"clientId": 5}"#, "auth.google.clientId: this must be a text or a list of texts."),
        (
            "google",
            r#"{"urls": {"keys": "file:///x"}}"#,
            "auth.google.urls.keys: this must begin with https:// or http://.",
        ),
        (
            "x",
            r#"{"oidc": true, "issuer": "https://x", "clientId": "c", "algorithms": ["HS256"]}"#,
            "auth.x.algorithms: HS256 is none of",
        ),
        ("twitter", "{}", "auth.twitter.consumer_key: this is required."),
    ] {
        let told = adapter(name, &options(given), &tools).err().unwrap_or_default();
        assert!(told.starts_with(text), "{name}: {told}");
    }
    assert!(adapter("nobody", &Map::default(), &tools).unwrap().is_none());
}
