//! A rate that follows what a destination takes, and the tokens that keep to it.

use std::time::{Duration, Instant};

/// So many entries a second, learned from the share that the destination refuses.
///
/// Time is counted in *rounds*: as many entries as are sent in one round trip, or one answer's
/// where that is more. What is learned from an answer is weighed by its part of a round, so that
/// the same overload has the same effect whether it is told by one answer or by fifty.
///
/// - **Down in proportion**: when a share of a round is refused, the rate falls by that share, to
///   just what was taken, and not by half for one record of five hundred. An answer that took
///   nothing at all says only that it was too much: half.
/// - **Up by a step a round**, the same for every sender, so that those who share a destination come
///   to equal parts; and only where the pace was what held entries back. After rounds without a
///   refusal the steps grow, so that new capacity is found within seconds.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Entries a second.
    rate: f64,
    /// Entries that a round adds.
    step: f64,
    /// Rounds since the last refusal.
    clean_rounds: f64,
    /// Entries that may go now; below zero after a request that took more.
    tokens: f64,
    counted_at: Instant,
}

/// The slowest: a destination that takes nothing is asked by the retry delays, not by the pace.
const SLOWEST: f64 = 1.0;
/// The fastest: far beyond any destination, so that sums stay finite.
const FASTEST: f64 = 1e9;
/// A round's step as a share of the round, at most: what is refused in steady state is about as
/// much as a step adds.
const LARGEST_STEP: f64 = 0.01;
/// After so many rounds without a refusal the steps have doubled, and after as many more again.
const PATIENCE: f64 = 4.0;
/// A round's growth at most, however long nothing was refused.
const LARGEST_GROWTH: f64 = 0.25;
/// What may go at once after a wait, as a share of a second: timers tick in milliseconds, and a
/// late one must not cost throughput.
const BURST: f64 = 0.02;
/// A wake-up is some nanoseconds early at times; that must not cost an entry.
const NEARLY: f64 = 1e-3;

impl Pace {
    /// A pace of so many entries a second, which a round raises by `step` entries.
    pub(crate) fn new(rate: f64, step: f64, now: Instant) -> Self {
        let rate = if rate.is_nan() { SLOWEST } else { rate.clamp(SLOWEST, FASTEST) };
        Self { rate, step, clean_rounds: 0.0, tokens: 0.0, counted_at: now }
    }

