//! Entries that the destination will never store: found, handed over, and kept until they are safe.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{history::invalid, *};
use crate::{
    error::{Error, ErrorKind},
    outcome::Settled,
};

const MS: Duration = Duration::from_millis(1);

fn with_handler(config: EngineConfig) -> Bench {
    let mut bench = Bench::new(config);
    bench.engine.hand_over_rejected();
    bench
}

fn reject_second() -> Outcome {
    let verdicts =
        (0..4).map(|i| if i == 1 { Verdict::Reject(invalid()) } else { Verdict::Delivered });
    Outcome::per_entry(4, verdicts)
}

#[test]
fn a_rejected_entry_is_settled_when_the_handler_has_it() {
    let mut bench = with_handler(config());
    for _ in 0..4 {
        let now = bench.now;
        let number = bench.engine.last_sequence + 1;
        bench.engine.push_tracked(Item::new(number, 1), 1, Lane::SHARED, now);
    }
    let (id, _) = bench.request();
    bench.now += 5 * MS;
    bench.answer(id, reject_second());
    assert_eq!(bench.engine.poll_rejected(), Some(2));
    assert_eq!(bench.engine.poll_rejected(), None, "handed over once");
    let rejected = bench.engine.rejected_entry(2).expect("kept");
    assert_eq!((rejected.entry.number, rejected.sequence, rejected.attempts), (2, 2, 1));
    assert_eq!(rejected.reason, &invalid());
    assert_eq!(bench.now - rejected.admitted_at, 5 * MS);
    assert_eq!(bench.unsent(), [2], "until it is safe");
    assert_eq!(bench.engine.settled_up_to(), 1);
    let stats = bench.engine.stats(bench.now);
    assert_eq!((stats.rejecting.entries, stats.counters.rejected.entries), (1, 0));
    assert!(bench.engine.fatal().is_none(), "the sink goes on");

    bench.engine.handle_dead_letter(2, Ok(()));
    assert_eq!(bench.engine.settled_up_to(), 4);
    let stats = bench.engine.stats(bench.now);
    assert_eq!((stats.rejecting.entries, stats.counters.rejected.entries), (0, 1));
    assert_eq!(stats.counters.delivered.entries, 3);
    let mut told: Vec<_> = bench.engine.take_settled_tracked().collect();
    told.sort_by_key(|(sequence, _)| *sequence);
    let rejected = Settled::Rejected(invalid());
    let delivered = |sequence| (sequence, Settled::Delivered);
    assert_eq!(told, [delivered(1), (2, rejected), delivered(3), delivered(4)]);
    assert!(bench.engine.rejected_entry(2).is_none());
    bench.engine.check_all();
}

#[test]
fn a_handler_that_fails_stops_the_engine_which_keeps_the_entry() {
    let mut bench = with_handler(config());
    bench.push_many(4);
    let (id, _) = bench.request();
    bench.answer(id, reject_second());
    assert_eq!(bench.engine.poll_rejected(), Some(2));
    let error = Error::new(ErrorKind::Fatal, "dead_letter", "disk full");
    bench.engine.handle_dead_letter(2, Err(error));
    assert_eq!(bench.engine.fatal().expect("stopped").message(), "disk full");
    assert_eq!(bench.unsent(), [2]);
    bench.engine.check_all();
    let unsent: Vec<_> = bench.engine.into_unsent().iter().map(|item| item.number).collect();
    assert_eq!(unsent, [2]);
}

#[test]
fn a_stopped_engine_hands_nothing_over() {
    let mut bench = with_handler(config());
    bench.push_many(4);
    let (id, _) = bench.request();
    bench.answer(id, Outcome::RejectAll(invalid()));
    bench.engine.stop(Error::new(ErrorKind::Fatal, "test", "enough"));
    assert_eq!(bench.engine.poll_rejected(), None);
    assert_eq!(bench.unsent(), [1, 2, 3, 4]);
}

