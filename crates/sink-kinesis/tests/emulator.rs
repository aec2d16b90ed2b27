//! The whole sink against an endpoint that does everything a bad day brings.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_kinesis::{Client, config::Credentials};
use sink_core::{ErrorKind, Ordering, Settings, Summary};
use sink_emulator::{Emulator, Fault, RecordError, kinesis::KinesisLimits};
use sink_kinesis::{KinesisSink, KinesisSinkConfig, keyed};

type Pair = (String, Vec<u8>);

async fn emulator() -> Emulator {
    Emulator::builder()
        .stream("flights", 4)
        .kinesis_limits(KinesisLimits::without_shard_rates())
        .seed(7)
        .start()
        .await
        .unwrap()
}

/// Batches of 100, ten in flight, and little patience.
fn settings() -> Settings {
    let ms = Duration::from_millis;
    let mut settings = Settings::default();
    settings.max_batch_size = Some(100);
    settings.max_in_flight_requests = Some(10);
    settings.max_time_in_buffer = Some(ms(50));
    settings.request_timeout = Some(ms(2000));
    settings.retry_initial_delay = Some(ms(5));
    settings.retry_max_delay = Some(ms(50));
    settings
}

async fn sink(emulator: &Emulator, stream: &str) -> KinesisSink<Pair> {
    sink_with(settings(), emulator, stream).await
}

async fn sink_with(settings: Settings, emulator: &Emulator, stream: &str) -> KinesisSink<Pair> {
    let mut config = KinesisSinkConfig::new(stream);
    config.settings = settings;
    config.aws.region = Some("us-east-1".to_owned());
    config.aws.endpoint_url = Some(emulator.endpoint_url());
    let sdk = config.aws.load(Duration::from_secs(1)).await.unwrap();
    let credentials = Credentials::new("test", "test", None, None, "test");
    let client = Client::from_conf(
        aws_sdk_kinesis::config::Builder::from(&sdk).credentials_provider(credentials).build(),
    );
    let builder = config.builder_with_client(&client, keyed::<String, Vec<u8>>).unwrap();
    builder.seed(7).build().unwrap()
}

fn event(number: usize) -> Pair {
    (format!("key {}", number % 37), format!("event {number}").into_bytes())
}

async fn write(sink: &KinesisSink<Pair>, numbers: std::ops::Range<usize>) {
    for number in numbers {
        sink.write(event(number)).await.unwrap();
    }
}

/// How often each event arrived, by its number.
fn arrived(emulator: &Emulator) -> BTreeMap<usize, usize> {
    let mut arrived = BTreeMap::new();
    for record in emulator.kinesis().records("flights").unwrap().iter().flatten() {
        let text = std::str::from_utf8(&record.data).unwrap();
        let number = text.strip_prefix("event ").unwrap().parse().unwrap();
        assert_eq!(record.partition_key, event(number).0);
        *arrived.entry(number).or_default() += 1;
    }
    arrived
}

fn assert_all(emulator: &Emulator, count: usize) {
    let arrived = arrived(emulator);
    let missing: Vec<_> = (0..count).filter(|number| !arrived.contains_key(number)).collect();
    assert!(missing.is_empty(), "{} of {count} are lost: {missing:?}", missing.len());
    assert_eq!(arrived.len(), count, "what nobody wrote");
}

/// Closes, and says how it stood if that never ends.
async fn close(sink: &KinesisSink<Pair>) -> Summary {
    let closed = tokio::time::timeout(Duration::from_secs(60), sink.close()).await;
    closed.unwrap_or_else(|_| panic!("never closed: {:?}", sink.stats())).unwrap()
}

async fn send_all(emulator: &Emulator, count: usize) -> Summary {
    let sink = sink(emulator, "flights").await;
    write(&sink, 0..count).await;
    let summary = close(&sink).await;
    assert_eq!(summary.counters.delivered.entries, count);
    assert_all(emulator, count);
    summary
}

#[tokio::test]
async fn on_a_good_day_each_event_arrives_once() {
    let emulator = emulator().await;
    let counters = send_all(&emulator, 2000).await.counters;
    assert_eq!((counters.requests, counters.retried()), (20, 0));
    assert!(arrived(&emulator).values().all(|times| *times == 1));
    assert!(emulator.kinesis().most_requests_in_flight() <= 10);
}

#[tokio::test]
async fn each_fault_by_itself_loses_nothing() {
    for fault in [
        Fault::error(500, "InternalFailure"),
        Fault::error(400, "ProvisionedThroughputExceededException"),
        Fault::error(400, "KMSThrottlingException"),
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
        Fault::AnswerTooShort,
        Fault::AnswerTooLong,
    ] {
        let emulator = emulator().await;
        emulator.faults().fail_next(2, fault.clone());
        let counters = send_all(&emulator, 500).await.counters;
        assert_eq!(counters.failed_requests, 2, "{fault:?}");
        assert_eq!(counters.retried(), 200, "{fault:?}");
        let is_wrong = matches!(fault, Fault::AnswerTooShort | Fault::AnswerTooLong);
        assert_eq!(counters.wrong_answers, if is_wrong { 2 } else { 0 }, "{fault:?}");
        let duplicates = arrived(&emulator).values().filter(|times| **times == 2).count();
        let stored =
            is_wrong || matches!(fault, Fault::ResetAfterStoring | Fault::SilenceAfterStoring);
        assert_eq!(duplicates, if stored { 200 } else { 0 }, "{fault:?}");
    }
}

