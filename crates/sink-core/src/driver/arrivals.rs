//! What has arrived, on its way from the inbox into the engine.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Driver, panicked};
use crate::{destination::Destination, inbox::Arrival};

impl<D: Destination> Driver<D> {
    pub(super) fn take_arrivals(&mut self) {
        let first_at =
            self.inbox.take_arrivals(&mut self.arrivals, &mut self.new_receipts).into_std();
        loop {
            // Before it is taken out: a panic in there must not lose it.
            let key = self.merge_key();
            let Some(Arrival { entry, size, lane }) = self.arrivals.pop_front() else { break };
            let tracked = self.new_receipts.front().map(|(sequence, _)| *sequence);
            let tracked = tracked.is_some_and(|next| next == self.engine.last_sequence() + 1);
            match key {
                None if tracked => self.engine.push_tracked(entry, size, lane, first_at),
                None => self.engine.push(entry, size, lane, first_at),
                Some(key) => self.engine.push_keyed(entry, size, lane, key, tracked, first_at),
            };
            if tracked {
                self.receipts.extend(self.new_receipts.pop_front());
            }
        }
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
