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
        "noop --records 20000 --call tracked --shared --size 8",
        "noop --records 20001 --call write-all --producers 3 --timed",
        "latency --records 20000 --call write-all --latency 2 --shared",
        "throttled --rate 20000 --seconds 1 --call write-all --latency 2",
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
        for call in ["write", "write-all"] {
            let words = format!("noop --records 20000 --call {call} --sabotage {how}");
            let report = report(&words).unwrap();
            assert!(!report.is_ok(), "{words}");
            assert!(report.to_string().contains(found), "{words}: {report}");
        }
    }
}

#[test]
fn a_rate_is_offered_record_by_record() {
    let wrong = report("offered --rate 1000 --seconds 1 --call write-all").unwrap_err();
    assert!(wrong.to_string().contains("`write-all`"), "{wrong}");
}
