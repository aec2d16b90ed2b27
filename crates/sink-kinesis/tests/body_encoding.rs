//! What goes over the wire, in each encoding, and the way back from CBOR to JSON.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_kinesis::{Client, config::Credentials};
use sink_aws::BodyEncoding;
use sink_core::Counters;
use sink_emulator::{
    Emulator, EmulatorBuilder, Fault, NoCbor, RecordError, kinesis::KinesisLimits,
};
use sink_kinesis::{KinesisEntry, KinesisSink, KinesisSinkConfig, as_is};

const ALL: [BodyEncoding; 3] = [BodyEncoding::Sdk, BodyEncoding::Json, BodyEncoding::Cbor];

fn emulator() -> EmulatorBuilder {
    let limits = KinesisLimits::without_shard_rates();
    Emulator::builder().stream("flights", 4).kinesis_limits(limits).seed(7)
}

/// Many small requests, several in flight.
async fn sink(emulator: &Emulator, encoding: BodyEncoding) -> KinesisSink<KinesisEntry> {
    let mut config = KinesisSinkConfig::new("flights");
    config.body_encoding = encoding;
    config.settings.max_batch_size = Some(50);
    config.settings.max_in_flight_requests = Some(8);
    config.settings.max_time_in_buffer = Some(Duration::from_millis(20));
    config.settings.retry_initial_delay = Some(Duration::from_millis(5));
    config.settings.retry_max_delay = Some(Duration::from_millis(50));
    config.aws.region = Some("us-east-1".to_owned());
    config.aws.endpoint_url = Some(emulator.endpoint_url());
    let sdk = config.aws.load(Duration::from_secs(1)).await.unwrap();
    let credentials = Credentials::new("test", "test", None, None, "test");
    let client = aws_sdk_kinesis::config::Builder::from(&sdk).credentials_provider(credentials);
    let client = Client::from_conf(client.build());
    config.builder_with_client(&client, as_is).unwrap().seed(7).build().unwrap()
}

/// All bytes, keys that JSON escapes, hash keys, and no data at all.
fn entry(number: usize) -> KinesisEntry {
    let key = ["plain", "\"\\\u{1}\n\t", "schlüssel 🦀", "k"][number % 4];
    let mut data: Vec<u8> = format!("{number} ").into_bytes();
    data.extend((0..=255).cycle().take(number % 700));
    let data = if number == 0 { Vec::new() } else { data };
    let entry = KinesisEntry::new(key, data).unwrap();
    if number.is_multiple_of(3) { entry.with_explicit_hash_key(number as u128) } else { entry }
}

async fn send_all(emulator: &Emulator, encoding: BodyEncoding, count: usize) -> Counters {
    let sink = sink(emulator, encoding).await;
    for number in 0..count {
        sink.write(entry(number)).await.unwrap();
    }
    let closed = tokio::time::timeout(Duration::from_secs(60), sink.close()).await;
    let counters = closed.unwrap_or_else(|_| panic!("{:?}", sink.stats())).unwrap().counters;
    assert_eq!(counters.delivered.entries, count);
    counters
}

/// What arrived, without copies, in order: data and key.
fn arrived(emulator: &Emulator) -> Vec<(Vec<u8>, String)> {
    let records = emulator.kinesis().records("flights").unwrap().concat();
    let mut all: Vec<_> =
        records.iter().map(|record| (record.data.to_vec(), record.partition_key.clone())).collect();
    all.sort();
    all.dedup();
    all
}

fn written(count: usize) -> Vec<(Vec<u8>, String)> {
    let pair = |entry: KinesisEntry| (entry.data().to_vec(), entry.partition_key().to_owned());
    let mut all: Vec<_> = (0..count).map(|number| pair(entry(number))).collect();
    all.sort();
    all
}

#[tokio::test]
async fn the_same_arrives_in_each_encoding() {
    for encoding in ALL {
        let emulator = emulator().start().await.unwrap();
        let counters = send_all(&emulator, encoding, 1000).await;
        assert_eq!(counters.retried(), 0, "{encoding}");
        assert_eq!(arrived(&emulator), written(1000), "{encoding}");
        let records = emulator.kinesis().records("flights").unwrap().concat();
        assert_eq!(records.len(), 1000, "{encoding}");
        let in_cbor = if encoding == BodyEncoding::Cbor { counters.requests } else { 0 };
        assert_eq!(
            emulator.cbor_requests(),
            in_cbor,
            "{encoding}: and the shards are listed in json"
        );
    }
}

#[tokio::test]
async fn each_fault_loses_nothing_in_each_encoding() {
    for encoding in ALL {
        for fault in [
            Fault::error(400, "ProvisionedThroughputExceededException"),
            Fault::error(500, "InternalFailure"),
            Fault::HtmlBody(503),
            Fault::EmptyBody(500),
            Fault::Reset,
            Fault::ResetAfterStoring,
            Fault::AnswerTooShort,
            Fault::AnswerTooLong,
        ] {
            let emulator = emulator().start().await.unwrap();
            emulator.faults().fail_next(3, fault.clone());
            emulator.faults().fail_records(0.1, RecordError::Throttled);
            let counters = send_all(&emulator, encoding, 600).await;
            assert!(counters.retried() > 0, "{encoding} {fault:?}");
            assert_eq!(arrived(&emulator), written(600), "{encoding} {fault:?}");
            assert_eq!(emulator.cbor_requests() > 10, encoding == BodyEncoding::Cbor, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn what_stops_the_sink_stops_it_in_each_encoding_and_it_keeps_everything() {
    for (code, expected) in [
        ("AccessDeniedException", "kinesis:PutRecords"),
        ("ResourceNotFoundException", "the stream is not there"),
        ("KMSDisabledException", "KMS key is disabled"),
        ("InvalidArgumentException", "refused the request as invalid"),
    ] {
        let mut errors = Vec::new();
        for encoding in ALL {
            let emulator = emulator().start().await.unwrap();
            emulator.faults().fail_next(1000, Fault::error(400, code));
            let sink = sink(&emulator, encoding).await;
            for number in 0..10 {
                sink.write(entry(number)).await.unwrap();
            }
            let error = sink.flush().await.unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(code), "{encoding}: {error}");
            assert_eq!(sink.into_unsent().await.len(), 10, "{encoding}");
            errors.push(error);
        }
        assert!(errors.windows(2).all(|pair| pair[0] == pair[1]), "{errors:?}");
    }
}

/// Lines that were logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_endpoint_that_refuses_cbor_gets_json_and_nothing_is_lost() {
    for refusal in [
        NoCbor::UnknownOperation,
        NoCbor::SerializationException,
        NoCbor::UnsupportedMediaType,
        NoCbor::HtmlNotFound,
        NoCbor::HtmlOk,
        NoCbor::Empty,
    ] {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        // One thread, so all is logged here.
        let _guard = tracing::subscriber::set_default(subscriber);
        let emulator = emulator().without_cbor(refusal).start().await.unwrap();
        send_all(&emulator, BodyEncoding::Cbor, 1000).await;
        let records = emulator.kinesis().records("flights").unwrap().concat();
        assert_eq!(records.len(), 1000, "{refusal:?}: nothing was stored twice");
        assert_eq!(arrived(&emulator), written(1000), "{refusal:?}");
        // Those in flight when the first was refused; then never again.
        let refused = emulator.cbor_requests();
        assert!((1..=8).contains(&refused), "{refusal:?}: {refused}");
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN sink_aws")).collect();
        assert_eq!(warnings.len(), 1, "{refusal:?}: {log}");
        assert!(warnings[0].contains("the endpoint refuses cbor"), "{log}");
    }
}
