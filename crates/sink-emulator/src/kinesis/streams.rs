//! Streams: create, describe, list, delete; and the list of a stream's shards.

use super::{
    find,
    shapes::{
        CreateStream, DescribeStreamSummaryAnswer, EnhancedMetrics, HashKeyRange, ListShards,
        ListShardsAnswer, ListStreams, ListStreamsAnswer, Nothing, OfStream, SequenceNumberRange,
        ShardDescription, StreamDescriptionSummary, StreamModeDetails, UpdateMaxRecordSize,
    },
    store::{Shard, Store},
};
use crate::{
    api::{ACCOUNT, ApiError},
    codec::Timestamp,
};

/// A stream may have no more here, so that a slip costs an error and not the memory.
const MOST_SHARDS: usize = 10_000;

pub(super) fn create(
    store: &mut Store,
    name: &str,
    shards: usize,
    max_record_size_in_kib: Option<usize>,
) -> Result<(), ApiError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !(1..=128).contains(&name.len()) || !name.bytes().all(is_name) {
        let constraint = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+, and \
                          have length between 1 and 128";
        return Err(ApiError::validation("streamName", name, constraint));
    }
    if shards == 0 {
        let constraint = "Member must have value greater than or equal to 1";
        return Err(ApiError::validation("shardCount", "0", constraint));
    }
    if shards > MOST_SHARDS {
        let message = format!("{shards} shards are more than this endpoint's {MOST_SHARDS}");
        return Err(ApiError::new("LimitExceededException", message));
    }
    if store.streams.contains_key(name) {
        let message = format!("Stream {name} under account {ACCOUNT} already exists.");
        return Err(ApiError::new("ResourceInUseException", message));
    }
    let bytes = max_record_size_in_kib.map(check_max_record_size).transpose()?;
    store.add_stream(name, shards, bytes);
    Ok(())
}

/// A stream's records may have 1 to 10 MiB (API reference of UpdateMaxRecordSize).
fn check_max_record_size(kib: usize) -> Result<usize, ApiError> {
    if (1024..=10_240).contains(&kib) {
        Ok(kib << 10)
    } else {
        let constraint = "Member must have value between 1024 and 10240";
        Err(ApiError::validation("maxRecordSizeInKiB", &kib.to_string(), constraint))
    }
}

pub(super) fn create_stream(store: &mut Store, input: CreateStream) -> Result<Nothing, ApiError> {
    // Without a count the service makes an on-demand stream, which begins with four shards.
    let shards = input.shard_count.unwrap_or(4);
    create(store, &input.stream_name, shards, input.max_record_size_in_kib)?;
    Ok(Nothing {})
}

