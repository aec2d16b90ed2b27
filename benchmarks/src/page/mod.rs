//! The page of what was measured: tables, charts, and the report of each run.
//!
//! [`facts`] says where it was measured, [`spread`] what medians and ranges are, [`tables`] and
//! [`plots`] show them; [`bars`] and [`steps`] are how charts look. The words that do not depend on
//! figures are `notes.md`.

pub mod bars;
pub mod facts;
pub mod plots;
pub mod spread;
pub mod steps;
pub mod tables;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    Result,
    speed::{
        rounds::{Flow, Measured, Wire},
        suite::{Group, Run},
    },
};
use facts::Fact;
use plots::Chart;

/// How it is repeated, what the workloads are, what the columns mean.
const NOTES: &str = include_str!("notes.md");

/// The tables, and what is said above each.
const SECTIONS: [(Group, &str, &str); 4] = [
    (
        Group::AtOnce,
        "A destination that answers at once",
        "What the sink itself costs. Payloads have 100 bytes where nothing else is said, each its \
         own unless `--shared`.",
    ),
    (
        Group::Far,
        "A destination that needs 20 ms",
        "As a service does: what can be carried is bounded by 50 requests of 500 records in flight, \
         1,250,000 records/s. `flaky` refuses records by chance, `stuck` one for 5 s, `offered` is \
         given a rate that is no trouble.",
    ),
    (
        Group::Throttled,
        "A destination that throttles",
        "It takes so many records a second and refuses the surplus; `--steps` halves its rate for \
         the second third of the run.",
    ),
    (
        Group::Snapshot,
        "Snapshots",
        "100,000 entries that no destination has taken, 1 KiB each where nothing else is said.",
    ),
];

