//! PutMetricData, as the API's model has them. Every member may be missing, so that its absence is
//! answered as the service does.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutMetricData {
    pub(super) namespace: Option<String>,
    pub(super) metric_data: Option<Vec<MetricDatum>>,
    pub(super) entity_metric_data: Option<Vec<EntityMetricData>>,
}

/// Data of an entity. The entity itself is not looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EntityMetricData {
    pub(super) metric_data: Option<Vec<MetricDatum>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricDatum {
    pub(super) metric_name: Option<String>,
    pub(super) dimensions: Option<Vec<Dimension>>,
    pub(super) timestamp: Option<Moment>,
    pub(super) value: Option<Number>,
    pub(super) statistic_values: Option<StatisticValues>,
    pub(super) values: Option<Vec<Number>>,
    pub(super) counts: Option<Vec<Number>>,
    pub(super) unit: Option<String>,
    pub(super) storage_resolution: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Dimension {
    pub(super) name: Option<String>,
    pub(super) value: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StatisticValues {
    pub(super) sample_count: Option<Number>,
    pub(super) sum: Option<Number>,
    pub(super) minimum: Option<Number>,
    pub(super) maximum: Option<Number>,
}

/// A double. Some clients send whole numbers as CBOR integers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

#[allow(clippy::cast_precision_loss)] // as the service, whose numbers are doubles
impl de::Visitor<'_> for Visitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number, E> {
        Ok(Number(number as f64))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number as f64))
    }
}

/// A moment in milliseconds since 1970; on the wire seconds under tag 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment(pub(super) i64);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Number(seconds) = if deserializer.is_human_readable() {
            Number::deserialize(deserializer)?
        } else {
            ciborium::tag::Accepted::<Number, 1>::deserialize(deserializer)?.0
        };
        // The nearest millisecond: 0.123 s is a little less as a double.
        #[allow(clippy::cast_possible_truncation)] // saturates
        Ok(Self((seconds * 1000.0).round() as i64))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[allow(clippy::cast_precision_loss)] // exact for the next 285,000 years
        let seconds = self.0 as f64 / 1000.0;
        if serializer.is_human_readable() {
            seconds.serialize(serializer)
        } else {
            ciborium::tag::Required::<f64, 1>(seconds).serialize(serializer)
        }
    }
}
