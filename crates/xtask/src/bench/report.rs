//! What did the bench find, for a person and for a program?

use std::fmt::Write as _;

use serde::Serialize;

use super::load::Measure;
use super::subject::Subject;
use super::workload::Workload;

/// The number of clients at which the aims are meant.
pub(crate) const CONNECTIONS_JUDGED: usize = 32;

const KB_PER_MB: f64 = 1024.0;

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// The seconds each workload was measured.
    pub(crate) seconds: u64,
    /// The processor cores that the servers, the database and the bench itself shared.
    pub(crate) cores: usize,
    /// How busy the machine was before it began: the load average of a minute.
    pub(crate) load_before: f64,
    /// One per server, workload and number of clients.
    pub(crate) speeds: Vec<Speed>,
    /// One per server.
    pub(crate) footprints: Vec<Footprint>,
    /// One server against another.
    pub(crate) ratios: Vec<Ratio>,
}

/// One server under one workload.
#[derive(Debug, Serialize)]
pub(crate) struct Speed {
    subject: &'static str,
    workload: &'static str,
    connections: usize,
    requests_per_second: f64,
    p50_micros: u64,
    p99_micros: u64,
    failures: u64,
    first_failure: Option<String>,
}

/// What one server takes.
#[derive(Debug, Serialize)]
pub(crate) struct Footprint {
    subject: &'static str,
    start_millis: f64,
    idle_kb: u64,
    load_kb: u64,
}

/// Requests per second of ours, divided by those of another.
#[derive(Debug, Serialize)]
pub(crate) struct Ratio {
    workload: &'static str,
    connections: usize,
    ours: &'static str,
    other: &'static str,
    times: f64,
    aim: Option<f64>,
}

/// The ratio that is the aim for a workload, if there is one.
type Aim = fn(Workload) -> Option<f64>;

/// Which servers are compared, and to what end.
const COMPARISONS: [(Subject, Subject, Aim); 4] = [
    (Subject::ParsimonyMongo, Subject::ParseServer, |workload| match workload {
        Workload::Hello => Some(35.0),
        Workload::Create | Workload::Get | Workload::Update => Some(6.0),
        Workload::Query => Some(10.0),
        Workload::Scripted | Workload::Count | Workload::SaveAll | Workload::Relation | Workload::Roles => None,
    }),
    (Subject::ParsimonyMongo, Subject::Bare, |workload| match workload {
        Workload::Hello => Some(0.8),
        Workload::Create | Workload::Get | Workload::Update => Some(0.9),
        Workload::Query => Some(0.7),
        Workload::Scripted | Workload::Count | Workload::SaveAll | Workload::Relation | Workload::Roles => None,
    }),
    (Subject::ParsimonySqlite, Subject::PocketBase, |workload| match workload {
        Workload::Create | Workload::Get => Some(5.0),
        _ => None,
    }),
    (Subject::ParsimonySqlite, Subject::ParseServer, |_| None),
];

impl Report {
    /// Takes one measurement in, and gives back its line.
    pub(crate) fn add(
        &mut self,
        subject: Subject,
        workload: Workload,
        connections: usize,
        measure: &Measure,
    ) -> String {
        let speed = Speed {
            subject: subject.name(),
            workload: workload.name(),
            connections,
            requests_per_second: measure.latency.len() as f64 / self.seconds.max(1) as f64,
            p50_micros: measure.latency.value_at_quantile(0.5),
            p99_micros: measure.latency.value_at_quantile(0.99),
            failures: measure.failures,
            first_failure: measure.first_failure.clone(),
        };
        let line = speed.line();
        self.speeds.push(speed);
        line
    }

    /// Takes in what a server needs: its start-up times in milliseconds, and its memory.
    pub(crate) fn add_footprint(&mut self, subject: Subject, mut starts: Vec<f64>, idle_kb: u64, load_kb: u64) {
        starts.sort_by(f64::total_cmp);
        let start_millis = starts.get(starts.len() / 2).copied().unwrap_or_default();
        self.footprints.push(Footprint { subject: subject.name(), start_millis, idle_kb, load_kb });
    }

    /// Divides, once everything is measured.
    pub(crate) fn compare(&mut self, workloads: &[Workload], connections: &[usize]) {
        for (ours, other, aim) in COMPARISONS {
            for (workload, count) in
                workloads.iter().flat_map(|workload| connections.iter().map(move |c| (*workload, *c)))
            {
                let (Some(mine), Some(theirs)) =
                    (self.speed(ours, workload, count), self.speed(other, workload, count))
                else {
                    continue;
                };
                self.ratios.push(Ratio {
                    workload: workload.name(),
                    connections: count,
                    ours: ours.name(),
                    other: other.name(),
                    times: mine / theirs,
                    aim: aim(workload).filter(|_| count == CONNECTIONS_JUDGED),
                });
            }
        }
    }

    /// Whether a server failed a request; its numbers then mean little.
    pub(crate) fn has_failures(&self) -> bool {
        self.speeds.iter().any(|speed| speed.failures > 0)
    }

    fn speed(&self, subject: Subject, workload: Workload, connections: usize) -> Option<f64> {
        let found = self.speeds.iter().find(|speed| {
            speed.subject == subject.name() && speed.workload == workload.name() && speed.connections == connections
        })?;
        (found.requests_per_second > 0.0).then_some(found.requests_per_second)
    }

    /// All of it, in tables.
    pub(crate) fn tables(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_tables(&mut text);
        text
    }

    fn write_tables(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "{}", Speed::HEAD)?;
        for speed in &self.speeds {
            writeln!(text, "{}", speed.line())?;
        }
        writeln!(text, "\n{:<18}{:>14}{:>12}{:>12}", "server", "start ms", "idle MB", "load MB")?;
        for Footprint { subject, start_millis, idle_kb, load_kb } in &self.footprints {
            let [idle, load] = [idle_kb, load_kb].map(|kb| *kb as f64 / KB_PER_MB);
            writeln!(text, "{subject:<18}{start_millis:>14.1}{idle:>12.1}{load:>12.1}")?;
        }
        if self.ratios.is_empty() {
            return Ok(());
        }
        writeln!(text, "\n{:<9}{:>8}  {:<34}{:>9}{:>9}", "workload", "clients", "requests/s", "ratio", "aim")?;
        for Ratio { workload, connections, ours, other, times, aim } in &self.ratios {
            let pair = format!("{ours} / {other}");
            let aim = match aim {
                Some(aim) if times >= aim => format!("{aim:>9.2}  reached"),
                Some(aim) => format!("{aim:>9.2}  missed"),
                None => String::new(),
            };
            writeln!(text, "{workload:<9}{connections:>8}  {pair:<34}{times:>9.2}{aim}")?;
        }
        Ok(())
    }
}

impl Speed {
    /// The columns of its lines.
    pub(crate) const HEAD: &str = "server            workload  clients   requests/s     p50 ms     p99 ms";

    fn line(&self) -> String {
        let Self { subject, workload, connections, requests_per_second, .. } = self;
        let (p50, p99) = (self.p50_micros as f64 / 1000.0, self.p99_micros as f64 / 1000.0);
        let mut line =
            format!("{subject:<18}{workload:<9}{connections:>8}{requests_per_second:>13.0}{p50:>11.3}{p99:>11.3}");
        if let Some(first) = &self.first_failure {
            let _ = write!(line, "  {} failures, the first: {first}", self.failures);
        }
        line
    }
}
