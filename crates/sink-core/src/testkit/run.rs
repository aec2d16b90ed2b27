//! What the checks have in common: a sink over the connector, what is written, what arrived.

use std::{collections::BTreeMap, future::Future, ops::Range, time::Duration};

use crate::{
    builder::SinkBuilder,
    convert::ConvertError,
    destination::{Destination as _, OwnedBatch},
    engine::Counters,
    outcome::Outcome,
    rate_limit::Unlimited,
    settings::{Ordering, Settings},
    sink::Sink,
    testkit::{
        report::{Finding, Stop},
        service::{Arrived, EntryOf, Service},
        watched::{Call, Log, Said, Watched},
    },
};

/// Elements are entries: the converter is not under test.
pub(super) type TestSink<S> = Sink<EntryOf<S>, EntryOf<S>>;
pub(super) type TestBuilder<S> = SinkBuilder<EntryOf<S>, Watched<<S as Service>::Destination>>;

/// Runs one check, and gives it up when the service's patience ends.
pub(super) async fn bounded<S: Service>(
    service: &S,
    check: impl Future<Output = Result<String, Stop>> + Send,
) -> Finding {
    let patience = service.patience();
    match tokio::time::timeout(patience, check).await {
        Ok(result) => result.into(),
        Err(_) => Err(Stop::broken(
            "whatever goes wrong, everything is settled or the sink says why not",
            format!("the check had not ended after {patience:?}"),
            "`extract_failures`: a verdict that makes the sink try for ever; or `Service::calm` and \
             `Service::arrived`",
        ))
        .into(),
    }
}

/// How many entries the checks put into one request: few, and at least two where that can be.
pub(super) fn batch_size<S: Service>(service: &S) -> usize {
    service.limits().max_batch_size.min(10)
}

/// So many whole requests, numbered from 1.
pub(super) fn numbers<S: Service>(service: &S, requests: usize) -> Range<u64> {
    1..1 + (batch_size(service) * requests) as u64
}

/// One request of a few entries at a time, sent when it is full or flushed, so that what each
/// request carries does not depend on the clock; short delays, and no hasty time-out.
pub(super) fn settings<S: Service>(service: &S) -> Settings {
    let limits = service.limits();
    Settings {
        max_batch_size: Some(batch_size(service)),
        max_batch_size_in_bytes: Some(limits.max_batch_size_in_bytes),
        max_record_size_in_bytes: Some(limits.max_record_size_in_bytes),
        max_in_flight_requests: Some(1),
        max_buffered_bytes: Some(limits.max_batch_size_in_bytes.saturating_mul(4)),
        max_buffered_requests: Some(limits.max_batch_size.saturating_mul(4).max(1000)),
        max_time_in_buffer: Some(Duration::from_secs(60)),
        request_timeout: Some(Duration::from_secs(60)),
        retry_initial_delay: Some(Duration::from_millis(5)),
        retry_max_delay: Some(Duration::from_millis(20)),
        ..Settings::default()
    }
}

/// A sink over the connector, and what its calls say.
pub(super) fn builder<S: Service>(service: &S, settings: Settings) -> (TestBuilder<S>, Log) {
    let log = Log::new();
    let destination = service.destination(settings.ordering.unwrap_or(Ordering::None));
    let watched = Watched { destination, log: log.clone() };
    let builder = Sink::builder(Ok::<EntryOf<S>, ConvertError>, watched);
    (builder.settings(settings).rate_limiter(Unlimited).seed(1), log)
}

pub(super) fn build<S: Service>(builder: TestBuilder<S>) -> Result<TestSink<S>, Stop> {
    builder.build().map_err(|error| {
        Stop::broken(
            "a sink can be built with the limits of the connector and of the service",
            error.to_string(),
            "`Destination::LIMITS`, `Service::limits`",
        )
    })
}

/// A sink with these settings, and what its calls say.
pub(super) fn sink<S: Service>(
    service: &S,
    settings: Settings,
) -> Result<(TestSink<S>, Log), Stop> {
    let (builder, log) = builder(service, settings);
    Ok((build::<S>(builder)?, log))
}

/// An entry of an ordinary size.
pub(super) fn entry<S: Service>(service: &S, number: u64) -> Result<EntryOf<S>, Stop> {
    let size = service.smallest_size() + (number % 5) as usize;
    Ok(service.entry(number, size.min(service.limits().max_record_size_in_bytes))?)
}

pub(super) async fn write<S: Service>(
    service: &S,
    sink: &TestSink<S>,
    numbers: Range<u64>,
) -> Result<(), Stop> {
    for number in numbers {
        admit::<S>(sink, entry(service, number)?).await?;
    }
    Ok(())
}

pub(super) async fn admit<S: Service>(sink: &TestSink<S>, entry: EntryOf<S>) -> Result<(), Stop> {
    sink.write(entry).await.map_err(|error| {
        Stop::broken(
            "an entry within the limits is admitted as long as nothing is fatal",
            error.to_string(),
            "`Entry::size_bytes`; `extract_failures`, where the sink has stopped",
        )
    })
}

