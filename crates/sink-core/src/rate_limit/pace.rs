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
mod tests;
