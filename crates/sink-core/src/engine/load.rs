//! Entries and bytes, always counted together, and the budget that bounds them.

use std::{
    collections::{HashMap, hash_map},
    hash::BuildHasherDefault,
};

use super::{EngineConfig, lanes::LaneHasher};
use crate::destination::Lane;

/// So many entries with so many bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// How many entries.
    pub entries: usize,
    /// Sum of their [`size_bytes`](crate::Entry::size_bytes).
    pub bytes: usize,
}

impl Load {
    pub(crate) fn add(&mut self, size: usize) {
        self.entries += 1;
        self.bytes += size;
    }

    /// More than there ever is.
    #[cfg(feature = "tokio")] // for the inbox
    pub(crate) const MAX: Self = Self { entries: usize::MAX, bytes: usize::MAX };

    /// The smaller of each.
    #[cfg(feature = "tokio")] // for the inbox
    pub(crate) fn min(self, other: Self) -> Self {
        Self { entries: self.entries.min(other.entries), bytes: self.bytes.min(other.bytes) }
    }

    #[inline]
    pub(crate) fn remove(&mut self, size: usize) {
        debug_assert!(self.entries > 0 && self.bytes >= size, "more taken off than was put on");
        self.entries -= 1;
        self.bytes -= size;
    }
}

impl std::ops::Add for Load {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { entries: self.entries + other.entries, bytes: self.bytes + other.bytes }
    }
}

impl std::ops::AddAssign for Load {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::ops::SubAssign for Load {
    fn sub_assign(&mut self, other: Self) {
        debug_assert!(
            self.entries >= other.entries && self.bytes >= other.bytes,
            "more taken off than was put on"
        );
        self.entries -= other.entries;
        self.bytes -= other.bytes;
    }
}

/// The bound on what a sink holds. An entry counts from its admission until it is settled, in
/// flight and between retries too, so an entry that must be sent again always has its place (I6).
///
/// A lane of its own may hold as much as it leaves free for the others, or one full request where
/// that is more: a lane that is throttled fills half of the budget, a second one a third, and the
/// other lanes always find room (I10).
#[derive(Debug)]
pub struct Budget {
    max: Load,
    /// What a lane may hold however little is free.
    lane_min: Load,
    held: Load,
    /// What each lane but [`Lane::SHARED`] holds; a lane that holds nothing is not here.
    lanes: HashMap<Lane, Load, BuildHasherDefault<LaneHasher>>,
}

impl Budget {
    /// An empty budget, for these settings.
    pub fn new(config: &EngineConfig) -> Self {
        Self {
            max: Load { entries: config.max_buffered_requests, bytes: config.max_buffered_bytes },
            lane_min: Load {
                entries: config.max_batch_size,
                bytes: config.max_batch_size_in_bytes,
            },
            held: Load::default(),
            lanes: HashMap::default(),
        }
    }

    /// Whether an entry of this size may be admitted to this lane now.
    #[inline]
    pub fn has_room(&self, lane: Lane, size: usize) -> bool {
        // `held` may exceed the bound after a restore, so no subtraction here.
        self.held.entries < self.max.entries
            && self.held.bytes + size <= self.max.bytes
            && self.lane_has_room(lane, size)
    }

    /// Whether the lane holds no more than its part: if not, its entries wait for their own lane,
    /// and not for the sink.
    #[inline]
    pub fn lane_has_room(&self, lane: Lane, size: usize) -> bool {
        if lane == Lane::SHARED {
            return true;
        }
        let Some(of_lane) = self.lanes.get(&lane) else { return true };
        let free_entries = self.max.entries.saturating_sub(self.held.entries);
        let free_bytes = self.max.bytes.saturating_sub(self.held.bytes);
        of_lane.entries < free_entries.max(self.lane_min.entries)
            && of_lane.bytes + size <= free_bytes.max(self.lane_min.bytes)
    }

    /// Counts an entry. Restored entries are counted even when there is no room: refusing them
    /// would lose them.
    #[inline]
    pub fn take(&mut self, lane: Lane, size: usize) {
        self.held.add(size);
        if lane != Lane::SHARED {
            self.lanes.entry(lane).or_default().add(size);
        }
    }

    /// Counts so much in [`Lane::SHARED`], for which there was room.
    #[cfg(feature = "tokio")] // for the inbox
    pub(crate) fn take_shared(&mut self, load: Load) {
        self.held += load;
    }

    /// Counts entries that were taken in [`Lane::SHARED`] in the lanes that they turned out to be in.
    pub fn note_lanes(&mut self, found: impl IntoIterator<Item = (Lane, usize)>) {
        for (lane, size) in found {
            debug_assert!(lane != Lane::SHARED, "which has no part of its own");
            self.lanes.entry(lane).or_default().add(size);
        }
    }

    /// What may still come in, in [`Lane::SHARED`].
    #[cfg(feature = "tokio")] // for the inbox
    pub(crate) fn free(&self) -> Load {
        Load {
            entries: self.max.entries.saturating_sub(self.held.entries),
            bytes: self.max.bytes.saturating_sub(self.held.bytes),
        }
    }

    /// How large a request may be.
    #[cfg(feature = "tokio")] // for the inbox
    pub(crate) fn request(&self) -> Load {
        self.lane_min
    }

    /// Gives back what was settled, as [`Engine::take_settled`](super::Engine::take_settled) says
    /// it.
    pub fn give_back(&mut self, settled: Load, lanes: impl IntoIterator<Item = (Lane, usize)>) {
        self.held -= settled;
        for (lane, size) in lanes {
            if let hash_map::Entry::Occupied(mut of_lane) = self.lanes.entry(lane) {
                of_lane.get_mut().remove(size);
                if of_lane.get().entries == 0 {
                    of_lane.remove();
                }
            } else {
                debug_assert!(false, "more taken off a lane than was put on");
            }
        }
    }

    /// What each lane of its own holds.
    #[cfg(test)]
    pub(super) fn of_lanes(&self) -> std::collections::BTreeMap<Lane, Load> {
        self.lanes.iter().map(|(lane, load)| (*lane, *load)).collect()
    }

    /// What is held now.
    pub fn held(&self) -> Load {
        self.held
    }
}
