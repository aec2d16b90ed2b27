//! The records of a batch, written before the SDK's client is asked to send them.

use std::sync::Arc;

use aws_smithy_schema::{protocol::SharedClientProtocol, serde::SerdeError};
use bytes::Bytes;
use sink_core::Batch;

use super::{
    BatchProtocol, BodyEncoding,
    pool::{Pool, Pooled},
    refusal::Cbor,
    write,
};

/// Room in front of the records, for what stands there in a request: a stream's name, mostly.
const HEADROOM: usize = 256;

/// A record as it goes over the wire.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub(super) data: &'a [u8],
    pub(super) partition_key: Option<&'a str>,
    pub(super) explicit_hash_key: Option<u128>,
}

impl<'a> Record<'a> {
    /// Nothing but these data.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, partition_key: None, explicit_hash_key: None }
    }

    /// With what chooses a shard of Kinesis.
    pub fn with_keys(
        data: &'a [u8],
        partition_key: &'a str,
        explicit_hash_key: Option<u128>,
    ) -> Self {
        Self { data, partition_key: Some(partition_key), explicit_hash_key }
    }
}

/// Writes the records of all batches that a client sends. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bodies(Option<Shared>);

/// What the protocol of the client has in common with those who write for it.
#[derive(Debug, Clone, Default)]
struct Shared {
    pool: Arc<Pool>,
    /// Whether to write CBOR, where it was asked for.
    cbor: Option<Arc<Cbor>>,
}

impl Bodies {
    /// In this encoding.
    pub fn new(encoding: BodyEncoding) -> Self {
        Self(match encoding {
            BodyEncoding::Sdk => None,
            BodyEncoding::Json => Some(Shared::default()),
            BodyEncoding::Cbor => Some(Shared { cbor: Some(Arc::default()), ..Shared::default() }),
        })
    }

    /// The protocol that the client must have; `None` where it keeps what it has. Its own calls are
    /// those that [`answer`](super::answer) makes with a body; all others are the SDK's.
    pub fn protocol(&self) -> Option<SharedClientProtocol> {
        let shared = self.0.as_ref()?;
        Some(SharedClientProtocol::new(BatchProtocol::new(shared.cbor.clone())))
    }

    /// The records of a batch: written, and none for the SDK, where the encoding is ours; else as
    /// the SDK has them, and no body. The request is then complete but for its other members, and
    /// [`answer`](super::answer) puts the two together.
    pub fn write<'a, E, R>(
        &self,
        batch: &Batch<'a, E>,
        ours: impl Fn(&'a E) -> Record<'a>,
        sdks: impl Fn(&'a E) -> R,
    ) -> (Vec<R>, Option<Body>) {
        let Some(shared) = &self.0 else { return (batch.iter().map(sdks).collect(), None) };
        let is_cbor = shared.cbor.as_ref().is_some_and(|cbor| cbor.is_spoken());
        let room = write::room(batch.len(), batch.size_bytes(), is_cbor);
        let mut buffer = behind_headroom(&shared.pool, room);
        let bytes = buffer.bytes();
        if is_cbor {
            write::cbor::records(bytes, batch.iter().map(ours));
        } else {
            write::json::records(bytes, batch.iter().map(ours));
        }
        (Vec::new(), Some(Body { is_cbor, written: Written::Records(buffer) }))
    }
}

/// The records of one request, written.
#[derive(Debug, Clone)]
pub struct Body {
    is_cbor: bool,
    written: Written,
}

/// The elements of a list that the SDK leaves empty, and then the whole body.
#[derive(Debug, Clone)]
pub(super) enum Written {
    /// The elements of the list, behind the headroom.
    Records(Pooled),
    Whole(Bytes),
}

impl Body {
    pub(super) fn is_cbor(&self) -> bool {
        self.is_cbor
    }

    /// The whole body, given what the SDK writes of a request without records.
    pub(super) fn whole(&mut self, without_records: &[u8]) -> Result<Bytes, SerdeError> {
        self.written.whole(write::around(without_records, self.is_cbor))
    }
}

impl Written {
    /// The whole body: what the SDK writes of a request without elements, and the elements where it
    /// leaves their list empty. The SDK asks once a call. Should it ask again, it gets the same.
    pub(super) fn whole(&mut self, around: Option<(&[u8], &[u8])>) -> Result<Bytes, SerdeError> {
        let (before, after) = around.ok_or_else(|| {
            SerdeError::custom(
                "the AWS SDK writes a list without elements in another way than before: set \
                 body_encoding to `sdk`",
            )
        })?;
        let none = Self::Whole(Bytes::new());
        let whole = match std::mem::replace(self, none) {
            Self::Records(buffer) => joined(before, buffer, after),
            Self::Whole(whole) => whole,
        };
        *self = Self::Whole(whole.clone());
        Ok(whole)
    }
}

/// A buffer with room for so many bytes of elements, behind the headroom.
pub(super) fn behind_headroom(pool: &Arc<Pool>, room: usize) -> Pooled {
    let mut buffer = pool.take(HEADROOM + room);
    buffer.bytes().resize(HEADROOM, 0);
    buffer
}

/// Nothing is moved where `before` fits into the headroom.
fn joined(before: &[u8], mut buffer: Pooled, after: &[u8]) -> Bytes {
    let bytes = buffer.bytes();
    bytes.extend_from_slice(after);
    let start = HEADROOM.saturating_sub(before.len());
    drop(bytes.splice(start..HEADROOM, before.iter().copied()));
    buffer.freeze().slice(start..)
}
