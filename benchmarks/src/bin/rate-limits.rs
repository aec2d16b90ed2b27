//! Compares rate limiters in simulated time: prints a table, and draws a chart with `--out FILE`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use sink_benchmarks::{Result, figures::Figures, limiters, table::table};

fn main() -> Result<()> {
    let mut all = Vec::new();
    for limiter in limiters::ALL {
        eprintln!("{} ...", limiter.name);
        all.push(Figures::of(*limiter)?);
    }
    print!("{}", table(&all));
    Ok(())
}
