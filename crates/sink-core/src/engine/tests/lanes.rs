//! Lanes: throttled, in order, and their part of the budget.

use std::collections::BTreeSet;

use super::{history::invalid, *};
use crate::engine::{Budget, Load};

const MS: Duration = Duration::from_millis(1);

fn in_order() -> EngineConfig {
    EngineConfig { ordering: Ordering::PerLane, ..config() }
}

/// Answers: the entries of this lane are throttled, the others delivered.
fn throttle_lane(bench: &mut Bench, id: RequestId, lanes: &[Lane], throttled_lane: Lane) {
    let verdicts = lanes
        .iter()
        .map(|lane| if *lane == throttled_lane { throttled() } else { Verdict::Delivered });
    let outcome = Outcome::per_entry(lanes.len(), verdicts);
    bench.answer(id, outcome);
}

#[test]
fn one_hot_lane_takes_nothing_from_fifteen_others() {
    let lanes: Vec<_> = (1..=16).map(Lane::new).collect();
    let mut config = config();
    config.max_batch_size = 16;
    config.max_batch_size_in_bytes = 1000;
    let limiter = crate::rate_limit::AdaptiveRate::new(16, 3);
    let mut bench = Bench::with_limiter(config, Box::new(limiter));
    let mut sent_of_others = 0;
    for _ in 0..1000 {
        for lane in &lanes[1..] {
            bench.push(*lane, 1);
        }
        if bench.engine.buffer.load().entries < 100 {
            bench.push(lanes[0], 1);
        }
        bench.engine.start_flush();
        let ids: Vec<_> = std::iter::from_fn(|| bench.poll()).collect();
        bench.now += 20 * MS;
        for id in ids {
            let request = bench.engine.requests.get(id).expect("in flight");
            let of: Vec<_> = request.batch.iter().map(|queued| queued.lane).collect();
            sent_of_others += of.iter().filter(|lane| **lane != lanes[0]).count();
            throttle_lane(&mut bench, id, &of, lanes[0]);
        }
        bench.advance(20 * MS);
    }
    let left = bench.engine.unsettled().entries;
    assert!(left < 150, "{left} wait: those of the hot lane, and the last ones");
    assert!(sent_of_others >= 15 * 1000 * 99 / 100, "{sent_of_others} of 15,000");
}

#[test]
fn a_throttled_lane_goes_on_at_the_pace_that_it_took() {
    let lane = Lane::new(1);
    let mut bench =
        Bench::new(EngineConfig { max_batch_size: 100, max_batch_size_in_bytes: 100, ..config() });
    for _ in 0..20_000 {
        bench.push(lane, 1);
    }
    // The lane takes fifty entries each 100 ms: 500 a second.
    let start = bench.now;
    let (mut left, mut refill_at) = (50, start);
    let (mut delivered, mut sent) = (0, 0);
    while bench.now < start + 20_000 * MS {
        if bench.now >= refill_at {
            (left, refill_at) = (50, refill_at + 100 * MS);
        }
        bench.engine.start_flush();
        while let Some(id) = bench.poll() {
            let count = bench.numbers(id).len();
            let taken = count.min(left);
            left -= taken;
            bench.now += MS;
            let verdicts = (0..count)
                .map(|position| if position < taken { Verdict::Delivered } else { throttled() });
            bench.answer(id, Outcome::per_entry(count, verdicts));
            if bench.now > start + 5_000 * MS {
                (delivered, sent) = (delivered + taken, sent + count);
            }
        }
        bench.advance(MS);
    }
    assert!(delivered >= 15 * 500 * 95 / 100, "{delivered} of 7,500");
    assert!(sent - delivered <= sent / 20, "{} of {sent} were wasted", sent - delivered);
}

#[test]
fn what_comes_new_in_a_throttled_lane_leaves_at_its_pace() {
    let lane = Lane::new(1);
    let mut bench = Bench::new(config());
    for _ in 0..4 {
        bench.push(lane, 1);
    }
    let (id, _) = bench.request();
    let verdicts = [Verdict::Delivered, throttled(), throttled(), throttled()];
    bench.answer(id, Outcome::per_entry(4, verdicts));
    bench.engine.start_flush();
    while bench.engine.unsettled().entries > 0 {
        bench.advance(MS);
        if let Some(id) = bench.poll() {
            bench.answer(id, Outcome::Delivered);
        }
    }
    assert_eq!(bench.engine.stats(bench.now).held_lanes, 1, "its pace is remembered");
    bench.push(lane, 1);
    bench.engine.start_flush();
    assert_eq!(bench.poll(), None, "it waits for its lane");
    bench.advance(60 * MS); // twenty a second, at least
    assert_eq!(bench.request().1, [5]);
}

