//! Runs of Flink's `AsyncSinkWriter`, by a harness that is not part of this repository.
//!
//! The harness is a folder with a bash script `run.sh`. It is called with a workload and parameters
//! `name=value` (digits may be grouped by `_`), such as
//!
//! ```text
//! bash run.sh noop size=100 records=40_000_000 timed=0 runs=1 warmups=1
//! ```
//!
//! and prints a line of JSON on its standard output for each measured run, and nothing else there.
//! What it does on its standard error is its own. A run has `"ok": true` if every record was
//! accepted exactly once and unaltered, and otherwise the names that
//! [`page`](crate::page) reads: `records_per_s`, `cpu_us_per_record` (of the whole process),
//! `peak_rss_mb`, and by workload `capacity_used`, `sent_per_accepted`, `accepted_per_100ms` (with
//! `series=1`), `e2e_us`, `snapshot_total_ms`, `restore_total_ms`.
//!
//! | workload | parameters that are used |
//! |---|---|
//! | `noop` | `size`, `records`, `copy` (0: all records share one payload), `timed` (1: read clocks) |
//! | `latency` (answers after 20 ms) | the same; `seconds` for `records`, `offered`: records/s |
//! | `flaky` | `p`, the share that fails; `latencyMs` |
//! | `throttled` | `rate`, as `50000,25000@6,50000@12` if it changes (at seconds); `series` |
//! | `stuck` | `offered`; record 100,000 is refused for 5 s |
//! | `snapshot` | `entries`, `size` |
//!
//! `runs` and `warmups` say how often, `warmupSeconds` how long an uncounted run may be. The
//! writer has the defaults of Flink's Kinesis connector: requests of 500 records and 5 MiB, 50 in
//! flight, 10,000 entries in the buffer, 5 s; wall time is from the first write to the end of the
//! last flush. All this as ours.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::Result;

/// The harness in a folder.
#[derive(Debug)]
pub struct Flink {
    script: PathBuf,
}

impl Flink {
    /// The one in this folder.
    ///
    /// # Errors
    ///
    /// When there is no `run.sh` in it.
    pub fn new(folder: &Path) -> Result<Self> {
        let script = folder.join("run.sh");
        let found = script.canonicalize();
        Ok(Self { script: found.map_err(|error| format!("{}: {error}", script.display()))? })
    }

    /// One measured run, after what warms it up.
    ///
    /// # Errors
    ///
    /// When the harness fails, prints something else than one line, or a record was lost.
    pub fn run(&self, words: &str) -> Result<Value> {
        let words: Vec<_> = words.split(' ').chain(["runs=1"]).collect();
        let command = || format!("{} {}", self.script.display(), words.join(" "));
        let mut process = Command::new("bash");
        process.arg(&self.script).args(&words).stdin(Stdio::null());
        let output = process.output().map_err(|error| format!("{}: {error}", command()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let report = match said.lines().collect::<Vec<_>>()[..] {
            [line] if output.status.success() => serde_json::from_str::<Value>(line).ok(),
            _ => None,
        };
        if let Some(report) = report.filter(|report| report.get("ok") == Some(&Value::Bool(true))) {
            return Ok(report);
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(format!("{}: {}\n{said}{errors}", command(), output.status).into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn run(script: &str) -> Result<Value> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("run.sh"), script)?;
        Flink::new(folder.path())?.run("noop size=8")
    }

    #[test]
    fn the_harness_is_told_the_workload_and_gives_one_line() {
        let script = r#"echo warm-up >&2; echo "{\"said\": \"$*\", \"ok\": true}""#;
        assert_eq!(run(script).unwrap()["said"], "noop size=8 runs=1");
    }

    #[test]
    fn a_run_that_is_not_well_is_no_figure() {
        for script in [
            r#"echo '{"ok": false}'"#,
            "echo '{}'",
            r#"echo '{"ok": true}'; exit 1"#,
            r#"echo '{"ok": true}'; echo '{"ok": true}'"#,
            "echo no java >&2",
        ] {
            let error = run(script).unwrap_err().to_string();
            assert!(error.contains("run.sh noop size=8"), "{script}: {error}");
        }
        assert!(run("echo no java >&2").unwrap_err().to_string().contains("no java"));
        assert!(Flink::new(Path::new("/no such folder")).is_err());
    }
}
