//! One request: whose it is, what it meets, and what a fault does to its connection.

use std::{
    convert::Infallible,
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Request, Response, StatusCode, body::Incoming, header, http::request::Parts,
};

use crate::{
    api::{ApiError, access_key, response, rpc_target, target},
    cloudwatch::CloudWatch,
    codec::Encoding,
    counts::Requests,
    faults::{Fault, Faults},
    firehose::Firehose,
    kinesis::Kinesis,
    no_cbor::NoCbor,
    socket::ResetFlag,
};

/// A body may be no larger: three times the largest request of any service.
pub(crate) const MAX_BODY_BYTES: usize = 32 << 20;

/// What all connections of an endpoint serve.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) kinesis: Kinesis,
    pub(crate) firehose: Firehose,
    pub(crate) cloudwatch: CloudWatch,
    pub(crate) faults: Faults,
    /// Access keys that are known; all are, if there is none.
    pub(crate) access_keys: Vec<String>,
    pub(crate) no_cbor: Option<NoCbor>,
    pub(crate) cbor_requests: AtomicU64,
}

/// Cuts the connection instead of answering.
#[derive(Debug)]
pub(crate) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut, as asked for")
    }
}

impl std::error::Error for Cut {}

/// The service that a request names.
enum Service<'a> {
    Kinesis(&'a Kinesis),
    Firehose(&'a Firehose),
    CloudWatch(&'a CloudWatch),
    Unknown(&'a str),
}

/// An operation that is to be carried out.
struct Asked<'a> {
    operation: &'a str,
    encoding: Encoding,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

impl Service<'_> {
    fn requests(&self) -> Option<&Requests> {
        match self {
            Self::Kinesis(kinesis) => Some(&kinesis.requests),
            Self::Firehose(firehose) => Some(&firehose.requests),
            Self::CloudWatch(cloudwatch) => Some(&cloudwatch.requests),
            Self::Unknown(_) => None,
        }
    }
}

impl Shared {
    pub(crate) async fn handle(
        &self,
        request: Request<Incoming>,
        reset: &ResetFlag,
    ) -> Result<Response<Full<Bytes>>, Cut> {
        let (head, body) = request.into_parts();
        let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let Some(encoding) = content_type.and_then(Encoding::of_content_type) else {
            let message = format!(
                "content type {content_type:?} is not spoken here; application/x-amz-json-1.1, \
                 application/x-amz-cbor-1.1 and application/cbor are"
            );
            let mut error = ApiError::new("UnknownOperationException", message);
            error.status = StatusCode::NOT_FOUND;
            return Ok(error.into_response(Encoding::Json));
        };
        let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Ok(response(StatusCode::PAYLOAD_TOO_LARGE, "text/html", Vec::new()));
            }
            Err(_) => return Err(Cut), // the peer went away
        };
        if encoding == Encoding::Cbor {
            self.cbor_requests.fetch_add(1, Relaxed);
            if let Some(refusal) = self.no_cbor {
                return Ok(refusal.answer());
            }
        }
        if let Err(error) = self.authenticate(access_key(&head.headers)) {
            return Ok(error.into_response(encoding));
        }
        let (service, operation) = match route(&head, encoding) {
            Ok(named) => named,
            Err(error) => return Ok(error.into_response(encoding)),
        };
        let service = match service {
            Kinesis::TARGET => Service::Kinesis(&self.kinesis),
            Firehose::TARGET => Service::Firehose(&self.firehose),
            CloudWatch::TARGET => Service::CloudWatch(&self.cloudwatch),
            unknown => Service::Unknown(unknown),
        };
        let writes =
            matches!(operation, "PutRecords" | "PutRecord" | "PutRecordBatch" | "PutMetricData");
        let fault = self.faults.of_request(operation, writes);
        if let Some(requests) = service.requests() {
            requests.count_call(operation);
        }
        let _counted = service.requests().filter(|_| writes).map(Requests::count_write);
        if writes {
            tokio::time::sleep(self.faults.latency()).await;
        }

        let result = match &fault {
            Some(fault) if !fault.stores() => Ok(Vec::new()),
            fault => {
                let asked = Asked { operation, encoding, headers: &head.headers, body: &body };
                self.carry_out(&service, &asked, fault.as_ref())
            }
        };
        match fault {
            Some(fault) => faulty(fault, encoding, result, reset).await,
            None => Ok(finished(encoding, result)),
        }
    }

    fn carry_out(
        &self,
        service: &Service<'_>,
        asked: &Asked<'_>,
        fault: Option<&Fault>,
    ) -> Result<Vec<u8>, ApiError> {
        let Asked { operation, encoding, headers, body } = *asked;
        match service {
            Service::Kinesis(kinesis) => {
                kinesis.handle(operation, encoding, body, &self.faults, fault)
            }
            Service::Firehose(firehose) => {
                firehose.handle(operation, encoding, body, &self.faults, fault)
            }
            Service::CloudWatch(cloudwatch) => {
                let packed = headers.get(header::CONTENT_ENCODING).map(|packed| packed.to_str());
                // What is no text is no encoding that anybody knows.
                let packed = packed.map(|packed| packed.unwrap_or("?"));
                cloudwatch.handle(operation, encoding, packed, body, &self.faults)
            }
            Service::Unknown(name) => {
                Err(ApiError::new("UnknownOperationException", format!("no service {name}")))
            }
        }
    }

    fn authenticate(&self, access_key: Option<&str>) -> Result<(), ApiError> {
        match access_key {
            None => Err(ApiError::new(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            )),
            Some(key)
                if !self.access_keys.is_empty() && !self.access_keys.iter().any(|k| k == key) =>
            {
                Err(ApiError::new(
                    "UnrecognizedClientException",
                    "The security token included in the request is invalid.",
                ))
            }
            Some(_) => Ok(()),
        }
    }
}

