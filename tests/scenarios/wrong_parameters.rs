//! What does a function say to wrong parameters? Whatever can be wrong with each parameter of each function, made from a table of
//! them: missing, unheard of, of another type, too large, hostile.

use std::collections::{BTreeMap, BTreeSet};

use parsimony_cloud::{Application, Registry};
use parsimony_testkit::{App, Client};
use serde_json::{Map, Value as Json, json};

/// The functions of the kit, which each application brings; in the words of [`every_one_is_refused`].
pub(crate) const KIT: &str = "
verifyAuditTrail application=identity-management from:count to:count
setNotificationPreferences channels=[\"EMAIL\"] locale:text phone:text
createWebhookSubscription application=identity-management url=https://example.org/hook eventTypes=[\"Identity.*\"]
rotateWebhookSecret subscriptionId=abcdefghij overlapHours:count
endWebhookSubscription subscriptionId=abcdefghij
replayOutboundEvent eventId=abcdefghij
";

/// What a parameter is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    List,
    Map,
    Date,
    Flag,
    Count,
}

const KINDS: [(&str, Kind); 6] = [
    ("text", Kind::Text),
    ("list", Kind::List),
    ("map", Kind::Map),
    ("date", Kind::Date),
    ("flag", Kind::Flag),
    ("count", Kind::Count),
];

/// A parameter: its name, its kind, and a good value if it is needed.
struct Parameter {
    name: String,
    kind: Kind,
    good: Option<Json>,
}

impl Parameter {
    /// `name:kind`, or `name=value` of one that the function cannot do without, with a good value: JSON, or else a text.
    fn read(text: &str) -> Self {
        if let Some((name, good)) = text.split_once('=') {
            let good = serde_json::from_str(good).unwrap_or_else(|_text| json!(good));
            let kind = match &good {
                Json::Array(_) => Kind::List,
                Json::Object(_) => Kind::Map,
                Json::Number(_) => Kind::Count,
                Json::Bool(_) => Kind::Flag,
                Json::String(_) | Json::Null => Kind::Text,
            };
            return Self { name: name.to_owned(), kind, good: Some(good) };
        }
        let (name, kind) = text.split_once(':').unwrap();
        let (_, kind) = KINDS.into_iter().find(|(known, _)| *known == kind).unwrap();
        Self { name: name.to_owned(), kind, good: None }
    }

    /// Whatever can be wrong with it.
    fn cases(&self) -> Vec<(String, Option<Json>)> {
        let wrong = wrong(self.kind, self.good.is_some()).into_iter().map(Some);
        let missing = self.good.is_some().then_some(None);
        wrong.chain(missing).map(|value| (self.name.clone(), value)).collect()
    }
}

/// What is wrong for a parameter of a kind, whatever it means.
fn wrong(kind: Kind, required: bool) -> Vec<Json> {
    let hostile = [json!({"$ne": ""}), json!({"__op": "Delete"}), json!([[[[]]]]), json!({"__type": "Pointer"})];
    let long = || "A".repeat(100_000);
    let mut wrong = match kind {
        Kind::Text => vec![json!(7), json!(true), json!([]), json!("\u{0}x"), json!(long())],
        Kind::List => vec![json!("x"), json!(7), json!({}), json!([7]), json!(vec!["x"; 1_000])],
        Kind::Map => vec![json!("x"), json!(7), json!([]), json!({"k": long()})],
        Kind::Date => vec![json!("yesterday"), json!({"__type": "Date", "iso": "x"}), json!(true)],
        Kind::Flag => vec![json!("yes"), json!(1)],
        Kind::Count => vec![json!("1"), json!(-1), json!(1.5), json!(1e300)],
    };
    // An object is no hostile thing where an object is meant.
    wrong.extend(hostile.into_iter().filter(|value| kind != Kind::Map || !value.is_object()));
    if required {
        wrong.push(Json::Null);
    }
    wrong
}

/// Puts a parameter into others, or takes it away; `price.amount` is one inside of another.
fn put(params: &mut Map<String, Json>, name: &str, value: Option<&Json>) {
    if let Some((outer, inner)) = name.split_once('.') {
        let outer = params.entry(outer).or_insert_with(|| json!({}));
        return put(outer.as_object_mut().unwrap(), inner, value);
    }
    match value {
        Some(value) => drop(params.insert(name.to_owned(), value.clone())),
        None => drop(params.remove(name)),
    }
}

/// How many objects there are of each class.
pub(crate) async fn counts(app: &App) -> BTreeMap<String, u64> {
    let master = app.as_master();
    let schemas = master.get("/schemas").await;
    let mut counts = BTreeMap::new();
    for schema in schemas.results() {
        let class = schema["className"].as_str().unwrap();
        let seen = master.get(&format!("/classes/{class}?count=1&limit=0")).await;
        counts.insert(class.to_owned(), seen.body["count"].as_u64().unwrap());
    }
    assert!(counts.contains_key("AuditLog"), "{counts:?}");
    counts
}

/// Asks every function of an application whatever can be wrong with each of its parameters, one at a time. Each answer is 142
/// and names the parameter, and no object of any class comes or goes.
///
/// The table has a line for each function, its name first; `more` has values that are wrong for what a parameter means.
pub(crate) async fn every_one_is_refused(
    (app, caller): (&App, &Client),
    application: Application,
    table: &str,
    more: &[(&str, &str, Json)],
) {
    let lines = || table.lines().filter(|line| !line.is_empty());
    let named: BTreeSet<&str> = lines().filter_map(|line| line.split(' ').next()).collect();
    let registry = Registry::new([application]).unwrap();
    assert_eq!(named, registry.functions().into_iter().collect(), "the table has to name every function");
    let before = counts(app).await;
    let (mut asked, mut taken) = (0, Vec::new());
    for line in lines() {
        let (function, rest) = line.split_once(' ').unwrap_or((line, ""));
        let parameters: Vec<Parameter> = rest.split_whitespace().map(Parameter::read).collect();
        let mut good = Map::new();
        parameters.iter().filter(|one| one.good.is_some()).for_each(|one| put(&mut good, &one.name, one.good.as_ref()));
        let mut cases = vec![("unheardOf".to_owned(), Some(json!(1))), ("$where".to_owned(), Some(json!("1")))];
        cases.extend(parameters.iter().flat_map(Parameter::cases));
        let special = more.iter().filter(|(of, _, _)| *of == function);
        cases.extend(special.map(|(_, name, value)| ((*name).to_owned(), Some(value.clone()))));
        for (field, value) in cases {
            let mut params = good.clone();
            put(&mut params, &field, value.as_ref());
            let seen = caller.post(&format!("/functions/{function}"), Json::Object(params)).await;
            let text = seen.body["error"].as_str().unwrap_or_default();
            if seen.code() != 142 || !text.contains(&field) {
                let value = json!(value).to_string();
                let answer = seen.body.to_string();
                taken.push(format!("{function} {field} {value:.80}: {answer:.300}"));
            }
            asked += 1;
        }
    }
    assert!(taken.is_empty(), "{}", taken.join("\n"));
    assert!(asked > named.len() * 10, "only {asked} were asked");
    assert_eq!(counts(app).await, before);
}
