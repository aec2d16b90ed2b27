//! Asking the destination for lanes: only while they matter.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use tokio::time::Instant;

use super::{Driver, panicked};
use crate::{
    destination::{Destination, Lane},
    engine::{Finder, Load},
    settings::Ordering,
};

/// Lanes are asked for as long after the last refusal: finding out those of all entries, each time
/// that a destination refuses some and takes others, would cost more than asking for each once.
const MEMORY: Duration = Duration::from_secs(10);

impl<D: Destination> Driver<D> {
    /// Something was throttled: before the engine hears of it, it must know the lanes.
    pub(super) fn lanes_matter(&mut self, now: Instant) {
        if D::HAS_LANES {
            self.lanes_matter_until = now + MEMORY;
            if !self.inbox.asks_lanes() {
                self.find_lanes();
            }
        }
    }

    /// Asks for lanes where one may come to hold more than its part of the budget, and no longer
    /// where none was slow for a while.
    pub(super) fn watch_lanes(&mut self, now: Instant) {
        let Load { entries, bytes } = self.next_look_at_lanes();
        if entries == 0 || bytes == 0 {
            if self.is_one_lane_filling_up() {
                self.lanes_matter(now);
            }
        } else if self.inbox.asks_lanes()
            && !self.always_needs_lanes()
            && self.engine.held_lanes() == 0
            && self.lanes_matter_until <= now
        {
            self.inbox.stop_asking_lanes();
        }
    }

    fn always_needs_lanes(&self) -> bool {
        self.engine.config().ordering == Ordering::PerLane || self.engine.may_merge()
    }

    /// How much must arrive before there is a look at which lanes the buffer is full of: no lane may
    /// hold more than it leaves free, so not before it is half full; and then when an eighth more
    /// has come.
    pub(super) fn next_look_at_lanes(&self) -> Load {
        if !D::HAS_LANES || self.inbox.asks_lanes() || self.engine.fatal().is_some() {
            return Load::MAX;
        }
        let (held, config) = (self.engine.unsettled(), self.engine.config());
        let until_half = Load {
            entries: (config.max_buffered_requests / 2 + 1).saturating_sub(held.entries),
            bytes: (config.max_buffered_bytes / 2 + 1).saturating_sub(held.bytes),
        };
        let until_more = self.looks_at_lanes_from.saturating_sub(self.engine.last_sequence());
        if until_more == 0 {
            return until_half;
        }
        let entries = usize::try_from(until_more).unwrap_or(usize::MAX).max(until_half.entries);
        Load { entries, bytes: usize::MAX }
    }

    /// Whether nearly all that is here seems to be of one lane.
    fn is_one_lane_filling_up(&mut self) -> bool {
        let most = self.engine.config().max_batch_size.max(self.engine.unsettled().entries / 8);
        self.looks_at_lanes_from = self.engine.last_sequence() + most as u64;
        let (engine, destination) = (&self.engine, &self.destination);
        let looked = catch_unwind(AssertUnwindSafe(|| {
            engine.is_mostly_one_lane(|entry| destination.lane(entry))
        }));
        looked.unwrap_or_else(|panic| {
            self.engine.stop(panicked(D::KIND, "lane", "connector", &*panic));
            false
        })
    }

    /// Has lanes asked for from now on, and for all that is here.
    fn find_lanes(&mut self) {
        self.inbox.ask_lanes(); // first: what is written meanwhile is asked for, or an arrival
        let (engine, destination) = (&mut self.engine, &self.destination);
        let mut found = Vec::new();
        let asked = catch_unwind(AssertUnwindSafe(|| {
            engine.find_lanes(|entry| destination.lane(entry), &mut found);
        }));
        self.note_lanes(found, asked);
    }

    /// Asks for the lanes of those arrivals that were converted when nobody asked for lanes, and
    /// came when they mattered. For all of them from the first on that may be merged: they are only
    /// merged with those of their lane.
    pub(super) fn find_lanes_of_arrivals(&mut self, may_merge: bool) {
        if !D::HAS_LANES || self.engine.fatal().is_some() {
            return;
        }
        if !self.inbox.asks_lanes() {
            if !may_merge {
                return;
            }
            self.find_lanes();
        }
        let destination = &self.destination;
        let arrivals = self.arrivals.iter_mut();
        let mut found = Vec::new();
        let asked = catch_unwind(AssertUnwindSafe(|| {
            let lane_of = |entry: &D::Entry| destination.lane(entry);
            let mut finder = Finder { lane_of, found: &mut found };
            arrivals.for_each(|chunk| chunk.find_lanes(&mut finder));
        }));
        self.note_lanes(found, asked);
    }

    /// Counts what was found. The connector's panic stops the sink with an error: all entries are
    /// where they were, some with their lanes and some without.
    fn note_lanes(&mut self, found: Vec<(Lane, usize)>, asked: std::thread::Result<()>) {
        if !found.is_empty() {
            self.inbox.note_lanes(found);
        }
        if let Err(panic) = asked {
            self.engine.stop(panicked(D::KIND, "lane", "connector", &*panic));
        }
    }
}
