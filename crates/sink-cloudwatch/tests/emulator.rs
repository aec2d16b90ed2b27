//! The whole sink against an endpoint that does everything a bad day brings.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use aws_sdk_cloudwatch::{
    Client,
    config::{Credentials, retry::RetryConfig},
};
use sink_aws::BodyEncoding;
use sink_cloudwatch::{CloudWatchSink, CloudWatchSinkConfig, Metric, MetricDatum, Unit, as_is};
use sink_core::{DeadLetter, DeadLetterFuture, DeadLetterHandler, ErrorKind, Settings, Summary};
use sink_emulator::{
    Emulator, Fault,
    cloudwatch::{CloudWatchLimits, DatumValue},
};

const ENCODINGS: [BodyEncoding; 2] = [BodyEncoding::Sdk, BodyEncoding::Cbor];

async fn emulator() -> Emulator {
    let builder = Emulator::builder().cloudwatch_limits(CloudWatchLimits::without_rates());
    builder.seed(7).start().await.unwrap()
}

/// Little patience.
fn config(emulator: &Emulator) -> CloudWatchSinkConfig {
    let ms = Duration::from_millis;
    let mut settings = Settings::default();
    settings.max_in_flight_requests = Some(10);
    settings.max_time_in_buffer = Some(ms(50));
    settings.request_timeout = Some(ms(2000));
    settings.retry_initial_delay = Some(ms(5));
    settings.retry_max_delay = Some(ms(50));
    let mut config = CloudWatchSinkConfig::new("Shop");
    config.settings = settings;
    config.aws.region = Some("us-east-1".to_owned());
    config.aws.endpoint_url = Some(emulator.endpoint_url());
    config
}

fn config_in(emulator: &Emulator, encoding: BodyEncoding) -> CloudWatchSinkConfig {
    let mut config = config(emulator);
    config.body_encoding = encoding;
    config
}

/// A client as a user may bring it: with retries of its own.
async fn client(config: &CloudWatchSinkConfig) -> Client {
    let sdk = config.aws.load(Duration::from_secs(1)).await.unwrap();
    Client::from_conf(
        aws_sdk_cloudwatch::config::Builder::from(&sdk)
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(RetryConfig::standard().with_max_attempts(5))
            .build(),
    )
}

async fn sink(config: &CloudWatchSinkConfig) -> CloudWatchSink<MetricDatum> {
    let builder = config.builder_with_client(&client(config).await, as_is).unwrap();
    builder.seed(7).build().unwrap()
}

fn metric(name: impl Into<String>) -> Metric {
    Metric::builder(name).dimension("Route", "/").unit(Unit::Count).build().unwrap()
}

/// Closes, and says how it stood if that never ends.
async fn close(sink: &CloudWatchSink<MetricDatum>) -> Summary {
    let closed = tokio::time::timeout(Duration::from_secs(60), sink.close()).await;
    closed.unwrap_or_else(|_| panic!("never closed: {:?}", sink.stats())).unwrap()
}

/// How often each value of `Number` arrived.
fn arrived(emulator: &Emulator) -> BTreeMap<u64, usize> {
    let mut arrived = BTreeMap::new();
    for datum in emulator.cloudwatch().data("Shop") {
        assert_eq!(datum.metric_name, "Number");
        let DatumValue::Single(number) = datum.value else { panic!("{datum:?}") };
        *arrived.entry(number as u64).or_default() += 1;
    }
    arrived
}

/// Writes the data `Number`, and sees that each arrives.
async fn send_all(emulator: &Emulator, config: &CloudWatchSinkConfig, count: u32) -> Summary {
    let (sink, metric) = (sink(config).await, metric("Number"));
    for number in 0..count {
        sink.write(metric.value(f64::from(number)).unwrap()).await.unwrap();
    }
    let summary = close(&sink).await;
    assert_eq!(summary.counters.delivered.entries, count as usize);
    assert!(arrived(emulator).into_keys().eq(0..u64::from(count)));
    summary
}

/// Remembers what was rejected, and why.
#[derive(Clone, Default)]
struct Letters(Arc<Mutex<Vec<(MetricDatum, String)>>>);

