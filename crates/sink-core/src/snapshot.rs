//! What a sink had not delivered, to be kept and written again later.

use crate::destination::Entry;

/// An entry that can be kept as bytes: in a snapshot, or in a file of dead letters.
pub trait SnapshotEntry: Entry + Sized {
    /// Appends the entry's bytes. What it appends must be enough for [`decode`](Self::decode) and
    /// stay readable by later versions of the connector: begin with a version where it may change.
    fn encode(&self, bytes: &mut Vec<u8>);

    /// The entry that [`encode`](Self::encode) made these bytes of.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes, in words. Must neither panic nor allocate more than a small
    /// multiple of `bytes.len()`, whatever the bytes are.
    fn decode(bytes: &[u8]) -> Result<Self, String>;
}

/// When a snapshot is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SnapshotMode {
    /// At once, with what is in flight. The default.
    #[default]
    Now,
    /// Once nothing is in flight, at the latest after `request_timeout`; nothing new is sent until
    /// then. Restoring it stores nothing twice, but for requests that were never answered.
    Settle,
}

/// The entries that a sink had admitted and not delivered at one instant, in admission order, those
/// in flight included.
///
/// An entry that was in flight may have been stored by the destination all the same: restoring it
/// may store it twice. That is what at-least-once means; none is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot<E> {
    kind: &'static str,
    entries: Vec<E>,
}

impl<E> Snapshot<E> {
    pub(crate) fn new(kind: &'static str, entries: Vec<E>) -> Self {
        Self { kind, entries }
    }

    /// The [`KIND`](crate::Destination::KIND) of the destination that the entries are for.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether everything was delivered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, in admission order.
    pub fn entries(&self) -> &[E] {
        &self.entries
    }

    /// The entries, in admission order.
    pub fn into_entries(self) -> Vec<E> {
        self.entries
    }
}
