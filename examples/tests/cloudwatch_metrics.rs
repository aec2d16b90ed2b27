//! The recorder for the crate `metrics` loses nothing on the way to CloudWatch.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::{process::Output, time::Duration};

use sink_emulator::Emulator;
use tokio::process::Command;

#[tokio::test]
async fn an_applications_metrics_arrive_with_their_sums() {
    let emulator = Emulator::builder().start().await.unwrap();
    let output: Output = Command::new(env!("CARGO_BIN_EXE_cloudwatch_metrics"))
        .arg("Shop")
        .env_clear()
        .env("AWS_ENDPOINT_URL", emulator.endpoint_url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output()
        .await
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    // One period, whatever the minute.
    let day = Duration::from_secs(10_000 * 24 * 3600);
    let statistics = |metric, dimensions: &[_]| {
        let periods = emulator.cloudwatch().statistics("Shop", metric, dimensions, day);
        let set = periods.into_values().next().unwrap();
        (set.sample_count, set.sum, set.minimum, set.maximum)
    };
    let (_, requests, ..) = statistics("requests", &[("route", "/basket")]);
    assert_eq!(requests, 10_000.0);
    assert_eq!(statistics("latency", &[]), (10_000.0, 495_000.0, 0.0, 99.0));
    assert_eq!(statistics("queue", &[]), (10.0, 45.0, 0.0, 9.0));
    let data = emulator.cloudwatch().total("Shop");
    assert!(data <= 100, "{data} data");
}

#[test]
fn the_example_is_as_short_as_it_is_said_to_be() {
    assert!(include_str!("../cloudwatch_metrics.rs").lines().count() < 150);
}
