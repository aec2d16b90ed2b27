//! When the shards are listed, and how: beside the writing, which never waits for it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use aws_sdk_kinesis::{
    Client,
    error::{ProvideErrorMetadata as _, SdkError},
    operation::{list_shards::ListShardsError, put_records::builders::PutRecordsInputBuilder},
    types::{PutRecordsRequestEntry, PutRecordsResultEntry, ShardFilter, ShardFilterType},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use sink_core::Lane;
use tokio::time::{Instant, timeout};

use crate::{
    config::Stream,
    converter::KinesisEntry,
    schedule::{Schedule, Trouble},
    shards::{Shard, ShardMap, hash_key},
};

/// For one list, with all its pages: 1,000 shards each.
const PATIENCE: Duration = Duration::from_secs(30);
/// Records of a request whose shard is predicted and compared.
const SAMPLES: usize = 3;

/// The shards of a stream, listed again when that seems due.
pub(crate) struct Shards {
    shared: Arc<Shared>,
}

/// What the task that lists needs: it must not hold [`Shards`] itself, whose end ends it.
struct Shared {
    client: Client,
    stream: Stream,
    /// Read once for each record, replaced once in minutes.
    map: RwLock<ShardMap>,
    schedule: Mutex<Schedule>,
}

/// Some records of a request: place and hash key.
pub(crate) type Samples = Vec<(usize, u128)>;

impl Shards {
    pub(crate) fn new(client: Client, stream: Stream) -> Self {
        let shared = Shared { client, stream, map: RwLock::default(), schedule: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn lane(&self, entry: &KinesisEntry) -> Lane {
        let map = self.shared.map.read().unwrap_or_else(PoisonError::into_inner);
        map.lane(entry.partition_key(), entry.explicit_hash_key())
    }

    /// To be called before a request is sent; what it gives belongs to [`answered`](Self::answered).
    pub(crate) fn sending(&self, request: &PutRecordsInputBuilder) -> Samples {
        self.refresh_if_due(false);
        let records = request.get_records().as_deref().unwrap_or_default();
        let step = records.len().div_ceil(SAMPLES).max(1);
        let sample = |(at, record): (usize, &PutRecordsRequestEntry)| {
            let explicit = record.explicit_hash_key().and_then(|text| text.parse().ok());
            (at, hash_key(record.partition_key().unwrap_or_default(), explicit))
        };
        records.iter().enumerate().step_by(step).map(sample).collect()
    }

    /// Lists the shards again if the answer shows that the map is out of date.
    pub(crate) fn answered(&self, samples: &Samples, records: &[PutRecordsResultEntry]) {
        let is_outdated = {
            let map = self.shared.map.read().unwrap_or_else(PoisonError::into_inner);
            is_outdated(&map, samples, records)
        };
        if is_outdated {
            self.refresh_if_due(true);
        }
    }

    fn refresh_if_due(&self, is_outdated: bool) {
        let mut schedule = self.shared.schedule();
        if schedule.is_due(Instant::now(), is_outdated) {
            let shared = Arc::clone(&self.shared);
            schedule.begun(tokio::spawn(shared.refresh()).abort_handle());
        }
    }
}

/// Ends the list that may be under way: nobody needs it any more.
impl Drop for Shards {
    fn drop(&mut self) {
        self.shared.schedule().abort();
    }
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards").field("map", &self.shared.map).finish_non_exhaustive()
    }
}

/// Whether the service has other shards than the map.
///
/// Resharding makes shards with new ids, and one look at each id finds them. The samples find what
/// ids cannot show: a stream that was deleted and made anew with other ranges.
fn is_outdated(map: &ShardMap, samples: &Samples, records: &[PutRecordsResultEntry]) -> bool {
    if map.is_empty() {
        return false; // the list is due as soon as it may be, whatever the answers say
    }
    let is_new = |record: &PutRecordsResultEntry| record.shard_id().is_some_and(|id| !map.has(id));
    let is_elsewhere = |(at, hash_key): &(usize, u128)| {
        let shard = records.get(*at).and_then(PutRecordsResultEntry::shard_id);
        shard.is_some_and(|id| map.shard_of(*hash_key).is_none_or(|shard| shard.id() != id))
    };
    records.iter().any(is_new) || samples.iter().any(is_elsewhere)
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn refresh(self: Arc<Self>) {
        let listed = timeout(PATIENCE, self.list()).await.unwrap_or_else(|_| {
            Err(Trouble::Other(format!("no complete answer within {PATIENCE:?}")))
        });
        match listed {
            Ok(map) => {
                *self.map.write().unwrap_or_else(PoisonError::into_inner) = map;
                self.schedule().succeeded();
            }
            Err(trouble) => {
                if self.schedule().failed(Instant::now(), &trouble) {
                    self.warn(&trouble);
                }
            }
        }
    }

    async fn list(&self) -> Result<ShardMap, Trouble> {
        let filter = ShardFilter::builder().r#type(ShardFilterType::AtLatest).build().ok();
        let first = self.client.list_shards().set_shard_filter(filter);
        let mut request = match self.stream.arn() {
            Some(arn) => first.stream_arn(arn),
            None => first.stream_name(self.stream.name()),
        };
        let mut shards = Vec::new();
        loop {
            let page = request.send().await.map_err(|error| trouble(&error))?;
            // The filter is a wish: not every endpoint knows it.
            shards.extend(page.shards().iter().filter_map(Shard::open));
            match page.next_token() {
                // The token names the stream; both together are refused.
                Some(token) => request = self.client.list_shards().next_token(token),
                None if shards.is_empty() => {
                    return Err(Trouble::Other("the answer names no open shard".to_owned()));
                }
                None => return Ok(ShardMap::new(shards)),
            }
        }
    }

    fn warn(&self, trouble: &Trouble) {
        let stream = self.stream.as_str();
        match trouble {
            Trouble::Denied => tracing::warn!(
                stream,
                "the credentials may not list the stream's shards, so a shard that is throttled \
                 slows down the others: allow the IAM action kinesis:ListShards on the stream"
            ),
            Trouble::Other(reason) => tracing::warn!(
                stream,
                reason,
                "the stream's shards could not be listed; what was known of them stays in use, and \
                 writing goes on"
            ),
        }
    }
}

fn trouble(error: &SdkError<ListShardsError, HttpResponse>) -> Trouble {
    if matches!(error.code(), Some("AccessDeniedException" | "AccessDenied")) {
        Trouble::Denied
    } else {
        Trouble::Other(sink_aws::describe(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> ShardMap {
        ShardMap::new(vec![Shard::new("a", 0, 99), Shard::new("b", 100, u128::MAX)])
    }

    fn stored(id: &str) -> PutRecordsResultEntry {
        PutRecordsResultEntry::builder().sequence_number("1").shard_id(id).build()
    }

    #[test]
    fn an_answer_shows_whether_the_map_is_out_of_date() {
        let refused = || PutRecordsResultEntry::builder().error_code("InternalFailure").build();
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
                is_outdated(&map(), &samples, &records),
                expected,
                "{samples:?} {records:?}"
            );
        }
        assert!(
            !is_outdated(&ShardMap::default(), &vec![(0, 0)], &[stored("c")]),
            "nothing is known"
        );
    }
}
