//! Times, counted in buckets of 3 %.

use std::time::Duration;

/// Buckets for each doubling of the time.
const PARTS: usize = 32;

/// How often times were how long. A percentile is up to 3 % too high, never too low.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max: u64,
}

impl Histogram {
    /// Adds a time.
    pub fn add(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket_of(nanoseconds);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.count += 1;
        self.max = self.max.max(nanoseconds);
    }

    /// Adds all the times of another one.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// How many times there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The time that this share of the times does not exceed; zero of none.
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = (share * self.count as f64).ceil() as u64;
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank.max(1)
        });
        let longest = bucket.map_or(0, |bucket| end_of(bucket).min(self.max));
        Duration::from_nanos(longest)
    }
}

/// The first buckets have one nanosecond each; then each doubling has `PARTS`.
fn bucket_of(nanoseconds: u64) -> usize {
    let shift = (nanoseconds.max(1).ilog2() as usize).saturating_sub(PARTS.ilog2() as usize);
    shift * PARTS + (nanoseconds >> shift) as usize
}

/// The longest time in a bucket.
fn end_of(bucket: usize) -> u64 {
    let shift = (bucket / PARTS).saturating_sub(1);
    let part = (bucket - shift * PARTS) as u64;
    (part << shift) + (1 << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_bucket_that_ends_within_three_percent() {
        for time in (0..100_000).chain([1 << 20, (1 << 40) + 12_345, u64::MAX >> 1]) {
            let end = end_of(bucket_of(time));
            assert!(time <= end && end - time <= time / 32, "{time} is in the one to {end}");
        }
    }

    #[test]
    fn quantiles_are_those_of_all_that_were_added() {
        let of = |times: std::ops::RangeInclusive<u64>| {
            let mut histogram = Histogram::default();
            times.for_each(|time| histogram.add(Duration::from_micros(time)));
            histogram
        };
        let mut all = of(1..=400);
        all.merge(&of(401..=1000));
        assert_eq!((all.count(), all.max()), (1000, Duration::from_micros(1000)));
        for share in [0.5, 0.99] {
            let found = all.quantile(share).as_secs_f64() * 1e3;
            assert!(found >= share && found <= share * 1.035, "{share}: {found} ms");
        }
        assert_eq!(all.quantile(1.0), all.max());
        assert_eq!(Histogram::default().quantile(0.99), Duration::ZERO);
    }
}
