//! A destination that does everything a bad day brings, by a seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use sink_core::{Batch, Cause, Destination, Entry, Lane, Limits, Outcome, Reason, Verdict};
use tokio::time::Instant;

/// An entry with a number, a size and a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) size: usize,
    pub(crate) lane: u64,
}

impl Entry for Item {
    fn size_bytes(&self) -> usize {
        self.size
    }
}

/// Everything that happened, told by the destination and the producers alike.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// One line an event, with simulated time: one seed gives one history.
    pub(crate) history: Vec<String>,
    /// How often each entry was stored.
    pub(crate) stored: BTreeMap<u64, u32>,
    /// Entries whose delivery the sink was told of.
    pub(crate) confirmed: BTreeSet<u64>,
    /// What must never happen and did.
    pub(crate) violations: Vec<String>,
}

/// What the destination and the scenario share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) start: Instant,
}

impl Shared {
    pub(crate) fn log(&self, event: impl fmt::Display) {
        let at = self.start.elapsed().as_micros();
        self.world.lock().unwrap().history.push(format!("{at} {event}"));
    }
}

/// How bad the day is. Chances are in percent.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    pub(crate) latency_ms: u64,
    pub(crate) partial: u8,
    pub(crate) throttle_all: u8,
    pub(crate) unavailable: u8,
    pub(crate) wrong_length: u8,
    pub(crate) never: u8,
    /// Stored, but the answer is lost.
    pub(crate) answer_lost: u8,
    /// Nothing is answered but errors in these periods, in ms from the start.
    pub(crate) outages: Vec<std::ops::Range<u64>>,
    /// Entries a second, with a burst of as many; the surplus of a request is throttled.
    pub(crate) capacity: Option<u64>,
    /// After this, in ms, everything goes well, so that every history can end.
    pub(crate) calm_after_ms: u64,
}

pub(crate) struct Stormy {
    pub(crate) shared: Shared,
    pub(crate) weather: Weather,
    pub(crate) random: Mutex<fastrand::Rng>,
    /// Tokens and when they were counted.
    pub(crate) bucket: Mutex<(f64, Instant)>,
    pub(crate) lanes: bool,
}

/// What one request meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    Partial,
    ThrottleAll,
    Unavailable,
    WrongLength,
    Never,
    AnswerLost,
}

#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection closed before message completed")
    }
}

impl std::error::Error for Broken {}

pub(crate) struct Answer {
    ids: Vec<u64>,
    body: Body,
}

enum Body {
    Verdicts(Vec<Verdict>),
    ThrottleAll,
}

impl Stormy {
    fn fate(&self) -> (Fate, Duration) {
        let mut random = self.random.lock().unwrap();
        let weather = &self.weather;
        let now = u64::try_from(self.shared.start.elapsed().as_millis()).unwrap();
        let latency = Duration::from_micros(random.u64(0..=weather.latency_ms * 1000));
        if now >= weather.calm_after_ms {
            return (Fate::Fine, latency);
        }
        if weather.outages.iter().any(|outage| outage.contains(&now)) {
            return (Fate::Unavailable, Duration::ZERO);
        }
        let mut dice = random.u8(0..100);
        for (chance, fate) in [
            (weather.partial, Fate::Partial),
            (weather.throttle_all, Fate::ThrottleAll),
            (weather.unavailable, Fate::Unavailable),
            (weather.wrong_length, Fate::WrongLength),
            (weather.never, Fate::Never),
            (weather.answer_lost, Fate::AnswerLost),
        ] {
            if dice < chance {
                return (fate, latency);
            }
            dice -= chance;
        }
        (Fate::Fine, latency)
    }

    /// How many entries the token bucket lets in.
    fn admitted(&self, wanted: usize) -> usize {
        let Some(capacity) = self.weather.capacity else { return wanted };
        let mut bucket = self.bucket.lock().unwrap();
        let now = Instant::now();
        #[allow(clippy::cast_precision_loss)]
        let rate = capacity as f64;
        bucket.0 = (bucket.0 + now.duration_since(bucket.1).as_secs_f64() * rate).min(rate);
        bucket.1 = now;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let admitted = (bucket.0 as usize).min(wanted);
        #[allow(clippy::cast_precision_loss)]
        {
            bucket.0 -= admitted as f64;
        }
        admitted
    }

