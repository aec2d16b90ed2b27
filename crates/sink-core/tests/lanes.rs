//! When the destination is asked for lanes, and what comes of it.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use common::{Item, Request, TestSink, convert, ids, scripted, settings};
use sink_core::{
    Cause, ErrorKind, Ordering, Outcome, Settings, Settled, Sink, Snapshot, Verdict,
    rate_limit::Unlimited,
};
use tokio::sync::mpsc::UnboundedReceiver;

const MINUTE: Duration = Duration::from_secs(60);

/// A sink without a rate limit; entry 1007 is in lane 1, 2007 in lane 2, and 7 in the shared one.
struct Bench {
    sink: TestSink,
    requests: UnboundedReceiver<Request>,
    asked: Arc<AtomicUsize>,
    panics: Arc<Mutex<Option<&'static str>>>,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Self::restored(settings, &[])
    }

    fn restored(settings: Settings, snapshot: &[u64]) -> Self {
        let (destination, requests) = scripted();
        let (asked, panics) = (Arc::clone(&destination.asked), Arc::clone(&destination.panics));
        let items = snapshot.iter().map(|id| Item { id: *id, size: 10 }).collect();
        let sink = Sink::builder(convert, destination)
            .settings(settings)
            .rate_limiter(Unlimited)
            .seed(1)
            .restore(&Snapshot::new("scripted", items))
            .build()
            .unwrap();
        Self { sink, requests, asked, panics }
    }

    async fn write(&self, ids: impl IntoIterator<Item = u64>) {
        for id in ids {
            self.sink.write(id).await.unwrap();
        }
    }

    /// The next request, and its entries.
    async fn request(&mut self) -> (Request, Vec<u64>) {
        let request = self.requests.recv().await.unwrap();
        let ids = request.ids.clone();
        (request, ids)
    }

    /// How often lanes were asked for since the last look.
    fn asked(&self) -> usize {
        self.asked.swap(0, Relaxed)
    }
}

/// Answers: lane 1 is throttled for so long, the rest is delivered.
fn throttle_lane_1(request: Request, retry_after: Option<Duration>) {
    let verdict = |id: &u64| match id / 1000 {
        1 => Verdict::Retry(Cause::Throttled { retry_after }),
        _ => Verdict::Delivered,
    };
    let verdicts: Vec<_> = request.ids.iter().map(verdict).collect();
    request.answer(Outcome::per_entry(verdicts.len(), verdicts));
}

/// Room for so many.
fn with_room(entries: usize) -> Settings {
    let mut settings = settings();
    settings.max_buffered_requests = Some(entries);
    settings
}

/// Lets the driver do all that it can do now.
async fn settle_down() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// Delivers every request from now on.
fn deliver_all(mut requests: UnboundedReceiver<Request>) {
    tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            request.deliver();
        }
    });
}

