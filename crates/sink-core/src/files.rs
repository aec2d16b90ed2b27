//! What snapshots and dead letters in files have in common.

use std::{fs::File, io, path::Path};

use crate::error::{Error, ErrorKind};

/// An error about a file: what could not be done, and with which one.
pub(crate) fn failed(
    kind: ErrorKind,
    operation: &'static str,
    what: &str,
    path: &Path,
    source: io::Error,
) -> Error {
    Error::new(kind, operation, format!("{what} {}: {source}", path.display())).with_source(source)
}

/// Makes what was created or renamed in a folder survive a crash of the machine.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // A folder can be opened, and forced to the disk, on Unix alone; elsewhere the file system
    // sees to it.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Runs this on one of tokio's threads for blocking work. It runs to its end even when the future
/// is dropped.
pub(crate) async fn blocking<R: Send + 'static>(
    kind: ErrorKind,
    operation: &'static str,
    work: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // It panicked, or the runtime is shutting down.
        Err(error) => {
            Err(Error::new(kind, operation, format!("not done: {error}")).with_source(error))
        }
    }
}
