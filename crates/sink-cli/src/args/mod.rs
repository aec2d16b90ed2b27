//! What the user can say.

mod settings;
mod to;

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{
    Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum, error::ErrorKind,
};

pub(crate) use self::{
    settings::SettingsArgs,
    to::{BodyArgs, CloudWatchArgs, FirehoseArgs, KinesisArgs, Named, To},
};
use crate::target::Target;

const EXAMPLES: &str = "\
Examples:
  # a compressed file to a stream, keyed by a field
  sink send flights.ndjson.gz --to kinesis://flights --partition-key tailnum

  # standard input; lines without the field go to a file
  tail -F app.log | sink send - --to kinesis://logs --partition-key host \\
      --on-bad-line dead-letter=bad.ndjson

  # the lines as they are to a delivery stream, and so to the files that it writes
  sink send flights.ndjson.gz --to firehose://flights

  # the delays as a metric of each carrier, few data for many lines
  tail -F flights.ndjson | sink send - --to cloudwatch://Flights --metric Delay \\
      --value-field arr_delay --dimension Carrier=carrier --aggregate --on-bad-line skip

  # without AWS: an embedded endpoint with 4 shards and the service's limits
  sink send flights.ndjson.gz --to kinesis://flights --partition-key carrier --emulate 4

  # records that fail ten times go to a file, and the others go on
  sink send flights.ndjson.gz --to kinesis://flights --partition-key tailnum \\
      --max-attempts 10 --dead-letters rejected.ndjson

Exit status:
  0    everything read was delivered
  1    an error stopped it; the summary says what was delivered
  2    the command line was wrong
  3    finished, but lines were skipped, or lines or records went to a dead-letter file
  130  interrupted; the summary says what was delivered";

/// Reads the command line; ends the program where it is wrong, or asks for help.
pub(crate) fn read() -> (Box<Send>, Target) {
    let mut command = Cli::command();
    let matches = command.get_matches_mut();
    let Command::Send(send) = Cli::from_arg_matches(&matches)
        .unwrap_or_else(|error| error.format(&mut command).exit())
        .command;
    let target = matches
        .subcommand()
        .map_or(Ok(()), |(_, matches)| to::check(&send.to, matches))
        .and_then(|()| Target::new(&send));
    match target {
        Ok(target) => (send, target),
        Err(message) => {
            // The subcommand's usage is the one that helps.
            let send = command.find_subcommand("send").cloned();
            send.unwrap_or(command).error(ErrorKind::ValueValidation, message).exit()
        }
    }
}

/// Write files and streams of events to a destination, each at least once.
#[derive(Debug, Parser)]
#[command(name = "sink", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send newline-delimited JSON, one record a line.
    #[command(after_help = EXAMPLES)]
    Send(Box<Send>),
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// File to read, plain, gzip (.gz) or Zstandard (.zst); `-` is standard input. Empty lines are
    /// passed over.
    #[arg(default_value = "-", value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Where to send: kinesis://STREAM (Kinesis Data Streams), firehose://STREAM (a Firehose
    /// delivery stream), or cloudwatch://NAMESPACE (CloudWatch metrics). A stream is a name or an
    /// ARN.
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) to: To,

    /// What to do with a line that is no JSON, lacks a field that is asked for, holds what the
    /// destination does not take, or is too large: `stop`, `skip`, or `dead-letter=FILE`, which
    /// appends it to FILE with the reason.
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    pub(crate) on_bad_line: OnBadLine,

    /// Append records that the destination refuses for good, or that are given up after
    /// --max-attempts or --max-age, to FILE, one JSON object a line with the reason and, in base64,
    /// the record; and go on. Default: the first such record stops the program. Lines that cannot
    /// become a record are --on-bad-line's.
    #[arg(long, value_name = "FILE")]
    pub(crate) dead_letters: Option<PathBuf>,

    /// Stop when nothing was delivered for this long (such as 30s) although something waits.
    /// Default: never; failing requests are retried for ever.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) give_up_after: Option<Duration>,

    #[command(flatten)]
    pub(crate) kinesis: KinesisArgs,

    #[command(flatten)]
    pub(crate) firehose: FirehoseArgs,

    #[command(flatten)]
    pub(crate) bodies: BodyArgs,

    #[command(flatten)]
    pub(crate) cloudwatch: CloudWatchArgs,

    #[command(flatten)]
    pub(crate) aws: Aws,

    #[command(flatten)]
    pub(crate) emulate: Emulate,

    #[command(flatten)]
    pub(crate) settings: SettingsArgs,

    /// How to show progress on standard error. `auto` is a bar on a terminal, else a line every
    /// five seconds.
    #[arg(long, value_enum, default_value_t = ProgressKind::Auto, help_heading = "Output")]
    pub(crate) progress: ProgressKind,

    /// Print the summary as one line of JSON.
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    /// Log more: -v for what the sink does, -vv for each request. RUST_LOG overrides it.
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "AWS (what is not given comes from the environment and profile)")]
pub(crate) struct Aws {
    /// Region, such as eu-central-1 [env: AWS_REGION].
    #[arg(long)]
    pub(crate) region: Option<String>,

    /// Profile in ~/.aws/config and ~/.aws/credentials [env: AWS_PROFILE].
    #[arg(long)]
    pub(crate) profile: Option<String>,

    /// Endpoint to call instead of the region's [env: AWS_ENDPOINT_URL].
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Embedded endpoint")]
pub(crate) struct Emulate {
    /// Send to an embedded endpoint in this process: a Kinesis stream with so many shards (4 if not
    /// said), a delivery stream, or CloudWatch. It counts what arrives and forgets it.
    #[arg(long, value_name = "SHARDS", num_args = 0..=1,
          conflicts_with_all = ["endpoint_url", "profile"])]
    pub(crate) emulate: Option<Option<usize>>,

    /// Let the embedded endpoint take data at any rate. Otherwise a shard takes 1,000 records and
    /// 1 MiB a second, a delivery stream 2,000 requests, 500,000 records and 5 MiB, and CloudWatch
    /// 500 requests.
    #[arg(long, alias = "no-shard-limits", requires = "emulate")]
    pub(crate) no_rate_limits: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressKind {
    Auto,
    Bar,
    Plain,
    None,
}

/// What to do with a line that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OnBadLine {
    Stop,
    Skip,
    DeadLetter(PathBuf),
}

impl FromStr for OnBadLine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("dead-letter=")) {
            ("stop", _) => Ok(Self::Stop),
            ("skip", _) => Ok(Self::Skip),
            (_, Some(file)) if !file.is_empty() => Ok(Self::DeadLetter(file.into())),
            _ => Err("write stop, skip, or dead-letter=FILE".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bad_line_policies_are_read() {
        assert_eq!("dead-letter=x.ndjson".parse(), Ok(OnBadLine::DeadLetter("x.ndjson".into())));
        assert!("dead-letter=".parse::<OnBadLine>().is_err());
        assert!("ignore".parse::<OnBadLine>().is_err());
    }
}
