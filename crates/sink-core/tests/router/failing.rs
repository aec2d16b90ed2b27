//! Routes that fail, and what is left: in errors, in snapshots, and for the next run.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use sink_core::{ErrorKind, RouterSnapshot, Snapshot};

use super::{a_while, written};
use crate::destination::{Element, Item, Router, World, router};

fn ids(snapshot: &RouterSnapshot<u32, Item>) -> Vec<(u32, Vec<u64>)> {
    let routes = snapshot.routes();
    routes
        .map(|(key, unsent)| (*key, unsent.entries().iter().map(|item| item.0).collect()))
        .collect()
}

fn unsent(routes: &[(u32, &[u64])]) -> RouterSnapshot<u32, Item> {
    RouterSnapshot::new(
        routes.iter().map(|(key, ids)| {
            (*key, Snapshot::new("memory", ids.iter().copied().map(Item).collect()))
        }),
    )
}

#[tokio::test(start_paused = true)]
async fn a_failed_route_keeps_its_entries_and_the_others_go_on() {
    let world = World::calm();
    let router = router(&world).max_open(1).build().unwrap();
    world.deny(1);
    written(&router, &[(1, 10), (1, 11)]).await;
    a_while().await;
    let error = router.write((1, 12)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert_eq!(error.to_string(), "send: access denied (route=1)");
    // It takes no place.
    written(&router, &[(2, 20)]).await;
    let error = router.flush().await.unwrap_err();
    assert_eq!(error.to_string(), "send: access denied (route=1)");
    assert_eq!(world.stored(2), [20]);
    assert_eq!(ids(&router.snapshot().await), [(1, vec![10, 11])]);
    assert_eq!(router.errors().into_iter().map(|(key, _)| key).collect::<Vec<_>>(), [1]);

    world.allow(1);
    assert_eq!(router.into_unsent(&1).await, [Item(10), Item(11)]);
    assert_eq!(router.into_unsent(&1).await, []);
    written(&router, &[(1, 13)]).await;
    router.close().await.unwrap();
    assert_eq!(world.stored(1), [13]);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_fails_while_it_is_drained_keeps_its_entries() {
    let world = World::calm();
    let router = router(&world).max_open(1).build().unwrap();
    world.deny(1);
    written(&router, &[(1, 10), (2, 20)]).await;
    assert_eq!(ids(&router.snapshot().await), [(1, vec![10]), (2, vec![20])]);
    let error = router.close().await.unwrap_err();
    assert_eq!(error.to_string(), "send: access denied (route=1)");
    assert_eq!(router.into_unsent(&1).await, [Item(10)]);
    router.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_errors_are_gathered() {
    let world = World::calm();
    let router = router(&world).build().unwrap();
    world.deny(1);
    world.deny(3);
    written(&router, &[(1, 10), (2, 20), (3, 30)]).await;
    for (operation, error) in
        [("flush", router.flush().await.unwrap_err()), ("close", router.close().await.unwrap_err())]
    {
        assert_eq!(error.kind(), ErrorKind::Fatal);
        assert_eq!(
            error.to_string(),
            format!(
                "{operation}: 2 routes failed: send: access denied (route=1); send: access denied \
                 (route=3)"
            )
        );
    }
    assert_eq!(world.stored(2), [20]);
    assert_eq!(ids(&router.snapshot().await), [(1, vec![10]), (3, vec![30])]);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_holds_what_is_being_drained() {
    let world = World::calm();
    let router = router(&world).max_open(1).build().unwrap();
    world.stick(1);
    written(&router, &[(1, 10), (1, 11)]).await;
    let mut waiting = Box::pin(router.write((2, 20)));
    assert!(tokio::time::timeout(Duration::from_secs(9), &mut waiting).await.is_err());
    assert_eq!(ids(&router.snapshot().await), [(1, vec![10, 11])]);
    // Given up: its element is not admitted, and the drain goes on.
    drop(waiting);
    world.free(1);
    router.close_idle().await.unwrap();
    assert_eq!((world.open(), world.stored(1)), (vec![], vec![10, 11]));
    assert!(router.snapshot().await.is_empty());
    written(&router, &[(2, 21)]).await;
    router.close().await.unwrap();
    assert_eq!(world.stored(2), [21]);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_survives_as_bytes_and_is_restored() {
    let world = World::calm();
    let first = router(&world).build().unwrap();
    for route in 1..=5 {
        world.stick(route);
        written(&first, &[(route, 10), (route, 11)]).await;
    }
    let bytes = first.snapshot().await.to_bytes();
    for route in 1..=5 {
        assert_eq!(first.into_unsent(&route).await, [Item(10), Item(11)]);
        world.free(route);
    }

    let snapshot = RouterSnapshot::from_bytes(bytes).unwrap();
    let second = router(&world).max_open(2).restore(&snapshot).build().unwrap();
    assert_eq!(second.open_routes(), 0, "opened when they are needed");
    written(&second, &[(3, 12)]).await;
    assert_eq!(second.open_routes(), 1);
    let expected: Vec<_> = (1..=5)
        .map(|route| (route, if route == 3 { vec![10, 11, 12] } else { vec![10, 11] }))
        .collect();
    assert_eq!(ids(&second.snapshot().await), expected, "what was never opened is kept");
    second.flush().await.unwrap();
    for (route, ids) in expected {
        assert_eq!(world.stored(route), ids);
    }
    assert!(second.snapshot().await.is_empty());
    second.close().await.unwrap();
    assert_eq!(world.most_open(), 5, "of the first router");
}

#[tokio::test(start_paused = true)]
async fn close_delivers_what_was_restored_and_never_written_to() {
    let world = World::calm();
    let snapshot = unsent(&[(1, &[10]), (2, &[20]), (3, &[30])]);
    let more = unsent(&[(2, &[21])]);
    let router = router(&world).max_open(1).restore(&snapshot).restore(&more).build().unwrap();
    router.close().await.unwrap();
    assert_eq!(world.stored(1), [10]);
    assert_eq!(world.stored(2), [20, 21], "one snapshot after the other");
    assert_eq!(world.stored(3), [30]);
    assert_eq!(world.most_open(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_cannot_be_opened_keeps_what_was_restored() {
    let world = World::calm();
    world.closed.lock().unwrap().insert(1);
    let snapshot = unsent(&[(1, &[10]), (2, &[20])]);
    let router = router(&world).restore(&snapshot).build().unwrap();
    for error in [
        router.write((1, 11)).await.unwrap_err(),
        router.flush().await.unwrap_err(),
        router.close().await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "open: no such table (route=1)");
    }
    assert_eq!(world.stored(2), [20]);
    assert_eq!(ids(&router.snapshot().await), [(1, vec![10])]);
    assert_eq!(router.into_unsent(&1).await, [Item(10)]);
    router.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_route_is_opened_leaves_the_route_as_it_was() {
    let world = World::calm();
    let snapshot = unsent(&[(1, &[10])]);
    let panics = Arc::new(AtomicBool::new(true));
    let router = {
        let (world, panics) = (Arc::clone(&world), Arc::clone(&panics));
        Router::builder(
            |(route, _): &Element| *route,
            move |route: &u32, unsent: Option<&Snapshot<Item>>| {
                assert!(!panics.load(SeqCst), "told to panic");
                world.open_sink(*route, unsent)
            },
        )
        .restore(&snapshot)
        .build()
        .unwrap()
    };
    let write = {
        let router = router.clone();
        async move { router.write((1, 11)).await }
    };
    assert!(tokio::spawn(write).await.unwrap_err().is_panic());
    assert_eq!(ids(&router.snapshot().await), [(1, vec![10])]);
    panics.store(false, SeqCst);
    written(&router, &[(1, 12)]).await;
    router.close().await.unwrap();
    assert_eq!(world.stored(1), [10, 12]);
}

#[tokio::test(start_paused = true)]
async fn into_unsent_dropped_half_way_leaves_the_entries_to_the_next_call() {
    let world = World::calm();
    let router = router(&world).build().unwrap();
    world.stick(1);
    written(&router, &[(1, 10)]).await;
    {
        let mut gives_up = pin!(router.into_unsent(&1));
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(Future::poll(gives_up.as_mut(), context).is_pending())
        });
        assert!(polled.await, "its driver has not run yet");
    }
    let error = router.write((1, 11)).await.unwrap_err();
    assert_eq!(error.to_string(), "write: the route was ended by into_unsent (route=1)");
    assert_eq!(ids(&router.snapshot().await), [(1, vec![10])]);
    assert_eq!(router.into_unsent(&1).await, [Item(10)]);
    world.free(1);
    written(&router, &[(1, 12)]).await;
    router.close().await.unwrap();
    assert_eq!(world.stored(1), [12]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_work_is_refused_when_it_is_built() {
    let world = World::calm();
    let error = router(&world).max_open(0).build().unwrap_err();
    assert_eq!(error.to_string(), "build: max_open is 0; it must be at least 1");
    let other = RouterSnapshot::new([(1, Snapshot::new("kinesis", vec![Item(1)]))]);
    let error = router(&world).restore(&unsent(&[(1, &[10])])).restore(&other).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Snapshot);
    let router = router(&world).restore(&other).build().unwrap();
    let error = router.write((1, 2)).await.unwrap_err();
    assert!(error.to_string().contains("is of a kinesis sink"), "{error}");
}
