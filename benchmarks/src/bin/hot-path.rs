//! Counts the hot path's instructions for each record, and compares them with what is committed in
//! `benchmarks/instructions.txt`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use std::{collections::BTreeMap, env, fs, path::Path, process::Command, process::ExitCode};

use sink_benchmarks::{Result, hot_path};

const USAGE: &str =
    "usage: hot-path [--check | --write | --run fresh|shared|write-all|tracked RECORDS]
  --check   count with valgrind, and fail if it is 5 % more than the baseline (or 5 % less: then
            write it, so that what was won is kept)
  --write   count, and write the baseline
  --run     write so many records and be done: what is counted";

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
/// By how much a count may differ from the baseline, as a share of it.
const TOLERANCE: f64 = 0.05;
/// Enough for the buffer to be filled and emptied some ten times more by the one than by the other.
const RECORDS: [u64; 2] = [100_000, 200_000];

fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] | ["--check"] => check(),
        ["--write"] => write(),
        ["--run", name, records] => run(name, records),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hot-path: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, records: &str) -> Result<()> {
    let found = hot_path::ALL.iter().find(|(of, ..)| *of == name);
    let (_, call, payload) = *found.ok_or_else(|| format!("what is {name}?\n{USAGE}"))?;
    hot_path::run(call, payload, records.parse().map_err(|error| format!("{records}: {error}"))?)
}

/// Instructions for each record, by the name of what is counted.
fn count() -> Result<BTreeMap<String, f64>> {
    if cfg!(debug_assertions) {
        return Err("this is no release build; add --release".into());
    }
    let program = env::current_exe()?;
    let count =
        |name: &str| hot_path::per_record(RECORDS, |records| instructions(&program, name, records));
    hot_path::ALL.iter().map(|(name, ..)| Ok(((*name).to_owned(), count(name)?))).collect()
}

/// All instructions of one run.
fn instructions(program: &Path, name: &str, records: u64) -> Result<u64> {
    let records = records.to_string();
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--run", name, &records])
        .output()
        .map_err(|error| format!("valgrind: {error}; install it (apt-get install valgrind)"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    match collected {
        Some((_, number)) if output.status.success() => Ok(number.trim().parse()?),
        _ => Err(format!("valgrind failed: {said}").into()),
    }
}

fn write() -> Result<()> {
    let mut lines = String::from(
        "# Instructions for each record of the hot path: what is counted, how many. Written by\n\
         # cargo run --release -p sink-benchmarks --bin hot-path -- --write\n",
    );
    for (name, count) in count()? {
        lines += &format!("{name} {count:.1}\n");
    }
    print!("{lines}");
    Ok(fs::write(BASELINE, lines).map_err(|error| format!("{BASELINE}: {error}"))?)
}

fn baseline() -> Result<BTreeMap<String, f64>> {
    let text = fs::read_to_string(BASELINE).map_err(|error| format!("{BASELINE}: {error}"))?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let read = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    lines
        .map(|line| Ok(read(line).ok_or_else(|| format!("{BASELINE}: what is {line:?}?"))?))
        .collect()
}

fn check() -> Result<()> {
    let baseline = baseline()?;
    let mut wrong = Vec::new();
    for (name, count) in count()? {
        let expected = *baseline.get(&name).ok_or_else(|| format!("{BASELINE} has no {name}"))?;
        let change = count / expected - 1.0;
        let line = format!("{name}: {count:.1} instructions a record, {:+.1} %", 100.0 * change);
        println!("{line}, baseline {expected:.1}");
        if change.abs() > TOLERANCE {
            wrong.push(line);
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let wrong = wrong.join("; ");
    Err(format!("{wrong}. If that is meant, write the baseline: hot-path --write").into())
}
