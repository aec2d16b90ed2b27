//! Delivery streams: create, describe, list, delete.

use super::{
    shapes::{
        CreateDeliveryStream, CreateDeliveryStreamAnswer, DeliveryStreamDescription,
        DescribeDeliveryStreamAnswer, ListDeliveryStreams, ListDeliveryStreamsAnswer, Nothing,
        OfStream,
    },
    store::Store,
};
use crate::{
    api::{ACCOUNT, ApiError},
    codec::Timestamp,
};

/// The only source of records here: the two Put operations.
const DIRECT_PUT: &str = "DirectPut";

/// 1 to 64 of the characters that the model allows in a name.
pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(is_name) {
        return Ok(());
    }
    let constraint = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+, and have \
                      length between 1 and 64";
    Err(ApiError::validation("deliveryStreamName", name, constraint))
}

pub(super) fn create(store: &mut Store, name: &str) -> Result<(), ApiError> {
    check_name(name)?;
    if store.streams.contains_key(name) {
        let message = format!("Firehose {name} under accountId {ACCOUNT} already exists");
        return Err(ApiError::new("ResourceInUseException", message));
    }
    store.add_stream(name);
    Ok(())
}

pub(super) fn create_delivery_stream(
    store: &mut Store,
    input: CreateDeliveryStream,
) -> Result<CreateDeliveryStreamAnswer, ApiError> {
    if let Some(kind) = input.delivery_stream_type.filter(|kind| kind != DIRECT_PUT) {
        let message = format!("DeliveryStreamType {kind} is not spoken here; {DIRECT_PUT} is");
        return Err(ApiError::new("InvalidArgumentException", message));
    }
    let name = input.delivery_stream_name;
    create(store, &name)?;
    Ok(CreateDeliveryStreamAnswer { delivery_stream_arn: store.find(&name)?.arn() })
}

pub(super) fn delete_delivery_stream(
    store: &mut Store,
    input: OfStream,
) -> Result<Nothing, ApiError> {
    let name = store.find(&input.delivery_stream_name)?.name.clone();
    store.streams.remove(&name);
    Ok(Nothing {})
}

pub(super) fn describe_delivery_stream(
    store: &mut Store,
    input: OfStream,
) -> Result<DescribeDeliveryStreamAnswer, ApiError> {
    let stream = store.find(&input.delivery_stream_name)?;
    let description = DeliveryStreamDescription {
        delivery_stream_name: stream.name.clone(),
        delivery_stream_arn: stream.arn(),
        delivery_stream_status: "ACTIVE",
        delivery_stream_type: DIRECT_PUT,
        version_id: "1",
        create_timestamp: Timestamp(stream.created_at),
        destinations: [],
        has_more_destinations: false,
    };
    Ok(DescribeDeliveryStreamAnswer { delivery_stream_description: description })
}

#[allow(clippy::unnecessary_wraps)] // as the others
pub(super) fn list_delivery_streams(
    store: &mut Store,
    input: ListDeliveryStreams,
) -> Result<ListDeliveryStreamsAnswer, ApiError> {
    let limit = input.limit.unwrap_or(10).clamp(1, 10_000);
    let after = input.exclusive_start_delivery_stream_name.unwrap_or_default();
    let asked_for = input.delivery_stream_type.is_none_or(|kind| kind == DIRECT_PUT);
    let mut names = store.streams.keys().filter(|name| asked_for && **name > after);
    let delivery_stream_names: Vec<_> = names.by_ref().take(limit).cloned().collect();
    let has_more_delivery_streams = names.next().is_some();
    Ok(ListDeliveryStreamsAnswer { delivery_stream_names, has_more_delivery_streams })
}
