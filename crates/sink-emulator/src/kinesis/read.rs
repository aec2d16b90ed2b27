//! Reading back: shard iterators and GetRecords.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    find,
    shapes::{
        GetRecords, GetRecordsAnswer, GetShardIterator, GetShardIteratorAnswer, RecordAnswer,
    },
    store::{Shard, Store},
};
use crate::{
    api::ApiError,
    codec::{Timestamp, now_ms},
};

/// An iterator may be used for five minutes (API reference of GetShardIterator).
const LIFETIME_MS: i64 = 5 * 60 * 1000;
/// Records and bytes of one GetRecords (its API reference).
const MOST_RECORDS: usize = 10_000;
const MOST_BYTES: usize = 10 << 20;

/// Where to read on: our iterators are this, in base64.
#[derive(Debug, PartialEq)]
struct Position {
    stream: String,
    shard: String,
    index: usize,
    made_at: i64,
}

impl Position {
    fn encode(&self) -> String {
        let Self { stream, shard, index, made_at } = self;
        URL_SAFE_NO_PAD.encode(format!("{stream}|{shard}|{index}|{made_at}"))
    }

    fn decode(text: &str) -> Result<Self, ApiError> {
        let invalid = || ApiError::new("InvalidArgumentException", "Invalid ShardIterator.");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
        let text = String::from_utf8(bytes).map_err(|_| invalid())?;
        let mut parts = text.split('|');
        let mut next = || parts.next().ok_or_else(invalid);
        let (stream, shard) = (next()?.to_owned(), next()?.to_owned());
        let index = next()?.parse().map_err(|_| invalid())?;
        let made_at = next()?.parse().map_err(|_| invalid())?;
        Ok(Self { stream, shard, index, made_at })
    }
}

pub(super) fn get_shard_iterator(
    store: &mut Store,
    input: GetShardIterator,
) -> Result<GetShardIteratorAnswer, ApiError> {
    let stream = find(store, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let Some(shard) = stream.shard(&input.shard_id) else {
        let message = format!("Shard {} in stream {} does not exist", input.shard_id, stream.name);
        return Err(ApiError::new("ResourceNotFoundException", message));
    };
    let index = match input.shard_iterator_type.as_str() {
        "TRIM_HORIZON" => 0,
        "LATEST" => shard.records.len(),
        "AT_SEQUENCE_NUMBER" => index_of(shard, input.starting_sequence_number.as_deref())?.0,
        "AFTER_SEQUENCE_NUMBER" => {
            let (index, found) = index_of(shard, input.starting_sequence_number.as_deref())?;
            index + usize::from(found)
        }
        "AT_TIMESTAMP" => {
            let Some(Timestamp(at)) = input.timestamp else {
                return Err(ApiError::new(
                    "InvalidArgumentException",
                    "Must specify a timestamp for an AT_TIMESTAMP iterator.",
                ));
            };
            shard.records.partition_point(|record| record.arrived_at < at)
        }
        other => {
            return Err(ApiError::validation(
                "shardIteratorType",
                other,
                "Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, \
                 AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]",
            ));
        }
    };
    let position =
        Position { stream: stream.name.clone(), shard: input.shard_id, index, made_at: now_ms() };
    Ok(GetShardIteratorAnswer { shard_iterator: position.encode() })
}

/// The place of the first record at or after a sequence number, and whether it has that number.
fn index_of(shard: &Shard, sequence_number: Option<&str>) -> Result<(usize, bool), ApiError> {
    let number = sequence_number.and_then(|text| text.parse::<u128>().ok()).ok_or_else(|| {
        ApiError::new("InvalidArgumentException", "StartingSequenceNumber is missing or invalid.")
    })?;
    let index = shard.records.partition_point(|record| record.sequence_number < number);
    let found = shard.records.get(index).is_some_and(|r| r.sequence_number == number);
    Ok((index, found))
}

pub(super) fn get_records(
    store: &mut Store,
    input: GetRecords,
) -> Result<GetRecordsAnswer, ApiError> {
    let position = Position::decode(&input.shard_iterator)?;
    if now_ms() - position.made_at > LIFETIME_MS {
        let message = "Iterator expired. Iterators are valid for 300000 milliseconds.";
        return Err(ApiError::new("ExpiredIteratorException", message));
    }
    let limit = input.limit.unwrap_or(MOST_RECORDS);
    if limit == 0 || limit > MOST_RECORDS {
        let constraint = "Member must have value between 1 and 10000";
        return Err(ApiError::validation("limit", &limit.to_string(), constraint));
    }
    let stream = find(store, Some(&position.stream), None)?;
    let Some(shard) = stream.shard(&position.shard) else {
        return Err(ApiError::new("InvalidArgumentException", "Invalid ShardIterator."));
    };
    let mut bytes = 0;
    let mut records = Vec::new();
    for record in shard.records.iter().skip(position.index).take(limit) {
        bytes += record.data.len();
        if bytes > MOST_BYTES && !records.is_empty() {
            break;
        }
        records.push(RecordAnswer {
            sequence_number: record.sequence_number.to_string(),
            approximate_arrival_timestamp: Timestamp(record.arrived_at),
            data: record.data.clone(),
            partition_key: record.partition_key.clone(),
        });
    }
    let index = position.index.saturating_add(records.len());
    let behind = shard.records.get(index).map_or(0, |next| now_ms() - next.arrived_at);
    let at_end = shard.last_sequence_number.is_some() && index >= shard.records.len();
    let next = Position { index, made_at: now_ms(), ..position };
    Ok(GetRecordsAnswer {
        records,
        next_shard_iterator: (!at_end).then(|| next.encode()),
        millis_behind_latest: behind.max(0),
    })
}
