//! A window of entries in flight, as TCP has one of bytes, and below one request a pace.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use super::{Aimd, Answer, RateLimiter};

/// How a [`CongestionControl`]'s window grows and shrinks (Flink's `ScalingStrategy`).
pub trait ScalingStrategy: Debug + Send + 'static {
    /// The window after so many entries were delivered while the window was the limit.
    fn scale_up(&mut self, window: f64, delivered: f64, max_batch_size: usize) -> f64;

    /// The window after so many entries were throttled.
    fn scale_down(&mut self, window: f64, throttled: f64) -> f64;
}

/// Bounds the entries in flight by a window that follows what the destination takes: the default
/// limiter, after Flink's `CongestionControlRateLimitingStrategy`.
///
/// - Only throttled entries shrink the window: a broken connection is no congestion.
/// - The window grows only when it was what held requests back: a quiet hour teaches nothing about
///   what the destination can take.
/// - It counts what a request really carries, not what was planned for it.
/// - When less than one full request fits into the window, full requests go at intervals instead of
///   ever smaller ones at once. A destination that answers in 2 ms and takes 4,000 entries a second
///   has a window of eight: requests of eight would cost sixty times the calls.
#[derive(Debug)]
pub struct CongestionControl<S = Aimd> {
    strategy: S,
    max_batch_size: usize,
    max_window: f64,
    mode: Mode,
    in_flight: usize,
    /// Mean time to an answer, in seconds; newer answers count more. `None` before the first.
    latency: Option<f64>,
}

/// What holds requests back. Fractions are kept, so that small steps add up.
#[derive(Debug)]
enum Mode {
    /// So many entries in flight, at least one full request.
    Window(f64),
    /// One request at a time, and so many entries a second.
    Pace {
        rate: f64,
        next_at: Instant,
        /// Whether the pace held a request back since the last one: otherwise it is no limit, and
        /// must not grow.
        was_the_limit: bool,
    },
}

/// At the slowest, a request goes this often; below that, requests become smaller.
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);

impl CongestionControl {
    /// With [`Aimd`]'s defaults, a first window of ten requests (as TCP begins with ten segments),
    /// and at most as many entries as fill `max_in_flight_requests` requests.
    pub fn new(max_batch_size: usize, max_in_flight_requests: usize) -> Self {
        Self::with_strategy(Aimd::default(), max_batch_size, max_in_flight_requests)
    }
}

// Windows and rates are far below 2^52, where an f64 still counts single entries, and never below 1.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
impl<S: ScalingStrategy> CongestionControl<S> {
    /// The same with another strategy.
    pub fn with_strategy(
        strategy: S,
        max_batch_size: usize,
        max_in_flight_requests: usize,
    ) -> Self {
        let max_batch_size = max_batch_size.max(1);
        let entries = |requests: usize| max_batch_size.saturating_mul(requests.max(1)) as f64;
        Self {
            strategy,
            max_batch_size,
            max_window: entries(max_in_flight_requests),
            mode: Mode::Window(entries(max_in_flight_requests.min(10))),
            in_flight: 0,
            latency: None,
        }
    }

    /// Begins with so many entries instead of ten requests; at least one request. Flink begins
    /// with one.
    #[must_use]
    pub fn initial_window(mut self, entries: usize) -> Self {
        self.mode =
            Mode::Window((entries as f64).clamp(self.max_batch_size as f64, self.max_window));
        self
    }

    fn note_latency(&mut self, answer: &Answer) {
        // An answer that says nothing of the entries came from something in the way.
        if answer.delivered + answer.throttled > 0 {
            let latency = answer.latency.as_secs_f64().max(1e-3);
            self.latency = Some(self.latency.map_or(latency, |mean| mean + (latency - mean) / 8.0));
        }
    }

    /// The window after an answer.
    fn scale_window(&mut self, window: f64, answer: &Answer) -> f64 {
        let was_the_limit = self.in_flight + self.max_batch_size() > window as usize;
        let mut next = window;
        if answer.throttled > 0 {
            next = self.strategy.scale_down(next, answer.throttled as f64);
        }
        if answer.delivered > 0 && was_the_limit {
            next = self.strategy.scale_up(next, answer.delivered as f64, self.max_batch_size);
        }
        // A strategy may be the user's: whatever it gives, something may go.
        if next.is_nan() { 1.0 } else { next.clamp(1.0, self.max_window) }
    }

