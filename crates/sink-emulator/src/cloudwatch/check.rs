//! What PutMetricData demands of a request. One bad datum, and nothing of the request is taken.
//!
//! The rules are those of the API reference (PutMetricData, MetricDatum, Dimension, StatisticSet).
//! It does not give messages. Those of unit, timestamp, collections that are too large, texts that
//! are too long, dimensions that are there twice, and values that are invalid, missing or there
//! twice are what users of the service have reported; the others follow their pattern, unverified.

use super::{
    datum::{Datum, DatumValue, StatisticSet},
    limits::CloudWatchLimits,
    problems::Problems,
    shapes::{Dimension, MetricDatum, Number, PutMetricData, StatisticValues},
};
use crate::api::ApiError;

const MOST_DIMENSIONS: usize = 30;
const MOST_VALUES: usize = 150;
/// Two weeks and two hours.
const PAST_MS: i64 = 14 * 24 * 3600 * 1000;
const FUTURE_MS: i64 = 2 * 3600 * 1000;

/// In the order of the service's own message.
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// The namespace and the data of a request that is good in every part.
pub(super) fn request(
    input: PutMetricData,
    limits: &CloudWatchLimits,
    now: i64,
) -> Result<(String, Vec<Datum>), ApiError> {
    let mut problems = Problems::default();
    let namespace = namespace(&mut problems, input.namespace);
    let mut groups = vec![("MetricData".to_owned(), input.metric_data.unwrap_or_default())];
    for (index, of_entity) in input.entity_metric_data.into_iter().flatten().enumerate() {
        let path = format!("EntityMetricData.member.{}.MetricData", index + 1);
        groups.push((path, of_entity.metric_data.unwrap_or_default()));
    }
    // The limit is of both kinds together.
    let count: usize = groups.iter().map(|(_, group)| group.len()).sum();
    if count == 0 {
        problems.missing("MetricData");
    }
    if let Some(most) = limits.data_per_request {
        problems.at_most("MetricData", count, most);
    }
    let mut data = Vec::with_capacity(count);
    for (path, group) in groups {
        for (index, input) in group.into_iter().enumerate() {
            let path = format!("{path}.member.{}", index + 1);
            data.extend(datum(&mut problems, &path, input, now));
        }
    }
    problems.into_result()?;
    // Without problems there is a namespace, and each datum was taken.
    Ok((namespace.unwrap_or_default(), data))
}

fn namespace(problems: &mut Problems, namespace: Option<String>) -> Option<String> {
    let namespace = problems.text("Namespace", namespace, 255)?;
    let is_reserved = namespace.starts_with("AWS/") || namespace.starts_with(':');
    if is_reserved || !is_printable(&namespace) {
        problems.bad_value("Namespace", &namespace);
        return None;
    }
    Some(namespace)
}

/// ASCII without control characters.
fn is_printable(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii() && !c.is_ascii_control())
}

/// `None` if there is a problem.
fn datum(problems: &mut Problems, path: &str, input: MetricDatum, now: i64) -> Option<Datum> {
    let name = problems.text(&format!("{path}.MetricName"), input.metric_name.clone(), 255);
    let dimensions =
        dimensions(problems, &format!("{path}.Dimensions"), input.dimensions.as_deref());
    let value = value(problems, path, &input);
    let unit = input.unit.unwrap_or_else(|| "None".to_owned());
    if !UNITS.contains(&unit.as_str()) {
        problems.not_in_set(&format!("{path}.Unit"), &UNITS.join(", "));
    }
    let storage_resolution = match input.storage_resolution.unwrap_or(60) {
        1 => Some(1),
        60 => Some(60),
        _ => {
            problems.not_in_set(&format!("{path}.StorageResolution"), "1, 60");
            None
        }
    };
    let timestamp = input.timestamp.map_or(now, |moment| moment.0);
    if timestamp < now - PAST_MS {
        problems.invalid(format!(
            "The parameter {path}.Timestamp must specify a time within the past two weeks."
        ));
    } else if timestamp > now + FUTURE_MS {
        problems.invalid(format!(
            "The parameter {path}.Timestamp must specify a time no more than two hours in the future."
        ));
    }
    Some(Datum {
        metric_name: name?,
        dimensions: dimensions?,
        value: value?,
        unit,
        storage_resolution: storage_resolution?,
        timestamp,
    })
}

