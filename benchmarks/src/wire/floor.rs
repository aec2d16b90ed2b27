//! The bare loop: what somebody writes who has the SDK and no sink.
//!
//! It fills requests, keeps so many in flight, looks at each answer, and gives up at the first record
//! that failed. Nothing is retried, and nothing is kept for a retry.

use std::time::SystemTime;

use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use aws_sdk_firehose::types::Record;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use aws_smithy_types::{Blob, DateTime};
use futures_util::{StreamExt as _, stream::FuturesUnordered};

use super::{
    plan::{Plan, Service},
    source::{HOSTS, Source},
};
use crate::Result;

/// What is written to, whatever the service.
pub const TARGET: &str = "bench";

/// The metric of all data, and the service that is their second dimension.
pub const METRIC: [&str; 2] = ["RequestLatency", "checkout"];

/// A client as the SDK gives it, but for the retries and the server that it goes to.
macro_rules! client {
    ($sdk:ident, $url:expr) => {{
        use $sdk::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
        let config = $sdk::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("eu-central-1"))
            .endpoint_url($url)
            .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "bench"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(RetryConfig::disabled());
        $sdk::Client::from_conf(config.build())
    }};
}
#[cfg(feature = "aws")] // the sink's side has the same
pub(super) use client;

/// Names of the hosts that the metrics are of.
pub fn hosts() -> impl Iterator<Item = String> {
    (0..HOSTS).map(|host| format!("ip-10-0-{}-{host}.eu-central-1.compute.internal", host % 8))
}

/// Writes all records of the source to the server at this URL, and gives how many.
///
/// # Errors
///
/// At the first request or record that fails.
pub async fn run(plan: &Plan, source: &Source, url: &str) -> Result<u64> {
    match plan.service {
        Service::Kinesis => {
            let client = client!(aws_sdk_kinesis, url);
            let put = async |records: Vec<PutRecordsRequestEntry>| {
                let sent = records.len();
                let request = client.put_records().stream_name(TARGET);
                let answer = request.set_records(Some(records)).send().await?;
                let stored = answer.records().iter().filter(|record| record.error_code().is_none());
                check(sent, stored.count(), answer.failed_record_count().unwrap_or(0))
            };
            let record = |number| {
                let data = Blob::from_maybe_shared(source.payload(number));
                let record = PutRecordsRequestEntry::builder().data(data);
                Ok(record.partition_key(source.key(number)).build()?)
            };
            drive(plan, source, record, put).await
        }
        Service::Firehose => {
            let client = client!(aws_sdk_firehose, url);
            let put = async |records: Vec<Record>| {
                let sent = records.len();
                let request = client.put_record_batch().delivery_stream_name(TARGET);
                let answer = request.set_records(Some(records)).send().await?;
                let answers = answer.request_responses().iter();
                let stored = answers.filter(|record| record.error_code().is_none());
                check(sent, stored.count(), answer.failed_put_count())
            };
            let record = |number| {
                let data = Blob::from_maybe_shared(source.payload(number));
                Ok(Record::builder().data(data).build()?)
            };
            drive(plan, source, record, put).await
        }
        Service::Cloudwatch => {
            let client = client!(aws_sdk_cloudwatch, url);
            let hosts: Vec<_> = hosts().collect();
            let put = async |data: Vec<MetricDatum>| {
                let request = client.put_metric_data().namespace(TARGET);
                request.set_metric_data(Some(data)).send().await?;
                Ok(())
            };
            let datum = |number: u64| {
                let host = hosts.get((number % HOSTS) as usize).map_or("", String::as_str);
                datum(host, source.value(number))
            };
            drive(plan, source, datum, put).await
        }
    }
}

fn datum(host: &str, value: f64) -> Result<MetricDatum> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let dimension = |name, value| Dimension::builder().name(name).value(value).build();
    Ok(MetricDatum::builder()
        .metric_name(METRIC[0])
        .dimensions(dimension("Host", host))
        .dimensions(dimension("Service", METRIC[1]))
        .timestamp(DateTime::from_millis(i64::try_from(now.as_millis())?))
        .unit(StandardUnit::Milliseconds)
        .value(value)
        .build())
}

fn check(sent: usize, stored: usize, failed: i32) -> Result<()> {
    if stored == sent && failed == 0 {
        return Ok(());
    }
    Err(format!("of {sent} records {stored} were stored, and {failed} failed").into())
}

/// Keeps so many requests in flight until all records are written.
async fn drive<R>(
    plan: &Plan,
    source: &Source,
    record: impl Fn(u64) -> Result<R>,
    put: impl AsyncFn(Vec<R>) -> Result<()>,
) -> Result<u64> {
    let mut numbers = source.numbers();
    let mut in_flight = FuturesUnordered::new();
    let mut written = 0;
    loop {
        let mut records = Vec::with_capacity(plan.batch());
        for number in numbers.by_ref().take(plan.batch()) {
            records.push(record(number)?);
        }
        if records.is_empty() {
            break;
        }
        written += records.len() as u64;
        if in_flight.len() == plan.in_flight
            && let Some(done) = in_flight.next().await
        {
            done?;
        }
        in_flight.push(put(records));
    }
    while let Some(done) = in_flight.next().await {
        done?;
    }
    Ok(written)
}
