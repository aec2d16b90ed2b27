//! The default: open until the destination refuses something, then at the pace that it takes.

use std::time::{Duration, Instant};

use super::{
    Answer, RateLimiter,
    pace::{Lesson, Pace},
    taken::{SHORTEST_PERIOD, Taken},
};

/// Finds what a destination takes, and keeps to it: the default limiter.
///
/// - **Open**, until the destination first throttles: a window of entries in flight, which begins
///   with four requests, and is three times as large after each round trip, up to
///   `max_in_flight_requests`. (Not with one: if that is never answered, nothing goes until it is
///   given up. Nor with more: a slow destination refuses nearly all of them.)
/// - **Paced**, from then on: so many entries a second, evenly. A rate does what a window cannot: it
///   holds whatever the latency is. A destination that answers in 2 ms and takes 4,000 entries a
///   second has a window of eight; requests of eight would cost sixty times the calls.
/// - The pace falls by the refused share, to what was taken; it grows in small, equal steps,
///   faster the longer nothing was refused, and **only where it was the limit**. What is refused in
///   steady state is about one percent.
/// - **Latency is a signal of its own**: while answers take far longer than the fastest did, more
///   would only queue up at the destination, so nothing grows. Nothing shrinks for it either: slow
///   is not refused.
/// - Failures that are no throttling change nothing: a broken connection is no congestion.
#[derive(Debug)]
pub struct AdaptiveRate {
    mode: Mode,
    max_batch_size: usize,
    max_window: f64,
    in_flight: usize,
    latency: Latency,
    /// Entries that were taken since the open window last grew.
    taken_of_window: usize,
    /// What was taken while open. `None` before the first request.
    taken: Option<Taken>,
    /// Whether the limiter held a request back since the last one was issued.
    held_back: bool,
}

#[derive(Debug)]
enum Mode {
    /// So many entries in flight.
    Open(f64),
    Paced(Box<Pace>),
}

/// Requests that go before the first answer.
const FIRST_REQUESTS: usize = 4;
/// By how much the open window grows when all of it was taken: with four at first, 50 requests are in
/// flight after three round trips.
const OPENING: f64 = 3.0;
/// At the slowest, a full request goes this often; below that, requests become smaller.
const LONGEST_INTERVAL: f64 = 0.04;

// Windows and rates are far below 2^52, where an f64 still counts single entries, and never below 1.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
impl AdaptiveRate {
    /// For requests of so many entries, and so many of them in flight.
    pub fn new(max_batch_size: usize, max_in_flight_requests: usize) -> Self {
        let max_batch_size = max_batch_size.max(1);
        let entries = |requests: usize| max_batch_size.saturating_mul(requests.max(1)) as f64;
        Self {
            mode: Mode::Open(entries(max_in_flight_requests.min(FIRST_REQUESTS))),
            max_batch_size,
            max_window: entries(max_in_flight_requests),
            in_flight: 0,
            latency: Latency::default(),
            taken_of_window: 0,
            taken: None,
            held_back: false,
        }
    }

    /// Entries of a request at this rate.
    fn paced_batch(&self, rate: f64) -> usize {
        ((rate * LONGEST_INTERVAL) as usize).clamp(1, self.max_batch_size)
    }

