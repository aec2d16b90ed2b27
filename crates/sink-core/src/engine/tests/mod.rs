//! Tests of the engine: random histories, and behaviours told one by one.
#![allow(clippy::disallowed_methods)] // a test starts its own clock

mod accounting;
mod behaviour;
mod finding;
mod history;
mod lanes;
mod merged;
mod merging;
mod model;
mod properties;
mod rejections;
mod retries;

use std::time::{Duration, Instant};

use super::{Engine, EngineConfig, RequestId, RetryDelay};
use crate::{
    destination::{Entry, Lane},
    outcome::{Cause, Outcome, Reason, Verdict},
    rate_limit::{CongestionControl, RateLimiter, Unlimited},
    settings::{OnTimeout, Ordering},
};

/// An entry that knows its number and those that it has taken in, and is as large as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    number: u64,
    size: usize,
    /// Entries of one name may be merged; entries of other names may have the same key.
    name: u64,
    taken: Vec<u64>,
    /// What merging it does, to the one that takes it in.
    quirk: Quirk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quirk {
    None,
    Grows,
    Panics,
}

impl Item {
    /// How many an entry takes in, and then no more.
    const MOST: usize = 5;

    fn new(number: u64, size: usize) -> Self {
        Self { number, size, name: 0, taken: Vec::new(), quirk: Quirk::None }
    }

    fn key(&self) -> u64 {
        self.name % 2
    }

    /// What is delivered when this one is.
    fn numbers(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.number).chain(self.taken.iter().copied())
    }
}

impl Entry for Item {
    fn size_bytes(&self) -> usize {
        self.size
    }

    fn merge(&mut self, newer: Self) -> Result<(), Self> {
        if self.name != newer.name || self.taken.len() == Self::MOST {
            return Err(newer);
        }
        assert!(newer.quirk != Quirk::Panics, "told to panic");
        self.taken.extend(newer.numbers());
        self.size += if newer.quirk == Quirk::Grows { newer.size + 1 } else { newer.size / 2 };
        Ok(())
    }
}

fn config() -> EngineConfig {
    EngineConfig {
        max_batch_size: 4,
        max_batch_size_in_bytes: 100,
        max_record_size_in_bytes: 40,
        max_in_flight_requests: 3,
        max_buffered_requests: 40,
        max_buffered_bytes: 1000,
        max_time_in_buffer: Duration::from_millis(5000),
        request_timeout: Duration::from_millis(30_000),
        on_timeout: OnTimeout::Retry,
        ordering: Ordering::None,
        retry_delay: RetryDelay {
            initial: Duration::from_millis(100),
            max: Duration::from_millis(2000),
        },
        max_attempts: None,
        max_age: None,
    }
}

fn congestion_control(config: &EngineConfig) -> Box<dyn RateLimiter> {
    Box::new(CongestionControl::new(config.max_batch_size, config.max_in_flight_requests))
}

fn throttled() -> Verdict {
    Verdict::Retry(Cause::THROTTLED)
}

fn unavailable_all() -> Outcome {
    Outcome::RetryAll(Cause::Unavailable, Reason::new("InternalFailure", "try again"))
}

/// An engine with a clock that only the test moves.
struct Bench {
    engine: Engine<Item>,
    now: Instant,
}

impl Bench {
    fn new(config: EngineConfig) -> Self {
        Self::with_limiter(config, Box::new(Unlimited))
    }

    fn with_limiter(config: EngineConfig, limiter: Box<dyn RateLimiter>) -> Self {
        Self { engine: Engine::new(config, limiter, 1), now: Instant::now() }
    }

    fn push(&mut self, lane: Lane, size: usize) -> u64 {
        let number = self.engine.last_sequence + 1;
        self.engine.push(Item::new(number, size), size, lane, self.now)
    }

    fn push_many(&mut self, count: usize) {
        for _ in 0..count {
            self.push(Lane::SHARED, 1);
        }
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.engine.handle_timeout(self.now);
    }

    /// Moves the clock to the engine's next timer.
    fn advance_to_timeout(&mut self) {
        let at = self.engine.poll_timeout().expect("a timer");
        self.now = self.now.max(at);
        self.engine.handle_timeout(self.now);
    }

    fn poll(&mut self) -> Option<RequestId> {
        self.engine.poll_request(self.now)
    }

    /// The next request, which must come, and the numbers that it carries.
    fn request(&mut self) -> (RequestId, Vec<u64>) {
        let id = self.poll().expect("a request");
        (id, self.numbers(id))
    }

    fn numbers(&self, id: RequestId) -> Vec<u64> {
        self.engine.batch(id).expect("in flight").iter().map(|item| item.number).collect()
    }

    fn answer(&mut self, id: RequestId, outcome: Outcome) {
        self.engine.handle_outcome(id, outcome, self.now);
    }

    /// Delivers all that is not in flight, as its time comes; gives it in the order in which it
    /// was sent.
    fn drain(&mut self) -> Vec<u64> {
        self.engine.start_flush();
        let mut sent = Vec::new();
        while self.engine.buffer.load().entries > 0 {
            while let Some(id) = self.poll() {
                sent.extend(self.numbers(id));
                self.answer(id, Outcome::Delivered);
            }
            if self.engine.buffer.load().entries > 0 {
                self.advance_to_timeout();
            }
        }
        sent
    }

    fn unsent(&self) -> Vec<u64> {
        self.engine.unsent().into_iter().map(|item| item.number).collect()
    }
}
