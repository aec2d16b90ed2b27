//! Data as bytes: for snapshots, and for files of dead letters.
//!
//! ```text
//! version (1 byte)  name length (8)  name
//! dimensions (1)  each: name length (8)  name  value length (8)  value
//! unit (1)  resolution (1: 1 or 60)  timestamp (8: milliseconds since 1970)
//! kind (1)  0: value (8)
//!           1: how many (1)  each: value (8)  count (8)
//!           2: sample count (8)  sum (8)  minimum (8)  maximum (8)
//! ```
//!
//! Numbers are little-endian; the time is a whole number, other numbers are doubles.

use sink_aws::parts::{Parts, put_with_length};
use sink_core::{Appender, Bytes, SnapshotEntry};

use crate::datum::{Metric, MetricDatum, MetricValue, Resolution, StatisticSet, Unit, unit};

/// A later version reads the earlier ones.
const VERSION: u8 = 1;

impl SnapshotEntry for MetricDatum {
    fn encode(&self, bytes: &mut Appender<'_>) {
        let metric = &self.metric;
        bytes.push(VERSION);
        put_with_length(bytes, metric.name().as_bytes());
        #[allow(clippy::cast_possible_truncation)] // a metric has at most 30
        bytes.push(metric.dimensions().len() as u8);
        for (name, value) in metric.dimensions() {
            put_with_length(bytes, name.as_bytes());
            put_with_length(bytes, value.as_bytes());
        }
        bytes.extend_from_slice(&[metric.0.unit_number, metric.resolution().seconds()]);
        bytes.extend_from_slice(&self.timestamp.to_le_bytes());
        match &self.value {
            MetricValue::Single(value) => {
                bytes.push(0);
                put(bytes, &[*value]);
            }
            MetricValue::Counted(counted) => {
                #[allow(clippy::cast_possible_truncation)] // a datum has at most 150
                bytes.extend_from_slice(&[1, counted.len() as u8]);
                counted.iter().for_each(|(value, count)| put(bytes, &[*value, *count]));
            }
            MetricValue::Statistics(set) => {
                bytes.push(2);
                put(bytes, &[set.sample_count, set.sum, set.minimum, set.maximum]);
            }
        }
    }

    /// The time is taken as it is: what has become too old, CloudWatch refuses with a reason.
    fn decode(bytes: Bytes) -> Result<Self, String> {
        let mut parts = Parts::new("metric datum", VERSION, &bytes)?;
        let mut builder = Metric::builder(text(&mut parts, "the metric's name")?);
        for _ in 0..byte(&mut parts, "the number of dimensions")? {
            let name = text(&mut parts, "a dimension's name")?;
            builder = builder.dimension(name, text(&mut parts, "a dimension's value")?);
        }
        let (at, last) = (byte(&mut parts, "the unit")?, unit::NAMES.len() - 1);
        let unit = unit::NAMES
            .get(usize::from(at))
            .ok_or_else(|| format!("the unit has number {at}; this program knows 0 to {last}"))?;
        let resolution = match byte(&mut parts, "the resolution")? {
            1 => Resolution::Second,
            60 => Resolution::Minute,
            other => return Err(format!("the resolution is {other}; it is 1 or 60")),
        };
        let metric = builder.unit(Unit::from(*unit)).resolution(resolution).build();
        let metric = metric.map_err(|error| error.to_string())?;
        let timestamp = i64::from_le_bytes(parts.array("the timestamp")?);
        let datum = match byte(&mut parts, "the kind of value")? {
            0 => metric.value(number(&mut parts, "the value")?),
            1 => {
                let mut counted = Vec::new();
                for _ in 0..byte(&mut parts, "the number of values")? {
                    counted.push((number(&mut parts, "a value")?, number(&mut parts, "a count")?));
                }
                metric.values(counted)
            }
            2 => metric.statistics(StatisticSet {
                sample_count: number(&mut parts, "the sample count")?,
                sum: number(&mut parts, "the sum")?,
                minimum: number(&mut parts, "the minimum")?,
                maximum: number(&mut parts, "the maximum")?,
            }),
            kind => return Err(format!("the kind of value is {kind}; it is 0, 1 or 2")),
        };
        parts.end()?;
        datum.map(|datum| Self { timestamp, ..datum }).map_err(|error| error.to_string())
    }
}

fn put(bytes: &mut Appender<'_>, numbers: &[f64]) {
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
}

fn byte(parts: &mut Parts<'_>, what: &str) -> Result<u8, String> {
    parts.array(what).map(|[byte]| byte)
}

