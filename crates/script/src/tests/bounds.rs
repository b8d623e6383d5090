//! What no script can do: run for ever, fill the memory, reach the machine.

use std::time::{Duration, Instant};

use parsimony_model::map;

use super::server::Server;
use super::{call, call_on};

/// Calls a function with this body, and gives the cause of its failure.
async fn failure(body: &str) -> String {
    let text =
        format!("fn f(request) {{ {body} }} private fn g(n) {{ g(n + 1) }} private fn h(n) {{ [n].map(|m| h(m)) }}");
    let begun = Instant::now();
    let error = call(&text, map! {}).await.map(|value| format!("{value:?}").chars().take(100).collect::<String>());
    let error = error.expect_err(body);
    assert_eq!((error.number(), &*error.message), (Some(141), "Script failed."), "{body}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{body} took {:?}", begun.elapsed());
    error.detail.unwrap_or_default()
}

#[tokio::test]
async fn what_has_no_end_is_ended() {
    for (body, cause) in [
        ("loop {}", "operations"),
        ("let n = 0; while true { n += 1; }", "operations"),
        ("g(0)", "Stack overflow"),
        ("h(0)", "Stack overflow"),
        ("let f = |f| f.call(f); f.call(f)", "Stack overflow"),
        ("loop { try { throw 1 } catch {} }", "operations"),
        ("let n = 0; for i in 0..9223372036854775807 { n += i; }", "operations"),
        ("run(\"hang\")", "it took too long"),
        ("loop { run(\"x\"); }", "it took too long"),
        ("sleep(1000)", "a script cannot sleep"),
        ("sleep(1000.0)", "a script cannot sleep"),
        ("let s = \"sleep\"; Fn(s).call(1000)", "a script cannot sleep"),
    ] {
        let detail = failure(body).await;
        assert!(detail.contains(cause), "{body}: {detail}");
    }
}

#[tokio::test]
async fn what_grows_stops_growing() {
    for body in [
        "let s = \"x\"; loop { s += s; }",
        "let s = \"x\"; loop { s = `${s}${s}`; }",
        "let a = []; loop { a.push(1); }",
        "let a = [1]; loop { a += a; }",
        "let a = []; loop { a = [a, a]; }",
        "let m = #{}; let n = 0; loop { m[`k${n}`] = n; n += 1; }",
        "let a = []; a.pad(100000000, 1);",
        "let s = \"\"; s.pad(100000000, 'x');",
        "let b = blob(100000000, 1);",
        "let o = Object(\"C\"); let s = \"x\"; while s.len() < 500000 { s += s; } let n = 0; loop { o[`f${n}`] = s; n += 1; }",
        "let o = Object(\"C\"); let s = \"x\"; while s.len() < 500000 { s += s; } loop { o.add(\"list\", s); }",
        "let q = Query(\"C\"); let s = \"x\"; while s.len() < 500000 { s += s; } loop { q.equal_to(\"f\", s); }",
        "let a = 1..9000000000000000000; let b = []; for i in a { b.push(`${i}`); }",
    ] {
        let detail = failure(body).await;
        let causes = ["Size of", "Length of", "too large", "exceeds", "operations", "bytes were read", "data"];
        assert!(causes.iter().any(|cause| detail.contains(cause)), "{body}: {detail}");
    }
}

#[tokio::test]
async fn a_long_text_goes_through_and_a_longer_one_does_not() {
    let long = "x".repeat(1 << 20);
    let text = "fn f(request) { let t = request.params.text; t += \"\"; t.len() }";
    let length = call(text, map! { "text" => long.clone() }).await.unwrap();
    assert_eq!(length, (1 << 20).into());
    let longer = map! { "text" => format!("{long}{long}") };
    let error = call("fn f(request) { request.params.text + \"x\" }", longer).await.unwrap_err();
    assert_eq!(&*error.message, "Script failed.");
}

#[tokio::test]
async fn nothing_of_the_machine_can_be_reached() {
    for body in ["open_file(\"/etc/passwd\")", "env(\"HOME\")", "exec(\"ls\")", "timestamp()", "import_module(\"x\")"] {
        let detail = failure(body).await;
        assert!(detail.contains("Function not found"), "{body}: {detail}");
    }
    for body in [
        "http(\"https://elsewhere.example.com/\")",
        "http(\"https://api.example.com:8443/\")",
        "http(\"file:///etc/passwd\")",
        "http(\"https://api.example.com.evil.example/\")",
        "http(\"https://user:secret@api.example.com/\")",
        "http(\"nonsense\")",
    ] {
        let detail = failure(body).await;
        assert!(
            ["may not ask", "no URL", "is not sent"].iter().any(|cause| detail.contains(cause)),
            "{body}: {detail}"
        );
    }
}

#[tokio::test]
async fn a_script_that_nobody_waits_for_any_more_ends() {
    let server = Server::default();
    let text = "fn f(request) { loop { run(\"x\"); } }";
    let call = call_on(&server, text, map! {});
    assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    let asked = || server.state().log.len();
    // It may be in the middle of asking.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let seen = asked();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(seen > 0 && asked() == seen, "it asked {} times, and {seen} before", asked());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_calls_than_threads_all_come_to_their_end() {
    let server = Server::default();
    let text = "fn f(request) { for i in 0..3 { run(\"x\"); } Query(\"C\").count() }";
    let calls = (0..100).map(|_| call_on(&server, text, map! {}));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer == &Ok(0.into())));
}
