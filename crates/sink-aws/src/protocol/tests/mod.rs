//! The protocol beside the SDK's own.

mod answers;
mod requests;

use aws_smithy_runtime_api::{client::orchestrator::Metadata, http::StatusCode};
use aws_smithy_schema::protocol::{ServiceShapeName, ServiceShapeNamespace, SharedClientProtocol};
use aws_smithy_types::config_bag::Layer;
use sink_core::{Entry, OwnedBatch};

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

/// What a connector has for an entry.
#[derive(Debug, Clone)]
struct Letter {
    data: Vec<u8>,
    key: Option<String>,
    hash: Option<u128>,
}

impl Entry for Letter {
    fn size_bytes(&self) -> usize {
        self.data.len() + self.key.as_deref().map_or(0, str::len)
    }
}

/// The records for the SDK, and the body: there are either.
fn write<R>(
    bodies: &Bodies,
    letters: &[Letter],
    sdks: impl Fn(&Letter) -> R,
) -> (Vec<R>, Option<Body>) {
    fn ours(letter: &Letter) -> Record<'_> {
        Record {
            data: &letter.data,
            explicit_hash_key: letter.hash,
            partition_key: letter.key.as_deref(),
        }
    }
    let batch = OwnedBatch::new(letters.to_vec());
    let (records, body) = bodies.write(&batch.as_batch(), ours, sdks);
    assert!(records.is_empty() || body.is_none());
    (records, body)
}

/// A body that nobody looks at.
fn any_body() -> Body {
    write(&Bodies::new(BodyEncoding::Json), &[], |_| ()).1.unwrap()
}

fn ours(encoding: BodyEncoding) -> SharedClientProtocol {
    Bodies::new(encoding).protocol().unwrap()
}

fn answer_of(status: u16, kind: &'static str, body: &[u8]) -> Response {
    let mut answer = Response::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body));
    answer.headers_mut().insert("content-type", kind);
    answer
}

const JSON: &str = "application/x-amz-json-1.1";
