//! LocalStack's own fault: with `KINESIS_ERROR_PROBABILITY` a request fails in all its entries, each
//! with an error code, while `FailedRecordCount` says 1. A sink that trusted the count would lose
//! all but one.
//!
//! The setting holds for all streams, so this test has a file, and thus a process, of its own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use integration_tests::{Event, LocalStack, Stream};
use serde_json::json;
use sink_kinesis::{KinesisEntry, KinesisSinkConfig};
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn a_count_that_is_wrong_loses_nothing() {
    const COUNT: u64 = 2_000;
    let localstack = LocalStack::from_env();
    let stream = localstack.stream("probability", 1).await;
    let failing = localstack.set("KINESIS_ERROR_PROBABILITY", json!(1.0), json!(0.0));
    assert_the_count_is_wrong(&stream).await;
    let mut config = KinesisSinkConfig::new(stream.name());
    config.settings.max_time_in_buffer = Some(Duration::from_millis(200));
    let convert = |event: Event| KinesisEntry::new(event.key(), event.data());
    let sink = config.build(convert).await.unwrap();

    for event in Event::first(COUNT) {
        sink.write(event).await.unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while sink.stats().counters.failed_requests < 3 {
        assert!(Instant::now() < deadline, "no request failed: {:?}", sink.stats());
        sleep(Duration::from_millis(10)).await;
    }
    drop(failing);
    let counters = sink.close().await.unwrap().counters;

    assert_eq!(counters.delivered.entries as u64, COUNT);
    assert!(counters.retried_throttled > 0, "{counters:?}");
    let found = stream.read_events().await;
    assert_eq!(found.len() as u64, COUNT);
    assert!(found.values().all(|times| *times == 1));
}

/// What makes this worth a test; if LocalStack mends it, the test above tests less.
async fn assert_the_count_is_wrong(stream: &Stream) {
    let entry = |event: Event| {
        let entry = PutRecordsRequestEntry::builder().data(Blob::new(event.data()));
        entry.partition_key(event.key()).build().unwrap()
    };
    let request = stream.client().put_records().stream_name(stream.name());
    let request = request.set_records(Some(Event::first(5).map(entry).collect()));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.failed_record_count, Some(1));
    let codes = answer.records.iter().filter_map(|result| result.error_code());
    assert_eq!(codes.collect::<Vec<_>>(), ["ProvisionedThroughputExceededException"; 5]);
}
