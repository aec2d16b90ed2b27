//! How much may be sent: the rate limiter's contract, and the limiters that are shipped.
//!
//! | limiter | when |
//! |---|---|
//! | [`AdaptiveRate`] | the default: finds what the destination takes, and keeps to it |
//! | [`CongestionControl`] with [`Aimd`] | a window, as Flink's sinks have it |
//! | [`CongestionControl`] with [`Fixed`] | so many entries in flight, whatever happens |
//! | [`TokenBucket`] | the quota is known: records and bytes a second, for one sink or several |
//! | [`Unlimited`] | the destination limits nothing, or does so by answering slowly |

mod adaptive;
mod aimd;
mod background;
mod congestion_control;
mod fixed;
pub(crate) mod pace;
mod taken;
mod token_bucket;
mod unlimited;

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

pub use self::{
    adaptive::AdaptiveRate,
    aimd::Aimd,
    congestion_control::{CongestionControl, ScalingStrategy},
    fixed::Fixed,
    token_bucket::TokenBucket,
    unlimited::Unlimited,
};

/// Decides how many entries may be sent (FLIP-242's `RateLimitingStrategy`).
///
/// A limiter is pure: it is told the time and never reads a clock, it does no I/O and never waits.
/// The engine calls it once a request, not once an entry.
pub trait RateLimiter: Debug + Send + 'static {
    /// How many entries may be sent now, on top of those in flight.
    ///
    /// While nothing is in flight and [`poll_timeout`](Self::poll_timeout) names no time, one
    /// request goes whatever this says: a limiter that always says no must not hang the sink.
    fn allowance(&mut self, now: Instant) -> usize;

    /// Entries in one request, at most. Default: as many as the settings say.
    fn max_batch_size(&self) -> usize {
        usize::MAX
    }

    /// A request of so many entries and bytes goes out. These are what it really carries, not
    /// what was planned.
    fn on_issue(&mut self, entries: usize, bytes: usize, now: Instant);

    /// A request that was issued is over: answered, or given up. Called once a request.
    fn on_settle(&mut self, answer: &Answer, now: Instant);

    /// When [`allowance`](Self::allowance) may rise without an answer. Default: never.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Entries that may be in flight in all, for display. Default: the limiter has no such number.
    fn window(&self) -> Option<usize> {
        None
    }
}

impl RateLimiter for Box<dyn RateLimiter> {
    fn allowance(&mut self, now: Instant) -> usize {
        (**self).allowance(now)
    }

    fn max_batch_size(&self) -> usize {
        (**self).max_batch_size()
    }

    fn on_issue(&mut self, entries: usize, bytes: usize, now: Instant) {
        (**self).on_issue(entries, bytes, now);
    }

    fn on_settle(&mut self, answer: &Answer, now: Instant) {
        (**self).on_settle(answer, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (**self).poll_timeout()
    }

    fn window(&self) -> Option<usize> {
        (**self).window()
    }
}

/// What became of a request, as a rate limiter needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Entries that the request carried: `delivered + throttled + failed`.
    pub entries: usize,
    /// Entries that are settled.
    pub delivered: usize,
    /// Entries that the destination refused because they were too many.
    pub throttled: usize,
    /// Entries that are no sign of congestion: they failed for another reason, or were throttled in
    /// a lane that is known to be throttled, and so say nothing about the rest of the destination.
    pub failed: usize,
    /// From issue to answer, or to giving up.
    pub latency: Duration,
}

impl Answer {
    /// An answer, for a limiter's tests.
    pub fn new(delivered: usize, throttled: usize, failed: usize, latency: Duration) -> Self {
        Self { entries: delivered + throttled + failed, delivered, throttled, failed, latency }
    }
}
