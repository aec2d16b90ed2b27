//! When a view is to be fetched, and when trouble with it is worth a warning.

use std::time::Duration;

use tokio::{task::AbortHandle, time::Instant};

use super::Trouble;

/// How old a view may become when nothing speaks against it.
const LONGEST_AGE: Duration = Duration::from_secs(5 * 60);
/// From one fetch to the next, at least: all programs of an account share the service's limit on
/// such calls.
const SHORTEST_PAUSE: Duration = Duration::from_secs(10);
/// From one warning of the same trouble to the next.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(5 * 60);

/// When to fetch, and when to warn.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// The fetch that was begun last. A handle and no flag: it knows of a panic too.
    task: Option<AbortHandle>,
    begun_at: Option<Instant>,
    /// In a row.
    failures: u32,
    warned_at: Option<Instant>,
    /// Told once: nothing but a change of the permissions will end it.
    has_told_of_denial: bool,
}

impl Schedule {
    /// A task fetches now.
    pub(super) fn begun(&mut self, task: AbortHandle) {
        self.task = Some(task);
    }

    /// Nobody needs the view any more.
    pub(super) fn abort(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }

    /// Whether a fetch is to be begun now; counts it as begun if so.
    pub(super) fn is_due(&mut self, now: Instant, is_outdated: bool) -> bool {
        if self.task.as_ref().is_some_and(|task| !task.is_finished()) {
            return false;
        }
        let pause = match self.failures {
            0 if is_outdated => SHORTEST_PAUSE,
            0 => LONGEST_AGE,
            failures => SHORTEST_PAUSE
                .saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX))
                .min(LONGEST_AGE),
        };
        let is_due = self.begun_at.is_none_or(|at| now.duration_since(at) >= pause);
        if is_due {
            self.begun_at = Some(now);
        }
        is_due
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.has_told_of_denial = false;
    }

    /// Whether to warn of it.
    pub(super) fn failed(&mut self, now: Instant, trouble: &Trouble) -> bool {
        self.failures = self.failures.saturating_add(1);
        if *trouble == Trouble::Denied {
            return !std::mem::replace(&mut self.has_told_of_denial, true);
        }
        let warns = self.warned_at.is_none_or(|at| now.duration_since(at) >= BETWEEN_WARNINGS);
        if warns {
            self.warned_at = Some(now);
        }
        warns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn other() -> Trouble {
        Trouble::Other("because".to_owned())
    }

    #[test]
    fn a_fetch_is_due_at_first_and_then_every_5_minutes_or_after_10_seconds_where_it_is_outdated() {
        let start = Instant::now();
        for (is_outdated, pause) in [(false, secs(300)), (true, secs(10))] {
            let mut schedule = Schedule::default();
            for round in 0..5 {
                let at = start + pause * round;
                assert!(schedule.is_due(at, is_outdated));
                schedule.succeeded();
                let next = at + pause;
                for early in [at, at + pause / 2, next.checked_sub(secs(1)).unwrap()] {
                    assert!(!schedule.is_due(early, is_outdated));
                }
            }
        }
    }

    #[test]
    fn after_failures_the_pauses_double_up_to_5_minutes() {
        let start = Instant::now();
        for trouble in [Trouble::Denied, other()] {
            let mut schedule = Schedule::default();
            let mut at = start;
            for pause in
                [10, 20, 40, 80, 160, 300, 300].map(secs).into_iter().chain([secs(300); 60])
            {
                assert!(schedule.is_due(at, true));
                schedule.failed(at, &trouble);
                // Whatever the answers say.
                assert!(!schedule.is_due(at + pause - secs(1), true));
                at += pause;
            }
            assert!(schedule.is_due(at, false));
            schedule.succeeded();
            assert!(schedule.is_due(at + secs(10), true));
        }
    }

    #[tokio::test]
    async fn one_fetch_at_a_time_whatever_became_of_the_one_before() {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        assert!(schedule.is_due(start, false));
        let task = tokio::spawn(std::future::pending::<()>());
        schedule.begun(task.abort_handle());
        assert!(!schedule.is_due(start + secs(3600), true));
        schedule.abort();
        task.await.unwrap_err();
        // It has said nothing, as one that panicked.
        assert!(schedule.is_due(start + secs(3600), true));
    }

    #[test]
    fn a_denial_is_told_once_and_other_trouble_every_5_minutes() {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        let mut warns =
            |secs_later: u64, trouble: &Trouble| schedule.failed(start + secs(secs_later), trouble);
        assert!(warns(0, &Trouble::Denied));
        assert!(!warns(10_000, &Trouble::Denied));
        assert!(warns(10_000, &other()));
        assert!(!warns(10_299, &other()));
        assert!(warns(10_300, &other()));
        assert!(!warns(20_000, &Trouble::Denied));
        // Allowed, and then taken away: that is news.
        schedule.succeeded();
        assert!(!schedule.failed(start + secs(10_301), &other()), "on and off is no news");
        assert!(schedule.failed(start + secs(20_000), &Trouble::Denied));
    }
}
