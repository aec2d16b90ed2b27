//! What an answer does to the engine: delivered entries are settled, failed ones go back.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::{
    Engine,
    load::Load,
    requests::{InFlight, RequestId},
};
use crate::{
    destination::{Entry, Lane, Queued},
    error::{Error, ErrorKind},
    outcome::{Cause, Outcome, Reason, Settled, Verdict, Verdicts},
    rate_limit::{
        Answer,
        pace::{Lesson, Pace},
    },
    settings::{OnTimeout, Ordering},
};

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
            Outcome::RejectAll(reason) => self.reject_all(request, &reason, now),
            Outcome::Bisect(reason) => {
                self.last_failure = Some(reason.to_string().into());
                if request.batch.len() == 1 {
                    self.reject_all(request, &reason, now);
                } else {
                    self.bisect(request, now);
                }
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
        // What remains of a half after a partial answer is no longer what was refused as a whole.
        let request = InFlight { alone: false, ..request };
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

    fn reject_all(&mut self, request: InFlight<E>, reason: &Reason, now: Instant) {
        let verdict = Verdict::Reject(reason.clone());
        let verdicts = (0..request.batch.len()).map(|i| (i, verdict.clone())).collect();
        self.finish(request, verdicts, now);
    }

    /// Sends the halves of a request that was refused as a whole, each alone: mixed with others,
    /// the bad entry would have the others refused too.
    fn bisect(&mut self, request: InFlight<E>, now: Instant) {
        let InFlight { mut batch, issued_at, .. } = request;
        let entries = batch.len();
        self.counters.failed_requests += 1;
        self.counters.retried_bisected += entries as u64;
        // Refused for another's sake: that is no attempt of its own, and is not counted.
        let second = batch.split_off(entries / 2).into();
        self.buffer.put_half(batch.drain(..).collect());
        self.buffer.put_half(second);
        self.requests.recycle(batch);
        let latency = now.saturating_duration_since(issued_at);
        self.limiter.on_settle(&Answer::new(0, 0, entries, latency), now);
    }

    /// Settles the request's entries but those with a failure, which go back to the buffer or to
    /// the dead letters. `failures` has rising positions in the batch.
    fn finish(&mut self, request: InFlight<E>, failures: Vec<(usize, Verdict)>, now: Instant) {
        let InFlight { mut batch, bytes, issued_at, alone, plain } = request;
        let latency = now.saturating_duration_since(issued_at);
        if let Some((first, last)) = plain
            && failures.is_empty()
        {
            let load = Load { entries: batch.len(), bytes };
            self.counters.delivered += load;
            self.newly_settled += load;
            self.progress.settle(first, last);
            self.note_progress(); // of what was merged meanwhile
            self.requests.drop_later(batch);
            return self.limiter.on_settle(&Answer::new(load.entries, 0, 0, latency), now);
        }
        let mut answer = Answer::new(batch.len() - failures.len(), 0, 0, latency);
        answer.entries = batch.len();
        if !failures.is_empty() {
            self.counters.failed_requests += 1;
        }

        let mut back = Back { alone, ..Back::default() };
        // An answer without failures speaks only of lanes that have a pace; one with failures may
        // give others one.
        let watches_lanes = self.config.ordering == Ordering::None
            && (self.buffer.held_lanes() > 0 || !failures.is_empty());
        let (mut retries_delivered, mut delivered) = (0, self.requests.spare.take());
        let mut failures = failures.into_iter().peekable();
        for (position, mut queued) in batch.drain(..).enumerate() {
            let Some((_, verdict)) = failures.next_if(|(failed, _)| *failed == position) else {
                if watches_lanes && queued.lane != Lane::SHARED {
                    back.lanes.entry(queued.lane).or_default().delivered += 1;
                }
                retries_delivered += usize::from(queued.attempts > 0);
                self.counters.delivered.add(queued.size);
                self.settle(&queued, || Settled::Delivered);
                delivered.push(queued);
                continue;
            };
            queued.attempts = queued.attempts.saturating_add(1);
            match verdict {
                Verdict::Delivered => {
                    debug_assert!(false, "a failure is no delivery");
                    back.alike.entry((queued.attempts, None)).or_default().push_back(queued);
                }
                Verdict::Retry(cause) => {
                    self.take_back(queued, cause, &mut back, &mut answer, now);
                }
                Verdict::Reject(reason) => {
                    answer.failed += 1;
                    self.reject(queued, reason, now);
                }
            }
        }
        self.note_progress();
        self.requests.recycle(batch);
        self.requests.drop_later(delivered);
        self.requeue(back, issued_at, now);
        self.retries.credit.earn(retries_delivered);
        self.limiter.on_settle(&answer, now);
    }

    /// Counts a retry, and sorts the entry by what it waits for.
    fn take_back(
        &mut self,
        queued: Queued<E>,
        cause: Cause,
        back: &mut Back<E>,
        answer: &mut Answer,
        now: Instant,
    ) {
        let lane = queued.lane;
        let retry_after = match cause {
            Cause::Throttled { retry_after } => {
                self.counters.retried_throttled += 1;
                if self.is_known_throttled(&queued) {
                    answer.failed += 1;
                } else {
                    answer.throttled += 1;
                }
                retry_after
            }
            Cause::Unavailable => {
                answer.failed += 1;
                back.note_failed(lane);
                self.counters.retried_unavailable += 1;
                None
            }
            Cause::Timeout => {
                answer.failed += 1;
                back.note_failed(lane);
                self.counters.retried_timeout += 1;
                None
            }
        };
        if let Some(reason) = self.exhausted(&queued, cause, now) {
            return self.reject(queued, reason, now);
        }
        let is_throttled = matches!(cause, Cause::Throttled { .. });
        // Not what was throttled: that asks for time. Nor after a timeout, which took its own.
        let goes_at_once =
            cause == Cause::Unavailable && !back.alone && self.retries.credit.pay(queued.attempts);
        if back.alone {
            back.alike.entry((0, None)).or_default().push_back(queued);
        } else if self.config.ordering == Ordering::PerLane {
            let until = if goes_at_once {
                now
            } else {
                now + self.retries.backoff.delay(queued.attempts, retry_after)
            };
            self.buffer.put_back(lane, [queued], Some(until), now);
        } else if is_throttled && lane != Lane::SHARED {
            let tally = back.lanes.entry(lane).or_default();
            tally.attempts = tally.attempts.max(queued.attempts);
            tally.retry_after = tally.retry_after.max(retry_after);
            tally.throttled.push_back(queued);
        } else if goes_at_once {
            back.at_once.push_back(queued);
        } else {
            back.alike.entry((queued.attempts, retry_after)).or_default().push_back(queued);
        }
    }

    /// Whether a throttled entry says nothing new about the destination as a whole, because its
    /// lane is known to be throttled and has its own pace: one hot shard must not slow the others.
    fn is_known_throttled(&self, queued: &Queued<E>) -> bool {
        match self.config.ordering {
            Ordering::None => self.buffer.is_paced(queued.lane),
            Ordering::PerLane => queued.lane != Lane::SHARED && queued.attempts > 1,
        }
    }

    /// Whether the settings allow no further attempt.
    fn exhausted(&self, queued: &Queued<E>, cause: Cause, now: Instant) -> Option<Reason> {
        let (attempts, cause) = (queued.attempts, cause.as_str());
        if self.config.max_attempts.is_some_and(|most| attempts >= most) {
            let message = format!("given up after {attempts} attempts, the last one {cause}");
            return Some(Reason::new("MaxAttempts", message));
        }
        let age = now.saturating_duration_since(queued.admitted_at);
        if self.config.max_age.is_some_and(|most| age >= most) {
            let message = format!("given up {age:?} after its admission, the last attempt {cause}");
            return Some(Reason::new("MaxAge", message));
        }
        None
    }

    #[allow(clippy::cast_precision_loss)] // entries of one answer
    fn requeue(&mut self, back: Back<E>, sent_at: Instant, now: Instant) {
        let latency = now.saturating_duration_since(sent_at).as_secs_f64().max(1e-3);
        let is_throttled = back.lanes.values().any(|tally| !tally.throttled.is_empty());
        for (lane, tally) in back.lanes {
            let throttled = tally.throttled.len();
            if throttled == 0 && !self.buffer.is_paced(lane) {
                continue;
            }
            if self.buffer.is_paced(lane) {
                let Tally { delivered, failed, .. } = tally;
                let was_the_limit = false; // the lane knows
                let lesson =
                    Lesson { delivered, throttled, failed, sent_at, latency, was_the_limit };
                self.buffer.learn(lane, lesson, now);
            } else if self.buffer.held_lanes() < MOST_PACED_LANES {
                // What this answer took, each twentieth of a second: a low guess, from which the
                // pace finds out.
                let taken = (tally.delivered as f64).max(throttled as f64 / 4.0);
                let pace = Pace::new(20.0 * taken, self.config.max_batch_size, now);
                self.buffer.pace(lane, pace);
            } else {
                // So many lanes at once are no sign of a lane: the sink's limiter was told.
                let until = now + self.retries.backoff.delay(tally.attempts, tally.retry_after);
                self.buffer.delay(tally.throttled, until, false);
                continue;
            }
            if throttled > 0 {
                // A lane that took something goes on at its pace; one that took nothing waits.
                let waits = tally.delivered == 0 || tally.retry_after.is_some();
                let until = waits
                    .then(|| now + self.retries.backoff.delay(tally.attempts, tally.retry_after));
                self.buffer.put_back(lane, tally.throttled, until, now);
            }
        }
        if is_throttled {
            self.buffer.sweep(now);
        }
        self.buffer.delay(back.at_once, now, false);
        for ((attempts, retry_after), entries) in back.alike {
            let attempts = if back.alone {
                entries.iter().map(|queued| queued.attempts).max().unwrap_or(1)
            } else {
                attempts
            };
            let until = now + self.retries.backoff.delay(attempts, retry_after);
            self.buffer.delay(entries, until, back.alone);
        }
    }
}

