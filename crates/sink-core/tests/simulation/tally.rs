//! A destination of counters, which are merged on their way to it, and what is known of each single
//! value in them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use fastrand::Rng;
use sink_core::{
    Batch, Cause, DeadLetter, DeadLetterFuture, DeadLetterHandler, Destination, Entry, Lane,
    Limits, Outcome, Reason, Verdict,
};
use tokio::time::{Instant, sleep};

use crate::weather::{Fate, Weather};

/// Counters with these names are refused: by name, or with their whole request.
pub(crate) const REFUSED: u64 = 8;
pub(crate) const SPOILS: u64 = 9;

/// Values of one counter: which they are, and what a service would make of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) name: u64,
    pub(crate) ids: Vec<u64>,
    sum: u64,
    min: u64,
    max: u64,
}

impl Count {
    pub(crate) fn new(name: u64, id: u64) -> Self {
        let value = Self::value(id);
        Self { name, ids: vec![id], sum: value, min: value, max: value }
    }

    fn value(id: u64) -> u64 {
        id * 7919 % 1009
    }

    /// Whether what is known of the values is what they are.
    fn is_right(&self) -> bool {
        let values = || self.ids.iter().map(|id| Self::value(*id));
        values().sum::<u64>() == self.sum
            && values().min() == Some(self.min)
            && values().max() == Some(self.max)
    }
}

impl Entry for Count {
    /// Twenty values are as large as a hundred.
    fn size_bytes(&self) -> usize {
        20 + self.ids.len().min(20)
    }

    fn merge(&mut self, newer: Self) -> Result<(), Self> {
        if self.name != newer.name || self.ids.len() + newer.ids.len() > 30 {
            return Err(newer);
        }
        self.ids.extend(newer.ids);
        self.sum += newer.sum;
        (self.min, self.max) = (self.min.min(newer.min), self.max.max(newer.max));
        Ok(())
    }
}

/// What happened to each value in the life of one sink.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// The values that the sink was given, by sequence: what was restored may be several at once.
    pub(crate) ledger: Vec<Vec<u64>>,
    /// Values that the sink was told of as stored, or that are with the dead letters.
    pub(crate) settled: BTreeSet<u64>,
}

/// What happened over all lives.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) history: Vec<String>,
    pub(crate) lives: Vec<Life>,
    /// Over all lives: where they were stored, however often, or are dead letters.
    pub(crate) arrived: BTreeMap<u64, u32>,
    /// How many entries of several values were sent, rejected, and left at the end of a life.
    pub(crate) merged_sent: usize,
    pub(crate) merged_rejected: usize,
    pub(crate) merged_left: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Shared {
    known: Arc<Mutex<Known>>,
    start: Instant,
    /// Which life this one speaks of: what a dead one still does is not the next one's.
    life: usize,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self { known: Arc::default(), start: Instant::now(), life: 0 }
    }

    /// For the next life, of a sink that was given this.
    pub(crate) fn next_life(&self, left: &[Count]) -> Self {
        let mut known = self.known();
        let ledger = left.iter().map(|count| count.ids.clone()).collect();
        known.lives.push(Life { ledger, settled: BTreeSet::new() });
        Self { life: known.lives.len() - 1, ..self.clone() }
    }

    /// What happened in this life.
    pub(crate) fn life<R>(&self, look: impl FnOnce(&mut Life) -> R) -> R {
        look(&mut self.known().lives[self.life])
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    pub(crate) fn log(&self, event: impl std::fmt::Display) {
        let at = self.start.elapsed().as_micros();
        self.known().history.push(format!("{at} {event}"));
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }
}

impl Known {
    fn store(&mut self, counts: &[Count]) {
        for id in counts.iter().flat_map(|count| &count.ids) {
            *self.arrived.entry(*id).or_default() += 1;
        }
    }
}

impl Life {
    /// No value is settled twice: merging neither loses nor repeats any.
    fn settle(&mut self, count: &Count) {
        assert!(count.is_right(), "torn: {count:?}");
        for id in &count.ids {
            assert!(self.settled.insert(*id), "{id} is settled twice");
        }
    }
}

pub(crate) struct Tally {
    pub(crate) shared: Shared,
    pub(crate) weather: Weather,
    pub(crate) random: Mutex<Rng>,
}

#[derive(Debug)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection broke")
    }
}

impl std::error::Error for Broken {}

impl Tally {
    fn verdict(&self, count: &Count, fate: Fate) -> Verdict {
        let dice = self.random.lock().unwrap().u8(0..100);
        let lane = self.lane(count).eq(&Lane::new(1));
        if count.name == REFUSED {
            Verdict::Reject(Reason::new("Refused", "no such counter"))
        } else if lane && self.weather.is_lane_throttled(1, self.shared.now_ms()) {
            Verdict::Retry(Cause::THROTTLED)
        } else if fate == Fate::Partial && dice < 40 {
            Verdict::Retry(if dice < 20 { Cause::Unavailable } else { Cause::THROTTLED })
        } else {
            Verdict::Delivered
        }
    }

