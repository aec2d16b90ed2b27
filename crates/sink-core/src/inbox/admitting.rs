//! What writers do: admit entries, or wait for room.

use std::{collections::VecDeque, task::Waker};

use super::{Arrival, Inbox, Locked, Refused, State, Written};
use crate::{
    admission::{Admission, Reservation, Turn},
    destination::Lane,
    engine::{Chunk, Load},
    error::Error,
    receipt::SettledSender,
};

impl<E> Inbox<E> {
    /// Admits the entry if there is room, nobody who waits was first, and the driver is not due; then
    /// the receipt is taken, too.
    // Always, so that nothing is left of the receipt where there is none: a third of what a write costs.
    #[inline(always)]
    pub(crate) fn try_admit(
        &self,
        arrival: Arrival<E>,
        receipt: &mut Option<SettledSender>,
    ) -> Written<E> {
        let mut state = self.state.lock(); // without an end to the quota
        if state.is_in_quota(&arrival) {
            state.admit_by_quota(arrival, receipt.take());
            return Written::Admitted(state.last_sequence());
        }
        self.try_admit_slowly(state, arrival, receipt)
    }

    #[cold]
    fn try_admit_slowly(
        &self,
        mut state: Locked<'_, State<E>>,
        arrival: Arrival<E>,
        receipt: &mut Option<SettledSender>,
    ) -> Written<E> {
        state.note_quota();
        if let Err(error) = state.check_gate() {
            return Written::Refused(error);
        }
        if state.is_driver_due() || !state.has_room(arrival.lane, arrival.size) {
            return Written::MustWait(arrival);
        }
        let wake = state.admit(arrival, receipt.take());
        state.grant();
        let sequence = state.last_sequence();
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Written::Admitted(sequence)
    }

    /// Admits a chunk as it is, if there is room for all of it, nobody waits, all of it is in
    /// [`Lane::SHARED`] and the driver is not due; then an empty one is in its place.
    pub(crate) fn try_admit_chunk(&self, chunk: &mut Chunk<E>) -> Result<bool, Error> {
        let mut state = self.lock();
        state.check_gate()?;
        let has_room = chunk.load().min(state.budget.free()) == chunk.load();
        if !has_room || !chunk.is_plain || state.in_line > 0 || state.is_driver_due() {
            return Ok(false);
        }
        let wake = state.admit_chunk(chunk);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Ok(true)
    }

    /// Admits entries from the front as long as there is room and nobody who waits was first: one
    /// lock for all of them. Those without room stay where they are.
    pub(crate) fn try_admit_all(&self, arrivals: &mut VecDeque<Arrival<E>>) -> Result<(), Error> {
        let mut state = self.lock();
        state.check_gate()?;
        let mut wake = false;
        while let Some(arrival) = arrivals.front() {
            if state.is_in_quota(arrival) {
                let Some(arrival) = arrivals.pop_front() else { break };
                state.admit_by_quota(arrival, None);
                continue;
            }
            state.note_quota();
            if !state.has_room(arrival.lane, arrival.size) {
                break;
            }
            let Some(arrival) = arrivals.pop_front() else { break };
            wake |= state.admit(arrival, None);
            state.grant();
        }
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Lets the driver run, where it was woken and had no chance to.
    ///
    /// tokio runs a task that was woken on the thread of whoever woke it, once that thread is free;
    /// a writer that never waits would keep it busy until the buffer is full.
    ///
    /// To be awaited before a write has admitted anything: it changes nothing when it is dropped.
    pub(crate) async fn let_driver_run(&self) {
        if self.lock().take_driver_due() {
            tokio::task::yield_now().await;
        }
    }

    /// How large a chunk should be.
    pub(crate) fn chunk_size(&self) -> Load {
        self.lock().request
    }

    /// Waits for room and admits the entry.
    ///
    /// Dropped before it is ready, it has not admitted its entry; there is no await after that.
    pub(crate) fn admit(
        &self,
        arrival: Arrival<E>,
        receipt: Option<SettledSender>,
    ) -> Admission<'_, E> {
        Admission::new(self, arrival, receipt)
    }

    /// Holds room for one entry of up to `size` bytes, if there is so much and nobody was first.
    pub(crate) fn reserve(&self, size: usize) -> Result<Reservation<'_, E>, Refused<()>> {
        let mut state = self.lock();
        if let Err(error) = state.check_gate() {
            return Err(Refused::Gate((), error));
        }
        if !state.has_room(Lane::SHARED, size) {
            if state.may_make_room() {
                self.wake.notify_one();
            }
            return Err(Refused::Full(()));
        }
        state.budget.take(Lane::SHARED, size);
        Ok(Reservation::new(self, size))
    }

    /// Takes somebody who gives up out of the queue, and lets the next one have the room.
    pub(crate) fn leave(&self, turn: &mut Turn) {
        let mut state = self.lock();
        turn.leave(&mut state);
        self.tell_waiters(state, &mut Vec::new());
    }

    /// Takes the room that there is for those who wait for it, and tells them.
    pub(crate) fn tell_waiters(&self, mut state: Locked<'_, State<E>>, wakers: &mut Vec<Waker>) {
        state.call_waiters(wakers);
        drop(state);
        wakers.drain(..).for_each(Waker::wake);
    }
}
