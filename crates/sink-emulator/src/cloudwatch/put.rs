//! PutMetricData: all of a request's data, or none.

use std::{borrow::Cow, io::Read as _, sync::Mutex};

use flate2::read::MultiGzDecoder;
use hyper::StatusCode;

use super::{
    check,
    datum::Datum,
    shapes::PutMetricData,
    store::{RequestSize, Store},
};
use crate::{
    api::ApiError,
    codec::{Encoding, now_ms},
    dispatch::MAX_BODY_BYTES,
    faults::{Faults, RecordError},
    server::lock,
};

pub(super) fn put_metric_data(
    store: &Mutex<Store>,
    encoding: Encoding,
    content_encoding: Option<&str>,
    sent: &[u8],
    faults: &Faults,
) -> Result<(), ApiError> {
    let body = unpack(content_encoding, sent)?;
    let input: PutMetricData = encoding.decode(&body)?;
    let mut store = lock(store);
    let size = RequestSize { data: count(&input), bytes: body.len(), sent_bytes: sent.len() };
    store.count_request(size);
    if store.limits.bytes_per_request.is_some_and(|most| size.bytes > most) {
        return Err(too_large());
    }
    // There is no answer for a single datum, so a fault of one is a fault of the request.
    let injected = faults.of_record(input.namespace.as_deref().unwrap_or_default(), "");
    let refused = || (!store.admit_request()).then_some(RecordError::Throttled);
    match injected.or_else(refused) {
        None => {}
        Some(RecordError::Throttled) => {
            return Err(ApiError::new("ThrottlingException", "Rate exceeded"));
        }
        Some(RecordError::InternalFailure) => {
            let message = "Request processing has failed due to some unknown error, exception, or \
                           failure.";
            let error = ApiError::new("InternalServiceError", message);
            return Err(ApiError { status: StatusCode::INTERNAL_SERVER_ERROR, ..error });
        }
    }
    let (namespace, data) = check::request(input, &store.limits, now_ms())?;
    refuse(&store, &data)?;
    store.store(namespace, data);
    Ok(())
}

fn count(input: &PutMetricData) -> usize {
    let of_entities = input.entity_metric_data.iter().flatten().map(|of| &of.metric_data);
    [&input.metric_data].into_iter().chain(of_entities).flatten().map(Vec::len).sum()
}

/// The metrics that a test wants refused.
fn refuse(store: &Store, data: &[Datum]) -> Result<(), ApiError> {
    let refused = |datum: &Datum| store.refused_metrics.contains(&datum.metric_name);
    let lines: Vec<_> = data
        .iter()
        .enumerate()
        .filter(|(_, datum)| refused(datum))
        .map(|(index, datum)| {
            format!(
                "The value {} for parameter MetricData.member.{}.MetricName is invalid.",
                datum.metric_name,
                index + 1
            )
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(ApiError::new("InvalidParameterValue", lines.join("\n")))
}

/// The body before it was compressed.
fn unpack<'a>(content_encoding: Option<&str>, sent: &'a [u8]) -> Result<Cow<'a, [u8]>, ApiError> {
    let unreadable = |message: String| ApiError::new("SerializationException", message);
    match content_encoding {
        None | Some("identity") => Ok(Cow::Borrowed(sent)),
        Some("gzip") => {
            let mut body = Vec::new();
            // A few bytes of gzip may be gigabytes.
            let mut reader = MultiGzDecoder::new(sent).take(MAX_BODY_BYTES as u64 + 1);
            reader
                .read_to_end(&mut body)
                .map_err(|error| unreadable(format!("the body is not gzip: {error}")))?;
            if body.len() > MAX_BODY_BYTES { Err(too_large()) } else { Ok(Cow::Owned(body)) }
        }
        Some(other) => {
            let message = format!("content encoding {other:?} is not spoken here; gzip is");
            Err(unreadable(message))
        }
    }
}

/// Code and status are those of a body that is too large elsewhere in AWS; CloudWatch's are
/// unverified.
fn too_large() -> ApiError {
    ApiError {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        ..ApiError::new("RequestEntityTooLarge", "Request size exceeded the 1 MB limit")
    }
}
