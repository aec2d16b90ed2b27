//! One sink for each of many destinations, opened as elements for them come.

mod builder;
mod drain;
mod errors;
mod lease;
pub(crate) mod snapshot;
mod state;

use std::{
    fmt::{self, Display},
    sync::Arc,
};

use tokio::{task::JoinSet, time::Instant};

pub use self::builder::SinkRouterBuilder;
use self::{
    errors::{gathered, in_route, joined},
    lease::Caller,
    snapshot::RouterSnapshot,
    state::{Ended, Part, Shared},
};
use crate::{destination::Entry, error::Error, sink::Sink, snapshot::Snapshot};

/// What tells the routes of a [`SinkRouter`] apart: a stream's name, a tenant's number.
///
/// Errors name a route by its `Display`. Every type that can be one is one.
pub trait RouteKey: Clone + Ord + Display + Send + Sync + 'static {}

impl<K: Clone + Ord + Display + Send + Sync + 'static> RouteKey for K {}

/// Writes each element to the sink of its route, and opens and closes sinks as they are needed.
///
/// For elements that say themselves where they go: to a stream for each tenant, to a table for each
/// day. It is what Flink's `DemultiplexingSink` is.
///
/// - A route's sink is opened by its first element. At most `max_open` sinks are open at a time: to
///   open one more, the least recently written that nobody is writing to is drained first; when all
///   are being written to, the write waits.
/// - A sink that was not written to for `idle_timeout` is drained and closed, at the next write to
///   any route or by [`close_idle`](Self::close_idle); no task of its own waits for that.
/// - A sink is never closed while somebody writes to it, and a route is opened again only when its
///   last sink has delivered everything. So nothing is lost between two sinks of a route, and
///   nothing of the second overtakes the first.
/// - A route whose sink failed keeps its entries, and gives the error to every write, until
///   [`into_unsent`](Self::into_unsent) takes them. It takes no place, and the others go on.
///
/// Clones share one router. Call [`close`](Self::close) at the end.
///
/// ```
/// # use std::{convert::Infallible, sync::{Arc, Mutex}};
/// # use sink_core::{Batch, ConvertError, Destination, Entry, Error, Limits, Outcome};
/// # #[derive(Debug, Clone)]
/// # struct Line(String);
/// # impl Entry for Line {
/// #     fn size_bytes(&self) -> usize { self.0.len() }
/// # }
/// # struct Log(String, Arc<Mutex<Vec<String>>>);
/// # impl Destination for Log {
/// #     type Entry = Line;
/// #     type Request = Vec<String>;
/// #     type Response = ();
/// #     type Error = Infallible;
/// #     const KIND: &'static str = "log";
/// #     const LIMITS: Limits = Limits {
/// #         max_batch_size: 100,
/// #         max_batch_size_in_bytes: 1 << 20,
/// #         max_record_size_in_bytes: 1 << 10,
/// #     };
/// #     fn build_request(&self, batch: &Batch<'_, Line>) -> Vec<String> {
/// #         batch.iter().map(|line| format!("{}: {}", self.0, line.0)).collect()
/// #     }
/// #     async fn send(&self, lines: Vec<String>) -> Result<(), Infallible> {
/// #         self.1.lock().unwrap().extend(lines);
/// #         Ok(())
/// #     }
/// #     fn extract_failures(&self, _: Result<(), Infallible>, _sent: usize) -> Outcome {
/// #         Outcome::Delivered
/// #     }
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use sink_core::{Sink, SinkRouter, Snapshot};
///
/// # let stored = Arc::new(Mutex::new(Vec::new()));
/// # let lines = Arc::clone(&stored);
/// let router = SinkRouter::builder(
///     |(tenant, _): &(u32, String)| *tenant,
///     move |tenant: &u32, unsent: Option<&Snapshot<Line>>| {
///         let converter = |(_, text): (u32, String)| Ok::<_, ConvertError>(Line(text));
///         let mut sink = Sink::builder(converter, Log(format!("log-{tenant}"), Arc::clone(&lines)));
///         if let Some(unsent) = unsent {
///             sink = sink.restore(unsent); // of an earlier run; never left out
///         }
///         sink.build()
///     },
/// )
/// .max_open(50)
/// .build()?;
/// router.write((1, "hello".to_owned())).await?;
/// router.write((2, "world".to_owned())).await?;
/// router.close().await?;
/// # let mut stored = stored.lock().unwrap().clone();
/// # stored.sort();
/// # assert_eq!(stored, ["log-1: hello", "log-2: world"]);
/// # Ok::<_, Error>(()) }).unwrap();
/// ```
pub struct SinkRouter<K, T, E: Entry> {
    shared: Arc<Shared<K, T, E>>,
}

