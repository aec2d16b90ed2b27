//! What of a connector runs where an element is written.

use std::sync::Weak;

use tokio::time::Instant;

use crate::{
    convert::{ConvertError, ElementConverter},
    destination::{Destination, Entry as _, Lane},
    engine::{Chunk, Load},
    error::{Error, ErrorKind},
    inbox::{Arrival, Inbox, Written},
};

/// Converter and destination behind one pointer, so that a write makes one call through it, and the
/// compiler sees all that happens there.
pub(crate) trait Pieces<T, E>: Send + Sync {
    /// An element as an entry of at most so many bytes, with its size, and its lane if lanes are
    /// asked for now.
    fn arrival(&self, element: T, max_size: usize, inbox: &Inbox<E>) -> Result<Arrival<E>, Error>;

    /// Asks for the lane of an entry that has waited, if that became necessary meanwhile.
    fn ask_again(&self, arrival: &mut Arrival<E>, inbox: &Inbox<E>);

    /// The same, and admits it if nobody has to wait for anything.
    fn write(&self, element: T, max_size: usize, inbox: &Inbox<E>) -> Written<E>;

    /// Puts elements as entries of at most `max_size` bytes into the chunk, until it is as large as
    /// `full` or there are no more. Its sequences and times are still to be given.
    fn fill(
        &self,
        chunk: &mut Chunk<E>,
        full: Load,
        elements: &mut dyn Iterator<Item = T>,
        max_size: usize,
        inbox: &Inbox<E>,
    ) -> Result<(), Error>;
}

pub(crate) struct Entrance<C, D> {
    pub(crate) converter: C,
    /// The destination, and its connections, end with the driver, whoever keeps a handle.
    pub(crate) destination: Weak<D>,
}

impl<C, D: Destination> Entrance<C, D> {
    /// An element as an entry whose lane was not asked for.
    #[inline]
    fn convert<T>(&self, element: T, max_size: usize) -> Result<Arrival<D::Entry>, Error>
    where
        C: ElementConverter<T, Entry = D::Entry>,
    {
        let entry = self.converter.convert(element).map_err(not_converted)?;
        let size = entry.size_bytes();
        if size > max_size {
            return Err(too_large(size, max_size));
        }
        Ok(Arrival { entry, size, lane: Lane::SHARED, is_asked: false })
    }

    /// Asks for its lane, if lanes matter now.
    #[inline]
    fn ask(&self, arrival: &mut Arrival<D::Entry>, inbox: &Inbox<D::Entry>) {
        if D::HAS_LANES {
            if inbox.asks_lanes() && !arrival.is_asked {
                (arrival.lane, arrival.is_asked) = (self.lane(&arrival.entry), true);
            }
        } else {
            debug_assert!(
                self.lane(&arrival.entry) == Lane::SHARED,
                "the destination has lanes, though its HAS_LANES says that it has none"
            );
        }
    }

    #[cold] // out of the way of what nearly always happens
    #[inline(never)]
    fn lane(&self, entry: &D::Entry) -> Lane {
        // Without a destination there is no driver, and the entry will not come in.
        let destination = self.destination.upgrade();
        destination.map_or(Lane::SHARED, |destination| destination.lane(entry))
    }
}

impl<T, C, D> Pieces<T, D::Entry> for Entrance<C, D>
where
    C: ElementConverter<T, Entry = D::Entry>,
    D: Destination,
{
    #[inline]
    fn arrival(
        &self,
        element: T,
        max_size: usize,
        inbox: &Inbox<D::Entry>,
    ) -> Result<Arrival<D::Entry>, Error> {
        let mut arrival = self.convert(element, max_size)?;
        self.ask(&mut arrival, inbox);
        Ok(arrival)
    }

    fn ask_again(&self, arrival: &mut Arrival<D::Entry>, inbox: &Inbox<D::Entry>) {
        self.ask(arrival, inbox);
    }

    fn write(&self, element: T, max_size: usize, inbox: &Inbox<D::Entry>) -> Written<D::Entry> {
        match self.convert(element, max_size) {
            Ok(mut arrival) => {
                self.ask(&mut arrival, inbox);
                inbox.try_admit(arrival, &mut None)
            }
            Err(error) => Written::Refused(error),
        }
    }

    fn fill(
        &self,
        chunk: &mut Chunk<D::Entry>,
        full: Load,
        elements: &mut dyn Iterator<Item = T>,
        max_size: usize,
        inbox: &Inbox<D::Entry>,
    ) -> Result<(), Error> {
        let admitted_at = Instant::now().into_std();
        while chunk.entries.len() < full.entries && chunk.bytes < full.bytes {
            let Some(element) = elements.next() else { break };
            let mut arrival = self.convert(element, max_size)?;
            self.ask(&mut arrival, inbox);
            chunk.push(arrival.queued(0, false, admitted_at));
        }
        Ok(())
    }
}

#[cold]
fn not_converted(error: ConvertError) -> Error {
    Error::new(ErrorKind::Convert, "write", error.to_string()).with_source(error)
}

#[cold]
fn too_large(size: usize, most: usize) -> Error {
    let message = format!("the entry has {size} bytes; max_record_size_in_bytes is {most}");
    Error::new(ErrorKind::TooLarge, "write", message)
}
