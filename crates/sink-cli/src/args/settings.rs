//! The sink's settings as flags.

use std::time::Duration;

use clap::{Args, ValueEnum};
use sink_core::{OnTimeout, Ordering, Settings};

#[derive(Debug, Args)]
#[command(next_help_heading = "Settings (sizes: 1000, 64KiB, 5MiB; durations: 500ms, 5s)")]
pub(crate) struct SettingsArgs {
    /// Records in one request, at most [default: 500; cloudwatch:// 1000].
    #[arg(long, value_name = "N")]
    max_batch_size: Option<usize>,

    /// Bytes in one request, at most [default: kinesis:// 5MiB, up to 10MiB; firehose:// 4MiB;
    /// cloudwatch:// 999717].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_batch_size_in_bytes: Option<usize>,

    /// Bytes in one record with its key or delimiter, at most [default: kinesis:// 1MiB, up to
    /// 10MiB; firehose:// 1000KiB; cloudwatch:// 42739].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_record_size_in_bytes: Option<usize>,

    /// Requests in flight, at most [default: 50].
    #[arg(long, value_name = "N")]
    max_in_flight_requests: Option<usize>,

    /// Records held, in flight included, at most; reading waits beyond that [default: 10000 and
    /// what may be in flight].
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
    /// a key then gets one record a round trip at most. A delivery stream and a namespace are one
    /// lane: one record a round trip in all [default: none].
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

fn size(text: &str) -> Result<usize, String> {
    let size: bytesize::ByteSize =
        text.parse().map_err(|error| format!("{error}; write 1000, 64KiB or 5MiB"))?;
    usize::try_from(size.as_u64()).map_err(|_| "too large for this machine".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Cli;

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
}
