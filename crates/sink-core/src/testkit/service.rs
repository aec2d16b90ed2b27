//! What the author of a connector says of the service that the suite runs against.

use std::{fmt, future::Future, time::Duration};

use crate::{
    destination::{Destination, Limits},
    settings::Ordering,
};

/// The entries of a [`Service`]'s destination.
pub type EntryOf<S> = <<S as Service>::Destination as Destination>::Entry;

/// A service to write to, an emulator or the real one, and the connector under test.
///
/// One value is one empty place to write to: a stream of its own, a table, a namespace. The suite
/// makes a new one for each check, so faults and entries of one check never reach another.
pub trait Service: Send + Sync + 'static {
    /// The connector under test.
    type Destination: Destination;

    /// A new destination that writes to this service. `ordering` is the setting of the sink that
    /// it will serve; most connectors need not know it.
    fn destination(&self, ordering: Ordering) -> Self::Destination;

    /// An entry that carries this number and that the service meters at exactly `size_bytes`.
    /// Numbers are below 100,000. Where a connector has lanes, spread the numbers over a few.
    ///
    /// # Errors
    ///
    /// Where there can be no such entry, with the reason: the checks that need it are not tried.
    fn entry(&self, number: u64, size_bytes: usize) -> Result<EntryOf<Self>, Cannot>
    where
        Self: Sized;

    /// The number that [`entry`](Self::entry) or [`bad_entry`](Self::bad_entry) put into an entry.
    fn number(entry: &EntryOf<Self>) -> u64
    where
        Self: Sized;

    /// The smallest size, in bytes, that any number fits into.
    fn smallest_size(&self) -> usize;

    /// What the service has stored, read back from it. Everything that it has acknowledged must be
    /// there: a service that shows it later is waited for here.
    fn arrived(&self) -> impl Future<Output = Arrived> + Send;

    /// Makes this happen to the next request that writes; later ones may meet it too, until
    /// [`calm`](Self::calm).
    ///
    /// # Errors
    ///
    /// When the service cannot be brought to do that, with the reason: the check is not tried.
    fn cause(&self, trouble: Trouble) -> impl Future<Output = Result<(), Cannot>> + Send;

    /// Ends all trouble.
    fn calm(&self) -> impl Future<Output = ()> + Send;

    /// An entry with this number that the service will never store, though the connector sends it:
    /// refused alone, or with the whole request for its sake ([`Outcome::Bisect`](crate::Outcome)).
    ///
    /// # Errors
    ///
    /// Default: there is none. [`bad_entry`](super::bad_entry) is then not tried.
    fn bad_entry(&self, number: u64) -> Result<EntryOf<Self>, Cannot>
    where
        Self: Sized,
    {
        let _ = number;
        Err(Cannot::new("`Service::bad_entry` is not implemented: it says that there is none"))
    }

    /// What this service is set up to take. Default: the connector's [`Destination::LIMITS`]. A
    /// stream whose records may have 1 MiB, of a connector that knows of 10 MiB, gives 1 MiB here.
    fn limits(&self) -> Limits {
        Self::Destination::LIMITS
    }

    /// Whether a request that passes this limit is refused. Default: yes.
    ///
    /// # Errors
    ///
    /// When it is not, with the reason: an emulator that does not check it, or a connector whose
    /// limit is lower than the service's on purpose.
    fn enforces(&self, limit: Limit) -> Result<(), Cannot> {
        let _ = limit;
        Ok(())
    }

    /// Whether an answer speaks of each entry. Default: yes. A service that takes or refuses a
    /// request as a whole says no.
    fn answers_per_entry(&self) -> bool {
        true
    }

    /// How long the check of time-outs waits for an answer. Default: 1 s, which passes at once
    /// where tokio's clock is paused. Must be more than the service ever takes for ten entries.
    fn request_timeout(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// How long one check may take before it counts as broken. Default: 60 s.
    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// What can go wrong at a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trouble {
    /// Of a request of ten entries some are refused as too many, and the others are stored.
    ThrottleSome,
    /// Of a request of ten entries some fail within the service, and the others are stored.
    FailSome,
    /// A request is refused as one too many; nothing is stored.
    Throttle,
    /// A request fails within the service or on the way to it; nothing is stored.
    Unavailable,
    /// A request is stored, whole or in part, and its answer speaks of fewer entries than it had.
    AnswerTooShort,
    /// A request is stored, whole or in part, and its answer speaks of more entries than it had.
    AnswerTooLong,
    /// A request is never answered, or later than [`Service::request_timeout`]. It may be stored.
    Silence,
    /// Requests are refused for a reason that no retry mends, such as a missing permission;
    /// nothing is stored.
    Fatal,
}

/// One of the [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::max_batch_size`].
    BatchSize,
    /// [`Limits::max_batch_size_in_bytes`].
    BatchBytes,
    /// [`Limits::max_record_size_in_bytes`].
    RecordSize,
}

/// Why something cannot be done with this service, in words for whoever reads the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cannot(String);

impl Cannot {
    /// For this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Cannot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cannot {}

/// What a service has stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrived {
    pub(super) numbers: Vec<u64>,
    pub(super) order: Option<Cannot>,
    pub(super) metered_bytes: Option<u64>,
}

impl Arrived {
    /// These numbers, in the order in which they were stored, each as often as it is there. The
    /// order matters only within a lane.
    pub fn in_order(numbers: impl IntoIterator<Item = u64>) -> Self {
        Self { numbers: numbers.into_iter().collect(), order: None, metered_bytes: None }
    }

    /// These numbers, each as often as it is there, where the service does not tell their order,
    /// for this reason. [`order`](super::order) is then not tried.
    pub fn in_any_order(numbers: impl IntoIterator<Item = u64>, why: impl Into<String>) -> Self {
        Self { order: Some(Cannot::new(why)), ..Self::in_order(numbers) }
    }

    /// With the bytes that the service meters for all of it, repeats included. Without them
    /// [`size_accounting`](super::size_accounting) is not tried.
    #[must_use]
    pub fn metered(mut self, bytes: u64) -> Self {
        self.metered_bytes = Some(bytes);
        self
    }
}
