//! Waiting for room: in turn, and so that whoever gives up has changed nothing.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    engine::Load,
    error::Error,
    inbox::{Inbox, Waiter},
};

/// See [`Inbox::admit`].
pub(crate) struct Admission<'a, E> {
    inbox: &'a Inbox<E>,
    /// Taken on admission.
    entry: Option<E>,
    size: usize,
    /// The place in the queue, once there is one.
    ticket: Option<u64>,
}

impl<'a, E> Admission<'a, E> {
    pub(crate) fn new(inbox: &'a Inbox<E>, entry: E, size: usize) -> Self {
        Self { inbox, entry: Some(entry), size, ticket: None }
    }
}

// No field is ever pinned.
impl<E> Unpin for Admission<'_, E> {}

impl<E> Future for Admission<'_, E> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut guard = this.inbox.lock();
        let state = &mut *guard;
        if let Err(error) = state.check_gate() {
            return Poll::Ready(Err(error));
        }
        let is_next = match this.ticket {
            None => state.waiters.is_empty(),
            Some(ticket) => state.waiters.front().is_some_and(|first| first.ticket == ticket),
        };
        if !is_next || !state.budget.has_room(this.size) {
            match this.ticket {
                None => {
                    let ticket = state.next_ticket;
                    state.next_ticket += 1;
                    let waker = context.waker().clone();
                    state.waiters.push_back(Waiter { ticket, size: this.size, waker });
                    this.ticket = Some(ticket);
                }
                Some(ticket) => {
                    if let Ok(place) = state.waiters.binary_search_by_key(&ticket, |w| w.ticket)
                        && let Some(waiter) = state.waiters.get_mut(place)
                    {
                        waiter.waker.clone_from(context.waker());
                    }
                }
            }
            return Poll::Pending;
        }
        if this.ticket.take().is_some() {
            state.waiters.pop_front();
        }
        let wake_driver = match this.entry.take() {
            Some(entry) => state.admit(entry, this.size),
            None => false, // polled again after it was ready
        };
        let next = state.next_waiter();
        drop(guard);
        if wake_driver {
            this.inbox.wake_driver();
        }
        if let Some(waker) = next {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl<E> Drop for Admission<'_, E> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = self.inbox.lock();
        if let Ok(place) = state.waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket) {
            state.waiters.remove(place);
        }
        // Room may have been meant for this one.
        let next = state.next_waiter();
        drop(state);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

/// Room for one entry, given back when it is dropped unused.
pub(crate) struct Reservation<'a, E> {
    inbox: &'a Inbox<E>,
    size: usize,
}

impl<'a, E> Reservation<'a, E> {
    /// The room must have been taken from the budget.
    pub(crate) fn new(inbox: &'a Inbox<E>, size: usize) -> Self {
        Self { inbox, size }
    }

    /// Admits an entry that is no larger than what was reserved.
    pub(crate) fn admit(self, entry: E, size: usize) -> Result<(), Error> {
        let inbox = self.inbox;
        let mut state = inbox.lock();
        if let Err(error) = state.check_gate() {
            drop(state); // before `self` locks it to give the room back
            return Err(error);
        }
        state.budget.give_back(Load { entries: 1, bytes: self.size });
        let wake_driver = state.admit(entry, size);
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
        self.inbox.give_back(Load { entries: 1, bytes: self.size });
    }
}
