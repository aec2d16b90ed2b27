//! How the program `bench` is asked for a comparison with the bare SDK.

use clap::{Args, Subcommand};

use super::plan::{BodyEncoding, Plan, Service, Side};
use crate::speed::{plan::Sabotage, record::NUMBER_LEN};

/// Comparisons of a sink with a bare loop around the SDK.
#[derive(Debug, Subcommand)]
pub enum Comparison {
    /// Kinesis: the sink beside a bare loop around the SDK.
    Kinesis {
        /// What the records are.
        #[command(flatten)]
        payload: Payload,
        /// How they are written.
        #[command(flatten)]
        common: Common,
    },
    /// Firehose: the sink beside a bare loop around the SDK.
    Firehose {
        /// What the records are.
        #[command(flatten)]
        payload: Payload,
        /// How they are written.
        #[command(flatten)]
        common: Common,
    },
    /// CloudWatch, data with two dimensions: the sink beside a bare loop around the SDK.
    Cloudwatch {
        /// How they are written.
        #[command(flatten)]
        common: Common,
    },
    /// The server of the others: they start it themselves.
    #[command(hide = true)]
    Answer {
        /// Which one it stands in for.
        service: Service,
        /// Bytes of a payload.
        size: usize,
    },
}

/// What the records are.
#[derive(Debug, Args)]
pub struct Payload {
    /// Bytes of a payload.
    #[arg(long, default_value_t = 1024, value_parser = size)]
    size: usize,
}

/// How records are written.
#[derive(Debug, Args)]
pub struct Common {
    /// Records to write in each run. Default: some seconds' worth, by the size of a payload.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    records: Option<u64>,
    /// Requests in flight, at most.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1000))]
    in_flight: u64,
    /// Runs of each side, in turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pairs: u64,
    /// Run this side alone, for a profiler.
    #[arg(long)]
    only: Option<Side>,
    /// Spoil one record on its way, to see that the run fails.
    #[arg(long)]
    sabotage: Option<Sabotage>,
    /// How the sink encodes the bodies of its requests; the bare loop leaves that to the SDK.
    #[arg(long, default_value = "sdk")]
    body_encoding: BodyEncoding,
}

/// Larger ones would only measure the hash and the copy.
fn size(words: &str) -> Result<usize, String> {
    let size = words.parse::<usize>().map_err(|error| error.to_string())?;
    let accepted = NUMBER_LEN..=64 << 10;
    if accepted.contains(&size) {
        return Ok(size);
    }
    Err(format!("a payload has {} to {} bytes here", accepted.start(), accepted.end()))
}

impl Common {
    /// The plan of a comparison for this service, whose records may have a payload.
    pub fn plan(&self, service: Service, payload: Option<&Payload>) -> Plan {
        let size = payload.map_or(0, |payload| payload.size);
        // A datum costs about what a record of 1 KiB does.
        let costs_like = payload.map_or(1024, |payload| payload.size as u64);
        Plan {
            service,
            size,
            records: self.records.unwrap_or_else(|| (750_000_000 / costs_like).min(2_000_000)),
            in_flight: self.in_flight as usize,
            encoding: self.body_encoding,
            pairs: self.pairs as usize,
            only: self.only,
            sabotage: self.sabotage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_that_can_be_checked() {
        assert_eq!(size("8"), Ok(8));
        assert_eq!(size("7"), Err("a payload has 8 to 65536 bytes here".to_owned()));
    }
}
