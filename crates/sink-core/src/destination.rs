//! What a connector supplies: the shape of its entries, its limits, a request builder and a
//! response-failure extractor.

use std::fmt;

use crate::outcome::Outcome;

/// What the destination stores: one Kinesis record, one Firehose record, one metric datum.
pub trait Entry: Send + 'static {
    /// Bytes that the service meters for this entry: key, base64 and framing as the service
    /// counts them. Must give the same answer each time.
    fn size_bytes(&self) -> usize;

    /// Takes `newer` into this entry, so that delivering this one delivers both; gives it back
    /// unchanged where that cannot be. Default: gives it back.
    ///
    /// Asked while this entry waits for its first request, of one that came after it and has the
    /// same [`merge_key`](Destination::merge_key) and [`lane`](Destination::lane). Neither was ever
    /// sent. The sink counts the two as one from then on: a snapshot, a dead letter and a
    /// delivery carry both.
    ///
    /// - **Nothing may be lost**: a consumer must learn from the merged entry what it would have
    ///   from the two.
    /// - **Compare what the key is a hash of.** Different entries may have the same hash.
    /// - **No larger than both together**: the merged entry's [`size_bytes`](Self::size_bytes) is
    ///   at most the sum of the two. The sink offers only where that sum is within
    ///   `max_record_size_in_bytes`, so the merged entry is. It may be smaller, and the room is
    ///   given back. A larger one stops the sink.
    /// - **Look first, change then.** A refusal leaves both as they were. And it should not panic:
    ///   that stops the sink, which keeps everything but `newer`, of which this entry has what
    ///   was put there by then. (`delivered_up_to` stays below both, so a source that commits by it
    ///   reads both again.)
    ///
    /// ```
    /// use sink_core::Entry;
    ///
    /// /// How often something happened.
    /// #[derive(Debug, PartialEq)]
    /// struct Count {
    ///     name: String,
    ///     times: u64,
    /// }
    ///
    /// impl Entry for Count {
    ///     fn size_bytes(&self) -> usize {
    ///         self.name.len() + 8
    ///     }
    ///
    ///     fn merge(&mut self, newer: Self) -> Result<(), Self> {
    ///         match self.times.checked_add(newer.times) {
    ///             Some(times) if self.name == newer.name => self.times = times,
    ///             _ => return Err(newer),
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let count = |name: &str, times| Count { name: name.to_owned(), times };
    /// let mut waiting = count("departed", 3);
    /// assert_eq!(waiting.merge(count("departed", 1)), Ok(()));
    /// assert_eq!(waiting.merge(count("landed", 1)), Err(count("landed", 1)));
    /// assert_eq!(waiting, count("departed", 4));
    /// ```
    fn merge(&mut self, newer: Self) -> Result<(), Self>
    where
        Self: Sized,
    {
        Err(newer)
    }
}

/// How much one request may carry. Each connector names the service documentation it has them from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries in one request.
    pub max_batch_size: usize,
    /// Sum of [`Entry::size_bytes`] in one request, in bytes.
    pub max_batch_size_in_bytes: usize,
    /// [`Entry::size_bytes`] of one entry, in bytes.
    pub max_record_size_in_bytes: usize,
}

/// A stream of entries that is throttled and delayed on its own: a Kinesis shard, a key, a tenant.
///
/// An entry in one lane never waits because another lane is throttled. A destination that does not
/// tell its lanes apart uses [`Lane::SHARED`] for all entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(u64);

impl Lane {
    /// The lane of destinations that have only one.
    ///
    /// The engine never pauses it as a whole: which part of the destination refused an entry is
    /// not known here, so only the refused entries wait, and the rate limiter does the rest.
    pub const SHARED: Self = Self(0);

    /// The lane with this number. Different numbers are different lanes; `0` is
    /// [`Lane::SHARED`].
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// A lane for a key, by a 64-bit hash (FNV-1a) that is never [`Lane::SHARED`]'s. Two keys that
    /// collide share a lane: they may wait for each other, and nothing else changes.
    pub fn for_key(key: &[u8]) -> Self {
        let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash.max(1))
    }
}