impl DeadLetterHandler<MetricDatum> for Letters {
    fn handle(&self, letter: &DeadLetter<'_, MetricDatum>) -> DeadLetterFuture {
        self.0.lock().unwrap().push((letter.entry.clone(), letter.reason.to_string()));
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn on_a_good_day_each_datum_arrives_once_in_full_compressed_requests() {
    for encoding in ENCODINGS {
        let emulator = emulator().await;
        let config = config_in(&emulator, encoding);
        let counters = send_all(&emulator, &config, 3000).await.counters;
        assert_eq!((counters.requests, counters.retried()), (3, 0), "{encoding}");
        assert!(arrived(&emulator).into_values().all(|times| times == 1), "{encoding}");
        // What a batch counts, and the frame of this namespace, is what came.
        let sizes = emulator.cloudwatch().request_sizes();
        let bytes: usize = sizes.iter().map(|size| size.bytes).sum();
        assert_eq!(counters.delivered.bytes + 3 * (2 + 10 + 5 + 11 + 3), bytes, "{encoding}");
        let is_full = sizes.iter().all(|size| size.data == 1000);
        assert!(is_full && sizes.iter().all(|size| size.sent_bytes * 3 < size.bytes), "{encoding}");
    }
}

#[tokio::test]
async fn of_a_thousand_data_only_the_bad_ones_do_not_arrive() {
    let bad = [vec![500], vec![0, 1, 999], vec![3, 99, 100, 101, 250, 499, 500, 700, 998, 999]];
    for (encoding, bad) in ENCODINGS.iter().flat_map(|e| bad.iter().map(move |bad| (*e, bad))) {
        let emulator = emulator().await;
        let config = config_in(&emulator, encoding);
        let letters = Letters::default();
        let builder = config.builder_with_client(&client(&config).await, as_is).unwrap();
        let sink = builder.seed(7).dead_letters(letters.clone()).build().unwrap();
        let number = metric("Number");
        // In time by a clock that is three weeks slow, and too old by the service's.
        let slow = SystemTime::now() - Duration::from_secs(21 * 24 * 3600);
        for n in 0..1000 {
            let datum = number.value(f64::from(n)).unwrap();
            let is_bad = bad.contains(&n);
            let datum = if is_bad { datum.at_by_clock(slow, slow).unwrap() } else { datum };
            sink.write(datum).await.unwrap();
        }
        let counters = close(&sink).await.counters;
        assert_eq!(counters.delivered.entries, 1000 - bad.len());
        assert_eq!(counters.rejected.entries, bad.len());
        let all = arrived(&emulator);
        assert!(all.values().all(|times| *times == 1), "a refused request stores nothing");
        let good = (0..1000_u64).filter(|n| !bad.iter().any(|b| u64::try_from(*b) == Ok(*n)));
        assert!(all.into_keys().eq(good));
        let letters = letters.0.lock().unwrap();
        assert_eq!(letters.len(), bad.len());
        for (datum, reason) in letters.iter() {
            assert!(
                bad.iter().any(|n| number.value(f64::from(*n)).unwrap().value() == datum.value())
            );
            assert!(reason.starts_with("InvalidParameterValue: "), "{reason}");
            assert!(reason.contains("Timestamp must specify a time within"), "{reason}");
        }
        // Two for each halving, of which a thousand need ten.
        assert!(counters.requests <= 1 + 20 * bad.len() as u64, "{counters:?}");
    }
}

#[tokio::test]
async fn without_dead_letters_a_bad_datum_stops_the_sink_which_keeps_it() {
    let emulator = emulator().await;
    emulator.cloudwatch().refuse_metric("Bad");
    let sink = sink(&config(&emulator)).await;
    sink.write(metric("Bad").value(1.0).unwrap()).await.unwrap();
    let error = sink.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("The value Bad for parameter MetricData"), "{error}");
    assert_eq!(sink.into_unsent().await.len(), 1);
}

#[tokio::test]
async fn a_request_that_is_too_large_for_the_service_is_halved() {
    // A service that takes less than its documentation says.
    let mut limits = CloudWatchLimits::without_rates();
    limits.bytes_per_request = Some(20_000);
    let builder = Emulator::builder().cloudwatch_limits(limits);
    let emulator = builder.seed(7).start().await.unwrap();
    let counters = send_all(&emulator, &config(&emulator), 1000).await.counters;
    assert!(counters.failed_requests > 0, "{counters:?}");
    assert!(arrived(&emulator).into_values().all(|times| times == 1));
    // And a proxy in front of it says so without a code.
    emulator.cloudwatch().forget();
    emulator.faults().fail_next(1, Fault::HtmlBody(413));
    let counters = send_all(&emulator, &config(&emulator), 100).await.counters;
    assert_eq!((counters.failed_requests, counters.requests), (1, 3), "{counters:?}");
}

#[tokio::test]
async fn each_fault_by_itself_loses_nothing() {
    let faults = [
        Fault::error(500, "InternalServiceError"),
        Fault::error(400, "Throttling"),
        Fault::error(400, "ThrottlingException"),
        Fault::error(400, "ExpiredTokenException"),
        Fault::error(400, "SomethingNew"),
        Fault::EmptyBody(500),
        Fault::EmptyBody(503),
        Fault::EmptyBody(429),
        Fault::HtmlBody(502),
        Fault::Reset,
        Fault::ResetAfterStoring,
        Fault::Silence,
        Fault::SilenceAfterStoring,
    ];
    for (encoding, fault) in ENCODINGS.iter().flat_map(|e| faults.iter().map(move |f| (*e, f))) {
        let emulator = emulator().await;
        emulator.faults().fail_next(2, fault.clone());
        let mut config = config_in(&emulator, encoding);
        config.settings.max_batch_size = Some(100);
        let counters = send_all(&emulator, &config, 500).await.counters;
        assert_eq!(
            (counters.failed_requests, counters.retried()),
            (2, 200),
            "{encoding} {fault:?}"
        );
        let duplicates = arrived(&emulator).values().filter(|times| **times == 2).count();
        let stored = matches!(fault, Fault::ResetAfterStoring | Fault::SilenceAfterStoring);
        assert_eq!(duplicates, if stored { 200 } else { 0 }, "{encoding} {fault:?}");
    }
}

#[tokio::test]
async fn a_throttled_account_gets_everything_in_the_end() {
    let mut limits = CloudWatchLimits::default();
    limits.requests_per_second = Some(20);
    let builder = Emulator::builder().cloudwatch_limits(limits);
    let emulator = builder.seed(7).start().await.unwrap();
    let mut config = config(&emulator);
    config.settings.max_batch_size = Some(50);
    let counters = send_all(&emulator, &config, 2000).await.counters;
    assert!(counters.retried_throttled > 0);
    assert!(arrived(&emulator).into_values().all(|times| times == 1));
}

#[tokio::test]
async fn fatal_answers_stop_the_sink_and_say_what_to_do() {
    let codes = [
        ("AccessDenied", "cloudwatch:PutMetricData"),
        ("UnrecognizedClientException", "AWS_ACCESS_KEY_ID"),
        ("SerializationException", "endpoint_url"),
    ];
    for (encoding, (code, expected)) in ENCODINGS.iter().flat_map(|e| codes.map(|code| (*e, code)))
    {
        let emulator = emulator().await;
        emulator.faults().fail_requests(1.0, Fault::error(400, code));
        let config = config_in(&emulator, encoding);
        let sink = sink(&config).await;
        for n in 0..10 {
            sink.write(metric("Number").value(f64::from(n)).unwrap()).await.unwrap();
        }
        let error = sink.close().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal);
        assert!(error.to_string().contains(expected), "{expected} is missing in: {error}");
        assert_eq!(sink.into_unsent().await.len(), 10);
    }
}

