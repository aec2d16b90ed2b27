//! What every connector must do, against the emulator.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

use std::time::Duration;

use aws_sdk_kinesis::{Client, config::Credentials};
use sink_aws::{AwsConfig, BodyEncoding};
use sink_core::{
    Ordering,
    testkit::{self, Arrived, Cannot, Service, Trouble},
};
use sink_emulator::{Emulator, Fault, RecordError, kinesis::KinesisLimits};
use sink_kinesis::{KinesisDestination, KinesisEntry};

struct Kinesis {
    emulator: Emulator,
    client: Client,
    encoding: BodyEncoding,
}

impl Kinesis {
    /// A stream of two shards whose records may be as large as any stream's.
    async fn start(encoding: BodyEncoding) -> Self {
        let mut limits = KinesisLimits::without_shard_rates();
        limits.bytes_per_record = Some(10 << 20);
        let emulator = Emulator::builder().stream("flights", 2).kinesis_limits(limits).seed(7);
        let emulator = emulator.start().await.unwrap();
        let mut aws = AwsConfig::default();
        aws.region = Some("us-east-1".to_owned());
        aws.endpoint_url = Some(emulator.endpoint_url());
        let sdk = aws.load(Duration::from_secs(60)).await.unwrap();
        let config = aws_sdk_kinesis::config::Builder::from(&sdk)
            .credentials_provider(Credentials::new("test", "test", None, None, "test"));
        Self { client: Client::from_conf(config.build()), emulator, encoding }
    }
}

impl Service for Kinesis {
    type Destination = KinesisDestination;

    fn destination(&self, ordering: Ordering) -> KinesisDestination {
        let stream = "flights".parse().unwrap();
        KinesisDestination::with_encoding(stream, &self.client, self.encoding).ordering(ordering)
    }

    fn entry(&self, number: u64, size_bytes: usize) -> Result<KinesisEntry, Cannot> {
        let key = format!("key {}", number % 4);
        let mut data = format!("{number:05}").into_bytes();
        data.resize(size_bytes - key.len(), b'x');
        KinesisEntry::new(key, data).map_err(|error| Cannot::new(error.to_string()))
    }

    fn number(entry: &KinesisEntry) -> u64 {
        number(entry.data())
    }

    fn smallest_size(&self) -> usize {
        "key 0".len() + "00000".len()
    }

    async fn arrived(&self) -> Arrived {
        let kinesis = self.emulator.kinesis();
        let mut records = kinesis.records("flights").unwrap().concat();
        records.sort_unstable_by_key(|record| record.sequence_number);
        let metered = kinesis.totals("flights").unwrap().iter().map(|shard| shard.bytes).sum();
        Arrived::in_order(records.iter().map(|record| number(&record.data))).metered(metered)
    }

    async fn cause(&self, trouble: Trouble) -> Result<(), Cannot> {
        let faults = self.emulator.faults();
        let next = |fault| faults.fail_next(1, fault);
        match trouble {
            Trouble::ThrottleSome => faults.fail_records(0.5, RecordError::Throttled),
            Trouble::FailSome => faults.fail_records(0.5, RecordError::InternalFailure),
            Trouble::Throttle => next(Fault::error(400, "ProvisionedThroughputExceededException")),
            Trouble::Unavailable => next(Fault::error(500, "InternalFailure")),
            Trouble::AnswerTooShort => next(Fault::AnswerTooShort),
            Trouble::AnswerTooLong => next(Fault::AnswerTooLong),
            Trouble::Silence => next(Fault::SilenceAfterStoring),
            Trouble::Fatal => next(Fault::error(400, "AccessDeniedException")),
            other => return Err(Cannot::new(format!("the emulator does not know {other:?}"))),
        }
        Ok(())
    }

    async fn calm(&self) {
        self.emulator.faults().clear();
    }

    fn bad_entry(&self, _: u64) -> Result<KinesisEntry, Cannot> {
        Err(Cannot::new(
            "PutRecords refuses no single record for good: its codes of a record are throttling \
             and InternalFailure, and for a wrong one it refuses the request, as fatal",
        ))
    }
}

fn number(data: &[u8]) -> u64 {
    std::str::from_utf8(&data[..5]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn kinesis_conforms() {
    for encoding in [BodyEncoding::Sdk, BodyEncoding::Json, BodyEncoding::Cbor] {
        let report = testkit::all_with_snapshots(|| Kinesis::start(encoding)).await;
        println!("{encoding}: {report}");
        report.assert_conforms(&["bad_entry"]);
    }
}
