//! What has arrived, on its way from the inbox into the engine.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Driver, panicked};
use crate::{
    destination::{Destination, Queued},
    engine::Load,
};

impl<D: Destination> Driver<D> {
    pub(super) fn take_arrivals(&mut self) {
        let bytes = self.inbox.take_arrivals(&mut self.arrivals, &mut self.new_receipts);
        self.receipts.extend(self.new_receipts.drain(..));
        let load = Load { entries: self.arrivals.len(), bytes };
        let mut keyed = self.next_key();
        if keyed.is_none() && self.engine.push_all(&mut self.arrivals, load) {
            return;
        }
        loop {
            let before = keyed.map_or(self.arrivals.len(), |(before, _)| before);
            for queued in self.arrivals.drain(..before) {
                self.engine.push_queued(queued, None);
            }
            let Some((_, key)) = keyed else { break };
            let Some(queued) = self.arrivals.pop_front() else { break };
            self.engine.push_queued(queued, Some(key));
            keyed = self.next_key();
        }
    }

    /// The key of the next arrival that has one, and how many come before it. Nothing is left of
    /// this where the connector merges nothing.
    #[inline]
    fn next_key(&mut self) -> Option<(usize, u64)> {
        let key_of = |(before, queued): (usize, &Queued<D::Entry>)| {
            Some((before, self.destination.merge_key(&queued.entry)?))
        };
        // The connector's code: a panic must stop the sink with an error, not the task without one.
        // All are still in the queue, so it loses none.
        let found =
            catch_unwind(AssertUnwindSafe(|| self.arrivals.iter().enumerate().find_map(key_of)));
        found.unwrap_or_else(|panic| {
            self.engine.stop(panicked(D::KIND, "merge_key", "connector", &*panic));
            None
        })
    }
}
