//! When what failed goes again: at once while trying again helps, and otherwise after a delay.

use super::*;

const MS: Duration = Duration::from_millis(1);

fn unavailable() -> Verdict {
    Verdict::Retry(Cause::Unavailable)
}

/// Small requests, all of whose entries go as soon as they may.
fn bench(config: EngineConfig) -> Bench {
    let mut bench = Bench::new(EngineConfig { max_time_in_buffer: Duration::ZERO, ..config });
    bench.advance(MS);
    bench
}

impl Bench {
    /// What the next request carries, if one goes now; each entry is answered so.
    fn try_send(&mut self, verdict: impl Fn(u64) -> Verdict) -> Option<Vec<u64>> {
        let id = self.poll()?;
        let numbers = self.numbers(id);
        let verdicts = numbers.iter().map(|number| verdict(*number));
        self.answer(id, Outcome::per_entry(numbers.len(), verdicts));
        self.engine.handle_timeout(self.now);
        self.engine.check_all();
        Some(numbers)
    }

    /// Delivers so many retries, each of which failed once before.
    fn deliver_retries(&mut self, count: u64) {
        for _ in 0..count {
            let number = self.push(Lane::SHARED, 1);
            assert_eq!(self.try_send(|_| unavailable()), Some(vec![number]));
            while self.try_send(|_| Verdict::Delivered).is_none() {
                self.advance_to_timeout();
            }
        }
    }
}

#[test]
fn what_fails_goes_again_at_once_when_a_retry_was_delivered() {
    let mut bench = bench(config());
    let first = bench.push(Lane::SHARED, 1);
    bench.try_send(|_| unavailable());
    assert_eq!(bench.try_send(|_| Verdict::Delivered), None, "nothing says that a retry helps");
    bench.advance_to_timeout();
    assert_eq!(bench.try_send(|_| Verdict::Delivered), Some(vec![first]));

    let second = bench.push(Lane::SHARED, 1);
    bench.try_send(|_| unavailable());
    assert_eq!(bench.try_send(|_| unavailable()), Some(vec![second]), "one is paid for");
    assert_eq!(bench.try_send(|_| unavailable()), Some(vec![second]), "and another");
    assert_eq!(bench.try_send(|_| unavailable()), None, "and no more");
}

#[test]
fn what_is_never_taken_waits_for_its_delays_however_well_the_others_go() {
    let mut bench = bench(config());
    let stuck = bench.push(Lane::SHARED, 1);
    let refuses = |number| if number == stuck { unavailable() } else { Verdict::Delivered };
    let mut sent = 0;
    for _ in 0..10_000 {
        bench.push_many(3);
        sent += u32::from(bench.try_send(refuses).is_some_and(|batch| batch.contains(&stuck)));
        bench.advance(MS);
    }
    // Ten seconds of delays of up to 0.1, 0.2, 0.4, 0.8, 1.6 and then 2 s.
    assert!((8..40).contains(&sent), "{sent}");
}

#[test]
fn what_is_never_taken_uses_up_few_of_the_retries_that_others_have_paid_for() {
    let mut bench = bench(config());
    let stuck = bench.push(Lane::SHARED, 1);
    let mut sent = 0;
    for round in 0..10_000_u64 {
        let number = bench.push(Lane::SHARED, 1);
        // Each fails once, and so pays for more than it needs.
        let fails =
            |of| if of == stuck || of == number { unavailable() } else { Verdict::Delivered };
        let again = |of| if of == stuck { unavailable() } else { Verdict::Delivered };
        let first = bench.try_send(fails).expect("a request");
        sent += u32::from(first.contains(&stuck));
        while let Some(batch) = bench.try_send(again) {
            sent += u32::from(batch.contains(&stuck));
        }
        assert!(round < 100 || sent > 10, "it was sent again at once");
        bench.advance(MS);
    }
    // Sixteen at once, and ten seconds of delays of up to 2 s.
    assert!(sent < 50, "{sent}");
}

#[test]
fn an_outage_is_asked_again_at_once_only_for_what_was_saved_up() {
    let config = EngineConfig { max_batch_size: 40, ..config() };
    let mut bench = bench(config);
    bench.deliver_retries(100);
    // A tenth of what may be in flight: 12 of 120.
    bench.push_many(40);
    assert_eq!(bench.try_send(|_| unavailable()).map(|batch| batch.len()), Some(40));
    assert_eq!(bench.try_send(|_| unavailable()).map(|batch| batch.len()), Some(12));
    assert_eq!(bench.try_send(|_| unavailable()), None);
}

#[test]
fn what_is_throttled_or_timed_out_waits_whatever_is_paid_for() {
    for cause in [Cause::THROTTLED, Cause::Timeout] {
        let mut bench = bench(config());
        bench.deliver_retries(10);
        bench.push_many(1);
        bench.try_send(|_| Verdict::Retry(cause));
        assert_eq!(bench.try_send(|_| Verdict::Delivered), None, "{cause:?}");
    }
}

#[test]
fn half_of_the_attempts_that_are_allowed_are_spread_over_a_time() {
    let mut bench = bench(EngineConfig { max_attempts: Some(6), ..config() });
    bench.engine.hand_over_rejected();
    bench.deliver_retries(10);
    bench.push_many(1);
    let mut at_once = 0;
    while bench.try_send(|_| unavailable()).is_some() {
        at_once += 1;
    }
    assert_eq!(at_once, 4, "its first attempt, and three that did not wait");
    for _ in 0..2 {
        assert_eq!(bench.engine.counters.rejected.entries, 0);
        bench.advance_to_timeout();
        assert!(bench.try_send(|_| unavailable()).is_some());
    }
    assert!(bench.engine.poll_rejected().is_some(), "after six attempts, as before");
}

#[test]
fn in_order_too_what_fails_by_chance_goes_again_at_once() {
    let mut bench = bench(EngineConfig { ordering: Ordering::PerLane, ..config() });
    bench.deliver_retries(1);
    let (first, second) = (bench.push(Lane::new(1), 1), bench.push(Lane::new(1), 1));
    assert_eq!(bench.try_send(|_| unavailable()), Some(vec![first]));
    assert_eq!(bench.try_send(|_| Verdict::Delivered), Some(vec![first]));
    assert_eq!(bench.try_send(|_| Verdict::Delivered), Some(vec![second]));
}