fn dimensions(
    problems: &mut Problems,
    path: &str,
    input: Option<&[Dimension]>,
) -> Option<Vec<(String, String)>> {
    let input = input.unwrap_or_default();
    problems.at_most(path, input.len(), MOST_DIMENSIONS);
    let mut dimensions = Vec::with_capacity(input.len());
    for (index, dimension) in input.iter().enumerate() {
        let path = format!("{path}.member.{}", index + 1);
        let name = dimension_text(problems, &format!("{path}.Name"), &dimension.name, 255);
        let value = dimension_text(problems, &format!("{path}.Value"), &dimension.value, 1024);
        if let Some(name) = name.as_ref().filter(|name| name.starts_with(':')) {
            problems.bad_value(&format!("{path}.Name"), name);
        }
        dimensions.push(name.zip(value));
    }
    let dimensions: Vec<_> = dimensions.into_iter().collect::<Option<_>>()?;
    let mut names: Vec<_> = dimensions.iter().map(|(name, _)| name).collect();
    names.sort();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        problems.invalid("No metric may specify the same dimension name twice.".to_owned());
    }
    Some(dimensions)
}

fn dimension_text(
    problems: &mut Problems,
    path: &str,
    text: &Option<String>,
    most: usize,
) -> Option<String> {
    let text = problems.text(path, text.clone(), most)?;
    if !is_printable(&text) || text.trim().is_empty() {
        problems.bad_value(path, &text);
        return None;
    }
    Some(text)
}

/// Exactly one of value, values and statistics.
fn value(problems: &mut Problems, path: &str, input: &MetricDatum) -> Option<DatumValue> {
    let given: Vec<_> = [
        ("Value", input.value.is_some()),
        ("Values", input.values.is_some()),
        ("StatisticValues", input.statistic_values.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, given)| given.then_some(name))
    .collect();
    match (&given[..], input.value, &input.values, &input.statistic_values) {
        ([_], Some(value), ..) => {
            problems.number(&format!("{path}.Value"), Some(value)).map(DatumValue::Single)
        }
        ([_], _, Some(values), _) => self::values(problems, path, values, input.counts.as_deref()),
        ([_], _, _, Some(statistics)) => {
            let path = format!("{path}.StatisticValues");
            statistic_set(problems, &path, statistics).map(DatumValue::Statistics)
        }
        ([one, other, ..], ..) => {
            problems.combination(format!(
                "The parameters {path}.{one} and {path}.{other} are mutually exclusive and you \
                 have specified both."
            ));
            None
        }
        _ => {
            problems.combination(format!(
                "At least one of the parameters {path}.Value, {path}.Values and \
                 {path}.StatisticValues must be specified."
            ));
            None
        }
    }
}

fn values(
    problems: &mut Problems,
    path: &str,
    values: &[Number],
    counts: Option<&[Number]>,
) -> Option<DatumValue> {
    problems.at_most(&format!("{path}.Values"), values.len(), MOST_VALUES);
    if values.is_empty() {
        problems.missing(&format!("{path}.Values"));
    }
    if counts.is_some_and(|counts| counts.len() != values.len()) {
        problems.invalid(format!(
            "The parameters {path}.Values and {path}.Counts must have the same size."
        ));
        return None;
    }
    let mut numbers = |name: &str, input: &[Number]| -> Option<Vec<f64>> {
        let member = |index| format!("{path}.{name}.member.{}", index + 1);
        let numbers: Vec<_> = input
            .iter()
            .enumerate()
            .map(|(index, number)| problems.number(&member(index), Some(*number)))
            .collect();
        numbers.into_iter().collect()
    };
    let taken = numbers("Values", values);
    let counts = match counts {
        Some(counts) => numbers("Counts", counts),
        None => Some(vec![1.0; values.len()]),
    };
    for (index, count) in counts.iter().flatten().enumerate() {
        problems.not_negative(&format!("{path}.Counts.member.{}", index + 1), *count);
    }
    Some(DatumValue::Values { values: taken?, counts: counts? })
}

fn statistic_set(
    problems: &mut Problems,
    path: &str,
    input: &StatisticValues,
) -> Option<StatisticSet> {
    let mut number = |name: &str, number| problems.number(&format!("{path}.{name}"), number);
    let sample_count = number("SampleCount", input.sample_count);
    let sum = number("Sum", input.sum);
    let minimum = number("Minimum", input.minimum);
    let maximum = number("Maximum", input.maximum);
    if let Some(count) = sample_count {
        problems.not_negative(&format!("{path}.SampleCount"), count);
    }
    Some(StatisticSet::new(sample_count?, sum?, minimum?, maximum?))
}

#[cfg(test)]
mod tests;
