//! What is written here is what the SDK sends, and nothing else is ever sent.

use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_cloudwatch::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{
            BeforeSerializationInterceptorContextMut, BeforeSerializationInterceptorContextRef,
            BeforeTransmitInterceptorContextMut,
        },
    },
    operation::put_metric_data::PutMetricDataInput,
    types,
};
use aws_smithy_async::time::StaticTimeSource;
use aws_smithy_runtime_api::{box_error::BoxError, client::ser_de::SharedRequestSerializer};

use super::*;

/// Head and body, signature included.
#[derive(Debug, PartialEq)]
struct Sent {
    method: String,
    uri: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| &**value)
    }
}

/// Which requests the SDK compresses.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Compress {
    ByDefault,
    From(u32),
    Never,
}

/// What goes over the wire of these batches, one after the other.
fn all_sent(
    encoding: BodyEncoding,
    compress: Compress,
    namespace: &str,
    batches: &[OwnedBatch<MetricDatum>],
) -> Vec<Sent> {
    let capture = Capture::default();
    let config = config(&capture)
        .time_source(StaticTimeSource::new(UNIX_EPOCH + Duration::from_secs(1_790_000_000)));
    let config = match compress {
        Compress::ByDefault => config,
        Compress::From(bytes) => config.request_min_compression_size_bytes(bytes),
        Compress::Never => config.disable_request_compression(true),
    };
    let destination = destination(config, namespace, encoding);
    for batch in batches {
        let outcome = send_to(&destination, batch);
        assert!(matches!(outcome, Outcome::Delivered), "{outcome:?}");
    }
    let requests = capture.requests.lock().unwrap();
    assert_eq!(requests.len(), batches.len());
    let sent = requests.iter().map(|request| {
        // One is made up for each call, and not signed.
        let headers = request.headers().iter().filter(|(k, _)| *k != "amz-sdk-invocation-id");
        let mut headers: Vec<_> = headers.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        headers.sort();
        Sent {
            method: request.method().to_owned(),
            uri: request.uri().to_owned(),
            headers,
            body: request.body().bytes().unwrap().to_vec(),
        }
    });
    sent.collect()
}

fn plain(sent: &Sent) -> Vec<u8> {
    if sent.header("content-encoding").is_none() {
        return sent.body.clone();
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&*sent.body).read_to_end(&mut plain).unwrap();
    plain
}

/// Also what a sink would take only from a snapshot: any time, and the numbers at the limits.
fn any_batch() -> impl Strategy<Value = OwnedBatch<MetricDatum>> {
    let extreme = prop::sample::select(vec![
        0.0,
        -0.0,
        f64::MIN_POSITIVE,
        5e-324,
        -1e-300,
        f64::EPSILON,
        2_f64.powi(360),
        -(2_f64.powi(360)),
        0.1,
    ]);
    let time = prop_oneof![
        any::<i64>(),
        -100_000_i64..100_000,
        1_790_000_000_000..1_790_000_100_000_i64,
        prop::sample::select(vec![i64::MIN, i64::MAX, -1, 0, 1, 999, 1000, -999, -1000]),
    ];
    let small = ("\\PC{1,30}|[a-z]{23,24}", extreme, time).prop_map(|(name, value, timestamp)| {
        let metric = Metric::builder(name).build().unwrap();
        MetricDatum { timestamp, ..metric.value(value).unwrap() }
    });
    // On both sides of where a list's length takes another byte.
    let many = prop::sample::select(vec![1_usize, 23, 24, 255, 256, 1000]);
    prop_oneof![
        prop::collection::vec(any_datum(), 1..5),
        many.prop_flat_map(move |count| prop::collection::vec(small.clone(), count)),
    ]
    .prop_map(OwnedBatch::new)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn requests_are_what_the_sdk_sends_signature_and_all(
        // One client for all, so that later bodies are written into buffers that held earlier ones.
        batches in prop::collection::vec(any_batch(), 1..4),
        namespace in "[A-Z]{1,40}|[!-9;-~]{230,255}",
        compress in prop_oneof![
            Just(Compress::ByDefault),
            (0..200_000_u32).prop_map(Compress::From),
            Just(Compress::Never),
        ],
    ) {
        prop_assume!(!namespace.starts_with("AWS/"));
        let ours = all_sent(BodyEncoding::Cbor, compress, &namespace, &batches);
        let sdks = all_sent(BodyEncoding::Sdk, compress, &namespace, &batches);
        for (ours, sdks) in ours.into_iter().zip(sdks) {
            prop_assert_eq!(&ours.headers, &sdks.headers);
            prop_assert!(ours == sdks, "plain they are equal: {}", plain(&ours) == plain(&sdks));
            let plain = plain(&ours);
            let least = match compress {
                Compress::ByDefault => 10_240,
                Compress::From(bytes) => bytes as usize,
                Compress::Never => usize::MAX,
            };
            prop_assert_eq!(ours.header("content-encoding").is_some(), plain.len() >= least);
            let length = ours.body.len().to_string();
            prop_assert_eq!(ours.header("content-length"), Some(&*length));
            prop_assert!(ours.header("authorization").is_some());
        }
    }
}

fn batch(count: u32) -> OwnedBatch<MetricDatum> {
    let metric = Metric::builder("Latency").dimension("Host", "a").build().unwrap();
    OwnedBatch::new((0..count).map(|n| MetricDatum {
        timestamp: 1_790_000_000_000,
        ..metric.value(f64::from(n)).unwrap()
    }))
}

