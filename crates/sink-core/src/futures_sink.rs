//! A sink as a `futures::Sink`, for code that is written against that trait.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use crate::{
    admission::{Reservation, Turn},
    destination::{Entry, Lane},
    error::{Error, ErrorKind},
    sink::Sink,
};

/// A [`Sink`] as a [`futures_sink::Sink`]. Made by [`Sink::into_futures_sink`].
///
/// - `poll_ready` waits for room for the largest record and holds it: the element's own size is
///   known only once it is there. The room is given back when this is dropped.
/// - `start_send` converts and admits the element: from then on the sink has it, whether anybody
///   flushes or not. An element that cannot be converted or is too large is an error of this
///   element only; the sink can be used further.
/// - `poll_flush` is ready when **everything admitted before is delivered**, by any clone: that takes
///   a round trip at least, so `SinkExt::send`, which flushes after each element, sends requests of
///   one entry. Use `feed` or `send_all`.
/// - `poll_close` delivers everything and ends the sink for all its clones.
pub struct FuturesSink<T, E: Entry> {
    sink: Sink<T, E>,
    turn: Turn,
    /// Whether `poll_ready` holds room that `start_send` has not used.
    has_room: bool,
    flushing: Option<Waiting>,
    closing: Option<Waiting>,
}

type Waiting = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

impl<T: 'static, E: Entry> Sink<T, E> {
    /// This sink as a [`futures_sink::Sink`], for `StreamExt::forward` and the like.
    pub fn into_futures_sink(self) -> FuturesSink<T, E> {
        let turn = Turn::new(Lane::SHARED, self.max_record_size_in_bytes);
        FuturesSink { sink: self, turn, has_room: false, flushing: None, closing: None }
    }
}

impl<T: 'static, E: Entry> FuturesSink<T, E> {
    /// The sink itself.
    pub fn get_ref(&self) -> &Sink<T, E> {
        &self.sink
    }
}

// No field is ever pinned; the futures are boxed.
impl<T, E: Entry> Unpin for FuturesSink<T, E> {}

impl<T: 'static, E: Entry> futures_sink::Sink<T> for FuturesSink<T, E> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut *self;
        if this.has_room {
            return Poll::Ready(Ok(()));
        }
        let mut state = this.sink.shared.lock();
        ready!(this.turn.poll(&mut state, context))?;
        state.budget.take(Lane::SHARED, this.sink.max_record_size_in_bytes);
        this.has_room = true;
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, element: T) -> Result<(), Error> {
        let this = &mut *self;
        if !std::mem::take(&mut this.has_room) {
            let message = "start_send was called without poll_ready having been ready before";
            return Err(Error::new(ErrorKind::Config, "write", message));
        }
        // Gives its room back if the element cannot be converted.
        let room = Reservation::new(&this.sink.shared, this.sink.max_record_size_in_bytes);
        let arrival = this.sink.convert(element)?;
        room.admit(arrival)?;
        this.flushing = None; // a flush that began before does not wait for this element
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut *self;
        let sink = &this.sink;
        let flushing = this.flushing.get_or_insert_with(|| {
            let sink = sink.clone();
            Box::pin(async move { sink.flush().await })
        });
        let result = ready!(flushing.as_mut().poll(context));
        this.flushing = None;
        Poll::Ready(result)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut *self;
        let sink = &this.sink;
        let closing = this.closing.get_or_insert_with(|| {
            let sink = sink.clone();
            Box::pin(async move { sink.close().await.map(drop) })
        });
        let result = ready!(closing.as_mut().poll(context));
        this.closing = None;
        Poll::Ready(result)
    }
}

impl<T, E: Entry> Drop for FuturesSink<T, E> {
    fn drop(&mut self) {
        self.sink.shared.leave(&mut self.turn);
        if self.has_room {
            drop(Reservation::new(&self.sink.shared, self.sink.max_record_size_in_bytes));
        }
    }
}

impl<T: 'static, E: Entry> fmt::Debug for FuturesSink<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FuturesSink").field(&self.sink).finish()
    }
}
