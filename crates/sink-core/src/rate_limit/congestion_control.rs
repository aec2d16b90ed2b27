//! A window of entries in flight, as TCP has one of bytes.

use std::{fmt::Debug, time::Instant};

use super::{Aimd, Answer, RateLimiter};

/// How a [`CongestionControl`]'s window grows and shrinks (Flink's `ScalingStrategy`).
pub trait ScalingStrategy: Debug + Send + 'static {
    /// The window after so many entries were delivered while the window was the limit.
    fn scale_up(&mut self, window: f64, delivered: usize, max_batch_size: usize) -> f64;

    /// The window after so many entries were throttled.
    fn scale_down(&mut self, window: f64, throttled: usize) -> f64;
}

/// Bounds the entries in flight by a window that follows what the destination takes: the default
/// limiter, after Flink's `CongestionControlRateLimitingStrategy`.
///
/// - Only throttled entries shrink the window: a broken connection is no congestion.
/// - The window grows only when it was what held requests back: a quiet hour teaches nothing about
///   what the destination can take.
/// - It counts what a request really carries, not what was planned for it.
#[derive(Debug)]
pub struct CongestionControl<S = Aimd> {
    strategy: S,
    max_batch_size: usize,
    /// A fraction is kept, so that small steps add up.
    window: f64,
    max_window: f64,
    in_flight: usize,
}

impl CongestionControl {
    /// With [`Aimd`]'s defaults, a first window of ten requests (as TCP begins with ten segments),
    /// and at most as many entries as fill `max_in_flight_requests` requests.
    pub fn new(max_batch_size: usize, max_in_flight_requests: usize) -> Self {
        Self::with_strategy(Aimd::default(), max_batch_size, max_in_flight_requests)
    }
}

impl<S: ScalingStrategy> CongestionControl<S> {
    /// The same with another strategy.
    #[allow(clippy::cast_precision_loss)] // windows are far below 2^52
    pub fn with_strategy(
        strategy: S,
        max_batch_size: usize,
        max_in_flight_requests: usize,
    ) -> Self {
        let max_batch_size = max_batch_size.max(1);
        let entries = |requests: usize| max_batch_size.saturating_mul(requests).max(1) as f64;
        Self {
            strategy,
            max_batch_size,
            window: entries(max_in_flight_requests.min(10)),
            max_window: entries(max_in_flight_requests),
            in_flight: 0,
        }
    }

    /// Begins with so many entries instead of ten requests. Flink begins with one request.
    #[allow(clippy::cast_precision_loss)]
    #[must_use]
    pub fn initial_window(mut self, entries: usize) -> Self {
        self.window = (entries as f64).clamp(1.0, self.max_window);
        self
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within 1 and max_window
    fn entries(&self) -> usize {
        self.window as usize
    }
}

impl<S: ScalingStrategy> RateLimiter for CongestionControl<S> {
    fn allowance(&mut self, _now: Instant) -> usize {
        self.entries().saturating_sub(self.in_flight)
    }

    /// The window split evenly over as few requests as carry it: a window of 750 goes out as
    /// twice 375, not as 500 that leave 250 unused.
    fn max_batch_size(&self) -> usize {
        let window = self.entries();
        window.div_ceil(window.div_ceil(self.max_batch_size))
    }

    fn on_issue(&mut self, entries: usize, _bytes: usize, _now: Instant) {
        self.in_flight += entries;
    }

    fn on_settle(&mut self, answer: &Answer, _now: Instant) {
        let was_the_limit = self.in_flight + self.max_batch_size() > self.entries();
        self.in_flight = self.in_flight.saturating_sub(answer.entries);
        if answer.throttled > 0 {
            self.window = self.strategy.scale_down(self.window, answer.throttled);
        }
        if answer.delivered > 0 && was_the_limit {
            self.window =
                self.strategy.scale_up(self.window, answer.delivered, self.max_batch_size);
        }
        // A strategy may be the user's: whatever it gives, at least one entry may go.
        self.window =
            if self.window.is_nan() { 1.0 } else { self.window.clamp(1.0, self.max_window) };
    }

