//! Firehose as the real SDK client sees it.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod common;

use std::collections::HashSet;

use aws_sdk_firehose::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    operation::put_record_batch::{PutRecordBatchError, PutRecordBatchOutput},
    primitives::Blob,
    types::{DeliveryStreamStatus, DeliveryStreamType, Record},
};
use common::Failure;
use sink_emulator::{Emulator, Fault, RecordError, firehose::FirehoseLimits};

fn client_with_key(emulator: &Emulator, key: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(key, "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(emulator.endpoint_url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

async fn logs() -> (Emulator, Client) {
    with_limits(FirehoseLimits::without_rates()).await
}

async fn with_limits(limits: FirehoseLimits) -> (Emulator, Client) {
    let builder = Emulator::builder().delivery_stream("logs").firehose_limits(limits);
    let emulator = builder.start().await.unwrap();
    let client = client_with_key(&emulator, "test");
    (emulator, client)
}

fn record(data: &[u8]) -> Record {
    Record::builder().data(Blob::new(data)).build().unwrap()
}

async fn put(client: &Client, records: Vec<Record>) -> Result<PutRecordBatchOutput, Failure> {
    put_to(client, "logs", records).await
}

async fn put_to(
    client: &Client,
    stream: &str,
    records: Vec<Record>,
) -> Result<PutRecordBatchOutput, Failure> {
    let request = client.put_record_batch().delivery_stream_name(stream);
    request.set_records(Some(records)).send().await.map_err(Failure::from)
}

fn stored(emulator: &Emulator) -> u64 {
    emulator.firehose().totals("logs").unwrap().records
}

#[tokio::test]
async fn what_is_put_arrives_in_order_and_is_counted() {
    let (emulator, client) = logs().await;
    let data = |n: u32| format!("line {n}\n").into_bytes();
    let answer = put(&client, (0..500).map(|n| record(&data(n))).collect()).await.unwrap();
    assert_eq!((answer.failed_put_count, answer.encrypted), (0, Some(false)));
    let ids: HashSet<_> =
        answer.request_responses().iter().map(|response| response.record_id().unwrap()).collect();
    assert_eq!(ids.len(), 500, "each has an id of its own");
    let last = client.put_record().delivery_stream_name("logs").record(record(&data(500)));
    assert!(!last.send().await.unwrap().record_id.is_empty());

    let firehose = emulator.firehose();
    assert_eq!(firehose.records("logs").unwrap(), (0..=500).map(data).collect::<Vec<_>>());
    let totals = firehose.totals("logs").unwrap();
    let bytes: usize = (0..=500).map(|n| data(n).len()).sum();
    assert_eq!((totals.records, totals.bytes), (501, bytes as u64));
    let sizes: Vec<_> =
        firehose.batches("logs").unwrap().iter().map(|b| (b.records, b.bytes)).collect();
    assert_eq!(sizes, [(500, bytes - 9), (1, 9)]);
    assert_eq!(firehose.largest_batch_records(), 500);
    assert_eq!(firehose.largest_batch_bytes(), bytes - 9);
    assert_eq!((firehose.requests(), firehose.most_requests_in_flight()), (2, 1));
    assert_eq!(["PutRecordBatch", "PutRecord", "Other"].map(|o| firehose.calls(o)), [1, 1, 0]);
    assert_eq!(emulator.kinesis().requests(), 0, "each service counts its own");
    assert_eq!((firehose.records("none"), firehose.totals("none")), (None, None));
}

#[tokio::test]
async fn delivery_streams_are_made_described_listed_and_deleted() {
    let emulator = Emulator::builder().start().await.unwrap();
    let client = client_with_key(&emulator, "test");
    let create = |name: &str| client.create_delivery_stream().delivery_stream_name(name);
    let arn = create("a").send().await.unwrap().delivery_stream_arn.unwrap();
    assert_eq!(arn, "arn:aws:firehose:us-east-1:000000000000:deliverystream/a");
    let direct = create("b").delivery_stream_type(DeliveryStreamType::DirectPut);
    direct.send().await.unwrap();
    let again = create("a").send().await.unwrap_err().into_service_error();
    assert!(again.is_resource_in_use_exception());
    let other = create("c").delivery_stream_type(DeliveryStreamType::MskAsSource).send().await;
    assert!(other.unwrap_err().into_service_error().is_invalid_argument_exception());

    let describe = || client.describe_delivery_stream().delivery_stream_name("a");
    let described = describe().send().await.unwrap().delivery_stream_description.unwrap();
    assert_eq!(described.delivery_stream_status, DeliveryStreamStatus::Active);
    assert_eq!(described.delivery_stream_type, DeliveryStreamType::DirectPut);
    assert_eq!(described.delivery_stream_arn, arn);
    assert!(described.create_timestamp.unwrap().secs() > 1_700_000_000);

    let first = client.list_delivery_streams().limit(1).send().await.unwrap();
    assert_eq!(
        (first.delivery_stream_names, first.has_more_delivery_streams),
        (vec!["a".to_owned()], true)
    );
    let rest = client.list_delivery_streams().exclusive_start_delivery_stream_name("a");
    let rest = rest.send().await.unwrap();
    assert_eq!(
        (rest.delivery_stream_names, rest.has_more_delivery_streams),
        (vec!["b".to_owned()], false)
    );

    client.delete_delivery_stream().delivery_stream_name("a").send().await.unwrap();
    let gone = describe().send().await.unwrap_err().into_service_error();
    assert!(gone.is_resource_not_found_exception());
    let failure = put_to(&client, "a", vec![record(b"x")]).await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("ResourceNotFoundException"));
    assert_eq!(failure.message, "Firehose a under account 000000000000 not found.");
}

#[tokio::test]
async fn a_name_has_1_to_64_characters_of_a_few() {
    let emulator = Emulator::builder().start().await.unwrap();
    let client = client_with_key(&emulator, "test");
    let fits = "x".repeat(60) + "_.-9";
    client.create_delivery_stream().delivery_stream_name(&fits).send().await.unwrap();
    put_to(&client, &fits, vec![record(b"x")]).await.unwrap();
    for name in ["", "no spaces", "ü", &"x".repeat(65)] {
        let made = client.create_delivery_stream().delivery_stream_name(name).send().await;
        let failure = Failure::from(made.unwrap_err());
        assert_eq!(failure.code.as_deref(), Some("ValidationException"), "{name}");
        let failure = put_to(&client, name, vec![record(b"x")]).await.unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("ValidationException"), "{name}");
        assert!(Emulator::builder().delivery_stream(name).start().await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_request_takes_500_records_and_no_more() {
    let (emulator, client) = logs().await;
    let records = |count| vec![record(b"x"); count];
    assert_eq!(put(&client, records(500)).await.unwrap().request_responses().len(), 500);
    for count in [0, 501] {
        let failure = put(&client, records(count)).await.unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("ValidationException"), "{count}");
        assert!(failure.message.contains("at 'records'"), "{}", failure.message);
    }
    assert_eq!(stored(&emulator), 500, "nothing of a refused request is stored");
    assert_eq!(emulator.firehose().largest_batch_records(), 501, "but its size is known");
}

#[tokio::test]
async fn a_record_takes_1_024_000_bytes_before_base64_and_no_more() {
    let (emulator, client) = logs().await;
    let of = |bytes: usize| record(&vec![7; bytes]);
    put(&client, vec![of(1_024_000), of(0)]).await.unwrap();
    let failure = put(&client, vec![of(1), of(1_024_001)]).await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("ValidationException"));
    assert!(
        failure.message.contains("'records.2.member.data'")
            && failure.message.contains("less than or equal to 1024000"),
        "{}",
        failure.message
    );
    let one = |bytes| client.put_record().delivery_stream_name("logs").record(of(bytes)).send();
    one(1_024_000).await.unwrap();
    let failure = Failure::from(one(1_024_001).await.unwrap_err());
    assert_eq!(failure.code.as_deref(), Some("ValidationException"));
    assert!(failure.message.contains("'record.data'"), "{}", failure.message);
    assert_eq!(stored(&emulator), 3);
}

#[tokio::test]
async fn a_request_takes_four_mebibytes_before_base64_and_no_more() {
    let (emulator, client) = logs().await;
    let records = |last: usize| {
        let mut records = vec![record(&vec![7; 1_000_000]); 4];
        records.push(record(&vec![7; last]));
        records
    };
    let last = (4 << 20) - 4_000_000;
    assert_eq!(put(&client, records(last)).await.unwrap().failed_put_count, 0);
    assert_eq!(emulator.firehose().largest_batch_bytes(), 4 << 20);
    let failure = put(&client, records(last + 1)).await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("InvalidArgumentException"));
    assert_eq!(failure.message, "Records size exceeds 4 MB limit");
    assert_eq!(stored(&emulator), 5);
}

