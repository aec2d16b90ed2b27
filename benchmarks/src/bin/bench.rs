//! Measures a sink in real time: `bench --help`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use std::process::ExitCode;

use clap::Parser as _;
#[cfg(feature = "aws")]
use sink_benchmarks::wire::{self, args::Comparison, plan::Service};
use sink_benchmarks::{
    Result, page,
    speed::{
        args::{Bench, Workload},
        rounds, run, state,
    },
};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match measure(&Bench::parse().workload) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Gives whether no run was wrong.
fn measure(workload: &Workload) -> Result<bool> {
    if cfg!(debug_assertions) {
        eprintln!("bench: this is no release build; its figures say nothing");
    }
    let report = match (workload, workload.plan()) {
        (Workload::All(asked), _) => {
            page::create(&asked.out)?; // or the error would come when all is measured
            let facts = page::facts::facts();
            let measured = rounds::run(asked)?;
            let page = page::write(&facts, &measured, &asked.out)?;
            eprintln!("{}", page.display());
            return Ok(true);
        }
        #[cfg(feature = "aws")]
        (Workload::Wire(comparison), _) => return compare(comparison),
        (_, None) => return Ok(true),
        (Workload::Snapshot { .. }, Some(plan)) => state::run(&plan)?,
        (_, Some(plan)) => run::run(&plan)?,
    };
    println!("{report}");
    Ok(report.is_ok())
}

/// The same for a comparison, and for the server of one, which has nothing else to print.
#[cfg(feature = "aws")]
fn compare(comparison: &Comparison) -> Result<bool> {
    let plan = match comparison {
        Comparison::Answer { service, size } => {
            return wire::server::run(*service, *size).map(|()| true);
        }
        Comparison::Kinesis { payload, common } => common.plan(Service::Kinesis, Some(payload)),
        Comparison::Firehose { payload, common } => common.plan(Service::Firehose, Some(payload)),
        Comparison::Cloudwatch { common } => common.plan(Service::Cloudwatch, None),
    };
    let summary = wire::run::run(&plan, |report| println!("{report}"))?;
    println!("{summary}");
    Ok(summary.is_ok())
}
