//! Kinesis: a line is a record, with a partition key that may come from a field.

use std::sync::Arc;

use aws_types::SdkConfig;
use bytes::Bytes;
use sink_aws::{AwsConfig, BodyEncoding};
use sink_core::{Error, Settings};
use sink_emulator::{Emulator, EmulatorBuilder, kinesis::KinesisLimits};
use sink_kinesis::{
    KinesisDestination, KinesisEntry, KinesisSinkConfig, PartitionKey, RandomKeys, Stream, as_is,
};

use super::{Builder, Place, Service};
use crate::{
    args::Send,
    fields::{FieldPath, check, find},
    records::{BadKind, LineConverter, Problem},
    summary::Part,
};

/// Shards of an embedded stream, where the user does not say.
const SHARDS: usize = 4;

/// A stream.
#[derive(Debug)]
pub(crate) struct Kinesis {
    stream: String,
    key: KeySource,
    shards: usize,
    encoding: Option<BodyEncoding>,
}

impl Kinesis {
    pub(crate) fn new(stream: &str, args: &Send) -> Self {
        let flags = &args.kinesis;
        let key = match (&flags.partition_key, &flags.partition_key_fixed) {
            (Some(path), _) => KeySource::Field(path.clone()),
            (None, Some(key)) => KeySource::Fixed(key.into()),
            (None, None) => KeySource::Random(Arc::default()),
        };
        let shards = args.emulate.emulate.flatten().unwrap_or(SHARDS);
        Self { stream: stream.to_owned(), key, shards, encoding: args.bodies.body_encoding }
    }

    fn config(&self, settings: Settings) -> KinesisSinkConfig {
        let mut config = KinesisSinkConfig::new(&self.stream);
        config.settings = settings;
        config.body_encoding = self.encoding.unwrap_or(config.body_encoding);
        config
    }
}

impl Service for Kinesis {
    type Entry = KinesisEntry;
    type Destination = KinesisDestination;
    type Lines = KeySource;

    fn lines(&self) -> KeySource {
        self.key.clone()
    }

    async fn builder(
        &self,
        aws: AwsConfig,
        settings: Settings,
    ) -> Result<Builder<KinesisDestination>, Error> {
        let mut config = self.config(settings);
        config.aws = aws;
        config.builder(as_is).await
    }

    fn builder_with(
        &self,
        sdk: &SdkConfig,
        settings: Settings,
    ) -> Result<Builder<KinesisDestination>, Error> {
        let client = aws_sdk_kinesis::Client::new(sdk);
        self.config(settings).builder_with_client(&client, as_is)
    }

    fn place(&self) -> Result<Place, Error> {
        Ok(Place::of(&self.stream.parse::<Stream>()?))
    }

    fn emulated(
        &self,
        place: &Place,
        any_rate: bool,
        emulator: EmulatorBuilder,
    ) -> EmulatorBuilder {
        let limits =
            if any_rate { KinesisLimits::without_shard_rates() } else { KinesisLimits::default() };
        emulator.stream(&place.name, self.shards).kinesis_limits(limits)
    }

    const PARTS: (&'static str, &'static str) = ("shard", "shards");

    fn arrived(emulator: &Emulator, name: &str) -> Vec<Part> {
        let totals = emulator.kinesis().totals(name).unwrap_or_default();
        let part = |totals: sink_emulator::kinesis::ShardTotals| Part {
            id: totals.id,
            records: totals.records,
            bytes: Some(totals.bytes),
            throttled: Some(totals.throttled),
        };
        totals.into_iter().map(part).collect()
    }
}

/// Where the partition key comes from.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    Field(FieldPath),
    Fixed(PartitionKey),
    Random(Arc<RandomKeys>),
}

impl LineConverter for KeySource {
    type Entry = KinesisEntry;

    const SIZE: &'static str = "bytes with its key";

