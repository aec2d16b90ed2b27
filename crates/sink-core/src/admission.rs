//! Waiting for room: in turn, and so that whoever gives up has changed nothing.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use crate::{
    destination::Lane,
    engine::Load,
    error::Error,
    inbox::{Arrival, Inbox, State},
    receipt::SettledSender,
};

/// A writer that waits for room for an entry of this size in this lane.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// Rises from waiter to waiter.
    ticket: u64,
    lane: Lane,
    size: usize,
    waker: Waker,
    /// Whether it was woken and has not come yet.
    is_called: bool,
    /// Whether it was woken once and then found no room: somebody was faster.
    has_missed: bool,
}

impl Waiter {
    /// Whether nobody may have the room before it.
    ///
    /// Whoever was called and has not come yet holds nobody up, or else writers that wait would make
    /// all others wait, each for each entry. Once it has missed its turn it does: so it misses one.
    fn holds_up(&self) -> bool {
        !self.is_called || self.has_missed
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }
}

/// A place in the queue for room, once there is one.
#[derive(Debug)]
pub(crate) struct Turn {
    lane: Lane,
    size: usize,
    ticket: Option<u64>,
}

impl Turn {
    pub(crate) fn new(lane: Lane, size: usize) -> Self {
        Self { lane, size, ticket: None }
    }

    /// Ready when there is room, and everybody who was first has had theirs. The room is not taken
    /// yet: the caller does that under the same lock.
    pub(crate) fn poll<E>(
        &mut self,
        state: &mut State<E>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        state.check_gate()?;
        let place = self.place(state);
        if state.has_room(self.lane, self.size, place) {
            self.leave(state);
            return Poll::Ready(Ok(()));
        }
        if let Some(waiter) = place.and_then(|place| state.waiters.get_mut(place)) {
            waiter.waker.clone_from(context.waker());
            waiter.has_missed |= std::mem::take(&mut waiter.is_called);
        } else {
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            let (lane, size, waker) = (self.lane, self.size, context.waker().clone());
            let (is_called, has_missed) = (false, false);
            state.waiters.push_back(Waiter { ticket, lane, size, waker, is_called, has_missed });
            self.ticket = Some(ticket);
        }
        Poll::Pending
    }

    fn place<E>(&self, state: &State<E>) -> Option<usize> {
        let ticket = self.ticket?;
        state.waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }

    /// Leaves the queue. Gives whether it stood in it: then the room may be the next one's.
    pub(crate) fn leave<E>(&mut self, state: &mut State<E>) -> bool {
        let place = self.place(state);
        self.ticket = None;
        place.and_then(|place| state.waiters.remove(place)).is_some()
    }
}

impl<E> State<E> {
    /// Whether an entry may come in now, ahead of the waiters from `place` on (all, for somebody
    /// who does not wait yet: `None` puts it behind everybody).
    ///
    /// Who waits only for a lane of its own holds nobody up but those of the same lane.
    #[inline]
    pub(crate) fn has_room(&self, lane: Lane, size: usize, place: Option<usize>) -> bool {
        self.budget.has_room(lane, size) && (self.waiters.is_empty() || self.is_first(lane, place))
    }

    fn is_first(&self, lane: Lane, place: Option<usize>) -> bool {
        self.waiters
            .iter()
            .take(place.unwrap_or(usize::MAX))
            .filter(|first| first.holds_up())
            .all(|first| first.lane != lane && !self.budget.lane_has_room(first.lane, first.size))
    }

    /// Calls the writer that comes next, if there is room for it.
    pub(crate) fn next_waiter(&mut self) -> Option<Waker> {
        if self.waiters.is_empty() {
            return None;
        }
        let next = self.waiters.iter_mut().find(|waiter| {
            !waiter.is_called && self.budget.lane_has_room(waiter.lane, waiter.size)
        })?;
        if !self.budget.has_room(next.lane, next.size) {
            return None;
        }
        next.is_called = true;
        Some(next.waker.clone())
    }

    /// Whether anybody waits that nobody may overtake.
    pub(crate) fn is_held_up(&self) -> bool {
        self.waiters.iter().any(Waiter::holds_up)
    }
}

/// See [`Inbox::admit`].
pub(crate) struct Admission<'a, E> {
    inbox: &'a Inbox<E>,
    /// Taken on admission.
    arrival: Option<Arrival<E>>,
    receipt: Option<SettledSender>,
    turn: Turn,
}

impl<'a, E> Admission<'a, E> {
    pub(crate) fn new(
        inbox: &'a Inbox<E>,
        arrival: Arrival<E>,
        receipt: Option<SettledSender>,
    ) -> Self {
        let turn = Turn::new(arrival.lane, arrival.size);
        Self { inbox, arrival: Some(arrival), receipt, turn }
    }
}

// No field is ever pinned.
impl<E> Unpin for Admission<'_, E> {}

impl<E> Future for Admission<'_, E> {
    /// The entry's sequence.
    type Output = Result<u64, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut guard = this.inbox.lock();
        let state = &mut *guard;
        if this.turn.poll(state, context)?.is_pending() {
            let wake_driver = state.may_make_room();
            drop(guard);
            if wake_driver {
                this.inbox.wake_driver();
            }
            return Poll::Pending;
        }
        let wake_driver = match this.arrival.take() {
            Some(arrival) => state.admit(arrival, this.receipt.take()),
            None => false, // polled again after it was ready
        };
        let sequence = state.last_sequence();
        let next = state.next_waiter();
        drop(guard);
        if wake_driver {
            this.inbox.wake_driver();
        }
        if let Some(waker) = next {
            waker.wake();
        }
        Poll::Ready(Ok(sequence))
    }
}

impl<E> Drop for Admission<'_, E> {
    fn drop(&mut self) {
        self.inbox.leave(&mut self.turn);
    }
}

/// Room for one entry of up to a size, given back when it is dropped unused.
pub(crate) struct Reservation<'a, E> {
    inbox: &'a Inbox<E>,
    size: usize,
}

impl<'a, E> Reservation<'a, E> {
    /// The room must have been taken from the budget, for [`Lane::SHARED`].
    pub(crate) fn new(inbox: &'a Inbox<E>, size: usize) -> Self {
        Self { inbox, size }
    }

    /// Admits an entry that is no larger than what was reserved. Its lane was not known when the
    /// room was, so the lane may come to hold more than its part, by this one.
    pub(crate) fn admit(self, arrival: Arrival<E>) -> Result<(), Error> {
        let inbox = self.inbox;
        let mut state = inbox.lock();
        if let Err(error) = state.check_gate() {
            drop(state); // before `self` locks it to give the room back
            return Err(error);
        }
        state.budget.give_back(Load { entries: 1, bytes: self.size }, []);
        let wake_driver = state.admit(arrival, None);
        let next = state.next_waiter();
        drop(state);
        std::mem::forget(self); // its room is given back already
        if wake_driver {
            inbox.wake_driver();
        }
        if let Some(waker) = next {
            waker.wake();
        }
        Ok(())
    }
}

impl<E> Drop for Reservation<'_, E> {
    fn drop(&mut self) {
        self.inbox.give_back(Load { entries: 1, bytes: self.size }, &mut Vec::new());
    }
}
