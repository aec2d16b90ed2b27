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
    /// Whether room was taken for it: it was woken, and holds nobody up.
    has_room: bool,
}

impl Waiter {
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
    /// then: the caller does that under the same lock.
    pub(crate) fn poll<E>(
        &mut self,
        state: &mut State<E>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        state.check_gate()?;
        let place = self.place(state);
        if let Some(waiter) = place.and_then(|place| state.waiters.get_mut(place)) {
            if waiter.has_room {
                self.leave(state);
                return Poll::Ready(Ok(()));
            }
            waiter.waker.clone_from(context.waker());
        } else if state.has_room(self.lane, self.size) {
            return Poll::Ready(Ok(()));
        } else {
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            let (lane, size, waker) = (self.lane, self.size, context.waker().clone());
            state.waiters.push_back(Waiter { ticket, lane, size, waker, has_room: false });
            state.in_line += 1;
            self.ticket = Some(ticket);
        }
        Poll::Pending
    }

    /// Whether it has a place in the queue, which it must leave.
    fn is_in_line(&self) -> bool {
        self.ticket.is_some()
    }

    fn place<E>(&self, state: &State<E>) -> Option<usize> {
        let ticket = self.ticket?;
        state.waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }

    /// Leaves the queue, and gives back the room that was taken.
    pub(crate) fn leave<E>(&mut self, state: &mut State<E>) {
        let place = self.place(state);
        self.ticket = None;
        match place.and_then(|place| state.waiters.remove(place)) {
            Some(Waiter { has_room: true, lane, size, .. }) => {
                let lane = (lane != Lane::SHARED).then_some((lane, size));
                state.budget.give_back(Load { entries: 1, bytes: size }, lane);
            }
            Some(_) => state.in_line -= 1,
            None => {}
        }
    }
}

impl<E> State<E> {
    /// Whether an entry may come in now, behind everybody who waits.
    ///
    /// Who waits only for a lane of its own holds nobody up but those of the same lane.
    #[inline]
    pub(crate) fn has_room(&self, lane: Lane, size: usize) -> bool {
        self.budget.has_room(lane, size) && (self.in_line == 0 || !self.is_held_up(lane))
    }

    /// Whether somebody waits for the part of a lane, and not for the sink.
    pub(crate) fn is_lane_waited_for(&self) -> bool {
        let mut in_line = self.waiters.iter().filter(|waiter| !waiter.has_room);
        in_line.any(|waiter| !self.budget.lane_has_room(waiter.lane, waiter.size))
    }

    fn is_held_up(&self, lane: Lane) -> bool {
        self.waiters
            .iter()
            .filter(|waiter| !waiter.has_room)
            .any(|first| first.lane == lane || self.budget.lane_has_room(first.lane, first.size))
    }

    /// Takes room for those who wait, in their order, as long as there is any, and gives who is to
    /// be told.
    ///
    /// Taken for them and not left for them to find: so nobody is overtaken by others that write
    /// all the time, and these need not queue up behind somebody who is only about to come.
    pub(crate) fn call_waiters(&mut self, wakers: &mut Vec<Waker>) {
        if self.in_line == 0 {
            return;
        }
        let Self { waiters, budget, in_line, .. } = self;
        let mut full_lanes = Vec::new();
        for waiter in waiters.iter_mut().filter(|waiter| !waiter.has_room) {
            if full_lanes.contains(&waiter.lane) {
                continue;
            }
            if !budget.lane_has_room(waiter.lane, waiter.size) {
                full_lanes.push(waiter.lane);
                continue;
            }
            if !budget.has_room(waiter.lane, waiter.size) {
                break;
            }
            budget.take(waiter.lane, waiter.size);
            waiter.has_room = true;
            *in_line -= 1;
            wakers.push(waiter.waker.clone());
        }
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
        drop(guard);
        if wake_driver {
            this.inbox.wake_driver();
        }
        Poll::Ready(Ok(sequence))
    }
}

impl<E> Drop for Admission<'_, E> {
    fn drop(&mut self) {
        if self.turn.is_in_line() {
            self.inbox.leave(&mut self.turn);
        }
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
        std::mem::forget(self); // its room is given back already
        inbox.tell_waiters(state, &mut Vec::new()); // what it needed less
        if wake_driver {
            inbox.wake_driver();
        }
        Ok(())
    }
}

impl<E> Drop for Reservation<'_, E> {
    fn drop(&mut self) {
        let room = Load { entries: 1, bytes: self.size };
        self.inbox.give_back(room, &mut Vec::new(), &mut Vec::new());
    }
}
