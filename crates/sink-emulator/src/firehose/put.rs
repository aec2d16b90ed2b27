//! PutRecordBatch and PutRecord: limits first, then each record on its own.

use std::sync::Mutex;

use hyper::StatusCode;

use super::{
    shapes::{PutRecord, PutRecordAnswer, PutRecordBatch, PutRecordBatchAnswer, PutResult, Record},
    store::{BatchSize, Store},
    streams::check_name,
};
use crate::{
    api::ApiError,
    faults::{Faults, RecordError},
    server::lock,
};

/// The service's message for what is above a rate, of requests as of records.
const SLOW_DOWN: &str = "Slow down.";

pub(super) fn put_record_batch(
    store: &Mutex<Store>,
    input: PutRecordBatch,
    faults: &Faults,
) -> Result<PutRecordBatchAnswer, ApiError> {
    let mut store = lock(store);
    let name = input.delivery_stream_name;
    let count = input.records.len();
    let bytes = input.records.iter().map(|record| record.data.len()).sum();
    store.count_batch(&name, BatchSize { records: count, bytes });
    check_name(&name)?;
    if count == 0 {
        return Err(length("records", "[]", "greater than or equal to 1"));
    }
    if let Some(most) = store.limits.records_per_request
        && count > most
    {
        return Err(length("records", "[...]", &format!("less than or equal to {most}")));
    }
    for (index, record) in input.records.iter().enumerate() {
        check_size(&store, record, &format!("records.{}.member.data", index + 1))?;
    }
    if let Some(most) = store.limits.bytes_per_request
        && bytes > most
    {
        let message = format!("Records size exceeds {} MB limit", most >> 20);
        return Err(ApiError::new("InvalidArgumentException", message));
    }
    admit_request(&mut store, &name)?;

    let request_responses = input
        .records
        .into_iter()
        .map(|record| put_one(&mut store, &name, record, faults))
        .collect::<Result<Vec<_>, _>>()?;
    let failed = |result: &&PutResult| matches!(result, PutResult::Failed { .. });
    Ok(PutRecordBatchAnswer {
        failed_put_count: request_responses.iter().filter(failed).count(),
        encrypted: false,
        request_responses,
    })
}

pub(super) fn put_record(
    store: &Mutex<Store>,
    input: PutRecord,
    faults: &Faults,
) -> Result<PutRecordAnswer, ApiError> {
    let mut store = lock(store);
    let name = input.delivery_stream_name;
    store.count_batch(&name, BatchSize { records: 1, bytes: input.record.data.len() });
    check_name(&name)?;
    check_size(&store, &input.record, "record.data")?;
    admit_request(&mut store, &name)?;
    match put_one(&mut store, &name, input.record, faults)? {
        PutResult::Stored { record_id } => Ok(PutRecordAnswer { record_id, encrypted: false }),
        PutResult::Failed { error_code, error_message } => {
            Err(unavailable(error_code, error_message))
        }
    }
}

/// Finds the stream and counts the request.
///
/// Above the rate of requests the call fails as a whole. That is how we read the API reference
/// ("if PutRecordBatch throws ServiceUnavailableException … the throughput limits have been
/// exceeded"); it does not say which of the three rates does what.
fn admit_request(store: &mut Store, name: &str) -> Result<(), ApiError> {
    if store.find(name)?.admit_request() {
        Ok(())
    } else {
        Err(unavailable("ServiceUnavailableException", SLOW_DOWN))
    }
}

fn put_one(
    store: &mut Store,
    name: &str,
    record: Record,
    faults: &Faults,
) -> Result<PutResult, ApiError> {
    let (forget, record_id) = (store.forget_records, store.next_record_id());
    let stream = store.find(name)?;
    let injected = faults.of_record(name, "");
    let refused = || (!stream.admit_record(record.data.len())).then_some(RecordError::Throttled);
    Ok(match injected.or_else(refused) {
        None => {
            stream.store(record.data, forget);
            PutResult::Stored { record_id }
        }
        Some(RecordError::Throttled) => {
            stream.totals.throttled += 1;
            PutResult::Failed {
                error_code: "ServiceUnavailableException",
                error_message: SLOW_DOWN,
            }
        }
        Some(RecordError::InternalFailure) => {
            stream.totals.failed += 1;
            PutResult::Failed {
                error_code: "InternalFailure",
                error_message: "Internal Service Failure",
            }
        }
    })
}

/// An error of the service, not of the caller.
fn unavailable(code: &str, message: &str) -> ApiError {
    ApiError { status: StatusCode::INTERNAL_SERVER_ERROR, ..ApiError::new(code, message) }
}

fn check_size(store: &Store, record: &Record, member: &str) -> Result<(), ApiError> {
    match store.limits.bytes_per_record {
        Some(most) if record.data.len() > most => {
            Err(length(member, "...", &format!("less than or equal to {most}")))
        }
        _ => Ok(()),
    }
}

fn length(member: &str, value: &str, constraint: &str) -> ApiError {
    ApiError::validation(member, value, &format!("Member must have length {constraint}"))
}
