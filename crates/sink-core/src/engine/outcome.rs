//! What an answer, or its absence, does to the entries of its request.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::{
    Engine,
    requests::{InFlight, RequestId},
};
use crate::{
    destination::{Entry, Lane, Queued},
    error::{Error, ErrorKind},
    outcome::{Cause, Outcome, Reason, Verdict, Verdicts},
    rate_limit::Answer,
    settings::OnTimeout,
};

/// Entries of one answer that wait for the same moment.
///
/// The attempts are part of it: an entry that failed ten times does not make others, which failed
/// once, wait as long as it does. A map that is ordered keeps one seed's history one.
type Delays<E> = BTreeMap<(Option<Lane>, u32, Option<Duration>), VecDeque<Queued<E>>>;

impl<E: Entry> Engine<E> {
    /// Takes the answer to a request: what was delivered is settled, what failed is sent again.
    ///
    /// An answer that comes late, or twice, changes nothing but a counter (I7).
    pub fn handle_outcome(&mut self, id: RequestId, outcome: Outcome, now: Instant) {
        let Some(request) = self.requests.remove(id) else {
            self.counters.late_answers += 1;
            return;
        };
        self.requests.trim_deadlines();
        match outcome {
            Outcome::Delivered => self.finish(request, Vec::new(), now),
            Outcome::PerEntry(verdicts) => self.handle_verdicts(request, verdicts, now),
            Outcome::RetryAll(cause, reason) => {
                if reason.code() == "WrongAnswerLength" {
                    self.counters.wrong_answers += 1;
                }
                self.last_failure = Some(reason.to_string().into());
                self.retry_all(request, cause, now);
            }
            Outcome::RejectAll(reason) => {
                let verdict = Verdict::Reject(reason);
                let verdicts = (0..request.batch.len()).map(|i| (i, verdict.clone())).collect();
                self.finish(request, verdicts, now);
            }
            Outcome::Fatal(error) => {
                self.stop(error);
                self.retry_all(request, Cause::Unavailable, now);
            }
        }
        self.check();
    }

    fn handle_verdicts(&mut self, request: InFlight<E>, verdicts: Verdicts, now: Instant) {
        let sent = request.batch.len();
        if verdicts.sent() != sent {
            // A connector that was told `sent` and answered for another number.
            self.counters.wrong_answers += 1;
            let message =
                format!("the connector gave {} verdicts for {sent} entries", verdicts.sent());
            self.last_failure = Some(message.into());
            return self.retry_all(request, Cause::Unavailable, now);
        }
        if let Some((_, Verdict::Retry(cause))) = verdicts.failures().first() {
            let failed = verdicts.failures().len();
            self.last_failure =
                Some(format!("{failed} of {sent} entries: {}", cause.as_str()).into());
        }
        self.finish(request, verdicts.into_failures(), now);
    }

    /// Gives up the requests whose time is up.
    pub(super) fn expire_requests(&mut self, now: Instant) {
        while let Some(id) = self.requests.next_expired(now) {
            let Some(request) = self.requests.remove(id) else { continue };
            self.abandoned.push_back(id);
            let timeout = self.config.request_timeout;
            self.last_failure = Some(format!("no answer within {timeout:?}").into());
            if self.config.on_timeout == OnTimeout::Fail {
                self.stop(Error::new(
                    ErrorKind::Fatal,
                    "send",
                    format!(
                        "the destination did not answer within {timeout:?} and on_timeout is \
                         fail; its entries are kept, and may have been stored"
                    ),
                ));
            }
            self.retry_all(request, Cause::Timeout, now);
        }
    }

    fn retry_all(&mut self, request: InFlight<E>, cause: Cause, now: Instant) {
        let verdicts = (0..request.batch.len()).map(|i| (i, Verdict::Retry(cause))).collect();
        self.finish(request, verdicts, now);
    }

