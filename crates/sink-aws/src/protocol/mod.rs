//! How batches are written and their answers read: our own protocol for the SDK's clients.
//!
//! The SDK makes a value of its own of each record, a string of each blob, and several strings of
//! each record's answer. Here the records of a batch are written into one buffer, which is used again;
//! the SDK writes the request without them, and gets the same bytes as if it had written all. An
//! answer that calls every record stored is counted. For Kinesis there is CBOR too. Credentials,
//! endpoints, signatures, error types and all other operations stay the SDK's. See ADR 14.
//!
//! | file | what it knows |
//! |---|---|
//! | `encoding.rs` | the switch |
//! | `body.rs` | what a connector gives the records of a batch to |
//! | `write/` | records, in each encoding |
//! | `pool.rs` | the buffers |
//! | `operation.rs` | which operations, and the members of their answers |
//! | `scan/` | answers in which every record is stored |
//! | `exchange.rs` | how records get past the SDK, and what was scanned back |
//! | `refusal.rs` | the way back from CBOR to JSON |
//! | `list.rs` | the same for a client that takes no protocol: CloudWatch's |
//!
//! The SDK's wire formats are crates of versions 0.x. Nobody outside of this module sees them.

mod body;
mod encoding;
mod exchange;
mod list;
mod operation;
mod pool;
mod refusal;
mod scan;
mod write;

use std::sync::Arc;

use aws_smithy_cbor::{
    codec::{CborCodec, CborCodecSettings},
    protocol::RpcV2CborProtocol,
};
use aws_smithy_json::{
    codec::{JsonCodec, JsonCodecSettings},
    protocol::aws_json_rpc::AwsJsonRpcProtocol,
};
use aws_smithy_runtime_api::http::{Request, Response};
use aws_smithy_schema::{
    Schema, ShapeId,
    codec::{Codec, DynCodec, FinishSerializer as _},
    protocol::ClientProtocolInner,
    serde::{SerdeError, SerializableStruct, ShapeDeserializer, ShapeSerializer as _},
};
use aws_smithy_types::{
    body::SdkBody,
    config_bag::ConfigBag,
    endpoint::Endpoint,
    error::{ErrorMetadata, metadata::Builder},
};

pub use self::{
    body::{Bodies, Body, Record},
    encoding::BodyEncoding,
    exchange::{Answer, Stored, answer},
    list::{List, Lists, send},
    refusal::CBOR_REFUSED,
};
use self::{
    operation::Operation,
    refusal::{Cbor, Watched, is_refusal},
};

const CBOR: &str = "application/x-amz-cbor-1.1";

/// Strict, or an answer cut short within a list would be read as records without end, until there
/// is no memory.
fn cbor_codec() -> CborCodec {
    CborCodec::new(CborCodecSettings::default().enforce_strictness(true))
}

#[derive(Debug)]
struct BatchProtocol {
    /// The protocol of all other operations, and of all that ours does not understand.
    sdk: AwsJsonRpcProtocol,
    /// Reads an empty answer, in place of one that was counted.
    nothing: JsonCodec,
    /// Writes what is not records, and reads answers.
    cbor_codec: CborCodec,
    /// Reads errors only: those of RPC v2 have the same form.
    cbor_errors: RpcV2CborProtocol,
    /// Whether CBOR is still written, where it was asked for.
    cbor: Option<Arc<Cbor>>,
}

impl BatchProtocol {
    fn new(cbor: Option<Arc<Cbor>>) -> Self {
        Self {
            sdk: AwsJsonRpcProtocol::aws_json_1_1(),
            nothing: JsonCodec::new(JsonCodecSettings::builder().use_json_name(false).build()),
            cbor_codec: cbor_codec(),
            cbor_errors: RpcV2CborProtocol::new(),
            cbor,
        }
    }

    /// A request without records in CBOR.
    fn cbor_of(
        &self,
        input: &dyn SerializableStruct,
        schema: &Schema<'_>,
    ) -> Result<Vec<u8>, SerdeError> {
        let mut writer = Codec::create_serializer(&self.cbor_codec);
        writer.write_struct(schema, input)?;
        Ok(writer.finish())
    }

    /// Whether the answer is CBOR. It says so itself: while a client goes back to JSON, requests
    /// of both kinds are in flight, and an endpoint may answer the one with the other.
    fn is_cbor(&self, answer: &Response) -> bool {
        let kind = answer.headers().get("content-type").unwrap_or_default();
        self.cbor.is_some() && (kind.starts_with(CBOR) || kind.starts_with("application/cbor"))
    }

    /// Every record is stored, and counted.
    fn scanned(&self, answer: &Response, operation: &Operation) -> Option<Stored> {
        let body = answer.body().bytes()?;
        let places = if self.is_cbor(answer) {
            scan::cbor(body, operation)?
        } else {
            scan::json(body, operation)?
        };
        Some(Stored::new(answer.body().try_clone()?, places))
    }

