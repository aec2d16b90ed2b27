//! `cargo xtask demo`.

use std::process::Command;

use crate::Failure;
use crate::steps;

/// Builds the program `sink` and the demonstration, and runs the demonstration with the path of
/// `sink` as its first argument.
pub(crate) fn run(release: bool, args: &[String]) -> Result<(), Failure> {
    let mut build = steps::cargo();
    build.args(["build", "--locked", "-p", "sink-cli", "-p", "examples"]);
    build.args(["--bin", "sink", "--bin", "demo"]);
    if release {
        build.arg("--release");
    }
    steps::run(&mut build)?;
    let built = crate::target_folder()?.join(if release { "release" } else { "debug" });
    steps::run(Command::new(built.join("demo")).arg(built.join("sink")).args(args))
}
