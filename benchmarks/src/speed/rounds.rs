//! Everything, several times in turn.

use std::{
    collections::HashMap,
    env, fmt,
    process::Command,
    time::{Duration, Instant},
};

use clap::Parser as _;
use serde_json::Value;

use super::{
    args::{Bench, Suite},
    flink::Flink,
    plan::Amount,
    suite::{RUNS, Run, WIRE, is_known},
};
use crate::Result;

/// The reports of a workload, a pair in each round.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Which.
    pub run: Run,
    /// Ours.
    pub ours: Vec<Value>,
    /// Flink's; empty where it has none.
    pub flink: Vec<Value>,
}

/// Everything that was measured.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// How often each was run.
    pub rounds: u32,
    /// In the order of [`RUNS`].
    pub flows: Vec<Flow>,
    /// In the order of [`WIRE`].
    pub wire: Vec<Wire>,
}

/// The reports of a workload over HTTP. Those of the two sides that stand at the same place are of runs
/// that followed each other.
#[derive(Debug, Clone, Default)]
pub struct Wire {
    /// Which.
    pub name: &'static str,
    /// Those of the sink.
    pub sink: Vec<Value>,
    /// Those of the bare loop.
    pub sdk: Vec<Value>,
}

impl Wire {
    /// The reports of some pairs; their summary, which has no side, is left out.
    fn take(&mut self, reports: Vec<Value>) {
        for report in reports {
            match report.get("side").and_then(Value::as_str) {
                Some("sink") => self.sink.push(report),
                Some("sdk") => self.sdk.push(report),
                _ => {}
            }
        }
    }
}

/// Pairs of each of [`WIRE`] in a round: of two, each side is first in one.
const PAIRS: u32 = 2;

/// Runs everything that has the word in its name, and says on standard error how far it is.
///
/// # Errors
///
/// The first run that was wrong, with what it said; or when nothing has the word in its name.
#[allow(clippy::print_stderr, reason = "a program that talks to its user")]
pub fn run(asked: &Suite) -> Result<Measured> {
    let flink = asked.flink.as_deref().map(Flink::new).transpose()?;
    let chosen = |name: &str| name.contains(&asked.only);
    let runs: Vec<_> = RUNS.iter().filter(|run| chosen(run.ours)).collect();
    let names: Vec<_> =
        WIRE.iter().copied().filter(|name| chosen(name) && is_known(name)).collect();
    if runs.is_empty() && names.is_empty() {
        return Err(format!("nothing has {:?} in its name", asked.only).into());
    }

    let mut left = Left::new(&runs, &names, flink.is_some(), asked.runs);
    let flow = |run: &&Run| Flow { run: **run, ours: Vec::new(), flink: Vec::new() };
    let mut flows: Vec<_> = runs.iter().map(flow).collect();
    let of_name = |name| Wire { name, ..Wire::default() };
    let mut wire: Vec<_> = names.into_iter().map(of_name).collect();
    // In turn, so that a neighbour's load falls on all alike.
    for round in 1..=asked.runs {
        // Some of ours are measured against the same one.
        let mut theirs: HashMap<&str, Value> = HashMap::new();
        for flow in &mut flows {
            let name = flow.run.ours;
            eprintln!("{round} of {}: {name} ... ({left})", asked.runs);
            flow.ours.push(left.time(name, || one(name))?);
            let words = flow.run.flink;
            let Some(flink) = flink.as_ref().filter(|_| !words.is_empty()) else { continue };
            if !theirs.contains_key(words) {
                eprintln!("{round} of {}: Flink: {words} ... ({left})", asked.runs);
                theirs.insert(words, left.time(words, || flink.run(words))?);
            }
            flow.flink.extend(theirs.get(words).cloned());
        }
        for wire in &mut wire {
            eprintln!("{round} of {}: {} ... ({left})", asked.runs, wire.name);
            let words = format!("{} --pairs {PAIRS}", wire.name);
            wire.take(left.time(wire.name, || said(&words))?);
        }
    }
    Ok(Measured { rounds: asked.runs, flows, wire })
}

fn one(name: &str) -> Result<Value> {
    match <[Value; 1]>::try_from(said(name)?) {
        Ok([report]) => Ok(report),
        Err(reports) => Err(format!("{name}: {} reports, not one", reports.len()).into()),
    }
}

/// The reports of a run, in a process of its own; at least one, and all of them well.
fn said(name: &str) -> Result<Vec<Value>> {
    let output = Command::new(env::current_exe()?).args(name.split(' ')).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let reports: Vec<Value> =
        said.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    let well = |report: &Value| report.get("ok") == Some(&Value::Bool(true));
    if output.status.success() && !reports.is_empty() && reports.iter().all(well) {
        return Ok(reports);
    }
    Err(format!("{name}: {said}{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// What is still to run, and how long it took the last time.
struct Left {
    /// Times still to come, and seconds: a guess at first.
    runs: HashMap<&'static str, (u32, f64)>,
}

impl Left {
    fn new(runs: &[&Run], wire: &[&'static str], with_flink: bool, rounds: u32) -> Self {
        let mut left = HashMap::new();
        for run in runs {
            let ours = Bench::try_parse_from(["bench"].into_iter().chain(run.ours.split(' ')));
            let amount = ours.ok().and_then(|bench| bench.workload.plan()).map(|plan| plan.amount);
            let seconds = match amount {
                Some(Amount::For(time)) => time.as_secs_f64() + 2.0,
                _ => 4.0,
            };
            left.insert(run.ours, (rounds, seconds));
            if with_flink && !run.flink.is_empty() {
                left.insert(run.flink, (rounds, seconds.max(4.0) + 4.0));
            }
        }
        left.extend(wire.iter().map(|name| (*name, (rounds, 6.0))));
        Self { runs: left }
    }

    fn time<R>(&mut self, name: &'static str, work: impl FnOnce() -> Result<R>) -> Result<R> {
        let start = Instant::now();
        let done = work();
        if let Some((times, seconds)) = self.runs.get_mut(name) {
            *times = times.saturating_sub(1);
            *seconds = start.elapsed().as_secs_f64();
        }
        done
    }

    fn seconds(&self) -> f64 {
        self.runs.values().map(|(times, seconds)| f64::from(*times) * seconds).sum()
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Duration::from_secs_f64(self.seconds()).as_secs();
        write!(f, "about {} min {:02} s to go", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_known_better_after_each_run() {
        let mut left = Left::new(&[&RUNS[0]], &[], false, 2);
        assert_eq!(left.seconds(), 8.0);
        left.time(RUNS[0].ours, || Ok(())).unwrap();
        assert!(left.seconds() < 4.0);
        left.time(RUNS[0].ours, || Ok(())).unwrap();
        assert_eq!(left.to_string(), "about 0 min 00 s to go");
    }
}
