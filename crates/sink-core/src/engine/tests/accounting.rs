//! What is counted, and what the limiter is told.

use std::sync::{Arc, Mutex};

use super::{history::invalid, *};
use crate::rate_limit::Answer;

const MS: Duration = Duration::from_millis(1);

/// Limits nothing, and keeps what it is told of answers.
#[derive(Debug, Clone, Default)]
struct Listens(Arc<Mutex<Vec<Answer>>>);

impl Listens {
    /// Delivered, throttled and failed entries of each answer so far; they must be all there were.
    fn heard(&self) -> Vec<(usize, usize, usize)> {
        let answers = std::mem::take(&mut *self.0.lock().expect("one thread"));
        answers
            .iter()
            .map(|answer| {
                assert_eq!(answer.entries, answer.delivered + answer.throttled + answer.failed);
                (answer.delivered, answer.throttled, answer.failed)
            })
            .collect()
    }
}

impl RateLimiter for Listens {
    fn allowance(&mut self, _: Instant) -> usize {
        usize::MAX
    }
    fn on_issue(&mut self, _: usize, _: usize, _: Instant) {}
    fn on_settle(&mut self, answer: &Answer, _: Instant) {
        self.0.lock().expect("one thread").push(*answer);
    }
}

fn listening(config: EngineConfig) -> (Bench, Listens) {
    let limiter = Listens::default();
    let mut bench = Bench::with_limiter(config, Box::new(limiter.clone()));
    bench.engine.hand_over_rejected();
    (bench, limiter)
}

#[test]
fn the_limiter_is_told_what_became_of_each_entry() {
    let (mut bench, limiter) = listening(config());
    let partial = [
        Verdict::Delivered,
        throttled(),
        Verdict::Retry(Cause::Unavailable),
        Verdict::Reject(invalid()),
    ];
    for (outcome, expected) in [
        (Outcome::Delivered, (4, 0, 0)),
        (Outcome::per_entry(4, partial), (1, 1, 2)),
        (Outcome::per_entry(4, (0..4).map(|_| Verdict::Retry(Cause::Timeout))), (0, 0, 4)),
        (Outcome::RetryAll(Cause::THROTTLED, Reason::new("Slow", "")), (0, 4, 0)),
        (unavailable_all(), (0, 0, 4)),
        (Outcome::RejectAll(invalid()), (0, 0, 4)),
        (Outcome::Bisect(invalid()), (0, 0, 4)),
    ] {
        bench.push_many(4);
        let (id, _) = bench.request();
        bench.answer(id, outcome);
        assert_eq!(limiter.heard(), [expected]);
        bench.drain();
        limiter.heard();
    }
}

#[test]
fn each_answer_and_each_retry_is_counted_by_its_cause() {
    let (mut bench, _) = listening(config());
    for (outcome, failed) in [
        (Outcome::Delivered, 0),
        (Outcome::per_entry(4, (0..4).map(|_| throttled())), 1),
        (unavailable_all(), 2),
        (Outcome::RetryAll(Cause::Timeout, Reason::new("Timeout", "")), 3),
        (Outcome::Bisect(invalid()), 4),
        (Outcome::Bisect(invalid()), 5),
    ] {
        bench.push_many(4);
        let (id, _) = bench.request();
        bench.answer(id, outcome);
        assert_eq!(bench.engine.stats(bench.now).counters.failed_requests, failed);
        bench.drain();
    }
    let counters = bench.engine.stats(bench.now).counters;
    assert_eq!(counters.retried_throttled, 4);
    assert_eq!(counters.retried_unavailable, 4);
    assert_eq!(counters.retried_timeout, 4);
    assert_eq!(counters.retried_bisected, 8);
    assert_eq!(counters.delivered.entries, 24);
    assert_eq!(counters.sent.entries as u64, 24 + counters.retried());
    assert_eq!(counters.requests, 6 + 3 + 4, "a retry is one request, halves are two");
}

