//! Each workload of `bench`, small: that it ends well, and ill where a record is spoiled.

use clap::Parser as _;
use sink_benchmarks::{
    Result,
    speed::{
        args::{Bench, Workload},
        report::Report,
        run, state,
    },
};

fn report(words: &str) -> Result<Report> {
    let words = ["bench"].into_iter().chain(words.split(' '));
    let workload = Bench::try_parse_from(words)?.workload;
    let plan = workload.plan().ok_or("this is no single run")?;
    match workload {
        Workload::Snapshot { .. } => state::run(&plan),
        _ => run::run(&plan),
    }
}

#[test]
fn every_workload_delivers_each_record_once() {
    for words in [
        "noop --records 20000",
        "noop --records 20001 --producers 3 --lanes 7 --timed",
        "noop --records 20000 --tracked --shared --size 8",
        "latency --records 20000 --latency 2",
        "throttled --rate 20000 --seconds 1 --steps --latency 2 --buffer 2000",
        "flaky --records 5000 --fails 0.1 --latency 2",
        "offered --rate 20000 --seconds 1 --latency 2",
        "snapshot --records 1000",
    ] {
        let report = report(words).unwrap();
        assert!(report.is_ok(), "{words}: {report}");
    }
}

#[test]
fn a_record_that_is_spoiled_is_found() {
    for (how, found) in [
        ("drop", "1 records are missing"),
        ("repeat", "1 records arrived twice"),
        ("alter", "1 records are not what was written"),
    ] {
        let report = report(&format!("noop --records 20000 --sabotage {how}")).unwrap();
        assert!(!report.is_ok(), "{how}");
        assert!(report.to_string().contains(found), "{how}: {report}");
    }
}
