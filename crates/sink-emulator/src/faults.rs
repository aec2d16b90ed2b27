//! Faults on demand: what a bad day does, mostly to requests that write.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use tokio::time::Instant;

use crate::{random::Chance, server::lock, token_bucket::TokenBucket};

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An error in the service's own shape; nothing is stored.
    Error {
        /// HTTP status, such as 400 or 500.
        status: u16,
        /// The error's code, such as `ProvisionedThroughputExceededException`.
        code: String,
        /// The error's message.
        message: String,
    },
    /// This status with an empty body; nothing is stored.
    EmptyBody(u16),
    /// This status with an HTML body, as a proxy gives; nothing is stored.
    HtmlBody(u16),
    /// The connection is reset before an answer; nothing is stored.
    Reset,
    /// Everything is stored, and then the connection is reset before the answer: the sender
    /// cannot know, and sends again.
    ResetAfterStoring,
    /// Nothing is stored and no answer ever comes; the connection stays open.
    Silence,
    /// Everything is stored and no answer ever comes; the connection stays open.
    SilenceAfterStoring,
    /// Everything is stored; the answer speaks of one record fewer than was sent, if it speaks of
    /// any (PutRecords, PutRecordBatch).
    AnswerTooShort,
    /// Everything is stored; the answer speaks of one record more than was sent, likewise.
    AnswerTooLong,
}

impl Fault {
    /// An error in the service's own shape, with a message of its own.
    pub fn error(status: u16, code: &str) -> Self {
        Self::Error {
            status,
            code: code.to_owned(),
            message: "injected by the emulator".to_owned(),
        }
    }

    /// Makes an answer speak of too few or too many records, if this fault says so.
    pub(crate) fn tamper<T: Clone>(&self, results: &mut Vec<T>) {
        match self {
            Self::AnswerTooShort => {
                results.pop();
            }
            Self::AnswerTooLong => results.extend(results.last().cloned()),
            _ => {}
        }
    }

    /// Whether the records are stored all the same.
    pub(crate) fn stores(&self) -> bool {
        match self {
            Self::Error { .. }
            | Self::EmptyBody(_)
            | Self::HtmlBody(_)
            | Self::Reset
            | Self::Silence => false,
            Self::ResetAfterStoring
            | Self::SilenceAfterStoring
            | Self::AnswerTooShort
            | Self::AnswerTooLong => true,
        }
    }
}

/// How a single record of a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// `ProvisionedThroughputExceededException` of Kinesis, `ServiceUnavailableException` of
    /// Firehose, `ThrottlingException` of CloudWatch.
    Throttled,
    /// `InternalFailure`; `InternalServiceError` of CloudWatch.
    InternalFailure,
}

/// Sets faults while the endpoint runs. They concern requests that write (PutRecords, PutRecord,
/// PutRecordBatch, PutMetricData), so what arrived can always be read back, but for
/// [`fail_operation`](Self::fail_operation); they add up.
#[derive(Debug)]
pub struct Faults {
    plan: Mutex<Plan>,
    chance: Chance,
}

#[derive(Debug, Default)]
struct Plan {
    latency: Duration,
    latency_spread: Duration,
    /// Chances of a record's failing.
    records: Vec<(f64, RecordError)>,
    /// Chances of a request's failing.
    requests: Vec<(f64, Fault)>,
    /// What the next requests meet, whatever the chances.
    next: VecDeque<Fault>,
    throttled_until: Option<Instant>,
    /// Rates of single shards, by stream and shard id.
    shards: HashMap<(String, String), TokenBucket>,
    /// What all requests for an operation meet.
    operations: HashMap<String, Fault>,
    injected: u64,
}

impl Plan {
    /// Whether a shard's own rate refuses the next record; counts it if not.
    fn throttles(&mut self, stream: &str, shard_id: &str) -> bool {
        if self.shards.is_empty() {
            return false; // the usual case, and the key below costs two allocations
        }
        let shard = (stream.to_owned(), shard_id.to_owned());
        let Some(bucket) = self.shards.get_mut(&shard) else { return false };
        let admits = bucket.has(1);
        if admits {
            bucket.take(1);
        }
        !admits
    }
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { plan: Mutex::default(), chance: Chance::new(seed) }
    }

    /// Each answer comes after `least`, and up to `spread` later.
    pub fn delay_answers(&self, least: Duration, spread: Duration) {
        let mut plan = lock(&self.plan);
        plan.latency = least;
        plan.latency_spread = spread;
    }

    /// Each record fails with this probability (0 to 1), the others of its request are stored.
    /// CloudWatch has no answer for a single datum: there each request fails with it.
    pub fn fail_records(&self, probability: f64, error: RecordError) {
        lock(&self.plan).records.push((probability, error));
    }

    /// Each request fails with this probability (0 to 1).
    pub fn fail_requests(&self, probability: f64, fault: Fault) {
        lock(&self.plan).requests.push((probability, fault));
    }

    /// The next `count` requests fail.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        lock(&self.plan).next.extend(std::iter::repeat_n(fault, count));
    }

    /// Every record is throttled for this long.
    pub fn throttle_for(&self, duration: Duration) {
        lock(&self.plan).throttled_until = Some(Instant::now() + duration);
    }

    /// This shard takes so many records a second, and as many at once after a quiet second; 0 is
    /// none at all. Its own limits hold as well. Replaces what was said of the shard before.
    pub fn throttle_shard(&self, stream: &str, shard_id: &str, records_per_second: u64) {
        let shard = (stream.to_owned(), shard_id.to_owned());
        lock(&self.plan).shards.insert(shard, TokenBucket::new(records_per_second));
    }

    /// Every request for this operation (such as `ListShards`) fails, whether it writes or not.
    /// Replaces what was said of the operation before.
    pub fn fail_operation(&self, operation: &str, fault: Fault) {
        lock(&self.plan).operations.insert(operation.to_owned(), fault);
    }

    /// Forgets all faults.
    pub fn clear(&self) {
        let mut plan = lock(&self.plan);
        *plan = Plan { injected: plan.injected, ..Plan::default() };
    }

    /// How many faults were met so far: whole requests and single records.
    pub fn injected(&self) -> u64 {
        lock(&self.plan).injected
    }

    /// How long the next answer waits.
    pub(crate) fn latency(&self) -> Duration {
        let (latency, spread) = {
            let plan = lock(&self.plan);
            (plan.latency, plan.latency_spread)
        };
        latency + self.chance.up_to(spread)
    }

    /// What the next request meets.
    pub(crate) fn of_request(&self, operation: &str, writes: bool) -> Option<Fault> {
        let mut plan = lock(&self.plan);
        let mut fault = plan.operations.get(operation).cloned();
        if writes && fault.is_none() {
            fault = plan.next.pop_front().or_else(|| {
                let fails = |(probability, _): &&(f64, Fault)| self.chance.happens(*probability);
                plan.requests.iter().find(fails).map(|(_, fault)| fault.clone())
            });
        }
        plan.injected += u64::from(fault.is_some());
        fault
    }

    /// What the next record for this shard meets; a service without shards names none.
    pub(crate) fn of_record(&self, stream: &str, shard_id: &str) -> Option<RecordError> {
        let mut plan = lock(&self.plan);
        let error = if plan.throttled_until.is_some_and(|until| Instant::now() < until)
            || plan.throttles(stream, shard_id)
        {
            Some(RecordError::Throttled)
        } else {
            let fails = |(probability, _): &&(f64, RecordError)| self.chance.happens(*probability);
            plan.records.iter().find(fails).map(|(_, error)| *error)
        };
        plan.injected += u64::from(error.is_some());
        error
    }
}
