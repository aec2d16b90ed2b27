//! What a sink has done and holds, as plain numbers.

use std::{sync::Arc, time::Duration};

use super::load::Load;

/// What a sink has done since it started. Attempts and deliveries are kept apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Entries admitted, restored ones included, each with its own size.
    pub admitted: Load,
    /// Entries that the destination stored, as they were sent: merged ones are one.
    pub delivered: Load,
    /// Entries that the destination will never store, and that the dead-letter handler has.
    pub rejected: Load,
    /// Entries that were merged into another one, which was waiting, and the bytes that this saved.
    /// They are delivered or rejected with that one, which counts once there; so admitted =
    /// delivered + rejected + merged + what the sink holds, in entries and in bytes.
    pub merged: Load,
    /// Entries sent, each attempt counted (Flink's `numRecordsOut` and `numBytesOut`).
    pub sent: Load,
    /// Requests sent.
    pub requests: u64,
    /// Requests of which at least one entry was not delivered.
    pub failed_requests: u64,
    /// Times that an entry was taken back to be sent again, because it was throttled.
    pub retried_throttled: u64,
    /// … because the destination, or the way to it, failed.
    pub retried_unavailable: u64,
    /// … because no answer came in time. Each may be a duplicate at the destination.
    pub retried_timeout: u64,
    /// … because the destination refused a request for the sake of some entry in it.
    pub retried_bisected: u64,
    /// Answers that came after their request was given up, or twice. They change nothing.
    pub late_answers: u64,
    /// Answers that did not speak of each entry that was sent; all entries are sent again.
    pub wrong_answers: u64,
}

impl Counters {
    /// Times that an entry was taken back to be sent again, whatever the cause.
    pub fn retried(&self) -> u64 {
        self.retried_throttled
            + self.retried_unavailable
            + self.retried_timeout
            + self.retried_bisected
    }

    /// Mean of entries in a request, as a share of `max_batch_size`; 0 before the first request.
    #[allow(clippy::cast_precision_loss)]
    pub fn mean_batch_fill(&self, max_batch_size: usize) -> f64 {
        if self.requests == 0 {
            return 0.0;
        }
        self.sent.entries as f64 / self.requests as f64 / max_batch_size as f64
    }
}

/// What a sink has done and what it holds now.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// What it has done.
    pub counters: Counters,
    /// Entries that wait: for their request to fill, for the window, or for their next attempt.
    pub buffered: Load,
    /// Entries in requests that are not answered.
    pub in_flight: Load,
    /// Requests that are not answered.
    pub in_flight_requests: usize,
    /// Rejected entries that the dead-letter handler has not yet put away.
    pub rejecting: Load,
    /// Lanes that hold entries back: throttled ones, and with `ordering = per_lane` all that have
    /// an entry here.
    pub held_lanes: usize,
    /// Entries that the rate limiter allows in flight; `None` if it has no such number.
    pub window: Option<usize>,
    /// Age of the oldest entry that may be sent.
    pub oldest_age: Duration,
    /// Why entries were last taken back to be sent again, in the destination's words.
    pub last_failure: Option<Arc<str>>,
}
