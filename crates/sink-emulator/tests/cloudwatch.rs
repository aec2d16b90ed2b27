//! CloudWatch as the real SDK client sees it.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod common;

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    operation::put_metric_data::PutMetricDataError,
    primitives::DateTime,
    types::{Dimension, MetricDatum, StandardUnit, StatisticSet, builders::MetricDatumBuilder},
};
use common::Failure;
use sink_emulator::{
    Emulator, Fault, RecordError,
    cloudwatch::{CloudWatchLimits, DatumValue},
};

type Is = fn(&PutMetricDataError) -> bool;

fn client_with(emulator: &Emulator, key: &str, compressed: bool) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(key, "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .disable_request_compression(!compressed)
        .endpoint_url(emulator.endpoint_url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

async fn app() -> (Emulator, Client) {
    with_limits(CloudWatchLimits::without_rates()).await
}

async fn with_limits(limits: CloudWatchLimits) -> (Emulator, Client) {
    let emulator = Emulator::builder().cloudwatch_limits(limits).start().await.unwrap();
    let client = client_with(&emulator, "test", true);
    (emulator, client)
}

fn named(name: &str) -> MetricDatumBuilder {
    MetricDatum::builder().metric_name(name)
}

fn datum(value: f64) -> MetricDatum {
    named("latency").value(value).build()
}

async fn put(client: &Client, data: Vec<MetricDatum>) -> Result<(), Failure> {
    let request = client.put_metric_data().namespace("app").set_metric_data(Some(data));
    request.send().await.map(|_| ()).map_err(Failure::from)
}

fn stored(emulator: &Emulator) -> u64 {
    emulator.cloudwatch().total("app")
}

fn ms(time: SystemTime) -> i64 {
    i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[tokio::test]
async fn what_is_put_arrives_whole() {
    let (emulator, client) = app().await;
    let started = SystemTime::now();
    let at = ms(started) - 60_000;
    let dimension = |name, value| Dimension::builder().name(name).value(value).build();
    let set = StatisticSet::builder().sample_count(3.0).sum(6.0).minimum(1.0).maximum(3.0).build();
    let data = vec![
        named("latency")
            .value(1.5)
            .dimensions(dimension("host", "a"))
            .dimensions(dimension("zone", "1"))
            .unit(StandardUnit::BytesSecond)
            .storage_resolution(1)
            .timestamp(DateTime::from_millis(at))
            .build(),
        named("latency").set_values(Some(vec![1.0, 2.0])).set_counts(Some(vec![3.0, 4.0])).build(),
        named("latency").statistic_values(set).build(),
    ];
    put(&client, data).await.unwrap();

    let arrived = emulator.cloudwatch().data("app");
    assert_eq!(arrived.len(), 3);
    assert!(arrived.iter().all(|datum| datum.metric_name == "latency"));
    let first = &arrived[0];
    assert_eq!(first.value, DatumValue::Single(1.5));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(first.dimensions, [pair("host", "a"), pair("zone", "1")]);
    assert_eq!((first.unit.as_str(), first.storage_resolution), ("Bytes/Second", 1));
    assert_eq!(first.timestamp, at);
    assert_eq!(
        arrived[1].value,
        DatumValue::Values { values: vec![1.0, 2.0], counts: vec![3.0, 4.0] }
    );
    let DatumValue::Statistics(set) = arrived[2].value else { panic!("{:?}", arrived[2]) };
    assert_eq!((set.sample_count, set.sum, set.minimum, set.maximum), (3.0, 6.0, 1.0, 3.0));
    assert!((ms(started)..=ms(SystemTime::now())).contains(&arrived[2].timestamp), "as it arrived");
    assert_eq!((arrived[2].unit.as_str(), arrived[2].storage_resolution), ("None", 60));

    let cloudwatch = emulator.cloudwatch();
    assert_eq!((cloudwatch.requests(), cloudwatch.most_requests_in_flight()), (1, 1));
    assert_eq!(["PutMetricData", "Other"].map(|o| cloudwatch.calls(o)), [1, 0]);
    assert_eq!((cloudwatch.total("app"), cloudwatch.total("other")), (3, 0));
    assert!(cloudwatch.data("other").is_empty());
}

#[tokio::test]
async fn statistics_are_of_one_metric_and_period() {
    let (emulator, client) = app().await;
    let minute = ms(SystemTime::now()) / 60_000 * 60_000 - 600_000;
    let at = |ms: i64| named("latency").timestamp(DateTime::from_millis(minute + ms));
    let dimension = |name, value| Dimension::builder().name(name).value(value).build();
    let (a, b) = (dimension("host", "a"), dimension("zone", "1"));
    let set = StatisticSet::builder().sample_count(2.0).sum(50.0).minimum(10.0).maximum(40.0);
    put(
        &client,
        vec![
            at(0).value(5.0).dimensions(a.clone()).dimensions(b.clone()).build(),
            at(59_999)
                .set_values(Some(vec![1.0, 7.0]))
                .set_counts(Some(vec![2.0, 3.0]))
                .dimensions(b.clone())
                .dimensions(a.clone())
                .build(),
            at(60_000).statistic_values(set.build()).dimensions(a.clone()).dimensions(b).build(),
            // Another metric each.
            at(0).value(100.0).dimensions(a).build(),
            at(0).metric_name("other").value(100.0).build(),
        ],
    )
    .await
    .unwrap();
    let of = |dimensions: &[(&str, &str)]| {
        let minute = Duration::from_secs(60);
        let periods = emulator.cloudwatch().statistics("app", "latency", dimensions, minute);
        let numbers = periods.into_iter();
        numbers.map(|(at, s)| (at, s.sample_count, s.sum, s.minimum, s.maximum)).collect::<Vec<_>>()
    };
    assert_eq!(
        of(&[("zone", "1"), ("host", "a")]),
        [(minute, 6.0, 28.0, 1.0, 7.0), (minute + 60_000, 2.0, 50.0, 10.0, 40.0)]
    );
    assert_eq!(of(&[("host", "a")]), [(minute, 1.0, 100.0, 100.0, 100.0)]);
    assert_eq!(of(&[("host", "b")]), []);
}

#[tokio::test]
async fn a_request_takes_1000_data_and_no_more() {
    let (emulator, client) = app().await;
    put(&client, vec![datum(1.0); 1000]).await.unwrap();
    let failure = put(&client, vec![datum(1.0); 1001]).await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("InvalidParameterValue"));
    assert_eq!(
        failure.message,
        "The collection MetricData must not have a size greater than 1000."
    );
    assert_eq!(stored(&emulator), 1000);
    assert_eq!(emulator.cloudwatch().largest_request().data, 1001);
}

#[tokio::test]
async fn a_request_takes_a_megabyte_before_compression_and_no_more() {
    for compressed in [true, false] {
        let (emulator, _) = app().await;
        let client = client_with(&emulator, "test", compressed);
        let value = |length: usize| "v".repeat(length);
        let dimension = |n: usize, length| {
            Dimension::builder().name(format!("{n:02}")).value(value(length)).build()
        };
        let data = |last: usize| {
            let dimensions: Vec<_> = (0..30).map(|n| dimension(n, 1000)).collect();
            let full = named("latency").value(1.0).set_dimensions(Some(dimensions)).build();
            let mut data = vec![full; 32];
            let few = (0..19).map(|n| dimension(n, 1000)).chain([dimension(19, last)]).collect();
            data.push(named("latency").value(1.0).set_dimensions(Some(few)).build());
            data
        };
        put(&client, data(500)).await.unwrap();
        let bytes = emulator.cloudwatch().largest_request().bytes;
        let rest = 1_000_000 - bytes;
        assert!(rest < 520, "the last value can fill it: {bytes}");
        put(&client, data(500 + rest)).await.unwrap();
        let largest = emulator.cloudwatch().largest_request();
        assert_eq!(largest.bytes, 1_000_000);
        assert_eq!(largest.sent_bytes < 100_000, compressed, "{largest:?}");
        assert_eq!(largest.sent_bytes == largest.bytes, !compressed, "{largest:?}");

        let failure = put(&client, data(501 + rest)).await.unwrap_err();
        assert_eq!((failure.status, failure.kind), (Some(413), "service"));
        assert_eq!(failure.code.as_deref(), Some("RequestEntityTooLarge"));
        assert_eq!(stored(&emulator), 66);
    }
}

#[tokio::test]
async fn only_large_bodies_are_compressed() {
    let (emulator, client) = app().await;
    put(&client, vec![datum(1.0); 10]).await.unwrap();
    put(&client, vec![datum(1.0); 999]).await.unwrap();
    let sizes = emulator.cloudwatch().request_sizes();
    assert_eq!(sizes.iter().map(|size| size.data).collect::<Vec<_>>(), [10, 999]);
    assert!(sizes[0].bytes < 10_240 && sizes[0].sent_bytes == sizes[0].bytes, "{sizes:?}");
    assert!(sizes[1].bytes >= 10_240 && sizes[1].sent_bytes < sizes[1].bytes, "{sizes:?}");
    assert_eq!(stored(&emulator), 1009);
}

#[tokio::test]
async fn one_bad_datum_refuses_the_whole_request_with_a_typed_error() {
    let (emulator, client) = app().await;
    let cases: [(MetricDatum, Is, &str, &str); 4] = [
        (
            datum(f64::NAN),
            PutMetricDataError::is_invalid_parameter_value_exception,
            "InvalidParameterValue",
            "The value NaN for parameter MetricData.member.2.Value is invalid.",
        ),
        (
            MetricDatum::builder().value(1.0).build(),
            PutMetricDataError::is_missing_required_parameter_exception,
            "MissingParameter",
            "The parameter MetricData.member.2.MetricName is required.",
        ),
        (
            named("latency").value(1.0).values(1.0).build(),
            PutMetricDataError::is_invalid_parameter_combination_exception,
            "InvalidParameterCombination",
            "The parameters MetricData.member.2.Value and MetricData.member.2.Values are mutually \
             exclusive and you have specified both.",
        ),
        (
            named("latency").value(1.0).timestamp(DateTime::from_secs(0)).build(),
            PutMetricDataError::is_invalid_parameter_value_exception,
            "InvalidParameterValue",
            "The parameter MetricData.member.2.Timestamp must specify a time within the past two \
             weeks.",
        ),
    ];
    for (bad, is, code, message) in cases {
        let request = client.put_metric_data().namespace("app");
        let request = request.metric_data(datum(1.0)).metric_data(bad).metric_data(datum(2.0));
        let error = request.send().await.unwrap_err();
        assert!(error.as_service_error().is_some_and(is), "{code}");
        let failure = Failure::from(error);
        assert_eq!((failure.code.as_deref(), failure.status), (Some(code), Some(400)));
        assert_eq!(failure.message, message);
    }
    assert_eq!(stored(&emulator), 0);
}

#[tokio::test]
async fn a_metric_may_be_refused_that_no_sink_can_know() {
    let (emulator, client) = app().await;
    emulator.cloudwatch().refuse_metric("cursed");
    let cursed = named("cursed").value(1.0).build();
    let failure = put(&client, vec![datum(1.0), cursed.clone()]).await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("InvalidParameterValue"));
    assert!(failure.message.contains("MetricData.member.2.MetricName"), "{}", failure.message);
    assert_eq!(stored(&emulator), 0);
    put(&client, vec![datum(1.0)]).await.unwrap();
    assert_eq!(stored(&emulator), 1);
}

#[tokio::test]
async fn above_the_rate_and_on_a_bad_day_the_whole_request_fails() {
    let mut limits = CloudWatchLimits::default();
    limits.requests_per_second = Some(0);
    let (emulator, client) = with_limits(limits).await;
    let failure = put(&client, vec![datum(1.0)]).await.unwrap_err();
    assert_eq!((failure.code.as_deref(), failure.status), (Some("ThrottlingException"), Some(400)));
    assert_eq!((failure.message.as_str(), stored(&emulator)), ("Rate exceeded", 0));

    let (emulator, client) = app().await;
    let untyped: Is = |_| true;
    for (error, code, status, is) in [
        (RecordError::Throttled, "ThrottlingException", 400, untyped),
        (
            RecordError::InternalFailure,
            "InternalServiceError",
            500,
            PutMetricDataError::is_internal_service_fault,
        ),
    ] {
        emulator.faults().clear();
        emulator.faults().fail_records(1.0, error);
        let request = client.put_metric_data().namespace("app").metric_data(datum(1.0));
        let error = request.send().await.unwrap_err();
        assert!(error.as_service_error().is_some_and(is), "{code}");
        let failure = Failure::from(error);
        assert_eq!((failure.code.as_deref(), failure.status), (Some(code), Some(status)));
    }
    emulator.faults().clear();
    emulator.faults().throttle_for(Duration::from_secs(3600));
    let failure = put(&client, vec![datum(1.0)]).await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("ThrottlingException"));
    emulator.faults().throttle_for(Duration::ZERO);
    put(&client, vec![datum(1.0)]).await.unwrap();
    assert_eq!(stored(&emulator), 1);
}

