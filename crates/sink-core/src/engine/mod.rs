//! The engine: a pure state machine that decides what is sent when, and keeps every entry until it
//! is settled. No I/O, no clock, no randomness but a seed: the same calls give the same history.
//!
//! ```text
//!              push                       poll_request → RequestId
//! producers ──────────► buffer ──────────────────────────────────► in flight ─► batch(id) ─► sent
//!                       ▲  fresh, delayed retries, paused lanes        │
//!                       │                                              │ handle_outcome
//!                       └── failed: back, ahead of what came later ◄───┼── handle_timeout
//!                                                                      └─► delivered: settled
//! ```
//!
//! # How to drive it
//!
//! Methods are of four kinds: getters; *inputs* from outside ([`push`](Engine::push),
//! [`handle_outcome`](Engine::handle_outcome), [`handle_timeout`](Engine::handle_timeout));
//! *commands* ([`start_flush`](Engine::start_flush)); and *outputs*
//! ([`poll_request`](Engine::poll_request), [`poll_abandoned`](Engine::poll_abandoned),
//! [`poll_timeout`](Engine::poll_timeout), [`take_settled`](Engine::take_settled)). After any
//! input, call `handle_timeout` with the time, then `poll_request` and `poll_abandoned` until they
//! give `None`, and then ask `poll_timeout` when to come back at the latest.
//!
//! # Invariants
//!
//! Asserted after each transition in debug builds, and tested with random histories.
//!
//! - **I1** admitted = settled + buffered + in flight, in entries and in bytes.
//! - **I2** a batch is never empty, and within the count, byte and record limits.
//! - **I3** requests in flight ≤ maximum; entries in flight ≤ window when issued; with nothing in
//!   flight and no time named by the limiter, one request may always go.
//! - **I4** within a lane, retries re-enter in admission order, ahead of what came later.
//! - **I5** [`unsent`](Engine::unsent) is everything admitted and not settled, in order, at any
//!   instant, in flight included.
//! - **I6** the [`Budget`] counts buffered and in flight, so a requeue always fits.
//! - **I7** a late or repeated answer changes nothing.
//! - **I8** live: idle, or stopped by a fatal error, or something in flight, or
//!   [`poll_timeout`](Engine::poll_timeout) is `Some`.

mod buffer;
mod config;
mod counters;
mod load;
mod outcome;
mod progress;
mod requests;
mod retry;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, sync::Arc, time::Instant};

use self::{
    buffer::Buffer, progress::Progress, requests::InFlight, requests::Requests, retry::Backoff,
};
pub use self::{
    config::{EngineConfig, RetryDelay},
    counters::{Counters, Stats},
    load::{Budget, Load},
    requests::RequestId,
};
use crate::{
    destination::{Batch, Entry, Lane, Queued},
    error::Error,
    rate_limit::RateLimiter,
};

/// See the [module's documentation](self).
#[derive(Debug)]
pub struct Engine<E> {
    config: EngineConfig,
    buffer: Buffer<E>,
    requests: Requests<E>,
    /// Requests that were given up and whose sending should be stopped.
    abandoned: VecDeque<RequestId>,
    limiter: Box<dyn RateLimiter>,
    backoff: Backoff,
    progress: Progress,
    /// Last sequence given out.
    last_sequence: u64,
    /// Everything up to this sequence goes out without waiting for its request to fill.
    flush_to: u64,
    /// Whether the last poll found something that holds the next request back. Only an answer, a
    /// timeout or the limiter's clock can change that, so no other timer matters meanwhile.
    blocked: bool,
    /// When the limiter may have changed its mind, where it is what holds the request back.
    limiter_wakes_at: Option<Instant>,
    /// Settled since the last [`take_settled`](Self::take_settled).
    newly_settled: Load,
    counters: Counters,
    last_failure: Option<Arc<str>>,
    fatal: Option<Error>,
}

impl<E: Entry> Engine<E> {
    /// An idle engine. `seed` starts the randomness of retry delays.
    pub fn new(config: EngineConfig, limiter: Box<dyn RateLimiter>, seed: u64) -> Self {
        Self {
            backoff: Backoff::new(config.retry_delay, seed),
            config,
            buffer: Buffer::new(),
            requests: Requests::new(),
            abandoned: VecDeque::new(),
            limiter,
            progress: Progress::default(),
            last_sequence: 0,
            flush_to: 0,
            blocked: false,
            limiter_wakes_at: None,
            newly_settled: Load::default(),
            counters: Counters::default(),
            last_failure: None,
            fatal: None,
        }
    }