fn number(parts: &mut Parts<'_>, what: &str) -> Result<f64, String> {
    parts.array(what).map(f64::from_le_bytes)
}

fn text<'a>(parts: &mut Parts<'a>, what: &str) -> Result<&'a str, String> {
    std::str::from_utf8(parts.with_length(what)?)
        .map_err(|error| format!("{what} is no UTF-8: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::any_datum;

    fn datum() -> MetricDatum {
        let metric = Metric::builder("é")
            .dimension("H", "v")
            .unit(Unit::Count)
            .resolution(Resolution::Second);
        let datum = metric.build().unwrap().values([(1.0, 2.0)]).unwrap();
        MetricDatum { timestamp: 258, ..datum }
    }

    /// Snapshots that are on disks somewhere have exactly these bytes.
    #[test]
    fn version_1_stays_readable() {
        let counted = b"\x01\x02\0\0\0\0\0\0\0\xc3\xa9\
            \x01\x01\0\0\0\0\0\0\0H\x01\0\0\0\0\0\0\0v\x0e\x01\x02\x01\0\0\0\0\0\0\
            \x01\x01\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\x40";
        let single = b"\x01\x01\0\0\0\0\0\0\0m\0\x1a\x3c\xff\xff\xff\xff\xff\xff\xff\xff\
            \0\0\0\0\0\0\0\0\x40";
        let statistics = b"\x01\x01\0\0\0\0\0\0\0m\0\x1a\x3c\0\0\0\0\0\0\0\0\x02\
            \0\0\0\0\0\0\0\x40\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xf0\x3f";
        let plain = Metric::builder("m").build().unwrap();
        let set = StatisticSet { sample_count: 2.0, sum: 1.0, minimum: 0.0, maximum: 1.0 };
        for (bytes, expected) in [
            (&counted[..], datum()),
            (single, MetricDatum { timestamp: -1, ..plain.value(2.0).unwrap() }),
            (statistics, MetricDatum { timestamp: 0, ..plain.statistics(set).unwrap() }),
        ] {
            assert_eq!(MetricDatum::decode(Bytes::from_static(bytes)).unwrap(), expected);
            assert_eq!(expected.to_bytes(), bytes);
        }
    }

    #[test]
    fn bytes_that_are_no_datum_are_refused_in_clear_words() {
        let whole = datum().to_bytes();
        let with = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            bytes
        };
        let end = whole.len();
        for (bytes, expected) in [
            (vec![], "the metric datum is cut short: the version needs 1 bytes, 0 are left"),
            (with(0, 2), "has format version 2; this program reads version 1"),
            (with(8, 0xff), "cut short: the metric's name needs 18374686479671623682 bytes, "),
            (with(9, 0xff), "the metric's name is no UTF-8"),
            (with(20, b':'), "the dimension name `:` of the metric `é` begins with a colon"),
            (with(30, 27), "the unit has number 27; this program knows 0 to 26"),
            (with(31, 2), "the resolution is 2; it is 1 or 60"),
            (with(40, 3), "the kind of value is 3; it is 0, 1 or 2"),
            (with(end - 1, 0xc0), "has the count of a value -2e0"),
            ([whole.clone(), vec![0]].concat(), "1 bytes stand after the end"),
        ] {
            let error = MetricDatum::decode(bytes.into()).unwrap_err();
            assert!(error.contains(expected), "{expected} is missing in: {error}");
        }
    }

    #[test]
    fn a_datum_cut_anywhere_is_refused() {
        let whole = datum().to_bytes();
        for end in 0..whole.len() {
            let error = MetricDatum::decode(Bytes::copy_from_slice(&whole[..end])).unwrap_err();
            assert!(error.contains("cut short"), "at {end}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_datum_comes_back_as_it_was(datum in any_datum()) {
            prop_assert_eq!(MetricDatum::decode(datum.to_bytes().into()), Ok(datum));
        }

        #[test]
        fn a_datum_with_changed_bytes_never_panics(
            datum in any_datum(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = datum.to_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(datum) = MetricDatum::decode(bytes.into()) {
                prop_assert_eq!(MetricDatum::decode(datum.to_bytes().into()), Ok(datum));
            }
        }

        #[test]
        fn any_bytes_are_a_datum_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(datum) = MetricDatum::decode(bytes.into()) {
                prop_assert_eq!(MetricDatum::decode(datum.to_bytes().into()), Ok(datum));
            }
        }
    }
}
