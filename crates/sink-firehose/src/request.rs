//! The second piece: a batch becomes a `PutRecordBatch` request.

use std::fmt;

use aws_sdk_firehose::{
    Client,
    error::SdkError,
    operation::put_record_batch::{
        PutRecordBatchError, PutRecordBatchOutput, builders::PutRecordBatchInputBuilder,
    },
    primitives::Blob,
    types::Record,
};
use sink_aws::{Answer, BodyEncoding, Classifier, answer};
use sink_core::{Batch, Destination, Limits, Outcome};

use crate::{
    config::DeliveryStream,
    converter::FirehoseEntry,
    failures::{self, CODES},
};

/// A delivery stream, and the client that writes to it.
pub struct FirehoseDestination {
    client: Client,
    stream: DeliveryStream,
    classifier: Classifier,
}

impl FirehoseDestination {
    /// Writes to this delivery stream with this client, whose own retries and stalled-stream
    /// protection are switched off: the engine owns them. Its connections, credentials and timeouts
    /// stay. A timeout shorter than `request_timeout` takes its place. Bodies have the default
    /// encoding.
    pub fn new(stream: DeliveryStream, client: &Client) -> Self {
        Self::with_encoding(stream, client, BodyEncoding::default())
    }

    /// As [`new`](Self::new), with bodies of this encoding; `cbor` is `json` here. Any but `sdk`
    /// takes the place of a protocol that the client was given.
    pub fn with_encoding(stream: DeliveryStream, client: &Client, encoding: BodyEncoding) -> Self {
        let client = Client::from_conf(sink_aws::without_retries!(client, encoding));
        let classifier = Classifier::new("PutRecordBatch", CODES)
            .with_context("delivery_stream", stream.as_str())
            .with_region(client.config().region());
        Self { client, stream, classifier }
    }
}

impl Destination for FirehoseDestination {
    type Entry = FirehoseEntry;
    type Request = PutRecordBatchInputBuilder;
    type Response = Answer<PutRecordBatchOutput>;
    type Error = SdkError<PutRecordBatchError>;

    const KIND: &'static str = "firehose";
    const HAS_LANES: bool = false;

    /// "Each PutRecordBatch request supports up to 500 records. Each record in the request can be
    /// as large as 1,000 KB (before base64 encoding), up to a limit of 4 MB for the entire request"
    /// (API reference). Its kB and MB are KiB and MiB: the data of a record have at most 1,024,000
    /// bytes there, and the quotas in the Developer Guide say 1,000 KiB and 4 MiB.
    const LIMITS: Limits = Limits {
        max_batch_size: 500,
        max_batch_size_in_bytes: 4 << 20,
        max_record_size_in_bytes: 1_024_000,
    };

    /// Names the stream by its name: the API takes no ARN.
    fn build_request(&self, batch: &Batch<'_, FirehoseEntry>) -> PutRecordBatchInputBuilder {
        PutRecordBatchInputBuilder::default()
            .delivery_stream_name(self.stream.name())
            .set_records(Some(batch.iter().map(record).collect()))
    }

    async fn send(
        &self,
        request: PutRecordBatchInputBuilder,
    ) -> Result<Self::Response, Self::Error> {
        answer(request.send_with(&self.client)).await
    }

    fn extract_failures(
        &self,
        answer: Result<Self::Response, Self::Error>,
        sent: usize,
    ) -> Outcome {
        failures::outcome(&self.classifier, answer, sent)
    }
}

/// Shares the data with the entry.
fn record(entry: &FirehoseEntry) -> Record {
    #[allow(clippy::expect_used)] // fails only without data
    Record::builder()
        .data(Blob::from_maybe_shared(entry.data().clone()))
        .build()
        .expect("data are set")
}

/// Without the client: the SDK's `Debug` is long, and nobody promises what it shows.
impl fmt::Debug for FirehoseDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirehoseDestination").field("stream", &self.stream).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_firehose::config::{BehaviorVersion, Region};
    use bytes::Bytes;
    use proptest::prelude::*;
    use sink_core::{Entry as _, OwnedBatch};

    use super::*;

    fn request(stream: &str, entries: Vec<FirehoseEntry>) -> PutRecordBatchInputBuilder {
        let config = aws_sdk_firehose::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .build();
        FirehoseDestination::new(stream.parse().unwrap(), &Client::from_conf(config))
            .build_request(&OwnedBatch::new(entries).as_batch())
    }

    fn data(request: &PutRecordBatchInputBuilder) -> Vec<&[u8]> {
        request.get_records().iter().flatten().map(|record| record.data().as_ref()).collect()
    }

    #[test]
    fn a_stream_is_named_by_its_name() {
        let arn = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/flights";
        for stream in ["flights", arn] {
            let request = request(stream, vec![FirehoseEntry::new("x")]);
            assert_eq!(request.get_delivery_stream_name().as_deref(), Some("flights"));
        }
    }

    #[test]
    fn records_keep_order_and_data() {
        let request = request("flights", ["1", "", "3"].map(FirehoseEntry::new).into());
        assert_eq!(data(&request), [&b"1"[..], b"", b"3"]);
    }

    #[test]
    fn data_are_shared_and_not_copied() {
        let shared = Bytes::from(vec![7; 1000]);
        let request = request("flights", vec![FirehoseEntry::new(shared.clone())]);
        assert_eq!(data(&request)[0].as_ptr(), shared.as_ptr());
    }

    proptest! {
        #[test]
        fn a_batch_is_as_large_as_what_is_sent(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20)
        ) {
            let entries: Vec<_> = records.into_iter().map(FirehoseEntry::new).collect();
            let size: usize = entries.iter().map(FirehoseEntry::size_bytes).sum();
            let request = request("flights", entries);
            prop_assert_eq!(data(&request).iter().map(|data| data.len()).sum::<usize>(), size);
        }
    }
}
