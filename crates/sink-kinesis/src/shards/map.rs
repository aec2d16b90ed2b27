//! Which shard a record will go to, by the service's own rule.
//!
//! "An MD5 hash function is used to map partition keys to 128-bit integer values and to map
//! associated data records to shards using the hash key ranges of the shards" (Developer Guide);
//! an explicit hash key takes the place of the hash. The ranges are those of the open shards.

use std::collections::BTreeSet;

use aws_sdk_kinesis::types;
use md5::{Digest as _, Md5};
use sink_core::Lane;

use super::cache::Cache;

/// Where a record's partition key, or its explicit hash key, points.
pub(super) fn hash_key(partition_key: &str, explicit: Option<u128>) -> u128 {
    explicit.unwrap_or_else(|| u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()))
}

/// The open shards of a stream, as they were when somebody last looked.
///
/// A wrong or old map costs speed, not correctness: the service places records by its own.
#[derive(Debug, Default)]
pub(super) struct ShardMap {
    /// By first hash key, and then by id: where a list was cut by a resharding and has parent and
    /// child, the child comes later, and [`shard_of`](Self::shard_of) takes the later one.
    shards: Vec<Shard>,
    ids: BTreeSet<String>,
    /// Places in `shards`. None where there is nothing to choose from.
    cache: Option<Cache>,
}

/// An open shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    id: String,
    /// First and last hash key.
    first: u128,
    last: u128,
    lane: Lane,
}

impl Shard {
    pub(super) fn new(id: &str, first: u128, last: u128) -> Self {
        Self { id: id.to_owned(), first, last, lane: Lane::for_key(id.as_bytes()) }
    }

