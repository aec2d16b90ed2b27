//! Flushing, closing and dropping, and any of it half-way.

use std::{pin::pin, time::Duration};

use sink_core::{ErrorKind, TryWriteError};

use crate::common::{ids, settings, sink, unavailable};

#[tokio::test(start_paused = true)]
async fn flush_waits_for_what_was_admitted_before_it_and_for_nothing_else() {
    let (sink, mut requests) = sink(settings());
    sink.write(1).await.unwrap();
    sink.write(2).await.unwrap();
    let mut flush = pin!(sink.flush());
    assert_waits!(flush);
    let request = requests.recv().await.unwrap();
    assert_eq!(request.ids, [1, 2]);
    sink.write(3).await.unwrap();
    request.deliver();
    flush.await.unwrap();
    assert_eq!(sink.stats().counters.delivered.entries, 2);
}

#[tokio::test(start_paused = true)]
async fn flush_waits_through_retries() {
    let (sink, mut requests) = sink(settings());
    sink.write(1).await.unwrap();
    let mut flush = pin!(sink.flush());
    assert_waits!(flush);
    for _ in 0..5 {
        requests.recv().await.unwrap().answer(unavailable());
        assert_waits!(flush);
    }
    requests.recv().await.unwrap().deliver();
    flush.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn flushing_nothing_is_done_at_once() {
    let (sink, _requests) = sink(settings());
    sink.flush().await.unwrap();
    assert_eq!(sink.close().await.unwrap().counters.requests, 0);
}

#[tokio::test(start_paused = true)]
async fn close_delivers_everything_and_then_refuses() {
    let (sink, mut requests) = sink(settings());
    for id in 1..=5 {
        sink.write(id).await.unwrap();
    }
    let clone = sink.clone();
    let mut close = pin!(sink.close());
    assert_waits!(close);
    assert_eq!(clone.write(6).await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(matches!(clone.try_write(6), Err(TryWriteError::Stopped(6, _))));
    requests.recv().await.unwrap().deliver();
    assert_waits!(close);
    let last = requests.recv().await.unwrap();
    assert_eq!(last.ids, [5], "a closing sink does not wait for a batch to fill");
    last.deliver();
    assert_eq!(close.await.unwrap().counters.delivered.entries, 5);
    assert_eq!(clone.close().await.unwrap().counters.delivered.entries, 5);
    clone.flush().await.unwrap();
    assert!(clone.into_unsent().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn close_within_gives_what_could_not_be_delivered() {
    let (sink, mut requests) = sink(settings());
    for id in 1..=6 {
        sink.write(id).await.unwrap();
    }
    let closing = sink.clone();
    let closing = tokio::spawn(async move { closing.close_within(Duration::from_secs(3)).await });
    requests.recv().await.unwrap().deliver();
    let _never_answered = requests.recv().await.unwrap();
    let closed = closing.await.unwrap().unwrap();
    assert_eq!(ids(&closed.unsent), [5, 6]);
    assert_eq!(closed.summary.counters.delivered.entries, 4);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_sink_still_sends_what_it_holds() {
    let (sink, mut requests) = sink(settings());
    sink.write(1).await.unwrap();
    drop(sink);
    let request = requests.recv().await.unwrap();
    assert_eq!(request.ids, [1]);
    request.deliver();
    assert!(requests.recv().await.is_none(), "and then its driver ends");
}

#[tokio::test(start_paused = true)]
async fn close_and_flush_can_be_dropped_and_called_again() {
    let (sink, mut requests) = sink(settings());
    sink.write(1).await.unwrap();
    assert_waits!(pin!(sink.flush()));
    assert_waits!(pin!(sink.close()));
    assert_waits!(pin!(sink.close_within(Duration::from_secs(1))));
    requests.recv().await.unwrap().deliver();
    assert_eq!(sink.close().await.unwrap().counters.delivered.entries, 1);
}

/// A close that comes while entries do: whatever was admitted before it is delivered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_admitted_while_the_sink_closes_is_delivered() {
    for round in 0..10_000 {
        let (sink, mut requests) = sink(settings());
        let producer = tokio::spawn({
            let sink = sink.clone();
            async move { (0..5).take_while(|id| sink.try_write(100 + id).is_ok()).count() }
        });
        let answering = tokio::spawn(async move {
            let mut delivered = 0;
            while let Some(request) = requests.recv().await {
                delivered += request.ids.len();
                request.deliver();
            }
            delivered
        });
        for _ in 0..round % 5 {
            tokio::task::yield_now().await;
        }
        sink.close().await.unwrap();
        drop(sink);
        assert_eq!(answering.await.unwrap(), producer.await.unwrap(), "round {round}");
    }
}
