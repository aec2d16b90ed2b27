//! Entries that another one, which waits, takes in: so that many become few before they are sent.
//!
//! An entry with a key is offered to the newest *fresh* entry of its lane and key: one that came
//! new, was never sent, and waits for its first request. If that *host* takes it in, the newer one
//! is gone: delivering the host delivers both. What waits for its next attempt, is part of a half,
//! is in flight, or is held back in its lane takes nothing in, because what was sent once may be
//! stored already, and what is added to it later might be counted twice, or not at all.
//!
//! # Why the newer one counts as settled at once
//!
//! [`settled_up_to`](Engine::settled_up_to) is the sequence up to which *everything* is settled. The
//! host has a smaller sequence than what it takes in, and it is not settled. So the mark stays below
//! the host until the host itself is delivered, or safe with the dead letters, and only then passes
//! both. Whoever commits a source by the mark commits nothing that is not stored; a flush that
//! waits for the newer one waits for the host. A tracked entry is different: its receipt speaks of
//! that one entry and looks at no mark, so it is never taken in. It may be a host.
//!
//! # Why no limit can be passed
//!
//! An entry is offered only where both together are no larger than a record may be, and the merged
//! one may be no larger than both together (the contract of [`Entry::merge`], checked). So a host
//! always fits a request (I2), and merging only ever gives room back (I6). What it gives back is
//! what `merged` counts in bytes: the two sizes before, less the one after (I1).
//!
//! # Order
//!
//! With [`Ordering::PerLane`] nothing is merged: the entry would overtake those of other keys that
//! are between it and its host.

