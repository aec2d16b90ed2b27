//! Against an endpoint that fails, and that tells what it has.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Output, Stdio},
};

use sink_core::{FileDeadLetters, SnapshotEntry as _};
use sink_emulator::{Emulator, Fault, RecordError, kinesis::KinesisLimits};
use sink_kinesis::KinesisEntry;
use tempfile::TempDir;

use super::{flights, report, sink, text};

/// What sends to Kinesis, to an endpoint in this process.
fn against(emulator: &Emulator, args: &[&str]) -> Child {
    sends_to(emulator, "kinesis://flights", args)
}

/// What sends to an endpoint in this process.
pub(crate) fn sends_to(emulator: &Emulator, to: &str, args: &[&str]) -> Child {
    let url = emulator.endpoint_url();
    let mut all = vec!["send", "-", "--to", to, "--endpoint-url", &url];
    all.extend(["--region", "us-east-1", "--json"]);
    all.extend(args);
    sink(&all)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn emulator() -> Emulator {
    Emulator::builder()
        .stream("flights", 2)
        .kinesis_limits(KinesisLimits::without_shard_rates())
        .start()
        .await
        .unwrap()
}

async fn until(mut happened: impl FnMut() -> bool) {
    while !happened() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Gives it all that it is to read, and waits for its end.
pub(crate) async fn given(mut child: Child, input: impl Into<Vec<u8>>) -> Output {
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.into());
    let writer = std::thread::spawn(move || {
        // The program may stop reading at a bad line.
        let _stopped = stdin.write_all(&input);
    });
    let output = end_of(child).await;
    writer.join().unwrap();
    output
}

async fn end_of(child: Child) -> Output {
    tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap()
}

fn stored(emulator: &Emulator) -> u64 {
    emulator.kinesis().totals("flights").unwrap().iter().map(|shard| shard.records).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_endpoint_that_comes_back_gets_everything() {
    let mut emulator = emulator().await;
    let mut child = against(&emulator, &["--max-time-in-buffer", "10ms"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(flights(2000).as_bytes()).unwrap();
    until(|| stored(&emulator) > 0).await;
    emulator.kill().await;
    stdin.write_all(flights(2000).as_bytes()).unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let said = tokio::task::spawn_blocking(move || {
        // The shards may be being listed just then, which fails with a warning of its own.
        let mut said = String::new();
        while !said.contains("request failed and will be retried") {
            assert!(errors.read_line(&mut said).unwrap() > 0, "it ended: {said}");
        }
        errors
    });
    let _errors = said.await.unwrap();
    emulator.revive().await.unwrap();
    drop(stdin);
    let output = end_of(child).await;
    assert_eq!(output.status.code(), Some(0));
    let report = report(&output);
    assert_eq!(report["delivered"], 4000);
    assert!(report["retried"]["unavailable"].as_u64().unwrap() > 0);
    assert!(stored(&emulator) >= 4000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_drains_and_says_what_was_sent() {
    let emulator = emulator().await;
    let mut child = against(&emulator, &[]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(flights(1300).as_bytes()).unwrap();
    until(|| stored(&emulator) == 1000).await; // 300 wait for a request to fill
    signal(&child, "-INT");
    let output = end_of(child).await;
    assert_eq!(output.status.code(), Some(130));
    assert!(text(&output.stderr).contains("interrupted: sending what was read"));
    assert_eq!(report(&output)["delivered"], 1300);
    assert_eq!(stored(&emulator), 1300);
    drop(stdin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_ctrl_c_stops_and_says_what_was_not_sent() {
    let emulator = emulator().await;
    emulator.faults().fail_requests(1.0, Fault::Silence);
    let mut child = against(&emulator, &[]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(flights(1300).as_bytes()).unwrap();
    until(|| emulator.kinesis().requests() >= 2).await;
    signal(&child, "-INT");
    until(|| emulator.kinesis().requests() >= 3).await; // it drains
    signal(&child, "-INT");
    let output = end_of(child).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("interrupted: 1300 records were read and not delivered"));
    let report = report(&output);
    assert_eq!((&report["delivered"], &report["unsent"]), (&0.into(), &1300.into()));
    drop(stdin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_refuses_is_shown_and_given_up_where_the_user_says_so() {
    let mut emulator = emulator().await;
    emulator.kill().await;
    let mut child = against(&emulator, &["--give-up-after", "1s"]);
    child.stdin.take().unwrap().write_all(flights(10).as_bytes()).unwrap();
    let output = end_of(child).await;
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("gave up: nothing was delivered for 1s; last failure:"), "{errors}");
    assert!(errors.contains("10 records were read and not delivered"), "{errors}");
    assert_eq!(report(&output)["unsent"], 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_records_of_a_key_keep_their_order_where_the_user_says_so() {
    // As the flag is written, and as the setting is.
    for ordering in ["per-lane", "per_lane"] {
        let emulator = emulator().await;
        emulator.faults().fail_records(0.3, RecordError::InternalFailure);
        let args = ["--partition-key", "tailnum", "--retry-initial-delay", "1ms"];
        let mut child = against(&emulator, &[&args[..], &["--ordering", ordering]].concat());
        child.stdin.take().unwrap().write_all(flights(500).as_bytes()).unwrap();
        let output = end_of(child).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(report(&output)["retried"]["unavailable"].as_u64().unwrap() > 0);

        let mut last = BTreeMap::new();
        for record in emulator.kinesis().records("flights").unwrap().into_iter().flatten() {
            let event: serde_json::Value = serde_json::from_slice(&record.data).unwrap();
            let flight = event["flight"].as_u64().unwrap();
            let before = last.insert(record.partition_key, flight);
            assert!(before < Some(flight), "{before:?} came before {flight}");
        }
        assert_eq!(last.len(), 97);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_given_up_are_kept_and_counted_where_the_user_says_so() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rejected.ndjson");
    let emulator = emulator().await;
    emulator.faults().fail_records(0.5, RecordError::InternalFailure);
    let dead_letters = path.to_str().unwrap();
    let args = ["--max-attempts", "2", "--retry-initial-delay", "1ms", "--partition-key", "flight"];
    let mut child = against(&emulator, &[&args[..], &["--dead-letters", dead_letters]].concat());
    child.stdin.take().unwrap().write_all(flights(400).as_bytes()).unwrap();
    let output = end_of(child).await;
    assert_eq!(output.status.code(), Some(3), "not everything was delivered: {output:?}");

    let letters: Vec<_> = FileDeadLetters::read(&path).unwrap().map(Result::unwrap).collect();
    assert!(!letters.is_empty() && letters.len() < 300, "a quarter fails twice");
    let report = report(&output);
    assert_eq!(report["rejected"], serde_json::json!({ "dead letters": letters.len() }));
    assert_eq!((&report["read"], &report["unsent"]), (&400.into(), &0.into()));
    assert_eq!(report["delivered"], 400 - letters.len());

    // What was stored and what was kept make up what was read, each once.
    let stored = emulator.kinesis().records("flights").unwrap();
    let mut keys: Vec<u32> =
        stored.iter().flatten().map(|record| record.partition_key.parse().unwrap()).collect();
    for letter in letters {
        assert_eq!((&*letter.kind, &*letter.code, letter.attempts), ("kinesis", "MaxAttempts", 2));
        let entry = KinesisEntry::decode(letter.payload.into()).unwrap();
        keys.push(entry.partition_key().parse().unwrap());
    }
    keys.sort_unstable();
    assert_eq!(keys, (1..=400).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_given_up_stops_it_where_it_has_nowhere_to_go() {
    let emulator = emulator().await;
    emulator.faults().fail_records(1.0, RecordError::InternalFailure);
    for (flag, value, reason) in
        [("--max-attempts", "2", "MaxAttempts"), ("--max-age", "1ms", "MaxAge")]
    {
        let mut child = against(&emulator, &[flag, value, "--retry-initial-delay", "1ms"]);
        child.stdin.take().unwrap().write_all(flights(10).as_bytes()).unwrap();
        let output = end_of(child).await;
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(reason), "{errors}");
        assert!(errors.contains("10 records were read and not delivered"), "{errors}");
        let hint = format!("hint: --dead-letters FILE keeps the records that {flag} gives up");
        assert!(errors.contains(&hint), "{errors}");
        assert_eq!(report(&output)["unsent"], 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fatal_answer_is_said_with_what_was_not_sent() {
    let emulator = emulator().await;
    emulator.faults().fail_requests(1.0, Fault::error(400, "AccessDeniedException"));
    let mut child = against(&emulator, &[]);
    child.stdin.take().unwrap().write_all(flights(10).as_bytes()).unwrap();
    let output = end_of(child).await;
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("kinesis:PutRecords"), "{errors}");
    assert!(errors.contains("10 records were read and not delivered"), "{errors}");

    let mut child = against(&emulator, &["--to", "kinesis://none"]);
    drop(child.stdin.take());
    assert_eq!(end_of(child).await.status.code(), Some(2), "--to is given once");
}
