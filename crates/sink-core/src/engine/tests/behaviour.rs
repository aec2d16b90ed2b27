//! What the engine does, told one behaviour at a time.

use super::*;
use crate::{
    engine::Load,
    error::{Error, ErrorKind},
    rate_limit::Answer,
};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_full_count_sends_at_once() {
    let mut bench = Bench::new(config());
    bench.push_many(3);
    assert_eq!(bench.poll(), None);
    bench.push_many(1);
    assert_eq!(bench.request().1, [1, 2, 3, 4]);
    assert_eq!(bench.poll(), None);
}

#[test]
fn full_bytes_send_at_once_and_a_batch_is_cut_below_the_limit() {
    let mut bench = Bench::new(config());
    bench.push(Lane::SHARED, 40);
    bench.push(Lane::SHARED, 40);
    assert_eq!(bench.poll(), None);
    bench.push(Lane::SHARED, 30);
    // 110 bytes wait, 100 fit: the third would pass the limit.
    let (id, numbers) = bench.request();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(bench.engine.batch(id).unwrap().size_bytes(), 80);
    assert_eq!(bench.poll(), None);
}

#[test]
fn a_batch_may_fill_the_byte_limit_exactly() {
    let mut bench = Bench::new(config());
    for size in [40, 40, 20, 1] {
        bench.push(Lane::SHARED, size);
    }
    assert_eq!(bench.request().1, [1, 2, 3]);
}

#[test]
fn time_sends_what_there_is() {
    let mut bench = Bench::new(config());
    bench.push_many(1);
    bench.advance(4999 * MS);
    bench.push_many(1);
    assert_eq!(bench.poll(), None);
    assert_eq!(bench.engine.poll_timeout(), Some(bench.now + MS));
    bench.advance(MS);
    assert_eq!(bench.request().1, [1, 2]);
}

#[test]
fn each_entry_has_its_own_time_in_the_buffer() {
    // Flink's timer belongs to the first entry only: one that comes later waits for the next.
    let mut bench = Bench::new(config());
    bench.push_many(4);
    bench.advance(1000 * MS);
    bench.push_many(1);
    let (id, _) = bench.request();
    bench.answer(id, Outcome::Delivered);
    assert_eq!(bench.engine.poll_timeout(), Some(bench.now + 5000 * MS));
}

#[test]
fn a_flush_sends_what_was_admitted_before_it_and_nothing_else() {
    let mut bench = Bench::new(config());
    bench.push_many(2);
    let target = bench.engine.start_flush();
    let (id, numbers) = bench.request();
    assert_eq!((target, numbers), (2, vec![1, 2]));
    bench.push_many(1);
    assert_eq!(bench.poll(), None);
    assert!(bench.engine.settled_up_to() < target);
    bench.answer(id, Outcome::Delivered);
    assert_eq!(bench.engine.settled_up_to(), target);
}

#[test]
fn a_partial_failure_is_retried_alone_and_at_the_head() {
    let mut bench = Bench::new(config());
    bench.push_many(4);
    let (id, _) = bench.request();
    bench.push_many(2);
    let verdicts =
        [throttled(), Verdict::Delivered, Verdict::Retry(Cause::Unavailable), throttled()];
    bench.answer(id, Outcome::per_entry(4, verdicts));
    assert_eq!(bench.unsent(), [1, 3, 4, 5, 6]);
    bench.engine.start_flush();
    bench.advance(100 * MS);
    assert_eq!(bench.request().1, [1, 3, 4, 5]);
    let counters = bench.engine.stats(bench.now).counters;
    assert_eq!((counters.retried_throttled, counters.retried_unavailable), (2, 1));
    assert_eq!(counters.delivered, Load { entries: 1, bytes: 1 });
    assert_eq!(counters.sent.entries, 8);
}

