//! Writing many elements by one call.

use std::{collections::VecDeque, future::poll_fn, pin::pin};

use futures_core::Stream;

use crate::{destination::Entry, error::Error, sink::Sink};

/// So many elements share a lock in [`Sink::write_all`]: few enough that nobody waits long for it,
/// and that little is lost with a future that is dropped.
const CHUNK: usize = 256;

impl<T: 'static, E: Entry> Sink<T, E> {
    /// Writes every element of an iterator, in its order: as [`write`](Self::write) in a loop, but
    /// takes the sink's lock once for up to 256 elements. Gives how many there were.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write). The first element that cannot be written ends it, with its
    /// position (from 1). What was before it is in the sink, and no more is taken from the
    /// iterator.
    ///
    /// # Cancel safety
    ///
    /// Waits for room only. Dropping the future leaves what was admitted in the sink; up to 256
    /// elements that were taken from the iterator, and found no room, are dropped with it.
    pub async fn write_all<I>(&self, elements: I) -> Result<u64, Error>
    where
        I: IntoIterator<Item = T>,
    {
        let mut elements = elements.into_iter();
        let mut arrivals = VecDeque::with_capacity(CHUNK);
        let mut written = 0_u64;
        loop {
            let mut failed = None;
            while arrivals.len() < CHUNK {
                let Some(element) = elements.next() else { break };
                match self.convert(element) {
                    Ok(arrival) => arrivals.push_back(arrival),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            if arrivals.is_empty() && failed.is_none() {
                return Ok(written);
            }
            let at = |written: u64, error: Error| {
                error.with_context("element", (written + 1).to_string())
            };
            while !arrivals.is_empty() {
                self.shared.let_driver_run().await;
                let before = arrivals.len();
                let admitted = self.shared.try_admit_all(&mut arrivals);
                written += (before - arrivals.len()) as u64;
                admitted.map_err(|error| at(written, error))?;
                if let Some(first) = arrivals.pop_front() {
                    let admitted = self.shared.admit(first, None).await;
                    admitted.map_err(|error| at(written, error))?;
                    written += 1;
                }
            }
            if let Some(error) = failed {
                return Err(at(written, error));
            }
        }
    }

    /// Writes every element of a stream, in its order, then flushes: everything is delivered when
    /// it ends well. Gives how many elements there were. The sink stays open.
    ///
    /// # Errors
    ///
    /// The first element that cannot be written ends it, with its position in the stream (from 1);
    /// as [`write`](Self::write) and [`flush`](Self::flush). What was written before it is in the
    /// sink, and is still delivered.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves what was written in the sink. At most one element was taken from
    /// the stream and not admitted: the one that waited for room.
    pub async fn run(&self, stream: impl Stream<Item = T>) -> Result<u64, Error> {
        let mut stream = pin!(stream);
        let mut written = 0_u64;
        while let Some(element) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
            written += 1;
            self.write(element)
                .await
                .map_err(|error| error.with_context("element", written.to_string()))?;
        }
        self.flush().await?;
        Ok(written)
    }
}
