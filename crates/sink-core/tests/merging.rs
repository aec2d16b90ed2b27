//! A program that counts: many writes become few entries, and no count is lost. Time is paused; the
//! destination answers when the test says so.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

use std::{
    cell::Cell,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use sink_core::{
    Batch, ConvertError, DeadLetter, DeadLetterFuture, DeadLetterHandler, Destination, Entry,
    ErrorKind, Lane, Limits, Ordering, Outcome, Reason, Settings, Settled, Sink, SinkBuilder,
    SnapshotMode, TryWriteError,
};
use tokio::sync::{mpsc, oneshot};

/// A counter's name, and what is known of its values. Those below 10 share one lane, the others
/// have lanes of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    name: u64,
    times: u64,
    sum: u64,
    min: u64,
    max: u64,
}

/// The name of counters that cannot be merged, and of those whose key cannot be told, without a
/// panic.
const UNMERGEABLE: u64 = 7;
const KEYLESS: u64 = 8;

impl Count {
    fn new(name: u64, value: u64) -> Self {
        Self { name, times: 1, sum: value, min: value, max: value }
    }
}

impl Entry for Count {
    fn size_bytes(&self) -> usize {
        10
    }

    fn merge(&mut self, newer: Self) -> Result<(), Self> {
        assert_ne!(newer.name, UNMERGEABLE, "told to panic");
        if self.name != newer.name {
            return Err(newer);
        }
        self.times += newer.times;
        self.sum += newer.sum;
        (self.min, self.max) = (self.min.min(newer.min), self.max.max(newer.max));
        Ok(())
    }
}

/// A request that waits for the test's answer.
struct Request {
    counts: Vec<Count>,
    answer: oneshot::Sender<Outcome>,
}

impl Request {
    fn deliver(self) -> Vec<Count> {
        assert!(self.answer.send(Outcome::Delivered).is_ok(), "given up");
        self.counts
    }
}

thread_local! {
    /// How often a key was asked for: a test and its sinks have a thread of their own.
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

/// Hands each request to the test.
struct Counters(mpsc::UnboundedSender<Request>);

impl Destination for Counters {
    type Entry = Count;
    type Request = Vec<Count>;
    type Response = Outcome;
    type Error = Infallible;

    const KIND: &'static str = "counters";
    const LIMITS: Limits =
        Limits { max_batch_size: 4, max_batch_size_in_bytes: 1000, max_record_size_in_bytes: 100 };

    fn build_request(&self, batch: &Batch<'_, Count>) -> Vec<Count> {
        batch.iter().copied().collect()
    }

    async fn send(&self, counts: Vec<Count>) -> Result<Outcome, Infallible> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Request { counts, answer }).expect("the test still listens");
        match answered.await {
            Ok(outcome) => Ok(outcome),
            Err(_) => std::future::pending().await,
        }
    }

    fn extract_failures(&self, answer: Result<Outcome, Infallible>, _sent: usize) -> Outcome {
        match answer {
            Ok(outcome) => outcome,
        }
    }

    fn lane(&self, count: &Count) -> Lane {
        Lane::new(count.name / 10)
    }

    fn merge_key(&self, count: &Count) -> Option<u64> {
        ASKED.set(ASKED.get() + 1);
        assert_ne!(count.name, KEYLESS, "told to panic");
        Some(count.name)
    }
}

type TestSink = Sink<(u64, u64), Count>;
type Requests = mpsc::UnboundedReceiver<Request>;

/// Room for ten entries, one request in flight.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.max_in_flight_requests = Some(1);
    settings.max_buffered_requests = Some(10);
    settings.max_time_in_buffer = Some(Duration::from_secs(1));
    settings.request_timeout = Some(Duration::from_secs(3600));
    settings
}

fn builder() -> (SinkBuilder<(u64, u64), Counters>, Requests) {
    let (sender, requests) = mpsc::unbounded_channel();
    let converter = |(name, value)| Ok::<_, ConvertError>(Count::new(name, value));
    (Sink::builder(converter, Counters(sender)).settings(settings()).seed(1), requests)
}

fn sink() -> (TestSink, Requests) {
    let (builder, requests) = builder();
    (builder.build().unwrap(), requests)
}

/// Delivers whatever comes, and gives it when the sink has ended.
fn deliver_all(mut requests: Requests) -> tokio::task::JoinHandle<Vec<Count>> {
    tokio::spawn(async move {
        let mut delivered = Vec::new();
        while let Some(request) = requests.recv().await {
            delivered.extend(request.deliver());
        }
        delivered
    })
}

/// All as one.
fn total(counts: &[Count]) -> Count {
    let mut total = counts[0];
    for count in &counts[1..] {
        total.merge(*count).unwrap();
    }
    total
}

