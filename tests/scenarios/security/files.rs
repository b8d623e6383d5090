//! Attacks by files: names that break out or break the server, pages that pass for pictures, content that is fetched from inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parsimony_cloud::{AfterFindFile, Application, BeforeFindFile, ErrorCode, ParseError};
use parsimony_testkit::{App, Client, Options, Seen, StoreKind};
use serde_json::{Value, json};

use super::is_well;
use crate::webhooks::Elsewhere;

crate::on_both_stores!(
    crate::security::files::open;
    ghsa_xw6g_jjvf_wwf9_a_name_that_cannot_be_finds_nothing,
    ghsa_792q_q67h_w579_a_name_without_extension_breaks_nothing,
    pull_8754_the_last_dot_decides,
    ghsa_hcj7_6gxh_24ww_a_picture_with_scripts_is_refused,
    ghsa_42ph_pf9q_cr72_parameters_do_not_hide_a_type,
    ghsa_vr5f_2r24_w5hc_a_known_extension_decides_the_type,
    ghsa_v8x7_r927_cc93_an_unknown_extension_leaves_the_type_to_judge,
    ghsa_x4qj_2f4q_r4rx_nothing_is_fetched_for_a_client,
    ghsa_hwx8_q9cg_mqmc_what_a_hook_hides_has_no_metadata_either,
    a_form_is_as_long_as_it_is_on_the_wire,
);

/// An app to which everybody may bring files, and whose hooks hide them when they are told to.
struct Site {
    app: App,
    hides_before: Arc<AtomicBool>,
    hides_after: Arc<AtomicBool>,
}

async fn open(store: StoreKind) -> Site {
    let (hides_before, hides_after) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let (before, after) = (Arc::clone(&hides_before), Arc::clone(&hides_after));
    let hidden = || ParseError::new(ErrorCode::OperationForbidden, "It is hidden.");
    let application = Application::new("files")
        .before_find_file(move |request: BeforeFindFile| {
            let hides = before.load(Ordering::SeqCst);
            async move { if hides { Err(hidden()) } else { Ok(request.file) } }
        })
        .after_find_file(move |request: AfterFindFile| {
            let hides = after.load(Ordering::SeqCst);
            async move {
                let found =
                    parsimony_cloud::FoundFile { file: request.file, force_download: false, headers: request.headers };
                if hides { Err(hidden()) } else { Ok(found) }
            }
        });
    let options = |options: &mut Options| {
        options.files.upload.public = true;
        options.allow_client_class_creation = true;
        "http://files.example/".clone_into(&mut options.files_url);
    };
    Site { app: App::start_with(store, [application], options).await, hides_before, hides_after }
}

impl Site {
    async fn send(&self, name: &str, kind: Option<&str>, content: &str) -> Seen {
        let headers: Vec<_> = kind.map(|kind| ("Content-Type", kind)).into_iter().collect();
        self.app.ask_raw("POST", &format!("/files/{name}"), &headers, content.into()).await.unwrap()
    }

    async fn read(&self, path: &str) -> Option<Seen> {
        self.app.as_nobody().ask_raw("GET", &format!("/files/{path}"), &[], Vec::new()).await
    }
}

fn refused(seen: &Seen, what: &str) {
    assert_eq!((seen.status, seen.code()), (400, 130), "{what}: {}", seen.body);
}

async fn ghsa_xw6g_jjvf_wwf9_a_name_that_cannot_be_finds_nothing(site: Site) {
    let long = format!("invalid-id/{}.txt", "x".repeat(10_000));
    for path in [
        "invalid-id/x.txt",
        "invalid-id//a/%20/x.txt",
        "invalid-id/metadata/x.txt",
        "invalid-id/%00",
        "invalid-id/..%2f..%2fetc%2fpasswd",
        "invalid-id/%ff",
        "scenarios/..%2f..%2fetc%2fpasswd",
        "scenarios/%00",
        "scenarios/%ff",
        "scenarios/metadata/",
        &long,
    ] {
        if let Some(seen) = site.read(path).await {
            assert!((200..500).contains(&seen.status), "{path}: {}", seen.status);
            let is_empty = seen.body == json!({"metadata": {}}) || seen.body == json!({});
            assert!(seen.status >= 400 || is_empty, "{path}: {}", seen.body);
        }
    }
    is_well(&site.app).await;
}

async fn ghsa_792q_q67h_w579_a_name_without_extension_breaks_nothing(site: Site) {
    for (kind, content) in
        [(None, "x"), (Some("text/plain"), "x"), (Some("image/png"), "x"), (Some(""), "x"), (None, "")]
    {
        let seen = site.send("noextension", kind, content).await;
        assert!(seen.status == 201 || seen.code() == 130, "{kind:?}: {} {}", seen.status, seen.body);
    }
    is_well(&site.app).await;
}

async fn pull_8754_the_last_dot_decides(site: Site) {
    refused(&site.send("a.txt.html", Some("text/plain"), "x").await, "a.txt.html");
    refused(&site.send("a.png.html", Some("image/png"), "x").await, "a.png.html");
    let seen = site.send("a.html.txt", Some("text/html"), "<script>").await;
    assert_eq!(seen.status, 201, "{}", seen.body);
    let seen = site.read(&format!("scenarios/{}", seen.body["name"].as_str().unwrap())).await.unwrap();
    assert!(seen.headers["content-type"].to_str().unwrap().starts_with("text/plain"), "{:?}", seen.headers);
    assert_eq!(seen.headers["x-content-type-options"], "nosniff");
}

