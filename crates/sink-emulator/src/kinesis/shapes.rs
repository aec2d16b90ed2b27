//! Requests and answers, as the API's model has them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{Timestamp, blob};

/// An answer without members.
#[derive(Debug, Serialize)]
pub(super) struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecords {
    pub(super) records: Vec<PutRecordsEntry>,
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecordsEntry {
    #[serde(with = "blob")]
    pub(super) data: Bytes,
    pub(super) partition_key: String,
    pub(super) explicit_hash_key: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecordsAnswer {
    pub(super) encryption_type: &'static str,
    pub(super) failed_record_count: usize,
    pub(super) records: Vec<PutRecordsResult>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum PutRecordsResult {
    #[serde(rename_all = "PascalCase")]
    Stored { sequence_number: String, shard_id: String },
    #[serde(rename_all = "PascalCase")]
    Failed { error_code: &'static str, error_message: String },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecord {
    #[serde(with = "blob")]
    pub(super) data: Bytes,
    pub(super) partition_key: String,
    pub(super) explicit_hash_key: Option<String>,
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecordAnswer {
    pub(super) sequence_number: String,
    pub(super) shard_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateStream {
    pub(super) stream_name: String,
    pub(super) shard_count: Option<usize>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    pub(super) max_record_size_in_kib: Option<usize>,
}

/// Names a stream, and nothing else.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfStream {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateMaxRecordSize {
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    pub(super) max_record_size_in_kib: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeStreamSummaryAnswer {
    pub(super) stream_description_summary: StreamDescriptionSummary,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamDescriptionSummary {
    pub(super) stream_name: String,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: String,
    pub(super) stream_status: &'static str,
    pub(super) stream_mode_details: StreamModeDetails,
    pub(super) retention_period_hours: u32,
    pub(super) stream_creation_timestamp: Timestamp,
    pub(super) enhanced_monitoring: [EnhancedMetrics; 1],
    pub(super) encryption_type: &'static str,
    pub(super) open_shard_count: usize,
    pub(super) consumer_count: usize,
    #[serde(rename = "MaxRecordSizeInKiB")]
    pub(super) max_record_size_in_kib: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamModeDetails {
    pub(super) stream_mode: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EnhancedMetrics {
    pub(super) shard_level_metrics: [&'static str; 0],
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListStreams {
    pub(super) limit: Option<usize>,
    pub(super) exclusive_start_stream_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListStreamsAnswer {
    pub(super) stream_names: Vec<String>,
    pub(super) has_more_streams: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListShards {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) next_token: Option<String>,
    pub(super) exclusive_start_shard_id: Option<String>,
    pub(super) max_results: Option<usize>,
    pub(super) shard_filter: Option<ShardFilter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShardFilter {
    #[serde(rename = "Type")]
    pub(super) kind: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SplitShard {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) shard_to_split: String,
    pub(super) new_starting_hash_key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MergeShards {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) shard_to_merge: String,
    pub(super) adjacent_shard_to_merge: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListShardsAnswer {
    pub(super) shards: Vec<ShardDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShardDescription {
    pub(super) shard_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent_shard_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) adjacent_parent_shard_id: Option<String>,
    pub(super) hash_key_range: HashKeyRange,
    pub(super) sequence_number_range: SequenceNumberRange,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HashKeyRange {
    pub(super) starting_hash_key: String,
    pub(super) ending_hash_key: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SequenceNumberRange {
    pub(super) starting_sequence_number: String,
    /// Only a closed shard has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ending_sequence_number: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetShardIterator {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) shard_id: String,
    pub(super) shard_iterator_type: String,
    pub(super) starting_sequence_number: Option<String>,
    pub(super) timestamp: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetShardIteratorAnswer {
    pub(super) shard_iterator: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetRecords {
    pub(super) shard_iterator: String,
    pub(super) limit: Option<usize>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetRecordsAnswer {
    pub(super) records: Vec<RecordAnswer>,
    /// None at the end of a closed shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_shard_iterator: Option<String>,
    pub(super) millis_behind_latest: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RecordAnswer {
    pub(super) sequence_number: String,
    pub(super) approximate_arrival_timestamp: Timestamp,
    #[serde(with = "blob")]
    pub(super) data: Bytes,
    pub(super) partition_key: String,
}