use std::{
    collections::{HashMap, VecDeque},
    hash::BuildHasherDefault,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use super::{Engine, buffer::Buffer, lanes::LaneHasher};
use crate::{
    destination::{Entry, Lane, Queued},
    error::{Error, ErrorKind, panic_message},
    settings::Ordering,
};

impl<E: Entry> Engine<E> {
    /// Admits an entry that may be merged with those of the same lane and key: see
    /// [`Destination::merge_key`](crate::Destination::merge_key). Otherwise as
    /// [`push`](Self::push), or as [`push_tracked`](Self::push_tracked) if `tracked`.
    ///
    /// An entry that another one takes in has a sequence of its own all the same. It is settled at
    /// once, and its room is given back by the next [`take_settled`](Self::take_settled). So is
    /// [`settled_up_to`](Self::settled_up_to) told: it passes both once the host is settled.
    ///
    /// A [`merge`](Entry::merge) that panics, or makes an entry larger than the two were, stops the
    /// engine.
    pub fn push_keyed(
        &mut self,
        entry: E,
        size: usize,
        lane: Lane,
        key: u64,
        tracked: bool,
        now: Instant,
    ) -> u64 {
        if self.config.ordering == Ordering::PerLane || self.fatal.is_some() {
            return self.push_entry(entry, size, Some(lane), now, tracked);
        }
        self.has_keys = true;
        let entry = if tracked { Some(entry) } else { self.offer(entry, size, lane, key) };
        let Some(entry) = entry else { return self.last_sequence };
        let sequence = self.push_entry(entry, size, Some(lane), now, tracked);
        self.buffer.note_host(sequence, lane, key);
        sequence
    }

    /// Whether entries with keys have come: then what has arrived may need less room once it is
    /// pushed.
    pub fn may_merge(&self) -> bool {
        self.has_keys
    }

    /// Offers an entry to its host. Gives it back where there is none, or none that takes it.
    fn offer(&mut self, newer: E, size: usize, lane: Lane, key: u64) -> Option<E> {
        let Some(host) = self.buffer.host(lane, key) else { return Some(newer) };
        let (before, both) = (host.size, host.size + size);
        if both > self.config.max_record_size_in_bytes {
            return Some(newer);
        }
        let first = host.sequence;
        // The connector's code: a panic must stop the sink with an error, and here the books are
        // in order before and after it.
        let merged = catch_unwind(AssertUnwindSafe(|| {
            host.entry.merge(newer)?;
            Ok(host.entry.size_bytes())
        }));
        let (after, broken) = match merged {
            Ok(Err(newer)) => return Some(newer),
            Ok(Ok(after)) if after <= both => (after, None),
            Ok(Ok(after)) => (both, Some(grown(before, size, after))),
            Err(panic) => (both, Some(panicked(panic_message(&*panic)))),
        };
        host.size = after;
        self.buffer.sendable.bytes = self.buffer.sendable.bytes - before + after;
        self.note_merged(size, both - after, lane);
        if let Some(why) = broken {
            let second = self.last_sequence;
            let message = format!("merging entry {second} into entry {first}: {why}");
            self.stop(Error::new(ErrorKind::Fatal, "merge", message));
        }
        self.check();
        None
    }

    /// Counts an entry of `size` bytes that was taken in by one of its lane, which left `saved`
    /// bytes of the two. Settled, though nothing may be told of it before its host is: see the
    /// module's documentation.
    fn note_merged(&mut self, size: usize, saved: usize, lane: Lane) {
        self.last_sequence += 1;
        self.counters.admitted.add(size);
        self.counters.merged.add(saved);
        self.newly_settled.add(saved);
        if lane != Lane::SHARED {
            self.newly_settled_lanes.push((lane, saved));
        }
        if let Some((first, last)) = self.run.extend(self.last_sequence) {
            self.progress.settle(first, last);
        }
    }
}

fn panicked(message: &str) -> String {
    format!(
        "the connector panicked ({message}); the entries are kept, but for the newer one, of which \
         the older one has what merge had put there"
    )
}

fn grown(host: usize, newer: usize, merged: usize) -> String {
    format!(
        "the connector made one of {merged} bytes of {host} and {newer}; it may be no larger than \
         both together, {}; the entries are kept",
        host + newer
    )
}

/// The fresh entries that may take others in, by lane and key. Never more than there are fresh
/// entries; those of a sink that merges nothing cost it nothing.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// The place of the newest.
    pub(super) newest: HashMap<(Lane, u64), u64, BuildHasherDefault<LaneHasher>>,
    /// Each, older ones of the same key too, by place, rising: so that who leaves is forgotten.
    pub(super) places: VecDeque<(u64, (Lane, u64))>,
    /// How many entries have left the front of `fresh`. A place is this and the position there: it
    /// stays the same while others leave.
    pub(super) left: u64,
}

impl Hosts {
    /// So many entries have left the front of `fresh`.
    #[inline]
    pub(super) fn leave(&mut self, count: usize) {
        self.left += count as u64;
        while let Some(&(place, key)) = self.places.front()
            && place < self.left
        {
            self.places.pop_front();
            if self.newest.get(&key) == Some(&place) {
                self.newest.remove(&key);
            }
        }
    }

    /// Forgets all: entries have left `fresh` elsewhere than at its front.
    pub(super) fn forget(&mut self) {
        self.newest.clear();
        self.places.clear();
    }
}

impl<E> Buffer<E> {
    /// The newest fresh entry of this lane and key.
    fn host(&mut self, lane: Lane, key: u64) -> Option<&mut Queued<E>> {
        let place = *self.hosts.newest.get(&(lane, key))?;
        let position = usize::try_from(place - self.hosts.left).ok()?;
        self.fresh.get_mut(position)
    }

    /// The entry that was pushed last may take others in, if it is fresh.
    fn note_host(&mut self, sequence: u64, lane: Lane, key: u64) {
        if self.fresh.back().is_none_or(|last| last.sequence != sequence) {
            return; // held back in its lane
        }
        let place = self.hosts.left + self.fresh.len() as u64 - 1;
        self.hosts.newest.insert((lane, key), place);
        self.hosts.places.push_back((place, (lane, key)));
    }
}
