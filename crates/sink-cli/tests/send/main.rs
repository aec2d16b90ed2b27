//! The program as a user runs it.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod cloudwatch;
mod endpoint;
mod firehose;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

/// The program, without anything of this machine's AWS set-up.
fn sink(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sink"));
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    sink(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The summary as JSON.
fn report(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error} in {output:?}"))
}

const EMULATED: [&str; 5] =
    ["--to", "kinesis://flights", "--emulate", "--no-rate-limits", "--json"];

/// Sends a file to the embedded endpoint.
fn send(file: &Path, args: &[&str]) -> Output {
    let mut all = vec!["send", file.to_str().unwrap()];
    all.extend(EMULATED);
    all.extend(args);
    run(&all)
}

fn send_bytes(bytes: &[u8], args: &[&str]) -> Output {
    let mut all = vec!["send", "-"];
    all.extend(EMULATED);
    all.extend(args);
    let mut child = piped(&all);
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || {
        // The program may stop reading at a bad line.
        let _stopped = stdin.write_all(&bytes);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn piped(args: &[&str]) -> Child {
    sink(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn flights(count: usize) -> String {
    (1..=count)
        .map(|n| format!("{{\"flight\":{n},\"tailnum\":\"N{}\",\"origin\":\"JFK\"}}\n", n % 97))
        .collect()
}

fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_event_is_delivered_however_it_comes() {
    let folder = TempDir::new().unwrap();
    let text = flights(3000);
    let key = ["--partition-key", "tailnum"];
    let outputs = [
        send(&file(&folder, "plain", text.as_bytes()), &key),
        send(&file(&folder, "flights.gz", &gzip(&text)), &key),
        send(&file(&folder, "flights.zst", &zstd::encode_all(text.as_bytes(), 1).unwrap()), &key),
        send_bytes(text.as_bytes(), &key),
        send_bytes(&gzip(&text), &key),
        send_bytes(text.as_bytes(), &[]),
        send_bytes(text.as_bytes(), &["--partition-key-fixed", "all"]),
    ];
    for output in &outputs {
        let report = report(output);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!((&report["read"], &report["delivered"]), (&3000.into(), &3000.into()));
        let shards = report["shards"].as_array().unwrap();
        let arrived: u64 = shards.iter().map(|shard| shard["records"].as_u64().unwrap()).sum();
        assert_eq!((shards.len(), arrived), (4, 3000));
    }
    let one = report(&outputs[6]);
    let is_used = |shard: &&serde_json::Value| shard["records"] != 0;
    assert_eq!(one["shards"].as_array().unwrap().iter().filter(is_used).count(), 1);
}

#[test]
fn the_summary_is_a_table_for_people() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "flights", flights(1234).as_bytes());
    let mut args = vec!["send", path.to_str().unwrap(), "--to", "kinesis://flights"];
    args.extend(["--emulate", "2", "--no-shard-limits"]); // as --no-rate-limits was called once
    let output = run(&args);
    let table = text(&output.stdout);
    for row in ["read             1,234\n", "delivered        1,234 (", "rejected         0\n"] {
        assert!(table.contains(row), "{table}");
    }
    assert!(table.contains("shardId-000000000001"), "{table}");
    assert!(!table.contains('\x1b') && !text(&output.stderr).contains('\x1b'), "no colours here");
}

#[test]
fn nothing_to_send_is_no_error() {
    for input in ["", "\n", "\n\r\n\n"] {
        let output = send_bytes(input.as_bytes(), &[]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(report(&output)["read"], 0);
    }
}

#[test]
fn a_bad_line_stops_it_after_what_came_before_and_is_named() {
    let folder = TempDir::new().unwrap();
    for (bad, reason) in [
        (&b"{\"tailnum\":null}"[..], "the key field `tailnum` is null"),
        (b"{\"flight\":7}", "the key field `tailnum` is missing"),
        (b"{\"tailnum\":{}}", "the key field `tailnum` is an object"),
        (b"{\"tailnum\":\"\"}", "the partition key is empty"),
        (b"{\"tailnum\":\"N1\"", "not JSON: EOF while parsing an object at column 15"),
        (b"{\"tailnum\":\"\xff\"}", "invalid UTF-8 at byte 13"),
    ] {
        let input = [flights(700).as_bytes(), bad, b"\n", flights(300).as_bytes()].concat();
        let path = file(&folder, "flights.ndjson", &input);
        let output = send(&path, &["--partition-key", "tailnum"]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(&format!("flights.ndjson:701: {reason}")), "{errors}");
        assert!(errors.contains("hint: --on-bad-line skip"), "{errors}");
        let report = report(&output);
        assert_eq!((&report["read"], &report["delivered"]), (&701.into(), &700.into()));
    }
}

#[test]
fn bad_lines_are_skipped_and_counted_where_the_user_says_so() {
    let input = [&flights(10), "nonsense\n{}\n", &flights(10), "{\"tailnum\":null}\n"].concat();
    let output =
        send_bytes(input.as_bytes(), &["--partition-key", "tailnum", "--on-bad-line", "skip"]);
    assert_eq!(output.status.code(), Some(3), "not everything was delivered");
    let report = report(&output);
    assert_eq!((&report["read"], &report["delivered"]), (&23.into(), &20.into()));
    assert_eq!(report["rejected"], serde_json::json!({"no key": 2, "not JSON": 1}));
    assert!(text(&output.stderr).contains("skipped <stdin>:11: not JSON"));
}

#[test]
fn bad_lines_are_kept_with_their_reason_where_the_user_says_so() {
    let folder = TempDir::new().unwrap();
    let kept = folder.path().join("bad.ndjson");
    let policy = format!("dead-letter={}", kept.display());
    let input =
        [flights(10).as_bytes(), b"nonsense\n\xff\n{\"tailnum\":null}\n", flights(5).as_bytes()]
            .concat();
    let args = ["--partition-key", "tailnum", "--on-bad-line", &policy];
    let output = send_bytes(&input, &args);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(report(&output)["delivered"], 15);
    let letters = std::fs::read_to_string(&kept).unwrap();
    let letters: Vec<serde_json::Value> =
        letters.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(letters.len(), 3);
    assert_eq!((&letters[0]["line"], &letters[0]["text"]), (&11.into(), &"nonsense".into()));
    assert_eq!((&letters[1]["line"], &letters[1]["base64"]), (&12.into(), &"/w==".into()));
    assert_eq!(letters[2]["text"], "{\"tailnum\":null}");
    assert!(letters[2]["reason"].as_str().unwrap().contains("is null"));

    send_bytes(&input, &args);
    assert_eq!(std::fs::read_to_string(&kept).unwrap().lines().count(), 6, "it appends");

    let missing = format!("dead-letter={}/none/x", folder.path().display());
    let output = send_bytes(&input, &["--on-bad-line", &missing]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the dead-letter file cannot be written"));
}

#[test]
fn the_dead_letter_file_is_not_the_input() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "flights", flights(3).as_bytes());
    let output = send(&path, &["--on-bad-line", &format!("dead-letter={}", path.display())]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("it is the file that is read"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), flights(3));
}

#[test]
fn a_line_of_100_mb_is_refused_in_little_memory() {
    let mut args = vec!["send", "-"];
    args.extend(EMULATED);
    args.extend(["--on-bad-line", "skip"]);
    let mut child = piped(&args);
    let mut stdin = child.stdin.take().unwrap();
    let id = child.id();
    let writer = std::thread::spawn(move || {
        stdin.write_all(flights(5).as_bytes()).unwrap();
        for _ in 0..100 {
            stdin.write_all(&vec![b'x'; 1_000_000]).unwrap();
        }
        // All but the pipe's 64 KiB is read by now, and what it took can be seen.
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        stdin.write_all(b"\n").unwrap();
        stdin.write_all(flights(5).as_bytes()).unwrap();
        status
    });
    let output = child.wait_with_output().unwrap();
    let status = writer.join().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(report(&output)["delivered"], 10);
    assert_eq!(report(&output)["rejected"], serde_json::json!({"too large": 1}));
    let errors = text(&output.stderr);
    assert!(errors.contains("<stdin>:6: the line has 100000000 bytes"), "{errors}");
    if let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kib < 90_000, "{kib} KiB at its peak");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    let folder = TempDir::new().unwrap();
    let output = send(&folder.path().join("none"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("none cannot be read: No such file"), "{output:?}");

    let output = send(folder.path(), &[]);
    assert!(text(&output.stderr).contains("cannot be read: it is a directory"), "{output:?}");

    let mut cut = gzip(&flights(5000));
    cut.truncate(cut.len() / 2);
    let output = send(&file(&folder, "cut.gz", &cut), &[]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("cut.gz cannot be read on after line"), "{errors}");
    let report = report(&output);
    assert!(report["read"].as_u64().unwrap() > 100, "what came before is delivered");
    assert_eq!(report["read"], report["delivered"]);
}

#[test]
fn wrong_command_lines_say_what_would_be_right() {
    for (args, expected) in [
        (&["send", "x", "--to", "kafka://flights"][..], "write kinesis://STREAM, firehose://"),
        (&["send", "x", "--to", "flights"], "write kinesis://STREAM, firehose://STREAM or"),
        (&["send", "x"], "--to <DESTINATION>"),
        (&["send", "--to", "kinesis://x", "--on-bad-line", "ignore"], "dead-letter=FILE"),
        (&["send", "--to", "kinesis://x", "--max-time-in-buffer", "soon"], "--max-time-in-buffer"),
        (&["send", "--to", "kinesis://x", "--max-batch-size-in-bytes", "big"], "64KiB or 5MiB"),
        (&["send", "--to", "kinesis://x", "--partition-key", "a..b"], "field.inner"),
        (
            &["send", "--to", "kinesis://x", "--partition-key", "a", "--partition-key-fixed", "b"],
            "cannot be used with",
        ),
        (&["send", "--to", "kinesis://x", "--no-rate-limits"], "--emulate"),
    ] {
        let output = run(args);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {errors}");
        assert!(errors.contains(expected), "{args:?}: {errors}");
    }
}

#[test]
fn a_flag_of_another_destination_is_refused_with_both_names() {
    let metric = ["--metric", "Delay", "--value", "1"];
    for (to, args, expected) in [
        ("kinesis://x", &["--no-delimiter"][..], "--no-delimiter is for firehose://"),
        ("kinesis://x", &["--delimiter", ""], "--delimiter is for firehose://"),
        ("kinesis://x", &["--aggregate"], "--aggregate is for cloudwatch://"),
        ("firehose://x", &["--partition-key", "a"], "--partition-key is for kinesis://"),
        ("firehose://x", &["--dimension", "A=a"], "--dimension is for cloudwatch://"),
        ("cloudwatch://x", &["--partition-key-fixed", "a"], "--partition-key-fixed is for kinesis"),
        ("cloudwatch://x", &["--no-delimiter"], "--no-delimiter is for firehose://"),
        ("firehose://x", &["--emulate", "4"], "--emulate 4 says how many shards there are"),
        ("cloudwatch://x", &["--emulate", "4"], "--emulate 4 says how many shards there are"),
    ] {
        let mut all = vec!["send", "--to", to];
        all.extend(args);
        if to == "cloudwatch://x" {
            all.extend(metric);
        }
        let output = run(&all);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{all:?}: {errors}");
        assert!(errors.contains(expected), "{all:?}: {errors}");
        let is_named = errors.contains(&format!("means nothing to {}", &to[..to.len() - 1]));
        assert!(is_named || args[0] == "--emulate", "{all:?}: {errors}");
        assert!(errors.contains("Usage: sink send"), "{all:?}: {errors}");
    }
}

#[test]
fn wrong_settings_are_reported_all_at_once() {
    let output = send_bytes(
        b"",
        &["--max-batch-size", "501", "--max-in-flight-requests", "0", "--request-timeout", "0s"],
    );
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    for problem in [
        "max_batch_size is 501: the service accepts at most 500",
        "max_in_flight_requests is 0",
        "request_timeout is 0ns",
    ] {
        assert!(errors.contains(problem), "{errors}");
    }
}

#[test]
fn records_go_in_the_encoding_that_is_asked_for() {
    for encoding in ["sdk", "json", "cbor"] {
        let output = send_bytes(flights(300).as_bytes(), &["--body-encoding", encoding]);
        assert!(output.status.success(), "{encoding}: {output:?}");
        assert_eq!(report(&output)["delivered"], 300, "{encoding}: {output:?}");
    }
    let metric = ["--metric", "Delay", "--value", "1"];
    for (to, args, encoding, status, expected) in [
        ("kinesis://flights", &[][..], "ion", 2, "write `sdk`, `json` or `cbor`"),
        (
            "firehose://flights",
            &[],
            "cbor",
            1,
            "which this service does not speak: write `json` or",
        ),
        (
            "cloudwatch://x",
            &metric,
            "json",
            1,
            "not written for this service: write `cbor` or `sdk`",
        ),
    ] {
        let mut all = vec!["send", "-", "--to", to, "--emulate", "--body-encoding", encoding];
        all.extend(args);
        let output = run(&all);
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(text(&output.stderr).contains(expected), "{output:?}");
    }
}

#[test]
fn a_stream_name_that_is_none_is_refused() {
    for emulate in [&["--emulate"][..], &["--region", "us-east-1"]] {
        let mut args = vec!["send", "-", "--to", "kinesis://no spaces"];
        args.extend(emulate);
        let output = run(&args);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("the stream is `no spaces`"), "{output:?}");
    }
}

#[test]
fn the_dead_letters_file_is_no_other_file_of_the_program() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "flights", flights(3).as_bytes());
    let output = send(&path, &["--dead-letters", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("it is the file that is read"), "{output:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), flights(3));

    let bad = folder.path().join("bad");
    let policy = format!("dead-letter={}", bad.display());
    let output = send(&path, &["--dead-letters", bad.to_str().unwrap(), "--on-bad-line", &policy]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("bad lines go there; name two files"), "{output:?}");
}

#[test]
fn without_a_region_or_credentials_it_says_what_to_do() {
    let output = run(&["send", "-", "--to", "kinesis://flights"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("AWS_REGION"), "{output:?}");
}

#[test]
fn help_names_every_part() {
    let help = text(&run(&["send", "--help"]).stdout);
    for part in [
        "Examples:",
        "Exit status:",
        "For kinesis://:",
        "For firehose://:",
        "For every destination:",
        "--body-encoding <ENCODING>",
        "[default: json, and cbor for",
        "For cloudwatch://",
        "--partition-key",
        "--emulate",
        "[default: 10s]",
        r"[default: \n]",
    ] {
        assert!(help.contains(part), "{part} is missing in {help}");
    }
}
