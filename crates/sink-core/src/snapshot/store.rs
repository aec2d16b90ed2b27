//! Where snapshots are kept from one run of the program to the next.

use crate::error::Error;

/// Keeps snapshots as bytes, and gives the newest back.
///
/// [`FileSnapshotStore`](crate::FileSnapshotStore) keeps them in a folder. Implement it for an
/// object store or a database with two plain `async fn`s:
///
/// ```
/// use std::sync::Mutex;
/// use sink_core::{Error, SnapshotStore};
///
/// struct Memory(Mutex<Option<Vec<u8>>>);
///
/// impl SnapshotStore for Memory {
///     async fn save(&self, snapshot: Vec<u8>) -> Result<(), Error> {
///         *self.0.lock().unwrap() = Some(snapshot);
///         Ok(())
///     }
///
///     async fn load_latest(&self) -> Result<Option<Vec<u8>>, Error> {
///         Ok(self.0.lock().unwrap().clone())
///     }
/// }
/// ```
pub trait SnapshotStore: Send + Sync {
    /// Keeps what [`Snapshot::to_bytes`](crate::Snapshot::to_bytes) gave. Once the future has ended
    /// well, the snapshot survives a crash and is what [`load_latest`](Self::load_latest) gives.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Snapshot`](crate::ErrorKind::Snapshot) when it could not be kept; what was kept
    /// before is still there.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has kept all of the snapshot or nothing of it.
    fn save(&self, snapshot: Vec<u8>) -> impl Future<Output = Result<(), Error>> + Send;

    /// The newest snapshot that was kept; `None` when there was never one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Snapshot`](crate::ErrorKind::Snapshot) when it cannot be read. An older one is
    /// never given in its place: entries that only the newest holds would be lost without a word.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so it can be dropped at any time.
    fn load_latest(&self) -> impl Future<Output = Result<Option<Vec<u8>>, Error>> + Send;
}
