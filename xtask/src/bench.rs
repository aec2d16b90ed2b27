//! `cargo xtask bench`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;
use crate::steps;

/// The programs, and their features: the allocator that the page is for, and the workloads over HTTP.
/// One by one: together, the bare SDK of `floor` would get what the sinks switch on.
const PROGRAMS: [(&str, &str); 2] = [("floor", "mimalloc,sdk"), ("bench", "mimalloc,aws")];

/// What to measure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// How often each workload is run.
    pub(crate) runs: u32,
    /// Only what has this in its name.
    pub(crate) only: Option<String>,
    /// The folder of the page; there is a default.
    pub(crate) out: Option<PathBuf>,
    /// The folder of the harness of Flink's writer.
    pub(crate) flink: Option<PathBuf>,
}

/// Builds the programs, runs everything that is asked for, and writes the page.
pub(crate) fn run(request: &Request) -> Result<(), Failure> {
    for (program, features) in PROGRAMS {
        let mut build = steps::cargo();
        build.args(["build", "--release", "--locked", "-p", "sink-benchmarks", "--bin", program]);
        steps::run(build.args(["--features", features]))?;
    }
    let target = crate::target_folder()?;
    let words = words(request, &crate::root().join("docs"), &target.join("benchmarks"));
    steps::run(Command::new(target.join("release").join("bench")).args(words))
}

/// The words for the program: the page goes into the folder `whole` where nothing else is asked
/// for, but into `part` if it is not everything, which must not take the whole page's place.
fn words(request: &Request, whole: &Path, part: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["all".into(), "--runs".into()];
    words.push(request.runs.to_string().into());
    let default = if request.only.is_none() { whole } else { part };
    let out = request.out.as_deref().unwrap_or(default);
    words.extend(["--out".into(), out.into()]);
    if let Some(only) = &request.only {
        words.extend(["--only".into(), only.into()]);
    }
    if let Some(flink) = &request.flink {
        words.extend(["--flink".into(), flink.into()]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(request: &Request) -> String {
        let words = words(request, Path::new("docs"), Path::new("target/benchmarks"));
        words.join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn only_the_whole_page_takes_its_place() {
        let all = Request { runs: 5, only: None, out: None, flink: None };
        assert_eq!(line(&all), "all --runs 5 --out docs");
        let part = Request { only: Some("noop".into()), flink: Some("harness".into()), ..all };
        let expected = "all --runs 5 --out target/benchmarks --only noop --flink harness";
        assert_eq!(line(&part), expected);
        let elsewhere = Request { out: Some("here".into()), flink: None, ..part };
        assert_eq!(line(&elsewhere), "all --runs 5 --out here --only noop");
    }
}
