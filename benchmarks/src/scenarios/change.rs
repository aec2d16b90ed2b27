//! A destination that takes half as much from one moment to the next, and later all of it again.

use std::{ops::Range, time::Duration};

use super::{BURST, CAPACITY, ONE_WAY, seconds};
use crate::{
    Result,
    limiters::Limiter,
    recorder::{Counts, Recorder, SLOT},
    simulation::{World, run},
    token_bucket::{Capacity, TokenBucket},
};

/// When the capacity is halved, when it is doubled again, and when the run ends.
pub const CHANGES: [Duration; 3] = [seconds(10), seconds(20), seconds(35)];

/// Rates are taken over this time.
const WINDOW: Duration = Duration::from_millis(500);
/// A good rate is one that lasts this long.
const LASTING: Duration = seconds(1);
const GOOD_RATE: f64 = 0.95;
const GOOD_WASTE: f64 = 0.05;

/// What came of the changes. `None`: not before the next one.
#[derive(Debug)]
pub struct Change {
    /// Everything that was sent.
    pub recorder: Recorder,
    /// What could be delivered.
    pub capacity: Capacity,
    /// From the halving until the new capacity is used.
    pub halved: Option<Duration>,
    /// From the halving until few sends are wasted.
    pub halved_waste: Option<Duration>,
    /// From the doubling until the new capacity is used.
    pub doubled: Option<Duration>,
}

/// One sink, always with more to write, to a destination that changes.
///
/// # Errors
///
/// When the sink fails.
pub fn change(limiter: &Limiter, seed: u64) -> Result<Change> {
    let [halved_at, doubled_at, end] = CHANGES;
    let capacity =
        Capacity::steady(CAPACITY).then(halved_at, CAPACITY / 2.0).then(doubled_at, CAPACITY);
    let bucket = TokenBucket::new(capacity.clone(), BURST);
    let world = World { buckets: vec![(0, bucket)], ill: 0.0, one_way: ONE_WAY, length: end, seed };
    let recorder = run(world, |simulation| {
        let sink = simulation.sink(limiter)?;
        simulation.saturate(sink, Duration::ZERO);
        Ok(())
    })?;

    let counts = |during: Range<Duration>| recorder.all(during);
    let used = |during: Range<Duration>| {
        counts(during.clone()).delivered as f64 >= GOOD_RATE * capacity.records(during)
    };
    let clean = |during| {
        let counts: Counts = counts(during);
        counts.wasted_share() <= GOOD_WASTE
    };
    let halved = recovery(halved_at..doubled_at, used);
    let halved_waste = recovery(halved_at..doubled_at, clean);
    let doubled = recovery(doubled_at..end, used);
    Ok(Change { recorder, capacity, halved, halved_waste, doubled })
}

/// How long after the start of `during` the last `WINDOW` is good, and stays so for `LASTING`.
/// Never shorter than a window: what was before the change says nothing.
fn recovery(during: Range<Duration>, good: impl Fn(Range<Duration>) -> bool) -> Option<Duration> {
    let first = during.start + WINDOW;
    let mut good_since = None;
    let mut now = first;
    while now <= during.end {
        if good(now - WINDOW..now) {
            let since = *good_since.get_or_insert(now);
            if now - since >= LASTING {
                return Some(since - during.start);
            }
        } else {
            good_since = None;
        }
        now += SLOT;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_is_good_and_stays_so_is_a_recovery() {
        let ms = Duration::from_millis;
        let recovers = |bad: Range<u64>| {
            recovery(seconds(10)..seconds(20), |window| {
                window.start >= ms(bad.end) || window.end <= ms(bad.start)
            })
        };
        assert_eq!(recovers(0..0), Some(WINDOW), "at once");
        assert_eq!(recovers(10_000..12_000), Some(ms(2500)));
        assert_eq!(recovers(11_000..12_000), Some(ms(2500)), "good, but not for a second");
        assert_eq!(recovers(12_000..20_000), Some(WINDOW), "good for a second");
        assert_eq!(recovers(10_000..19_500), None, "too late to last");
    }
}