#[tokio::test]
async fn a_hundred_thousand_increments_become_a_handful_of_data() {
    const MINUTE_MS: i64 = 60_000;
    let emulator = emulator().await;
    let mut config = config(&emulator);
    config.aggregate = true;
    config.settings.max_time_in_buffer = Some(Duration::from_secs(1));
    let sink = sink(&config).await;
    let (counter, other) = (metric("Count"), metric("Other"));
    let now = SystemTime::now();
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let in_minute = Duration::from_millis((since_1970 % 60_000) as u64);
    let minute = now - in_minute;
    for n in 0..100_000_u64 {
        let time = minute - Duration::from_millis(1 + n % 60_000);
        sink.write(counter.value(1.0).unwrap().at(time).unwrap()).await.unwrap();
        if n % 10 == 0 {
            let value = (n / 10 % 100) as f64;
            sink.write(other.value(value).unwrap().at(time).unwrap()).await.unwrap();
        }
    }
    close(&sink).await;
    let cloudwatch = emulator.cloudwatch();
    let of = |name| {
        let period = Duration::from_secs(60);
        cloudwatch.statistics("Shop", name, &[("Route", "/")], period).into_iter().next().unwrap()
    };
    let (at, count) = of("Count");
    let minute_ms = since_1970 as i64 - in_minute.as_millis() as i64 - MINUTE_MS;
    assert_eq!(at, minute_ms);
    assert_eq!((count.sample_count, count.sum), (100_000.0, 100_000.0));
    assert_eq!((count.minimum, count.maximum), (1.0, 1.0));
    let (_, other) = of("Other");
    assert_eq!((other.sample_count, other.sum), (10_000.0, 495_000.0));
    assert_eq!((other.minimum, other.maximum), (0.0, 99.0));
    let data = cloudwatch.data("Shop");
    assert!(data.len() <= 100, "{} data", data.len());
    assert!(
        data.iter()
            .filter(|d| matches!(d.value, DatumValue::Values { .. }))
            .all(|d| d.timestamp == at)
    );
}
