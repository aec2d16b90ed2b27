//! Everything, several times in turn, and the tables of it.

use std::{env, fmt::Write as _, fs, path::Path, process::Command};

use serde_json::Value;

use super::usage;
use crate::Result;

/// What is run, each in a process of its own: its arguments are its name.
const RUNS: &[&str] = &[
    "noop",
    "noop --shared",
    "noop --size 1024 --records 10000000",
    "noop --size 10240 --records 1000000",
    "noop --producers 2",
    "noop --producers 4",
    "noop --call tracked --records 10000000",
    "noop --lanes 64 --records 10000000",
    "noop --lanes 1000000 --records 10000000",
    "noop --timed",
    "latency",
    "throttled --rate 10000",
    "throttled --rate 50000",
    "throttled --rate 200000",
    "throttled --steps --seconds 30",
    "flaky --fails 0.01",
    "flaky --fails 0.1",
    "stuck",
    "stuck --throttled",
    "offered",
    "snapshot",
];

/// A heading, the value's name in the report (with a slash where it is within another), and
/// decimals.
type Column = (&'static str, &'static str, usize);

const FLOWS: &[Column] = &[
    ("records/s", "/records_per_s", 0),
    ("CPU, ns a record", "/cpu_ns_per_record", 0),
    ("peak RSS, MB", "/peak_rss_mb", 0),
    ("requests", "/requests", 0),
    ("retries", "/retries", 0),
    ("of the bound", "/bound_used", 3),
    ("while writing", "/bound_used_while_writing", 3),
    ("of the capacity", "/capacity_used", 3),
    ("sent per stored", "/sent_per_accepted", 3),
    ("lowest goodput", "/lowest_goodput", 3),
    ("write p99, µs", "/write_us/p99", 2),
    ("delivery p50, µs", "/delivery_us/p50", 0),
    ("delivery p99, µs", "/delivery_us/p99", 0),
];

const SNAPSHOTS: &[Column] = &[
    ("take, ms", "/take_ms", 0),
    ("encode, GB/s", "/encode_gb_per_s", 2),
    ("decode, GB/s", "/decode_gb_per_s", 2),
    ("restore, ms", "/restore_ms", 0),
    ("peak RSS, MB", "/peak_rss_mb", 0),
];

/// Runs everything that has `only` in its name, so many times in turn, and writes the tables.
///
/// # Errors
///
/// The first run that was wrong, with what it said; or a file that cannot be written.
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]
pub fn run(runs: usize, only: &str, out: Option<&Path>) -> Result<()> {
    let mut reports: Vec<(&str, Vec<Value>)> =
        RUNS.iter().filter(|name| name.contains(only)).map(|name| (*name, Vec::new())).collect();
    // In turn, so that a neighbour's load falls on all alike.
    for round in 1..=runs {
        for (name, reports) in &mut reports {
            eprintln!("{round} of {runs}: {name} ...");
            reports.push(one(name)?);
        }
    }
    let page = page(&reports, runs);
    match out {
        None => print!("{page}"),
        Some(file) => {
            fs::write(file, page).map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    Ok(())
}

fn one(name: &str) -> Result<Value> {
    let output = Command::new(env::current_exe()?).args(name.split(' ')).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(serde_json::from_str(&said)?);
    }
    Err(format!("{name}: {said}{}", String::from_utf8_lossy(&output.stderr)).into())
}

fn page(reports: &[(&str, Vec<Value>)], runs: usize) -> String {
    let allocator = if cfg!(feature = "mimalloc") { "mimalloc" } else { "the system's allocator" };
    let mut page = format!(
        "# Benchmarks\n\n\
         {}; two workers; {allocator}. Medians of {runs} alternating runs, in brackets the lowest \
         and the highest. `bench all` of [benchmarks](../benchmarks) makes this page.\n",
        usage::machine(),
    );
    let (snapshots, flows): (Vec<_>, Vec<_>) =
        reports.iter().partition(|(name, _)| *name == "snapshot");
    for (rows, columns) in [(flows, FLOWS), (snapshots, SNAPSHOTS)] {
        if !rows.is_empty() {
            page += &table(&rows, columns);
        }
    }
    page
}

fn table(rows: &[&(&str, Vec<Value>)], columns: &[Column]) -> String {
    let headings: Vec<_> = columns.iter().map(|(heading, ..)| *heading).collect();
    let mut table = format!("\n| `bench …` | {} |\n|---|", headings.join(" | "));
    table += &"--:|".repeat(columns.len());
    for (name, reports) in rows {
        let _infallible = write!(table, "\n| `{name}` |");
        for (_, value, decimals) in columns {
            let values = reports.iter().filter_map(|report| report.pointer(value)?.as_f64());
            let _infallible = write!(table, " {} |", spread(values.collect(), *decimals));
        }
    }
    table + "\n"
}

/// The median, and the range if there is one.
fn spread(mut values: Vec<f64>, decimals: usize) -> String {
    values.sort_unstable_by(f64::total_cmp);
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return String::new();
    };
    let middle = values.get(values.len() / 2).unwrap_or(first);
    let [first, middle, last] = [first, middle, last].map(|value| format!("{value:.decimals$}"));
    if first == last { middle } else { format!("{middle} [{first}–{last}]") }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;
    use crate::speed::args::Bench;

    #[test]
    fn each_run_is_one_that_the_program_knows() {
        for name in RUNS {
            let words = ["bench"].into_iter().chain(name.split(' '));
            assert!(Bench::try_parse_from(words).unwrap().workload.plan().is_some(), "{name}");
        }
    }

    #[test]
    fn a_cell_has_the_median_and_the_spread() {
        assert_eq!(spread(vec![3.0, 1.0, 2.04], 1), "2.0 [1.0–3.0]");
        assert_eq!(spread(vec![2.0; 5], 0), "2");
        assert_eq!(spread(Vec::new(), 0), "");
    }

    #[test]
    fn what_a_workload_does_not_measure_stays_empty() {
        let reports = [("noop", vec![json!({"requests": 7, "write_us": {"p99": 1.5}})])];
        let page = page(&reports, 1);
        let row = page.lines().find(|line| line.starts_with("| `noop`")).unwrap();
        assert_eq!(row, "| `noop` |  |  |  | 7 |  |  |  |  |  |  | 1.50 |  |  |");
    }
}