    fn store(&self, ids: impl IntoIterator<Item = u64>) {
        let mut world = self.shared.world.lock().unwrap();
        for id in ids {
            *world.stored.entry(id).or_default() += 1;
        }
    }
}

impl Destination for Stormy {
    type Entry = Item;
    type Request = Vec<u64>;
    type Response = Answer;
    type Error = Broken;

    const KIND: &'static str = "stormy";
    const LIMITS: Limits = Limits {
        max_batch_size: 100,
        max_batch_size_in_bytes: 10_000,
        max_record_size_in_bytes: 1000,
    };

    fn build_request(&self, batch: &Batch<'_, Item>) -> Vec<u64> {
        let ids: Vec<_> = batch.iter().map(|item| item.id).collect();
        let mut world = self.shared.world.lock().unwrap();
        for id in &ids {
            if world.confirmed.contains(id) {
                world.violations.push(format!("{id} is sent again after it was settled"));
            }
        }
        drop(world);
        ids
    }

    async fn send(&self, ids: Vec<u64>) -> Result<Answer, Broken> {
        let (fate, latency) = self.fate();
        self.shared.log(format_args!("request {ids:?} {fate:?}"));
        tokio::time::sleep(latency / 2).await;
        let admitted = self.admitted(ids.len());
        let verdicts: Vec<_> = match fate {
            Fate::Never => std::future::pending().await,
            Fate::Unavailable => return Err(Broken),
            Fate::ThrottleAll => return Ok(Answer { ids, body: Body::ThrottleAll }),
            Fate::AnswerLost => {
                self.store(ids.iter().copied());
                return Err(Broken);
            }
            Fate::Fine | Fate::WrongLength | Fate::Partial => {
                let mut random = self.random.lock().unwrap();
                let verdict = |position| match (fate, random.u8(0..100)) {
                    _ if position >= admitted => Verdict::Retry(Cause::THROTTLED),
                    (Fate::Partial, 0..15) => Verdict::Retry(Cause::Unavailable),
                    (Fate::Partial, 15..30) => Verdict::Retry(Cause::Throttled {
                        retry_after: Some(Duration::from_millis(random.u64(0..50))),
                    }),
                    _ => Verdict::Delivered,
                };
                (0..ids.len()).map(verdict).collect()
            }
        };
        let delivered = ids.iter().zip(&verdicts).filter(|(_, v)| **v == Verdict::Delivered);
        self.store(delivered.map(|(id, _)| *id));
        tokio::time::sleep(latency / 2).await;
        let mut verdicts = verdicts;
        if fate == Fate::WrongLength {
            verdicts.pop();
        }
        Ok(Answer { ids, body: Body::Verdicts(verdicts) })
    }

    fn extract_failures(&self, answer: Result<Answer, Broken>, sent: usize) -> Outcome {
        let answer = match answer {
            Err(broken) => {
                self.shared.log("broken");
                let reason = Reason::new("Broken", broken.to_string());
                return Outcome::RetryAll(Cause::Unavailable, reason);
            }
            Ok(answer) => answer,
        };
        let verdicts = match answer.body {
            Body::ThrottleAll => {
                return Outcome::RetryAll(Cause::THROTTLED, Reason::new("Throttling", ""));
            }
            Body::Verdicts(verdicts) => verdicts,
        };
        if verdicts.len() == sent {
            let mut world = self.shared.world.lock().unwrap();
            for (id, verdict) in answer.ids.iter().zip(&verdicts) {
                if *verdict == Verdict::Delivered && !world.confirmed.insert(*id) {
                    world.violations.push(format!("{id} is settled twice"));
                }
            }
        }
        self.shared.log(format_args!("answer to {:?}", answer.ids));
        Outcome::per_entry(sent, verdicts)
    }

    fn lane(&self, item: &Item) -> Lane {
        if self.lanes { Lane::new(item.lane) } else { Lane::SHARED }
    }
}
