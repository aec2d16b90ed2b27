//! What Flink's own tests of its Async Sink pin and no other test here does: docs/flink-parity.md
//! lists all of them. Time is paused; the destination answers when the test says so.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking
#![allow(clippy::print_stdout, clippy::print_stderr)] // and speaks by printing

mod common;

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use common::{Item, Request, TestSink, convert, ids, scripted, settings, sink, unavailable};
use sink_core::{
    Aimd, Cause, CongestionControl, ConvertError, DeadLetter, DeadLetterFuture, DeadLetterHandler,
    Limits, OnTimeout, Outcome, RateLimiter, Reason, Settings, Sink, SnapshotMode, TryWriteError,
    Verdict, rate_limit::Answer,
};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, sleep},
};

const MS: Duration = Duration::from_millis(1);

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

/// Batches of ten, one in flight, room for a hundred: what most of Flink's tests set.
fn flinks() -> Settings {
    let mut settings = settings();
    settings.max_batch_size = Some(10);
    settings.max_in_flight_requests = Some(1);
    settings.max_buffered_requests = Some(100);
    settings
}

/// A sink whose elements say how large they are.
fn sized_sink(settings: Settings) -> (Sink<Item, Item>, UnboundedReceiver<Request>) {
    let (destination, requests) = scripted();
    let converter = Ok::<Item, ConvertError>;
    (Sink::builder(converter, destination).settings(settings).seed(1).build().unwrap(), requests)
}

/// The answer in which these entries failed and the others are stored.
fn failed(request: &Request, failed: &[u64]) -> Outcome {
    let verdict = |id| match failed.contains(id) {
        true => Verdict::Retry(Cause::Unavailable),
        false => Verdict::Delivered,
    };
    Outcome::per_entry(request.ids.len(), request.ids.iter().map(verdict))
}

// ------------------------------------------------------------------------------- batches

