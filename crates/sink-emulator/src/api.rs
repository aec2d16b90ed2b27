//! What is common to the services: the request's target, its signature, error answers.

use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{self, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{cloudwatch::error_shape, codec::Encoding, server::lock};

/// The account that everything belongs to.
pub(crate) const ACCOUNT: &str = "000000000000";

/// An error in the services' own shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl ApiError {
    /// An error of the caller: status 400.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: code.to_owned(), message: message.into() }
    }

    /// An input that breaks a constraint of the API's model.
    pub(crate) fn validation(member: &str, value: &str, constraint: &str) -> Self {
        Self::new(
            "ValidationException",
            format!(
                "1 validation error detected: Value '{value}' at '{member}' failed to satisfy \
                 constraint: {constraint}"
            ),
        )
    }

    pub(crate) fn into_response(self, encoding: Encoding) -> Response<Full<Bytes>> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(rename = "__type")]
            code: &'a str,
            message: &'a str,
        }
        let code = match encoding {
            Encoding::RpcV2Cbor => error_shape(&self.code),
            Encoding::Json | Encoding::Cbor => &self.code,
        };
        let body = encoding.encode(&Body { code, message: &self.message });
        let mut response = encoding.response(self.status, body);
        if encoding == Encoding::RpcV2Cbor {
            let fault = if self.status.is_server_error() { "Receiver" } else { "Sender" };
            // A code that a test made up may be no header; then the body alone has it.
            if let Ok(error) = HeaderValue::from_str(&format!("{};{fault}", self.code)) {
                response.headers_mut().insert("x-amzn-query-error", error);
            }
        }
        response
    }
}

/// A request to be decoded, carried out on a service's store, and answered.
pub(crate) struct Call<'a, S> {
    pub(crate) store: &'a Mutex<S>,
    pub(crate) encoding: Encoding,
    pub(crate) body: &'a [u8],
}

impl<S> Call<'_, S> {
    pub(crate) fn with<I: DeserializeOwned, O: Serialize>(
        self,
        operation: impl FnOnce(&mut S, I) -> Result<O, ApiError>,
    ) -> Result<Vec<u8>, ApiError> {
        // Some operations have no members at all, and some clients then send no body.
        let body = match (self.encoding, self.body) {
            (Encoding::Json, []) => b"{}",
            (Encoding::Cbor | Encoding::RpcV2Cbor, []) => &b"\xa0"[..],
            (_, body) => body,
        };
        let input = self.encoding.decode(body)?;
        let output = operation(&mut lock(self.store), input)?;
        Ok(self.encoding.encode(&output))
    }
}

/// An answer with a body of this type.
pub(crate) fn response(
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        "x-amzn-requestid",
        HeaderValue::from_static("00000000-0000-0000-0000-000000000000"),
    );
    response
}

/// Service and operation, as in `X-Amz-Target: Kinesis_20131202.PutRecords`.
pub(crate) fn target(headers: &HeaderMap) -> Option<(&str, &str)> {
    headers.get("x-amz-target")?.to_str().ok()?.split_once('.')
}

/// Service and operation, as in `/service/GraniteServiceVersion20100801/operation/PutMetricData`.
pub(crate) fn rpc_target(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/service/")?.split_once("/operation/")
}

/// The access key that the request is signed with. The signature itself is not checked.
pub(crate) fn access_key(headers: &HeaderMap) -> Option<&str> {
    let (_, credential) =
        headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once("Credential=")?;
    credential.split('/').next()
}
