//! The protocol beside the SDK's own.

mod answers;
mod requests;

use aws_smithy_runtime_api::{client::orchestrator::Metadata, http::StatusCode};
use aws_smithy_schema::protocol::{ServiceShapeName, ServiceShapeNamespace};
use aws_smithy_types::config_bag::Layer;

use super::*;

/// What the SDK's clients tell a protocol of a call.
fn config(service: &'static str, operation: &'static str) -> ConfigBag {
    let (name, namespace) = match service {
        "Kinesis" => ("Kinesis_20131202", "com.amazonaws.kinesis"),
        _ => ("Firehose_20150804", "com.amazonaws.firehose"),
    };
    let mut layer = Layer::new("test");
    layer.store_put(Metadata::new(operation, service));
    layer.store_put(ServiceShapeName::new(name));
    layer.store_put(ServiceShapeNamespace::new(namespace));
    ConfigBag::of_layers(vec![layer])
}

fn put_records() -> ConfigBag {
    config("Kinesis", "PutRecords")
}

fn put_record_batch() -> ConfigBag {
    config("Firehose", "PutRecordBatch")
}

/// The protocol that the clients have by default.
fn sdk() -> AwsJsonRpcProtocol {
    AwsJsonRpcProtocol::aws_json_1_1()
}

fn ours(encoding: BodyEncoding) -> SharedClientProtocol {
    protocol(encoding).unwrap()
}

fn answer_of(status: u16, kind: &'static str, body: &[u8]) -> Response {
    let mut answer = Response::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body));
    answer.headers_mut().insert("content-type", kind);
    answer
}

const JSON: &str = "application/x-amz-json-1.1";
