//! The first piece: an element becomes a metric datum, whose time is checked by the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use sink_core::{ConvertError, Entry};

use crate::datum::{Metric, MetricDatum, MetricValue, size::value_size};

const TWO_WEEKS_MS: i64 = 14 * 24 * 3600 * 1000;
const TWO_HOURS_MS: i64 = 2 * 3600 * 1000;

impl MetricDatum {
    pub(crate) fn now(metric: &Metric, value: MetricValue) -> Self {
        Self { metric: metric.clone(), timestamp: millis(SystemTime::now()), value }
    }

    /// The same at this time, which must lie between two weeks ago and two hours from now, as the
    /// API reference of `PutMetricData` demands. Fractions of a millisecond are dropped.
    ///
    /// A datum may be too old by the time it is sent, for it waited long in a buffer or in a
    /// snapshot. CloudWatch then refuses it, and it goes to the dead letters with the reason.
    ///
    /// # Errors
    ///
    /// When the time is outside.
    pub fn at(self, time: SystemTime) -> Result<Self, ConvertError> {
        self.at_by_clock(time, SystemTime::now())
    }

    /// As [`at`](Self::at), by a clock of your own: `now` is what it shows.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub fn at_by_clock(mut self, time: SystemTime, now: SystemTime) -> Result<Self, ConvertError> {
        let time = millis(time);
        let ahead = time.saturating_sub(millis(now));
        let (off, side) = (ahead.unsigned_abs() / 1000, if ahead < 0 { "before" } else { "after" });
        self.metric.ensure((-TWO_WEEKS_MS..=TWO_HOURS_MS).contains(&ahead), || {
            format!(
                "has a timestamp {off} s {side} now; CloudWatch takes two weeks before to two \
                 hours after"
            )
        })?;
        self.timestamp = time;
        Ok(self)
    }
}

impl Entry for MetricDatum {
    /// Exactly the bytes that it takes in the body of a request before compression. The API
    /// reference limits "the size" of a request and does not say whether before or after gzip;
    /// before is on the safe side.
    fn size_bytes(&self) -> usize {
        self.metric.0.size + value_size(&self.value)
    }

    fn merge(&mut self, newer: Self) -> Result<(), Self> {
        Self::merge(self, newer) // the inherent one
    }
}

/// A converter for elements that are data already. Others are made by a closure
/// `Fn(T) -> Result<MetricDatum, ConvertError>`.
///
/// # Errors
///
/// Never.
pub fn as_is(datum: MetricDatum) -> Result<MetricDatum, ConvertError> {
    Ok(datum)
}

fn millis(time: SystemTime) -> i64 {
    let saturating = |millis: u128| i64::try_from(millis).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => saturating(after.as_millis()),
        Err(before) => -saturating(before.duration().as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn metric() -> Metric {
        Metric::builder("Latency").build().unwrap()
    }

    #[test]
    fn a_time_is_at_most_two_weeks_past_and_two_hours_ahead() {
        let now = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let (weeks, hours) = (Duration::from_secs(1_209_600), Duration::from_secs(7200));
        let ms = Duration::from_millis(1);
        let at = |time| metric().value(1.0).unwrap().at_by_clock(time, now);
        for time in [now, now - weeks, now + hours] {
            assert_eq!(at(time).unwrap().timestamp_millis(), millis(time));
        }
        for (time, expected) in [
            (now - weeks - ms, "1209600 s before now"),
            (now + hours + ms, "7200 s after now"),
            (UNIX_EPOCH, "1790000000 s before now"),
            (UNIX_EPOCH - weeks, "1791209600 s before now"),
        ] {
            let error = at(time).unwrap_err().to_string();
            assert!(error.contains(&format!("has a timestamp {expected}; ")), "{error}");
        }
        // By the machine's clock.
        let datum = metric().value(1.0).unwrap();
        datum.clone().at(SystemTime::now() - weeks / 2).unwrap();
        datum.clone().at(SystemTime::now() - weeks * 2).unwrap_err();
        assert!(datum.timestamp_millis() > millis(now) / 2);
    }
}
