//! A destination that does everything a bad day brings, by a seed.

use std::{fmt, sync::Mutex, time::Duration};

use sink_core::{Batch, Cause, Destination, Lane, Limits, Outcome, Reason, Verdict};
use tokio::time::{Instant, sleep};

use crate::{
    weather::{Fate, Weather},
    world::{Item, Quality, Shared},
};

pub(crate) struct Stormy {
    pub(crate) shared: Shared,
    /// Which sink this is the destination of.
    pub(crate) sink: usize,
    pub(crate) weather: Weather,
    pub(crate) random: Mutex<fastrand::Rng>,
    /// Tokens and when they were counted.
    pub(crate) bucket: Mutex<(f64, Instant)>,
    /// How long the sink waits for an answer.
    pub(crate) patience: Duration,
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
    items: Vec<Item>,
    body: Body,
}

enum Body {
    Verdicts(Vec<Verdict>),
    ThrottleAll,
    /// One of the entries is bad, and all are refused.
    Spoilt,
    /// The entry, the only one, is bad.
    Refused,
}

impl Stormy {
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

    /// What the destination says of each entry of a request that it takes.
    fn judge(&self, items: &[Item], fate: Fate) -> Body {
        if items.iter().any(|item| item.quality == Quality::Spoils) {
            return Body::Spoilt;
        }
        let mut random = self.random.lock().unwrap();
        if items.len() == 1 && items[0].quality == Quality::Refused && random.bool() {
            return Body::Refused;
        }
        let now = self.shared.now_ms();
        let admitted = self.admitted(items.len());
        let mut throttled_lane = None;
        let verdict = |(position, item): (usize, &Item)| {
            let dice = random.u8(0..100);
            if item.quality == Quality::Refused {
                Verdict::Reject(Reason::new("Refused", "this record is malformed"))
            } else if self.weather.is_lane_throttled(item.lane, now) {
                throttled_lane = Some(item.lane);
                Verdict::Retry(Cause::THROTTLED)
            } else if position >= admitted {
                Verdict::Retry(Cause::THROTTLED)
            } else if fate == Fate::Partial && dice < 15 {
                Verdict::Retry(Cause::Unavailable)
            } else if fate == Fate::Partial && dice < 30 {
                let retry_after = Some(Duration::from_millis(random.u64(0..50)));
                Verdict::Retry(Cause::Throttled { retry_after })
            } else {
                Verdict::Delivered
            }
        };
        let verdicts = items.iter().enumerate().map(verdict).collect();
        if let Some(lane) = throttled_lane {
            self.shared.log(format_args!("LaneBurst in lane {lane}"));
        }
        Body::Verdicts(verdicts)
    }

    /// Stores what the answer says is stored.
    fn store(&self, items: &[Item], body: &Body) {
        let Body::Verdicts(verdicts) = body else { return };
        let mut world = self.shared.world();
        for (item, verdict) in items.iter().zip(verdicts) {
            if *verdict == Verdict::Delivered {
                world.stored(self.sink, item);
            }
        }
    }
}

/// Stores what is good in a request, whoever still waits for its answer.
fn store_good(shared: &Shared, sink: usize, items: &[Item]) {
    // A request with an entry that spoils it is refused before anything is stored.
    if items.iter().any(|item| item.quality == Quality::Spoils) {
        return;
    }
    let mut world = shared.world();
    for item in items.iter().filter(|item| item.quality == Quality::Good) {
        world.stored(sink, item);
    }
}

impl Destination for Stormy {
    type Entry = Item;
    type Request = Vec<Item>;
    type Response = Answer;
    type Error = Broken;

    const KIND: &'static str = "stormy";
    const LIMITS: Limits = Limits {
        max_batch_size: 100,
        max_batch_size_in_bytes: 10_000,
        max_record_size_in_bytes: 1000,
    };

    fn build_request(&self, batch: &Batch<'_, Item>) -> Vec<Item> {
        let items: Vec<_> = batch.iter().copied().collect();
        self.shared.world().built(self.sink, &items);
        items
    }

    async fn send(&self, items: Vec<Item>) -> Result<Answer, Broken> {
        let now = self.shared.now_ms();
        let (fate, latency) = self.weather.fate(now, &mut self.random.lock().unwrap());
        let ids: Vec<_> = items.iter().map(|item| item.id).collect();
        self.shared.log(format_args!("request {ids:?} {fate:?}"));
        sleep(latency / 2).await;
        // Half of what is late comes while the sink still waits.
        let late = self.patience.mul_f64(2.0 * self.random.lock().unwrap().f64());
        let body = match fate {
            Fate::Never => std::future::pending().await,
            Fate::Unavailable | Fate::Outage => return Err(Broken),
            Fate::ThrottleAll | Fate::Burst => Body::ThrottleAll,
            Fate::AnswerLost => {
                store_good(&self.shared, self.sink, &items);
                return Err(Broken);
            }
            Fate::AnswerLate => {
                let body = self.judge(&items, fate);
                self.store(&items, &body);
                sleep(late).await;
                body
            }
            Fate::StoreLate => {
                // The destination goes on, whoever waits for it.
                let (shared, sink, ghosts) = (self.shared.clone(), self.sink, items.clone());
                tokio::spawn(async move {
                    sleep(late).await;
                    store_good(&shared, sink, &ghosts);
                    shared.log(format_args!("stored late {ids:?}"));
                })
                .await
                .unwrap();
                return Err(Broken);
            }
            Fate::Fine | Fate::WrongLength | Fate::Partial => {
                let body = self.judge(&items, fate);
                self.store(&items, &body);
                body
            }
        };
        sleep(latency / 2).await;
        let body = match body {
            Body::Verdicts(mut verdicts) if fate == Fate::WrongLength => {
                verdicts.pop();
                Body::Verdicts(verdicts)
            }
            body => body,
        };
        Ok(Answer { items, body })
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
            Body::Spoilt => {
                self.shared.log(format_args!("refused a request of {sent}, spoilt"));
                return Outcome::Bisect(Reason::new("Spoilt", "some record is malformed"));
            }
            Body::Refused => {
                self.shared.log("refused a request, all of it");
                return Outcome::RejectAll(Reason::new("Refused", "the record is malformed"));
            }
            Body::Verdicts(verdicts) => verdicts,
        };
        if verdicts.len() == sent {
            let mut world = self.shared.world();
            for (item, verdict) in answer.items.iter().zip(&verdicts) {
                if *verdict == Verdict::Delivered {
                    world.confirmed(self.sink, item.id);
                }
            }
        }
        let ids: Vec<_> = answer.items.iter().map(|item| item.id).collect();
        self.shared.log(format_args!("answer to {ids:?}"));
        Outcome::per_entry(sent, verdicts)
    }

    fn lane(&self, item: &Item) -> Lane {
        Lane::new(item.lane)
    }
}
