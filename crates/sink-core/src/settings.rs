//! Settings as data, and their validation against a destination's limits.

use std::time::Duration;

use crate::{
    destination::Limits,
    engine::{EngineConfig, RetryDelay},
    error::{Error, ErrorKind},
};

/// What becomes of the entries of a request that was not answered within `request_timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum OnTimeout {
    /// They are sent again; the destination may then store some of them twice. The default.
    #[default]
    Retry,
    /// The sink stops with a fatal error and keeps them.
    Fail,
}

/// In which order the destination gets the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Ordering {
    /// In admission order as long as nothing fails; what failed is overtaken by what came later.
    /// The default, and the fastest.
    #[default]
    None,
    /// Within a [`Lane`](crate::Lane), in admission order, whatever fails: an entry is not sent
    /// before the one ahead of it in its lane is settled. So a request carries at most one entry
    /// of a lane, and a lane at most one entry a round trip. With a connector that does not tell
    /// lanes apart, that is one entry at a time in all. Nothing is merged.
    PerLane,
}

/// How a sink buffers, batches and retries. What is left `None` takes the connector's default.
///
/// Names are those of Apache Flink's Async Sink where it has the setting. The defaults given here
/// are those of most connectors; a connector says where its own differ.
///
/// Worst-case memory of a sink is `max_buffered_bytes`, plus what the client needs for
/// `max_in_flight_requests` requests of `max_batch_size_in_bytes`, encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Settings {
    /// Entries in one request, at most; a request is sent when this many wait. Default: the
    /// connector's (Kinesis: 500). Smaller requests lower the latency and cost more calls.
    pub max_batch_size: Option<usize>,
    /// Bytes in one request, at most; a request is sent when this many wait. Default: the
    /// connector's (Kinesis: 5 MiB).
    pub max_batch_size_in_bytes: Option<usize>,
    /// Bytes in one entry, at most; a larger one is refused when it is written. Default: the
    /// connector's (Kinesis: 1 MiB).
    pub max_record_size_in_bytes: Option<usize>,
    /// Requests in flight, at most. Default: 50. More help only where the latency is high.
    pub max_in_flight_requests: Option<usize>,
    /// Entries in the sink, at most, in flight included; `write` waits beyond that.
    /// Default: 10,000 beside what may be in flight, which is `max_batch_size` ×
    /// `max_in_flight_requests` (Kinesis: 35,000). Flink's 10,000 do not count what is in flight.
    pub max_buffered_requests: Option<usize>,
    /// Bytes in the sink, at most, in flight included; `write` waits beyond that.
    /// Default: 64 MiB, or one request where that is more.
    pub max_buffered_bytes: Option<usize>,
    /// How long an entry waits for its request to fill, at most. Default: 5 s. Written as `"5s"`
    /// or `"500ms"` in configuration.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub max_time_in_buffer: Option<Duration>,
    /// How long to wait for an answer. Default: 60 s.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub request_timeout: Option<Duration>,
    /// What to do then. Default: retry.
    pub on_timeout: Option<OnTimeout>,
    /// In which order the destination gets the entries. Default: none. Written as `"none"` or
    /// `"per_lane"` in configuration.
    pub ordering: Option<Ordering>,
    /// Longest delay before the first retry of an entry; doubled with each further one, and then
    /// drawn at random between zero and that ("full jitter"). Default: 100 ms.
    ///
    /// While retries go well, what failed (not what was throttled, nor timed out) goes again at
    /// once: each retry that is delivered pays for two that do not wait. An entry goes at once up
    /// to 16 times, or up to half of `max_attempts`; an outage finds a tenth of what may be in
    /// flight paid for, at most.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub retry_initial_delay: Option<Duration>,
    /// Where the doubling ends. Default: 10 s.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub retry_max_delay: Option<Duration>,
    /// How often an entry is sent, at most; after that it is rejected: given to the dead-letter
    /// handler, or, without one, the sink stops and keeps it. Default: no limit, because the
    /// destination will be back.
    pub max_attempts: Option<u32>,
    /// An entry that is older than this when an attempt fails is rejected, as with `max_attempts`.
    /// Each entry is sent once at least, however long it waited for that. Default: no limit.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub max_age: Option<Duration>,
}

