//! What a destination decides of each record.

use std::time::Instant;

use sink_core::Cause;

use super::plan::{Behaviour, Stuck};
use crate::token_bucket::TokenBucket;

/// Seconds of the capacity at the start that may come at once.
const BURST_SECONDS: f64 = 0.1;

/// Decides, as a [`Behaviour`] says.
#[derive(Debug)]
pub struct Judge {
    start: Instant,
    bucket: Option<TokenBucket>,
    fails: f64,
    stuck: Option<Stuck>,
    /// When the stuck record first arrived.
    stuck_since: Option<Instant>,
    random: fastrand::Rng,
}

/// How many records a bucket of this capacity takes at once when it is full.
pub fn burst(behaviour: &Behaviour) -> f64 {
    let capacity = behaviour.capacity.as_ref();
    capacity.map_or(0.0, |capacity| BURST_SECONDS * capacity.at(std::time::Duration::ZERO))
}

impl Judge {
    /// One whose time starts at `start`. Its chances are the same in each run.
    pub fn new(behaviour: &Behaviour, start: Instant) -> Self {
        let bucket = |capacity| TokenBucket::new(capacity, burst(behaviour));
        Self {
            start,
            bucket: behaviour.capacity.clone().map(bucket),
            fails: behaviour.fails,
            stuck: behaviour.stuck,
            stuck_since: None,
            random: fastrand::Rng::with_seed(1),
        }
    }

    /// Whether everything is stored.
    pub fn takes_all(&self) -> bool {
        self.bucket.is_none() && self.fails == 0.0 && self.stuck.is_none()
    }

    /// A request arrives.
    pub fn begin(&mut self, now: Instant) {
        if let Some(bucket) = &mut self.bucket {
            bucket.fill(now.saturating_duration_since(self.start));
        }
    }

    /// Why the next record is refused, if it is.
    pub fn refuses(&mut self, number: u64, now: Instant) -> Option<Cause> {
        if self.bucket.as_mut().is_some_and(|bucket| !bucket.take()) {
            return Some(Cause::THROTTLED);
        }
        if self.fails > 0.0 && self.random.f64() < self.fails {
            return Some(Cause::Unavailable);
        }
        let stuck = self.stuck.filter(|stuck| stuck.number == number)?;
        let since = *self.stuck_since.get_or_insert(now);
        (now.saturating_duration_since(since) < stuck.time).then_some(stuck.cause)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::token_bucket::Capacity;

    fn refused(judge: &mut Judge, numbers: std::ops::Range<u64>, now: Instant) -> Vec<u64> {
        judge.begin(now);
        numbers.filter(|number| judge.refuses(*number, now).is_some()).collect()
    }

    #[test]
    fn the_tail_of_a_request_is_what_is_throttled() {
        let start = Instant::now();
        let capacity = Some(Capacity::steady(100.0));
        let mut judge = Judge::new(&Behaviour { capacity, ..Behaviour::default() }, start);
        assert_eq!(refused(&mut judge, 0..13, start), [10, 11, 12]);
        let later = start + Duration::from_millis(52);
        assert_eq!(refused(&mut judge, 0..7, later), [5, 6]);
        assert_eq!(judge.refuses(9, later), Some(Cause::THROTTLED));
    }

    #[test]
    fn a_stuck_record_is_refused_from_when_it_first_arrives() {
        let start = Instant::now();
        let time = Duration::from_secs(5);
        let stuck = Some(Stuck { number: 3, time, cause: Cause::Unavailable });
        let mut judge = Judge::new(&Behaviour { stuck, ..Behaviour::default() }, start);
        let first = start + Duration::from_secs(2);
        assert_eq!(refused(&mut judge, 0..5, first), [3]);
        assert_eq!(refused(&mut judge, 3..4, first + time - Duration::from_nanos(1)), [3]);
        assert!(refused(&mut judge, 3..4, first + time).is_empty());
    }

    #[test]
    fn the_share_that_fails_is_the_one_asked_for() {
        let start = Instant::now();
        let mut judge = Judge::new(&Behaviour { fails: 0.1, ..Behaviour::default() }, start);
        let failed = refused(&mut judge, 0..10_000, start).len();
        assert!((900..1100).contains(&failed), "{failed}");
        assert!(Judge::new(&Behaviour::default(), start).takes_all());
    }
}
