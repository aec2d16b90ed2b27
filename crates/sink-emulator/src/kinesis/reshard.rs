//! SplitShard and MergeShards: a shard closes, and its hash keys go to new ones at once.

use super::{
    find,
    limits::KinesisLimits,
    shapes::{MergeShards, Nothing, SplitShard},
    store::{Store, Stream},
};
use crate::api::{ACCOUNT, ApiError};

pub(super) fn split_shard(store: &mut Store, input: SplitShard) -> Result<Nothing, ApiError> {
    let at = input.new_starting_hash_key.parse().map_err(|_| {
        ApiError::validation(
            "newStartingHashKey",
            &input.new_starting_hash_key,
            "Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38})",
        )
    })?;
    let limits = store.limits.clone();
    let stream = find(store, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    split(stream, &limits, &input.shard_to_split, Some(at))?;
    Ok(Nothing {})
}

pub(super) fn merge_shards(store: &mut Store, input: MergeShards) -> Result<Nothing, ApiError> {
    let limits = store.limits.clone();
    let stream = find(store, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    merge(stream, &limits, &input.shard_to_merge, &input.adjacent_shard_to_merge)?;
    Ok(Nothing {})
}

/// Splits a shard at this hash key, the first of the second child, or in its middle.
pub(super) fn split(
    stream: &mut Stream,
    limits: &KinesisLimits,
    id: &str,
    at: Option<u128>,
) -> Result<(), ApiError> {
    let index = open_shard(stream, id)?;
    let (first, last) = stream.shards[index].range;
    let at = at.unwrap_or(first + (last - first) / 2 + 1);
    if at <= first.saturating_add(1) || at >= last {
        return Err(invalid(format!(
            "NewStartingHashKey {at} used in SplitShard() on shard {id} in stream {} under account \
             {ACCOUNT} is not both greater than one plus the shard's StartingHashKey {first} and \
             less than the shard's EndingHashKey {last}.",
            stream.name
        )));
    }
    close(stream, index);
    stream.add_shard(limits, (first, at - 1), vec![id.to_owned()]);
    stream.add_shard(limits, (at, last), vec![id.to_owned()]);
    Ok(())
}

/// Merges two shards whose hash keys are neighbours.
pub(super) fn merge(
    stream: &mut Stream,
    limits: &KinesisLimits,
    id: &str,
    adjacent_id: &str,
) -> Result<(), ApiError> {
    let (one, other) = (open_shard(stream, id)?, open_shard(stream, adjacent_id)?);
    let (range, other_range) = (stream.shards[one].range, stream.shards[other].range);
    let (low, high) = (range.min(other_range), range.max(other_range));
    if low.1.checked_add(1) != Some(high.0) {
        return Err(invalid(format!(
            "Shards {id} and {adjacent_id} in stream {} under account {ACCOUNT} are not an \
             adjacent pair of shards eligible for merging.",
            stream.name
        )));
    }
    close(stream, one);
    close(stream, other);
    stream.add_shard(limits, (low.0, high.1), vec![id.to_owned(), adjacent_id.to_owned()]);
    Ok(())
}

/// The place of a shard that can be split or merged.
fn open_shard(stream: &Stream, id: &str) -> Result<usize, ApiError> {
    let Some(index) = stream.shards.iter().position(|shard| shard.id == id) else {
        return Err(ApiError::new(
            "ResourceNotFoundException",
            format!("Could not find shard {id} in stream {} under account {ACCOUNT}.", stream.name),
        ));
    };
    if stream.shards[index].last_sequence_number.is_some() {
        return Err(invalid(format!(
            "Shard {id} in stream {} under account {ACCOUNT} has already been merged or split, and \
             thus is not eligible for merging or splitting.",
            stream.name
        )));
    }
    Ok(index)
}

/// A number of its own, so that the shard's end lies behind its records and before its children.
fn close(stream: &mut Stream, index: usize) {
    stream.shards[index].last_sequence_number = Some(stream.next_sequence_number);
    stream.next_sequence_number += 1;
    stream.open.retain(|open| *open != index);
}

fn invalid(message: String) -> ApiError {
    ApiError::new("InvalidArgumentException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_open_shards_cover_all_hash_keys_after_any_split_and_merge() {
        let limits = KinesisLimits::default();
        let mut store = Store::new(limits.clone(), false);
        store.add_stream("s", 3, None);
        let stream = store.streams.get_mut("s").unwrap();
        let id = |n: usize| format!("shardId-{n:012}");
        split(stream, &limits, &id(1), None).unwrap(); // 3 and 4
        split(stream, &limits, &id(0), Some(2)).unwrap(); // 5 and 6
        merge(stream, &limits, &id(6), &id(3)).unwrap(); // 7
        merge(stream, &limits, &id(2), &id(4)).unwrap(); // 8, the high one named first
        let open: Vec<_> = stream.open.iter().map(|open| stream.shards[*open].id.clone()).collect();
        assert_eq!(open, [id(5), id(7), id(8)]);
        let ranges: Vec<_> = stream.open.iter().map(|open| stream.shards[*open].range).collect();
        assert_eq!((ranges[0], ranges[2].1), ((0, 1), u128::MAX));
        assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{ranges:?}");
        for (hash_key, shard) in
            [(1, 5), (2, 7), (u128::MAX / 5 * 2, 7), (u128::MAX / 5 * 3, 8), (u128::MAX, 8)]
        {
            assert_eq!(stream.shard_of(hash_key).id, id(shard), "{hash_key}");
        }
        assert_eq!(stream.shards[7].parents, [id(6), id(3)]);
    }

    #[test]
    fn what_cannot_be_split_or_merged_is_refused_and_nothing_changes() {
        let limits = KinesisLimits::default();
        let mut store = Store::new(limits.clone(), false);
        store.add_stream("s", 4, None);
        let stream = store.streams.get_mut("s").unwrap();
        let id = |n: usize| format!("shardId-{n:012}");
        split(stream, &limits, &id(3), None).unwrap();
        let (first, last) = stream.shards[1].range;
        for (shard, at, expected) in [
            (id(9), None, "Could not find shard"),
            (id(3), None, "has already been merged or split"),
            (id(1), Some(0), "is not both greater"),
            (id(1), Some(first + 1), "is not both greater"),
            (id(1), Some(last), "is not both greater"),
            (id(1), Some(u128::MAX), "is not both greater"),
        ] {
            let error = split(stream, &limits, &shard, at).unwrap_err();
            assert!(error.message.contains(expected), "{error:?}");
        }
        for (one, other, expected) in [
            (id(0), id(2), "not an adjacent pair"),
            (id(0), id(0), "not an adjacent pair"),
            (id(2), id(3), "has already been merged or split"),
        ] {
            let error = merge(stream, &limits, &one, &other).unwrap_err();
            assert!(error.message.contains(expected), "{error:?}");
        }
        assert_eq!((stream.shards.len(), stream.open.len()), (6, 5));
    }
}
