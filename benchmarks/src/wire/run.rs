//! Runs both sides in turn, and compares them.

use serde_json::Value;
use sink_core::Counters;

use super::{
    plan::{Plan, Side},
    process::{Counts, Floor, Server},
    sink,
    source::Source,
    used::Used,
};
use crate::{
    Result,
    page::spread::Spread,
    speed::{report::Report, usage},
};

/// What was measured in a run.
#[derive(Debug)]
struct Measured {
    side: Side,
    used: Used,
    /// The sink's own.
    counters: Option<Counters>,
    /// The server's.
    counts: Counts,
}

/// What a comparison goes on with: the other processes.
struct Others {
    server: Server,
    /// Not there where only the sink is run.
    floor: Option<Floor>,
}

/// Runs the plan: each side once uncounted and shorter, then in pairs, of which every other begins
/// with the other side. Each run's report is shown when it is there; the summary of all is what it
/// gives.
///
/// # Errors
///
/// When a side stops, the server does, or `/proc` cannot be read. That records are wrong is said by
/// the reports.
pub fn run(plan: &Plan, mut show: impl FnMut(&Report)) -> Result<Report> {
    let server = Server::start(plan)?;
    let has_floor = plan.only != Some(Side::Sink);
    let floor = has_floor.then(|| Floor::start(plan, server.url())).transpose()?;
    let mut others = Others { server, floor };
    let runs = |side: &Side| plan.only.is_none_or(|only| only == *side);
    let sides = [Side::Sdk, Side::Sink].into_iter().filter(runs).collect::<Vec<_>>();
    let mut problems = Vec::new();
    for side in &sides {
        let warm_up = once(&plan.warm_up(), *side, &mut others, true)?;
        problems.extend(warm_up.problems().into_iter().map(|p| format!("warm-up: {p}")));
    }
    let mut pairs = Vec::new();
    for pair in 0..plan.pairs {
        let mut sides = sides.clone();
        if pair % 2 == 1 {
            sides.reverse();
        }
        let mut measured = Vec::new();
        for side in sides {
            let run = once(plan, side, &mut others, false)?;
            let report = run.report(plan);
            show(&report);
            problems.extend(run.problems().into_iter().map(|p| format!("{}: {p}", side.name())));
            measured.push(run);
        }
        pairs.push(measured);
    }
    let mut summary = summary(plan, &pairs);
    if let Some(floor) = &others.floor {
        // Otherwise its SDK has features that the sinks switch on.
        summary.put("sdk_is_stock", floor.is_stock());
    }
    summary.fail(problems);
    Ok(summary)
}

fn once(plan: &Plan, side: Side, others: &mut Others, is_warm_up: bool) -> Result<Measured> {
    others.server.start_counting()?;
    let url = others.server.url();
    let (used, counters) = match (side, &mut others.floor) {
        (Side::Sdk, None) => return Err("the bare loop was not started".into()),
        (Side::Sdk, Some(floor)) => (floor.run(plan.records, is_warm_up)?, None),
        (Side::Sink, _) => {
            let source = Source::new(plan);
            let run = sink::run(plan, source, url);
            let (used, counters) = Used::measure(|runtime| runtime.block_on(run))?;
            (used, Some(counters))
        }
    };
    let counts = others.server.counts(plan.records)?;
    Ok(Measured { side, used, counters, counts })
}

impl Measured {
    /// What is wrong with the run.
    fn problems(&self) -> Vec<String> {
        let mut problems = self.counts.problems.clone();
        if let Some(counters) = &self.counters {
            let told = [
                ("delivered", counters.delivered.entries as u64, self.used.written),
                ("sent", counters.sent.entries as u64, self.counts.records),
                ("requests", counters.requests, self.counts.requests),
            ];
            let differ = told.iter().filter(|(_, told, came)| told != came);
            problems.extend(
                differ.map(|(what, told, came)| {
                    format!("the sink counted {told} {what}, not {came}")
                }),
            );
        }
        problems
    }

    fn records_per_s(&self) -> f64 {
        self.used.written as f64 / self.used.wall.as_secs_f64()
    }

    fn cpu_ns_per_record(&self) -> f64 {
        self.used.cpu.as_secs_f64() * 1e9 / self.used.written as f64
    }

    fn report(&self, plan: &Plan) -> Report {
        let mut report = common(plan);
        report.put("side", self.side.name());
        report.put("bytes", self.used.written * plan.size as u64);
        report.put("sent_bytes", self.counts.bytes);
        report.put_float("wall_s", self.used.wall.as_secs_f64());
        report.put_float("records_per_s", self.records_per_s().round());
        report.put_float("cpu_s", self.used.cpu.as_secs_f64());
        report.put_float("cpu_ns_per_record", self.cpu_ns_per_record());
        report.put_float("peak_rss_mb", self.used.peak_rss as f64 / 1e6);
        report.put("requests", self.counts.requests);
        report.put("retries", self.counters.map_or(0, |counters| counters.retried()));
        report.put_float("server_cpu_s", self.counts.cpu_s);
        report.fail(self.problems());
        report
    }
}

/// What is the same for each run of a plan.
fn common(plan: &Plan) -> Report {
    let mut report = Report::default();
    report.put("workload", plan.service.name());
    report.put("size", plan.size);
    report.put("records", plan.records);
    report.put("batch", plan.batch());
    report.put("in_flight", plan.in_flight);
    report.put("body_encoding", plan.encoding.name());
    report.put("allocator", usage::allocator());
    report.put("machine", usage::machine());
    report
}

type Figure = fn(&Measured) -> f64;

/// The figures that are compared.
const FIGURES: [(&str, Figure); 2] = [
    ("cpu_ns_per_record", Measured::cpu_ns_per_record),
    ("records_per_s", Measured::records_per_s),
];

/// Medians of each side, and of the ratios sink/sdk of the pairs.
fn summary(plan: &Plan, pairs: &[Vec<Measured>]) -> Report {
    let mut report = common(plan);
    report.put("summary", true);
    report.put("pairs", plan.pairs);
    for (name, figure) in FIGURES {
        let mut of = serde_json::Map::new();
        for side in [Side::Sdk, Side::Sink] {
            let values = pairs.iter().flatten().filter(|run| run.side == side).map(figure);
            of.extend(spread(values).map(|spread| (side.name().to_owned(), spread)));
        }
        let ratios = pairs.iter().filter_map(|pair| {
            let of = |side| pair.iter().find(|run| run.side == side).map(figure);
            Some(of(Side::Sink)? / of(Side::Sdk)?)
        });
        of.extend(spread(ratios).map(|spread| ("sink_per_sdk".to_owned(), spread)));
        report.put(name, of);
    }
    report
}

/// Median, least and greatest; nothing of nothing.
fn spread(values: impl Iterator<Item = f64>) -> Option<Value> {
    Spread::of(values).map(Spread::to_value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_spread_is_of_the_middle_and_the_ends() {
        let of = |values: &[f64]| spread(values.iter().copied());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[2.0]), Some(json!({ "median": 2.0, "min": 2.0, "max": 2.0 })));
        assert_eq!(of(&[3.0, 1.0, 8.0]), Some(json!({ "median": 3.0, "min": 1.0, "max": 8.0 })));
        assert_eq!(of(&[4.0, 1.0]), Some(json!({ "median": 2.5, "min": 1.0, "max": 4.0 })));
    }
}
