//! The harness itself, with the plain SDK: that faults do what they say, and that what is read back
//! is what was written.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use integration_tests::{Event, Fault, LocalStack, Stream};

async fn put(stream: &Stream, events: impl Iterator<Item = Event>) -> PutRecordsOutput {
    let entries = events.map(|event| {
        let entry = PutRecordsRequestEntry::builder().data(Blob::new(event.data()));
        entry.partition_key(event.key()).build().unwrap()
    });
    let request = stream.client().put_records().stream_name(stream.name());
    request.set_records(Some(entries.collect())).send().await.unwrap()
}

#[tokio::test]
async fn what_is_written_is_read_back_from_every_shard() {
    let localstack = LocalStack::from_env();
    let stream = localstack.stream("read-back", 4).await;
    put(&stream, Event::first(500)).await;
    let events = stream.read_events().await;
    assert_eq!(events.len(), 500);
    assert!(events.values().all(|times| *times == 1));
    assert_eq!(stream.records_by_shard().await.len(), 4);
}

#[tokio::test]
async fn a_partial_failure_is_of_the_entries_it_names_and_of_its_stream_alone() {
    let localstack = LocalStack::from_env();
    let stream = localstack.stream("partial", 1).await;
    let other = localstack.stream("other", 1).await;
    let fault = Fault::every_nth_entry(4, "InternalFailure").times(1);
    let faults = localstack.inject(&stream, [fault]);

    assert_eq!(put(&other, Event::first(8)).await.failed_record_count, Some(0));
    let answer = put(&stream, Event::first(8)).await;
    assert_eq!(answer.failed_record_count, Some(2));
    let codes: Vec<_> = answer.records.iter().map(|result| result.error_code()).collect();
    let code = Some("InternalFailure");
    assert_eq!(codes, [None, None, None, code, None, None, None, code]);
    assert_eq!(faults.applied(), 1);

    // Its one time is over.
    assert_eq!(put(&stream, Event::first(8)).await.failed_record_count, Some(0));
    assert_eq!(stream.read_events().await[&Event { id: 3 }], 1);
    assert_eq!(stream.read_events().await[&Event { id: 4 }], 2);
}

#[tokio::test]
async fn a_request_may_fail_in_all_its_entries() {
    let localstack = LocalStack::from_env();
    let stream = localstack.stream("all-fail", 1).await;
    let faults = localstack.inject(&stream, [Fault::entries_with("device-3", "InternalFailure")]);
    let answer = put(&stream, [Event { id: 3 }].into_iter()).await;
    assert_eq!(answer.failed_record_count, Some(1));
    assert_eq!(answer.records[0].error_code(), Some("InternalFailure"));
    drop(faults);
    assert_eq!(put(&stream, Event::first(4)).await.failed_record_count, Some(0));
    assert_eq!(stream.read_events().await.len(), 4);
}
