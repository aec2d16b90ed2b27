//! Where producers leave their entries and the driver picks them up: one short lock, no channel.
//!
//! The inbox owns the budget, so there is one place that says whether there is room; it owns the
//! gate, so a closed or failed sink refuses at the door; and when the driver ends, for whatever
//! reason, it owns what is left.

mod admitting;
mod driving;
mod lock;
mod state;

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::Waker,
    time::Instant as StdInstant,
};

use tokio::sync::{Notify, watch};

use self::lock::Lock;
pub(crate) use self::{
    lock::Locked,
    state::{Receipts, State},
};
use crate::{
    destination::{Lane, Queued},
    engine::{Budget, Stats},
    error::{Error, ErrorKind},
    sink::Summary,
};

/// An entry on its way in.
pub(crate) struct Arrival<E> {
    pub(crate) entry: E,
    pub(crate) size: usize,
    /// [`Lane::SHARED`] as long as the destination was not asked.
    pub(crate) lane: Lane,
    /// Whether it was.
    pub(crate) is_asked: bool,
}

impl<E> Arrival<E> {
    /// As the engine keeps it.
    #[inline]
    pub(crate) fn queued(self, sequence: u64, tracked: bool, admitted_at: StdInstant) -> Queued<E> {
        let Self { entry, size, lane, is_asked } = self;
        Queued { entry, sequence, size, lane, is_asked, attempts: 0, tracked, admitted_at }
    }
}

impl<E> fmt::Debug for Arrival<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival").field("size", &self.size).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(crate) struct Inbox<E> {
    /// Nothing that can panic runs under it, and a half-done push would only leave the budget too
    /// small.
    state: Lock<State<E>>,
    /// See [`asks_lanes`](Self::asks_lanes).
    asks_lanes: AtomicBool,
    /// Wakes the driver.
    wake: Notify,
    /// Turns true when the driver has ended and left what remains.
    ended: watch::Sender<bool>,
    /// Every sequence up to this one is settled.
    settled_up_to: watch::Sender<u64>,
}

/// When the driver is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closing {
    /// Not yet.
    No,
    /// Once everything inside is settled; nothing more comes in.
    WhenSettled,
    /// Now; what is inside is left unsent.
    Now,
}

/// What became of an entry.
pub(crate) enum Written<E> {
    /// It is in, with this sequence.
    Admitted(u64),
    /// It will be, when there is room and its turn; or once the driver had a chance to run.
    MustWait(Arrival<E>),
    /// It cannot come in.
    Refused(Error),
}

/// Why an entry was not admitted; it is given back.
pub(crate) enum Refused<E> {
    Full(E),
    Gate(E, Error),
}

impl<E> Inbox<E> {
    pub(crate) fn new(budget: Budget, asks_lanes: bool) -> Self {
        Self {
            state: Lock::new(State::new(budget)),
            asks_lanes: AtomicBool::new(asks_lanes),
            wake: Notify::new(),
            ended: watch::Sender::new(false),
            settled_up_to: watch::Sender::new(0),
        }
    }

    /// Whether the destination is to be asked for the lane of what is written.
    ///
    /// Looked at without the lock, before the entry comes in: what comes in without a lane all the
    /// same is asked for by the driver.
    #[inline]
    pub(crate) fn asks_lanes(&self) -> bool {
        self.asks_lanes.load(Relaxed)
    }

    pub(crate) fn lock(&self) -> Locked<'_, State<E>> {
        let mut state = self.state.lock();
        state.note_quota();
        state
    }

    /// Refuses new entries from now on, and tells the driver when to end.
    pub(crate) fn close(&self, closing: Closing) {
        let mut state = self.lock();
        state.closing = state.closing.max(closing);
        self.wake_everybody(state);
    }

    /// Refuses new entries from now on, with this error.
    pub(crate) fn fail(&self, error: &Error) {
        let mut state = self.lock();
        if state.failed.is_none() {
            state.failed = Some(error.clone());
            self.wake_everybody(state);
        }
    }

    fn wake_everybody(&self, state: Locked<'_, State<E>>) {
        let waiters: Vec<_> = state.waiters.iter().map(|waiter| waiter.waker().clone()).collect();
        drop(state);
        waiters.into_iter().for_each(Waker::wake);
        self.wake.notify_one();
    }

    /// Why the sink takes nothing more, if it does not.
    pub(crate) fn error(&self) -> Option<Error> {
        self.lock().check_gate().err()
    }

    /// Waits until the driver has ended.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender lives in `self`, so it cannot be gone.
        let _closed = ended.wait_for(|ended| *ended).await;
    }

    /// What was done, once the driver has ended; the error if it ended with one.
    pub(crate) fn summary(&self) -> Result<Summary, Error> {
        let state = self.lock();
        match (&state.failed, &state.summary) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(summary)) => Ok(summary.clone()),
            (None, None) => {
                Err(Error::new(ErrorKind::Closed, "close", "the sink is still closing"))
            }
        }
    }

    /// What the driver left, once.
    pub(crate) fn take_remains(&self) -> Vec<E> {
        std::mem::take(&mut self.lock().remains)
    }

    /// A look at what the driver left.
    pub(crate) fn with_remains<R>(&self, look: impl FnOnce(&[E]) -> R) -> R {
        look(&self.lock().remains)
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.lock();
        let (mut stats, seen_at) = state.stats.clone();
        let arrived = state.arrived_load;
        stats.counters.admitted += arrived;
        stats.buffered += arrived;
        if !stats.oldest_age.is_zero() {
            stats.oldest_age += seen_at.elapsed();
        } else if arrived.entries > 0 {
            stats.oldest_age = state.first_at.elapsed();
        }
        stats
    }
}