/// Lanes that have a pace of their own, at most: some megabytes.
const MOST_PACED_LANES: usize = 10_000;

/// Entries of one answer that go back, by what they wait for. Ordered maps, so that one seed gives
/// one history.
struct Back<E> {
    /// Whether the request was a half that stays together.
    alone: bool,
    /// What need not wait.
    at_once: VecDeque<Queued<E>>,
    /// By attempts and the destination's wish: an entry that failed ten times does not make others,
    /// which failed once, wait as long as it does.
    alike: BTreeMap<(u32, Option<Duration>), VecDeque<Queued<E>>>,
    lanes: BTreeMap<Lane, Tally<E>>,
}

impl<E> Default for Back<E> {
    fn default() -> Self {
        Self {
            alone: false,
            at_once: VecDeque::new(),
            alike: BTreeMap::new(),
            lanes: BTreeMap::new(),
        }
    }
}

impl<E> Back<E> {
    /// An entry of this lane failed, and not because it was throttled.
    fn note_failed(&mut self, lane: Lane) {
        if lane != Lane::SHARED {
            self.lanes.entry(lane).or_default().failed += 1;
        }
    }
}

/// What became of a lane's entries in one answer.
struct Tally<E> {
    delivered: usize,
    failed: usize,
    throttled: VecDeque<Queued<E>>,
    attempts: u32,
    retry_after: Option<Duration>,
}

impl<E> Default for Tally<E> {
    fn default() -> Self {
        Self { delivered: 0, failed: 0, throttled: VecDeque::new(), attempts: 0, retry_after: None }
    }
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