/// Writes the page `benchmarks.md` into a folder, and its charts and the reports into
/// `benchmarks/` there. Gives the page's path.
///
/// # Errors
///
/// When a file cannot be written.
pub fn write(facts: &[Fact], measured: &Measured, folder: &Path) -> Result<PathBuf> {
    let files = create(folder)?;
    let charts = plots::draw(measured, &files)?;
    let wire = plots::draw_wire(&measured.wire, &files)?;
    let page = folder.join("benchmarks.md");
    let text = text(facts, measured, &charts, wire);
    for (file, text) in [(&files.join("runs.ndjson"), lines(measured)), (&page, text)] {
        fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(page)
}

/// Makes the folder of the charts and the reports, if it is not there: to be called before anything is
/// measured, which takes half an hour.
///
/// # Errors
///
/// When it cannot be made.
pub fn create(folder: &Path) -> Result<PathBuf> {
    let files = folder.join("benchmarks");
    fs::create_dir_all(&files).map_err(|error| format!("{}: {error}", files.display()))?;
    Ok(files)
}

fn text(
    facts: &[Fact],
    measured: &Measured,
    charts: &[(Group, Chart)],
    wire: Option<Chart>,
) -> String {
    let mut page = String::from(
        "# Benchmarks\n\n<!-- `cargo xtask bench` writes this page. Change what writes it: \
         benchmarks/src/page. -->\n\n",
    );
    let has_flink = measured.flows.iter().any(|flow| !flow.flink.is_empty());
    page += "Each figure is the median of ";
    let _infallible =
        write!(page, "{} runs, in brackets the lowest and the highest. ", measured.rounds);
    page += "The runs of all workloads alternate, so that what disturbs the machine falls on all \
             alike. After each, every record was checked: a run with one that is missing, stored \
             twice or altered ends all, and no page is written. ";
    page += "[runs.ndjson](benchmarks/runs.ndjson) has the report of each run.\n\n";
    if has_flink {
        page += "Where Flink's `AsyncSinkWriter` can do the same, it was run in turn with ours, \
                 with its default strategy and the same parameters; a ratio is ours by Flink's of \
                 the same round. [Below](#beside-flink) is what differs.\n\n";
    }
    page += "| | |\n|---|---|\n";
    for (name, value) in facts {
        let _infallible = writeln!(page, "| {name} | {value} |");
    }
    for (group, title, about) in SECTIONS {
        let flows = tables::of_group(&measured.flows, group);
        if flows.is_empty() {
            continue;
        }
        let _infallible = write!(page, "\n## {title}\n\n{about}\n\n");
        for (_, chart) in charts.iter().filter(|(of, _)| *of == group) {
            page += &image(*chart);
        }
        page += &tables::ours(&flows);
        if let Some(table) = tables::pairs(&flows) {
            let _infallible = write!(page, "\nBeside Flink's:\n\n{table}");
        }
    }
    if let Some(table) = tables::wire(&measured.wire) {
        page += "\n## Over HTTP, beside the bare client\n\n\
                 Each connector writes to a server in another process that gives canned answers, in \
                 turn with a bare loop that does the same with the client of the AWS SDK as it is: \
                 same records, batches and requests in flight. Two pairs of runs go in each \
                 round, and each side is first in one. Ratios are the sink's by the loop's of the \
                 same pair; CPU is that of the client's process.\n\n";
        page += &wire.map_or_else(String::new, image);
        page += &table;
    }
    page + "\n" + &notes(has_flink)
}

fn image(chart: Chart) -> String {
    format!("![{}](benchmarks/{})\n\n", chart.alt, chart.file)
}

/// The notes; those on Flink only where there are figures of it.
fn notes(has_flink: bool) -> String {
    let (all, flinks) = NOTES.split_once("## Beside Flink\n").unwrap_or((NOTES, ""));
    if has_flink {
        format!("{all}## Beside Flink\n{flinks}")
    } else {
        all.trim_end().to_owned() + "\n"
    }
}

/// The report of each run as a line, with its number and its name.
fn lines(measured: &Measured) -> String {
    let mut lines = String::new();
    let mut add = |of: &str, run: usize, name: &str, report: &Value| {
        let line = json!({ "of": of, "run": run, "name": name, "report": report });
        let _infallible = writeln!(lines, "{line}");
    };
    for flow in &measured.flows {
        let Flow { run: Run { ours, flink, .. }, .. } = flow;
        let reports = [("sink", ours, &flow.ours), ("flink", flink, &flow.flink)];
        for (of, name, reports) in reports {
            for (round, report) in reports.iter().enumerate() {
                add(of, round + 1, name, report);
            }
        }
    }
    for Wire { name, sink, sdk } in &measured.wire {
        for (of, reports) in [("sink", sink), ("sdk", sdk)] {
            for (pair, report) in reports.iter().enumerate() {
                add(of, pair + 1, name, report);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speed::suite::{RUNS, WIRE};

    /// Everything, with figures that tell nothing but where they stand.
    fn measured(with_flink: bool) -> Measured {
        let report = |place: usize, round: u32| {
            let figure = f64::from(round) + place as f64;
            json!({
                "records_per_s": 1e6 * figure, "cpu_ns_per_record": 30.0 + figure,
                "cpu_us_per_record": 0.03 + 0.001 * figure, "peak_rss_mb": figure,
                "capacity_used": 0.9, "sent_per_accepted": 1.0 + 0.01 * figure,
                "sent_per_accepted_while_writing": 1.0 + 0.02 * figure,
                "accepted_per_100ms": vec![5000 - 500 * round; 181], "take_ms": figure,
            })
        };
        let reports = |place| (1..=5).map(|round| report(place, round)).collect::<Vec<_>>();
        let flow = |(place, run): (usize, &Run)| {
            let flink = if with_flink && !run.flink.is_empty() { reports(place) } else { vec![] };
            Flow { run: *run, ours: reports(place), flink }
        };
        let side = |figures: [f64; 3]| {
            figures.map(|of| json!({"cpu_ns_per_record": of, "records_per_s": of})).to_vec()
        };
        let (sink, sdk) = (side([0.6, 0.55, 2.25]), side([1.0, 1.0, 2.0]));
        let wire = |name| Wire { name, sink: sink.clone(), sdk: sdk.clone() };
        let wire = WIRE.iter().copied().map(wire).collect();
        Measured { rounds: 5, flows: RUNS.iter().enumerate().map(flow).collect(), wire }
    }

    #[test]
    fn every_chart_of_the_page_is_there_and_every_figure_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let page =
            write(&[("machine", "none".to_owned())], &measured(true), folder.path()).unwrap();
        let text = fs::read_to_string(page).unwrap();
        let linked: Vec<_> = text.split("](benchmarks/").skip(1).collect();
        let linked: Vec<_> = linked.iter().filter_map(|rest| rest.split(')').next()).collect();
        assert_eq!(linked.iter().filter(|file| file.ends_with(".svg")).count(), 7, "{linked:?}");
        for file in linked {
            let length = fs::metadata(folder.path().join("benchmarks").join(file)).unwrap().len();
            assert!(length > 1000, "{file}: {length} bytes");
        }
        for name in RUNS.iter().map(|run| run.ours).chain(WIRE.iter().copied()) {
            assert!(text.contains(&format!("\n| `{name}` |")), "{name}");
        }
        assert!(text.contains("| 0.600 [0.550–1.125] |"), "{text}");
        let lines = fs::read_to_string(folder.path().join("benchmarks/runs.ndjson")).unwrap();
        let flinks = RUNS.iter().filter(|run| !run.flink.is_empty()).count();
        assert_eq!(lines.lines().count(), 5 * (RUNS.len() + flinks) + 6 * WIRE.len());
        assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    }

    #[test]
    fn without_flink_the_page_says_nothing_of_it() {
        let text = text(&[], &measured(false), &[], None);
        // But for how to repeat it with the harness, and whose defaults ours are.
        assert!(!text.contains("Beside Flink") && !text.contains("ratio |"), "{text}");
        assert!(text.contains("## To repeat it"));
        assert!(self::text(&[], &measured(true), &[], None).contains("## Beside Flink"));
    }
}
