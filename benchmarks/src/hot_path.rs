//! The hot path alone, with as little around it as there can be: what instructions and allocations
//! for each record are counted of.
//!
//! One thread, and time that stands still, so that the same things happen in the same order each time:
//! the producer fills the buffer, the driver empties it. The driver looks at the clock to see whose turn
//! it is, and a clock that runs gives other counts on a busy machine. Nothing here needs time to pass,
//! and no record is refused.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sink_core::{Batch, Destination, Limits, Outcome, Sink};

use crate::{
    Result,
    speed::{
        plan::Call,
        record::{Record, Template},
        source::expect_delivery,
    },
};

/// Bytes of a payload.
const SIZE: usize = 100;

/// How the records are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// All share one: what is counted is the sink's.
    Shared,
    /// Each has a copy of its own, which is allocated and freed.
    Fresh,
}

/// What is counted, and what it is called: each payload by `write`, and each call with a payload
/// that costs nothing.
pub const ALL: [(&str, Call, Payload); 4] = [
    ("fresh", Call::Write, Payload::Fresh),
    ("shared", Call::Write, Payload::Shared),
    ("write-all", Call::WriteAll, Payload::Shared),
    ("tracked", Call::Tracked, Payload::Shared),
];

/// Receipts that are held before the oldest is awaited.
const MOST_RECEIPTS: usize = 1000;

/// Adds up the numbers of the records that come.
#[derive(Debug)]
struct Adder(Arc<AtomicU64>);

impl Destination for Adder {
    type Entry = Record;
    /// The sum of the numbers.
    type Request = u64;
    type Response = ();
    type Error = Infallible;

    const KIND: &'static str = "adder";
    const HAS_LANES: bool = false;
    const LIMITS: Limits = crate::LIMITS;

    fn build_request(&self, batch: &Batch<'_, Record>) -> u64 {
        batch.iter().map(|record| record.number).sum()
    }

    async fn send(&self, sum: u64) -> std::result::Result<(), Infallible> {
        self.0.fetch_add(sum, Ordering::Relaxed);
        Ok(())
    }

    fn extract_failures(&self, _: std::result::Result<(), Infallible>, _sent: usize) -> Outcome {
        Outcome::Delivered
    }
}

/// Writes so many records through a sink with default settings, and closes it.
///
/// # Errors
///
/// When the sink fails, or something else arrived than what was written.
pub fn run(call: Call, payload: Payload, records: u64) -> Result<()> {
    let template = Template::new(SIZE, payload == Payload::Fresh);
    let sum = Arc::new(AtomicU64::new(0));
    let adder = Adder(Arc::clone(&sum));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let converter = move |number: u64| template.record(number);
        let sink = Sink::builder(converter, adder).seed(1).build()?;
        write(&sink, call, records).await?;
        let delivered = sink.close().await?.counters.delivered.entries as u64;
        let (found, expected) = (sum.load(Ordering::Relaxed), records * (records - 1) / 2);
        if (delivered, found) == (records, expected) {
            return Ok(());
        }
        Err(format!("{delivered} of {records} delivered; sum {found}, not {expected}").into())
    })
}

async fn write(sink: &Sink<u64, Record>, call: Call, records: u64) -> Result<()> {
    match call {
        Call::Write => {
            for number in 0..records {
                sink.write(number).await?;
            }
        }
        Call::WriteAll => {
            sink.write_all(0..records).await?;
        }
        Call::Tracked => {
            let mut receipts = VecDeque::with_capacity(MOST_RECEIPTS);
            for number in 0..records {
                if receipts.len() == MOST_RECEIPTS
                    && let Some(oldest) = receipts.pop_front()
                {
                    expect_delivery(oldest).await?;
                }
                receipts.push_back(sink.write_tracked(number).await?);
            }
            // What does not fill a request would wait for its time otherwise.
            sink.flush().await?;
            for receipt in receipts {
                expect_delivery(receipt).await?;
            }
        }
    }
    Ok(())
}

/// What one record more adds to a total: what starting and ending cost falls out.
///
/// # Errors
///
/// The first of `total`.
pub fn per_record(records: [u64; 2], mut total: impl FnMut(u64) -> Result<u64>) -> Result<f64> {
    let [few, many] = records;
    let (of_few, of_many) = (total(few)?, total(many)?);
    Ok((of_many as f64 - of_few as f64) / (many - few) as f64)
}
