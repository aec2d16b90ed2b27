//! How the program `bench` is asked for a run.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use sink_core::Cause;

use super::{
    plan::{Amount, Behaviour, Call, Plan, Sabotage, Stuck},
    record::NUMBER_LEN,
};
use crate::token_bucket::Capacity;

/// Measures a sink in real time. Each run prints one line of JSON, after an uncounted warm-up, and
/// fails (exit code 1) if a record was lost, stored twice or altered.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
pub struct Bench {
    /// What to run.
    #[command(subcommand)]
    pub workload: Workload,
}

/// What to run.
#[derive(Debug, Subcommand)]
pub enum Workload {
    /// The destination answers at once: what the sink itself costs.
    Noop {
        /// Records to write.
        #[arg(long, default_value_t = 20_000_000)]
        records: u64,
        /// Who writes.
        #[command(flatten)]
        source: Source,
    },
    /// The destination takes a time to answer.
    Latency {
        /// Records to write.
        #[arg(long, default_value_t = 8_000_000)]
        records: u64,
        /// How far the destination is.
        #[command(flatten)]
        time: Time,
        /// Who writes.
        #[command(flatten)]
        source: Source,
    },
    /// The destination takes so many records a second and throttles the surplus.
    Throttled {
        /// Records a second that the destination takes.
        #[arg(long, default_value_t = 50_000.0)]
        rate: f64,
        /// Half of it in the second third of the run, all of it again in the last.
        #[arg(long)]
        steps: bool,
        /// For how long.
        #[arg(long, default_value_t = 15)]
        seconds: u64,
        /// How far the destination is.
        #[command(flatten)]
        time: Time,
        /// Who writes.
        #[command(flatten)]
        source: Source,
    },
    /// A share of the records fails, by chance, each time that they are sent.
    Flaky {
        /// The share, from 0 to 1.
        #[arg(long, default_value_t = 0.01, value_parser = share)]
        fails: f64,
        /// Records to write.
        #[arg(long, default_value_t = 8_000_000)]
        records: u64,
        /// How far the destination is.
        #[command(flatten)]
        time: Time,
        /// Who writes.
        #[command(flatten)]
        source: Source,
    },
    /// One record is refused for 5 s, while the others go on.
    Stuck {
        /// Records a second that are offered.
        #[arg(long, default_value_t = 50_000.0)]
        rate: f64,
        /// For how long.
        #[arg(long, default_value_t = 12)]
        seconds: u64,
        /// The record is throttled, instead of failing.
        #[arg(long)]
        throttled: bool,
        /// How far the destination is.
        #[command(flatten)]
        time: Time,
        /// Who writes.
        #[command(flatten)]
        source: Source,
    },
    /// Records come at a rate that is no trouble.
    Offered {
        /// Records a second.
        #[arg(long, default_value_t = 100_000.0)]
        rate: f64,
        /// For how long.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// How far the destination is.
        #[command(flatten)]
        time: Time,
        /// Who writes.
        #[command(flatten)]
        source: Source,
    },
    /// A snapshot of a full sink: taken, encoded, decoded, restored.
    Snapshot {
        /// Entries in the sink.
        #[arg(long, default_value_t = 100_000)]
        records: u64,
        /// Bytes of a payload.
        #[arg(long, default_value_t = 1024, value_parser = size)]
        size: usize,
    },
    /// Everything, several times in turn, as a page of tables and charts.
    All(Suite),
    /// The comparisons with the bare AWS SDK.
    #[cfg(feature = "aws")]
    #[command(flatten)]
    Wire(crate::wire::args::Comparison),
}

/// What of everything, how often, and where the page goes.
#[derive(Debug, Clone, Args)]
pub struct Suite {
    /// How often each is run.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// The folder of the page: it gets `benchmarks.md`, and in `benchmarks/` the charts and the
    /// report of each run, `runs.ndjson`.
    #[arg(long)]
    pub out: PathBuf,
    /// Only what has this in its name.
    #[arg(long, default_value = "")]
    pub only: String,
    /// A folder with the harness `run.sh` of Flink's writer, to be run in turn with ours.
    #[arg(long)]
    pub flink: Option<PathBuf>,
}

/// How long the destination takes.
#[derive(Debug, Args)]
pub struct Time {
    /// Milliseconds from the sending of a request to its answer; it is judged after half of them.
    #[arg(long, default_value_t = 20)]
    latency: u64,
}

