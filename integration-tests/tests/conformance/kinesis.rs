//! Kinesis.

use std::time::Duration;

use integration_tests::{Fault, LocalStack, Stream};
use sink_core::{
    Destination as _, Limits, Ordering,
    testkit::{self, Arrived, Cannot, Limit, Service, Trouble},
};
use sink_kinesis::{KinesisDestination, KinesisEntry};

use crate::{Hook, LATE_MS, PATIENCE, REQUEST_TIMEOUT, no_limits};

struct Kinesis {
    localstack: LocalStack,
    stream: Stream,
    hook: Hook,
}

impl Kinesis {
    /// One shard, so that the order is known.
    async fn start() -> Self {
        let localstack = LocalStack::from_env();
        let stream = localstack.stream("conformance", 1).await;
        Self { localstack, stream, hook: Hook::default() }
    }
}

impl Service for Kinesis {
    type Destination = KinesisDestination;

    fn destination(&self, ordering: Ordering) -> KinesisDestination {
        let stream = self.stream.name().parse().unwrap();
        KinesisDestination::new(stream, self.stream.client()).ordering(ordering)
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
        let records = self.stream.read_all().await;
        Arrived::in_order(records.iter().map(|record| number(&record.data)))
    }

    async fn cause(&self, trouble: Trouble) -> Result<(), Cannot> {
        let throttled = "ProvisionedThroughputExceededException";
        let fault = match trouble {
            Trouble::ThrottleSome => Fault::every_nth_entry(2, throttled),
            Trouble::FailSome => Fault::every_nth_entry(2, "InternalFailure"),
            Trouble::Throttle => Fault::call(400, throttled),
            Trouble::Unavailable => Fault::call(500, "InternalFailure"),
            Trouble::AnswerTooShort => Fault::more_results(-1),
            Trouble::AnswerTooLong => Fault::more_results(1),
            Trouble::Silence => Fault::delay(LATE_MS),
            Trouble::Fatal => Fault::call(400, "AccessDeniedException"),
            other => return Err(Cannot::new(format!("the fault hook does not know {other:?}"))),
        };
        self.hook.set(&self.localstack, &self.stream, [fault.times(1)]);
        Ok(())
    }

    async fn calm(&self) {
        self.hook.clear();
    }

    fn bad_entry(&self, _: u64) -> Result<KinesisEntry, Cannot> {
        Err(Cannot::new("PutRecords refuses no single record for good"))
    }

    /// What a new stream takes.
    fn limits(&self) -> Limits {
        KinesisDestination::DEFAULTS
    }

    fn enforces(&self, _: Limit) -> Result<(), Cannot> {
        Err(no_limits())
    }

    fn request_timeout(&self) -> Duration {
        REQUEST_TIMEOUT
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }
}

fn number(data: &[u8]) -> u64 {
    std::str::from_utf8(&data[..5]).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinesis_conforms() {
    let report = testkit::all_with_snapshots(Kinesis::start).await;
    println!("{report}");
    report.assert_conforms(&[
        "size_accounting",
        "beyond_batch_size",
        "beyond_batch_bytes",
        "beyond_record_size",
        "bad_entry",
    ]);
}
