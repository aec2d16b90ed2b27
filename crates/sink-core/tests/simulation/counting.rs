//! Days on which a program counts: its values are merged while they wait, it dies again and again,
//! and each value must be in the end where it belongs.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use fastrand::Rng;
use sink_core::{ConvertError, Destination as _, Ordering, Settings, Settled, Sink, Snapshot};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use crate::{
    limiter::Limiter,
    tally::{Count, Letters, Shared, Tally},
    weather::Weather,
};

type TestSink = Sink<(u64, u64), Count>;

/// What one seed led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) history: Vec<String>,
    pub(crate) merged: usize,
    pub(crate) merged_sent: usize,
    pub(crate) merged_rejected: usize,
    pub(crate) merged_left: usize,
    pub(crate) in_order: bool,
}

struct Day {
    shared: Shared,
    weather: Weather,
    in_order: bool,
    limiter: Limiter,
    /// Name and id of all values.
    values: Vec<(u64, u64)>,
    merged: usize,
}

/// Runs one seed from start to end and checks everything that was promised.
pub(crate) fn run(seed: u64) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        timeout(Duration::from_secs(3600), day(seed)).await.expect("drained within a bound")
    })
}

async fn day(seed: u64) -> Report {
    let mut random = Rng::with_seed(seed);
    let names = random.u64(1..=10);
    let mut day = Day {
        shared: Shared::new(),
        weather: Weather::new(&mut random, 3),
        in_order: random.u8(0..100) < 10,
        limiter: match random.u8(0..4) {
            0 => Limiter::Flink,
            1 => Limiter::Unlimited,
            _ => Limiter::Default,
        },
        values: (0..random.u64(20..300)).map(|id| (random.u64(0..names), id)).collect(),
        merged: 0,
    };
    let mut left = Vec::new();
    for _ in 0..random.usize(0..4) {
        left = day.cut_short(&mut random, &left).await;
    }
    day.finish(&mut random, &left).await;

    let known = day.shared.known();
    for (_, id) in &day.values {
        assert!(known.arrived.contains_key(id), "{id} was written and went nowhere: lost");
    }
    Report {
        history: known.history.clone(),
        merged: day.merged,
        merged_sent: known.merged_sent,
        merged_rejected: known.merged_rejected,
        merged_left: known.merged_left,
        in_order: day.in_order,
    }
}

impl Day {
    /// A process begins, with what the last one left.
    fn open(&mut self, random: &mut Rng, left: &[Count]) -> (TestSink, JoinHandle<()>) {
        self.shared = self.shared.next_life(left);
        self.shared.log(format_args!("begins with {left:?}"));
        let tally = Tally {
            shared: self.shared.clone(),
            weather: self.weather.clone(),
            random: Mutex::new(random.fork()),
        };
        let settings = self.settings(random);
        let letters = Letters { shared: self.shared.clone(), random: Mutex::new(random.fork()) };
        let converter = |(name, id)| Ok::<_, ConvertError>(Count::new(name, id));
        let (sink, driver) = Sink::builder(converter, tally)
            .rate_limiter(self.limiter.build(&settings))
            .settings(settings)
            .seed(random.u64(..))
            .dead_letters(letters)
            .restore(&Snapshot::new(Tally::KIND, left.to_vec()))
            .pair()
            .unwrap();
        let (mut mark, shared) = (sink.delivered_up_to(), self.shared.clone());
        tokio::spawn(async move {
            while mark.changed().await.is_ok() {
                check_mark(&shared, *mark.borrow_and_update());
            }
        });
        (sink, tokio::spawn(driver.run()))
    }

    fn settings(&self, random: &mut Rng) -> Settings {
        let ms = Duration::from_millis;
        let mut settings = Settings::default();
        let batch = random.usize(1..=10);
        settings.max_batch_size = Some(batch);
        settings.max_batch_size_in_bytes = Some(random.usize(100..1000));
        settings.max_in_flight_requests = Some(random.usize(1..=4));
        settings.max_buffered_requests = Some(batch + random.usize(0..40));
        settings.max_buffered_bytes = Some(1000 + random.usize(0..5000));
        settings.max_time_in_buffer = Some(ms(random.u64(1..1000)));
        settings.request_timeout = Some(ms(random.u64(50..1000)));
        settings.retry_initial_delay = Some(ms(random.u64(1..50)));
        settings.retry_max_delay = Some(ms(random.u64(50..2000)));
        if self.in_order {
            settings.ordering = Some(Ordering::PerLane);
        }
        if random.u8(0..100) < 20 {
            settings.max_attempts = Some(random.u32(1..15));
        }
        if random.u8(0..100) < 20 {
            settings.max_age = Some(ms(random.u64(10..20_000)));
        }
        settings
    }