/// A destination's three pieces but the converter: how a batch becomes a request, how the request
/// is sent, and what its answer says of each entry.
///
/// [`build_request`](Self::build_request) and [`extract_failures`](Self::extract_failures) are pure:
/// they are tested by tables, without a network. A connector never retries, sleeps or spawns; the
/// engine owns all of that, so the client it uses must have its own retries switched off.
///
/// One exception: what [`lane`](Self::lane) needs to know of the destination (which shards a stream
/// has) may be kept up to date by a task that [`send`](Self::send) spawns. That is a cache, and no
/// delivery: no entry waits for it or fails with it, and an old or empty one costs only speed. The
/// task must come to an end by itself, soon, and end when the destination is dropped.
pub trait Destination: Send + Sync + 'static {
    /// What the destination stores.
    type Entry: Entry;
    /// The call that carries a batch.
    type Request: Send + 'static;
    /// What the destination answers when the call went through.
    type Response: Send + 'static;
    /// Why the call did not go through.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Short name of the kind of destination, such as `"kinesis"`. Used in errors, logs and
    /// snapshots; never changes between versions.
    const KIND: &'static str;

    /// What the service accepts at most. Settings may tighten these, never loosen them.
    const LIMITS: Limits;

    /// What is used where the settings say nothing. Default: [`Self::LIMITS`].
    const DEFAULTS: Limits = Self::LIMITS;

    /// Whether [`lane`](Self::lane) is ever asked. Set it to `false` where all entries share one
    /// lane: then nobody asks where the destination throttles, either. (With debug assertions, a write
    /// panics where that is not so.) Default: `true`.
    const HAS_LANES: bool = true;

    /// Makes the request for a batch. Borrows the entries: the engine keeps them until they are
    /// settled, so this should copy references (`Bytes`), not payloads. Pure.
    fn build_request(&self, batch: &Batch<'_, Self::Entry>) -> Self::Request;

    /// Sends the request. The only piece that does I/O.
    ///
    /// Each call has a task of its own, so that several use several processors; while the
    /// destination answers without waiting, within 50 µs, the driver's task makes the calls itself.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the request times out. The destination may then have stored the
    /// entries or not; they are sent again.
    fn send(
        &self,
        request: Self::Request,
    ) -> impl Future<Output = Result<Self::Response, Self::Error>> + Send;

    /// Says what became of each of the `sent` entries of the request, in the order of the batch.
    /// Pure. Build the answer with [`Outcome::per_entry`]: it refuses an answer of the wrong
    /// length, because silence about an entry is not success.
    fn extract_failures(&self, answer: Result<Self::Response, Self::Error>, sent: usize)
    -> Outcome;

    /// The lane of an entry. May be called for each entry: no I/O, no waiting. Default: all entries
    /// share one.
    ///
    /// **When**: with [`Ordering::PerLane`](crate::Ordering::PerLane), and where entries have a
    /// [`merge_key`](Self::merge_key), for each entry when it is written. Otherwise lanes do not
    /// matter before one of them is slow: once an answer says that an entry was throttled, for all
    /// that the sink holds, in the driver; and then for each entry when it is written, until no lane
    /// has been slow for 10 s. Of a buffer that is more than half full, some entries are looked at
    /// now and then, and where one lane seems to have most of it, all are asked for in the same way.
    /// Never where [`HAS_LANES`](Self::HAS_LANES) is `false`.
    ///
    /// **The same entry, the same lane.** What an entry was found to be in it stays in until it is
    /// settled. So a lane that changes (a shard that was split) is noticed for entries that were not
    /// asked for yet, and the others wait for the old one at worst: nothing is lost by it. Only the
    /// order of [`Ordering::PerLane`](crate::Ordering::PerLane) needs lanes that never change.
    ///
    /// **A panic** in the driver stops the sink, which keeps all entries; one in a write is the
    /// writer's, whose entry is not admitted.
    fn lane(&self, entry: &Self::Entry) -> Lane {
        let _ = entry;
        Lane::SHARED
    }

    /// A hash of what must be equal for two entries to be merged: what arrives is offered to the
    /// newest entry of the same key and lane that was never sent, and [`Entry::merge`] decides. `None`
    /// (default): this entry is never merged, which costs nothing.
    ///
    /// So the entries of one key that come within `max_time_in_buffer` become one, or as few as
    /// `max_record_size_in_bytes` allows; also while the destination is slow or away, when the
    /// buffer would fill. That time, and `max_age`, count from the admission of the first.
    ///
    /// Asked once for each entry, in the driver: no I/O, no waiting. A panic stops the sink, which
    /// keeps all entries.
    ///
    /// Never merged, whatever this says: an entry that was sent, or waits behind others of a
    /// throttled lane; one of [`write_tracked`](crate::Sink::write_tracked) into an earlier one
    /// (its receipt speaks of itself), though later ones may be merged into it; restored ones; and
    /// with [`Ordering::PerLane`](crate::Ordering::PerLane) any, for it would overtake what came
    /// between.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    /// # use sink_core::{Batch, Destination, Entry, Limits, Outcome};
    ///
    /// # struct Count { name: String, times: u64 }
    /// # impl Entry for Count {
    /// #     fn size_bytes(&self) -> usize { self.name.len() + 8 }
    /// # }
    /// # struct Counts;
    /// impl Destination for Counts {
    ///     # type Entry = Count;
    ///     # type Request = ();
    ///     # type Response = ();
    ///     # type Error = Infallible;
    ///     # const KIND: &'static str = "counts";
    ///     # const LIMITS: Limits = Limits {
    ///     #     max_batch_size: 100,
    ///     #     max_batch_size_in_bytes: 1 << 20,
    ///     #     max_record_size_in_bytes: 1 << 10,
    ///     # };
    ///     # fn build_request(&self, _: &Batch<'_, Count>) {}
    ///     # async fn send(&self, _: ()) -> Result<(), Infallible> { Ok(()) }
    ///     # fn extract_failures(&self, _: Result<(), Infallible>, _: usize) -> Outcome {
    ///     #     Outcome::Delivered
    ///     # }
    ///     // ...
    ///     fn merge_key(&self, entry: &Count) -> Option<u64> {
    ///         let mut hasher = DefaultHasher::new();
    ///         entry.name.hash(&mut hasher);
    ///         Some(hasher.finish())
    ///     }
    /// }
    /// ```
    #[inline]
    fn merge_key(&self, entry: &Self::Entry) -> Option<u64> {
        let _ = entry;
        None
    }
}

