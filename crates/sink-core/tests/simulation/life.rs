//! A process: it opens its sinks with what the last one left, and comes to an end.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use sink_core::{ConvertError, Destination as _, ErrorKind, Settings, Sink, Snapshot};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep},
};

use crate::{
    destination::Stormy,
    letters::Letters,
    plan::Plan,
    producer::{Producer, TestSink, mode, snapshot, through_bytes},
    world::{Item, Model, Shared},
};

pub(crate) struct Life {
    plan: Arc<Plan>,
    shared: Shared,
    sinks: Vec<Open>,
    /// Whether nothing can stop the sinks.
    is_safe: bool,
}

struct Open {
    sink: TestSink,
    /// Which of the day's sinks it is.
    index: usize,
    driver: JoinHandle<()>,
}

/// Where rejected entries go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Safe,
    /// The one after so many is not taken.
    Full(u32),
}

impl Life {
    /// With one sink, or two that share the lanes. A last life has nothing that could stop it.
    pub(crate) fn open(
        plan: &Arc<Plan>,
        shared: &Shared,
        random: &mut Rng,
        snapshots: &[Snapshot<Item>],
        is_last: bool,
    ) -> Self {
        let settings = plan.settings(random);
        let rejects =
            plan.has_bad_items || settings.max_attempts.is_some() || settings.max_age.is_some();
        let place = match random.u8(0..100) {
            _ if !rejects => Place::Nowhere,
            0..25 if !is_last => Place::Nowhere,
            25..50 if !is_last => Place::Full(random.u32(0..4)),
            _ => Place::Safe,
        };
        shared.log(format_args!("a life begins, dead letters {place:?}"));
        if snapshots.len() > 1 {
            shared.log("merged");
        }
        let is_first = shared.world().sinks.is_empty();
        let count = if plan.two_sinks && is_first { 2 } else { 1 };
        let sinks = (0..count)
            .map(|_| Open::new(plan, shared, random, &settings, place, snapshots))
            .collect();
        let is_safe = !rejects || place == Place::Safe;
        Self { plan: Arc::clone(plan), shared: shared.clone(), sinks, is_safe }
    }

    fn produce(&self, random: &mut Rng) -> JoinSet<()> {
        let producer = Producer {
            sinks: self.sinks.iter().map(|open| (open.sink.clone(), open.index)).collect(),
            random: random.fork(),
            shared: self.shared.clone(),
            plan: Arc::clone(&self.plan),
            must_not_stop: self.is_safe,
        };
        producer.spawn()
    }

    /// Writes all that is not written yet, and closes. Everything must be settled then.
    pub(crate) async fn finish(self, random: &mut Rng) {
        let mut producers = self.produce(random);
        while let Some(result) = producers.join_next().await {
            result.unwrap();
        }
        for Open { sink, index, .. } in self.sinks {
            let summary = sink.close().await.expect("nothing in this weather is fatal");
            sleep(Duration::from_millis(1)).await; // receipts and watchers have their turn
            self.shared.log(format_args!("closed after {} requests", summary.counters.requests));
            let (counters, world) = (summary.counters, self.shared.world());
            let model = &world.sinks[index];
            assert_eq!(counters.admitted.entries, model.ledger.len());
            assert_eq!(counters.delivered.entries, model.confirmed.len());
            assert_eq!(counters.rejected.entries, model.lettered.len());
            assert_eq!(
                counters.sent.entries as u64 + model.given_up,
                (counters.delivered + counters.rejected).entries as u64 + counters.retried(),
                "each attempt ended in a delivery, a rejection or a retry"
            );
            for id in &model.ledger {
                assert!(model.is_settled(*id), "{id} is not settled after a close");
            }
            assert_eq!(model.settled_up_to, model.ledger.len() as u64, "the source may commit all");
            assert_eq!((model.receipts_open, model.receipts_broken.len()), (0, 0));
        }
    }

    /// Lives for a while and ends in one of many ways. What it leaves is to be restored.
    pub(crate) async fn cut_short(self, random: &mut Rng) -> Vec<Snapshot<Item>> {
        let mut producers = self.produce(random);
        sleep(Duration::from_millis(random.u64(0..3000))).await;
        if random.u8(0..100) < 25 {
            return self.rewind(random, producers).await;
        }
        stop(&mut producers).await;
        let mut left = Vec::new();
        for open in self.sinks {
            let what = if open.sink.error().is_some() {
                assert!(!self.is_safe, "nothing here stops a sink: {:?}", open.sink.error());
                open.after_a_stop(&self.shared).await
            } else if random.u8(0..100) < 30 {
                open.close_in_time(random, &self.shared).await
            } else if random.u8(0..100) < 30 {
                open.lose_the_driver(&self.shared).await
            } else {
                let kept = snapshot(&self.shared, &open.sink, open.index, mode(random)).await;
                open.driver.abort();
                self.shared.log("crash");
                kept
            };
            left.push(what);
        }
        left
    }

