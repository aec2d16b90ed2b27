//! What a destination took of late.

use std::time::Instant;

/// What the destination took in the last one to two periods.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    since: Instant,
    entries: f64,
    /// Entries and seconds of the period before.
    before: (f64, f64),
}

/// A period is no shorter, in seconds: less than this is noise.
pub(super) const SHORTEST_PERIOD: f64 = 0.05;

impl Taken {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, entries: 0.0, before: (0.0, 0.0) }
    }

    /// Counts what was taken now, and gives the entries a second from the period before until now.
    /// What was taken now is not among them: it was taken at the end of that time, and counting both
    /// ends would give one answer too many.
    pub(super) fn note(&mut self, entries: f64, period: f64, now: Instant) -> f64 {
        let period = period.max(SHORTEST_PERIOD);
        let seconds = now.saturating_duration_since(self.since).as_secs_f64();
        let of_late = (self.before.0 + self.entries) / (self.before.1 + seconds).max(period);
        if seconds >= period {
            self.before = (self.entries, seconds);
            (self.since, self.entries) = (now, 0.0);
        }
        self.entries += entries;
        of_late
    }

    /// Counts what was as good as taken.
    pub(super) fn add(&mut self, entries: f64) {
        self.entries += entries;
    }
}