#[test]
fn a_batch_that_is_sent_again_is_the_same() {
    for count in [1, 1000] {
        let twice = [batch(count), batch(count)];
        let sent = all_sent(BodyEncoding::Cbor, Compress::ByDefault, "Shop", &twice);
        assert_eq!(sent[0], sent[1]);
    }
}

#[test]
fn data_are_written_here_or_for_the_sdk() {
    for encoding in [BodyEncoding::Sdk, BodyEncoding::Json, BodyEncoding::Cbor] {
        let destination = destination(config(&Capture::default()), "Shop", encoding);
        let (input, list) = destination.build_request(&batch(3).as_batch());
        let is_ours = encoding != BodyEncoding::Sdk;
        let data = input.get_metric_data().as_ref().unwrap();
        assert_eq!((data.is_empty(), list.is_some()), (is_ours, is_ours), "{encoding}");
        assert_eq!(input.get_namespace().as_deref(), Some("Shop"));
    }
}

/// Does to a request what a later SDK may do, or somebody's interceptor.
#[derive(Debug, Clone, Copy)]
enum Meddler {
    /// The serializer is taken from somewhere else.
    OwnSerializer,
    /// The list is not empty.
    MoreData,
    /// No list is written where it has no elements.
    NoList,
    /// The body is written again, later.
    OwnBody,
    /// And compressed.
    OwnCompressedBody,
    /// In a way that is not known here.
    Encoded,
}

impl Intercept for Meddler {
    fn name(&self) -> &'static str {
        "Meddler"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input_mut().downcast_mut::<PutMetricDataInput>().unwrap();
        match self {
            Self::OwnSerializer => {
                let sdk = config.load::<SharedRequestSerializer>().unwrap().clone();
                config.interceptor_state().store_put(Kept(sdk));
            }
            Self::MoreData => input.metric_data = Some(vec![types::MetricDatum::builder().build()]),
            Self::NoList => input.metric_data = None,
            _ => {}
        }
        Ok(())
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Kept(sdk)) = config.load::<Kept>().cloned() {
            config.interceptor_state().store_put(sdk);
        }
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        match self {
            Self::OwnBody => {
                *request.body_mut() = SdkBody::from(&b"\xbf\x6aMetricData\x80\xff"[..])
            }
            Self::OwnCompressedBody => {
                let mut body =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                std::io::Write::write_all(&mut body, b"\xbf\x6aMetricData\x80\xff").unwrap();
                *request.body_mut() = SdkBody::from(body.finish().unwrap());
                request.headers_mut().insert("content-encoding", "gzip");
            }
            Self::Encoded => {
                request.headers_mut().insert("content-encoding", "br");
            }
            _ => {}
        }
        Ok(())
    }
}

/// The serializer that the SDK had.
#[derive(Debug, Clone)]
struct Kept(SharedRequestSerializer);

impl aws_smithy_types::config_bag::Storable for Kept {
    type Storer = aws_smithy_types::config_bag::StoreReplace<Self>;
}

fn assert_refused(outcome: &Outcome, what: &str) {
    let Outcome::Fatal(error) = outcome else { panic!("{what}: {outcome:?}") };
    assert!(error.message().contains("set body_encoding to `sdk`"), "{what}: {error}");
}

/// CloudWatch would take it, and say that all is well.
#[test]
fn a_request_without_the_data_is_not_sent_and_stops_the_sink() {
    for meddler in [
        Meddler::OwnSerializer,
        Meddler::MoreData,
        Meddler::NoList,
        Meddler::OwnBody,
        Meddler::OwnCompressedBody,
        Meddler::Encoded,
    ] {
        for count in [1, 1000] {
            let capture = Capture::default();
            let config = config(&capture).interceptor(meddler);
            let destination = destination(config, "Shop", BodyEncoding::Cbor);
            let outcome = send_to(&destination, &batch(count));
            assert!(capture.requests.lock().unwrap().is_empty(), "{meddler:?}");
            assert_refused(&outcome, &format!("{meddler:?}"));
        }
    }
}

/// As if the SDK asked interceptors no longer.
#[test]
fn an_answer_to_a_request_that_nobody_has_looked_at_is_none() {
    for refuses in [false, true] {
        let capture = Capture { refuses, ..Capture::default() };
        let mut destination = destination(config(&capture), "Shop", BodyEncoding::Cbor);
        destination.client = Client::from_conf(config(&capture).build());
        let outcome = send_to(&destination, &batch(1));
        assert_eq!(capture.requests.lock().unwrap().len(), 1);
        assert_refused(&outcome, &format!("no interceptor, refuses: {refuses}"));
    }
}

#[test]
fn a_call_that_fails_before_it_is_written_keeps_its_reason() {
    #[derive(Debug)]
    struct Fails;
    impl Intercept for Fails {
        fn name(&self) -> &'static str {
            "Fails"
        }

        fn modify_before_serialization(
            &self,
            _: &mut BeforeSerializationInterceptorContextMut<'_>,
            _: &RuntimeComponents,
            _: &mut ConfigBag,
        ) -> Result<(), BoxError> {
            Err("not today".into())
        }
    }
    let config = config(&Capture::default()).interceptor(Fails);
    let destination = destination(config, "Shop", BodyEncoding::Cbor);
    let outcome = send_to(&destination, &batch(1));
    let Outcome::Fatal(error) = outcome else { panic!("{outcome:?}") };
    assert!(error.message().contains("not today"), "{error}");
}
