use super::*;

const MS: Duration = Duration::from_millis(1);

/// A pace whose round is 1,000 entries, and its clock.
struct Bench {
    pace: Pace,
    now: Instant,
    was_the_limit: bool,
}

impl Bench {
    fn new(rate: f64) -> Self {
        let now = Instant::now();
        let pace = Pace { rate, is_searching: false, ..Pace::new(rate, 500, now) };
        Self { pace, now, was_the_limit: true }
    }

    /// An answer to what was sent a round trip of 100 ms ago.
    fn answer(&mut self, delivered: usize, throttled: usize) {
        let (sent_at, was_the_limit) = (self.now, self.was_the_limit);
        self.now += 100 * MS;
        let lesson =
            Lesson { delivered, throttled, failed: 0, sent_at, latency: 0.1, was_the_limit };
        self.pace.learn(lesson, self.now);
    }

    /// A round in four answers, of so many entries in all.
    fn round(&mut self, delivered: usize, throttled: usize) {
        for _ in 0..4 {
            self.answer(delivered / 4, throttled / 4);
            self.now -= 99 * MS; // they were in flight together
        }
        self.now += 99 * MS;
    }
}

#[test]
fn a_request_is_saved_up_for_and_a_late_timer_costs_nothing() {
    let start = Instant::now();
    let mut pace = Pace::new(10_000.0, 500, start);
    assert_eq!(pace.available(500, start), 0);
    assert_eq!(pace.ready_at(500), start + 50 * MS);
    assert_eq!(pace.available(500, start + 49 * MS), 490);
    assert_eq!(pace.available(500, start + 50 * MS), 500);
    pace.take(500);
    assert_eq!(pace.ready_at(500), start + 100 * MS);
    // Requests of one: twenty milliseconds may be late, more are forfeit.
    assert_eq!(pace.available(1, start + 5000 * MS), 200);
}

#[test]
fn the_rate_falls_by_the_refused_share_of_a_round() {
    for (delivered, throttled, expected) in [
        (900, 100, 9_000.0),
        (996, 4, 9_960.0),
        (12, 988, 120.0),   // nearly nothing was taken: as exactly as anything else
        (0, 1000, 5_000.0), // nothing at all: half
    ] {
        let mut bench = Bench::new(10_000.0);
        bench.now += 3_600_000 * MS; // what was taken of late is nothing
        bench.round(delivered, throttled);
        let rate = bench.pace.rate();
        assert!((rate - expected).abs() < 1.0, "{delivered}, {throttled}: {rate}");
    }
}

#[test]
fn less_than_a_round_says_nothing_yet() {
    let mut bench = Bench::new(10_000.0);
    bench.answer(0, 200);
    bench.answer(200, 0);
    assert!((bench.pace.rate() - 10_000.0).abs() < 1e-9);
    // However large: one answer alone says more of who came just before than of the rate.
    bench.answer(0, 900);
    assert!((bench.pace.rate() - 10_000.0).abs() < 1e-9);
}

#[test]
fn what_was_sent_at_another_rate_says_nothing_of_this_one() {
    let mut bench = Bench::new(10_000.0);
    bench.now += 3_600_000 * MS;
    let before = bench.now;
    bench.round(0, 1000);
    assert!((bench.pace.rate() - 5_000.0).abs() < 1.0);
    for _ in 0..20 {
        let (sent_at, latency, was_the_limit) = (before, 0.1, true);
        let lesson =
            Lesson { delivered: 0, throttled: 500, failed: 0, sent_at, latency, was_the_limit };
        bench.pace.learn(lesson, bench.now);
    }
    assert!((bench.pace.rate() - 5_000.0).abs() < 1.0, "one refusal, not twenty");
}

