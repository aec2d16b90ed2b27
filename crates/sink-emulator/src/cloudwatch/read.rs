//! GetMetricStatistics: reading back what was put, in the four numbers that were kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    datum::{self, StatisticSet},
    problems::Problems,
    shapes::{Dimension, Moment},
    store::Store,
};
use crate::api::ApiError;

/// So many data points a call gives at most (its API reference).
const MOST_DATAPOINTS: i64 = 1440;
const STATISTICS: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetMetricStatistics {
    namespace: Option<String>,
    metric_name: Option<String>,
    dimensions: Option<Vec<Dimension>>,
    start_time: Option<Moment>,
    end_time: Option<Moment>,
    period: Option<i64>,
    statistics: Option<Vec<String>>,
    unit: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetMetricStatisticsAnswer {
    label: String,
    datapoints: Vec<Datapoint>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Datapoint {
    timestamp: Moment,
    unit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_count: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum: Option<f64>,
}

/// Data points of each unit apart, in order of time. Periods are counted from the start, which is
/// rounded down to a whole minute, or to the period where that is shorter.
pub(super) fn get_metric_statistics(
    store: &mut Store,
    input: GetMetricStatistics,
) -> Result<GetMetricStatisticsAnswer, ApiError> {
    let mut problems = Problems::default();
    let namespace = problems.text("Namespace", input.namespace, 255);
    let metric = problems.text("MetricName", input.metric_name, 255);
    let start = problems.required("StartTime", input.start_time);
    let end = problems.required("EndTime", input.end_time);
    let period = period(&mut problems, input.period);
    let asked = input.statistics.unwrap_or_default();
    if asked.is_empty() {
        problems.missing("Statistics");
    }
    for (index, statistic) in asked.iter().enumerate() {
        if !STATISTICS.contains(&statistic.as_str()) {
            let path = format!("Statistics.member.{}", index + 1);
            problems.not_in_set(&path, &STATISTICS.join(", "));
        }
    }
    problems.into_result()?;
    let (Some(namespace), Some(metric), Some(start), Some(end), Some(period)) =
        (namespace, metric, start, end, period)
    else {
        return Err(ApiError::new("MissingParameter", "A parameter is required.")); // said above
    };

    let start = start.0.saturating_sub(start.0.rem_euclid(period.min(60_000)));
    if end.0.saturating_sub(start) > MOST_DATAPOINTS * period {
        return Err(ApiError::new(
            "InvalidParameterCombination",
            format!(
                "You have requested more than the limit of {MOST_DATAPOINTS} data points. You may \
                 reduce the datapoints requested by increasing Period, or decreasing the time range."
            ),
        ));
    }
    let dimensions: Vec<_> = input
        .dimensions
        .iter()
        .flatten()
        .filter_map(|dimension| dimension.name.as_deref().zip(dimension.value.as_deref()))
        .collect();
    let data = store.data.get(&namespace).map(Vec::as_slice).unwrap_or_default();
    let in_time = |datum: &&datum::Datum| (start..end.0).contains(&datum.timestamp);
    let mut by_unit = BTreeMap::<_, Vec<_>>::new();
    for datum in data.iter().filter(in_time) {
        if input.unit.as_ref().is_none_or(|unit| *unit == datum.unit) {
            by_unit.entry(&datum.unit).or_default().push(datum.clone());
        }
    }
    let mut datapoints = Vec::new();
    for (unit, data) in by_unit {
        for (at, set) in datum::statistics(&data, &metric, &dimensions, start, period) {
            datapoints.push(datapoint(at, unit, set, &asked));
        }
    }
    datapoints.sort_by_key(|datapoint| datapoint.timestamp.0);
    Ok(GetMetricStatisticsAnswer { label: metric, datapoints })
}

/// In milliseconds: 1, 5, 10, 20 or 30 seconds, or whole minutes.
fn period(problems: &mut Problems, period: Option<i64>) -> Option<i64> {
    let seconds = problems.required("Period", period)?;
    // A year and a day: longer ones are none that a data point could have.
    let is_minutes = (60..=366 * 24 * 3600).contains(&seconds) && seconds % 60 == 0;
    if is_minutes || [1, 5, 10, 20, 30].contains(&seconds) {
        return Some(seconds * 1000);
    }
    problems.bad_value("Period", &seconds.to_string());
    None
}

fn datapoint(at: i64, unit: &str, set: StatisticSet, asked: &[String]) -> Datapoint {
    let if_asked =
        |name: &str, number: f64| asked.iter().any(|statistic| statistic == name).then_some(number);
    Datapoint {
        timestamp: Moment(at),
        unit: unit.to_owned(),
        sample_count: if_asked("SampleCount", set.sample_count),
        average: if_asked("Average", set.sum / set.sample_count),
        sum: if_asked("Sum", set.sum),
        minimum: if_asked("Minimum", set.minimum),
        maximum: if_asked("Maximum", set.maximum),
    }
}