#[tokio::test]
async fn a_stream_takes_so_many_records_a_second_and_refuses_the_rest_one_by_one() {
    assert_eq!(FirehoseLimits::default().stream_records_per_second, Some(500_000));
    let mut limits = FirehoseLimits::without_rates();
    limits.stream_records_per_second = Some(10);
    let (emulator, client) = with_limits(limits).await;
    let records = (0..30_u16).map(|n| record(&n.to_be_bytes())).collect();
    let answer = put(&client, records).await.unwrap();
    let (taken, refused) = answer.request_responses().split_at(10);
    assert!(taken.iter().all(|r| r.record_id().is_some() && r.error_code().is_none()));
    for response in refused {
        assert_eq!(response.record_id(), None);
        assert_eq!(response.error_code(), Some("ServiceUnavailableException"));
        assert_eq!(response.error_message(), Some("Slow down."));
    }
    assert_eq!(answer.failed_put_count, 20);
    let totals = emulator.firehose().totals("logs").unwrap();
    assert_eq!((totals.records, totals.bytes, totals.throttled), (10, 20, 20));
}

#[tokio::test]
async fn a_stream_takes_so_many_bytes_a_second() {
    assert_eq!(FirehoseLimits::default().stream_bytes_per_second, Some(5 << 20));
    let mut limits = FirehoseLimits::without_rates();
    limits.stream_bytes_per_second = Some(10);
    let (_emulator, client) = with_limits(limits).await;
    let answer = put(&client, vec![record(b"12345"), record(b"12345"), record(b"1")]).await;
    let answer = answer.unwrap();
    let codes: Vec<_> = answer.request_responses().iter().map(|r| r.error_code()).collect();
    assert_eq!(codes, [None, None, Some("ServiceUnavailableException")]);
}

