//! To a Firehose delivery stream.

use sink_core::{FileDeadLetters, SnapshotEntry as _};
use sink_emulator::{Emulator, Fault, RecordError, firehose::FirehoseLimits};
use sink_firehose::FirehoseEntry;
use tempfile::TempDir;

use super::{
    endpoint::{given, sends_to},
    file, flights, report, run, text,
};

const TO: &str = "firehose://flights";

async fn emulator() -> Emulator {
    Emulator::builder()
        .delivery_stream("flights")
        .firehose_limits(FirehoseLimits::without_rates())
        .start()
        .await
        .unwrap()
}

/// What Firehose would write to a file.
fn stored(emulator: &Emulator) -> String {
    text(&emulator.firehose().records("flights").unwrap().concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_stay_lines_unless_the_user_says_otherwise() {
    let input = flights(1300);
    for (args, end) in [
        (&[][..], "\n"),
        (&["--delimiter", r"\r\n"], "\r\n"),
        (&["--delimiter", ";"], ";"),
        (&["--delimiter", ""], ""),
        (&["--no-delimiter"], ""),
    ] {
        let emulator = emulator().await;
        let one_at_a_time = ["--max-in-flight-requests", "1"];
        let child = sends_to(&emulator, TO, &[args, &one_at_a_time].concat());
        let output = given(child, input.clone()).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(stored(&emulator), input.replace('\n', end), "{args:?}");
        let (report, bytes) = (report(&output), input.len() + 1300 * end.len() - 1300);
        assert_eq!((&report["delivered"], &report["unsent"]), (&1300.into(), &0.into()));
        assert_eq!(report["delivered_bytes"], bytes, "delimiters count");
    }
}

#[test]
fn the_embedded_endpoint_proves_that_all_arrived() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "flights", flights(1234).as_bytes());
    let path = path.to_str().unwrap();
    let output = run(&["send", path, "--to", TO, "--emulate", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let arrived = serde_json::json!([
        { "id": "flights", "records": 1234, "bytes": flights(1234).len(), "throttled": 0 }
    ]);
    let report = report(&output);
    assert_eq!(report["delivery_streams"], arrived);
    assert!(report.get("shards").is_none(), "{report}");

    let arn = "firehose://arn:aws:firehose:eu-central-1:000000000000:deliverystream/flights";
    let output = run(&["send", path, "--to", arn, "--emulate", "--no-rate-limits"]);
    let table = text(&output.stdout);
    assert!(table.contains("delivery stream  "), "{table}");
    assert!(table.contains("\nflights                       1,234 "), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_lines_and_records_that_are_given_up_go_where_the_user_says() {
    let folder = TempDir::new().unwrap();
    let (bad, rejected) = (folder.path().join("bad"), folder.path().join("rejected"));
    let emulator = emulator().await;
    emulator.faults().fail_records(0.5, RecordError::InternalFailure);
    let on_bad_line = format!("dead-letter={}", bad.display());
    let args = ["--max-attempts", "2", "--retry-initial-delay", "1ms"];
    let files = ["--dead-letters", rejected.to_str().unwrap(), "--on-bad-line", &on_bad_line];
    let child = sends_to(&emulator, TO, &[args, files].concat());
    let output = given(child, flights(400) + "nonsense\n").await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");

    let letters: Vec<_> = FileDeadLetters::read(&rejected).unwrap().map(Result::unwrap).collect();
    assert!(!letters.is_empty() && letters.len() < 300, "a quarter fails twice");
    let report = report(&output);
    let counts = serde_json::json!({ "dead letters": letters.len(), "not JSON": 1 });
    assert_eq!((&report["rejected"], &report["read"]), (&counts, &401.into()));
    assert!(report["retried"]["unavailable"].as_u64().unwrap() > 0);
    let bad = std::fs::read_to_string(bad).unwrap();
    assert!(bad.contains("\"line\":401") && bad.contains("not JSON: expected"), "{bad}");

    // What was stored and what was kept make up what was read, each once.
    let mut all = stored(&emulator);
    for letter in letters {
        assert_eq!((&*letter.kind, &*letter.code, letter.attempts), ("firehose", "MaxAttempts", 2));
        all += &text(FirehoseEntry::decode(letter.payload.into()).unwrap().data());
    }
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&all), sorted(&flights(400)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_keep_their_order_where_the_user_says_so() {
    let emulator = emulator().await;
    emulator.faults().fail_records(0.3, RecordError::InternalFailure);
    let args = ["--ordering", "per-lane", "--retry-initial-delay", "1ms"];
    let output = given(sends_to(&emulator, TO, &args), flights(50)).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(report(&output)["retried"]["unavailable"].as_u64().unwrap() > 0);
    assert_eq!(stored(&emulator), flights(50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fatal_answer_or_a_wrong_name_is_said() {
    let emulator = emulator().await;
    emulator.faults().fail_requests(1.0, Fault::error(400, "AccessDeniedException"));
    let output = given(sends_to(&emulator, TO, &[]), flights(10)).await;
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("firehose:PutRecordBatch"), "{errors}");
    assert!(errors.contains("10 records were read and not delivered"), "{errors}");

    for emulate in [&["--emulate"][..], &["--region", "us-east-1"]] {
        let output = run(&[&["send", "-", "--to", "firehose://no spaces"], emulate].concat());
        assert_eq!(output.status.code(), Some(1));
        let errors = text(&output.stderr);
        assert!(errors.contains("the delivery stream is `no spaces`"), "{errors}");
    }
}
