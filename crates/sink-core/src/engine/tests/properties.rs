//! Random histories, with what a hostile peer does among them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    engine::Budget,
    error::{Error, ErrorKind},
    rate_limit::Answer,
};

/// What can happen to an engine.
#[derive(Debug, Clone)]
enum Op {
    Push {
        lane: u64,
        size: usize,
    },
    Advance {
        ms: u64,
    },
    AdvanceToTimeout,
    Poll,
    Flush,
    Answer {
        which: usize,
        how: How,
    },
    /// Answers a request that was answered or given up before.
    AnswerAgain {
        which: usize,
        how: How,
    },
}

/// How a destination answers.
#[derive(Debug, Clone)]
enum How {
    Delivered,
    /// Bits say which entries fail, and whether throttled.
    Partial {
        failed: u32,
        throttled: u32,
        retry_after: Option<u64>,
    },
    ThrottleAll,
    UnavailableAll,
    TimeoutAll,
    WrongLength(usize),
    Fatal,
    Reject(usize),
}

#[derive(Debug, Clone, Copy)]
enum Limiting {
    CongestionControl,
    Nothing,
    EveryHundredMs,
}

/// Lets one entry go each 100 ms.
#[derive(Debug)]
struct EveryHundredMs {
    next: Option<Instant>,
}

impl RateLimiter for EveryHundredMs {
    fn allowance(&mut self, now: Instant) -> usize {
        usize::from(self.next.is_none_or(|next| next <= now))
    }
    fn on_issue(&mut self, _: usize, _: usize, now: Instant) {
        self.next = Some(now + Duration::from_millis(100));
    }
    fn on_settle(&mut self, _: &Answer, _: Instant) {}
    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
    fn max_batch_size(&self) -> usize {
        1
    }
}

/// Never lets anything go.
#[derive(Debug)]
struct Nothing;

impl RateLimiter for Nothing {
    fn allowance(&mut self, _: Instant) -> usize {
        0
    }
    fn on_issue(&mut self, _: usize, _: usize, _: Instant) {}
    fn on_settle(&mut self, _: &Answer, _: Instant) {}
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        6 => Just(How::Delivered),
        6 => (any::<u32>(), any::<u32>(), proptest::option::of(0..500_u64))
            .prop_map(|(failed, throttled, retry_after)| How::Partial { failed, throttled, retry_after }),
        2 => Just(How::ThrottleAll),
        2 => Just(How::UnavailableAll),
        1 => Just(How::TimeoutAll),
        1 => (0..8_usize).prop_map(How::WrongLength),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let how_or_worse = prop_oneof![
        40 => how(),
        1 => Just(How::Fatal),
        1 => (0..4_usize).prop_map(How::Reject),
    ];
    prop_oneof![
        10 => (0..4_u64, 0..=40_usize).prop_map(|(lane, size)| Op::Push { lane, size }),
        2 => (0..3000_u64).prop_map(|ms| Op::Advance { ms }),
        2 => Just(Op::AdvanceToTimeout),
        6 => Just(Op::Poll),
        1 => Just(Op::Flush),
        6 => (any::<usize>(), how_or_worse).prop_map(|(which, how)| Op::Answer { which, how }),
        1 => (any::<usize>(), how()).prop_map(|(which, how)| Op::AnswerAgain { which, how }),
    ]
}

/// The engine beside what must be true of it.
struct Model {
    bench: Bench,
    budget: Budget,
    /// Lane of each entry that is admitted and not settled.
    unsettled: BTreeMap<u64, u64>,
    in_flight: Vec<(RequestId, Vec<u64>)>,
    over: Vec<RequestId>,
    always_one: bool,
}