#[test]
fn lanes_that_come_and_go_leave_nothing_behind_even_if_each_was_throttled() {
    let mut bench = Bench::new(config());
    for number in 1..20_000 {
        bench.push(Lane::new(number), 1);
        bench.engine.start_flush();
        let (id, numbers) = bench.request();
        bench.answer(id, Outcome::per_entry(numbers.len(), numbers.iter().map(|_| throttled())));
        while bench.engine.unsettled().entries > 0 {
            bench.advance_to_timeout();
            while let Some(id) = bench.poll() {
                bench.answer(id, Outcome::Delivered);
            }
        }
        let held = bench.engine.stats(bench.now).held_lanes;
        assert!(held <= 2_000, "{held} lanes are remembered"); // those of the last ten seconds
    }
    bench.advance(11_000 * MS);
    assert_eq!(bench.engine.stats(bench.now).held_lanes, 0);
}

#[test]
fn in_order_a_request_has_one_entry_of_a_lane() {
    let (a, b) = (Lane::new(1), Lane::new(2));
    let mut bench = Bench::new(in_order());
    for lane in [a, a, b, a, b] {
        bench.push(lane, 1);
    }
    bench.engine.start_flush();
    let (first, numbers) = bench.request();
    assert_eq!(numbers, [1, 3]);
    assert_eq!(bench.poll(), None, "the rest waits for these");
    bench.answer(first, Outcome::Delivered);
    assert_eq!(bench.request().1, [2, 5]);
    bench.engine.check_all();
}

#[test]
fn in_order_a_failed_entry_blocks_its_lane_and_no_other() {
    let (a, b) = (Lane::new(1), Lane::new(2));
    for (verdict, waits) in [
        (throttled(), 100 * MS),
        (Verdict::Retry(Cause::Unavailable), 100 * MS),
        (Verdict::Retry(Cause::Timeout), 100 * MS),
        (Verdict::Retry(Cause::Throttled { retry_after: Some(700 * MS) }), 700 * MS),
    ] {
        let mut bench = Bench::new(in_order());
        for lane in [a, b, a, b] {
            bench.push(lane, 1);
        }
        bench.engine.start_flush();
        let (id, _) = bench.request();
        bench.answer(id, Outcome::per_entry(2, [verdict, Verdict::Delivered]));
        assert_eq!(bench.request().1, [4], "lane b goes on");
        assert_eq!(bench.poll(), None, "3 must not overtake 1");
        bench.advance(waits);
        let (again, numbers) = bench.request();
        assert_eq!(numbers, [1]);
        bench.answer(again, Outcome::Delivered);
        assert_eq!(bench.request().1, [3]);
        bench.engine.check_all();
    }
}

#[test]
fn in_order_a_request_that_times_out_keeps_its_lanes_waiting() {
    let lane = Lane::new(1);
    let mut bench = Bench::new(in_order());
    bench.push(lane, 1);
    bench.push(lane, 1);
    bench.engine.start_flush();
    let (late, _) = bench.request();
    bench.advance(30_000 * MS);
    bench.advance(100 * MS);
    let (again, numbers) = bench.request();
    assert_eq!(numbers, [1]);
    bench.answer(late, Outcome::Delivered); // too late to let anything go
    assert_eq!(bench.poll(), None);
    bench.answer(again, Outcome::Delivered);
    assert_eq!(bench.request().1, [2]);
}

#[test]
fn in_order_a_dead_letter_holds_its_lane_until_it_is_safe() {
    let lane = Lane::new(1);
    let mut bench = Bench::new(in_order());
    bench.engine.hand_over_rejected();
    bench.push(lane, 1);
    bench.push(lane, 1);
    bench.engine.start_flush();
    let (id, _) = bench.request();
    bench.answer(id, Outcome::RejectAll(invalid()));
    assert_eq!(bench.engine.poll_rejected(), Some(1));
    assert_eq!(bench.poll(), None);
    bench.engine.handle_dead_letter(1, Ok(()));
    assert_eq!(bench.request().1, [2]);
}