    /// `None` for a shard that is closed, and for one whose description cannot be understood.
    pub(super) fn open(shard: &types::Shard) -> Option<Self> {
        let is_closed = shard.sequence_number_range()?.ending_sequence_number().is_some();
        let range = shard.hash_key_range()?;
        let first = range.starting_hash_key().parse().ok()?;
        let last = range.ending_hash_key().parse().ok()?;
        (!is_closed && first <= last).then(|| Self::new(shard.shard_id(), first, last))
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl ShardMap {
    pub(super) fn new(mut shards: Vec<Shard>) -> Self {
        shards.sort_by(|a, b| (a.first, &a.id).cmp(&(b.first, &b.id)));
        let ids = shards.iter().map(|shard| shard.id.clone()).collect();
        let cache = (shards.len() > 1).then(Cache::new);
        Self { shards, ids, cache }
    }

    /// Whether nothing is known: no list has come yet.
    pub(super) fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }

    /// The shard that has this hash key; `None` where the map does not know.
    pub(super) fn shard_of(&self, hash_key: u128) -> Option<&Shard> {
        self.shards.get(self.place_of(hash_key)?)
    }

    fn place_of(&self, hash_key: u128) -> Option<usize> {
        let after = self.shards.partition_point(|shard| shard.first <= hash_key);
        let place = after.checked_sub(1)?;
        (hash_key <= self.shards.get(place)?.last).then_some(place)
    }

    /// The lane of a record: that of its shard, so that one slow shard holds up no other.
    pub(super) fn lane(&self, partition_key: &str, explicit_hash_key: Option<u128>) -> Lane {
        // Not worth a hash: there is nothing to find out.
        if let [Shard { first: 0, last: u128::MAX, lane, .. }] = self.shards[..] {
            return lane;
        }
        if self.is_empty() {
            return Lane::SHARED;
        }
        let find = || self.place_of(hash_key(partition_key, explicit_hash_key));
        let place = match &self.cache {
            Some(cache) if explicit_hash_key.is_none() => cache.place(partition_key, find),
            _ => find(),
        };
        let shard = place.and_then(|place| self.shards.get(place));
        shard.map_or(Lane::SHARED, |shard| shard.lane)
    }

    /// Whether there is an open shard with this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::types::{HashKeyRange, SequenceNumberRange};
    use proptest::prelude::*;

    use super::*;

    const MAX: u128 = u128::MAX;

    fn map(ranges: &[(&str, u128, u128)]) -> ShardMap {
        ShardMap::new(
            ranges.iter().map(|(id, first, last)| Shard::new(id, *first, *last)).collect(),
        )
    }

    #[test]
    fn a_partition_key_points_where_its_md5_does() {
        // RFC 1321, A.5.
        for (key, expected) in [
            ("a", 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661),
            ("abc", 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72),
        ] {
            assert_eq!(hash_key(key, None), expected);
            assert_eq!(hash_key(key, Some(7)), 7);
        }
    }

    #[test]
    fn a_hash_key_belongs_to_the_shard_whose_range_has_it() {
        let two = map(&[("high", 100, MAX), ("low", 0, 99)]);
        let gaps = map(&[("a", 10, 19), ("b", 30, 39)]);
        let one = map(&[("only", 0, MAX)]);
        for (map, hash_key, expected) in [
            (&two, 0, Some("low")),
            (&two, 99, Some("low")),
            (&two, 100, Some("high")),
            (&two, MAX, Some("high")),
            (&gaps, 0, None),
            (&gaps, 9, None),
            (&gaps, 10, Some("a")),
            (&gaps, 19, Some("a")),
            (&gaps, 20, None),
            (&gaps, 29, None),
            (&gaps, 30, Some("b")),
            (&gaps, 39, Some("b")),
            (&gaps, 40, None),
            (&gaps, MAX, None),
            (&one, 0, Some("only")),
            (&one, MAX, Some("only")),
            (&map(&[]), 0, None),
            (&map(&[]), MAX, None),
        ] {
            assert_eq!(map.shard_of(hash_key).map(Shard::id), expected, "{hash_key} in {map:?}");
            let lane = expected.map_or(Lane::SHARED, |id| Lane::for_key(id.as_bytes()));
            assert_eq!(map.lane("key", Some(hash_key)), lane, "{hash_key} in {map:?}");
        }
    }

    #[test]
    fn a_key_without_a_shard_is_in_the_shared_lane() {
        let a = hash_key("a", None);
        for (map, expected) in [
            (map(&[]), Lane::SHARED),
            (map(&[("s", 0, a - 1)]), Lane::SHARED),
            (map(&[("s", a + 1, MAX)]), Lane::SHARED),
            (map(&[("s", a, a)]), Lane::for_key(b"s")),
            (map(&[("s", 0, MAX)]), Lane::for_key(b"s")),
        ] {
            assert_eq!(map.lane("a", None), expected, "{map:?}");
        }
    }

    #[test]
    fn a_list_that_a_split_cut_in_two_prefers_the_children() {
        let map = map(&[("shardId-2", 0, 49), ("shardId-0", 0, 99), ("shardId-3", 50, 99)]);
        for (hash_key, expected) in [(0, "shardId-2"), (49, "shardId-2"), (50, "shardId-3")] {
            assert_eq!(map.shard_of(hash_key).unwrap().id(), expected);
        }
    }

    #[test]
    fn only_open_shards_with_a_range_are_in_the_map() {
        let described = |first: &str, last: &str, end: Option<&str>| {
            let range = HashKeyRange::builder().starting_hash_key(first).ending_hash_key(last);
            let numbers = SequenceNumberRange::builder()
                .starting_sequence_number("1")
                .set_ending_sequence_number(end.map(str::to_owned));
            types::Shard::builder()
                .shard_id("s")
                .hash_key_range(range.build().unwrap())
                .sequence_number_range(numbers.build().unwrap())
                .build()
                .unwrap()
        };
        let max = MAX.to_string();
        for (shard, expected) in [
            (described("0", &max, None), Some(Shard::new("s", 0, MAX))),
            (described("7", "7", None), Some(Shard::new("s", 7, 7))),
            (described("0", &max, Some("2")), None),
            (described("8", "7", None), None),
            (described("", "7", None), None),
            (described("0x1", "7", None), None),
            (described("0", "340282366920938463463374607431768211456", None), None),
            (types::Shard::builder().shard_id("s").build().unwrap(), None),
        ] {
            assert_eq!(Shard::open(&shard), expected, "{shard:?}");
        }
    }

    proptest! {
        #[test]
        fn the_map_finds_what_a_search_through_all_ranges_finds(
            mut borders in prop::collection::btree_set(any::<u128>(), 0..20),
            probes in prop::collection::vec(any::<u128>(), 20),
        ) {
            borders.insert(0);
            let firsts: Vec<_> = borders.iter().copied().collect();
            let lasts = firsts[1..].iter().map(|first| first - 1).chain([MAX]);
            let ranges: Vec<_> = firsts.iter().copied().zip(lasts).collect();
            let shards = ranges.iter().enumerate();
            let map = ShardMap::new(
                shards.map(|(n, (first, last))| Shard::new(&n.to_string(), *first, *last)).collect(),
            );
            for probe in probes.iter().chain(&firsts) {
                let expected = ranges.iter().position(|(first, last)| (first..=last).contains(&probe));
                prop_assert_eq!(
                    map.shard_of(*probe).map(|shard| shard.id().to_owned()),
                    expected.map(|n| n.to_string())
                );
            }
        }

        #[test]
        fn a_map_has_the_ids_it_was_made_of(ids in prop::collection::btree_set("[a-z]{1,3}", 0..20)) {
            let map = ShardMap::new(ids.iter().map(|id| Shard::new(id, 0, MAX)).collect());
            prop_assert!(ids.iter().all(|id| map.has(id)));
            prop_assert!(!map.has("nowhere"));
        }
    }
}