#[tokio::test]
async fn whole_requests_fail_as_they_are_told_to() {
    let error = |status, code| (Fault::error(status, code), Some(code), Some(status));
    for ((fault, code, status), kind, arrive) in [
        (error(400, "Throttling"), "service", 0),
        (error(403, "AccessDenied"), "service", 0),
        (error(500, "InternalServiceError"), "service", 0),
        (error(400, "InvalidFormat"), "service", 0),
        ((Fault::Reset, None, None), "dispatch", 0),
        ((Fault::ResetAfterStoring, None, None), "dispatch", 2),
    ] {
        let (emulator, client) = app().await;
        emulator.faults().fail_next(1, fault.clone());
        let failure = put(&client, vec![datum(1.0); 2]).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.code.as_deref(), failure.status),
            (kind, code, status),
            "{fault:?}"
        );
        assert_eq!(stored(&emulator), arrive, "{fault:?}");
        put(&client, vec![datum(1.0)]).await.unwrap();
        assert_eq!((stored(&emulator), emulator.faults().injected()), (arrive + 1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn an_error_that_is_none_of_the_services_still_has_its_status() {
    for (fault, status) in [(Fault::EmptyBody(503), 503), (Fault::HtmlBody(502), 502)] {
        let (emulator, client) = app().await;
        emulator.faults().fail_next(1, fault.clone());
        let failure = put(&client, vec![datum(1.0)]).await.unwrap_err();
        assert_eq!((failure.code, failure.status), (None, Some(status)), "{fault:?}");
        assert_eq!(stored(&emulator), 0);
    }
}

#[tokio::test]
async fn what_arrived_can_be_forgotten() {
    let (emulator, client) = app().await;
    put(&client, vec![datum(1.0); 3]).await.unwrap();
    let cloudwatch = emulator.cloudwatch();
    cloudwatch.forget();
    assert_eq!((cloudwatch.data("app").len(), cloudwatch.total("app")), (0, 0));
    assert_eq!((cloudwatch.request_sizes().len(), cloudwatch.largest_request().data), (0, 0));
    assert_eq!(cloudwatch.requests(), 1);

    let emulator = Emulator::builder().forget_records().start().await.unwrap();
    put(&client_with(&emulator, "test", true), vec![datum(1.0); 3]).await.unwrap();
    let cloudwatch = emulator.cloudwatch();
    assert_eq!((cloudwatch.data("app").len(), cloudwatch.total("app")), (0, 3));
    assert_eq!((cloudwatch.request_sizes().len(), cloudwatch.largest_request().data), (0, 3));
}

#[tokio::test]
async fn unknown_keys_and_operations_are_refused() {
    let emulator = Emulator::builder().access_key("known").start().await.unwrap();
    let known = client_with(&emulator, "known", true);
    put(&known, vec![datum(1.0)]).await.unwrap();
    let failure = put(&client_with(&emulator, "other", true), vec![datum(1.0)]).await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("UnrecognizedClientException"));
    let failure = Failure::from(known.list_dashboards().send().await.unwrap_err());
    assert_eq!(failure.code.as_deref(), Some("UnknownOperationException"));
}
