//! Dead letters in a file, a line of JSON each.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::{DeadLetter, DeadLetterFuture, DeadLetterHandler, reader::DeadLetterReader};
use crate::{
    error::{Error, ErrorKind},
    files::{blocking, failed, sync_folder},
    snapshot::SnapshotEntry,
};

/// Appends dead letters to a file: one line of JSON each (NDJSON), whose payload is base64.
///
/// ```json
/// {"kind":"kinesis","sequence":17,"attempts":3,"age_ms":5210,"code":"MaxAttempts","message":"","payload":"aGVsbG8="}
/// ```
///
/// A letter is on the disk before its future ends, so the sink gives an entry up only then. Letters
/// that are written at once never mix, and a line that a crash cut short stays a line of its own.
/// [`read`](Self::read) gives the letters back, to be written again.
///
/// ```
/// # fn main() -> Result<(), sink_core::Error> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("rejected.ndjson");
/// use sink_core::FileDeadLetters;
///
/// let letters = FileDeadLetters::open(&path)?; // for entries that are `SnapshotEntry`
/// let letters = letters.payload(|entry: &String| entry.clone().into_bytes()); // for any others
///
/// for letter in FileDeadLetters::read(&path)? {
///     let letter = letter?;
///     println!("{}: {} bytes", letter.code, letter.payload.len());
/// }
/// # Ok(()) }
/// ```
pub struct FileDeadLetters<P = Encoded> {
    file: Arc<Letters>,
    payload: P,
}

/// The payload is what [`SnapshotEntry::encode`] gives.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Encoded;

/// A dead letter that was read back from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedDeadLetter {
    /// The [`KIND`](crate::Destination::KIND) of the destination that refused the entry.
    pub kind: String,
    /// The entry's admission number in the sink of that time.
    pub sequence: u64,
    /// How often it was sent.
    pub attempts: u32,
    /// Time from its admission to its rejection, to the millisecond.
    pub age: Duration,
    /// The destination's code, or the sink's own, such as `MaxAttempts`.
    pub code: String,
    /// The destination's message; may be empty.
    pub message: String,
    /// The entry, as [`SnapshotEntry::encode`] or [`FileDeadLetters::payload`] wrote it.
    pub payload: Vec<u8>,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    kind: String,
    sequence: u64,
    attempts: u32,
    age_ms: u64,
    code: String,
    message: String,
    payload: String,
}

impl Line {
    fn new<E>(letter: &DeadLetter<'_, E>, payload: &[u8]) -> Self {
        Self {
            kind: letter.kind.to_owned(),
            sequence: letter.sequence,
            attempts: letter.attempts,
            age_ms: u64::try_from(letter.age.as_millis()).unwrap_or(u64::MAX),
            code: letter.reason.code().to_owned(),
            message: letter.reason.message().to_owned(),
            payload: BASE64_STANDARD.encode(payload),
        }
    }

    pub(super) fn into_letter(self) -> Result<OwnedDeadLetter, base64::DecodeError> {
        Ok(OwnedDeadLetter {
            payload: BASE64_STANDARD.decode(self.payload)?,
            kind: self.kind,
            sequence: self.sequence,
            attempts: self.attempts,
            age: Duration::from_millis(self.age_ms),
            code: self.code,
            message: self.message,
        })
    }
}

#[derive(Debug)]
struct Letters {
    path: PathBuf,
    end: Mutex<End>,
}

/// The end of the file, where lines are written.
#[derive(Debug)]
struct End {
    file: File,
    /// The file does not end with a newline: a line was begun and not finished.
    torn: bool,
}

impl FileDeadLetters {
    /// Opens the file for appending, and makes it where there is none. Its folder must exist.
    ///
    /// Blocks for a few file operations. Have one handler for a file: two would mix their lines.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], naming the file, when it cannot be opened or made.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let open = || -> io::Result<End> {
            let mut file = File::options().create(true).append(true).read(true).open(&path)?;
            let torn = is_torn(&mut file)?;
            // A new file is there for good only when its folder is on the disk too.
            sync_folder(match path.parent() {
                Some(folder) if folder != Path::new("") => folder,
                _ => Path::new("."),
            })?;
            Ok(End { file, torn })
        };
        match open() {
            Ok(end) => Ok(Self {
                file: Arc::new(Letters { path, end: Mutex::new(end) }),
                payload: Encoded,
            }),
            Err(source) => Err(failed(
                ErrorKind::Config,
                "open",
                "cannot open the dead letter file",
                &path,
                source,
            )),
        }
    }

    /// Writes what `payload` gives in place of [`SnapshotEntry::encode`], for entries that have
    /// none, or to make the payload readable.
    pub fn payload<E, P>(self, payload: P) -> FileDeadLetters<P>
    where
        P: Fn(&E) -> Vec<u8> + Send + Sync + 'static,
    {
        FileDeadLetters { file: self.file, payload }
    }

    /// Reads a file of dead letters, from its beginning, line by line.
    ///
    /// A line that is no dead letter is given as an error that names it, and reading goes on after
    /// it. A crash leaves such a line: its entry was not given up then, so it is no loss.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], naming the file, when it cannot be opened.
    pub fn read(path: impl Into<PathBuf>) -> Result<DeadLetterReader, Error> {
        DeadLetterReader::open(path.into())
    }
}

/// The letter is written on one of tokio's threads for blocking work, and forced to the disk.
impl<E: SnapshotEntry> DeadLetterHandler<E> for FileDeadLetters {
    fn handle(&self, letter: &DeadLetter<'_, E>) -> DeadLetterFuture {
        self.file.append(&Line::new(letter, &letter.entry.to_bytes()))
    }
}

impl<E, P> DeadLetterHandler<E> for FileDeadLetters<P>
where
    P: Fn(&E) -> Vec<u8> + Send + Sync + 'static,
{
    fn handle(&self, letter: &DeadLetter<'_, E>) -> DeadLetterFuture {
        self.file.append(&Line::new(letter, &(self.payload)(letter.entry)))
    }
}

impl Letters {
    fn append(self: &Arc<Self>, line: &Line) -> DeadLetterFuture {
        let (letters, line) = (Arc::clone(self), serde_json::to_vec(line));
        Box::pin(async move {
            let line = line?;
            blocking(ErrorKind::Fatal, "dead letter", move || letters.write(line)).await?;
            Ok(())
        })
    }

    fn write(&self, mut line: Vec<u8>) -> Result<(), Error> {
        line.push(b'\n');
        // Nothing panics under the lock but a failing allocation; a torn line is known as such.
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        end.write(line).map_err(|source| {
            failed(ErrorKind::Fatal, "dead letter", "cannot write", &self.path, source)
        })
    }
}

impl End {
    fn write(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        if self.torn {
            line.insert(0, b'\n');
        }
        self.torn = true;
        self.file.write_all(&line)?;
        self.torn = false;
        self.file.sync_data()
    }
}

/// Whether the file ends in the middle of a line.
fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

impl<P> fmt::Debug for FileDeadLetters<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileDeadLetters").field("path", &self.file.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
