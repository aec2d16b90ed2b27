//! The handle: what a program writes to.

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    builder::SinkBuilder,
    convert::ElementConverter,
    destination::{Destination, Entry},
    driver::Command,
    engine::{Counters, Stats},
    entrance::Pieces,
    error::{Error, ErrorKind},
    inbox::{Arrival, Closing, Inbox, Refused, Written},
    receipt::{Receipt, SettledSender},
    snapshot::{Snapshot, SnapshotMode},
};

/// A sink: takes elements and delivers each at least once.
///
/// `T` is what is written, `E` what the destination stores. Clones share one sink: one buffer, one
/// rate limiter, one order. Call [`close`](Self::close) at the end: when the last clone is dropped
/// without it, what is held is still sent as long as the runtime lives, and an error is logged,
/// because nobody waits for it.
pub struct Sink<T, E: Entry> {
    pub(crate) shared: Arc<Inbox<E>>,
    pub(crate) pieces: Arc<dyn Pieces<T, E>>,
    /// Its closing tells the driver that the last clone is gone.
    commands: mpsc::UnboundedSender<Command<E>>,
    pub(crate) max_record_size_in_bytes: usize,
    kind: &'static str,
}

/// What a sink did from start to end.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// What was admitted, delivered, sent and retried.
    pub counters: Counters,
    /// From the building of the sink to its end.
    pub elapsed: Duration,
    /// Mean of entries in a request, as a share of `max_batch_size`.
    pub mean_batch_fill: f64,
}

/// How [`Sink::close_within`] ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Closed<E> {
    /// What the sink did.
    pub summary: Summary,
    /// What it could not deliver in time, in admission order. Entries that were in flight are
    /// among them, and may have been stored.
    pub unsent: Vec<E>,
}

/// Why [`Sink::try_write`] did not admit an element.
pub enum TryWriteError<T> {
    /// The buffer is full; the element is given back.
    Full(T),
    /// The sink is closed or failed; the element is given back.
    Stopped(T, Error),
    /// The element could not become an entry, or is too large.
    Refused(Error),
}

impl<T> fmt::Display for TryWriteError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("write: the buffer is full"),
            Self::Stopped(_, error) | Self::Refused(error) => error.fmt(f),
        }
    }
}

impl<T> fmt::Debug for TryWriteError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("Full(..)"),
            Self::Stopped(_, error) => f.debug_tuple("Stopped").field(error).finish(),
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
        }
    }
}

impl<T> std::error::Error for TryWriteError<T> {}

