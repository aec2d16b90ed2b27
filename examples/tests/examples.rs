//! The examples do what they say.
#![allow(clippy::expect_used, clippy::unwrap_used)] // a test fails by panicking

use std::{collections::BTreeSet, process::Output, time::Duration};

use sink_core::FileDeadLetters;
use sink_emulator::Emulator;
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

/// Runs a program that takes a second or two. One that hangs must not take the test run with it.
async fn run(command: &mut Command) -> Output {
    let output = timeout(Duration::from_secs(120), command.kill_on_drop(true).output()).await;
    output.expect("it should have ended long ago").unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn quickstart_delivers_to_whatever_the_environment_names() {
    let limits = sink_emulator::kinesis::KinesisLimits::without_shard_rates();
    let emulator =
        Emulator::builder().stream("departures", 2).kinesis_limits(limits).start().await.unwrap();
    let mut quickstart = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    quickstart
        .arg("departures")
        .env_clear()
        .env("AWS_ENDPOINT_URL", emulator.endpoint_url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    let output = run(&mut quickstart).await;
    assert!(out(&output).contains("10000 delivered in 20 requests, 0 retries"), "{output:?}");
    let records = emulator.kinesis().records("departures").unwrap();
    assert_eq!(records.iter().map(Vec::len).sum::<usize>(), 10_000);
}

#[tokio::test]
async fn a_custom_destination_gets_everything_in_spite_of_its_refusals() {
    let output = run(&mut Command::new(env!("CARGO_BIN_EXE_custom_destination"))).await;
    let text = out(&output);
    assert!(text.starts_with("10000 delivered") && !text.contains(" 0 retries"), "{text}");
}

#[tokio::test]
async fn a_custom_limiter_lets_its_quota_go_in_each_window() {
    let output = run(&mut Command::new(env!("CARGO_BIN_EXE_custom_limiter"))).await;
    let text = out(&output);
    let ms = text.strip_prefix("1000 delivered in ").and_then(|rest| rest.strip_suffix(" ms\n"));
    let ms: u64 = ms.unwrap().parse().unwrap();
    assert!(ms >= 300, "four windows, of which three must end: {text}");
}

#[tokio::test]
async fn a_program_that_dies_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let restart = async |dies_at: &[&str]| {
        let mut restart = Command::new(env!("CARGO_BIN_EXE_restart"));
        run(restart.arg(folder.path()).args(dies_at)).await
    };
    for dies_at in ["3456", "12345"] {
        assert_eq!(restart(&[dies_at]).await.status.code(), Some(9));
    }
    let text = out(&restart(&[]).await);
    assert!(text.contains(" restored\n"), "{text}");

    let stored = std::fs::read_to_string(folder.path().join("stored")).unwrap();
    let mut arrived: BTreeSet<u64> = stored.lines().map(|line| line.parse().unwrap()).collect();
    assert!(arrived.iter().all(|number| number % 1000 != 0));
    for letter in FileDeadLetters::read(folder.path().join("rejected.ndjson")).unwrap() {
        let letter = letter.unwrap();
        assert_eq!(letter.code, "TooRound");
        arrived.insert(u64::from_le_bytes(letter.payload.try_into().unwrap()));
    }
    assert_eq!(arrived, (1..=20_000).collect());

    let text = out(&restart(&[]).await);
    assert_eq!(text, "0 restored\n0 delivered, 0 rejected\n", "nothing is left");
}

#[test]
fn the_examples_are_as_short_as_they_are_said_to_be() {
    let lines = |text: &str| text.lines().count();
    assert!(lines(include_str!("../quickstart.rs")) < 60);
    assert!(lines(include_str!("../custom_destination.rs")) < 100);
    let limiter = include_str!("../custom_limiter.rs");
    let (_, limiter) = limiter.split_once("/// So many entries in each window").unwrap();
    let (limiter, _) = limiter.split_once("/// Yours.").unwrap();
    assert!(lines(limiter) < 60);
    assert!(lines(include_str!("../restart.rs")) < 150);
}
