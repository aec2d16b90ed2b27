//! The requests in flight, and the entries that they carry.

use std::{collections::VecDeque, time::Instant};

use super::{fresh::Spare, load::Load};
use crate::destination::Queued;

/// Names one request. Carries a generation: the id of a request that timed out never names the
/// request that took its place, so an answer that comes late, or twice, finds nothing (I7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId {
    slot: usize,
    generation: u64,
}

impl RequestId {
    /// Position of the request among those in flight: smaller than `max_in_flight_requests`, and
    /// used again by later requests.
    pub fn slot(&self) -> usize {
        self.slot
    }
}

/// A request in flight.
#[derive(Debug)]
pub(super) struct InFlight<E> {
    pub(super) batch: Vec<Queued<E>>,
    pub(super) bytes: usize,
    pub(super) issued_at: Instant,
    /// Whether it is a half of a request that was refused as a whole.
    pub(super) alone: bool,
    /// See [`Cut::plain`](super::cutting::Cut::plain).
    pub(super) plain: Option<(u64, u64)>,
}

#[derive(Debug)]
pub(super) struct Slot<E> {
    generation: u64,
    pub(super) request: Option<InFlight<E>>,
}

/// Requests whose settled entries are kept: as many as are in flight by default.
const MOST_SETTLED: usize = 50;

/// Slots for requests in flight. Batches' vectors are recycled: at full speed nothing is allocated.
#[derive(Debug)]
pub(super) struct Requests<E> {
    pub(super) slots: Vec<Slot<E>>,
    free: Vec<usize>,
    /// Oldest first: the timeout is the same for all. May name requests that were answered.
    deadlines: VecDeque<(Instant, RequestId)>,
    pub(super) spare: Spare<E>,
    /// Entries that are settled and not dropped yet.
    settled: Vec<Vec<Queued<E>>>,
    load: Load,
}

impl<E> Requests<E> {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            deadlines: VecDeque::new(),
            spare: Spare::new(),
            settled: Vec::new(),
            load: Load::default(),
        }
    }

    /// How many requests are in flight.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The entries in flight.
    pub(super) fn load(&self) -> Load {
        self.load
    }

    /// Puts a request in flight.
    pub(super) fn insert(&mut self, request: InFlight<E>, deadline: Instant) -> RequestId {
        self.load += Load { entries: request.batch.len(), bytes: request.bytes };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, request: None });
            self.slots.len() - 1
        });
        let generation = self.slots.get_mut(slot).map_or(0, |free| {
            free.generation += 1;
            free.request = Some(request);
            free.generation
        });
        let id = RequestId { slot, generation };
        self.deadlines.push_back((deadline, id));
        id
    }

    /// The request, unless it was answered or given up.
    pub(super) fn get(&self, id: RequestId) -> Option<&InFlight<E>> {
        let slot = self.slots.get(id.slot)?;
        if slot.generation == id.generation { slot.request.as_ref() } else { None }
    }

    /// Takes the request out of flight, unless it was answered or given up.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<InFlight<E>> {
        let slot = self.slots.get_mut(id.slot)?;
        if slot.generation != id.generation {
            return None;
        }
        let request = slot.request.take()?;
        self.free.push(id.slot);
        self.load -= Load { entries: request.batch.len(), bytes: request.bytes };
        Some(request)
    }

    /// Keeps an emptied batch for the next request.
    pub(super) fn recycle(&mut self, batch: Vec<Queued<E>>) {
        self.spare.put(batch);
    }

    /// Keeps settled entries until [`drop_settled`](Self::drop_settled), or until they are many.
    pub(super) fn drop_later(&mut self, settled: Vec<Queued<E>>) {
        if self.settled.len() == MOST_SETTLED {
            self.drop_settled();
        }
        self.settled.push(settled);
    }

    /// Drops what is settled.
    pub(super) fn drop_settled(&mut self) {
        for mut batch in self.settled.drain(..) {
            batch.clear();
            self.spare.put(batch);
        }
    }

    /// When the oldest request in flight is to be given up.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        // May be that of an answered request: at worst too early.
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// The next request whose time is up.
    pub(super) fn next_expired(&mut self, now: Instant) -> Option<RequestId> {
        while let Some(&(deadline, id)) = self.deadlines.front() {
            if self.get(id).is_none() {
                self.deadlines.pop_front();
            } else if deadline <= now {
                self.deadlines.pop_front();
                return Some(id);
            } else {
                return None;
            }
        }
        None
    }

    /// Forgets the deadlines of answered requests at the front, so that they wake nobody.
    pub(super) fn trim_deadlines(&mut self) {
        while let Some(&(_, id)) = self.deadlines.front() {
            if self.get(id).is_some() {
                break;
            }
            self.deadlines.pop_front();
        }
    }

    /// The requests in flight.
    #[cfg(test)]
    pub(super) fn ids(&self) -> impl Iterator<Item = RequestId> {
        let in_flight = |(slot, of): (usize, &Slot<E>)| {
            of.request.as_ref().map(|_| RequestId { slot, generation: of.generation })
        };
        self.slots.iter().enumerate().filter_map(in_flight)
    }

    /// All entries in flight, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Queued<E>> {
        self.slots.iter().filter_map(|slot| slot.request.as_ref()).flat_map(|r| &r.batch)
    }

    /// All entries in flight, in no order.
    pub(super) fn into_iter(self) -> impl Iterator<Item = Queued<E>> {
        self.slots.into_iter().filter_map(|slot| slot.request).flat_map(|request| request.batch)
    }

    /// Asserts what the fields promise. Linear in the entries: for tests.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check(&self) {
        let mut load = Load::default();
        for request in self.slots.iter().filter_map(|slot| slot.request.as_ref()) {
            assert!(!request.batch.is_empty(), "I2: a batch is never empty");
            let bytes: usize = request.batch.iter().map(|queued| queued.size).sum();
            assert_eq!(request.bytes, bytes, "I1: a request's bytes are its entries'");
            load += Load { entries: request.batch.len(), bytes };
            assert!(
                request
                    .batch
                    .iter()
                    .zip(request.batch.iter().skip(1))
                    .all(|(a, b)| a.sequence < b.sequence),
                "I4: a request is in admission order"
            );
        }
        assert_eq!(self.load, load, "I1: the load in flight is what is in flight");
    }
}
