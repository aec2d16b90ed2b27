//! Bytes as the SDK writes them: the protocol is rpcv2Cbor, its structures are maps of indefinite
//! length (one byte at each end), its numbers doubles. Tests of `request.rs` compare.

use super::{
    MAX_DIMENSION_VALUE, MAX_DIMENSIONS, MAX_NAME, MAX_VALUES, MetricValue, Resolution, Unit,
    metric::Identity,
};

/// A head of type and length: RFC 8949, section 3.
pub(crate) const fn head(length: usize) -> usize {
    match length {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        _ => 5,
    }
}

pub(crate) const fn text(length: usize) -> usize {
    head(length) + length
}

/// A field of a structure: its name, and its value of so many bytes.
pub(crate) const fn field(name: &str, value: usize) -> usize {
    text(name.len()) + value
}

const fn list(length: usize, each: usize) -> usize {
    head(length) + length * each
}

const fn dimension(name: usize, value: usize) -> usize {
    MAP + field("Name", text(name)) + field("Value", text(value))
}

const fn counted(values: usize) -> usize {
    field("Values", list(values, DOUBLE)) + field("Counts", list(values, DOUBLE))
}

const DOUBLE: usize = 9;
pub(crate) const MAP: usize = 2;
/// With the tag that makes a number a time.
const TIMESTAMP: usize = field("Timestamp", 1 + DOUBLE);
const RESOLUTION: usize = field("StorageResolution", 1);

/// What a request has besides its data, at most: a namespace has 255 bytes.
pub(crate) const MAX_FRAME: usize =
    MAP + field("Namespace", text(255)) + field("MetricData", head(1000));

/// The largest datum that the API reference allows, whose metric's name is not ASCII.
pub(crate) const MAX_DATUM: usize = MAP
    + field("MetricName", text(4 * MAX_NAME))
    + field("Dimensions", list(MAX_DIMENSIONS, dimension(MAX_NAME, MAX_DIMENSION_VALUE)))
    + field("Unit", text("Kilobytes/Second".len()))
    + RESOLUTION
    + TIMESTAMP
    + counted(MAX_VALUES);

/// A datum without what it says: the metric and the time.
pub(super) fn metric_size(of: &Identity) -> usize {
    let mut size = MAP + field("MetricName", text(of.name.len())) + TIMESTAMP;
    if !of.dimensions.is_empty() {
        let each = of.dimensions.iter().map(|(name, value)| dimension(name.len(), value.len()));
        size += field("Dimensions", head(of.dimensions.len()) + each.sum::<usize>());
    }
    if of.unit != Unit::None {
        size += field("Unit", text(of.unit.as_str().len()));
    }
    if of.resolution == Resolution::Second {
        size += RESOLUTION;
    }
    size
}

/// What a datum says.
pub(crate) fn value_size(value: &MetricValue) -> usize {
    match value {
        MetricValue::Single(_) => field("Value", DOUBLE),
        MetricValue::Counted(values) => counted(values.len()),
        MetricValue::Statistics(_) => {
            let each = ["SampleCount", "Sum", "Minimum", "Maximum"].map(|name| field(name, DOUBLE));
            field("StatisticValues", MAP + each.iter().sum::<usize>())
        }
    }
}
