//! Requests as clients send them, and what they mean.

use actix_web::http::header::{HeaderName, HeaderValue};
use parsimony_model::map;

use super::*;

fn open(method: &str, headers: &[(&'static str, &str)], body: impl AsRef<[u8]>) -> Result<Envelope, ParseError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let head = Head { method, headers: &map, application_id: "app" };
    Envelope::open(head, body.as_ref())
}

const APP: (&str, &str) = ("x-parse-application-id", "app");

#[test]
fn the_javascript_sdk_s_form_is_opened() {
    let sent = br#"{"score":1,"_method":"put","_ApplicationId":"app","_JavaScriptKey":"js","_ClientVersion":"js8.6.0",
        "_InstallationId":"i","_SessionToken":"r:1","_MasterKey":"m","_RevocableSession":"1","_context":{"a":1},
        "_ContentType":"text/plain","_noBody":true}"#;
    let envelope = open("POST", &[("content-type", "text/plain")], sent).unwrap();
    assert_eq!((&*envelope.method, &envelope.body), ("PUT", &map! { "score" => 1 }));
    let found = &envelope.credentials;
    let texts =
        [&found.application_id, &found.javascript_key, &found.installation_id, &found.session_token, &found.master_key];
    assert_eq!(texts.map(|text| text.as_deref().unwrap_or("-")), ["app", "js", "i", "r:1", "m"]);
    assert!(!found.master_key_in_header && !envelope.master_or_nothing);
    assert_eq!(found.context, map! { "a" => 1 });
}

#[test]
fn credentials_in_the_body_do_not_count_beside_a_known_application_id() {
    let envelope = open("POST", &[APP], r#"{"_ApplicationId":"app","_SessionToken":"r:1","_noBody":1}"#).unwrap();
    assert_eq!(envelope.credentials.session_token, None);
    assert_eq!(envelope.body, map! { "_ApplicationId" => "app", "_SessionToken" => "r:1" });
}

#[test]
fn an_unknown_application_id_in_the_header_gives_way_to_the_body() {
    let envelope = open("POST", &[("x-parse-application-id", "old")], r#"{"_ApplicationId":"app"}"#).unwrap();
    assert_eq!(envelope.credentials.application_id.as_deref(), Some("app"));
    let envelope = open("POST", &[("x-parse-application-id", "old")], "{}").unwrap();
    assert_eq!(envelope.credentials.application_id.as_deref(), Some("old"));
    assert_eq!(open("POST", &[], "{}").unwrap().credentials.application_id, None);
}

#[test]
fn a_master_key_header_beside_an_application_id_in_the_body_has_to_be_right() {
    let body = r#"{"_ApplicationId":"app","_MasterKey":"other"}"#;
    let envelope = open("POST", &[("x-parse-master-key", "m")], body).unwrap();
    assert!(envelope.master_or_nothing);
    assert_eq!(envelope.credentials.master_key.as_deref(), Some("m"));
    assert!(!open("POST", &[APP, ("x-parse-master-key", "m")], "{}").unwrap().master_or_nothing);
}

#[test]
fn credentials_that_are_no_text_are_refused() {
    for key in ["_ApplicationId", "_JavaScriptKey", "_InstallationId", "_SessionToken", "_MasterKey", "_ContentType"] {
        for value in ["1", "true", "{}", "[]", r#"{"$ne":null}"#] {
            let body = format!(r#"{{"_ApplicationId":"app","{key}":{value}}}"#);
            assert_eq!(open("POST", &[], &body).unwrap_err().code, ErrorCode::Unauthorized, "{body}");
        }
    }
}

#[test]
fn credentials_that_are_null_are_not_there() {
    let body = r#"{"_ApplicationId":"app","_SessionToken":null,"_MasterKey":null,"_InstallationId":null,"a":1}"#;
    let envelope = open("POST", &[], body).unwrap();
    let Credentials { session_token, master_key, installation_id, .. } = envelope.credentials;
    assert_eq!([session_token, master_key, installation_id], [None, None, None]);
    assert_eq!(envelope.body, map! { "a" => 1 });
}

#[test]
fn the_method_that_counts() {
    for (method, body, counts) in [
        ("GET", "", "GET"),
        ("HEAD", "", "GET"),
        ("POST", r#"{"_method":"GET"}"#, "GET"),
        ("POST", r#"{"_method":"gEt"}"#, "GET"),
        ("POST", r#"{"_method":"GET "}"#, "GET "),
        ("POST", r#"{"_method":{}}"#, "POST"),
        ("POST", r#"{"_method":"CONNECT"}"#, "CONNECT"),
        ("PUT", r#"{"_method":"DELETE"}"#, "PUT"),
    ] {
        let envelope = open(method, &[APP], body).unwrap();
        assert_eq!(envelope.method, counts, "{method} {body}");
        assert_eq!(envelope.body.contains_key("_method"), method == "PUT", "{method} {body}");
    }
}

#[test]
fn bodies_are_json_whatever_they_are_called_but_for_forms() {
    let kinds = ["application/json", "text/plain", "application/octet-stream", "application/json; charset=utf-8", "x"];
    for kind in kinds {
        let envelope = open("POST", &[APP, ("content-type", kind)], r#"{"a":1}"#).unwrap();
        assert_eq!(envelope.body, map! { "a" => 1 }, "{kind}");
    }
    let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    let envelope = open("POST", &[APP, form], "a=1&b=x+y&_method=PUT").unwrap();
    assert_eq!((envelope.body, &*envelope.method), (map! { "a" => "1", "b" => "x y" }, "PUT"));
    assert_eq!(open("POST", &[APP], "").unwrap().body, map! {});
}

#[test]
fn bodies_that_are_no_object_are_refused() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let bodies: [&[u8]; 15] = [
        b" \r\n",
        b"{",
        b"[]",
        b"[1]",
        b"1",
        b"null",
        b"\"a\"",
        b"{\"a\":1,}",
        b"{\"a\":\"\\ud800\"}",
        b"{\"a\":\"\xff\"}",
        b"{\"a\":1e999999}",
        b"{\"a\":NaN}",
        b"\x1f\x8b\x08",
        b"\xef\xbb\xbf",
        deep.as_bytes(),
    ];
    for body in bodies {
        let error = open("POST", &[APP], body).unwrap_err();
        assert_eq!(error.number(), Some(107), "{body:?}");
    }
    let multipart = ("content-type", "Multipart/form-data; boundary=x");
    assert_eq!(open("POST", &[APP, multipart], "--x--").unwrap_err().number(), Some(107));
}

#[test]
fn an_upload_inside_json_says_who_sends_it() {
    let headers = HeaderMap::new();
    let head = Head { method: "POST", headers: &headers, application_id: "app" };
    let open = |body: &[u8]| SealedUpload::open(head, body).map_err(|error| error.code);
    let sent =
        br#"{"base64":"AA","_ContentType":"image/png","_ApplicationId":"app","_SessionToken":"r:1","fileData":{}}"#;
    let opened = open(sent).unwrap();
    assert_eq!(opened.content_type.as_deref(), Some("image/png"));
    assert_eq!(opened.credentials.session_token.as_deref(), Some("r:1"));
    assert_eq!(opened.body, map! { "base64" => "AA", "fileData" => map! {} });
    for bad in [&b"\x89PNG"[..], b"[]", br#"{"base64":1,"_ApplicationId":"app"}"#, br#"{"_ContentType":1}"#] {
        assert_eq!(open(bad).err(), Some(ErrorCode::Unauthorized), "{bad:?}");
    }
}

#[test]
fn a_context_is_an_object_or_refused() {
    let context = |value| ("x-parse-cloud-context", value);
    assert_eq!(open("GET", &[APP, context(r#"{"a":[1]}"#)], "").unwrap().credentials.context.len(), 1);
    for bad in ["[]", "1", "nonsense", "\"{}\"", "null", ""] {
        let error = open("GET", &[APP, context(bad)], "").unwrap_err();
        assert_eq!((error.number(), &*error.message), (Some(107), "Invalid object for context."), "{bad}");
        let body = format!(r#"{{"_ApplicationId":"app","_context":{bad}}}"#);
        // JSON text of an object is a context too.
        assert_eq!(open("POST", &[], &body).is_ok(), ["\"{}\"", "null"].contains(&bad), "{bad}");
    }
}

#[test]
fn parameters_of_reads_functions_and_logins() {
    let params = |query| Params { body: map! { "limit" => 1, "a" => "b" }, query };
    let query = "limit=10&count=true&order=-createdAt&where=%7B%22x%22%3A1%7D&keys=null&skip=%221%22";
    let expected = map! {
        "limit" => 10, "a" => "b", "count" => true, "order" => "-createdAt", "where" => map! { "x" => 1 },
        "keys" => Value::Null, "skip" => "1",
    };
    assert_eq!(params(query).read(), expected);
    assert_eq!(params("limit=10").merged(), map! { "limit" => "10", "a" => "b" });

    let log_in = |body, query| Params { body, query }.log_in();
    let body = map! { "username" => "a", "password" => "p" };
    assert_eq!(log_in(body.clone(), "username=b&password=q"), body);
    assert_eq!(log_in(map! {}, "username=12&password=34"), map! { "username" => "12", "password" => "34" });
    assert_eq!(log_in(map! { "x" => 1 }, "password=34"), map! { "x" => 1 });
}