#[tokio::test]
async fn above_the_rate_of_requests_the_whole_call_fails() {
    assert_eq!(FirehoseLimits::default().stream_requests_per_second, Some(2000));
    let mut limits = FirehoseLimits::without_rates();
    limits.stream_requests_per_second = Some(0);
    let (emulator, client) = with_limits(limits).await;
    let failure = put(&client, vec![record(b"x")]).await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("ServiceUnavailableException"));
    assert_eq!((failure.status, failure.message.as_str()), (Some(500), "Slow down."));
    let one = client.put_record().delivery_stream_name("logs").record(record(b"x")).send().await;
    assert!(one.unwrap_err().into_service_error().is_service_unavailable_exception());
    assert_eq!(stored(&emulator), 0);
}

#[tokio::test]
async fn single_records_fail_as_they_are_told_to_and_the_others_are_stored() {
    for (error, code) in [
        (RecordError::Throttled, "ServiceUnavailableException"),
        (RecordError::InternalFailure, "InternalFailure"),
    ] {
        let (emulator, client) = logs().await;
        emulator.faults().fail_records(0.5, error);
        let sent: Vec<_> = (0..200_u8).map(|n| vec![n]).collect();
        let answer = put(&client, sent.iter().map(|data| record(data)).collect()).await.unwrap();
        let arrived: Vec<_> = sent
            .iter()
            .zip(answer.request_responses())
            .filter(|(_, response)| response.error_code().is_none())
            .map(|(data, _)| data.clone())
            .collect();
        assert!((50..150).contains(&arrived.len()), "{}", arrived.len());
        assert_eq!(emulator.firehose().records("logs").unwrap(), arrived, "those that it says");
        let failed = answer.request_responses().iter().filter(|r| r.error_code() == Some(code));
        assert_eq!(failed.count(), 200 - arrived.len());
        assert_eq!(usize::try_from(answer.failed_put_count).unwrap(), 200 - arrived.len());
        let totals = emulator.firehose().totals("logs").unwrap();
        assert_eq!(totals.throttled + totals.failed, 200 - totals.records);
        assert_eq!(totals.throttled > 0, error == RecordError::Throttled);

        emulator.faults().clear();
        emulator.faults().fail_records(1.0, error);
        let one = client.put_record().delivery_stream_name("logs").record(record(b"x"));
        let failure = Failure::from(one.send().await.unwrap_err());
        assert_eq!((failure.code.as_deref(), failure.status), (Some(code), Some(500)));
    }
}

