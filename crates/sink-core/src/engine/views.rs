//! What an engine tells of itself, and the invariants that it keeps.

use std::time::Instant;

use super::{Engine, EngineConfig, Load, RequestId, Stats};
use crate::{
    destination::{Batch, Entry, Queued},
    error::Error,
};

impl<E: Entry> Engine<E> {
    /// What a request carries; `None` once it is answered or given up.
    pub fn batch(&self, id: RequestId) -> Option<Batch<'_, E>> {
        let request = self.requests.get(id)?;
        Some(Batch { entries: &request.batch, size_bytes: request.bytes })
    }

    /// How much more must be pushed before it is worth polling for a request, either in entries
    /// or in bytes: so that whoever feeds the engine need not wake it for each entry.
    ///
    /// An entry that comes into an empty buffer has a time by which it must be sent. It is counted
    /// as enough, unless `is_watched`: somebody will poll within `max_time_in_buffer` anyway.
    pub fn appetite(&self, is_watched: bool) -> Load {
        if self.fatal.is_some() || self.blocked {
            return Load { entries: usize::MAX, bytes: usize::MAX };
        }
        let sendable = self.buffer.sendable();
        if sendable.entries == 0 && !is_watched {
            return Load { entries: 1, bytes: usize::MAX };
        }
        let batch_size = self.config.max_batch_size.min(self.limiter.max_batch_size());
        Load {
            entries: batch_size.saturating_sub(sendable.entries).max(1),
            bytes: self.config.max_batch_size_in_bytes.saturating_sub(sendable.bytes).max(1),
        }
    }

    /// The sequence of the last entry that was pushed; 0 before the first.
    #[inline]
    pub fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Every sequence from 1 to this one is settled.
    pub fn settled_up_to(&self) -> u64 {
        self.progress.settled_up_to()
    }

    /// Entries admitted and not settled.
    pub fn unsettled(&self) -> Load {
        self.buffer.load() + self.requests.load() + self.rejected.load()
    }

    /// How many requests are in flight.
    pub fn requests_in_flight(&self) -> usize {
        self.requests.len()
    }

    /// How many lanes hold entries back: see [`Stats::held_lanes`].
    pub fn held_lanes(&self) -> usize {
        self.buffer.held_lanes()
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
            rejecting: self.rejected.load(),
            held_lanes: self.buffer.held_lanes(),
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
        let mut unsent: Vec<_> = self.held().collect();
        unsent.sort_unstable_by_key(|queued| queued.sequence);
        unsent.into_iter().map(|queued| &queued.entry).collect()
    }

    pub(super) fn held(&self) -> impl Iterator<Item = &Queued<E>> {
        self.buffer.iter().chain(self.requests.iter()).chain(self.rejected.iter())
    }

    /// The same, owned; ends the engine.
    pub fn into_unsent(self) -> Vec<E> {
        let (buffer, requests) = (self.buffer.into_iter(), self.requests.into_iter());
        let mut unsent: Vec<_> = buffer.chain(requests).chain(self.rejected.into_iter()).collect();
        unsent.sort_unstable_by_key(|queued| queued.sequence);
        unsent.into_iter().map(|queued| queued.entry).collect()
    }

    // ---------------------------------------------------------------------------- invariants

    /// The invariants that cost nothing to look at, after each transition.
    #[inline]
    pub(super) fn check(&self) {
        debug_assert_eq!(
            self.counters.admitted,
            self.counters.delivered
                + self.counters.rejected
                + self.counters.merged
                + self.unsettled(),
            "I1: admitted = settled + merged + buffered + in flight + being rejected"
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
        assert!(
            self.fatal.is_some()
                || self.buffer.held_lanes() == 0
                || self.held().all(|queued| queued.is_asked),
            "I12: where a lane is held, the lane of each entry is known"
        );
        let idle = self.unsettled().entries == 0;
        assert!(
            idle || self.fatal.is_some()
                || self.requests.len() > 0
                || self.rejected.load().entries > 0
                || self.poll_timeout().is_some(),
            "I8: idle, stopped, something in flight, or a timer"
        );
    }
}
