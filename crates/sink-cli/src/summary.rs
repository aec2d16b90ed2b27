//! What the program says at its end.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    time::Duration,
};

use indicatif::HumanCount;
use serde::Serialize;
use sink_core::Counters;
use sink_emulator::kinesis::ShardTotals;

use crate::progress::human_bytes;

/// All numbers of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Lines that held something.
    pub(crate) read: u64,
    /// Records that the destination said it stored.
    pub(crate) delivered: usize,
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
    /// What arrived in each shard of the embedded endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) shards: Vec<Shard>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Retried {
    pub(crate) throttled: u64,
    pub(crate) unavailable: u64,
    pub(crate) timeout: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Shard {
    id: String,
    records: u64,
    bytes: u64,
    throttled: u64,
}

impl From<ShardTotals> for Shard {
    fn from(totals: ShardTotals) -> Self {
        Self {
            id: totals.id,
            records: totals.records,
            bytes: totals.bytes,
            throttled: totals.throttled,
        }
    }
}

impl Report {
    pub(crate) fn new(
        read: u64,
        rejected: BTreeMap<&'static str, u64>,
        counters: &Counters,
        elapsed: Duration,
        max_batch_size: usize,
        shards: Vec<ShardTotals>,
    ) -> Self {
        let delivered = counters.delivered.entries;
        let seconds = elapsed.as_secs_f64();
        let rejected_total: u64 = rejected.values().sum();
        #[allow(clippy::cast_precision_loss)] // for display
        let records_per_second = delivered as f64 / seconds.max(1e-9);
        Self {
            read,
            delivered,
            delivered_bytes: counters.delivered.bytes,
            unsent: read - rejected_total - delivered as u64,
            rejected,
            retried: Retried {
                throttled: counters.retried_throttled,
                unavailable: counters.retried_unavailable,
                timeout: counters.retried_timeout,
            },
            requests: counters.requests,
            seconds,
            records_per_second,
            mean_batch_fill: counters.mean_batch_fill(max_batch_size),
            shards: shards.into_iter().map(Into::into).collect(),
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
        let Retried { throttled, unavailable, timeout } = self.retried;
        let retried = throttled + unavailable + timeout;
        let causes = parts(&[
            (throttled, "throttled"),
            (unavailable, "unavailable"),
            (timeout, "timed out"),
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
        if !self.shards.is_empty() {
            text += &format!(
                "\n{:<22} {:>12} {:>12} {:>12}\n",
                "shard", "records", "bytes", "throttled"
            );
            for shard in &self.shards {
                text += &format!(
                    "{:<22} {:>12} {:>12} {:>12}\n",
                    shard.id,
                    count(shard.records),
                    count(shard.bytes),
                    count(shard.throttled)
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
        let report = Report::new(10, rejected, &counters, Duration::from_secs(1), 500, Vec::new());
        assert_eq!(report.unsent, 0);
        let table = report.to_table();
        assert!(table.contains("rejected         5 (3 dead letters, 2 no key)\n"), "{table}");
    }
}
