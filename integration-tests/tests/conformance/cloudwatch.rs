//! CloudWatch, by its statistics.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use integration_tests::{Fault, LocalStack, Namespace};
use sink_cloudwatch::{CloudWatchDestination, Metric, MetricDatum, MetricValue, Resolution};
use sink_core::{
    Entry as _, Ordering,
    testkit::{self, Arrived, Cannot, Limit, Service, Trouble},
};

use crate::{Hook, LATE_MS, PATIENCE, REQUEST_TIMEOUT, no_limits};

/// The shortest name that is written: one more character of it is always one more byte.
const NAME: usize = 24;

struct CloudWatch {
    localstack: LocalStack,
    namespace: Namespace,
    /// The second of the entry 0; each has a second of its own, by which it is read back.
    start: SystemTime,
    last: AtomicU32,
    hook: Hook,
}

impl CloudWatch {
    async fn start() -> Self {
        let localstack = LocalStack::from_env();
        let namespace = localstack.namespace("conformance").await;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(now - 3600);
        let (last, hook) = (AtomicU32::default(), Hook::default());
        let service = Self { localstack, namespace, start, last, hook };
        service.set(None);
        service
    }

    fn set(&self, fault: Option<Fault>) {
        let refusal = Fault::call_holding("refused", 400, "InvalidParameterValue");
        self.hook.set(&self.localstack, &self.namespace, fault.into_iter().chain([refusal]));
    }

    fn datum(&self, name: String, number: u64) -> Result<MetricDatum, Cannot> {
        self.last.fetch_max(number as u32, Relaxed);
        let metric = Metric::builder(name).resolution(Resolution::Second).build();
        let at = self.start + Duration::from_secs(number);
        let datum = metric.and_then(|metric| metric.value(number as f64)?.at(at));
        datum.map_err(|error| Cannot::new(error.to_string()))
    }
}

impl Service for CloudWatch {
    type Destination = CloudWatchDestination;

    fn destination(&self, _: Ordering) -> CloudWatchDestination {
        let namespace = self.namespace.name().parse().unwrap();
        CloudWatchDestination::new(namespace, self.namespace.client())
    }

    /// Its metric's name makes it as large as that.
    fn entry(&self, number: u64, size_bytes: usize) -> Result<MetricDatum, Cannot> {
        match NAME + size_bytes - self.smallest_size() {
            width @ ..=255 => self.datum("n".repeat(width), number),
            _ => Err(Cannot::new("larger data are tried against the emulator, which has limits")),
        }
    }

    fn number(entry: &MetricDatum) -> u64 {
        let MetricValue::Single(number) = entry.value() else { panic!("{entry:?}") };
        *number as u64
    }

    fn smallest_size(&self) -> usize {
        self.datum("n".repeat(NAME), 0).unwrap().size_bytes()
    }

    async fn arrived(&self) -> Arrived {
        let (second, seconds) = (Duration::from_secs(1), self.last.load(Relaxed) + 1);
        let mut numbers = Vec::new();
        for metric in self.namespace.metrics().await {
            let found = self.namespace.statistics(&metric, self.start, second, seconds).await;
            for (number, found) in found {
                assert_eq!(found.sum, f64::from(number) * found.count);
                numbers.extend(std::iter::repeat_n(u64::from(number), found.count as usize));
            }
        }
        Arrived::in_any_order(numbers, "CloudWatch does not tell in which order data came")
    }

    async fn cause(&self, trouble: Trouble) -> Result<(), Cannot> {
        let fault = match trouble {
            Trouble::Throttle => Fault::call(400, "ThrottlingException"),
            Trouble::Unavailable => Fault::call(500, "InternalServiceError"),
            Trouble::Silence => Fault::delay(LATE_MS),
            Trouble::Fatal => Fault::call(403, "AccessDenied"),
            _ => return Err(Cannot::new("an answer does not speak of single data")),
        };
        self.set(Some(fault.times(1)));
        Ok(())
    }

    async fn calm(&self) {
        self.set(None);
    }

    fn bad_entry(&self, number: u64) -> Result<MetricDatum, Cannot> {
        self.datum("refused".to_owned(), number)
    }

    fn enforces(&self, _: Limit) -> Result<(), Cannot> {
        Err(no_limits())
    }

    fn answers_per_entry(&self) -> bool {
        false
    }

    fn request_timeout(&self) -> Duration {
        REQUEST_TIMEOUT
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cloudwatch_conforms() {
    let report = testkit::all_with_snapshots(CloudWatch::start).await;
    println!("{report}");
    report.assert_conforms(&[
        "size_accounting",
        "batch_bytes",
        "record_size",
        "beyond_batch_size",
        "beyond_batch_bytes",
        "beyond_record_size",
        "partial_throttling",
        "partial_failure",
        "short_answers",
        "long_answers",
        "silence_is_not_success",
        "order",
    ]);
}
