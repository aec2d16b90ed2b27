mod encodings;

use std::{
    io::Read as _,
    sync::{Arc, Mutex},
};

use aws_sdk_cloudwatch::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use ciborium::value::Value;
use proptest::prelude::*;
use sink_core::{Entry as _, OwnedBatch};

use super::*;
use crate::{
    datum::{
        Metric, Resolution, StatisticSet, Unit,
        size::{MAP, MAX_FRAME, field, head, text},
    },
    testing::any_datum,
};

/// Keeps the requests, and says the same to each: yes, if nothing else is asked for.
#[derive(Debug, Clone, Default)]
struct Capture {
    requests: Arc<Mutex<Vec<HttpRequest>>>,
    refuses: bool,
}

impl HttpConnector for Capture {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.requests.lock().unwrap().push(request);
        let status = StatusCode::try_from(if self.refuses { 400 } else { 200 }).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(&b"\xa0"[..]))))
    }
}

impl HttpClient for Capture {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn config(capture: &Capture) -> Builder {
    aws_sdk_cloudwatch::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("AKIDTEST", "secret", None, None, "test"))
        .http_client(capture.clone())
}

fn destination(config: Builder, namespace: &str, encoding: BodyEncoding) -> CloudWatchDestination {
    let client = Client::from_conf(config.build());
    CloudWatchDestination::with_encoding(namespace.parse().unwrap(), &client, encoding)
}

fn send_to(destination: &CloudWatchDestination, batch: &OwnedBatch<MetricDatum>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let batch = batch.as_batch();
    let answer = runtime.block_on(destination.send(destination.build_request(&batch)));
    destination.extract_failures(answer, batch.len())
}

/// What is sent of this batch, by default.
fn sent(namespace: &str, compressed: bool, batch: &OwnedBatch<MetricDatum>) -> HttpRequest {
    let capture = Capture::default();
    let config = config(&capture).disable_request_compression(!compressed);
    let outcome = send_to(&destination(config, namespace, BodyEncoding::Cbor), batch);
    assert!(matches!(outcome, Outcome::Delivered), "{outcome:?}");
    capture.requests.lock().unwrap().pop().unwrap()
}

fn body(namespace: &str, batch: &OwnedBatch<MetricDatum>) -> Vec<u8> {
    sent(namespace, false, batch).body().bytes().unwrap().to_vec()
}

fn single(entry: MetricDatum) -> Value {
    let body = body("Shop", &OwnedBatch::new([entry]));
    let request: Value = ciborium::from_reader(&body[..]).unwrap();
    let Value::Map(mut request) = request else { panic!("{request:?}") };
    let (data, namespace) = (request.pop().unwrap(), request.pop().unwrap());
    assert_eq!(namespace, ("Namespace".into(), "Shop".into()));
    let (name, Value::Array(mut data)) = data else { panic!("{data:?}") };
    assert_eq!((name, data.len()), ("MetricData".into(), 1));
    data.pop().unwrap()
}

fn map(fields: Vec<(&str, Value)>) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn numbers(numbers: &[f64]) -> Value {
    Value::Array(numbers.iter().map(|number| (*number).into()).collect())
}

#[test]
fn a_datum_is_sent_as_it_is_and_defaults_are_left_out() {
    let time = |millis: i64| Value::Tag(1, Box::new((millis as f64 / 1000.0).into()));
    let plain = Metric::builder("Plain").build().unwrap();
    let datum = MetricDatum { timestamp: 1_790_000_000_250, ..plain.value(0.5).unwrap() };
    let expected = map(vec![
        ("MetricName", "Plain".into()),
        ("Timestamp", time(1_790_000_000_250)),
        ("Value", 0.5.into()),
    ]);
    assert_eq!(single(datum), expected);

    let full = Metric::builder("Full")
        .dimension("b", "2")
        .dimension("a", "1")
        .unit(Unit::BytesSecond)
        .resolution(Resolution::Second)
        .build()
        .unwrap();
    let dimension =
        |name: &str, value: &str| map(vec![("Name", name.into()), ("Value", value.into())]);
    let head = || {
        vec![
            ("MetricName", "Full".into()),
            ("Dimensions", Value::Array(vec![dimension("a", "1"), dimension("b", "2")])),
            ("Timestamp", time(-1000)),
        ]
    };
    let tail = || vec![("Unit", "Bytes/Second".into()), ("StorageResolution", 1.into())];
    let at = |datum: MetricDatum| MetricDatum { timestamp: -1000, ..datum };
    let counted = full.values([(3.0, 1.0), (-1.5, 7.0), (3.0, 1.0)]).unwrap();
    let expected =
        [head(), vec![("Values", numbers(&[3.0, -1.5])), ("Counts", numbers(&[2.0, 7.0]))], tail()];
    assert_eq!(single(at(counted)), map(expected.concat()));
    let set = StatisticSet { sample_count: 4.0, sum: 3.0, minimum: -1.0, maximum: 2.0 };
    let statistics = map(vec![
        ("SampleCount", 4.0.into()),
        ("Sum", 3.0.into()),
        ("Minimum", (-1.0).into()),
        ("Maximum", 2.0.into()),
    ]);
    let expected = [head(), vec![("StatisticValues", statistics)], tail()];
    assert_eq!(single(at(full.statistics(set).unwrap())), map(expected.concat()));
}

