//! What does nonsense do in every place of the API that takes a text? A refusal of Parse's kind or the right answer; no fault of
//! the server, and nothing written where it refused. The places are in `bad_input/places.txt`.

use std::fmt::Write as _;
use std::sync::Arc;

use parsimony_model::{ClassSchema, Object};
use parsimony_testkit::{Client, Seen};
use serde_json::{Value, json};

use crate::shop::Shop;

crate::on_both_stores!(nonsense_is_refused_and_writes_nothing, nonsense_in_a_header_is_refused_or_means_nothing);

/// A place of the API.
struct Place {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    who: &'static str,
    /// The nonsense that is none here.
    takes: &'static str,
    body: &'static str,
}

/// All of them.
fn places() -> Vec<Place> {
    let lines = include_str!("bad_input/places.txt").lines().filter(|line| !line.starts_with('#'));
    let place = |line: &'static str| {
        let parts: Vec<&str> = line.splitn(5, '|').map(str::trim).collect();
        let [name, request, who, takes, body] = parts[..] else { panic!("no place: {line}") };
        let (method, path) = request.split_once(' ').unwrap();
        Place { name, method, path, who, takes, body }
    };
    lines.map(place).collect()
}

/// What is put into each place: a name, and its JSON. The long text is as long as a body lets it be.
fn nonsense() -> Vec<(&'static str, String)> {
    let long = format!("\"{}\"", "x".repeat(1_000_000));
    let texts = [
        ("null", "null"),
        ("true", "true"),
        ("zero", "0"),
        ("empty", r#""""#),
        ("list", "[]"),
        ("object", "{}"),
        ("operator", r#"{"$ne":null}"#),
        ("lone", r#""\ud800""#),
        ("nul", r#""\u0000""#),
    ];
    texts.into_iter().map(|(name, text)| (name, text.to_owned())).chain([("long", long)]).collect()
}

/// Those who ask, and what they ask about.
struct Asking {
    anyone: Client,
    user: Client,
    master: Client,
    kept: String,
    user_id: String,
}

async fn nonsense_is_refused_and_writes_nothing(shop: Shop) {
    let (user_id, token) = shop.sign_up("kept").await;
    let master = shop.as_master();
    let kept = json!({"text": "x", "n": 1, "list": ["a"], "object": {"k": "v"},
        "place": {"__type": "GeoPoint", "latitude": 1, "longitude": 2},
        "friend": {"__type": "Pointer", "className": "_User", "objectId": user_id},
        "fans": {"__op": "AddRelation", "objects": [{"__type": "Pointer", "className": "_User", "objectId": user_id}]}});
    let kept = master.post("/classes/Kept", kept).await.id();
    let asking = Asking { anyone: (**shop).clone(), user: shop.as_user(&token), master, kept, user_id };
    let (mut wrong, mut asked) = (String::new(), 0);
    let start = State::of(&shop).await;
    let places = places();
    for place in &places {
        let mut before = State::of(&shop).await.text(place);
        let mut is_changed = false;
        for (name, value) in nonsense() {
            let Some(seen) = ask(&asking, place, &value, asked).await else { continue };
            asked += 1;
            let after = State::of(&shop).await.text(place);
            if let Some(trouble) = judge(place, name, &seen, before == after) {
                let _ = writeln!(wrong, "{} = {name}: {trouble}: {} {}", place.name, seen.status, shown(&seen.body));
            }
            is_changed |= before != after;
            before = after;
        }
        if is_changed {
            start.restore(&shop).await;
        }
    }
    assert!(asked > places.len() * 7, "only {asked} requests were answered");
    assert_eq!(shop.get("/health").await.status, 200);
    assert!(wrong.is_empty(), "of {asked} requests:\n{wrong}");
}

async fn nonsense_in_a_header_is_refused_or_means_nothing(shop: Shop) {
    let kept = shop.as_master().post("/classes/Kept", json!({"n": 1})).await.id();
    let before = State::of(&shop).await.text(&places()[0]);
    let long = "x".repeat(8_000);
    // Of each: whether it is refused when it says something that nobody told us.
    for (header, refuses) in [
        ("X-Parse-Session-Token", true),
        ("X-Parse-Application-Id", true),
        ("X-Parse-Cloud-Context", true),
        ("X-Parse-Master-Key", false),
        ("X-Parse-REST-API-Key", false),
        ("X-Parse-Installation-Id", false),
        ("X-Parse-Client-Version", false),
        ("X-Parse-Revocable-Session", false),
        ("X-Parse-Request-Id", false),
    ] {
        for value in ["null", "0", "[]", r#""x""#, r#"{"$ne":null}"#, "%00", r"\ud800", &long] {
            let client = if header == "X-Parse-Application-Id" { shop.as_nobody() } else { (**shop).clone() };
            let path = format!("/classes/Kept/{kept}");
            let Some(seen) = client.ask_raw("GET", &path, &[(header, value)], Vec::new()).await else { continue };
            let what = format!(
                "{header}: {}: {} {}",
                value.chars().take(20).collect::<String>(),
                seen.status,
                shown(&seen.body)
            );
            assert!(seen.status < 500, "{what}");
            // A context may be any object.
            let is_refused = refuses && !(header == "X-Parse-Cloud-Context" && value.starts_with('{'));
            assert!(seen.status >= 400 || !is_refused, "{what}");
            assert!(seen.status < 400 || refuses, "{what}");
            let master_only = client.ask_raw("GET", "/schemas", &[(header, value)], Vec::new()).await.unwrap();
            assert!((400..500).contains(&master_only.status), "{what} is no master key");
        }
    }
    assert_eq!(State::of(&shop).await.text(&places()[0]), before, "nothing was written");
}

/// Puts a value into a place: as JSON where the body has `§`, as the inside of a text where it has `¶`, and where the path has
/// `{}`. `None` if it cannot be sent there.
async fn ask(asking: &Asking, place: &Place, value: &str, number: usize) -> Option<Seen> {
    let text = value.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let mut body = place.body.replace('§', value).replace("KEPT", &asking.kept).replace("USER", &asking.user_id);
    // A class that the case before this one may have made is another one.
    body = body.replace("FRESH", &format!("Fresh{number}"));
    if body.contains('¶') {
        body = body.replace('¶', text?);
    }
    let encoded = match text {
        Some(r"\ud800") => "%ED%A0%80".to_owned(),
        Some(r"\u0000") => "%00".to_owned(),
        Some(text) => text.to_owned(),
        None => value.bytes().fold(String::new(), |mut encoded, byte| {
            let _ = write!(encoded, "%{byte:02X}");
            encoded
        }),
    };
    let path = place.path.replace("{}", &encoded).replace("KEPT", &asking.kept).replace("USER", &asking.user_id);
    let client = match place.who {
        "anyone" => &asking.anyone,
        "user" => &asking.user,
        "master" => &asking.master,
        other => panic!("who is {other}?"),
    };
    client.ask_raw(place.method, &path, &[], body.into_bytes()).await
}

/// What is wrong with an answer, if something is.
fn judge(place: &Place, name: &str, seen: &Seen, unchanged: bool) -> Option<&'static str> {
    let takes = place.takes.split_whitespace().any(|taken| taken == name);
    let code = seen.body["code"].as_i64();
    match seen.status {
        500.. => Some("a fault of the server"),
        ..400 if !takes => Some("it was taken"),
        ..400 => None,
        _ if takes => Some("it was refused"),
        // Without keys, and where no route leads, there is no code either.
        403 | 404 if code.is_none() && seen.body["error"].is_string() => None,
        _ if code.is_none_or(|code| code == 1) => Some("it was refused without a code"),
        _ if seen.body.to_string().len() > 2_000 => Some("too much was said"),
        _ if !unchanged => Some("something was written"),
        _ => None,
    }
}

fn shown(body: &Value) -> String {
    body.to_string().chars().take(160).collect()
}

/// All classes and objects there are.
struct State(Vec<(Arc<ClassSchema>, Vec<Object>)>);

impl State {
    async fn of(shop: &Shop) -> Self {
        let mut classes = shop.store().classes().await.unwrap();
        classes.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        let mut state = Vec::new();
        for class in classes {
            let class = Arc::new(class);
            let mut objects = shop.store().find(&parsimony_testkit::everything(&class)).await.unwrap();
            objects.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
            state.push((class, objects));
        }
        Self(state)
    }

    /// What must not change if a request to a place is refused. Parse: a class or a field that a refused object would need may be
    /// there afterwards.
    fn text(&self, place: &Place) -> String {
        if place.path.starts_with("/schemas") {
            return format!("{:?}", self.0);
        }
        format!(
            "{:?}",
            self.0.iter().map(|(_, objects)| objects).filter(|objects| !objects.is_empty()).collect::<Vec<_>>()
        )
    }

    /// Puts the objects back as they were, and takes away the classes that were made.
    async fn restore(&self, shop: &Shop) {
        for (class, objects) in Self::of(shop).await.0 {
            let known = self.0.iter().find(|(known, _)| known.name == class.name);
            let start = known.map(|(_, objects)| objects.as_slice()).unwrap_or_default();
            if objects != start {
                shop.store().delete(&parsimony_testkit::everything(&class)).await.unwrap();
                for object in start {
                    shop.store().insert(&class, object).await.unwrap();
                }
            }
            if known.is_none() && !class.name.as_str().starts_with('_') {
                let gone = shop.as_master().delete(&format!("/schemas/{}", class.name)).await;
                assert_eq!(gone.status, 200, "{} goes: {}", class.name, gone.body);
            }
        }
    }
}