/// Settles everything and ends the sink.
pub(super) async fn close<S: Service>(sink: &TestSink<S>, log: &Log) -> Result<Counters, Stop> {
    match sink.close().await {
        Ok(summary) => Ok(summary.counters),
        Err(error) => Err(Stop::broken(
            "a sink stops only for what no retry mends",
            format!("{error}; the calls: {}", told(&log.calls())),
            "`extract_failures` and its table of codes; `Destination::LIMITS`",
        )),
    }
}

/// Flushes until the calls are so, or all is settled, or the sink has stopped; gives whether they
/// are so.
pub(super) async fn met<S: Service>(
    sink: &TestSink<S>,
    log: &Log,
    so: impl Fn(&[Call]) -> bool + Send + Sync,
) -> bool {
    tokio::select! {
        () = log.wait(&so) => true,
        // Whatever ended it is found in the calls, or when the sink is closed.
        _flushed = sink.flush() => so(&log.calls()),
    }
}

/// Sends one request without a sink, and gives what the connector makes of its answer.
pub(super) async fn send_directly<S: Service>(
    destination: &S::Destination,
    entries: Vec<EntryOf<S>>,
) -> Outcome {
    let sent = entries.len();
    let request = destination.build_request(&OwnedBatch::new(entries).as_batch());
    destination.extract_failures(destination.send(request).await, sent)
}

/// What arrived; each number must be there.
pub(super) async fn arrived_all<S: Service>(
    service: &S,
    expected: impl IntoIterator<Item = u64> + Send,
) -> Result<Arrived, Stop> {
    let expected: Vec<_> = expected.into_iter().collect();
    let arrived = service.arrived().await;
    let times = times(&arrived);
    let missing: Vec<_> = expected.iter().filter(|number| !times.contains_key(number)).collect();
    if !missing.is_empty() {
        return Err(Stop::broken(
            "an entry counts as delivered only when the service has it",
            format!("{} of {} never arrived: {}", missing.len(), expected.len(), some(&missing)),
            "`extract_failures`: read each entry's own verdict at its own position, never a count \
             of failures; `build_request`: every entry of the batch, in its order",
        ));
    }
    let unknown: Vec<_> = times.keys().filter(|number| !expected.contains(number)).collect();
    if !unknown.is_empty() {
        return Err(Stop::broken(
            "nothing arrives that was not written, or that was refused",
            format!("{} arrived", some(&unknown)),
            "`build_request`; or `Service::entry` and `Service::arrived`, which must agree",
        ));
    }
    Ok(arrived)
}

/// What arrived; each number must be there exactly once.
pub(super) async fn arrived_once<S: Service>(
    service: &S,
    log: &Log,
    expected: impl IntoIterator<Item = u64> + Send,
) -> Result<Arrived, Stop> {
    let arrived = arrived_all(service, expected).await?;
    let times = times(&arrived);
    let repeated: Vec<_> = times.iter().filter(|(_, times)| **times > 1).map(|(n, _)| n).collect();
    if repeated.is_empty() {
        return Ok(arrived);
    }
    Err(Stop::broken(
        "only what failed is sent again",
        format!("{} arrived more than once; the calls: {}", some(&repeated), told(&log.calls())),
        "`extract_failures`: each entry's own verdict, where the answer has one; a client that \
         retries by itself: the engine does that",
    ))
}

fn times(arrived: &Arrived) -> BTreeMap<u64, usize> {
    let mut times = BTreeMap::new();
    for number in &arrived.numbers {
        *times.entry(*number).or_default() += 1;
    }
    times
}

/// The trouble that was asked for must have been there, or the check has shown nothing.
pub(super) fn trouble_did_not_show(asked: &'static str, log: &Log) -> Stop {
    Stop::broken(
        "what goes wrong reaches the sink, which decides what to do",
        format!("{asked}, and the calls say: {}", told(&log.calls())),
        "`extract_failures` and its table of codes; a client that retries by itself; or \
         `Service::cause`, which must meet the next request",
    )
}

/// The first few, for a message.
pub(super) fn some<T: std::fmt::Display>(numbers: &[T]) -> String {
    if numbers.is_empty() {
        return "none".to_owned();
    }
    let first: Vec<_> = numbers.iter().take(8).map(ToString::to_string).collect();
    let more = if numbers.len() > first.len() { " …" } else { "" };
    format!("number {}{more}", first.join(", "))
}

/// The first few calls, for a message.
pub(super) fn told(calls: &[Call]) -> String {
    let tell = |call: &Call| {
        let said = match call.said {
            Said::Delivered => "delivered".to_owned(),
            Said::PerEntry { throttled, failed, rejected } => {
                format!("{throttled} throttled, {failed} failed, {rejected} rejected")
            }
            Said::RetryAll(cause) => format!("all {}", cause.as_str()),
            Said::RejectAll => "all rejected".to_owned(),
            Said::Bisect => "bisect".to_owned(),
            Said::Fatal => "fatal".to_owned(),
            Said::GivenUp => "no answer".to_owned(),
        };
        format!("{} sent: {said}", call.sent)
    };
    let first: Vec<_> = calls.iter().take(6).map(tell).collect();
    match (first.is_empty(), calls.len() > first.len()) {
        (true, _) => "there were none".to_owned(),
        (false, true) => format!("{} …", first.join("; ")),
        (false, false) => first.join("; "),
    }
}
