//! Runs both sides in turn, and compares them.

use std::time::{Duration, Instant};

use serde_json::Value;
use sink_core::Counters;

use super::{
    floor,
    plan::{Plan, Side},
    process::{Counts, Server},
    sink,
    source::Source,
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
    written: u64,
    /// From the first record until everything was answered.
    wall: Duration,
    cpu: Duration,
    peak_rss: u64,
    /// The sink's own.
    counters: Option<Counters>,
    /// The server's.
    counts: Counts,
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
    let mut server = Server::start(plan)?;
    let runs = |side: &Side| plan.only.is_none_or(|only| only == *side);
    let sides = [Side::Sdk, Side::Sink].into_iter().filter(runs).collect::<Vec<_>>();
    let mut problems = Vec::new();
    for side in &sides {
        let warm_up = once(&plan.warm_up(), *side, &mut server)?;
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
            let run = once(plan, side, &mut server)?;
            let report = run.report(plan);
            show(&report);
            problems.extend(run.problems().into_iter().map(|p| format!("{}: {p}", side.name())));
            measured.push(run);
        }
        pairs.push(measured);
    }
    let mut summary = summary(plan, &pairs);
    summary.fail(problems);
    Ok(summary)
}

fn once(plan: &Plan, side: Side, server: &mut Server) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let source = Source::new(plan);
    server.start_counting()?;
    usage::reset_peak()?;
    let (cpu, start) = (usage::cpu()?, Instant::now());
    let (written, counters) = match side {
        Side::Sdk => (runtime.block_on(floor::run(plan, &source, server.url()))?, None),
        Side::Sink => {
            let (written, counters) = runtime.block_on(sink::run(plan, source, server.url()))?;
            (written, Some(counters))
        }
    };
    let (wall, cpu) = (start.elapsed(), usage::cpu()? - cpu);
    let peak_rss = usage::peak_rss()?;
    let counts = server.counts(plan.records)?;
    Ok(Measured { side, written, wall, cpu, peak_rss, counters, counts })
}

impl Measured {
    /// What is wrong with the run.
    fn problems(&self) -> Vec<String> {
        let mut problems = self.counts.problems.clone();
        if let Some(counters) = &self.counters {
            let told = [
                ("delivered", counters.delivered.entries as u64, self.written),
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
        self.written as f64 / self.wall.as_secs_f64()
    }

    fn cpu_ns_per_record(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e9 / self.written as f64
    }

    fn report(&self, plan: &Plan) -> Report {
        let mut report = common(plan);
        report.put("side", self.side.name());
        report.put("bytes", self.written * plan.size as u64);
        report.put("sent_bytes", self.counts.bytes);
        report.put_float("wall_s", self.wall.as_secs_f64());
        report.put_float("records_per_s", self.records_per_s().round());
        report.put_float("cpu_s", self.cpu.as_secs_f64());
        report.put_float("cpu_ns_per_record", self.cpu_ns_per_record());
        report.put_float("peak_rss_mb", self.peak_rss as f64 / 1e6);
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