#[tokio::test(start_paused = true)]
async fn eighty_entries_leave_in_eight_full_requests_without_a_flush() {
    let (sink, mut requests) = sink(flinks());
    let start = Instant::now();
    for id in 101..=180 {
        sink.write(id).await.unwrap();
    }
    let mut stored = Vec::new();
    for _ in 0..8 {
        let request = requests.recv().await.unwrap();
        assert_eq!(request.ids.len(), 10);
        stored.extend(request.ids.clone());
        request.deliver();
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(stored, (101..=180).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn count_and_bytes_may_fill_a_request_at_once() {
    let mut settings = settings();
    settings.max_batch_size_in_bytes = Some(40); // four entries of ten bytes
    let (sink, mut requests) = sink(settings);
    let start = Instant::now();
    for id in 1..=8 {
        sink.write(id).await.unwrap();
    }
    assert_eq!(requests.recv().await.unwrap().ids, [1, 2, 3, 4]);
    assert_eq!(requests.recv().await.unwrap().ids, [5, 6, 7, 8]);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_holds_up_no_other() {
    let (sink, mut requests) = sink(settings());
    for id in 1..=5 {
        sink.write(id).await.unwrap();
    }
    let hangs = requests.recv().await.unwrap();
    assert_eq!(hangs.ids, [1, 2, 3, 4]);
    let other = requests.recv().await.unwrap();
    assert_eq!(other.ids, [5]);
    other.deliver();
    sleep(MS).await;
    assert_eq!(sink.stats().counters.delivered.entries, 1);
    hangs.deliver();
    assert_eq!(sink.close().await.unwrap().counters.delivered.entries, 5);
}

// ------------------------------------------------------------------------------- time

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_wait_for_the_time_in_the_buffer() {
    let (sink, mut requests) = sink(settings());
    let start = Instant::now();
    sink.write(1).await.unwrap();
    let mut flush = pin!(sink.flush());
    assert_waits!(flush);
    requests.recv().await.unwrap().deliver();
    flush.await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_early_flush_leaves_no_timer_behind() {
    // Flink's timer of the first entry is never cancelled, and sends the second after 980 ms.
    let (sink, mut requests) = sink(settings());
    let start = Instant::now();
    sink.write(1).await.unwrap();
    let mut flush = pin!(sink.flush());
    assert_waits!(flush);
    requests.recv().await.unwrap().deliver();
    flush.await.unwrap();
    sleep(20 * MS).await;
    sink.write(2).await.unwrap();
    assert_eq!(requests.recv().await.unwrap().ids, [2]);
    assert_eq!(start.elapsed().as_millis(), 1020);
}

#[tokio::test(start_paused = true)]
async fn restored_entries_are_sent_when_their_time_is_over_though_nothing_is_written() {
    let (first, _requests) = sink(settings());
    for id in 1..=3 {
        first.write(id).await.unwrap();
    }
    let snapshot = first.snapshot().await;
    let (destination, mut requests) = scripted();
    let start = Instant::now();
    let _restored = Sink::builder(convert, destination)
        .settings(settings())
        .restore(&snapshot)
        .build()
        .unwrap();
    assert_eq!(requests.recv().await.unwrap().ids, [1, 2, 3]);
    assert_eq!(start.elapsed().as_millis(), 1000);
}

// ------------------------------------------------------------------------------- failures

#[tokio::test(start_paused = true)]
async fn what_failed_goes_again_after_its_delay_and_takes_along_what_waits() {
    let (sink, mut requests) = sink(settings());
    let start = Instant::now();
    for id in 1..=3 {
        sink.write(id).await.unwrap();
    }
    let request = requests.recv().await.unwrap();
    assert_eq!(start.elapsed().as_millis(), 1000);
    sink.write(4).await.unwrap();
    sink.write(5).await.unwrap();
    let answer = failed(&request, &[3]);
    request.answer(answer);
    assert_eq!(requests.recv().await.unwrap().ids, [3, 4, 5]);
    assert!(start.elapsed().as_millis() <= 1001, "3 has waited its time already");
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_sent_again_while_the_buffer_is_full() {
    let (sink, mut requests) = sink(settings());
    for id in 101..=110 {
        sink.write(id).await.unwrap();
    }
    let first = requests.recv().await.unwrap();
    let _second = requests.recv().await.unwrap();
    assert_eq!(first.ids, [101, 102, 103, 104]);
    first.answer(unavailable());
    let again = requests.recv().await.unwrap();
    assert_eq!(again.ids, [101, 102, 103, 104]);
    assert!(matches!(sink.try_write(111), Err(TryWriteError::Full(111))));
    again.deliver();
    assert_eq!(requests.recv().await.unwrap().ids, [109, 110]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_failed_counts_its_bytes_again() {
    let mut settings = flinks();
    settings.max_batch_size_in_bytes = Some(110);
    let (sink, mut requests) = sized_sink(settings);
    let start = Instant::now();
    for (id, size) in [(1, 100), (2, 4), (3, 4), (4, 4)] {
        sink.write(Item { id, size }).await.unwrap();
    }
    let request = requests.recv().await.unwrap();
    assert_eq!(request.ids, [1, 2, 3]);
    let answer = failed(&request, &[1]);
    request.answer(answer);
    sleep(2 * MS).await;
    assert_eq!(sink.stats().buffered.bytes, 104);
    sink.write(Item { id: 5, size: 4 }).await.unwrap();
    sink.write(Item { id: 6, size: 4 }).await.unwrap();
    assert_eq!(requests.recv().await.unwrap().ids, [1, 4, 5]);
    assert!(start.elapsed().as_millis() < 1000, "its bytes filled the request, not its time");
}

// ------------------------------------------------------------------------------- snapshots

#[tokio::test(start_paused = true)]
async fn a_snapshot_keeps_what_a_request_carries_until_it_is_delivered() {
    let (sink, mut requests) = sink(settings());
    sink.write(1).await.unwrap();
    sink.write(2).await.unwrap();
    assert_eq!(ids(sink.snapshot().await.entries()), [1, 2]);
    assert!(requests.try_recv().is_err());
    sink.write(3).await.unwrap();
    sink.write(4).await.unwrap();
    let request = requests.recv().await.unwrap();
    // Flink's snapshot would be empty by now, and waits for the request beforehand.
    assert_eq!(ids(sink.snapshot().await.entries()), [1, 2, 3, 4]);
    request.deliver();
    sleep(MS).await;
    assert!(sink.snapshot().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn after_a_flush_a_snapshot_is_empty() {
    let (sink, mut requests) = sink(settings());
    for id in 1..=6 {
        sink.write(id).await.unwrap();
    }
    requests.recv().await.unwrap().deliver();
    sleep(MS).await;
    assert_eq!(ids(sink.snapshot().await.entries()), [5, 6]);
    let mut flush = pin!(sink.flush());
    assert_waits!(flush);
    let request = requests.recv().await.unwrap();
    assert_eq!(request.ids, [5, 6]);
    request.deliver();
    flush.await.unwrap();
    assert!(sink.snapshot().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_sends_nothing() {
    let (sink, mut requests) = sink(settings());
    let start = Instant::now();
    for id in 1..=3 {
        sink.write(id).await.unwrap();
    }
    for mode in [SnapshotMode::Now, SnapshotMode::Settle] {
        assert_eq!(sink.snapshot_with(mode).await.len(), 3);
    }
    assert_eq!(requests.recv().await.unwrap().ids, [1, 2, 3]);
    assert_eq!(start.elapsed().as_millis(), 1000, "when their time was over, and not before");
}

#[tokio::test(start_paused = true)]
async fn a_settling_snapshot_waits_for_what_is_in_flight_and_for_nothing_else() {
    let (sink, mut requests) = sink(settings());
    for id in 1..=5 {
        sink.write(id).await.unwrap();
    }
    let request = requests.recv().await.unwrap();
    let mut snapshot = pin!(sink.snapshot_with(SnapshotMode::Settle));
    assert_waits!(snapshot);
    for id in 6..=9 {
        sink.write(id).await.unwrap();
    }
    sleep(500 * MS).await;
    assert_waits!(snapshot);
    assert!(requests.try_recv().is_err(), "nothing new is sent meanwhile");
    let answer = failed(&request, &[2]);
    request.answer(answer);
    assert_eq!(ids(snapshot.await.entries()), [2, 5, 6, 7, 8, 9]);
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_in_the_snapshot_and_goes_first_after_a_restore() {
    let (first, mut requests) = sink(settings());
    for id in 1..=5 {
        first.write(id).await.unwrap();
    }
    let request = requests.recv().await.unwrap();
    let answer = failed(&request, &[1]);
    request.answer(answer);
    sleep(MS).await;
    let snapshot = first.snapshot().await;
    assert_eq!(ids(snapshot.entries()), [1, 5]);

    let (destination, mut requests) = scripted();
    let restored = Sink::builder(convert, destination)
        .settings(settings())
        .restore(&snapshot)
        .build()
        .unwrap();
    restored.write(6).await.unwrap();
    restored.write(7).await.unwrap();
    assert_eq!(requests.recv().await.unwrap().ids, [1, 5, 6, 7]);
}

// ------------------------------------------------------------------------------- waiting, counting

#[tokio::test(start_paused = true)]
async fn a_flush_waits_while_as_many_requests_are_in_flight_as_may_be() {
    let mut settings = settings();
    settings.max_in_flight_requests = Some(1);
    let (sink, mut requests) = sink(settings);
    for id in 1..=5 {
        sink.write(id).await.unwrap();
    }
    let request = requests.recv().await.unwrap();
    let mut flush = pin!(sink.flush());
    assert_waits!(flush);
    sleep(10_000 * MS).await;
    assert_waits!(flush);
    assert!(requests.try_recv().is_err(), "one at a time");
    request.deliver();
    let last = requests.recv().await.unwrap();
    assert_eq!(last.ids, [5]);
    assert_waits!(flush);
    last.deliver();
    flush.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bytes_are_buffered_then_in_flight_then_gone() {
    let (sink, mut requests) = sink(settings());
    let bytes = || (sink.stats().buffered.bytes, sink.stats().in_flight.bytes);
    assert_eq!(bytes(), (0, 0));
    for id in 1..=3 {
        sink.write(id).await.unwrap();
    }
    assert_eq!(bytes(), (30, 0));
    let mut flush = pin!(sink.flush());
    assert_waits!(flush);
    let request = requests.recv().await.unwrap();
    assert_eq!(bytes(), (0, 30));
    request.deliver();
    flush.await.unwrap();
    assert_eq!(bytes(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_counts_as_sent_and_each_delivery_once() {
    let (sink, mut requests) = sink(settings());
    for id in 1..=4 {
        sink.write(id).await.unwrap();
    }
    let request = requests.recv().await.unwrap();
    let counters = sink.stats().counters;
    assert_eq!((counters.requests, counters.sent.entries, counters.sent.bytes), (1, 4, 40));
    assert_eq!(counters.delivered.entries, 0, "sent is not delivered");
    let answer = failed(&request, &[4]);
    request.answer(answer);
    let closing = tokio::spawn(async move { sink.close().await });
    requests.recv().await.unwrap().deliver();
    let counters = closing.await.unwrap().unwrap().counters;
    assert_eq!((counters.requests, counters.sent.entries, counters.sent.bytes), (2, 5, 50));
    assert_eq!((counters.delivered.entries, counters.delivered.bytes), (4, 40));
    assert_eq!((counters.retried(), counters.failed_requests), (1, 1));
}

// ------------------------------------------------------------------------------- settings, limiter

#[test]
fn how_long_to_wait_for_an_answer_and_what_then_are_settings() {
    let limits =
        Limits { max_batch_size: 1, max_batch_size_in_bytes: 10, max_record_size_in_bytes: 2 };
    let mut settings = Settings::default();
    settings.request_timeout = Some(100 * MS);
    settings.on_timeout = Some(OnTimeout::Fail);
    let config = settings.resolve(&limits, &limits).unwrap();
    assert_eq!((config.request_timeout, config.on_timeout), (100 * MS, OnTimeout::Fail));
}

#[test]
fn a_threshold_of_nothing_lets_one_entry_go() {
    let now = Instant::now().into_std();
    let nothing = Aimd::flink().rate_threshold(0);
    let mut limiter = CongestionControl::with_strategy(nothing, 10, 1);
    for _ in 0..3 {
        let entries = limiter.allowance(now);
        limiter.on_issue(entries, 0, now);
        limiter.on_settle(&Answer::new(entries, 0, 0, MS), now);
    }
    assert_eq!(limiter.allowance(now), 1);
}

#[test]
fn an_answer_to_a_request_that_was_never_sent_leaves_no_room_for_more() {
    let now = Instant::now().into_std();
    let mut limiter = CongestionControl::new(10, 1);
    limiter.on_settle(&Answer::new(10, 0, 0, MS), now);
    assert_eq!(limiter.allowance(now), 10);
    limiter.on_issue(10, 0, now);
    assert_eq!(limiter.allowance(now), 0);
    limiter.on_settle(&Answer::new(10, 0, 0, MS), now);
    assert_eq!(limiter.allowance(now), 10);
}

#[test]
fn flinks_window_settles_where_the_destination_stops_refusing() {
    // The destination takes requests of 16 entries and refuses larger ones whole.
    let now = Instant::now().into_std();
    let mut limiter = CongestionControl::new(32, 10);
    let mut last = Vec::new();
    for round in 0..1000 {
        let entries = limiter.allowance(now);
        limiter.on_issue(entries, 0, now);
        let taken = entries <= 16;
        let answer = if taken { (entries, 0) } else { (0, entries) };
        limiter.on_settle(&Answer::new(answer.0, answer.1, 0, MS), now);
        if round >= 900 {
            last.push(entries);
        }
    }
    assert!(last.iter().all(|entries| (8..=26).contains(entries)), "{last:?}");
}

// ------------------------------------------------------------------------------- what Flink has not

/// Keeps the ids and the codes of what it is given.
#[derive(Clone, Default)]
struct Letters(Arc<Mutex<Vec<(u64, String)>>>);

impl Letters {
    fn seen(&self) -> Vec<(u64, String)> {
        self.0.lock().unwrap().clone()
    }
}

impl DeadLetterHandler<Item> for Letters {
    fn handle(&self, letter: &DeadLetter<'_, Item>) -> DeadLetterFuture {
        self.0.lock().unwrap().push((letter.entry.id, letter.reason.code().to_owned()));
        Box::pin(async { Ok(()) })
    }
}

fn sink_with_letters(settings: Settings) -> (TestSink, UnboundedReceiver<Request>, Letters) {
    let letters = Letters::default();
    let (destination, requests) = scripted();
    let sink = Sink::builder(convert, destination)
        .settings(settings)
        .seed(1)
        .dead_letters(letters.clone())
        .build()
        .unwrap();
    (sink, requests, letters)
}

#[tokio::test(start_paused = true)]
async fn one_poison_entry_is_found_and_handed_over_and_the_others_are_delivered() {
    let (sink, mut requests, letters) = sink_with_letters(settings());
    for id in 101..=108 {
        sink.write(id).await.unwrap();
    }
    let closing = tokio::spawn(async move { sink.close().await });
    let mut stored = Vec::new();
    while let Some(request) = requests.recv().await {
        // As PutMetricData does: the whole request, and not a word on which entry it was.
        if request.ids.contains(&103) {
            request.answer(Outcome::Bisect(Reason::new("InvalidParameterValue", "")));
        } else {
            stored.extend(request.ids.clone());
            request.deliver();
        }
    }
    let counters = closing.await.unwrap().unwrap().counters;
    stored.sort_unstable();
    assert_eq!(stored, [101, 102, 104, 105, 106, 107, 108]);
    assert_eq!(letters.seen(), [(103, "InvalidParameterValue".to_owned())]);
    assert_eq!((counters.delivered.entries, counters.rejected.entries), (7, 1));
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_grew_too_old_is_handed_over_and_never_dropped() {
    let mut settings = settings();
    settings.max_age = Some(2000 * MS);
    let (sink, mut requests, letters) = sink_with_letters(settings);
    sink.write(1).await.unwrap();
    let closing = tokio::spawn(async move { sink.close().await });
    while let Some(request) = requests.recv().await {
        sleep(500 * MS).await;
        request.answer(unavailable());
    }
    assert_eq!(letters.seen(), [(1, "MaxAge".to_owned())]);
    let counters = closing.await.unwrap().unwrap().counters;
    assert_eq!((counters.delivered.entries, counters.rejected.entries), (0, 1));
}
