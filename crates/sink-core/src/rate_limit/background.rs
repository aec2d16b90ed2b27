//! What a destination refuses whatever the rate.

/// The share that the destination refuses at any rate.
///
/// Where the rate is what is too much, all is taken once it has fallen by the refused share. So a
/// test tells: the rate falls by a little more than that, until enough was answered to know. Where
/// most of the share is refused all the same, the rate is not its cause, and goes back to what it
/// was.
#[derive(Debug, Clone, Default)]
pub(super) struct Background {
    share: f64,
    /// Rounds of which more was refused, less those of which no more was.
    suspicion: u32,
    /// What became of entries since there is a suspicion.
    suspected: Tally,
    /// Rounds since the last test, and how many there are from it to the next.
    rounds: u32,
    interval: u32,
    test: Option<Test>,
}

/// Entries of some rounds.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    refused: f64,
    entries: f64,
}

impl Tally {
    fn add(&mut self, refused: f64, entries: f64) {
        self.refused += refused;
        self.entries += entries;
    }

    fn share(&self) -> f64 {
        self.refused / self.entries.max(1.0)
    }
}

/// Rounds at a lower rate.
#[derive(Debug, Clone)]
struct Test {
    /// What was the rate, and the share that was refused of it.
    rate: f64,
    share: f64,
    /// Entries a second that were taken of late when it began.
    taken: f64,
    seen: Tally,
}

/// What follows from a round.
#[derive(Debug, PartialEq)]
pub(super) enum Finding {
    /// The rate is the cause of this share: 0 where nothing is too much.
    Excess(f64),
    /// A test begins, or goes on: at this rate.
    Test(f64),
    /// A test has shown that the rate is the cause, and this is what was taken; whether so many
    /// refusals were due that chance is ruled out.
    TooFast(f64, bool),
    /// A test has shown that it is not, and this was the rate.
    NotTheRate(f64),
}

/// Suspicion that is worth a test: at a destination that has a limit, the rounds after a cut are
/// clean. With less, those who share one would take each other's load for something that is not
/// theirs: with 4, Jain's index of four sinks fell to 0.9 for one seed of ten; with 8 it stays.
const SUSPICION: u32 = 8;
/// A share that was found is tested again after so many rounds, then after twice as many, at most.
const TESTS: (u32, u32) = (16, 64);
/// A test ends when so many refusals were to be expected: fewer are chance.
const ENOUGH: f64 = 20.0;
/// It ends sooner where so many were to be expected, and hardly any came.
const CLEAR: (f64, f64) = (5.0, 0.2);
/// So many were due, and hardly any came: that is no chance, even where they come in clusters.
const SURE: f64 = 100.0;
/// As much as this of the share must be refused in a test, or the rate was the cause.
const MOST_OF_IT: f64 = 0.6;
/// And no more than this: then what was saved up at the destination has run out meanwhile, and what
/// was refused before says too little.
const FAR_MORE: f64 = 1.5;
/// More is not believed: whoever refuses most is asked for less, whatever the cause.
const MOST_BACKGROUND: f64 = 0.5;
/// A round of fewer entries is no reason for a test by itself.
const FEW: f64 = 16.0;
/// What was refused of fewer entries is taken for a share of so many.
const LEAST: f64 = 24.0;

impl Background {
    /// Judges a round at this rate, of a destination that took so many entries a second of late.
    /// `at_once`: a single round is reason enough for a test.
    pub(super) fn judge(
        &mut self,
        rate: f64,
        refused: f64,
        entries: f64,
        taken: f64,
        at_once: bool,
    ) -> Finding {
        if let Some(mut test) = self.test.take() {
            test.seen.add(refused, entries);
            let expected = test.share * test.seen.entries;
            let is_clear = expected >= CLEAR.0 && test.seen.refused <= expected * CLEAR.1;
            if test.seen.refused <= FAR_MORE * expected.max(ENOUGH) {
                if expected < ENOUGH && !is_clear {
                    self.test = Some(test);
                    return Finding::Test(rate);
                }
                return self.end(&test);
            }
        }
        let excess = self.excess(refused, entries);
        self.rounds += 1;
        if excess > 0.0 {
            self.suspicion += 1;
            self.suspected.add(refused, entries);
        } else {
            self.suspicion = self.suspicion.saturating_sub(1);
            if self.suspicion == 0 {
                self.suspected = Tally::default();
            } else {
                self.suspected.add(refused, entries);
            }
        }
        let is_suspect = self.suspicion >= SUSPICION
            || (at_once && self.suspicion > 0 && self.suspected.entries >= FEW);
        let suspected = self.suspected.share();
        let share = if is_suspect && suspected <= MOST_BACKGROUND {
            suspected
        } else if self.share > 0.0 && self.rounds >= self.interval {
            self.share
        } else {
            return Finding::Excess(excess);
        };
        (self.suspicion, self.suspected, self.rounds) = (0, Tally::default(), 0);
        self.test = Some(Test { rate, share, taken, seen: Tally::default() });
        Finding::Test(rate * (1.0 - share).powi(2))
    }

