//! A destination whose requests go through a `tower::Service`.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sink_core::{
    Batch, Cause, ConvertError, Destination, Entry, ErrorKind, Lane, Limits, Outcome, Reason,
    ServiceDestination, Settings, Sink,
};
use tokio::sync::Semaphore;
use tower::{BoxError, ServiceBuilder, service_fn, util::BoxCloneService};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Item(u64);

impl Entry for Item {
    fn size_bytes(&self) -> usize {
        10
    }
}

/// What the tests look at.
#[derive(Debug)]
struct Seen {
    sent: Mutex<Vec<Vec<u64>>>,
    judged: Mutex<Vec<Result<(), String>>>,
    /// Each request takes a permit and keeps it.
    gate: Semaphore,
}

impl Seen {
    fn new(permits: usize) -> Arc<Self> {
        let (sent, judged) = (Mutex::default(), Mutex::default());
        Arc::new(Self { sent, judged, gate: Semaphore::new(permits) })
    }

    fn sent(&self) -> usize {
        self.sent.lock().unwrap().len()
    }
}

/// A connector with a client of its own.
struct Connector(Arc<Seen>);

#[derive(Debug)]
struct Trouble(String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

impl From<BoxError> for Trouble {
    fn from(error: BoxError) -> Self {
        error.downcast::<Self>().map_or_else(|layer| Self(format!("layer: {layer}")), |own| *own)
    }
}

impl Destination for Connector {
    type Entry = Item;
    type Request = Vec<u64>;
    type Response = ();
    type Error = Trouble;

    const KIND: &'static str = "connector";
    const LIMITS: Limits =
        Limits { max_batch_size: 10, max_batch_size_in_bytes: 1000, max_record_size_in_bytes: 100 };
    const DEFAULTS: Limits = Limits { max_batch_size: 4, ..Self::LIMITS };

    fn build_request(&self, batch: &Batch<'_, Item>) -> Vec<u64> {
        batch.iter().map(|item| item.0).collect()
    }

    async fn send(&self, ids: Vec<u64>) -> Result<(), Trouble> {
        let broken = ids.contains(&13);
        self.0.sent.lock().unwrap().push(ids);
        self.0.gate.acquire().await.unwrap().forget();
        if broken { Err(Trouble("13 brings bad luck".to_owned())) } else { Ok(()) }
    }

    fn extract_failures(&self, answer: Result<(), Trouble>, _sent: usize) -> Outcome {
        let answer = answer.map_err(|trouble| trouble.to_string());
        self.0.judged.lock().unwrap().push(answer.clone());
        match answer {
            Ok(()) => Outcome::Delivered,
            Err(text) if text.contains("closed for good") => {
                Outcome::Fatal(sink_core::Error::new(ErrorKind::Fatal, "send", text))
            }
            Err(text) => Outcome::RetryAll(Cause::Unavailable, Reason::new("Trouble", text)),
        }
    }

    fn lane(&self, item: &Item) -> Lane {
        Lane::new(item.0)
    }

    /// Asked, and then the entry itself refuses.
    fn merge_key(&self, item: &Item) -> Option<u64> {
        Some(item.0)
    }
}

fn convert(id: u64) -> Result<Item, ConvertError> {
    Ok(Item(id))
}

#[tokio::test(start_paused = true)]
async fn every_request_goes_through_the_layers_and_everything_else_is_the_connectors() {
    let seen = Seen::new(1000);
    let through = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&through);
    let destination = ServiceDestination::wrap(Connector(Arc::clone(&seen)), |client| {
        let layers = ServiceBuilder::new().map_request(move |ids: Vec<u64>| {
            count.fetch_add(1, Ordering::Relaxed);
            ids
        });
        layers.timeout(Duration::from_secs(1)).concurrency_limit(2).service(client)
    });
    assert_eq!(destination.lane(&Item(7)), Lane::new(7));
    assert_eq!(destination.merge_key(&Item(7)), Some(7));

    let sink = Sink::builder(convert, destination).build().unwrap();
    for id in 100..120 {
        sink.write(id).await.unwrap();
    }
    sink.close().await.unwrap();
    let sent = seen.sent.lock().unwrap().clone();
    assert_eq!(through.load(Ordering::Relaxed), sent.len());
    assert_eq!(sent.concat(), (100..120).collect::<Vec<_>>());
    assert!(sent.iter().all(|ids| ids.len() == 4), "the connector's default: {sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_makes_the_send_wait() {
    let seen = Seen::new(0);
    let destination = Arc::new(ServiceDestination::wrap(Connector(Arc::clone(&seen)), |client| {
        ServiceBuilder::new().concurrency_limit(1).service(client)
    }));
    let send = |id| {
        let destination = Arc::clone(&destination);
        tokio::spawn(async move { destination.send(vec![id]).await })
    };
    let first = send(1);
    let given_up = send(2);
    let third = send(3);
    // Paused time passes only when nobody can do anything.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(seen.sent(), 1, "the others wait");

    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    seen.gate.add_permits(2);
    first.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
    assert_eq!(*seen.sent.lock().unwrap(), [vec![1], vec![3]], "what was given up is not sent");
}

#[tokio::test(start_paused = true)]
async fn the_clients_errors_and_the_layers_are_judged_by_the_connector() {
    let seen = Seen::new(1);
    let destination = ServiceDestination::wrap(Connector(Arc::clone(&seen)), |client| {
        ServiceBuilder::new().timeout(Duration::from_secs(2)).service(client)
    });
    let mut settings = Settings::default();
    settings.max_time_in_buffer = Some(Duration::from_millis(1));
    let sink = Sink::builder(convert, destination).settings(settings).seed(1).build().unwrap();
    sink.write(13).await.unwrap();
    // The first request finds the permit and bad luck, the second one no permit in time.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let judged = seen.judged.lock().unwrap().clone();
    let trouble = |text: &str| Err(text.to_owned());
    assert_eq!(
        judged[..2],
        [trouble("13 brings bad luck"), trouble("layer: request timed out")],
        "{judged:?}"
    );
    assert_eq!(sink.into_unsent().await, [Item(13)]);
}

/// A service that is never ready again.
#[derive(Debug, Clone)]
struct Gone;

impl tower::Service<Vec<u64>> for Gone {
    type Response = ();
    type Error = BoxError;
    type Future = std::future::Ready<Result<(), BoxError>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), BoxError>> {
        std::task::Poll::Ready(Err("closed for good".into()))
    }

    fn call(&mut self, _: Vec<u64>) -> Self::Future {
        panic!("called though it was not ready")
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_will_never_be_ready_is_judged_too() {
    let seen = Seen::new(0);
    let destination = ServiceDestination::new(Connector(Arc::clone(&seen)), Gone);
    let sink = Sink::builder(convert, destination).build().unwrap();
    sink.write(1).await.unwrap();
    let error = sink.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert_eq!(error.message(), "layer: closed for good");
    assert_eq!(sink.into_unsent().await, [Item(1)]);
    assert_eq!(seen.sent(), 0);
}

#[tokio::test(start_paused = true)]
async fn any_service_will_do_and_it_need_not_be_sync() {
    let seen = Seen::new(0);
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let service = service_fn(move |ids: Vec<u64>| {
        count.fetch_add(ids.len(), Ordering::Relaxed);
        async { Ok::<_, Trouble>(()) }
    });
    // A boxed service is Send and Clone, and not Sync.
    let destination =
        ServiceDestination::new(Connector(Arc::clone(&seen)), BoxCloneService::new(service));
    let sink = Sink::builder(convert, destination).build().unwrap();
    for id in 0..9 {
        sink.write(id).await.unwrap();
    }
    sink.close().await.unwrap();
    assert_eq!(sent.load(Ordering::Relaxed), 9);
    assert_eq!(seen.sent(), 0, "its own client is not used");
}