#[test]
fn the_rate_never_falls_below_what_was_taken_of_late() {
    let mut bench = Bench::new(10_000.0);
    for _ in 0..20 {
        bench.answer(800, 0); // 8,000 a second
    }
    let before = bench.pace.rate();
    assert!(before >= 10_000.0);
    bench.round(0, 1600);
    let rate = bench.pace.rate();
    assert!((6_000.0..9_000.0).contains(&rate), "not {}: {rate}", before / 2.0);
}

#[test]
fn the_rate_grows_only_where_it_was_the_limit() {
    let mut bench = Bench::new(25_000.0); // 50 full requests a second
    bench.was_the_limit = false;
    bench.round(4000, 0);
    assert!((bench.pace.rate() - 25_000.0).abs() < 1e-9);
    bench.was_the_limit = true;
    bench.round(4000, 0);
    assert!((bench.pace.rate() - 25_250.0).abs() < 1e-6, "{}", bench.pace.rate());
}

#[test]
fn a_first_rate_doubles_with_each_answer_until_something_is_refused() {
    let mut bench = Bench::new(1_000.0);
    bench.pace.is_searching = true;
    for expected in [2_000.0, 4_000.0, 8_000.0] {
        bench.answer(1000, 0);
        assert!((bench.pace.rate() - expected).abs() < 1e-9, "{}", bench.pace.rate());
    }
    bench.was_the_limit = false;
    bench.answer(1000, 0);
    assert!((bench.pace.rate() - 8_000.0).abs() < 1e-9, "only where it was the limit");
    bench.was_the_limit = true;
    bench.now += 3_600_000 * MS;
    for (test, then) in [(6_480.0, 7_200.0), (5_832.0, 6_480.0)] {
        bench.answer(900, 100);
        assert!((bench.pace.rate() - test).abs() < 1.0, "one answer is a round so far");
        bench.round(900, 0); // where 90 were due: it may be chance
        assert!((bench.pace.rate() - then).abs() < 1.0, "it was the rate");
    }
    bench.round(4000, 0);
    assert!(bench.pace.rate() < 6_480.0 * 1.03, "told twice; and then small steps");
}

#[test]
fn a_test_that_leaves_no_doubt_ends_a_search_by_itself() {
    let mut bench = Bench::new(10_000.0);
    bench.pace.is_searching = true;
    bench.now += 3_600_000 * MS; // what was taken of late is nothing
    bench.answer(900, 100);
    assert!(bench.pace.background.is_tested());
    bench.round(4000, 0); // where 400 were due
    assert!((bench.pace.rate() - 9_000.0).abs() < 1.0, "{}", bench.pace.rate());
    bench.round(4000, 0);
    assert!(bench.pace.rate() < 9_000.0 * 1.03, "small steps");
}

#[test]
fn a_test_sends_nothing_that_was_saved_up_before() {
    let mut bench = Bench::new(10_000.0);
    bench.pace.is_searching = true;
    assert_eq!(bench.pace.available(500, bench.now + 100 * MS), 500);
    bench.answer(900, 100);
    assert!(bench.pace.background.is_tested());
    assert_eq!(bench.pace.available(500, bench.now), 0);
}

#[test]
fn what_is_refused_whatever_the_rate_does_not_end_it() {
    let mut bench = Bench::new(10_000.0);
    let mut least = f64::MAX;
    for _ in 0..200 {
        let entries = bench.pace.rate() * 0.4;
        bench.round((entries * 0.9) as usize, (entries * 0.1) as usize);
        least = bench.pace.rate().min(least);
    }
    assert!(least > 3_000.0, "found before more was lost: {least}");
    assert!(bench.pace.rate() > 50_000.0, "and then it grows: {}", bench.pace.rate());

    // Then the share rises with the rate: this is the rate's doing.
    let limit = bench.pace.rate() / 2.0;
    for _ in 0..20 {
        let entries = bench.pace.rate() * 0.4;
        let taken = (entries * 0.9).min(limit * 0.4);
        bench.now += 3_600_000 * MS; // what was taken of late is nothing
        bench.round(taken as usize, (entries - taken) as usize);
    }
    let rate = bench.pace.rate();
    assert!((limit * 0.8..limit * 1.2).contains(&rate), "{rate} for {limit}");
}

