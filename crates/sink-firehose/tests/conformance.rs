//! What every connector must do, against the emulator.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

use std::time::Duration;

use aws_sdk_firehose::{Client, config::Credentials};
use sink_aws::{AwsConfig, BodyEncoding};
use sink_core::{
    Ordering,
    testkit::{self, Arrived, Cannot, Service, Trouble},
};
use sink_emulator::{Emulator, Fault, RecordError, firehose::FirehoseLimits};
use sink_firehose::{FirehoseDestination, FirehoseEntry};

/// One delivery stream, and a client that reaches it.
struct FirehoseService {
    emulator: Emulator,
    client: Client,
    encoding: BodyEncoding,
}

impl FirehoseService {
    async fn start(encoding: BodyEncoding) -> Self {
        let limits = FirehoseLimits::without_rates();
        let emulator = Emulator::builder().delivery_stream("flights").firehose_limits(limits);
        let emulator = emulator.seed(7).start().await.unwrap();
        let mut aws = AwsConfig::default();
        aws.region = Some("us-east-1".to_owned());
        aws.endpoint_url = Some(emulator.endpoint_url());
        let sdk = aws.load(Duration::from_secs(60)).await.unwrap();
        let config = aws_sdk_firehose::config::Builder::from(&sdk)
            .credentials_provider(Credentials::new("test", "test", None, None, "test"));
        Self { client: Client::from_conf(config.build()), emulator, encoding }
    }
}

impl Service for FirehoseService {
    type Destination = FirehoseDestination;

    fn destination(&self, _: Ordering) -> FirehoseDestination {
        let stream = "flights".parse().unwrap();
        FirehoseDestination::with_encoding(stream, &self.client, self.encoding)
    }

    fn entry(&self, number: u64, size_bytes: usize) -> Result<FirehoseEntry, Cannot> {
        let mut data = format!("{number:05}").into_bytes();
        data.resize(size_bytes, b'x');
        Ok(FirehoseEntry::new(data))
    }

    fn number(entry: &FirehoseEntry) -> u64 {
        number(entry.data())
    }

    fn smallest_size(&self) -> usize {
        "00000".len()
    }

    async fn arrived(&self) -> Arrived {
        let service = self.emulator.firehose();
        let records = service.records("flights").unwrap();
        let metered = service.totals("flights").unwrap().bytes;
        Arrived::in_order(records.iter().map(|record| number(record))).metered(metered)
    }

    async fn cause(&self, trouble: Trouble) -> Result<(), Cannot> {
        let faults = self.emulator.faults();
        let next = |fault| faults.fail_next(1, fault);
        match trouble {
            Trouble::ThrottleSome => faults.fail_records(0.5, RecordError::Throttled),
            Trouble::FailSome => faults.fail_records(0.5, RecordError::InternalFailure),
            Trouble::Throttle => next(Fault::error(500, "ServiceUnavailableException")),
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

    fn bad_entry(&self, _: u64) -> Result<FirehoseEntry, Cannot> {
        Err(Cannot::new(
            "PutRecordBatch refuses no single record for good: for a wrong one it refuses the \
             request, as fatal",
        ))
    }
}

fn number(data: &[u8]) -> u64 {
    std::str::from_utf8(&data[..5]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn firehose_conforms() {
    for encoding in [BodyEncoding::Sdk, BodyEncoding::Json] {
        let report = testkit::all_with_snapshots(|| FirehoseService::start(encoding)).await;
        println!("{encoding}: {report}");
        report.assert_conforms(&["bad_entry"]);
    }
}
