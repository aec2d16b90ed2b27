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
    /// The lines of each of [`WIRE`], by its name; the last line of each is the summary.
    pub wire: Vec<(&'static str, Vec<Value>)>,
}

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
    let wire: Vec<_> = WIRE.iter().copied().filter(|name| chosen(name) && is_known(name)).collect();
    if runs.is_empty() && wire.is_empty() {
        return Err(format!("nothing has {:?} in its name", asked.only).into());
    }

    let mut left = Left::new(&runs, &wire, flink.is_some(), asked.runs);
    let flow = |run: &&Run| Flow { run: **run, ours: Vec::new(), flink: Vec::new() };
    let mut flows: Vec<_> = runs.iter().map(flow).collect();
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
    }
    let mut measured = Measured { rounds: asked.runs, flows, wire: Vec::new() };
    for name in wire {
        eprintln!("{name} ... ({left})");
        let words = format!("{name} --pairs {}", asked.runs);
        measured.wire.push((name, left.time(name, || said(&words))?));
    }
    Ok(measured)
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
        left.extend(wire.iter().map(|name| (*name, (1, 5.0 * f64::from(rounds)))));
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
