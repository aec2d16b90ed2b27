//! What the user can say.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use sink_core::{OnTimeout, Ordering, Settings};

use crate::key::FieldPath;

const EXAMPLES: &str = "\
Examples:
  # a compressed file to a stream, keyed by a field
  sink send flights.ndjson.gz --to kinesis://flights --partition-key tailnum

  # standard input; lines without the field go to a file
  tail -F app.log | sink send - --to kinesis://logs --partition-key host \\
      --on-bad-line dead-letter=bad.ndjson

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

    /// Where to send: kinesis://STREAM or kinesis://ARN.
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) to: Target,

    #[command(flatten)]
    pub(crate) key: Key,

    /// What to do with a line that is no JSON, lacks the key field, or is too large: `stop`,
    /// `skip`, or `dead-letter=FILE`, which appends it to FILE with the reason.
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    pub(crate) on_bad_line: OnBadLine,

    /// Append records that are given up after --max-attempts or --max-age to FILE, one JSON object
    /// a line with the reason and, in base64, the record; and go on. Default: the first such record
    /// stops the program. Lines that cannot become a record are --on-bad-line's.
    #[arg(long, value_name = "FILE")]
    pub(crate) dead_letters: Option<PathBuf>,

    /// Stop when nothing was delivered for this long (such as 30s) although something waits.
    /// Default: never; failing requests are retried for ever.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) give_up_after: Option<Duration>,

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

/// Records with the same key go to the same shard.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Key {
    /// Take the partition key from this field (`a.b` is field b of the object in field a): text as
    /// it is, numbers and booleans as they are written. Default: a random key for each record.
    #[arg(long, value_name = "FIELD")]
    pub(crate) partition_key: Option<FieldPath>,

    /// Use this partition key for every record, so all go to one shard.
    #[arg(long, value_name = "KEY")]
    pub(crate) partition_key_fixed: Option<String>,
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
    /// Send to an embedded endpoint in this process, with so many shards (4 if not said). It counts
    /// what arrives and forgets it.
    #[arg(long, value_name = "SHARDS", num_args = 0..=1, default_missing_value = "4",
          conflicts_with_all = ["endpoint_url", "profile"])]
    pub(crate) emulate: Option<usize>,

    /// Let the embedded shards take anything, instead of 1,000 records and 1 MiB a second each.
    #[arg(long, requires = "emulate")]
    pub(crate) no_shard_limits: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Settings (sizes: 1000, 64KiB, 5MiB; durations: 500ms, 5s)")]
pub(crate) struct SettingsArgs {
    /// Records in one request, at most [default: 500].
    #[arg(long, value_name = "N")]
    max_batch_size: Option<usize>,

    /// Bytes in one request, at most [default: 5MiB, up to 10MiB].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_batch_size_in_bytes: Option<usize>,

    /// Bytes in one record with its key, at most [default: 1MiB, up to 10MiB].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_record_size_in_bytes: Option<usize>,

    /// Requests in flight, at most [default: 50].
    #[arg(long, value_name = "N")]
    max_in_flight_requests: Option<usize>,

    /// Records held, in flight included, at most; reading waits beyond that [default: 10000].
    #[arg(long, value_name = "N")]
    max_buffered_requests: Option<usize>,

    /// Bytes held, in flight included, at most; reading waits beyond that [default: 64MiB].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_buffered_bytes: Option<usize>,

    /// How long a record waits for its request to fill, at most [default: 5s].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    max_time_in_buffer: Option<Duration>,

    /// How long to wait for an answer [default: 60s].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    request_timeout: Option<Duration>,

    /// What to do then: send again, or stop [default: retry].
    #[arg(long, value_enum)]
    on_timeout: Option<OnTimeoutArg>,

    /// In which order records arrive. `none`: as they were read while nothing fails; what failed
    /// comes after later ones. `per-lane`: those of each partition key in order, whatever fails;
    /// a key then gets one record a round trip at most [default: none].
    #[arg(long, value_enum)]
    ordering: Option<OrderingArg>,

