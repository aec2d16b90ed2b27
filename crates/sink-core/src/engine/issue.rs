//! When a request goes, what it carries, and when to look again.

use std::time::Instant;

use super::{
    Engine,
    cutting::Cut,
    load::Load,
    requests::{InFlight, RequestId},
};
use crate::destination::Entry;

impl<E: Entry> Engine<E> {
    /// The next request to send now. [`batch`](Self::batch) gives what it carries.
    pub fn poll_request(&mut self, now: Instant) -> Option<RequestId> {
        if self.fatal.is_some() {
            return None;
        }
        if self.on_hold {
            // As if the window were closed: then no time is named at which nothing could be done.
            (self.blocked, self.limiter_wakes_at) = (true, None);
            return None;
        }
        self.blocked = self.requests.len() >= self.config.max_in_flight_requests;
        let batch_size = self.config.max_batch_size.min(self.limiter.max_batch_size()).max(1);
        if self.blocked || !self.is_ready(batch_size, now) {
            return None;
        }
        let count = self.allowed(batch_size, now)?;

        let max_bytes = self.config.max_batch_size_in_bytes;
        let Cut { batch, bytes, alone, plain } =
            self.buffer.cut(count, max_bytes, &mut self.requests.spare);
        self.counters.requests += 1;
        self.counters.sent += Load { entries: batch.len(), bytes };
        self.limiter.on_issue(batch.len(), bytes, now);
        let request = InFlight { batch, bytes, issued_at: now, alone, plain };
        let id = self.requests.insert(request, now + self.config.request_timeout);
        self.check();
        Some(id)
    }

    /// Whether there is enough for a full request.
    pub fn has_full_request(&self) -> bool {
        let batch_size = self.config.max_batch_size.min(self.limiter.max_batch_size()).max(1);
        self.is_full(batch_size)
    }

    fn is_full(&self, batch_size: usize) -> bool {
        let sendable = self.buffer.sendable();
        sendable.entries >= batch_size || sendable.bytes >= self.config.max_batch_size_in_bytes
    }

    /// Whether a request should go now, if it may: enough entries or bytes wait, or the oldest has
    /// waited long enough, or is being flushed.
    fn is_ready(&self, batch_size: usize, now: Instant) -> bool {
        let Some((sequence, admitted_at)) = self.buffer.oldest_sendable() else { return false };
        self.is_full(batch_size)
            || sequence <= self.flush_to
            || self.buffer.is_half_next()
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
}