/// Service and operation: of the path in Smithy's RPC protocol, of a header in the others.
fn route(head: &Parts, encoding: Encoding) -> Result<(&str, &str), ApiError> {
    let (named, missing) = match encoding {
        Encoding::RpcV2Cbor => (
            rpc_target(head.uri.path()),
            format!(
                "the path is {:?}, and not /service/SERVICE/operation/OPERATION",
                head.uri.path()
            ),
        ),
        Encoding::Json | Encoding::Cbor => {
            (target(&head.headers), "X-Amz-Target is missing".to_owned())
        }
    };
    named.ok_or_else(|| ApiError::new("UnknownOperationException", missing))
}

fn finished(encoding: Encoding, result: Result<Vec<u8>, ApiError>) -> Response<Full<Bytes>> {
    match result {
        Ok(body) => encoding.response(StatusCode::OK, body),
        Err(error) => error.into_response(encoding),
    }
}

async fn faulty(
    fault: Fault,
    encoding: Encoding,
    result: Result<Vec<u8>, ApiError>,
    reset: &ResetFlag,
) -> Result<Response<Full<Bytes>>, Cut> {
    let status = |code| StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match fault {
        Fault::Error { status: code, code: name, message } => {
            Ok(ApiError { status: status(code), code: name, message }.into_response(encoding))
        }
        Fault::EmptyBody(code) => Ok(encoding.response(status(code), Vec::new())),
        Fault::HtmlBody(code) => {
            let body = format!("<html><body><h1>{code}</h1></body></html>").into_bytes();
            Ok(response(status(code), "text/html", body))
        }
        Fault::Reset | Fault::ResetAfterStoring => {
            reset.raise();
            Err(Cut)
        }
        Fault::Silence | Fault::SilenceAfterStoring => {
            let never: Infallible = std::future::pending().await;
            match never {}
        }
        Fault::AnswerTooShort | Fault::AnswerTooLong => Ok(finished(encoding, result)),
    }
}