    /// Takes a snapshot as a checkpoint, lives on, and dies without another: the source goes back to
    /// where it was at the checkpoint.
    async fn rewind(self, random: &mut Rng, mut producers: JoinSet<()>) -> Vec<Snapshot<Item>> {
        let mut written = self.shared.world().written.clone();
        let mut left = Vec::new();
        for Open { sink, index, .. } in &self.sinks {
            left.push(snapshot(&self.shared, sink, *index, mode(random)).await);
        }
        sleep(Duration::from_millis(random.u64(0..1000))).await;
        stop(&mut producers).await;
        for open in &self.sinks {
            open.driver.abort();
        }
        written.extend(left.iter().flat_map(|kept| kept.entries()).map(|item| item.id));
        let mut world = self.shared.world();
        world.has_rewound |= world.written != written;
        world.written = written;
        drop(world);
        self.shared.log("crash, and the source is rewound");
        left
    }
}

impl Open {
    fn new(
        plan: &Arc<Plan>,
        shared: &Shared,
        random: &mut Rng,
        settings: &Settings,
        place: Place,
        snapshots: &[Snapshot<Item>],
    ) -> Self {
        let restored: Vec<_> = snapshots.iter().flat_map(|kept| kept.entries()).copied().collect();
        let index = {
            let mut world = shared.world();
            world.sinks.push(Model::new(plan.in_order, &restored));
            world.sinks.len() - 1
        };
        let destination = Stormy {
            shared: shared.clone(),
            sink: index,
            weather: plan.weather.clone(),
            random: Mutex::new(random.fork()),
            bucket: Mutex::new((0.0, Instant::now())),
            patience: settings.request_timeout.unwrap(),
        };
        let converter = |item: Item| -> Result<Item, ConvertError> { Ok(item) };
        let builder =
            Sink::builder(converter, destination).settings(settings.clone()).seed(random.u64(..));
        let mut builder = builder.rate_limiter(plan.limiter.build(settings));
        let letters_random = Mutex::new(random.fork());
        let letters = |fails_after| Letters {
            shared: shared.clone(),
            sink: index,
            settings: settings.clone(),
            random: letters_random,
            fails_after: Mutex::new(fails_after),
        };
        builder = match place {
            Place::Nowhere => builder,
            Place::Safe => builder.dead_letters(letters(None)),
            Place::Full(after) => builder.dead_letters(letters(Some(after))),
        };
        for snapshot in snapshots {
            builder = builder.restore(snapshot);
        }
        let (sink, driver) = builder.pair().unwrap();
        let mut settled = sink.delivered_up_to();
        let watched = shared.clone();
        tokio::spawn(async move {
            while settled.changed().await.is_ok() {
                let sequence = *settled.borrow_and_update();
                watched.world().settled_up_to(index, sequence);
            }
        });
        Self { sink, index, driver: tokio::spawn(driver.run()) }
    }

    /// The sink has stopped: it says so to everybody, and gives everything back.
    async fn after_a_stop(self, shared: &Shared) -> Snapshot<Item> {
        let error = self.sink.error().unwrap();
        shared.log(format_args!("stopped: {error}"));
        let item = Item { id: u64::MAX, size: 1, lane: 1, quality: crate::world::Quality::Good };
        let call = shared.world().sinks[self.index].moment();
        for error in [
            self.sink.write(item).await.unwrap_err(),
            self.sink.flush().await.unwrap_err(),
            self.sink.close().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Fatal);
            let says = error.to_string();
            let why = ["dead-letter handler failed", "was rejected at attempt"];
            assert!(why.iter().any(|why| says.contains(why)), "{says}");
        }
        sleep(Duration::from_millis(1)).await; // receipts have their turn
        let kept = self.sink.snapshot().await;
        let unsent = self.sink.into_unsent().await;
        assert_eq!(kept.entries(), unsent, "a snapshot is what is unsent");
        let world = shared.world();
        world.check_unsent(self.index, &unsent, call);
        let model = &world.sinks[self.index];
        assert_eq!(model.receipts_open, 0, "receipts end with the sink");
        let unsent: BTreeSet<_> = unsent.iter().map(|item| item.id).collect();
        assert!(model.receipts_broken.is_subset(&unsent), "who is told so has it back");
        assert!(model.confirmed.is_disjoint(&unsent), "what is delivered is not given back");
        drop(world);
        through_bytes(&kept)
    }

    /// The driver's task ends, and the handle gives what it left, arrivals included.
    async fn lose_the_driver(self, shared: &Shared) -> Snapshot<Item> {
        let call = shared.world().sinks[self.index].moment();
        self.driver.abort();
        let unsent = self.sink.into_unsent().await;
        shared.log(format_args!("lost the driver with {} unsent", unsent.len()));
        shared.world().check_unsent(self.index, &unsent, call);
        through_bytes(&Snapshot::new(Stormy::KIND, unsent))
    }

    /// A graceful end that may come too late for some entries.
    async fn close_in_time(self, random: &mut Rng, shared: &Shared) -> Snapshot<Item> {
        let call = shared.world().sinks[self.index].moment();
        let limit = Duration::from_millis(random.u64(0..2000));
        let Ok(closed) = self.sink.close_within(limit).await else {
            return self.after_a_stop(shared).await; // something stopped it first
        };
        shared.log(format_args!("closed with {} unsent", closed.unsent.len()));
        shared.world().check_unsent(self.index, &closed.unsent, call);
        through_bytes(&Snapshot::new(Stormy::KIND, closed.unsent))
    }
}

/// Kills the producers, wherever they are.
async fn stop(producers: &mut JoinSet<()>) {
    producers.abort_all();
    while let Some(result) = producers.join_next().await {
        if let Err(error) = result
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
