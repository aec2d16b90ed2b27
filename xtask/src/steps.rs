//! Programs that are run one after the other, and the time each took.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::Failure;

/// What was run so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration, bool)>,
    first_code: Option<u8>,
}

impl Steps {
    /// Does one step under a heading and notes its time. A failed one does not stop the next.
    pub(crate) fn step<T>(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Option<T> {
        eprintln!("==> {name}");
        let start = Instant::now();
        let result = work();
        self.done.push((name.to_owned(), start.elapsed(), result.is_ok()));
        match result {
            Ok(value) => Some(value),
            Err(failure) => {
                eprintln!("xtask: {name}: {}", failure.message);
                self.first_code.get_or_insert(failure.code);
                None
            }
        }
    }

    /// Prints the times; the error names what failed, with the exit code of the first failure.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        eprintln!("\n{}", times(&self.done));
        let Some(code) = self.first_code else {
            return Ok(());
        };
        let failed = self.done.iter().filter(|(_, _, ok)| !ok);
        let names: Vec<&str> = failed.map(|(name, _, _)| name.as_str()).collect();
        Err(Failure { message: format!("failed: {}", names.join(", ")), code })
    }
}

fn times(done: &[(String, Duration, bool)]) -> String {
    let mut text = String::new();
    for (name, took, ok) in done {
        let verdict = if *ok { "ok" } else { "FAILED" };
        text += &format!("{:>8.1} s  {name}: {verdict}\n", took.as_secs_f64());
    }
    let total: Duration = done.iter().map(|(_, took, _)| *took).sum();
    text + &format!("{:>8.1} s  in all", total.as_secs_f64())
}

/// Runs a program to its end, its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let shown = show(command);
    eprintln!("    {shown}");
    let status = command.status().map_err(|e| format!("cannot run `{shown}`: {e}"))?;
    if status.success() {
        return Ok(());
    }
    // A program that a signal ended has no code.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Failure { message: format!("`{shown}` failed: {status}"), code })
}

/// `cargo`, started in the workspace as a user would.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(crate::root());
    // `cargo run` describes this package to us. Build scripts that watch these variables would run
    // again, and their crates be compiled again, at each change between `cargo` and `cargo xtask`.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

fn show(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut text = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for arg in command.get_args() {
        text += " ";
        text += &arg.to_string_lossy();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_decides_the_exit_code_and_later_steps_still_run() {
        let mut steps = Steps::default();
        steps.step("one", || Err::<(), _>(Failure { message: "first".into(), code: 101 }));
        assert_eq!(steps.step("two", || Ok(2)), Some(2));
        steps.step("three", || Err::<(), _>(Failure { message: "second".into(), code: 7 }));
        let failure = steps.finish().unwrap_err();
        assert_eq!((failure.code, failure.message.as_str()), (101, "failed: one, three"));
    }

    #[test]
    fn the_times_name_each_step_and_how_it_ended() {
        let text = times(&[
            ("tests".into(), Duration::from_millis(61_240), true),
            ("doc tests".into(), Duration::from_millis(300), false),
        ]);
        assert_eq!(
            text,
            "    61.2 s  tests: ok\n     0.3 s  doc tests: FAILED\n    61.5 s  in all"
        );
    }

    #[test]
    fn an_exit_code_is_passed_on() {
        let failure = run(Command::new("sh").args(["-c", "exit 42"])).unwrap_err();
        assert_eq!(failure.code, 42);
        let failure = run(Command::new("sh").args(["-c", "kill -KILL $$"])).unwrap_err();
        assert_eq!(failure.code, 1);
    }
}
