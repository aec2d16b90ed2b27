//! The conformance suite: what every connector must do, checked against a service.
//!
//! A connector is three small pieces, and each can lose entries without a word: a verdict at the
//! wrong position, a refusal taken for success, a size that the service counts otherwise. These
//! checks write through a whole [`Sink`](crate::Sink) to a service that is made to fail, and compare what arrived with
//! what was written.
//!
//! Switch on the feature `testkit` in `[dev-dependencies]`, implement [`Service`] for an emulator or
//! a real service, and run [`all`], or [`all_with_snapshots`] where entries are
//! [`SnapshotEntry`]:
//!
//! ```
//! # use std::{convert::Infallible, sync::{Arc, Mutex}};
//! # use sink_core::{Batch, Cause, Destination, Entry, Limits, Ordering, Outcome, Reason};
//! use sink_core::testkit::{self, Arrived, Cannot, Service, Trouble};
//!
//! # struct Line(String);
//! #
//! # impl Entry for Line {
//! #     fn size_bytes(&self) -> usize {
//! #         self.0.len()
//! #     }
//! # }
//! #
//! # // `true`: the log is full just now.
//! # type Shared = Arc<Mutex<(Vec<String>, bool)>>;
//! # struct Log(Shared);
//! #
//! # impl Destination for Log {
//! #     type Entry = Line;
//! #     type Request = Vec<String>;
//! #     type Response = bool;
//! #     type Error = Infallible;
//! #     const KIND: &'static str = "log";
//! #     const LIMITS: Limits = Limits {
//! #         max_batch_size: 100,
//! #         max_batch_size_in_bytes: 10_000,
//! #         max_record_size_in_bytes: 1000,
//! #     };
//! #     fn build_request(&self, batch: &Batch<'_, Line>) -> Vec<String> {
//! #         batch.iter().map(|line| line.0.clone()).collect()
//! #     }
//! #     async fn send(&self, lines: Vec<String>) -> Result<bool, Infallible> {
//! #         let (stored, is_full) = &mut *self.0.lock().unwrap();
//! #         if !std::mem::take(is_full) {
//! #             stored.extend(lines);
//! #             return Ok(true);
//! #         }
//! #         Ok(false)
//! #     }
//! #     fn extract_failures(&self, answer: Result<bool, Infallible>, _: usize) -> Outcome {
//! #         match answer {
//! #             Ok(true) => Outcome::Delivered,
//! #             Ok(false) => Outcome::RetryAll(Cause::Unavailable, Reason::new("Full", "")),
//! #         }
//! #     }
//! # }
//! // A connector `Log`, whose entries are `Line`s, and a log in memory that can be full for a moment.
//! struct LogService(Shared);
//!
//! impl Service for LogService {
//!     type Destination = Log;
//!
//!     fn destination(&self, _: Ordering) -> Log {
//!         Log(Arc::clone(&self.0))
//!     }
//!
//!     fn entry(&self, number: u64, size_bytes: usize) -> Result<Line, Cannot> {
//!         Ok(Line(format!("{number:0size_bytes$}")))
//!     }
//!
//!     fn number(entry: &Line) -> u64 {
//!         entry.0.parse().unwrap()
//!     }
//!
//!     fn smallest_size(&self) -> usize {
//!         5 // numbers are below 100,000
//!     }
//!
//!     async fn arrived(&self) -> Arrived {
//!         let lines = &self.0.lock().unwrap().0;
//!         let bytes: usize = lines.iter().map(String::len).sum();
//!         Arrived::in_order(lines.iter().map(|line| line.parse().unwrap())).metered(bytes as u64)
//!     }
//!
//!     async fn cause(&self, trouble: Trouble) -> Result<(), Cannot> {
//!         match trouble {
//!             Trouble::Unavailable => self.0.lock().unwrap().1 = true,
//!             _ => return Err(Cannot::new("the log has no other trouble")),
//!         }
//!         Ok(())
//!     }
//!
//!     async fn calm(&self) {
//!         self.0.lock().unwrap().1 = false;
//!     }
//!
//!     fn enforces(&self, _: testkit::Limit) -> Result<(), Cannot> {
//!         Err(Cannot::new("the log takes anything"))
//!     }
//!
//!     fn answers_per_entry(&self) -> bool {
//!         false
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let report = testkit::all(|| async { LogService(Arc::default()) }).await;
//! println!("{report}");
//! assert!(report.broken().is_empty());
//! assert!(report.not_tried().contains(&"bad_entry"));
//! # });
//! ```
//!
//! In a test, say which checks may go untried: [`Report::assert_conforms`]. Each check is also a
//! function of its own, which gives a [`Finding`].
//!
//! # Time
//!
//! Nothing here sleeps: the checks wait for what the connector does, and give up after
//! [`Service::patience`]. They need a tokio runtime with its timer enabled, and the real clock
//! where the service is behind a network: a paused clock jumps ahead whenever all tasks wait for
//! something that is no timer, so every request would time out. For a service in memory pause it
//! (`#[tokio::test(start_paused = true)]`): [`timeouts`] then takes no time.
//!
//! A check asks for one sink with one request in flight. Much of what a sink does is the core's and
//! not the connector's: that is tested in this crate, and not here.

