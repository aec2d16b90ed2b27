//! The bare loop around the SDK, for `bench` to compare a sink with: see its module `wire`.
//!
//! `bench` starts it, asks for runs by lines on its standard input, the number of records each, and
//! gets what each took by lines on its standard output.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use std::{io, process::ExitCode};

use clap::Parser;
use serde_json::json;
use sink_benchmarks::{
    Result,
    speed::plan::Sabotage,
    wire::{
        floor,
        plan::{Plan, Service},
        source::Source,
        used::Used,
    },
};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Writes records with the bare SDK; started by `bench`.
#[derive(Debug, Parser)]
struct Floor {
    /// Where to.
    service: Service,
    /// Bytes of a payload.
    size: usize,
    /// Requests in flight, at most.
    in_flight: usize,
    /// The server.
    url: String,
    /// Spoil one record on its way.
    #[arg(long)]
    sabotage: Option<Sabotage>,
}

fn main() -> ExitCode {
    match serve(&Floor::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(floor: &Floor) -> Result<()> {
    // Built together with the sinks, the SDK has what they switch on.
    println!("{}", json!({ "is_stock": !cfg!(feature = "aws") }));
    for line in io::stdin().lines() {
        let (records, sabotage) = match line?.split_once(' ') {
            Some(("whole", records)) => (records.parse()?, floor.sabotage),
            Some(("warm-up", records)) => (records.parse()?, None),
            _ => return Err("expected `whole N` or `warm-up N`".into()),
        };
        let Floor { service, size, in_flight, .. } = *floor;
        let plan = Plan { sabotage, ..Plan::new(service, size, records, in_flight) };
        let source = Source::new(&plan);
        let run = floor::run(&plan, &source, &floor.url);
        let (used, ()) = Used::measure(|runtime| Ok((runtime.block_on(run)?, ())))?;
        println!("{}", used.to_value());
    }
    Ok(())
}