    /// The rate after an answer. A request stands for a second's entries here, as it stands for
    /// itself in a window: a throttled half of it halves the half.
    fn scale_rate(&mut self, rate: f64, was_the_limit: bool, answer: &Answer) -> f64 {
        let share = |entries: usize| rate * entries as f64 / answer.entries.max(1) as f64;
        let mut next = rate;
        if answer.throttled > 0 {
            next = self.strategy.scale_down(next, share(answer.throttled));
        }
        if answer.delivered > 0 && was_the_limit {
            next = self.strategy.scale_up(next, share(answer.delivered), self.max_batch_size);
        }
        if next.is_nan() { 1.0 } else { next.max(1.0) }
    }

    /// How many entries a request has at this rate.
    fn paced_batch(&self, rate: f64) -> usize {
        let most = rate * LONGEST_INTERVAL.as_secs_f64();
        (most as usize).clamp(1, self.max_batch_size)
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
impl<S: ScalingStrategy> RateLimiter for CongestionControl<S> {
    fn allowance(&mut self, now: Instant) -> usize {
        match &mut self.mode {
            Mode::Window(window) => (*window as usize).saturating_sub(self.in_flight),
            Mode::Pace { next_at, was_the_limit, rate } => {
                if self.in_flight > 0 || now < *next_at {
                    *was_the_limit = true;
                    0
                } else {
                    let rate = *rate;
                    self.paced_batch(rate)
                }
            }
        }
    }

    /// The window split evenly over as few requests as carry it: a window of 750 goes out as
    /// twice 375, not as 500 that leave 250 unused.
    fn max_batch_size(&self) -> usize {
        match self.mode {
            Mode::Window(window) => {
                let window = window as usize;
                window.div_ceil(window.div_ceil(self.max_batch_size))
            }
            Mode::Pace { rate, .. } => self.paced_batch(rate),
        }
    }

    fn on_issue(&mut self, entries: usize, _bytes: usize, now: Instant) {
        self.in_flight += entries;
        if let Mode::Pace { rate, next_at, was_the_limit } = &mut self.mode {
            *next_at = now + Duration::from_secs_f64(entries as f64 / *rate);
            *was_the_limit = false;
        }
    }

    fn on_settle(&mut self, answer: &Answer, now: Instant) {
        self.note_latency(answer);
        let latency = self.latency.unwrap_or(1.0);
        let full = self.max_batch_size as f64;
        self.mode = match self.mode {
            Mode::Window(window) => {
                let window = self.scale_window(window, answer);
                if window < full {
                    let (rate, next_at) = (window / latency, now);
                    Mode::Pace { rate, next_at, was_the_limit: false }
                } else {
                    Mode::Window(window)
                }
            }
            Mode::Pace { rate, next_at, was_the_limit } => {
                // The next request may be owed already: then the pace is what holds it back.
                let rate = self.scale_rate(rate, was_the_limit, answer);
                if rate * latency >= full {
                    Mode::Window((rate * latency).min(self.max_window))
                } else {
                    Mode::Pace { rate, next_at, was_the_limit }
                }
            }
        };
        self.in_flight = self.in_flight.saturating_sub(answer.entries);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.mode {
            Mode::Pace { next_at, .. } => Some(next_at),
            Mode::Window(_) => None,
        }
    }

    /// The window; while requests are paced, the entries of the next one.
    fn window(&self) -> Option<usize> {
        Some(match self.mode {
            Mode::Window(window) => window as usize,
            Mode::Pace { rate, .. } => self.paced_batch(rate),
        })
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test starts its own clock
mod tests {
    use super::*;

    const LATENCY: Duration = Duration::from_millis(20);
    const MS: Duration = Duration::from_millis(1);

    fn now() -> Instant {
        Instant::now()
    }

    fn limiter(window: usize) -> CongestionControl {
        CongestionControl::with_strategy(Aimd::default().slow_start(false), 500, 50)
            .initial_window(window)
    }

    /// A limiter that was throttled down to 5,000 entries a second: 250 in flight at 20 ms.
    fn paced(start: Instant) -> CongestionControl {
        let mut limiter = limiter(500);
        limiter.on_issue(500, 0, start);
        limiter.on_settle(&Answer::new(0, 500, 0, LATENCY), start);
        limiter
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
        let mut limiter = limiter(1000);
        limiter.on_issue(500, 0, now());
        limiter.on_settle(&Answer::new(0, 0, 500, LATENCY), now());
        assert_eq!(limiter.window(), Some(1000));
        limiter.on_issue(500, 0, now());
        limiter.on_settle(&Answer::new(0, 500, 0, LATENCY), now());
        assert_eq!(limiter.window(), Some(750));
    }

    #[test]
    fn the_window_never_passes_its_ceiling() {
        let mut limiter = CongestionControl::new(10, 2);
        for _ in 0..100 {
            limiter.on_issue(20, 0, now());
            limiter.on_settle(&Answer::new(20, 0, 0, LATENCY), now());
        }
        assert_eq!(limiter.window(), Some(20));
    }

    #[test]
    fn a_window_is_split_evenly_over_its_requests() {
        for (window, batch) in [(500, 500), (501, 251), (750, 375), (1000, 500), (1001, 334)] {
            assert_eq!(limiter(window).max_batch_size(), batch, "window {window}");
        }
    }

    #[test]
    fn below_one_request_full_requests_go_at_intervals() {
        let start = now();
        let mut limiter = paced(start);
        let rate = 250.0 / LATENCY.as_secs_f64(); // what the window stood for
        assert_eq!((limiter.allowance(start), limiter.max_batch_size()), (500, 500));
        limiter.on_issue(500, 0, start);
        let next = start + Duration::from_secs_f64(500.0 / rate);
        assert_eq!(limiter.poll_timeout(), Some(next));
        limiter.on_settle(&Answer::new(500, 0, 0, LATENCY), start + 20 * MS);
        assert_eq!(limiter.allowance(next - MS), 0);
        assert_eq!(limiter.allowance(next), 500);
        // Half a request, half the interval.
        limiter.on_issue(250, 0, next);
        assert_eq!(limiter.poll_timeout(), Some(next + Duration::from_secs_f64(250.0 / rate)));
    }

    #[test]
    fn the_pace_follows_the_throttled_share_and_grows_only_where_it_was_the_limit() {
        let start = now();
        let interval = |limiter: &mut CongestionControl, held_back: bool, answer: Answer| {
            limiter.on_issue(500, 0, start);
            if held_back {
                assert_eq!(limiter.allowance(start), 0);
            }
            limiter.on_settle(&answer, start);
            limiter.on_issue(500, 0, start);
            let interval = limiter.poll_timeout().unwrap() - start;
            limiter.on_settle(&Answer::new(0, 0, 500, LATENCY), start);
            interval.as_micros() as f64 / 1000.0
        };
        let is = |a: f64, b: f64| (a - b).abs() < 0.01;
        let mut limiter = paced(start);
        let answer = Answer::new(500, 0, 0, LATENCY);
        assert!(is(interval(&mut limiter, false, answer), 40.0), "it was not the limit");
        assert!(is(interval(&mut limiter, true, answer), 40.0 / 1.02), "ten of 500 more");
        let answer = Answer::new(250, 250, 0, LATENCY);
        assert!(is(interval(&mut limiter, false, answer), 40.0 / 1.02 / 0.75), "half of a half");
    }

    #[test]
    fn a_pace_that_fills_a_window_becomes_one() {
        let start = now();
        let mut limiter = paced(start);
        for _ in 0..100 {
            limiter.on_issue(500, 0, start);
            limiter.allowance(start);
            limiter.on_settle(&Answer::new(500, 0, 0, LATENCY), start);
        }
        assert_eq!(limiter.poll_timeout(), None);
        assert!(limiter.window().unwrap() >= 500);
    }

    #[test]
    fn the_slowest_pace_is_one_entry_a_second() {
        let start = now();
        let mut limiter = paced(start);
        for _ in 0..100 {
            let batch = limiter.max_batch_size();
            limiter.on_issue(batch, 0, start);
            limiter.on_settle(&Answer::new(0, batch, 0, LATENCY), start);
        }
        assert_eq!((limiter.window(), limiter.max_batch_size()), (Some(1), 1));
        limiter.on_issue(1, 0, start);
        assert_eq!(limiter.poll_timeout(), Some(start + LONGEST_INTERVAL));
    }

    #[test]
    fn a_strategy_that_gives_nonsense_cannot_stop_the_sink() {
        #[derive(Debug)]
        struct Nonsense;
        impl ScalingStrategy for Nonsense {
            fn scale_up(&mut self, _: f64, _: f64, _: usize) -> f64 {
                f64::NAN
            }
            fn scale_down(&mut self, _: f64, _: f64) -> f64 {
                f64::NEG_INFINITY
            }
        }
        let start = now();
        let mut limiter = CongestionControl::with_strategy(Nonsense, 500, 50);
        for answer in [Answer::new(1, 0, 4999, LATENCY), Answer::new(0, 1, 0, LATENCY)] {
            limiter.on_issue(answer.entries, 0, start);
            limiter.on_settle(&answer, start);
            let next = limiter.poll_timeout().unwrap_or(start) + 2 * LONGEST_INTERVAL;
            assert!(limiter.allowance(next) >= 1);
        }
    }
}