/// Lets the driver do what it can.
async fn settle_down() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_increments_in_a_minute_are_a_handful_of_entries() {
    let (sink, requests) = sink();
    let delivered = deliver_all(requests);
    for value in 1..=100_000 {
        sink.write((1, value)).await.unwrap();
        if value % 1000 == 0 {
            tokio::time::advance(Duration::from_millis(600)).await;
        }
    }
    let counters = sink.close().await.unwrap().counters;
    assert_eq!(*sink.delivered_up_to().borrow(), 100_000);
    drop(sink);
    let delivered = delivered.await.unwrap();
    assert!(delivered.len() <= 61, "one a second, not {}", delivered.len());
    let all = Count { name: 1, times: 100_000, sum: 5_000_050_000, min: 1, max: 100_000 };
    assert_eq!(total(&delivered), all);
    assert_eq!(counters.admitted.entries, 100_000);
    assert_eq!(counters.delivered.entries, delivered.len());
    assert_eq!(counters.merged.entries, 100_000 - delivered.len());
    assert_eq!(counters.merged.bytes, 10 * counters.merged.entries);
}

#[tokio::test(start_paused = true)]
async fn producers_write_on_while_the_destination_is_away() {
    let (sink, mut requests) = sink();
    sink.write((1, 0)).await.unwrap();
    let out = requests.recv().await.unwrap(); // and nothing else may be sent
    let start = tokio::time::Instant::now();
    let mut producers = tokio::task::JoinSet::new();
    for producer in 0..4 {
        let sink = sink.clone();
        producers.spawn(async move {
            for value in 0..1000 {
                sink.write((producer % 3, value)).await.unwrap();
            }
        });
    }
    let all = producers.join_all();
    tokio::time::timeout(Duration::from_secs(1), all).await.expect("there is room for them");
    for value in 0..1000 {
        while let Err(refused) = sink.try_write((1, value)) {
            assert!(matches!(refused, TryWriteError::Full(_)), "{refused}");
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody waited for anything but the driver");
    assert!(sink.stats().buffered.entries <= 10);
    assert_eq!(out.deliver().len(), 1);
    let delivered = deliver_all(requests);
    sink.close().await.unwrap();
    drop(sink);
    let delivered = delivered.await.unwrap();
    assert!(delivered.len() <= 13, "{delivered:?}");
    assert_eq!(delivered.iter().map(|count| count.times).sum::<u64>(), 5000);
    assert_eq!(delivered.iter().map(|count| count.sum).sum::<u64>(), 5 * 499_500);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_merged_waits_for_room_as_ever() {
    let (sink, mut requests) = sink();
    sink.write((100, 0)).await.unwrap();
    let out = requests.recv().await.unwrap();
    for name in 0..7 {
        sink.write((name, 1)).await.unwrap();
    }
    sink.write((9, 1)).await.unwrap();
    sink.write((9, 1)).await.unwrap(); // the ninth, once it is merged
    sink.write((19, 1)).await.unwrap();
    let late = tokio::spawn({
        let sink = sink.clone();
        async move { sink.write((29, 1)).await }
    });
    settle_down().await;
    assert!(!late.is_finished(), "ten entries are held");
    assert_eq!(sink.stats().buffered.entries + sink.stats().in_flight.entries, 10);
    out.deliver();
    late.await.unwrap().unwrap();
    let delivered = deliver_all(requests);
    sink.close().await.unwrap();
    drop(sink);
    assert_eq!(delivered.await.unwrap().iter().map(|count| count.times).sum::<u64>(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_flush_and_the_mark_wait_for_the_entry_that_took_others_in() {
    let (sink, mut requests) = sink();
    let mark = sink.delivered_up_to();
    for value in 1..=5 {
        sink.write((1, value)).await.unwrap();
    }
    let flush = tokio::spawn({
        let sink = sink.clone();
        async move { sink.flush().await }
    });
    let request = requests.recv().await.unwrap();
    settle_down().await;
    assert_eq!((*mark.borrow(), flush.is_finished()), (0, false));
    assert_eq!(sink.stats().counters.merged.entries, 4);
    assert_eq!(request.deliver(), [Count { name: 1, times: 5, sum: 15, min: 1, max: 5 }]);
    flush.await.unwrap().unwrap();
    assert_eq!(*mark.borrow(), 5);
}

#[tokio::test(start_paused = true)]
async fn each_tracked_write_is_an_entry_of_its_own_that_takes_others_in() {
    let (sink, mut requests) = sink();
    sink.write((1, 1)).await.unwrap();
    let second = sink.write_tracked((1, 2)).await.unwrap();
    sink.write((1, 3)).await.unwrap();
    let fourth = sink.write_tracked((1, 4)).await.unwrap();
    assert_eq!((second.sequence(), fourth.sequence()), (2, 4));
    let request = requests.recv().await.unwrap();
    let sums: Vec<_> = request.counts.iter().map(|count| count.sum).collect();
    assert_eq!(sums, [1, 2 + 3, 4]);
    request.deliver();
    assert_eq!(second.await.unwrap(), Settled::Delivered);
    assert_eq!(fourth.await.unwrap(), Settled::Delivered);
}

#[tokio::test(start_paused = true)]
async fn snapshots_hold_what_was_merged_and_restored_entries_stay_as_they_are() {
    let (sink, _requests) = sink();
    for value in [4, 5] {
        sink.write((1, value)).await.unwrap();
        sink.write((2, value)).await.unwrap();
    }
    let both = |name| Count { name, times: 2, sum: 9, min: 4, max: 5 };
    for mode in [SnapshotMode::Now, SnapshotMode::Settle] {
        assert_eq!(sink.snapshot_with(mode).await.entries(), [both(1), both(2)]);
    }
    let kept = sink.snapshot().await;
    assert_eq!(sink.into_unsent().await, kept.entries());

    let (builder, mut requests) = builder();
    let sink = builder.restore(&kept).build().unwrap();
    sink.write((1, 6)).await.unwrap();
    sink.write((1, 7)).await.unwrap();
    let new = Count { name: 1, times: 2, sum: 13, min: 6, max: 7 };
    let request = requests.recv().await.unwrap();
    assert_eq!(request.deliver(), [both(1), both(2), new]);
    sink.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn in_order_each_write_stays_what_it_is() {
    let mut in_order = settings();
    in_order.ordering = Some(Ordering::PerLane);
    let (builder, requests) = builder();
    let sink = builder.settings(in_order).build().unwrap();
    let delivered = deliver_all(requests);
    for value in 1..=5 {
        sink.write((10, value)).await.unwrap();
        sink.write((11, value)).await.unwrap(); // of the same lane
    }
    let counters = sink.close().await.unwrap().counters;
    drop(sink);
    let expected: Vec<_> =
        (1..=5).flat_map(|value| [Count::new(10, value), Count::new(11, value)]).collect();
    assert_eq!(delivered.await.unwrap(), expected);
    assert_eq!(counters.merged.entries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_carries_all_that_was_merged() {
    struct Keeps(Arc<Mutex<Vec<(u64, Count)>>>);

    impl DeadLetterHandler<Count> for Keeps {
        fn handle(&self, letter: &DeadLetter<'_, Count>) -> DeadLetterFuture {
            self.0.lock().unwrap().push((letter.sequence, *letter.entry));
            Box::pin(async { Ok(()) })
        }
    }

    let letters = Arc::new(Mutex::new(Vec::new()));
    let (builder, mut requests) = builder();
    let sink = builder.dead_letters(Keeps(Arc::clone(&letters))).build().unwrap();
    for value in 1..=3 {
        sink.write((1, value)).await.unwrap();
    }
    let request = requests.recv().await.unwrap();
    request.answer.send(Outcome::RejectAll(Reason::new("Invalid", "no such metric"))).unwrap();
    let counters = sink.close().await.unwrap().counters;
    let all = Count { name: 1, times: 3, sum: 6, min: 1, max: 3 };
    assert_eq!(*letters.lock().unwrap(), [(1, all)]);
    assert_eq!((counters.rejected.entries, counters.merged.entries), (1, 2));
    assert_eq!(*sink.delivered_up_to().borrow(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_panics_stops_the_sink_which_keeps_everything() {
    let (sink, _requests) = sink();
    for name in [1, KEYLESS, 1, KEYLESS] {
        sink.write((name, 1)).await.unwrap();
    }
    let error = sink.flush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    let says = error.to_string();
    assert!(says.starts_with("merge_key: the connector panicked"), "{says}");
    assert!(says.contains("told to panic") && says.contains("destination=counters"), "{says}");
    let unsent = sink.into_unsent().await;
    assert_eq!(unsent.iter().map(|count| count.name).collect::<Vec<_>>(), [1, 8, 1, 8]);
}

#[tokio::test(start_paused = true)]
async fn the_key_of_each_entry_is_asked_for_once() {
    let (sink, _requests) = sink();
    for name in [1, 1, 12, 1, 12, 25, 1] {
        sink.write((name, 1)).await.unwrap();
    }
    settle_down().await;
    assert_eq!(ASKED.get(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_merge_that_panics_stops_the_sink_which_keeps_the_others() {
    let (sink, _requests) = sink();
    for name in [1, UNMERGEABLE, UNMERGEABLE, 1] {
        sink.write((name, 1)).await.unwrap();
    }
    let error = sink.flush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    let says = error.to_string();
    assert!(says.starts_with("merge: merging entry 3 into entry 2: the connector panicked"));
    assert!(says.contains("told to panic"), "{says}");
    assert_eq!(*sink.delivered_up_to().borrow(), 0, "a source reads the lost one again");
    let unsent = sink.into_unsent().await;
    assert_eq!(unsent.iter().map(|count| count.name).collect::<Vec<_>>(), [1, UNMERGEABLE, 1]);
}
