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
        if !self.may_merge_next() && self.engine.push_all(&mut self.arrivals, load) {
            return;
        }
        loop {
            // Before it is taken out: a panic in there must not lose it.
            let key = self.merge_key();
            let Some(queued) = self.arrivals.pop_front() else { break };
            debug_assert_eq!(queued.sequence, self.engine.last_sequence() + 1);
            self.engine.push_queued(queued, key);
        }
    }

    /// Whether one of the arrivals has a key. Nothing is left of this where the connector merges
    /// nothing.
    #[inline]
    fn may_merge_next(&self) -> bool {
        let has_key =
            |queued: &Queued<D::Entry>| self.destination.merge_key(&queued.entry).is_some();
        // A panic is met again, and told of, where the key is used.
        catch_unwind(AssertUnwindSafe(|| self.arrivals.iter().any(has_key))).unwrap_or(true)
    }

    /// The key of the next arrival, if it may be merged. Nothing is left of this where the
    /// connector merges nothing.
    #[inline]
    fn merge_key(&mut self) -> Option<u64> {
        let next = self.arrivals.front()?;
        // The connector's code: a panic must stop the sink with an error, not the task without one.
        let asked = catch_unwind(AssertUnwindSafe(|| self.destination.merge_key(&next.entry)));
        asked.unwrap_or_else(|panic| {
            self.engine.stop(panicked(D::KIND, "merge_key", "connector", &*panic));
            None
        })
    }
}
