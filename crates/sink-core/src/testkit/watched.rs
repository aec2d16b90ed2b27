//! The connector under test, with each of its calls written down.

use std::{
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::{
    dead_letter::{DeadLetter, DeadLetterFuture, DeadLetterHandler},
    destination::{Batch, Destination, Lane, Limits},
    outcome::{Cause, Outcome, Verdict},
    rate_limit::{Answer, CongestionControl, RateLimiter},
    testkit::service::{EntryOf, Service},
};

/// A request, and what the connector made of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) sent: usize,
    pub(super) said: Said,
}

/// An outcome, as much of it as the checks need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Delivered,
    PerEntry {
        throttled: usize,
        failed: usize,
        rejected: usize,
    },
    RetryAll(Cause),
    RejectAll,
    Bisect,
    Fatal,
    /// Nothing: the request was given up before an answer.
    GivenUp,
}

impl From<&Outcome> for Said {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Delivered => Self::Delivered,
            Outcome::RetryAll(cause, _) => Self::RetryAll(*cause),
            Outcome::RejectAll(_) => Self::RejectAll,
            Outcome::Bisect(_) => Self::Bisect,
            Outcome::Fatal(_) => Self::Fatal,
            Outcome::PerEntry(verdicts) => {
                let (mut throttled, mut failed, mut rejected) = (0, 0, 0);
                for (_, verdict) in verdicts.failures() {
                    match verdict {
                        Verdict::Delivered => {}
                        Verdict::Retry(Cause::Throttled { .. }) => throttled += 1,
                        Verdict::Retry(Cause::Unavailable | Cause::Timeout) => failed += 1,
                        Verdict::Reject(_) => rejected += 1,
                    }
                }
                Self::PerEntry { throttled, failed, rejected }
            }
        }
    }
}

/// The calls so far; wakes those who wait for one.
#[derive(Debug, Clone)]
pub(super) struct Log(watch::Sender<Vec<Call>>);

impl Log {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }

    fn note(&self, call: Call) {
        self.0.send_modify(|calls| calls.push(call));
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.0.borrow().clone()
    }

    /// Waits until the calls are so.
    pub(super) async fn wait(&self, so: impl Fn(&[Call]) -> bool + Send + Sync) {
        let mut calls = self.0.subscribe();
        // Cannot end before: `self` is a sender.
        let _ended = calls.wait_for(|calls| so(calls)).await.is_err();
    }
}

/// The connector under test, with each of its calls written down.
#[derive(Debug)]
pub(super) struct Watched<D> {
    pub(super) destination: D,
    pub(super) log: Log,
}

/// Notes a request whose sending is dropped.
struct Pending<'a> {
    log: &'a Log,
    sent: usize,
    is_answered: bool,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.log.note(Call { sent: self.sent, said: Said::GivenUp });
        }
    }
}

impl<D: Destination> Destination for Watched<D> {
    type Entry = D::Entry;
    type Request = (usize, D::Request);
    type Response = D::Response;
    type Error = D::Error;

    const KIND: &'static str = D::KIND;
    const LIMITS: Limits = D::LIMITS;
    const DEFAULTS: Limits = D::DEFAULTS;
    const HAS_LANES: bool = D::HAS_LANES;

    fn build_request(&self, batch: &Batch<'_, D::Entry>) -> Self::Request {
        (batch.len(), self.destination.build_request(batch))
    }

    async fn send(&self, (sent, request): Self::Request) -> Result<D::Response, D::Error> {
        let mut pending = Pending { log: &self.log, sent, is_answered: false };
        let answer = self.destination.send(request).await;
        pending.is_answered = true;
        answer
    }

    fn extract_failures(&self, answer: Result<D::Response, D::Error>, sent: usize) -> Outcome {
        let outcome = self.destination.extract_failures(answer, sent);
        self.log.note(Call { sent, said: Said::from(&outcome) });
        outcome
    }

    fn lane(&self, entry: &D::Entry) -> Lane {
        self.destination.lane(entry)
    }
}

/// A window that remembers what it was told, and how small it became.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) window: CongestionControl,
    pub(super) heard: Arc<Mutex<Told>>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    pub(super) throttled: usize,
    pub(super) smallest_window: Option<usize>,
}

impl RateLimiter for Heard {
    fn allowance(&mut self, now: std::time::Instant) -> usize {
        self.window.allowance(now)
    }

    fn max_batch_size(&self) -> usize {
        self.window.max_batch_size()
    }

    fn on_issue(&mut self, entries: usize, bytes: usize, now: std::time::Instant) {
        self.window.on_issue(entries, bytes, now);
    }

    fn on_settle(&mut self, answer: &Answer, now: std::time::Instant) {
        self.window.on_settle(answer, now);
        let mut told = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        told.throttled += answer.throttled;
        let window = self.window.window();
        told.smallest_window =
            told.smallest_window.map_or(window, |least| window.map(|now| now.min(least)));
    }

    fn window(&self) -> Option<usize> {
        self.window.window()
    }
}

/// The numbers of the entries that were rejected.
pub(super) struct Letters<S> {
    numbers: Arc<Mutex<Vec<u64>>>,
    service: PhantomData<fn() -> S>,
}

impl<S> Letters<S> {
    pub(super) fn new() -> Self {
        Self { numbers: Arc::default(), service: PhantomData }
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S> Clone for Letters<S> {
    fn clone(&self) -> Self {
        Self { numbers: Arc::clone(&self.numbers), service: PhantomData }
    }
}

impl<S: Service> DeadLetterHandler<EntryOf<S>> for Letters<S> {
    fn handle(&self, letter: &DeadLetter<'_, EntryOf<S>>) -> DeadLetterFuture {
        let number = S::number(letter.entry);
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        Box::pin(std::future::ready(Ok(())))
    }
}
