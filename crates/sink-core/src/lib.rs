//! Write a stream of events to a destination, each at least once.
//!
//! A [`Sink`] takes elements from any number of tasks, buffers and batches them, sends as much as
//! the destination takes, retries what failed, and waits (back pressure) rather than forget. It
//! does for any tokio program what Apache Flink's Async Sink does inside Flink.
//!
//! ```text
//!  producers (any number of clones)                      driver (one task, owns the engine)
//!  write(element)                                      ┌──────────────────────────────────────────┐
//!    convert ─► entry ─► inbox (one short lock) ─wake─►│ engine: pure state machine               │
//!       ▲         │ no room: wait, nothing admitted    │  buffer ─► batch ─► window ─► request    │
//!       └──room───┘                                    └─────┬──────────────────────────▲─────────┘
//!                                                            │ build_request, send      │ outcome
//!                                                            ▼                          │ per entry
//!                                                       destination ──► extract_failures
//! ```
//!
//! A connector supplies three small pieces, the rest is here: an [`ElementConverter`], and, as a
//! [`Destination`], a request builder and a response-failure extractor.
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{convert::Infallible, sync::{Arc, Mutex}};
//! use sink_core::{Batch, ConvertError, Destination, Entry, Limits, Outcome, Sink};
//!
//! struct Line(String); // what the destination stores
//!
//! impl Entry for Line {
//!     fn size_bytes(&self) -> usize {
//!         self.0.len()
//!     }
//! }
//!
//! struct Log(Arc<Mutex<Vec<String>>>); // a destination that never fails
//!
//! impl Destination for Log {
//!     type Entry = Line;
//!     type Request = Vec<String>;
//!     type Response = ();
//!     type Error = Infallible;
//!     const KIND: &'static str = "log";
//!     const LIMITS: Limits = Limits {
//!         max_batch_size: 100,
//!         max_batch_size_in_bytes: 1 << 20,
//!         max_record_size_in_bytes: 1 << 10,
//!     };
//!
//!     fn build_request(&self, batch: &Batch<'_, Line>) -> Vec<String> {
//!         batch.iter().map(|line| line.0.clone()).collect()
//!     }
//!
//!     async fn send(&self, lines: Vec<String>) -> Result<(), Infallible> {
//!         self.0.lock().unwrap().extend(lines);
//!         Ok(())
//!     }
//!
//!     fn extract_failures(&self, _: Result<(), Infallible>, _sent: usize) -> Outcome {
//!         Outcome::Delivered
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let stored = Arc::new(Mutex::new(Vec::new()));
//! let converter = |number: u32| Ok::<_, ConvertError>(Line(format!("line {number}")));
//! let sink = Sink::builder(converter, Log(Arc::clone(&stored))).build()?;
//! for number in 0..1000 {
//!     sink.write(number).await?;
//! }
//! sink.close().await?;
//! assert_eq!(stored.lock().unwrap().len(), 1000);
//! # Ok(()) })
//! # }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```
//!
//! # Where to start reading
//!
//! [`Sink`] is what programs use, [`Destination`] what connectors implement, [`Settings`] what can
//! be set, and [`engine`] where the decisions are made, with the invariants that hold there.
//!
//! # Features
//!
//! - `tokio` (default): the handle and the driver. Without it, the crate is the engine alone.
//! - `serde` (default): [`Settings`] as configuration data.
//! - `dead-letter-file` (default): `FileDeadLetters`.
//! - `tower`: a `tower::Service` sends a destination's requests (`ServiceDestination`), so that
//!   timeouts, limits or tracing can be layered around any connector's client.
//! - `testkit`: the conformance suite, which any connector's tests can run.

// The documentation names the handle, which is not there without it.
#![cfg_attr(not(feature = "tokio"), allow(rustdoc::broken_intra_doc_links))]

#[cfg(feature = "tokio")]
mod admission;
#[cfg(feature = "tokio")]
mod builder;
mod convert;
#[cfg(feature = "tokio")]
mod dead_letter;
mod destination;
#[cfg(feature = "tokio")]
mod driver;
pub mod engine;
#[cfg(feature = "tokio")]
mod entrance;
mod error;
#[cfg(feature = "tokio")]
mod files;
#[cfg(feature = "tokio")]
mod futures_sink;
#[cfg(feature = "tokio")]
mod inbox;
#[cfg(feature = "tokio")]
mod many;
mod outcome;
pub mod rate_limit;
#[cfg(feature = "tokio")]
mod receipt;
#[cfg(feature = "tokio")]
mod router;
#[cfg(feature = "tower")]
mod service;
mod settings;
#[cfg(feature = "tokio")]
mod sink;
#[cfg(feature = "tokio")]
mod snapshot;
#[cfg(feature = "testkit")]
pub mod testkit;

#[cfg(feature = "dead-letter-file")]
pub use self::dead_letter::{
    file::{Encoded, FileDeadLetters, OwnedDeadLetter},
    reader::DeadLetterReader,
};
#[cfg(feature = "tower")]
pub use self::service::{SendService, ServiceDestination};
/// Re-exported for [`SnapshotEntry::decode`].
#[cfg(feature = "tokio")]
pub use bytes::Bytes;

#[cfg(feature = "tokio")]
pub use self::{
    builder::{Pair, SinkBuilder},
    dead_letter::{DeadLetter, DeadLetterFuture, DeadLetterHandler, sink::SinkDeadLetters},
    driver::Driver,
    futures_sink::FuturesSink,
    receipt::Receipt,
    router::{RouteKey, SinkRouter, SinkRouterBuilder, snapshot::RouterSnapshot},
    sink::{Closed, Sink, Summary, TryWriteError},
    snapshot::{
        Snapshot, SnapshotEntry, SnapshotMode, appender::Appender, file_store::FileSnapshotStore,
        store::SnapshotStore,
    },
};
pub use self::{
    convert::{ConvertError, ElementConverter},
    destination::{Batch, Destination, Entry, Lane, Limits, OwnedBatch},
    engine::{Counters, EngineConfig, Load, Stats},
    error::{Error, ErrorKind},
    outcome::{Cause, Outcome, Reason, Settled, Verdict, Verdicts},
    rate_limit::{
        AdaptiveRate, Aimd, CongestionControl, Fixed, RateLimiter, TokenBucket, Unlimited,
    },
    settings::{OnTimeout, Ordering, Settings},
};
