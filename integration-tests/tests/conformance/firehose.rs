//! Firehose, by what its delivery stream puts into S3.

use std::time::Duration;

use aws_sdk_firehose::Client;
use integration_tests::{DeliveryStream, Fault, LocalStack};
use sink_core::{
    Ordering,
    testkit::{self, Arrived, Cannot, Limit, Service, Trouble},
};
use sink_firehose::{FirehoseDestination, FirehoseEntry};

use crate::{Hook, LATE_MS, PATIENCE, REQUEST_TIMEOUT, no_limits};

struct Firehose {
    localstack: LocalStack,
    stream: DeliveryStream,
    client: Client,
    hook: Hook,
}

impl Firehose {
    async fn start() -> Self {
        let localstack = LocalStack::from_env();
        let client = Client::new(&localstack.sdk_config().await);
        let stream = localstack.delivery_stream("conformance");
        Self { localstack, stream, client, hook: Hook::default() }
    }
}

impl Service for Firehose {
    type Destination = FirehoseDestination;

    fn destination(&self, _: Ordering) -> FirehoseDestination {
        FirehoseDestination::new(self.stream.name().parse().unwrap(), &self.client)
    }

    /// A line, to be found in an object.
    fn entry(&self, number: u64, size_bytes: usize) -> Result<FirehoseEntry, Cannot> {
        let mut data = format!("{number:05}").into_bytes();
        data.resize(size_bytes - 1, b'x');
        data.push(b'\n');
        Ok(FirehoseEntry::new(data))
    }

    fn number(entry: &FirehoseEntry) -> u64 {
        number(entry.data())
    }

    fn smallest_size(&self) -> usize {
        "00000\n".len()
    }

    /// LocalStack keeps the data as they were before base64, which is what Firehose meters.
    async fn arrived(&self) -> Arrived {
        let objects = self.stream.read_objects();
        let lines = objects.iter().flat_map(|object| object.split_inclusive(|byte| *byte == b'\n'));
        let why = "the names of objects tell their order only to the second";
        let bytes: usize = objects.iter().map(Vec::len).sum();
        Arrived::in_any_order(lines.map(number), why).metered(bytes as u64)
    }

    async fn cause(&self, trouble: Trouble) -> Result<(), Cannot> {
        let throttled = "ServiceUnavailableException";
        let fault = match trouble {
            Trouble::ThrottleSome => Fault::every_nth_entry(2, throttled),
            Trouble::FailSome => Fault::every_nth_entry(2, "InternalFailure"),
            Trouble::Throttle => Fault::call(503, throttled),
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

    fn bad_entry(&self, _: u64) -> Result<FirehoseEntry, Cannot> {
        Err(Cannot::new("PutRecordBatch refuses no single record for good"))
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
async fn firehose_conforms() {
    let report = testkit::all_with_snapshots(Firehose::start).await;
    println!("{report}");
    report.assert_conforms(&[
        "beyond_batch_size",
        "beyond_batch_bytes",
        "beyond_record_size",
        "bad_entry",
        "order",
    ]);
}
