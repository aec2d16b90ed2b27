//! What every connector must do, against the emulator.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy takes helpers of tests for no tests

use std::time::Duration;

use aws_sdk_cloudwatch::{Client, config::Credentials};
use sink_aws::{AwsConfig, BodyEncoding};
use sink_cloudwatch::{CloudWatchDestination, Metric, MetricDatum, MetricValue, Resolution, Unit};
use sink_core::{
    Entry as _, Ordering,
    testkit::{self, Arrived, Cannot, Limit, Service, Trouble},
};
use sink_emulator::{
    Emulator, Fault,
    cloudwatch::{CloudWatchLimits, Datum, DatumValue, RequestSize},
};

const NAMESPACE: &str = "Shop";

struct CloudWatch {
    emulator: Emulator,
    client: Client,
    encoding: BodyEncoding,
}

impl CloudWatch {
    async fn start(encoding: BodyEncoding) -> Self {
        let builder = Emulator::builder().cloudwatch_limits(CloudWatchLimits::without_rates());
        let emulator = builder.seed(7).start().await.unwrap();
        emulator.cloudwatch().refuse_metric("refused");
        let mut aws = AwsConfig::default();
        aws.region = Some("us-east-1".to_owned());
        aws.endpoint_url = Some(emulator.endpoint_url());
        let sdk = aws.load(Duration::from_secs(60)).await.unwrap();
        let config = aws_sdk_cloudwatch::config::Builder::from(&sdk)
            .credentials_provider(Credentials::new("test", "test", None, None, "test"));
        Self { client: Client::from_conf(config.build()), emulator, encoding }
    }
}

impl Service for CloudWatch {
    type Destination = CloudWatchDestination;

    fn destination(&self, _: Ordering) -> CloudWatchDestination {
        let namespace = NAMESPACE.parse().unwrap();
        CloudWatchDestination::with_encoding(namespace, &self.client, self.encoding)
    }

    fn entry(&self, number: u64, size_bytes: usize) -> Result<MetricDatum, Cannot> {
        let datum = sized(number, size_bytes);
        datum.ok_or_else(|| Cannot::new(format!("no datum has {size_bytes} bytes")))
    }

    fn number(entry: &MetricDatum) -> u64 {
        match entry.value() {
            MetricValue::Single(number) => *number as u64,
            MetricValue::Counted(values) => values[0].0 as u64,
            other => panic!("{other:?}"),
        }
    }

    fn smallest_size(&self) -> usize {
        Shape::default().datum(0).size_bytes()
    }

    async fn arrived(&self) -> Arrived {
        let cloudwatch = self.emulator.cloudwatch();
        let metered: usize = cloudwatch.request_sizes().iter().map(of_data).sum();
        Arrived::in_order(cloudwatch.data(NAMESPACE).iter().map(number)).metered(metered as u64)
    }

    async fn cause(&self, trouble: Trouble) -> Result<(), Cannot> {
        let fault = match trouble {
            Trouble::Throttle => Fault::error(400, "ThrottlingException"),
            Trouble::Unavailable => Fault::error(500, "InternalServiceError"),
            Trouble::Silence => Fault::SilenceAfterStoring,
            Trouble::Fatal => Fault::error(403, "AccessDenied"),
            _ => return Err(Cannot::new("an answer does not speak of single data")),
        };
        self.emulator.faults().fail_next(1, fault);
        Ok(())
    }

    async fn calm(&self) {
        self.emulator.faults().clear();
    }

    fn bad_entry(&self, number: u64) -> Result<MetricDatum, Cannot> {
        let metric = Metric::builder("refused").build();
        let datum = metric.and_then(|metric| metric.value(number as f64));
        datum.map_err(|error| Cannot::new(error.to_string()))
    }

