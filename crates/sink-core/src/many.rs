//! Writing many elements by one call.

use std::{collections::VecDeque, future::poll_fn, pin::pin};

use futures_core::Stream;

use crate::{
    destination::{Entry, Queued},
    engine::Chunk,
    error::Error,
    inbox::Arrival,
    sink::Sink,
};

/// So many elements share a lock in [`Sink::write_all`] at most, however large requests are: few
/// enough that little is lost with a future that is dropped.
const MOST_AT_ONCE: usize = 1024;

impl<T: 'static, E: Entry> Sink<T, E> {
    /// Writes every element of an iterator, in its order: as [`write`](Self::write) in a loop, but
    /// takes the sink's lock once for as many elements as a request has (at most 1,024). Gives how
    /// many there were.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write). The first element that cannot be written ends it, with its
    /// position (from 1). What was before it is in the sink, and no more is taken from the
    /// iterator.
    ///
    /// # Cancel safety
    ///
    /// Waits for room only. Dropping the future leaves what was admitted in the sink; up to 1,024
    /// elements that were taken from the iterator, and found no room, are dropped with it.
    pub async fn write_all<I>(&self, elements: I) -> Result<u64, Error>
    where
        I: IntoIterator<Item = T>,
    {
        // An iterator that has said that it ends may give more if it is asked again.
        let mut elements = elements.into_iter().fuse();
        let mut full = self.shared.chunk_size();
        full.entries = full.entries.min(MOST_AT_ONCE);
        let mut chunk = Chunk::default();
        let mut written = 0_u64;
        loop {
            let max_size = self.max_record_size_in_bytes;
            let filled = self.pieces.fill(&mut chunk, full, &mut elements, max_size, &self.shared);
            if chunk.entries.is_empty() && filled.is_ok() {
                return Ok(written);
            }
            self.admit_all(&mut chunk, &mut written)
                .await
                .and(filled)
                .map_err(|error| error.with_context("element", (written + 1).to_string()))?;
        }
    }

    /// Admits what is in the chunk, and counts it.
    async fn admit_all(&self, chunk: &mut Chunk<E>, written: &mut u64) -> Result<(), Error> {
        let load = chunk.load();
        let mut is_in = self.shared.try_admit_chunk(chunk)?;
        if !is_in {
            self.shared.let_driver_run().await;
            is_in = self.shared.try_admit_chunk(chunk)?;
        }
        if is_in {
            *written += load.entries as u64;
            return Ok(());
        }
        // Too much for the room that there is, or in lanes.
        let arrival = |queued: Queued<E>| Arrival {
            entry: queued.entry,
            size: queued.size,
            lane: queued.lane,
            is_asked: queued.is_asked,
        };
        let mut arrivals: VecDeque<_> = chunk.entries.drain(..).map(arrival).collect();
        *chunk = Chunk::in_vec(std::mem::take(&mut chunk.entries));
        while !arrivals.is_empty() {
            if self.shared.asks_lanes() {
                let not_asked = arrivals.iter_mut().take_while(|arrival| !arrival.is_asked);
                not_asked.for_each(|arrival| self.pieces.ask_again(arrival, &self.shared));
            }
            let before = arrivals.len();
            let admitted = self.shared.try_admit_all(&mut arrivals);
            *written += (before - arrivals.len()) as u64;
            admitted?;
            if let Some(first) = arrivals.pop_front() {
                self.shared.let_driver_run().await;
                self.shared.admit(first, None).await?;
                *written += 1;
            }
        }
        Ok(())
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
