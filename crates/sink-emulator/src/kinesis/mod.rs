//! Amazon Kinesis Data Streams: the operations that a producer and its tests need.

mod limits;
mod put;
mod read;
mod reshard;
mod shapes;
mod store;
mod streams;

use std::sync::Mutex;

use self::store::{Store, Stream};
pub use self::{
    limits::KinesisLimits,
    store::{Record, ShardTotals},
};
use crate::{
    api::{ACCOUNT, ApiError, Call},
    codec::Encoding,
    counts::Requests,
    faults::{Fault, Faults},
    server::lock,
};

/// The streams of an [`Emulator`](crate::Emulator), and what arrived there.
#[derive(Debug)]
pub struct Kinesis {
    store: Mutex<Store>,
    pub(crate) requests: Requests,
}

impl Kinesis {
    pub(crate) const TARGET: &'static str = "Kinesis_20131202";

    pub(crate) fn new(limits: KinesisLimits, forget_records: bool) -> Self {
        Self {
            store: Mutex::new(Store::new(limits, forget_records)),
            requests: Requests::default(),
        }
    }

    /// Makes a stream, at once active.
    ///
    /// # Errors
    ///
    /// The service's message, when there is such a stream, the name is none, or there are no shards.
    pub fn create_stream(&self, name: &str, shards: usize) -> Result<(), String> {
        streams::create(&mut lock(&self.store), name, shards, None).map_err(|error| error.message)
    }

    /// Splits a shard in the middle of its hash keys: it closes, and two new ones, numbered on, take
    /// what comes for it from now on.
    ///
    /// # Errors
    ///
    /// The service's message, when there is no such stream or no such shard, or it is closed already.
    pub fn split_shard(&self, stream: &str, shard_id: &str) -> Result<(), String> {
        let mut store = lock(&self.store);
        let limits = store.limits.clone();
        find(&mut store, Some(stream), None)
            .and_then(|stream| reshard::split(stream, &limits, shard_id, None))
            .map_err(|error| error.message)
    }

    /// What arrived in each shard of a stream, in order, the closed shards among them; `None` if
    /// there is no such stream.
    ///
    /// Empty shards if the emulator [forgets](crate::EmulatorBuilder::forget_records) records.
    pub fn records(&self, stream: &str) -> Option<Vec<Vec<Record>>> {
        let store = lock(&self.store);
        let shards = &store.streams.get(stream)?.shards;
        Some(shards.iter().map(|shard| shard.records.clone()).collect())
    }

    /// What each shard of a stream took and refused, the closed ones among them; `None` if there is
    /// no such stream.
    pub fn totals(&self, stream: &str) -> Option<Vec<ShardTotals>> {
        let store = lock(&self.store);
        let shards = &store.streams.get(stream)?.shards;
        Some(shards.iter().map(|shard| shard.totals.clone()).collect())
    }

    /// How many requests to write came, whatever became of them.
    pub fn requests(&self) -> usize {
        self.requests.writes()
    }

    /// How many requests for this operation (such as `ListShards`) came, whatever became of them.
    pub fn calls(&self, operation: &str) -> usize {
        self.requests.calls(operation)
    }

    /// How many requests to write were there at once, at most.
    pub fn most_requests_in_flight(&self) -> usize {
        self.requests.most_in_flight()
    }

    /// Carries out an operation and gives the encoded answer.
    pub(crate) fn handle(
        &self,
        operation: &str,
        encoding: Encoding,
        body: &[u8],
        faults: &Faults,
        fault: Option<&Fault>,
    ) -> Result<Vec<u8>, ApiError> {
        let call = Call { store: &self.store, encoding, body };
        match operation {
            "PutRecords" => {
                let mut answer = put::put_records(&self.store, encoding.decode(body)?, faults)?;
                if let Some(fault) = fault {
                    fault.tamper(&mut answer.records);
                }
                Ok(encoding.encode(&answer))
            }
            "PutRecord" => {
                let answer = put::put_record(&self.store, encoding.decode(body)?, faults)?;
                Ok(encoding.encode(&answer))
            }
            "CreateStream" => call.with(streams::create_stream),
            "DeleteStream" => call.with(streams::delete_stream),
            "DescribeStreamSummary" => call.with(streams::describe_stream_summary),
            "ListStreams" => call.with(streams::list_streams),
            "ListShards" => call.with(streams::list_shards),
            "SplitShard" => call.with(reshard::split_shard),
            "MergeShards" => call.with(reshard::merge_shards),
            "UpdateMaxRecordSize" => call.with(streams::update_max_record_size),
            "GetShardIterator" => call.with(read::get_shard_iterator),
            "GetRecords" => call.with(read::get_records),
            _ => Err(ApiError::new(
                "UnknownOperationException",
                format!("the emulator has no operation {operation}"),
            )),
        }
    }
}

/// Finds the stream that a request names by name or by ARN.
fn find<'a>(
    store: &'a mut Store,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<&'a mut Stream, ApiError> {
    let name = match (name, arn) {
        (Some(name), _) => name,
        (None, Some(arn)) => arn.rsplit('/').next().unwrap_or(arn),
        (None, None) => {
            return Err(ApiError::new(
                "InvalidArgumentException",
                "Either StreamName or StreamARN must be given.",
            ));
        }
    };
    store.streams.get_mut(name).ok_or_else(|| {
        ApiError::new(
            "ResourceNotFoundException",
            format!("Stream {name} under account {ACCOUNT} not found."),
        )
    })
}
