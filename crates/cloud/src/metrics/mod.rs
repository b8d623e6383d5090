//! What does the server count and time? Measures are kept in memory, and told in the text format of Prometheus.
//!
//! ```
//! use std::time::Duration;
//!
//! use parsimony_cloud::metrics::{Measure, Metrics, Outcome};
//!
//! static LETTERS: Measure = Measure::counter("shop_letters_total", "Letters that were printed.", &["language"]);
//!
//! let metrics = Metrics::default(); // the server's own; cloud code has it by `Host::metrics`
//! metrics.count(&LETTERS, &["de"]);
//!
//! // An outside service is told of, call by call.
//! let registry = metrics.service("registry");
//! registry.called(Outcome::Done, Duration::from_millis(40));
//! assert!(metrics.text().contains(r#"shop_letters_total{language="de"} 1"#));
//! ```
//!
//! The values of labels come from sets that are bounded by what is written in the program or by an administrator: each value
//! is a line of its own for as long as the server runs. What a client sends is never one.

mod measures;
mod service;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::RwLock;
use prometheus::core::Collector;
use prometheus::proto::{Metric, MetricFamily, MetricType};
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};

pub use self::measures::*;
pub use self::service::{Breaker, Outcome, Service};

/// How a measure behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is what it is at a time.
    Gauge,
    /// It counts how often something took how long, in seconds.
    Time,
}

/// Something that is counted or timed.
#[derive(Debug)]
pub struct Measure {
    /// Its name: letters of the alphabet, digits and `_`, with the unit at its end, and `_total` at that of a counter.
    pub name: &'static str,
    /// What it says, as a sentence.
    pub help: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

impl Measure {
    /// One that only grows.
    pub const fn counter(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, kind: Kind::Counter, labels }
    }

    /// One that is what it is at a time.
    pub const fn gauge(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, kind: Kind::Gauge, labels }
    }

    /// One that counts how often something took how long.
    pub const fn time(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, kind: Kind::Time, labels }
    }
}

/// The bounds between which times are told apart, in seconds.
const BOUNDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// A value, as it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The name of the measure; of a time, with `_count` or `_sum` after it.
    pub name: String,
    /// Its labels, each with its value, in the order of their names.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// The measures of one server. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Families>);

#[derive(Default)]
struct Families {
    registry: Registry,
    known: RwLock<HashMap<&'static str, Family>>,
    look: OnceLock<Look>,
}

/// What looks how many of something there are.
type Look = Box<dyn Fn(&Metrics) + Send + Sync>;

/// The values of one measure.
enum Family {
    Counter(IntCounterVec),
    Gauge(GaugeVec),
    Time(HistogramVec),
    /// It cannot be kept, which was logged.
    Unfit,
}

impl Metrics {
    /// Counts one more.
    pub fn count(&self, measure: &'static Measure, labels: &[&str]) {
        self.count_many(measure, labels, 1);
    }

    /// Counts so many more.
    pub fn count_many(&self, measure: &'static Measure, labels: &[&str], more: u64) {
        self.with(measure, |family| match family {
            Family::Counter(values) => values.get_metric_with_label_values(labels).map(|value| value.inc_by(more)),
            other => other.unfit(measure),
        });
    }

    /// Says what a gauge is now.
    pub fn set(&self, measure: &'static Measure, labels: &[&str], now: f64) {
        self.with(measure, |family| match family {
            Family::Gauge(values) => values.get_metric_with_label_values(labels).map(|value| value.set(now)),
            other => other.unfit(measure),
        });
    }

    /// Says how long something took.
    pub fn time(&self, measure: &'static Measure, labels: &[&str], took: Duration) {
        self.with(measure, |family| match family {
            Family::Time(values) => {
                values.get_metric_with_label_values(labels).map(|value| value.observe(took.as_secs_f64()))
            }
            other => other.unfit(measure),
        });
    }

    /// What tells of the calls of an outside service. The name is one word, and the same for as long as the server runs.
    pub fn service(&self, name: &str) -> Service {
        Service::new(self.clone(), name)
    }

    /// A gauge of what is under way, which goes up and down by one.
    pub fn level(&self, measure: &'static Measure, labels: &[&str]) -> Level {
        let mut level = Level(None);
        self.with(measure, |family| match family {
            Family::Gauge(values) => {
                level.0 = Some(values.get_metric_with_label_values(labels)?);
                Ok(())
            }
            other => other.unfit(measure),
        });
        level
    }

    /// Has this look, whenever all values are told, how many there are of what is not counted as it comes and goes. The first
    /// that is given stays.
    pub fn look_first(&self, look: impl Fn(&Self) + Send + Sync + 'static) {
        self.0.look.get_or_init(|| Box::new(look));
    }

    /// All values, in the text format of Prometheus.
    pub fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.families()).unwrap_or_else(|error| {
            tracing::error!(%error, "the measures cannot be told");
            String::new()
        })
    }

    /// All values; of a time how often and how long in all.
    pub fn samples(&self) -> Vec<Sample> {
        self.families().iter().flat_map(samples).collect()
    }

    fn families(&self) -> Vec<MetricFamily> {
        if let Some(look) = self.0.look.get() {
            look(self);
        }
        self.0.registry.gather()
    }

    fn with(&self, measure: &'static Measure, record: impl FnOnce(&Family) -> prometheus::Result<()>) {
        let known = self.0.known.read();
        let recorded = if let Some(family) = known.get(measure.name) {
            record(family)
        } else {
            drop(known);
            let mut known = self.0.known.write();
            record(known.entry(measure.name).or_insert_with(|| self.0.family(measure)))
        };
        if let Err(error) = recorded {
            tracing::error!(measure = measure.name, %error, "a measure is not kept");
        }
    }
}

