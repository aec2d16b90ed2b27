//! The lanes that hold entries back: because they are throttled, or because they are in order.

use std::{
    collections::{BTreeSet, HashMap, VecDeque, hash_map},
    hash::{BuildHasherDefault, Hasher},
    time::{Duration, Instant},
};

use crate::{
    destination::{Lane, Queued},
    rate_limit::pace::Pace,
};

/// A lane that holds entries back.
#[derive(Debug)]
pub(super) struct Held<E> {
    /// What waits, sequences rising.
    pub(super) queue: VecDeque<Queued<E>>,
    /// Nothing leaves before this.
    pub(super) paused_until: Option<Instant>,
    /// How fast entries leave. Without one, the lane is in order: one leaves when the one before
    /// it is settled.
    pub(super) pace: Option<Pace>,
    /// In order: whether one entry has left and is not settled.
    pub(super) is_out: bool,
    /// Its place in [`Lanes::timers`].
    timer: Option<Instant>,
}

impl<E> Held<E> {
    /// Puts an entry in its place: at the end when it is new, near the head when it comes back.
    pub(super) fn insert(&mut self, queued: Queued<E>) {
        if self.queue.back().is_none_or(|last| last.sequence < queued.sequence) {
            self.queue.push_back(queued);
        } else {
            let place = self.queue.partition_point(|other| other.sequence < queued.sequence);
            self.queue.insert(place, queued);
        }
    }

    /// How many entries leave at once: what goes in a twentieth of a second, so that a throttled
    /// lane does not cost a request for each entry.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the rate is at least 1
    fn portion(&self) -> usize {
        let portion = self.pace.as_ref().map_or(1, |pace| (pace.rate() / 20.0) as usize);
        portion.clamp(1, self.queue.len().max(1))
    }

    /// How many entries leave now; in order, that one is out then.
    pub(super) fn due(&mut self, now: Instant) -> usize {
        if self.paused_until.is_some_and(|until| until > now) {
            return 0;
        }
        self.paused_until = None;
        let portion = self.portion();
        match &mut self.pace {
            Some(pace) => {
                let due = pace.available(portion, now).min(self.queue.len());
                pace.take(due);
                due
            }
            None => {
                debug_assert!(!self.is_out, "a lane in order has a timer while none is out");
                self.is_out = true;
                1
            }
        }
    }

    /// When something is to be done next.
    fn next(&self, now: Instant) -> Option<Instant> {
        let ready = match &self.pace {
            Some(_) if self.queue.is_empty() => return Some(now + MEMORY),
            Some(pace) => pace.ready_at(self.portion()),
            None if self.is_out || self.queue.is_empty() => return None,
            None => now,
        };
        Some(self.paused_until.map_or(ready, |until| until.max(ready)))
    }
}

/// How long a lane's pace is remembered when nothing waits in the lane.
const MEMORY: Duration = Duration::from_secs(10);

/// The lanes that hold entries back, by number; other lanes are not here, so lanes that come and
/// go leave nothing behind.
#[derive(Debug)]
pub(super) struct Lanes<E> {
    held: HashMap<Lane, Held<E>, BuildHasherDefault<LaneHasher>>,
    /// When something is to be done in a lane. Exact.
    timers: BTreeSet<(Instant, Lane)>,
}

impl<E> Lanes<E> {
    pub(super) fn new() -> Self {
        Self { held: HashMap::default(), timers: BTreeSet::new() }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    #[inline]
    pub(super) fn contains(&self, lane: Lane) -> bool {
        !self.held.is_empty() && self.held.contains_key(&lane)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, lane: Lane) -> Option<&mut Held<E>> {
        if self.held.is_empty() { None } else { self.held.get_mut(&lane) }
    }

    /// Holds a lane to this pace, from now on.
    pub(super) fn pace(&mut self, lane: Lane, pace: Pace) {
        let held = Held {
            queue: VecDeque::new(),
            paused_until: None,
            pace: Some(pace),
            is_out: false,
            timer: None,
        };
        let before = self.held.insert(lane, held);
        debug_assert!(before.is_none(), "a lane has one pace");
    }

    /// For a lane in order: gives the entry back if it may leave, and keeps it if it must wait.
    pub(super) fn enter_in_order(&mut self, queued: Queued<E>) -> Option<Queued<E>> {
        match self.held.entry(queued.lane) {
            hash_map::Entry::Occupied(mut occupied) => {
                occupied.get_mut().queue.push_back(queued);
                None
            }
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(Held {
                    queue: VecDeque::new(),
                    paused_until: None,
                    pace: None,
                    is_out: true,
                    timer: None,
                });
                Some(queued)
            }
        }
    }

    /// Forgets the lane; it must hold nothing.
    pub(super) fn forget(&mut self, lane: Lane) {
        if let Some(held) = self.held.remove(&lane) {
            debug_assert!(held.queue.is_empty(), "a lane with entries must not be forgotten");
            if let Some(at) = held.timer {
                self.timers.remove(&(at, lane));
            }
        }
    }

    /// Sets the lane's timer to when something is to be done next.
    pub(super) fn reschedule(&mut self, lane: Lane, now: Instant) {
        let Some(held) = self.held.get_mut(&lane) else { return };
        let next = held.next(now);
        if held.timer != next {
            if let Some(at) = held.timer {
                self.timers.remove(&(at, lane));
            }
            if let Some(at) = next {
                self.timers.insert((at, lane));
            }
            held.timer = next;
        }
    }

    /// The next lane in which something is due; its timer is unset.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<Lane> {
        let &(at, lane) = self.timers.first()?;
        if at > now {
            return None;
        }
        self.timers.pop_first();
        if let Some(held) = self.held.get_mut(&lane) {
            held.timer = None;
        }
        Some(lane)
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<Lane> {
        self.held.keys().copied().collect()
    }

    /// All entries that wait, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Queued<E>> {
        self.held.values().flat_map(|held| &held.queue)
    }

    /// All entries that wait, in no order.
    pub(super) fn into_iter(self) -> impl Iterator<Item = Queued<E>> {
        self.held.into_values().flat_map(|held| held.queue)
    }

    /// Asserts what the fields promise: for tests.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check(&self) {
        let timers = self.held.values().filter(|held| held.timer.is_some()).count();
        assert_eq!(timers, self.timers.len(), "each timer is a lane's");
        for (lane, held) in &self.held {
            if let Some(at) = held.timer {
                assert!(self.timers.contains(&(at, *lane)), "a lane's timer is set");
            }
            assert!(
                held.timer.is_some() || held.is_out,
                "a lane has something to wait for, or nothing and is forgotten"
            );
            assert!(held.pace.is_none() || !held.is_out);
            let queue = &held.queue;
            assert!(
                queue.iter().zip(queue.iter().skip(1)).all(|(a, b)| a.sequence < b.sequence),
                "a lane is in admission order"
            );
            assert!(queue.iter().all(|queued| queued.lane == *lane));
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
