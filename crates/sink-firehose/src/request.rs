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
use sink_aws::{Answer, Bodies, Body, BodyEncoding, Classifier, answer};
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
    bodies: Bodies,
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
        let bodies = Bodies::new(encoding.without_cbor());
        let client = Client::from_conf(sink_aws::without_retries!(client, bodies));
        let classifier = Classifier::new("PutRecordBatch", CODES)
            .with_context("delivery_stream", stream.as_str())
            .with_region(client.config().region());
        Self { client, stream, bodies, classifier }
    }
}

impl Destination for FirehoseDestination {
    type Entry = FirehoseEntry;
    /// With a body of ours, the SDK's request has no records.
    type Request = (PutRecordBatchInputBuilder, Option<Body>);
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
    fn build_request(&self, batch: &Batch<'_, FirehoseEntry>) -> Self::Request {
        let (records, body) = self.bodies.write(batch, written, record);
        let input = PutRecordBatchInputBuilder::default().delivery_stream_name(self.stream.name());
        (input.set_records(Some(records)), body)
    }

    async fn send(&self, (input, body): Self::Request) -> Result<Self::Response, Self::Error> {
        answer(body, input.send_with(&self.client)).await
    }

    fn extract_failures(
        &self,
        answer: Result<Self::Response, Self::Error>,
        sent: usize,
    ) -> Outcome {
        failures::outcome(&self.classifier, answer, sent)
    }
}

/// What is written of an entry.
fn written(entry: &FirehoseEntry) -> sink_aws::Record<'_> {
    sink_aws::Record::new(entry.data())
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

    fn request(
        stream: &str,
        encoding: BodyEncoding,
        entries: Vec<FirehoseEntry>,
    ) -> (PutRecordBatchInputBuilder, Option<Body>) {
        let config = aws_sdk_firehose::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .build();
        let client = Client::from_conf(config);
        FirehoseDestination::with_encoding(stream.parse().unwrap(), &client, encoding)
            .build_request(&OwnedBatch::new(entries).as_batch())
    }

    /// As the SDK's client gets it.
    fn input(entries: Vec<FirehoseEntry>) -> PutRecordBatchInputBuilder {
        request("flights", BodyEncoding::Sdk, entries).0
    }

    fn data(input: &PutRecordBatchInputBuilder) -> Vec<&[u8]> {
        input.get_records().iter().flatten().map(|record| record.data().as_ref()).collect()
    }

    #[test]
    fn a_stream_is_named_by_its_name() {
        let arn = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/flights";
        for encoding in [BodyEncoding::Sdk, BodyEncoding::Json, BodyEncoding::Cbor] {
            for stream in ["flights", arn] {
                let (input, body) = request(stream, encoding, vec![FirehoseEntry::new("x")]);
                assert_eq!(input.get_delivery_stream_name().as_deref(), Some("flights"));
                // Written by us, or for the SDK.
                let is_ours = encoding != BodyEncoding::Sdk;
                assert_eq!((data(&input).is_empty(), body.is_some()), (is_ours, is_ours));
            }
        }
    }

    #[test]
    fn records_keep_order_and_data() {
        let input = input(["1", "", "3"].map(FirehoseEntry::new).into());
        assert_eq!(data(&input), [&b"1"[..], b"", b"3"]);
    }

    #[test]
    fn data_are_shared_and_not_copied() {
        let shared = Bytes::from(vec![7; 1000]);
        let input = input(vec![FirehoseEntry::new(shared.clone())]);
        assert_eq!(data(&input)[0].as_ptr(), shared.as_ptr());
    }

    proptest! {
        #[test]
        fn a_batch_is_as_large_as_what_is_sent(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20)
        ) {
            let entries: Vec<_> = records.into_iter().map(FirehoseEntry::new).collect();
            let size: usize = entries.iter().map(FirehoseEntry::size_bytes).sum();
            let input = input(entries);
            prop_assert_eq!(data(&input).iter().map(|data| data.len()).sum::<usize>(), size);
        }
    }
}
