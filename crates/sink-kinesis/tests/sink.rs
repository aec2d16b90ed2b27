//! The whole sink, down to the HTTP request, over a connector that is no network.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_kinesis::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    primitives::Blob,
    types::PutRecordsRequestEntry,
};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use sink_aws::BodyEncoding;
use sink_core::ErrorKind;
use sink_kinesis::{KinesisConverter, KinesisEntry, KinesisSink, KinesisSinkConfig, as_is};

type Answer = dyn Fn(usize, &Value) -> (u16, Value) + Send + Sync;

const LIST_SHARDS: &str = "Kinesis_20131202.ListShards";

/// Answers the request to write with this number.
#[derive(Clone)]
struct Kinesis {
    answer: Arc<Answer>,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl std::fmt::Debug for Kinesis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kinesis")
    }
}

impl HttpConnector for Kinesis {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = if request.headers().get("x-amz-target") == Some(LIST_SHARDS) {
            (400, json!({"__type": "AccessDeniedException"})) // as for most users at first
        } else {
            let request = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            let mut requests = self.requests.lock().unwrap();
            let answer = (self.answer)(requests.len(), &request);
            requests.push(request);
            answer
        };
        let status = StatusCode::try_from(status).unwrap();
        let answer = HttpResponse::new(status, SdkBody::from(body.to_string()));
        HttpConnectorFuture::ready(Ok(answer))
    }
}

impl HttpClient for Kinesis {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl Kinesis {
    fn new(answer: impl Fn(usize, &Value) -> (u16, Value) + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), requests: Arc::default() }
    }

    /// A client as a user may bring it: with the SDK's default retries.
    fn client(&self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("AKIDTEST", "secret", None, None, "test"))
            .retry_config(RetryConfig::standard().with_max_attempts(5))
            .http_client(self.clone());
        Client::from_conf(config.build())
    }

    fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }
}

fn config() -> KinesisSinkConfig {
    let mut config = KinesisSinkConfig::new("flights");
    config.settings.max_batch_size = Some(10);
    config.settings.max_time_in_buffer = Some(Duration::from_millis(1));
    config.settings.retry_initial_delay = Some(Duration::from_millis(1));
    config
}

fn sink(kinesis: &Kinesis) -> KinesisSink<KinesisEntry> {
    let builder = config().builder_with_client(&kinesis.client(), as_is).unwrap();
    builder.seed(7).build().unwrap()
}

fn entry(number: usize) -> KinesisEntry {
    KinesisEntry::new(format!("k{number}"), "data").unwrap()
}

