//! The first piece: an element becomes a Kinesis record.

use std::fmt;

use bytes::Bytes;
use sink_aws::{BoxError, Serializer, shortened};
use sink_core::{ConvertError, ElementConverter, Entry, Error, ErrorKind};

use crate::partition_key::{PartitionKey, RandomKeys};

/// One Kinesis record, cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct KinesisEntry {
    data: Bytes,
    partition_key: PartitionKey,
    /// Boxed, for hardly a record has one: here it would be a third of each, and what waits to be
    /// answered should fit into the processor's caches.
    explicit_hash_key: Option<Box<u128>>,
}

impl KinesisEntry {
    /// A record of these data, that goes to the shard which the key's MD5 hash falls on. Records
    /// with the same key go to the same shard.
    ///
    /// # Errors
    ///
    /// When the key is empty or has more than 256 characters.
    pub fn new(
        partition_key: impl Into<PartitionKey>,
        data: impl Into<Bytes>,
    ) -> Result<Self, ConvertError> {
        let partition_key = partition_key.into();
        partition_key.check().map_err(ConvertError::new)?;
        Ok(Self { data: data.into(), partition_key, explicit_hash_key: None })
    }

    /// Sends it to the shard whose range holds this hash, instead of the one of the key.
    #[must_use]
    pub fn with_explicit_hash_key(mut self, hash_key: u128) -> Self {
        self.explicit_hash_key = Some(Box::new(hash_key));
        self
    }

    /// What the record carries.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The key that chooses the shard.
    pub fn partition_key(&self) -> &str {
        &self.partition_key
    }

    /// The hash that chooses the shard in the key's place.
    pub fn explicit_hash_key(&self) -> Option<u128> {
        self.explicit_hash_key.as_deref().copied()
    }
}

impl Entry for KinesisEntry {
    /// Data before base64, and the key's UTF-8: "when the data blob (the payload before
    /// base64-encoding) is added to the partition key size, the total size must not exceed the
    /// maximum record size", and a request's limit is meant "including partition keys". Nothing
    /// is said of an explicit hash key, and it does not count.
    fn size_bytes(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

/// Shows how much data there are, and not which: logs are no place for them.
impl fmt::Debug for KinesisEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KinesisEntry")
            .field("partition_key", &self.partition_key)
            .field("explicit_hash_key", &self.explicit_hash_key)
            .field("data_len", &self.data.len())
            .finish()
    }
}

/// Makes records from elements: a serializer gives the data, and a key is chosen.
///
/// ```
/// use sink_kinesis::KinesisConverter;
///
/// struct Reading { station: String, celsius: f64 }
///
/// let converter = KinesisConverter::new(|reading: &Reading| {
///     Ok::<_, std::fmt::Error>(format!("{:.1}", reading.celsius))
/// })
/// .partition_key(|reading| reading.station.clone());
/// # let _ = converter;
/// ```
///
/// A closure `Fn(T) -> Result<KinesisEntry, ConvertError>` is a converter as well, and may take
/// the element apart; see also [`keyed`] and [`as_is`].
pub struct KinesisConverter<T> {
    serializer: Serializer<T>,
    key: Key<T>,
}

enum Key<T> {
    Random(RandomKeys),
    Fixed(PartitionKey),
    Of(Box<KeyOf<T>>),
}

type KeyOf<T> = dyn Fn(&T) -> PartitionKey + Send + Sync;

impl<T> KinesisConverter<T> {
    /// With this serializer and random keys, which spread the records evenly over the shards.
    pub fn new<B, E>(serialize: impl Fn(&T) -> Result<B, E> + Send + Sync + 'static) -> Self
    where
        B: Into<Bytes>,
        E: Into<BoxError>,
    {
        Self { serializer: Serializer::new(serialize), key: Key::Random(RandomKeys::default()) }
    }

    /// Takes the key from the element. Elements with the same key go to the same shard.
    #[must_use]
    pub fn partition_key<K: Into<PartitionKey>>(
        mut self,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Self {
        self.key = Key::Of(Box::new(move |element| key(element).into()));
        self
    }

    /// The same key for all: everything goes to one shard.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the key is empty or has more than 256 characters.
    pub fn fixed_partition_key(mut self, key: impl Into<PartitionKey>) -> Result<Self, Error> {
        let key = key.into();
        key.check().map_err(|problem| Error::new(ErrorKind::Config, "partition key", problem))?;
        self.key = Key::Fixed(key);
        Ok(self)
    }

    /// Random keys, as without any choice, but the same ones for the same seed.
    #[must_use]
    pub fn random_partition_key(mut self, seed: u64) -> Self {
        self.key = Key::Random(RandomKeys::new(seed));
        self
    }
}

impl<T: 'static> ElementConverter<T> for KinesisConverter<T> {
    type Entry = KinesisEntry;

    fn convert(&self, element: T) -> Result<KinesisEntry, ConvertError> {
        let key = match &self.key {
            Key::Random(keys) => keys.next(),
            Key::Fixed(key) => key.clone(),
            Key::Of(key) => key(&element),
        };
        let data = self.serializer.serialize(&element, || match &self.key {
            // Only then does the key tell which element it is.
            Key::Of(_) => format!(" with the partition key {}", shortened(&key)),
            Key::Random(_) | Key::Fixed(_) => String::new(),
        })?;
        KinesisEntry::new(key, data)
    }
}

impl<T> fmt::Debug for KinesisConverter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match &self.key {
            Key::Random(_) => "random",
            Key::Fixed(key) => key,
            Key::Of(_) => "from the element",
        };
        f.debug_struct("KinesisConverter").field("partition_key", &key).finish_non_exhaustive()
    }
}

