//! Tasks that write, flush, look and give up at random.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use sink_core::{Error, ErrorKind, Settled, Sink, Snapshot, SnapshotMode, TryWriteError};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    plan::Plan,
    world::{Item, Shared},
};

pub(crate) type TestSink = Sink<Item, Item>;

/// On a fine day but for one stuck lane, nobody who writes to another lane waits longer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub(crate) struct Producer {
    /// The sinks of this life, and which of the day's sinks they are.
    pub(crate) sinks: Vec<(TestSink, usize)>,
    pub(crate) random: Rng,
    pub(crate) shared: Shared,
    pub(crate) plan: Arc<Plan>,
    /// Whether a sink that stops is a failure of the test.
    pub(crate) must_not_stop: bool,
}

impl Producer {
    /// Spawns producers that write what is not written yet between them.
    pub(crate) fn spawn(self) -> JoinSet<()> {
        let Self { sinks, mut random, shared, plan, must_not_stop } = self;
        let written = shared.world().written.clone();
        let rest: Vec<_> = plan.items.iter().filter(|item| !written.contains(&item.id)).collect();
        let count = random.usize(1..4);
        let mut shares = vec![Vec::new(); 8];
        for (position, item) in rest.into_iter().enumerate() {
            // Who writes to a stuck lane writes to no other: it would be blocked with reason.
            let lane = usize::try_from(item.lane).unwrap();
            shares[if plan.stuck.is_some() { lane } else { position % count }].push(*item);
        }
        let mut producers = JoinSet::new();
        for items in shares.into_iter().filter(|items| !items.is_empty()) {
            let producer = Self {
                sinks: sinks.clone(),
                random: random.fork(),
                shared: shared.clone(),
                plan: Arc::clone(&plan),
                must_not_stop,
            };
            producers.spawn(producer.run(items));
        }
        producers
    }

    async fn run(mut self, items: Vec<Item>) {
        let pause_ms = self.random.u64(0..20);
        for item in items {
            let (sink, index) = {
                let count = self.sinks.len() as u64;
                self.sinks[usize::try_from(item.lane % count).unwrap()].clone()
            };
            if let Err(error) = self.write(&sink, index, item).await {
                assert!(!self.must_not_stop, "nothing here stops a sink: {error}");
                assert_eq!(error.kind(), ErrorKind::Fatal);
                self.shared.log("a producer is told that the sink has stopped");
                return;
            }
            match self.random.u8(0..100) {
                0..3 if self.plan.stuck.is_none() => self.flush(&sink, index).await,
                3..6 if self.plan.stuck.is_none() => self.look(&sink, index).await,
                6..40 => sleep(Duration::from_millis(self.random.u64(0..=pause_ms))).await,
                _ => {}
            }
        }
    }

    /// Writes, giving up after a random time and trying again: a write that was cancelled must
    /// not have admitted its element.
    async fn write(&mut self, sink: &TestSink, index: usize, item: Item) -> Result<(), Error> {
        let started = Instant::now();
        let started_ms = self.shared.now_ms();
        loop {
            let patience = if self.random.u8(0..100) < 20 {
                Duration::from_micros(self.random.u64(0..5000))
            } else {
                Duration::from_secs(3000)
            };
            let way = self.random.u8(0..if self.plan.stuck.is_some() { 2 } else { 3 });
            let writing = write_once(&self.shared, sink, index, item, way);
            if let Ok(result) = timeout(patience, writing).await {
                result?;
                self.shared.log(format_args!("wrote {}", item.id));
                break;
            }
            self.shared.log(format_args!("gave up writing {}", item.id));
        }
        let waited = started.elapsed();
        if let Some(stuck) = self.plan.stuck
            && started_ms < stuck.until_ms
        {
            if item.lane != stuck.lane {
                assert!(
                    waited < LONGEST_WAIT,
                    "the write of {} waited {waited:?} for a lane that is stuck, not its own {}",
                    item.id,
                    item.lane
                );
            } else if waited > LONGEST_WAIT {
                self.shared.log("a write to the stuck lane waited long");
            }
        }
        Ok(())
    }