/// Who writes what, and how.
#[derive(Debug, Args)]
pub struct Source {
    /// Bytes of a payload.
    #[arg(long, default_value_t = 100, value_parser = size)]
    size: usize,
    /// All records share one payload, instead of each having a fresh copy.
    #[arg(long)]
    shared: bool,
    /// Tasks that write.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    producers: u64,
    /// How they write. At a rate that is offered (`stuck`, `offered`) only `write` will do.
    #[arg(long, value_enum, default_value_t = Call::Write)]
    call: Call,
    /// Lanes that the records are in, one after another.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    lanes: u64,
    /// Entries in the sink at most, those in flight included (`max_buffered_requests`). Default:
    /// what Flink's writer holds by default, 10,000 that wait and 50 requests in flight.
    #[arg(long, default_value_t = 35_000)]
    buffer: usize,
    /// Spoil one record on its way, to see that the run fails.
    #[arg(long)]
    sabotage: Option<Sabotage>,
    /// Time one of 64 records, by four readings of the clock.
    #[arg(long)]
    timed: bool,
}

fn size(words: &str) -> Result<usize, String> {
    let size = words.parse::<usize>().map_err(|error| error.to_string())?;
    let accepted = NUMBER_LEN..=1 << 20;
    if accepted.contains(&size) {
        return Ok(size);
    }
    Err(format!("a payload has {} to {} bytes", accepted.start(), accepted.end()))
}

fn share(words: &str) -> Result<f64, String> {
    let share = words.parse::<f64>().map_err(|error| error.to_string())?;
    if (0.0..1.0).contains(&share) { Ok(share) } else { Err("at least 0, below 1".to_owned()) }
}

impl Source {
    fn plan(&self, workload: &'static str, amount: Amount, behaviour: Behaviour) -> Plan {
        Plan {
            workload,
            size: self.size,
            fresh: !self.shared,
            amount,
            producers: self.producers,
            call: self.call,
            lanes: self.lanes,
            offered: None,
            timed: self.timed,
            buffer: self.buffer,
            sabotage: self.sabotage,
            behaviour,
        }
    }
}

impl Time {
    fn behaviour(&self) -> Behaviour {
        Behaviour { latency: Duration::from_millis(self.latency), ..Behaviour::default() }
    }
}

impl Workload {
    /// The plan of a workload that is a single run.
    pub fn plan(&self) -> Option<Plan> {
        Some(match self {
            Self::Noop { records, source } => {
                source.plan("noop", Amount::Records(*records), Behaviour::default())
            }
            Self::Latency { records, time, source } => {
                source.plan("latency", Amount::Records(*records), time.behaviour())
            }
            Self::Throttled { rate, steps, seconds, time, source } => {
                let length = Duration::from_secs(*seconds);
                let steady = Capacity::steady(*rate);
                let capacity = Some(if *steps {
                    steady.then(length / 3, rate / 2.0).then(2 * length / 3, *rate)
                } else {
                    steady
                });
                let behaviour = Behaviour { capacity, ..time.behaviour() };
                let name = if *steps { "throttled-steps" } else { "throttled" };
                source.plan(name, Amount::For(length), behaviour)
            }
            Self::Flaky { fails, records, time, source } => {
                let behaviour = Behaviour { fails: *fails, ..time.behaviour() };
                source.plan("flaky", Amount::Records(*records), behaviour)
            }
            Self::Stuck { rate, seconds, throttled, time, source } => {
                let cause = if *throttled { Cause::THROTTLED } else { Cause::Unavailable };
                let stuck = Stuck {
                    number: 2 * *rate as u64, // two seconds after the start
                    time: Duration::from_secs(5),
                    cause,
                };
                let behaviour = Behaviour { stuck: Some(stuck), ..time.behaviour() };
                let amount = Amount::For(Duration::from_secs(*seconds));
                let plan = source.plan("stuck", amount, behaviour);
                Plan { offered: Some(*rate), timed: true, ..plan }
            }
            Self::Offered { rate, seconds, time, source } => {
                let amount = Amount::For(Duration::from_secs(*seconds));
                let plan = source.plan("offered", amount, time.behaviour());
                Plan { offered: Some(*rate), timed: true, ..plan }
            }
            Self::Snapshot { size, records } => Plan {
                workload: "snapshot",
                size: *size,
                fresh: true,
                amount: Amount::Records(*records),
                producers: 1,
                call: Call::Write,
                lanes: 1,
                offered: None,
                timed: false,
                buffer: *records as usize + 1,
                sabotage: None,
                behaviour: Behaviour::default(),
            },
            Self::All(_) => return None,
            #[cfg(feature = "aws")]
            Self::Wire(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Bench::command().debug_assert();
    }

    #[test]
    fn sizes_and_shares_are_those_that_make_sense() {
        assert_eq!(size("8"), Ok(8));
        assert_eq!(size("7"), Err("a payload has 8 to 1048576 bytes".to_owned()));
        assert!(share("1").is_err() && share("-0.1").is_err() && share("0.1").is_ok());
    }
}
