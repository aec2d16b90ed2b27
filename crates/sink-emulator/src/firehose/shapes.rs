//! Requests and answers, as the API's model has them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{Timestamp, blob};

/// An answer without members.
#[derive(Debug, Serialize)]
pub(super) struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecordBatch {
    pub(super) delivery_stream_name: String,
    pub(super) records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Record {
    #[serde(with = "blob")]
    pub(super) data: Bytes,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecordBatchAnswer {
    pub(super) failed_put_count: usize,
    pub(super) encrypted: bool,
    pub(super) request_responses: Vec<PutResult>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum PutResult {
    #[serde(rename_all = "PascalCase")]
    Stored { record_id: String },
    #[serde(rename_all = "PascalCase")]
    Failed { error_code: &'static str, error_message: &'static str },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecord {
    pub(super) delivery_stream_name: String,
    pub(super) record: Record,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecordAnswer {
    pub(super) record_id: String,
    pub(super) encrypted: bool,
}

/// The destination is not asked for: nothing is delivered from here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateDeliveryStream {
    pub(super) delivery_stream_name: String,
    pub(super) delivery_stream_type: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateDeliveryStreamAnswer {
    #[serde(rename = "DeliveryStreamARN")]
    pub(super) delivery_stream_arn: String,
}

/// Names a delivery stream, and nothing else.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfStream {
    pub(super) delivery_stream_name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeDeliveryStreamAnswer {
    pub(super) delivery_stream_description: DeliveryStreamDescription,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeliveryStreamDescription {
    pub(super) delivery_stream_name: String,
    #[serde(rename = "DeliveryStreamARN")]
    pub(super) delivery_stream_arn: String,
    pub(super) delivery_stream_status: &'static str,
    pub(super) delivery_stream_type: &'static str,
    pub(super) version_id: &'static str,
    pub(super) create_timestamp: Timestamp,
    pub(super) destinations: [Nothing; 0],
    pub(super) has_more_destinations: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListDeliveryStreams {
    pub(super) limit: Option<usize>,
    pub(super) delivery_stream_type: Option<String>,
    pub(super) exclusive_start_delivery_stream_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListDeliveryStreamsAnswer {
    pub(super) delivery_stream_names: Vec<String>,
    pub(super) has_more_delivery_streams: bool,
}
