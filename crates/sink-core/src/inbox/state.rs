//! What the inbox's lock guards, and how entries come in under it.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{Arrival, Closing};
use crate::{
    admission::Waiter,
    destination::{Lane, Queued},
    engine::{Budget, Chunk, Load, Spare, Stats},
    error::{Error, ErrorKind},
    receipt::SettledSender,
    sink::Summary,
};

/// Who wants to know when an entry is settled, by its sequence.
pub(crate) type Receipts = VecDeque<(u64, SettledSender)>;

/// See [`State::is_driver_due`].
const REQUESTS_UNTIL_DUE: usize = 8;
const TIME_UNTIL_DUE: Duration = Duration::from_micros(100);

// The first fields are what a write needs that is let in by the quota: one line of a processor's cache,
// which two producers on two processors pass to and fro.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct State<E> {
    /// What may come in before anything else needs a look: see [`State::grant`].
    pub(super) quota: Load,
    /// The last entries that the driver has not picked up, as the engine keeps them.
    pub(super) open: Chunk<E>,
    /// Of the last entry that was admitted.
    pub(super) last_sequence: u64,
    /// When the first arrived that the driver has not picked up: one clock read a batch, not an entry.
    /// Taking it for all of them is early, never late.
    pub(super) first_at: Instant,
    /// What the quota was before entries came in.
    pub(super) granted: Load,
    /// The entries before the open ones.
    pub(super) arrived: VecDeque<Chunk<E>>,
    /// The load of both, but for what the quota let in.
    pub(super) arrived_load: Load,
    /// When the driver was woken, if it has not come since.
    pub(super) called_at: Option<Instant>,
    /// How large a request may be, and so a chunk.
    pub(super) request: Load,
    pub(super) spare: Spare<E>,
    /// Who wants to know when one of them is settled, by its sequence, rising. Beside the entries,
    /// not with them, so that an entry that nobody tracks pays nothing.
    pub(super) receipts: Receipts,
    /// How much must have arrived for the driver to be woken.
    pub(super) wake_at: Load,
    /// How much must have arrived for the driver to look at which lanes it is of.
    pub(super) look_at: Load,
    /// Whether the driver may merge what has arrived, which leaves room.
    pub(super) may_merge: bool,
    pub(crate) budget: Budget,
    pub(super) closing: Closing,
    /// Why the sink stopped, if it did: every call returns this.
    pub(super) failed: Option<Error>,
    /// Writers that wait for room, first come first served.
    pub(crate) waiters: VecDeque<Waiter>,
    /// How many of them have no room yet.
    pub(crate) in_line: usize,
    pub(crate) next_ticket: u64,
    /// As the driver last saw them, and when.
    pub(super) stats: (Stats, Instant),
    /// What the driver left when it ended.
    pub(super) remains: Vec<E>,
    pub(super) summary: Option<Summary>,
}

