//! Where and of what the figures are.

use std::{fs, process::Command};

use crate::speed::usage;

/// A name and what is so called, in the order of the page.
pub type Fact = (&'static str, String);

/// The machine, the compiler, the code. To be asked before anything is written into the work tree.
pub fn facts() -> Vec<Fact> {
    let here = env!("CARGO_MANIFEST_DIR");
    let unknown = || "unknown".to_owned();
    let changed = said("git", &["-C", here, "status", "--porcelain"]).is_none_or(|s| !s.is_empty());
    let commit = said("git", &["-C", here, "rev-parse", "--short=12", "HEAD"]);
    let commit = commit.map_or_else(unknown, |commit| {
        if changed { format!("{commit}, with changes") } else { commit }
    });
    vec![
        ("date", said("date", &["-u", "+%Y-%m-%d"]).unwrap_or_else(unknown)),
        ("commit", commit),
        ("machine", usage::machine()),
        ("memory", memory().unwrap_or_else(unknown)),
        ("operating system", system()),
        ("compiler", said("rustc", &["--version"]).unwrap_or_else(unknown)),
        ("allocator", allocator().to_owned()),
    ]
}

/// The allocator that this program was built with.
pub fn allocator() -> &'static str {
    if cfg!(feature = "mimalloc") { "mimalloc" } else { "the system's" }
}

/// The first line that a program prints, if it ends well; empty if it prints none.
fn said(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| said.lines().next().unwrap_or_default().to_owned())
}

fn memory() -> Option<String> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: f64 = total.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(format!("{:.1} GiB", kibibytes / f64::from(1 << 20)))
}

fn system() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let name = name.map_or(std::env::consts::OS, |name| name.trim_matches('"'));
    format!("{name}, kernel {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_is_known_here() {
        for (name, value) in facts() {
            // A copy of the sources without its history has no commit.
            assert!(
                !value.is_empty() && (name == "commit" || value != "unknown"),
                "{name}: {value}"
            );
        }
        assert!(said("false", &[]).is_none());
        assert!(said("no such program", &[]).is_none());
    }
}
