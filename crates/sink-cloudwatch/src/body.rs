//! A datum in a request: the bytes that the SDK writes, or what it writes them from.

use aws_sdk_cloudwatch::types;
use aws_smithy_types::DateTime;
use sink_aws::cbor::{END, double, list, text};

use crate::datum::{MetricDatum, MetricValue, Resolution, StatisticSet, Unit};

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

/// What [`write`] writes, as the SDK has it.
pub(crate) fn for_sdk(datum: &MetricDatum) -> types::MetricDatum {
    let metric = &datum.metric;
    let builder = types::MetricDatum::builder()
        .metric_name(metric.name())
        .timestamp(DateTime::from_millis(datum.timestamp))
        .set_unit(Some(metric.unit()).filter(|unit| *unit != Unit::None))
        .set_storage_resolution((metric.resolution() == Resolution::Second).then_some(1));
    let builder = metric.dimensions().iter().fold(builder, |builder, (name, value)| {
        builder.dimensions(types::Dimension::builder().name(name).value(value).build())
    });
    match &datum.value {
        MetricValue::Single(value) => builder.value(*value),
        MetricValue::Counted(counted) => builder
            .set_values(Some(counted.iter().map(|(value, _)| *value).collect()))
            .set_counts(Some(counted.iter().map(|(_, count)| *count).collect())),
        MetricValue::Statistics(set) => builder.statistic_values(
            types::StatisticSet::builder()
                .sample_count(set.sample_count)
                .sum(set.sum)
                .minimum(set.minimum)
                .maximum(set.maximum)
                .build(),
        ),
    }
    .build()
}
