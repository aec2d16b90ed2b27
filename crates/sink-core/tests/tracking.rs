//! What a source needs to know: how far everything is settled, and when an element of its own is.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod common;

use common::{denied, ids, reject, scripted, settings, sink, unavailable};
use sink_core::{
    DeadLetter, DeadLetterFuture, DeadLetterHandler, ErrorKind, Outcome, Reason, Settled, Sink,
    SnapshotMode, Verdict,
};

/// A handler that takes everything at once.
struct Takes;

impl DeadLetterHandler<common::Item> for Takes {
    fn handle(&self, _: &DeadLetter<'_, common::Item>) -> DeadLetterFuture {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_tells_when_its_element_is_delivered() {
    let (sink, mut requests) = sink(settings());
    sink.write(1).await.unwrap();
    let second = sink.write_tracked(2).await.unwrap();
    let third = sink.write_tracked(3).await.unwrap();
    sink.write(4).await.unwrap();
    assert_eq!((second.sequence(), third.sequence()), (2, 3));
    let request = requests.recv().await.unwrap();
    let retry = Verdict::Retry(sink_core::Cause::Unavailable);
    let delivered = Verdict::Delivered;
    let verdicts = [delivered.clone(), delivered.clone(), retry, delivered];
    request.answer(Outcome::per_entry(4, verdicts));
    assert_eq!(second.await.unwrap(), Settled::Delivered);
    let third = tokio::spawn(third);
    tokio::task::yield_now().await;
    assert!(!third.is_finished(), "its retry is not answered");
    requests.recv().await.unwrap().deliver();
    assert_eq!(third.await.unwrap().unwrap(), Settled::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_tells_that_its_element_was_rejected() {
    let (destination, mut requests) = scripted();
    let sink = Sink::builder(common::convert, destination)
        .settings(settings())
        .dead_letters(Takes)
        .build()
        .unwrap();
    let receipt = sink.write_tracked(1).await.unwrap();
    requests.recv().await.unwrap().answer(reject(1, &[0]));
    let reason = Reason::new("Invalid", "not a number");
    assert_eq!(receipt.await.unwrap(), Settled::Rejected(reason));
    let summary = sink.close().await.unwrap();
    assert_eq!(summary.counters.rejected.entries, 1);
    assert_eq!(summary.counters.delivered.entries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_of_a_sink_that_fails_or_ends_says_so() {
    let (failing, mut requests) = sink(settings());
    let receipt = failing.write_tracked(1).await.unwrap();
    requests.recv().await.unwrap().answer(denied());
    assert_eq!(receipt.await.unwrap_err().kind(), ErrorKind::Fatal);
    assert_eq!(ids(&failing.into_unsent().await), [1]);

    let (ended, _requests) = sink(settings());
    let receipt = ended.write_tracked(1).await.unwrap();
    assert_eq!(ids(&ended.into_unsent().await), [1]);
    let error = receipt.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.to_string().contains("entry 1 unsent"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_nobody_wants_changes_nothing() {
    let (sink, mut requests) = sink(settings());
    drop(sink.write_tracked(1).await.unwrap());
    requests.recv().await.unwrap().deliver();
    assert_eq!(sink.close().await.unwrap().counters.delivered.entries, 1);
}

#[tokio::test(start_paused = true)]
async fn a_position_is_reached_when_everything_before_it_is_settled() {
    let (sink, mut requests) = sink(settings());
    let mut position = sink.delivered_up_to();
    assert_eq!(*position.borrow_and_update(), 0);
    for id in 1..=8 {
        sink.write(id).await.unwrap();
    }
    let first = requests.recv().await.unwrap();
    let second = requests.recv().await.unwrap();
    second.deliver();
    tokio::task::yield_now().await;
    assert!(!position.has_changed().unwrap(), "1 to 4 are not settled");
    first.deliver();
    position.changed().await.unwrap();
    assert_eq!(*position.borrow_and_update(), 8);
    sink.close().await.unwrap();
    assert_eq!(*position.borrow_and_update(), 8, "it stays when the sink has ended");
}

#[tokio::test(start_paused = true)]
async fn restored_entries_have_the_first_sequences() {
    let (first, _requests) = sink(settings());
    for id in 1..=3 {
        first.write(id).await.unwrap();
    }
    let snapshot = first.snapshot().await;
    drop(first);
    let (destination, mut requests) = scripted();
    let sink = Sink::builder(common::convert, destination)
        .settings(settings())
        .restore(&snapshot)
        .build()
        .unwrap();
    let receipt = sink.write_tracked(4).await.unwrap();
    assert_eq!(receipt.sequence(), 4);
    requests.recv().await.unwrap().deliver();
    receipt.await.unwrap();
    assert_eq!(*sink.delivered_up_to().borrow(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_settled_snapshot_waits_for_what_is_in_flight_and_sends_nothing_meanwhile() {
    let (sink, mut requests) = sink(settings());
    for id in 1..=6 {
        sink.write(id).await.unwrap();
    }
    let request = requests.recv().await.unwrap();
    let taking = tokio::spawn({
        let sink = sink.clone();
        async move { sink.snapshot_with(SnapshotMode::Settle).await }
    });
    for id in 7..=9 {
        sink.write(id).await.unwrap();
    }
    tokio::task::yield_now().await;
    assert!(!taking.is_finished());
    assert!(requests.try_recv().is_err(), "5 to 8 would be in flight");
    request.answer(unavailable());
    let snapshot = taking.await.unwrap();
    assert_eq!(ids(snapshot.entries()), (1..=9).collect::<Vec<_>>());
    assert_eq!(requests.recv().await.unwrap().ids.len(), 4, "and then it goes on");
}

#[tokio::test(start_paused = true)]
async fn a_settled_snapshot_waits_no_longer_than_a_request_may_take() {
    let (sink, mut requests) = sink(settings());
    for id in 1..=4 {
        sink.write(id).await.unwrap();
    }
    let _never_answered = requests.recv().await.unwrap();
    let start = tokio::time::Instant::now();
    let snapshot = sink.snapshot_with(SnapshotMode::Settle).await;
    assert_eq!(ids(snapshot.entries()), [1, 2, 3, 4]);
    assert_eq!(start.elapsed().as_secs(), 30);
}

/// With paused time a driver that spins never lets the clock advance: then this would never end.
#[tokio::test(start_paused = true)]
async fn a_settled_snapshot_waits_without_spinning_though_others_are_due() {
    let (sink, mut requests) = sink(settings());
    for id in 1..=5 {
        sink.write(id).await.unwrap();
    }
    let request = requests.recv().await.unwrap(); // 1 to 4; 5 waits for its time
    let looking = tokio::spawn({
        let sink = sink.clone();
        async move { sink.snapshot_with(SnapshotMode::Settle).await }
    });
    tokio::time::sleep(std::time::Duration::from_secs(5)).await; // the time of 5 is long over
    request.deliver();
    assert_eq!(ids(looking.await.unwrap().entries()), [5]);
    assert_eq!(requests.recv().await.unwrap().ids, [5], "and then it goes at once");
}

#[tokio::test(start_paused = true)]
async fn a_settled_snapshot_of_an_ended_sink_is_what_it_left() {
    let (sink, mut requests) = sink(settings());
    sink.write(1).await.unwrap();
    requests.recv().await.unwrap().answer(denied());
    sink.close().await.unwrap_err();
    assert_eq!(ids(sink.snapshot_with(SnapshotMode::Settle).await.entries()), [1]);
}