#[test]
fn an_entry_is_given_up_after_so_many_attempts() {
    let mut bench = with_handler(EngineConfig { max_attempts: Some(3), ..config() });
    bench.push_many(4);
    for attempt in 1..=3 {
        bench.engine.start_flush();
        let (id, numbers) = bench.request();
        assert_eq!(numbers, [1, 2, 3, 4], "attempt {attempt}");
        assert_eq!(bench.engine.poll_rejected(), None);
        bench.answer(id, unavailable_all());
        bench.advance(2000 * MS);
    }
    let rejected: Vec<_> = std::iter::from_fn(|| bench.engine.poll_rejected()).collect();
    assert_eq!(rejected, [1, 2, 3, 4]);
    let reason = bench.engine.rejected_entry(1).expect("kept").reason.to_string();
    assert_eq!(reason, "MaxAttempts: given up after 3 attempts, the last one unavailable");
    assert_eq!(bench.engine.stats(bench.now).counters.retried_unavailable, 12);
}

#[test]
fn an_entry_is_given_up_when_an_attempt_fails_and_it_is_too_old() {
    let mut bench = with_handler(EngineConfig { max_age: Some(500 * MS), ..config() });
    bench.push_many(4);
    bench.advance(10_000 * MS); // however old, it is sent once
    let (id, _) = bench.request();
    bench.answer(id, Outcome::per_entry(4, (0..4).map(|_| throttled())));
    assert_eq!(std::iter::from_fn(|| bench.engine.poll_rejected()).count(), 4);
    let reason = bench.engine.rejected_entry(1).expect("kept").reason.to_string();
    assert_eq!(reason, "MaxAge: given up 10s after its admission, the last attempt throttled");

    let mut bench = with_handler(EngineConfig { max_age: Some(500 * MS), ..config() });
    bench.push_many(4);
    let (id, _) = bench.request();
    bench.now += 499 * MS;
    bench.answer(id, unavailable_all());
    assert_eq!(bench.engine.poll_rejected(), None, "young enough for another attempt");
}

#[test]
fn giving_up_without_a_handler_stops_the_engine_which_keeps_the_entry() {
    let mut bench = Bench::new(EngineConfig { max_attempts: Some(1), ..config() });
    bench.push_many(4);
    let (id, _) = bench.request();
    bench.answer(id, unavailable_all());
    let error = bench.engine.fatal().expect("stopped").to_string();
    assert!(error.contains("entry 1 was rejected at attempt 1: MaxAttempts"), "{error}");
    assert!(error.contains("a dead-letter handler would take it"), "{error}");
    assert_eq!(bench.unsent(), [1, 2, 3, 4]);
}

/// Sends until nothing is left, to a destination that refuses every request with a bad entry in
/// it. Gives the requests that were sent and the entries that were rejected.
fn bisect(entries: usize, bad: &BTreeSet<u64>, max_in_flight: usize) -> (usize, BTreeSet<u64>) {
    let mut bench = with_handler(EngineConfig {
        max_batch_size: 1000,
        max_batch_size_in_bytes: 1000,
        max_in_flight_requests: max_in_flight,
        max_attempts: Some(1), // halving is no attempt
        ..config()
    });
    bench.push_many(entries);
    bench.engine.start_flush();
    let (mut requests, mut delivered, mut rejected) = (0, BTreeSet::new(), BTreeSet::new());
    while bench.engine.unsettled().entries > 0 {
        let ids: Vec<_> = std::iter::from_fn(|| bench.poll()).collect();
        assert!(!ids.is_empty(), "a half waits for nothing");
        bench.engine.check_all();
        for id in ids {
            requests += 1;
            let numbers = bench.numbers(id);
            if numbers.iter().any(|number| bad.contains(number)) {
                bench.answer(id, Outcome::Bisect(invalid()));
            } else {
                delivered.extend(numbers);
                bench.answer(id, Outcome::Delivered);
            }
        }
        while let Some(number) = bench.engine.poll_rejected() {
            assert_eq!(bench.engine.rejected_entry(number).expect("kept").reason, &invalid());
            bench.engine.handle_dead_letter(number, Ok(()));
            rejected.insert(number);
        }
    }
    assert_eq!(delivered.len() + rejected.len(), entries);
    assert!(delivered.is_disjoint(bad), "a good entry is never delivered with a bad one");
    (requests, rejected)
}

#[test]
fn one_bad_entry_of_a_thousand_is_found_in_some_twenty_requests() {
    for bad in [1, 2, 500, 501, 999, 1000] {
        let (requests, rejected) = bisect(1000, &BTreeSet::from([bad]), 3);
        assert_eq!(rejected, BTreeSet::from([bad]));
        assert!(requests <= 21, "{requests} requests for {bad}");
    }
}