    fn window(&self) -> Option<usize> {
        Some(self.entries())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a limiter only hands the time on
mod tests {
    use std::time::Duration;

    use super::*;

    const LATENCY: Duration = Duration::from_millis(20);

    fn now() -> Instant {
        Instant::now()
    }

    fn limiter(window: usize) -> CongestionControl {
        CongestionControl::with_strategy(Aimd::default().slow_start(false), 500, 50)
            .initial_window(window)
    }

    #[test]
    fn the_window_bounds_what_is_in_flight() {
        let mut limiter = limiter(1000);
        assert_eq!(limiter.allowance(now()), 1000);
        limiter.on_issue(500, 0, now());
        assert_eq!(limiter.allowance(now()), 500);
        limiter.on_issue(500, 0, now());
        assert_eq!(limiter.allowance(now()), 0);
        limiter.on_settle(&Answer::new(500, 0, 0, LATENCY), now());
        assert_eq!(limiter.allowance(now()), 510);
    }

    #[test]
    fn a_window_that_was_not_the_limit_does_not_grow() {
        let mut limiter = limiter(5000);
        limiter.on_issue(500, 0, now());
        limiter.on_settle(&Answer::new(500, 0, 0, LATENCY), now());
        assert_eq!(limiter.window(), Some(5000));
    }

    #[test]
    fn only_throttled_entries_shrink_the_window() {
        let mut limiter = limiter(500);
        limiter.on_issue(500, 0, now());
        limiter.on_settle(&Answer::new(0, 0, 500, LATENCY), now());
        assert_eq!(limiter.window(), Some(500));
        limiter.on_issue(500, 0, now());
        limiter.on_settle(&Answer::new(0, 500, 0, LATENCY), now());
        assert_eq!(limiter.window(), Some(250));
    }

    #[test]
    fn the_window_never_closes_and_never_passes_its_ceiling() {
        let mut limiter = limiter(500);
        for _ in 0..100 {
            limiter.on_issue(500, 0, now());
            limiter.on_settle(&Answer::new(0, 500, 0, LATENCY), now());
        }
        assert_eq!(limiter.window(), Some(1));
        assert_eq!((limiter.allowance(now()), limiter.max_batch_size()), (1, 1));

        let mut limiter = CongestionControl::new(10, 2);
        for _ in 0..100 {
            limiter.on_issue(20, 0, now());
            limiter.on_settle(&Answer::new(20, 0, 0, LATENCY), now());
        }
        assert_eq!(limiter.window(), Some(20));
    }

    #[test]
    fn a_window_is_split_evenly_over_its_requests() {
        for (window, batch) in
            [(1, 1), (300, 300), (500, 500), (501, 251), (750, 375), (1000, 500), (1001, 334)]
        {
            assert_eq!(limiter(window).max_batch_size(), batch, "window {window}");
        }
    }

    #[test]
    fn a_strategy_that_gives_nonsense_cannot_stop_the_sink() {
        #[derive(Debug)]
        struct Nonsense;
        impl ScalingStrategy for Nonsense {
            fn scale_up(&mut self, _: f64, _: usize, _: usize) -> f64 {
                f64::NAN
            }
            fn scale_down(&mut self, _: f64, _: usize) -> f64 {
                f64::NEG_INFINITY
            }
        }
        let mut limiter = CongestionControl::with_strategy(Nonsense, 500, 50);
        limiter.on_issue(5000, 0, now());
        limiter.on_settle(&Answer::new(1, 0, 4999, LATENCY), now());
        assert_eq!(limiter.window(), Some(1));
        limiter.on_settle(&Answer::new(0, 1, 0, LATENCY), now());
        assert_eq!(limiter.window(), Some(1));
    }
}