impl<K: RouteKey, T: 'static, E: Entry> SinkRouter<K, T, E> {
    /// Starts to build a router from what gives an element's route, and what opens a route's sink.
    ///
    /// `open` is given what the route had not delivered in an earlier run, where
    /// [`restore`](SinkRouterBuilder::restore) was given it; it must restore it to the sink. It is
    /// called within a write and should be quick: build a client once, outside. The sink it gives
    /// is the router's alone; do not close a clone of it.
    pub fn builder<R, O>(route: R, open: O) -> SinkRouterBuilder<K, T, E>
    where
        R: Fn(&T) -> K + Send + Sync + 'static,
        O: Fn(&K, Option<&Snapshot<E>>) -> Result<Sink<T, E>, Error> + Send + Sync + 'static,
    {
        SinkRouterBuilder::new(Box::new(route), Box::new(open))
    }

    /// Writes an element to its route's sink. Waits while the route's buffer is full, and while no
    /// place is free for a route that is not open.
    ///
    /// # Errors
    ///
    /// Those of [`Sink::write`], those of opening the sink, and
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) after [`close`](Self::close); all but the
    /// last concern this route alone, and name it.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped before it is ready has not admitted its element; the element is
    /// dropped with it. A sink that is being drained to make room for it is drained all the same.
    pub async fn write(&self, element: T) -> Result<(), Error> {
        let key = self.shared.route(&element);
        let written = match self.shared.lease(&key, Caller::Writer).await {
            Ok(lease) => lease.write(element).await,
            Err(error) => Err(error),
        };
        written.map_err(|error| in_route(&key, error))
    }

    /// Delivers everything that any route admitted before the call, or was restored with: opens the
    /// routes that were restored and not written to since, as places get free. All routes at once.
    ///
    /// # Errors
    ///
    /// One error that names all routes that could not deliver; the others have delivered.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting, not the sending.
    pub async fn flush(&self) -> Result<(), Error> {
        let mut routes = JoinSet::new();
        for (key, part) in self.shared.parts(|_| ()) {
            let shared = Arc::clone(&self.shared);
            let flush = async move {
                let flushed = shared.flush(&key, part).await;
                flushed.map_err(|error| in_route(&key, error))
            };
            routes.spawn_on(flush, self.shared.runtime());
        }
        gathered("flush", joined(routes).await)
    }

    /// Refuses new elements, delivers everything, restored routes included, and closes all sinks.
    /// A write that has found its sink is waited for; one that waits for a place is refused.
    ///
    /// # Errors
    ///
    /// One error that names all routes that could not deliver. They keep their entries for
    /// [`into_unsent`](Self::into_unsent) and [`snapshot`](Self::snapshot); the others are closed.
    ///
    /// # Cancel safety
    ///
    /// The router goes on closing what is open when the future is dropped. Call it again to wait
    /// again, and for the restored routes.
    pub async fn close(&self) -> Result<(), Error> {
        let mut routes = JoinSet::new();
        for key in self.shared.start_closing() {
            let shared = Arc::clone(&self.shared);
            // To be opened is enough: with nobody writing to it, it is drained at once.
            let open = async move {
                let opened = shared.open(&key).await;
                opened.map(drop).map_err(|error| in_route(&key, error))
            };
            routes.spawn_on(open, self.shared.runtime());
        }
        let mut errors = joined(routes).await;
        self.shared.all_ended().await;
        for (key, error) in self.errors() {
            let error = in_route(&key, error);
            // A route may have failed while it was opened, and be here twice.
            if !errors.iter().any(|known| known.to_string() == error.to_string()) {
                errors.push(error);
            }
        }
        gathered("close", errors)
    }

    /// Drains and closes the sinks that were not written to for `idle_timeout`, and waits until
    /// every sink that is being drained, for whatever reason, has ended.
    ///
    /// # Errors
    ///
    /// One error that names all routes that could not deliver; they keep their entries.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting, not the draining.
    pub async fn close_idle(&self) -> Result<(), Error> {
        let draining = self.shared.start_closing_idle(Instant::now());
        let errors = self.shared.drained(&draining).await;
        gathered("close idle", errors)
    }

    /// A copy of everything that any route admitted before the call and had not delivered: what is
    /// in flight, in a sink that is being drained, in a failed one, and what was restored and not
    /// opened yet.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so it can be dropped at any time.
    pub async fn snapshot(&self) -> RouterSnapshot<K, E>
    where
        E: Clone,
    {
        let mut routes = Vec::new();
        for (key, part) in self.shared.parts(Snapshot::clone) {
            let part = match part {
                Part::Opening => self.shared.opened(&key, Snapshot::clone).await,
                part => Some(part),
            };
            match part {
                Some(Part::Sink(sink)) => routes.push((key, sink.snapshot().await)),
                Some(Part::Restored(snapshot)) => routes.push((key, snapshot)),
                // Gone: what it had is delivered, or was taken.
                Some(Part::Opening) | None => {}
            }
        }
        RouterSnapshot::new(routes)
    }

    /// Ends a route's sink at once and gives everything that it admitted and did not deliver, in
    /// admission order; what was restored, where it is not open; nothing, where there is no such
    /// route. The next element for the route opens it anew.
    ///
    /// Works in any state; it is how a failed route is given up or begun again. A write that waits
    /// for the route's buffer gets [`ErrorKind::Closed`](crate::ErrorKind::Closed). Of several
    /// callers one gets the entries.
    ///
    /// # Cancel safety
    ///
    /// Nothing is taken before the future is ready. Dropped half-way, it leaves the route failed,
    /// with its entries: call it again.
    pub async fn into_unsent(&self, key: &K) -> Vec<E> {
        match self.shared.end_route(key).await {
            Ended::Nothing => Vec::new(),
            Ended::Restored(snapshot) => snapshot.into_entries(),
            Ended::Sink(sink) => {
                let unsent = Sink::clone(&sink).into_unsent().await;
                self.shared.forget(key, &sink);
                unsent
            }
        }
    }

    /// How many sinks are open now, those that are being opened or drained included.
    pub fn open_routes(&self) -> usize {
        self.shared.occupied()
    }

    /// The routes that are known to have failed, and why.
    pub fn errors(&self) -> Vec<(K, Error)> {
        self.shared.failures()
    }
}

impl<K, T, E: Entry> Clone for SinkRouter<K, T, E> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K, T, E: Entry> fmt::Debug for SinkRouter<K, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkRouter").field("shared", &self.shared).finish()
    }
}