#[test]
fn a_request_of_bad_entries_alone_costs_two_requests_an_entry() {
    let all: BTreeSet<_> = (1..=64).collect();
    let (requests, rejected) = bisect(64, &all, 1);
    assert_eq!((requests, rejected), (127, all));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn bad_entries_are_found_in_k_log_n_requests_and_good_ones_are_delivered(
        entries in 1..=1000_usize,
        bad in proptest::collection::btree_set(1..=1000_u64, 0..20),
        max_in_flight in 1..5_usize,
    ) {
        let bad: BTreeSet<_> = bad.into_iter().filter(|number| *number <= entries as u64).collect();
        let (requests, rejected) = bisect(entries, &bad, max_in_flight);
        prop_assert_eq!(&rejected, &bad);
        let levels = entries.next_power_of_two().ilog2() as usize + 1;
        prop_assert!(requests <= 1 + 2 * bad.len() * levels, "{} requests", requests);
    }
}

#[test]
fn a_half_that_fails_for_now_comes_back_alone() {
    let mut bench = with_handler(config());
    bench.push_many(4);
    let (id, _) = bench.request();
    bench.push_many(4);
    bench.answer(id, Outcome::Bisect(invalid()));
    let (first, numbers) = bench.request();
    assert_eq!(numbers, [1, 2]);
    bench.answer(first, unavailable_all());
    let (second, numbers) = bench.request();
    assert_eq!(numbers, [3, 4], "a half goes alone");
    bench.answer(second, Outcome::Delivered);
    assert_eq!(bench.request().1, [5, 6, 7, 8]);
    bench.advance(100 * MS);
    bench.push_many(4);
    let (again, numbers) = bench.request();
    assert_eq!(numbers, [1, 2], "still alone: the others must not be refused for it");
    bench.answer(again, Outcome::Bisect(invalid()));
    assert_eq!(bench.request().1, [1]);
    bench.engine.check_all();
}

#[test]
fn what_a_partial_answer_leaves_of_a_half_mixes_again() {
    let mut bench = with_handler(config());
    bench.push_many(4);
    let (id, _) = bench.request();
    bench.answer(id, Outcome::Bisect(invalid()));
    let (first, _) = bench.request();
    let (second, _) = bench.request();
    bench.answer(second, Outcome::Delivered);
    let unavailable = Verdict::Retry(Cause::Unavailable);
    bench.answer(first, Outcome::per_entry(2, [unavailable, Verdict::Delivered]));
    bench.push_many(3);
    bench.advance(100 * MS);
    assert_eq!(bench.request().1, [1, 5, 6, 7]);
}

#[test]
fn a_smaller_window_cuts_a_half_and_its_rest_goes_alone_too() {
    let limiter = CongestionControl::new(8, 3).initial_window(8);
    let config = EngineConfig { max_batch_size: 8, ..config() };
    let mut bench = Bench::with_limiter(config, Box::new(limiter));
    bench.engine.hand_over_rejected();
    bench.push_many(8);
    let (id, _) = bench.request();
    bench.answer(id, Outcome::Bisect(invalid()));
    bench.push_many(3);
    bench.engine.start_flush();
    let (first, numbers) = bench.request();
    assert_eq!(numbers, [1, 2, 3, 4]);
    bench.answer(first, Outcome::RetryAll(Cause::THROTTLED, Reason::new("Slow", ""))); // halves it
    let (second, numbers) = bench.request();
    assert_eq!(numbers, [5, 6, 7, 8]);
    bench.answer(second, Outcome::RetryAll(Cause::THROTTLED, Reason::new("Slow", ""))); // 2
    bench.advance(200 * MS);
    let mut sent = Vec::new();
    while bench.engine.unsettled().entries > 0 {
        let (id, numbers) = bench.request();
        bench.answer(id, Outcome::Delivered);
        sent.push(numbers);
    }
    assert_eq!(sent[0].len(), 2, "{sent:?}");
    let mut all: Vec<_> = sent.concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), sent.concat().len(), "each once");
    for request in &sent {
        let of_half = |number: &u64| (number - 1) / 4;
        assert!(request.iter().all(|number| of_half(number) == of_half(&request[0])), "{sent:?}");
    }
}
