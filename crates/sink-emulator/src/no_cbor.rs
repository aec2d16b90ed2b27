//! Endpoints that do not speak Kinesis' CBOR, and what they say of it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};

use crate::{
    api::{ApiError, response},
    codec::Encoding,
};

/// How a request in `application/x-amz-cbor-1.1` is refused. None of its records is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoCbor {
    /// 404 with `UnknownOperationException`, as services answer a content type that they do not
    /// know.
    UnknownOperation,
    /// 400 with `SerializationException`, as after reading the body as JSON.
    SerializationException,
    /// 415 without a body.
    UnsupportedMediaType,
    /// 404 with a page of HTML, as a proxy has it.
    HtmlNotFound,
    /// 200 with a page of HTML: no error, and no answer either.
    HtmlOk,
    /// 200 without a body.
    Empty,
}

impl NoCbor {
    pub(crate) fn answer(self) -> Response<Full<Bytes>> {
        let error = |status, code: &str| {
            let mut error = ApiError::new(code, "no CBOR here");
            error.status = status;
            error.into_response(Encoding::Json)
        };
        let html = |status| response(status, "text/html", b"<html></html>".to_vec());
        match self {
            Self::UnknownOperation => error(StatusCode::NOT_FOUND, "UnknownOperationException"),
            Self::SerializationException => {
                error(StatusCode::BAD_REQUEST, "SerializationException")
            }
            Self::UnsupportedMediaType => {
                response(StatusCode::UNSUPPORTED_MEDIA_TYPE, "text/plain", Vec::new())
            }
            Self::HtmlNotFound => html(StatusCode::NOT_FOUND),
            Self::HtmlOk => html(StatusCode::OK),
            Self::Empty => response(StatusCode::OK, "text/plain", Vec::new()),
        }
    }
}
