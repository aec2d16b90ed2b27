//! The HTTP server: what it is built of, and its connections.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::{
    cloudwatch::{CloudWatch, CloudWatchLimits},
    dispatch::Shared,
    faults::Faults,
    firehose::{Firehose, FirehoseLimits},
    kinesis::{Kinesis, KinesisLimits},
    no_cbor::NoCbor,
    socket::{ResetFlag, Socket},
};

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

/// Builds an [`Emulator`].
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct EmulatorBuilder {
    streams: Vec<(String, usize)>,
    kinesis_limits: KinesisLimits,
    delivery_streams: Vec<String>,
    firehose_limits: FirehoseLimits,
    cloudwatch_limits: CloudWatchLimits,
    forget_records: bool,
    access_keys: Vec<String>,
    no_cbor: Option<NoCbor>,
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
        self.kinesis_limits = limits;
        self
    }

    /// Makes a Firehose delivery stream. May be called several times.
    pub fn delivery_stream(mut self, name: impl Into<String>) -> Self {
        self.delivery_streams.push(name.into());
        self
    }

    /// The limits of Firehose. Default: the service's.
    pub fn firehose_limits(mut self, limits: FirehoseLimits) -> Self {
        self.firehose_limits = limits;
        self
    }

    /// The limits of CloudWatch. Default: the service's.
    pub fn cloudwatch_limits(mut self, limits: CloudWatchLimits) -> Self {
        self.cloudwatch_limits = limits;
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

    /// Refuses requests in Kinesis' CBOR, and says so in this way. Default: speaks it.
    pub fn without_cbor(mut self, refusal: NoCbor) -> Self {
        self.no_cbor = Some(refusal);
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
        let invalid = |message| io::Error::new(io::ErrorKind::InvalidInput, message);
        let kinesis = Kinesis::new(self.kinesis_limits, self.forget_records);
        for (name, shards) in &self.streams {
            kinesis.create_stream(name, *shards).map_err(invalid)?;
        }
        let firehose = Firehose::new(self.firehose_limits, self.forget_records);
        for name in &self.delivery_streams {
            firehose.create_delivery_stream(name).map_err(invalid)?;
        }
        let shared = Shared {
            kinesis,
            firehose,
            cloudwatch: CloudWatch::new(self.cloudwatch_limits, self.forget_records),
            faults: Faults::new(self.seed),
            access_keys: self.access_keys,
            no_cbor: self.no_cbor,
            cbor_requests: AtomicU64::new(0),
        };
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

    /// The Firehose delivery streams, and what arrived there.
    pub fn firehose(&self) -> &Firehose {
        &self.shared.firehose
    }

    /// The CloudWatch metrics that arrived.
    pub fn cloudwatch(&self) -> &CloudWatch {
        &self.shared.cloudwatch
    }

    /// How many requests came in Kinesis' CBOR, those refused included.
    pub fn cbor_requests(&self) -> u64 {
        self.shared.cbor_requests.load(Relaxed)
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