impl<E> State<E> {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            quota: Load::default(),
            granted: Load::default(),
            open: Chunk::default(),
            arrived: VecDeque::new(),
            arrived_load: Load::default(),
            called_at: None,
            request: budget.request(),
            spare: Spare::new(),
            receipts: Receipts::new(),
            last_sequence: 0,
            first_at: Instant::now(),
            wake_at: Load { entries: 1, bytes: usize::MAX },
            look_at: Load::MAX,
            may_merge: false,
            budget,
            closing: Closing::No,
            failed: None,
            waiters: VecDeque::new(),
            in_line: 0,
            next_ticket: 0,
            stats: (Stats::default(), Instant::now()),
            remains: Vec::new(),
            summary: None,
        }
    }

    #[inline]
    pub(crate) fn check_gate(&self) -> Result<(), Error> {
        if self.closing == Closing::No && self.failed.is_none() { Ok(()) } else { self.refuse() }
    }

    #[cold]
    fn refuse(&self) -> Result<(), Error> {
        let closed = || Error::new(ErrorKind::Closed, "write", "the sink is closed");
        Err(self.failed.clone().unwrap_or_else(closed))
    }

    /// Takes an entry in; gives whether the driver is to be woken.
    pub(crate) fn admit(&mut self, arrival: Arrival<E>, receipt: Option<SettledSender>) -> bool {
        self.budget.take(arrival.lane, arrival.size);
        if self.arrived_load.entries == 0 {
            self.first_at = Instant::now();
        }
        self.arrived_load.add(arrival.size);
        let queued = self.next(arrival, receipt);
        self.open.push(queued);
        self.note_arrival()
    }

    fn note_arrival(&mut self) -> bool {
        let wake = self.is_enough();
        if wake {
            // Once is enough until the driver rests again.
            self.wake_at = Load::MAX;
            self.called_at = Some(Instant::now());
        }
        if wake || self.open.entries.len() >= self.request.entries {
            self.seal(); // what the driver waited for is a request as it is
        }
        wake
    }

    /// The same for a chunk of [`Lane::SHARED`]. Leaves an empty one in its place.
    pub(super) fn admit_chunk(&mut self, chunk: &mut Chunk<E>) -> bool {
        let load = chunk.load();
        self.budget.take_shared(load);
        if self.arrived_load.entries == 0 {
            self.first_at = Instant::now();
        }
        self.arrived_load += load;
        for queued in &mut chunk.entries {
            self.last_sequence += 1;
            (queued.sequence, queued.admitted_at) = (self.last_sequence, self.first_at.into_std());
        }
        if self.open.entries.len() + load.entries < self.request.entries {
            self.open.bytes += std::mem::take(&mut chunk.bytes);
            self.open.entries.append(&mut chunk.entries);
        } else {
            self.seal();
            let next = Chunk::in_vec(self.spare.take());
            self.arrived.push_back(std::mem::replace(chunk, next));
        }
        self.note_arrival()
    }

    /// The entry with the next sequence.
    #[inline]
    fn next(&mut self, arrival: Arrival<E>, receipt: Option<SettledSender>) -> Queued<E> {
        self.last_sequence += 1;
        let tracked = receipt.is_some();
        if let Some(receipt) = receipt {
            self.receipts.push_back((self.last_sequence, receipt));
        }
        arrival.queued(self.last_sequence, tracked, self.first_at.into_std())
    }

    /// Whether writers should let the driver run: it was woken, and some requests have come
    /// together since, or some time has passed. Not at once: the change to it and back costs as
    /// much as a hundred writes. But at once where it is to look at what the buffer is full of.
    pub(super) fn is_driver_due(&self) -> bool {
        self.called_at.is_some_and(|at| {
            let Load { entries, bytes } = self.arrived_load;
            entries >= self.request.entries.saturating_mul(REQUESTS_UNTIL_DUE)
                || entries >= self.look_at.entries
                || bytes >= self.look_at.bytes
                || at.elapsed() >= TIME_UNTIL_DUE
        })
    }

    /// The same, and then no more until it is woken again.
    pub(super) fn take_driver_due(&mut self) -> bool {
        let is_due = self.is_driver_due();
        if is_due {
            self.called_at = None;
        }
        is_due
    }

    /// Puts the open chunk behind the others.
    pub(super) fn seal(&mut self) {
        if !self.open.entries.is_empty() {
            let next = Chunk::in_vec(self.spare.take());
            self.arrived.push_back(std::mem::replace(&mut self.open, next));
        }
    }

    /// Lets so much come in as needs no other look: there is room for it in the budget and in the
    /// open chunk, the driver need not be woken for it, nobody waits, and the gate is open.
    ///
    /// So nearly every write compares two numbers. What was let in is counted by whoever takes the
    /// lock next for another reason.
    pub(super) fn grant(&mut self) {
        debug_assert!(self.quota == Load::default(), "what was let in would not be counted");
        if self.arrived_load.entries == 0 || self.in_line > 0 {
            return;
        }
        let until_woken = Load {
            entries: self.wake_at.entries.saturating_sub(self.arrived_load.entries + 1),
            bytes: self.wake_at.bytes.saturating_sub(self.arrived_load.bytes + 1),
        };
        let of_chunk = Load {
            entries: self.request.entries.saturating_sub(self.open.entries.len() + 1),
            bytes: self.request.bytes.saturating_sub(self.open.bytes),
        };
        self.quota = self.budget.free().min(until_woken).min(of_chunk);
        self.granted = self.quota;
    }

    #[inline]
    pub(super) fn is_in_quota(&self, arrival: &Arrival<E>) -> bool {
        self.quota.entries > 0 && arrival.size <= self.quota.bytes && arrival.lane == Lane::SHARED
    }

    #[inline]
    pub(super) fn admit_by_quota(&mut self, arrival: Arrival<E>, receipt: Option<SettledSender>) {
        self.quota.remove(arrival.size);
        self.open.is_plain &= receipt.is_none();
        let queued = self.next(arrival, receipt);
        self.open.entries.push(queued); // its bytes are counted with the quota
    }

    /// Counts what the quota let in, and ends it.
    #[inline]
    pub(super) fn note_quota(&mut self) {
        let mut let_in = std::mem::take(&mut self.granted);
        let_in -= std::mem::take(&mut self.quota);
        self.budget.take_shared(let_in);
        self.arrived_load += let_in;
        self.open.bytes += let_in.bytes;
    }

    /// Of the last entry that was admitted, restored ones included.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Whether the driver could make room by merging what has arrived. It would not come for that
    /// by itself while nothing may be sent.
    #[inline]
    pub(crate) fn may_make_room(&self) -> bool {
        self.may_merge && self.arrived_load.entries > 0
    }

    #[inline]
    pub(super) fn is_enough(&self) -> bool {
        self.arrived_load.entries >= self.wake_at.entries
            || self.arrived_load.bytes >= self.wake_at.bytes
    }
}
