//! A sink fed by streams: `run`, and the adapter to `futures::Sink`.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod common;

use std::time::Duration;

use common::{denied, ids, settings, sink};
use futures_util::{SinkExt, StreamExt, stream};
use sink_core::{ErrorKind, Outcome};
use tokio::sync::mpsc;

/// Delivers whatever comes, and gives it at the end.
fn deliver_all(
    mut requests: mpsc::UnboundedReceiver<common::Request>,
) -> tokio::task::JoinHandle<Vec<u64>> {
    tokio::spawn(async move {
        let mut delivered = Vec::new();
        while let Some(request) = requests.recv().await {
            delivered.extend(&request.ids);
            request.deliver();
        }
        delivered
    })
}

#[tokio::test(start_paused = true)]
async fn run_writes_a_stream_and_ends_when_all_of_it_is_delivered() {
    let (sink, requests) = sink(settings());
    let delivered = deliver_all(requests);
    assert_eq!(sink.run(stream::iter(101..=150)).await.unwrap(), 50);
    assert_eq!(sink.stats().counters.delivered.entries, 50);
    assert_eq!(sink.run(stream::iter(151..=153)).await.unwrap(), 3, "the sink stays open");
    sink.close().await.unwrap();
    drop(sink);
    assert_eq!(delivered.await.unwrap(), (101..=153).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_iterator_of_more_than_the_buffer_holds_is_written_in_its_order() {
    let (sink, requests) = sink(settings());
    let delivered = deliver_all(requests);
    assert_eq!(sink.write_all(101..=1100).await.unwrap(), 1000);
    assert_eq!(sink.write_all([]).await.unwrap(), 0);
    assert_eq!(sink.write_all([1101]).await.unwrap(), 1);
    sink.close().await.unwrap();
    drop(sink);
    assert_eq!(delivered.await.unwrap(), (101..=1101).collect::<Vec<_>>());
}

/// It may, by its contract; one that waits for something that comes now and then does.
#[tokio::test(start_paused = true)]
async fn write_all_ends_when_the_iterator_does_even_if_it_would_go_on() {
    let (sink, requests) = sink(settings());
    let delivered = deliver_all(requests);
    let mut number = 100;
    let elements = std::iter::from_fn(move || {
        number += 1;
        (number % 6 != 0).then_some(number)
    });
    assert_eq!(sink.write_all(elements).await.unwrap(), 1);
    sink.close().await.unwrap();
    drop(sink);
    assert_eq!(delivered.await.unwrap(), [101]);
}

#[tokio::test(start_paused = true)]
async fn write_all_names_the_element_that_it_cannot_write_and_keeps_those_before() {
    let (sink, mut requests) = sink(settings());
    let mut elements = 11..=20;
    let error = sink.write_all(&mut elements).await.unwrap_err();
    assert_eq!(error.to_string(), "write: 13 brings bad luck (element=3)");
    assert_eq!(elements.next(), Some(14), "no more is taken");
    let closing = tokio::spawn(async move { sink.close().await });
    assert_eq!(requests.recv().await.unwrap().ids, [11, 12]);
    closing.abort();
}

#[tokio::test(start_paused = true)]
async fn write_all_that_is_given_up_has_admitted_what_there_was_room_for() {
    let (sink, _requests) = sink(settings());
    let writing = tokio::time::timeout(Duration::from_secs(1), sink.write_all(101..=1100));
    writing.await.unwrap_err();
    let admitted = sink.stats().counters.admitted.entries;
    assert_eq!(admitted, 10, "max_buffered_requests");
    assert_eq!(ids(&sink.into_unsent().await), (101..=110).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn write_all_tells_of_a_sink_that_fails_and_of_one_that_is_closed() {
    let (sink, mut requests) = sink(settings());
    let writing = tokio::spawn({
        let sink = sink.clone();
        async move { sink.write_all(101..=1100).await }
    });
    requests.recv().await.unwrap().answer(denied());
    let error = writing.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("element="), "{error}");
    assert_eq!(sink.write_all([1]).await.unwrap_err().kind(), ErrorKind::Fatal);
}

#[tokio::test(start_paused = true)]
async fn run_names_the_element_that_it_cannot_write_and_keeps_those_before() {
    let (sink, mut requests) = sink(settings());
    let error = sink.run(stream::iter(11..=20)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Convert);
    assert_eq!(error.to_string(), "write: 13 brings bad luck (element=3)");
    let closing = tokio::spawn(async move { sink.close().await });
    assert_eq!(requests.recv().await.unwrap().ids, [11, 12]);
    closing.abort();
}

#[tokio::test(start_paused = true)]
async fn run_tells_of_a_sink_that_fails() {
    let (sink, mut requests) = sink(settings());
    let running = tokio::spawn({
        let sink = sink.clone();
        async move { sink.run(stream::iter(101..=110)).await }
    });
    requests.recv().await.unwrap().answer(denied());
    assert_eq!(running.await.unwrap().unwrap_err().kind(), ErrorKind::Fatal);
    assert!(sink.into_unsent().await.len() >= 4);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_forwarded_to_the_adapter_and_delivered_when_it_ends() {
    let (sink, requests) = sink(settings());
    let delivered = deliver_all(requests);
    // `forward` closes the sink at the end of the stream.
    stream::iter((101..=150).map(Ok)).forward(sink.clone().into_futures_sink()).await.unwrap();
    assert_eq!(sink.error().unwrap().kind(), ErrorKind::Closed);
    drop(sink);
    assert_eq!(delivered.await.unwrap(), (101..=150).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_flush_of_the_adapter_waits_for_what_was_sent_before_it() {
    let (sink, mut requests) = sink(settings());
    let mut adapter = sink.into_futures_sink();
    adapter.feed(1).await.unwrap();
    let flushing = tokio::spawn(async move {
        adapter.flush().await.unwrap();
        adapter
    });
    let request = requests.recv().await.unwrap();
    assert!(!flushing.is_finished());
    request.deliver();
    let mut adapter = flushing.await.unwrap();
    let sending = tokio::spawn(async move {
        adapter.send(2).await.unwrap();
        adapter
    });
    requests.recv().await.unwrap().deliver();
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_adapter_waits_for_room_and_gives_it_back_unused() {
    let mut settings = settings();
    settings.max_buffered_requests = Some(4);
    let (sink, mut requests) = sink(settings);
    for id in 1..=3 {
        sink.write(id).await.unwrap();
    }
    let mut one = sink.clone().into_futures_sink();
    let mut other = sink.clone().into_futures_sink();
    std::future::poll_fn(|context| one.poll_ready_unpin(context)).await.unwrap();
    std::future::poll_fn(|context| one.poll_ready_unpin(context)).await.unwrap(); // the same room
    let waiting = tokio::spawn(async move {
        std::future::poll_fn(|context| other.poll_ready_unpin(context)).await.unwrap();
        other
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished(), "three are in, and the fourth place is held");
    drop(one);
    let mut other = waiting.await.unwrap();
    other.start_send_unpin(4).unwrap();
    assert_eq!(requests.recv().await.unwrap().ids, [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn an_element_that_cannot_be_converted_leaves_the_adapter_usable() {
    let mut settings = settings();
    settings.max_batch_size = Some(1);
    settings.max_buffered_requests = Some(1);
    let (sink, mut requests) = sink(settings);
    let mut adapter = sink.into_futures_sink();
    assert_eq!(adapter.feed(13).await.unwrap_err().kind(), ErrorKind::Convert);
    assert_eq!(adapter.feed(14).await.unwrap_err().kind(), ErrorKind::TooLarge);
    adapter.feed(1).await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!(request.ids, [1]);
    assert!(adapter.start_send_unpin(2).is_err(), "without room");
    request.answer(Outcome::Delivered);
    adapter.feed(2).await.unwrap();
    assert_eq!(adapter.get_ref().stats().counters.admitted.entries, 2);
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_is_dropped_while_it_waits_lets_the_next_one_in() {
    let mut settings = settings();
    settings.max_buffered_requests = Some(4);
    let (sink, mut requests) = sink(settings);
    for id in 1..=4 {
        sink.write(id).await.unwrap();
    }
    let mut first = sink.clone().into_futures_sink();
    std::future::poll_fn(|context| {
        assert!(first.poll_ready_unpin(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    let second = tokio::spawn({
        let sink = sink.clone();
        async move { sink.write(5).await }
    });
    tokio::task::yield_now().await;
    drop(first);
    requests.recv().await.unwrap().deliver();
    second.await.unwrap().unwrap();
    assert_eq!(ids(&sink.into_unsent().await), [5]);
}
