//! One simulated day: producers write, flush, look and give up at random; then the process dies and
//! comes back with a snapshot; then everything must have arrived.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use sink_core::{ConvertError, Settings, Sink, Snapshot};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::destination::{Item, Shared, Stormy, Weather, World};

type TestSink = Sink<Item, Item>;

/// What one seed led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) history: Vec<String>,
    pub(crate) written: usize,
    pub(crate) duplicates: u32,
}

/// Runs one seed from start to end and checks everything that was promised.
pub(crate) fn run(seed: u64) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        // Simulated: far longer than the longest outage, timeout and delay together.
        let hour = Duration::from_secs(3600);
        timeout(hour, day(seed)).await.expect("drained within a bound")
    })
}

async fn day(seed: u64) -> Report {
    let mut random = Rng::with_seed(seed);
    let shared = Shared { world: Arc::new(Mutex::new(World::default())), start: Instant::now() };
    let weather = weather(&mut random);
    let settings = settings(&mut random);
    let elements = random.u64(20..400);
    let written = Arc::new(Mutex::new(BTreeSet::new()));

    // Before the crash: some of the elements, from several producers at once.
    let open =
        || Life { shared: shared.clone(), weather: weather.clone(), settings: settings.clone() };
    let crash = random.bool();
    let first_part = if crash { random.u64(0..=elements) } else { elements };
    let (sink, driver) = open().start(&mut random, &[]);
    let producers = produce(&sink, &mut random, &shared, &written, 0..first_part);
    let sink = if crash {
        // The process dies at any moment: producers, requests and all. What survives is a
        // snapshot, and the source's knowledge of what it had written by then.
        sleep(Duration::from_millis(random.u64(0..2000))).await;
        drop(producers);
        let snapshot = sink.snapshot().await;
        driver.abort();
        shared.log(format_args!("crash with {} unsent", snapshot.len()));
        drop(sink);
        check_snapshot(&shared, &written, &snapshot);
        let (sink, _) = open().start(&mut random, &[snapshot]);
        let done: BTreeSet<_> = written.lock().unwrap().clone();
        let rest: Vec<_> = (0..elements).filter(|id| !done.contains(id)).collect();
        let mut producers = produce(&sink, &mut random, &shared, &written, rest.into_iter());
        while producers.join_next().await.is_some() {}
        sink
    } else {
        let mut producers = producers;
        while producers.join_next().await.is_some() {}
        sink
    };

    let admitted_here = sink.stats().counters.admitted.entries;
    let summary = sink.close().await.expect("nothing in this weather is fatal");
    shared.log(format_args!("closed after {} requests", summary.counters.requests));
    let counters = summary.counters;
    assert_eq!(counters.delivered.entries, admitted_here, "all that was admitted is delivered");
    assert_eq!(
        counters.sent.entries as u64,
        counters.delivered.entries as u64 + counters.retried(),
        "each attempt ended in a delivery or a retry"
    );

    let world = shared.world.lock().unwrap();
    let written = written.lock().unwrap();
    assert_eq!(world.violations, Vec::<String>::new());
    assert_eq!(written.len() as u64, elements, "every element was written in the end");
    for id in written.iter() {
        assert!(world.stored.contains_key(id), "{id} was written and never stored: lost");
    }
    for id in world.stored.keys() {
        assert!(written.contains(id), "{id} was stored though its write was cancelled");
    }
    let duplicates = world.stored.values().map(|times| times - 1).sum();
    Report { history: world.history.clone(), written: written.len(), duplicates }
}

/// A process: what it takes to open a sink.
struct Life {
    shared: Shared,
    weather: Weather,
    settings: Settings,
}

impl Life {
    fn start(
        self,
        random: &mut Rng,
        restore: &[Snapshot<Item>],
    ) -> (TestSink, tokio::task::JoinHandle<()>) {
        let destination = Stormy {
            shared: self.shared,
            weather: self.weather,
            random: Mutex::new(random.fork()),
            bucket: Mutex::new((0.0, Instant::now())),
            lanes: random.bool(),
        };
        let converter = |item: Item| -> Result<Item, ConvertError> { Ok(item) };
        let mut builder =
            Sink::builder(converter, destination).settings(self.settings).seed(random.u64(..));
        for snapshot in restore {
            builder = builder.restore(snapshot);
        }
        let (sink, driver) = builder.pair().unwrap();
        (sink, tokio::spawn(driver.run()))
    }
}

/// Everything written and not confirmed must be in the snapshot, and nothing else, in order.
fn check_snapshot(shared: &Shared, written: &Arc<Mutex<BTreeSet<u64>>>, snapshot: &Snapshot<Item>) {
    let world = shared.world.lock().unwrap();
    let kept: BTreeSet<_> = snapshot.entries().iter().map(|item| item.id).collect();
    assert_eq!(kept.len(), snapshot.len(), "an entry is in a snapshot once");
    for id in written.lock().unwrap().iter() {
        assert!(
            kept.contains(id) || world.confirmed.contains(id),
            "{id} was written and is neither delivered nor in the snapshot"
        );
    }
}

