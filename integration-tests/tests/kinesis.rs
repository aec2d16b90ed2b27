//! The Kinesis sink against LocalStack.
//!
//! LocalStack stores records, keeps their order and answers as Kinesis does, but refuses almost
//! nothing: it never throttles and takes any credentials. What it does not do by itself is asked of
//! it by faults; the limits that Kinesis would enforce are tested against `sink-emulator`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use integration_tests::{Event, Fault, LocalStack, Stream};
use sink_core::{ConvertError, ErrorKind, Summary};
use sink_kinesis::{KinesisEntry, KinesisSink, KinesisSinkConfig, keyed};
use tokio::time::{Instant, sleep};

fn convert(event: Event) -> Result<KinesisEntry, ConvertError> {
    KinesisEntry::new(event.key(), event.data())
}

fn config(stream: &Stream) -> KinesisSinkConfig {
    let mut config = KinesisSinkConfig::new(stream.name());
    config.settings.max_time_in_buffer = Some(Duration::from_millis(200));
    config
}

/// Writes the first `count` events and closes the sink.
async fn write(sink: &KinesisSink<Event>, count: u64) -> Summary {
    for event in Event::first(count) {
        sink.write(event).await.unwrap();
    }
    sink.close().await.unwrap()
}

/// Fails unless each of the first `count` events is in the stream, and nothing else.
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
async fn twenty_thousand_events_arrive_in_four_shards() {
    const COUNT: u64 = 20_000;
    let localstack = LocalStack::from_env();
    let stream = localstack.stream("many", 4).await;
    let sink = config(&stream).build(convert).await.unwrap();

    let summary = write(&sink, COUNT).await;

    assert_eq!(summary.counters.delivered.entries as u64, COUNT);
    let found = stream.read_events().await;
    // LocalStack may be slower than the sink's patience on a busy machine: then there are
    // duplicates, and the sink knows of them.
    if summary.counters.retried() == 0 {
        assert_each_once(&found, COUNT);
    } else {
        assert_all(&found, COUNT);
    }
    assert_eq!(stream.records_by_shard().await.len(), 4);
}

#[tokio::test]
async fn of_a_partial_failure_only_what_failed_is_sent_again() {
    const COUNT: u64 = 3_000;
    let localstack = LocalStack::from_env();
    let stream = localstack.stream("partial", 2).await;
    let faults = localstack.inject(
        &stream,
        [
            Fault::every_nth_entry(3, "ProvisionedThroughputExceededException").times(4),
            Fault::every_nth_entry(2, "InternalFailure").times(4),
        ],
    );
    let sink = config(&stream).build(convert).await.unwrap();

    let counters = write(&sink, COUNT).await.counters;

    assert_eq!(faults.applied(), 8);
    assert_eq!(counters.failed_requests, 8);
    assert!(counters.retried_throttled > 0 && counters.retried_unavailable > 0, "{counters:?}");
    assert_eq!(counters.sent.entries as u64, COUNT + counters.retried());
    assert_each_once(&stream.read_events().await, COUNT);
}

#[tokio::test]
async fn calls_that_fail_are_made_again() {
    const COUNT: u64 = 2_000;
    let localstack = LocalStack::from_env();
    let stream = localstack.stream("calls", 1).await;
    let faults = localstack.inject(
        &stream,
        [
            Fault::call(500, "InternalFailure").times(2),
            Fault::call(503, "ServiceUnavailable").times(2),
            Fault::call(400, "ProvisionedThroughputExceededException").times(2),
            Fault::call(400, "LimitExceededException").times(1),
        ],
    );
    let sink = config(&stream).build(convert).await.unwrap();

    let counters = write(&sink, COUNT).await.counters;

    assert_eq!((faults.applied(), counters.failed_requests), (7, 7));
    assert_each_once(&stream.read_events().await, COUNT);
}

#[tokio::test]
async fn an_answer_that_comes_too_late_costs_duplicates_and_no_loss() {
    const COUNT: u64 = 100;
    let localstack = LocalStack::from_env();
    let stream = localstack.stream("late", 1).await;
    let _faults = localstack.inject(&stream, [Fault::delay(5_000).times(1)]);
    let mut config = config(&stream);
    config.settings.request_timeout = Some(Duration::from_secs(2));
    let sink = config.build(convert).await.unwrap();

    let counters = write(&sink, COUNT).await.counters;

    assert!(counters.retried_timeout > 0, "{counters:?}");
    assert_eq!(counters.delivered.entries as u64, COUNT);
    assert_all(&stream.read_events().await, COUNT);
}

