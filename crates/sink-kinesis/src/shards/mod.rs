//! The shards of the stream: which one a record will go to, and what shows that they have changed.

mod cache;
mod list;
mod map;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use aws_sdk_kinesis::{
    Client, operation::put_records::PutRecordsOutput, types::PutRecordsResultEntry,
};
use sink_aws::{Answer, Refreshed};
use sink_core::{Batch, Lane, Ordering};

use self::{
    list::ListShards,
    map::{ShardMap, hash_key},
};
use crate::{config::Stream, converter::KinesisEntry};

/// Records of a request whose shard is predicted and compared.
const SAMPLES: usize = 3;

/// Ids of an answer that are looked at.
const IDS: usize = 32;

/// The shards of a stream, listed again when that seems due; `None` where lanes are keys, and
/// nobody needs to know the shards.
#[derive(Debug)]
pub(crate) struct Shards {
    listed: Option<Refreshed<ListShards>>,
    /// How many answers were looked at.
    looks: AtomicUsize,
}

/// Some records of a request: place and hash key.
pub(crate) type Samples = Vec<(usize, u128)>;

impl Shards {
    pub(crate) fn new(client: &Client, stream: &Stream, ordering: Ordering) -> Self {
        let list = || ListShards { client: client.clone(), stream: stream.clone() };
        let listed = (ordering != Ordering::PerLane).then(|| Refreshed::new(list()));
        Self { listed, looks: AtomicUsize::new(0) }
    }

    pub(crate) fn lane(&self, entry: &KinesisEntry) -> Lane {
        match &self.listed {
            Some(shards) => shards.view().lane(entry.partition_key(), entry.explicit_hash_key()),
            None => Lane::for_key(entry.partition_key().as_bytes()),
        }
    }

    /// Some records of a batch, for [`answered`](Self::answered).
    pub(crate) fn samples(&self, batch: &Batch<'_, KinesisEntry>) -> Samples {
        if self.listed.is_none() {
            return Samples::new();
        }
        let step = batch.len().div_ceil(SAMPLES).max(1);
        let sample = |(at, entry): (usize, &KinesisEntry)| {
            (at, hash_key(entry.partition_key(), entry.explicit_hash_key()))
        };
        batch.iter().enumerate().step_by(step).map(sample).collect()
    }

    /// To be called before a request is sent.
    pub(crate) fn sending(&self) {
        if let Some(shards) = &self.listed {
            shards.refresh_if_due(false);
        }
    }

    /// Lists the shards again if the answer, where there is one, shows that the map is out of date.
    pub(crate) fn answered(&self, samples: &Samples, answer: Option<&Answer<PutRecordsOutput>>) {
        let (Some(shards), Some(answer)) = (&self.listed, answer) else { return };
        let map = shards.view();
        let look = self.looks.fetch_add(1, Relaxed);
        let is_outdated = match answer {
            Answer::Stored(stored) => {
                is_outdated(&map, samples, stored.count(), |at| stored.place(at), look)
            }
            Answer::Parsed(output) => {
                let records = output.records();
                let id = |at: usize| records.get(at).and_then(PutRecordsResultEntry::shard_id);
                is_outdated(&map, samples, records.len(), id, look)
            }
        };
        if is_outdated {
            shards.refresh_if_due(true);
        }
    }
}

/// Whether the service has other shards than the map.
///
/// Resharding makes shards with new ids, and a look at the ids finds them: at some of each answer,
/// others in the next `look`. The samples find what ids cannot show: a stream that was deleted and
/// made anew with other ranges.
fn is_outdated<'a>(
    map: &ShardMap,
    samples: &Samples,
    records: usize,
    id: impl Fn(usize) -> Option<&'a str>,
    look: usize,
) -> bool {
    if map.is_empty() {
        return false; // the list is due as soon as it may be, whatever the answers say
    }
    let is_elsewhere = |(at, hash_key): &(usize, u128)| {
        id(*at).is_some_and(|id| map.shard_of(*hash_key).is_none_or(|shard| shard.id() != id))
    };
    let step = records.div_ceil(IDS).max(1);
    let mut some = (look % step..records).step_by(step).filter_map(&id);
    some.any(|id| !map.has(id)) || samples.iter().any(is_elsewhere)
}

#[cfg(test)]
mod tests {
    use super::{map::Shard, *};

    fn map() -> ShardMap {
        ShardMap::new(vec![Shard::new("a", 0, 99), Shard::new("b", 100, u128::MAX)])
    }

    #[test]
    fn each_id_of_a_long_answer_is_looked_at_in_its_turn() {
        let stored = |at: usize| Some(if at == 437 { "c" } else { "a" });
        let found = |look: usize| is_outdated(&map(), &vec![], 500, stored, look);
        assert_eq!((0..16).filter(|look| found(*look)).count(), 1);
    }

    #[test]
    fn an_answer_shows_whether_the_map_is_out_of_date() {
        // What is stored has a shard, what is refused has none.
        let stored = Some;
        let refused = || None;
        for (samples, records, expected) in [
            (vec![], vec![], false),
            (vec![(0, 0), (1, 100)], vec![stored("a"), stored("b")], false),
            // Resharded, whether or not that record is a sample.
            (vec![(0, 0)], vec![stored("a"), stored("c")], true),
            (vec![(0, 0)], vec![stored("c")], true),
            // Known ids, other ranges.
            (vec![(0, 0)], vec![stored("b")], true),
            (vec![(1, 100)], vec![stored("b"), stored("a")], true),
            // What is not stored says nothing, nor does an answer that is too short.
            (vec![(0, 0), (1, 0)], vec![refused(), stored("a")], false),
            (vec![(0, 0), (7, 0)], vec![stored("a")], false),
        ] {
            assert_eq!(
                is_outdated(
                    &map(),
                    &samples,
                    records.len(),
                    |at| records.get(at).copied().flatten(),
                    0
                ),
                expected,
                "{samples:?} {records:?}"
            );
        }
        assert!(
            !is_outdated(&ShardMap::default(), &vec![(0, 0)], 1, |_| Some("c"), 0),
            "nothing is known"
        );
    }
}