    /// Longest delay before a record's first retry; doubled with each further one
    /// [default: 100ms].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    retry_initial_delay: Option<Duration>,

    /// Where the doubling ends [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    retry_max_delay: Option<Duration>,

    /// Give a record up when it was sent this often and was not stored: it goes to the
    /// --dead-letters file; without one the program stops [default: no limit].
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,

    /// Give a record up when it fails this long or longer after it was read, as with
    /// --max-attempts. Each is sent at least once [default: no limit].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    max_age: Option<Duration>,
}

impl SettingsArgs {
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.max_batch_size = self.max_batch_size;
        settings.max_batch_size_in_bytes = self.max_batch_size_in_bytes;
        settings.max_record_size_in_bytes = self.max_record_size_in_bytes;
        settings.max_in_flight_requests = self.max_in_flight_requests;
        settings.max_buffered_requests = self.max_buffered_requests;
        settings.max_buffered_bytes = self.max_buffered_bytes;
        settings.max_time_in_buffer = self.max_time_in_buffer;
        settings.request_timeout = self.request_timeout;
        settings.on_timeout = self.on_timeout.map(|on_timeout| match on_timeout {
            OnTimeoutArg::Retry => OnTimeout::Retry,
            OnTimeoutArg::Fail => OnTimeout::Fail,
        });
        settings.ordering = self.ordering.map(|ordering| match ordering {
            OrderingArg::None => Ordering::None,
            OrderingArg::PerLane => Ordering::PerLane,
        });
        settings.retry_initial_delay = self.retry_initial_delay;
        settings.retry_max_delay = self.retry_max_delay;
        settings.max_attempts = self.max_attempts;
        settings.max_age = self.max_age;
        settings
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnTimeoutArg {
    Retry,
    Fail,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OrderingArg {
    None,
    // As configuration files have it.
    #[value(alias = "per_lane")]
    PerLane,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressKind {
    Auto,
    Bar,
    Plain,
    None,
}

/// Where to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Kinesis { stream: String },
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("kinesis", stream)) => Ok(Self::Kinesis { stream: stream.to_owned() }),
            Some((scheme, _)) => {
                Err(format!("`{scheme}` is no known destination; write kinesis://STREAM"))
            }
            None => Err("a destination begins with what it is; write kinesis://STREAM".to_owned()),
        }
    }
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

fn size(text: &str) -> Result<usize, String> {
    let size: bytesize::ByteSize =
        text.parse().map_err(|error| format!("{error}; write 1000, 64KiB or 5MiB"))?;
    usize::try_from(size.as_u64()).map_err(|_| "too large for this machine".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_is_a_flag() {
        let send = Cli::command().find_subcommand("send").unwrap().clone();
        let settings = serde_json::to_value(Settings::default()).unwrap();
        for name in settings.as_object().unwrap().keys() {
            let flag = name.replace('_', "-");
            assert!(send.get_arguments().any(|a| a.get_long() == Some(&flag)), "--{flag}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("1000", 1000), ("64KiB", 65_536), ("5MiB", 5 << 20), ("1 kB", 1000)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        assert!(size("many").unwrap_err().contains("write 1000, 64KiB or 5MiB"));
    }

    #[test]
    fn destinations_and_bad_line_policies_are_read() {
        let kinesis = |stream: &str| Target::Kinesis { stream: stream.to_owned() };
        assert_eq!("kinesis://flights".parse(), Ok(kinesis("flights")));
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/flights";
        assert_eq!(format!("kinesis://{arn}").parse(), Ok(kinesis(arn)));
        assert!("kafka://x".parse::<Target>().unwrap_err().contains("`kafka`"));
        assert!("flights".parse::<Target>().is_err());
        assert_eq!("dead-letter=x.ndjson".parse(), Ok(OnBadLine::DeadLetter("x.ndjson".into())));
        assert!("dead-letter=".parse::<OnBadLine>().is_err());
        assert!("ignore".parse::<OnBadLine>().is_err());
    }
}