    fn store(&self, counts: &[Count], verdicts: &[Verdict]) {
        for (count, verdict) in counts.iter().zip(verdicts) {
            if *verdict == Verdict::Delivered {
                self.shared.known().store(std::slice::from_ref(count));
            }
        }
    }
}

impl Destination for Tally {
    type Entry = Count;
    type Request = Vec<Count>;
    type Response = (Vec<Count>, Outcome);
    type Error = Broken;

    const KIND: &'static str = "tally";
    const LIMITS: Limits = Limits {
        max_batch_size: 100,
        max_batch_size_in_bytes: 10_000,
        max_record_size_in_bytes: 100,
    };

    fn build_request(&self, batch: &Batch<'_, Count>) -> Vec<Count> {
        let counts: Vec<_> = batch.iter().cloned().collect();
        let ids: Vec<_> = counts.iter().map(|count| (count.name, &count.ids)).collect();
        self.shared.log(format_args!("sent {ids:?}"));
        let mut known = self.shared.known();
        known.merged_sent += counts.iter().filter(|count| count.ids.len() > 1).count();
        for count in &counts {
            assert!(count.is_right(), "torn: {count:?}");
            for id in &count.ids {
                let settled = &known.lives[self.shared.life].settled;
                assert!(!settled.contains(id), "{id} is sent again after it was settled");
            }
        }
        drop(known);
        counts
    }

    async fn send(&self, counts: Vec<Count>) -> Result<(Vec<Count>, Outcome), Broken> {
        let (fate, latency) =
            self.weather.fate(self.shared.now_ms(), &mut self.random.lock().unwrap());
        sleep(latency).await;
        if matches!(fate, Fate::Never) {
            return std::future::pending().await;
        }
        if matches!(fate, Fate::Unavailable | Fate::Outage) {
            return Err(Broken);
        }
        if matches!(fate, Fate::ThrottleAll | Fate::Burst) {
            let reason = Reason::new("Throttling", "");
            return Ok((counts, Outcome::RetryAll(Cause::THROTTLED, reason)));
        }
        if counts.iter().any(|count| count.name == SPOILS) {
            return Ok((counts, Outcome::Bisect(Reason::new("Spoilt", "some counter is wrong"))));
        }
        let verdicts: Vec<_> = counts.iter().map(|count| self.verdict(count, fate)).collect();
        let late = Duration::from_millis(self.random.lock().unwrap().u64(0..2000));
        if fate == Fate::StoreLate {
            sleep(late).await;
        }
        self.store(&counts, &verdicts);
        match fate {
            Fate::AnswerLost | Fate::StoreLate => return Err(Broken),
            Fate::AnswerLate => sleep(late).await,
            _ => {}
        }
        let answered = verdicts.len() - usize::from(fate == Fate::WrongLength);
        let outcome = Outcome::per_entry(counts.len(), verdicts.into_iter().take(answered));
        Ok((counts, outcome))
    }

    fn extract_failures(&self, answer: Result<(Vec<Count>, Outcome), Broken>, _: usize) -> Outcome {
        let Ok((counts, outcome)) = answer else {
            return Outcome::RetryAll(Cause::Unavailable, Reason::new("Broken", "broke"));
        };
        let failed: BTreeSet<_> = match &outcome {
            Outcome::PerEntry(verdicts) => verdicts.failures().iter().map(|(at, _)| *at).collect(),
            Outcome::Delivered => BTreeSet::new(),
            _ => (0..counts.len()).collect(),
        };
        for (position, count) in counts.iter().enumerate() {
            if !failed.contains(&position) {
                self.shared.life(|life| life.settle(count));
            }
        }
        self.shared.log(format_args!("answered {outcome:?}"));
        outcome
    }

    fn lane(&self, count: &Count) -> Lane {
        Lane::new(count.name % 3)
    }

    /// Some names share a key.
    fn merge_key(&self, count: &Count) -> Option<u64> {
        (count.name != 0).then_some(count.name % 6)
    }
}

/// Takes every dead letter, after a while.
pub(crate) struct Letters {
    pub(crate) shared: Shared,
    pub(crate) random: Mutex<Rng>,
}

impl DeadLetterHandler<Count> for Letters {
    fn handle(&self, letter: &DeadLetter<'_, Count>) -> DeadLetterFuture {
        let (shared, count) = (self.shared.clone(), letter.entry.clone());
        match letter.reason.code() {
            "Refused" => assert_eq!(count.name, REFUSED),
            "Spoilt" => assert_eq!(count.name, SPOILS),
            code => assert!(code.starts_with("Max"), "{code}"),
        }
        let pause = Duration::from_millis(self.random.lock().unwrap().u64(0..100));
        Box::pin(async move {
            sleep(pause).await;
            shared.log(format_args!("dead letter {count:?}"));
            let mut known = shared.known();
            known.merged_rejected += usize::from(count.ids.len() > 1);
            known.store(std::slice::from_ref(&count));
            drop(known);
            shared.life(|life| life.settle(&count));
            Ok(())
        })
    }
}