/// Spawns producers that write the ids between them. Dropping the set kills them.
fn produce(
    sink: &TestSink,
    random: &mut Rng,
    shared: &Shared,
    written: &Arc<Mutex<BTreeSet<u64>>>,
    ids: impl Iterator<Item = u64>,
) -> JoinSet<()> {
    let count = random.usize(1..4);
    let mut shares = vec![Vec::new(); count];
    for (position, id) in ids.enumerate() {
        shares[position % count].push(id);
    }
    let mut producers = JoinSet::new();
    for ids in shares {
        let producer = Producer {
            sink: sink.clone(),
            random: random.fork(),
            shared: shared.clone(),
            written: Arc::clone(written),
        };
        producers.spawn(producer.run(ids));
    }
    producers
}

struct Producer {
    sink: TestSink,
    random: Rng,
    shared: Shared,
    written: Arc<Mutex<BTreeSet<u64>>>,
}

impl Producer {
    async fn run(mut self, ids: Vec<u64>) {
        let pause_ms = self.random.u64(0..20);
        for id in ids {
            let size = self.random.usize(0..=100);
            let item = Item { id, size, lane: self.random.u64(0..4) };
            self.write(item).await;
            match self.random.u8(0..100) {
                0..3 => self.flush().await,
                3..6 => self.look().await,
                6..40 => sleep(Duration::from_millis(self.random.u64(0..=pause_ms))).await,
                _ => {}
            }
        }
    }

    /// Writes, giving up after a random time and trying again: a write that was cancelled must
    /// not have admitted its element.
    async fn write(&mut self, item: Item) {
        loop {
            let patience = if self.random.u8(0..100) < 20 {
                Duration::from_micros(self.random.u64(0..5000))
            } else {
                Duration::from_secs(3000)
            };
            let writing = async {
                if self.random.bool() {
                    self.sink.write(item).await.unwrap();
                } else {
                    while self.sink.try_write(item).is_err() {
                        sleep(Duration::from_millis(1)).await;
                    }
                }
                // With no await between: the admission is known the moment it happens.
                self.written.lock().unwrap().insert(item.id);
            };
            if timeout(patience, writing).await.is_ok() {
                self.shared.log(format_args!("wrote {}", item.id));
                return;
            }
            self.shared.log(format_args!("gave up writing {}", item.id));
        }
    }

    /// Flushes, giving up sometimes. A flush that ends has settled all that was written before.
    async fn flush(&mut self) {
        let before: Vec<_> = self.written.lock().unwrap().iter().copied().collect();
        let patience = Duration::from_millis(self.random.u64(0..20_000));
        if let Ok(result) = timeout(patience, self.sink.flush()).await {
            result.unwrap();
            let world = self.shared.world.lock().unwrap();
            for id in before {
                assert!(world.confirmed.contains(&id), "{id} is not settled after a flush");
            }
        }
    }

    async fn look(&mut self) {
        let patience = Duration::from_micros(self.random.u64(0..100));
        if let Ok(snapshot) = timeout(patience, self.sink.snapshot()).await {
            let in_order = snapshot.entries().iter().map(|item| item.id).collect::<BTreeSet<_>>();
            assert_eq!(in_order.len(), snapshot.len(), "an entry is in a snapshot once");
        }
    }
}

fn settings(random: &mut Rng) -> Settings {
    let ms = Duration::from_millis;
    let mut settings = Settings::default();
    let batch = random.usize(1..=20);
    settings.max_batch_size = Some(batch);
    settings.max_batch_size_in_bytes = Some(random.usize(100..2000));
    settings.max_record_size_in_bytes = Some(100);
    settings.max_in_flight_requests = Some(random.usize(1..=6));
    settings.max_buffered_requests = Some(batch + random.usize(0..100));
    settings.max_buffered_bytes = Some(2000 + random.usize(0..10_000));
    settings.max_time_in_buffer = Some(ms(random.u64(1..1000)));
    settings.request_timeout = Some(ms(random.u64(50..1000)));
    settings.retry_initial_delay = Some(ms(random.u64(1..50)));
    settings.retry_max_delay = Some(ms(random.u64(50..2000)));
    settings
}

fn weather(random: &mut Rng) -> Weather {
    let mut chance = |most: u8| if random.bool() { random.u8(0..=most) } else { 0 };
    let (partial, throttle_all, unavailable) = (chance(40), chance(10), chance(10));
    let (wrong_length, never, answer_lost) = (chance(8), chance(8), chance(8));
    let outages = (0..random.usize(0..3))
        .map(|_| {
            let start = random.u64(0..5000);
            start..start + random.u64(0..3000)
        })
        .collect();
    Weather {
        latency_ms: random.u64(0..200),
        partial,
        throttle_all,
        unavailable,
        wrong_length,
        never,
        answer_lost,
        outages,
        capacity: random.bool().then(|| random.u64(20..2000)),
        calm_after_ms: 60_000,
    }
}
