//! What is common to the AWS JSON services: the request's target, its signature, error answers.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{HeaderMap, Response, StatusCode, header};
use serde::Serialize;

use crate::codec::Encoding;

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
        let body = encoding.encode(&Body { code: &self.code, message: &self.message });
        response(self.status, encoding.content_type(), body)
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
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    headers.insert(
        "x-amzn-requestid",
        header::HeaderValue::from_static("00000000-0000-0000-0000-000000000000"),
    );
    response
}

/// Service and operation, as in `X-Amz-Target: Kinesis_20131202.PutRecords`.
pub(crate) fn target(headers: &HeaderMap) -> Option<(&str, &str)> {
    headers.get("x-amz-target")?.to_str().ok()?.split_once('.')
}

/// The access key that the request is signed with. The signature itself is not checked.
pub(crate) fn access_key(headers: &HeaderMap) -> Option<&str> {
    let (_, credential) =
        headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once("Credential=")?;
    credential.split('/').next()
}