impl<T: 'static, E: Entry> Sink<T, E> {
    /// Starts to build a sink from a converter and a destination.
    pub fn builder<C, D>(converter: C, destination: D) -> SinkBuilder<T, D>
    where
        C: ElementConverter<T, Entry = E>,
        D: Destination<Entry = E>,
    {
        SinkBuilder::new(converter, destination)
    }

    pub(crate) fn new(
        shared: Arc<Inbox<E>>,
        pieces: Arc<dyn Pieces<T, E>>,
        commands: mpsc::UnboundedSender<Command<E>>,
        max_record_size_in_bytes: usize,
        kind: &'static str,
    ) -> Self {
        Self { shared, pieces, commands, max_record_size_in_bytes, kind }
    }

    /// Converts an element and admits it. Waits only while the buffer is full.
    ///
    /// `Ok` means that the sink holds the element now, not that it is delivered: for that, see
    /// [`flush`](Self::flush) and [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Convert`] and [`ErrorKind::TooLarge`] concern this element only; after
    /// [`ErrorKind::Closed`] and [`ErrorKind::Fatal`] nothing more can be written.
    ///
    /// # Cancel safety
    ///
    /// Waits for room only. A future that is dropped before it is ready has not admitted its
    /// element; the element is dropped with it. To keep it, use [`try_write`](Self::try_write).
    pub async fn write(&self, element: T) -> Result<(), Error> {
        match self.pieces.write(element, self.max_record_size_in_bytes, &self.shared) {
            Written::Admitted(_) => Ok(()),
            Written::Refused(error) => Err(error),
            Written::MustWait(arrival) => self.admit_later(arrival, None).await.map(drop),
        }
    }

    /// Like [`write`](Self::write), and gives a [`Receipt`], which resolves when the element is
    /// settled: delivered, or safe with the dead-letter handler.
    ///
    /// For a source that commits positions in order, [`delivered_up_to`](Self::delivered_up_to)
    /// costs less: one number for all elements. And its entry is never merged into an earlier one
    /// ([`Destination::merge_key`]).
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    ///
    /// # Cancel safety
    ///
    /// As [`write`](Self::write).
    pub async fn write_tracked(&self, element: T) -> Result<Receipt, Error> {
        let arrival = self.convert(element)?;
        let (receipt, settled) = oneshot::channel();
        let mut receipt = Some(receipt);
        let sequence = match self.shared.try_admit(arrival, &mut receipt) {
            Written::Admitted(sequence) => sequence,
            Written::Refused(error) => return Err(error),
            Written::MustWait(arrival) => self.admit_later(arrival, receipt).await?,
        };
        Ok(Receipt::new(sequence, settled, Arc::clone(&self.shared)))
    }

    /// Admits what could not come in at once, and gives its sequence.
    async fn admit_later(
        &self,
        mut arrival: Arrival<E>,
        receipt: Option<SettledSender>,
    ) -> Result<u64, Error> {
        self.shared.let_driver_run().await;
        self.pieces.ask_again(&mut arrival, &self.shared);
        self.shared.admit(arrival, receipt).await
    }

    /// Like [`write`](Self::write), but gives the element back instead of waiting.
    ///
    /// An element's size is known only after its conversion, which cannot be undone: so this
    /// needs room for a record of `max_record_size_in_bytes`, whatever the element's own size.
    ///
    /// Nor is its lane known before: `try_write` keeps to the bound of the sink, not to the part of
    /// it that one throttled lane may hold.
    ///
    /// # Errors
    ///
    /// [`TryWriteError::Full`] with the element when there is no such room or others wait for it;
    /// otherwise as [`write`](Self::write).
    pub fn try_write(&self, element: T) -> Result<(), TryWriteError<T>> {
        let room = match self.shared.reserve(self.max_record_size_in_bytes) {
            Ok(room) => room,
            Err(Refused::Full(())) => return Err(TryWriteError::Full(element)),
            Err(Refused::Gate((), error)) => return Err(TryWriteError::Stopped(element, error)),
        };
        let arrival = self.convert(element).map_err(TryWriteError::Refused)?;
        room.admit(arrival).map_err(TryWriteError::Refused)
    }

    #[inline]
    pub(crate) fn convert(&self, element: T) -> Result<Arrival<E>, Error> {
        self.pieces.arrival(element, self.max_record_size_in_bytes, &self.shared)
    }

    /// Sends everything admitted before the call without waiting for requests to fill, and waits
    /// until all of it is settled: delivered, or safe with the dead-letter handler.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Fatal`] when the sink failed first, [`ErrorKind::Closed`] when it was closed
    /// and ended with something unsent.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting, not the sending.
    pub async fn flush(&self) -> Result<(), Error> {
        let (done, wait) = oneshot::channel();
        if self.commands.send(Command::Flush(done)).is_ok()
            && let Ok(result) = wait.await
        {
            return result;
        }
        // The driver has ended. What it left is what was not delivered.
        self.shared.ended().await;
        let unsent = self.shared.with_remains(<[E]>::len);
        match (self.shared.summary(), unsent) {
            (Err(error), _) => Err(error),
            (Ok(_), 0) => Ok(()),
            (Ok(_), unsent) => Err(Error::new(
                ErrorKind::Closed,
                "flush",
                format!("the sink was closed with {unsent} entries unsent"),
            )),
        }
    }

    /// Refuses new elements, settles everything admitted, and ends the sink for all its clones.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Fatal`] when the sink failed: [`into_unsent`](Self::into_unsent) gives what
    /// was not delivered. [`ErrorKind::Closed`] when another clone ended it with something unsent.
    ///
    /// # Cancel safety
    ///
    /// The sink goes on closing when the future is dropped. Call it again to wait again.
    pub async fn close(&self) -> Result<Summary, Error> {
        self.shared.close(Closing::WhenSettled);
        self.shared.ended().await;
        let summary = self.shared.summary()?;
        match self.shared.with_remains(<[E]>::len) {
            0 => Ok(summary),
            unsent => Err(Error::new(
                ErrorKind::Closed,
                "close",
                format!("the sink was ended with {unsent} entries unsent; into_unsent gives them"),
            )),
        }
    }

    /// Like [`close`](Self::close), but ends the sink after `limit`, and gives what is unsent then.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Fatal`] when the sink failed: [`into_unsent`](Self::into_unsent) gives what
    /// was not delivered.
    ///
    /// # Cancel safety
    ///
    /// The sink goes on closing when the future is dropped, without a limit; nothing is taken
    /// from it before the future is ready.
    pub async fn close_within(&self, limit: Duration) -> Result<Closed<E>, Error> {
        self.shared.close(Closing::WhenSettled);
        if tokio::time::timeout(limit, self.shared.ended()).await.is_err() {
            self.shared.close(Closing::Now);
            self.shared.ended().await;
        }
        let summary = self.shared.summary()?;
        Ok(Closed { summary, unsent: self.shared.take_remains() })
    }

    /// Ends the sink at once, for all its clones, and gives everything admitted and not delivered,
    /// in admission order. Entries that were in flight are among them, and may have been stored.
    ///
    /// Works in any state, after a fatal error too; of several callers one gets the entries.
    ///
    /// # Cancel safety
    ///
    /// Nothing is taken from the sink before the future is ready.
    pub async fn into_unsent(self) -> Vec<E> {
        self.shared.close(Closing::Now);
        self.shared.ended().await;
        self.shared.take_remains()
    }

    /// A copy of everything admitted before the call and not delivered, in admission order, those
    /// in flight included. Does not wait for anything to be sent; works after a fatal error too.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so it can be dropped at any time.
    pub async fn snapshot(&self) -> Snapshot<E>
    where
        E: Clone,
    {
        self.snapshot_with(SnapshotMode::Now).await
    }

    /// Like [`snapshot`](Self::snapshot), in this mode.
    ///
    /// # Cancel safety
    ///
    /// As [`snapshot`](Self::snapshot). With [`SnapshotMode::Settle`], the sink goes on waiting
    /// for what is in flight.
    pub async fn snapshot_with(&self, mode: SnapshotMode) -> Snapshot<E>
    where
        E: Clone,
    {
        let (done, wait) = oneshot::channel();
        let look = Box::new(move |unsent: Vec<&E>| {
            // The caller may have gone: then nobody needs the copy.
            let _gone = done.send(unsent.into_iter().cloned().collect::<Vec<_>>());
        });
        let command = match mode {
            SnapshotMode::Now => Command::Look(look),
            SnapshotMode::Settle => Command::SettleAndLook(look),
        };
        let entries = if self.commands.send(command).is_ok()
            && let Ok(entries) = wait.await
        {
            entries
        } else {
            self.shared.ended().await;
            self.shared.with_remains(<[E]>::to_vec)
        };
        Snapshot::new(self.kind, entries)
    }

    /// The highest sequence up to which everything is settled, from 1 without a gap: what a source
    /// may commit (a Kafka offset, a position in a file) **without draining the sink**.
    ///
    /// Sequences count what was admitted, from 1, in the order of admission;
    /// [`write_tracked`](Self::write_tracked) tells an element's own. Restored entries come first.
    /// Settled is what is delivered, and what is rejected and safe with the dead-letter handler; an
    /// entry that was merged into an earlier one is settled with that one.
    /// Changes once a step of the driver, not with each entry.
    pub fn delivered_up_to(&self) -> watch::Receiver<u64> {
        self.shared.settled_up_to()
    }

    /// What the sink has done and holds now, as of its driver's last step.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Why nothing more can be written, if that is so.
    pub fn error(&self) -> Option<Error> {
        self.shared.error()
    }
}

impl<T, E: Entry> Clone for Sink<T, E> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            pieces: Arc::clone(&self.pieces),
            commands: self.commands.clone(),
            max_record_size_in_bytes: self.max_record_size_in_bytes,
            kind: self.kind,
        }
    }
}

impl<T: 'static, E: Entry> fmt::Debug for Sink<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink")
            .field("kind", &self.kind)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
