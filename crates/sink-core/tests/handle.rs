//! What a program sees of a sink: writing, waiting, flushing, closing, failing, and dropping any of
//! it half-way. Time is paused; the destination answers when the test says so.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking
#![allow(clippy::print_stdout, clippy::print_stderr)] // and speaks by printing

mod common;

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use common::{
    Item, Meanwhile, convert, denied, ids, panicking_sink, scripted, settings, sink, unavailable,
};
use sink_core::{Cause, ErrorKind, Ordering, Outcome, Settings, Sink, TryWriteError, Verdict};

/// Polls a future once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let mut future = std::pin::Pin::new(future);
    std::future::poll_fn(move |context| Poll::Ready(future.as_mut().poll(context))).await
}

macro_rules! assert_waits {
    ($future:expr) => {
        assert!(poll_once(&mut $future).await.is_pending(), "should wait")
    };
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
async fn write_waits_while_the_buffer_is_full_in_flight_included() {
    let (sink, mut requests) = sink(settings());
    for id in 101..=110 {
        sink.write(id).await.unwrap();
    }
    let first = requests.recv().await.unwrap();
    let second = requests.recv().await.unwrap();
    assert_eq!((first.ids.len(), second.ids.len()), (4, 4));
    let mut waiting = pin!(sink.write(111));
    assert_waits!(waiting);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_waits!(waiting);
    assert_eq!(sink.stats().in_flight.entries, 8);
    assert_eq!(sink.stats().buffered.entries, 2);
    first.deliver();
    waiting.await.unwrap();
    second.deliver();
}

#[tokio::test(start_paused = true)]
async fn write_waits_while_the_bytes_are_full() {
    let mut settings = settings();
    settings.max_batch_size_in_bytes = Some(25);
    settings.max_buffered_bytes = Some(35);
    let (sink, mut requests) = sink(settings);
    for id in 1..=3 {
        sink.write(id).await.unwrap();
    }
    let mut waiting = pin!(sink.write(4));
    assert_waits!(waiting);
    requests.recv().await.unwrap().deliver();
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn writers_get_room_in_the_order_in_which_they_came() {
    let (sink, mut requests) = sink(settings());
    for id in 101..=110 {
        sink.write(id).await.unwrap();
    }
    let mut writers: Vec<_> = (111..=116).map(|id| Box::pin(sink.write(id))).collect();
    for mut writer in &mut writers {
        assert_waits!(writer);
    }
    assert!(matches!(sink.try_write(117), Err(TryWriteError::Full(117))));
    requests.recv().await.unwrap().deliver();
    tokio::task::yield_now().await;
    // The room for four is theirs, whoever looks first and whoever comes meanwhile.
    assert!(matches!(sink.try_write(118), Err(TryWriteError::Full(118))));
    let mut late = pin!(sink.write(119));
    assert_waits!(late);
    for mut writer in &mut writers[4..] {
        assert_waits!(writer);
    }
    for writer in writers.drain(..4).rev() {
        writer.await.unwrap();
    }
    requests.recv().await.unwrap().deliver();
    for writer in writers {
        writer.await.unwrap();
    }
    late.await.unwrap();
}

/// tokio would run the driver only once the writer waits for something, and here it never does.
#[tokio::test]
async fn a_writer_that_never_waits_lets_the_driver_run() {
    let mut settings = settings();
    settings.max_buffered_requests = Some(100_000);
    let (sink, mut requests) = sink(settings);
    for id in 1001..=2000 {
        sink.write(id).await.unwrap();
    }
    assert!(requests.try_recv().is_ok(), "nothing was sent while a thousand entries were written");
    assert_eq!(sink.stats().counters.admitted.entries, 1000);
    let unsent = sink.into_unsent().await;
    assert_eq!(ids(&unsent), (1001..=2000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_gives_up_passes_its_place_on_and_admits_nothing() {
    let (sink, mut requests) = sink(settings());
    for id in 101..=110 {
        sink.write(id).await.unwrap();
    }
    let next = {
        let mut gives_up = pin!(sink.write(111));
        assert_waits!(gives_up);
        // A task of its own: it looks again only when it is woken.
        let next = tokio::spawn({
            let sink = sink.clone();
            async move { sink.write(112).await }
        });
        tokio::task::yield_now().await;
        requests.recv().await.unwrap().deliver();
        tokio::task::yield_now().await;
        next
    }; // woken, and dropped before it looks
    next.await.unwrap().unwrap();
    assert_eq!(sink.stats().counters.admitted.entries, 11);
    assert_eq!(ids(&sink.into_unsent().await), [105, 106, 107, 108, 109, 110, 112]);
}

#[tokio::test(start_paused = true)]
async fn try_write_gives_the_element_back_when_there_is_no_room() {
    let (sink, _requests) = sink(settings());
    for id in 1..=10 {
        sink.try_write(id).unwrap();
    }
    assert!(matches!(sink.try_write(11), Err(TryWriteError::Full(11))));
    assert_eq!(sink.into_unsent().await.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn try_write_that_cannot_convert_gives_its_room_back() {
    let (sink, _requests) = sink(settings());
    for _ in 0..100 {
        assert!(matches!(sink.try_write(13),
            Err(TryWriteError::Refused(error)) if error.kind() == ErrorKind::Convert));
    }
    for id in 101..=110 {
        sink.try_write(id).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_element_that_cannot_be_converted_or_is_too_large_concerns_nobody_else() {
    let (sink, mut requests) = sink(settings());
    sink.write(1).await.unwrap();
    let error = sink.write(13).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Convert);
    assert_eq!(error.to_string(), "write: 13 brings bad luck");
    let error = sink.write(14).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(
        error.to_string(),
        "write: the entry has 2000 bytes; max_record_size_in_bytes is 1024"
    );
    for id in 2..=4 {
        sink.write(id).await.unwrap();
    }
    assert_eq!(requests.recv().await.unwrap().ids, [1, 2, 3, 4]);
}

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
async fn closing_wakes_writers_that_wait_for_room() {
    let (sink, _requests) = sink(settings());
    for id in 101..=110 {
        sink.write(id).await.unwrap();
    }
    let writer = tokio::spawn({
        let sink = sink.clone();
        async move { sink.write(111).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(ids(&sink.into_unsent().await), (101..=110).collect::<Vec<_>>());
    assert_eq!(writer.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
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
async fn a_fatal_answer_reaches_every_caller_and_keeps_every_entry() {
    let (sink, mut requests) = sink(settings());
    for id in 101..=110 {
        sink.write(id).await.unwrap();
    }
    let clone = sink.clone();
    let waiting = tokio::spawn(async move { clone.write(111).await });
    let clone = sink.clone();
    let flushing = tokio::spawn(async move { clone.flush().await });
    let first = requests.recv().await.unwrap();
    let second = requests.recv().await.unwrap();
    second.answer(denied());
    for error in [waiting.await.unwrap().unwrap_err(), flushing.await.unwrap().unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Fatal);
        assert_eq!(error.to_string(), "send: access denied");
    }
    assert_eq!(sink.error().unwrap().to_string(), "send: access denied");
    first.deliver(); // what is in flight still counts
    assert_eq!(sink.close().await.unwrap_err().to_string(), "send: access denied");
    assert_eq!(sink.flush().await.unwrap_err().to_string(), "send: access denied");
    let snapshot = sink.snapshot().await;
    assert_eq!(ids(snapshot.entries()), [105, 106, 107, 108, 109, 110]);
    assert_eq!(ids(&sink.into_unsent().await), [105, 106, 107, 108, 109, 110]);
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_stops_the_sink_and_loses_nothing() {
    for piece in ["build_request", "send"] {
        let (sink, _requests) = panicking_sink(piece);
        for id in 1..=4 {
            sink.write(id).await.unwrap();
        }
        let error = sink.close().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal, "{piece}");
        assert!(error.to_string().contains(&format!("told to panic in {piece}")), "{error}");
        assert_eq!(ids(&sink.into_unsent().await), [1, 2, 3, 4], "{piece}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_over_an_entry_has_not_admitted_it() {
    let (destination, _requests) = scripted();
    *destination.panics.lock().unwrap() = Some("lane");
    let mut settings = settings();
    settings.ordering = Some(Ordering::PerLane); // for which each write asks for the lane
    let sink = Sink::builder(convert, destination).settings(settings).build().unwrap();
    let writer = sink.clone();
    let ended = tokio::spawn(async move { writer.write(1).await }).await;
    assert!(ended.unwrap_err().is_panic(), "whoever wrote it hears of it");
    assert_eq!(sink.stats().counters.admitted.entries, 0);
    sink.close().await.unwrap();
}

#[test]
fn a_runtime_that_shuts_down_leaves_what_is_unsent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (sink, _requests) = runtime.block_on(async {
        let (sink, requests) = sink(settings());
        for id in 1..=6 {
            sink.write(id).await.unwrap();
        }
        (sink, requests)
    });
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    other.block_on(async {
        let error = sink.write(7).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal);
        assert!(error.to_string().contains("its runtime shut down"), "{error}");
        assert_eq!(ids(&sink.into_unsent().await), [1, 2, 3, 4, 5, 6]);
    });
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

#[tokio::test(start_paused = true)]
async fn a_snapshot_has_everything_that_is_not_delivered_and_changes_nothing() {
    let (sink, mut requests) = sink(settings());
    for id in 1..=6 {
        sink.write(id).await.unwrap();
    }
    let request = requests.recv().await.unwrap();
    let snapshot = sink.snapshot().await;
    assert_eq!(ids(snapshot.entries()), [1, 2, 3, 4, 5, 6], "in flight included");
    assert_eq!((snapshot.kind(), snapshot.len()), ("scripted", 6));
    request.deliver();
    requests.recv().await.unwrap().deliver();
    sink.close().await.unwrap();
    assert!(sink.snapshot().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_restored_in_order_before_anything_new() {
    let snapshot = |range: std::ops::Range<u64>| async move {
        let (sink, _requests) = sink(settings());
        for id in range {
            sink.write(id).await.unwrap();
        }
        sink.snapshot().await
    };
    let (destination, mut requests) = scripted();
    let sink = Sink::builder(convert, destination)
        .settings(settings())
        .restore(&snapshot(21..28).await)
        .restore(&snapshot(31..38).await)
        .build()
        .unwrap();
    // 14 restored entries pass the bound of 10: they are kept, and what is new waits.
    let writer = sink.clone();
    let mut new = Box::pin(async move { writer.write(1).await });
    assert_waits!(new);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let request = requests.recv().await.unwrap();
        seen.extend(request.ids.clone());
        request.deliver();
    }
    new.await.unwrap();
    let closing = tokio::spawn(async move { sink.close().await });
    while let Some(request) = requests.recv().await {
        seen.extend(request.ids.clone());
        request.deliver();
    }
    closing.await.unwrap().unwrap();
    assert_eq!(seen, [21, 22, 23, 24, 25, 26, 27, 31, 32, 33, 34, 35, 36, 37, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_restored_entry_that_could_never_be_sent_is_refused_before_anything_starts() {
    let (sink, _requests) = sink(settings());
    sink.write(1).await.unwrap();
    let snapshot = sink.snapshot().await;
    let mut small = Settings::default();
    small.max_record_size_in_bytes = Some(9);
    let error = Sink::builder(convert, scripted().0)
        .settings(small)
        .restore(&snapshot)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Snapshot);
    assert_eq!(
        error.to_string(),
        "restore: entry 1 of 1 has 10 bytes, but max_record_size_in_bytes is 9: raise it and \
         restore again; the snapshot is unchanged"
    );
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

/// 1001 and its like are in lane 1, 2001 in lane 2: see `Scripted::lane`.
#[tokio::test(start_paused = true)]
async fn a_lane_that_is_stuck_does_not_block_who_writes_to_another() {
    let (sink, mut requests) = sink(settings()); // room for ten, requests of four
    let hot = tokio::spawn({
        let sink = sink.clone();
        async move {
            for id in 1000..1100 {
                sink.write(id).await.unwrap();
            }
        }
    });
    // Lane 1 is throttled for a minute each time, the others are not.
    let answer = |request: common::Request| {
        let retry_after = Some(Duration::from_secs(60));
        let verdicts: Vec<_> = request
            .ids
            .iter()
            .map(|id| match id / 1000 {
                1 => Verdict::Retry(Cause::Throttled { retry_after }),
                _ => Verdict::Delivered,
            })
            .collect();
        request.answer(Outcome::per_entry(verdicts.len(), verdicts));
    };
    answer(requests.recv().await.unwrap());
    tokio::task::yield_now().await;
    assert!(!hot.is_finished(), "the hot lane has its part of the room, and waits");
    let answering = tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            answer(request);
        }
    });
    for id in 2000..2040 {
        let writing = sink.write(id);
        tokio::time::timeout(Duration::from_secs(2), writing).await.expect("room").unwrap();
    }
    answering.abort();
    hot.abort();
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_lane_holds_up_its_own_lane_and_no_other() {
    let (sink, mut requests) = sink(settings());
    for id in 1000..1004 {
        sink.write(id).await.unwrap();
    }
    let retry = Verdict::Retry(Cause::Throttled { retry_after: Some(Duration::from_secs(60)) });
    let request = requests.recv().await.unwrap();
    request.answer(Outcome::per_entry(4, std::iter::repeat_n(retry, 4)));
    tokio::task::yield_now().await;
    sink.write(1004).await.unwrap();
    let mut first = Box::pin(sink.write(1005));
    assert_waits!(first);
    let mut second = Box::pin(sink.write(1006));
    assert_waits!(second);
    sink.write(2000).await.unwrap();
    sink.write(1).await.unwrap();
    assert!(sink.try_write(2).is_ok(), "there is room in all");
    drop((first, second));
    let mut third = Box::pin(sink.write(1007));
    assert_waits!(third);
}