#[test]
fn the_limiter_hears_of_a_lanes_first_refusal_and_of_no_other() {
    let lane = Lane::new(1);
    let (mut bench, limiter) = listening(config());
    for _ in 0..4 {
        bench.push(lane, 1);
    }
    let (id, _) = bench.request();
    bench.answer(id, Outcome::per_entry(4, (0..4).map(|_| throttled())));
    assert_eq!(limiter.heard(), [(0, 4, 0)]);
    bench.engine.start_flush();
    while bench.engine.requests_in_flight() == 0 {
        bench.advance_to_timeout();
        bench.poll();
    }
    let id = bench.engine.requests.ids().next().expect("in flight");
    let count = bench.numbers(id).len();
    bench.answer(id, Outcome::per_entry(count, (0..count).map(|_| throttled())));
    assert_eq!(limiter.heard(), [(0, 0, count)], "the lane has its own pace");
}

#[test]
fn in_order_the_limiter_hears_of_each_entrys_first_refusal() {
    for (lane, again) in [(Lane::new(1), (0, 0, 1)), (Lane::SHARED, (0, 1, 0))] {
        let config = EngineConfig { ordering: Ordering::PerLane, ..config() };
        let (mut bench, limiter) = listening(config);
        bench.push(lane, 1);
        bench.engine.start_flush();
        for expected in [(0, 1, 0), again, again] {
            let (id, _) = bench.request();
            bench.answer(id, Outcome::per_entry(1, [throttled()]));
            assert_eq!(limiter.heard(), [expected], "{lane:?}");
            bench.advance(2000 * MS);
        }
    }
}

#[test]
fn what_failed_waits_for_its_delay() {
    let wish = |ms| Verdict::Retry(Cause::Throttled { retry_after: Some(ms * MS) });
    for ordering in [Ordering::None, Ordering::PerLane] {
        for lane in [Lane::SHARED, Lane::new(1)] {
            let (mut bench, _) = listening(EngineConfig { ordering, ..config() });
            bench.push(lane, 1);
            bench.engine.start_flush();
            let (id, _) = bench.request();
            bench.answer(id, Outcome::per_entry(1, [wish(700)]));
            bench.advance(699 * MS);
            assert_eq!(bench.poll(), None, "{ordering:?} {lane:?}");
            bench.advance(100 * MS);
            assert_eq!(bench.request().1, [1], "{ordering:?} {lane:?}");
        }
    }
    // Without a wish the delay is drawn; with this seed it is not zero.
    let (mut bench, _) = listening(config());
    bench.push_many(4);
    let (id, _) = bench.request();
    bench.answer(id, unavailable_all());
    bench.engine.start_flush();
    bench.advance(Duration::ZERO);
    assert_eq!(bench.poll(), None);
    bench.advance(100 * MS);
    assert_eq!(bench.request().1, [1, 2, 3, 4]);
}

#[test]
fn a_lanes_first_pace_is_what_an_answer_took_in_each_twentieth_of_a_second() {
    // Of nothing, a quarter of what was refused is the guess.
    for (delivered, released) in [(16, 16), (4, 4), (0, 5)] {
        let lane = Lane::new(1);
        let (mut bench, _) = listening(EngineConfig { max_batch_size: 20, ..config() });
        for _ in 0..60 {
            bench.push(lane, 1);
        }
        let (id, _) = bench.request();
        let verdicts = (0..20)
            .map(|position| if position < delivered { Verdict::Delivered } else { throttled() });
        bench.answer(id, Outcome::per_entry(20, verdicts));
        bench.advance(49 * MS);
        assert_eq!(bench.engine.buffer.sendable().entries, 0, "{delivered}");
        bench.advance(102 * MS); // and the retry delay of a lane that took nothing
        assert_eq!(bench.engine.buffer.sendable().entries, released, "{delivered}");
    }
}
