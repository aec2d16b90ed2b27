//! What the program says at its end.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    time::Duration,
};

use indicatif::HumanCount;
use serde::{Serialize, Serializer};
use sink_core::Counters;

use crate::progress::human_bytes;

/// All numbers of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Lines that held something.
    pub(crate) read: u64,
    /// Records that the destination said it stored.
    pub(crate) delivered: usize,
    /// Records that went out, or were rejected, as part of another one.
    pub(crate) merged: usize,
    pub(crate) delivered_bytes: usize,
    /// Records read and not delivered.
    pub(crate) unsent: u64,
    /// Lines that could not be sent, by reason; and, as `dead letters`, records that went to that
    /// file.
    pub(crate) rejected: BTreeMap<&'static str, u64>,
    pub(crate) retried: Retried,
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) records_per_second: f64,
    pub(crate) mean_batch_fill: f64,
    #[serde(flatten)]
    pub(crate) arrived: Option<Arrived>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Retried {
    pub(crate) throttled: u64,
    pub(crate) unavailable: u64,
    pub(crate) timeout: u64,
    /// Sent with a record that the destination refused, and refused with it.
    pub(crate) bisected: u64,
}

/// What arrived in each part of the embedded endpoint.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// What a part is, for people.
    pub(crate) noun: &'static str,
    /// What the parts are called in JSON.
    pub(crate) key: &'static str,
    pub(crate) parts: Vec<Part>,
}

impl Serialize for Arrived {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.key, &self.parts)])
    }
}

/// What arrived in one part; what the endpoint does not count is left out.
#[derive(Debug, Serialize)]
pub(crate) struct Part {
    pub(crate) id: String,
    pub(crate) records: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) throttled: Option<u64>,
}

impl Report {
    pub(crate) fn new(
        read: u64,
        rejected: BTreeMap<&'static str, u64>,
        counters: &Counters,
        elapsed: Duration,
        max_batch_size: usize,
        arrived: Option<Arrived>,
    ) -> Self {
        let (delivered, merged) = (counters.delivered.entries, counters.merged.entries);
        let seconds = elapsed.as_secs_f64();
        let rejected_total: u64 = rejected.values().sum();
        #[allow(clippy::cast_precision_loss)] // for display
        let records_per_second = (delivered + merged) as f64 / seconds.max(1e-9);
        Self {
            read,
            delivered,
            delivered_bytes: counters.delivered.bytes,
            merged,
            unsent: read - rejected_total - (delivered + merged) as u64,
            rejected,
            retried: Retried {
                throttled: counters.retried_throttled,
                unavailable: counters.retried_unavailable,
                timeout: counters.retried_timeout,
                bisected: counters.retried_bisected,
            },
            requests: counters.requests,
            seconds,
            records_per_second,
            mean_batch_fill: counters.mean_batch_fill(max_batch_size),
            arrived,
        }
    }

    /// Prints it on standard output.
    pub(crate) fn print(&self, as_json: bool) {
        let text = if as_json {
            serde_json::to_string(self).unwrap_or_default() + "\n"
        } else {
            self.to_table()
        };
        // Whoever closed standard output does not want it.
        let _closed = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
    }

    fn to_table(&self) -> String {
        let count = |n: u64| HumanCount(n).to_string();
        let Retried { throttled, unavailable, timeout, bisected } = self.retried;
        let retried = throttled + unavailable + timeout + bisected;
        let causes = parts(&[
            (throttled, "throttled"),
            (unavailable, "unavailable"),
            (timeout, "timed out"),
            (bisected, "refused with others"),
        ]);
        let reasons: Vec<_> = self.rejected.iter().map(|(reason, n)| (*n, *reason)).collect();
        let rejected: u64 = self.rejected.values().sum();
        let mut rows = vec![
            ("read", count(self.read)),
            (
                "delivered",
                format!("{} ({})", count(self.delivered as u64), human_bytes(self.delivered_bytes)),
            ),
            ("retried", count(retried) + &causes),
            ("rejected", count(rejected) + &parts(&reasons)),
        ];
        if self.merged > 0 {
            rows.insert(2, ("merged", count(self.merged as u64) + " (part of others)"));
        }
        if self.unsent > 0 {
            rows.push(("not sent", count(self.unsent)));
        }
        rows.extend([
            ("seconds", format!("{:.2}", self.seconds)),
            ("records/s", format!("{:.0}", self.records_per_second)),
            ("requests", count(self.requests)),
            ("mean batch fill", format!("{:.0} %", self.mean_batch_fill * 100.0)),
        ]);
        let mut text = String::new();
        for (name, value) in rows {
            text += &format!("{name:<16} {value}\n");
        }
        if let Some(arrived) = &self.arrived {
            text += &format!(
                "\n{:<22} {:>12} {:>12} {:>12}\n",
                arrived.noun, "records", "bytes", "throttled"
            );
            let or_dash = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), count);
            for part in &arrived.parts {
                text += &format!(
                    "{:<22} {:>12} {:>12} {:>12}\n",
                    part.id,
                    count(part.records),
                    or_dash(part.bytes),
                    or_dash(part.throttled)
                );
            }
        }
        text
    }
}

/// ` (3 throttled, 1 timed out)`, without what is zero.
fn parts(parts: &[(u64, &str)]) -> String {
    let parts: Vec<_> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{} {what}", HumanCount(*n)))
        .collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_records_that_were_rejected_are_counted_by_reason_and_are_not_unsent() {
        let mut counters = Counters::default();
        counters.delivered.entries = 5;
        let rejected = BTreeMap::from([("dead letters", 3), ("no key", 2)]);
        let report = Report::new(10, rejected, &counters, Duration::from_secs(1), 500, None);
        assert_eq!(report.unsent, 0);
        let table = report.to_table();
        assert!(table.contains("rejected         5 (3 dead letters, 2 no key)\n"), "{table}");
        assert!(!table.contains("merged"), "{table}");
    }

    #[test]
    fn records_that_went_out_as_part_of_others_are_not_unsent() {
        let mut counters = Counters::default();
        counters.delivered.entries = 2;
        counters.merged.entries = 7;
        let part = Part { id: "Shop".to_owned(), records: 2, bytes: None, throttled: None };
        let arrived = Arrived { noun: "namespace", key: "namespaces", parts: vec![part] };
        let second = Duration::from_secs(1);
        let report = Report::new(10, BTreeMap::new(), &counters, second, 500, Some(arrived));
        assert_eq!(report.unsent, 1);
        let table = report.to_table();
        assert!(table.contains("\nmerged           7 (part of others)\nretried "), "{table}");
        assert!(table.contains("\nShop                              2            -"), "{table}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["namespaces"], serde_json::json!([{ "id": "Shop", "records": 2 }]));
    }
}
