//! A datum in the body of a request: the bytes that the SDK writes.

use aws_smithy_types::DateTime;
use sink_aws::cbor::{END, double, list, text};

use super::{MetricDatum, MetricValue, Resolution, StatisticSet, Unit};

/// Appends a datum. What is the API's default is left out: it takes no bytes.
pub(crate) fn write(out: &mut Vec<u8>, datum: &MetricDatum) {
    let metric = &datum.metric;
    out.extend_from_slice(b"\xbf\x6aMetricName");
    text(out, metric.name());
    if !metric.dimensions().is_empty() {
        out.extend_from_slice(b"\x6aDimensions");
        list(out, metric.dimensions().len());
        for (name, value) in metric.dimensions() {
            out.extend_from_slice(b"\xbf\x64Name");
            text(out, name);
            out.extend_from_slice(b"\x65Value");
            text(out, value);
            out.push(END);
        }
    }
    out.extend_from_slice(b"\x69Timestamp\xc1"); // a tag: the number is a time
    double(out, DateTime::from_millis(datum.timestamp).as_secs_f64());
    match &datum.value {
        MetricValue::Single(value) => {
            out.extend_from_slice(b"\x65Value");
            double(out, *value);
        }
        MetricValue::Counted(counted) => {
            out.extend_from_slice(b"\x66Values");
            list(out, counted.len());
            counted.iter().for_each(|(value, _)| double(out, *value));
            out.extend_from_slice(b"\x66Counts");
            list(out, counted.len());
            counted.iter().for_each(|(_, count)| double(out, *count));
        }
        MetricValue::Statistics(set) => statistics(out, set),
    }
    let unit = metric.unit();
    if unit != Unit::None {
        out.extend_from_slice(b"\x64Unit");
        text(out, unit.as_str());
    }
    if metric.resolution() == Resolution::Second {
        out.extend_from_slice(b"\x71StorageResolution\x01");
    }
    out.push(END);
}

fn statistics(out: &mut Vec<u8>, set: &StatisticSet) {
    out.extend_from_slice(b"\x6fStatisticValues\xbf\x6bSampleCount");
    double(out, set.sample_count);
    out.extend_from_slice(b"\x63Sum");
    double(out, set.sum);
    out.extend_from_slice(b"\x67Minimum");
    double(out, set.minimum);
    out.extend_from_slice(b"\x67Maximum");
    double(out, set.maximum);
    out.push(END);
}
