//! A window of entries in flight, as TCP has one of bytes.

use std::{fmt::Debug, time::Instant};

use super::{Aimd, Answer, RateLimiter};

/// How a [`CongestionControl`]'s window grows and shrinks (Flink's `ScalingStrategy`).
pub trait ScalingStrategy: Debug + Send + 'static {
    /// The window after a request of which nothing was throttled, while the window was the limit.
    fn scale_up(&mut self, window: f64) -> f64;

    /// The window after a request of which something was throttled.
    fn scale_down(&mut self, window: f64) -> f64;
}

/// Bounds the entries in flight by a window, after Flink's `CongestionControlRateLimitingStrategy`.
///
/// It differs from Flink's where users got hurt:
///
/// - Only throttled entries shrink the window: a broken connection is no congestion.
/// - The window grows only when it was what held requests back: a quiet hour teaches nothing about
///   what the destination can take.
/// - It counts what a request really carries, not what was planned for it, so a request that its
///   bytes cut short does not leak window.
#[derive(Debug)]
pub struct CongestionControl<S = Aimd> {
    strategy: S,
    max_batch_size: usize,
    max_window: f64,
    /// Fractions are kept, so that small steps add up. At least 1.
    window: f64,
    in_flight: usize,
}

impl CongestionControl {
    /// With [`Aimd`]'s defaults.
    pub fn new(max_batch_size: usize, max_in_flight_requests: usize) -> Self {
        Self::with_strategy(Aimd::default(), max_batch_size, max_in_flight_requests)
    }
}

// Windows are far below 2^52, where an f64 still counts single entries, and never below 1.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
impl<S: ScalingStrategy> CongestionControl<S> {
    /// With a strategy. The window begins with one full request, as Flink's does, and never grows
    /// beyond what fills all `max_in_flight_requests` requests.
    pub fn with_strategy(
        strategy: S,
        max_batch_size: usize,
        max_in_flight_requests: usize,
    ) -> Self {
        let max_batch_size = max_batch_size.max(1);
        let max_window = max_batch_size.saturating_mul(max_in_flight_requests.max(1)) as f64;
        Self { strategy, max_batch_size, max_window, window: max_batch_size as f64, in_flight: 0 }
    }