    /// The pace that follows the first refusal: what the destination took of late. Where that is
    /// nothing, a request a second; the pace finds out how much more it may be.
    fn first_pace(&mut self, answer: &Answer, now: Instant) -> Pace {
        let delivered = answer.delivered as f64;
        let taken = self.taken.get_or_insert_with(|| Taken::new(now));
        let of_late = taken.note(delivered, SHORTEST_PERIOD, now) + delivered / SHORTEST_PERIOD;
        Pace::new(of_late, self.max_batch_size, now)
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
impl RateLimiter for AdaptiveRate {
    fn allowance(&mut self, now: Instant) -> usize {
        let batch = RateLimiter::max_batch_size(self);
        let allowed = match &mut self.mode {
            Mode::Open(window) => (*window as usize).saturating_sub(self.in_flight),
            Mode::Paced(pace) => pace.available(batch, now),
        };
        self.held_back |= allowed < batch;
        allowed
    }

    fn max_batch_size(&self) -> usize {
        match &self.mode {
            Mode::Open(_) => self.max_batch_size,
            Mode::Paced(pace) => self.paced_batch(pace.rate()),
        }
    }

    fn on_issue(&mut self, entries: usize, _bytes: usize, _now: Instant) {
        self.in_flight += entries;
        self.held_back = false;
        if let Mode::Paced(pace) = &mut self.mode {
            pace.take(entries);
        }
    }

    fn on_settle(&mut self, answer: &Answer, now: Instant) {
        self.latency.note(answer);
        let latency = self.latency.mean();
        let may_grow = self.held_back && !self.latency.is_inflated();
        match &mut self.mode {
            Mode::Open(_) if answer.throttled > 0 => {
                self.mode = Mode::Paced(Box::new(self.first_pace(answer, now)));
            }
            Mode::Open(window) => {
                let taken = self.taken.get_or_insert_with(|| Taken::new(now));
                taken.note(answer.delivered as f64, SHORTEST_PERIOD, now);
                // Not with each answer: the last one of a round tells as much as the first.
                self.taken_of_window += answer.delivered;
                if self.taken_of_window as f64 >= *window {
                    self.taken_of_window = 0;
                    if may_grow {
                        *window = (*window * OPENING).min(self.max_window);
                    }
                }
            }
            Mode::Paced(pace) => {
                let Answer { delivered, throttled, failed, .. } = *answer;
                let sent_at = now.checked_sub(answer.latency).unwrap_or(now);
                let was_the_limit = may_grow;
                pace.learn(
                    Lesson { delivered, throttled, failed, sent_at, latency, was_the_limit },
                    now,
                );
                // Then `max_in_flight_requests` is the limit, not the pace.
                if pace.rate() * latency > 2.0 * self.max_window {
                    self.mode = Mode::Open(self.max_window);
                }
            }
        }
        self.in_flight = self.in_flight.saturating_sub(answer.entries);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.mode {
            Mode::Open(_) => None,
            Mode::Paced(pace) => Some(pace.ready_at(RateLimiter::max_batch_size(self))),
        }
    }

    /// The window; while paced, the entries that the pace has in flight.
    fn window(&self) -> Option<usize> {
        Some(match &self.mode {
            Mode::Open(window) => *window as usize,
            Mode::Paced(pace) => (pace.rate() * self.latency.mean()).ceil() as usize,
        })
    }
}

/// How long answers take, in seconds.
#[derive(Debug, Default)]
struct Latency {
    /// Newer answers count more. `None` before the first.
    mean: Option<f64>,
    /// The fastest; creeps up, so that a change for good is taken as one.
    fastest: Option<f64>,
}

impl Latency {
    /// Answers that say nothing of the entries came from something in the way.
    fn note(&mut self, answer: &Answer) {
        if answer.delivered + answer.throttled > 0 {
            let latency = answer.latency.max(Duration::from_millis(1)).as_secs_f64();
            self.mean = Some(self.mean.map_or(latency, |mean| mean + (latency - mean) / 8.0));
            self.fastest = Some(self.fastest.map_or(latency, |at| latency.min(at * 1.001)));
        }
    }

    fn mean(&self) -> f64 {
        self.mean.unwrap_or(1.0)
    }

    /// Ten times the fastest, and a tenth of a second more: an honest queue at the destination, not
    /// jitter, and not what a few more connections cost.
    fn is_inflated(&self) -> bool {
        let fastest = self.fastest.unwrap_or(1.0);
        self.mean() > (10.0 * fastest).max(fastest + 0.1)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test starts its own clock
mod tests {
    use super::*;

    const LATENCY: Duration = Duration::from_millis(20);
    const MS: Duration = Duration::from_millis(1);

    /// Sends as much as it may, `per_request` at once, and gives how much that was.
    fn send_all(limiter: &mut AdaptiveRate, now: Instant) -> usize {
        let mut sent = 0;
        loop {
            let batch = limiter.max_batch_size();
            if limiter.allowance(now) < batch {
                return sent;
            }
            limiter.on_issue(batch, 0, now);
            sent += batch;
        }
    }

    /// A limiter that was throttled: of 5,000 in a twentieth of a second a tenth was refused, which
    /// is 90,000 a second, or 1,800 in 20 ms. It has found that nothing more is taken.
    fn paced(start: Instant) -> AdaptiveRate {
        let mut limiter = AdaptiveRate::new(500, 50);
        limiter.on_issue(5000, 0, start);
        limiter.on_settle(&Answer::new(4500, 500, 0, LATENCY), start + LATENCY);
        if let Mode::Paced(pace) = &mut limiter.mode {
            pace.stop_searching();
        }
        limiter
    }

    #[test]
    fn it_begins_with_four_requests_and_triples_a_round_trip() {
        let now = Instant::now();
        let mut limiter = AdaptiveRate::new(500, 50);
        for expected in [2_000, 6_000, 18_000, 25_000, 25_000] {
            let sent = send_all(&mut limiter, now);
            assert_eq!(sent, expected);
            for _ in 1..sent / 500 {
                limiter.on_settle(&Answer::new(500, 0, 0, LATENCY), now);
            }
            assert_eq!(limiter.window(), Some(expected), "the last answer is not there");
            limiter.on_settle(&Answer::new(500, 0, 0, LATENCY), now);
        }
        assert_eq!(AdaptiveRate::new(10, 2).allowance(now), 20);
    }

    #[test]
    fn a_window_that_was_not_the_limit_does_not_grow() {
        let now = Instant::now();
        let mut limiter = AdaptiveRate::new(500, 50);
        limiter.allowance(now);
        limiter.on_issue(500, 0, now);
        limiter.on_settle(&Answer::new(500, 0, 0, LATENCY), now);
        assert_eq!(limiter.window(), Some(2_000));
    }

    #[test]
    fn the_first_refusal_gives_the_pace_that_was_taken_of_late() {
        let start = Instant::now();
        let limiter = paced(start);
        assert_eq!(limiter.window(), Some(1800)); // 90,000 a second, for 20 ms

        let mut limiter = AdaptiveRate::new(500, 50);
        limiter.on_issue(500, 0, start);
        limiter.on_settle(&Answer::new(0, 500, 0, LATENCY), start + LATENCY);
        assert_eq!(limiter.window(), Some(10), "nothing: a request a second, to begin with");
    }

    #[test]
    fn paced_requests_are_full_and_evenly_spread() {
        let start = Instant::now();
        let mut limiter = paced(start);
        let mut now = start + LATENCY;
        let mut sent = 0;
        while now < start + 1020 * MS {
            sent += send_all(&mut limiter, now);
            now = limiter.poll_timeout().unwrap();
        }
        assert!((89_500..=90_000).contains(&sent), "{sent}");
    }

    /// Sends four requests at once, and answers each so.
    fn round(limiter: &mut AdaptiveRate, now: Instant, answer: Answer) {
        for _ in 0..4 {
            limiter.on_issue(answer.entries, 0, now);
        }
        limiter.allowance(now);
        for _ in 0..4 {
            limiter.on_settle(&answer, now + LATENCY);
        }
    }

    #[test]
    fn a_slow_pace_makes_smaller_requests_rather_than_long_waits() {
        let start = Instant::now();
        let mut limiter = paced(start);
        for round_trip in 1..100 {
            let now = start + round_trip * 1000 * MS;
            round(&mut limiter, now, Answer::new(0, 1200, 0, LATENCY));
        }
        assert_eq!(limiter.max_batch_size(), 1);
    }

    #[test]
    fn only_throttled_entries_lower_the_pace() {
        let start = Instant::now();
        let mut limiter = paced(start);
        let later = start + 3_600_000 * MS; // what was taken of late is nothing
        round(&mut limiter, later, Answer::new(0, 0, 1200, LATENCY));
        assert_eq!(limiter.window(), Some(1800));
        round(&mut limiter, later, Answer::new(600, 600, 0, LATENCY));
        assert_eq!(limiter.window(), Some(900));
    }

    #[test]
    fn the_pace_grows_only_where_it_held_something_back() {
        let start = Instant::now();
        let mut limiter = paced(start);
        let later = start + 40 * MS;
        for _ in 0..4 {
            limiter.on_issue(500, 0, later);
            limiter.on_settle(&Answer::new(500, 0, 0, LATENCY), later + LATENCY);
        }
        assert_eq!(limiter.window(), Some(1800));
        round(&mut limiter, later + LATENCY, Answer::new(1200, 0, 0, LATENCY));
        assert!(limiter.window() > Some(1800));
    }

    #[test]
    fn nothing_grows_while_answers_take_far_longer_than_they_could() {
        let now = Instant::now();
        let mut limiter = AdaptiveRate::new(500, 50);
        limiter.on_issue(500, 0, now);
        limiter.on_settle(&Answer::new(500, 0, 0, LATENCY), now);
        for _ in 0..40 {
            let sent = send_all(&mut limiter, now);
            limiter.on_settle(&Answer::new(sent, 0, 0, Duration::from_secs(2)), now);
        }
        assert_eq!(limiter.window(), Some(2_000), "the mean passed its bound at the first of them");
    }

    #[test]
    fn a_pace_beyond_all_requests_in_flight_is_no_limit_any_more() {
        let start = Instant::now();
        let mut limiter = paced(start);
        for round_trip in 1..100 {
            let entries = limiter.window().unwrap();
            let now = start + round_trip * 40 * MS;
            round(&mut limiter, now, Answer::new(entries, 0, 0, LATENCY));
        }
        assert_eq!((limiter.poll_timeout(), limiter.window()), (None, Some(25_000)));
    }
}
