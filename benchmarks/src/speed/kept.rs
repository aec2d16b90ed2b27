//! What the snapshots that are measured consist of, and a destination that never takes any of it.

use std::{convert::Infallible, future};

use sink_core::{Appender, Batch, Bytes, Destination, Entry, Limits, Outcome, SnapshotEntry};

use super::record::Record;

/// A payload as connectors have it, with which a snapshot shares its memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept(pub Bytes);

impl From<Record> for Kept {
    fn from(record: Record) -> Self {
        Self(record.payload.into_owned().into())
    }
}

impl Entry for Kept {
    fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

impl SnapshotEntry for Kept {
    fn encode(&self, bytes: &mut Appender<'_>) {
        bytes.extend_from_slice(&self.0);
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        Ok(Self(bytes))
    }
}

/// Never answers.
#[derive(Debug)]
pub struct Silent;

impl Destination for Silent {
    type Entry = Kept;
    type Request = ();
    type Response = Infallible;
    type Error = Infallible;

    const KIND: &'static str = "bench";
    const LIMITS: Limits = crate::LIMITS;

    fn build_request(&self, _: &Batch<'_, Kept>) {}

    async fn send(&self, (): ()) -> Result<Infallible, Infallible> {
        future::pending().await
    }

    fn extract_failures(&self, answer: Result<Infallible, Infallible>, _: usize) -> Outcome {
        match answer {
            Ok(never) | Err(never) => match never {},
        }
    }
}
