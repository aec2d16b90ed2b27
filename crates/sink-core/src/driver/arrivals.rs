//! What has arrived, on its way from the inbox into the engine.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Driver, panicked};
use crate::{
    destination::{Destination, Queued},
    engine::Engine,
};

impl<D: Destination> Driver<D> {
    /// Gives whether anything has arrived.
    pub(super) fn take_arrivals(&mut self) -> bool {
        let load = self.inbox.take_arrivals(
            &mut self.arrivals,
            &mut self.new_receipts,
            self.engine.spare(),
        );
        if self.arrivals.is_empty() {
            return false;
        }
        self.untold.take(&mut self.new_receipts);
        let arrivals = self.arrivals.iter().flat_map(|chunk| &chunk.entries);
        let mut keyed = next_key(&*self.destination, arrivals, &mut self.engine);
        self.find_lanes_of_arrivals(keyed.is_some());
        if keyed.is_none() && self.engine.push_all(&mut self.arrivals, load) {
            return true;
        }
        for mut chunk in self.arrivals.drain(..) {
            self.one_by_one.extend(chunk.entries.drain(..));
            self.engine.spare().put(chunk.entries);
        }
        loop {
            let before = keyed.map_or(self.one_by_one.len(), |(before, _)| before);
            for queued in self.one_by_one.drain(..before) {
                self.engine.push_queued(queued, None);
            }
            let Some((_, key)) = keyed else { break };
            let Some(queued) = self.one_by_one.pop_front() else { break };
            self.engine.push_queued(queued, Some(key));
            keyed = next_key(&*self.destination, self.one_by_one.iter(), &mut self.engine);
        }
        true
    }
}

/// The key of the next arrival that has one, and how many come before it. Nothing is left of this
/// where the connector merges nothing.
#[inline]
fn next_key<'a, D: Destination>(
    destination: &D,
    arrivals: impl Iterator<Item = &'a Queued<D::Entry>>,
    engine: &mut Engine<D::Entry>,
) -> Option<(usize, u64)> {
    let key_of = |(before, queued): (usize, &Queued<D::Entry>)| {
        Some((before, destination.merge_key(&queued.entry)?))
    };
    // The connector's code: a panic must stop the sink with an error, not the task without one.
    // All are still in the queue, so it loses none.
    let found = catch_unwind(AssertUnwindSafe(|| arrivals.enumerate().find_map(key_of)));
    found.unwrap_or_else(|panic| {
        engine.stop(panicked(D::KIND, "merge_key", "connector", &*panic));
        None
    })
}
