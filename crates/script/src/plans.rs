//! What does a script's constant `PLAN` say: when does which of its jobs run by itself?

use std::collections::BTreeMap;
use std::time::Duration;

use parsimony_cloud::{CatchUp, JobPlan, Overlap};
use rhai::{Dynamic, Map};

/// The zone of cron expressions that name none.
const ZONE: &str = "UTC";

/// How long to wait before the first retry, unless told otherwise.
const BACK_OFF_SECONDS: i64 = 10;

/// The plans of jobs.
#[derive(Default)]
pub(crate) struct ByJob(BTreeMap<String, JobPlan>);

impl ByJob {
    /// The plan of a job: without one it runs when somebody starts it.
    pub(crate) fn of(&self, job: &str) -> JobPlan {
        self.0.get(job).cloned().unwrap_or_else(JobPlan::manual)
    }

    /// The jobs that have plans.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Reads the constant. The error is a sentence.
pub(crate) fn read(all: &Map) -> Result<ByJob, String> {
    let mut read = BTreeMap::new();
    for (job, said) in all {
        let said = said.as_map_ref().map_err(|_kind| format!("the plan of {job} is no map."))?;
        read.insert(job.to_string(), plan(&said).map_err(|text| format!("{job}: {text}"))?);
    }
    Ok(ByJob(read))
}

fn plan(said: &Map) -> Result<JobPlan, String> {
    let known = ["cron", "zone", "timeoutSeconds", "retries", "backOffSeconds", "overlap", "catchUp"];
    if let Some(unknown) = said.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("a plan has no {unknown}; it has: {}.", known.join(", ")));
    }
    let zone = text(said, "zone")?.unwrap_or_else(|| ZONE.to_owned());
    let mut plan = JobPlan::manual();
    for expression in crons(said)? {
        plan = plan.cron(&expression, &zone);
    }
    if let Some(seconds) = number(said, "timeoutSeconds")? {
        plan = plan.timeout(Duration::from_secs(seconds.unsigned_abs()));
    }
    if let Some(retries) = number(said, "retries")? {
        let pause = number(said, "backOffSeconds")?.unwrap_or(BACK_OFF_SECONDS);
        let retries = u32::try_from(retries).unwrap_or(u32::MAX);
        plan = plan.retries(retries, Duration::from_secs(pause.unsigned_abs()));
    }
    plan = plan.overlap(match text(said, "overlap")?.as_deref() {
        None | Some("skip") => Overlap::Skip,
        Some("queue") => Overlap::Queue,
        Some("allow") => Overlap::Allow,
        Some(_) => return Err("overlap is skip, queue or allow.".to_owned()),
    });
    plan = plan.catch_up(match text(said, "catchUp")?.as_deref() {
        Some("none") => CatchUp::None,
        None | Some("once") => CatchUp::Once,
        Some("all") => CatchUp::All,
        Some(_) => return Err("catchUp is none, once or all.".to_owned()),
    });
    Ok(plan)
}

/// One cron expression, or a list of them.
fn crons(said: &Map) -> Result<Vec<String>, String> {
    let bad = || "cron is a text, or a list of texts.".to_owned();
    let Some(crons) = said.get("cron") else { return Ok(Vec::new()) };
    match crons.as_array_ref() {
        Ok(list) => list.iter().map(|cron| cron.clone().into_string().map_err(|_kind| bad())).collect(),
        Err(_kind) => crons.clone().into_string().map(|one| vec![one]).map_err(|_kind| bad()),
    }
}

fn text(said: &Map, key: &str) -> Result<Option<String>, String> {
    said.get(key).map(|value| value.clone().into_string().map_err(|_kind| format!("{key} is a text."))).transpose()
}

fn number(said: &Map, key: &str) -> Result<Option<i64>, String> {
    let number = |value: &Dynamic| value.as_int().ok().filter(|number| *number >= 0);
    said.get(key).map(|value| number(value).ok_or_else(|| format!("{key} is a whole number."))).transpose()
}
