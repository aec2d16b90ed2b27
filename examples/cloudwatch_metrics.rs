//! What a user copies: a recorder for the crate `metrics`, so that an application's own counters,
//! gauges and histograms go to CloudWatch.
//!
//! `cargo run -p examples --bin cloudwatch_metrics -- NAMESPACE`, with AWS credentials and a region
//! in the environment, and, for an endpoint other than AWS, its URL in `AWS_ENDPOINT_URL`.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program may speak

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString};
use sink_cloudwatch::{CloudWatchSink, CloudWatchSinkConfig, Metric, MetricDatum, Unit, as_is};

/// Recording never waits: it notes a number here, and [`CloudWatchRecorder::report`] sends it.
#[derive(Clone, Default)]
struct CloudWatchRecorder(Arc<Mutex<AllSeries>>);

type AllSeries = HashMap<(Key, Unit), Arc<Series>>;

/// One metric, and what was recorded since the last report.
struct Series {
    metric: Metric,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    total: u64,
    reported: u64,
    gauge: Option<f64>,
    histogram: Vec<f64>,
}

impl CloudWatchRecorder {
    /// Labels become dimensions. `None`, and a message, where CloudWatch would not take the names.
    fn series(&self, key: &Key, unit: Unit) -> Option<Arc<Series>> {
        let (mut all, id) = (lock(&self.0), (key.clone(), unit));
        if let Some(series) = all.get(&id).cloned() {
            return Some(series);
        }
        let builder = Metric::builder(key.name()).unit(id.1.clone());
        let builder =
            key.labels().fold(builder, |b, label| b.dimension(label.key(), label.value()));
        let metric =
            builder.build().inspect_err(|error| eprintln!("not recorded: {error}")).ok()?;
        let series = Series { metric, noted: Mutex::default() };
        Some(Arc::clone(all.entry(id).or_insert_with(|| Arc::new(series))))
    }

    /// Writes what was recorded since the last time. What the sink holds then it merges by itself.
    async fn report(&self, sink: &CloudWatchSink<MetricDatum>) -> Result<(), sink_core::Error> {
        let all: Vec<_> = lock(&self.0).values().cloned().collect();
        for series in all {
            let mut values = Vec::new();
            {
                let mut noted = lock(&series.noted);
                let total = noted.total;
                let increment = total - mem::replace(&mut noted.reported, total);
                values.extend((increment > 0).then_some(increment as f64));
                values.extend(noted.gauge);
                values.append(&mut noted.histogram);
            }
            for value in values {
                match series.metric.value(value) {
                    Ok(datum) => sink.write(datum).await?,
                    Err(error) => eprintln!("not reported: {error}"),
                }
            }
        }
        Ok(())
    }
}

impl Recorder for CloudWatchRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<metrics::Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<metrics::Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<metrics::Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.series(key, Unit::Count).map_or_else(Counter::noop, Counter::from_arc)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.series(key, Unit::None).map_or_else(Gauge::noop, Gauge::from_arc)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.series(key, Unit::None).map_or_else(Histogram::noop, Histogram::from_arc)
    }
}

impl metrics::CounterFn for Series {
    fn increment(&self, value: u64) {
        let mut noted = lock(&self.noted);
        noted.total = noted.total.saturating_add(value);
    }

    fn absolute(&self, value: u64) {
        let mut noted = lock(&self.noted);
        noted.total = noted.total.max(value);
    }
}

impl metrics::GaugeFn for Series {
    fn increment(&self, value: f64) {
        *lock(&self.noted).gauge.get_or_insert(0.0) += value;
    }

    fn decrement(&self, value: f64) {
        *lock(&self.noted).gauge.get_or_insert(0.0) -= value;
    }

    fn set(&self, value: f64) {
        lock(&self.noted).gauge = Some(value);
    }
}

impl metrics::HistogramFn for Series {
    fn record(&self, value: f64) {
        lock(&self.noted).histogram.push(value);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let namespace = std::env::args().nth(1).ok_or("usage: cloudwatch_metrics NAMESPACE")?;
    let mut config = CloudWatchSinkConfig::new(namespace);
    config.aggregate = true;
    let (sink, recorder) = (config.build(as_is).await?, CloudWatchRecorder::default());
    metrics::set_global_recorder(recorder.clone())?;
    // The application; in one that stays, a task calls `report` every few seconds.
    for round in 0..10_u32 {
        for request in 0..1000_u32 {
            metrics::counter!("requests", "route" => "/basket").increment(1);
            metrics::histogram!("latency").record(f64::from(request % 100));
        }
        metrics::gauge!("queue").set(f64::from(round));
        recorder.report(&sink).await?;
    }
    println!("{} data delivered", sink.close().await?.counters.delivered.entries);
    Ok(())
}
