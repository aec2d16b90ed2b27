//! What a program sees of a router: sinks opened, drained, restored and failed, one for each route.
//! Time is paused.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking
#![allow(clippy::print_stderr)] // and speaks by printing

mod destination;
mod random;

use std::{pin::pin, sync::Arc, time::Duration};

use destination::{Element, Item, Router, World, router};
use sink_core::{ErrorKind, RouterSnapshot, Snapshot};
use tokio::time::Instant;

async fn written(router: &Router, elements: &[Element]) {
    for element in elements {
        router.write(*element).await.unwrap();
    }
}

/// As much paused time as anything here needs to happen.
async fn a_while() {
    tokio::time::sleep(Duration::from_secs(20)).await;
}

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
async fn each_element_goes_to_its_route() {
    let world = World::calm();
    let router = router(&world).build().unwrap();
    written(&router, &[(1, 10), (2, 20), (1, 11), (3, 30)]).await;
    router.flush().await.unwrap();
    assert_eq!(world.stored(1), [10, 11]);
    assert_eq!(world.stored(2), [20]);
    assert_eq!(world.stored(3), [30]);
    router.close().await.unwrap();
    assert!(world.open().is_empty());
    let error = router.write((1, 12)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(error.to_string(), "write: the router was closed (route=1)");
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_written_sink_is_drained_to_make_room() {
    let world = World::calm();
    let router = router(&world).max_open(2).build().unwrap();
    written(&router, &[(1, 10), (2, 20), (1, 11), (3, 30)]).await;
    assert_eq!(world.stored(2), [20], "drained, without waiting for max_time_in_buffer");
    assert_eq!(world.open(), [1, 3]);
    assert!(world.stored(1).is_empty());
    written(&router, &[(2, 21)]).await;
    assert_eq!(world.open(), [2, 3]);
    router.close().await.unwrap();
    assert_eq!((world.stored(1), world.stored(2)), (vec![10, 11], vec![20, 21]));
    assert_eq!(world.most_open(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_write_waits_while_every_sink_is_written_to_and_takes_the_first_that_is_not() {
    let world = World::calm();
    let router = router(&world).max_open(2).build().unwrap();
    for route in [1, 2] {
        world.stick(route);
        let elements: Vec<_> = (0..6).map(|id| (route, id)).collect();
        written(&router, &elements).await;
    }
    // Both are full, and somebody waits for room in each.
    let first = tokio::spawn({
        let router = router.clone();
        async move { router.write((1, 6)).await }
    });
    let second = tokio::spawn({
        let router = router.clone();
        async move { router.write((2, 6)).await }
    });
    tokio::task::yield_now().await;
    let third = tokio::spawn({
        let router = router.clone();
        async move { router.write((3, 0)).await }
    });
    a_while().await;
    assert!(!first.is_finished() && !second.is_finished() && !third.is_finished());
    world.free(2);
    third.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(world.open(), [1, 3]);
    assert_eq!(world.stored(2), [0, 1, 2, 3, 4, 5, 6], "that of the waiting writer included");
    world.free(1);
    first.await.unwrap().unwrap();
    router.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_place_gets_it_in_the_order_in_which_they_came() {
    let world = World::calm();
    let router = router(&world).max_open(1).build().unwrap();
    world.stick(1);
    written(&router, &[(1, 0)]).await;
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut writers = Vec::new();
    for route in [5, 3, 4, 2, 3] {
        let (router, order) = (router.clone(), Arc::clone(&order));
        writers.push(tokio::spawn(async move {
            router.write((route, 0)).await.unwrap();
            order.lock().unwrap().push(route);
        }));
        tokio::task::yield_now().await;
    }
    world.free(1);
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [5, 3, 3, 4, 2]);
    assert_eq!(world.most_open(), 1);
    router.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_sink_is_closed_at_the_next_write_to_any_route() {
    let world = World::calm();
    let router = router(&world).idle_timeout(Duration::from_secs(60)).build().unwrap();
    written(&router, &[(1, 10), (2, 20)]).await;
    tokio::time::advance(Duration::from_secs(40)).await;
    written(&router, &[(2, 21)]).await;
    tokio::time::advance(Duration::from_secs(19)).await;
    written(&router, &[(3, 30)]).await;
    router.close_idle().await.unwrap();
    assert_eq!(world.open(), [1, 2, 3], "59 s are not 60");
    tokio::time::advance(Duration::from_secs(1)).await;
    written(&router, &[(3, 31)]).await;
    a_while().await;
    assert_eq!(world.open(), [2, 3]);
    tokio::time::advance(Duration::from_secs(60)).await;
    router.close_idle().await.unwrap();
    assert!(world.open().is_empty());
    written(&router, &[(1, 11)]).await;
    router.close().await.unwrap();
    assert_eq!(world.stored(1), [10, 11]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_written_to_is_not_idle_however_long_that_takes() {
    let world = World::calm();
    let router = router(&world).idle_timeout(Duration::from_secs(1)).build().unwrap();
    world.stick(1);
    written(&router, &(0..6).map(|id| (1, id)).collect::<Vec<_>>()).await;
    let waiting = tokio::spawn({
        let router = router.clone();
        async move { router.write((1, 6)).await }
    });
    a_while().await;
    router.close_idle().await.unwrap();
    written(&router, &[(2, 0)]).await;
    assert_eq!(world.open(), [1, 2]);
    world.free(1);
    waiting.await.unwrap().unwrap();
    router.close().await.unwrap();
    assert_eq!(world.stored(1), [0, 1, 2, 3, 4, 5, 6]);
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
async fn a_route_that_is_written_to_while_it_is_drained_is_opened_again_after_it() {
    let world = World::calm();
    let router = router(&world).max_open(1).build().unwrap();
    world.stick(1);
    written(&router, &[(1, 10)]).await;
    let mut other = Box::pin(router.write((2, 20)));
    assert!(tokio::time::timeout(Duration::from_secs(9), &mut other).await.is_err());
    let mut again = Box::pin(router.write((1, 11)));
    assert!(tokio::time::timeout(Duration::from_secs(9), &mut again).await.is_err());
    world.free(1);
    let (other, again) = tokio::join!(other, again);
    other.unwrap();
    again.unwrap();
    router.close().await.unwrap();
    assert_eq!((world.stored(1), world.stored(2)), (vec![10, 11], vec![20]));
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

    let snapshot = RouterSnapshot::from_bytes(&bytes).unwrap();
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
    let panics = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let router = {
        let (world, panics) = (Arc::clone(&world), Arc::clone(&panics));
        Router::builder(
            |(route, _): &Element| *route,
            move |route: &u32, unsent: Option<&Snapshot<Item>>| {
                assert!(!panics.load(std::sync::atomic::Ordering::SeqCst), "told to panic");
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
    panics.store(false, std::sync::atomic::Ordering::SeqCst);
    written(&router, &[(1, 12)]).await;
    router.close().await.unwrap();
    assert_eq!(world.stored(1), [10, 12]);
}

#[tokio::test(start_paused = true)]
async fn close_waits_for_writers_that_have_a_sink_and_refuses_those_that_wait_for_one() {
    let world = World::calm();
    let router = router(&world).max_open(1).build().unwrap();
    world.stick(1);
    written(&router, &(0..6).map(|id| (1, id)).collect::<Vec<_>>()).await;
    let with_sink = tokio::spawn({
        let router = router.clone();
        async move { router.write((1, 6)).await }
    });
    let without = tokio::spawn({
        let router = router.clone();
        async move { router.write((2, 0)).await }
    });
    a_while().await;
    let mut close = pin!(router.close());
    assert!(tokio::time::timeout(Duration::from_secs(9), &mut close).await.is_err());
    assert_eq!(without.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    world.free(1);
    close.await.unwrap();
    with_sink.await.unwrap().unwrap();
    assert_eq!(world.stored(1), [0, 1, 2, 3, 4, 5, 6]);
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
    assert_eq!(Instant::now().elapsed(), Duration::ZERO);
}
