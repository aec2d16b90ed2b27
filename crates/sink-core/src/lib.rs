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
//! # Where to start reading
//!
//! [`Sink`] is what programs use, [`Destination`] what connectors implement, [`Settings`] what can
//! be set, and [`engine`] where the decisions are made, with the invariants that hold there.
//!
//! # Features
//!
//! - `tokio` (default): the handle and the driver. Without it, the crate is the engine alone.
//! - `serde` (default): [`Settings`] as configuration data.

#[cfg(feature = "tokio")]
mod admission;
#[cfg(feature = "tokio")]
mod builder;
mod convert;
mod destination;
#[cfg(feature = "tokio")]
mod driver;
pub mod engine;
mod error;
#[cfg(feature = "tokio")]
mod inbox;
mod outcome;
pub mod rate_limit;
mod settings;
#[cfg(feature = "tokio")]
mod sink;
#[cfg(feature = "tokio")]
mod snapshot;

#[cfg(feature = "tokio")]
pub use self::{
    builder::{Pair, SinkBuilder},
    driver::Driver,
    sink::{Closed, Sink, Summary, TryWriteError},
    snapshot::Snapshot,
};
pub use self::{
    convert::{ConvertError, ElementConverter},
    destination::{Batch, Destination, Entry, Lane, Limits, OwnedBatch},
    engine::{Counters, EngineConfig, Load, Stats},
    error::{Error, ErrorKind},
    outcome::{Cause, Outcome, Reason, Verdict, Verdicts},
    rate_limit::{Aimd, CongestionControl, RateLimiter},
    settings::{OnTimeout, Settings},
};
