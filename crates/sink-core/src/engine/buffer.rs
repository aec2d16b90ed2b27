//! The entries that are not in flight: what came new, and what waits to be sent again.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque, binary_heap::PeekMut, hash_map},
    hash::{BuildHasherDefault, Hasher},
    time::Instant,
};

use super::load::Load;
use crate::destination::{Lane, Queued};

/// Entries not in flight, in three places:
///
/// ```text
/// push ─► fresh ──────────────────────────────┐
///           │ its lane is paused              ├─► cut: always the lowest sequence first
///           ▼                                 │
/// failed ─► waiting groups ─ delay passed ─► released groups
/// ```
///
/// `fresh` is one queue for all lanes, so a lane costs nothing as long as nothing goes wrong in it.
/// A *group* is a run of entries that wait for the same moment: those of one answer that failed
/// alike, or all those of a paused lane.
#[derive(Debug)]
pub(super) struct Buffer<E> {
    /// In admission order. Neither here nor in a released group is an entry of a paused lane.
    fresh: VecDeque<Queued<E>>,
    groups: Vec<Option<Group<E>>>,
    free_groups: Vec<usize>,
    /// When each waiting group is released. May name a group that has moved on; see
    /// [`Buffer::due_group`].
    waiting: BinaryHeap<Reverse<(Instant, usize)>>,
    /// The lowest sequence of each released group. Exact.
    released: BinaryHeap<Reverse<(u64, usize)>>,
    /// The group of each paused lane; other lanes are not here, so short-lived lanes leave nothing.
    paused: HashMap<Lane, usize, BuildHasherDefault<LaneHasher>>,
    /// What may be cut into a request: fresh and released.
    sendable: Load,
    /// What waits in groups.
    delayed: Load,
}

#[derive(Debug)]
struct Group<E> {
    /// Sequences rising, never empty.
    entries: VecDeque<Queued<E>>,
    /// `None` once it is released.
    until: Option<Instant>,
    /// Set while this is the group of a paused lane.
    lane: Option<Lane>,
}

impl<E> Group<E> {
    /// Puts an entry in its place: at the end, mostly.
    fn insert(&mut self, queued: Queued<E>) {
        if self.entries.back().is_none_or(|last| last.sequence < queued.sequence) {
            self.entries.push_back(queued);
        } else {
            let place = self.entries.partition_point(|other| other.sequence < queued.sequence);
            self.entries.insert(place, queued);
        }
    }
}

/// Lanes are numbers that the destination chose (or hashes already): one multiplication spreads them.
#[derive(Debug, Default)]
pub(super) struct LaneHasher(u64);

impl Hasher for LaneHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

impl<E> Buffer<E> {
    pub(super) fn new() -> Self {
        Self {
            fresh: VecDeque::new(),
            groups: Vec::new(),
            free_groups: Vec::new(),
            waiting: BinaryHeap::new(),
            released: BinaryHeap::new(),
            paused: HashMap::default(),
            sendable: Load::default(),
            delayed: Load::default(),
        }
    }

    /// What may be cut into a request now.
    pub(super) fn sendable(&self) -> Load {
        self.sendable
    }

    /// All that is here.
    pub(super) fn load(&self) -> Load {
        self.sendable + self.delayed
    }

    /// Takes in a new entry, whose sequence is higher than any before.
    #[inline]
    pub(super) fn push(&mut self, queued: Queued<E>) {
        if !self.paused.is_empty()
            && let Some(&index) = self.paused.get(&queued.lane)
            && let Some(Some(group)) = self.groups.get_mut(index)
        {
            self.delayed.add(queued.size);
            group.entries.push_back(queued);
            return;
        }
        self.sendable.add(queued.size);
        self.fresh.push_back(queued);
    }

    /// Takes back entries that failed, sequences rising, to be sent again after `until`.
    pub(super) fn delay(&mut self, entries: VecDeque<Queued<E>>, until: Instant) {
        if entries.is_empty() {
            return;
        }
        for queued in &entries {
            self.delayed.add(queued.size);
        }
        let index = self.insert_group(Group { entries, until: Some(until), lane: None });
        self.waiting.push(Reverse((until, index)));
    }

