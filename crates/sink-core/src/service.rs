//! A destination whose requests go through a [`tower_service::Service`].

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tower_service::Service;

use crate::{
    destination::{Batch, Destination, Lane, Limits},
    outcome::Outcome,
};

/// A destination that sends through a `tower::Service`; everything else is `D`'s.
///
/// With [`wrap`](Self::wrap) the service is made of layers around `D`'s own client; with
/// [`new`](Self::new) it is any service that takes `D`'s requests and gives its responses.
///
/// A layer for retries has no place here: the engine retries, entry by entry, and the rate limiter
/// must see what was throttled. A layer that holds requests back (a concurrency limit, say) keeps
/// them in flight while they wait: they count for `max_in_flight_requests`, and their waiting for
/// `request_timeout`.
///
/// Many layers change the error to a boxed one. It must become `D`'s error again, for
/// [`extract_failures`](Destination::extract_failures) to judge: implement `From` for an error of
/// your own, or put `map_err` outermost.
///
/// ```
/// use std::{fmt, time::Duration};
/// # use sink_core::{Batch, Cause, Destination, Entry, Limits, Outcome, Reason};
/// use sink_core::ServiceDestination;
/// use tower::{BoxError, ServiceBuilder};
///
/// # struct Line(String);
/// # impl Entry for Line {
/// #     fn size_bytes(&self) -> usize { self.0.len() }
/// # }
/// struct Log; // a connector
///
/// #[derive(Debug)]
/// struct LogError(String);
///
/// impl From<BoxError> for LogError {
///     fn from(error: BoxError) -> Self {
///         // The connector's own error comes through the layers, boxed.
///         error.downcast::<Self>().map_or_else(|layer| Self(layer.to_string()), |own| *own)
///     }
/// }
/// # impl fmt::Display for LogError {
/// #     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
/// # }
/// # impl std::error::Error for LogError {}
/// # impl Destination for Log {
/// #     type Entry = Line;
/// #     type Request = Vec<String>;
/// #     type Response = ();
/// #     type Error = LogError;
/// #     const KIND: &'static str = "log";
/// #     const LIMITS: Limits = Limits {
/// #         max_batch_size: 100,
/// #         max_batch_size_in_bytes: 1 << 20,
/// #         max_record_size_in_bytes: 1 << 10,
/// #     };
/// #     fn build_request(&self, batch: &Batch<'_, Line>) -> Vec<String> {
/// #         batch.iter().map(|line| line.0.clone()).collect()
/// #     }
/// #     async fn send(&self, _: Vec<String>) -> Result<(), LogError> { Ok(()) }
/// #     fn extract_failures(&self, answer: Result<(), LogError>, _: usize) -> Outcome {
/// #         match answer {
/// #             Ok(()) => Outcome::Delivered,
/// #             Err(LogError(text)) => {
/// #                 Outcome::RetryAll(Cause::Unavailable, Reason::new("LogError", text))
/// #             }
/// #         }
/// #     }
/// # }
///
/// let destination = ServiceDestination::wrap(Log, |client| {
///     ServiceBuilder::new()
///         .timeout(Duration::from_secs(2)) // outermost
///         .concurrency_limit(4)
///         .service(client)
/// });
/// # fn is_destination(_: impl Destination) {}
/// # is_destination(destination);
/// // Sink::builder(converter, destination) as with any other.
/// ```
pub struct ServiceDestination<D, S> {
    destination: Arc<D>,
    /// Held only to clone it: a service that is `Send` and `Clone` need not be `Sync` too.
    service: Mutex<S>,
}

impl<D: Destination, S> ServiceDestination<D, S> {
    /// Sends the requests of `destination` through `service`. `D::send` is never called.
    pub fn new(destination: D, service: S) -> Self {
        Self { destination: Arc::new(destination), service: Mutex::new(service) }
    }

    /// Sends the requests of `destination` through what `wrap` makes of its own client.
    pub fn wrap(destination: D, wrap: impl FnOnce(SendService<D>) -> S) -> Self {
        let destination = Arc::new(destination);
        let service = wrap(SendService(Arc::clone(&destination)));
        Self { destination, service: Mutex::new(service) }
    }
}

impl<D, S> Destination for ServiceDestination<D, S>
where
    D: Destination,
    S: Service<D::Request, Response = D::Response> + Clone + Send + 'static,
    S::Error: Into<D::Error>,
    S::Future: Send,
{
    type Entry = D::Entry;
    type Request = D::Request;
    type Response = D::Response;
    type Error = D::Error;

    const KIND: &'static str = D::KIND;
    const LIMITS: Limits = D::LIMITS;
    const DEFAULTS: Limits = D::DEFAULTS;
    const HAS_LANES: bool = D::HAS_LANES;

    fn build_request(&self, batch: &Batch<'_, D::Entry>) -> D::Request {
        self.destination.build_request(batch)
    }

    /// Waits until a clone of the service is ready, and calls it.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits to be ready, it has sent nothing, and the clone goes with what it
    /// had reserved. Dropped later, it is as with any request that times out: the destination may
    /// have stored the entries or not.
    async fn send(&self, request: D::Request) -> Result<D::Response, D::Error> {
        // Readiness belongs to the clone that was polled: each request has its own.
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        poll_fn(|context| service.poll_ready(context)).await.map_err(Into::into)?;
        service.call(request).await.map_err(Into::into)
    }

    fn extract_failures(&self, answer: Result<D::Response, D::Error>, sent: usize) -> Outcome {
        self.destination.extract_failures(answer, sent)
    }

    fn lane(&self, entry: &D::Entry) -> Lane {
        self.destination.lane(entry)
    }

    fn merge_key(&self, entry: &D::Entry) -> Option<u64> {
        self.destination.merge_key(entry)
    }
}

impl<D: Destination, S> fmt::Debug for ServiceDestination<D, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceDestination").field("kind", &D::KIND).finish_non_exhaustive()
    }
}

/// A destination's own client as a service: what [`ServiceDestination::wrap`] puts layers around.
/// Always ready; calls [`Destination::send`].
pub struct SendService<D>(Arc<D>);

impl<D: Destination> Service<D::Request> for SendService<D> {
    type Response = D::Response;
    type Error = D::Error;
    type Future = Pin<Box<dyn Future<Output = Result<D::Response, D::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), D::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: D::Request) -> Self::Future {
        let destination = Arc::clone(&self.0);
        Box::pin(async move { destination.send(request).await })
    }
}

impl<D> Clone for SendService<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Destination> fmt::Debug for SendService<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendService").field(&D::KIND).finish()
    }
}
