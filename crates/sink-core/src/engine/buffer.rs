//! The entries that are not in flight: what came new, and what waits to be sent again.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

#[cfg(feature = "tokio")]
use super::fresh::{Chunk, Spare};
use super::{fresh::Fresh, lanes::Lanes, load::Load, merging::Hosts};
use crate::{
    destination::{Lane, Queued},
    rate_limit::pace::{Lesson, Pace},
    settings::Ordering,
};

/// Entries not in flight:
///
/// ```text
/// push ─► fresh ──────────────────────────────────────────┐
///           │ its lane is held                            │
///           ▼                                             ├─► cut: the lowest sequence first
///         lane ─ at its pace, or one after another ─┐     │
///           ▲                                       ├─► ready
/// failed ───┴─► waiting ─ delay has passed ─────────┘     │
/// refused as a whole ─► halves ───────────────────────────┘   each half goes alone
/// ```
///
/// `fresh` is one queue for all lanes, so a lane costs nothing as long as nothing goes wrong in it
/// and no order is asked for. What may be sent never has an entry of a lane that must wait.
#[derive(Debug)]
pub(super) struct Buffer<E> {
    pub(super) ordering: Ordering,
    /// In admission order.
    pub(super) fresh: Fresh<E>,
    /// What was held back and may be sent now.
    pub(super) ready: BTreeMap<u64, Queued<E>>,
    /// Halves of a request that was refused as a whole, by their first sequence.
    pub(super) halves: BTreeMap<u64, VecDeque<Queued<E>>>,
    /// What failed together and waits together, by when it may be sent and its first sequence.
    pub(super) waiting: BTreeMap<(Instant, u64), Group<E>>,
    pub(super) lanes: Lanes<E>,
    /// Which of `fresh` may take others in.
    pub(super) hosts: Hosts,
    /// What may be cut into a request: fresh, ready and halves.
    pub(super) sendable: Load,
    /// What waits: in `waiting` and in lanes.
    pub(super) delayed: Load,
    /// Whether `fresh` may have entries of a lane that is held.
    is_fresh_mixed: bool,
}

#[derive(Debug)]
pub(super) struct Group<E> {
    /// Sequences rising, never empty.
    pub(super) entries: VecDeque<Queued<E>>,
    /// Whether it goes in a request of its own.
    alone: bool,
}

impl<E> Buffer<E> {
    pub(super) fn new(ordering: Ordering) -> Self {
        Self {
            ordering,
            fresh: Fresh::default(),
            ready: BTreeMap::new(),
            halves: BTreeMap::new(),
            waiting: BTreeMap::new(),
            lanes: Lanes::new(),
            hosts: Hosts::default(),
            sendable: Load::default(),
            delayed: Load::default(),
            is_fresh_mixed: false,
        }
    }

    /// What may be cut into a request now.
    #[inline]
    pub(super) fn sendable(&self) -> Load {
        self.sendable
    }

    /// All that is here.
    pub(super) fn load(&self) -> Load {
        self.sendable + self.delayed
    }

    // ---------------------------------------------------------------------------- in

    /// Takes in a new entry, whose sequence is higher than any before.
    #[inline]
    pub(super) fn push(&mut self, queued: Queued<E>, now: Instant) {
        if self.lanes.is_empty() && self.ordering == Ordering::None {
            self.sendable.add(queued.size);
            self.fresh.push_back(queued);
        } else {
            self.push_to_lane(queued, now);
        }
    }

    /// Takes in new entries of this load, if nothing is held back in any lane.
    #[cfg(feature = "tokio")]
    pub(super) fn push_all(
        &mut self,
        chunks: &mut VecDeque<Chunk<E>>,
        load: Load,
        spare: &mut Spare<E>,
    ) -> bool {
        let is_open = self.lanes.is_empty() && self.ordering == Ordering::None;
        if is_open {
            self.fresh.append(chunks, spare);
            self.sendable += load;
        }
        is_open
    }

    fn push_to_lane(&mut self, queued: Queued<E>, now: Instant) {
        let (lane, size) = (queued.lane, queued.size);
        let may_be_sent = if self.ordering == Ordering::PerLane {
            self.lanes.enter_in_order(queued)
        } else if let Some(held) = self.lanes.get_mut(lane) {
            held.queue.push_back(queued);
            if held.queue.len() == 1 {
                self.lanes.reschedule(lane, now); // it was about to be forgotten
            }
            None
        } else {
            Some(queued)
        };
        match may_be_sent {
            Some(queued) => {
                self.sendable.add(size);
                self.fresh.push_back(queued);
            }
            None => self.delayed.add(size),
        }
    }

    /// Takes back entries that failed, sequences rising, to be sent again after `until`: in a
    /// request of their own if `alone`.
    pub(super) fn delay(&mut self, entries: VecDeque<Queued<E>>, until: Instant, alone: bool) {
        let Some(first) = entries.front().map(|queued| queued.sequence) else { return };
        for queued in &entries {
            self.delayed.add(queued.size);
        }
        self.waiting.insert((until, first), Group { entries, alone });
    }

    /// Takes back the half of a request that was refused as a whole. It goes next, alone.
    pub(super) fn put_half(&mut self, entries: VecDeque<Queued<E>>) {
        let Some(first) = entries.front().map(|queued| queued.sequence) else { return };
        for queued in &entries {
            self.sendable.add(queued.size);
        }
        self.halves.insert(first, entries);
    }

    // ---------------------------------------------------------------------------- lanes

    /// Whether this lane is held to a pace.
    #[inline]
    pub(super) fn is_paced(&self, lane: Lane) -> bool {
        self.ordering == Ordering::None && self.lanes.contains(lane)
    }

    /// The lanes that hold entries back.
    #[cfg(test)]
    pub(super) fn lanes_held(&self) -> Vec<Lane> {
        self.lanes.names()
    }

