//! What the page shows: which workloads there are, and what they are compared with.

use clap::CommandFactory as _;

use super::args::Bench;

/// What belongs into one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The destination answers at once.
    AtOnce,
    /// It answers after a time.
    Far,
    /// It takes so many records a second.
    Throttled,
    /// It does not answer.
    Snapshot,
}

/// A workload.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Its table.
    pub group: Group,
    /// The arguments of `bench`, which are its name too.
    pub ours: &'static str,
    /// What is the same to Flink's writer, as the [harness](super::flink) takes it; empty if nothing is.
    pub flink: &'static str,
}

const fn run_of(group: Group, ours: &'static str, flink: &'static str) -> Run {
    Run { group, ours, flink }
}

const F100: &str = "noop size=100 records=40_000_000 timed=0 warmups=1";
const F100_SHARED: &str = "noop size=100 records=40_000_000 timed=0 copy=0 warmups=1";
const F1K: &str = "noop size=1024 records=10_000_000 timed=0 warmups=1";

/// What is run. Where the destination answers at once, counts are such that a run takes one to three
/// seconds; where it is far or throttles, a run takes some more, so that how a sink begins is in the
/// figures and is not all that they say. The default strategy of Flink's writer on the right; refused
/// records slow it down so much that it writes for a time, not a number.
pub const RUNS: &[Run] = &[
    run_of(Group::AtOnce, "noop --records 40000000", F100),
    run_of(Group::AtOnce, "noop --shared --records 40000000", F100_SHARED),
    run_of(Group::AtOnce, "noop --size 1024 --records 10000000", F1K),
    run_of(Group::AtOnce, "noop --size 10240 --records 1000000", ""),
    run_of(Group::AtOnce, "noop --producers 2 --records 20000000", ""),
    run_of(Group::AtOnce, "noop --producers 4 --records 20000000", ""),
    run_of(Group::AtOnce, "noop --call write-all --records 40000000", F100),
    run_of(Group::AtOnce, "noop --call write-all --shared --records 40000000", F100_SHARED),
    run_of(Group::AtOnce, "noop --call write-all --size 1024 --records 10000000", F1K),
    run_of(Group::AtOnce, "noop --call write-all --producers 4 --records 20000000", ""),
    run_of(Group::AtOnce, "noop --call tracked --records 10000000", ""),
    run_of(Group::AtOnce, "noop --lanes 64 --records 10000000", ""),
    run_of(Group::AtOnce, "noop --lanes 1000000 --records 10000000", ""),
    run_of(Group::AtOnce, "noop --timed --records 20000000", ""),
    run_of(
        Group::Far,
        "latency --records 8000000",
        "latency size=100 records=8_000_000 timed=0 warmupSeconds=2",
    ),
    run_of(
        Group::Far,
        "flaky --fails 0.01 --records 8000000",
        "flaky p=0.01 latencyMs=20 seconds=5 timed=0 warmupSeconds=1",
    ),
    run_of(
        Group::Far,
        "flaky --fails 0.1 --records 8000000",
        "flaky p=0.1 latencyMs=20 seconds=5 timed=0 warmupSeconds=1",
    ),
    run_of(Group::Far, "stuck --seconds 7", "stuck offered=50_000 seconds=7 warmupSeconds=1"),
    run_of(Group::Far, "stuck --throttled --seconds 7", ""),
    run_of(
        Group::Far,
        "offered --seconds 5",
        "latency size=100 seconds=5 offered=100_000 warmupSeconds=2",
    ),
    run_of(
        Group::Throttled,
        "throttled --rate 10000 --seconds 15",
        "throttled rate=10000 seconds=15 timed=0 warmupSeconds=2",
    ),
    run_of(
        Group::Throttled,
        "throttled --rate 50000 --seconds 15",
        "throttled rate=50000 seconds=15 timed=0 warmupSeconds=2",
    ),
    run_of(
        Group::Throttled,
        "throttled --rate 200000 --seconds 15",
        "throttled rate=200000 seconds=15 timed=0 warmupSeconds=2",
    ),
    run_of(
        Group::Throttled,
        "throttled --steps --seconds 18",
        "throttled rate=50000,25000@6,50000@12 seconds=18 timed=0 series=1 warmupSeconds=2",
    ),
    run_of(Group::Snapshot, "snapshot", "snapshot entries=100_000 size=1024 warmups=3"),
    run_of(Group::Snapshot, "snapshot --size 100", "snapshot entries=100_000 size=100 warmups=3"),
];

