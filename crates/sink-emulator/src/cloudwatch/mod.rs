//! Amazon CloudWatch: PutMetricData and GetMetricStatistics, in the protocol of today's SDKs (Smithy's RPC v2 with CBOR).

mod check;
mod datum;
mod limits;
mod problems;
mod put;
mod read;
mod shapes;
mod store;

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use self::store::Store;
pub use self::{
    datum::{Datum, DatumValue, StatisticSet},
    limits::CloudWatchLimits,
    store::RequestSize,
};
use crate::{
    api::{ApiError, Call},
    codec::Encoding,
    counts::Requests,
    faults::Faults,
    server::lock,
};

/// The metrics of an [`Emulator`](crate::Emulator): what arrived, by namespace.
#[derive(Debug)]
pub struct CloudWatch {
    store: Mutex<Store>,
    pub(crate) requests: Requests,
}

impl CloudWatch {
    pub(crate) const TARGET: &'static str = "GraniteServiceVersion20100801";

    pub(crate) fn new(limits: CloudWatchLimits, forget_records: bool) -> Self {
        Self {
            store: Mutex::new(Store::new(limits, forget_records)),
            requests: Requests::default(),
        }
    }

    /// What arrived in a namespace, in order.
    ///
    /// Empty if nothing did, or the emulator [forgets](crate::EmulatorBuilder::forget_records)
    /// records.
    pub fn data(&self, namespace: &str) -> Vec<Datum> {
        lock(&self.store).data.get(namespace).cloned().unwrap_or_default()
    }

    /// How many data arrived in a namespace; counted even when records are forgotten.
    pub fn total(&self, namespace: &str) -> u64 {
        lock(&self.store).totals.get(namespace).copied().unwrap_or(0)
    }

    /// Statistics of what arrived for a metric with exactly these dimensions (name and value, in
    /// any order), whatever its unit: by the first millisecond since 1970 of each period that has
    /// data. A period shorter than a millisecond is one.
    ///
    /// GetMetricStatistics answers the same through the API, each unit apart.
    pub fn statistics(
        &self,
        namespace: &str,
        metric: &str,
        dimensions: &[(&str, &str)],
        period: Duration,
    ) -> BTreeMap<i64, StatisticSet> {
        let period_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX).max(1);
        let store = lock(&self.store);
        let data = store.data.get(namespace).map(Vec::as_slice).unwrap_or_default();
        datum::statistics(data, metric, dimensions, 0, period_ms)
    }

    /// How many requests to write came, whatever became of them.
    pub fn requests(&self) -> usize {
        self.requests.writes()
    }

    /// How many requests for this operation (such as `PutMetricData`) came, whatever became of them.
    pub fn calls(&self, operation: &str) -> usize {
        self.requests.calls(operation)
    }

    /// How many requests to write were there at once, at most.
    pub fn most_requests_in_flight(&self) -> usize {
        self.requests.most_in_flight()
    }

    /// The size of each request that came, in order, those that were refused among them, but not
    /// those that a fault answered unread, or that could not be read.
    ///
    /// Empty if the emulator [forgets](crate::EmulatorBuilder::forget_records) records.
    pub fn request_sizes(&self) -> Vec<RequestSize> {
        lock(&self.store).sizes.clone()
    }

    /// The largest of each of the [sizes](Self::request_sizes) that a request had; kept even when
    /// records are forgotten.
    pub fn largest_request(&self) -> RequestSize {
        lock(&self.store).largest
    }

    /// Forgets what arrived and how large the requests were. Their count stays, and so does what
    /// [`refuse_metric`](Self::refuse_metric) said.
    pub fn forget(&self) {
        lock(&self.store).forget();
    }

    /// From now on takes no request that has a datum of this name: it is refused whole, with
    /// `InvalidParameterValue` and a message that names the datum. So is any request with a bad
    /// datum, but a sink may know what is bad and not send it; this one it cannot know.
    pub fn refuse_metric(&self, metric_name: impl Into<String>) {
        lock(&self.store).refused_metrics.insert(metric_name.into());
    }

    /// Carries out an operation and gives the encoded answer.
    pub(crate) fn handle(
        &self,
        operation: &str,
        encoding: Encoding,
        content_encoding: Option<&str>,
        body: &[u8],
        faults: &Faults,
    ) -> Result<Vec<u8>, ApiError> {
        match operation {
            "PutMetricData" => {
                put::put_metric_data(&self.store, encoding, content_encoding, body, faults)?;
                Ok(Vec::new()) // it has no answer, not even an empty one
            }
            "GetMetricStatistics" => {
                Call { store: &self.store, encoding, body }.with(read::get_metric_statistics)
            }
            _ => Err(ApiError::new(
                "UnknownOperationException",
                format!("the emulator has no operation {operation}"),
            )),
        }
    }
}

/// The model's name of an error, by the code that clients know it by. Both are sent: the name in the
/// body, the code in a header for clients of the older Query protocol's codes, as the Rust SDK is.
pub(crate) fn error_shape(code: &str) -> &str {
    match code {
        "InternalServiceError" => "com.amazonaws.cloudwatch#InternalServiceFault",
        "InvalidParameterCombination" => {
            "com.amazonaws.cloudwatch#InvalidParameterCombinationException"
        }
        "InvalidParameterValue" => "com.amazonaws.cloudwatch#InvalidParameterValueException",
        "MissingParameter" => "com.amazonaws.cloudwatch#MissingRequiredParameterException",
        other => other,
    }
}
