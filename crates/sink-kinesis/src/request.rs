//! The second piece: a batch becomes a `PutRecords` request.

use std::fmt;

use aws_sdk_kinesis::{
    Client,
    error::SdkError,
    operation::put_records::{PutRecordsError, PutRecordsOutput, builders::PutRecordsInputBuilder},
    primitives::Blob,
    types::PutRecordsRequestEntry,
};
use sink_aws::{Answer, Bodies, Body, BodyEncoding, Classifier, Record, answer};
use sink_core::{Batch, Destination, Lane, Limits, Ordering, Outcome};

use crate::{
    config::Stream,
    converter::KinesisEntry,
    failures::{self, CODES},
    shards::{Samples, Shards},
};

/// A stream, and the client that writes to it.
///
/// A record's lane is the shard that it will go to, so that a shard that is throttled holds up no
/// other. Which shards there are, `ListShards` says: at the first request, whenever an answer names
/// a shard that is not known, and every 5 minutes; never more than once in 10 s. That happens beside
/// the writing, which neither waits for it nor fails with it: as long as the shards are not known,
/// or may not be listed, all records are in [`Lane::SHARED`]. See also
/// [`ordering`](Self::ordering).
pub struct KinesisDestination {
    client: Client,
    stream: Stream,
    bodies: Bodies,
    classifier: Classifier,
    shards: Shards,
}

impl KinesisDestination {
    /// Writes to this stream with this client, whose own retries and stalled-stream protection
    /// are switched off: the engine owns them. Its connections, credentials and timeouts stay.
    /// A timeout shorter than `request_timeout` takes its place. Bodies have the default encoding.
    pub fn new(stream: Stream, client: &Client) -> Self {
        Self::with_encoding(stream, client, BodyEncoding::default())
    }

    /// As [`new`](Self::new), with bodies of this encoding. Any but `sdk` takes the place of a
    /// protocol that the client was given.
    pub fn with_encoding(stream: Stream, client: &Client, encoding: BodyEncoding) -> Self {
        let bodies = Bodies::new(encoding);
        let client = Client::from_conf(sink_aws::without_retries!(client, bodies));
        let classifier = Classifier::new("PutRecords", CODES)
            .with_context("stream", stream.as_str())
            .with_region(client.config().region());
        let shards = Shards::new(&client, &stream, Ordering::None);
        Self { client, stream, bodies, classifier, shards }
    }

    /// What is a lane. With [`Ordering::None`], the default: a shard. With
    /// [`Ordering::PerLane`]: a partition key, whatever the explicit hash key; `ListShards` is then
    /// never called.
    ///
    /// Must be the same as the sink's setting, which
    /// [`KinesisSinkConfig`](crate::KinesisSinkConfig) sees to: ordered lanes that are shards would
    /// send one record of a shard at a time.
    #[must_use]
    pub fn ordering(mut self, ordering: Ordering) -> Self {
        self.shards = Shards::new(&self.client, &self.stream, ordering);
        self
    }
}

impl Destination for KinesisDestination {
    type Entry = KinesisEntry;
    /// With a body of ours, the SDK's request has no records.
    type Request = (PutRecordsInputBuilder, Option<Body>, Samples);
    type Response = Answer<PutRecordsOutput>;
    type Error = SdkError<PutRecordsError>;

    const KIND: &'static str = "kinesis";

    /// What the API reference of `PutRecords` allows.
    const LIMITS: Limits = Limits {
        max_batch_size: 500,
        max_batch_size_in_bytes: 10 << 20,
        max_record_size_in_bytes: 10 << 20,
    };

    /// A stream takes records of 1 MiB until it is told otherwise (`UpdateMaxRecordSize`), and a
    /// shard 1 MiB a second: larger requests are throttled sooner and gain nothing.
    const DEFAULTS: Limits = Limits {
        max_batch_size: 500,
        max_batch_size_in_bytes: 5 << 20,
        max_record_size_in_bytes: 1 << 20,
    };

    fn build_request(&self, batch: &Batch<'_, KinesisEntry>) -> Self::Request {
        let (records, body) = self.bodies.write(batch, written, record);
        let input = PutRecordsInputBuilder::default().set_records(Some(records));
        let input = match self.stream.arn() {
            Some(arn) => input.stream_arn(arn),
            None => input.stream_name(self.stream.name()),
        };
        (input, body, self.shards.samples(batch))
    }

    async fn send(&self, request: Self::Request) -> Result<Self::Response, Self::Error> {
        let (input, body, samples) = request;
        self.shards.sending();
        let answer = answer(body, input.send_with(&self.client)).await;
        self.shards.answered(&samples, answer.as_ref().ok());
        answer
    }

    fn extract_failures(
        &self,
        answer: Result<Self::Response, Self::Error>,
        sent: usize,
    ) -> Outcome {
        failures::outcome(&self.classifier, answer, sent)
    }

