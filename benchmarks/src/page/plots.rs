//! Which charts there are.

use std::{path::Path, time::Duration};

use clap::Parser as _;
use serde_json::Value;

use super::{
    bars::Bars,
    spread::Spread,
    steps::{self, Points},
    tables::{CPU, RATE, by_the_bare_client, of_group},
};
use crate::{
    Result,
    speed::{
        args::Bench,
        plan::Amount,
        rounds::{Flow, Measured, Wire},
        suite::Group,
    },
};

/// A chart's file, and what it shows to those who do not see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chart {
    /// In the folder of the charts.
    pub file: &'static str,
    /// What it shows.
    pub alt: &'static str,
}

const OURS: &str = "this sink";
const FLINK: &str = "Flink's AsyncSinkWriter";

/// What a chart has bars of.
struct Metric {
    chart: Chart,
    group: Group,
    title: &'static str,
    what: &'static str,
    ours: fn(&[Value]) -> Option<Spread>,
    flink: fn(&[Value]) -> Option<Spread>,
    line: Option<f64>,
}

const METRICS: &[Metric] = &[
    Metric {
        chart: Chart { file: "at-once.svg", alt: "Records a second, bars" },
        group: Group::AtOnce,
        title: "A destination that answers at once",
        what: "1,000 records/s: more is better. The bar is the median, the thin line the spread",
        ours: |reports| Spread::at(reports, "/records_per_s", 1e-3),
        flink: |reports| Spread::at(reports, "/records_per_s", 1e-3),
        line: None,
    },
    Metric {
        chart: Chart { file: "at-once-cpu.svg", alt: "CPU time of a record, bars" },
        group: Group::AtOnce,
        title: "What a record costs",
        what: "Nanoseconds of CPU, of all threads and with the destination's part: less is better",
        ours: |reports| Spread::at(reports, "/cpu_ns_per_record", 1.0),
        flink: |reports| Spread::at(reports, "/cpu_us_per_record", 1e3),
        line: None,
    },
    Metric {
        chart: Chart { file: "far.svg", alt: "Records a second at 20 ms, bars" },
        group: Group::Far,
        title: "A destination that answers after 20 ms",
        what: "1,000 records/s: more is better. 1,250 is what 50 requests of 500 records can carry",
        // Where a rate is offered, it is all that there is to see.
        ours: |reports| {
            let is_offered = |report: &Value| report.get("offered_per_s").is_some();
            let free = !reports.iter().any(is_offered);
            free.then(|| Spread::at(reports, "/records_per_s", 1e-3))?
        },
        flink: |reports| Spread::at(reports, "/records_per_s", 1e-3),
        line: Some(1250.0),
    },
    Metric {
        chart: Chart { file: "throttled.svg", alt: "Capacity used under throttling, bars" },
        group: Group::Throttled,
        title: "A destination that throttles: how much of its capacity is used",
        what: "Share of what it could have stored while there was more to write: more is better",
        ours: |reports| Spread::at(reports, "/capacity_used", 1.0),
        flink: |reports| Spread::at(reports, "/capacity_used", 1.0),
        line: Some(1.0),
    },
    Metric {
        chart: Chart { file: "throttled-waste.svg", alt: "Wasted sends under throttling, bars" },
        group: Group::Throttled,
        title: "A destination that throttles: how much is sent in vain",
        what: "Percent of the records sent that were refused: less is better",
        ours: |reports| wasted(reports, "/sent_per_accepted"),
        flink: |reports| wasted(reports, "/sent_per_accepted_while_writing"),
        line: None,
    },
];

/// Percent of what was sent.
fn wasted(reports: &[Value], sent_per_accepted: &str) -> Option<Spread> {
    Spread::at(reports, sent_per_accepted, 1.0).map(|sent| sent.map(|sent| 100.0 - 100.0 / sent))
}

/// A flow's name on a chart. How many records there were is in the table.
fn label(name: &str) -> String {
    let mut shown = Vec::new();
    let mut words = name.split(' ');
    while let Some(word) = words.next() {
        match word {
            "--records" | "--seconds" => drop(words.next()),
            word => shown.push(word),
        }
    }
    shown.join(" ")
}

/// Draws what there are figures for into a folder, and says what that is.
///
/// # Errors
///
/// When a file cannot be written.
pub fn draw(measured: &Measured, folder: &Path) -> Result<Vec<(Group, Chart)>> {
    let mut drawn = Vec::new();
    for metric in METRICS {
        let flows = of_group(&measured.flows, metric.group);
        if metric.draw(&flows, folder)? {
            drawn.push((metric.group, metric.chart));
        }
    }
    for flow in of_group(&measured.flows, Group::Throttled) {
        if let Some(chart) = draw_steps(flow, folder)? {
            drawn.push((Group::Throttled, chart));
        }
    }
    Ok(drawn)
}