    fn enforces(&self, limit: Limit) -> Result<(), Cannot> {
        match limit {
            Limit::BatchBytes => Err(Cannot::new(
                "the connector leaves room for the longest namespace, and is a few bytes below",
            )),
            Limit::RecordSize => Err(Cannot::new(
                "CloudWatch limits the parts of a datum: none that is larger can be made",
            )),
            _ => Ok(()),
        }
    }

    fn answers_per_entry(&self) -> bool {
        false
    }
}

/// What a datum is made of; its number is its value, or the first of them.
#[derive(Clone, Copy, Default)]
struct Shape {
    /// Characters of the metric's name, beyond [`NAME`](Self::NAME).
    more_name: usize,
    dimensions: usize,
    /// Characters of each dimension's value, and of its name as far as that may go.
    length: usize,
    many_values: bool,
}

impl Shape {
    /// From here on one more character is one more byte: the length itself takes two.
    const NAME: usize = 24;

    fn datum(self, number: u64) -> MetricDatum {
        let mut metric = Metric::builder("n".repeat(Self::NAME + self.more_name));
        for index in 0..self.dimensions {
            let name = format!("{index:0width$}", width = self.length.min(255));
            metric = metric.dimension(name, "v".repeat(self.length));
        }
        valued(&metric.build().unwrap(), number, self.many_values)
    }
}

fn valued(metric: &Metric, number: u64, many: bool) -> MetricDatum {
    if !many {
        return metric.value(number as f64).unwrap();
    }
    let others = (1..150).map(|n| 100_000 + n);
    let values = std::iter::once(number).chain(others);
    metric.values(values.map(|value| (value as f64, 1.0))).unwrap()
}

/// A datum of exactly this size, if there is one: dimensions of some length bring it near, and the
/// metric's name does the rest.
fn sized(number: u64, size: usize) -> Option<MetricDatum> {
    let counts = size / 1400..=30;
    let lengths = (Shape::NAME..=1024).rev().step_by(7);
    let shapes = counts.flat_map(|dimensions| {
        let shape = move |length| [false, true].map(|many| (dimensions, length, many));
        lengths.clone().flat_map(shape)
    });
    for (dimensions, length, many_values) in shapes {
        let shape = Shape { more_name: 0, dimensions, length, many_values };
        let more_name = size.checked_sub(shape.datum(number).size_bytes());
        if let Some(more_name) = more_name.filter(|more| *more <= 255 - Shape::NAME) {
            return Some(Shape { more_name, ..shape }.datum(number));
        }
    }
    Some(largest(number)).filter(|datum| datum.size_bytes() == size)
}

/// All that the API reference allows, in letters of four bytes where it allows those.
fn largest(number: u64) -> MetricDatum {
    let mut metric = Metric::builder("\u{1f4c8}".repeat(255));
    for index in 0..30 {
        metric = metric.dimension(format!("{index:0255}"), "v".repeat(1024));
    }
    let metric = metric.unit(Unit::KilobytesSecond).resolution(Resolution::Second);
    valued(&metric.build().unwrap(), number, true)
}

/// A request's bytes without those around its data: a map with the namespace and a list.
fn of_data(request: &RequestSize) -> usize {
    let count = match request.data {
        0..=23 => 1,
        24..=255 => 2,
        _ => 3,
    };
    request.bytes - (2 + "_Namespace".len() + "_Shop".len() + "_MetricData".len() + count)
}

fn number(datum: &Datum) -> u64 {
    match &datum.value {
        DatumValue::Single(number) => *number as u64,
        DatumValue::Values { values, .. } => values[0] as u64,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn cloudwatch_conforms() {
    for encoding in [BodyEncoding::Sdk, BodyEncoding::Cbor] {
        let report = testkit::all_with_snapshots(|| CloudWatch::start(encoding)).await;
        println!("{encoding}: {report}");
        report.assert_conforms(&[
            "beyond_batch_bytes",
            "beyond_record_size",
            "partial_throttling",
            "partial_failure",
            "short_answers",
            "long_answers",
            "silence_is_not_success",
        ]);
    }
}
