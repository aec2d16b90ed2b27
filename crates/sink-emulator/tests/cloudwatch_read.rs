//! Metrics read back by the real SDK client.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod common;

use std::time::SystemTime;

use aws_sdk_cloudwatch::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    operation::get_metric_statistics::builders::GetMetricStatisticsFluentBuilder,
    primitives::DateTime,
    types::{Dimension, MetricDatum, StandardUnit, Statistic},
};
use common::Failure;
use sink_emulator::Emulator;

async fn start() -> (Emulator, Client) {
    let emulator = Emulator::builder().start().await.unwrap();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(emulator.endpoint_url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    (emulator, Client::from_conf(config))
}

/// A whole minute, an hour or so ago.
fn minute() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap() / 60 * 60 - 3600
}

fn host() -> Dimension {
    Dimension::builder().name("host").value("a").build()
}

async fn put(client: &Client, data: &[(i64, f64, StandardUnit)]) {
    let data = data.iter().map(|(at, value, unit)| {
        let datum = MetricDatum::builder().metric_name("n").value(*value).unit(unit.clone());
        datum.timestamp(DateTime::from_secs(*at)).dimensions(host()).build()
    });
    let request = client.put_metric_data().namespace("app");
    request.set_metric_data(Some(data.collect())).send().await.unwrap();
}

fn get(client: &Client, from: i64, to: i64, period: i32) -> GetMetricStatisticsFluentBuilder {
    client
        .get_metric_statistics()
        .namespace("app")
        .metric_name("n")
        .dimensions(host())
        .start_time(DateTime::from_secs(from))
        .end_time(DateTime::from_secs(to))
        .period(period)
        .statistics(Statistic::Sum)
}

async fn sums(request: GetMetricStatisticsFluentBuilder) -> Vec<(i64, f64)> {
    let answer = request.send().await.unwrap();
    let points = answer.datapoints();
    points.iter().map(|point| (point.timestamp().unwrap().secs(), point.sum().unwrap())).collect()
}

#[tokio::test]
async fn what_was_put_is_read_back_by_period_from_a_start_to_before_an_end() {
    let (_emulator, client) = start().await;
    let at = minute();
    let count = StandardUnit::Count;
    put(&client, &[(at, 1.0, count.clone()), (at + 59, 2.0, count.clone())]).await;
    put(&client, &[(at + 60, 4.0, count.clone()), (at + 120, 8.0, count)]).await;
    let minutes = vec![(at, 3.0), (at + 60, 4.0)];
    assert_eq!(sums(get(&client, at, at + 120, 60)).await, minutes);
    assert_eq!(sums(get(&client, at + 59, at + 120, 60)).await, minutes, "rounded down");
    assert_eq!(sums(get(&client, at + 60, at + 180, 300)).await, [(at + 60, 12.0)]);
    let tens = vec![(at, 1.0), (at + 50, 2.0), (at + 60, 4.0)];
    assert_eq!(sums(get(&client, at, at + 120, 10)).await, tens);
    assert_eq!(sums(get(&client, at, at + 120, 60).metric_name("other")).await, []);

    let all = [Statistic::SampleCount, Statistic::Average, Statistic::Minimum, Statistic::Maximum];
    let answer = get(&client, at, at + 60, 60).set_statistics(Some(all.to_vec())).send().await;
    let answer = answer.unwrap();
    let point = &answer.datapoints()[0];
    assert_eq!((answer.label(), point.unit()), (Some("n"), Some(&StandardUnit::Count)));
    assert_eq!((point.sample_count, point.average), (Some(2.0), Some(1.5)));
    assert_eq!((point.minimum, point.maximum, point.sum), (Some(1.0), Some(2.0), None));
}

#[tokio::test]
async fn each_unit_has_data_points_of_its_own() {
    let (_emulator, client) = start().await;
    let at = minute();
    put(&client, &[(at, 1.0, StandardUnit::Count), (at, 2.0, StandardUnit::Bytes)]).await;
    assert_eq!(sums(get(&client, at, at + 60, 60)).await, [(at, 2.0), (at, 1.0)]);
    let bytes = get(&client, at, at + 60, 60).unit(StandardUnit::Bytes);
    assert_eq!(sums(bytes).await, [(at, 2.0)]);
}

#[tokio::test]
async fn questions_that_are_none_are_refused() {
    let (_emulator, client) = start().await;
    let at = minute();
    for period in [0, -60, 2, 61, i32::MAX] {
        let failure = get(&client, at, at + 60, period).send().await.unwrap_err();
        let failure = Failure::from(failure);
        assert_eq!(failure.code.as_deref(), Some("InvalidParameterValue"), "{period}");
    }
    get(&client, at - 1440 * 60, at, 60).send().await.unwrap();
    let many = get(&client, at - 1441 * 60, at, 60).send().await.unwrap_err();
    assert!(many.into_service_error().is_invalid_parameter_combination_exception());
    let (first, last) = (-8_000_000_000_000, 8_000_000_000_000);
    let ages = get(&client, first, last, 60).send().await.unwrap_err();
    assert!(ages.into_service_error().is_invalid_parameter_combination_exception());
    let nothing = client.get_metric_statistics().namespace("app").send().await.unwrap_err();
    let failure = Failure::from(nothing);
    assert_eq!(failure.code.as_deref(), Some("MissingParameter"));
    for name in ["MetricName", "StartTime", "EndTime", "Period", "Statistics"] {
        assert!(failure.message.contains(&format!("The parameter {name} is required.")), "{name}");
    }
}