    fn end(&mut self, test: &Test) -> Finding {
        if test.seen.share() >= test.share * MOST_OF_IT {
            self.share = test.seen.share().min(MOST_BACKGROUND);
            self.interval = (2 * self.interval).clamp(TESTS.0, TESTS.1);
            Finding::NotTheRate(test.rate)
        } else {
            *self = Self::default();
            let expected = test.share * test.seen.entries;
            let is_sure = expected >= SURE && test.seen.refused <= expected * CLEAR.1;
            // Below what was taken before, the destination would save up, and take too much after.
            let taken = test.taken.min(test.rate);
            Finding::TooFast(taken.max(test.rate * (1.0 - test.share)), is_sure)
        }
    }

    /// Whether a test is under way.
    pub(super) fn is_tested(&self) -> bool {
        self.test.is_some()
    }

    /// The share of a round that the rate is the cause of. Within twice the standard deviation,
    /// more than the background is chance.
    ///
    /// One of four is no quarter: of few, each counts as if they were more. Where one of twenty is
    /// refused whatever the rate, a sender of four entries a round would fall by a quarter with each
    /// fourth round, and without an end, for most of its rounds are clean.
    fn excess(&self, refused: f64, entries: f64) -> f64 {
        let entries = if refused < entries { entries.max(LEAST) } else { entries };
        let refused = refused / entries;
        let deviation = (self.share * self.taken() / entries).sqrt();
        if refused > self.share + 2.0 * deviation {
            (refused - self.share) / self.taken()
        } else {
            0.0
        }
    }