#[tokio::test]
async fn a_throttle_burst_refuses_every_record_for_its_time() {
    let (emulator, client) = logs().await;
    emulator.faults().throttle_for(std::time::Duration::from_secs(3600));
    assert_eq!(put(&client, vec![record(b"x"); 3]).await.unwrap().failed_put_count, 3);
    emulator.faults().throttle_for(std::time::Duration::ZERO);
    assert_eq!(put(&client, vec![record(b"x"); 3]).await.unwrap().failed_put_count, 0);
}

#[tokio::test]
async fn whole_requests_fail_as_they_are_told_to() {
    for (fault, kind, code, status, arrive) in [
        (
            Fault::error(400, "ThrottlingException"),
            "service",
            Some("ThrottlingException"),
            Some(400),
            0,
        ),
        (Fault::error(500, "InternalFailure"), "service", Some("InternalFailure"), Some(500), 0),
        (Fault::EmptyBody(503), "response", None, Some(503), 0),
        (Fault::HtmlBody(502), "response", None, Some(502), 0),
        (Fault::Reset, "dispatch", None, None, 0),
        (Fault::ResetAfterStoring, "dispatch", None, None, 2),
    ] {
        let (emulator, client) = logs().await;
        emulator.faults().fail_next(1, fault.clone());
        let failure = put(&client, vec![record(b"x"); 2]).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.code.as_deref(), failure.status),
            (kind, code, status),
            "{fault:?}"
        );
        assert_eq!(stored(&emulator), arrive, "{fault:?}");
        put(&client, vec![record(b"x")]).await.unwrap();
        assert_eq!((stored(&emulator), emulator.faults().injected()), (arrive + 1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn the_models_errors_are_the_sdks_errors() {
    type Is = fn(&PutRecordBatchError) -> bool;
    let (emulator, client) = logs().await;
    let is: [(&str, Is); 5] = [
        ("InvalidArgumentException", PutRecordBatchError::is_invalid_argument_exception),
        ("InvalidKMSResourceException", PutRecordBatchError::is_invalid_kms_resource_exception),
        ("InvalidSourceException", PutRecordBatchError::is_invalid_source_exception),
        ("ResourceNotFoundException", PutRecordBatchError::is_resource_not_found_exception),
        ("ServiceUnavailableException", PutRecordBatchError::is_service_unavailable_exception),
    ];
    for (code, is) in is {
        emulator.faults().fail_operation("PutRecordBatch", Fault::error(400, code));
        let request = client.put_record_batch().delivery_stream_name("logs").records(record(b"x"));
        assert!(is(&request.send().await.unwrap_err().into_service_error()), "{code}");
    }
}

#[tokio::test]
async fn an_answer_may_be_too_short_or_too_long() {
    let (emulator, client) = logs().await;
    for (fault, length) in [(Fault::AnswerTooShort, 2), (Fault::AnswerTooLong, 4)] {
        emulator.faults().fail_next(1, fault);
        let answer = put(&client, vec![record(b"x"); 3]).await.unwrap();
        assert_eq!(answer.request_responses().len(), length);
    }
    assert_eq!(stored(&emulator), 6);
}

#[tokio::test]
async fn forgotten_records_are_still_counted() {
    let emulator =
        Emulator::builder().delivery_stream("logs").forget_records().start().await.unwrap();
    put(&client_with_key(&emulator, "test"), vec![record(b"xyz"); 10]).await.unwrap();
    let firehose = emulator.firehose();
    let totals = firehose.totals("logs").unwrap();
    assert_eq!((totals.records, totals.bytes), (10, 30));
    assert_eq!((firehose.largest_batch_records(), firehose.largest_batch_bytes()), (10, 30));
    assert!(firehose.records("logs").unwrap().is_empty());
    assert!(firehose.batches("logs").unwrap().is_empty());
}

#[tokio::test]
async fn unknown_keys_and_operations_are_refused() {
    let builder = Emulator::builder().delivery_stream("logs").access_key("known");
    let emulator = builder.start().await.unwrap();
    let known = client_with_key(&emulator, "known");
    put(&known, vec![record(b"x")]).await.unwrap();
    let failure = put(&client_with_key(&emulator, "other"), vec![record(b"x")]).await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("UnrecognizedClientException"));
    let answer = known.list_tags_for_delivery_stream().delivery_stream_name("logs").send().await;
    let failure = Failure::from(answer.unwrap_err());
    assert_eq!(failure.code.as_deref(), Some("UnknownOperationException"));
}
