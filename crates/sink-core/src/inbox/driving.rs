//! What the driver does: take what has arrived, and give room back.

use std::{collections::VecDeque, sync::atomic::Ordering::Relaxed, task::Waker};

use tokio::{sync::watch, time::Instant};

use super::{Closing, Inbox, Receipts};
use crate::{
    destination::Lane,
    engine::{Chunk, Load, Spare, Stats},
    sink::Summary,
};

impl<E> Inbox<E> {
    /// Counts a restored entry, even beyond the budget.
    pub(crate) fn count_restored(&self, lane: Lane, size: usize) {
        let mut state = self.lock();
        state.budget.take(lane, size);
        state.last_sequence += 1;
    }

    /// Swaps what has arrived into the empty `arrivals` and `receipts`, and gives its load. Takes
    /// memory for what will arrive from `spare`.
    pub(crate) fn take_arrivals(
        &self,
        arrivals: &mut VecDeque<Chunk<E>>,
        receipts: &mut Receipts,
        spare: &mut Spare<E>,
    ) -> Load {
        debug_assert!(arrivals.is_empty() && receipts.is_empty(), "arrivals would be overtaken");
        let mut state = self.lock();
        state.called_at = None;
        spare.share(&mut state.spare);
        state.seal();
        std::mem::swap(&mut state.arrived, arrivals);
        std::mem::swap(&mut state.receipts, receipts);
        std::mem::take(&mut state.arrived_load)
    }

    /// Gives room back, of which `lanes` tells the lanes' part, and lets those who wait have it.
    /// `wakers` is empty before and after: memory for them.
    pub(crate) fn give_back(
        &self,
        settled: Load,
        lanes: &mut Vec<(Lane, usize)>,
        wakers: &mut Vec<Waker>,
    ) {
        if settled != Load::default() {
            let mut state = self.lock();
            state.budget.give_back(settled, lanes.drain(..));
            self.tell_waiters(state, wakers);
        }
    }

    /// Has writers ask for lanes from now on.
    pub(crate) fn ask_lanes(&self) {
        self.asks_lanes.store(true, Relaxed);
    }

    /// Has writers ask for lanes no longer, unless one waits for its lane's part of the budget.
    pub(crate) fn stop_asking_lanes(&self) {
        if !self.lock().is_lane_waited_for() {
            self.asks_lanes.store(false, Relaxed);
        }
    }

    /// Counts entries that are inside in the lanes that they turned out to be in.
    pub(crate) fn note_lanes(&self, found: impl IntoIterator<Item = (Lane, usize)>) {
        self.lock().budget.note_lanes(found);
    }

    /// Tells everybody how far everything is settled.
    pub(crate) fn note_settled_up_to(&self, sequence: u64) {
        self.settled_up_to
            .send_if_modified(|current| std::mem::replace(current, sequence) != sequence);
    }

    /// How far everything is settled.
    pub(crate) fn settled_up_to(&self) -> watch::Receiver<u64> {
        self.settled_up_to.subscribe()
    }

    /// Says how much must have arrived for the driver to look at which lanes it is of.
    pub(crate) fn look_at(&self, look_at: Load) {
        self.lock().look_at = look_at;
    }

    /// Says when the driver wants to be woken for new entries, and whether also when they leave no
    /// room; leaves its stats.
    pub(crate) fn rest(
        &self,
        appetite: Load,
        look_at: Load,
        may_merge: bool,
        stats: Stats,
        now: Instant,
    ) {
        let mut state = self.lock();
        state.wake_at = appetite.min(look_at);
        state.look_at = look_at;
        state.may_merge = may_merge;
        state.stats = (stats, now);
        // A writer that came meanwhile, and waits, has found that nobody would make room.
        let wake = state.is_enough() || (state.in_line > 0 && state.may_make_room());
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Wakes the driver.
    pub(crate) fn wake_driver(&self) {
        self.wake.notify_one();
    }

    /// Waits until enough has arrived, or the gate has moved.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn closing(&self) -> Closing {
        self.lock().closing
    }

    /// Leaves what the ended driver held, before what has arrived since, for whoever asks.
    /// Gives how many entries there are.
    pub(crate) fn deposit(&self, unsent: Vec<E>, summary: Summary) -> usize {
        let mut state = self.lock();
        let state = &mut *state;
        state.remains = unsent;
        state.seal();
        let arrived = state.arrived.drain(..).flat_map(|chunk| chunk.entries);
        state.remains.extend(arrived.map(|queued| queued.entry));
        state.arrived_load = Load::default();
        state.receipts.clear(); // which tells their owners that the sink has ended
        state.summary = Some(summary);
        state.remains.len()
    }

    /// Tells everybody that the driver has ended.
    pub(crate) fn announce_end(&self) {
        self.ended.send_replace(true);
    }
}
