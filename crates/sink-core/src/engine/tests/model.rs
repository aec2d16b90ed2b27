//! The engine beside what must be true of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    history::{How, Limiting, Op, outcome},
    merged::Merged,
    *,
};
use crate::{
    engine::{Budget, Load},
    error::{Error, ErrorKind},
    rate_limit::{AdaptiveRate, Answer, RateLimiter, TokenBucket},
    settings::Ordering,
};

/// What a history begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    pub(super) limiting: Limiting,
    pub(super) ordering: Ordering,
    pub(super) dead_letters: bool,
    pub(super) max_attempts: Option<u32>,
    pub(super) max_age_ms: Option<u64>,
    /// Whether lanes are asked for only while one is held.
    pub(super) asks_late: bool,
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

/// An entry that is admitted and not settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) lane: u64,
    pub(super) tracked: bool,
    attempts: u32,
    admitted_at: Instant,
    pub(super) name: Option<u64>,
    pub(super) was_sent: bool,
}

pub(super) struct Model {
    pub(super) bench: Bench,
    pub(super) setup: Setup,
    budget: Budget,
    pub(super) unsettled: BTreeMap<u64, Entry>,
    /// What was merged into what, and what became of it.
    pub(super) merged: Merged,
    in_flight: Vec<(RequestId, Vec<u64>)>,
    over: Vec<RequestId>,
    /// Rejected entries with the handler.
    letters: Vec<u64>,
    /// Whether lanes are asked for now.
    asks_lanes: bool,
    /// Lanes of which anything was ever throttled.
    pub(super) throttled: BTreeSet<u64>,
    /// Of each entry that was ever admitted.
    lanes: BTreeMap<u64, u64>,
    /// The last entry of each lane that was settled.
    last_settled: BTreeMap<u64, u64>,
    /// What the engine should tell of tracked entries.
    told: BTreeSet<u64>,
}

impl Model {
    pub(super) fn new(setup: Setup) -> Self {
        let config = EngineConfig {
            ordering: setup.ordering,
            max_attempts: setup.max_attempts,
            max_age: setup.max_age_ms.map(Duration::from_millis),
            ..config()
        };
        let limiter: Box<dyn RateLimiter> = match setup.limiting {
            Limiting::Adaptive => {
                Box::new(AdaptiveRate::new(config.max_batch_size, config.max_in_flight_requests))
            }
            Limiting::CongestionControl => congestion_control(&config),
            Limiting::TokenBucket => Box::new(TokenBucket::new(50).bytes_per_second(500)),
            Limiting::Nothing => Box::new(Nothing),
            Limiting::EveryHundredMs => Box::new(EveryHundredMs { next: None }),
        };
        let budget = Budget::new(&config);
        let mut bench = Bench::with_limiter(config, limiter);
        if setup.dead_letters {
            bench.engine.hand_over_rejected();
        }
        Self {
            bench,
            setup,
            budget,
            unsettled: BTreeMap::new(),
            merged: Merged::default(),
            in_flight: Vec::new(),
            over: Vec::new(),
            letters: Vec::new(),
            asks_lanes: setup.ordering == Ordering::PerLane || !setup.asks_late,
            throttled: BTreeSet::new(),
            lanes: BTreeMap::new(),
            last_settled: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::Push { lane, size, tracked, name } => self.push(*lane, *size, *tracked, *name),
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
            Op::AnswerAgain { which, how } => self.answer_again(*which, how),
            Op::Letter { which, safe } => {
                if !self.letters.is_empty() {
                    self.answer_letter(*which % self.letters.len(), *safe);
                }
            }
        }
        while let Some(id) = self.bench.engine.poll_abandoned() {
            let position = self.in_flight.iter().position(|(of, _)| *of == id).expect("in flight");
            self.over.push(self.in_flight.remove(position).0);
        }
        self.take_letters();
        self.check();
    }