/// How many are under way.
#[derive(Clone)]
pub struct Level(Option<prometheus::Gauge>);

impl Level {
    /// One more, until what is given back is dropped.
    #[must_use]
    pub fn enter(&self) -> Entered {
        if let Some(gauge) = &self.0 {
            gauge.inc();
        }
        Entered(self.clone())
    }
}

/// One that is under way.
pub struct Entered(Level);

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(gauge) = &self.0.0 {
            gauge.dec();
        }
    }
}

impl Families {
    fn family(&self, measure: &Measure) -> Family {
        let made = match measure.kind {
            Kind::Counter => {
                self.keep(IntCounterVec::new(Opts::new(measure.name, measure.help), measure.labels), Family::Counter)
            }
            Kind::Gauge => {
                self.keep(GaugeVec::new(Opts::new(measure.name, measure.help), measure.labels), Family::Gauge)
            }
            Kind::Time => {
                let options = HistogramOpts::new(measure.name, measure.help).buckets(BOUNDS.to_vec());
                self.keep(HistogramVec::new(options, measure.labels), Family::Time)
            }
        };
        made.unwrap_or_else(|error| {
            tracing::error!(measure = measure.name, %error, "a measure cannot be kept");
            Family::Unfit
        })
    }

    fn keep<V: Collector + Clone + 'static>(
        &self,
        values: prometheus::Result<V>,
        family: fn(V) -> Family,
    ) -> prometheus::Result<Family> {
        let values = values?;
        self.registry.register(Box::new(values.clone()))?;
        Ok(family(values))
    }
}

impl Family {
    /// What becomes of a value for a measure of another kind; one that cannot be kept was told of before.
    fn unfit(&self, measure: &Measure) -> prometheus::Result<()> {
        match self {
            Self::Unfit => Ok(()),
            _ => Err(prometheus::Error::Msg(format!("it is a {:?}", measure.kind))),
        }
    }
}

fn samples(family: &MetricFamily) -> Vec<Sample> {
    let sample = |metric: &Metric, suffix: &str, value: f64| {
        let labels = metric.get_label().iter().map(|label| (label.name().to_owned(), label.value().to_owned()));
        Sample { name: format!("{}{suffix}", family.name()), labels: labels.collect(), value }
    };
    let of = |metric: &Metric| match family.get_field_type() {
        MetricType::COUNTER => vec![sample(metric, "", metric.get_counter().get_value())],
        MetricType::GAUGE => vec![sample(metric, "", metric.get_gauge().get_value())],
        MetricType::HISTOGRAM => {
            let times = metric.get_histogram();
            let count = times.get_sample_count() as f64;
            vec![sample(metric, "_count", count), sample(metric, "_sum", times.get_sample_sum())]
        }
        MetricType::SUMMARY | MetricType::UNTYPED => Vec::new(),
    };
    family.get_metric().iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static EATEN: Measure = Measure::counter("eaten_total", "Apples that were eaten.", &["kind"]);
    static LEFT: Measure = Measure::gauge("left", "Apples that are left.", &[]);
    static CHEWING: Measure = Measure::time("chewing_seconds", "How long an apple is chewed.", &["kind"]);

    #[test]
    fn what_is_counted_and_timed_is_told() {
        let metrics = Metrics::default();
        let same = metrics.clone();
        metrics.count(&EATEN, &["red"]);
        same.count_many(&EATEN, &["red"], 2);
        metrics.set(&LEFT, &[], 6.0);
        let level = metrics.level(&LEFT, &[]);
        drop(level.enter());
        let _seventh = level.enter();
        metrics.look_first(|metrics| metrics.count(&EATEN, &["green"]));
        metrics.time(&CHEWING, &["a \"b\"\n"], Duration::from_millis(20));
        let text = metrics.text();
        for line in [
            "# HELP eaten_total Apples that were eaten.",
            "# TYPE eaten_total counter",
            "eaten_total{kind=\"red\"} 3",
            "eaten_total{kind=\"green\"} 1",
            "left 7",
            "# TYPE chewing_seconds histogram",
            "chewing_seconds_bucket{kind=\"a \\\"b\\\"\\n\",le=\"0.01\"} 0",
            "chewing_seconds_bucket{kind=\"a \\\"b\\\"\\n\",le=\"0.025\"} 1",
            "chewing_seconds_count{kind=\"a \\\"b\\\"\\n\"} 1",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        let samples = metrics.samples();
        let sample = |name: &str| samples.iter().rfind(|sample| sample.name == name).unwrap();
        let eaten =
            Sample { name: "eaten_total".to_owned(), labels: vec![("kind".to_owned(), "red".to_owned())], value: 3.0 };
        assert_eq!(sample("eaten_total"), &eaten);
        assert_eq!((sample("left").value, sample("chewing_seconds_count").value), (7.0, 1.0));
        assert!((sample("chewing_seconds_sum").value - 0.02).abs() < 1e-9);
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        static TWIN: Measure = Measure::gauge("eaten_total", "Another one of this name.", &[]);
        static NAMELESS: Measure = Measure::counter("no name", "It has a blank.", &[]);
        let metrics = Metrics::default();
        metrics.count(&EATEN, &["red"]);
        metrics.count(&EATEN, &["red", "round"]);
        metrics.set(&EATEN, &["red"], 9.0);
        metrics.set(&TWIN, &[], 9.0);
        metrics.count(&NAMELESS, &[]);
        metrics.count(&NAMELESS, &[]);
        let values: Vec<f64> = metrics.samples().iter().map(|sample| sample.value).collect();
        assert_eq!(values, [1.0]);
    }
}
