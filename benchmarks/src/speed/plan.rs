//! What one run does.

use std::time::Duration;

use sink_core::Cause;

use crate::token_bucket::Capacity;

/// How much is written.
#[derive(Debug, Clone, Copy)]
pub enum Amount {
    /// So many records.
    Records(u64),
    /// For so long.
    For(Duration),
}

/// The call that writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Call {
    /// `write` in a loop.
    Write,
    /// `write_all`, once for all records of a producer: its iterator makes them one by one.
    WriteAll,
    /// `write_tracked` in a loop; each receipt is awaited.
    Tracked,
}

impl Call {
    /// As the command line has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::WriteAll => "write-all",
            Self::Tracked => "tracked",
        }
    }
}

/// What the destination does with records.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// From the sending of a request to its answer; half of it before the destination judges. Zero:
    /// it answers at once, in the task that sends.
    pub latency: Duration,
    /// How many records a second it takes; the surplus, a request's tail, is throttled.
    pub capacity: Option<Capacity>,
    /// The share of the records that fails, by chance, each time.
    pub fails: f64,
    /// One record that is refused for a time, from when it first arrives.
    pub stuck: Option<Stuck>,
}

/// One record that is refused for a time.
#[derive(Debug, Clone, Copy)]
pub struct Stuck {
    /// Its number.
    pub number: u64,
    /// For how long.
    pub time: Duration,
    /// What it is refused for.
    pub cause: Cause,
}

/// A destination that takes everything at once.
impl Default for Behaviour {
    fn default() -> Self {
        Self { latency: Duration::ZERO, capacity: None, fails: 0.0, stuck: None }
    }
}

/// What is done to one record on its way, to show that it would be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// It never arrives.
    Drop,
    /// It arrives twice.
    Repeat,
    /// A byte of it is another one.
    Alter,
}

/// One run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it is called.
    pub workload: &'static str,
    /// Bytes of a payload.
    pub size: usize,
    /// Whether each record has a payload of its own.
    pub fresh: bool,
    /// How much is written, by all producers together.
    pub amount: Amount,
    /// How many tasks write.
    pub producers: u64,
    /// How they write.
    pub call: Call,
    /// In how many lanes the records are; 1 is [`Lane::SHARED`](sink_core::Lane::SHARED).
    pub lanes: u64,
    /// Records a second that are offered; as many as the sink takes where there is none.
    pub offered: Option<f64>,
    /// Whether one record of [`SAMPLE`](super::record::SAMPLE) is timed.
    pub timed: bool,
    /// Entries in the sink at most, those in flight included.
    pub buffer: usize,
    /// What is done to one record on its way, if anything: then the run must fail.
    pub sabotage: Option<Sabotage>,
    /// The destination.
    pub behaviour: Behaviour,
}

impl Plan {
    /// The same workload, but shorter: its figures do not count.
    #[must_use]
    pub fn warm_up(&self) -> Self {
        let amount = match self.amount {
            Amount::Records(records) => Amount::Records((records / 5).max(1)),
            Amount::For(time) => Amount::For((time / 5).min(Duration::from_secs(2))),
        };
        let stuck = None; // it would have to be waited for
        Self { amount, behaviour: Behaviour { stuck, ..self.behaviour.clone() }, ..self.clone() }
    }

    /// More records than will be written, by which memory is set aside before the run.
    pub fn most_records(&self) -> u64 {
        let time = match self.amount {
            Amount::Records(records) => return records,
            Amount::For(time) => time,
        };
        let seconds = time.as_secs_f64();
        let of_capacity = |capacity: &Capacity| capacity.records(Duration::ZERO..time) + 1e5;
        let records = self
            .offered
            .map(|rate| rate * seconds)
            .or_else(|| self.behaviour.capacity.as_ref().map(of_capacity));
        records.unwrap_or(5e6 * seconds) as u64 * 2
    }
}
