//! Streams, shards and what they hold.

use std::collections::BTreeMap;

use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::limits::KinesisLimits;
use crate::{api::ACCOUNT, codec::now_ms, token_bucket::TokenBucket};

#[derive(Debug)]
pub(super) struct Store {
    pub(super) limits: KinesisLimits,
    pub(super) forget_records: bool,
    pub(super) streams: BTreeMap<String, Stream>,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) created_at: i64,
    /// The stream's own limit of a record, where it has one.
    pub(super) max_record_bytes: Option<usize>,
    /// All that ever were, by id: a shard that is closed can still be read.
    pub(super) shards: Vec<Shard>,
    /// Places of the open ones in `shards`, by range. Together they have all hash keys.
    pub(super) open: Vec<usize>,
    pub(super) next_sequence_number: u128,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) id: String,
    /// First and last hash key.
    pub(super) range: (u128, u128),
    pub(super) first_sequence_number: u128,
    /// Where it ended, once it is split or merged.
    pub(super) last_sequence_number: Option<u128>,
    /// The shard that it was split from, or the two that it was merged from.
    pub(super) parents: Vec<String>,
    pub(super) records: Vec<Record>,
    pub(super) totals: ShardTotals,
    records_bucket: Option<TokenBucket>,
    bytes_bucket: Option<TokenBucket>,
}

/// A record that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Its bytes.
    pub data: Bytes,
    /// Its partition key.
    pub partition_key: String,
    /// Rises with each record of the stream.
    pub sequence_number: u128,
    /// Milliseconds since 1970.
    pub arrived_at: i64,
}

/// What a shard took and refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardTotals {
    /// Such as `shardId-000000000000`.
    pub id: String,
    /// Records stored.
    pub records: u64,
    /// Bytes stored, data and partition keys.
    pub bytes: u64,
    /// Records refused with `ProvisionedThroughputExceededException`.
    pub throttled: u64,
    /// Records refused with another error.
    pub failed: u64,
}

impl Store {
    pub(super) fn new(limits: KinesisLimits, forget_records: bool) -> Self {
        Self { limits, forget_records, streams: BTreeMap::new() }
    }

    pub(super) fn add_stream(
        &mut self,
        name: &str,
        shards: usize,
        max_record_bytes: Option<usize>,
    ) {
        // As the service does: the space of hash keys in equal parts, the last one up to its end.
        let part = u128::MAX / shards as u128;
        let mut stream = Stream {
            name: name.to_owned(),
            created_at: now_ms(),
            max_record_bytes,
            shards: Vec::with_capacity(shards),
            open: Vec::new(),
            next_sequence_number: FIRST_SEQUENCE_NUMBER,
        };
        for index in 0..shards {
            let first = part * index as u128;
            let last = if index + 1 == shards { u128::MAX } else { first + part - 1 };
            stream.add_shard(&self.limits, (first, last), Vec::new());
        }
        self.streams.insert(name.to_owned(), stream);
    }
}

/// Sequence numbers look like the service's: long, and rising.
const FIRST_SEQUENCE_NUMBER: u128 = 49_600_000_000_000_000_000_000_000_000_000_000_001;

impl Stream {
    pub(super) fn arn(&self) -> String {
        format!("arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{}", self.name)
    }

    /// Opens a shard for these hash keys, which no open one may have.
    pub(super) fn add_shard(
        &mut self,
        limits: &KinesisLimits,
        range: (u128, u128),
        parents: Vec<String>,
    ) {
        let id = format!("shardId-{:012}", self.shards.len());
        let place = self.open.partition_point(|open| self.shards[*open].range < range);
        self.open.insert(place, self.shards.len());
        self.shards.push(Shard {
            totals: ShardTotals { id: id.clone(), ..ShardTotals::default() },
            id,
            range,
            first_sequence_number: self.next_sequence_number,
            last_sequence_number: None,
            parents,
            records: Vec::new(),
            records_bucket: limits.shard_records_per_second.map(TokenBucket::new),
            bytes_bucket: limits.shard_bytes_per_second.map(TokenBucket::new),
        });
    }

    /// The open shard whose range has this hash key.
    pub(super) fn shard_of(&mut self, hash_key: u128) -> &mut Shard {
        let place = self.open.partition_point(|open| self.shards[*open].range.1 < hash_key);
        // The ranges cover all hash keys, and a stream has at least one open shard.
        &mut self.shards[self.open[place]]
    }

    pub(super) fn shard(&self, id: &str) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.id == id)
    }

    /// Stores a record and gives its shard and sequence number.
    pub(super) fn store(
        &mut self,
        hash_key: u128,
        data: Bytes,
        partition_key: String,
        forget: bool,
    ) -> (String, u128) {
        let sequence_number = self.next_sequence_number;
        self.next_sequence_number += 1;
        let shard = self.shard_of(hash_key);
        shard.totals.records += 1;
        shard.totals.bytes += (data.len() + partition_key.len()) as u64;
        if !forget {
            let arrived_at = now_ms();
            shard.records.push(Record { data, partition_key, sequence_number, arrived_at });
        }
        (shard.id.clone(), sequence_number)
    }
}

impl Shard {
    /// Whether the shard's rates let a record of this size in; counts it if so.
    pub(super) fn admit(&mut self, bytes: usize) -> bool {
        let records = self.records_bucket.as_mut().is_none_or(|bucket| bucket.has(1));
        let size = self.bytes_bucket.as_mut().is_none_or(|bucket| bucket.has(bytes));
        if !(records && size) {
            return false;
        }
        if let Some(bucket) = &mut self.records_bucket {
            bucket.take(1);
        }
        if let Some(bucket) = &mut self.bytes_bucket {
            bucket.take(bytes);
        }
        true
    }
}

/// Where a partition key belongs: its MD5 as a number.
pub(super) fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_key_goes_where_its_md5_points() {
        // RFC 1321, A.5: MD5 of "a" and of the empty text.
        assert_eq!(hash_key("a"), 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
        assert_eq!(hash_key(""), 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e);
    }

    #[test]
    fn the_shards_cover_all_hash_keys_without_a_gap() {
        for count in [1, 2, 3, 4, 7, 100] {
            let mut store = Store::new(KinesisLimits::default(), false);
            store.add_stream("s", count, None);
            let stream = store.streams.get_mut("s").unwrap();
            assert_eq!(stream.shards.first().unwrap().range.0, 0);
            assert_eq!(stream.shards.last().unwrap().range.1, u128::MAX);
            for pair in stream.shards.windows(2) {
                assert_eq!(pair[0].range.1 + 1, pair[1].range.0);
            }
            for index in 0..count {
                let (first, last) = stream.shards[index].range;
                let id = stream.shards[index].id.clone();
                assert_eq!(stream.shard_of(first).id, id);
                assert_eq!(stream.shard_of(last).id, id);
            }
        }
    }
}