#[test]
fn in_order_a_lane_is_forgotten_with_its_last_entry() {
    let mut bench = Bench::new(in_order());
    for number in 1..1000 {
        bench.push(Lane::new(number), 1);
        bench.engine.start_flush();
        let (id, _) = bench.request();
        assert_eq!(bench.engine.stats(bench.now).held_lanes, 1);
        bench.answer(id, Outcome::Delivered);
        assert_eq!(bench.engine.stats(bench.now).held_lanes, 0);
    }
    assert_eq!(bench.engine.poll_timeout(), None);
}

#[test]
fn a_lane_holds_as_much_as_it_leaves_free() {
    let (hot, other, third) = (Lane::new(1), Lane::new(2), Lane::new(3));
    let mut budget = Budget::new(&config()); // 40 entries, 1000 bytes, requests of 4
    let fill = |budget: &mut Budget, lane: Lane| {
        let mut held = 0;
        while budget.has_room(lane, 1) {
            budget.take(lane, 1);
            held += 1;
        }
        held
    };
    assert_eq!(fill(&mut budget, hot), 20);
    assert!(!budget.lane_has_room(hot, 1));
    assert_eq!(fill(&mut budget, other), 10);
    assert_eq!(fill(&mut budget, third), 5);
    assert_eq!(fill(&mut budget, Lane::SHARED), 5, "which is nobody's, and takes the rest");
    assert!(!budget.has_room(Lane::new(4), 1), "the sink is full");
    assert!(budget.lane_has_room(Lane::new(4), 1), "and not the lane");
    budget.give_back(Load { entries: 12, bytes: 12 }, std::iter::repeat_n((hot, 1), 12));
    assert_eq!(fill(&mut budget, hot), 2, "the others' part counts too");
}

#[test]
fn a_lane_may_always_hold_one_request() {
    let lane = Lane::new(1);
    let mut budget = Budget::new(&config());
    for _ in 0..36 {
        budget.take(Lane::SHARED, 1);
    }
    let mut held = 0;
    while budget.has_room(lane, 1) {
        budget.take(lane, 1);
        held += 1;
    }
    assert_eq!(held, 4);
}

#[test]
fn a_lanes_bytes_count_as_its_entries_do() {
    let lane = Lane::new(1);
    let mut config = config();
    config.max_batch_size_in_bytes = 100;
    let mut budget = Budget::new(&config); // 1000 bytes
    for _ in 0..12 {
        assert!(budget.has_room(lane, 40));
        budget.take(lane, 40);
    }
    assert_eq!(budget.held().bytes, 480);
    assert!(budget.has_room(lane, 40), "480 and 40 are no more than the 520 that are free");
    budget.take(lane, 40);
    assert!(!budget.has_room(lane, 40));
    assert!(budget.has_room(Lane::new(2), 40));
}

#[test]
fn the_budget_forgets_lanes_that_hold_nothing() {
    let mut budget = Budget::new(&config());
    for number in 1..100_000 {
        let lane = Lane::new(number);
        budget.take(lane, 1);
        budget.give_back(Load { entries: 1, bytes: 1 }, [(lane, 1)]);
    }
    assert!(format!("{budget:?}").len() < 500);
}

#[test]
fn so_many_throttled_lanes_are_no_lanes() {
    // Each entry has a lane of its own and is throttled: the sink's limiter must hear of it.
    let mut config = config();
    config.max_batch_size = 100;
    config.max_batch_size_in_bytes = 1000;
    let mut bench = Bench::new(config);
    let mut lanes = BTreeSet::new();
    for number in 1..=10_100 {
        bench.push(Lane::new(number), 1);
        lanes.insert(number);
        if let Some(id) = bench.poll() {
            let count = bench.numbers(id).len();
            let outcome = Outcome::per_entry(count, std::iter::repeat_n(throttled(), count));
            bench.answer(id, outcome);
        }
    }
    assert_eq!(bench.engine.stats(bench.now).held_lanes, 10_000);
    assert_eq!(bench.engine.unsettled().entries, 10_100);
    bench.engine.check_all();
}
