//! The workspace's chores: `cargo xtask --help`.
//!
//! Standard library only: it has to compile in seconds on a machine that has nothing else yet.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

mod args;
mod bench;
mod demo;
mod http;
mod localstack;
mod new_connector;
mod steps;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use args::Command;

/// What a chore says when it fails, and the exit code that it fails with.
#[derive(Debug)]
struct Failure {
    message: String,
    code: u8,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, code: 1 }
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let command = match args::parse(&words) {
        Ok(command) => command,
        Err(wrong) => {
            eprintln!("xtask: {wrong}\n\n{}", args::HELP);
            return ExitCode::from(2);
        }
    };
    let done = match command {
        Command::Help => {
            print!("{}", args::HELP);
            Ok(())
        }
        Command::Test { cargo_args } => test::run(&cargo_args),
        Command::Demo { release, args } => demo::run(release, &args),
        Command::Bench(request) => bench::run(&request),
        Command::NewConnector(request) => new_connector::run(&request).map_err(Failure::from),
        Command::LocalStack(action) => localstack::command(action).map_err(Failure::from),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// The folder of the workspace's `Cargo.toml`.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The folder that cargo builds into, `target/debug` mostly: the one that this program stands in,
/// which holds under `CARGO_TARGET_DIR` and a configured target alike.
fn build_folder() -> Result<PathBuf, String> {
    let program =
        std::env::current_exe().map_err(|e| format!("cannot find my own program: {e}"))?;
    Ok(program.parent().unwrap_or_else(|| Path::new(".")).to_path_buf())
}

/// `target`, where LocalStack is kept beside what cargo builds.
fn target_folder() -> Result<PathBuf, String> {
    let build = build_folder()?;
    Ok(build.parent().unwrap_or(&build).to_path_buf())
}
