//! What the sinks of a router had not delivered.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use bytes::Bytes;

use crate::{
    error::{Error, ErrorKind},
    snapshot::{
        Snapshot, SnapshotEntry,
        encoding::{self, Format},
    },
};

/// Version 1: count, then key and snapshot of each route.
const FORMAT: Format = Format { what: "router snapshot", magic: *b"SINKROUT", version: 1 };

/// What each route of a [`SinkRouter`](crate::SinkRouter) had admitted and not delivered, at about
/// one instant: at the latest when [`snapshot`](crate::SinkRouter::snapshot) was called. Routes that
/// had delivered everything are not in it.
///
/// # As bytes
///
/// [`to_bytes`](Self::to_bytes) and [`from_bytes`](Self::from_bytes), where the entries are
/// [`SnapshotEntry`] and the keys can be written and parsed as text. All numbers are little endian:
///
/// ```text
/// "SINKROUT"  version u32  count u64  count × (length u64, key as UTF-8; length u64, snapshot)  CRC32C u32
/// ```
///
/// Each snapshot is in the format of [`Snapshot`], with a version of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterSnapshot<K, E> {
    routes: BTreeMap<K, Snapshot<E>>,
}

impl<K: Ord, E> RouterSnapshot<K, E> {
    /// A snapshot of these routes. Of several with one key the last counts; those without entries
    /// are left out.
    pub fn new(routes: impl IntoIterator<Item = (K, Snapshot<E>)>) -> Self {
        let routes = routes.into_iter().filter(|(_, snapshot)| !snapshot.is_empty());
        Self { routes: routes.collect() }
    }

    /// What this route had not delivered.
    pub fn get(&self, key: &K) -> Option<&Snapshot<E>> {
        self.routes.get(key)
    }

    /// The routes that had something undelivered, in the order of their keys.
    pub fn routes(&self) -> impl ExactSizeIterator<Item = (&K, &Snapshot<E>)> {
        self.routes.iter()
    }

    /// How many entries there are, in all routes.
    pub fn len(&self) -> usize {
        self.routes.values().map(Snapshot::len).sum()
    }

    /// Whether everything was delivered.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

impl<K: Ord + Display, E: SnapshotEntry> RouterSnapshot<K, E> {
    /// The snapshot as bytes, to be kept in a [`SnapshotStore`](crate::SnapshotStore), say.
    pub fn to_bytes(&self) -> Vec<u8> {
        let expected = self.routes.values().map(Snapshot::expected_len);
        encoding::written(expected.fold(0, usize::saturating_add), |bytes| {
            let mut writer = FORMAT.writer(bytes);
            writer.number(self.routes.len());
            for (key, snapshot) in &self.routes {
                writer.bytes(key.to_string().as_bytes());
                writer.bytes_with(|bytes| snapshot.append_to(bytes));
            }
            writer.finish();
        })
    }
}

impl<K, E> RouterSnapshot<K, E>
where
    K: Ord + Display + FromStr<Err: Display>,
    E: SnapshotEntry,
{
    /// The snapshot that [`to_bytes`](Self::to_bytes), of this version or an older one, made
    /// these bytes of. A key must be what its text parses to.
    ///
    /// Safe with any bytes, and without a copy, as [`Snapshot::from_bytes`] is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Snapshot`] when the bytes are no router snapshot, of a newer version, truncated
    /// or corrupt, or hold a key or an entry that cannot be read, or a key twice.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        let bytes = bytes.into();
        let mut reader = FORMAT.reader(&bytes)?;
        let count = reader.number("count")?;
        let mut routes = BTreeMap::new();
        for position in 1..=count {
            let text = reader.text("route")?;
            let refused = |words: &dyn Display| {
                let message = format!("route {position} of {count} cannot be read: {words}");
                Error::new(ErrorKind::Snapshot, "decode", message).with_context("route", text)
            };
            let key: K = text.parse().map_err(|words: K::Err| refused(&words))?;
            let snapshot = Snapshot::from_bytes(reader.shared("route")?)
                .map_err(|error| refused(&error).with_source(error))?;
            if routes.insert(key, snapshot).is_some() {
                return Err(refused(&"it was there before"));
            }
        }
        reader.finish()?;
        Ok(Self { routes })
    }
}

impl<K, E> Default for RouterSnapshot<K, E> {
    fn default() -> Self {
        Self { routes: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests;