#[tokio::test(start_paused = true)]
async fn lanes_are_not_asked_for_while_nothing_is_throttled() {
    let Bench { sink, mut requests, asked, .. } = Bench::new(with_room(1000));
    let all = [1001, 2001, 1002, 2002, 3001];
    for id in all {
        sink.write(id).await.unwrap();
    }
    sink.write_all(all).await.unwrap();
    let receipt = sink.write_tracked(1003).await.unwrap();
    assert!(sink.try_write(1004).is_ok());
    let first = requests.recv().await.unwrap();
    first.answer(Outcome::per_entry(4, (0..4).map(|_| Verdict::Retry(Cause::Unavailable))));
    deliver_all(requests);
    assert_eq!(receipt.await.unwrap(), Settled::Delivered);
    assert_eq!(sink.close().await.unwrap().counters.delivered.entries, 12);
    assert_eq!(asked.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn in_order_each_entry_is_asked_for_when_it_is_written() {
    let mut settings = with_room(1000);
    settings.ordering = Some(Ordering::PerLane);
    let Bench { sink, requests, asked, .. } = Bench::restored(settings, &[1001, 2001]);
    assert_eq!(asked.load(Relaxed), 2);
    sink.write(1002).await.unwrap();
    sink.write_all([2002, 1003]).await.unwrap();
    assert_eq!(asked.load(Relaxed), 5);
    deliver_all(requests);
    sink.close().await.unwrap();
    assert_eq!(asked.load(Relaxed), 5);
}

#[tokio::test(start_paused = true)]
async fn the_first_refusal_sorts_what_was_there_before_it() {
    for restored in [&[][..], &[1001, 2001, 1002, 2002, 1003, 2003]] {
        let mut bench = Bench::restored(with_room(100), restored);
        bench.write((1..=6).flat_map(|n| [1000 + n, 2000 + n]).skip(restored.len())).await;
        let (first, sent) = bench.request().await;
        assert_eq!(sent, [1001, 2001, 1002, 2002]);
        let (second, sent) = bench.request().await;
        assert_eq!(sent, [1003, 2003, 1004, 2004]);
        assert_eq!(bench.asked(), 0);
        throttle_lane_1(first, Some(MINUTE));
        settle_down().await;
        assert_eq!(bench.asked(), 12, "each that is here, in flight too");
        bench.sink.write_all([1007, 2007]).await.unwrap();
        bench.write([1008, 2008]).await;
        assert_eq!(bench.asked(), 4, "what is written now");
        let (third, sent) = bench.request().await;
        assert_eq!(sent, [2005, 2006, 2007, 2008], "lane 1 waits");
        second.deliver();
        third.deliver();
        settle_down().await;
        let left = bench.sink.snapshot().await;
        assert_eq!(ids(left.entries()), [1001, 1002, 1005, 1006, 1007, 1008]);
        let retried = bench.request().await.1;
        assert_eq!(retried[..2], [1001, 1002], "in their order, after the minute");
        assert_eq!(bench.asked(), 0, "nobody is asked for twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_whole_request_is_one_of_each_lane() {
    let mut bench = Bench::new(with_room(100));
    bench.write([1001, 2001, 1002, 2002]).await;
    let (request, _) = bench.request().await;
    request.answer(Outcome::RetryAll(
        Cause::Throttled { retry_after: Some(MINUTE) },
        sink_core::Reason::new("SlowDown", ""),
    ));
    settle_down().await;
    assert_eq!(bench.asked(), 4);
    assert_eq!(bench.sink.stats().held_lanes, 2);
    bench.write([3001, 1003]).await;
    bench.sink.write(2003).await.unwrap();
    assert_eq!(bench.request().await.1, [3001], "the other lanes wait");
}

#[tokio::test(start_paused = true)]
async fn what_was_written_just_before_lanes_began_to_matter_is_in_its_lane() {
    let mut bench = Bench::new(with_room(100));
    bench.write([1001, 2001, 1002, 2002]).await;
    throttle_lane_1(bench.request().await.0, Some(MINUTE));
    bench.write([1003, 2003]).await; // before the driver has a chance to look at the answer
    assert_eq!(bench.asked(), 0);
    settle_down().await;
    assert_eq!(bench.asked(), 6);
    let (request, sent) = bench.request().await;
    assert_eq!(sent, [2003], "1003 waits in its lane");
    request.deliver();
    deliver_all(bench.requests);
    assert_eq!(bench.sink.close().await.unwrap().counters.delivered.entries, 6);
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_room_when_lanes_began_to_matter_is_in_its_lane() {
    let mut bench = Bench::new(with_room(8));
    let [one, two] = [1000, 2000].map(|lane| (lane + 1)..=(lane + 4));
    bench.write(one.zip(two).flat_map(|(one, two)| [one, two])).await;
    let (first, _) = bench.request().await;
    let (second, _) = bench.request().await;
    let waiting = tokio::spawn({
        let sink = bench.sink.clone();
        async move {
            sink.write(1005).await.unwrap();
            sink.write_all([2005, 1006, 2006]).await.unwrap();
        }
    });
    settle_down().await;
    assert_eq!(bench.sink.stats().counters.admitted.entries, 8, "it is full");
    bench.asked(); // some, because the buffer is more than half full
    throttle_lane_1(first, Some(MINUTE));
    second.deliver();
    let (third, sent) = bench.request().await;
    assert_eq!(sent, [2005, 2006], "1005 was written without a lane, and waits in it");
    assert_eq!(bench.asked(), 12);
    third.deliver();
    waiting.await.unwrap();
    let left = bench.sink.snapshot().await;
    assert_eq!(ids(left.entries()), [1001, 1002, 1005, 1006]);
}

#[tokio::test(start_paused = true)]
async fn lanes_are_forgotten_when_none_was_slow_for_a_while_and_found_again() {
    let mut bench = Bench::new(with_room(10));
    for round in 0..3 {
        bench.write([1001, 1002, 2001, 2002]).await;
        throttle_lane_1(bench.request().await.0, Some(MINUTE));
        settle_down().await;
        assert_eq!(bench.asked(), 4, "round {round}");
        // Lane 1 has its part of the room, and no more.
        bench.write([1003, 1004, 1005]).await;
        let waiting = tokio::spawn({
            let sink = bench.sink.clone();
            async move { sink.write(1006).await.unwrap() }
        });
        settle_down().await;
        bench.write([2003]).await;
        assert!(!waiting.is_finished(), "round {round}");
        assert_eq!(bench.asked(), 5, "round {round}");
        bench.request().await.0.deliver();
        while bench.sink.stats().buffered.entries > 0 {
            bench.request().await.0.deliver();
            settle_down().await;
        }
        waiting.await.unwrap();
        bench.sink.flush().await.map_or_else(|error| panic!("{error}"), |()| ());
        tokio::time::sleep(Duration::from_secs(25)).await;
        bench.write([2004]).await;
        bench.request().await.0.deliver();
        settle_down().await;
        assert_eq!(bench.sink.stats().held_lanes, 0, "round {round}");
        bench.asked();
        bench.write([1007, 2005]).await;
        bench.request().await.0.deliver();
        assert_eq!(bench.asked(), 0, "round {round}");
        settle_down().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_refuses_all_the_time_is_asked_once_for_each_entry() {
    let mut bench = Bench::new(with_room(1000));
    for id in 101..=300 {
        bench.write([id]).await; // which all share one lane
        let (request, sent) = bench.request().await;
        let verdicts = sent.iter().map(|of| match of {
            of if *of == id => Verdict::Retry(Cause::THROTTLED),
            _ => Verdict::Delivered,
        });
        request.answer(Outcome::per_entry(sent.len(), verdicts));
        settle_down().await;
    }
    assert_eq!(bench.sink.stats().held_lanes, 0);
    let asked = bench.asked();
    assert!((100..=200).contains(&asked), "{asked} for 200");
}

#[tokio::test(start_paused = true)]
async fn one_lane_does_not_fill_the_buffer_before_it_is_refused() {
    let bench = Bench::new(with_room(100));
    let sink = bench.sink.clone();
    let hot = tokio::spawn(async move {
        for id in 0..100 {
            sink.write(1000 + id % 1000).await.unwrap();
        }
    });
    settle_down().await;
    assert!(!hot.is_finished());
    let held = bench.sink.stats().counters.admitted.entries;
    assert!((50..=60).contains(&held), "{held} of 100");
    bench.write(2000..2020).await; // finds room
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_over_a_lane_stops_the_sink_which_keeps_all() {
    let mut bench = Bench::new(with_room(100));
    bench.write([1001, 2001, 1002, 2002, 1003]).await;
    let (request, _) = bench.request().await;
    *bench.panics.lock().unwrap() = Some("lane");
    throttle_lane_1(request, None);
    let error = bench.sink.flush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("told to panic in lane"), "{error}");
    assert_eq!(ids(&bench.sink.into_unsent().await), [1001, 1002, 1003]);
}

#[tokio::test(start_paused = true)]
async fn receipts_and_snapshots_know_nothing_of_lanes() {
    let mut bench = Bench::new(with_room(100));
    let mut receipts = Vec::new();
    for id in [1001, 2001, 1002, 2002, 1003] {
        receipts.push(bench.sink.write_tracked(id).await.unwrap());
    }
    throttle_lane_1(bench.request().await.0, None);
    settle_down().await;
    let snapshot = bench.sink.snapshot().await;
    assert_eq!(ids(snapshot.entries()), [1001, 1002, 1003]);
    deliver_all(bench.requests);
    for receipt in receipts {
        assert_eq!(receipt.await.unwrap(), Settled::Delivered);
    }
    assert_eq!(bench.sink.close().await.unwrap().counters.retried_throttled, 2);
}
