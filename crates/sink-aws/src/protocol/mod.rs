//! How batches are written and their answers read: our own protocol for the SDK's clients.
//!
//! The SDK's protocol makes a string of each blob and several of each record's answer. Ours writes
//! the same bytes into one buffer, which it uses again, and counts an answer that calls every record
//! stored. For Kinesis it can write CBOR too. Credentials, endpoints, signatures, error types and
//! all other operations stay the SDK's. See ADR 14.
//!
//! | file | what it knows |
//! |---|---|
//! | `encoding.rs` | the switch |
//! | `operation.rs` | which operations, and their members' names |
//! | `write/` | bodies |
//! | `pool.rs` | their buffers |
//! | `scan/` | answers in which every record is stored |
//! | `exchange.rs` | how what was scanned reaches the caller |
//! | `refusal.rs` | the way back from CBOR to JSON |
//!
//! The SDK's wire formats are crates of versions 0.x. Nobody outside of this module sees them.

mod encoding;
mod exchange;
mod operation;
mod pool;
mod refusal;
mod scan;
mod write;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

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
    codec::{Codec, DynCodec},
    protocol::{ClientProtocolInner, SharedClientProtocol},
    serde::{SerdeError, SerializableStruct, ShapeDeserializer, ShapeSerializer},
};
use aws_smithy_types::{
    body::SdkBody,
    config_bag::ConfigBag,
    endpoint::Endpoint,
    error::{ErrorMetadata, metadata::Builder},
};

pub use self::{
    encoding::BodyEncoding,
    exchange::{Answer, Stored, answer},
    refusal::CBOR_REFUSED,
};
use self::{
    operation::Operation,
    pool::Pool,
    refusal::{Cbor, Watched, is_refusal},
};

const CBOR: &str = "application/x-amz-cbor-1.1";

/// The protocol for a client that writes so; `None` where the client keeps what it has. Its own
/// calls are those made by [`answer`]; all others are the SDK's.
pub fn protocol(encoding: BodyEncoding) -> Option<SharedClientProtocol> {
    let cbor = match encoding {
        BodyEncoding::Sdk => return None,
        BodyEncoding::Json => None,
        BodyEncoding::Cbor => Some(Arc::default()),
    };
    Some(SharedClientProtocol::new(BatchProtocol {
        sdk: AwsJsonRpcProtocol::aws_json_1_1(),
        nothing: JsonCodec::new(JsonCodecSettings::builder().use_json_name(false).build()),
        cbor_answers: cbor_codec(),
        cbor_errors: RpcV2CborProtocol::new(),
        cbor,
        pool: Arc::default(),
        last: AtomicUsize::new(0),
    }))
}

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
    cbor_answers: CborCodec,
    /// Reads errors only: those of RPC v2 have the same form.
    cbor_errors: RpcV2CborProtocol,
    /// Whether to write CBOR where the operation takes it.
    cbor: Option<Arc<Cbor>>,
    pool: Arc<Pool>,
    /// Bytes of the last body: the next one is likely to need as many. Asking the entries would
    /// mean to walk through them twice.
    last: AtomicUsize,
}

/// The SDK writes the head of a request with this, and we the body.
struct NoMembers<'a>(&'a dyn SerializableStruct);

impl SerializableStruct for NoMembers<'_> {
    fn schema(&self) -> &Schema<'_> {
        self.0.schema()
    }

    fn serialize_members(&self, _: &mut dyn ShapeSerializer) -> Result<(), SerdeError> {
        Ok(())
    }
}

impl BatchProtocol {
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
            return Ok(Box::new(Codec::create_deserializer(&self.cbor_answers, body)));
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
        let operation = Operation::of(config).filter(|_| exchange::is_awaited());
        let Some(operation) = operation else {
            return self.sdk.serialize_request(input, schema, endpoint, config);
        };
        let is_cbor = operation.takes_cbor && self.cbor.as_ref().is_some_and(|c| c.is_spoken());
        let mut body = self.pool.take(self.last.load(Relaxed));
        let written = if is_cbor {
            write::cbor::write(body.bytes(), schema, input)
        } else {
            write::json::write(body.bytes(), schema, input)
        };
        if written.is_err() {
            // A shape that is new to us.
            exchange::request_is_cbor(false);
            return self.sdk.serialize_request(input, schema, endpoint, config);
        }
        let length = body.as_ref().len();
        self.last.store(length, Relaxed);
        let mut request =
            self.sdk.serialize_request(&NoMembers(input), schema, endpoint, config)?;
        *request.body_mut() = SdkBody::from(body.freeze());
        let headers = request.headers_mut();
        if headers.contains_key("content-length") {
            headers.insert("Content-Length", length.to_string());
        }
        if is_cbor {
            headers.insert("Content-Type", CBOR);
        }
        exchange::request_is_cbor(is_cbor);
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
