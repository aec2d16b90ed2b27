//! The second piece: a batch becomes a call.

use sink_core::{Batch, Destination, Lane, Limits, Outcome};

use crate::{
    converter::KeyValueEntry,
    failures::{self, KeyValueError},
};

/// What the connector needs of a client: one call, with no retries of the client's own.
pub trait KeyValueClient: Send + Sync + 'static {
    /// Puts these pairs into a table, and gives the service's code for each, in their order.
    fn put(
        &self,
        table: &str,
        pairs: Vec<KeyValueEntry>,
    ) -> impl Future<Output = Result<Vec<String>, KeyValueError>> + Send;
}

/// A table, and the client that writes to it.
#[derive(Debug)]
pub struct KeyValueDestination<C> {
    client: C,
    table: String,
}

impl<C> KeyValueDestination<C> {
    /// Writes to this table with this client.
    pub fn new(client: C, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl<C: KeyValueClient> Destination for KeyValueDestination<C> {
    type Entry = KeyValueEntry;
    type Request = Vec<KeyValueEntry>;
    type Response = Vec<String>;
    type Error = KeyValueError;

    const KIND: &'static str = "key-value";

    /// "A call takes 100 pairs and 1 MiB. A pair has at most 64 KiB" (the service's manual, Limits).
    const LIMITS: Limits = Limits {
        max_batch_size: 100,
        max_batch_size_in_bytes: 1 << 20,
        max_record_size_in_bytes: 64 << 10,
    };

    /// Copies references, not values.
    fn build_request(&self, batch: &Batch<'_, KeyValueEntry>) -> Vec<KeyValueEntry> {
        batch.iter().cloned().collect()
    }

    async fn send(&self, pairs: Vec<KeyValueEntry>) -> Result<Vec<String>, KeyValueError> {
        self.client.put(&self.table, pairs).await
    }

    fn extract_failures(&self, answer: Result<Vec<String>, KeyValueError>, sent: usize) -> Outcome {
        failures::outcome(answer, sent)
    }

    /// The service throttles each tenant on its own.
    fn lane(&self, pair: &KeyValueEntry) -> Lane {
        let tenant = pair.key().split('/').next().unwrap_or_default();
        Lane::for_key(tenant.as_bytes())
    }
}