/// What each connector costs over HTTP, beside a bare loop with the client of the SDK: each run
/// alternates the two by itself, and sums up on its last line. Only a program with the feature
/// `aws` has these workloads.
pub const WIRE: &[&str] = &[
    "kinesis --size 100 --body-encoding sdk",
    "kinesis --size 100 --body-encoding json",
    "kinesis --size 100 --body-encoding cbor",
    "kinesis --size 1024 --body-encoding sdk",
    "kinesis --size 1024 --body-encoding json",
    "kinesis --size 1024 --body-encoding cbor",
    "kinesis --size 10240 --body-encoding sdk",
    "kinesis --size 10240 --body-encoding json",
    "kinesis --size 10240 --body-encoding cbor",
    "firehose --size 100 --body-encoding json",
    "firehose --size 1024 --body-encoding json",
    "firehose --size 10240 --body-encoding json",
    "cloudwatch --body-encoding sdk",
    "cloudwatch --body-encoding cbor",
];

/// Whether this program was built with the workload.
pub fn is_known(name: &str) -> bool {
    let workload = name.split(' ').next().unwrap_or_default();
    Bench::command().find_subcommand(workload).is_some()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn each_run_is_one_that_the_program_knows() {
        for run in RUNS {
            let words = ["bench"].into_iter().chain(run.ours.split(' '));
            let plan = Bench::try_parse_from(words).unwrap().workload.plan();
            assert!(plan.is_some(), "{}", run.ours);
        }
    }

    #[test]
    fn each_wire_run_is_one_that_the_program_knows_if_it_has_any() {
        for name in WIRE.iter().filter(|name| is_known(name)) {
            let words = ["bench"].into_iter().chain(name.split(' ')).chain(["--pairs", "5"]);
            assert!(Bench::try_parse_from(words).is_ok(), "{name}");
        }
        assert!(!is_known("no-such-workload --size 1"));
    }

    /// A number after the name in each of two lines.
    fn same(ours: (&str, &str), flink: (&str, &str)) -> bool {
        let after = |(words, name): (&str, &str), separator| -> Option<String> {
            let (_, rest) = words.split_once(&format!("{name}{separator}"))?;
            Some(rest.split(' ').next()?.replace('_', ""))
        };
        after(ours, ' ') == after(flink, '=')
    }

    #[test]
    fn flinks_run_is_the_same_as_ours() {
        for run in RUNS.iter().filter(|run| !run.flink.is_empty()) {
            let Run { group, ours, flink } = *run;
            let number_of_records = match group {
                Group::AtOnce => same((ours, "records"), (flink, "records")),
                Group::Far | Group::Throttled => {
                    same((ours, "--seconds"), (flink, " seconds"))
                        || same((ours, "--records"), (flink, " records"))
                        || ours.starts_with("flaky")
                }
                Group::Snapshot => flink.contains("entries=100_000"),
            };
            assert!(number_of_records, "{run:?}");
            assert_eq!(ours.contains("--shared"), flink.contains("copy=0"), "{run:?}");
            let size = same((ours, "size"), (flink, "size"))
                || (!ours.contains("--size") && !flink.contains("size="))
                || (!ours.contains("--size")
                    && flink.contains(if group == Group::Snapshot {
                        "size=1024"
                    } else {
                        "size=100 "
                    }));
            assert!(size, "{run:?}");
        }
    }
}
