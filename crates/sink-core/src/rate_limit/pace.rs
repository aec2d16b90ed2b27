//! A rate that follows what a destination takes, and the tokens that keep to it.

use std::time::{Duration, Instant};

use super::{
    background::{Background, Finding},
    taken::Taken,
};

/// So many entries a second, learned from the share that the destination refuses.
///
/// The rate is judged once a *round*: when as many entries as are sent in one round trip (or one
/// answer's, where that is more) were answered that had been sent **at this rate**. What was sent
/// before says nothing about it: ten refused requests that were in flight together are one refusal,
/// not ten.
///
/// - **Down in proportion**: when a share of a round is refused, the rate falls by that share, not by
///   half for one record of five hundred; and never below what the destination took of late. A
///   round of which nothing at all was taken says only that it was too much: half.
/// - **Up by a step a round**, larger in proportion for a slow sender than for a fast one, so that
///   those who share a destination come to equal parts; and only where the pace was what held
///   entries back. After rounds without a refusal the steps grow, so that new capacity is found
///   within seconds.
/// - **A first rate is a guess**, made low: it doubles with each answer, until less of it is taken.
/// - **What is refused whatever the rate** (a server of ten that is ill) is none of the rate's doing;
///   see [`Background`].
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Entries a second.
    rate: f64,
    /// Entries a second at which a step is [`STEP`] of the rate.
    reference: f64,
    /// Whether no rate was found yet that is too much.
    is_searching: bool,
    /// How often a test has ended the search.
    doubts: u32,
    background: Background,
    /// Rounds since the last refusal.
    clean_rounds: f64,
    round: Round,
    taken: Taken,
    /// Entries that may go now; below zero after a request that took more.
    tokens: f64,
    counted_at: Instant,
}

/// What became of the entries that were sent since the rate was last judged.
#[derive(Debug, Clone)]
struct Round {
    since: Instant,
    delivered: f64,
    throttled: f64,
}

impl Round {
    fn new(since: Instant) -> Self {
        Self { since, delivered: 0.0, throttled: 0.0 }
    }
}

/// What an answer says of a destination's rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lesson {
    /// Entries that were taken.
    pub(crate) delivered: usize,
    /// Entries that were refused.
    pub(crate) throttled: usize,
    /// Entries that failed for another reason than the rate.
    pub(crate) failed: usize,
    /// When they were sent.
    pub(crate) sent_at: Instant,
    /// How long a round trip takes, in seconds.
    pub(crate) latency: f64,
    /// Whether the pace held entries back meanwhile.
    pub(crate) was_the_limit: bool,
}

/// The slowest: a destination that takes nothing is asked by the retry delays, not by the pace.
const SLOWEST: f64 = 1.0;
/// Nobody begins with less: a lane of which one entry was refused is not known to be that slow.
const LEAST_GUESS: f64 = 20.0;
/// The fastest: far beyond any destination, so that sums stay finite.
const FASTEST: f64 = 1e9;
/// A round's step, as a share of the rate: what is refused in steady state is about as much as a
/// step adds.
const STEP: f64 = 0.01;
/// The same for the slowest and the fastest.
const STEPS: (f64, f64) = (0.002, 0.02);
/// A sender of so many full requests a second takes the step itself.
const REQUESTS_A_SECOND: f64 = 50.0;
/// So many tests of a search must say that it went too far: where refusals come by chance and in
/// clusters, one test says little; unless it leaves no doubt.
const DOUBTS: u32 = 2;
/// Answers in a round, at least: one alone says more of who came just before than of the rate.
const ANSWERS: f64 = 4.0;
/// After so many rounds without a refusal the steps have doubled, and after as many more again.
const PATIENCE: f64 = 2.0;
/// A round's growth at most, however long nothing was refused. A destination that saves up what
/// was not used (most do) takes too much for a while, and then far less: more would overshoot.
const LARGEST_GROWTH: f64 = 0.1;
/// What may go at once after a wait, as a share of a second: timers tick in milliseconds, and a
/// late one must not cost throughput.
const BURST: f64 = 0.02;
/// A wake-up is some nanoseconds early at times; that must not cost an entry.
const NEARLY: f64 = 1e-3;

