//! What becomes of lines that cannot be sent.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::{
    args::OnBadLine,
    records::{BadKind, BadLine},
};

/// Counts bad lines, and keeps them where the user asked for it.
#[derive(Debug)]
pub(crate) struct BadLines {
    file_name: String,
    policy: Policy,
    pub(crate) counts: BTreeMap<BadKind, u64>,
}

#[derive(Debug)]
enum Policy {
    Stop,
    Skip,
    DeadLetter(PathBuf, BufWriter<File>),
}

/// One line of the dead-letter file.
#[derive(Serialize)]
struct DeadLetter<'a> {
    file: &'a str,
    line: u64,
    reason: &'a str,
    /// The line, if it is UTF-8; the beginning of one that was too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The line in base64, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl BadLines {
    /// `input` is the file that is read, and must not be the one that is written.
    pub(crate) fn new(policy: &OnBadLine, input: &Path, file_name: String) -> io::Result<Self> {
        let policy = match policy {
            OnBadLine::Stop => Policy::Stop,
            OnBadLine::Skip => Policy::Skip,
            OnBadLine::DeadLetter(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path)?;
                if is_same_file(input, path) {
                    return Err(io::Error::other("it is the file that is read"));
                }
                Policy::DeadLetter(path.clone(), BufWriter::new(file))
            }
        };
        Ok(Self { file_name, policy, counts: BTreeMap::new() })
    }

    /// Takes a bad line.
    ///
    /// # Errors
    ///
    /// With what to tell the user, if this line ends the run.
    pub(crate) fn take(&mut self, bad: &BadLine) -> Result<(), String> {
        *self.counts.entry(bad.kind).or_default() += 1;
        let place = format!("{}:{}", self.file_name, bad.line);
        match &mut self.policy {
            Policy::Stop => Err(format!(
                "{place}: {}\nhint: --on-bad-line skip passes over such lines, --on-bad-line \
                 dead-letter=FILE keeps them",
                bad.reason
            )),
            Policy::Skip => {
                let skipped: u64 = self.counts.values().sum();
                if skipped <= 5 {
                    tracing::warn!("skipped {place}: {}", bad.reason);
                }
                if skipped == 5 {
                    tracing::warn!("further skipped lines are only counted");
                }
                Ok(())
            }
            Policy::DeadLetter(path, file) => {
                let text = std::str::from_utf8(&bad.text).ok();
                let letter = DeadLetter {
                    file: &self.file_name,
                    line: bad.line,
                    reason: &bad.reason,
                    text,
                    base64: text.is_none().then(|| STANDARD.encode(&bad.text)),
                };
                let written = serde_json::to_writer(&mut *file, &letter)
                    .map_err(io::Error::from)
                    .and_then(|()| file.write_all(b"\n"));
                written.map_err(|error| {
                    format!("{place} could not be kept in {}: {error}", path.display())
                })
            }
        }
    }

    /// Makes sure that what was kept is on the disk.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        match &mut self.policy {
            Policy::Stop | Policy::Skip => Ok(()),
            Policy::DeadLetter(path, file) => file
                .flush()
                .and_then(|()| file.get_ref().sync_all())
                .map_err(|error| format!("{} could not be written: {error}", path.display())),
        }
    }
}

/// Whether two names are those of one file that is there.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
