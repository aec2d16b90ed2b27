//! How much a destination takes: a token bucket whose rate may change.

use std::{ops::Range, time::Duration};

/// How many records a second a destination takes, and from when. Times count from the start of
/// the simulation.
#[derive(Debug, Clone)]
pub struct Capacity {
    /// From when, and how many a second; times rise, and the first is zero.
    steps: Vec<(Duration, f64)>,
}

impl Capacity {
    /// So many records a second from the start.
    pub fn steady(records_per_second: f64) -> Self {
        Self { steps: vec![(Duration::ZERO, records_per_second)] }
    }

    /// So many from `at` on. Give the changes in the order of their times.
    #[must_use]
    pub fn then(mut self, at: Duration, records_per_second: f64) -> Self {
        self.steps.push((at, records_per_second));
        self
    }

    /// Whether it is not the same all the time.
    pub fn changes(&self) -> bool {
        self.steps.len() > 1
    }

    /// How many records a second at this time.
    pub fn at(&self, at: Duration) -> f64 {
        self.steps.iter().rev().find(|(from, _)| *from <= at).map_or(0.0, |(_, rate)| *rate)
    }

    /// How many records in this time.
    pub fn records(&self, during: Range<Duration>) -> f64 {
        let ends = self.steps.iter().skip(1).map(|(from, _)| *from).chain([Duration::MAX]);
        let part = |((from, rate), end): (&(Duration, f64), Duration)| {
            let time = during.end.min(end).saturating_sub(during.start.max(*from));
            rate * time.as_secs_f64()
        };
        self.steps.iter().zip(ends).map(part).sum()
    }
}

/// A bucket that fills with tokens, one for each record, at the rate of a [`Capacity`].
#[derive(Debug)]
pub struct TokenBucket {
    capacity: Capacity,
    burst: f64,
    tokens: f64,
    filled_at: Duration,
}

impl TokenBucket {
    /// A bucket that holds `burst` records' tokens, and is full: the destination was idle before.
    pub fn new(capacity: Capacity, burst: f64) -> Self {
        Self { capacity, burst, tokens: burst, filled_at: Duration::ZERO }
    }

    /// Adds the tokens of the time since it was last filled.
    pub fn fill(&mut self, now: Duration) {
        let fresh = self.capacity.records(self.filled_at..now);
        self.tokens = (self.tokens + fresh).min(self.burst);
        self.filled_at = now;
    }

    /// Takes one record's token, if there is one.
    pub fn take(&mut self) -> bool {
        let taken = self.tokens >= 1.0;
        if taken {
            self.tokens -= 1.0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn take_all(bucket: &mut TokenBucket) -> usize {
        std::iter::repeat_with(|| bucket.take()).take_while(|taken| *taken).count()
    }

    #[test]
    fn a_bucket_is_full_at_first_and_never_fuller() {
        let mut bucket = TokenBucket::new(Capacity::steady(100.0), 30.0);
        assert_eq!(take_all(&mut bucket), 30);
        bucket.fill(SECOND / 10);
        assert_eq!(take_all(&mut bucket), 10);
        bucket.fill(10 * SECOND);
        assert_eq!(take_all(&mut bucket), 30);
    }

    #[test]
    fn a_rate_that_changed_counts_from_its_time() {
        let capacity = Capacity::steady(100.0).then(2 * SECOND, 50.0).then(4 * SECOND, 200.0);
        for (at, rate) in [(0, 100.0), (1, 100.0), (2, 50.0), (3, 50.0), (4, 200.0), (9, 200.0)] {
            assert_eq!(capacity.at(at * SECOND), rate, "at {at} s");
        }
        assert_eq!(capacity.records(SECOND..5 * SECOND), 100.0 + 100.0 + 200.0);
        assert_eq!(capacity.records(5 * SECOND..5 * SECOND), 0.0);
    }
}
