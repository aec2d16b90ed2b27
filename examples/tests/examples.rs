//! The examples do what they say.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::process::Output;

use sink_emulator::Emulator;
use tokio::process::Command;

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn quickstart_delivers_to_whatever_the_environment_names() {
    let limits = sink_emulator::kinesis::KinesisLimits::without_shard_rates();
    let emulator =
        Emulator::builder().stream("departures", 2).kinesis_limits(limits).start().await.unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_quickstart"))
        .arg("departures")
        .env_clear()
        .env("AWS_ENDPOINT_URL", emulator.endpoint_url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output()
        .await
        .unwrap();
    assert!(out(&output).contains("10000 delivered in 20 requests, 0 retries"), "{output:?}");
    let records = emulator.kinesis().records("departures").unwrap();
    assert_eq!(records.iter().map(Vec::len).sum::<usize>(), 10_000);
}

#[tokio::test]
async fn a_custom_destination_gets_everything_in_spite_of_its_refusals() {
    let output = Command::new(env!("CARGO_BIN_EXE_custom_destination")).output().await.unwrap();
    let text = out(&output);
    assert!(text.starts_with("10000 delivered") && !text.contains(" 0 retries"), "{text}");
}

#[test]
fn the_examples_are_as_short_as_they_are_said_to_be() {
    let lines = |text: &str| text.lines().count();
    assert!(lines(include_str!("../quickstart.rs")) < 60);
    assert!(lines(include_str!("../custom_destination.rs")) < 100);
}
