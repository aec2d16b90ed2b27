//! A Kinesis stream for one test.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{ShardIteratorType, StreamStatus};
use tokio::time::Instant;

use crate::faults::tell;
use crate::{Event, LocalStack, Target};

/// How long a stream may take to become active, and to be read to its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stream with a name of its own, deleted when this is dropped.
#[derive(Debug)]
pub struct Stream {
    localstack: LocalStack,
    client: Client,
    name: String,
}

/// A record as it was read back.
#[derive(Clone, Debug)]
pub struct Record {
    /// The shard that it was in.
    pub shard: String,
    /// Its partition key.
    pub key: String,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl Stream {
    pub(crate) async fn create(localstack: &LocalStack, purpose: &str, shards: i32) -> Self {
        let name = crate::unique(purpose);
        let client = Client::new(&localstack.sdk_config().await);
        let request = client.create_stream().stream_name(&name).shard_count(shards);
        request.send().await.expect("a new stream");
        let stream = Self { localstack: localstack.clone(), client, name };
        stream.wait_until_active().await;
        stream
    }

    async fn wait_until_active(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = self.client.describe_stream_summary().stream_name(&self.name);
            let answer = request.send().await.expect("the stream's description");
            let status = answer.stream_description_summary.map(|it| it.stream_status);
            if status == Some(StreamStatus::Active) {
                return;
            }
            assert!(Instant::now() < deadline, "{} is {status:?} after {PATIENCE:?}", self.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A client for it, with the SDK's retries.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Everything in it, in the order of each shard.
    ///
    /// # Panics
    ///
    /// When it cannot be read to its end in time.
    pub async fn read_all(&self) -> Vec<Record> {
        let answer = self.client.list_shards().stream_name(&self.name).send().await;
        let shards = answer.expect("the shards").shards.unwrap_or_default();
        let mut readers = tokio::task::JoinSet::new();
        for shard in shards {
            readers.spawn(read_shard(self.client.clone(), self.name.clone(), shard.shard_id));
        }
        readers.join_all().await.into_iter().flatten().collect()
    }

    /// The events in it, and how often each is there.
    ///
    /// # Panics
    ///
    /// When one is damaged, or has not the partition key that it was written with.
    pub async fn read_events(&self) -> BTreeMap<Event, usize> {
        let mut events = BTreeMap::new();
        for record in self.read_all().await {
            let event = Event::read(&record.data).expect("an undamaged event");
            assert_eq!(record.key, event.key(), "the partition key of {event:?}");
            *events.entry(event).or_default() += 1;
        }
        events
    }

    /// How many records each of its shards has.
    ///
    /// # Panics
    ///
    /// As [`read_all`](Self::read_all).
    pub async fn records_by_shard(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for record in self.read_all().await {
            *counts.entry(record.shard).or_default() += 1;
        }
        counts
    }
}

impl Target for Stream {
    fn write_call(&self) -> [&str; 3] {
        ["kinesis", "PutRecords", &self.name]
    }
}

async fn read_shard(client: Client, stream: String, shard: String) -> Vec<Record> {
    let deadline = Instant::now() + PATIENCE;
    let start = client.get_shard_iterator().stream_name(stream).shard_id(&shard);
    let start = start.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await;
    let mut next = start.expect("an iterator").shard_iterator;
    let mut records = Vec::new();
    while let Some(iterator) = next {
        let page = client.get_records().shard_iterator(iterator).limit(10_000).send().await;
        let page = page.expect("a page of records");
        let at_end = page.records.is_empty() && page.millis_behind_latest.unwrap_or(0) == 0;
        records.extend(page.records.into_iter().map(|record| Record {
            shard: shard.clone(),
            key: record.partition_key.unwrap_or_default(),
            data: record.data.into_inner(),
        }));
        if at_end {
            break;
        }
        assert!(Instant::now() < deadline, "{shard} is not read to its end after {PATIENCE:?}");
        next = page.next_shard_iterator;
    }
    records
}

impl Drop for Stream {
    fn drop(&mut self) {
        // LocalStack slows down with what is stored, so nothing is left behind.
        if let Err(wrong) = self.localstack.delete_stream(&self.name) {
            tell(&wrong);
        }
    }
}
