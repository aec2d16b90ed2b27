//! Where rejected entries go.

#[cfg(feature = "dead-letter-file")]
pub(crate) mod file;
#[cfg(feature = "dead-letter-file")]
pub(crate) mod reader;

pub(crate) mod sink;

use std::{error::Error as StdError, pin::Pin, time::Duration};

use crate::outcome::Reason;

/// An entry that the destination will never store, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct DeadLetter<'a, E> {
    /// The [`KIND`](crate::Destination::KIND) of the destination that refused it.
    pub kind: &'static str,
    /// What was refused, with all that was merged into it.
    pub entry: &'a E,
    /// Its admission number; of merged entries, the first one's.
    pub sequence: u64,
    /// How often it was sent.
    pub attempts: u32,
    /// Time since its admission; of merged entries, the first one's.
    pub age: Duration,
    /// Why it was refused: the destination's code and message, or `MaxAttempts`, or `MaxAge`.
    pub reason: &'a Reason,
}

/// Ends once the dead letter is safe, or could not be put anywhere.
pub type DeadLetterFuture =
    Pin<Box<dyn Future<Output = Result<(), Box<dyn StdError + Send + Sync>>> + Send>>;

/// Takes the entries that the destination will never store.
///
/// The sink keeps an entry until the future has ended well: only then is it settled, as rejected.
/// When the future fails (or panics), the sink stops with a fatal error and keeps the entry.
pub trait DeadLetterHandler<E>: Send + Sync + 'static {
    /// Takes one entry. Copies what it needs of the letter, and gives the future that puts it
    /// away; several may be under way at once.
    fn handle(&self, letter: &DeadLetter<'_, E>) -> DeadLetterFuture;
}
