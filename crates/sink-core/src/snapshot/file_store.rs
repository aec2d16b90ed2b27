//! Snapshots in a folder: a file each, the newest few kept.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{encoding, store::SnapshotStore};
use crate::{
    error::{Error, ErrorKind},
    files::{blocking, failed, sync_folder},
};

const LOCK: &str = "lock";
const SNAPSHOT: (&str, &str) = ("snapshot-", ".bin");
const TEMPORARY: &str = ".tmp";
/// Digits of the largest `u64`: so names sort as their numbers do.
const DIGITS: usize = 20;

/// Keeps snapshots in a folder, as `snapshot-00000000000000000001.bin` and so on.
///
/// A snapshot is written to a temporary file, forced to the disk, and only then given its name: a
/// crash leaves the one before or this one, never half of it. Numbers rise, across restarts too.
///
/// One folder belongs to one store at a time: opening it twice, in this program or another one, is
/// refused as long as the first lives (a lock on the file `lock`, which the operating system gives
/// back when the program dies). Two sinks need two folders.
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// use sink_core::{Error, FileSnapshotStore, Sink, Snapshot, SnapshotEntry, SnapshotStore as _};
///
/// // At the start: what the last run had not delivered, to be given to `SinkBuilder::restore`.
/// async fn load<E: SnapshotEntry>(store: &FileSnapshotStore) -> Result<Option<Snapshot<E>>, Error> {
///     store.load_latest().await?.map(Snapshot::from_bytes).transpose()
/// }
///
/// // Now and then, and at the end.
/// async fn checkpoint<T, E>(sink: &Sink<T, E>, store: &FileSnapshotStore) -> Result<(), Error>
/// where
///     T: 'static,
///     E: SnapshotEntry + Clone,
/// {
///     store.save(sink.snapshot().await.to_bytes()).await
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct FileSnapshotStore {
    folder: Arc<Folder>,
    keep: usize,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// The number of the snapshot that is saved next. Held while saving, so that files appear in
    /// the order of their numbers.
    next: Mutex<u64>,
    /// Never read: it holds the folder's lock for as long as it is open.
    _lock: File,
}

impl FileSnapshotStore {
    /// Opens a folder, which must exist: a store that made it would take a mistyped name for a
    /// first start, and the snapshot would be forgotten. Removes what a crash left half written.
    ///
    /// Blocks for a few file operations.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Snapshot`] when there is no such folder, when it cannot be read or written, or
    /// when another store has it open.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = folder.into();
        let lock = lock(&path)?;
        let mut newest = 0;
        for name in names(&path)? {
            if let Some(number) = number(&name) {
                newest = newest.max(number);
            } else if name.starts_with(SNAPSHOT.0) && name.ends_with(TEMPORARY) {
                let left = path.join(name);
                fs::remove_file(&left).map_err(|source| {
                    failed(ErrorKind::Snapshot, "open", "cannot remove", &left, source)
                })?;
            }
        }
        let next = Mutex::new(newest.saturating_add(1));
        Ok(Self { folder: Arc::new(Folder { path, next, _lock: lock }), keep: 3 })
    }

    /// How many snapshots to keep, at least 1. Default: 3. The sink needs the newest alone; the
    /// older ones are for you, should it be damaged.
    #[must_use]
    pub fn keep(mut self, snapshots: usize) -> Self {
        self.keep = snapshots.max(1);
        self
    }
}

/// Both run on tokio's threads for blocking work.
impl SnapshotStore for FileSnapshotStore {
    /// As in [`SnapshotStore::save`]. Refuses bytes that are no snapshot before it writes anything.
    /// Once begun, it goes on when the future is dropped.
    async fn save(&self, snapshot: Vec<u8>) -> Result<(), Error> {
        let (folder, keep) = (Arc::clone(&self.folder), self.keep);
        blocking(ErrorKind::Snapshot, "save", move || folder.save(&snapshot, keep)).await
    }

    /// As in [`SnapshotStore::load_latest`]. When the newest file is damaged, the error names it
    /// and the older ones: which of them to use is for a human to say, by removing the damaged one.
    async fn load_latest(&self) -> Result<Option<Vec<u8>>, Error> {
        let folder = Arc::clone(&self.folder);
        blocking(ErrorKind::Snapshot, "load", move || folder.load_latest()).await
    }
}

impl Folder {
    fn save(&self, snapshot: &[u8], keep: usize) -> Result<(), Error> {
        encoding::check(snapshot).map_err(|words| {
            let message = format!("these bytes are no snapshot: {words}");
            Error::new(ErrorKind::Snapshot, "save", message)
        })?;
        // A panic here leaves a number that was not used, or a temporary file: both harmless.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path.join(name(*next));
        let temporary = path.with_extension(TEMPORARY.trim_start_matches('.'));
        write_durably(&temporary, snapshot)
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| sync_folder(&self.path))
            .map_err(|source| failed(ErrorKind::Snapshot, "save", "cannot write", &path, source))?;
        *next = next.saturating_add(1);
        self.forget(keep);
        Ok(())
    }

    /// Removes all but the newest. The new snapshot is safe whether or not that succeeds.
    fn forget(&self, keep: usize) {
        let Ok(snapshots) = self.snapshots() else { return };
        let old = snapshots.len().saturating_sub(keep);
        for name in snapshots.iter().take(old) {
            let path = self.path.join(name);
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove an old snapshot");
            }
        }
    }

    fn load_latest(&self) -> Result<Option<Vec<u8>>, Error> {
        // So that nothing is removed in between.
        let _saving = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mut snapshots = self.snapshots()?;
        let Some(newest) = snapshots.pop() else { return Ok(None) };
        let path = self.path.join(newest);
        let bytes = fs::read(&path)
            .map_err(|source| failed(ErrorKind::Snapshot, "load", "cannot read", &path, source))?;
        match encoding::check(&bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(words) => {
                let older = if snapshots.is_empty() {
                    "there is no older one".to_owned()
                } else {
                    let names = snapshots.join(", ");
                    format!("older ones: {names}; to use the newest of them, move this one away")
                };
                let message = format!("the newest snapshot is damaged: {words}; {older}");
                Err(Error::new(ErrorKind::Snapshot, "load", message)
                    .with_context("file", path.display().to_string()))
            }
        }
    }

    /// The snapshots' names, oldest first.
    fn snapshots(&self) -> Result<Vec<String>, Error> {
        let mut names = names(&self.path)?;
        names.retain(|name| number(name).is_some());
        names.sort_unstable();
        Ok(names)
    }
}

fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join(LOCK);
    let cannot = |source| failed(ErrorKind::Snapshot, "open", "cannot lock", &path, source);
    let file = File::options().create(true).append(true).open(&path).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(source)) => Err(cannot(source)),
        Err(TryLockError::WouldBlock) => {
            let message = "another store has this folder open; give each sink a folder of its own";
            Err(Error::new(ErrorKind::Snapshot, "open", message)
                .with_context("folder", folder.display().to_string()))
        }
    }
}

/// The names in a folder that are UTF-8; ours are.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let list = || -> io::Result<Vec<String>> {
        let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    };
    list().map_err(|source| failed(ErrorKind::Snapshot, "list", "cannot read", folder, source))
}

fn name(number: u64) -> String {
    let (before, after) = SNAPSHOT;
    format!("{before}{number:0DIGITS$}{after}")
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(SNAPSHOT.0)?.strip_suffix(SNAPSHOT.1)?;
    let all_digits = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { digits.parse().ok() } else { None }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