pub(super) fn delete_stream(store: &mut Store, input: OfStream) -> Result<Nothing, ApiError> {
    let stream = find(store, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let name = stream.name.clone();
    store.streams.remove(&name);
    Ok(Nothing {})
}

pub(super) fn update_max_record_size(
    store: &mut Store,
    input: UpdateMaxRecordSize,
) -> Result<Nothing, ApiError> {
    let bytes = check_max_record_size(input.max_record_size_in_kib)?;
    find(store, None, input.stream_arn.as_deref())?.max_record_bytes = Some(bytes);
    Ok(Nothing {})
}

pub(super) fn describe_stream_summary(
    store: &mut Store,
    input: OfStream,
) -> Result<DescribeStreamSummaryAnswer, ApiError> {
    let default_bytes = store.limits.bytes_per_record.unwrap_or(10 << 20);
    let stream = find(store, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let summary = StreamDescriptionSummary {
        stream_name: stream.name.clone(),
        stream_arn: stream.arn(),
        stream_status: "ACTIVE",
        stream_mode_details: StreamModeDetails { stream_mode: "PROVISIONED" },
        retention_period_hours: 24,
        stream_creation_timestamp: Timestamp(stream.created_at),
        enhanced_monitoring: [EnhancedMetrics { shard_level_metrics: [] }],
        encryption_type: "NONE",
        open_shard_count: stream.open.len(),
        consumer_count: 0,
        max_record_size_in_kib: stream.max_record_bytes.unwrap_or(default_bytes) >> 10,
    };
    Ok(DescribeStreamSummaryAnswer { stream_description_summary: summary })
}

pub(super) fn list_streams(
    store: &mut Store,
    input: ListStreams,
) -> Result<ListStreamsAnswer, ApiError> {
    let limit = input.limit.unwrap_or(100).max(1);
    let after = input.exclusive_start_stream_name.unwrap_or_default();
    let mut names = store.streams.keys().filter(|name| **name > after);
    let stream_names: Vec<_> = names.by_ref().take(limit).cloned().collect();
    Ok(ListStreamsAnswer { stream_names, has_more_streams: names.next().is_some() })
}

pub(super) fn list_shards(
    store: &mut Store,
    input: ListShards,
) -> Result<ListShardsAnswer, ApiError> {
    let invalid = |message| ApiError::new("InvalidArgumentException", message);
    let filter =
        input.shard_filter.as_ref().map(|filter| is_only_open(&filter.kind)).transpose()?;
    let start = match input.next_token {
        None => Page {
            stream: find(store, input.stream_name.as_deref(), input.stream_arn.as_deref())?
                .name
                .clone(),
            after: input.exclusive_start_shard_id.unwrap_or_default(),
            only_open: filter.unwrap_or(false),
        },
        Some(_) if input.stream_name.is_some() => {
            return Err(invalid("NextToken and StreamName cannot be provided together."));
        }
        Some(token) => Page::from_token(&token)
            .ok_or_else(|| invalid("NextToken is none of this endpoint's."))?,
    };
    let stream = find(store, Some(&start.stream), None)?;
    let limit = input.max_results.unwrap_or(1000).clamp(1, 1000);
    let mut shards = stream.shards.iter().filter(|shard| {
        shard.id > start.after && !(start.only_open && shard.last_sequence_number.is_some())
    });
    let listed: Vec<_> = shards.by_ref().take(limit).map(description).collect();
    let next_token = match (shards.next(), listed.last()) {
        (Some(_), Some(last)) => Some(Page { after: last.shard_id.clone(), ..start }.to_token()),
        _ => None,
    };
    Ok(ListShardsAnswer { shards: listed, next_token })
}

/// Where a list goes on: our tokens are this.
struct Page {
    stream: String,
    /// The last shard that was listed.
    after: String,
    only_open: bool,
}

impl Page {
    fn to_token(&self) -> String {
        format!("{}|{}|{}", self.stream, self.after, self.only_open)
    }

    fn from_token(token: &str) -> Option<Self> {
        let mut parts = token.split('|');
        let (stream, after) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        Some(Self { stream, after, only_open: parts.next()?.parse().ok()? })
    }
}

/// Whether a shard filter leaves closed shards out. Those that ask for a time are not known here.
fn is_only_open(filter: &str) -> Result<bool, ApiError> {
    match filter {
        "AT_LATEST" => Ok(true),
        "FROM_TRIM_HORIZON" => Ok(false),
        _ => {
            let constraint = "Member must satisfy enum value set: [FROM_TRIM_HORIZON, AT_LATEST]";
            Err(ApiError::validation("shardFilter.type", filter, constraint))
        }
    }
}

fn description(shard: &Shard) -> ShardDescription {
    let mut parents = shard.parents.iter().cloned();
    ShardDescription {
        shard_id: shard.id.clone(),
        parent_shard_id: parents.next(),
        adjacent_parent_shard_id: parents.next(),
        hash_key_range: HashKeyRange {
            starting_hash_key: shard.range.0.to_string(),
            ending_hash_key: shard.range.1.to_string(),
        },
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: shard.first_sequence_number.to_string(),
            ending_sequence_number: shard.last_sequence_number.map(|number| number.to_string()),
        },
    }
}
