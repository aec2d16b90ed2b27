//! The comparisons with the bare SDK, small: that they end well, and ill where a record is spoiled.

#![cfg(feature = "aws")]

use std::process::Command;

use serde_json::Value;
use sink_benchmarks::Result;

/// What `bench` printed, each line of it, and whether it ended well.
fn bench(words: &str) -> Result<(Vec<Value>, bool)> {
    let program = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(words.split(' '))
        // Whoever runs the tests may have these set for something else.
        .env_remove("AWS_ENDPOINT_URL")
        .env_remove("AWS_PROFILE")
        .output()?;
    let lines = String::from_utf8(program.stdout)?;
    let reports = lines.lines().map(serde_json::from_str).collect::<serde_json::Result<_>>()?;
    Ok((reports, program.status.success()))
}

#[test]
fn both_sides_write_each_record_once() {
    for (words, requests) in [
        ("kinesis --records 2600 --size 100", 6),
        ("firehose --records 1300 --size 10240", 4),
        ("cloudwatch --records 2600", 3),
        ("cloudwatch --records 2600 --body-encoding cbor", 3),
    ] {
        let (reports, is_ok) = bench(&format!("{words} --pairs 2 --in-flight 2")).unwrap();
        assert!(is_ok, "{words}: {reports:?}");
        let sides: Vec<_> = reports.iter().map(|report| report["side"].as_str()).collect();
        let (sdk, sink) = (Some("sdk"), Some("sink"));
        assert_eq!(sides, [sdk, sink, sink, sdk, None], "{words}");
        let (summary, runs) = reports.split_last().unwrap();
        for run in runs {
            assert_eq!((&run["ok"], &run["retries"]), (&true.into(), &0.into()), "{words}: {run}");
            assert_eq!(run["requests"], requests, "{words}: {run}");
        }
        assert_eq!((&summary["ok"], &summary["summary"]), (&true.into(), &true.into()));
        let ratio = &summary["records_per_s"]["sink_per_sdk"]["median"];
        assert!(ratio.as_f64().unwrap() > 0.0, "{words}: {summary}");
    }
}

#[test]
fn a_record_that_is_spoiled_is_found_on_either_side() {
    let found = [
        ("drop", "1 records are missing"),
        ("repeat", "1 records arrived twice"),
        ("alter", "1 records are not what was written"),
    ];
    for service in ["kinesis", "firehose", "cloudwatch"] {
        for (how, problem) in found {
            let words = format!("{service} --records 2600 --pairs 1 --sabotage {how}");
            let (reports, is_ok) = bench(&words).unwrap();
            assert!(!is_ok, "{words}");
            assert_eq!(reports.len(), 3, "{words}");
            for report in &reports {
                assert_eq!(report["ok"], false, "{words}: {report}");
                assert!(report["problems"].to_string().contains(problem), "{words}: {report}");
            }
        }
    }
}

#[test]
fn one_side_alone_has_no_ratio() {
    let (reports, is_ok) = bench("kinesis --records 600 --pairs 1 --only sink").unwrap();
    assert!(is_ok && reports.len() == 2, "{reports:?}");
    assert_eq!(reports[1]["cpu_ns_per_record"].get("sink_per_sdk"), None);
}