    fn lane(&self, entry: &KinesisEntry) -> Lane {
        self.shards.lane(entry)
    }
}

/// What is written of an entry.
fn written(entry: &KinesisEntry) -> Record<'_> {
    Record::with_keys(entry.data(), entry.partition_key(), entry.explicit_hash_key())
}

/// Shares the data with the entry; only the keys are copied.
fn record(entry: &KinesisEntry) -> PutRecordsRequestEntry {
    #[allow(clippy::expect_used)] // fails only without data
    PutRecordsRequestEntry::builder()
        .data(Blob::from_maybe_shared(entry.data().clone()))
        .partition_key(entry.partition_key())
        .set_explicit_hash_key(entry.explicit_hash_key().map(|hash| hash.to_string()))
        .build()
        .expect("data are set")
}

/// Without the client: the SDK's `Debug` is long, and nobody promises what it shows.
impl fmt::Debug for KinesisDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KinesisDestination").field("stream", &self.stream).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::config::{BehaviorVersion, Region};
    use bytes::Bytes;
    use proptest::prelude::*;
    use sink_core::{Entry as _, OwnedBatch};

    use super::*;

    type Request = <KinesisDestination as Destination>::Request;

    fn request(stream: &str, encoding: BodyEncoding, entries: Vec<KinesisEntry>) -> Request {
        let config = aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .build();
        let client = Client::from_conf(config);
        KinesisDestination::with_encoding(stream.parse().unwrap(), &client, encoding)
            .build_request(&OwnedBatch::new(entries).as_batch())
    }

    /// As the SDK's client gets it.
    fn input(entries: Vec<KinesisEntry>) -> PutRecordsInputBuilder {
        request("flights", BodyEncoding::Sdk, entries).0
    }

    #[test]
    fn a_stream_is_named_as_it_was_given() {
        let arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/flights";
        for encoding in [BodyEncoding::Sdk, BodyEncoding::Json, BodyEncoding::Cbor] {
            for (stream, name, expected_arn) in
                [("flights", Some("flights"), None), (arn, None, Some(arn))]
            {
                let entries = vec![KinesisEntry::new("k", "x").unwrap()];
                let (input, body, _) = request(stream, encoding, entries);
                assert_eq!(input.get_stream_name().as_deref(), name);
                assert_eq!(input.get_stream_arn().as_deref(), expected_arn);
                assert_eq!(input.get_stream_id(), &None);
                assert_eq!(input.get_dry_run(), &None);
                // Written by us, or for the SDK.
                let is_ours = encoding != BodyEncoding::Sdk;
                let records = input.get_records().as_ref().unwrap();
                assert_eq!((records.is_empty(), body.is_some()), (is_ours, is_ours));
            }
        }
    }

    #[test]
    fn records_keep_order_keys_and_data() {
        let entry = |key, data| KinesisEntry::new(key, data).unwrap();
        let entries = vec![
            entry("a", "1"),
            entry("b", "").with_explicit_hash_key(0),
            entry("a", "3").with_explicit_hash_key(u128::MAX),
        ];
        let input = input(entries);
        let records: Vec<_> = input
            .get_records()
            .iter()
            .flatten()
            .map(|record| {
                (record.partition_key(), record.data().as_ref(), record.explicit_hash_key())
            })
            .collect();
        assert_eq!(
            records,
            [
                (Some("a"), &b"1"[..], None),
                (Some("b"), &b""[..], Some("0")),
                (Some("a"), &b"3"[..], Some("340282366920938463463374607431768211455")),
            ]
        );
    }

    #[test]
    fn data_are_shared_and_not_copied() {
        let data = Bytes::from(vec![7; 1000]);
        let input = input(vec![KinesisEntry::new("k", data.clone()).unwrap()]);
        let sent = &input.get_records().as_ref().unwrap()[0];
        assert_eq!(sent.data().as_ref().as_ptr(), data.as_ptr());
    }

    proptest! {
        #[test]
        fn a_batch_is_as_large_as_what_is_sent(
            records in prop::collection::vec((".{1,40}", prop::collection::vec(any::<u8>(), 0..200)), 1..20)
        ) {
            let entries: Vec<_> = records
                .into_iter()
                .map(|(key, data)| KinesisEntry::new(key, data).unwrap())
                .collect();
            let size: usize = entries.iter().map(KinesisEntry::size_bytes).sum();
            let batch = OwnedBatch::new(entries.clone());
            let input = input(entries);
            let sent: usize = input
                .get_records()
                .iter()
                .flatten()
                .map(|record| record.data().as_ref().len() + record.partition_key().unwrap().len())
                .sum();
            prop_assert_eq!(size, sent);
            prop_assert_eq!(batch.as_batch().size_bytes(), sent);
        }
    }
}
