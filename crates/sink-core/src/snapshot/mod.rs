//! What a sink had not delivered, to be kept and written again later.

pub(crate) mod appender;
pub(crate) mod encoding;
pub(crate) mod file_store;
pub(crate) mod store;

use bytes::Bytes;

use self::{appender::Appender, encoding::Format};
use crate::{
    destination::Entry,
    error::{Error, ErrorKind},
};

/// Version 1: kind, count, entries. See the module [`encoding`] for what stands around them.
const FORMAT: Format = Format { what: "snapshot", magic: *b"SINKSNAP", version: 1 };

/// What an entry's bytes may have beyond [`Entry::size_bytes`]: lengths, versions, marks.
const EXPECTED_OVERHEAD: usize = 64;

/// An entry that can be kept as bytes: in a snapshot, or in a file of dead letters.
///
/// ```
/// use sink_core::{Appender, Bytes, Entry, SnapshotEntry};
///
/// struct Line { level: u8, text: Bytes }
///
/// impl Entry for Line {
///     fn size_bytes(&self) -> usize {
///         self.text.len()
///     }
/// }
///
/// impl SnapshotEntry for Line {
///     fn encode(&self, bytes: &mut Appender<'_>) {
///         bytes.push(self.level);
///         bytes.extend_from_slice(&self.text);
///     }
///
///     fn decode(bytes: Bytes) -> Result<Self, String> {
///         let level = *bytes.first().ok_or("the line has no level")?;
///         Ok(Self { level, text: bytes.slice(1..) }) // no copy
///     }
/// }
///
/// let line = Line { level: 3, text: "hot".into() };
/// assert_eq!(line.to_bytes(), b"\x03hot");
/// ```
pub trait SnapshotEntry: Entry + Sized {
    /// Appends the entry's bytes. What it appends must be enough for [`decode`](Self::decode) and
    /// stay readable by later versions of the connector: begin with a version where it may change.
    fn encode(&self, bytes: &mut Appender<'_>);

    /// The entry that [`encode`](Self::encode) made these bytes of.
    ///
    /// The bytes are a part of the whole snapshot's. An entry that keeps a [`Bytes`] of them, cut
    /// with [`slice`](Bytes::slice), copies nothing; but the memory of the whole snapshot is then
    /// freed only once the last entry is gone that keeps such a part. An entry that is to live much
    /// longer than the others should keep a [copy](Bytes::copy_from_slice).
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes, in words. Must neither panic nor allocate more than a small
    /// multiple of `bytes.len()`, whatever the bytes are.
    fn decode(bytes: Bytes) -> Result<Self, String>;

    /// What [`encode`](Self::encode) appends, alone.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode(&mut Appender::new(&mut bytes));
        bytes
    }
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
///
/// # As bytes
///
/// [`to_bytes`](Self::to_bytes) and [`from_bytes`](Self::from_bytes), where the entries are
/// [`SnapshotEntry`]. All numbers are little endian:
///
/// ```text
/// "SINKSNAP"  version u32  kind: length u64, UTF-8  count u64  count × (length u64, entry)  CRC32C u32
/// ```
///
/// The checksum is over everything before it. Bytes of an older version stay readable; those of a
/// newer one are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot<E> {
    kind: String,
    entries: Vec<E>,
}

impl<E> Snapshot<E> {
    /// A snapshot of these entries, in this order, for a destination of this
    /// [`KIND`](crate::Destination::KIND): what [`into_unsent`](crate::Sink::into_unsent) gave, say.
    pub fn new(kind: impl Into<String>, entries: Vec<E>) -> Self {
        Self { kind: kind.into(), entries }
    }

    /// The [`KIND`](crate::Destination::KIND) of the destination that the entries are for.
    pub fn kind(&self) -> &str {
        &self.kind
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

impl<E: SnapshotEntry> Snapshot<E> {
    /// The snapshot as bytes, to be kept anywhere: in a
    /// [`FileSnapshotStore`](crate::FileSnapshotStore), a database, an object store.
    ///
    /// Needs memory once: for the bytes, which each entry writes straight into.
    pub fn to_bytes(&self) -> Vec<u8> {
        encoding::written(self.expected_len(), |bytes| self.append_to(bytes))
    }

    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        let mut writer = FORMAT.writer(bytes);
        writer.bytes(self.kind.as_bytes());
        writer.number(self.entries.len());
        for entry in &self.entries {
            writer.appended_with(|bytes| entry.encode(bytes));
        }
        writer.finish();
    }

    /// About how many bytes [`append_to`](Self::append_to) appends: a guess, from the sizes that
    /// the service meters.
    pub(crate) fn expected_len(&self) -> usize {
        let sizes = self.entries.iter().map(Entry::size_bytes);
        sizes.fold(self.kind.len().saturating_add(EXPECTED_OVERHEAD), |sum, size| {
            sum.saturating_add(size).saturating_add(EXPECTED_OVERHEAD)
        })
    }

    /// The snapshot that [`to_bytes`](Self::to_bytes), of this version or an older one, made
    /// these bytes of: a `Vec<u8>` that a store gave, say, or [`Bytes`].
    ///
    /// Copies nothing where the entries do not: they may keep [parts](SnapshotEntry::decode) of
    /// these bytes, whose memory is then freed with the last of them.
    ///
    /// Safe with any bytes: never panics, and allocates no more than a small multiple of their
    /// length, as long as [`SnapshotEntry::decode`] does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Snapshot`] when the bytes are no snapshot, of a newer version, truncated or
    /// corrupt, or hold an entry that [`SnapshotEntry::decode`] refuses: it says what was found
    /// and what would be accepted.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        Self::from_shared(&bytes.into())
    }

    fn from_shared(bytes: &Bytes) -> Result<Self, Error> {
        let mut reader = FORMAT.reader(bytes)?;
        let kind = reader.text("kind")?.to_owned();
        let count = reader.number("count")?;
        // The count may be a lie: memory is taken as entries are found, not as they are promised.
        let mut entries = Vec::new();
        for position in 1..=count {
            let entry = reader.shared("entry")?;
            entries.push(E::decode(entry).map_err(|words| {
                let message = format!("entry {position} of {count} cannot be read: {words}");
                Error::new(ErrorKind::Snapshot, "decode", message).with_context("kind", &*kind)
            })?);
        }
        reader.finish()?;
        Ok(Self { kind, entries })
    }
}

#[cfg(test)]
mod tests;
