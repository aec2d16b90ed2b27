//! From the fields of a line to a metric's value.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_smithy_types::{DateTime, date_time::Format};
use sink_cloudwatch::{Metric, MetricDatum, Resolution, Unit};

use crate::{
    fields::{FieldPath, Scalar, check, find},
    records::{BadKind, LineConverter, Problem},
};

/// What each line says, and where it says it.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) metric: Source<String>,
    pub(crate) value: Source<f64>,
    /// Names, and where their values come from.
    pub(crate) dimensions: Vec<(String, Source<String>)>,
    pub(crate) unit: Unit,
    pub(crate) resolution: Resolution,
    /// Without it, the time is that of reading.
    pub(crate) timestamp: Option<FieldPath>,
}

/// Where something comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source<T> {
    Fixed(T),
    Field(FieldPath),
}

impl<T> Source<T> {
    pub(crate) fn one_of(fixed: Option<T>, field: Option<FieldPath>) -> Option<Self> {
        fixed.map(Self::Fixed).or_else(|| field.map(Self::Field))
    }
}

/// Numbers below it are seconds since 1970 (until the year 5138), others milliseconds (from 1973
/// on): CloudWatch takes neither of what the other reading would be.
const FIRST_MILLISECONDS: f64 = 1e11;

impl Mapping {
    /// Tells what CloudWatch would refuse of every line.
    pub(crate) fn check(&self) -> Result<(), String> {
        // What a field will say is nothing to complain of yet.
        let any = |source: &Source<String>| match source {
            Source::Fixed(text) => text.clone(),
            Source::Field(_) => "any".to_owned(),
        };
        let values = self.dimensions.iter().map(|(_, source)| any(source).into());
        let values: Vec<_> = values.collect();
        let metric = self.metric(&any(&self.metric), &values).map_err(|error| error.to_string())?;
        match &self.value {
            Source::Fixed(value) => metric.value(*value).map(drop).map_err(|e| e.to_string()),
            Source::Field(_) => Ok(()),
        }
    }

    /// `values` are those of the dimensions, in their order.
    fn metric(
        &self,
        name: &str,
        values: &[Cow<'_, str>],
    ) -> Result<Metric, sink_core::ConvertError> {
        let builder = Metric::builder(name).unit(self.unit.clone()).resolution(self.resolution);
        let dimensions = self.dimensions.iter().zip(values);
        dimensions
            .fold(builder, |builder, ((name, _), value)| builder.dimension(name, value.as_ref()))
            .build()
    }

    /// Which field says what CloudWatch does not take, where `metric` refused it.
    fn culprit(&self, name: &str, values: &[Cow<'_, str>]) -> String {
        let is_bad = |name: &str, value: &str| {
            Metric::builder("any").dimension(name, value).build().is_err()
        };
        for ((dimension, source), value) in self.dimensions.iter().zip(values) {
            if let Source::Field(path) = source
                && is_bad(dimension, value)
            {
                return format!("the dimension field `{path}`: ");
            }
        }
        match &self.metric {
            Source::Field(path) if Metric::builder(name).build().is_err() => {
                format!("the metric field `{path}`: ")
            }
            _ => String::new(),
        }
    }

    fn value(&self, line: &[u8], metric: &Metric) -> Result<MetricDatum, Problem> {
        let bad = |reason| Problem::new(BadKind::BadValue, reason);
        let path = match &self.value {
            Source::Fixed(value) => {
                return metric.value(*value).map_err(|error| bad(error.to_string()));
            }
            Source::Field(path) => path,
        };
        let field = || format!("the value field `{path}`");
        let accepted = "a value is a number";
        let raw = match find(line, path) {
            Ok(Scalar::Number(raw)) => raw,
            Ok(other) => {
                let text = shortened(&other.into_text());
                return Err(bad(format!("{} is {text}; {accepted}", field())));
            }
            Err(problem) => {
                return Err(Problem::of_field(problem, &field(), BadKind::NoField, accepted));
            }
        };
        // JSON's numbers are Rust's; one that is too large is infinite, which is refused next.
        let value = raw.parse().unwrap_or(f64::NAN);
        metric.value(value).map_err(|error| bad(format!("{}: {error}", field())))
    }
}

impl LineConverter for Mapping {
    type Entry = MetricDatum;

    const SIZE: &'static str = "bytes in a request";

    /// Most of a line may be fields that nobody asked for. As long as Kinesis' records by default.
    const LONGEST_LINE: Option<usize> = Some(1 << 20);

    fn convert(&self, line: &[u8]) -> Result<MetricDatum, Problem> {
        check(line)?;
        let name = text(line, &self.metric, "metric", "a metric's name")?;
        let values = self.dimensions.iter();
        let values = values
            .map(|(_, source)| text(line, source, "dimension", "a dimension's value"))
            .collect::<Result<Vec<_>, _>>()?;
        let metric = self.metric(&name, &values).map_err(|error| {
            let reason = format!("{}{error}", self.culprit(&name, &values));
            Problem::new(BadKind::BadMetric, reason)
        })?;
        let datum = self.value(line, &metric)?;
        match &self.timestamp {
            None => Ok(datum),
            Some(path) => datum.at(time(line, path)?).map_err(|error| {
                let reason = format!("the timestamp field `{path}`: {error}");
                Problem::new(BadKind::BadTimestamp, reason)
            }),
        }
    }
}

/// Text from where it comes from. `what` it is, and what that is in full, are for messages.
fn text<'a>(
    line: &'a [u8],
    source: &'a Source<String>,
    what: &str,
    in_full: &str,
) -> Result<Cow<'a, str>, Problem> {
    match source {
        Source::Fixed(text) => Ok(Cow::Borrowed(text)),
        Source::Field(path) => find(line, path).map(Scalar::into_text).map_err(|problem| {
            let field = format!("the {what} field `{path}`");
            let accepted = format!("{in_full} is text, a number or a boolean");
            Problem::of_field(problem, &field, BadKind::NoField, &accepted)
        }),
    }
}

fn time(line: &[u8], path: &FieldPath) -> Result<SystemTime, Problem> {
    let field = || format!("the timestamp field `{path}`");
    let accepted = "write RFC 3339 text (2026-11-21T13:00:00Z), or a number of seconds or \
                    milliseconds since 1970";
    let found = find(line, path)
        .map_err(|problem| Problem::of_field(problem, &field(), BadKind::NoField, accepted))?;
    let millis = match &found {
        Scalar::Text(text) => {
            let time = DateTime::from_str(text, Format::DateTimeWithOffset).ok();
            time.and_then(|time| time.to_millis().ok())
        }
        Scalar::Number(raw) => raw.parse().ok().map(millis),
        Scalar::Boolean(_) => None,
    };
    millis.and_then(since_1970).ok_or_else(|| {
        let text = shortened(&found.into_text());
        Problem::new(BadKind::BadTimestamp, format!("{} is {text}; {accepted}", field()))
    })
}

/// A number of seconds or milliseconds as milliseconds.
fn millis(number: f64) -> i64 {
    let millis = if number.abs() < FIRST_MILLISECONDS { number * 1000.0 } else { number };
    #[allow(clippy::cast_possible_truncation)] // what saturates is refused as out of range
    {
        millis.round() as i64
    }
}

/// Nothing where the machine's clock has no such time.
fn since_1970(millis: i64) -> Option<SystemTime> {
    let off = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 { UNIX_EPOCH.checked_sub(off) } else { UNIX_EPOCH.checked_add(off) }
}

/// Text of a line as a message can have it.
fn shortened(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", start.escape_debug())
}

#[cfg(test)]
mod tests;
