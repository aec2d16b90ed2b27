//! What a program sees of a router: sinks opened, drained, restored and failed, one for each route.
//! Time is paused.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking
#![allow(clippy::print_stderr)] // and speaks by printing

mod destination;
mod failing;
mod random;

use std::{pin::pin, sync::Arc, time::Duration};

use destination::{Element, Router, World, router};
use sink_core::ErrorKind;

async fn written(router: &Router, elements: &[Element]) {
    for element in elements {
        router.write(*element).await.unwrap();
    }
}

/// As much paused time as anything here needs to happen.
async fn a_while() {
    tokio::time::sleep(Duration::from_secs(20)).await;
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
async fn whoever_waits_is_not_held_up_by_a_drain_whose_place_is_its_own_routes() {
    let world = World::calm();
    let router = router(&world).max_open(2).build().unwrap();
    world.stick(1);
    written(&router, &[(1, 10), (2, 20)]).await;
    let third = tokio::spawn({
        let router = router.clone();
        async move { router.write((3, 30)).await }
    });
    a_while().await;
    assert!(!third.is_finished(), "1 is drained for it, and does not answer");
    let again = tokio::spawn({
        let router = router.clone();
        async move { router.write((1, 11)).await }
    });
    third.await.unwrap().unwrap();
    assert_eq!((world.open(), world.stored(2)), (vec![1, 3], vec![20]));
    world.free(1);
    again.await.unwrap().unwrap();
    router.close().await.unwrap();
    assert_eq!(world.stored(1), [10, 11]);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_whoever_waits_for_a_place_but_follows_when_they_give_up() {
    let world = World::calm();
    let router = router(&world).max_open(1).build().unwrap();
    world.stick(1);
    written(&router, &[(1, 10)]).await;
    let mut first = Box::pin(router.write((2, 20)));
    assert!(tokio::time::timeout(Duration::from_secs(9), &mut first).await.is_err());
    world.free(1);
    router.close_idle().await.unwrap();
    assert_eq!(router.open_routes(), 0, "the place is free, but the first has not looked");
    let newcomer = tokio::spawn({
        let router = router.clone();
        async move { router.write((3, 30)).await }
    });
    a_while().await;
    assert!(!newcomer.is_finished());
    drop(first);
    newcomer.await.unwrap().unwrap();
    router.close().await.unwrap();
    assert_eq!((world.stored(2), world.stored(3)), (vec![], vec![30]));
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
