//! Puts a sink together: settings are data, everything else comes as a component.

use std::{fmt, sync::Arc};

use tokio::{sync::mpsc, time::Instant};

use crate::{
    convert::ElementConverter,
    dead_letter::DeadLetterHandler,
    destination::{Destination, Entry as _, Lane},
    driver::Driver,
    engine::{Budget, Engine, EngineConfig},
    entrance::{Entrance, Pieces},
    error::{Error, ErrorKind},
    inbox::Inbox,
    rate_limit::{AdaptiveRate, RateLimiter},
    settings::{Ordering, Settings},
    sink::Sink,
    snapshot::Snapshot,
};

/// A sink, and the driver that must run for it to do anything.
pub type Pair<T, D> = (Sink<T, <D as Destination>::Entry>, Driver<D>);

/// Builds a [`Sink`]. Made by [`Sink::builder`].
#[must_use = "a builder does nothing until it is built"]
pub struct SinkBuilder<T, D: Destination> {
    pieces: Arc<dyn Pieces<T, D::Entry>>,
    destination: Arc<D>,
    settings: Settings,
    rate_limiter: Option<Box<dyn RateLimiter>>,
    seed: Option<u64>,
    dead_letters: Option<Arc<dyn DeadLetterHandler<D::Entry>>>,
    restored: Vec<D::Entry>,
    problems: Vec<Error>,
}

impl<T: 'static, D: Destination> SinkBuilder<T, D> {
    pub(crate) fn new(
        converter: impl ElementConverter<T, Entry = D::Entry>,
        destination: D,
    ) -> Self {
        let destination = Arc::new(destination);
        let entrance = Entrance { converter, destination: Arc::downgrade(&destination) };
        Self {
            pieces: Arc::new(entrance),
            destination,
            settings: Settings::default(),
            rate_limiter: None,
            seed: None,
            dead_letters: None,
            restored: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// The settings. Default: the connector's.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The rate limiter. Default: [`AdaptiveRate`].
    pub fn rate_limiter(mut self, limiter: impl RateLimiter) -> Self {
        self.rate_limiter = Some(Box::new(limiter));
        self
    }

    /// The seed of the retry delays' randomness. Default: from the operating system.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Where rejected entries go: those that the destination will never store, and those that
    /// passed `max_attempts` or `max_age`. Default: nowhere; the first one stops the sink with a
    /// fatal error, and the sink keeps it.
    pub fn dead_letters(mut self, handler: impl DeadLetterHandler<D::Entry>) -> Self {
        self.dead_letters = Some(Arc::new(handler));
        self
    }

    /// Admits a snapshot's entries before anything new, in their order. May be called several
    /// times: the snapshots are admitted one after the other. They may pass the buffer's bounds;
    /// `write` then waits until the buffer is below them.
    ///
    /// The snapshot stays the caller's: keep it until the entries are delivered.
    pub fn restore(mut self, snapshot: &Snapshot<D::Entry>) -> Self
    where
        D::Entry: Clone,
    {
        if snapshot.kind() == D::KIND {
            self.restored.extend(snapshot.entries().iter().cloned());
        } else {
            self.problems.push(Error::new(
                ErrorKind::Snapshot,
                "restore",
                format!(
                    "the snapshot is of a {} sink and cannot be restored to a {} sink",
                    snapshot.kind(),
                    D::KIND
                ),
            ));
        }
        self
    }

    /// Builds the sink and spawns its driver on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with all that is wrong with the settings, or when there is no tokio
    /// runtime to spawn on; [`ErrorKind::Snapshot`] when a restored entry cannot be sent with them.
    pub fn build(self) -> Result<Sink<T, D::Entry>, Error> {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            let message = "no tokio runtime runs here; call build within one, or use pair";
            return Err(Error::new(ErrorKind::Config, "build", message));
        };
        let (sink, driver) = self.pair()?;
        // The task ends by itself; how it ended is told by the sink.
        drop(runtime.spawn(driver.run()));
        Ok(sink)
    }

    /// Builds the sink and gives its driver to be spawned, or polled by a test.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn pair(self) -> Result<Pair<T, D>, Error> {
        let config = self.settings.resolve(&D::LIMITS, &D::DEFAULTS)?;
        if let Some(problem) = self.problems.into_iter().next() {
            return Err(problem);
        }
        check_restored::<D>(&self.restored, &config)?;

        let limiter = self.rate_limiter.unwrap_or_else(|| {
            let requests = config.max_in_flight_requests;
            Box::new(AdaptiveRate::new(config.max_batch_size, requests))
        });
        let max_record_size_in_bytes = config.max_record_size_in_bytes;
        let asks_lanes = D::HAS_LANES && config.ordering == Ordering::PerLane;
        let shared = Arc::new(Inbox::new(Budget::new(&config), asks_lanes));
        let mut engine = Engine::new(config, limiter, self.seed.unwrap_or_else(random_seed));
        if self.dead_letters.is_some() {
            engine.hand_over_rejected();
        }
        let destination = self.destination;
        let now = Instant::now().into_std();
        for entry in self.restored {
            let lane = asks_lanes.then(|| destination.lane(&entry));
            let size = entry.size_bytes();
            shared.count_restored(lane.unwrap_or(Lane::SHARED), size);
            match lane {
                Some(lane) => engine.push(entry, size, lane, now),
                None => engine.push_unasked(entry, size, now),
            };
        }

        let (commands, received) = mpsc::unbounded_channel();
        let sink = Sink::new(
            Arc::clone(&shared),
            self.pieces,
            commands,
            max_record_size_in_bytes,
            D::KIND,
        );
        Ok((sink, Driver::new(engine, destination, shared, received, self.dead_letters)))
    }
}

/// A restored entry that could never be sent would block the sink: say so before anything starts.
fn check_restored<D: Destination>(
    restored: &[D::Entry],
    config: &EngineConfig,
) -> Result<(), Error> {
    let limit = config.max_record_size_in_bytes;
    let too_large = restored.iter().map(D::Entry::size_bytes).enumerate();
    match too_large.into_iter().find(|(_, size)| *size > limit) {
        None => Ok(()),
        Some((position, size)) => Err(Error::new(
            ErrorKind::Snapshot,
            "restore",
            format!(
                "entry {} of {} has {size} bytes, but max_record_size_in_bytes is {limit}: raise \
                 it and restore again; the snapshot is unchanged",
                position + 1,
                restored.len()
            ),
        )),
    }
}

/// The one place where the core asks for randomness: many sinks must not retry in step.
#[allow(clippy::disallowed_methods)]
fn random_seed() -> u64 {
    use std::hash::BuildHasher as _;
    std::collections::hash_map::RandomState::new().hash_one(0)
}

impl<T, D: Destination> fmt::Debug for SinkBuilder<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkBuilder")
            .field("kind", &D::KIND)
            .field("settings", &self.settings)
            .field("rate_limiter", &self.rate_limiter)
            .field("seed", &self.seed)
            .field("restored", &self.restored.len())
            .finish_non_exhaustive()
    }
}
