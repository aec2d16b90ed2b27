//! Entries whose lane nobody asked for when they came, and finding it out later.
//!
//! As long as no lane is slow, it makes no difference in which lane an entry is, and asking for it,
//! and counting and settling each entry by its lane, costs more than all the rest. So entries come
//! in without a lane, and are taken for entries of [`Lane::SHARED`]. Before the first answer by which
//! a lane could come to be held, [`find_lanes`](Engine::find_lanes) asks for all of them. From then on
//! the engine does exactly what it would have done, had it known the lanes from the beginning.

use std::time::Instant;

use super::{Engine, buffer::Buffer, fresh::Fresh, rejected::Rejected, requests::Requests};
use crate::destination::{Entry, Lane, Queued};

impl<E: Entry> Engine<E> {
    /// As [`push`](Self::push), of an entry whose lane is asked for by
    /// [`find_lanes`](Self::find_lanes), should that become necessary. It is counted in
    /// [`Lane::SHARED`] until then.
    pub fn push_unasked(&mut self, entry: E, size: usize, now: Instant) -> u64 {
        self.push_entry(entry, size, None, now, false)
    }

    /// Asks for the lane of each entry here whose lane was not asked for, and adds lane and size of
    /// those that have one of their own to `found`: for [`Budget::note_lanes`](super::Budget::note_lanes).
    ///
    /// To be called before [`handle_outcome`](Self::handle_outcome) of any answer that says of an
    /// entry that it was throttled; and as long as a lane is held back, nothing may be pushed without
    /// its lane.
    ///
    /// Should `lane_of` panic, then those that are in `found` have their lanes, and the others none.
    pub fn find_lanes(&mut self, lane_of: impl FnMut(&E) -> Lane, found: &mut Vec<(Lane, usize)>) {
        let mut finder = Finder { lane_of, found };
        self.buffer.find_lanes(&mut finder);
        self.requests.find_lanes(&mut finder);
        self.rejected.find_lanes(&mut finder);
    }

    /// Whether one lane seems to have nearly all of what is here: looks at some entries from all
    /// over, not at each.
    pub fn is_mostly_one_lane(&self, mut lane_of: impl FnMut(&E) -> Lane) -> bool {
        let mut lanes: Vec<_> = self
            .some_held()
            .map(|queued| if queued.is_asked { queued.lane } else { lane_of(&queued.entry) })
            .collect();
        lanes.sort_unstable();
        let of_one_lane = lanes.chunk_by(|one, other| one == other);
        // Seven of eight, of 64: not by chance where a lane has half, and nearly always where it
        // has all.
        of_one_lane
            .filter(|same| same.first() != Some(&Lane::SHARED))
            .any(|same| same.len() * 8 >= lanes.len() * 7)
    }

    /// Some 64 of the entries here, with gaps of different length between them: what is written in
    /// turns must not look as if it were all of one kind.
    fn some_held(&self) -> impl Iterator<Item = &Queued<E>> {
        let longest_gap = self.unsettled().entries / 32;
        let mut held = self.held();
        let mut random = self.last_sequence;
        std::iter::from_fn(move || {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let gap = (random >> 33) as usize % longest_gap.max(1);
            held.nth(gap)
        })
    }
}

/// Asks for lanes, and notes those that it finds.
pub(crate) struct Finder<'a, F> {
    pub(crate) lane_of: F,
    /// Lane and size of each entry in a lane of its own.
    pub(crate) found: &'a mut Vec<(Lane, usize)>,
}

impl<F> Finder<'_, F> {
    /// Gives whether the entry is in a lane of its own.
    pub(super) fn find<E>(&mut self, queued: &mut Queued<E>) -> bool
    where
        F: FnMut(&E) -> Lane,
    {
        if !queued.is_asked {
            queued.lane = (self.lane_of)(&queued.entry);
            queued.is_asked = true;
            if queued.lane != Lane::SHARED {
                self.found.push((queued.lane, queued.size));
            }
        }
        queued.lane != Lane::SHARED
    }
}

impl<E> Buffer<E> {
    /// Nothing moves by it: entries are held back in no lane that is only found out now.
    fn find_lanes<F: FnMut(&E) -> Lane>(&mut self, finder: &mut Finder<'_, F>) {
        self.fresh.find_lanes(finder);
        let waiting = self.waiting.values_mut().flat_map(|group| &mut group.entries);
        let halves = self.halves.values_mut().flatten();
        for queued in self.ready.values_mut().chain(halves).chain(waiting) {
            finder.find(queued);
        }
    }
}

impl<E> Fresh<E> {
    fn find_lanes<F: FnMut(&E) -> Lane>(&mut self, finder: &mut Finder<'_, F>) {
        for queued in &mut self.head {
            finder.find(queued);
        }
        for chunk in &mut self.chunks {
            chunk.find_lanes(finder);
        }
    }
}

impl<E> Requests<E> {
    fn find_lanes<F: FnMut(&E) -> Lane>(&mut self, finder: &mut Finder<'_, F>) {
        for request in self.slots.iter_mut().filter_map(|slot| slot.request.as_mut()) {
            for queued in &mut request.batch {
                if finder.find(queued) {
                    request.plain = None; // it is to be settled in its lane
                }
            }
        }
    }
}

impl<E> Rejected<E> {
    fn find_lanes<F: FnMut(&E) -> Lane>(&mut self, finder: &mut Finder<'_, F>) {
        for (queued, _) in self.entries.values_mut() {
            finder.find(queued);
        }
    }
}
