//! A destination that asks the test what to answer.

// Each test program uses its part of this.
#![allow(dead_code)]

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use sink_core::{
    Batch, ConvertError, Destination, Entry, Error, Lane, Limits, Outcome, RateLimiter, Reason,
    Settings, Sink, Verdict, rate_limit::Answer,
};
use tokio::sync::{mpsc, oneshot};

/// An entry that knows its number and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) size: usize,
}

impl Entry for Item {
    fn size_bytes(&self) -> usize {
        self.size
    }
}

/// A request that waits for the test's answer.
pub(crate) struct Request {
    pub(crate) ids: Vec<u64>,
    answer: oneshot::Sender<Outcome>,
}

impl Request {
    /// Answers; gives whether anybody still wants to know.
    pub(crate) fn answer(self, outcome: Outcome) -> bool {
        self.answer.send(outcome).is_ok()
    }

    pub(crate) fn deliver(self) {
        assert!(self.answer(Outcome::Delivered), "given up");
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({:?})", self.ids)
    }
}

/// Hands each request to the test.
pub(crate) struct Scripted {
    requests: mpsc::UnboundedSender<Request>,
    /// What to panic at.
    pub(crate) panics: Arc<Mutex<Option<&'static str>>>,
    /// How often it was asked for a lane.
    pub(crate) asked: Arc<AtomicUsize>,
}

/// Limits nothing, and runs something once in the middle of the driver's step, after it has taken
/// in what had arrived.
#[derive(Clone, Default)]
pub(crate) struct Meanwhile(Arc<Mutex<Option<Action>>>);

type Action = Box<dyn FnOnce() + Send>;

impl Meanwhile {
    /// What to run in the next step.
    pub(crate) fn set(&self, meanwhile: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(meanwhile));
    }
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meanwhile")
    }
}

impl RateLimiter for Meanwhile {
    fn allowance(&mut self, _: std::time::Instant) -> usize {
        usize::MAX
    }

    /// Asked at each step.
    fn max_batch_size(&self) -> usize {
        let meanwhile = self.0.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        usize::MAX
    }

    fn on_issue(&mut self, _: usize, _: usize, _: std::time::Instant) {}

    fn on_settle(&mut self, _: &Answer, _: std::time::Instant) {}
}

#[derive(Debug)]
pub(crate) struct NoError;

impl fmt::Display for NoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no error")
    }
}

impl std::error::Error for NoError {}

impl Scripted {
    fn maybe_panic(&self, piece: &str) {
        assert!(*self.panics.lock().unwrap() != Some(piece), "told to panic in {piece}");
    }
}

impl Destination for Scripted {
    type Entry = Item;
    type Request = Vec<u64>;
    type Response = Outcome;
    type Error = NoError;

    const KIND: &'static str = "scripted";
    const LIMITS: Limits = Limits {
        max_batch_size: 1000,
        max_batch_size_in_bytes: 1 << 20,
        max_record_size_in_bytes: 1 << 10,
    };

    fn build_request(&self, batch: &Batch<'_, Item>) -> Vec<u64> {
        self.maybe_panic("build_request");
        batch.iter().map(|item| item.id).collect()
    }

    async fn send(&self, ids: Vec<u64>) -> Result<Outcome, NoError> {
        self.maybe_panic("send");
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request { ids, answer }).expect("the test still listens");
        // A dropped request is one that is never answered.
        match answered.await {
            Ok(outcome) => Ok(outcome),
            Err(_) => std::future::pending().await,
        }
    }

    fn extract_failures(&self, answer: Result<Outcome, NoError>, _sent: usize) -> Outcome {
        answer.expect("no error")
    }

    /// 1007 is in lane 1, 2007 in lane 2, and 7 in the shared one.
    fn lane(&self, item: &Item) -> Lane {
        self.maybe_panic("lane");
        self.asked.fetch_add(1, Relaxed);
        Lane::new(item.id / 1000)
    }
}

pub(crate) type TestSink = Sink<u64, Item>;

/// Elements are numbers; their entries have ten bytes. 13 cannot be converted, 14 is too large.
pub(crate) fn convert(id: u64) -> Result<Item, ConvertError> {
    match id {
        13 => Err(ConvertError::new("13 brings bad luck")),
        14 => Ok(Item { id, size: 2000 }),
        _ => Ok(Item { id, size: 10 }),
    }
}

/// Batches of four, two in flight, room for ten entries.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.max_batch_size = Some(4);
    settings.max_in_flight_requests = Some(2);
    settings.max_buffered_requests = Some(10);
    settings.max_time_in_buffer = Some(Duration::from_secs(1));
    settings.request_timeout = Some(Duration::from_secs(30));
    settings.retry_initial_delay = Some(Duration::from_millis(1));
    settings.retry_max_delay = Some(Duration::from_millis(1));
    settings
}

pub(crate) fn scripted() -> (Scripted, mpsc::UnboundedReceiver<Request>) {
    let (requests, receiver) = mpsc::unbounded_channel();
    (Scripted { requests, panics: Arc::default(), asked: Arc::default() }, receiver)
}

/// A sink with these settings, and its requests.
pub(crate) fn sink(settings: Settings) -> (TestSink, mpsc::UnboundedReceiver<Request>) {
    let (destination, requests) = scripted();
    let sink = Sink::builder(convert, destination).settings(settings).seed(1).build().unwrap();
    (sink, requests)
}

/// A sink whose connector panics in this piece.
pub(crate) fn panicking_sink(piece: &'static str) -> (TestSink, mpsc::UnboundedReceiver<Request>) {
    let (destination, requests) = scripted();
    *destination.panics.lock().unwrap() = Some(piece);
    let sink = Sink::builder(convert, destination).settings(settings()).build().unwrap();
    (sink, requests)
}

/// Answers: the entries at these positions are rejected, the others delivered.
pub(crate) fn reject(sent: usize, positions: &[usize]) -> Outcome {
    let verdicts = (0..sent).map(|position| {
        if positions.contains(&position) {
            Verdict::Reject(Reason::new("Invalid", "not a number"))
        } else {
            Verdict::Delivered
        }
    });
    Outcome::per_entry(sent, verdicts)
}

pub(crate) fn denied() -> Outcome {
    Outcome::Fatal(Error::new(sink_core::ErrorKind::Fatal, "send", "access denied"))
}

pub(crate) fn unavailable() -> Outcome {
    Outcome::RetryAll(sink_core::Cause::Unavailable, Reason::new("InternalFailure", ""))
}

pub(crate) fn ids(items: &[Item]) -> Vec<u64> {
    items.iter().map(|item| item.id).collect()
}
