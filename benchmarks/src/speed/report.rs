//! What a run says: one line of JSON.

use std::{fmt, time::Duration};

use serde_json::{Map, Value};

use super::histogram::Histogram;

/// Names and values of one run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    values: Map<String, Value>,
    problems: Vec<String>,
}

impl Report {
    /// Adds a value.
    pub fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Adds a number with four decimals: no more is true of a time.
    pub fn put_float(&mut self, name: &str, value: f64) {
        self.put(name, (value * 1e4).round() / 1e4);
    }

    /// Adds p50, p99 and the longest of some times, in microseconds; nothing if there are none.
    pub fn put_times(&mut self, name: &str, times: &Histogram) {
        if times.count() > 0 {
            let micros = |time: Duration| time.as_nanos() as f64 / 1e3;
            let mut of = Self::default();
            of.put("samples", times.count());
            of.put_float("p50", micros(times.quantile(0.5)));
            of.put_float("p99", micros(times.quantile(0.99)));
            of.put_float("max", micros(times.max()));
            self.put(name, of.values);
        }
    }

    /// Says what was wrong with the run.
    pub fn fail(&mut self, problems: impl IntoIterator<Item = String>) {
        self.problems.extend(problems);
    }

    /// Whether nothing was wrong.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

/// The line.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut values = self.values.clone();
        values.insert("ok".to_owned(), self.is_ok().into());
        if !self.is_ok() {
            values.insert("problems".to_owned(), self.problems.clone().into());
        }
        Value::Object(values).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_that_says_what_was_wrong() {
        let mut report = Report::default();
        report.put("records", 3);
        report.put_float("wall_s", 0.123_456);
        assert!(report.is_ok());
        report.fail(["1 records\nare missing".to_owned()]);
        let line = report.to_string();
        assert!(!line.contains('\n'));
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["wall_s"], 0.1235);
        assert_eq!(read["ok"], false);
        assert_eq!(read["problems"][0], "1 records\nare missing");
    }
}