    // ---------------------------------------------------------------------------- inputs

    /// Admits an entry of `size` bytes and gives its sequence: 1, 2, 3 …
    ///
    /// `now` is when it was admitted, or earlier; never earlier than the last call's. Whoever
    /// feeds the engine asks the [`Budget`] first and checks the record limit.
    #[inline]
    pub fn push(&mut self, entry: E, size: usize, lane: Lane, now: Instant) -> u64 {
        self.last_sequence += 1;
        self.counters.admitted.add(size);
        let sequence = self.last_sequence;
        self.buffer.push(Queued { entry, sequence, size, lane, attempts: 0, admitted_at: now });
        self.check();
        sequence
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

    // ---------------------------------------------------------------------------- outputs

    /// The next request to send now. [`batch`](Self::batch) gives what it carries.
    pub fn poll_request(&mut self, now: Instant) -> Option<RequestId> {
        if self.fatal.is_some() {
            return None;
        }
        self.blocked = self.requests.len() >= self.config.max_in_flight_requests;
        let batch_size = self.config.max_batch_size.min(self.limiter.max_batch_size()).max(1);
        if self.blocked || !self.is_ready(batch_size, now) {
            return None;
        }
        let count = self.allowed(batch_size, now)?;

        let mut batch = self.requests.spare_batch();
        let bytes = self.buffer.cut(count, self.config.max_batch_size_in_bytes, &mut batch);
        for queued in &mut batch {
            queued.attempts = queued.attempts.saturating_add(1);
        }
        self.counters.requests += 1;
        self.counters.sent += Load { entries: batch.len(), bytes };
        self.limiter.on_issue(batch.len(), bytes, now);
        let request = InFlight { batch, bytes, issued_at: now };
        let id = self.requests.insert(request, now + self.config.request_timeout);
        self.check();
        Some(id)
    }

    /// Whether a request should go now, if it may: enough entries or bytes wait, or the oldest has
    /// waited long enough, or is being flushed.
    fn is_ready(&self, batch_size: usize, now: Instant) -> bool {
        let Some((sequence, admitted_at)) = self.buffer.oldest_sendable() else { return false };
        let sendable = self.buffer.sendable();
        sendable.entries >= batch_size
            || sendable.bytes >= self.config.max_batch_size_in_bytes
            || sequence <= self.flush_to
            || admitted_at + self.config.max_time_in_buffer <= now
    }

    /// How many entries the next request may carry, or `None` and `blocked`.
    fn allowed(&mut self, batch_size: usize, now: Instant) -> Option<usize> {
        let sendable = self.buffer.sendable();
        let wanted = sendable.entries.min(batch_size);
        let allowance = self.limiter.allowance(now);
        if allowance >= wanted {
            return Some(wanted);
        }
        // A request that its bytes will cut needs no window for the rest.
        let expected = self.config.max_batch_size_in_bytes.saturating_mul(sendable.entries)
            / sendable.bytes.max(1);
        if allowance >= expected {
            return Some(allowance);
        }
        // A time that has come and changes nothing would only wake us for ever.
        self.limiter_wakes_at = self.limiter.poll_timeout().filter(|at| *at > now);
        if self.requests.len() == 0 && self.limiter_wakes_at.is_none() {
            return Some(allowance.clamp(1, wanted)); // I3: nobody else would ever wake us
        }
        self.blocked = true;
        None
    }

    /// The next request that was given up: its sending should be stopped.
    pub fn poll_abandoned(&mut self) -> Option<RequestId> {
        self.abandoned.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and
    /// [`poll_request`](Self::poll_request) again at the latest. `None`: only an input can change
    /// anything.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let give_up = self.requests.next_deadline();
        if self.fatal.is_some() {
            return give_up;
        }
        let release = self.buffer.next_release();
        let next_request = if self.requests.len() >= self.config.max_in_flight_requests {
            None
        } else if self.blocked {
            self.limiter_wakes_at
        } else {
            self.buffer
                .oldest_sendable()
                .map(|(_, admitted_at)| admitted_at + self.config.max_time_in_buffer)
        };
        [give_up, release, next_request].into_iter().flatten().min()
    }

    /// What was settled since the last call, to be given back to the [`Budget`].
    pub fn take_settled(&mut self) -> Load {
        std::mem::take(&mut self.newly_settled)
    }

    // ---------------------------------------------------------------------------- getters

    /// What a request carries; `None` once it is answered or given up.
    pub fn batch(&self, id: RequestId) -> Option<Batch<'_, E>> {
        let request = self.requests.get(id)?;
        Some(Batch { entries: &request.batch, size_bytes: request.bytes })
    }