impl Pace {
    /// A pace that begins with so many entries a second, for requests of up to so many: at least
    /// with one request a second, and with [`LEAST_GUESS`].
    #[allow(clippy::cast_precision_loss)] // far below 2^52
    pub(crate) fn new(rate: f64, max_batch_size: usize, now: Instant) -> Self {
        let rate = rate.max(max_batch_size as f64).clamp(LEAST_GUESS, FASTEST);
        Self {
            rate,
            reference: max_batch_size as f64 * REQUESTS_A_SECOND,
            is_searching: true,
            doubts: 0,
            background: Background::default(),
            clean_rounds: 0.0,
            round: Round::new(now),
            taken: Taken::new(now),
            tokens: 0.0,
            counted_at: now,
        }
    }

    /// Entries a second.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    #[cfg(test)]
    pub(super) fn stop_searching(&mut self) {
        self.is_searching = false;
    }

    /// How many entries may go now. `request` is how many go at once; the pace saves up for it.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    pub(crate) fn available(&mut self, request: usize, now: Instant) -> usize {
        let since = now.saturating_duration_since(self.counted_at);
        let most = (request as f64).max(self.rate * BURST);
        self.tokens = (self.tokens + self.rate * since.as_secs_f64()).min(most);
        self.counted_at = self.counted_at.max(now);
        (self.tokens + NEARLY) as usize
    }

    /// Takes the tokens of so many entries that go now.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn take(&mut self, entries: usize) {
        self.tokens -= entries as f64;
    }

    /// When so many entries may go, by the last look at what is available.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn ready_at(&self, entries: usize) -> Instant {
        let missing = entries as f64 - self.tokens;
        if missing <= NEARLY {
            return self.counted_at;
        }
        let wait = Duration::from_secs_f64((missing / self.rate).min(3600.0));
        self.counted_at + wait.max(Duration::from_nanos(1)) // never now again
    }

    /// Learns from an answer.
    #[allow(clippy::cast_precision_loss)] // far below 2^52
    pub(crate) fn learn(&mut self, lesson: Lesson, now: Instant) {
        let (delivered, throttled) = (lesson.delivered as f64, lesson.throttled as f64);
        let entries = delivered + throttled;
        // What failed otherwise was not refused for the rate.
        self.taken.add(lesson.failed as f64);
        if entries == 0.0 {
            return;
        }
        let answers = if self.is_searching && !self.background.is_tested() { 1.0 } else { ANSWERS };
        let whole = (self.rate * lesson.latency).max(answers * entries);
        let of_late = self.taken.note(delivered, 2.0 * whole / self.rate, now);
        if lesson.sent_at < self.round.since {
            return;
        }
        self.round.delivered += delivered;
        self.round.throttled += throttled;
        let Round { delivered, throttled, .. } = self.round;
        if delivered + throttled < whole {
            return;
        }
        let entries = delivered + throttled;
        let finding =
            self.background.judge(self.rate, throttled, entries, of_late, self.is_searching);
        match finding {
            Finding::Test(rate) => {
                self.rate = rate;
                // What was saved up would go at once, and be counted to the new rate.
                self.tokens = self.tokens.min(0.0);
            }
            Finding::NotTheRate(rate) => self.rate = rate,
            Finding::TooFast(rate, is_sure) => {
                let doubts = if is_sure { DOUBTS } else { 1 };
                self.doubts = self.doubts.saturating_add(doubts);
                self.is_searching &= self.doubts < DOUBTS;
                self.rate = rate;
            }
            Finding::Excess(excess) if excess > 0.0 => {
                self.clean_rounds = 0.0;
                let taken = if delivered == 0.0 { 0.5 } else { 1.0 - excess };
                let of_late = of_late / self.background.taken();
                self.rate = (self.rate * taken).max(of_late.min(self.rate));
            }
            Finding::Excess(_) if !lesson.was_the_limit => {}
            Finding::Excess(_) if self.is_searching => self.rate *= 2.0,
            Finding::Excess(_) => {
                let step = STEP * (self.reference / self.rate).sqrt();
                let boost = (self.clean_rounds / PATIENCE).min(64.0).exp2();
                self.rate *= 1.0 + (step.clamp(STEPS.0, STEPS.1) * boost).min(LARGEST_GROWTH);
                self.clean_rounds += 1.0;
            }
        }
        self.rate = self.rate.clamp(SLOWEST, FASTEST);
        self.round = Round::new(now);
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test starts its own clock
mod tests {
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
            (12, 988, 120.0), // nearly nothing was taken: as exactly as anything else
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
}