    /// Entries a second.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    /// How many entries may go now. `request` is how many go at once; the pace saves up for it.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    pub(crate) fn available(&mut self, request: usize, now: Instant) -> usize {
        let since = now.saturating_duration_since(self.counted_at);
        let most = (request as f64).max(self.rate * BURST);
        self.tokens = (self.tokens + self.rate * since.as_secs_f64()).min(most);
        self.counted_at = self.counted_at.max(now);
        (self.tokens + NEARLY) as usize
    }

    /// Takes the tokens of so many entries that go now.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn take(&mut self, entries: usize) {
        self.tokens -= entries as f64;
    }

    /// When so many entries may go, by the last look at what is available.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn ready_at(&self, entries: usize) -> Instant {
        let missing = entries as f64 - self.tokens;
        if missing <= NEARLY {
            return self.counted_at;
        }
        let wait = Duration::from_secs_f64((missing / self.rate).min(3600.0));
        self.counted_at + wait.max(Duration::from_nanos(1)) // never now again
    }

    /// Learns from an answer: so many entries taken and refused, `latency` seconds after they were
    /// sent. `was_the_limit`: whether the pace held entries back meanwhile.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn learn(
        &mut self,
        delivered: usize,
        throttled: usize,
        latency: f64,
        was_the_limit: bool,
    ) {
        let entries = (delivered + throttled) as f64;
        if entries == 0.0 {
            return;
        }
        let round = (self.rate * latency).max(entries);
        let weight = entries / round;
        if throttled > 0 {
            self.clean_rounds = 0.0;
            let refused = if delivered == 0 { 0.5 } else { throttled as f64 / entries };
            self.rate *= 1.0 - weight * refused;
        } else if was_the_limit {
            self.clean_rounds += weight;
            let boost = (self.clean_rounds / PATIENCE).min(64.0).exp2();
            let growth = ((self.step / round).min(LARGEST_STEP) * boost).min(LARGEST_GROWTH);
            self.rate *= 1.0 + weight * growth;
        }
        self.rate = self.rate.clamp(SLOWEST, FASTEST);
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test starts its own clock
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pace(rate: f64) -> Pace {
        Pace::new(rate, 5.0, Instant::now())
    }

    #[test]
    fn a_request_is_saved_up_for_and_a_late_timer_costs_nothing() {
        let start = Instant::now();
        let mut pace = Pace::new(10_000.0, 5.0, start);
        assert_eq!(pace.available(500, start), 0);
        assert_eq!(pace.ready_at(500), start + 50 * MS);
        assert_eq!(pace.available(500, start + 49 * MS), 490);
        assert_eq!(pace.available(500, start + 50 * MS), 500);
        pace.take(500);
        assert_eq!(pace.ready_at(500), start + 100 * MS);
        // Requests of one: twenty milliseconds may be late, more are forfeit.
        assert_eq!(pace.available(1, start + 5000 * MS), 200);
    }

    #[test]
    fn the_rate_falls_by_the_refused_share_of_a_round() {
        for (delivered, throttled, expected) in [
            (900, 100, 9_000.0),  // a whole round
            (9, 1, 9_990.0),      // a hundredth of it
            (10, 990, 100.0),     // nearly nothing was taken: as exactly as anything else
            (0, 1000, 5_000.0),   // nothing at all: half
            (1800, 200, 9_000.0), // more than a round counts as one
        ] {
            let mut pace = pace(10_000.0);
            pace.learn(delivered, throttled, 0.1, true);
            assert!((pace.rate() - expected).abs() < 1.0, "{delivered}, {throttled}: {pace:?}");
        }
    }

    #[test]
    fn the_rate_grows_only_where_it_was_the_limit() {
        let mut pace = pace(10_000.0);
        pace.learn(1000, 0, 0.1, false);
        assert!((pace.rate() - 10_000.0).abs() < 1e-9);
        pace.learn(1000, 0, 0.1, true);
        assert!((pace.rate() - 10_000.0 * (1.0 + 0.005 * 0.25_f64.exp2())).abs() < 1e-6);
    }

    #[test]
    fn half_a_round_counts_half() {
        let (mut whole, mut halves) = (pace(10_000.0), pace(10_000.0));
        whole.learn(1000, 0, 0.1, true);
        halves.learn(500, 0, 0.1, true);
        halves.learn(500, 0, 0.1, true);
        assert!((whole.rate() - halves.rate()).abs() < 10.0, "{whole:?} {halves:?}");
    }

    #[test]
    fn growth_speeds_up_until_something_is_refused() {
        let mut pace = pace(10_000.0);
        let mut rounds = 0;
        while pace.rate() < 20_000.0 {
            let round = (pace.rate() * 0.1) as usize;
            pace.learn(round, 0, 0.1, true);
            rounds += 1;
        }
        assert!((15..40).contains(&rounds), "{rounds}");
        let before = pace.rate();
        pace.learn(1, 1, 0.1, true);
        let after = pace.rate();
        assert!(after < before);
        pace.learn((after * 0.1) as usize, 0, 0.1, true);
        assert!(pace.rate() < after * 1.01, "small steps again");
    }

    #[test]
    fn it_neither_stops_nor_runs_away() {
        let mut pace = pace(10_000.0);
        for _ in 0..100 {
            pace.learn(0, 1000, 0.1, true);
        }
        assert!((pace.rate() - SLOWEST).abs() < 1e-9);
        for _ in 0..10_000 {
            pace.learn(1_000_000_000, 0, 0.1, true);
        }
        assert!(pace.rate() <= FASTEST);
        pace.learn(0, 0, 0.0, true);
        assert!(pace.rate().is_finite());
        assert!(Pace::new(f64::NAN, 5.0, Instant::now()).rate() >= SLOWEST);
    }
}
