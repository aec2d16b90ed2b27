//! Lanes that are found out late.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    history::{self, Op, op, outcome},
    *,
};
use crate::engine::{Budget, Load, Stats};
#[cfg(feature = "tokio")]
use crate::{destination::Queued, engine::Chunk};

/// An engine that knows each lane from the beginning, and one that is told when something is
/// throttled.
struct Twins {
    early: Bench,
    late: Bench,
    /// Of entries, in the order of their admission.
    lanes: Vec<Lane>,
    budgets: [Budget; 2],
    /// Whether the late one is told the lane of what comes.
    asks_lanes: bool,
    in_flight: Vec<RequestId>,
}

impl Twins {
    fn new() -> Self {
        let limiter = || {
            let config = config();
            let requests = config.max_in_flight_requests;
            Box::new(crate::rate_limit::AdaptiveRate::new(config.max_batch_size, requests))
        };
        let early = Bench::with_limiter(config(), limiter());
        let mut late = Bench::with_limiter(config(), limiter());
        late.now = early.now;
        let budgets = [Budget::new(&config()), Budget::new(&config())];
        let (lanes, in_flight) = (Vec::new(), Vec::new());
        let mut twins = Self { early, late, lanes, budgets, asks_lanes: false, in_flight };
        twins.both(|bench| bench.engine.hand_over_rejected());
        twins
    }

    /// Does the same with both, which must give the same.
    fn both<R: PartialEq + std::fmt::Debug>(&mut self, act: impl Fn(&mut Bench) -> R) -> R {
        let (early, late) = (act(&mut self.early), act(&mut self.late));
        assert_eq!(early, late);
        early
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Push { lane, size, tracked, .. } => {
                let asked = [Some(Lane::new(*lane)), self.asks_lanes.then_some(Lane::new(*lane))];
                self.lanes.push(Lane::new(*lane));
                let number = self.lanes.len() as u64;
                for ((bench, budget), lane) in
                    [&mut self.early, &mut self.late].into_iter().zip(&mut self.budgets).zip(asked)
                {
                    budget.take(lane.unwrap_or(Lane::SHARED), *size);
                    let item = Item::new(number, *size);
                    bench.engine.push_entry(item, *size, lane, bench.now, *tracked);
                }
            }
            Op::Advance { ms } => self.both(|bench| bench.advance(Duration::from_millis(*ms))),
            Op::AdvanceToTimeout => {
                if self.early.engine.poll_timeout().is_some() {
                    self.both(Bench::advance_to_timeout);
                }
            }
            Op::Poll => {
                while let Some(id) = self.both(Bench::poll) {
                    self.in_flight.push(id);
                }
            }
            Op::Flush => {
                self.both(|bench| bench.engine.start_flush());
            }
            Op::Answer { which, how } => {
                if !self.in_flight.is_empty() {
                    let id = self.in_flight.remove(which % self.in_flight.len());
                    let sent = self.both(|bench| bench.engine.batch(id).map_or(0, |b| b.len()));
                    if outcome(how, sent).is_throttled() {
                        self.find_lanes();
                    }
                    self.both(|bench| bench.answer(id, outcome(how, sent)));
                }
            }
            Op::AnswerAgain { .. } => {}
            Op::Letter { safe, .. } => {
                if *safe && let Some(number) = self.both(|bench| bench.engine.poll_rejected()) {
                    self.both(|bench| bench.engine.handle_dead_letter(number, Ok(())));
                }
            }
        }
        self.check();
    }

    fn find_lanes(&mut self) {
        let mut found = Vec::new();
        let lane_of = |item: &Item| self.lanes[usize::try_from(item.number).unwrap() - 1];
        self.late.engine.find_lanes(lane_of, &mut found);
        self.budgets[1].note_lanes(found);
        self.asks_lanes = true;
    }

    fn check(&mut self) {
        for (bench, budget) in [&mut self.early, &mut self.late].into_iter().zip(&mut self.budgets)
        {
            let mut lanes = Vec::new();
            let settled = bench.engine.take_settled(&mut lanes);
            budget.give_back(settled, lanes);
            let mut of_lanes: BTreeMap<_, Load> = BTreeMap::new();
            for queued in bench.engine.held().filter(|queued| queued.lane != Lane::SHARED) {
                of_lanes.entry(queued.lane).or_default().add(queued.size);
            }
            assert_eq!(budget.of_lanes(), of_lanes);
        }
        let _: Vec<_> = self.both(|bench| bench.engine.take_settled_tracked().collect());
        let _: Vec<_> = self.both(|bench| bench.unsent());
        let _: (u64, Option<Instant>, Stats) = self.both(|bench| {
            let engine = &bench.engine;
            (engine.settled_up_to(), engine.poll_timeout(), engine.stats(bench.now))
        });
        let numbers = self.in_flight.clone();
        let _: Vec<Option<Vec<u64>>> = self.both(|bench| {
            let numbers = numbers.iter().map(|id| {
                let batch = bench.engine.batch(*id)?;
                Some(batch.iter().map(|item| item.number).collect())
            });
            numbers.collect()
        });
        if self.asks_lanes {
            assert!(self.late.engine.held().all(|queued| queued.is_asked), "I12");
            assert_eq!(self.budgets[0].of_lanes(), self.budgets[1].of_lanes());
        }
        if self.late.engine.held_lanes() == 0 {
            self.asks_lanes = false;
        }
        self.late.engine.buffer.check();
        self.late.engine.requests.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn who_is_told_of_lanes_when_one_is_throttled_does_what_it_would_have_done(
        ops in proptest::collection::vec(op(), 1..120),
    ) {
        let mut twins = Twins::new();
        for op in &ops {
            twins.apply(op);
        }
    }
}