    fn push(&mut self, lane: u64, size: usize, tracked: bool, name: Option<u64>) {
        // What may be merged is asked for in any case.
        let is_asked = self.asks_lanes || name.is_some();
        let asked = is_asked.then_some(Lane::new(lane));
        let of = asked.unwrap_or(Lane::SHARED);
        if !self.budget.has_room(of, size) {
            return;
        }
        self.budget.take(of, size);
        let number = self.bench.engine.last_sequence + 1;
        self.lanes.insert(number, lane);
        let (item, now) = (Item::new(number, size), self.bench.now);
        let entry = Entry { lane, tracked, attempts: 0, admitted_at: now, name, was_sent: false };
        if let Some(name) = name {
            return self.push_named(Item { name, ..item }, entry);
        }
        let sequence = self.bench.engine.push_entry(item, size, asked, now, tracked);
        assert_eq!(sequence, number);
        self.unsettled.insert(number, entry);
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
                && matches!(self.setup.limiting, Limiting::CongestionControl)
                && before.in_flight_requests > 0
            {
                assert!(before.in_flight.entries + batch.len() <= window, "I3: window");
            }
            let numbers = self.bench.numbers(id);
            assert!(numbers.is_sorted(), "I4: a batch is in admission order");
            if let Some((oldest, _)) = self.bench.engine.buffer.oldest_sendable()
                && !self.bench.engine.requests.get(id).expect("just issued").alone
                && !self.bench.engine.buffer.is_half_next()
            {
                assert!(numbers.iter().all(|number| *number < oldest), "I4: lowest first");
            }
            for number in &numbers {
                let entry = self.unsettled.get_mut(number).expect("unsettled");
                (entry.attempts, entry.was_sent) = (entry.attempts + 1, true);
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
        if self.setup.ordering == Ordering::PerLane {
            let mut lanes = BTreeSet::new();
            for number in self.in_flight.iter().flat_map(|(_, numbers)| numbers) {
                let lane = self.unsettled[number].lane;
                assert!(lanes.insert(lane), "I11: two entries of lane {lane} are in flight");
                let first = self.unsettled.iter().find(|(_, entry)| entry.lane == lane);
                assert_eq!(first.map(|(first, _)| first), Some(number), "I11: oldest of its lane");
            }
        }
        engine.check_all();
    }

    fn answer(&mut self, id: RequestId, numbers: &[u64], how: &How) {
        if matches!(how, How::Bisect) && numbers.len() > 1 {
            for number in numbers {
                self.unsettled.get_mut(number).expect("unsettled").attempts -= 1;
            }
        }
        for (position, number) in numbers.iter().enumerate() {
            let (delivered, throttled) = how.of(position, numbers.len());
            let lane = self.unsettled[number].lane;
            if throttled {
                self.throttled.insert(lane);
            }
            if delivered {
                self.settled(*number);
            }
        }
        let outcome = outcome(how, numbers.len());
        if outcome.is_throttled() {
            self.find_lanes();
        }
        self.bench.answer(id, outcome);
        self.over.push(id);
    }

    fn find_lanes(&mut self) {
        let mut found = Vec::new();
        let lanes = &self.lanes;
        let lane_of = |item: &Item| Lane::new(lanes[&item.number]);
        self.bench.engine.find_lanes(lane_of, &mut found);
        self.budget.note_lanes(found);
        self.asks_lanes = true;
    }

    fn settled(&mut self, number: u64) {
        let entry = self.unsettled.remove(&number).expect("settled once");
        self.merged.settle(number);
        let last = self.last_settled.insert(entry.lane, number);
        if self.setup.ordering == Ordering::PerLane {
            assert!(last < Some(number), "I11: lane {} out of order at {number}", entry.lane);
        }
        if entry.tracked {
            self.told.insert(number);
        }
    }

    fn answer_again(&mut self, which: usize, how: &How) {
        if self.over.is_empty() {
            return;
        }
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

    /// Takes what the engine hands over to the dead letters.
    fn take_letters(&mut self) {
        while let Some(number) = self.bench.engine.poll_rejected() {
            let rejected = self.bench.engine.rejected_entry(number).expect("handed over");
            let entry = self.unsettled[&number];
            assert_eq!((rejected.sequence, rejected.entry.number), (number, number));
            assert_eq!(rejected.attempts, entry.attempts, "each attempt counts, halving does not");
            match rejected.reason.code() {
                "MaxAttempts" => assert_eq!(Some(entry.attempts), self.setup.max_attempts),
                "MaxAge" => {
                    let age = self.bench.now - entry.admitted_at;
                    assert!(age.as_millis() >= self.setup.max_age_ms.expect("set").into());
                }
                code => assert_eq!(code, "Invalid"),
            }
            assert!(!self.letters.contains(&number), "handed over once");
            self.letters.push(number);
        }
    }

    fn answer_letter(&mut self, which: usize, safe: bool) {
        let number = self.letters.remove(which);
        if safe {
            self.settled(number);
            self.bench.engine.handle_dead_letter(number, Ok(()));
            self.bench.engine.handle_dead_letter(number, Ok(())); // changes nothing
        } else {
            let error = Error::new(ErrorKind::Fatal, "dead_letter", "disk full");
            self.bench.engine.handle_dead_letter(number, Err(error));
        }
    }

    fn check(&mut self) {
        let mut lanes = Vec::new();
        let settled = self.bench.engine.take_settled(&mut lanes);
        self.budget.give_back(settled, lanes);
        let mut of_lanes: BTreeMap<_, Load> = BTreeMap::new();
        for queued in self.bench.engine.held().filter(|queued| queued.lane != Lane::SHARED) {
            of_lanes.entry(queued.lane).or_default().add(queued.size);
        }
        assert_eq!(self.budget.of_lanes(), of_lanes, "the budget holds what is held of each lane");
        if self.asks_lanes && self.bench.engine.fatal().is_none() {
            assert!(self.bench.engine.held().all(|queued| queued.is_asked), "I12");
        }
        if self.bench.engine.held_lanes() == 0 {
            self.asks_lanes = self.setup.ordering == Ordering::PerLane || !self.setup.asks_late;
        }
        let told: BTreeSet<_> =
            self.bench.engine.take_settled_tracked().map(|(number, _)| number).collect();
        assert_eq!(told, std::mem::take(&mut self.told), "tracked entries are told of once");
        let engine = &self.bench.engine;
        assert_eq!(self.budget.held(), engine.unsettled(), "I6: the budget holds what is held");
        let expected: Vec<_> = self.unsettled.keys().copied().collect();
        assert_eq!(self.bench.unsent(), expected, "I5: unsent is what is not settled, in order");
        self.merged.check(&engine.unsent(), engine.last_sequence);
        let bytes: usize = engine.unsent().iter().map(|item| item.size).sum();
        assert_eq!(engine.unsettled().bytes, bytes, "I1: bytes are those of the merged entries");
        let first = expected.first().copied().unwrap_or(engine.last_sequence + 1);
        assert_eq!(engine.settled_up_to(), first - 1, "settled without a gap");
        assert_eq!(engine.requests.len(), self.in_flight.len());
        if self.setup.ordering == Ordering::None {
            for lane in engine.buffer.lanes_held() {
                assert!(
                    lane != Lane::SHARED && self.throttled.iter().any(|of| Lane::new(*of) == lane),
                    "I10: {lane:?} is held back and was never throttled"
                );
            }
        }
        engine.buffer.check();
        engine.requests.check();
    }

    /// Follows the timers with a destination that takes everything, until nothing is left.
    pub(super) fn drain(&mut self) {
        self.bench.engine.start_flush();
        for _ in 0..2000 {
            self.bench.engine.handle_timeout(self.bench.now);
            self.poll();
            if !self.in_flight.is_empty() {
                self.apply(&Op::Answer { which: 0, how: How::Delivered });
            } else if !self.letters.is_empty() {
                self.apply(&Op::Letter { which: 0, safe: true });
            } else if self.bench.engine.unsettled().entries == 0 {
                assert_eq!(self.budget.held(), Load::default());
                return self.forget_lanes();
            } else {
                self.apply(&Op::AdvanceToTimeout);
            }
        }
        panic!("I8: not drained: {:?}", self.bench.engine);
    }

    /// Once nothing is left, lanes are forgotten: those in order at once, paced ones after a while.
    fn forget_lanes(&mut self) {
        self.bench.advance(Duration::from_secs(11));
        assert_eq!(self.bench.engine.stats(self.bench.now).held_lanes, 0, "lanes leave nothing");
        assert_eq!(self.bench.engine.poll_timeout(), None, "an idle engine waits for nothing");
    }

    /// A stopped engine gives back everything.
    pub(super) fn give_back(self) {
        let expected: Vec<_> = self.unsettled.into_keys().collect();
        let last_sequence = self.bench.engine.last_sequence;
        let kept = self.bench.engine.into_unsent();
        self.merged.check(&kept.iter().collect::<Vec<_>>(), last_sequence);
        let kept: Vec<_> = kept.into_iter().map(|item| item.number).collect();
        assert_eq!(kept, expected, "a stopped engine gives back everything");
    }
}
