//! One simulated day: a process writes and dies, again and again, until one comes to its end; then
//! everything must have arrived.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use tokio::time::timeout;

use crate::{
    life::Life,
    plan::Plan,
    world::{Quality, Shared, World},
};

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
        // Simulated: the bad weather ends after a minute; the rest is round trips.
        let bound = Duration::from_secs(1200);
        timeout(bound, day(seed)).await.expect("drained within a bound")
    })
}

async fn day(seed: u64) -> Report {
    let mut random = Rng::with_seed(seed);
    let plan = Arc::new(Plan::new(&mut random));
    let shared = Shared::new();
    shared.log(plan.story());
    let mut left = Vec::new();
    for _ in 0..plan.deaths {
        let life = Life::open(&plan, &shared, &mut random, &left, false);
        left = life.cut_short(&mut random).await;
        shared.world().check_nothing_wrong();
    }
    let life = Life::open(&plan, &shared, &mut random, &left, true);
    life.finish(&mut random).await;

    let world = shared.world();
    world.check_nothing_wrong();
    check_everything_arrived(&plan, &world);
    let duplicates = world.stored.values().map(|times| times - 1).sum();
    Report { history: world.history.clone(), written: world.written.len(), duplicates }
}

fn check_everything_arrived(plan: &Plan, world: &World) {
    assert_eq!(world.written.len(), plan.items.len(), "every element was written in the end");
    for item in &plan.items {
        let (id, is_stored) = (item.id, world.stored.contains_key(&item.id));
        let has_letter = world.dead_letters.contains(&id);
        assert!(is_stored || has_letter, "{id} was written and went nowhere: lost");
        if item.quality != Quality::Good {
            assert!(has_letter && !is_stored, "{id} is bad: it belongs to the dead letters");
        }
    }
    for id in world.stored.keys().chain(&world.dead_letters) {
        assert!(world.ever_written.contains(id), "{id} went out though its write was cancelled");
    }
    // Over all lives: the order of first stores is that of admission. Where a source went back, its
    // producers may have written what was lost in another order, so there only each life has its
    // own: `World::stored` saw to that.
    if plan.in_order && !world.has_rewound {
        let known = |id: &&u64| !world.dead_letters.contains(id);
        for (lane, admitted) in &world.first_admitted {
            let stored = world.first_stored.get(lane).map_or(&[][..], Vec::as_slice);
            let admitted: Vec<_> = admitted.iter().filter(known).collect();
            let stored: Vec<_> = stored.iter().filter(known).collect();
            assert_eq!(stored, admitted, "lane {lane} is stored in the order of admission");
        }
    }
}
