//! The engine: a pure state machine that decides what is sent when, and keeps every entry until it
//! is settled. No I/O, no clock, no randomness but a seed: the same calls give the same history.
//!
//! ```text
//!              push                       poll_request → RequestId
//! producers ──────────► buffer ──────────────────────────────────► in flight ─► batch(id) ─► sent
//!                       ▲  fresh, delayed retries, paused lanes        │
//!                       │                                              │ handle_outcome
//!                       └── failed: back, ahead of what came later ◄───┼── handle_timeout
//!                                                                      ├─► delivered: settled
//!                                       poll_rejected ◄─ rejected ◄────┘
//!                                             └─► handle_dead_letter: settled
//! ```
//!
//! # How to drive it
//!
//! Methods are of four kinds: getters; *inputs* from outside ([`push`](Engine::push),
//! [`push_unasked`](Engine::push_unasked), [`push_keyed`](Engine::push_keyed), [`handle_outcome`](Engine::handle_outcome), [`handle_timeout`](Engine::handle_timeout),
//! [`handle_dead_letter`](Engine::handle_dead_letter));
//! *commands* ([`start_flush`](Engine::start_flush), [`find_lanes`](Engine::find_lanes)); and *outputs*
//! ([`poll_request`](Engine::poll_request), [`poll_abandoned`](Engine::poll_abandoned),
//! [`poll_rejected`](Engine::poll_rejected), [`poll_timeout`](Engine::poll_timeout),
//! [`take_settled`](Engine::take_settled)). After any input, call `handle_timeout` with the time, then `poll_request` and `poll_abandoned` until they
//! give `None`, and then ask `poll_timeout` when to come back at the latest.
//!
//! # Invariants
//!
//! Asserted after each transition in debug builds, and tested with random histories.
//!
//! - **I1** admitted = delivered + rejected + merged + buffered + in flight + being rejected, in
//!   entries and in bytes. An entry that is merged into another leaves one entry of the two, and
//!   `merged` has the bytes that the one is smaller than both were.
//! - **I2** a batch is never empty, and within the count, byte and record limits.
//! - **I3** requests in flight ≤ maximum; entries in flight ≤ window when issued; with nothing in
//!   flight and no time named by the limiter, one request may always go.
//! - **I4** within a lane, retries re-enter in admission order, ahead of what came later.
//! - **I5** [`unsent`](Engine::unsent) is everything admitted and not settled, in order, at any
//!   instant, in flight included; what was merged is in the entry that took it in.
//! - **I6** the [`Budget`] counts buffered and in flight, so a requeue always fits.
//! - **I7** a late or repeated answer changes nothing.
//! - **I8** live: idle, or stopped by a fatal error, or something in flight or being handed over as
//!   a dead letter, or [`poll_timeout`](Engine::poll_timeout) is `Some`.
//! - **I9** the oldest entry that may be sent never waits longer than `max_time_in_buffer` while
//!   the window has room.
//! - **I10** a lane that is throttled or waiting to retry never delays an entry of another lane.
//! - **I11** with [`Ordering::PerLane`], at most one entry of a lane may be sent or is in flight:
//!   the next one follows when it is settled. So a failed entry blocks the later ones of its lane,
//!   and no others.
//! - **I12** while a lane is held back, the lane of each entry is known: whoever pushes entries
//!   without asking for it ([`push_unasked`](Engine::push_unasked)) calls
//!   [`find_lanes`](Engine::find_lanes) before any answer that speaks of throttling.

mod buffer;
#[cfg(any(test, debug_assertions))]
mod buffer_check;
mod config;
mod counters;
mod cutting;
mod finding;
mod fresh;
mod issue;
mod lanes;
mod load;
mod merging;
mod outcome;
mod progress;
mod rejected;
mod requests;
mod retry;
#[cfg(test)]
mod tests;
mod views;

use std::{collections::VecDeque, sync::Arc, time::Instant};

use self::{
    buffer::Buffer,
    progress::{Progress, Run},
    rejected::Rejected,
    requests::Requests,
    retry::Retries,
};
pub use self::{
    config::{EngineConfig, RetryDelay},
    counters::{Counters, Stats},
    load::{Budget, Load},
    rejected::RejectedEntry,
    requests::RequestId,
};
#[cfg(feature = "tokio")]
pub(crate) use self::{
    finding::Finder,
    fresh::{Chunk, Spare},
};
use crate::{
    destination::{Entry, Lane, Queued},
    error::Error,
    outcome::Settled,
    rate_limit::RateLimiter,
    settings::Ordering,
};

