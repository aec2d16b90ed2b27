//! PutRecords and PutRecord: limits first, then each record on its own.

use std::sync::Mutex;

use super::{
    find,
    shapes::{
        PutRecord, PutRecordAnswer, PutRecords, PutRecordsAnswer, PutRecordsEntry, PutRecordsResult,
    },
    store::{Store, Stream, hash_key},
};
use crate::{
    api::{ACCOUNT, ApiError},
    faults::{Faults, RecordError},
    server::lock,
};

pub(super) fn put_records(
    store: &Mutex<Store>,
    input: PutRecords,
    faults: &Faults,
) -> Result<PutRecordsAnswer, ApiError> {
    let mut store = lock(store);
    let limits = store.limits.clone();
    let forget = store.forget_records;
    let count = input.records.len();
    if count == 0 {
        return Err(length("records", "[]", "greater than or equal to 1"));
    }
    if let Some(most) = limits.records_per_request
        && count > most
    {
        return Err(length("records", "[...]", &format!("less than or equal to {most}")));
    }
    for (index, entry) in input.records.iter().enumerate() {
        check_key(entry, &format!("records.{}.member.partitionKey", index + 1))?;
    }
    let bytes: usize = input.records.iter().map(size).sum();
    if let Some(most) = limits.bytes_per_request
        && bytes > most
    {
        let message = format!("Records size exceeds {} MB limit", most >> 20);
        return Err(ApiError::new("InvalidArgumentException", message));
    }
    let stream = find(&mut store, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let most = stream.max_record_bytes.or(limits.bytes_per_record);
    // The whole call fails, and nothing is stored: a record that is too large is not retryable.
    for (index, entry) in input.records.iter().enumerate() {
        check_size(entry, &format!("records.{}.member.data", index + 1), most)?;
    }
    let hash_keys = input.records.iter().map(hash_key_of).collect::<Result<Vec<_>, _>>()?;

    let records: Vec<_> = input
        .records
        .into_iter()
        .zip(hash_keys)
        .map(|(entry, hash_key)| put_one(stream, entry, hash_key, faults, forget))
        .collect();
    let failed = |result: &&PutRecordsResult| matches!(result, PutRecordsResult::Failed { .. });
    Ok(PutRecordsAnswer {
        encryption_type: "NONE",
        failed_record_count: records.iter().filter(failed).count(),
        records,
    })
}

pub(super) fn put_record(
    store: &Mutex<Store>,
    input: PutRecord,
    faults: &Faults,
) -> Result<PutRecordAnswer, ApiError> {
    let mut store = lock(store);
    let (limit, forget) = (store.limits.bytes_per_record, store.forget_records);
    let entry = PutRecordsEntry {
        data: input.data,
        partition_key: input.partition_key,
        explicit_hash_key: input.explicit_hash_key,
    };
    check_key(&entry, "partitionKey")?;
    let stream = find(&mut store, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    check_size(&entry, "data", stream.max_record_bytes.or(limit))?;
    let hash_key = hash_key_of(&entry)?;
    match put_one(stream, entry, hash_key, faults, forget) {
        PutRecordsResult::Stored { sequence_number, shard_id } => {
            Ok(PutRecordAnswer { sequence_number, shard_id })
        }
        PutRecordsResult::Failed { error_code, error_message } => {
            Err(ApiError::new(error_code, error_message))
        }
    }
}

fn put_one(
    stream: &mut Stream,
    entry: PutRecordsEntry,
    hash_key: u128,
    faults: &Faults,
    forget: bool,
) -> PutRecordsResult {
    let bytes = size(&entry);
    let name = stream.name.clone();
    let shard = stream.shard_of(hash_key);
    let injected = faults.of_record(&name, &shard.id);
    let error = injected.or_else(|| (!shard.admit(bytes)).then_some(RecordError::Throttled));
    match error {
        None => {
            let (shard_id, sequence_number) =
                stream.store(hash_key, entry.data, entry.partition_key, forget);
            PutRecordsResult::Stored { sequence_number: sequence_number.to_string(), shard_id }
        }
        Some(RecordError::Throttled) => {
            shard.totals.throttled += 1;
            PutRecordsResult::Failed {
                error_code: "ProvisionedThroughputExceededException",
                error_message: format!(
                    "Rate exceeded for shard {} in stream {name} under account {ACCOUNT}.",
                    shard.id
                ),
            }
        }
        Some(RecordError::InternalFailure) => {
            shard.totals.failed += 1;
            PutRecordsResult::Failed {
                error_code: "InternalFailure",
                error_message: "Internal Service Failure".to_owned(),
            }
        }
    }
}

/// What the service meters: data and partition key.
fn size(entry: &PutRecordsEntry) -> usize {
    entry.data.len() + entry.partition_key.len()
}

fn check_key(entry: &PutRecordsEntry, member: &str) -> Result<(), ApiError> {
    match entry.partition_key.chars().count() {
        0 => Err(length(member, "", "greater than or equal to 1")),
        257.. => Err(length(member, &entry.partition_key, "less than or equal to 256")),
        _ => Ok(()),
    }
}

fn check_size(entry: &PutRecordsEntry, member: &str, most: Option<usize>) -> Result<(), ApiError> {
    match most {
        Some(most) if size(entry) > most => {
            Err(length(member, "...", &format!("less than or equal to {most}")))
        }
        _ => Ok(()),
    }
}

fn length(member: &str, value: &str, constraint: &str) -> ApiError {
    ApiError::validation(member, value, &format!("Member must have length {constraint}"))
}

fn hash_key_of(entry: &PutRecordsEntry) -> Result<u128, ApiError> {
    let Some(explicit) = &entry.explicit_hash_key else {
        return Ok(hash_key(&entry.partition_key));
    };
    let is_number = explicit.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = explicit == "0" || !explicit.starts_with('0');
    if explicit.is_empty() || !is_number || !is_plain || explicit.len() > 39 {
        return Err(ApiError::validation(
            "explicitHashKey",
            explicit,
            "Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38})",
        ));
    }
    explicit.parse().map_err(|_| {
        let message = format!("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {explicit}");
        ApiError::new("InvalidArgumentException", message)
    })
}
