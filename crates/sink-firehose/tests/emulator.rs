//! The whole sink against an endpoint that does everything a bad day brings.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_firehose::{
    Client,
    config::{Credentials, retry::RetryConfig},
};
use sink_core::{ErrorKind, Settings, Summary};
use sink_emulator::{Emulator, Fault, RecordError, firehose::FirehoseLimits};
use sink_firehose::{FirehoseConverter, FirehoseSink, FirehoseSinkConfig};

async fn emulator() -> Emulator {
    with_limits(FirehoseLimits::without_rates()).await
}

async fn with_limits(limits: FirehoseLimits) -> Emulator {
    let builder = Emulator::builder().delivery_stream("flights").firehose_limits(limits);
    builder.seed(7).start().await.unwrap()
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

/// Writes lines, with a client as a user may bring it: with retries of its own.
async fn sink_with(settings: Settings, emulator: &Emulator, stream: &str) -> FirehoseSink<String> {
    let mut config = FirehoseSinkConfig::new(stream);
    config.settings = settings;
    config.aws.region = Some("us-east-1".to_owned());
    config.aws.endpoint_url = Some(emulator.endpoint_url());
    let sdk = config.aws.load(Duration::from_secs(1)).await.unwrap();
    let client = Client::from_conf(
        aws_sdk_firehose::config::Builder::from(&sdk)
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(RetryConfig::standard().with_max_attempts(5))
            .build(),
    );
    let converter = FirehoseConverter::new(|line: &String| Ok::<_, std::fmt::Error>(line.clone()));
    let builder = config.builder_with_client(&client, converter.delimiter("\n")).unwrap();
    builder.seed(7).build().unwrap()
}

async fn sink(emulator: &Emulator) -> FirehoseSink<String> {
    sink_with(settings(), emulator, "flights").await
}

async fn write(sink: &FirehoseSink<String>, numbers: std::ops::Range<usize>) {
    for number in numbers {
        sink.write(format!("event {number}")).await.unwrap();
    }
}

/// How often each event arrived, by its number.
fn arrived(emulator: &Emulator) -> BTreeMap<usize, usize> {
    let mut arrived = BTreeMap::new();
    for record in emulator.firehose().records("flights").unwrap() {
        let line = std::str::from_utf8(&record).unwrap();
        let number = line.strip_prefix("event ").unwrap().strip_suffix('\n').unwrap();
        *arrived.entry(number.parse().unwrap()).or_default() += 1;
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
async fn close(sink: &FirehoseSink<String>) -> Summary {
    let closed = tokio::time::timeout(Duration::from_secs(60), sink.close()).await;
    closed.unwrap_or_else(|_| panic!("never closed: {:?}", sink.stats())).unwrap()
}

async fn send_all(emulator: &Emulator, count: usize) -> Summary {
    let sink = sink(emulator).await;
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
    assert!(emulator.firehose().most_requests_in_flight() <= 10);
    assert_eq!(
        counters.delivered.bytes as u64,
        emulator.firehose().totals("flights").unwrap().bytes
    );
}

#[tokio::test]
async fn requests_fill_the_limits_and_never_pass_them() {
    let emulator = emulator().await;
    let mut settings = settings();
    settings.max_batch_size = None;
    settings.max_time_in_buffer = Some(Duration::from_secs(60));
    let sink = sink_with(settings, &emulator, "flights").await;
    // With its delimiter the largest that there is, and one more byte is refused.
    let largest = "x".repeat(1_024_000 - 1);
    for _ in 0..9 {
        sink.write(largest.clone()).await.unwrap();
    }
    let error = sink.write(largest + "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    sink.flush().await.unwrap();
    assert_eq!(emulator.firehose().largest_batch_bytes(), 4 * 1_024_000);
    for number in 0..1001 {
        sink.write(number.to_string()).await.unwrap();
    }
    let counters = close(&sink).await.counters;
    assert_eq!((counters.delivered.entries, counters.retried()), (1010, 0));
    assert_eq!(emulator.firehose().largest_batch_records(), 500);
}

#[tokio::test]
async fn each_fault_by_itself_loses_nothing() {
    for fault in [
        Fault::error(500, "InternalFailure"),
        Fault::error(500, "ServiceUnavailableException"),
        Fault::error(400, "ThrottlingException"),
        Fault::error(400, "LimitExceededException"),
        Fault::error(400, "ExpiredTokenException"),
        Fault::error(400, "SomethingNew"),
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
        // Each attempt is the engine's: the client's own retries are off.
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

#[tokio::test]
async fn only_the_records_that_failed_are_sent_again() {
    let emulator = emulator().await;
    emulator.faults().fail_records(0.1, RecordError::InternalFailure);
    let counters = send_all(&emulator, 2000).await.counters;
    assert!(counters.retried_unavailable > 100, "{counters:?}");
    assert_eq!(counters.retried(), counters.retried_unavailable);
    assert_eq!(
        counters.sent.entries as u64,
        counters.delivered.entries as u64 + counters.retried()
    );
    assert!(arrived(&emulator).values().all(|times| *times == 1), "a failed record is not stored");
}

#[tokio::test]
async fn a_stream_that_throttles_gets_everything_in_the_end() {
    let mut limits = FirehoseLimits::default();
    limits.stream_records_per_second = Some(1000);
    let emulator = with_limits(limits).await;
    let counters = send_all(&emulator, 2500).await.counters;
    assert!(counters.retried_throttled > 0, "{counters:?}");
    assert!(arrived(&emulator).values().all(|times| *times == 1));
}

#[tokio::test]
async fn an_endpoint_that_dies_and_comes_back_gets_everything() {
    let mut emulator = emulator().await;
    let sink = sink(&emulator).await;
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
    assert_eq!(close(&sink).await.counters.delivered.entries, 1500);
    assert_all(&emulator, 1500);
}

#[tokio::test]
async fn fatal_answers_stop_the_sink_which_keeps_everything_and_says_what_to_do() {
    for (fault, stream, expected) in [
        (None, "none", &["ResourceNotFoundException", "delivery_stream=none"][..]),
        (Some("AccessDeniedException"), "flights", &["firehose:PutRecordBatch"]),
        (Some("UnrecognizedClientException"), "flights", &["AWS_ACCESS_KEY_ID"]),
        (Some("InvalidArgumentException"), "flights", &["Direct PUT"]),
        (Some("InvalidKMSResourceException"), "flights", &["KMS key"]),
        (Some("InvalidSourceException"), "flights", &["CloudWatch Logs"]),
    ] {
        let emulator = emulator().await;
        if let Some(code) = fault {
            emulator.faults().fail_requests(1.0, Fault::error(400, code));
        }
        let sink = sink_with(settings(), &emulator, stream).await;
        write(&sink, 0..10).await;
        let error = sink.close().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal);
        for words in expected {
            assert!(error.to_string().contains(words), "{words} is missing in: {error}");
        }
        assert_eq!(sink.into_unsent().await.len(), 10);
    }
}