async fn ghsa_hcj7_6gxh_24ww_a_picture_with_scripts_is_refused(site: Site) {
    for name in ["a.svg", "a.SVG", "a.Svg", "a.svgz"] {
        refused(&site.send(name, Some("image/png"), "<svg/>").await, name);
    }
    refused(&site.send("a", Some("image/svg+xml"), "<svg/>").await, "a");
}

async fn ghsa_42ph_pf9q_cr72_parameters_do_not_hide_a_type(site: Site) {
    for kind in ["xhtml+xml", "xml", "xslt+xml", "rdf+xml", "mathml+xml", "xslt", "owl"] {
        for parameter in [";charset=utf-8", " ; charset=utf-8", "\t;charset=utf-8", ";", ""] {
            let kind = format!("application/{kind}{parameter}");
            refused(&site.send("noextension", Some(&kind), "x").await, &kind);
        }
    }
    for kind in ["image/svg+xml;charset=utf-8", "text/html;charset=utf-8", "TEXT/HTML ;a=b"] {
        refused(&site.send("noextension", Some(kind), "x").await, kind);
    }
    for extension in ["xsd", "rng", "rdf", "owl", "mathml", "xht", "shtml"] {
        refused(&site.send(&format!("a.{extension}"), None, "x").await, extension);
    }
}

async fn ghsa_vr5f_2r24_w5hc_a_known_extension_decides_the_type(site: Site) {
    let body =
        json!({"_ApplicationId": "scenarios", "_ContentType": "text/html", "base64": "PHNjcmlwdD4="}).to_string();
    let headers = [("Content-Type", "text/plain")];
    let sent = site.app.as_nobody().ask_raw("POST", "/files/a.txt", &headers, body.into_bytes()).await.unwrap();
    for seen in [site.send("a.txt", Some("text/html"), "<script>").await, sent] {
        assert_eq!(seen.status, 201, "{}", seen.body);
        let shown = site.read(&format!("scenarios/{}", seen.body["name"].as_str().unwrap())).await.unwrap();
        assert_eq!(shown.body, json!("<script>"));
        assert!(shown.headers["content-type"].to_str().unwrap().starts_with("text/plain"), "{:?}", shown.headers);
    }
}

async fn ghsa_v8x7_r927_cc93_an_unknown_extension_leaves_the_type_to_judge(site: Site) {
    for name in ["x.foo", "x.zzz", "x.xhtm"] {
        for kind in ["text/html", "image/svg+xml"] {
            refused(&site.send(name, Some(kind), "x").await, name);
        }
    }
    for name in ["x.foo", "x.zzz"] {
        assert_eq!(site.send(name, Some("application/vnd.api+json"), "{}").await.status, 201, "{name}");
    }
}

async fn ghsa_x4qj_2f4q_r4rx_nothing_is_fetched_for_a_client(site: Site) {
    let inside = Elsewhere::start(|_path, _body| Some(json!({}))).await;
    for key in ["uri", "url", "source", "__source", "_source"] {
        for value in [json!(inside.url), json!({"format": "uri", "uri": inside.url, "url": inside.url})] {
            let body = json!({"_ApplicationId": "scenarios", "_ContentType": "text/plain", key: value});
            let headers = [("Content-Type", "text/plain")];
            let client: Client = site.app.as_nobody();
            client.ask_raw("POST", "/files/a.txt", &headers, body.to_string().into_bytes()).await.unwrap();
            let file = json!({"__type": "File", "name": "a.txt", key: value});
            site.app.post("/classes/Holder", json!({ "file": file })).await;
        }
    }
    assert_eq!(inside.asked_paths(), Vec::<String>::new());
    is_well(&site.app).await;
}

async fn ghsa_hwx8_q9cg_mqmc_what_a_hook_hides_has_no_metadata_either(site: Site) {
    let body = json!({"_ApplicationId": "scenarios", "base64": "eA==", "fileData": {"metadata": {"secret": "s"}}});
    let headers = [("Content-Type", "text/plain")];
    let nobody = site.app.as_nobody();
    let sent = nobody.ask_raw("POST", "/files/a.txt", &headers, body.to_string().into_bytes()).await.unwrap();
    let name = sent.body["name"].as_str().unwrap().to_owned();
    let (path, metadata) = (format!("scenarios/{name}"), format!("scenarios/metadata/{name}"));
    assert_eq!(site.read(&metadata).await.unwrap().body, json!({"metadata": {"secret": "s"}}));
    for hides in [&site.hides_before, &site.hides_after] {
        hides.store(true, Ordering::SeqCst);
        for path in [&path, &metadata] {
            let seen = site.read(path).await.unwrap();
            assert!(!seen.body.to_string().contains('s') || seen.status >= 400, "{path}: {}", seen.body);
            assert!(!seen.body.to_string().contains("secret"), "{path}: {}", seen.body);
        }
        hides.store(false, Ordering::SeqCst);
    }
}

/// No id: the code of Parse Server 9.10 counts what comes over the wire. The app takes one megabyte.
async fn a_form_is_as_long_as_it_is_on_the_wire(site: Site) {
    let part = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n";
    let many = part.repeat((1 << 20) / part.len() + 1) + "--b--\r\n";
    let wide = format!("--b\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\nx\r\n--b--\r\n", "n".repeat(1 << 20));
    for body in [many, wide] {
        let headers = [("Content-Type", "multipart/form-data; boundary=b")];
        // The connection may end before all of it is sent.
        if let Some(seen) = site.app.ask_raw("POST", "/functions/f", &headers, body.into_bytes()).await {
            assert!([400, 413].contains(&seen.status), "{} {}", seen.status, seen.body);
            assert!([&json!(107), &json!(116)].contains(&&seen.body["code"]), "{}", seen.body);
        }
    }
    let seen: Value = site.app.get("/health").await.body;
    assert_eq!(seen, json!({"status": "ok"}));
}