    /// Writes what no sink was given yet, and does not come to an end if it is stopped.
    fn produce(&self, random: &mut Rng, sink: &TestSink) -> JoinSet<()> {
        let given: BTreeSet<u64> = {
            let known = self.shared.known();
            known.lives.iter().flat_map(|life| &life.ledger).flatten().copied().collect()
        };
        let count = random.usize(1..4);
        let mut shares = vec![Vec::new(); count];
        for (position, value) in self.values.iter().enumerate() {
            if !given.contains(&value.1) {
                shares[position % count].push(*value);
            }
        }
        let mut producers = JoinSet::new();
        for share in shares {
            let (sink, shared, random) = (sink.clone(), self.shared.clone(), random.fork());
            producers.spawn(write(sink, shared, random, share));
        }
        producers
    }

    /// Lives for a while; gives what is to be restored.
    async fn cut_short(&mut self, random: &mut Rng, left: &[Count]) -> Vec<Count> {
        let (sink, driver) = self.open(random, left);
        let mut producers = self.produce(random, &sink);
        sleep(Duration::from_millis(random.u64(0..3000))).await;
        producers.abort_all();
        while let Some(ended) = producers.join_next().await {
            assert!(ended.is_ok() || ended.unwrap_err().is_cancelled());
        }
        self.merged += sink.stats().counters.merged.entries;
        let unsent = match random.u8(0..3) {
            0 => sink.into_unsent().await,
            1 => {
                sink.close_within(Duration::from_millis(random.u64(0..2000))).await.unwrap().unsent
            }
            _ => {
                let kept = sink.snapshot().await;
                driver.abort();
                kept.entries().to_vec()
            }
        };
        self.shared.log(format_args!("ends with {unsent:?}"));
        self.check(&unsent);
        self.shared.known().merged_left += unsent.iter().filter(|c| c.ids.len() > 1).count();
        unsent
    }

    async fn finish(&mut self, random: &mut Rng, left: &[Count]) {
        let (sink, _driver) = self.open(random, left);
        let mut producers = self.produce(random, &sink);
        while let Some(ended) = producers.join_next().await {
            ended.unwrap();
        }
        let counters = sink.close().await.expect("nothing in this weather is fatal").counters;
        self.merged += counters.merged.entries;
        let settled = counters.delivered + counters.rejected + counters.merged;
        assert_eq!(counters.admitted, settled, "I1, in entries and in bytes");
        self.check(&[]);
        let ledger = self.shared.life(|life| life.ledger.len() as u64);
        assert_eq!(*sink.delivered_up_to().borrow(), ledger, "the source may commit all");
    }

    /// All that the sink was given is settled or unsent, and nothing is both.
    fn check(&self, unsent: &[Count]) {
        let (settled, ledger) =
            self.shared.life(|life| (life.settled.clone(), life.ledger.clone()));
        let mut found = settled;
        for id in unsent.iter().flat_map(|count| &count.ids) {
            assert!(found.insert(*id), "{id} is settled and unsent, or unsent twice");
        }
        let given: BTreeSet<u64> = ledger.into_iter().flatten().collect();
        assert_eq!(found, given, "what was given is settled or unsent");
    }
}

/// Everything up to the mark is settled, in whichever entry it went.
fn check_mark(shared: &Shared, mark: u64) {
    shared.life(|life| {
        for id in life.ledger[..usize::try_from(mark).unwrap()].iter().flatten() {
            assert!(life.settled.contains(id), "delivered_up_to is {mark}, {id} is not settled");
        }
    });
}

async fn write(sink: TestSink, shared: Shared, mut random: Rng, values: Vec<(u64, u64)>) {
    let pause_ms = random.u64(0..20);
    for (name, id) in values {
        // With no await between: the admission is known the moment it happens.
        if random.u8(0..100) < 20 {
            let receipt = sink.write_tracked((name, id)).await.unwrap();
            let sequence = shared.life(|life| {
                life.ledger.push(vec![id]);
                life.ledger.len() as u64
            });
            assert_eq!(receipt.sequence(), sequence);
            let shared = shared.clone();
            tokio::spawn(async move {
                if let Ok(Settled::Delivered | Settled::Rejected(_)) = receipt.await {
                    shared.life(|life| assert!(life.settled.contains(&id), "{id} is not settled"));
                }
            });
        } else {
            sink.write((name, id)).await.unwrap();
            shared.life(|life| life.ledger.push(vec![id]));
        }
        shared.log(format_args!("wrote {id} of {name}"));
        match random.u8(0..100) {
            0..5 => {
                let given = shared.life(|life| life.ledger.clone());
                sink.flush().await.unwrap();
                shared.life(|life| {
                    for id in given.iter().flatten() {
                        assert!(life.settled.contains(id), "{id} is not settled after a flush");
                    }
                });
            }
            5..30 => sleep(Duration::from_millis(random.u64(0..=pause_ms))).await,
            _ => {}
        }
    }
}
