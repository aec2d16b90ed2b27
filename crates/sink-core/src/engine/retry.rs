//! How long an entry waits before it is sent again.

use std::time::Duration;

use super::{EngineConfig, RetryDelay};

/// How long an entry waits before it is sent again: not at all while trying again helps, and
/// otherwise for a delay that grows.
#[derive(Debug)]
pub(super) struct Retries {
    pub(super) backoff: Backoff,
    pub(super) credit: Credit,
}

impl Retries {
    pub(super) fn new(config: &EngineConfig, seed: u64) -> Self {
        Self { backoff: Backoff::new(config.retry_delay, seed), credit: Credit::new(config) }
    }
}

/// Retries that may go at once, paid for by retries that were delivered.
///
/// Where failures come by chance, the next attempt is most likely to go well, and waiting for it
/// spares the destination nothing. Where they have a cause, retries fail too, and soon none is
/// paid for. So an outage, an ill shard or an entry that is never taken sees the growing delays of
/// [`Backoff`], but for what little was saved up.
#[derive(Debug)]
pub(super) struct Credit {
    /// Retries that are paid for.
    entries: usize,
    /// No more is saved up.
    most: usize,
    /// Attempts of one entry after which it may go at once.
    attempts: u32,
}

/// What a delivered retry pays for: with two, failures of up to half of the entries go at once.
const PAID: usize = 2;
/// After so many attempts in a row it is not chance: three entries in a thousand million have as many
/// where three of ten fail.
const MOST_BY_CHANCE: u32 = 16;
/// Saved up at least, where requests are small: as many may fail in requests that are in flight
/// together.
const LEAST_SAVED: usize = 10;

impl Credit {
    fn new(config: &EngineConfig) -> Self {
        // Whoever bounds the attempts means them to be spread over a time: half of them are.
        let half = config.max_attempts.map_or(u32::MAX, |most| most / 2);
        Self {
            entries: 0,
            most: (config.max_batch_size.saturating_mul(config.max_in_flight_requests) / 10)
                .max(LEAST_SAVED),
            attempts: half.min(MOST_BY_CHANCE),
        }
    }

    /// So many entries were delivered by an attempt that was not their first.
    pub(super) fn earn(&mut self, retried: usize) {
        self.entries = self.entries.saturating_add(retried.saturating_mul(PAID)).min(self.most);
    }

    /// Whether an entry may go at once whose `attempts`-th attempt failed; then that is paid.
    pub(super) fn pay(&mut self, attempts: u32) -> bool {
        let may_go = attempts <= self.attempts && self.entries > 0;
        self.entries -= usize::from(may_go);
        may_go
    }
}

/// Capped exponential delay with full jitter: a draw between zero and
/// `initial × 2^(attempts − 1)`, that at most `max`.
///
/// Full jitter spreads the retries of many senders better than any narrower one (AWS Architecture
/// Blog, "Exponential Backoff And Jitter"). The randomness is a seeded generator: one seed gives
/// one history.
#[derive(Debug)]
pub(super) struct Backoff {
    bounds: RetryDelay,
    random: SplitMix64,
}

impl Backoff {
    pub(super) fn new(bounds: RetryDelay, seed: u64) -> Self {
        Self { bounds, random: SplitMix64(seed) }
    }

    /// The delay after the `attempts`-th attempt failed, at least `retry_after`.
    pub(super) fn delay(&mut self, attempts: u32, retry_after: Option<Duration>) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let longest = self.bounds.initial.saturating_mul(1 << doublings).min(self.bounds.max);
        // 53 random bits are as fine as an f64 can tell apart.
        #[allow(clippy::cast_precision_loss)]
        let share = (self.random.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        longest.mul_f64(share).max(asked)
    }
}

/// A destination that asks for more is asked again after this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// Sebastiano Vigna's SplitMix64: eight lines, seeded by any number, good enough for jitter.
#[derive(Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: RetryDelay =
        RetryDelay { initial: Duration::from_millis(100), max: Duration::from_secs(10) };

    #[test]
    fn delays_stay_under_a_doubling_cap_and_use_the_whole_range() {
        let mut backoff = Backoff::new(BOUNDS, 1);
        for (attempts, cap_ms) in [
            (1, 100),
            (2, 200),
            (5, 1_600),
            (7, 6_400),
            (8, 10_000),
            (40, 10_000),
            (u32::MAX, 10_000),
        ] {
            let cap = Duration::from_millis(cap_ms);
            let draws: Vec<_> = (0..1000).map(|_| backoff.delay(attempts, None)).collect();
            assert!(draws.iter().all(|delay| *delay <= cap), "attempt {attempts}");
            assert!(draws.iter().any(|delay| *delay > cap.mul_f64(0.95)), "attempt {attempts}");
            assert!(draws.iter().any(|delay| *delay < cap.mul_f64(0.05)), "attempt {attempts}");
        }
    }

    #[test]
    fn the_destinations_own_wish_is_honoured_within_reason() {
        let mut backoff = Backoff::new(BOUNDS, 1);
        let wish = Duration::from_secs(30);
        assert_eq!(backoff.delay(1, Some(wish)), wish);
        assert_eq!(backoff.delay(1, Some(Duration::MAX)), LONGEST_RETRY_AFTER);
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let draws = |seed| {
            let mut backoff = Backoff::new(BOUNDS, seed);
            (0..10).map(|_| backoff.delay(3, None)).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }
}
