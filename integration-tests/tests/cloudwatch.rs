//! The CloudWatch sink against LocalStack: the statistics that CloudWatch gives are those of what
//! was written.
//!
//! LocalStack keeps each value, and gives statistics of them as CloudWatch does, but has none of its
//! limits and takes almost any datum: NaN, no name, a time of last year. So bad data are asked of it
//! by the project's fault hook; what CloudWatch finds bad is tested against `sink-emulator`.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use integration_tests::{Fault, LocalStack, Namespace, Statistics};
use sink_cloudwatch::{
    CloudWatchSinkConfig, Metric, MetricDatum, Resolution, StatisticSet, Unit, as_is,
};
use sink_core::{DeadLetter, DeadLetterFuture, DeadLetterHandler};

const MINUTE: Duration = Duration::from_secs(60);
const MINUTES: u32 = 3;

fn config(namespace: &Namespace) -> CloudWatchSinkConfig {
    let mut config = CloudWatchSinkConfig::new(namespace.name());
    config.settings.max_time_in_buffer = Some(Duration::from_millis(200));
    config
}

/// The begin of a minute, an hour ago.
fn an_hour_ago() -> SystemTime {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since_1970 / 60 * 60) - 60 * MINUTE
}

fn metric(name: &str) -> Metric {
    Metric::builder(name).unit(Unit::Milliseconds).build().unwrap()
}

/// The values of a minute: halves, so that sums are exact in any order, and negative ones too.
fn values(minute: u32) -> Vec<f64> {
    let seed = u64::from(minute) + 1;
    (0..400_u64).map(|n| (n * n * seed % 97) as f64 / 2.0 - f64::from(minute)).collect()
}

/// Each value alone, spread over the minute.
fn singly(minute: u32, start: SystemTime) -> Vec<MetricDatum> {
    let single = metric("single");
    let datum = |(n, value)| {
        let at = start + minute * MINUTE + Duration::from_millis(n as u64 * 149);
        single.value(value).unwrap().at(at).unwrap()
    };
    values(minute).into_iter().enumerate().map(datum).collect()
}

/// With their counts, a quarter of the minute's values a datum.
fn counted(minute: u32, start: SystemTime) -> Vec<MetricDatum> {
    let counted = metric("counted");
    let datum = |values: &[f64]| {
        let datum = counted.values(values.iter().map(|value| (*value, 1.0))).unwrap();
        datum.at(start + minute * MINUTE).unwrap()
    };
    values(minute).chunks(100).map(datum).collect()
}

/// As statistic sets, likewise.
fn summed(minute: u32, start: SystemTime) -> Vec<MetricDatum> {
    let summed = metric("summed");
    let datum = |values: &[f64]| {
        let Statistics { count, sum, minimum, maximum } = Statistics::of(values);
        let set = StatisticSet { sample_count: count, sum, minimum, maximum };
        summed.statistics(set).unwrap().at(start + minute * MINUTE).unwrap()
    };
    values(minute).chunks(100).map(datum).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_are_those_of_what_was_written_merged_or_not() {
    let localstack = LocalStack::from_env();
    let start = an_hour_ago();
    for aggregate in [false, true] {
        let namespace = localstack.namespace("statistics").await;
        let mut config = config(&namespace);
        config.aggregate = aggregate;
        let sink = config.build(as_is).await.unwrap();
        let mut written = 0;
        for minute in 0..MINUTES {
            for datum in [singly, counted, summed].iter().flat_map(|form| form(minute, start)) {
                sink.write(datum).await.unwrap();
                written += 1;
            }
        }
        let counters = sink.close().await.unwrap().counters;

        // A retry could mean that a value is there twice.
        assert_eq!(counters.retried(), 0, "{counters:?}");
        let (sent, merged) = (counters.sent.entries, counters.merged.entries);
        assert_eq!(sent + merged, written);
        assert!(if aggregate { merged > written / 2 } else { merged == 0 }, "{counters:?}");
        assert_eq!(namespace.metrics().await, ["counted", "single", "summed"]);
        let expected: BTreeMap<_, _> =
            (0..MINUTES).map(|minute| (minute, Statistics::of(&values(minute)))).collect();
        for name in ["single", "counted", "summed"] {
            // A minute more than there is.
            let found = namespace.statistics(name, start, MINUTE, MINUTES + 1).await;
            assert_eq!(found, expected, "{name}, merged: {aggregate}");
        }
    }
}

/// The values that were rejected, and why.
#[derive(Clone, Default)]
struct Letters(Arc<Mutex<Vec<(String, String)>>>);

impl DeadLetterHandler<MetricDatum> for Letters {
    fn handle(&self, letter: &DeadLetter<'_, MetricDatum>) -> DeadLetterFuture {
        let name = letter.entry.metric().name().to_owned();
        self.0.lock().unwrap().push((name, letter.reason.to_string()));
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn of_a_thousand_data_only_the_bad_ones_do_not_arrive() {
    const BAD: [u32; 3] = [0, 499, 731];
    let localstack = LocalStack::from_env();
    let namespace = localstack.namespace("poisoned").await;
    let refusal = Fault::call_holding("bad", 400, "InvalidParameterValue");
    let faults = localstack.inject(&namespace, [refusal]);
    let letters = Letters::default();
    let builder = config(&namespace).builder(as_is).await.unwrap();
    let sink = builder.dead_letters(letters.clone()).build().unwrap();
    // A second each, to be told apart when they are read back.
    let start = an_hour_ago();
    let named = |name| Metric::builder(name).resolution(Resolution::Second).build().unwrap();
    let (good, bad) = (named("good"), named("bad"));
    for n in 0..1000 {
        let metric = if BAD.contains(&n) { &bad } else { &good };
        let datum = metric.value(f64::from(n)).unwrap();
        sink.write(datum.at(start + Duration::from_secs(u64::from(n))).unwrap()).await.unwrap();
    }

    let counters = sink.close().await.unwrap().counters;

    assert_eq!(counters.delivered.entries, 1000 - BAD.len());
    assert_eq!(counters.failed_requests, faults.applied());
    let letters = letters.0.lock().unwrap().clone();
    assert_eq!(letters.len(), BAD.len());
    for (name, reason) in letters {
        assert_eq!(
            (name.as_str(), reason.as_str()),
            ("bad", "InvalidParameterValue: injected fault")
        );
    }
    assert_eq!(namespace.metrics().await, ["good"]);
    let second = Duration::from_secs(1);
    let found = namespace.statistics("good", start, second, 1000).await;
    let good = (0..1000).filter(|n| !BAD.contains(n));
    assert_eq!(found, good.map(|n| (n, Statistics::of(&[f64::from(n)]))).collect());
}