    /// Settles the request's entries but those with a failure, which go back to the buffer.
    /// `failures` has rising positions in the batch.
    fn finish(&mut self, request: InFlight<E>, failures: Vec<(usize, Verdict)>, now: Instant) {
        let InFlight { mut batch, issued_at, .. } = request;
        let latency = now.saturating_duration_since(issued_at);
        let mut answer = Answer::new(batch.len() - failures.len(), 0, 0, latency);
        answer.entries = batch.len();
        if !failures.is_empty() {
            self.counters.failed_requests += 1;
        }

        let mut delays = Delays::new();
        let mut run = Run::default();
        let mut failures = failures.into_iter().peekable();
        for (position, queued) in batch.drain(..).enumerate() {
            let Some((_, verdict)) = failures.next_if(|(failed, _)| *failed == position) else {
                self.newly_settled.add(queued.size);
                self.counters.delivered.add(queued.size);
                if let Some((first, last)) = run.extend(queued.sequence) {
                    self.progress.settle(first, last);
                }
                continue;
            };
            match verdict {
                Verdict::Delivered => debug_assert!(false, "a failure is no delivery"),
                Verdict::Retry(cause) => {
                    let key = self.count_retry(&queued, cause, &mut answer);
                    delays.entry(key).or_default().push_back(queued);
                    continue;
                }
                Verdict::Reject(reason) => {
                    answer.failed += 1;
                    self.stop(rejected(&queued, &reason));
                }
            }
            delays.entry((None, queued.attempts, None)).or_default().push_back(queued);
        }
        if let Some((first, last)) = run.end() {
            self.progress.settle(first, last);
        }
        self.requests.recycle(batch);
        self.requeue(delays, now);
        self.limiter.on_settle(&answer, now);
    }

    /// Counts a retry and gives the key of its delay.
    fn count_retry(
        &mut self,
        queued: &Queued<E>,
        cause: Cause,
        answer: &mut Answer,
    ) -> (Option<Lane>, u32, Option<Duration>) {
        match cause {
            Cause::Throttled { retry_after } => {
                answer.throttled += 1;
                self.counters.retried_throttled += 1;
                // Which part of a shared lane was throttled is not known here: only what was
                // refused waits. A lane of its own waits as a whole.
                let lane = (queued.lane != Lane::SHARED).then_some(queued.lane);
                (lane, queued.attempts, retry_after)
            }
            Cause::Unavailable => {
                answer.failed += 1;
                self.counters.retried_unavailable += 1;
                (None, queued.attempts, None)
            }
            Cause::Timeout => {
                answer.failed += 1;
                self.counters.retried_timeout += 1;
                (None, queued.attempts, None)
            }
        }
    }

    fn requeue(&mut self, delays: Delays<E>, now: Instant) {
        let mut paused = false;
        for ((lane, attempts, retry_after), entries) in delays {
            let until = now + self.backoff.delay(attempts, retry_after);
            match lane {
                Some(lane) => {
                    self.buffer.pause(lane, entries, until);
                    paused = true;
                }
                None => self.buffer.delay(entries, until),
            }
        }
        if paused {
            self.buffer.sweep();
        }
    }
}

/// A rejection stops the sink, which keeps the entry: nothing is ever dropped silently.
fn rejected<E>(queued: &Queued<E>, reason: &Reason) -> Error {
    Error::new(
        ErrorKind::Fatal,
        "send",
        format!(
            "the destination refused entry {} for good at attempt {}: {reason}; it is kept, with \
             all that is unsent",
            queued.sequence, queued.attempts
        ),
    )
}

impl Cause {
    /// One word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Throttled { .. } => "throttled",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timed out",
        }
    }
}

/// Joins rising sequences to runs without gaps.
#[derive(Default)]
struct Run(Option<(u64, u64)>);

impl Run {
    /// Adds a sequence; gives the run before it if there is a gap between.
    #[inline]
    fn extend(&mut self, sequence: u64) -> Option<(u64, u64)> {
        match &mut self.0 {
            Some((_, last)) if *last + 1 == sequence => {
                *last = sequence;
                None
            }
            run => run.replace((sequence, sequence)),
        }
    }

    fn end(self) -> Option<(u64, u64)> {
        self.0
    }
}