#[tokio::test]
async fn a_stream_that_is_not_there_stops_the_sink_which_keeps_everything() {
    let _localstack = LocalStack::from_env();
    let mut config = KinesisSinkConfig::new("sink-no-such-stream");
    config.settings.max_time_in_buffer = Some(Duration::from_millis(10));
    let sink = config.build(convert).await.unwrap();
    for event in Event::first(10) {
        sink.write(event).await.unwrap();
    }

    let error = sink.close().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Fatal);
    let text = error.to_string();
    for expected in
        ["PutRecords", "sink-no-such-stream", "create-stream", "ResourceNotFoundException"]
    {
        assert!(text.contains(expected), "{expected} is missing in: {text}");
    }
    let unsent = sink.into_unsent().await;
    let kept: Vec<_> = unsent.iter().map(|entry| Event::read(entry.data()).unwrap()).collect();
    assert_eq!(kept, Event::first(10).collect::<Vec<_>>());
}

/// LocalStack takes any credentials (`test` and `test` among them), so the answer is AWS's, by a
/// fault.
#[tokio::test]
async fn wrong_credentials_stop_the_sink_with_what_to_check() {
    let localstack = LocalStack::from_env();
    let stream = localstack.stream("credentials", 1).await;
    let _faults = localstack.inject(&stream, [Fault::call(400, "UnrecognizedClientException")]);
    let sink = config(&stream).build(convert).await.unwrap();
    sink.write(Event { id: 1 }).await.unwrap();

    let error = sink.flush().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.message().contains("AWS_ACCESS_KEY_ID"), "{error}");
    assert_eq!(sink.into_unsent().await.len(), 1);
}

#[tokio::test]
async fn what_kinesis_would_never_take_is_refused_and_the_rest_arrives() {
    let localstack = LocalStack::from_env();
    let stream = localstack.stream("refused", 1).await;
    let sink = config(&stream).build(keyed::<String, Vec<u8>>).await.unwrap();
    let record = |bytes: usize| ("key".to_owned(), vec![b'x'; bytes - "key".len()]);
    let largest = 1 << 20;

    let error = sink.write(record(largest + 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.message().contains("1048577"), "{error}");
    let error = sink.write(("k".repeat(257), vec![])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Convert);
    assert!(error.message().contains("256"), "{error}");
    let error = sink.write((String::new(), vec![])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Convert);

    // The largest of each; keys count in characters.
    sink.write(record(largest)).await.unwrap();
    sink.write(("k".repeat(256), b"ascii".to_vec())).await.unwrap();
    sink.write(("ü".repeat(256), b"not ascii".to_vec())).await.unwrap();
    let summary = sink.close().await.unwrap();
    assert_eq!(summary.counters.delivered.entries, 3);
    let mut sizes: Vec<_> = stream
        .read_all()
        .await
        .into_iter()
        .map(|record| (record.key.chars().count(), record.data.len()))
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [(3, largest - 3), (256, 5), (256, 9)]);
}

#[tokio::test]
async fn an_explicit_hash_key_chooses_the_shard_and_an_arn_the_stream() {
    let localstack = LocalStack::from_env();
    let stream = localstack.stream("hash", 2).await;
    let summary = stream.client().describe_stream_summary().stream_name(stream.name());
    let summary = summary.send().await.unwrap().stream_description_summary.unwrap();
    let mut config = config(&stream);
    config.stream = summary.stream_arn;
    let to = |hash: u128| {
        Ok::<_, ConvertError>(KinesisEntry::new("same", "data")?.with_explicit_hash_key(hash))
    };
    let sink = config.build(to).await.unwrap();

    for hash in [0, 1, u128::MAX] {
        sink.write(hash).await.unwrap();
    }
    sink.close().await.unwrap();

    let mut counts: Vec<_> = stream.records_by_shard().await.into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2]);
}

#[tokio::test]
async fn a_snapshot_taken_while_nothing_gets_through_is_delivered_by_the_next_sink() {
    const COUNT: u64 = 1_000;
    let localstack = LocalStack::from_env();
    let stream = localstack.stream("restart", 1).await;
    let faults = localstack.inject(&stream, [Fault::call(500, "InternalFailure")]);
    let sink = config(&stream).build(convert).await.unwrap();
    for event in Event::first(COUNT) {
        sink.write(event).await.unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while sink.stats().counters.failed_requests == 0 {
        assert!(Instant::now() < deadline, "no request was made");
        sleep(Duration::from_millis(10)).await;
    }

    let snapshot = sink.snapshot().await;
    drop(sink.into_unsent().await);
    drop(faults);
    let next = config(&stream).builder(convert).await.unwrap().restore(&snapshot).build().unwrap();
    let summary = next.close().await.unwrap();

    assert_eq!(summary.counters.delivered.entries as u64, COUNT);
    // The first sink's last requests may have got through once the faults were gone.
    assert_all(&stream.read_events().await, COUNT);
}
