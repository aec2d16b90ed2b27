//! The HTTP server: connections, bodies, signatures, and what a fault does to a connection.

use std::{
    convert::Infallible,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::{
    api::{ApiError, access_key, response, target},
    codec::Encoding,
    faults::{Fault, Faults},
    kinesis::{Kinesis, KinesisLimits},
    socket::{ResetFlag, Socket},
};

/// A body may be no larger: three times the largest request of any service.
const MAX_BODY_BYTES: usize = 32 << 20;

/// Locks; what a panicking test left half-done is still worth looking at.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An AWS endpoint on a loopback port, for as long as it lives.
///
/// Dropping it cuts every connection, as a crash does.
#[derive(Debug)]
pub struct Emulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    kinesis: Kinesis,
    faults: Faults,
    /// Access keys that are known; all are, if there is none.
    access_keys: Vec<String>,
}

/// Builds an [`Emulator`].
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct EmulatorBuilder {
    streams: Vec<(String, usize)>,
    limits: KinesisLimits,
    forget_records: bool,
    access_keys: Vec<String>,
    seed: u64,
    port: u16,
}

impl EmulatorBuilder {
    /// Makes a Kinesis stream with so many shards. May be called several times.
    pub fn stream(mut self, name: impl Into<String>, shards: usize) -> Self {
        self.streams.push((name.into(), shards));
        self
    }

    /// The limits of Kinesis. Default: the service's.
    pub fn kinesis_limits(mut self, limits: KinesisLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Counts what arrives, and forgets it: for long runs in little memory.
    pub fn forget_records(mut self) -> Self {
        self.forget_records = true;
        self
    }

    /// Knows only the access keys given so, and answers others with
    /// `UnrecognizedClientException`. Default: knows any.
    pub fn access_key(mut self, key: impl Into<String>) -> Self {
        self.access_keys.push(key.into());
        self
    }

    /// Seed of the faults' randomness. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Listens on this port. Default: one that is free.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts to listen on 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When a stream's name or number of shards is none that the service takes
    /// ([`io::ErrorKind::InvalidInput`]), or the port is taken.
    pub async fn start(self) -> io::Result<Emulator> {
        let kinesis = Kinesis::new(self.limits, self.forget_records);
        for (name, shards) in &self.streams {
            kinesis
                .create_stream(name, *shards)
                .map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))?;
        }
        let shared =
            Shared { kinesis, faults: Faults::new(self.seed), access_keys: self.access_keys };
        let mut emulator = Emulator {
            shared: Arc::new(shared),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
            server: None,
        };
        emulator.revive().await?;
        Ok(emulator)
    }
}

impl Emulator {
    /// Starts to build one.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    /// Where it listens, for `AWS_ENDPOINT_URL`.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The Kinesis streams, and what arrived there.
    pub fn kinesis(&self) -> &Kinesis {
        &self.shared.kinesis
    }

    /// Faults, to be set while it runs.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Stops as a crash does: connections are cut in the middle of whatever they do, and new ones
    /// are refused. What arrived stays. [`revive`](Self::revive) starts it again.
    pub async fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
            // Ends as cancelled; then the listener and all connections are gone.
            let _cancelled = server.await;
        }
    }

    /// Listens again at the same address, after [`kill`](Self::kill).
    ///
    /// # Errors
    ///
    /// When the port has been taken meanwhile.
    pub async fn revive(&mut self) -> io::Result<()> {
        if self.server.is_none() {
            let listener = TcpListener::bind(self.address).await?;
            self.address = listener.local_addr()?;
            self.server = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared))));
        }
        Ok(())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

/// Accepts connections for ever. The connections end with this future, because it owns them.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that is gone before it is accepted concerns nobody.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Answers are small and waited for. Without it they are only later.
    let _cannot = stream.set_nodelay(true);
    let reset = ResetFlag::default();
    let socket = Socket::new(stream, reset.clone());
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        let reset = reset.clone();
        async move { shared.handle(request, &reset).await }
    });
    // An error here is a peer that went away, or a fault that we were asked for.
    let _gone = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

/// Cuts the connection instead of answering.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut, as asked for")
    }
}

impl std::error::Error for Cut {}

impl Shared {
    async fn handle(
        &self,
        request: Request<Incoming>,
        reset: &ResetFlag,
    ) -> Result<Response<Full<Bytes>>, Cut> {
        let (head, body) = request.into_parts();
        let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let Some(encoding) = content_type.and_then(Encoding::of_content_type) else {
            let message = format!(
                "content type {content_type:?} is not spoken here; application/x-amz-json-1.1 and \
                 application/x-amz-cbor-1.1 are"
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
        if let Err(error) = self.authenticate(access_key(&head.headers)) {
            return Ok(error.into_response(encoding));
        }
        let Some((service, operation)) = target(&head.headers) else {
            let error = ApiError::new("UnknownOperationException", "X-Amz-Target is missing");
            return Ok(error.into_response(encoding));
        };
        let writes = matches!(operation, "PutRecords" | "PutRecord");
        let fault = self.faults.of_request(operation, writes);
        self.kinesis.count_call(operation);
        let _counted = writes.then(|| self.kinesis.count_request());
        if writes {
            tokio::time::sleep(self.faults.latency()).await;
        }

        let result = match &fault {
            Some(fault) if !fault.stores() => Ok(Vec::new()),
            _ if service == Kinesis::TARGET => {
                self.kinesis.handle(operation, encoding, &body, &self.faults, fault.as_ref())
            }
            _ => Err(ApiError::new("UnknownOperationException", format!("no service {service}"))),
        };
        match fault {
            Some(fault) => faulty(fault, encoding, result, reset).await,
            None => Ok(finished(encoding, result)),
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

fn finished(encoding: Encoding, result: Result<Vec<u8>, ApiError>) -> Response<Full<Bytes>> {
    match result {
        Ok(body) => response(StatusCode::OK, encoding.content_type(), body),
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
        Fault::EmptyBody(code) => Ok(response(status(code), encoding.content_type(), Vec::new())),
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
