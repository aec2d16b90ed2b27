//! What a program sees of a sink: writing, waiting, flushing, closing, failing, and dropping any of
//! it half-way. Time is paused; the destination answers when the test says so.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking
#![allow(clippy::print_stdout, clippy::print_stderr)] // and speaks by printing

// Before the modules, which use it.
macro_rules! assert_waits {
    ($future:expr) => {
        assert!(crate::poll_once(&mut $future).await.is_pending(), "should wait")
    };
}

#[path = "../common/mod.rs"]
mod common;
mod ending;
mod failing;
mod restoring;
mod room;

use std::{future::Future, task::Poll, time::Duration};

use sink_core::{ErrorKind, Outcome, Settings, Sink};

use common::{Item, Meanwhile, convert, scripted, settings, sink};

/// Polls a future once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let mut future = std::pin::Pin::new(future);
    std::future::poll_fn(move |context| Poll::Ready(future.as_mut().poll(context))).await
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_goes_out_at_once_and_the_rest_after_its_time() {
    let (sink, mut requests) = sink(settings());
    let start = tokio::time::Instant::now();
    for id in 1..=6 {
        sink.write(id).await.unwrap();
    }
    let first = requests.recv().await.unwrap();
    assert_eq!((first.ids.clone(), start.elapsed()), (vec![1, 2, 3, 4], Duration::ZERO));
    first.deliver();
    let second = requests.recv().await.unwrap();
    assert_eq!(second.ids, [5, 6]);
    assert_eq!(start.elapsed().as_millis(), 1000);
    second.deliver();
    let summary = sink.close().await.unwrap();
    assert_eq!(summary.counters.delivered.entries, 6);
    assert_eq!(summary.counters.delivered.bytes, 60);
    assert!((summary.mean_batch_fill - 0.75).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_arrives_while_others_linger_waits_no_longer_than_its_time() {
    let (sink, mut requests) = sink(settings());
    let start = tokio::time::Instant::now();
    sink.write(1).await.unwrap();
    tokio::time::advance(Duration::from_millis(500)).await;
    sink.write(2).await.unwrap();
    let first = requests.recv().await.unwrap();
    assert_eq!((first.ids.clone(), start.elapsed().as_millis()), (vec![1, 2], 1000));
    first.deliver();
    sink.write(3).await.unwrap();
    let second = requests.recv().await.unwrap();
    assert_eq!((second.ids.clone(), start.elapsed().as_millis()), (vec![3], 2000));
    second.deliver();
}

#[tokio::test(start_paused = true)]
async fn bytes_send_a_request_before_its_count_does() {
    let mut settings = settings();
    settings.max_batch_size_in_bytes = Some(25);
    let (sink, mut requests) = sink(settings);
    for id in 1..=3 {
        sink.write(id).await.unwrap();
    }
    let start = tokio::time::Instant::now();
    assert_eq!(requests.recv().await.unwrap().ids, [1, 2]);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_never_answered_is_stopped_and_sent_again() {
    let (sink, mut requests) = sink(settings());
    for id in 1..=4 {
        sink.write(id).await.unwrap();
    }
    let start = tokio::time::Instant::now();
    let silent = requests.recv().await.unwrap();
    let again = requests.recv().await.unwrap();
    assert_eq!(again.ids, [1, 2, 3, 4]);
    assert!(start.elapsed() >= Duration::from_secs(30));
    assert!(!silent.answer(Outcome::Delivered), "nobody listens to it any more");
    again.deliver();
    let counters = sink.close().await.unwrap().counters;
    assert_eq!((counters.retried_timeout, counters.delivered.entries), (4, 4));
}

#[test]
fn without_a_runtime_build_says_so() {
    let error = Sink::builder(convert, scripted().0).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("no tokio runtime"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn wrong_settings_are_refused_all_at_once() {
    let mut settings = Settings::default();
    settings.max_batch_size = Some(2000);
    settings.max_in_flight_requests = Some(0);
    let error = Sink::builder(convert, scripted().0).settings(settings).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "settings: max_batch_size is 2000: the service accepts at most 1000; \
         max_in_flight_requests is 0: it must be at least 1"
    );
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_comes_while_the_driver_is_busy_wakes_it_again() {
    let (destination, mut requests) = scripted();
    let meanwhile = Meanwhile::default();
    let sink = Sink::builder(convert, destination)
        .settings(settings())
        .rate_limiter(meanwhile.clone())
        .build()
        .unwrap();
    tokio::task::yield_now().await; // the driver waits
    // The driver was woken for the first entry, so another writer does not wake it.
    let other = sink.clone();
    meanwhile.set(move || {
        for id in 2..=4 {
            other.try_write(id).unwrap();
        }
    });
    let start = tokio::time::Instant::now();
    sink.write(1).await.unwrap();
    assert_eq!(requests.recv().await.unwrap().ids, [1, 2, 3, 4]);
    assert_eq!(start.elapsed(), Duration::ZERO, "and not when its time is over");
}

/// With a destination that answers at once there is always an answer to handle.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn flushes_and_snapshots_are_answered_under_sustained_load() {
    let (sink, mut requests) = sink(settings());
    let answering = tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            request.answer(Outcome::Delivered);
        }
    });
    let producers: Vec<_> = (0..3)
        .map(|_| {
            let sink = sink.clone();
            tokio::spawn(async move { while sink.write(1).await.is_ok() {} })
        })
        .collect();
    let asking = async {
        for _ in 0..200 {
            assert!(sink.snapshot().await.len() <= 10);
            sink.flush().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.expect("answered");
    sink.close().await.unwrap();
    for producer in producers {
        producer.await.unwrap();
    }
    drop(sink);
    answering.await.unwrap();
}

/// Many threads at once: what paused time on one thread cannot show.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_producers_and_a_close_in_the_middle_lose_nothing() {
    for round in 0..200 {
        let mut settings = settings();
        settings.max_time_in_buffer = Some(Duration::from_millis(1));
        let (sink, mut requests) = sink(settings);
        let delivered = tokio::spawn(async move {
            let mut delivered = Vec::new();
            while let Some(request) = requests.recv().await {
                delivered.extend(request.ids.clone());
                request.answer(Outcome::Delivered);
            }
            delivered
        });
        let producers: Vec<_> = (0..4)
            .map(|producer| {
                let sink = sink.clone();
                tokio::spawn(async move {
                    let mut admitted = Vec::new();
                    for n in 0..200 {
                        let id = 1000 + producer * 1000 + n;
                        if sink.write(id).await.is_err() {
                            break;
                        }
                        admitted.push(id);
                    }
                    admitted
                })
            })
            .collect();
        if round % 2 == 0 {
            tokio::task::yield_now().await;
            sink.close().await.unwrap();
        }
        let mut admitted = Vec::new();
        for producer in producers {
            admitted.extend(producer.await.unwrap());
        }
        let summary = sink.close().await.unwrap();
        drop(sink);
        let mut delivered = delivered.await.unwrap();
        delivered.sort_unstable();
        admitted.sort_unstable();
        assert_eq!(delivered, admitted, "round {round}");
        assert_eq!(summary.counters.delivered.entries, admitted.len());
    }
}

#[test]
fn a_sink_is_send_and_sync_and_so_are_its_futures() {
    fn check<T: Send + Sync>(_: &T) {}
    fn check_send<T: Send>(_: T) {}
    let (sink, driver) = Sink::builder(convert, scripted().0).pair().unwrap();
    check(&sink);
    check_send(driver);
    check_send(sink.write(1));
    check_send(sink.flush());
    check_send(sink.close());
    check_send(sink.snapshot());
    let _: &Sink<u64, Item> = &sink;
}