mod failures;
mod limits;
mod pieces;
mod report;
mod run;
mod service;
mod state;
mod watched;

use std::future::Future;

pub use self::{
    failures::{
        good_day, long_answers, partial_failure, partial_throttling, short_answers, throttling,
        timeouts, unavailable,
    },
    limits::{
        batch_bytes, batch_size, beyond_batch_bytes, beyond_batch_size, beyond_record_size,
        record_size, size_accounting,
    },
    pieces::{build_request_is_pure, lanes, order, silence_is_not_success},
    report::{Broken, Finding, Report},
    service::{Arrived, Cannot, EntryOf, Limit, Service, Trouble},
    state::{bad_entry, fatal_errors, snapshot_round_trip},
};
use crate::{destination::Destination, snapshot::SnapshotEntry};

/// Runs each of these checks with a service of its own.
macro_rules! run_each {
    ($report:ident, $make:ident, $($check:ident),+ $(,)?) => {$(
        let service = $make().await;
        $report.add(stringify!($check), $check(&service).await);
    )+};
}

/// Runs all checks, each with a new service from `make`, and gives what they found.
///
/// [`snapshot_round_trip`] is not tried: see [`all_with_snapshots`].
///
/// # Cancel safety
///
/// Dropping the future ends the check at hand as it is. Nothing is kept between checks.
pub async fn all<S, F, M>(make: M) -> Report
where
    S: Service,
    M: Fn() -> F + Send + Sync,
    F: Future<Output = S> + Send,
{
    let mut report = each(make).await;
    let why = "`all` cannot ask whether the entries are `SnapshotEntry`; `all_with_snapshots` can";
    report.add("snapshot_round_trip", Finding::NotTried(why.to_owned()));
    report
}

/// As [`all`], with [`snapshot_round_trip`].
///
/// # Cancel safety
///
/// As [`all`].
pub async fn all_with_snapshots<S, F, M>(make: M) -> Report
where
    S: Service,
    EntryOf<S>: SnapshotEntry + Clone,
    M: Fn() -> F + Send + Sync,
    F: Future<Output = S> + Send,
{
    let mut report = each(&make).await;
    run_each!(report, make, snapshot_round_trip);
    report
}

async fn each<S, F, M>(make: M) -> Report
where
    S: Service,
    M: Fn() -> F + Send + Sync,
    F: Future<Output = S> + Send,
{
    let mut report = Report::new(S::Destination::KIND);
    run_each!(
        report,
        make,
        good_day,
        size_accounting,
        batch_size,
        batch_bytes,
        record_size,
        beyond_batch_size,
        beyond_batch_bytes,
        beyond_record_size,
        partial_throttling,
        partial_failure,
        unavailable,
        throttling,
        short_answers,
        long_answers,
        silence_is_not_success,
        timeouts,
        fatal_errors,
        bad_entry,
        order,
        lanes,
        build_request_is_pure,
    );
    report
}
