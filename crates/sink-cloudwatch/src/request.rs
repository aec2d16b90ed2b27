//! The second piece: a batch becomes a `PutMetricData` request.

use std::fmt;

use aws_sdk_cloudwatch::{
    Client,
    error::SdkError,
    operation::put_metric_data::{
        PutMetricDataError, PutMetricDataOutput, builders::PutMetricDataInputBuilder,
    },
};
use sink_aws::{BodyEncoding, Classifier, List, Lists, send};
use sink_core::{Batch, Destination, Limits, Outcome};

use crate::{
    body,
    config::Namespace,
    datum::{MetricDatum, size},
    failures::{self, CODES},
};

/// A namespace, and the client that writes to it.
pub struct CloudWatchDestination {
    client: Client,
    namespace: Namespace,
    lists: Lists,
    classifier: Classifier,
    aggregate: bool,
}

impl CloudWatchDestination {
    /// Writes to this namespace with this client, whose own retries and stalled-stream protection
    /// are switched off: the engine owns them. Its connections, credentials, timeouts and
    /// compression stay: the SDK compresses requests of 10,240 bytes and more with gzip. Bodies
    /// have the encoding `cbor`.
    pub fn new(namespace: Namespace, client: &Client) -> Self {
        Self::with_encoding(namespace, client, BodyEncoding::Cbor)
    }

    /// As [`new`](Self::new), with bodies of this encoding; `json` is `cbor` here.
    pub fn with_encoding(namespace: Namespace, client: &Client, encoding: BodyEncoding) -> Self {
        let lists = Lists::new(encoding, "MetricData");
        let mut config = sink_aws::without_retries!(client).to_builder();
        if let Some(interceptor) = lists.interceptor() {
            config.push_interceptor(interceptor);
        }
        let client = Client::from_conf(config.build());
        let classifier = Classifier::new("PutMetricData", CODES)
            .with_context("namespace", namespace.as_str())
            .with_region(client.config().region());
        Self { client, namespace, lists, classifier, aggregate: false }
    }

    /// Whether data that wait are merged: see
    /// [`CloudWatchSinkConfig::aggregate`](crate::CloudWatchSinkConfig::aggregate). Default: no.
    #[must_use]
    pub fn aggregate(mut self, aggregate: bool) -> Self {
        self.aggregate = aggregate;
        self
    }
}

impl Destination for CloudWatchDestination {
    type Entry = MetricDatum;
    /// With a list of ours, the SDK's request has no data.
    type Request = (PutMetricDataInputBuilder, Option<List>);
    type Response = PutMetricDataOutput;
    type Error = SdkError<PutMetricDataError>;

    const KIND: &'static str = "cloudwatch";
    const HAS_LANES: bool = false;

    /// "Each PutMetricData request is limited to 1 MB in size for HTTP POST requests. […] Each
    /// request is also limited to no more than 1000 different metrics": the API reference of
    /// `PutMetricData`. 1 MB is taken for 1,000,000 bytes before compression, less what a request
    /// has besides its data. The largest datum that the reference allows always fits.
    const LIMITS: Limits = Limits {
        max_batch_size: 1000,
        max_batch_size_in_bytes: 1_000_000 - size::MAX_FRAME,
        max_record_size_in_bytes: size::MAX_DATUM,
    };

    fn build_request(&self, batch: &Batch<'_, MetricDatum>) -> Self::Request {
        let (data, list) = self.lists.write(batch, body::write, body::for_sdk);
        let input = PutMetricDataInputBuilder::default()
            .namespace(self.namespace.as_str())
            .set_metric_data(Some(data));
        (input, list)
    }

    async fn send(&self, request: Self::Request) -> Result<PutMetricDataOutput, Self::Error> {
        let (input, list) = request;
        send(list, input.send_with(&self.client)).await
    }

    fn extract_failures(
        &self,
        answer: Result<PutMetricDataOutput, Self::Error>,
        sent: usize,
    ) -> Outcome {
        failures::outcome(&self.classifier, answer, sent)
    }

    fn merge_key(&self, entry: &MetricDatum) -> Option<u64> {
        self.aggregate.then(|| entry.merge_key())
    }
}

/// Without the client: the SDK's `Debug` is long, and nobody promises what it shows.
impl fmt::Debug for CloudWatchDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudWatchDestination")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