    /// How much more must be pushed before it is worth polling for a request, either in entries
    /// or in bytes: so that whoever feeds the engine need not wake it for each entry.
    pub fn appetite(&self) -> Load {
        if self.fatal.is_some() || self.blocked {
            return Load { entries: usize::MAX, bytes: usize::MAX };
        }
        let sendable = self.buffer.sendable();
        if sendable.entries == 0 {
            return Load { entries: 1, bytes: usize::MAX }; // its time in the buffer must be watched
        }
        let batch_size = self.config.max_batch_size.min(self.limiter.max_batch_size());
        Load {
            entries: batch_size.saturating_sub(sendable.entries).max(1),
            bytes: self.config.max_batch_size_in_bytes.saturating_sub(sendable.bytes).max(1),
        }
    }

    /// Every sequence from 1 to this one is settled.
    pub fn settled_up_to(&self) -> u64 {
        self.progress.settled_up_to()
    }

    /// Entries admitted and not settled.
    pub fn unsettled(&self) -> Load {
        self.buffer.load() + self.requests.load()
    }

    /// Why the engine stopped, if it did. It keeps what it holds, and still takes answers.
    pub fn fatal(&self) -> Option<&Error> {
        self.fatal.as_ref()
    }

    /// Stops the engine: nothing more is sent, and everything is kept.
    pub fn stop(&mut self, error: Error) {
        self.fatal.get_or_insert(error);
    }

    /// What was done and what is held.
    pub fn stats(&self, now: Instant) -> Stats {
        Stats {
            counters: self.counters,
            buffered: self.buffer.load(),
            in_flight: self.requests.load(),
            in_flight_requests: self.requests.len(),
            window: self.limiter.window(),
            oldest_age: self
                .buffer
                .oldest_sendable()
                .map_or_else(Default::default, |(_, at)| now.saturating_duration_since(at)),
            last_failure: self.last_failure.clone(),
        }
    }

    /// What the engine was built with.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Everything admitted and not settled, in admission order, in flight included (I5).
    pub fn unsent(&self) -> Vec<&E> {
        let mut unsent: Vec<_> = self.buffer.iter().chain(self.requests.iter()).collect();
        unsent.sort_unstable_by_key(|queued| queued.sequence);
        unsent.into_iter().map(|queued| &queued.entry).collect()
    }

    /// The same, owned; ends the engine.
    pub fn into_unsent(self) -> Vec<E> {
        let mut unsent: Vec<_> = self.buffer.into_iter().chain(self.requests.into_iter()).collect();
        unsent.sort_unstable_by_key(|queued| queued.sequence);
        unsent.into_iter().map(|queued| queued.entry).collect()
    }

    // ---------------------------------------------------------------------------- invariants

    /// The invariants that cost nothing to look at, after each transition.
    #[inline]
    fn check(&self) {
        debug_assert_eq!(
            self.counters.admitted,
            self.counters.delivered + self.buffer.load() + self.requests.load(),
            "I1: admitted = settled + buffered + in flight"
        );
        debug_assert!(
            self.requests.len() <= self.config.max_in_flight_requests,
            "I3: requests in flight"
        );
    }

    /// All invariants, each entry looked at: for tests, which call it after each step.
    ///
    /// # Panics
    ///
    /// When one does not hold.
    #[cfg(any(test, debug_assertions))]
    #[doc(hidden)]
    pub fn check_all(&self) {
        self.check();
        self.buffer.check();
        self.requests.check();
        let idle = self.unsettled().entries == 0;
        assert!(
            idle || self.fatal.is_some()
                || self.requests.len() > 0
                || self.poll_timeout().is_some(),
            "I8: idle, stopped, something in flight, or a timer"
        );
    }
}