#[test]
fn requests_that_fail_in_any_order_are_retried_in_admission_order() {
    // Flink resends the batch that failed last first: 5,7,1,3 instead of 1,3,5,7.
    let mut bench = Bench::new(config());
    bench.push_many(8);
    let (first, _) = bench.request();
    let (second, _) = bench.request();
    let verdicts = || [throttled(), Verdict::Delivered, throttled(), Verdict::Delivered];
    bench.answer(first, Outcome::per_entry(4, verdicts()));
    bench.answer(second, Outcome::per_entry(4, verdicts()));
    bench.engine.start_flush();
    bench.advance(100 * MS);
    assert_eq!(bench.request().1, [1, 3, 5, 7]);
}

#[test]
fn a_failed_entry_waits_and_does_not_hold_back_others_of_a_shared_lane() {
    let mut bench = Bench::new(config());
    bench.push_many(4);
    let (id, _) = bench.request();
    bench.answer(id, unavailable_all());
    assert_eq!(bench.poll(), None, "it waits for its delay, not for the poll");
    bench.push_many(4);
    assert_eq!(bench.request().1, [5, 6, 7, 8]);
}

#[test]
fn a_throttled_lane_waits_as_a_whole_and_alone() {
    let (slow, quick) = (Lane::new(1), Lane::new(2));
    let mut bench = Bench::new(config());
    for lane in [slow, quick, slow, quick] {
        bench.push(lane, 1);
    }
    let (id, _) = bench.request();
    for lane in [slow, quick, slow, quick] {
        bench.push(lane, 1);
    }
    let retry = Verdict::Retry(Cause::Throttled { retry_after: Some(300 * MS) });
    let verdicts = [retry.clone(), Verdict::Delivered, retry, Verdict::Delivered];
    bench.answer(id, Outcome::per_entry(4, verdicts));
    bench.push(slow, 1);
    bench.push(quick, 1);
    bench.push(quick, 1);
    bench.engine.check_all();
    assert_eq!(bench.request().1, [6, 8, 10, 11], "the quick lane fills a request by itself");

    bench.engine.start_flush();
    bench.advance(299 * MS);
    assert_eq!(bench.poll(), None);
    assert_eq!(bench.drain(), [1, 3, 5, 7, 9], "the slow lane comes back in admission order");
    bench.engine.check_all();
}

#[test]
fn a_lane_that_is_paused_again_waits_for_the_longer_pause() {
    let lane = Lane::new(1);
    let mut bench = Bench::new(config());
    for _ in 0..8 {
        bench.push(lane, 1);
    }
    let (first, _) = bench.request();
    let (second, _) = bench.request();
    let throttled = |ms| {
        let verdict = Verdict::Retry(Cause::Throttled { retry_after: Some(ms * MS) });
        Outcome::per_entry(4, std::iter::repeat_n(verdict, 4))
    };
    bench.answer(second, throttled(500));
    bench.answer(first, throttled(200));
    bench.push(lane, 1);
    bench.engine.start_flush();
    bench.engine.check_all();
    bench.advance(499 * MS);
    assert_eq!(bench.poll(), None);
    bench.advance(MS);
    assert_eq!(bench.request().1, [1]);
    assert_eq!(bench.drain(), [2, 3, 4, 5, 6, 7, 8, 9]);
    bench.engine.check_all();
}