    /// Takes back entries of one lane that failed, and holds back everything else of that lane
    /// too, until `until` or for as long as it is paused already.
    ///
    /// The lane's fresh entries stay where they are until [`Buffer::sweep`].
    pub(super) fn pause(&mut self, lane: Lane, entries: VecDeque<Queued<E>>, until: Instant) {
        if entries.is_empty() {
            return;
        }
        for queued in &entries {
            self.delayed.add(queued.size);
        }
        let index = match self.paused.entry(lane) {
            hash_map::Entry::Occupied(occupied) => *occupied.get(),
            hash_map::Entry::Vacant(_) => {
                let index =
                    self.insert_group(Group { entries, until: Some(until), lane: Some(lane) });
                self.paused.insert(lane, index);
                self.waiting.push(Reverse((until, index)));
                return;
            }
        };
        if let Some(Some(group)) = self.groups.get_mut(index) {
            for queued in entries {
                group.insert(queued);
            }
            if group.until < Some(until) {
                group.until = Some(until);
                self.waiting.push(Reverse((until, index)));
            }
        }
    }

    /// Moves whatever may be sent of the paused lanes to their groups: fresh entries, and those of
    /// groups that are released already. One pass for all the lanes that an answer paused.
    pub(super) fn sweep(&mut self) {
        if self.paused.is_empty() {
            return;
        }
        let fresh = std::mem::take(&mut self.fresh);
        self.fresh = self.hold_back(fresh);
        for Reverse((_, index)) in std::mem::take(&mut self.released) {
            self.offer(index);
        }
    }

    /// Offers a released group's entries to be sent, but for those of paused lanes.
    fn offer(&mut self, index: usize) {
        let Some(group) = self.groups.get_mut(index).and_then(Option::as_mut) else { return };
        let entries = std::mem::take(&mut group.entries);
        let entries = if self.paused.is_empty() { entries } else { self.hold_back(entries) };
        match (entries.front().map(|queued| queued.sequence), self.groups.get_mut(index)) {
            (Some(head), Some(Some(group))) => {
                group.entries = entries;
                self.released.push(Reverse((head, index)));
            }
            (_, Some(slot)) => {
                *slot = None;
                self.free_groups.push(index);
            }
            (_, None) => {}
        }
    }

    /// Moves the sendable entries of paused lanes to their groups, and gives the others.
    fn hold_back(&mut self, entries: VecDeque<Queued<E>>) -> VecDeque<Queued<E>> {
        let mut others = VecDeque::with_capacity(entries.len());
        for queued in entries {
            if let Some(&index) = self.paused.get(&queued.lane)
                && let Some(Some(group)) = self.groups.get_mut(index)
            {
                self.sendable.remove(queued.size);
                self.delayed.add(queued.size);
                group.insert(queued);
            } else {
                others.push_back(queued);
            }
        }
        others
    }

    /// Releases the groups whose delay has passed.
    pub(super) fn release(&mut self, now: Instant) {
        while let Some((until, index)) = self.due_group() {
            if until > now {
                break;
            }
            self.waiting.pop();
            let Some(Some(group)) = self.groups.get_mut(index) else { continue };
            group.until = None;
            if let Some(lane) = group.lane.take() {
                self.paused.remove(&lane);
            }
            let load = group.entries.iter().fold(Load::default(), |mut load, queued| {
                load.add(queued.size);
                load
            });
            self.delayed -= load;
            self.sendable += load;
            self.offer(index);
        }
    }

    /// When the next group is released.
    pub(super) fn next_release(&self) -> Option<Instant> {
        // A stale item is never later than the true one, so this is at worst too early.
        self.waiting.peek().map(|Reverse((until, _))| *until)
    }

    /// The next waiting group; drops what names a group that has moved on.
    fn due_group(&mut self) -> Option<(Instant, usize)> {
        while let Some(&Reverse((until, index))) = self.waiting.peek() {
            let group = self.groups.get(index).and_then(Option::as_ref);
            if group.is_some_and(|group| group.until == Some(until)) {
                return Some((until, index));
            }
            self.waiting.pop();
        }
        None
    }

    /// Sequence and admission of the oldest entry that may be sent.
    pub(super) fn oldest_sendable(&self) -> Option<(u64, Instant)> {
        let fresh = self.fresh.front().map(|queued| (queued.sequence, queued.admitted_at));
        let Some(Reverse((_, index))) = self.released.peek() else { return fresh };
        let group = self.groups.get(*index).and_then(Option::as_ref);
        let released = group
            .and_then(|group| group.entries.front())
            .map(|queued| (queued.sequence, queued.admitted_at));
        match (fresh, released) {
            (Some(fresh), Some(released)) => Some(fresh.min(released)),
            (fresh, released) => fresh.or(released),
        }
    }