#[test]
fn each_entry_is_asked_for_once_wherever_it_is() {
    let mut bench = Bench::new(config());
    bench.engine.hand_over_rejected();
    let push = |bench: &mut Bench, count| {
        for _ in 0..count {
            let item = Item::new(bench.engine.last_sequence + 1, 1);
            bench.engine.push_unasked(item, 1, bench.now);
        }
    };
    push(&mut bench, 4);
    let (id, _) = bench.request();
    let reject = Verdict::Reject(history::invalid());
    let verdicts = [reject, Verdict::Retry(Cause::Unavailable), Verdict::Delivered, throttled()];
    // None is in a lane yet: this is what the sink's limiter hears of.
    bench.answer(id, Outcome::per_entry(4, verdicts));
    push(&mut bench, 7);
    bench.push(Lane::new(9), 1);
    let (in_flight, _) = bench.request();
    let mut asked = Vec::new();
    let mut found = Vec::new();
    let lane_of = |item: &Item| {
        asked.push(item.number);
        Lane::new(item.number % 2)
    };
    bench.engine.find_lanes(lane_of, &mut found);
    asked.sort_unstable();
    assert_eq!(asked, [1, 2, 4, 5, 6, 7, 8, 9, 10, 11], "but 12, which was known");
    assert_eq!(found, [(Lane::new(1), 1); 5]);
    bench.engine.find_lanes(|_| panic!("again"), &mut found);
    bench.answer(in_flight, Outcome::Delivered);
    let mut lanes = Vec::new();
    bench.engine.take_settled(&mut lanes);
    assert_eq!(lanes, [(Lane::new(1), 1); 2], "5 and 7");
    bench.engine.check_all();
}

#[cfg(feature = "tokio")] // chunks come from the inbox
#[test]
fn a_chunk_that_turns_out_to_have_lanes_is_settled_in_them() {
    let mut bench = Bench::new(config());
    let mut chunk = Chunk::default();
    for sequence in 1..=4 {
        let (entry, admitted_at) = (Item::new(sequence, 1), bench.now);
        let (lane, is_asked, attempts, tracked) = (Lane::SHARED, false, 0, false);
        let size = 1;
        chunk.push(Queued {
            entry,
            sequence,
            size,
            lane,
            is_asked,
            attempts,
            tracked,
            admitted_at,
        });
    }
    let load = chunk.load();
    assert!(bench.engine.push_all(&mut [chunk].into(), load));
    bench.engine.find_lanes(|_| Lane::new(1), &mut Vec::new());
    let (id, _) = bench.request();
    bench.answer(id, Outcome::Delivered);
    let mut lanes = Vec::new();
    bench.engine.take_settled(&mut lanes);
    assert_eq!(lanes, [(Lane::new(1), 1); 4]);
}

#[test]
fn a_panic_leaves_what_was_found_and_nothing_else() {
    let mut bench = Bench::new(config());
    let mut budget = Budget::new(&config());
    for number in 1..=6 {
        bench.engine.push_unasked(Item::new(number, 1), 1, bench.now);
        budget.take(Lane::SHARED, 1);
    }
    let (id, _) = bench.request();
    let mut found = Vec::new();
    let lane_of = |item: &Item| {
        assert!(item.number != 2, "told to panic");
        Lane::new(1)
    };
    let asking = std::panic::AssertUnwindSafe(|| bench.engine.find_lanes(lane_of, &mut found));
    std::panic::catch_unwind(asking).unwrap_err();
    budget.note_lanes(found);
    bench.answer(id, Outcome::Delivered);
    assert_eq!(bench.drain(), [5, 6]);
    let mut lanes = Vec::new();
    let settled = bench.engine.take_settled(&mut lanes);
    budget.give_back(settled, lanes);
    assert_eq!((budget.held(), budget.of_lanes().len()), (Load::default(), 0));
}

#[test]
fn a_lane_that_has_nearly_all_is_noticed_and_one_that_has_half_is_not() {
    let mostly_one = |count: u64, lane_of: &dyn Fn(u64) -> u64| {
        let mut bench = Bench::new(config());
        for number in 1..=count {
            bench.engine.push_unasked(Item::new(number, 1), 1, bench.now);
        }
        let mut asked = 0;
        let is_one = bench.engine.is_mostly_one_lane(|item| {
            asked += 1;
            Lane::new(lane_of(item.number))
        });
        assert!(asked <= 96, "{asked} of {count} looked at");
        is_one
    };
    for count in [1, 6, 64, 100, 10_000, 35_000] {
        assert!(mostly_one(count, &|_| 1), "{count}");
        assert!(!mostly_one(count, &|_| 0), "{count}: the shared lane has no part");
    }
    for count in [64, 100, 10_000, 35_000] {
        for lanes in [2, 4, 5, 16, 64, 500] {
            assert!(!mostly_one(count, &|number| 1 + number % lanes), "{count} of {lanes} in turn");
            let in_halves = |number| 1 + u64::from(number > count / 2);
            assert!(!mostly_one(count, &in_halves), "{count}, one behind the other");
        }
    }
    assert!(!mostly_one(0, &|_| 1));
}
