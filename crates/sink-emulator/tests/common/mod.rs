//! The real SDK client, pointed at an emulator.

#![allow(dead_code)] // each test file uses its part

use aws_sdk_kinesis::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::put_records::PutRecordsOutput,
    primitives::Blob,
    types::{PutRecordsRequestEntry, Record, ShardIteratorType},
};
use sink_emulator::Emulator;

pub(crate) fn client(emulator: &Emulator) -> Client {
    client_with_key(emulator, "test")
}

pub(crate) fn client_with_key(emulator: &Emulator, key: &str) -> Client {
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

pub(crate) fn entry(key: &str, data: &[u8]) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(data)).build().unwrap()
}

pub(crate) async fn put(
    client: &Client,
    entries: Vec<PutRecordsRequestEntry>,
) -> Result<PutRecordsOutput, Failure> {
    let request = client.put_records().stream_name("flights").set_records(Some(entries));
    request.send().await.map_err(Failure::from)
}

/// What a caller can tell of a failed call.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) status: Option<u16>,
    pub(crate) kind: &'static str,
}

impl<E: ProvideErrorMetadata> From<SdkError<E>> for Failure {
    fn from(error: SdkError<E>) -> Self {
        Self {
            code: error.code().map(str::to_owned),
            message: error.message().unwrap_or_default().to_owned(),
            status: error.raw_response().map(|response| response.status().as_u16()),
            kind: match error {
                SdkError::ServiceError(_) => "service",
                SdkError::ResponseError(_) => "response",
                SdkError::DispatchFailure(_) => "dispatch",
                SdkError::TimeoutError(_) => "timeout",
                _ => "other",
            },
        }
    }
}

/// All records of a stream, shard by shard, read through the API.
pub(crate) async fn read_all(client: &Client, stream: &str) -> Vec<Vec<Record>> {
    let shards = client.list_shards().stream_name(stream).send().await.unwrap();
    let mut read = Vec::new();
    for shard in shards.shards() {
        let iterator = client
            .get_shard_iterator()
            .stream_name(stream)
            .shard_id(shard.shard_id())
            .shard_iterator_type(ShardIteratorType::TrimHorizon)
            .send()
            .await
            .unwrap();
        let mut next = iterator.shard_iterator;
        let mut records = Vec::new();
        while let Some(iterator) = next {
            let answer = client.get_records().shard_iterator(iterator).limit(1000).send().await;
            let answer = answer.unwrap();
            next = answer.next_shard_iterator;
            if answer.records.is_empty() && answer.millis_behind_latest == Some(0) {
                break;
            }
            records.extend(answer.records);
        }
        read.push(records);
    }
    read
}