    /// Flushes, giving up sometimes. A flush that ends has settled all that was written before.
    async fn flush(&mut self, sink: &TestSink, index: usize) {
        let call = self.shared.world().sinks[index].ledger.len();
        let patience = Duration::from_millis(self.random.u64(0..20_000));
        match timeout(patience, sink.flush()).await {
            Err(_) => self.shared.log("gave up flushing"),
            Ok(Err(error)) => {
                assert!(!self.must_not_stop, "nothing here stops a sink: {error}");
                assert_eq!(error.kind(), ErrorKind::Fatal);
            }
            Ok(Ok(())) => {
                let model = &self.shared.world().sinks[index];
                for id in &model.ledger[..call] {
                    assert!(model.is_settled(*id), "{id} is not settled after a flush");
                }
            }
        }
    }

    async fn look(&mut self, sink: &TestSink, index: usize) {
        let patience = Duration::from_micros(self.random.u64(0..200_000));
        let patience = if self.random.bool() { patience / 1000 } else { patience };
        let mode = mode(&mut self.random);
        if timeout(patience, snapshot(&self.shared, sink, index, mode)).await.is_err() {
            self.shared.log("gave up looking");
        }
    }
}

async fn write_once(
    shared: &Shared,
    sink: &TestSink,
    index: usize,
    item: Item,
    way: u8,
) -> Result<(), Error> {
    // With no await between: the admission is known the moment it happens.
    match way {
        0 => {
            let receipt = sink.write_tracked(item).await?;
            let mut world = shared.world();
            world.admitted(index, &item);
            let model = &mut world.sinks[index];
            assert_eq!(receipt.sequence(), model.ledger.len() as u64, "sequences count admissions");
            model.receipts_open += 1;
            drop(world);
            tokio::spawn(wait_for(receipt, shared.clone(), index, item.id));
            return Ok(());
        }
        1 => sink.write(item).await?,
        _ => {
            while let Err(error) = sink.try_write(item) {
                match error {
                    TryWriteError::Full(_) => sleep(Duration::from_millis(1)).await,
                    TryWriteError::Stopped(_, error) | TryWriteError::Refused(error) => {
                        return Err(error);
                    }
                }
            }
        }
    }
    shared.world().admitted(index, &item);
    Ok(())
}

/// A receipt tells what really happened.
async fn wait_for(receipt: sink_core::Receipt, shared: Shared, index: usize, id: u64) {
    let settled = receipt.await;
    let mut world = shared.world();
    let model = &mut world.sinks[index];
    model.receipts_open -= 1;
    let is_right = match &settled {
        Ok(Settled::Delivered) => model.confirmed.contains(&id),
        Ok(Settled::Rejected(_)) => model.lettered.contains(&id),
        Err(_) => model.receipts_broken.insert(id),
    };
    if !is_right {
        world.violations.push(format!("the receipt of {id} says {settled:?}"));
    }
}

/// Now or settled.
pub(crate) fn mode(random: &mut Rng) -> SnapshotMode {
    if random.bool() { SnapshotMode::Now } else { SnapshotMode::Settle }
}

/// A snapshot with all that it must have, kept as bytes and read again.
pub(crate) async fn snapshot(
    shared: &Shared,
    sink: &TestSink,
    index: usize,
    mode: SnapshotMode,
) -> Snapshot<Item> {
    let call = shared.world().sinks[index].moment();
    let snapshot = sink.snapshot_with(mode).await;
    shared.world().check_unsent(index, snapshot.entries(), call);
    shared.log(format_args!("snapshot {mode:?} of {} unsent", snapshot.len()));
    through_bytes(&snapshot)
}

pub(crate) fn through_bytes(snapshot: &Snapshot<Item>) -> Snapshot<Item> {
    let read = Snapshot::from_bytes(snapshot.to_bytes()).unwrap();
    assert_eq!(&read, snapshot, "what was written is read");
    read
}
