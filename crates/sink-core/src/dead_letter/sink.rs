//! Dead letters as elements of another sink.

use std::fmt;

use super::{DeadLetter, DeadLetterFuture, DeadLetterHandler};
use crate::{destination::Entry, outcome::Settled, sink::Sink};

/// Writes rejected entries into another sink: a second stream, a queue, a bucket.
///
/// A dead letter is safe once the other sink has **delivered** it; until then the first sink keeps
/// the entry. So the other sink's `max_time_in_buffer` is how long a single letter takes: set it to
/// less than the default 5 s where that matters. When the other sink fails, or rejects the letter
/// too, the first one stops with a fatal error and keeps the entry.
///
/// ```no_run
/// # use sink_core::{ConvertError, Destination, Entry, Error, Sink, SinkDeadLetters};
/// # fn example<D, L>(orders: D, rejects: Sink<String, L>) -> Result<(), Error>
/// # where D: Destination, D::Entry: Entry + std::fmt::Debug, L: Entry,
/// # {
/// # let converter = |entry: D::Entry| Ok::<_, ConvertError>(entry);
/// let orders = Sink::builder(converter, orders)
///     .dead_letters(SinkDeadLetters::new(rejects, |letter| {
///         format!("{:?} was refused: {}", letter.entry, letter.reason)
///     }))
///     .build()?;
/// # Ok(()) }
/// ```
pub struct SinkDeadLetters<T: 'static, L: Entry, F> {
    sink: Sink<T, L>,
    element: F,
}

impl<T: 'static, L: Entry, F> SinkDeadLetters<T, L, F> {
    /// Writes into this sink what `element` makes of a dead letter. The other sink stays its
    /// owner's: close it after the first one.
    pub fn new<E>(sink: Sink<T, L>, element: F) -> Self
    where
        F: Fn(&DeadLetter<'_, E>) -> T + Send + Sync + 'static,
    {
        Self { sink, element }
    }
}

impl<E, T, L, F> DeadLetterHandler<E> for SinkDeadLetters<T, L, F>
where
    T: Send + 'static,
    L: Entry,
    F: Fn(&DeadLetter<'_, E>) -> T + Send + Sync + 'static,
{
    fn handle(&self, letter: &DeadLetter<'_, E>) -> DeadLetterFuture {
        let (sink, element) = (self.sink.clone(), (self.element)(letter));
        Box::pin(async move {
            match sink.write_tracked(element).await?.await? {
                Settled::Delivered => Ok(()),
                Settled::Rejected(reason) => {
                    Err(format!("the sink of dead letters rejected it too: {reason}").into())
                }
            }
        })
    }
}

impl<T: 'static, L: Entry, F> fmt::Debug for SinkDeadLetters<T, L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkDeadLetters").field("sink", &self.sink).finish_non_exhaustive()
    }
}
