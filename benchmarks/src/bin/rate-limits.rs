//! Compares rate limiters in simulated time: prints a table, and draws a chart with `--out FILE`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use std::{path::PathBuf, process::ExitCode};

use sink_benchmarks::{Result, chart, figures::Figures, limiters, table::table};

const USAGE: &str = "usage: rate-limits [--seed NUMBER] [--out FILE.svg]";

struct Args {
    seed: u64,
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(wrong) => {
            eprintln!("rate-limits: {wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match compare(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rate-limits: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> std::result::Result<Args, String> {
    let mut args = Args { seed: 1, out: None };
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--out" => args.out = Some(value?.into()),
            "--seed" => {
                let value = value?;
                args.seed = value.parse().map_err(|error| format!("--seed {value}: {error}"))?;
            }
            _ => return Err(format!("what is {word}?")),
        }
    }
    Ok(args)
}

fn compare(args: &Args) -> Result<()> {
    let mut all = Vec::new();
    for limiter in limiters::ALL {
        eprintln!("{} ...", limiter.name);
        all.push(Figures::of(*limiter, args.seed)?);
    }
    print!("{}", table(&all));
    if let Some(file) = &args.out {
        chart::draw(&all, file).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}