    fn convert(&self, line: &[u8]) -> Result<KinesisEntry, Problem> {
        let key: PartitionKey = match self {
            Self::Field(path) => {
                let found = find(line, path).map_err(|problem| {
                    let field = format!("the key field `{path}`");
                    let accepted = "a partition key is text, a number or a boolean";
                    Problem::of_field(problem, &field, BadKind::NoKey, accepted)
                })?;
                found.into_text().into()
            }
            Self::Fixed(key) => {
                check(line)?;
                key.clone()
            }
            Self::Random(keys) => {
                check(line)?;
                keys.next()
            }
        };
        // A copy of its own: a slice of a larger buffer would keep all of that until it is delivered.
        KinesisEntry::new(key, Bytes::copy_from_slice(line))
            .map_err(|error| Problem::new(BadKind::BadKey, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Item, tests::records};

    fn by(field: &str) -> KeySource {
        KeySource::Field(field.parse().unwrap())
    }

    #[test]
    fn a_line_is_a_record_with_the_fields_key() {
        let items = records("{\"k\":\"a\"}\n\n{\"k\":7}\r\n", by("k"), 1000);
        let [Item::Record(first), Item::Record(second)] = &items[..] else { panic!("{items:?}") };
        assert_eq!((first.partition_key(), &first.data()[..]), ("a", &b"{\"k\":\"a\"}"[..]));
        assert_eq!((second.partition_key(), &second.data()[..]), ("7", &b"{\"k\":7}"[..]));
    }

    #[test]
    fn bad_lines_say_what_is_wrong_with_them() {
        let long = format!("{{\"k\":\"{}\"}}", "x".repeat(257));
        for (line, kind, reason) in [
            ("nonsense", BadKind::NotJson, "not JSON: expected ident at column 2"),
            ("{}", BadKind::NoKey, "the key field `k` is missing"),
            (
                "{\"k\":null}",
                BadKind::NoKey,
                "the key field `k` is null; a partition key is text, a number or a boolean",
            ),
            (
                "{\"k\":\"\"}",
                BadKind::BadKey,
                "the partition key is empty; Kinesis takes 1 to 256 characters",
            ),
            (
                &long,
                BadKind::BadKey,
                "the partition key `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` has 257 characters; Kinesis \
                 takes 1 to 256",
            ),
        ] {
            let items = records(&format!("{{\"k\":1}}\n{line}\n"), by("k"), 1000);
            let [Item::Record(_), Item::Bad(bad)] = &items[..] else { panic!("{items:?}") };
            assert_eq!((bad.line, bad.kind, bad.reason.as_str()), (2, kind, reason));
            assert_eq!(bad.text, line);
        }
    }

    #[test]
    fn a_record_is_too_large_with_its_key() {
        let items = records("{\"k\":\"abc\"}", by("k"), 13);
        let [Item::Bad(bad)] = &items[..] else { panic!("{items:?}") };
        assert_eq!(bad.kind, BadKind::TooLarge);
        assert!(bad.reason.contains("14 bytes with its key; 13 are taken"), "{}", bad.reason);
        assert!(matches!(&records("{\"k\":\"abc\"}", by("k"), 14)[..], [Item::Record(_)]));
        let items = records("{\"k\":\"abc\"}", by("k"), 5);
        let [Item::Bad(bad)] = &items[..] else { panic!("{items:?}") };
        assert!(bad.reason.contains("the line has 11 bytes"), "{}", bad.reason);
    }

    #[test]
    fn without_a_field_keys_are_fixed_or_random() {
        let items = records("1\n2\n", KeySource::Fixed("same".into()), 1000);
        let keys: Vec<_> = keys_of(&items);
        assert_eq!(keys, ["same", "same"]);
        let items = records("1\n2\n", KeySource::Random(Arc::default()), 1000);
        let keys = keys_of(&items);
        assert_ne!(keys[0], keys[1]);
    }

    fn keys_of(items: &[Item<KinesisEntry>]) -> Vec<String> {
        let key = |item: &Item<KinesisEntry>| match item {
            Item::Record(entry) => entry.partition_key().to_owned(),
            other => panic!("{other:?}"),
        };
        items.iter().map(key).collect()
    }
}
