//! No limit at all.

use std::time::Instant;

use super::{Answer, RateLimiter};

/// Allows everything; `max_in_flight_requests` and the buffer's bounds are the only limits left.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl RateLimiter for Unlimited {
    fn allowance(&mut self, _now: Instant) -> usize {
        usize::MAX
    }

    fn on_issue(&mut self, _entries: usize, _bytes: usize, _now: Instant) {}

    fn on_settle(&mut self, _answer: &Answer, _now: Instant) {}
}
