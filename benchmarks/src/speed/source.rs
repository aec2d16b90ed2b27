//! The tasks that write.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use sink_core::{Receipt, Settled, Sink};

use super::{
    histogram::Histogram,
    ledger::Born,
    plan::{Amount, Call, Plan},
    record::{Record, SAMPLE},
};
use crate::Result;

/// Receipts that a producer holds before it waits for the oldest: as many as entries fit in the
/// sink by default.
const MOST_RECEIPTS: usize = 10_000;

/// How often a producer with a rate comes to write what is due meanwhile: tokio's timers are no
/// finer.
const TICK: Duration = Duration::from_millis(1);

/// One of the tasks that write.
#[derive(Debug)]
pub struct Producer {
    /// What it writes to.
    pub sink: Sink<u64, Record>,
    /// Which one it is, from 0.
    pub index: u64,
    /// What it is to do.
    pub plan: Arc<Plan>,
    /// Where it notes the times of samples, if they are timed.
    pub born: Option<Arc<Born>>,
    /// When the run started.
    pub start: Instant,
}

/// What a producer has done.
#[derive(Debug, Default)]
pub struct Written {
    /// How many records.
    pub records: u64,
    /// How long the sampled calls took.
    pub times: Histogram,
}

impl Producer {
    /// Writes the producer's part: the numbers `index`, `index + producers` and so on.
    ///
    /// # Errors
    ///
    /// The first of the sink, or of a receipt.
    pub async fn run(self) -> Result<Written> {
        match (self.plan.offered, self.plan.call) {
            (Some(rate), Call::Write) => self.offer(rate).await,
            (Some(_), call) => {
                Err(format!("a rate is offered by `write`, not by `{}`", call.name()).into())
            }
            (None, Call::Write) => self.write_each().await,
            (None, Call::WriteAll) => self.write_all().await,
            (None, Call::Tracked) => self.write_tracked().await,
        }
    }

    /// How many records this one writes at most, and until when.
    fn share(&self) -> (u64, Option<Instant>) {
        match self.plan.amount {
            Amount::Records(all) => {
                let (each, more) = (all / self.plan.producers, all % self.plan.producers);
                (each + u64::from(self.index < more), None)
            }
            Amount::For(time) => (u64::MAX, Some(self.start + time)),
        }
    }

    /// Writes as fast as the sink takes it.
    async fn write_each(self) -> Result<Written> {
        let (records, until) = self.share();
        let mut written = Written::default();
        let mut number = self.index;
        while written.records < records {
            // The clock is read for one record of many: it would cost as much as the sink does.
            if written.records.is_multiple_of(SAMPLE)
                && until.is_some_and(|until| Instant::now() >= until)
            {
                break;
            }
            self.write(number, None, &mut written.times).await?;
            written.records += 1;
            number += self.plan.producers;
        }
        Ok(written)
    }

    /// Writes one record, and times it if it is a sample.
    #[inline]
    async fn write(&self, number: u64, due: Option<Instant>, times: &mut Histogram) -> Result<()> {
        let born = self.born.as_ref().filter(|_| number.is_multiple_of(SAMPLE));
        let Some(born) = born else { return Ok(self.sink.write(number).await?) };
        let before = Instant::now();
        born.note(number, due.unwrap_or(before));
        self.sink.write(number).await?;
        times.add(before.elapsed());
        Ok(())
    }

    /// The same in one call. A sample is born when the sink takes it from the iterator; how long
    /// the call took says nothing of one record.
    async fn write_all(self) -> Result<Written> {
        let (records, until) = self.share();
        let is_over = || until.is_some_and(|until| Instant::now() >= until);
        let numbers = (self.index..).step_by(self.plan.producers as usize);
        let numbers = (0..records).zip(numbers).map_while(|(written, number)| {
            if written.is_multiple_of(SAMPLE) && is_over() {
                return None;
            }
            if let Some(born) = self.born.as_ref().filter(|_| number.is_multiple_of(SAMPLE)) {
                born.note(number, Instant::now());
            }
            Some(number)
        });
        Ok(Written { records: self.sink.write_all(numbers).await?, times: Histogram::default() })
    }

    /// As [`write_each`](Self::write_each), with a receipt for each.
    async fn write_tracked(self) -> Result<Written> {
        let (records, until) = self.share();
        let mut written = Written::default();
        let mut receipts = VecDeque::with_capacity(MOST_RECEIPTS);
        let mut number = self.index;
        while written.records < records {
            if written.records.is_multiple_of(SAMPLE)
                && until.is_some_and(|until| Instant::now() >= until)
            {
                break;
            }
            if receipts.len() == MOST_RECEIPTS
                && let Some(oldest) = receipts.pop_front()
            {
                expect_delivery(oldest).await?;
            }
            receipts.push_back(self.sink.write_tracked(number).await?);
            written.records += 1;
            number += self.plan.producers;
        }
        // What does not fill a request would wait for its time otherwise.
        self.sink.flush().await?;
        for receipt in receipts {
            expect_delivery(receipt).await?;
        }
        Ok(written)
    }

    /// Writes at a rate; after it had to wait, it catches up. A record is due when the rate says
    /// so, not when the task comes round to it.
    async fn offer(self, rate: f64) -> Result<Written> {
        let (records, until) = self.share();
        let mut written = Written::default();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut number = self.index;
        loop {
            ticks.tick().await;
            let now = Instant::now();
            let is_over = until.is_some_and(|until| now >= until);
            let elapsed = until.map_or(now, |until| now.min(until)) - self.start;
            let due = ((elapsed.as_secs_f64() * rate) as u64).min(records);
            while written.records < due {
                let due_at = self.start + Duration::from_secs_f64(written.records as f64 / rate);
                self.write(number, Some(due_at), &mut written.times).await?;
                written.records += 1;
                number += self.plan.producers;
            }
            if is_over || written.records == records {
                return Ok(written);
            }
        }
    }
}

/// Awaits a receipt.
///
/// # Errors
///
/// When the record was not delivered.
pub async fn expect_delivery(receipt: Receipt) -> Result<()> {
    let sequence = receipt.sequence();
    match receipt.await? {
        Settled::Delivered => Ok(()),
        Settled::Rejected(reason) => Err(format!("entry {sequence} was rejected: {reason}").into()),
    }
}
