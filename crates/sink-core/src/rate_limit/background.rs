//! What a destination refuses whatever the rate.

/// The share that the destination refuses at any rate.
///
/// Where the rate is what is too much, all is taken once it has fallen by the refused share. So a
/// test tells: for one round the rate falls by a little more than that. Where most of the share
/// is refused all the same, the rate is not its cause, and goes back to what it was.
#[derive(Debug, Clone, Default)]
pub(super) struct Background {
    share: f64,
    /// Rounds of which more was refused, less those of which no more was.
    suspicion: u32,
    /// Rounds since the last test, and how many there are from it to the next.
    rounds: u32,
    interval: u32,
    test: Option<Test>,
}

/// A round at a lower rate.
#[derive(Debug, Clone)]
struct Test {
    /// What was the rate, and the share that was refused of it.
    rate: f64,
    refused: f64,
}

/// What a test has shown.
pub(super) struct Verdict {
    /// Whether the rate was not the cause.
    pub(super) is_background: bool,
    /// The rate to go on with.
    pub(super) rate: f64,
}

/// Suspicion that is worth a test: at a destination that has a limit, the rounds after a cut are
/// clean. With less, those who share one would take each other's load for something that is not
/// theirs: with 4, Jain's index of four sinks fell to 0.9 for one seed of ten; with 8 it stays.
const SUSPICION: u32 = 8;
/// A share that was found is tested again after so many rounds, then after twice as many, at most.
const TESTS: (u32, u32) = (16, 64);
/// As much as this of the share must be refused in a test, or the rate was the cause.
const MOST_OF_IT: f64 = 0.7;
/// And no more than this.
const FAR_MORE: f64 = 1.5;
/// More is not believed: whoever refuses most is asked for less, whatever the cause.
const MOST_BACKGROUND: f64 = 0.5;

impl Background {
    /// The end of a test. Gives none where there was none, or where more was refused than before:
    /// what was saved up at the destination had just run out, and the first round was too mild.
    pub(super) fn judge(&mut self, refused: f64) -> Option<Verdict> {
        let test = self.test.take().filter(|test| refused <= test.refused * FAR_MORE)?;
        let is_background = refused >= test.refused * MOST_OF_IT;
        Some(if is_background {
            self.share = refused.min(MOST_BACKGROUND);
            self.interval = (2 * self.interval).clamp(TESTS.0, TESTS.1);
            Verdict { is_background, rate: test.rate }
        } else {
            *self = Self::default();
            Verdict { is_background, rate: test.rate * (1.0 - test.refused) }
        })
    }

    /// Whether a test is under way.
    pub(super) fn is_tested(&self) -> bool {
        self.test.is_some()
    }

    /// Begins a test where one is due; gives the rate for it.
    pub(super) fn test(
        &mut self,
        rate: f64,
        refused: f64,
        excess: f64,
        at_once: bool,
    ) -> Option<f64> {
        self.rounds += 1;
        self.suspicion =
            if excess > 0.0 { self.suspicion + 1 } else { self.suspicion.saturating_sub(1) };
        let is_suspect = self.suspicion >= if at_once { 1 } else { SUSPICION };
        let refused = if is_suspect && refused <= MOST_BACKGROUND {
            refused
        } else if self.share > 0.0 && self.rounds >= self.interval {
            self.share
        } else {
            return None;
        };
        (self.suspicion, self.rounds) = (0, 0);
        self.test = Some(Test { rate, refused });
        Some(rate * (1.0 - refused).powi(2))
    }

    /// The share of a round of so many entries that the rate is the cause of. Within twice the
    /// standard deviation, more than the background is chance.
    pub(super) fn excess(&self, refused: f64, entries: f64) -> f64 {
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

    /// Rounds of 2,000 entries at 10,000 a second of which this share is refused, until a test begins;
    /// gives its rate.
    fn until_test(background: &mut Background, refused: f64) -> Option<f64> {
        (0..100).find_map(|_| {
            let excess = background.excess(refused, 2000.0);
            background.test(10_000.0, refused, excess, false)
        })
    }

    #[test]
    fn a_test_shows_whether_the_rate_is_the_cause() {
        for (still_refused, is_background, rate, share) in [
            (0.1, true, 10_000.0, 0.1),
            (0.08, true, 10_000.0, 0.08),
            (0.06, false, 9_000.0, 0.0),
            (0.0, false, 9_000.0, 0.0),
        ] {
            let mut background = Background::default();
            let at = until_test(&mut background, 0.1).unwrap();
            assert!((at - 8_100.0).abs() < 1e-6, "{at}");
            let verdict = background.judge(still_refused).unwrap();
            assert_eq!(verdict.is_background, is_background, "{still_refused}");
            assert!((verdict.rate - rate).abs() < 1e-6);
            assert!((background.share - share).abs() < 1e-9);
            assert!(background.judge(0.1).is_none(), "a test is one round");
        }
    }

    #[test]
    fn a_test_in_which_far_more_is_refused_shows_nothing() {
        let mut background = Background::default();
        until_test(&mut background, 0.1).unwrap();
        assert!(background.judge(0.16).is_none());
        assert!(background.share.abs() < 1e-9 && !background.is_tested());
    }

    #[test]
    fn what_is_clean_now_and_then_is_never_tested() {
        let mut background = Background::default();
        for round in 0..1000 {
            let refused = if round % 2 == 0 { 0.1 } else { 0.0 };
            assert!(background.test(10_000.0, refused, refused, false).is_none());
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
            let excess = background.excess(refused, entries);
            assert!((excess - expected).abs() < 1e-9, "{refused} of {entries}: {excess}");
        }
    }

    #[test]
    fn what_was_found_is_tested_again_and_forgotten_when_it_is_over() {
        let mut background = Background::default();
        until_test(&mut background, 0.1).unwrap();
        background.judge(0.1).unwrap();
        let mut rounds_between = |refused: f64| {
            let rounds = (1..).find(|_| background.test(10_000.0, 0.1, 0.0, false).is_some());
            background.judge(refused).unwrap();
            rounds.unwrap()
        };
        let rounds = [0.1, 0.1, 0.1, 0.0].map(&mut rounds_between);
        assert_eq!(rounds, [16, 32, 64, 64]);
        assert!(background.share.abs() < 1e-9);
        assert!(background.test(10_000.0, 0.0, 0.0, false).is_none());
    }

    #[test]
    fn an_outage_is_not_what_is_refused_whatever_the_rate() {
        assert_eq!(until_test(&mut Background::default(), 1.0), None);
        assert_eq!(until_test(&mut Background::default(), 0.6), None);
    }
}
