//! How long a failure is borne that mends itself within seconds or not at all.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Fewer failures in a row than this are never the end, however long they took: with long delays
/// between them nobody has tried yet.
const FEWEST: u32 = 5;

/// Failures in a row.
///
/// Counting alone would not do: with fifty requests in flight, fifty fail within a millisecond of
/// the token's end, long before anything can have fetched a new one.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the first failure since the last success was seen, and how many there were.
    streak: Option<(Instant, u32)>,
    succeeded_once: bool,
}

/// What to do about one more failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bear {
    /// The first one in a row: try again, and tell somebody.
    First,
    /// Try again.
    Again,
    /// It will not mend itself.
    NoLonger,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, state: Mutex::default() }
    }

    pub(crate) fn failed(&self) -> Bear {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = state.streak.get_or_insert((now, 0));
        *count = count.saturating_add(1);
        if *count >= FEWEST && now.duration_since(*since) >= self.limit {
            Bear::NoLonger
        } else if *count == 1 {
            Bear::First
        } else {
            Bear::Again
        }
    }

    pub(crate) fn succeeded(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State { streak: None, succeeded_once: true };
    }

    pub(crate) fn succeeded_once(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).succeeded_once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_after_the_time_and_enough_failures() {
        let patience = Patience::new(Duration::from_secs(30));
        assert_eq!(patience.failed(), Bear::First);
        for _ in 0..1000 {
            assert_eq!(patience.failed(), Bear::Again);
        }
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(patience.failed(), Bear::Again);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(patience.failed(), Bear::NoLonger);
    }

    #[tokio::test(start_paused = true)]
    async fn few_failures_are_never_the_end() {
        let patience = Patience::new(Duration::from_secs(30));
        assert_eq!(patience.failed(), Bear::First);
        for _ in 1..FEWEST - 1 {
            tokio::time::advance(Duration::from_secs(60)).await;
            assert_eq!(patience.failed(), Bear::Again);
        }
        assert_eq!(patience.failed(), Bear::NoLonger);
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_starts_it_anew() {
        let patience = Patience::new(Duration::ZERO);
        assert!(!patience.succeeded_once());
        for _ in 0..3 {
            for expected in [Bear::First, Bear::Again, Bear::Again, Bear::Again] {
                assert_eq!(patience.failed(), expected);
            }
            patience.succeeded();
            assert!(patience.succeeded_once());
        }
    }
}
