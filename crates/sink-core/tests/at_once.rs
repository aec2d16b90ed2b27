//! Who sends requests: a task for each, or the driver while the destination answers at once.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking
#![allow(clippy::disallowed_methods)] // how busy a processor is, tokio's clock cannot tell

mod common;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::{Item, NoError, Scripted, convert, ids, settings};
use sink_core::{Batch, Destination, ErrorKind, Limits, Outcome, Sink};
use tokio::{sync::oneshot, task};

/// What happens to a request.
#[derive(Debug)]
enum Way {
    AtOnce,
    /// Keeps the thread busy for so long, and waits for nothing.
    Busy(Duration),
    Waits(oneshot::Receiver<()>),
    Panics,
}

/// The ways of the next requests, the first one last; without any, they are answered at once.
#[derive(Default)]
struct Ways {
    next: Mutex<Vec<Way>>,
    /// Which task sent each request, and its entries.
    sent: Mutex<Vec<(task::Id, Vec<u64>)>>,
}

impl Ways {
    fn new(ways: impl IntoIterator<Item = Way>) -> Arc<Self> {
        let mut next: Vec<_> = ways.into_iter().collect();
        next.reverse();
        Arc::new(Self { next: Mutex::new(next), sent: Mutex::default() })
    }

    fn senders(&self) -> Vec<task::Id> {
        self.sent.lock().unwrap().iter().map(|(id, _)| *id).collect()
    }

    fn sent(&self) -> Vec<Vec<u64>> {
        self.sent.lock().unwrap().iter().map(|(_, ids)| ids.clone()).collect()
    }
}

struct Served(Arc<Ways>);

impl Destination for Served {
    type Entry = Item;
    type Request = Vec<u64>;
    type Response = ();
    type Error = NoError;

    const KIND: &'static str = "served";
    const LIMITS: Limits = Scripted::LIMITS;

    fn build_request(&self, batch: &Batch<'_, Item>) -> Vec<u64> {
        batch.iter().map(|item| item.id).collect()
    }

    async fn send(&self, ids: Vec<u64>) -> Result<(), NoError> {
        self.0.sent.lock().unwrap().push((task::id(), ids));
        let way = self.0.next.lock().unwrap().pop();
        match way {
            None | Some(Way::AtOnce) => {}
            Some(Way::Busy(time)) => {
                let start = Instant::now();
                while start.elapsed() < time {
                    std::hint::spin_loop();
                }
            }
            Some(Way::Waits(until)) => until.await.unwrap(),
            Some(Way::Panics) => panic!("told to panic in send"),
        }
        Ok(())
    }

    fn extract_failures(&self, _: Result<(), NoError>, _: usize) -> Outcome {
        Outcome::Delivered
    }
}

/// Requests of four entries.
fn sink(ways: &Arc<Ways>) -> Sink<u64, Item> {
    let destination = Served(Arc::clone(ways));
    Sink::builder(convert, destination).settings(settings()).build().unwrap()
}

async fn write_request(sink: &Sink<u64, Item>, first: u64) {
    for id in first..first + 4 {
        sink.write(id).await.unwrap();
    }
    sink.flush().await.unwrap();
}

// Time is paused, so whatever does not wait takes none.
#[tokio::test(start_paused = true)]
async fn a_destination_that_answers_at_once_is_served_without_tasks() {
    let ways = Ways::new([]);
    let sink = sink(&ways);
    for first in [1, 5, 9] {
        write_request(&sink, first).await;
    }
    let senders = ways.senders();
    assert_ne!(senders[0], senders[1], "before the first answer, nobody knows");
    assert_eq!(senders[1], senders[2], "the driver");
    assert_eq!(sink.close().await.unwrap().counters.delivered.entries, 12);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_must_wait_after_all_holds_up_no_other() {
    let (answer, answered) = oneshot::channel();
    let ways = Ways::new([Way::AtOnce, Way::Waits(answered)]);
    let sink = sink(&ways);
    write_request(&sink, 1).await;
    for id in 5..=12 {
        sink.write(id).await.unwrap();
    }
    while sink.stats().counters.delivered.entries < 8 {
        task::yield_now().await;
    }
    assert_eq!(ways.sent(), [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], "each once");
    assert_eq!(sink.stats().in_flight.entries, 4, "the second waits");
    answer.send(()).unwrap();
    assert_eq!(sink.close().await.unwrap().counters.delivered.entries, 12);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_times_out_after_it_had_to_wait_is_sent_again() {
    let (_answer, answered) = oneshot::channel();
    let ways = Ways::new([Way::AtOnce, Way::Waits(answered)]);
    let sink = sink(&ways);
    write_request(&sink, 1).await;
    write_request(&sink, 5).await;
    assert_eq!(ways.sent(), [[1, 2, 3, 4], [5, 6, 7, 8], [5, 6, 7, 8]]);
    assert_eq!(sink.close().await.unwrap().counters.delivered.entries, 8);
}

#[tokio::test(start_paused = true)]
async fn a_panic_where_the_driver_sends_stops_the_sink_and_loses_nothing() {
    let ways = Ways::new([Way::AtOnce, Way::Panics]);
    let sink = sink(&ways);
    write_request(&sink, 1).await;
    for id in 5..=9 {
        sink.write(id).await.unwrap();
    }
    let error = sink.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("told to panic in send"), "{error}");
    assert_eq!(ids(&sink.into_unsent().await), [5, 6, 7, 8, 9]);
}

/// In real time: what keeps a processor busy has to get one of its own.
#[tokio::test]
async fn a_destination_that_is_busy_for_long_has_a_task_for_each_request() {
    let ways = Ways::new((0..3).map(|_| Way::Busy(Duration::from_millis(1))));
    let sink = sink(&ways);
    for first in [1, 5, 9] {
        write_request(&sink, first).await;
    }
    let senders = ways.senders();
    assert!(senders[0] != senders[1] && senders[1] != senders[2] && senders[0] != senders[2]);
    sink.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_there_when_their_time_is_up_all_count() {
    let (answers, waits): (Vec<_>, Vec<_>) = (0..2).map(|_| oneshot::channel()).unzip();
    let ways = Ways::new(waits.into_iter().map(Way::Waits));
    let sink = sink(&ways);
    for id in 1..=8 {
        sink.write(id).await.unwrap();
    }
    while ways.sent().len() < 2 {
        task::yield_now().await;
    }
    // Both are answered before the driver looks at any, and it looks late.
    answers.into_iter().for_each(|answer| answer.send(()).unwrap());
    tokio::time::advance(settings().request_timeout.unwrap()).await;
    assert_eq!(sink.close().await.unwrap().counters.delivered.entries, 8);
    assert_eq!(ways.sent().len(), 2, "none is sent again");
}