/// Nearly everything that can go wrong, all at once.
fn bad_day(emulator: &Emulator) {
    let faults = emulator.faults();
    faults.delay_answers(Duration::from_millis(1), Duration::from_millis(10));
    faults.fail_records(0.05, RecordError::Throttled);
    faults.fail_records(0.05, RecordError::InternalFailure);
    for fault in [
        Fault::EmptyBody(503),
        Fault::HtmlBody(500),
        Fault::error(400, "LimitExceededException"),
        Fault::Reset,
        Fault::ResetAfterStoring,
        Fault::SilenceAfterStoring,
        Fault::AnswerTooShort,
    ] {
        faults.fail_requests(0.03, fault);
    }
}

#[tokio::test]
async fn all_faults_at_once_lose_nothing() {
    let emulator = emulator().await;
    bad_day(&emulator);
    let counters = send_all(&emulator, 10_000).await.counters;
    assert!(counters.retried_throttled > 100, "{counters:?}");
    assert!(counters.retried_unavailable > 100, "{counters:?}");
    assert_eq!(
        counters.sent.entries as u64,
        counters.delivered.entries as u64 + counters.retried()
    );
}

#[tokio::test]
async fn in_order_each_key_arrives_as_it_was_written_whatever_fails() {
    let emulator = emulator().await;
    bad_day(&emulator);
    let mut settings = settings();
    settings.ordering = Some(Ordering::PerLane);
    settings.request_timeout = Some(Duration::from_millis(300));
    let sink = sink_with(settings, &emulator, "flights").await;
    write(&sink, 0..1500).await;
    let counters = close(&sink).await.counters;
    assert!(counters.retried() > 100, "{counters:?}");
    assert_all(&emulator, 1500);
    let mut last = BTreeMap::new();
    for record in emulator.kinesis().records("flights").unwrap().iter().flatten() {
        let text = std::str::from_utf8(&record.data).unwrap();
        let number: usize = text.strip_prefix("event ").unwrap().parse().unwrap();
        // A record may come twice; what is new must be the key's next.
        let last = last.entry(record.partition_key.clone()).or_insert(number);
        if number > *last {
            assert_eq!(number, *last + 37, "{} has a gap or was overtaken", record.partition_key);
            *last = number;
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_dies_and_comes_back_gets_everything() {
    let mut emulator = emulator().await;
    let sink = sink(&emulator, "flights").await;
    for part in 0..3 {
        write(&sink, part * 300..(part + 1) * 300).await;
        emulator.kill().await;
        let failed = sink.stats().counters.failed_requests;
        write(&sink, 900 + part * 200..900 + (part + 1) * 200).await;
        while sink.stats().counters.failed_requests < failed + 3 {
            tokio::task::yield_now().await;
        }
        emulator.revive().await.unwrap();
    }
    let summary = close(&sink).await;
    assert_eq!(summary.counters.delivered.entries, 1500);
    assert_all(&emulator, 1500);
}

#[tokio::test]
async fn shards_that_throttle_get_everything_in_the_end() {
    let mut limits = KinesisLimits::default();
    limits.shard_records_per_second = Some(300);
    let emulator =
        Emulator::builder().stream("flights", 4).kinesis_limits(limits).start().await.unwrap();
    let counters = send_all(&emulator, 2500).await.counters;
    assert!(counters.retried_throttled > 0);
    assert!(
        arrived(&emulator).values().all(|times| *times == 1),
        "a throttled record is not stored"
    );
}

#[tokio::test]
async fn fatal_answers_stop_the_sink_and_say_what_to_do() {
    for (fault, stream, expected) in [
        (None, "none", &["Stream none", "ResourceNotFoundException", "create-stream"][..]),
        (Some("AccessDeniedException"), "flights", &["kinesis:PutRecords"]),
        (Some("UnrecognizedClientException"), "flights", &["AWS_ACCESS_KEY_ID"]),
        (Some("InvalidSignatureException"), "flights", &["AWS_SECRET_ACCESS_KEY"]),
        (Some("KMSDisabledException"), "flights", &["key"]),
        (Some("InvalidArgumentException"), "flights", &["InvalidArgumentException"]),
    ] {
        let emulator = emulator().await;
        if let Some(code) = fault {
            emulator.faults().fail_requests(1.0, Fault::error(400, code));
        }
        let sink = sink(&emulator, stream).await;
        write(&sink, 0..10).await;
        let error = sink.close().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal);
        for words in expected {
            assert!(error.to_string().contains(words), "{words} is missing in: {error}");
        }
        assert_eq!(sink.into_unsent().await.len(), 10);
    }
}