#[test]
fn a_search_goes_on_past_what_is_refused_whatever_the_rate() {
    let mut bench = Bench::new(1_000.0);
    bench.pace.is_searching = true;
    for expected in [810.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0] {
        bench.now += 3_600_000 * MS; // what was taken of late is nothing
        // A test is a whole round; a search goes on with each answer.
        if bench.pace.background.is_tested() {
            bench.round(3600, 400);
        } else {
            bench.answer(900, 100);
        }
        let rate = bench.pace.rate();
        assert!((rate - expected).abs() < 1.0, "{rate}, not {expected}");
    }
}

#[test]
fn a_slow_sender_takes_larger_steps_in_proportion_than_a_fast_one() {
    let step = |rate: f64| {
        let mut bench = Bench::new(rate);
        bench.round(rate as usize, 0);
        bench.pace.rate() / rate - 1.0
    };
    assert!((step(100_000.0) - 0.005).abs() < 1e-6);
    assert!((step(10_000.0) - 0.0158).abs() < 1e-4);
    assert!((step(100.0) - 0.02).abs() < 1e-6, "but never a large one");
    assert!((step(1e8) - 0.002).abs() < 1e-6, "nor none");
}

#[test]
fn growth_speeds_up_until_something_is_refused() {
    let mut bench = Bench::new(10_000.0);
    let mut rounds = 0;
    while bench.pace.rate() < 20_000.0 {
        bench.round((bench.pace.rate() * 0.4) as usize, 0);
        rounds += 1;
    }
    assert!((5..20).contains(&rounds), "{rounds}");
    let before = bench.pace.rate();
    bench.round(8000, 400);
    let after = bench.pace.rate();
    assert!(after <= before);
    bench.round(8000, 0);
    assert!(bench.pace.rate() < after * 1.02, "small steps again");
}

/// Two of 25 are refused at random, and five fail: ten slow senders of single entries, for ten
/// thousand entries each.
#[test]
fn a_slow_sender_is_not_ended_by_what_is_refused_whatever_the_rate() {
    for seed in 0..10 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new(50.0);
        for _ in 0..10_000 {
            let (sent_at, latency) = (bench.now, 0.01);
            bench.now += Duration::from_secs_f64(1.0 / bench.pace.rate());
            let [delivered, throttled, failed] = match random.u8(0..25) {
                0..2 => [0, 1, 0],
                2..7 => [0, 0, 1],
                _ => [1, 0, 0],
            };
            let was_the_limit = true;
            bench.pace.learn(
                Lesson { delivered, throttled, failed, sent_at, latency, was_the_limit },
                bench.now,
            );
            assert!(bench.pace.rate() > 10.0, "seed {seed}");
        }
    }
}

#[test]
fn it_neither_stops_nor_runs_away() {
    let mut bench = Bench::new(10_000.0);
    for _ in 0..100 {
        bench.round(0, 4000);
    }
    assert!((bench.pace.rate() - SLOWEST).abs() < 1e-9);
    for _ in 0..10_000 {
        bench.round(4_000_000_000, 0);
    }
    assert!(bench.pace.rate() <= FASTEST);
    bench.answer(0, 0);
    assert!(bench.pace.rate().is_finite());
}

#[test]
fn a_first_guess_is_at_least_a_request_a_second() {
    for (rate, max_batch_size, expected) in
        [(0.0, 500, 500.0), (900.0, 500, 900.0), (0.0, 1, 20.0), (f64::NAN, 1, 20.0)]
    {
        let pace = Pace::new(rate, max_batch_size, Instant::now());
        assert!((pace.rate() - expected).abs() < 1e-9, "{rate} {max_batch_size}");
    }
}