/// A converter for pairs of partition key and data.
///
/// # Errors
///
/// As [`KinesisEntry::new`].
pub fn keyed<K: Into<PartitionKey>, D: Into<Bytes>>(
    (partition_key, data): (K, D),
) -> Result<KinesisEntry, ConvertError> {
    KinesisEntry::new(partition_key, data)
}

/// A converter for elements that are records already.
///
/// # Errors
///
/// Never.
pub fn as_is(entry: KinesisEntry) -> Result<KinesisEntry, ConvertError> {
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, error::Error as _};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_partition_key_has_1_to_256_characters() {
        for (key, expected) in [
            ("k".to_owned(), None),
            ("k".repeat(256), None),
            // Characters, not bytes: 512 and 1024 of them.
            ("é".repeat(256), None),
            ("🦀".repeat(256), None),
            (
                String::new(),
                Some("the partition key is empty; Kinesis takes 1 to 256 characters".to_owned()),
            ),
            (
                "k".repeat(257),
                Some(format!(
                    "the partition key `{}…` has 257 characters; Kinesis takes 1 to 256",
                    "k".repeat(32)
                )),
            ),
            (
                "é".repeat(257),
                Some(format!(
                    "the partition key `{}…` has 257 characters; Kinesis takes 1 to 256",
                    "é".repeat(32)
                )),
            ),
        ] {
            let problem = KinesisEntry::new(key.as_str(), "x").err().map(|error| error.to_string());
            assert_eq!(problem, expected, "{key}");
        }
    }

    #[test]
    fn the_key_counts_in_bytes_and_the_explicit_hash_key_does_not_count() {
        for (key, data, expected) in
            [("k", "", 1), ("k", "data", 5), ("é", "data", 6), ("🦀", "", 4)]
        {
            let entry = KinesisEntry::new(key, data).unwrap();
            assert_eq!(entry.size_bytes(), expected, "{key} {data}");
            let entry = entry.with_explicit_hash_key(u128::MAX);
            assert_eq!(entry.size_bytes(), expected, "{key} {data}");
        }
    }

    #[test]
    fn the_key_is_chosen_as_told() {
        let converter = || KinesisConverter::new(|word: &String| Ok::<_, BoxError>(word.clone()));
        let of = converter().partition_key(|word| word.to_uppercase());
        let fixed = converter().fixed_partition_key("all").unwrap();
        for (converter, expected) in [(&of, "EVENT"), (&fixed, "all")] {
            let entry = converter.convert("event".to_owned()).unwrap();
            assert_eq!(entry.partition_key(), expected);
            assert_eq!(entry.data(), "event");
            assert_eq!(entry.explicit_hash_key(), None);
        }
        for key in ["", &"k".repeat(257)] {
            let error = converter().fixed_partition_key(key).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().contains("Kinesis takes 1 to 256"), "{error}");
        }
    }

    #[test]
    fn random_keys_are_valid_and_repeat_with_their_seed() {
        let keys = |seed| {
            let converter = KinesisConverter::new(|_: &()| Ok::<_, BoxError>(Bytes::new()))
                .random_partition_key(seed);
            (0..1000).map(move |_| converter.convert(()).unwrap().partition_key().to_owned())
        };
        assert!(keys(7).eq(keys(7)));
        assert!(!keys(7).eq(keys(8)));
        assert!(keys(7).collect::<HashSet<_>>().len() > 990);
        // Without a seed, two programs have different keys.
        let unseeded = || {
            let converter = KinesisConverter::new(|_: &()| Ok::<_, BoxError>(Bytes::new()));
            converter.convert(()).unwrap()
        };
        assert_ne!(unseeded(), unseeded());
    }

    #[test]
    fn an_element_that_cannot_be_serialized_is_named_by_its_key() {
        let failing = || KinesisConverter::new(|_: &&str| Err::<Bytes, _>("no such field"));
        for (converter, expected) in [
            (failing(), "cannot serialize the element: no such field"),
            (
                failing().partition_key(|key: &&str| *key),
                "cannot serialize the element with the partition key `k7`: no such field",
            ),
        ] {
            let error = converter.convert("k7").unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(error.source().is_some());
        }
    }

    #[test]
    fn pairs_and_records_need_no_converter_of_their_own() {
        let entry = keyed(("k".to_owned(), vec![1, 2, 3])).unwrap();
        assert_eq!((entry.partition_key(), entry.data().as_ref()), ("k", &[1, 2, 3][..]));
        assert_eq!(as_is(entry.clone()).unwrap(), entry);
        assert!(keyed(("", "data")).is_err());
    }

    #[test]
    fn debug_does_not_show_the_data() {
        let entry = KinesisEntry::new("k", "private").unwrap();
        let text = format!("{entry:?}");
        assert!(text.contains("data_len: 7") && !text.contains("private"), "{text}");
    }

    proptest! {
        #[test]
        fn a_key_is_taken_exactly_when_it_has_1_to_256_characters(key in ".{0,300}") {
            let expected = (1..=256).contains(&key.chars().count());
            prop_assert_eq!(KinesisEntry::new(key, "").is_ok(), expected);
        }
    }
}
