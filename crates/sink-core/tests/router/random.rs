//! Many writers, few places, slow and failing destinations: nothing is lost, doubled or overtaken.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;

use crate::destination::{Element, Router, Weather, World, router};

const ROUTES: u32 = 8;

/// What the writers know of their elements.
#[derive(Default)]
struct Ledger {
    /// Those that the router has taken, in the order of each writer.
    admitted: BTreeMap<u32, Vec<u64>>,
    /// Those whose write was given up.
    given_up: BTreeSet<u64>,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// `SINK_SEED=17` replays one seed, `SINK_SEEDS=10000` runs that many.
#[test]
fn nothing_is_lost_doubled_or_overtaken_whatever_is_evicted() {
    let seeds = match number("SINK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SINK_SEEDS").unwrap_or(300),
    };
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let run = std::panic::AssertUnwindSafe(|| runtime.block_on(run(seed)));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("this was seed {seed}; replay it with SINK_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

async fn run(seed: u64) {
    let mut random = Rng::with_seed(seed);
    // A sink that retries lets later entries go first; only without that is there an order to check.
    let weather = if seed.is_multiple_of(2) { Weather::Stormy } else { Weather::Foggy };
    let world = World::new(seed, weather);
    let max_open = random.usize(1..5);
    let router = router(&world)
        .max_open(max_open)
        .idle_timeout(Duration::from_millis(random.u64(1..5000)))
        .build()
        .unwrap();
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let writers: Vec<_> = (0..random.u64(1..8))
        .map(|writer| {
            let random = Rng::with_seed(random.u64(..));
            tokio::spawn(write(writer, random, router.clone(), Arc::clone(&ledger)))
        })
        .collect();
    let watcher = tokio::spawn(watch(
        Rng::with_seed(random.u64(..)),
        router.clone(),
        Arc::clone(&world),
        Arc::clone(&ledger),
    ));
    for writer in writers {
        writer.await.unwrap();
    }
    watcher.abort();
    match watcher.await {
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        _ => {}
    }
    router.close().await.unwrap();

    assert!(world.most_open() <= max_open, "{} were open at once", world.most_open());
    assert!(world.most_of_one_route() <= 1, "a route had two sinks at once");
    assert!(router.snapshot().await.is_empty());
    let ledger = ledger.lock().unwrap();
    for route in 0..ROUTES {
        let stored = world.stored(route);
        let admitted = ledger.admitted.get(&route).cloned().unwrap_or_default();
        assert!(stored.iter().all(|id| !ledger.given_up.contains(id)), "was given up: {stored:?}");
        let sorted = |ids: &[u64]| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids
        };
        assert_eq!(sorted(&stored), sorted(&admitted), "route {route}");
        for writer in 0..8 {
            let of_writer: Vec<_> = stored.iter().filter(|id| *id / 1000 == writer).collect();
            let in_order = of_writer.is_sorted() || weather == Weather::Stormy;
            assert!(in_order, "overtaken in route {route}: {of_writer:?}");
        }
    }
}

/// Writes to random routes; sometimes in bursts, sometimes giving up.
async fn write(writer: u64, mut random: Rng, router: Router, ledger: Arc<Mutex<Ledger>>) {
    for number in 0..random.u64(1..60) {
        let element: Element = (random.u32(0..ROUTES), writer * 1000 + number);
        let patience = if random.u8(0..4) == 0 { random.u64(0..500) } else { 10_000_000 };
        let write = router.write(element);
        match tokio::time::timeout(Duration::from_millis(patience), write).await {
            // There is no await between the two: what is admitted is in the ledger.
            Ok(written) => {
                written.unwrap();
                ledger.lock().unwrap().admitted.entry(element.0).or_default().push(element.1);
            }
            Err(_) => drop(ledger.lock().unwrap().given_up.insert(element.1)),
        }
        if random.u8(0..3) == 0 {
            tokio::time::sleep(Duration::from_millis(random.u64(0..3000))).await;
        }
    }
}

/// Takes snapshots all the time, flushes and closes idle sinks.
async fn watch(mut random: Rng, router: Router, world: Arc<World>, ledger: Arc<Mutex<Ledger>>) {
    loop {
        tokio::time::sleep(Duration::from_millis(random.u64(0..700))).await;
        match random.u8(0..8) {
            0 => router.flush().await.unwrap(),
            1 => router.close_idle().await.unwrap(),
            2 => {
                // Given up at once, or somewhere in its middle.
                let limit = Duration::from_millis(random.u64(0..50));
                let _given_up = tokio::time::timeout(limit, router.flush()).await;
            }
            _ => {
                let before = ledger.lock().unwrap().admitted.clone();
                let snapshot = router.snapshot().await;
                for (route, admitted) in before {
                    let stored = world.stored(route);
                    let unsent = snapshot.get(&route).map(|unsent| unsent.entries().to_vec());
                    let unsent: Vec<_> = unsent.unwrap_or_default();
                    for id in admitted {
                        let is_held =
                            stored.contains(&id) || unsent.iter().any(|item| item.0 == id);
                        assert!(is_held, "{id} is neither stored nor in the snapshot");
                    }
                }
            }
        }
    }
}

/// What the seeds cannot show: writers that run at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_between_threads() {
    let world = World::calm();
    let router = router(&world).max_open(3).idle_timeout(Duration::ZERO).build().unwrap();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let router = router.clone();
            tokio::spawn(async move {
                for number in 0..250 {
                    let id = writer * 1000 + number;
                    let route = u32::try_from(id * 7 % 5).unwrap();
                    router.write((route, id)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    router.close().await.unwrap();
    let mut stored: Vec<_> = world.stored.lock().unwrap().values().flatten().copied().collect();
    stored.sort_unstable();
    let written: Vec<_> =
        (0..4).flat_map(|writer| (0..250).map(move |n| writer * 1000 + n)).collect();
    assert_eq!(stored, written);
}