    /// What the SDK makes of an answer.
    fn parsed<'a>(
        &self,
        answer: &'a Response,
        schema: &Schema<'_>,
        config: &'a ConfigBag,
    ) -> Result<Box<dyn ShapeDeserializer + 'a>, SerdeError> {
        if self.is_cbor(answer) {
            let body = answer.body().bytes().unwrap_or_default();
            return Ok(Box::new(Codec::create_deserializer(&self.cbor_codec, body)));
        }
        self.sdk.deserialize_response(answer, schema, config)
    }
}

impl ClientProtocolInner for BatchProtocol {
    type Request = Request;
    type Response = Response;

    fn protocol_id(&self) -> &ShapeId<'static> {
        self.sdk.protocol_id()
    }

    fn serialize_request(
        &self,
        input: &dyn SerializableStruct,
        schema: &Schema<'_>,
        endpoint: &str,
        config: &ConfigBag,
    ) -> Result<Request, SerdeError> {
        let mut request = self.sdk.serialize_request(input, schema, endpoint, config)?;
        if Operation::of(config).is_none() {
            return Ok(request);
        }
        let whole = exchange::body(|body| {
            if body.is_cbor() {
                body.whole(&self.cbor_of(input, schema)?)
            } else {
                body.whole(request.body().bytes().unwrap_or_default())
            }
        });
        let Some(whole) = whole.transpose()? else { return Ok(request) };
        let length = whole.len();
        *request.body_mut() = SdkBody::from(whole);
        let headers = request.headers_mut();
        if headers.contains_key("content-length") {
            headers.insert("Content-Length", length.to_string());
        }
        if exchange::was_cbor() {
            headers.insert("Content-Type", CBOR);
        }
        Ok(request)
    }

    fn deserialize_response<'a>(
        &self,
        answer: &'a Response,
        schema: &Schema<'_>,
        config: &'a ConfigBag,
    ) -> Result<Box<dyn ShapeDeserializer + 'a>, SerdeError> {
        let operation = Operation::of(config).filter(|_| exchange::is_awaited());
        let Some(operation) = operation else { return self.parsed(answer, schema, config) };
        let stored = self.scanned(answer, operation);
        let is_stored = stored.is_some();
        exchange::answered(stored);
        if is_stored {
            // Should anybody take it for the answer: it speaks of no record at all.
            return Ok(Box::new(Codec::create_deserializer(&self.nothing, b"{}")));
        }
        let parsed = self.parsed(answer, schema, config);
        let Some(cbor) = self.cbor.as_ref().filter(|_| exchange::was_cbor()) else { return parsed };
        if answer.body().bytes().unwrap_or_default().is_empty() {
            cbor.refused(&"an empty answer");
        }
        Ok(Box::new(Watched { answer: parsed?, cbor: Arc::clone(cbor) }))
    }

    fn parse_error_metadata(
        &self,
        answer: &Response,
        config: &ConfigBag,
    ) -> Result<Builder, SerdeError> {
        let parsed = if self.is_cbor(answer) {
            self.cbor_errors.parse_error_metadata(answer, config)
        } else {
            self.sdk.parse_error_metadata(answer, config)
        };
        let Some(cbor) = self.cbor.as_ref().filter(|_| exchange::was_cbor()) else { return parsed };
        let status = answer.status().as_u16();
        let parsed = parsed.map(Builder::build);
        let code = parsed.as_ref().ok().and_then(ErrorMetadata::code);
        if !is_refusal(status, code) {
            return parsed.map(ErrorMetadata::into_builder);
        }
        let message = parsed.as_ref().ok().and_then(ErrorMetadata::message);
        let said = [code, message].into_iter().flatten();
        let why = said.fold(format!("HTTP {status}"), |why, said| format!("{why}: {said}"));
        cbor.refused(&why);
        Ok(ErrorMetadata::builder().code(CBOR_REFUSED).message(why))
    }

    fn deserialize_error_response<'a>(
        &self,
        answer: &'a Response,
        config: &'a ConfigBag,
    ) -> Result<Box<dyn ShapeDeserializer + 'a>, SerdeError> {
        // Never scanned: an error says of no record that it is stored.
        self.parsed(answer, &aws_smithy_schema::prelude::DOCUMENT, config)
    }

    fn update_endpoint(
        &self,
        request: &mut Request,
        endpoint: &Endpoint,
        config: &ConfigBag,
    ) -> Result<(), SerdeError> {
        self.sdk.update_endpoint(request, endpoint, config)
    }

    // Some operations stream their answers. They are the SDK's.

    fn payload_codec(&self) -> Option<&dyn DynCodec> {
        self.sdk.payload_codec()
    }

    fn event_stream_media_type(&self) -> Option<&str> {
        self.sdk.event_stream_media_type()
    }

    fn parse_event_stream_error_metadata(&self, payload: &[u8]) -> Result<Builder, SerdeError> {
        self.sdk.parse_event_stream_error_metadata(payload)
    }
}

#[cfg(test)]
mod tests;