impl Model {
    fn new(limiting: Limiting) -> Self {
        let config = config();
        let limiter: Box<dyn RateLimiter> = match limiting {
            Limiting::CongestionControl => congestion_control(&config),
            Limiting::Nothing => Box::new(Nothing),
            Limiting::EveryHundredMs => Box::new(EveryHundredMs { next: None }),
        };
        let budget = Budget::new(config.max_buffered_requests, config.max_buffered_bytes);
        Self {
            bench: Bench::with_limiter(config, limiter),
            budget,
            unsettled: BTreeMap::new(),
            in_flight: Vec::new(),
            over: Vec::new(),
            always_one: !matches!(limiting, Limiting::CongestionControl),
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Push { lane, size } => {
                if self.budget.has_room(*size) {
                    self.budget.take(*size);
                    let number = self.bench.push(Lane::new(*lane), *size);
                    self.unsettled.insert(number, *lane);
                }
            }
            Op::Advance { ms } => self.bench.advance(Duration::from_millis(*ms)),
            Op::AdvanceToTimeout => {
                if self.bench.engine.poll_timeout().is_some() {
                    self.bench.advance_to_timeout();
                }
            }
            Op::Poll => self.poll(),
            Op::Flush => {
                self.bench.engine.start_flush();
            }
            Op::Answer { which, how } => {
                if !self.in_flight.is_empty() {
                    let (id, numbers) = self.in_flight.remove(which % self.in_flight.len());
                    self.answer(id, &numbers, how);
                }
            }
            Op::AnswerAgain { which, how } => {
                if !self.over.is_empty() {
                    let id = self.over[which % self.over.len()];
                    let before = self.bench.unsent();
                    let stats = self.bench.engine.stats(self.bench.now);
                    self.bench.answer(id, outcome(how, 4));
                    let after = self.bench.engine.stats(self.bench.now);
                    assert_eq!(self.bench.unsent(), before, "I7");
                    assert_eq!(after.counters.delivered, stats.counters.delivered, "I7");
                    assert_eq!(after.in_flight, stats.in_flight, "I7");
                    assert_eq!(after.counters.late_answers, stats.counters.late_answers + 1);
                }
            }
        }
        while let Some(id) = self.bench.engine.poll_abandoned() {
            let position = self.in_flight.iter().position(|(of, _)| *of == id).expect("in flight");
            self.over.push(self.in_flight.remove(position).0);
        }
        self.check();
    }

    fn poll(&mut self) {
        loop {
            let before = self.bench.engine.stats(self.bench.now);
            let Some(id) = self.bench.poll() else { break };
            let config = self.bench.engine.config().clone();
            let batch = self.bench.engine.batch(id).expect("just issued");
            assert!((1..=config.max_batch_size).contains(&batch.len()), "I2: count");
            assert!(batch.size_bytes() <= config.max_batch_size_in_bytes, "I2: bytes");
            if let Some(window) = before.window
                && before.in_flight_requests > 0
            {
                assert!(before.in_flight.entries + batch.len() <= window, "I3: window");
            }
            let numbers = self.bench.numbers(id);
            assert!(numbers.is_sorted(), "I4: a batch is in admission order");
            if let Some((oldest, _)) = self.bench.engine.buffer.oldest_sendable() {
                assert!(numbers.iter().all(|number| *number < oldest), "I4: lowest first");
            }
            self.in_flight.push((id, numbers));
        }
        let engine = &self.bench.engine;
        if engine.fatal().is_none()
            && !engine.blocked
            && let Some((_, admitted_at)) = engine.buffer.oldest_sendable()
        {
            let waited = self.bench.now.duration_since(admitted_at);
            assert!(waited < engine.config().max_time_in_buffer, "I9: waited {waited:?}");
        }
        engine.check_all();
    }

    fn answer(&mut self, id: RequestId, numbers: &[u64], how: &How) {
        for (position, number) in numbers.iter().enumerate() {
            let delivered = match how {
                How::Delivered => true,
                How::Partial { failed, .. } => failed >> (position % 32) & 1 == 0,
                How::WrongLength(length) => *length == numbers.len(),
                How::Reject(which) => *which != position,
                How::ThrottleAll | How::UnavailableAll | How::TimeoutAll | How::Fatal => false,
            };
            if delivered {
                self.unsettled.remove(number).expect("settled once");
            }
        }
        self.bench.answer(id, outcome(how, numbers.len()));
        self.over.push(id);
    }

