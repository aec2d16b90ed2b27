//! To CloudWatch metrics.

use std::path::Path;

use sink_cloudwatch::MetricDatum;
use sink_core::{FileDeadLetters, SnapshotEntry as _};
use sink_emulator::{
    Emulator, Fault,
    cloudwatch::{Datum, DatumValue},
};
use tempfile::TempDir;

use super::{
    endpoint::{given, sends_to},
    file, flights, report, run, text,
};

const TO: &str = "cloudwatch://Flights";

async fn emulator() -> Emulator {
    Emulator::builder().start().await.unwrap()
}

/// 2,980 flights of January 2013, of which 60 never arrived and have no delay.
fn real_flights() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/flights.ndjson.gz");
    assert!(Path::new(path).is_file(), "{path}");
    path.to_owned()
}

fn single(datum: &Datum) -> f64 {
    match datum.value {
        DatumValue::Single(value) => value,
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_become_metrics_with_dimensions_and_times() {
    let emulator = emulator().await;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let line = |n: u64| {
        let (name, airport, at) = (["Delay", "AirTime"][n as usize % 2], n % 3, now - n);
        format!(r#"{{"what":"{name}","at":{at},"n":{n},"from":{{"airport":{airport}}}}}"#) + "\n"
    };
    let input: String = (0..1500).map(line).collect();
    let args = "--metric-field what --value-field n --dimension Airport=from.airport \
                --dimension-fixed Env=test --unit Seconds --timestamp-field at --resolution 1 \
                --max-in-flight-requests 1";
    let args: Vec<_> = args.split_whitespace().collect();
    let output = given(sends_to(&emulator, TO, &args), input).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = report(&output);
    assert_eq!((&report["delivered"], &report["merged"]), (&1500.into(), &0.into()));

    let data = emulator.cloudwatch().data("Flights");
    assert_eq!(data.len(), 1500);
    for (n, datum) in (0..).zip(&data) {
        assert_eq!(datum.metric_name, ["Delay", "AirTime"][n as usize % 2]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let dimensions = [pair("Airport", &(n % 3).to_string()), pair("Env", "test")];
        assert_eq!(datum.dimensions, dimensions);
        assert_eq!((single(datum), &*datum.unit), (n as f64, "Seconds"));
        assert_eq!(datum.storage_resolution, 1);
        assert_eq!(datum.timestamp, ((now - n) * 1000) as i64);
    }
}

#[test]
fn times_that_cloudwatch_refuses_are_bad_lines_that_name_the_field() {
    let path = real_flights();
    let mut args = vec!["send", &*path, "--to", TO, "--emulate", "--json"];
    args.extend(["--metric", "Distance", "--value-field", "distance"]);
    args.extend(["--dimension", "Carrier=carrier"]);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let arrived = serde_json::json!([{ "id": "Flights", "records": 2980 }]);
    assert_eq!(report(&output)["namespaces"], arrived, "now is a time that it takes");

    args.extend(["--timestamp-field", "time_hour"]);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    let expected = "flights.ndjson.gz:1: the timestamp field `time_hour`: a datum of the metric \
                    `Distance` has a timestamp ";
    assert!(errors.contains(expected), "{errors}");
    let expected = " s before now; CloudWatch takes two weeks before to two hours after\nhint: \
                    --on-bad-line skip";
    assert!(errors.contains(expected), "{errors}");

    args.extend(["--on-bad-line", "skip"]);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(3), "not everything was delivered");
    assert_eq!(report(&output)["rejected"], serde_json::json!({ "bad timestamp": 2980 }));
}

#[test]
fn data_go_in_the_encoding_that_is_asked_for() {
    let path = real_flights();
    let mut args = vec!["send", &*path, "--to", TO, "--emulate", "--json"];
    args.extend(["--metric", "Distance", "--value-field", "distance", "--body-encoding"]);
    for encoding in ["sdk", "cbor"] {
        let output = run(&[&args[..], &[encoding]].concat());
        assert_eq!(output.status.code(), Some(0), "{encoding}: {output:?}");
        let arrived = serde_json::json!([{ "id": "Flights", "records": 2980 }]);
        assert_eq!(report(&output)["namespaces"], arrived, "{encoding}");
    }
}

#[test]
fn lines_without_a_value_are_bad_lines() {
    let folder = TempDir::new().unwrap();
    let bad = folder.path().join("bad");
    let path = real_flights();
    let on_bad_line = format!("dead-letter={}", bad.display());
    let mut args = vec!["send", &*path, "--to", TO, "--emulate", "--json"];
    args.extend(["--metric", "Delay", "--value-field", "arr_delay", "--on-bad-line", &on_bad_line]);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report = report(&output);
    assert_eq!((&report["read"], &report["delivered"]), (&2980.into(), &2920.into()));
    assert_eq!(report["rejected"], serde_json::json!({ "no field": 60 }));
    let letters = std::fs::read_to_string(bad).unwrap();
    assert_eq!(letters.lines().count(), 60);
    let first: serde_json::Value = serde_json::from_str(letters.lines().next().unwrap()).unwrap();
    assert_eq!(first["line"], 162);
    assert_eq!(first["reason"], "the value field `arr_delay` is null; a value is a number");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregated_values_say_the_same_in_fewer_data() {
    let emulator = emulator().await;
    let args =
        ["--metric", "Number", "--value-field", "flight", "--aggregate", "--ordering", "none"];
    let output = given(sends_to(&emulator, TO, &args), flights(2000)).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (report, data) = (report(&output), emulator.cloudwatch().data("Flights"));
    assert!(data.len() < 100, "{} data", data.len());
    let (delivered, merged) = (report["delivered"].as_u64(), report["merged"].as_u64());
    assert_eq!(delivered, Some(data.len() as u64));
    assert_eq!(merged, Some(2000 - data.len() as u64));
    assert_eq!((&report["read"], &report["unsent"]), (&2000.into(), &0.into()));

    let mut values: Vec<(f64, f64)> = Vec::new();
    for datum in data {
        match datum.value {
            DatumValue::Values { values: distinct, counts } => {
                values.extend(distinct.into_iter().zip(counts));
            }
            DatumValue::Single(value) => values.push((value, 1.0)),
            other => panic!("{other:?} has no percentiles"),
        }
    }
    values.sort_by(|one, other| one.0.total_cmp(&other.0));
    let expected: Vec<_> = (1..=2000_u32).map(|n| (f64::from(n), 1.0)).collect();
    assert_eq!(values, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_datum_that_cloudwatch_refuses_is_found_and_kept_where_the_user_says_so() {
    let folder = TempDir::new().unwrap();
    let rejected = folder.path().join("rejected");
    let emulator = emulator().await;
    emulator.cloudwatch().refuse_metric("N42");
    let mapping = ["--metric-field", "tailnum", "--value", "1"];
    let args = [&mapping[..], &["--dead-letters", rejected.to_str().unwrap()]].concat();
    let output = given(sends_to(&emulator, TO, &args), flights(970)).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report = report(&output);
    assert_eq!((&report["delivered"], &report["unsent"]), (&960.into(), &0.into()));
    assert_eq!(report["rejected"], serde_json::json!({ "dead letters": 10 }));
    assert!(report["retried"]["bisected"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(emulator.cloudwatch().data("Flights").len(), 960);
    for letter in FileDeadLetters::read(&rejected).unwrap() {
        let letter = letter.unwrap();
        assert_eq!((&*letter.kind, &*letter.code), ("cloudwatch", "InvalidParameterValue"));
        assert_eq!(MetricDatum::decode(letter.payload.into()).unwrap().metric().name(), "N42");
    }

    let output = given(sends_to(&emulator, TO, &mapping), flights(970)).await;
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let hint = "hint: --dead-letters FILE keeps the records that the destination refuses";
    assert!(errors.contains(hint), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttled_requests_are_sent_again_and_fatal_ones_said() {
    let emulator = emulator().await;
    emulator.faults().fail_next(2, Fault::error(400, "ThrottlingException"));
    let args = ["--metric", "Flights", "--value", "1", "--retry-initial-delay", "1ms"];
    let output = given(sends_to(&emulator, TO, &args), flights(100)).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(emulator.cloudwatch().total("Flights"), 100);
    // All of the first request, and what the narrower window let into the second.
    assert!(report(&output)["retried"]["throttled"].as_u64().unwrap() > 100);

    emulator.faults().fail_next(1, Fault::error(403, "AccessDenied"));
    let output = given(sends_to(&emulator, TO, &args), flights(100)).await;
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("cloudwatch:PutMetricData"), "{errors}");
    assert!(errors.contains("100 records were read and not delivered"), "{errors}");
}

#[test]
fn what_every_line_would_fail_by_is_said_before_the_first() {
    for (args, expected) in [
        ("", "needs the metric's name: --metric NAME, or --metric-field FIELD"),
        ("--metric A", "needs the metric's value: --value-field FIELD"),
        ("--metric A --metric-field a --value 1", "cannot be used with"),
        ("--metric A --value 1 --value-field a", "cannot be used with"),
        ("--metric A --value one", "invalid value 'one' for '--value <NUMBER>'"),
        ("--metric A --value inf", "has the value inf; CloudWatch takes numbers from -2^360"),
        ("--metric A --value 1 --unit Miles", "the unit is `Miles`; CloudWatch takes Seconds,"),
        ("--metric A --value 1 --resolution 30", "[possible values: 1, 60]"),
        ("--metric A --value 1 --dimension Carrier", "write the dimension's name, `=`"),
        ("--metric A --value 1 --dimension C=a..b", "field.inner"),
        (
            "--metric A --value 1 --dimension C=a --dimension-fixed C=b",
            "`C` of the metric `A` is there twice",
        ),
        ("--metric A --value 1 --dimension-fixed C=", "the value `` of the dimension `C`"),
        ("--metric A --value 1 --dimension :C=a", "begins with a colon"),
    ] {
        let mut all = vec!["send", "-", "--to", TO, "--emulate"];
        all.extend(args.split_whitespace());
        let output = run(&all);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args}: {errors}");
        assert!(errors.contains(expected), "{args}: {errors}");
    }
    let args = ["send", "-", "--to", "cloudwatch://AWS/EC2", "--emulate", "--metric", "A"];
    let output = run(&[&args[..], &["--value", "1"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the namespace is `AWS/EC2`"), "{output:?}");
}

#[test]
fn a_long_line_may_be_a_small_datum() {
    let folder = TempDir::new().unwrap();
    let long = |length: usize| format!("{{\"v\":1,\"text\":\"{}\"}}\n", "x".repeat(length));
    let input = long(1_000_000) + &long(1 << 20);
    let path = file(&folder, "long", input.as_bytes());
    let mut args = vec!["send", path.to_str().unwrap(), "--to", TO, "--emulate", "--json"];
    args.extend(["--metric", "Long", "--value-field", "v", "--on-bad-line", "skip"]);
    let output = run(&args);
    assert_eq!(report(&output)["delivered"], 1, "{output:?}");
    let errors = text(&output.stderr);
    assert!(
        errors.contains("long:2: the line has 1048593 bytes; a line may have 1048576"),
        "{errors}"
    );
}