impl Metric {
    fn draw(&self, flows: &[&Flow], folder: &Path) -> Result<bool> {
        let has_flink = flows.iter().any(|flow| !flow.flink.is_empty());
        let series: &[_] = if has_flink { &[OURS, FLINK] } else { &[OURS] };
        let of = |flow: &&Flow| {
            let spreads = [Some((self.ours)(&flow.ours)?), (self.flink)(&flow.flink)];
            Some((label(flow.run.ours), spreads.into_iter().take(series.len()).collect()))
        };
        let rows: Vec<_> = flows.iter().filter_map(of).collect();
        if rows.is_empty() {
            return Ok(false);
        }
        let Self { title, what, line, .. } = *self;
        Bars { title, what, series, rows, line }.draw(&folder.join(self.chart.file))?;
        Ok(true)
    }
}

fn draw_steps(flow: &Flow, folder: &Path) -> Result<Option<Chart>> {
    let ours = steps::rates(&flow.ours);
    let capacity = capacity(flow.run.ours);
    let (Some(capacity), false) = (capacity, ours.is_empty()) else { return Ok(None) };
    let end = capacity.last().map_or(0.0, |(at, _)| *at);
    // What follows is the last records that were written before.
    let until = |points: Points| points.into_iter().filter(|(at, _)| *at <= end).collect();
    let mut series: Vec<(&str, Points)> = vec![(OURS, until(ours))];
    let flinks = steps::rates(&flow.flink);
    if !flinks.is_empty() {
        series.push((FLINK, until(flinks)));
    }
    let alt = "What was stored while the capacity changed, lines";
    let chart = Chart { file: "steps.svg", alt };
    steps::draw(&folder.join(chart.file), &capacity, &series)?;
    Ok(Some(chart))
}

/// The rate that a run's destination takes, at both ends of each tenth of a second; nothing where
/// it is always the same.
fn capacity(name: &str) -> Option<Points> {
    let bench = Bench::try_parse_from(["bench"].into_iter().chain(name.split(' '))).ok()?;
    let plan = bench.workload.plan()?;
    let (capacity, Amount::For(length)) = (plan.behaviour.capacity?, plan.amount) else {
        return None;
    };
    if !capacity.changes() {
        return None;
    }
    let mut points = Points::new();
    let tick = Duration::from_millis(100);
    let ticks = (length.as_millis() / tick.as_millis()) as u32;
    for number in 0..ticks {
        let (from, rate) = (tick * number, capacity.at(tick * number));
        points.push((from.as_secs_f64(), rate));
        points.push(((from + tick).as_secs_f64(), rate));
    }
    Some(points)
}

/// Draws the ratios of the runs over HTTP.
///
/// # Errors
///
/// When the file cannot be written.
pub fn draw_wire(runs: &[Wire], folder: &Path) -> Result<Option<Chart>> {
    let row = |run: &Wire| {
        (run.name.to_owned(), [CPU, RATE].map(|path| by_the_bare_client(run, path)).to_vec())
    };
    let rows: Vec<_> = runs.iter().map(row).collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let chart = Chart { file: "wire.svg", alt: "Cost over HTTP beside the bare client, bars" };
    let bars = Bars {
        title: "Over HTTP, beside a bare loop with the client of the SDK",
        what: "This sink by the bare loop, which is 1: less CPU is better, more records/s are",
        series: &["CPU a record", "records/s"],
        rows,
        line: Some(1.0),
    };
    bars.draw(&folder.join(chart.file))?;
    Ok(Some(chart))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_no_counts() {
        assert_eq!(label("noop --shared --records 40000000"), "noop --shared");
        assert_eq!(label("throttled --seconds 8 --rate 10"), "throttled --rate 10");
    }

    #[test]
    fn the_capacity_is_that_of_the_plan() {
        let points = capacity("throttled --steps --seconds 3").unwrap();
        assert_eq!(points.first(), Some(&(0.0, 50_000.0)));
        assert!(points.contains(&(1.5, 25_000.0)));
        assert_eq!(points.last(), Some(&(3.0, 50_000.0)));
        assert_eq!(capacity("throttled"), None);
        assert_eq!(capacity("noop"), None);
    }
}
