//! A destination that takes so much and throttles the rest.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sink_core::{Batch, Cause, Destination, Entry, Lane, Limits, Outcome, Verdict};
use tokio::time::Instant;

use crate::{recorder::Recorder, token_bucket::TokenBucket};

/// What is written: a hundred bytes of nothing, in a lane.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// The number of its lane; 0 is [`Lane::SHARED`].
    pub lane: u8,
}

impl Entry for Record {
    fn size_bytes(&self) -> usize {
        100
    }
}

/// A service that several sinks may write to.
#[derive(Debug)]
pub struct Service {
    one_way: RangeInclusive<u64>,
    start: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The share that is refused by chance.
    ill: f64,
    /// One for each lane.
    buckets: BTreeMap<u8, TokenBucket>,
    recorder: Recorder,
    random: fastrand::Rng,
}

impl Service {
    /// A service with a bucket for each lane. Its time starts now.
    ///
    /// Each way takes `one_way` milliseconds, drawn anew for each: whole ones, as tokio's timers
    /// count.
    pub fn new(
        buckets: impl IntoIterator<Item = (u8, TokenBucket)>,
        one_way: RangeInclusive<u64>,
        seed: u64,
    ) -> Self {
        let state = State {
            ill: 0.0,
            buckets: buckets.into_iter().collect(),
            recorder: Recorder::default(),
            random: fastrand::Rng::with_seed(seed),
        };
        Self { one_way, start: Instant::now(), state: Mutex::new(state) }
    }

    /// Refuses this share of the records by chance, whatever the rate.
    #[must_use]
    pub fn refusing(self, share: f64) -> Self {
        self.state().ill = share;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it saw until now; it starts anew.
    pub fn take_recorder(&self) -> Recorder {
        std::mem::take(&mut self.state().recorder)
    }

    async fn travel(&self) {
        let time = self.state().random.u64(self.one_way.clone());
        tokio::time::sleep(Duration::from_millis(time)).await;
    }

    /// Whether each record of the request is stored. A lane without a bucket stores nothing.
    fn store(&self, sink: usize, lanes: &[u8]) -> Vec<bool> {
        let now = self.start.elapsed();
        let mut state = self.state();
        let State { ill, buckets, recorder, random } = &mut *state;
        for bucket in buckets.values_mut() {
            bucket.fill(now);
        }
        let store = |lane: &u8| {
            let is_ill = *ill > 0.0 && random.f64() < *ill;
            let stored = !is_ill && buckets.get_mut(lane).is_some_and(TokenBucket::take);
            recorder.note(now, sink, *lane, stored);
            stored
        };
        lanes.iter().map(store).collect()
    }
}

/// One sink's way to a [`Service`]. The records of a request that find no token are throttled, each
/// by itself; the others are stored.
#[derive(Debug)]
pub struct Throttled {
    /// Where it leads to.
    pub service: Arc<Service>,
    /// The sink's number, by which it is recorded.
    pub sink: usize,
}

impl Destination for Throttled {
    type Entry = Record;
    /// The lanes of the records: that is all there is to them.
    type Request = Vec<u8>;
    /// Whether each is stored.
    type Response = Vec<bool>;
    type Error = Infallible;

    const KIND: &'static str = "throttled";
    const LIMITS: Limits = crate::LIMITS;

    fn build_request(&self, batch: &Batch<'_, Record>) -> Vec<u8> {
        batch.iter().map(|record| record.lane).collect()
    }

    async fn send(&self, lanes: Vec<u8>) -> Result<Vec<bool>, Infallible> {
        self.service.travel().await;
        let stored = self.service.store(self.sink, &lanes);
        self.service.travel().await;
        Ok(stored)
    }

    fn extract_failures(&self, answer: Result<Vec<bool>, Infallible>, sent: usize) -> Outcome {
        let Ok(stored) = answer;
        let verdict =
            |stored| if stored { Verdict::Delivered } else { Verdict::Retry(Cause::THROTTLED) };
        Outcome::per_entry(sent, stored.into_iter().map(verdict))
    }

    fn lane(&self, record: &Record) -> Lane {
        Lane::new(u64::from(record.lane))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_bucket::Capacity;

    #[tokio::test(start_paused = true)]
    async fn the_surplus_of_a_request_is_throttled_lane_by_lane() {
        let bucket = |burst| TokenBucket::new(Capacity::steady(1000.0), burst);
        let service = Service::new([(1, bucket(2.0)), (2, bucket(1.0))], 10..=10, 1);
        let destination = Throttled { service: Arc::new(service), sink: 0 };
        let start = Instant::now();
        let Ok(stored) = destination.send(vec![1, 2, 1, 2, 1]).await;
        assert_eq!(stored, [true, true, true, false, false]);
        assert_eq!(start.elapsed(), Duration::from_millis(20));
        let recorder = destination.service.take_recorder();
        assert_eq!(recorder.all(Duration::ZERO..Duration::from_secs(1)).throttled, 2);
    }
}