#[test]
fn data_keep_their_order() {
    let data = (0..1000).map(|n| Metric::builder(format!("m{n}")).build().unwrap().value(1.0));
    let batch = OwnedBatch::new(data.map(Result::unwrap));
    let destination = destination(config(&Capture::default()), "Shop", BodyEncoding::Sdk);
    let (request, list) = destination.build_request(&batch.as_batch());
    assert!(list.is_none());
    let names: Vec<_> =
        request.get_metric_data().iter().flatten().map(|d| d.metric_name().unwrap()).collect();
    assert_eq!(names, (0..1000).map(|n| format!("m{n}")).collect::<Vec<_>>());
}

/// The largest datum that the API reference allows.
fn largest() -> MetricDatum {
    let builder = Metric::builder("🦀".repeat(255))
        .unit(Unit::KilobytesSecond)
        .resolution(Resolution::Second);
    let metric = (0..30)
        .fold(builder, |builder, n| builder.dimension(format!("{n:0255}"), "v".repeat(1024)));
    let values = (0..150).map(|n| (f64::from(n), 1.0));
    metric.build().unwrap().values(values).unwrap()
}

#[test]
fn the_largest_datum_has_the_size_of_the_limit() {
    let datum = largest();
    assert_eq!(datum.size_bytes(), CloudWatchDestination::LIMITS.max_record_size_in_bytes);
    let longest = Unit::values().iter().map(|unit| unit.len()).max();
    assert_eq!(longest, Some("Kilobytes/Second".len()));
}

#[test]
fn the_fullest_requests_are_below_a_megabyte() {
    let namespace = "n".repeat(255);
    let limits = CloudWatchDestination::LIMITS;
    // As many as there may be, the last one such that the bytes are used up.
    let metric = |name: usize| Metric::builder("m".repeat(name)).build().unwrap();
    let values = |name: usize, count: u32| {
        metric(name).values((0..count).map(|n| (f64::from(n), 1.0))).unwrap()
    };
    let mut data: Vec<_> = (0..999).map(|_| values(225, 40)).collect();
    let left =
        limits.max_batch_size_in_bytes - data.iter().map(MetricDatum::size_bytes).sum::<usize>();
    let filling = (0..150).flat_map(|count| (1..=255).map(move |name| (name, count + 1)));
    let last = filling.map(|(name, count)| values(name, count)).find(|d| d.size_bytes() == left);
    data.push(last.unwrap_or_else(|| panic!("nothing has {left} bytes")));
    let batch = OwnedBatch::new(data);
    assert_eq!(batch.as_batch().len(), limits.max_batch_size);
    assert_eq!(batch.as_batch().size_bytes(), limits.max_batch_size_in_bytes);
    assert_eq!(body(&namespace, &batch).len(), 1_000_000);
}

#[test]
fn large_requests_are_compressed() {
    let data = |count| {
        let metric = Metric::builder("Latency").build().unwrap();
        OwnedBatch::new((0..count).map(|n| metric.value(f64::from(n)).unwrap()))
    };
    let small = sent("Shop", true, &data(10));
    assert_eq!(small.headers().get("content-encoding"), None);
    let large = data(1000);
    let request = sent("Shop", true, &large);
    assert_eq!(request.headers().get("content-encoding"), Some("gzip"));
    let compressed = request.body().bytes().unwrap();
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(compressed).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, body("Shop", &large));
    assert!(compressed.len() * 3 < plain.len(), "{} of {}", compressed.len(), plain.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_is_as_large_as_what_is_sent(
        data in prop::collection::vec(any_datum(), 1..8),
        namespace in "[A-Z]{1,40}|[A-Z]{230,255}",
    ) {
        let count = data.len();
        let batch = OwnedBatch::new(data);
        let sent = body(&namespace, &batch).len();
        let frame = MAP + field("Namespace", text(namespace.len())) + field("MetricData", head(count));
        prop_assert_eq!(batch.as_batch().size_bytes() + frame, sent);
        prop_assert!(frame <= MAX_FRAME);
    }
}