fn keys(request: &Value) -> Vec<String> {
    let records = request["Records"].as_array().unwrap();
    records.iter().map(|record| record["PartitionKey"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_record_is_written_as_the_sdk_writes_it() {
    let entries = || {
        let entry = |key: &str, data: &'static [u8]| KinesisEntry::new(key, data).unwrap();
        [
            entry("k", b"data"),
            entry("\"\\\n\u{1} schl\u{fc}ssel", b"").with_explicit_hash_key(0),
            entry("k", &[0xff; 1000]).with_explicit_hash_key(u128::MAX),
        ]
    };
    let stored = |_: usize, request: &Value| {
        let stored = json!({"SequenceNumber": "1", "ShardId": "shardId-0"});
        (200, json!({"Records": vec![stored; request["Records"].as_array().unwrap().len()]}))
    };
    let plain = Kinesis::new(stored);
    let records = entries().map(|entry| {
        PutRecordsRequestEntry::builder()
            .data(Blob::new(entry.data().to_vec()))
            .partition_key(entry.partition_key())
            .set_explicit_hash_key(entry.explicit_hash_key().map(|hash| hash.to_string()))
            .build()
            .unwrap()
    });
    let call = plain.client().put_records().stream_name("flights");
    call.set_records(Some(records.into())).send().await.unwrap();
    for encoding in [BodyEncoding::Sdk, BodyEncoding::Json] {
        let kinesis = Kinesis::new(stored);
        let mut config = config();
        config.body_encoding = encoding;
        let sink = config.builder_with_client(&kinesis.client(), as_is).unwrap().build().unwrap();
        for entry in entries() {
            sink.write(entry).await.unwrap();
        }
        sink.close().await.unwrap();
        assert_eq!(kinesis.requests(), plain.requests(), "{encoding}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_record_that_failed_is_sent_again_and_no_other() {
    // Every third record of the first requests fails, in one way or the other.
    let fails = |request: usize, position: usize| request < 5 && position.is_multiple_of(3);
    let kinesis = Kinesis::new(move |number, request| {
        let answers: Vec<_> = (0..keys(request).len())
            .map(|position| match position % 2 {
                _ if !fails(number, position) => {
                    json!({"SequenceNumber": "1", "ShardId": "shardId-0"})
                }
                0 => json!({"ErrorCode": "ProvisionedThroughputExceededException"}),
                _ => json!({"ErrorCode": "InternalFailure"}),
            })
            .collect();
        (200, json!({"FailedRecordCount": 0, "Records": answers}))
    });
    let sink = sink(&kinesis);
    for number in 0..100 {
        sink.write(entry(number)).await.unwrap();
    }
    let summary = sink.close().await.unwrap();
    assert_eq!(summary.counters.delivered.entries, 100);

    let mut stored = Vec::new();
    for (number, request) in kinesis.requests().iter().enumerate() {
        assert_eq!(request["StreamName"], "flights");
        let keys = keys(request);
        assert!(keys.len() <= 10, "{} records in a request", keys.len());
        let kept = keys.into_iter().enumerate().filter(|(at, _)| !fails(number, *at));
        stored.extend(kept.map(|(_, key)| key));
    }
    assert_eq!(stored.len(), 100, "a record was stored twice");
    assert_eq!(stored.into_iter().collect::<BTreeSet<_>>().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_clients_own_retries_are_switched_off() {
    let kinesis = Kinesis::new(|number, request| match number {
        0 => (500, json!({"__type": "InternalFailure"})),
        _ => {
            let stored = json!({"SequenceNumber": "1", "ShardId": "shardId-0"});
            (200, json!({"Records": vec![stored; keys(request).len()]}))
        }
    });
    let sink = sink(&kinesis);
    sink.write(entry(1)).await.unwrap();
    let summary = sink.close().await.unwrap();
    // The engine knows of each.
    assert_eq!(kinesis.requests().len(), 2);
    assert_eq!(summary.counters.delivered.entries, 1);
    assert_eq!(sink.stats().counters.requests, 2);
}

#[tokio::test(start_paused = true)]
async fn a_missing_stream_stops_the_sink_which_keeps_everything() {
    let kinesis = Kinesis::new(|_, _| {
        let message = "Stream flights under account 123456789012 not found.";
        (400, json!({"__type": "ResourceNotFoundException", "message": message}))
    });
    let sink = sink(&kinesis);
    for number in 0..3 {
        sink.write(entry(number)).await.unwrap();
    }
    let error = sink.flush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert_eq!(
        error.to_string(),
        "PutRecords: the stream is not there: check its name, the region and the account, or \
         create it with `aws kinesis create-stream --stream-name <name>` and wait until it is \
         ACTIVE [ResourceNotFoundException: Stream flights under account 123456789012 not found.] \
         (stream=flights, region=eu-central-1)"
    );
    assert_eq!(sink.into_unsent().await, [entry(0), entry(1), entry(2)]);
}

#[tokio::test(start_paused = true)]
async fn elements_that_cannot_be_records_are_refused_and_the_sink_goes_on() {
    let kinesis = Kinesis::new(|_, _| {
        (200, json!({"Records": [{"SequenceNumber": "1", "ShardId": "shardId-0"}]}))
    });
    let converter = KinesisConverter::new(|text: &String| Ok::<_, std::fmt::Error>(text.clone()))
        .partition_key(String::clone);
    let builder = config().builder_with_client(&kinesis.client(), converter).unwrap();
    let sink = builder.build().unwrap();
    let error = sink.write(String::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Convert);
    assert!(error.message().contains("the partition key is empty"), "{error}");
    sink.write("event".to_owned()).await.unwrap();
    assert_eq!(sink.close().await.unwrap().counters.delivered.entries, 1);

    let sink = self::sink(&kinesis);
    let data = vec![0; (1 << 20) - 1];
    sink.write(KinesisEntry::new("k", data.clone()).unwrap()).await.unwrap();
    let error = sink.write(KinesisEntry::new("k2", data).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    sink.close().await.unwrap();
}
