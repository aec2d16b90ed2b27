//! A CloudWatch namespace for one test.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Datapoint, Statistic};

use crate::{LocalStack, Target};

/// A namespace with a name of its own.
#[derive(Debug)]
pub struct Namespace {
    client: Client,
    name: String,
}

/// What CloudWatch says of one period of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// How many values.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The least of them.
    pub minimum: f64,
    /// The greatest of them.
    pub maximum: f64,
}

impl Statistics {
    /// Of these values.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        Self {
            count: values.len() as f64,
            sum: values.iter().sum(),
            minimum: values.iter().copied().fold(f64::INFINITY, f64::min),
            maximum: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    fn read(point: &Datapoint) -> Option<Self> {
        Some(Self {
            count: point.sample_count?,
            sum: point.sum?,
            minimum: point.minimum?,
            maximum: point.maximum?,
        })
    }
}

impl Namespace {
    pub(crate) async fn new(localstack: &LocalStack, purpose: &str) -> Self {
        let client = Client::new(&localstack.sdk_config().await);
        Self { client, name: crate::unique(purpose) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A client for it, with the SDK's retries.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The names of its metrics, each once.
    ///
    /// # Panics
    ///
    /// When they cannot be listed.
    pub async fn metrics(&self) -> Vec<String> {
        let pages = self.client.list_metrics().namespace(&self.name).into_paginator();
        let pages = pages.send().collect::<Result<Vec<_>, _>>().await.expect("the metrics");
        let metrics = pages.into_iter().flat_map(|page| page.metrics.unwrap_or_default());
        let mut names: Vec<_> = metrics.filter_map(|it| it.metric_name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The statistics of a metric without dimensions in each period that has values, by how many
    /// periods after `start` that is. `start` is at the begin of a period.
    ///
    /// # Panics
    ///
    /// When they cannot be read, or a period has values of several units.
    pub async fn statistics(
        &self,
        metric: &str,
        start: SystemTime,
        period: Duration,
        periods: u32,
    ) -> BTreeMap<u32, Statistics> {
        let request = self.client.get_metric_statistics().namespace(&self.name);
        let request = request.metric_name(metric).period(period.as_secs() as i32);
        let asked =
            [Statistic::SampleCount, Statistic::Sum, Statistic::Minimum, Statistic::Maximum];
        let request = request.set_statistics(Some(asked.to_vec()));
        let request = request.start_time(DateTime::from(start));
        let request = request.end_time(DateTime::from(start + period * periods));
        let points = request.send().await.expect("the statistics").datapoints.unwrap_or_default();
        let mut statistics = BTreeMap::new();
        for point in &points {
            let at = SystemTime::try_from(point.timestamp.expect("a time")).expect("a time");
            let after = at.duration_since(start).expect("not before the start").as_secs();
            let index = (after / period.as_secs()) as u32;
            let one = Statistics::read(point).expect("all that was asked for");
            assert_eq!(statistics.insert(index, one), None, "one unit a period: {points:?}");
        }
        statistics
    }
}

impl Target for Namespace {
    fn write_call(&self) -> [&str; 3] {
        ["cloudwatch", "PutMetricData", &self.name]
    }
}