#[test]
fn a_lanes_pause_is_prolonged_by_a_later_answer() {
    let lane = Lane::new(1);
    let mut bench = Bench::new(config());
    for _ in 0..8 {
        bench.push(lane, 1);
    }
    let (first, _) = bench.request();
    let (second, _) = bench.request();
    for (id, ms) in [(first, 200), (second, 500)] {
        let verdict = Verdict::Retry(Cause::Throttled { retry_after: Some(ms * MS) });
        bench.answer(id, Outcome::per_entry(4, std::iter::repeat_n(verdict, 4)));
    }
    bench.engine.start_flush();
    bench.advance(499 * MS);
    assert_eq!(bench.poll(), None);
    bench.advance(MS);
    assert_eq!(bench.request().1, [1]);
    assert_eq!(bench.drain(), [2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_lane_that_is_throttled_again_takes_back_what_was_released() {
    let (slow, quick) = (Lane::new(1), Lane::new(2));
    let mut bench = Bench::new(config());
    for _ in 0..12 {
        bench.push(slow, 1);
    }
    let (first, _) = bench.request();
    let (second, _) = bench.request();
    let delivered = Verdict::Delivered;
    let verdicts = [delivered.clone(), delivered.clone(), delivered, throttled()];
    bench.answer(first, Outcome::per_entry(4, verdicts));
    bench.advance(60 * MS);
    let sendable = bench.engine.buffer.sendable().entries;
    assert!((1..4).contains(&sendable), "some are released, and wait for their request to fill");
    let later = Verdict::Retry(Cause::Throttled { retry_after: Some(300 * MS) });
    bench.answer(second, Outcome::per_entry(4, std::iter::repeat_n(later, 4)));
    bench.engine.check_all();
    for _ in 0..4 {
        bench.push(quick, 1);
    }
    let (third, numbers) = bench.request();
    assert_eq!(numbers, [13, 14, 15, 16]);
    bench.answer(third, Outcome::Delivered);
    bench.engine.start_flush();
    bench.advance(299 * MS);
    assert_eq!(bench.poll(), None, "they wait with the rest of their lane");
    assert_eq!(bench.drain(), [4, 5, 6, 7, 8, 9, 10, 11, 12]);
    bench.engine.check_all();
}

#[test]
fn the_appetite_is_what_makes_a_request() {
    let mut bench = Bench::new(config());
    assert_eq!(bench.engine.appetite(false), Load { entries: 1, bytes: usize::MAX });
    bench.push(Lane::SHARED, 30);
    assert_eq!(bench.engine.appetite(false), Load { entries: 3, bytes: 70 });
    bench.push(Lane::SHARED, 40);
    assert_eq!(bench.engine.appetite(false), Load { entries: 2, bytes: 30 });
}

#[test]
fn lanes_that_are_not_throttled_leave_nothing_behind() {
    let mut bench = Bench::new(config());
    for lane in 1..100_000 {
        bench.push(Lane::new(lane), 1);
        if let Some(id) = bench.poll() {
            bench.answer(id, Outcome::Delivered);
        }
    }
    assert!(format!("{:?}", bench.engine.buffer).len() < 2000, "no lane is remembered");
}

#[test]
fn a_window_that_is_full_holds_requests_back_until_an_answer() {
    let config = config();
    let limiter = CongestionControl::new(4, 3).initial_window(4);
    let mut bench = Bench::with_limiter(config, Box::new(limiter));
    bench.push_many(8);
    let (id, _) = bench.request();
    assert_eq!(bench.poll(), None);
    assert_eq!(
        bench.engine.appetite(false).entries,
        usize::MAX,
        "nothing that comes can change that"
    );
    bench.answer(id, Outcome::Delivered);
    assert_eq!(bench.request().1, [5, 6, 7, 8]);
}

/// Lets so many entries go.
#[derive(Debug)]
struct Allow(usize);

impl RateLimiter for Allow {
    fn allowance(&mut self, _: Instant) -> usize {
        self.0
    }
    fn on_issue(&mut self, entries: usize, _: usize, _: Instant) {
        self.0 -= entries;
    }
    fn on_settle(&mut self, _: &Answer, _: Instant) {}
}

#[test]
fn a_request_that_its_bytes_cut_needs_no_window_for_the_entries_it_cannot_carry() {
    // Flink charges the planned count: 40 for a request of 10 entries.
    for (allowance, requests) in [(9, 4), (8, 4), (7, 3), (6, 3), (5, 2), (4, 2)] {
        let mut bench = Bench::with_limiter(config(), Box::new(Allow(allowance)));
        for _ in 0..8 {
            bench.push(Lane::SHARED, 40); // four would be a request, if two did not fill it
        }
        let sent: Vec<_> =
            std::iter::from_fn(|| bench.poll().map(|id| bench.numbers(id))).collect();
        let most = requests.min(config().max_in_flight_requests);
        assert_eq!(sent, [[1, 2], [3, 4], [5, 6]][..most], "allowance {allowance}");
    }
}

#[test]
fn requests_in_flight_never_pass_their_maximum() {
    let mut bench = Bench::new(config());
    bench.push_many(40);
    let ids: Vec<_> = std::iter::from_fn(|| bench.poll()).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(bench.engine.appetite(false).entries, usize::MAX);
}

/// A limiter that never lets anything go.
#[derive(Debug)]
struct AlwaysNo(Option<Instant>);

impl RateLimiter for AlwaysNo {
    fn allowance(&mut self, now: Instant) -> usize {
        self.0.take_if(|at| *at <= now).map_or(0, |_| 1)
    }
    fn on_issue(&mut self, _: usize, _: usize, _: Instant) {}
    fn on_settle(&mut self, _: &Answer, _: Instant) {}
    fn poll_timeout(&self) -> Option<Instant> {
        self.0
    }
}

#[test]
fn a_limiter_that_always_says_no_does_not_hang_the_sink() {
    let mut bench = Bench::with_limiter(config(), Box::new(AlwaysNo(None)));
    bench.push_many(8);
    let (id, numbers) = bench.request();
    assert_eq!(numbers, [1]);
    assert_eq!(bench.poll(), None, "one at a time");
    bench.answer(id, Outcome::Delivered);
    assert_eq!(bench.request().1, [2]);
}

#[test]
fn a_limiter_that_names_a_time_is_asked_again_then() {
    let at = Instant::now() + 700 * MS;
    let mut bench = Bench::with_limiter(config(), Box::new(AlwaysNo(Some(at))));
    bench.push_many(8);
    assert_eq!(bench.poll(), None);
    assert_eq!(bench.engine.poll_timeout(), Some(at));
    bench.advance_to_timeout();
    bench.advance(MS);
    assert_eq!(bench.request().1, [1]);
}

#[test]
fn a_request_without_an_answer_is_given_up_and_sent_again() {
    let mut bench = Bench::new(config());
    bench.push_many(4);
    let (id, _) = bench.request();
    assert_eq!(bench.engine.poll_timeout(), Some(bench.now + 30_000 * MS));
    bench.advance(30_000 * MS);
    assert_eq!(bench.engine.poll_abandoned(), Some(id));
    assert_eq!(bench.engine.batch(id).map(|batch| batch.len()), None);
    bench.advance(100 * MS);
    assert_eq!(bench.request().1, [1, 2, 3, 4]);
    assert_eq!(bench.engine.stats(bench.now).counters.retried_timeout, 4);
}

#[test]
fn an_answered_request_leaves_no_timer_behind() {
    let mut bench = Bench::new(config());
    bench.push_many(4);
    let (id, _) = bench.request();
    bench.answer(id, Outcome::Delivered);
    assert_eq!(bench.engine.poll_timeout(), None);
    bench.advance(1000 * MS);
    bench.push_many(4);
    bench.request();
    assert_eq!(bench.engine.poll_timeout(), Some(bench.now + 30_000 * MS));
}

#[test]
fn a_late_answer_changes_nothing_but_its_counter() {
    let mut bench = Bench::new(config());
    bench.push_many(4);
    let (late, _) = bench.request();
    bench.advance(30_100 * MS);
    bench.advance(100 * MS);
    let (current, _) = bench.request();
    assert_eq!(late.slot(), current.slot(), "the slot is used again");
    assert!(bench.engine.batch(late).is_none(), "and the old id does not name the new request");
    for outcome in [
        Outcome::Delivered,
        unavailable_all(),
        Outcome::Fatal(Error::new(ErrorKind::Fatal, "x", "y")),
    ] {
        bench.answer(late, outcome);
        assert_eq!(bench.unsent(), [1, 2, 3, 4]);
        assert_eq!(bench.numbers(current), [1, 2, 3, 4]);
    }
    assert!(bench.engine.fatal().is_none());
    assert_eq!(bench.engine.stats(bench.now).counters.late_answers, 3);
    bench.answer(current, Outcome::Delivered);
    bench.answer(current, unavailable_all());
    assert_eq!(bench.unsent(), [0_u64; 0]);
}

#[test]
fn a_timeout_is_fatal_where_the_settings_say_so() {
    let mut config = config();
    config.on_timeout = OnTimeout::Fail;
    let mut bench = Bench::new(config);
    bench.push_many(4);
    bench.request();
    bench.advance(30_000 * MS);
    let error = bench.engine.fatal().expect("stopped").to_string();
    assert!(error.contains("did not answer within 30s"), "{error}");
    assert_eq!(bench.unsent(), [1, 2, 3, 4]);
}

#[test]
fn an_answer_of_the_wrong_length_retries_the_whole_batch() {
    let mut bench = Bench::new(config());
    bench.push_many(4);
    let (id, _) = bench.request();
    bench.answer(id, Outcome::per_entry(4, [Verdict::Delivered, Verdict::Delivered]));
    assert_eq!(bench.unsent(), [1, 2, 3, 4]);
    bench.advance(100 * MS);
    let (id, _) = bench.request();
    // A connector that was told 4 and made verdicts for 2.
    bench.answer(id, Outcome::per_entry(2, [throttled(), Verdict::Delivered]));
    assert_eq!(bench.unsent(), [1, 2, 3, 4]);
    assert_eq!(bench.engine.stats(bench.now).counters.wrong_answers, 2);
}

#[test]
fn a_fatal_answer_stops_the_engine_and_keeps_every_entry() {
    let mut bench = Bench::new(config());
    bench.push_many(9);
    let (first, _) = bench.request();
    let (second, _) = bench.request();
    bench.answer(first, Outcome::Fatal(Error::new(ErrorKind::Fatal, "PutRecords", "denied")));
    assert_eq!(bench.poll(), None);
    assert_eq!(bench.unsent(), (1..=9).collect::<Vec<_>>());
    bench.answer(second, Outcome::Delivered);
    assert_eq!(bench.unsent(), [1, 2, 3, 4, 9], "what was in flight still settles");
    assert_eq!(
        bench.engine.fatal().map(ToString::to_string).as_deref(),
        Some("PutRecords: denied")
    );
    assert_eq!(bench.engine.poll_timeout(), None);
    let kept: Vec<_> = bench.engine.into_unsent().into_iter().map(|item| item.number).collect();
    assert_eq!(kept, [1, 2, 3, 4, 9]);
}

#[test]
fn a_rejection_stops_the_engine_and_keeps_the_entry() {
    let mut bench = Bench::new(config());
    bench.push_many(4);
    let (id, _) = bench.request();
    let reject = Verdict::Reject(Reason::new("ValidationException", "no such field"));
    bench.answer(
        id,
        Outcome::per_entry(4, [Verdict::Delivered, reject, Verdict::Delivered, Verdict::Delivered]),
    );
    assert_eq!(bench.unsent(), [2]);
    let error = bench.engine.fatal().expect("stopped").to_string();
    assert!(error.contains("entry 2 was rejected at attempt 1: ValidationException"), "{error}");

    let mut bench = Bench::new(config());
    bench.push_many(4);
    let (id, _) = bench.request();
    bench.answer(id, Outcome::RejectAll(Reason::new("ValidationException", "")));
    assert_eq!(bench.unsent(), [1, 2, 3, 4]);
    assert!(bench.engine.fatal().is_some());
}

#[test]
fn one_entry_that_fails_for_ever_does_not_slow_the_others_down() {
    let mut bench = Bench::new(config());
    bench.push_many(1);
    for _ in 0..1000 {
        bench.push_many(4);
        while let Some(id) = bench.poll() {
            let numbers = bench.numbers(id);
            let verdicts = numbers
                .iter()
                .map(|number| if *number == 1 { throttled() } else { Verdict::Delivered });
            bench.answer(id, Outcome::per_entry(numbers.len(), verdicts));
        }
        bench.advance(10 * MS);
    }
    let counters = bench.engine.stats(bench.now).counters;
    assert!(counters.delivered.entries >= 3990, "{counters:?}");
    assert_eq!(bench.unsent().first(), Some(&1));
    assert_eq!(bench.engine.settled_up_to(), 0);
}