    /// Cuts up to so many entries and bytes into `batch`, lowest sequences first, and gives their
    /// bytes. The first entry is taken whatever its size: the settings let no record be larger
    /// than a request.
    pub(super) fn cut(
        &mut self,
        max_entries: usize,
        max_bytes: usize,
        batch: &mut Vec<Queued<E>>,
    ) -> usize {
        let mut bytes = 0;
        while batch.len() < max_entries {
            let Some(size) = self.next_size() else { break };
            if bytes + size > max_bytes && !batch.is_empty() {
                break;
            }
            let Some(queued) = self.pop() else { break };
            bytes += size;
            batch.push(queued);
        }
        bytes
    }

    /// Whether the next entry comes from a released group, not from `fresh`.
    #[inline]
    fn next_is_released(&self) -> bool {
        match (self.released.peek(), self.fresh.front()) {
            (Some(Reverse((sequence, _))), Some(fresh)) => *sequence < fresh.sequence,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    #[inline]
    fn next_size(&self) -> Option<usize> {
        if self.next_is_released() {
            let Reverse((_, index)) = self.released.peek()?;
            let group = self.groups.get(*index)?.as_ref()?;
            group.entries.front().map(|queued| queued.size)
        } else {
            self.fresh.front().map(|queued| queued.size)
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<Queued<E>> {
        let queued =
            if self.next_is_released() { self.pop_released()? } else { self.fresh.pop_front()? };
        self.sendable.remove(queued.size);
        Some(queued)
    }

    fn pop_released(&mut self) -> Option<Queued<E>> {
        let mut head = self.released.peek_mut()?;
        let Reverse((_, index)) = *head;
        let group = self.groups.get_mut(index)?.as_mut()?;
        let queued = group.entries.pop_front()?;
        if let Some(next) = group.entries.front() {
            *head = Reverse((next.sequence, index));
        } else {
            PeekMut::pop(head);
            if let Some(slot) = self.groups.get_mut(index) {
                *slot = None;
            }
            self.free_groups.push(index);
        }
        Some(queued)
    }

    fn insert_group(&mut self, group: Group<E>) -> usize {
        if let Some(index) = self.free_groups.pop()
            && let Some(slot) = self.groups.get_mut(index)
        {
            *slot = Some(group);
            return index;
        }
        self.groups.push(Some(group));
        self.groups.len() - 1
    }

    /// All entries, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Queued<E>> {
        self.fresh.iter().chain(self.groups.iter().flatten().flat_map(|group| &group.entries))
    }

    /// All entries, in no order.
    pub(super) fn into_iter(self) -> impl Iterator<Item = Queued<E>> {
        self.fresh
            .into_iter()
            .chain(self.groups.into_iter().flatten().flat_map(|group| group.entries))
    }

    /// Asserts what the fields promise. Linear in the entries: for tests.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check(&self) {
        let rising = |entries: &VecDeque<Queued<E>>| {
            entries.iter().zip(entries.iter().skip(1)).all(|(a, b)| a.sequence < b.sequence)
        };
        let load = |entries: &VecDeque<Queued<E>>| Load {
            entries: entries.len(),
            bytes: entries.iter().map(|queued| queued.size).sum(),
        };
        assert!(rising(&self.fresh), "fresh entries are in admission order");
        let (mut sendable, mut delayed) = (load(&self.fresh), Load::default());
        for (index, group) in self.groups.iter().enumerate() {
            let Some(group) = group else { continue };
            assert!(!group.entries.is_empty(), "a group is never empty");
            assert!(rising(&group.entries), "a group is in admission order");
            let head = group.entries.front().map(|queued| queued.sequence);
            let is_released =
                self.released.iter().any(|Reverse(item)| (Some(item.0), item.1) == (head, index));
            assert_eq!(
                group.until.is_none(),
                is_released,
                "released groups, and no others, are due"
            );
            if let Some(until) = group.until {
                delayed += load(&group.entries);
                assert!(
                    self.waiting.iter().any(|Reverse(item)| *item == (until, index)),
                    "a waiting group has a timer"
                );
            } else {
                sendable += load(&group.entries);
            }
            if let Some(lane) = group.lane {
                assert_eq!(self.paused.get(&lane), Some(&index), "a lane's group is its own");
            }
        }
        let released = self.groups.iter().flatten().filter(|group| group.until.is_none());
        let mut sendable_entries = self.fresh.iter().chain(released.flat_map(|g| &g.entries));
        assert!(
            sendable_entries.all(|queued| !self.paused.contains_key(&queued.lane)),
            "nothing of a paused lane may be sent"
        );
        assert_eq!(self.sendable, sendable, "the sendable load is what is sendable");
        assert_eq!(self.delayed, delayed, "the delayed load is what is delayed");
        assert_eq!(
            self.released.len(),
            self.groups.iter().flatten().filter(|g| g.until.is_none()).count()
        );
    }
}
