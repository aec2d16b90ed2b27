//! Many in-memory destinations, whose behaviour the test sets while they run.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use sink_core::{
    Appender, Batch, Bytes, Cause, ConvertError, Destination, Entry, Error, ErrorKind, Limits,
    Outcome, Reason, Settings, Sink, SinkRouter, SinkRouterBuilder, Snapshot, SnapshotEntry,
};
use tokio::sync::watch;

/// What is written: a route and a number.
pub(crate) type Element = (u32, u64);
pub(crate) type Router = SinkRouter<u32, Element, Item>;
pub(crate) type Builder = SinkRouterBuilder<u32, Element, Item>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item(pub(crate) u64);

impl Entry for Item {
    fn size_bytes(&self) -> usize {
        10
    }
}

impl SnapshotEntry for Item {
    fn encode(&self, bytes: &mut Appender<'_>) {
        bytes.extend_from_slice(&self.0.to_le_bytes());
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        let bytes = bytes[..].try_into().map_err(|_| "not 8 bytes".to_owned())?;
        Ok(Self(u64::from_le_bytes(bytes)))
    }
}

/// What all destinations of a test share.
pub(crate) struct World {
    /// What each route has stored, in order.
    pub(crate) stored: Mutex<BTreeMap<u32, Vec<u64>>>,
    /// How many destinations there are for each route now.
    live: Mutex<BTreeMap<u32, usize>>,
    /// How many routes had one at once, at most, and how many one route had.
    most_live: Mutex<(usize, usize)>,
    /// Routes that do not answer for now.
    stuck: watch::Sender<BTreeSet<u32>>,
    /// Routes that fail for good.
    denied: Mutex<BTreeSet<u32>>,
    /// Routes that cannot be opened.
    pub(crate) closed: Mutex<BTreeSet<u32>>,
    weather: Weather,
    /// How long a request takes, and whether it fails for now.
    random: Mutex<fastrand::Rng>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Requests are answered at once.
    Calm,
    /// They take up to a second.
    Foggy,
    /// They fail now and then, too.
    Stormy,
}

impl World {
    pub(crate) fn new(seed: u64, weather: Weather) -> Arc<Self> {
        Arc::new(Self {
            stored: Mutex::default(),
            live: Mutex::default(),
            most_live: Mutex::default(),
            stuck: watch::Sender::default(),
            denied: Mutex::default(),
            closed: Mutex::default(),
            weather,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        })
    }

    pub(crate) fn calm() -> Arc<Self> {
        Self::new(0, Weather::Calm)
    }

    /// How long the next request takes.
    fn delay(&self) -> Duration {
        match self.weather {
            Weather::Calm => Duration::ZERO,
            Weather::Foggy | Weather::Stormy => {
                Duration::from_millis(self.random.lock().unwrap().u64(0..1000))
            }
        }
    }

    /// Whether it fails for now.
    fn fails(&self) -> bool {
        self.weather == Weather::Stormy && self.random.lock().unwrap().u8(0..5) == 0
    }

    pub(crate) fn stick(&self, route: u32) {
        self.stuck.send_modify(|stuck| {
            stuck.insert(route);
        });
    }

    pub(crate) fn free(&self, route: u32) {
        self.stuck.send_modify(|stuck| {
            stuck.remove(&route);
        });
    }

    pub(crate) fn deny(&self, route: u32) {
        self.denied.lock().unwrap().insert(route);
    }

    pub(crate) fn allow(&self, route: u32) {
        self.denied.lock().unwrap().remove(&route);
    }

    /// What a route has stored.
    pub(crate) fn stored(&self, route: u32) -> Vec<u64> {
        self.stored.lock().unwrap().get(&route).cloned().unwrap_or_default()
    }

    /// The routes that have a destination now.
    pub(crate) fn open(&self) -> Vec<u32> {
        self.live.lock().unwrap().keys().copied().collect()
    }

    pub(crate) fn most_open(&self) -> usize {
        self.most_live.lock().unwrap().0
    }

    /// How many destinations one route had at once, at most.
    pub(crate) fn most_of_one_route(&self) -> usize {
        self.most_live.lock().unwrap().1
    }

    pub(crate) fn open_sink(
        self: &Arc<Self>,
        route: u32,
        unsent: Option<&Snapshot<Item>>,
    ) -> Result<Sink<Element, Item>, Error> {
        if self.closed.lock().unwrap().contains(&route) {
            return Err(Error::new(ErrorKind::Config, "open", "no such table"));
        }
        let converter = |(_, id): Element| Ok::<_, ConvertError>(Item(id));
        let mut sink =
            Sink::builder(converter, Memory::new(route, Arc::clone(self))).settings(settings());
        if let Some(unsent) = unsent {
            sink = sink.restore(unsent);
        }
        sink.seed(u64::from(route)).build()
    }
}

/// Batches of four, one in flight so that a route's order can be checked, room for six entries.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.max_batch_size = Some(4);
    settings.max_in_flight_requests = Some(1);
    settings.max_buffered_requests = Some(6);
    settings.max_time_in_buffer = Some(Duration::from_secs(1));
    settings
}

/// A router to these destinations.
pub(crate) fn router(world: &Arc<World>) -> Builder {
    let world = Arc::clone(world);
    SinkRouter::builder(
        |(route, _): &Element| *route,
        move |route: &u32, unsent: Option<&Snapshot<Item>>| world.open_sink(*route, unsent),
    )
}

struct Memory {
    route: u32,
    world: Arc<World>,
}

impl Memory {
    fn new(route: u32, world: Arc<World>) -> Self {
        let mut live = world.live.lock().unwrap();
        *live.entry(route).or_default() += 1;
        let mut most = world.most_live.lock().unwrap();
        *most = (live.len().max(most.0), live[&route].max(most.1));
        drop((live, most));
        Self { route, world }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut live = self.world.live.lock().unwrap();
        *live.get_mut(&self.route).unwrap() -= 1;
        live.retain(|_, count| *count > 0);
    }
}

impl Destination for Memory {
    type Entry = Item;
    type Request = Vec<u64>;
    type Response = Outcome;
    type Error = Infallible;

    const KIND: &'static str = "memory";
    const LIMITS: Limits = Limits {
        max_batch_size: 1000,
        max_batch_size_in_bytes: 1 << 20,
        max_record_size_in_bytes: 1 << 10,
    };

    fn build_request(&self, batch: &Batch<'_, Item>) -> Vec<u64> {
        batch.iter().map(|item| item.0).collect()
    }

    async fn send(&self, ids: Vec<u64>) -> Result<Outcome, Infallible> {
        tokio::time::sleep(self.world.delay()).await;
        if self.world.fails() {
            return Ok(Outcome::RetryAll(Cause::Unavailable, Reason::new("Storm", "")));
        }
        let mut stuck = self.world.stuck.subscribe();
        let _sender_lives = stuck.wait_for(|stuck| !stuck.contains(&self.route)).await;
        if self.world.denied.lock().unwrap().contains(&self.route) {
            return Ok(Outcome::Fatal(Error::new(ErrorKind::Fatal, "send", "access denied")));
        }
        self.world.stored.lock().unwrap().entry(self.route).or_default().extend(ids);
        Ok(Outcome::Delivered)
    }

    fn extract_failures(&self, answer: Result<Outcome, Infallible>, _sent: usize) -> Outcome {
        match answer {
            Ok(outcome) => outcome,
        }
    }
}