/// See the [module's documentation](self).
#[derive(Debug)]
pub struct Engine<E> {
    config: EngineConfig,
    buffer: Buffer<E>,
    requests: Requests<E>,
    rejected: Rejected<E>,
    /// Whether rejected entries are handed over, instead of stopping the engine.
    has_dead_letters: bool,
    /// Requests that were given up and whose sending should be stopped.
    abandoned: VecDeque<RequestId>,
    limiter: Box<dyn RateLimiter>,
    retries: Retries,
    progress: Progress,
    /// Last sequence given out.
    last_sequence: u64,
    /// Whether an entry ever had a key.
    has_keys: bool,
    /// Everything up to this sequence goes out without waiting for its request to fill.
    flush_to: u64,
    /// Whether requests are held back until somebody says otherwise.
    on_hold: bool,
    /// Whether the last poll found something that holds the next request back. Only an answer, a
    /// timeout or the limiter's clock can change that, so no other timer matters meanwhile.
    blocked: bool,
    /// When the limiter may have changed its mind, where it is what holds the request back.
    limiter_wakes_at: Option<Instant>,
    /// Settled by the answer at hand, and not yet noted in `progress`.
    run: Run,
    /// Settled since the last [`take_settled`](Self::take_settled).
    newly_settled: Load,
    /// The same of each lane but [`Lane::SHARED`].
    newly_settled_lanes: Vec<(Lane, usize)>,
    /// Tracked entries that were settled since the last look, and how.
    newly_settled_tracked: Vec<(u64, Settled)>,
    counters: Counters,
    last_failure: Option<Arc<str>>,
    fatal: Option<Error>,
}

impl<E: Entry> Engine<E> {
    /// An idle engine. `seed` starts the randomness of retry delays.
    pub fn new(config: EngineConfig, limiter: Box<dyn RateLimiter>, seed: u64) -> Self {
        Self {
            retries: Retries::new(&config, seed),
            buffer: Buffer::new(config.ordering),
            config,
            requests: Requests::new(),
            rejected: Rejected::new(),
            has_dead_letters: false,
            abandoned: VecDeque::new(),
            limiter,
            progress: Progress::default(),
            last_sequence: 0,
            has_keys: false,
            flush_to: 0,
            on_hold: false,
            blocked: false,
            limiter_wakes_at: None,
            run: Run::default(),
            newly_settled: Load::default(),
            newly_settled_lanes: Vec::new(),
            newly_settled_tracked: Vec::new(),
            counters: Counters::default(),
            last_failure: None,
            fatal: None,
        }
    }

    /// Hands rejected entries over ([`poll_rejected`](Self::poll_rejected)) from now on. Without
    /// this, a rejection stops the engine.
    pub fn hand_over_rejected(&mut self) {
        self.has_dead_letters = true;
    }

    // ---------------------------------------------------------------------------- inputs

    /// Admits an entry of `size` bytes and gives its sequence: 1, 2, 3 …
    ///
    /// `now` is when it was admitted, or earlier; never earlier than the last call's. Whoever
    /// feeds the engine asks the [`Budget`] first and checks the record limit.
    #[inline]
    pub fn push(&mut self, entry: E, size: usize, lane: Lane, now: Instant) -> u64 {
        self.push_entry(entry, size, Some(lane), now, false)
    }

    /// The same; [`take_settled_tracked`](Self::take_settled_tracked) will say when it is settled.
    pub fn push_tracked(&mut self, entry: E, size: usize, lane: Lane, now: Instant) -> u64 {
        self.push_entry(entry, size, Some(lane), now, true)
    }

    #[inline]
    fn push_entry(
        &mut self,
        entry: E,
        size: usize,
        lane: Option<Lane>,
        now: Instant,
        tracked: bool,
    ) -> u64 {
        self.last_sequence += 1;
        self.counters.admitted.add(size);
        let (sequence, attempts, admitted_at) = (self.last_sequence, 0, now);
        let (lane, is_asked) = (lane.unwrap_or(Lane::SHARED), lane.is_some());
        let queued =
            Queued { entry, sequence, size, lane, is_asked, attempts, tracked, admitted_at };
        self.buffer.push(queued, now);
        self.check();
        sequence
    }