/// An entry as the engine keeps it, from admission until it is settled.
#[derive(Debug)]
pub(crate) struct Queued<E> {
    pub(crate) entry: E,
    /// Admission number: 1, 2, 3 … per sink.
    pub(crate) sequence: u64,
    /// Asked once, at admission: what was added to the budget is what is taken off it.
    pub(crate) size: usize,
    /// [`Lane::SHARED`] as long as the destination was not asked.
    pub(crate) lane: Lane,
    /// Whether it was: see [`Destination::lane`].
    pub(crate) is_asked: bool,
    /// How many attempts have failed: counted then, for most entries' first one succeeds.
    pub(crate) attempts: u32,
    /// Whether somebody waits for it to be settled.
    pub(crate) tracked: bool,
    /// Never later than the true admission, so that no entry waits too long.
    pub(crate) admitted_at: std::time::Instant,
}

/// The entries of one request, borrowed from the engine. Never empty.
pub struct Batch<'a, E> {
    pub(crate) entries: &'a [Queued<E>],
    pub(crate) size_bytes: usize,
}

impl<'a, E> Batch<'a, E> {
    /// How many entries the request carries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry: never true for a batch that the engine made.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sum of [`Entry::size_bytes`], in bytes.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// The entries, in the order in which the answer must speak of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a E> + use<'a, E> {
        self.entries.iter().map(|queued| &queued.entry)
    }

    /// The entries' admission numbers, in the same order.
    pub fn sequences(&self) -> impl ExactSizeIterator<Item = u64> + use<'a, E> {
        self.entries.iter().map(|queued| queued.sequence)
    }
}

impl<E> fmt::Debug for Batch<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("len", &self.len())
            .field("size_bytes", &self.size_bytes)
            .finish_non_exhaustive()
    }
}

/// A batch outside an engine, for tables that test a request builder.
#[derive(Debug)]
pub struct OwnedBatch<E>(Vec<Queued<E>>);

impl<E: Entry> OwnedBatch<E> {
    /// A batch of these entries.
    #[allow(clippy::disallowed_methods)] // not in an engine: nothing ever compares this time
    pub fn new(entries: impl IntoIterator<Item = E>) -> Self {
        let admitted_at = std::time::Instant::now();
        Self(
            (1..)
                .zip(entries)
                .map(|(sequence, entry)| Queued {
                    size: entry.size_bytes(),
                    sequence,
                    entry,
                    lane: Lane::SHARED,
                    is_asked: true,
                    attempts: 0,
                    tracked: false,
                    admitted_at,
                })
                .collect(),
        )
    }

    /// The view that a request builder gets.
    pub fn as_batch(&self) -> Batch<'_, E> {
        Batch { entries: &self.0, size_bytes: self.0.iter().map(|queued| queued.size).sum() }
    }
}