    /// How many lanes hold entries back.
    pub(super) fn held_lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Holds a lane to a pace.
    pub(super) fn pace(&mut self, lane: Lane, pace: Pace) {
        self.lanes.pace(lane, pace);
        self.is_fresh_mixed = true;
    }

    /// Tells the pace of a lane what became of its entries in an answer.
    pub(super) fn learn(&mut self, lane: Lane, mut lesson: Lesson, now: Instant) {
        if let Some(held) = self.lanes.get_mut(lane)
            && let Some(pace) = &mut held.pace
        {
            lesson.was_the_limit = !held.queue.is_empty();
            pace.learn(lesson, now);
        }
    }

    /// Takes back entries of a lane that is held, ahead of what came later in it. Nothing of the
    /// lane is sent before `until`. Call [`sweep`](Self::sweep) when all lanes are told.
    pub(super) fn put_back(
        &mut self,
        lane: Lane,
        entries: impl IntoIterator<Item = Queued<E>>,
        until: Option<Instant>,
        now: Instant,
    ) {
        let Some(held) = self.lanes.get_mut(lane) else {
            debug_assert!(false, "the lane is held");
            return self.delay(entries.into_iter().collect(), until.unwrap_or(now), false);
        };
        for queued in entries {
            self.delayed.add(queued.size);
            held.insert(queued);
        }
        held.is_out = false;
        held.paused_until = held.paused_until.max(until);
        self.lanes.reschedule(lane, now);
    }

    /// Moves what may be sent of lanes that are held, and must not be sent now, to their lanes.
    /// One pass for all the lanes that an answer spoke of.
    pub(super) fn sweep(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_fresh_mixed) {
            self.hosts.forget();
            for queued in std::mem::take(&mut self.fresh).into_iter() {
                if self.lanes.contains(queued.lane) {
                    self.hold_back(queued, now);
                } else {
                    self.fresh.push_back(queued);
                }
            }
        }
        for (sequence, queued) in std::mem::take(&mut self.ready) {
            let held = self.lanes.get_mut(queued.lane);
            // What its pace has let go may go, unless the lane was told to wait, or what came back
            // belongs before it.
            let must_wait = held.is_some_and(|held| {
                held.paused_until.is_some()
                    || held.queue.front().is_some_and(|first| first.sequence < sequence)
            });
            if must_wait {
                self.hold_back(queued, now);
            } else {
                self.ready.insert(sequence, queued);
            }
        }
    }

    /// Moves a sendable entry to its lane.
    fn hold_back(&mut self, queued: Queued<E>, now: Instant) {
        let (lane, size) = (queued.lane, queued.size);
        if let Some(held) = self.lanes.get_mut(lane) {
            held.insert(queued);
            self.sendable.remove(size);
            self.delayed.add(size);
            self.lanes.reschedule(lane, now);
        }
    }

    /// In order: the entry of this lane that was out is settled; the next one may be sent.
    pub(super) fn advance(&mut self, lane: Lane) {
        if self.ordering == Ordering::None {
            return;
        }
        let Some(held) = self.lanes.get_mut(lane) else { return };
        match held.queue.pop_front() {
            Some(next) => self.make_ready(next),
            None => self.lanes.forget(lane),
        }
    }

    // ---------------------------------------------------------------------------- time

    /// Makes sendable whose delay has passed, and what the lanes let go.
    pub(super) fn release(&mut self, now: Instant) {
        while let Some(group) = self.waiting.first_entry()
            && group.key().0 <= now
        {
            let ((_, first), group) = group.remove_entry();
            if group.alone {
                for queued in &group.entries {
                    self.delayed.remove(queued.size);
                    self.sendable.add(queued.size);
                }
                self.halves.insert(first, group.entries);
                continue;
            }
            for queued in group.entries {
                if self.is_paced(queued.lane) {
                    let lane = queued.lane;
                    if let Some(held) = self.lanes.get_mut(lane) {
                        held.insert(queued);
                        self.lanes.reschedule(lane, now);
                    }
                } else {
                    self.make_ready(queued);
                }
            }
        }
        while let Some(lane) = self.lanes.next_due(now) {
            let Some(held) = self.lanes.get_mut(lane) else { continue };
            if held.queue.is_empty() {
                self.lanes.forget(lane);
                continue;
            }
            let due = held.due(now);
            let leaving: Vec<_> = held.queue.drain(..due).collect();
            for queued in leaving {
                self.make_ready(queued);
            }
            self.lanes.reschedule(lane, now);
        }
    }

    /// A delayed entry may be sent.
    fn make_ready(&mut self, queued: Queued<E>) {
        self.delayed.remove(queued.size);
        self.sendable.add(queued.size);
        self.ready.insert(queued.sequence, queued);
    }

    /// When [`release`](Self::release) has something to do.
    pub(super) fn next_release(&self) -> Option<Instant> {
        let waiting = self.waiting.first_key_value().map(|((until, _), _)| *until);
        [waiting, self.lanes.next_timer()].into_iter().flatten().min()
    }

    // ---------------------------------------------------------------------------- all

    /// All entries, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Queued<E>> {
        self.fresh
            .iter()
            .chain(self.ready.values())
            .chain(self.halves.values().flatten())
            .chain(self.waiting.values().flat_map(|group| &group.entries))
            .chain(self.lanes.iter())
    }

    /// All entries, in no order.
    pub(super) fn into_iter(self) -> impl Iterator<Item = Queued<E>> {
        self.fresh
            .into_iter()
            .chain(self.ready.into_values())
            .chain(self.halves.into_values().flatten())
            .chain(self.waiting.into_values().flat_map(|group| group.entries))
            .chain(self.lanes.into_iter())
    }
}