    /// Admits entries whose sequences follow the last one, of this load in all: moves them at once.
    /// Gives false, and leaves them, where lanes or their order ask for each to be looked at.
    #[cfg(feature = "tokio")] // for the driver
    pub(crate) fn push_all(&mut self, chunks: &mut VecDeque<Chunk<E>>, load: Load) -> bool {
        if !self.buffer.push_all(chunks, load, &mut self.requests.spare) {
            return false;
        }
        self.last_sequence += load.entries as u64;
        self.counters.admitted += load;
        self.check();
        true
    }

    /// Memory for the next chunks.
    #[cfg(feature = "tokio")] // for the driver
    pub(crate) fn spare(&mut self) -> &mut Spare<E> {
        &mut self.requests.spare
    }

    /// Admits an entry whose sequence follows the last one; with a key, as
    /// [`push_keyed`](Self::push_keyed).
    #[cfg(feature = "tokio")] // for the driver
    pub(crate) fn push_queued(&mut self, queued: Queued<E>, key: Option<u64>) {
        debug_assert_eq!(queued.sequence, self.last_sequence + 1, "in admission order");
        let Queued { entry, size, lane, is_asked, tracked, admitted_at, .. } = queued;
        match key {
            None => {
                let lane = is_asked.then_some(lane);
                self.push_entry(entry, size, lane, admitted_at, tracked)
            }
            Some(key) => self.push_keyed(entry, size, lane, key, tracked, admitted_at),
        };
    }

    /// Takes an entry out of the engine's care.
    #[inline]
    fn settle(&mut self, queued: &Queued<E>, how: impl FnOnce() -> Settled) {
        self.newly_settled.add(queued.size);
        if let Some((first, last)) = self.run.extend(queued.sequence) {
            self.progress.settle(first, last);
        }
        if queued.lane != Lane::SHARED {
            self.newly_settled_lanes.push((queued.lane, queued.size));
        }
        if self.config.ordering == Ordering::PerLane {
            self.buffer.advance(queued.lane);
        }
        if queued.tracked {
            self.newly_settled_tracked.push((queued.sequence, how()));
        }
    }

    /// Notes what was settled since the last call.
    fn note_progress(&mut self) {
        if let Some((first, last)) = self.run.take() {
            self.progress.settle(first, last);
        }
    }

    /// Gives up requests whose time is up and releases the retries whose delay has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire_requests(now);
        self.buffer.release(now);
        self.check();
    }

    // ---------------------------------------------------------------------------- commands

    /// Sends everything admitted so far without waiting for its request to fill. It is settled
    /// once [`settled_up_to`](Self::settled_up_to) has reached the sequence given back.
    pub fn start_flush(&mut self) -> u64 {
        self.flush_to = self.last_sequence;
        self.flush_to
    }

    /// Whether new requests are held back, whatever waits; answers and timeouts go on.
    pub fn hold_requests(&mut self, hold: bool) {
        self.on_hold = hold;
    }

    // ---------------------------------------------------------------------------- outputs

    /// What was settled since the last call, to be given back to the [`Budget`]: in all, and the
    /// lane and the bytes of each entry that was not in [`Lane::SHARED`].
    pub fn take_settled(&mut self, lanes: &mut Vec<(Lane, usize)>) -> Load {
        lanes.append(&mut self.newly_settled_lanes);
        std::mem::take(&mut self.newly_settled)
    }

    /// Drops the entries that were settled since the last call. By itself, because giving back the
    /// memory of a request's payloads takes longer than all else about its answer, and what the
    /// answer made room for should go first.
    pub fn drop_settled(&mut self) {
        self.requests.drop_settled();
    }

    /// The tracked entries that were settled since the last call, and how; those that are not looked at
    /// are forgotten, too.
    pub fn take_settled_tracked(&mut self) -> std::vec::Drain<'_, (u64, Settled)> {
        self.newly_settled_tracked.drain(..)
    }
}