    /// The share that is taken where the rate is not too much.
    pub(super) fn taken(&self) -> f64 {
        1.0 - self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 10_000.0;

    /// A round of 2,000 entries of which this share is refused.
    fn round(background: &mut Background, refused: f64) -> Finding {
        background.judge(RATE, refused * 2000.0, 2000.0, 0.0, false)
    }

    /// Such rounds until a test begins; gives its rate.
    fn until_test(background: &mut Background, refused: f64) -> Option<f64> {
        (0..100).find_map(|_| match round(background, refused) {
            Finding::Test(rate) => Some(rate),
            _ => None,
        })
    }

    fn is(finding: &Finding, expected: &Finding) -> bool {
        match (finding, expected) {
            (Finding::Excess(a), Finding::Excess(b))
            | (Finding::Test(a), Finding::Test(b))
            | (Finding::NotTheRate(a), Finding::NotTheRate(b)) => (a - b).abs() < 1e-6,
            (Finding::TooFast(a, sure), Finding::TooFast(b, is_sure)) => {
                (a - b).abs() < 1e-6 && sure == is_sure
            }
            _ => false,
        }
    }

    #[test]
    fn a_test_shows_whether_the_rate_is_the_cause() {
        for (still_refused, expected, share) in [
            (0.1, Finding::NotTheRate(10_000.0), 0.1),
            (0.07, Finding::NotTheRate(10_000.0), 0.07),
            (0.05, Finding::TooFast(9_000.0, false), 0.0),
            (0.02, Finding::TooFast(9_000.0, true), 0.0), // 40, where 200 were due
            (0.0, Finding::TooFast(9_000.0, true), 0.0),
        ] {
            let mut background = Background::default();
            let at = until_test(&mut background, 0.1).unwrap();
            assert!((at - 8_100.0).abs() < 1e-6, "{at}");
            let finding = round(&mut background, still_refused);
            assert!(is(&finding, &expected), "{still_refused}: {finding:?}");
            assert!((background.share - share).abs() < 1e-9);
            assert!(!background.is_tested());
        }
    }

    #[test]
    fn a_test_goes_on_until_chance_is_unlikely() {
        let mut background = Background::default();
        until_test(&mut background, 0.1).unwrap();
        for _ in 0..4 {
            // 4 refusals of 40 each: 20 are enough.
            let finding = background.judge(8_100.0, 4.0, 40.0, 0.0, false);
            assert!(is(&finding, &Finding::Test(8_100.0)), "{finding:?}");
        }
        let finding = background.judge(8_100.0, 4.0, 40.0, 0.0, false);
        assert!(is(&finding, &Finding::NotTheRate(RATE)), "{finding:?}");

        let mut background = Background::default();
        until_test(&mut background, 0.1).unwrap();
        assert!(is(&background.judge(8_100.0, 1.0, 40.0, 0.0, false), &Finding::Test(8_100.0)));
        let finding = background.judge(8_100.0, 0.0, 40.0, 0.0, false);
        assert!(
            is(&finding, &Finding::TooFast(9_000.0, false)),
            "one, where 8 were due: {finding:?}"
        );
    }

    #[test]
    fn after_a_test_the_rate_is_what_was_taken_before_it() {
        for (taken, expected) in [(0.0, 9_000.0), (9_800.0, 9_800.0), (20_000.0, 10_000.0)] {
            let mut background = Background::default();
            while !background.is_tested() {
                background.judge(RATE, 200.0, 2000.0, taken, false);
            }
            // What is taken during the test is no more than was sent.
            let finding = background.judge(8_100.0, 0.0, 2000.0, 8_100.0, false);
            assert!(is(&finding, &Finding::TooFast(expected, true)), "{taken}: {finding:?}");
        }
    }

    #[test]
    fn a_test_in_which_far_more_is_refused_shows_nothing() {
        let mut background = Background::default();
        until_test(&mut background, 0.1).unwrap();
        let finding = round(&mut background, 0.16);
        assert!(is(&finding, &Finding::Excess(0.16)), "{finding:?}");
        assert!(background.share.abs() < 1e-9 && !background.is_tested());
    }

    #[test]
    fn what_is_clean_now_and_then_is_never_tested() {
        let mut background = Background::default();
        for number in 0..1000 {
            let refused = if number % 2 == 0 { 0.1 } else { 0.0 };
            assert!(is(&round(&mut background, refused), &Finding::Excess(refused)));
        }
    }

    #[test]
    fn a_single_round_is_reason_enough_where_it_says_something() {
        for (entries, is_tested) in [(10.0, false), (20.0, true)] {
            let mut background = Background::default();
            background.judge(RATE, 1.0, entries, 0.0, true);
            assert_eq!(background.is_tested(), is_tested, "{entries}");
        }
    }

    #[test]
    fn within_what_was_found_nothing_is_too_much_but_for_chance() {
        let background = Background { share: 0.1, ..Background::default() };
        for (refused, entries, expected) in [
            (0.0, 2000.0, 0.0),
            (0.1, 2000.0, 0.0),
            (0.113, 2000.0, 0.0), // two deviations of 0.0067
            (0.145, 2000.0, 0.05),
            (0.145, 100.0, 0.0), // of 0.03
            (1.0, 100.0, 1.0),
        ] {
            let excess = background.excess(refused * entries, entries);
            assert!((excess - expected).abs() < 1e-9, "{refused} of {entries}: {excess}");
        }
    }

    #[test]
    fn what_was_found_is_tested_again_and_forgotten_when_it_is_over() {
        let mut background = Background::default();
        until_test(&mut background, 0.1).unwrap();
        round(&mut background, 0.1);
        let mut rounds_between = |refused: f64| {
            let rounds = (1..).find(|_| matches!(round(&mut background, 0.1), Finding::Test(_)));
            round(&mut background, refused);
            rounds.unwrap()
        };
        let rounds = [0.1, 0.1, 0.1, 0.0].map(&mut rounds_between);
        assert_eq!(rounds, [16, 32, 64, 64]);
        assert!(background.share.abs() < 1e-9);
        assert!(is(&round(&mut background, 0.0), &Finding::Excess(0.0)));
    }

    #[test]
    fn an_outage_is_not_what_is_refused_whatever_the_rate() {
        assert_eq!(until_test(&mut Background::default(), 1.0), None);
        assert_eq!(until_test(&mut Background::default(), 0.6), None);
    }
}