    /// Begins with a window of so many entries; at least 1.
    #[must_use]
    pub fn initial_window(mut self, entries: usize) -> Self {
        self.window = (entries as f64).clamp(1.0, self.max_window);
        self
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
impl<S: ScalingStrategy> RateLimiter for CongestionControl<S> {
    fn allowance(&mut self, _now: Instant) -> usize {
        (self.window as usize).saturating_sub(self.in_flight)
    }

    /// The window split evenly over as few requests as carry it: a window of 750 goes out as
    /// twice 375, not as 500 that leave 250 unused.
    fn max_batch_size(&self) -> usize {
        let window = self.window as usize;
        window.div_ceil(window.div_ceil(self.max_batch_size))
    }

    fn on_issue(&mut self, entries: usize, _bytes: usize, _now: Instant) {
        self.in_flight += entries;
    }

    fn on_settle(&mut self, answer: &Answer, _now: Instant) {
        let was_the_limit = self.in_flight + self.max_batch_size() > self.window as usize;
        let next = if answer.throttled > 0 {
            self.strategy.scale_down(self.window)
        } else if answer.delivered > 0 && was_the_limit {
            self.strategy.scale_up(self.window)
        } else {
            self.window
        };
        // A strategy may be the user's: whatever it gives, something may go.
        self.window = if next.is_nan() { 1.0 } else { next.clamp(1.0, self.max_window) };
        self.in_flight = self.in_flight.saturating_sub(answer.entries);
    }

    fn window(&self) -> Option<usize> {
        Some(self.window as usize)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test starts its own clock
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rate_limit::Fixed;

    const LATENCY: Duration = Duration::from_millis(20);

    fn limiter(window: usize) -> CongestionControl {
        CongestionControl::new(500, 50).initial_window(window)
    }

    /// Sends so many entries and answers so.
    fn round<S: ScalingStrategy>(limiter: &mut CongestionControl<S>, answer: Answer) {
        let now = Instant::now();
        limiter.on_issue(answer.entries, 0, now);
        limiter.on_settle(&answer, now);
    }

    #[test]
    fn the_window_bounds_what_is_in_flight() {
        let now = Instant::now();
        let mut limiter = limiter(1000);
        assert_eq!(limiter.allowance(now), 1000);
        limiter.on_issue(500, 0, now);
        assert_eq!(limiter.allowance(now), 500);
        limiter.on_issue(500, 0, now);
        assert_eq!(limiter.allowance(now), 0);
        limiter.on_settle(&Answer::new(500, 0, 0, LATENCY), now);
        assert_eq!(limiter.allowance(now), 510);
    }

    #[test]
    fn it_begins_with_one_request_and_never_passes_all_of_them_full() {
        let mut limiter = CongestionControl::new(10, 2);
        assert_eq!(limiter.window(), Some(10));
        for _ in 0..100 {
            round(&mut limiter, Answer::new(20, 0, 0, LATENCY));
        }
        assert_eq!(limiter.window(), Some(20));
        assert_eq!(CongestionControl::new(10, 2).initial_window(50).window(), Some(20));
        assert_eq!(CongestionControl::new(10, 2).initial_window(0).window(), Some(1));
    }

    #[test]
    fn a_window_that_was_not_the_limit_does_not_grow() {
        let mut limiter = limiter(5000);
        round(&mut limiter, Answer::new(500, 0, 0, LATENCY));
        assert_eq!(limiter.window(), Some(5000));
        round(&mut limiter, Answer::new(4501, 0, 0, LATENCY));
        assert_eq!(limiter.window(), Some(5010));
    }

    #[test]
    fn only_throttled_entries_shrink_the_window() {
        let mut limiter = limiter(1000);
        round(&mut limiter, Answer::new(0, 0, 1000, LATENCY));
        assert_eq!(limiter.window(), Some(1000));
        round(&mut limiter, Answer::new(999, 1, 0, LATENCY));
        assert_eq!(limiter.window(), Some(500));
    }

    #[test]
    fn a_window_is_split_evenly_over_its_requests() {
        for (window, batch) in [(500, 500), (501, 251), (750, 375), (1000, 500), (1001, 334)] {
            assert_eq!(limiter(window).max_batch_size(), batch, "window {window}");
        }
        assert_eq!(limiter(8).max_batch_size(), 8);
    }

    #[test]
    fn the_window_never_falls_below_one_entry() {
        let mut limiter = limiter(4);
        for _ in 0..10 {
            round(&mut limiter, Answer::new(0, 1, 0, LATENCY));
        }
        assert_eq!(limiter.window(), Some(1));
    }

    #[test]
    fn a_fixed_window_never_changes() {
        let mut limiter = CongestionControl::with_strategy(Fixed, 500, 50).initial_window(2000);
        round(&mut limiter, Answer::new(0, 2000, 0, LATENCY));
        round(&mut limiter, Answer::new(2000, 0, 0, LATENCY));
        assert_eq!(limiter.window(), Some(2000));
    }

    #[test]
    fn a_strategy_that_gives_nonsense_cannot_stop_the_sink() {
        #[derive(Debug)]
        struct Nonsense;
        impl ScalingStrategy for Nonsense {
            fn scale_up(&mut self, _: f64) -> f64 {
                f64::NAN
            }
            fn scale_down(&mut self, _: f64) -> f64 {
                f64::NEG_INFINITY
            }
        }
        for answer in [Answer::new(25_000, 0, 0, LATENCY), Answer::new(0, 1, 0, LATENCY)] {
            let mut limiter =
                CongestionControl::with_strategy(Nonsense, 500, 50).initial_window(25_000);
            round(&mut limiter, answer);
            assert_eq!(limiter.window(), Some(1));
        }
    }
}