    fn check(&mut self) {
        let settled = self.bench.engine.take_settled();
        self.budget.give_back(settled);
        let engine = &self.bench.engine;
        assert_eq!(self.budget.held(), engine.unsettled(), "I6: the budget holds what is held");
        let expected: Vec<_> = self.unsettled.keys().copied().collect();
        assert_eq!(self.bench.unsent(), expected, "I5: unsent is what is not settled, in order");
        let first = expected.first().copied().unwrap_or(engine.last_sequence + 1);
        assert_eq!(engine.settled_up_to(), first - 1, "settled without a gap");
        assert_eq!(engine.requests.len(), self.in_flight.len());
        engine.buffer.check();
        engine.requests.check();
    }

    /// Follows the timers with a destination that takes everything, until nothing is left.
    fn drain(&mut self) {
        self.bench.engine.start_flush();
        let steps = if self.always_one { 500 } else { 200 };
        for _ in 0..steps {
            self.bench.engine.handle_timeout(self.bench.now);
            self.poll();
            if self.in_flight.is_empty() {
                if self.bench.engine.unsettled().entries == 0 {
                    return;
                }
                self.apply(&Op::AdvanceToTimeout);
            } else {
                self.apply(&Op::Answer { which: 0, how: How::Delivered });
            }
        }
        panic!("I8: not drained after {steps} steps: {:?}", self.bench.engine);
    }
}

fn outcome(how: &How, sent: usize) -> Outcome {
    match how {
        How::Delivered => Outcome::Delivered,
        How::Partial { failed, throttled, retry_after } => {
            let retry_after = retry_after.map(Duration::from_millis);
            let verdicts = (0..sent).map(|position| {
                let bit = position % 32;
                match (failed >> bit & 1, throttled >> bit & 1) {
                    (0, _) => Verdict::Delivered,
                    (_, 0) => Verdict::Retry(Cause::Unavailable),
                    (_, _) => Verdict::Retry(Cause::Throttled { retry_after }),
                }
            });
            Outcome::per_entry(sent, verdicts)
        }
        How::ThrottleAll => Outcome::RetryAll(Cause::THROTTLED, Reason::new("Throttling", "")),
        How::UnavailableAll => unavailable_all(),
        How::TimeoutAll => Outcome::RetryAll(Cause::Timeout, Reason::new("Timeout", "")),
        How::WrongLength(length) => {
            Outcome::per_entry(sent, std::iter::repeat_n(Verdict::Delivered, *length))
        }
        How::Fatal => Outcome::Fatal(Error::new(ErrorKind::Fatal, "test", "denied")),
        How::Reject(which) => Outcome::per_entry(
            sent,
            (0..sent).map(|position| {
                if position == *which {
                    Verdict::Reject(Reason::new("Invalid", ""))
                } else {
                    Verdict::Delivered
                }
            }),
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_engine_loses_nothing_reorders_nothing_and_always_drains(
        limiting in prop_oneof![
            8 => Just(Limiting::CongestionControl),
            1 => Just(Limiting::Nothing),
            1 => Just(Limiting::EveryHundredMs),
        ],
        ops in proptest::collection::vec(op(), 1..120),
    ) {
        let mut model = Model::new(limiting);
        for op in &ops {
            model.apply(op);
        }
        if model.bench.engine.fatal().is_none() {
            model.drain();
        } else {
            let expected: Vec<_> = model.unsettled.into_keys().collect();
            let kept: Vec<_> =
                model.bench.engine.into_unsent().into_iter().map(|item| item.number).collect();
            prop_assert_eq!(kept, expected, "a stopped engine gives back everything");
        }
    }
}

/// 10,000 histories, or as many as `PROPTEST_CASES` says.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000)
}
