//! The Firehose sink against LocalStack, whose delivery streams put what they get into S3.
//!
//! LocalStack has none of Firehose's limits, never throttles, and makes one object of each request
//! whatever the buffering hints say. Faults are asked of it by the project's hook; the limits are
//! tested against `sink-emulator`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use integration_tests::{DeliveryStream, Event, Fault, LocalStack};
use sink_core::{ErrorKind, Summary};
use sink_firehose::{FirehoseConverter, FirehoseSink, FirehoseSinkConfig};

async fn sink(name: &str) -> FirehoseSink<Event> {
    let mut config = FirehoseSinkConfig::new(name);
    config.settings.max_time_in_buffer = Some(Duration::from_millis(200));
    let converter = FirehoseConverter::new(|event: &Event| Ok::<_, String>(event.data()));
    config.build(converter.delimiter("\n")).await.unwrap()
}

/// Writes the first `count` events and closes the sink.
async fn write(stream: &DeliveryStream, count: u64) -> Summary {
    let sink = sink(stream.name()).await;
    for event in Event::first(count) {
        sink.write(event).await.unwrap();
    }
    sink.close().await.unwrap()
}

/// Fails unless each of the first `count` events is in the bucket, and nothing else.
fn assert_all(found: &BTreeMap<Event, usize>, count: u64) {
    let missing: Vec<_> = Event::first(count).filter(|event| !found.contains_key(event)).collect();
    assert!(missing.is_empty(), "{} are missing: {missing:?}", missing.len());
    assert_eq!(found.len() as u64, count, "events that nobody wrote");
}

fn assert_each_once(found: &BTreeMap<Event, usize>, count: u64) {
    assert_all(found, count);
    let twice: Vec<_> = found.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "{} are there more than once: {twice:?}", twice.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_are_lines_in_the_bucket() {
    const COUNT: u64 = 10_000;
    let stream = LocalStack::from_env().delivery_stream("many");

    let counters = write(&stream, COUNT).await.counters;

    assert_eq!(counters.delivered.entries as u64, COUNT);
    let found = stream.read_events();
    // As in the test of Kinesis: on a busy machine a request may time out and be sent again.
    if counters.retried() == 0 {
        assert_each_once(&found, COUNT);
        let objects = stream.read_objects();
        assert_eq!(objects.len() as u64, counters.requests);
        let bytes: usize = objects.iter().map(Vec::len).sum();
        assert_eq!(counters.delivered.bytes, bytes, "delimiters included");
    } else {
        assert_all(&found, COUNT);
    }
}

#[tokio::test]
async fn of_a_partial_failure_only_what_failed_is_sent_again() {
    const COUNT: u64 = 3_000;
    let localstack = LocalStack::from_env();
    let stream = localstack.delivery_stream("partial");
    let faults = localstack.inject(
        &stream,
        [
            Fault::every_nth_entry(3, "ServiceUnavailableException").times(4),
            Fault::every_nth_entry(2, "InternalFailure").times(4),
        ],
    );

    let counters = write(&stream, COUNT).await.counters;

    assert_eq!((faults.applied(), counters.failed_requests), (8, 8));
    assert!(counters.retried_throttled > 0 && counters.retried_unavailable > 0, "{counters:?}");
    assert_eq!(counters.sent.entries as u64, COUNT + counters.retried());
    assert_each_once(&stream.read_events(), COUNT);
}

#[tokio::test]
async fn calls_that_fail_are_made_again() {
    const COUNT: u64 = 2_000;
    let localstack = LocalStack::from_env();
    let stream = localstack.delivery_stream("calls");
    let faults = localstack.inject(
        &stream,
        [
            Fault::call(500, "InternalFailure").times(2),
            Fault::call(503, "ServiceUnavailableException").times(2),
            Fault::call(400, "LimitExceededException").times(1),
        ],
    );

    let counters = write(&stream, COUNT).await.counters;

    assert_eq!((faults.applied(), counters.failed_requests), (5, 5));
    assert_each_once(&stream.read_events(), COUNT);
}

#[tokio::test]
async fn a_delivery_stream_that_is_not_there_stops_the_sink_which_keeps_everything() {
    const COUNT: usize = 100;
    let _localstack = LocalStack::from_env();
    let sink = sink("sink-no-such-delivery-stream").await;
    for event in Event::first(COUNT as u64) {
        sink.write(event).await.unwrap();
    }

    let error = sink.close().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("ResourceNotFoundException"), "{error}");
    assert_eq!(sink.into_unsent().await.len(), COUNT);
}