/// No delay or timeout may be longer: sums of times must never overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Settings {
    /// Fills in the defaults and checks everything against the service's limits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with **all** that is wrong: each setting, its value, and what would
    /// be accepted.
    pub fn resolve(&self, limits: &Limits, defaults: &Limits) -> Result<EngineConfig, Error> {
        let mut problems = Problems(Vec::new());
        // A default never exceeds what the settings allow elsewhere: whoever asks for smaller
        // requests need not repeat it for the record.
        let max_batch_size_in_bytes =
            self.max_batch_size_in_bytes.unwrap_or(defaults.max_batch_size_in_bytes);
        let max_record_size_in_bytes = self
            .max_record_size_in_bytes
            .unwrap_or_else(|| defaults.max_record_size_in_bytes.min(max_batch_size_in_bytes));
        let max_batch_size = self.max_batch_size.unwrap_or(defaults.max_batch_size);
        let max_in_flight_requests = self.max_in_flight_requests.unwrap_or(50);
        let config = EngineConfig {
            max_batch_size,
            max_batch_size_in_bytes,
            max_record_size_in_bytes,
            max_in_flight_requests,
            // With less, the buffer and not the destination would bound the rate.
            max_buffered_requests: self.max_buffered_requests.unwrap_or_else(|| {
                max_batch_size.saturating_mul(max_in_flight_requests).saturating_add(10_000)
            }),
            max_buffered_bytes: self
                .max_buffered_bytes
                .unwrap_or_else(|| (64 << 20).max(max_batch_size_in_bytes)),
            max_time_in_buffer: self.max_time_in_buffer.unwrap_or(Duration::from_secs(5)),
            request_timeout: self.request_timeout.unwrap_or(Duration::from_secs(60)),
            on_timeout: self.on_timeout.unwrap_or_default(),
            ordering: self.ordering.unwrap_or_default(),
            retry_delay: RetryDelay {
                initial: self.retry_initial_delay.unwrap_or(Duration::from_millis(100)),
                max: self.retry_max_delay.unwrap_or(Duration::from_secs(10)),
            },
            max_attempts: self.max_attempts,
            max_age: self.max_age,
        };

        problems.at_most("max_batch_size", config.max_batch_size, limits.max_batch_size);
        problems.at_most(
            "max_batch_size_in_bytes",
            config.max_batch_size_in_bytes,
            limits.max_batch_size_in_bytes,
        );
        problems.at_most(
            "max_record_size_in_bytes",
            config.max_record_size_in_bytes,
            limits.max_record_size_in_bytes,
        );
        problems.at_most("max_in_flight_requests", config.max_in_flight_requests, usize::MAX);
        problems.at_most("max_buffered_requests", config.max_buffered_requests, usize::MAX);
        problems.at_most("max_buffered_bytes", config.max_buffered_bytes, usize::MAX);
        problems.duration("max_time_in_buffer", config.max_time_in_buffer);
        problems.duration("request_timeout", config.request_timeout);
        problems.duration("retry_initial_delay", config.retry_delay.initial);
        problems.duration("retry_max_delay", config.retry_delay.max);
        if config.max_attempts == Some(0) {
            problems.0.push("max_attempts is 0: it must be at least 1".to_owned());
        }
        if let Some(max_age) = config.max_age {
            problems.duration("max_age", max_age);
        }

        problems.ordered(
            ("max_record_size_in_bytes", config.max_record_size_in_bytes),
            ("max_batch_size_in_bytes", config.max_batch_size_in_bytes),
            "a request must hold the largest record",
        );
        problems.ordered(
            ("max_batch_size", config.max_batch_size),
            ("max_buffered_requests", config.max_buffered_requests),
            "the buffer must hold one request",
        );
        problems.ordered(
            ("max_batch_size_in_bytes", config.max_batch_size_in_bytes),
            ("max_buffered_bytes", config.max_buffered_bytes),
            "the buffer must hold one request",
        );
        if config.retry_delay.initial > config.retry_delay.max {
            problems.0.push(format!(
                "retry_initial_delay is {:?}, but retry_max_delay is {:?}: the first delay must \
                 not be longer than the longest",
                config.retry_delay.initial, config.retry_delay.max
            ));
        }
        problems.into_result(config)
    }
}

/// Collects all that is wrong, so that nobody has to fix settings one run at a time.
struct Problems(Vec<String>);

impl Problems {
    fn at_most(&mut self, name: &str, value: usize, limit: usize) {
        if value == 0 {
            self.0.push(format!("{name} is 0: it must be at least 1"));
        } else if value > limit {
            self.0.push(format!("{name} is {value}: the service accepts at most {limit}"));
        }
    }

    fn duration(&mut self, name: &str, value: Duration) {
        if value < Duration::from_millis(1) || value > LONGEST {
            self.0.push(format!("{name} is {value:?}: it must be between 1 ms and 24 h"));
        }
    }

    fn ordered(&mut self, small: (&str, usize), large: (&str, usize), why: &str) {
        if small.1 > large.1 && small.1 > 0 && large.1 > 0 {
            self.0
                .push(format!("{} is {}, but {} is {}: {why}", small.0, small.1, large.0, large.1));
        }
    }

    fn into_result<T>(self, value: T) -> Result<T, Error> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(Error::new(ErrorKind::Config, "settings", self.0.join("; ")))
        }
    }
}

/// Durations in configuration are words such as `5s`, `500ms` or `1m 30s`.
#[cfg(feature = "serde")]
mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    #[allow(clippy::ref_option)] // serde's `with` gives a reference to the field
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(&humantime::format_duration(*value)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        humantime::parse_duration(&text).map(Some).map_err(|error| {
            D::Error::custom(format!("`{text}` is no duration ({error}); write `5s` or `500ms`"))
        })
    }
}

#[cfg(test)]
mod tests;
