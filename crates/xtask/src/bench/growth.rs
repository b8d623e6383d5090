//! Does the cost of a request follow what it returns, or what is stored?
//!
//! A class grows from a thousand rows to a million, and at each size the same questions are asked of it.

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;

use super::http::{self, Connection};
use super::load::{Measure, Plan, Script, drive};
use super::seed::{Seeder, call};
use super::subject::{Ground, Running, Subject};
use super::workload::{Dialect, Dice};

const CLASS: &str = "BenchRow";
const CLIENTS: usize = 8;
const SECONDS: u64 = 2;
const WARM_UP_MILLIS: u64 = 300;
/// After how many new rows it tells how far it is.
const STEP_ROWS: usize = 100_000;
/// The rows of the answer whose memory is looked at.
const GREAT_ANSWER_ROWS: usize = 10_000;
const GREAT_ANSWERS: usize = 8;

/// What is asked at each size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    /// One object by its id.
    Get,
    /// The hundred rows of a group, through its index.
    Find,
    /// How many rows a group has.
    Count,
    /// One new row.
    Create,
}

/// The questions of one size.
#[derive(Debug)]
pub(crate) struct Asking {
    question: Question,
    groups: u64,
    ids: Vec<String>,
}

impl Script for Asking {
    fn write(&self, dice: &mut Dice, into: &mut Vec<u8>) {
        let headers = Dialect::Parse.headers();
        let path = Dialect::Parse.objects(CLASS);
        let group = dice.next() % self.groups.max(1);
        let mut put = |method, path: &str, body: &str| http::request(into, method, path, &headers, body);
        match self.question {
            Question::Get => put("GET", &format!("{path}/{}", dice.one_of(&self.ids)), ""),
            Question::Find => {
                put("POST", &path, &format!(r#"{{"_method":"GET","where":{{"group":{group}}},"limit":100}}"#));
            }
            Question::Count => {
                put("POST", &path, &format!(r#"{{"_method":"GET","where":{{"group":{group}}},"count":1,"limit":0}}"#));
            }
            Question::Create => put("POST", &path, &super::seed::object(group, r#","group":-1"#)),
        }
    }
}

/// One store at one size.
#[derive(Debug, Serialize)]
pub(crate) struct Size {
    subject: &'static str,
    rows: usize,
    /// Requests per second and the median in milliseconds, for each question.
    asked: Vec<(&'static str, f64, f64)>,
}

/// What answers of ten thousand rows cost.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    subject: &'static str,
    before_kb: u64,
    peak_kb: u64,
}

/// Grows a class on each of our stores.
pub(crate) async fn run(subjects: &[Subject], rows_max: usize) -> Result<(Vec<Size>, Vec<Memory>)> {
    let ground = Ground::prepare().await?;
    let (mut sizes, mut memories) = (Vec::new(), Vec::new());
    for subject in subjects.iter().copied().filter(|subject| subject.is_ours()) {
        let server = Running::start(subject, &ground).await?;
        let mut seeder = Seeder::open(server.port, subject.dialect()).await?;
        seeder.class_of_rows(CLASS).await?;
        let (mut stored, mut rows) = (0, 1_000);
        while rows <= rows_max {
            let ids = grow(&mut seeder, stored..rows).await.with_context(|| format!("{rows} rows"))?;
            stored = rows;
            let size = ask(&server, subject, rows, &ids).await?;
            println!("{}", size.line());
            sizes.push(size);
            if rows == GREAT_ANSWER_ROWS {
                let memory = great_answers(&server, subject).await?;
                println!("{}", memory.line());
                memories.push(memory);
            }
            rows *= 10;
        }
    }
    Ok((sizes, memories))
}

/// Adds rows and tells how far it is; gives the ids of the last ones.
async fn grow(seeder: &mut Seeder, rows: Range<usize>) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for start in rows.clone().step_by(STEP_ROWS) {
        let end = rows.end.min(start + STEP_ROWS);
        ids = seeder.rows(CLASS, start..end).await?;
        if end < rows.end {
            println!("{:<18}{end:>9} of {} rows", "", rows.end);
        }
    }
    Ok(ids)
}

async fn ask(server: &Running, subject: Subject, rows: usize, ids: &[String]) -> Result<Size> {
    let plan = Plan {
        connections: CLIENTS,
        warm_up: Duration::from_millis(WARM_UP_MILLIS),
        measured: Duration::from_secs(SECONDS),
    };
    let mut asked = Vec::new();
    for (question, name) in
        [(Question::Get, "get"), (Question::Find, "find"), (Question::Count, "count"), (Question::Create, "create")]
    {
        let asking = Asking { question, groups: rows as u64 / 100, ids: ids.to_vec() };
        let Measure { latency, .. } = drive(server.port, plan, Rc::new(asking)).await?;
        asked.push((name, latency.len() as f64 / SECONDS as f64, latency.value_at_quantile(0.5) as f64 / 1000.0));
    }
    Ok(Size { subject: subject.name(), rows, asked })
}

/// Several answers of ten thousand rows at one time.
async fn great_answers(server: &Running, subject: Subject) -> Result<Memory> {
    let before_kb = server.resident_kb().unwrap_or_default();
    let path = format!("{}?limit={GREAT_ANSWER_ROWS}", Dialect::Parse.objects(CLASS));
    let headers = Dialect::Parse.headers();
    let mut peak_kb = before_kb;
    let watched = async {
        loop {
            peak_kb = peak_kb.max(server.resident_kb().unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let all = futures::future::try_join_all((0..GREAT_ANSWERS).map(|_| {
        let (path, headers) = (path.clone(), headers.clone());
        async move {
            let mut connection = Connection::open(server.port).await?;
            let answer = call(&mut connection, ("GET", &path), &headers, "").await?;
            anyhow::Ok(answer.get("results").and_then(Value::as_array).map_or(0, Vec::len))
        }
    }));
    tokio::select! {
        counts = all => { counts?; }
        () = watched => {}
    }
    Ok(Memory { subject: subject.name(), before_kb, peak_kb })
}

impl Size {
    fn line(&self) -> String {
        let asked =
            self.asked.iter().map(|(name, per_second, p50)| format!("  {name} {per_second:>7.0}/s {p50:>7.3} ms"));
        format!("{:<18}{:>9} rows{}", self.subject, self.rows, asked.collect::<String>())
    }
}

impl Memory {
    fn line(&self) -> String {
        let Self { subject, before_kb, peak_kb } = self;
        format!(
            "{subject:<18}{GREAT_ANSWERS} answers of {GREAT_ANSWER_ROWS} rows at one time: {} MB before, {} MB at most",
            before_kb / 1024,
            peak_kb / 1024
        )
    }
}
